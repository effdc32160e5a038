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
use holdfast_audit::Interest;
use holdfast_ledger::{Event, Roster, StatementBody, StatementDigest};
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
    lifted: bool,
    tally: Tally,
    roster: Roster,
    /// Size of the log that was read; `None` if it could not be.
    log_size: Option<u64>,
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
            "lifted": self.lifted,
            "log_size": self.log_size,
            "nodes": self.tally.json(&self.roster),
            "held": self.level().held,
            "level": self.level().json(),
        })
    }

    pub(crate) fn text(&self) -> String {
        let place = match (&self.action, self.log_size) {
            (Some(action), Some(size)) => {
                format!("{}: `{}`, entry {} of {size}", self.subject, action.says, action.index)
            }
            (_, Some(size)) => format!("{}: not in the log of {size} entries yet", self.subject),
            (_, None) => format!(
                "{}: the log cannot be read: only receipts count, and whether officers have lifted it since is not known",
                self.subject
            ),
        };
        let lifted =
            if self.lifted { "\n  LIFTED since, by officers: it restricts nothing any more" } else { "" };
        let lines = self.tally.lines(&self.roster);
        format!(
            "{place}{lifted}\n{lines}{}",
            self.level().text("are held to it from now on, restarts included")
        )
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
        object.insert("reached".to_owned(), json!(reached && !binding.lifted));
        object.insert("problems".to_owned(), followed.problems.iter().map(problem).collect());
    }
    let exit = match (reached, binding.lifted) {
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
    let found = RefCell::new(Found::default());
    let mut watch = |event: &Event<'_>| found.borrow_mut().note(&args.subject, event);
    let mut replayed = Replayed::new(session, Interest::Nothing, Some(&mut watch))?;
    let officer = session.profile.choose(Role::Officer, args.officer.as_deref()).ok();
    let (mut tally, begun, mut shown) = (Tally::default(), Instant::now(), None);
    let spinner = session.output.spinner(format!("{}: reading the log", args.subject));
    let (action, problems, note, log_failure) = loop {
        let (note, log_failure) = match read(session, &mut replayed).await {
            Ok(note) => (Some(note), None),
            Err(failure) if failure.is_unavailable() => (None, Some(failure)),
            Err(failure) => return Err(failure.during("reading the log")),
        };
        let state = replayed.state();
        let action = state.map_or(Ok(None), |state| found.borrow().action(state, &args.subject))?;
        if let (Some(action), Some(note), Some(history)) = (&action, &note, replayed.history()) {
            tally.take_note(history, note, action.index)?;
        }
        let rosters = rosters(session, &replayed)?;
        let problems =
            receipts(session, officer.as_ref(), &rosters, args.subject, action.as_ref(), &mut tally).await;
        let level = rosters.first().map(|roster| tally.level(roster));
        if level != shown {
            shown = level;
            spinner.set_message(progress(&args.subject, level, args.against));
        }
        if level.is_some_and(|level| level.binds(args.against)) || begun.elapsed() >= args.timeout {
            break (action, problems, note, log_failure);
        }
        sleep(LOOK_EVERY).await;
    };
    spinner.finish_and_clear();
    let rosters = rosters(session, &replayed)?;
    let roster = rosters.into_iter().next().unwrap_or_else(|| session.genesis.roster.clone());
    let log_size = replayed.state().map(holdfast_ledger::State::size);
    let lifted = match (&action, replayed.state()) {
        (Some(Action { statement: Some((digest, body)), .. }), Some(state)) => {
            subject::is_lifted(state, digest, body)
        }
        (_, _) => false,
    };
    if let Some(note) = note {
        let history = replayed.into_history()?;
        live::remember(session, &note, history.state())?;
    }
    let waits_for = found.borrow().waits_for().map(|id| id.to_string());
    let binding = Binding { subject: args.subject, action, lifted, tally, roster, log_size };
    Ok(Followed { binding, waits_for, problems, log_failure })
}

async fn read(session: &Session, replayed: &mut Replayed<'_>) -> Result<Vec<u8>, Failure> {
    Live::connect(session).await?.read(replayed).await
}

/// Those that count, the newest first: of the log that was read, otherwise those that this machine has seen proven.
fn rosters(session: &Session, replayed: &Replayed<'_>) -> Result<Vec<Roster>, Failure> {
    match replayed.state() {
        Some(state) => Ok(state.rosters().rev().cloned().collect()),
        None => Ok(session.rosters()?.newest_first().cloned().collect()),
    }
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

fn progress(subject: &Subject, level: Option<Level>, against: Against) -> String {
    let Some(level) = level else { return format!("{subject}: waiting") };
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
    let (roster, log_size) = (replica.state().roster().clone(), Some(replica.state().size()));
    let binding =
        bound.map(|action| Binding { subject, action: Some(action), lifted: false, tally, roster, log_size });
    Ok((replica, binding))
}

#[cfg(test)]
mod tests;
