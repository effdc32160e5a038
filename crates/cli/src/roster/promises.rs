//! Before a node gets new keys: the minimum that its new incarnation must hold covers everything that the old one promised.
//!
//! INVARIANT (G4): a coordinator could show officers an older log than the lost node cosigned, and then sign against what that node
//! promised. So the other nodes are asked themselves, at least t of them: of the n - t + 1 that an action takes to bind, n - t are left
//! besides the lost one, so one of them is among those who answer. It must never take the log's end from the coordinator, nor from a node
//! without the log key's signature.

mod told;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_audit::Interest;
use holdfast_ledger::{
    Act, Ceremony, CeremonyKind, Event, MinimumCheckpoint, Roster, RosterChange, State, StatementBody,
    StatementDigest, verify_act,
};
use holdfast_log::{Envelope, SignedCheckpoint};
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

use told::{Place, Told, agreeing, forked};

/// How much of a node's list is read.
const MAX_PAGES: usize = 256;
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long the coordinator may take to log what a node got directly.
const PATIENCE: Duration = Duration::from_secs(15);
const NOT_LOGGED: &str = "STATEMENT_NOT_LOGGED";

/// The log, at least as long as the other nodes hold it: its newest checkpoint is the minimum to propose.
pub(super) async fn newest(
    session: &Session,
    who: &Who,
    lost: &NodeId,
    pass_over: &[StatementDigest],
) -> Result<LocalReplica, Failure> {
    let (replica, _) = known(session, who, lost, pass_over, None).await?;
    Ok(replica)
}

/// Whether an officer may approve this ceremony, if it gives a node new keys: nothing that restricts may be missing below its minimum.
pub(crate) async fn check(
    session: &Session,
    who: &Who,
    ceremony: &Ceremony,
    pass_over: &[StatementDigest],
) -> Result<(), Failure> {
    let CeremonyKind::ChangeRoster(proposal) = &ceremony.kind else { return Ok(()) };
    let RosterChange::ReplaceNodeKeys { node, minimum, .. } = &proposal.change else { return Ok(()) };
    let (_, restrictions) = known(session, who, node, pass_over, Some(minimum)).await?;
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

/// Asks the other nodes and reads the log as far as theirs go; again for some seconds while one of them holds a statement that an
/// honest coordinator is about to log.
async fn known(
    session: &Session,
    who: &Who,
    lost: &NodeId,
    pass_over: &[StatementDigest],
    minimum: Option<&MinimumCheckpoint>,
) -> Result<(LocalReplica, Vec<Restriction>), Failure> {
    let begun = Instant::now();
    loop {
        let answers = ask(session, who, lost).await?;
        match read(session, &answers, pass_over, minimum).await {
            Err(failure) if failure.reason() == NOT_LOGGED && begun.elapsed() < PATIENCE => {
                sleep(RETRY_EVERY).await;
            }
            read => return read,
        }
    }
}

async fn ask(session: &Session, who: &Who, lost: &NodeId) -> Result<Vec<Told>, Failure> {
    let rosters = session.rosters()?;
    let roster = rosters.newest(&session.genesis);
    let (mut told, mut silent) = (BTreeMap::new(), Vec::new());
    let others = session.profile.file.nodes.iter().filter(|server| server.name != lost.as_str());
    for server in others.filter(|server| roster.nodes().iter().any(|node| node.id.as_str() == server.name)) {
        match ask_one(session, who, server).await {
            Ok(answer) => {
                told.insert(server.name.clone(), answer);
            }
            Err(failure) => silent.push(format!("{}: {}", server.name, failure.message())),
        }
    }
    let needed = needed(roster);
    if told.len() >= needed {
        return Ok(told.into_values().collect());
    }
    let message = format!(
        "{} of the other nodes answered, {needed} must say how long their log is ({})",
        told.len(),
        silent.join("; ")
    );
    Err(Failure::new(Exit::Unavailable, "NODES_UNAVAILABLE", message)
        .next("start them first: what the lost node promised is known only through them"))
}

/// How many of the other nodes have to agree: one of them knows whatever bound through the lost one.
fn needed(roster: &Roster) -> usize {
    usize::from(roster.threshold()).min(roster.nodes().len().saturating_sub(1))
}

async fn ask_one(session: &Session, who: &Who, server: &Server) -> Result<Told, Failure> {
    let mut client = OfficerServiceClient::new(session.node(who, server).await?);
    let (mut page_token, mut unlogged) = (String::new(), Vec::new());
    for _ in 0..MAX_PAGES {
        let page = client.statements(v1::StatementsRequest { page_size: 0, page_token }).await?.into_inner();
        let held = page.statements.into_iter().filter(|delivered| !delivered.lifted);
        unlogged.extend(held.map(|delivered| delivered.envelope));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            let note = SignedCheckpoint::parse(&page.checkpoint).map_err(|error| {
                let message = format!("`{}` shows no checkpoint of its log: {error}", server.name);
                Failure::verification("ANSWER_INVALID", message)
            })?;
            return Ok(Told { node: server.name.clone(), note, unlogged });
        }
    }
    Err(Failure::other("ANSWER_INVALID", format!("`{}` lists statements without end", server.name)))
}

