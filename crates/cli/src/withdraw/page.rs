//! Withdrawals and decisions as text.

use holdfast_chains::Calldata;
use holdfast_policy::{TimestampMs, readable};
use holdfast_proto::v1;
use serde_json::{Value, json};

use crate::amount::{show_ether, show_money};
use crate::receipt::{KeySource, Purpose, VerifiedReceipt};
use crate::session::Session;
use crate::wire;

/// What was verified here, for programs.
pub(super) fn verified_json(verified: &VerifiedReceipt) -> Value {
    let cosigners: Vec<_> = verified
        .inclusion
        .cosignatures
        .iter()
        .map(|c| json!({"name": c.name.as_str(), "time_s": c.time_s}))
        .collect();
    let purpose = match verified.purpose {
        Purpose::Payment => json!({"kind": "PAYMENT"}),
        Purpose::FeeBump(of) => json!({"kind": "FEE_BUMP", "replaces": of}),
        Purpose::CancelOnChain(of) => json!({"kind": "CANCEL_ON_CHAIN", "replaces": of}),
        Purpose::Sweep => json!({"kind": "SWEEP"}),
    };
    json!({
        "purpose": purpose,
        "sender": verified.signed.sender(),
        "transaction_hash": verified.signed.hash(),
        "public_key": verified.public_key,
        "key_source": match verified.key_source {
            KeySource::Replayed => "replayed-log",
            KeySource::Address => "given-address",
        },
        "log_index": verified.inclusion.index,
        "log_size": verified.inclusion.checkpoint.size,
        "cosigners": cosigners,
    })
}

pub(super) fn withdrawal_text(
    session: &Session,
    withdrawal: &v1::Withdrawal,
    verified: Option<&VerifiedReceipt>,
) -> String {
    let money = show_money(&withdrawal.amount, &withdrawal.asset, session.assets());
    let mut text = format!(
        "withdrawal {}: {}\n  {}\n  from `{}` for customer `{}`, key `{}`\n",
        withdrawal.id,
        wire::state_name(withdrawal),
        does(withdrawal, &money),
        withdrawal.wallet,
        withdrawal.customer,
        withdrawal.idempotency_key,
    );
    text.push_str(&after_lines(withdrawal));
    let says_more =
        |reason: &&v1::Reason| !reason.code.is_empty() && reason.code != wire::state_name(withdrawal);
    if let Some(reason) = withdrawal.reason.as_ref().filter(says_more) {
        text.push_str(&format!("  {}: {}\n", reason.code, reason.sentence));
    }
    if !withdrawal.missing_nodes.is_empty() {
        text.push_str(&format!("  waits for {}\n", withdrawal.missing_nodes.join(", ")));
    }
    if let Some(decision) = &withdrawal.decision {
        text.push_str(&decision_lines(decision));
    }
    if let Some(verified) = verified {
        text.push_str(&receipt_text(verified));
    }
    if let Some(next) = next_step(withdrawal) {
        text.push_str(&format!("next: {next}\n"));
    }
    text
}

fn does(withdrawal: &v1::Withdrawal, money: &str) -> String {
    let to = &withdrawal.destination;
    let called = withdrawal.effects.as_ref().map(|effects| effects.calldata.as_slice()).unwrap_or_default();
    match Calldata::new(called) {
        Ok(call) => format!("calls {to} with {} and sends {money} along", call.summary()),
        Err(_) if called.is_empty() => format!("pays {money} to {to}"),
        Err(error) => format!("calls {to} with {money}, and {error}"),
    }
}

/// What it replaces and is replaced by, what its client reported, which nodes swore it off.
fn after_lines(withdrawal: &v1::Withdrawal) -> String {
    let mut text = String::new();
    match withdrawal.kind() {
        v1::WithdrawalKind::FeeBump => {
            text.push_str(&format!("  bumps the fee of {}\n", withdrawal.replaces))
        }
        v1::WithdrawalKind::CancelOnChain => {
            text.push_str(&format!(
                "  cancels {} on the chain: pays nothing to its own address\n",
                withdrawal.replaces
            ));
        }
        v1::WithdrawalKind::Sweep => {
            let index = withdrawal.deposit_index.unwrap_or_default();
            text.push_str(&format!("  sweeps deposit address {index} to the wallet's own address\n"));
        }
        v1::WithdrawalKind::Payment | v1::WithdrawalKind::Unspecified => {}
    }
    if !withdrawal.replaced_by.is_empty() {
        text.push_str(&format!(
            "  replaced by {}: only one of the two can be mined\n",
            withdrawal.replaced_by
        ));
    }
    for report in &withdrawal.outcomes {
        let block = report.block_number.map(|number| format!(" in block {number}")).unwrap_or_default();
        text.push_str(&format!("  reported {}{block}\n", wire::transaction_outcome_name(report)));
    }
    if !withdrawal.tombstones.is_empty() {
        text.push_str(&format!(
            "  {} of {} needed nodes swore never to sign it: {}\n",
            withdrawal.tombstones.len(),
            withdrawal.tombstones_needed,
            withdrawal.tombstones.join(", ")
        ));
    }
    text
}

