//! Owns the `circuit_breaker` restriction: while one has tripped, nothing is paid that it is about; and what it cannot count is
//! not paid either. Counting, tripping and pausing are `breaker.rs`'s and the ledger's.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, document::CircuitBreaker, ids::RuleId, reason::ReasonCode};

pub(super) fn check<'a>(
    case: &Case<'a>,
    tripped: bool,
    rule: &RuleId,
    breaker: &CircuitBreaker,
) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::CircuitBreaker, rule };
    let withdrawal = case.withdrawal;
    if !breaker.is_about(&withdrawal.wallet, &withdrawal.asset, &withdrawal.client) {
        return speaker
            .does_not_apply(ReasonCode::NotApplicable, "the rule is about other wallets, assets or clients");
    }
    if tripped {
        let detail = format!("it paused wallet `{}`: officers look why, and resume it", withdrawal.wallet);
        return speaker.denies(ReasonCode::BreakerTripped, detail);
    }
    if let Some(bound) = &breaker.outflow {
        let outflow = match &case.outflow {
            Ok(outflow) => outflow,
            Err(code) => return speaker.denies(*code, "nothing can be added up without the asset"),
        };
        // INVARIANT (G9): what cannot be counted could cross the bound unseen.
        if bound.value_of(outflow) == Some(None) {
            return speaker.denies(ReasonCode::PriceAbsent, "no price of the asset is young enough");
        }
    }
    speaker.passes(ReasonCode::BreakerReady, "it has not tripped")
}