/// Reads the log as far as the answers go, if that is possible, and holds them against it.
async fn read(
    session: &Session,
    answers: &[Told],
    pass_over: &[StatementDigest],
    minimum: Option<&MinimumCheckpoint>,
) -> Result<(LocalReplica, Vec<Restriction>), Failure> {
    let sizes = answers.iter().map(Told::size).chain(minimum.map(|minimum| minimum.size));
    let (restrictions, marks) = (RefCell::new(Vec::new()), RefCell::new(BTreeMap::new()));
    let mut watch = |event: &Event<'_>| restrictions.borrow_mut().extend(restriction(event));
    let replayed = Replayed::new(session, Interest::Everything, Some(&mut watch))?.marking(sizes.clone());
    let replica = replica::read_seeing(session, replayed, |replayed, _| {
        let seen = sizes.clone().filter_map(|size| Some((size, replayed.mark(size)?)));
        marks.borrow_mut().extend(seen);
        Ok(replayed.state().is_some_and(|state| {
            let signed = answers.iter().filter(|told| told.is_signed(state));
            signed.map(Told::size).max().is_none_or(|longest| state.size() >= longest)
        }))
    });
    let (replica, marks) = (replica.await?, marks.into_inner());
    if minimum.is_some_and(|minimum| marks.get(&minimum.size) != Some(&minimum.root)) {
        return Err(forked("the proposal's minimum is of another log than the one shown here"));
    }
    let state = replica.state();
    let placed: Vec<(&Told, Place)> = answers.iter().map(|told| (told, told.place(state, &marks))).collect();
    let agreeing = agreeing(needed(state.roster()), &placed)?;
    for (told, place) in placed.iter().filter(|(_, place)| *place != Place::Beginning) {
        session.output.notice(&format!("warning: {}", told.reproach(*place)));
    }
    nothing_withheld(state, &agreeing, pass_over)?;
    Ok((replica, restrictions.into_inner()))
}

/// What a node refuses without its log, the lost one may have promised too. What no officer signed, what the log has by now and
/// what is about nothing in it stops nobody; for anything else an officer says by its hash that it may be passed over.
fn nothing_withheld(state: &State, told: &[&Told], pass_over: &[StatementDigest]) -> Result<(), Failure> {
    for told in told {
        for envelope in &told.unlogged {
            let Some((digest, says)) = restricting(state, envelope) else { continue };
            if !pass_over.contains(&digest) {
                return Err(not_logged(&told.node, &digest, says));
            }
        }
    }
    Ok(())
}

fn restricting(state: &State, envelope: &[u8]) -> Option<(StatementDigest, &'static str)> {
    let envelope = Envelope::parse(envelope).ok()?;
    let act = state.rosters().rev().find_map(|roster| verify_act(roster, &envelope).ok())?;
    let Ok(Act::Statement { statement, digest, .. }) = act.act() else { return None };
    let exists = match &statement.body {
        StatementBody::PauseWallet(wallet) => state.wallet(wallet).is_some(),
        StatementBody::RevokeWhitelistEntry(id) => state.entry_place(id).is_some(),
        StatementBody::RevokeClient(client) => state.roster().client(client).is_some(),
        StatementBody::AddToScreeningList { list, .. } => state.screening_list(list).is_some(),
        StatementBody::OpenOrder(_)
        | StatementBody::ApproveOrder(_)
        | StatementBody::ProposeWallet(_)
        | StatementBody::ProposeMigration(_)
        | StatementBody::ProposeImport(_)
        | StatementBody::ProposeWhitelistEntry(_)
        | StatementBody::ProposeResume { .. }
        | StatementBody::ProposeRosterChange(_)
        | StatementBody::ProposePolicy(_)
        | StatementBody::ProposeScreening(_)
        | StatementBody::ProposeScreeningLift { .. }
        | StatementBody::ApproveCeremony(_)
        | StatementBody::ApproveHold(_)
        | StatementBody::RejectHold(_)
        | StatementBody::WithdrawApproval(_) => false,
    };
    (exists && !state.statement_acted(digest)).then(|| (*digest, statement.body.action()))
}

