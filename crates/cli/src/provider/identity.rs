//! `holdfast provider identity`: a reference identity provider, with a person at a terminal for every customer's second screen.
//!
//! It follows the log, shows what customers have to confirm, and attests what is confirmed. It must never attest anything but a
//! request that it showed, by the digest that it showed, nor anything that nobody confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::time::Duration;

use clap::Args;
use holdfast_audit::Interest;
use holdfast_ledger::{IdentitySubject, State, Withdrawal, WithdrawalState};
use holdfast_policy::{
    CustomerRef, IdentityMethod, IntentDigest, ProviderId, ReasonCode, RuleKind, SessionRef, TimestampMs,
};
use holdfast_transport::Role;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::amount::show_money;
use crate::clock;
use crate::fact::{self, FactCommand, IdentityFact, Reporter};
use crate::failure::{Exit, Failure};
use crate::live::{Live, Replayed};
use crate::output::Answer;
use crate::session::Session;

/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Requests that wait for an answer here at a time; others are shown when there is room.
const MOST: usize = 1_000;
const TYPED: usize = 16;

/// Whom to speak for, and how customers are identified here.
#[derive(Args, Clone, Debug)]
pub(crate) struct IdentityArgs {
    /// How customers are identified, by a name that the policy lists
    #[arg(long, default_value = "passkey")]
    method: IdentityMethod,
    /// How sure that is
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    score: u8,
    /// Pseudonym of the session in which customers answer
    #[arg(long, default_value = "terminal")]
    session: SessionRef,
    /// The provider that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
}

/// What a customer is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    subject: IdentitySubject,
    customer: CustomerRef,
    /// SHA-256 of the request that is shown.
    intent: IntentDigest,
    /// The request in words.
    what: String,
}

/// What was shown, and what became of it.
#[derive(Debug, Default)]
struct Desk {
    asked: BTreeMap<String, Question>,
    answered: BTreeSet<String>,
}

/// Until the input ends.
pub(super) async fn run(session: &Session, args: &IdentityArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Provider, args.provider.as_deref())?;
    let provider = ProviderId::new(&who.name).map_err(|error| Failure::usage(error.to_string()))?;
    session.output.notice(&format!(
        "`{provider}` shows what customers have to confirm; type `yes ID` for what a customer confirmed, `no ID` for what not"
    ));
    let (mut typed, mut desk) = (typed(), Desk::default());
    let mut log = Replayed::new(session, Interest::Nothing, None)?;
    let mut clock = interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            line = typed.recv() => match line {
                Some(line) => desk.answer(session, args, &who.name, line.trim()).await,
                None => break,
            },
            _ = clock.tick() => match look(session, &mut log).await {
                Ok(()) => desk.show(session, log.state(), &provider),
                // A log that is not what it should be stays so.
                Err(failure) if failure.exit() == Exit::Verification => return Err(failure),
                Err(failure) => session.output.notice(&format!("the log cannot be read: {}", failure.message())),
            },
        }
    }
    Ok(Answer::written())
}

/// INVARIANT (G2): what customers are shown is what was replayed and verified here.
async fn look(session: &Session, log: &mut Replayed<'_>) -> Result<(), Failure> {
    Live::connect(session).await?.read(log).await.map(drop)
}

/// What is typed, line by line, until the end of the input.
fn typed() -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel(TYPED);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receive
}

impl Desk {
    /// Shows what is new, and forgets what waits no more: if it comes to wait again, it is asked again.
    fn show(&mut self, session: &Session, state: Option<&State>, provider: &ProviderId) {
        let Some(state) = state else { return };
        let open = open(state, provider, clock::now());
        self.asked.retain(|id, question| open.get(id) == Some(question));
        self.answered.retain(|id| open.contains_key(id));
        for (id, question) in open {
            let known = self.asked.contains_key(&id) || self.answered.contains(&id);
            if !known && self.asked.len() < MOST {
                say(session, &question.to_json("ASKED"), &question.to_string());
                self.asked.insert(id, question);
            }
        }
    }

