//! `holdfast officer holds`: what waits for people, for customers or for time. Everything in it is replayed here; it decides
//! nothing.

use std::collections::BTreeSet;

use clap::Args;
use comfy_table::{Table, presets};
use holdfast_ledger::{State, Withdrawal, WithdrawalState};
use holdfast_policy::{
    HoldRequirement, OfficerId, ReasonCode, RequiredApprovals, RoleName, RuleKind, TimestampMs,
};
use serde_json::{Value, json};

use crate::amount::show_money;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::replica;
use crate::session::Session;

/// Which holds.
#[derive(Args, Clone, Debug)]
pub(crate) struct HoldsArgs {
    /// Only those that have waited for longer than the policy wants
    #[arg(long)]
    escalated: bool,
    /// Only those that this officer looks after or could approve now
    #[arg(long = "for", value_name = "OFFICER")]
    officer: Option<OfficerId>,
}

/// A hold and what it lacks.
struct Held<'a> {
    withdrawal: &'a Withdrawal,
    hold: &'a HoldRequirement,
    missing: RequiredApprovals,
    /// Whether the customer has still to confirm it.
    customer: bool,
}

/// Those that have waited longest come first.
pub(super) async fn list(session: &Session, args: &HoldsArgs) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let (state, now) = (replica.state(), clock::now());
    let mut held = held(state, now);
    if args.escalated {
        held.retain(|held| is_escalated(held.hold, now));
    }
    if let Some(officer) = &args.officer {
        let known = state.roster().officer(officer).ok_or_else(|| {
            let message = format!("the roster has no officer `{officer}`");
            Failure::new(Exit::NotFound, "UNKNOWN_PARTY", message).next("holdfast roster show")
        })?;
        held.retain(|held| held.is_for(officer, &known.roles, now));
    }
    let json: Vec<Value> = held.iter().map(|held| held.to_json(now)).collect();
    let text = shown(&held, session, now);
    Ok(Answer::new(json!({"holds": json}), format!("{text}({})", replica.provenance())))
}

fn held(state: &State, now: TimestampMs) -> Vec<Held<'_>> {
    let is_held = |withdrawal: &&Withdrawal| withdrawal.state_at(now) == WithdrawalState::Held;
    let of = |withdrawal| Held::of(state, withdrawal, now);
    let mut held: Vec<_> = state.open_withdrawals().filter(is_held).filter_map(of).collect();
    held.sort_by_key(|held| (held.withdrawal.received_at, held.withdrawal.id));
    held
}

fn is_escalated(hold: &HoldRequirement, now: TimestampMs) -> bool {
    hold.escalation.as_ref().is_some_and(|escalation| now >= escalation.at)
}

impl<'a> Held<'a> {
    fn of(state: &State, withdrawal: &'a Withdrawal, now: TimestampMs) -> Option<Self> {
        let hold = withdrawal.decision.hold()?;
        let attested = |rule: &holdfast_policy::RuleResult| {
            rule.kind == RuleKind::StepUp && rule.code == ReasonCode::StepUpComplete
        };
        let customer = hold.step_up && !withdrawal.decision.rules.iter().any(attested);
        Some(Self { withdrawal, hold, missing: state.missing_approvals(withdrawal, now), customer })
    }

    /// Whether an officer with these roles looks after it, or has a part in it that is still to be done.
    fn is_for(&self, officer: &OfficerId, roles: &BTreeSet<RoleName>, now: TimestampMs) -> bool {
        let digest = self.hold.digest();
        let approved = self.withdrawal.approvals.iter().any(|approval| {
            approval.officer == *officer && approval.hold == digest && now < approval.expires_at
        });
        let could_approve = !approved && self.missing.keys().any(|role| roles.contains(role));
        could_approve || self.hold.looked_after_by(now).any(|role| roles.contains(role))
    }

    fn to_json(&self, now: TimestampMs) -> Value {
        let Self { withdrawal, hold, missing, customer } = self;
        let request = &withdrawal.request;
        json!({
            "withdrawal_id": withdrawal.id.to_string(),
            "received_at_ms": withdrawal.received_at.0,
            "customer": request.customer,
            "client": request.client,
            "wallet": request.wallet,
            "asset": request.asset,
            "amount": request.amount.to_string(),
            "destination": request.destination.to_string(),
            "calldata": request.calldata.as_ref().map(ToString::to_string),
            "hold": hold,
            "hold_digest": hold.digest().to_string(),
            "approved_by": withdrawal.approvals.iter().map(|approval| approval.officer.to_string()).collect::<Vec<_>>(),
            "missing": missing,
            "customer_must_confirm": customer,
            "looked_after_by": hold.looked_after_by(now).collect::<Vec<_>>(),
            "escalated": is_escalated(hold, now),
        })
    }

    /// What is still to be done, and by whom.
    fn waits_for(&self) -> String {
        let mut parts: Vec<_> =
            self.missing.iter().map(|(role, count)| format!("{count} more of {role}")).collect();
        if self.customer {
            parts.push("the customer".to_owned());
        }
        if let Some(at) = self.hold.not_before.filter(|_| self.hold.release_at.is_none()) {
            parts.push(format!("not before {at}"));
        }
        if parts.is_empty() { "time".to_owned() } else { parts.join(", ") }
    }

    fn ends(&self) -> String {
        match self.hold.release_at {
            Some(at) => format!("released {at}"),
            None => format!("denied {}", self.hold.deadline),
        }
    }

    fn looked_after(&self, now: TimestampMs) -> String {
        let called = match &self.hold.escalation {
            Some(escalation) if now >= escalation.at => {
                format!("; ESCALATED to {} since {}", escalation.to, escalation.at)
            }
            Some(escalation) => format!("; {} from {}", escalation.to, escalation.at),
            None => String::new(),
        };
        format!("{}{called}", self.hold.owner)
    }
}

fn shown(held: &[Held<'_>], session: &Session, now: TimestampMs) -> String {
    if held.is_empty() {
        return "nothing is held\n".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["withdrawal", "customer", "pays", "because", "waits for", "ends", "looked after by"]);
    for held in held {
        let request = &held.withdrawal.request;
        let because: BTreeSet<&str> = held.hold.reasons.iter().map(|reason| reason.code.code()).collect();
        let money = show_money(&request.amount.to_string(), request.asset.as_str(), session.assets());
        table.add_row([
            held.withdrawal.id.to_string(),
            request.customer.to_string(),
            match &request.calldata {
                None => format!("{money} from {} to {}", request.wallet, request.destination),
                Some(calldata) => {
                    let called = calldata.summary();
                    format!("{money} from {} to {}, calling {called}", request.wallet, request.destination)
                }
            },
            because.into_iter().collect::<Vec<_>>().join(", "),
            held.waits_for(),
            held.ends(),
            held.looked_after(now),
        ]);
    }
    format!("{table}\nnext: holdfast withdraw approve WITHDRAWAL --officer NAME\n")
}