fn not_logged(node: &str, digest: &StatementDigest, says: &str) -> Failure {
    let message =
        format!("`{node}` has taken an officer's statement that is not in the log: `{says}`, {digest}");
    Failure::new(Exit::Held, NOT_LOGGED, message).next(format!(
        "get it logged first, or the node's successor would not know of it; read it with `holdfast officer statements --node {node}`, and only if the officers agree that it may be forgotten, pass `--pass-over {digest}`"
    ))
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

    fn told(cell: &TestCell, unlogged: Vec<Vec<u8>>) -> Told {
        Told { node: "node-1".to_owned(), note: cell.checkpoint(&[]), unlogged }
    }

    #[test]
    fn statement_that_only_a_node_knows_is_logged_before_anybodys_keys_are_replaced() {
        let mut cell = TestCell::ready();
        let statement = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        let digest = StatementDigest::of(&statement.payload);
        let told = told(&cell, vec![statement.to_json()]);
        let judged = |cell: &TestCell, pass_over: &[StatementDigest]| {
            nothing_withheld(cell.state(), &[&told], pass_over)
                .map_err(|failure| (failure.reason().to_owned(), failure.to_string()))
        };
        let (reason, shown) = judged(&cell, &[]).unwrap_err();
        assert_eq!(reason, NOT_LOGGED);
        assert!(shown.contains(&format!("--pass-over {digest}")), "{shown}");
        assert!(judged(&cell, &[StatementDigest::of(b"another")]).is_err());
        // It is passed over by name, and when it is logged
        judged(&cell, &[digest]).unwrap();
        cell.accept(&statement);
        judged(&cell, &[]).unwrap();
    }

    #[test]
    fn statement_about_nothing_or_by_nobody_blocks_no_replacement_of_keys() {
        let cell = TestCell::ready();
        let body = |entry: &str| StatementBody::RevokeWhitelistEntry(entry.parse().unwrap());
        let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        // Given a made-up whitelist entry, signed by a real officer as nodes take it
        let text = holdfast_ledger::Statement {
            cluster: cell.state().cluster().clone(),
            officer: "carol".parse().unwrap(),
            issued_at: crate::clock::now(),
            expires_at: None,
            note: String::new(),
            body: body("e-00000000000000000000000000000000"),
        };
        let text = text.render(&[]);
        let key = cell.cell.directory.join("officers/carol");
        let signature =
            crate::keys::ssh_sign(&key, holdfast_ledger::OFFICER_NAMESPACE, text.as_bytes()).unwrap();
        let mut made_up = pause.clone();
        made_up.payload = text.into_bytes();
        made_up.signatures[0].signature = signature;
        // And a pause that nobody signed, and garbage
        let mut unsigned = pause;
        unsigned.payload.push(b' ');
        for envelope in [made_up.to_json(), unsigned.to_json(), b"garbage".to_vec()] {
            let told = told(&cell, vec![envelope]);
            nothing_withheld(cell.state(), &[&told], &[]).unwrap();
        }
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
    fn roots_of_the_replayed_log_are_noted_where_nodes_say_they_are() {
        let cell = TestCell::ready();
        let size = cell.state().size();
        let mut replayed = Replayed::new(&cell.session, Interest::Everything, None)
            .unwrap()
            .marking([1, size, size + 1].into_iter());
        cell.log.iter().try_for_each(|entry| replayed.push(entry)).unwrap();
        assert_eq!(replayed.mark(size), Some(cell.history.replica().root()));
        assert!(
            replayed.mark(1).is_some() && replayed.mark(2).is_none() && replayed.mark(size + 1).is_none()
        );
    }
}
