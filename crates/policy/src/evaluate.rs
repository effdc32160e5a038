//! Owns the decision: [`evaluate`] gathers the facts once, asks every rule, and concludes. It never stops at the first
//! refusal, because a decision reports every rule, and it never reads anything but its arguments (G10).

mod bands;
mod builtin;
mod case;
mod circuit_breaker;
mod conclude;
mod contract_call;
mod exposure;
mod fee_cap;
mod finding;
mod footing;
mod grant;
mod legal_order;
mod limit;
mod own_transfer;
mod risk;
mod score;
mod screening;
mod step_up;
mod time_window;
mod travel_rule;
mod whitelist;
mod window_limit;

use crate::{
    decision::Decision,
    document::{Restriction, RestrictionRule},
    facts::{PolicyView, WithdrawalFacts},
    time::TimestampMs,
};
use case::Case;
use finding::Finding;
use score::Score;

pub use footing::{Footing, footings};
pub use own_transfer::evaluate_own_transfer;

/// Decides about one withdrawal at one time.
///
/// Any denying rule denies; without a matching grant it is denied; the approvals required are the maximum for each role over
/// all rules that hold. What cannot be evaluated denies.
///
/// `at` is the time of the log entry that asks, or a node's clock, but never less than the time of the newest entry that
/// `view` contains: an earlier time would make reports look as if they came from the future.
pub fn evaluate<V: PolicyView + ?Sized>(view: &V, withdrawal: &WithdrawalFacts, at: TimestampMs) -> Decision {
    let case = Case::gather(view, withdrawal, at);
    let score = Score::of(view, &case);
    let mut findings = vec![builtin::wallet(&case), builtin::asset(&case)];
    findings.extend(legal_order::check(&case));
    findings.extend(contract_call::check(&case));
    // INVARIANT (G1): every rule of the document is asked, whatever the others say.
    findings.extend(
        case.document
            .restrictions()
            .iter()
            .flat_map(|restriction| restricted(&case, &score, view, restriction)),
    );
    findings.extend(exposure::check(&case));
    findings.extend(grant::check(&case));
    // INVARIANT (G9): asked last, so that it covers every fact that a rule looked up. An answer that could not be read never allows.
    findings.extend((!view.is_readable()).then(builtin::unreadable));
    conclude::conclude(case, score.risk, view.policy_version(), findings)
}

fn restricted<'a, V: PolicyView + ?Sized>(
    case: &Case<'a>,
    score: &Score,
    view: &V,
    restriction: &'a Restriction,
) -> Vec<Finding<'a>> {
    let id = &restriction.id;
    match &restriction.rule {
        RestrictionRule::Whitelist => vec![whitelist::check(case, id)],
        RestrictionRule::LimitPerTransaction(limit) => vec![limit::check(case, id, limit)],
        RestrictionRule::Screening(rule) => vec![screening::check(case, id, rule)],
        RestrictionRule::Risk(limits) => {
            let mut findings = vec![risk::session_report(case, id, limits), risk::score(score, id, limits)];
            // Documents that require nothing more decide as they always did, byte for byte.
            findings.extend((!limits.require.is_empty()).then(|| risk::facts(score, id, limits)));
            findings
        }
        RestrictionRule::FeeCap(cap) => vec![fee_cap::check(case, id, cap)],
        RestrictionRule::WindowLimit(limit) => vec![window_limit::check(case, view.outflows(), id, limit)],
        RestrictionRule::TimeWindow(window) => vec![time_window::check(case, id, window)],
        RestrictionRule::TravelRule(terms) => vec![travel_rule::check(case, id, terms)],
        RestrictionRule::CircuitBreaker(breaker) => {
            let tripped = view.breaker_tripped(id, &case.withdrawal.wallet);
            vec![circuit_breaker::check(case, tripped, id, breaker)]
        }
    }
}
