//! How far an officer's action binds: how many nodes promised to obey it, from signatures that were verified on this machine.
//!
//! A node promises by a cosignature of a checkpoint that contains the action (its log never goes back), or by a receipt that it gave an
//! officer directly. It must never take a server's word: a coordinator can withhold promises here, and can neither invent one nor
//! move it to another action.

mod level;
mod receipts;
mod subject;
mod tally;

use std::cell::RefCell;
use std::time::Duration;

use clap::Args;
use holdfast_audit::{Interest, LogKeys};
use holdfast_ledger::{Event, Roster, StatementBody, StatementDigest};
use holdfast_policy::TimestampMs;
use holdfast_transport::Role;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::live::{self, Live, Replayed};
use crate::output::Answer;
use crate::profile::Who;
use crate::replica::{self, LocalReplica};
use crate::session::Session;

pub(crate) use level::{Against, Level};
pub(crate) use receipts::{Order, scope, verify as verify_receipt};
use subject::{Action, Found};
pub(crate) use subject::{Subject, restricts};
use tally::Tally;

/// How often the command looks again.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long an act waits for the nodes that have not promised yet, once it is in the log.
const GRACE: Duration = Duration::from_secs(3);

/// Which action, and how far it has to bind.
#[derive(Args, Clone, Debug)]
pub(crate) struct BindingArgs {
    /// SHA-256 of a statement (the commands print it), a ceremony (`c-...`), or the index of a log entry
    #[arg(value_name = "STATEMENT|CEREMONY|ENTRY")]
    pub(crate) subject: Subject,
    /// Wait until it binds against whom
    #[arg(long, value_enum, default_value_t, value_name = "WHOM")]
    pub(crate) against: Against,
    /// The longest wait
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = clock::parse_duration)]
    pub(crate) timeout: Duration,
    /// Whose certificate to ask the nodes with for their receipts; the profile's default if absent
    #[arg(long, env = "HOLDFAST_OFFICER", value_name = "NAME")]
    pub(crate) officer: Option<String>,
}

/// How far an action binds.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    subject: Subject,
    action: Option<Action>,
    tally: Tally,
    roster: Roster,
    /// The log that was read and verified; `None` if none could be.
    log: Option<VerifiedLog>,
}

/// What a verified log says of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct VerifiedLog {
    size: u64,
    /// Up to when t nodes vouch for this being the whole log.
    witnessed: TimestampMs,
    lifted: bool,
}

impl VerifiedLog {
    /// Nodes cosign every few seconds: an old log may lack what lifted the action since.
    fn is_recent(&self) -> bool {
        clock::now().0.saturating_sub(self.witnessed.0) <= replica::STALE_AFTER_MS
    }
}

impl Binding {
    pub(crate) fn level(&self) -> Level {
        self.tally.level(&self.roster)
    }

    pub(crate) fn json(&self) -> Value {
        let statement = match (&self.action, &self.subject) {
            (Some(Action { statement: Some((digest, _)), .. }), _) | (_, Subject::Statement(digest)) => {
                Some(digest.to_string())
            }
            (_, _) => None,
        };
        json!({
            "subject": self.subject.to_string(),
            "statement": statement,
            "entry": self.action.as_ref().map(|action| action.index),
            "says": self.action.as_ref().map(|action| action.says.clone()),
            "lifted": self.log.filter(VerifiedLog::is_recent).map(|log| log.lifted),
            "log_size": self.log.map(|log| log.size),
            "log_complete_as_of_ms": self.log.map(|log| log.witnessed),
            "nodes": self.tally.json(&self.roster),
            "held": self.level().held,
            "level": self.level().json(),
        })
    }

    pub(crate) fn text(&self) -> String {
        let place = match (&self.action, self.log) {
            (Some(action), Some(log)) => {
                format!("{}: `{}`, entry {} of {}", self.subject, action.says, action.index, log.size)
            }
            (_, Some(log)) => format!("{}: not in the log of {} entries yet", self.subject, log.size),
            (_, None) => format!(
                "{}: no verified log: only nodes count that refuse by a receipt and whose log does not contain it",
                self.subject
            ),
        };
        let lifted = match self.log {
            Some(log) if log.lifted => {
                "\n  LIFTED since, by officers: it restricts nothing any more".to_owned()
            }
            Some(log) if !log.is_recent() => format!(
                "\n  the nodes last vouched for this log at {}: it may lack what lifted the action since, so it does not count",
                log.witnessed
            ),
            Some(_) | None => String::new(),
        };
        let lines = self.tally.lines(&self.roster);
        format!(
            "{place}{lifted}\n{lines}{}",
            self.level().text("are held to it from now on, restarts included")
        )
    }

    fn is_lifted(&self) -> bool {
        self.log.is_some_and(|log| log.lifted)
    }

