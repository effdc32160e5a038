//! Wire messages as JSON documents: the same names as in the `.proto` files, bytes as `0x` hexadecimal.

use holdfast_proto::v1;
use serde_json::{Value, json};

/// An enum's name without its type: `SIGNED`.
fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

pub(crate) fn state_name(withdrawal: &v1::Withdrawal) -> String {
    short(withdrawal.state().as_str_name(), "WITHDRAWAL_STATE_")
}

pub(crate) fn phase_name(ceremony: &v1::Ceremony) -> String {
    short(ceremony.phase().as_str_name(), "CEREMONY_PHASE_")
}

pub(crate) fn outcome_name(decision: &v1::Decision) -> String {
    short(decision.outcome().as_str_name(), "OUTCOME_")
}

pub(crate) fn verdict_name(rule: &v1::RuleResult) -> String {
    short(rule.verdict().as_str_name(), "VERDICT_")
}

pub(crate) fn hex0x(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn position(position: &v1::LogPosition) -> Value {
    json!({"index": position.index, "time_ms": position.time_ms})
}

fn reason(reason: &v1::Reason) -> Value {
    json!({"code": reason.code, "sentence": reason.sentence})
}

pub(crate) fn decision(decision: &v1::Decision) -> Value {
    let rules: Vec<_> = decision
        .rules
        .iter()
        .map(|rule| {
            json!({"rule": rule.rule, "kind": rule.kind, "verdict": verdict_name(rule), "code": rule.code, "detail": rule.detail})
        })
        .collect();
    json!({
        "outcome": outcome_name(decision),
        "rules": rules,
        "risk": decision.risk.as_ref().map(risk),
        "hold": decision.hold.as_ref().map(hold),
        "policy_version": decision.policy_version,
        "policy_hash": hex::encode(&decision.policy_hash),
    })
}

fn risk(risk: &v1::RiskScore) -> Value {
    let components: Vec<_> = risk
        .components
        .iter()
        .map(|part| json!({"code": part.code, "reason": part.reason, "weight": part.weight, "contribution": part.contribution}))
        .collect();
    json!({"score": risk.score, "components": components})
}

fn hold(hold: &v1::HoldRequirement) -> Value {
    let approvals: serde_json::Map<String, Value> =
        hold.approvals.iter().map(|(role, count)| (role.clone(), json!(count))).collect();
    json!({
        "approvals": approvals,
        "deadline_ms": hold.deadline_ms,
        "owner_role": hold.owner_role,
        "step_up_required": hold.step_up_required,
        "hold_digest": hex::encode(&hold.hold_digest),
        "reasons": hold.reasons.iter().map(reason).collect::<Vec<_>>(),
        "release_at_ms": hold.release_at_ms,
        "not_before_ms": hold.not_before_ms,
        "escalation_role": hold.escalation_role,
        "escalation_at_ms": hold.escalation_at_ms,
    })
}

pub(crate) fn effects(effects: &v1::Effects) -> Value {
    json!({
        "chain_id": effects.chain_id,
        "asset": effects.asset,
        "contract": effects.contract,
        "destination": effects.destination,
        "amount": effects.amount,
        "max_fee_wei": effects.max_fee_wei,
        "account_nonce": effects.account_nonce,
        "calldata": (!effects.calldata.is_empty()).then(|| hex0x(&effects.calldata)),
    })
}

pub(crate) fn withdrawal(withdrawal: &v1::Withdrawal) -> Value {
    let approvals: Vec<_> = withdrawal
        .approvals
        .iter()
        .map(|approval| json!({"officer": approval.officer, "roles": approval.roles, "time_ms": approval.time_ms}))
        .collect();
    json!({
        "id": withdrawal.id,
        "state": state_name(withdrawal),
        "reason": withdrawal.reason.as_ref().map(reason),
        "client": withdrawal.client,
        "wallet": withdrawal.wallet,
        "asset": withdrawal.asset,
        "amount": withdrawal.amount,
        "destination": withdrawal.destination,
        "fee_cap_wei": withdrawal.fee_cap_wei,
        "customer": withdrawal.customer,
        "idempotency_key": withdrawal.idempotency_key,
        "created_at_ms": withdrawal.created_at_ms,
        "expires_at_ms": withdrawal.expires_at_ms,
        "decision": withdrawal.decision.as_ref().map(decision),
        "effects": withdrawal.effects.as_ref().map(effects),
        "unsigned_transaction": hex0x(&withdrawal.unsigned_transaction),
        "approvals": approvals,
        "positions": withdrawal.positions.as_ref().map(positions),
        "missing_nodes": withdrawal.missing_nodes,
        "receipt": withdrawal.receipt.as_ref().map(receipt),
        "intent_digest": hex::encode(&withdrawal.intent_digest),
        "kind": kind_name(withdrawal),
        "replaces": named(&withdrawal.replaces),
        "replaced_by": named(&withdrawal.replaced_by),
        "outcomes": withdrawal.outcomes.iter().map(outcome_report).collect::<Vec<_>>(),
        "tombstones": withdrawal.tombstones,
        "tombstones_needed": withdrawal.tombstones_needed,
        "deposit_index": withdrawal.deposit_index,
        "replicas": withdrawal.replicas,
    })
}

fn named(id: &str) -> Option<&str> {
    Some(id).filter(|id| !id.is_empty())
}

pub(crate) fn kind_name(withdrawal: &v1::Withdrawal) -> String {
    short(withdrawal.kind().as_str_name(), "WITHDRAWAL_KIND_")
}

pub(crate) fn transaction_outcome_name(report: &v1::OutcomeReport) -> String {
    short(report.outcome().as_str_name(), "TRANSACTION_OUTCOME_")
}

fn outcome_report(report: &v1::OutcomeReport) -> Value {
    json!({
        "outcome": transaction_outcome_name(report),
        "transaction_hash": hex0x(&report.transaction_hash),
        "block_number": report.block_number,
        "observed_at_ms": report.observed_at_ms,
        "position": report.position.as_ref().map(position),
    })
}

fn positions(positions: &v1::WithdrawalPositions) -> Value {
    json!({
        "request": positions.request.as_ref().map(position),
        "transaction": positions.transaction.as_ref().map(position),
        "decision": positions.decision.as_ref().map(position),
        "authorization": positions.authorization.as_ref().map(position),
        "signature": positions.signature.as_ref().map(position),
    })
}

fn receipt(receipt: &v1::Receipt) -> Value {
    json!({
        "address": receipt.address,
        "public_key": hex::encode(&receipt.public_key),
        "signing_hash": hex0x(&receipt.signing_hash),
        "signature": hex0x(&receipt.signature),
        "raw_transaction": hex0x(&receipt.raw_transaction),
        "transaction_hash": hex0x(&receipt.transaction_hash),
        "request_entry": utf8(&receipt.request_entry),
        "authorization_entry": utf8(&receipt.authorization_entry),
        "authorization_proof": utf8(&receipt.authorization_proof),
        "signature_entry": utf8(&receipt.signature_entry),
        "tlog_proof": utf8(&receipt.tlog_proof),
        "replaced_request_entries": receipt.replaced_request_entries.iter().map(|entry| utf8(entry)).collect::<Vec<_>>(),
    })
}

pub(crate) fn ceremony(ceremony: &v1::Ceremony) -> Value {
    let approvals: Vec<_> = ceremony
        .approvals
        .iter()
        .map(|approval| json!({"officer": approval.officer, "roles": approval.roles, "time_ms": approval.time_ms}))
        .collect();
    let quorum: serde_json::Map<String, Value> =
        ceremony.quorum.iter().map(|(role, count)| (role.clone(), json!(count))).collect();
    json!({
        "id": ceremony.id,
        "kind": ceremony.kind,
        "phase": phase_name(ceremony),
        "reason": ceremony.reason.as_ref().map(reason),
        "description": ceremony.description,
        "proposer": ceremony.proposer,
        "approvals": approvals,
        "quorum": quorum,
        "expires_at_ms": ceremony.expires_at_ms,
        "blocked_by": ceremony.blocked_by,
        "progress": ceremony.progress.as_ref().map(|progress| json!({"round": progress.round, "of": progress.of})),
        "position": ceremony.position.as_ref().map(position),
        "result_ids": ceremony.result_ids,
    })
}

pub(crate) fn event(at: Option<&v1::LogPosition>, subject: Value) -> Value {
    json!({"position": at.map(position), "subject": subject})
}

pub(crate) fn paused_wallet(wallet: &v1::PausedWallet) -> Value {
    let pauses: Vec<_> = wallet
        .pauses
        .iter()
        .map(|pause| {
            let breaker = pause.breaker.as_ref().map(|trip| {
                json!({"rule": trip.rule, "policy_version": trip.policy_version,
                       "withdrawal": trip.withdrawal_id, "cause": trip.cause})
            });
            json!({"statement_hash": hex::encode(&pause.statement_hash), "officer": pause.officer,
                   "index": pause.position.as_ref().map(|position| position.index), "breaker": breaker})
        })
        .collect();
    json!({"wallet": wallet.wallet_id, "pauses": pauses})
}

pub(crate) fn node(node: &v1::ClusterNode) -> Value {
    let latches: Vec<_> = node
        .latches
        .iter()
        .map(|latch| {
            json!({"scope": latch.scope, "id": latch.id, "officer": latch.officer,
                   "statement_hash": hex::encode(&latch.statement_hash), "since_ms": latch.since_ms})
        })
        .collect();
    json!({
        "name": node.name,
        "operator": node.operator,
        "provider": node.provider,
        "region": node.region,
        "reachable": node.reachable,
        "tip_size": node.tip_size,
        "root": hex::encode(&node.root),
        "cosignature_time_ms": node.cosignature_time_ms,
        "cosignature_age_ms": node.cosignature_age_ms,
        "clock_offset_ms": node.clock_offset_ms,
        "round_trip_us": node.round_trip_us,
        "latches": latches,
        "last_error": node.last_error,
        "unmaintained_engines": node.unmaintained_engines,
    })
}
