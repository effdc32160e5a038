//! Before a node gets new keys: the minimum that its new incarnation must hold covers everything that the old one promised.
//!
//! INVARIANT (G4): a coordinator could show officers an older log than the lost node cosigned, and then sign against what that node
//! promised. So the other nodes are asked themselves, at least t of them: of the n - t + 1 that an action takes to bind, n - t are left
//! besides the lost one, so one of them is among those who answer. It must never take the log's end from the coordinator.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_audit::Interest;
use holdfast_ledger::{
    Act, Ceremony, CeremonyKind, Event, MinimumCheckpoint, Roster, RosterChange, StatementBody,
};
use holdfast_log::Hash;
use holdfast_policy::NodeId;
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;
use tokio::time::{Instant, sleep};

use crate::binding;
use crate::failure::{Exit, Failure};
use crate::live::Replayed;
use crate::profile::{Server, Who};
use crate::replica::{self, LocalReplica};
use crate::session::Session;

/// How much of a node's list is read.
const MAX_PAGES: usize = 256;
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long the coordinator may take to log what a node got directly.
const PATIENCE: Duration = Duration::from_secs(15);
const NOT_LOGGED: &str = "STATEMENT_NOT_LOGGED";

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    size: u64,
    root: Hash,
    /// It has taken a statement that is not in its log.
    unlogged: bool,
}

/// Roots by size, and who computed them.
type Roots = BTreeMap<u64, Vec<(String, Hash)>>;

/// The log, at least as long as the other nodes hold it: its newest checkpoint is the minimum to propose.
pub(super) async fn newest(session: &Session, who: &Who, lost: &NodeId) -> Result<LocalReplica, Failure> {
    let roots = ask(session, who, lost).await?;
    let (replica, _) = read(session, roots).await?;
    Ok(replica)
}

/// Whether an officer may approve this ceremony, if it gives a node new keys: nothing that restricts may be missing below its minimum.
pub(crate) async fn check(session: &Session, who: &Who, ceremony: &Ceremony) -> Result<(), Failure> {
    let CeremonyKind::ChangeRoster(proposal) = &ceremony.kind else { return Ok(()) };
    let RosterChange::ReplaceNodeKeys { node, minimum, .. } = &proposal.change else { return Ok(()) };
    let mut roots = ask(session, who, node).await?;
    roots.entry(minimum.size).or_default().push(("the proposal".to_owned(), minimum.root));
    let (_, restrictions) = read(session, roots).await?;
    covers(minimum, &restrictions)
}

/// An action that takes something away, and where it is.
type Restriction = (u64, &'static str);

/// The lost node may have promised whatever is after the minimum, and its successor would not know.
fn covers(minimum: &MinimumCheckpoint, restrictions: &[Restriction]) -> Result<(), Failure> {
    let Some((index, action)) = restrictions.iter().find(|(index, _)| *index >= minimum.size) else {
        return Ok(());
    };
    let message = format!(
        "entry {index} (`{action}`) is after the proposal's minimum of {} entries: the node may have promised to obey it, and would forget it",
        minimum.size
    );
    Err(Failure::new(Exit::Refused, "MINIMUM_TOO_OLD", message)
        .next("do not approve it: have it proposed again, with a minimum that covers that entry"))
}

/// Asks the other nodes; again for some seconds while one of them holds a statement that an honest coordinator is about to log.
async fn ask(session: &Session, who: &Who, lost: &NodeId) -> Result<Roots, Failure> {
    let rosters = session.rosters()?;
    let roster = rosters.newest(&session.genesis);
    let begun = Instant::now();
    loop {
        let mut answers = Vec::new();
        for server in session.profile.file.nodes.iter().filter(|server| server.name != lost.as_str()) {
            answers.push((server.name.clone(), told(session, who, server).await));
        }
        match judge(roster, answers) {
            Err(failure) if failure.reason() == NOT_LOGGED && begun.elapsed() < PATIENCE => {
                sleep(RETRY_EVERY).await;
            }
            judged => return judged,
        }
    }
}

async fn told(session: &Session, who: &Who, server: &Server) -> Result<Told, Failure> {
    let mut client = OfficerServiceClient::new(session.node(who, server).await?);
    let (mut page_token, mut unlogged) = (String::new(), false);
    for _ in 0..MAX_PAGES {
        let page = client.statements(v1::StatementsRequest { page_size: 0, page_token }).await?.into_inner();
        unlogged |= page.statements.iter().any(|delivered| !delivered.lifted);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            let root = <[u8; 32]>::try_from(page.tip_root.as_slice()).map_err(|_| {
                Failure::verification("ANSWER_INVALID", format!("`{}` names no root of its log", server.name))
            })?;
            return Ok(Told { size: page.tip_size, root: Hash(root), unlogged });
        }
    }
    Err(Failure::other("ANSWER_INVALID", format!("`{}` lists statements without end", server.name)))
}

fn judge(roster: &Roster, answers: Vec<(String, Result<Told, Failure>)>) -> Result<Roots, Failure> {
    let needed = usize::from(roster.threshold()).min(roster.nodes().len().saturating_sub(1));
    let known = |name: &str| roster.nodes().iter().any(|node| node.id.as_str() == name);
    let (mut told, mut silent) = (BTreeMap::new(), Vec::new());
    for (name, answer) in answers.into_iter().filter(|(name, _)| known(name)) {
        match answer {
            Ok(answer) if answer.unlogged => return Err(not_logged(&name)),
            Ok(answer) => {
                told.insert(name, answer);
            }
            Err(failure) => silent.push(format!("{name}: {}", failure.message())),
        }
    }
    if told.len() < needed {
        let message = format!(
            "{} of the other nodes answered, {needed} must say how long their log is ({})",
            told.len(),
            silent.join("; ")
        );
        return Err(Failure::new(Exit::Unavailable, "NODES_UNAVAILABLE", message)
            .next("start them first: what the lost node promised is known only through them"));
    }
    let mut roots = Roots::new();
    for (name, Told { size, root, .. }) in told {
        roots.entry(size).or_default().push((name, root));
    }
    Ok(roots)
}

