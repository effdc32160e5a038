//! Owns the `screening` restriction: no list that the rule names may list the destination or an address in a call's bytes, and every
//! such list must be loaded.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    document::{OnMatch, ScreeningRule},
    ids::{ListId, RuleId},
    reason::ReasonCode,
};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId, screening: &ScreeningRule) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Screening, rule };
    let destination = case.withdrawal.destination;
    let loaded: Vec<_> = screening.lists.iter().filter_map(|id| case.screening.list(id)).collect();
    // INVARIANT (G9): an address that hides in an argument of any type is screened as well as the destination.
    for address in case.withdrawal.addresses() {
        let matches: Vec<_> = loaded
            .iter()
            .filter(|list| list.contains(&address))
            .map(|list| format!("`{}` ({}, as of {})", list.id(), list.source(), list.as_of()))
            .collect();
        if !matches.is_empty() {
            let detail = format!("{address} is on {}", matches.join(", "));
            let code = match address == destination {
                true => ReasonCode::DestinationSanctioned,
                false => ReasonCode::CallAddressSanctioned,
            };
            return match screening.on_match {
                OnMatch::Deny => speaker.denies(code, detail),
            };
        }
    }
    // INVARIANT (G9): a list that is missing clears nobody.
    let missing: Vec<_> = screening.lists.iter().filter(|id| case.screening.list(id).is_none()).collect();
    if missing.is_empty() {
        let what = match &case.withdrawal.call {
            None => format!("{destination} is"),
            Some(_) => format!("{destination} and the calldata are"),
        };
        let detail = format!("{what} not on {}", quoted(screening.lists.iter()));
        speaker.passes(ReasonCode::DestinationNotListed, detail)
    } else {
        let detail = format!("not loaded: {}", quoted(missing.into_iter()));
        speaker.denies(ReasonCode::ScreeningListAbsent, detail)
    }
}

fn quoted<'l>(lists: impl Iterator<Item = &'l ListId>) -> String {
    lists.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
