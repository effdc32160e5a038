//! Owns the decision about transfers between addresses of one wallet: sweeps of deposit addresses and transactions that only
//! use up an account nonce. Nobody else is paid, so no whitelist entry, limit, score or grant applies; what they can cost does.

use super::{
    case::Case,
    conclude, contract_call, fee_cap,
    finding::{Finding, Speaker},
    legal_order,
};
use crate::{
    decision::{Decision, RuleKind},
    document::{Restriction, RestrictionRule},
    evaluate::builtin,
    facts::{PolicyView, WithdrawalFacts},
    ids::RuleId,
    reason::ReasonCode,
    risk::RiskScore,
    time::TimestampMs,
};

/// Decides about one transfer from an address of a wallet to an address of the same wallet, at one time (as in
/// [`evaluate`](crate::evaluate)). That both addresses are the wallet's is for the caller to prove: a transfer that pays
/// anybody else must never come here.
///
/// Never holds: it is allowed or denied.
pub fn evaluate_own_transfer<V: PolicyView + ?Sized>(
    view: &V,
    transfer: &WithdrawalFacts,
    at: TimestampMs,
) -> Decision {
    let case = Case::gather(view, transfer, at);
    let mut findings =
        vec![builtin::wallet(&case), builtin::asset(&case), cap_exists(&case), worth_its_fee(&case)];
    findings.extend(legal_order::check_own_transfer(&case));
    findings.extend(contract_call::check_own_transfer(&case));
    findings.extend(case.document.restrictions().iter().map(|restriction| restricted(&case, restriction)));
    let nothing = RiskScore { score: 0, components: Vec::new() };
    conclude::conclude(case, nothing, view.policy_version(), findings)
}

fn restricted<'a>(case: &Case<'a>, restriction: &Restriction) -> Finding<'a> {
    let kind = match &restriction.rule {
        RestrictionRule::FeeCap(cap) => return fee_cap::check(case, &restriction.id, cap),
        RestrictionRule::Whitelist => RuleKind::Whitelist,
        RestrictionRule::LimitPerTransaction(_) => RuleKind::LimitPerTransaction,
        RestrictionRule::Screening(_) => RuleKind::Screening,
        RestrictionRule::Risk(_) => RuleKind::Risk,
        RestrictionRule::WindowLimit(_) => RuleKind::WindowLimit,
        RestrictionRule::TimeWindow(_) => RuleKind::TimeWindow,
        RestrictionRule::TravelRule(_) => RuleKind::TravelRule,
        RestrictionRule::CircuitBreaker(_) => RuleKind::CircuitBreaker,
    };
    let speaker = Speaker { kind, rule: &restriction.id };
    speaker.does_not_apply(ReasonCode::NotApplicable, "the wallet pays itself")
}

/// INVARIANT (G9): what nobody capped, a thief who owns the client could burn: without a fee cap on the chain nothing moves.
fn cap_exists<'a>(case: &Case<'a>) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::FeeCap, rule: &RuleId::builtin("fee-cap") };
    let asset = match case.asset {
        Ok(asset) => asset,
        Err(code) => return speaker.denies(code, "the chain is not known without the asset"),
    };
    let caps = case.document.restrictions().iter().filter(|restriction| {
        matches!(&restriction.rule, RestrictionRule::FeeCap(cap) if cap.chain_id == asset.chain_id)
    });
    match caps.count() {
        0 => speaker.denies(
            ReasonCode::FeeCapAbsent,
            format!("no `fee_cap` restriction for chain {}", asset.chain_id),
        ),
        _ => speaker.passes(ReasonCode::FeeCapAcceptable, format!("chain {} has a fee cap", asset.chain_id)),
    }
}

/// Moving the chain's own coin may not cost more than it moves; a transaction that moves nothing is there for its nonce.
fn worth_its_fee<'a>(case: &Case<'a>) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::FeeCap, rule: &RuleId::builtin("fee-worth") };
    let native = matches!(case.asset, Ok(asset) if asset.contract.is_none());
    let (amount, fee) = (case.withdrawal.amount, case.withdrawal.fee_cap);
    if !native || amount.is_zero() {
        return speaker.does_not_apply(ReasonCode::NotApplicable, "fee and amount are not of one kind");
    }
    if fee > amount {
        return speaker
            .denies(ReasonCode::FeeAboveAmount, format!("fee cap {fee} wei, it moves {amount} wei"));
    }
    speaker.passes(
        ReasonCode::FeeCapAcceptable,
        format!("fee cap {fee} wei is not above the {amount} wei it moves"),
    )
}