fn not_logged(node: &str) -> Failure {
    let message = format!("`{node}` has taken an officer's statement that is not in its log yet");
    Failure::new(Exit::Held, NOT_LOGGED, message).next(format!(
        "get it logged first, or the node's successor would not know of it: holdfast officer statements --node {node}"
    ))
}

/// Reads the log at least as far as the roots go, and compares every one of them.
async fn read(session: &Session, roots: Roots) -> Result<(LocalReplica, Vec<Restriction>), Failure> {
    let longest = roots.last_key_value().map_or(0, |(size, _)| *size);
    let restrictions = RefCell::new(Vec::new());
    let mut watch = |event: &Event<'_>| restrictions.borrow_mut().extend(restriction(event));
    let replayed = Replayed::new(session, Interest::Everything, Some(&mut watch))?.with_roots(roots);
    let replica =
        replica::read_until(session, replayed, |history, _| Ok(history.replica().size() >= longest)).await?;
    if replica.checkpoint.size < longest {
        let shown = replica.checkpoint.size;
        let message =
            format!("nodes hold {longest} entries, the coordinator shows {shown}: the log's end is missing");
        return Err(Failure::new(Exit::Unavailable, "LOG_INCOMPLETE", message)
            .next("sign nothing until it shows them; if it never does, ask its operator"));
    }
    Ok((replica, restrictions.into_inner()))
}

fn restriction(event: &Event<'_>) -> Option<Restriction> {
    let Some(Act::Statement { statement, .. }) = event.act else { return None };
    let acts = event.rejection().is_none() && binding::restricts(event.state, &statement.body);
    acts.then(|| (event.index(), StatementBody::action(&statement.body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Sink as _;
    use crate::testing::TestCell;

    fn told(size: u64, unlogged: bool) -> Result<Told, Failure> {
        Ok(Told { size, root: Hash([1; 32]), unlogged })
    }

    fn judged(answers: &[(&str, Result<Told, Failure>)]) -> Result<Roots, String> {
        let cell = TestCell::new();
        let owned = answers.iter().map(|(name, answer)| {
            let answer = answer.as_ref().ok().cloned().ok_or_else(|| Failure::other("DOWN", "down"));
            ((*name).to_owned(), answer)
        });
        judge(cell.state().roster(), owned.collect()).map_err(|failure| failure.reason().to_owned())
    }

    #[test]
    fn too_few_other_nodes_are_not_enough_to_know_what_the_lost_one_promised() {
        let down = || Err(Failure::other("DOWN", "down"));
        let both = judged(&[("node-1", told(7, false)), ("node-3", told(9, false))]).unwrap();
        assert_eq!(both.keys().copied().collect::<Vec<_>>(), [7, 9]);
        for answers in [
            vec![("node-1", told(7, false)), ("node-3", down())],
            vec![("node-1", told(7, false)), ("node-9", told(7, false))],
            vec![("node-1", told(7, false)), ("node-1", told(7, false))],
            vec![],
        ] {
            assert_eq!(judged(&answers).unwrap_err(), "NODES_UNAVAILABLE");
        }
    }

    #[test]
    fn statement_that_only_a_node_knows_is_logged_before_anybodys_keys_are_replaced() {
        let answers = [("node-1", told(7, false)), ("node-3", told(7, true))];
        assert_eq!(judged(&answers).unwrap_err(), "STATEMENT_NOT_LOGGED");
    }

    #[test]
    fn minimum_before_something_that_restricts_is_not_approved() {
        let mut cell = TestCell::ready();
        let minimum = |cell: &TestCell| MinimumCheckpoint {
            size: cell.state().size(),
            root: cell.history.replica().root(),
        };
        let before = minimum(&cell);
        let statement = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        cell.accept(&statement);
        let mut found = Vec::new();
        let mut history =
            holdfast_audit::History::begin(&cell.log[0], &cell.session.profile.genesis_sha256).unwrap();
        for entry in &cell.log[1..] {
            history.append_watched(entry, &mut |event| found.extend(restriction(event))).unwrap();
        }
        assert_eq!(covers(&before, &found).unwrap_err().reason(), "MINIMUM_TOO_OLD");
        covers(&minimum(&cell), &found).unwrap();
    }

    #[test]
    fn log_that_is_not_the_one_that_a_node_holds_is_refused() {
        let cell = TestCell::ready();
        let size = cell.state().size();
        let replay = |root: Hash| {
            let roots = Roots::from([(size, vec![("node-1".to_owned(), root)])]);
            let mut replayed =
                Replayed::new(&cell.session, Interest::Everything, None).unwrap().with_roots(roots);
            cell.log.iter().try_for_each(|entry| replayed.push(entry))
        };
        replay(cell.history.replica().root()).unwrap();
        let failure = replay(Hash([7; 32])).unwrap_err();
        assert_eq!((failure.reason(), failure.exit()), ("LOG_FORKED", Exit::Verification));
        assert!(failure.to_string().contains("node-1"), "{failure}");
    }
}