/// Whether its transaction can never be authorized, because another one was under the same account nonce.
pub(super) fn needs_another_nonce(withdrawal: &v1::Withdrawal) -> bool {
    withdrawal.state() == v1::WithdrawalState::Bound
        && withdrawal.reason.as_ref().is_some_and(|reason| reason.code == "ACCOUNT_NONCE_USED")
}

/// Who does what now; nothing if it is over.
fn next_step(withdrawal: &v1::Withdrawal) -> Option<String> {
    let id = &withdrawal.id;
    let bind = format!("holdfast withdraw bind {id} --nonce N --max-fee-gwei GWEI --wait");
    match withdrawal.state() {
        v1::WithdrawalState::Held => Some(held_next(withdrawal)),
        v1::WithdrawalState::Bound if needs_another_nonce(withdrawal) => {
            Some(format!("bind a transaction with the account's next nonce: {bind}"))
        }
        v1::WithdrawalState::Allowed => Some(format!("bind its transaction: {bind}")),
        v1::WithdrawalState::Authorized if !withdrawal.tombstones.is_empty() => {
            Some(format!("when more nodes answer: holdfast withdraw give-up {id}"))
        }
        v1::WithdrawalState::Received | v1::WithdrawalState::Bound | v1::WithdrawalState::Authorized => {
            Some(format!("it goes on by itself: holdfast withdraw show {id}"))
        }
        v1::WithdrawalState::Signed if withdrawal.outcomes.is_empty() => Some(format!(
            "broadcast the raw transaction, then: holdfast withdraw report-outcome {id} broadcast; if it is stuck: holdfast withdraw replace {id}"
        )),
        v1::WithdrawalState::Replaced => {
            Some(format!("follow the other one: holdfast withdraw show {}", withdrawal.replaced_by))
        }
        v1::WithdrawalState::Unspecified
        | v1::WithdrawalState::Signed
        | v1::WithdrawalState::Denied
        | v1::WithdrawalState::Cancelled
        | v1::WithdrawalState::Expired
        | v1::WithdrawalState::Tombstoned => None,
    }
}

/// Who can end a hold. One whose decision was not asked for is for officers to look at.
fn held_next(withdrawal: &v1::Withdrawal) -> String {
    let id = &withdrawal.id;
    let hold = withdrawal.decision.as_ref().and_then(|decision| decision.hold.as_ref());
    match hold {
        Some(hold) if hold.approvals.is_empty() && hold.step_up_required => format!(
            "the customer confirms it with the identity provider; by hand: holdfast fact identity --subject {id}"
        ),
        Some(hold) if hold.approvals.is_empty() => {
            format!("it goes on by itself: holdfast withdraw show {id}")
        }
        Some(_) | None => format!("officers decide: holdfast withdraw approve {id} --officer NAME"),
    }
}

/// What a hold waits for: people, the customer, time.
fn hold_lines(hold: &v1::HoldRequirement) -> String {
    let mut needs: Vec<_> = hold.approvals.iter().map(|(role, count)| format!("{count} of {role}")).collect();
    needs.sort();
    if hold.step_up_required {
        needs.push("the customer's confirmation".to_owned());
    }
    if let Some(at) = hold.not_before_ms.filter(|_| !needs.is_empty()) {
        needs.push(format!("{}, before which nobody can end it", TimestampMs(at)));
    }
    let needs = if needs.is_empty() { "time alone".to_owned() } else { needs.join(", ") };
    let ends = match hold.release_at_ms {
        Some(at) => format!("released at {}", TimestampMs(at)),
        None => format!("denied at {}", TimestampMs(hold.deadline_ms)),
    };
    let called = match (&hold.escalation_role, hold.escalation_at_ms) {
        (Some(role), Some(at)) => format!("; from {} on {role}, too", TimestampMs(at)),
        (_, _) => String::new(),
    };
    format!("    waits for {needs}\n    {ends}; looked after by {}{called}\n", hold.owner_role)
}

fn receipt_text(verified: &VerifiedReceipt) -> String {
    let effects = verified.transaction.effects();
    let cosigners: Vec<_> =
        verified.inclusion.cosignatures.iter().filter_map(|c| c.name.as_str().rsplit('/').next()).collect();
    let key = match verified.key_source {
        KeySource::Replayed => "the wallet's key, from a log that was replayed on this machine",
        KeySource::Address => "the key of the address that you gave",
    };
    format!(
        "  receipt verified here: {key}\n  sender     {}\n  nonce {}, fee at most {}\n  hash       {}\n  raw        {}\n  log        entry {} of {}, cosigned by {}\n",
        verified.signed.sender(),
        effects.nonce,
        show_ether(&effects.max_fee.to_string()),
        verified.signed.hash(),
        verified.signed.raw_hex(),
        verified.inclusion.index,
        verified.inclusion.checkpoint.size,
        cosigners.join(", "),
    )
}