    /// What to run to see more nodes, if there are any.
    pub(crate) fn next(&self) -> Option<String> {
        (!self.level().binds_nodes()).then(|| next(&self.subject))
    }
}

/// How to ask again later.
pub(crate) fn next(subject: &Subject) -> String {
    let name = match subject {
        Subject::Statement(digest) => digest.to_string(),
        Subject::Ceremony(id) => id.to_string(),
        Subject::Entry(index) => index.to_string(),
    };
    format!("holdfast officer binding {name} --against hostile-nodes")
}

/// `holdfast officer binding`.
pub(crate) async fn run(session: &Session, args: &BindingArgs) -> Result<Answer, Failure> {
    let followed = follow(session, args).await?;
    let binding = &followed.binding;
    let reached = binding.level().binds(args.against);
    let mut text = binding.text();
    for (node, failure) in &followed.problems {
        text.push_str(&format!("\n  receipt of {node}: {} [{}]", failure.message(), failure.reason()));
    }
    if let Some(failure) = &followed.log_failure {
        text.push_str(&format!("\n  log: {} [{}]", failure.message(), failure.reason()));
    }
    if !reached {
        text.push_str(&format!(
            "\nnot yet, after {}\n{}",
            clock::show_ms(millis(args.timeout)),
            followed.advice()
        ));
    }
    let mut json = binding.json();
    if let Some(object) = json.as_object_mut() {
        let problem = |(node, failure): &(String, Failure)| json!({"node": node, "reason": failure.reason(), "message": failure.message()});
        object.insert("reached".to_owned(), json!(reached && !binding.is_lifted()));
        object.insert("problems".to_owned(), followed.problems.iter().map(problem).collect());
    }
    let exit = match (reached, binding.is_lifted()) {
        (_, true) => Exit::Other,
        (true, false) => Exit::Success,
        (false, false) => Exit::Held,
    };
    Ok(Answer::new(json, text).with_exit(exit))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What came of waiting.
struct Followed {
    binding: Binding,
    waits_for: Option<String>,
    problems: Vec<(String, Failure)>,
    log_failure: Option<Failure>,
}

impl Followed {
    fn advice(&self) -> String {
        let proposed = match self.binding.subject {
            Subject::Ceremony(id) => Some(id.to_string()),
            Subject::Statement(_) | Subject::Entry(_) => self.waits_for.clone(),
        };
        if let (None, Some(ceremony)) = (&self.binding.action, proposed) {
            return format!(
                "next: its quorum is not met: holdfast ceremony approve {ceremony} --officer NAME"
            );
        }
        "next: `holdfast status` shows which nodes are down; a pause or a revocation can be delivered to a node directly (`--node`)".to_owned()
    }
}

/// Reads log and receipts until the action binds, or the time is up.
async fn follow(session: &Session, args: &BindingArgs) -> Result<Followed, Failure> {
    let officer = session.profile.choose(Role::Officer, args.officer.as_deref()).ok();
    let read = async |replayed: &mut Replayed<'_>| Live::connect(session).await?.read(replayed).await;
    let ask = async |rosters: &[Roster], action: Option<&Action>, tally: &mut Tally| {
        receipts(session, officer.as_ref(), rosters, args.subject, action, tally).await
    };
    follow_with(session, args, read, ask).await
}

/// The same, by whatever reads the log and asks the nodes.
// INVARIANT (G4, G7): nothing of a log counts before its checkpoint is verified, and nothing that was read of it after the newest
// one that was: a coordinator that breaks off in the middle has shown nothing.
async fn follow_with(
    session: &Session,
    args: &BindingArgs,
    mut read: impl AsyncFnMut(&mut Replayed<'_>) -> Result<Vec<u8>, Failure>,
    mut ask: impl AsyncFnMut(&[Roster], Option<&Action>, &mut Tally) -> Vec<(String, Failure)>,
) -> Result<Followed, Failure> {
    let found = RefCell::new(Found::default());
    let mut watch = |event: &Event<'_>| found.borrow_mut().note(&args.subject, event);
    let mut replayed = Replayed::new(session, Interest::Nothing, Some(&mut watch))?;
    let (mut tally, begun) = (Tally::default(), Instant::now());
    let (mut action, mut log, mut waits_for) = (None, None, None);
    let spinner = session.output.spinner(format!("{}: reading the log", args.subject));
    let (roster, problems, log_failure) = loop {
        let log_failure = match read(&mut replayed).await {
            Ok(note) => {
                let (state, met) =
                    verified(session, &replayed, &found.borrow(), args.subject, &note, &mut tally)?;
                (log, action) = (Some(state), met);
                waits_for = found.borrow().waits_for().map(|id| id.to_string());
                None
            }
            Err(failure) if failure.is_unavailable() => Some(failure),
            Err(failure) => return Err(failure.during("reading the log")),
        };
        tally.set_log_vouches(action.is_some() && log.as_ref().is_some_and(VerifiedLog::is_recent));
        // What this machine has seen proven, which a verified log has just been added to: never an older roster.
        let rosters: Vec<Roster> = session.rosters()?.newest_first().cloned().collect();
        let problems = ask(&rosters, action.as_ref(), &mut tally).await;
        let roster = rosters.into_iter().next().unwrap_or_else(|| session.genesis.roster.clone());
        let level = tally.level(&roster);
        spinner.set_message(progress(&args.subject, level, args.against));
        if level.binds(args.against) || begun.elapsed() >= args.timeout {
            break (roster, problems, log_failure);
        }
        sleep(LOOK_EVERY).await;
    };
    spinner.finish_and_clear();
    let binding = Binding { subject: args.subject, action, tally, roster, log };
    Ok(Followed { binding, waits_for, problems, log_failure })
}

/// What a log says, once its checkpoint is verified.
fn verified(
    session: &Session,
    replayed: &Replayed<'_>,
    found: &Found,
    subject: Subject,
    note: &[u8],
    tally: &mut Tally,
) -> Result<(VerifiedLog, Option<Action>), Failure> {
    let Some(history) = replayed.history() else {
        return Err(Failure::verification("LOG_EMPTY", "the coordinator shows an empty log"));
    };
    let state = history.state();
    let keys = LogKeys::of(state.roster())
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    let (_, cosigned) = keys.verify_replica(note, history.replica())?;
    replayed.check_end()?;
    live::remember(session, note, state)?;
    let action = found.action(state, &subject)?;
    if let Some(action) = &action {
        tally.take_note(history, note, action.index)?;
    }
    let lifted = match action.as_ref().and_then(|action| action.statement.as_ref()) {
        Some((digest, body)) => subject::is_lifted(state, digest, body),
        None => false,
    };
    let witnessed = TimestampMs(keys.witnessed_s(&cosigned).saturating_mul(1000));
    Ok((VerifiedLog { size: state.size(), witnessed, lifted }, action))
}

/// Asks the nodes themselves, if it is a statement that they take directly.
async fn receipts(
    session: &Session,
    officer: Option<&Who>,
    rosters: &[Roster],
    subject: Subject,
    action: Option<&Action>,
    tally: &mut Tally,
) -> Vec<(String, Failure)> {
    let digest = match (action.and_then(|action| action.statement.as_ref()), subject) {
        (Some((_, body)), _) if scope(body).is_none() => None,
        (Some((digest, _)), _) => Some(*digest),
        (None, Subject::Statement(digest)) => Some(digest),
        (None, Subject::Ceremony(_) | Subject::Entry(_)) => None,
    };
    match (digest, officer) {
        (Some(digest), Some(officer)) => receipts::collect(session, officer, rosters, &digest, tally).await,
        (_, _) => Vec::new(),
    }
}

fn progress(subject: &Subject, level: Level, against: Against) -> String {
    format!(
        "{subject}: {} of {} nodes are held to it, waits for {} more",
        level.held,
        level.total,
        level.missing(against)
    )
}

/// Reads the log until it shows that a statement acted; if that restricts, also how far it binds, after a moment for the slower nodes.
pub(crate) async fn logged(
    session: &Session,
    digest: StatementDigest,
    body: &StatementBody,
) -> Result<(LocalReplica, Option<Binding>), Failure> {
    let subject = Subject::Statement(digest);
    let found = RefCell::new(Found::default());
    let mut watch = |event: &Event<'_>| found.borrow_mut().note(&subject, event);
    let replayed = Replayed::new(session, Interest::Everything, Some(&mut watch))?;
    let (mut tally, mut acted_at, mut bound) = (Tally::default(), None, None);
    let replica = replica::read_until(session, replayed, |history, note| {
        let state = history.state();
        if !state.statement_acted(&digest) {
            return Ok(false);
        }
        let since = *acted_at.get_or_insert_with(Instant::now);
        if !restricts(state, body) {
            return Ok(true);
        }
        let Some(action) = found.borrow().action(state, &subject)? else { return Ok(true) };
        tally.take_note(history, note, action.index)?;
        bound = Some(action);
        Ok(tally.level(state.roster()).binds_nodes() || since.elapsed() >= GRACE)
    });
    let replica = replica.await?;
    if !replica.state().statement_acted(&digest) {
        let missing = "the coordinator acknowledged the statement, but its log does not show it";
        return Err(replica::not_in_log(missing));
    }
    let roster = replica.state().roster().clone();
    let log = VerifiedLog { size: replica.state().size(), witnessed: replica.witnessed, lifted: false };
    let binding =
        bound.map(|action| Binding { subject, action: Some(action), tally, roster, log: Some(log) });
    Ok((replica, binding))
}

#[cfg(test)]
mod tests;
