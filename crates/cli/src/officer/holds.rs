//! `holdfast officer holds`: what waits for people or for time. Everything in it is replayed here; it decides nothing.

use holdfast_ledger::{State, Withdrawal, WithdrawalState};
use holdfast_policy::{HoldRequirement, TimestampMs};
use serde_json::{Value, json};

use crate::clock;
use crate::failure::Failure;
use crate::output::Answer;
use crate::replica;
use crate::session::Session;

/// Those that have waited longest come first.
pub(super) async fn list(session: &Session, escalated: bool) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let (text, json) = shown(replica.state(), clock::now(), escalated);
    Ok(Answer::new(json, format!("{text}({})", replica.provenance())))
}

fn shown(state: &State, now: TimestampMs, escalated: bool) -> (String, Value) {
    let is_held = |withdrawal: &&Withdrawal| withdrawal.state_at(now) == WithdrawalState::Held;
    let mut held: Vec<(&Withdrawal, &HoldRequirement)> = state
        .open_withdrawals()
        .filter(is_held)
        .filter_map(|withdrawal| Some((withdrawal, withdrawal.decision.hold()?)))
        .filter(|(_, hold)| !escalated || is_escalated(hold, now))
        .collect();
    held.sort_by_key(|(withdrawal, _)| (withdrawal.received_at, withdrawal.id));
    let text = held.iter().map(|(withdrawal, hold)| line(withdrawal, hold, now)).collect::<String>();
    let text = if held.is_empty() { "nothing is held\n".to_owned() } else { text };
    let json: Vec<Value> = held.iter().map(|(withdrawal, hold)| to_json(withdrawal, hold, now)).collect();
    (text, json!({"holds": json}))
}

fn is_escalated(hold: &HoldRequirement, now: TimestampMs) -> bool {
    hold.escalation.as_ref().is_some_and(|escalation| now >= escalation.at)
}

fn line(withdrawal: &Withdrawal, hold: &HoldRequirement, now: TimestampMs) -> String {
    let request = &withdrawal.request;
    let reasons: Vec<_> = hold.reasons.iter().map(|reason| reason.code.code()).collect();
    let needs: Vec<_> = hold.approvals.iter().map(|(role, count)| format!("{count} of {role}")).collect();
    let needs = if needs.is_empty() { "nobody".to_owned() } else { needs.join(", ") };
    let ends = match hold.release_at {
        Some(at) => format!("released at {at}"),
        None => format!("denied at {}", hold.deadline),
    };
    let not_before = hold.not_before.map(|at| format!("; not before {at}")).unwrap_or_default();
    let calls = match &hold.escalation {
        Some(escalation) if now >= escalation.at => {
            format!(", ESCALATED to {} since {}", escalation.to, escalation.at)
        }
        Some(escalation) => format!(", escalated to {} at {}", escalation.to, escalation.at),
        None => String::new(),
    };
    format!(
        "{}: {} base units of {} from `{}` to {}\n  because {}; needs {needs}; owner {}; {ends}{not_before}{calls}\n",
        withdrawal.id,
        request.amount,
        request.asset,
        request.wallet,
        request.destination,
        reasons.join(", "),
        hold.owner
    )
}

fn to_json(withdrawal: &Withdrawal, hold: &HoldRequirement, now: TimestampMs) -> Value {
    json!({
        "withdrawal_id": withdrawal.id.to_string(),
        "received_at_ms": withdrawal.received_at.0,
        "hold": hold,
        "hold_digest": hold.digest().to_string(),
        "approved_by": withdrawal.approvals.iter().map(|approval| approval.officer.to_string()).collect::<Vec<_>>(),
        "escalated": is_escalated(hold, now),
    })
}
