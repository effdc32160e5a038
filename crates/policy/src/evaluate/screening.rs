//! Owns the `screening` restriction: no list that the rule names may list the destination, and every such list must be
//! loaded.

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
    let loaded = screening.lists.iter().filter_map(|id| case.screening.list(id));
    let matches: Vec<_> = loaded.filter(|list| list.contains(&destination)).collect();
    if !matches.is_empty() {
        let named: Vec<_> = matches
            .iter()
            .map(|list| format!("`{}` ({}, as of {})", list.id(), list.source(), list.as_of()))
            .collect();
        let detail = format!("{destination} is on {}", named.join(", "));
        return match screening.on_match {
            OnMatch::Deny => speaker.denies(ReasonCode::DestinationSanctioned, detail),
        };
    }
    // INVARIANT (G9): a list that is missing clears nobody.
    let missing: Vec<_> = screening.lists.iter().filter(|id| case.screening.list(id).is_none()).collect();
    if missing.is_empty() {
        let detail = format!("{destination} is not on {}", quoted(screening.lists.iter()));
        speaker.passes(ReasonCode::DestinationNotListed, detail)
    } else {
        let detail = format!("not loaded: {}", quoted(missing.into_iter()));
        speaker.denies(ReasonCode::ScreeningListAbsent, detail)
    }
}

fn quoted<'l>(lists: impl Iterator<Item = &'l ListId>) -> String {
    lists.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
