//! Owns the `fee_cap` restriction: how much a client may let a transaction burn in fees. Without it, a thief who owns the
//! client could drain a wallet into fees.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, document::FeeCap, ids::RuleId, reason::ReasonCode};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, cap: &FeeCap) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::FeeCap, rule };
    let asset = match case.asset {
        Ok(asset) => asset,
        Err(code) => return speaker.denies(code, "the chain is not known without the asset"),
    };
    if asset.chain_id != cap.chain_id {
        return speaker
            .does_not_apply(ReasonCode::NotApplicable, format!("the rule is about chain {}", cap.chain_id));
    }
    let asked = case.withdrawal.fee_cap;
    if asked > cap.max {
        speaker.denies(ReasonCode::FeeCapTooHigh, format!("fee cap {asked} wei is above {} wei", cap.max))
    } else {
        speaker
            .passes(ReasonCode::FeeCapAcceptable, format!("fee cap {asked} wei is not above {} wei", cap.max))
    }
}