/// Outcome, every rule, every risk component.
pub(crate) fn decision_lines(decision: &v1::Decision) -> String {
    let mut text = format!("  decision: {}\n", wire::outcome_name(decision));
    for rule in &decision.rules {
        let verdict = wire::verdict_name(rule);
        let verdict = if verdict == "NOT_APPLICABLE" { "-" } else { verdict.as_str() };
        text.push_str(&format!(
            "    {verdict:<5} {:<18} {:<26} {}\n",
            rule.rule,
            rule.code,
            readable(&rule.detail)
        ));
    }
    if let Some(risk) = &decision.risk {
        text.push_str(&format!("    risk score {} of 100\n", risk.score));
        for part in risk.components.iter().filter(|part| part.contribution > 0) {
            text.push_str(&format!("      {} adds {}: {}\n", part.code, part.contribution, part.reason));
        }
    }
    if let Some(hold) = &decision.hold {
        text.push_str(&hold_lines(hold));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_state(state: v1::WithdrawalState, code: &str) -> v1::Withdrawal {
        let reason = v1::Reason { code: code.to_owned(), ..v1::Reason::default() };
        v1::Withdrawal { state: state.into(), reason: Some(reason), ..v1::Withdrawal::default() }
    }

    #[test]
    fn whoever_must_act_next_is_told_how() {
        for (state, code, command) in [
            (v1::WithdrawalState::Held, "ABOVE_AUTOMATIC_LIMIT", "withdraw approve"),
            (v1::WithdrawalState::Allowed, "ALLOWED", "withdraw bind"),
            (v1::WithdrawalState::Bound, "ACCOUNT_NONCE_USED", "withdraw bind"),
            (v1::WithdrawalState::Bound, "BOUND", "withdraw show"),
            (v1::WithdrawalState::Signed, "SIGNED", "withdraw report-outcome"),
            (v1::WithdrawalState::Replaced, "REPLACED", "withdraw show"),
        ] {
            let next = next_step(&in_state(state, code)).unwrap();
            assert!(next.contains(command), "{code}: {next}");
        }
        assert_eq!(next_step(&in_state(v1::WithdrawalState::Denied, "DENIED")), None);
    }

    fn held(hold: v1::HoldRequirement) -> v1::Withdrawal {
        let decision = v1::Decision { hold: Some(hold), ..v1::Decision::default() };
        v1::Withdrawal { decision: Some(decision), ..in_state(v1::WithdrawalState::Held, "X") }
    }

    #[test]
    fn hold_says_whom_and_what_it_waits_for() {
        let customer = v1::HoldRequirement { step_up_required: true, ..v1::HoldRequirement::default() };
        assert!(next_step(&held(customer.clone())).unwrap().contains("fact identity"));
        assert!(hold_lines(&customer).contains("waits for the customer's confirmation\n"));
        let time = v1::HoldRequirement {
            release_at_ms: Some(7),
            not_before_ms: Some(7),
            ..v1::HoldRequirement::default()
        };
        assert!(next_step(&held(time.clone())).unwrap().contains("by itself"));
        let lines = hold_lines(&time);
        assert!(lines.contains("waits for time alone\n    released at 1970-01-01"), "{lines}");
        let people = v1::HoldRequirement {
            approvals: [("approver".to_owned(), 2)].into(),
            not_before_ms: Some(7),
            owner_role: "desk".to_owned(),
            escalation_role: Some("chief".to_owned()),
            escalation_at_ms: Some(9),
            ..v1::HoldRequirement::default()
        };
        let lines = hold_lines(&people);
        assert!(next_step(&held(people)).unwrap().contains("withdraw approve"));
        for part in [
            "waits for 2 of approver, 1970-01-01",
            "denied at 1970-01-01",
            "looked after by desk",
            "on chief, too",
        ] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
    }

    #[test]
    fn spans_in_the_details_of_a_decision_are_written_for_people() {
        let detail = "the report of `crm` is 90000 ms old, at most 86400000 ms count".to_owned();
        let rules = vec![v1::RuleResult { rule: "risk".to_owned(), detail, ..v1::RuleResult::default() }];
        let lines = decision_lines(&v1::Decision { rules, ..v1::Decision::default() });
        assert!(lines.contains("is 1 minute 30 seconds old, at most 1 day count\n"), "{lines}");
    }

    #[test]
    fn taken_nonce_is_not_waited_for() {
        assert!(needs_another_nonce(&in_state(v1::WithdrawalState::Bound, "ACCOUNT_NONCE_USED")));
        assert!(!needs_another_nonce(&in_state(v1::WithdrawalState::Bound, "BOUND")));
    }
}