    async fn answer(&mut self, session: &Session, args: &IdentityArgs, provider: &str, line: &str) {
        let (word, id) = line.split_once(' ').unwrap_or((line, ""));
        let Some(question) = self.asked.get(id).cloned() else {
            return session
                .output
                .notice(&format!("nothing that is asked here is called `{id}`: type `yes ID` or `no ID`"));
        };
        match word {
            "yes" => match attest(session, args, provider, &question).await {
                Ok(answer) => {
                    let mut json = question.to_json("ATTESTED");
                    if let Some(members) = json.as_object_mut() {
                        members.insert("report".to_owned(), answer.json);
                    }
                    say(session, &json, &answer.text);
                }
                Err(failure) => {
                    let mut json = question.to_json("REFUSED");
                    if let Some(members) = json.as_object_mut() {
                        members.insert("failure".to_owned(), failure.to_json());
                    }
                    return say(session, &json, &failure.to_string());
                }
            },
            "no" => say(session, &question.to_json("NOT_CONFIRMED"), &format!("{id} is not attested")),
            _ => return session.output.notice("type `yes ID` or `no ID`"),
        }
        self.asked.remove(id);
        self.answered.insert(id.to_owned());
    }
}

async fn attest(
    session: &Session,
    args: &IdentityArgs,
    provider: &str,
    question: &Question,
) -> Result<Answer, Failure> {
    let fact = IdentityFact {
        subject: question.subject.clone(),
        intent: Some(question.intent),
        customer: Some(question.customer.clone()),
        method: args.method.clone(),
        score: args.score,
        session: args.session.clone(),
        reporter: Reporter { provider: Some(provider.to_owned()), sequence: None },
    };
    fact::run(session, &FactCommand::Identity(fact)).await
}

/// What waits for customers, by id, if the policy lets this provider speak for them.
fn open(state: &State, provider: &ProviderId, now: TimestampMs) -> BTreeMap<String, Question> {
    if state.policy().identity().is_none_or(|terms| !terms.providers.contains(provider)) {
        return BTreeMap::new();
    }
    let stepped_up = state.open_withdrawals().filter(|withdrawal| waits_for_customer(withdrawal, now));
    let stepped_up = stepped_up.map(|withdrawal| of_withdrawal(state, withdrawal));
    let requested = state.requested_entries().filter(|record| record.is_open_at(now)).map(|record| {
        let assets: Vec<_> = record.request.assets.iter().map(ToString::to_string).collect();
        let (address, until) = (record.request.address, record.request.expires_at_ms);
        Question {
            subject: IdentitySubject::WhitelistEntry(record.id.clone()),
            customer: record.request.customer.clone(),
            intent: record.intent,
            what: format!("may be paid until {until}: {address}, in {}", assets.join(", ")),
        }
    });
    stepped_up.chain(requested).map(|question| (question.subject.to_string(), question)).collect()
}

fn waits_for_customer(withdrawal: &Withdrawal, now: TimestampMs) -> bool {
    let attested = withdrawal
        .decision
        .rules
        .iter()
        .any(|rule| rule.kind == RuleKind::StepUp && rule.code == ReasonCode::StepUpComplete);
    withdrawal.state_at(now) == WithdrawalState::Held
        && withdrawal.decision.hold().is_some_and(|hold| hold.step_up)
        && !attested
}

fn of_withdrawal(state: &State, withdrawal: &Withdrawal) -> Question {
    let request = &withdrawal.request;
    let assets = &state.genesis().document.assets;
    let money = show_money(&request.amount.to_string(), request.asset.as_str(), assets);
    Question {
        subject: IdentitySubject::Withdrawal(withdrawal.id),
        customer: request.customer.clone(),
        intent: IntentDigest::from_bytes(withdrawal.request_digest),
        what: match &request.calldata {
            None => format!("pay {money} to {}", request.destination),
            Some(calldata) => format!("call {} with {calldata}, paying {money}", request.destination),
        },
    }
}

fn say(session: &Session, json: &Value, text: &str) {
    if session.output.is_json() {
        session.output.raw(&format!("{json}\n"));
    } else {
        session.output.line(text);
    }
}

impl Question {
    fn to_json(&self, event: &str) -> Value {
        json!({"event": event, "id": self.subject.to_string(), "customer": self.customer, "intent": self.intent,
            "what": self.what})
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subject, customer, intent, what } = self;
        write!(
            f,
            "customer `{customer}`: {what}\n  request {intent}\n  confirmed: yes {subject}\n  not confirmed: no {subject}"
        )
    }
}
