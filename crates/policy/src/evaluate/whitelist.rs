//! Owns the `whitelist` restriction: the destination has an active entry for this asset and customer.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    ids::RuleId,
    reason::ReasonCode,
    whitelist::{EntryOwner, WhitelistEntry, WhitelistRefusal},
};

pub(super) fn check<'a>(case: &Case<'a>, rule: &RuleId) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Whitelist, rule };
    match &case.whitelist {
        Ok(entry) => speaker.passes(ReasonCode::DestinationWhitelisted, describe(entry)),
        Err(refusal) => speaker.denies(refusal.code, explain(case, refusal)),
    }
}

/// Why no entry covers the withdrawal, for people.
pub(super) fn explain(case: &Case<'_>, refusal: &WhitelistRefusal<'_>) -> String {
    match refusal.entry {
        Some(entry) => describe(entry),
        None => format!("no entry for {}", case.withdrawal.destination),
    }
}

fn describe(entry: &WhitelistEntry) -> String {
    let owner = match &entry.owner {
        EntryOwner::House => "the house".to_owned(),
        EntryOwner::Customer(customer) => format!("customer `{customer}`"),
    };
    let used = entry.last_used.map_or_else(String::new, |at| format!(", last used at {at}"));
    let revoked = entry.revoked_at.map_or_else(String::new, |at| format!(", revoked at {at}"));
    format!(
        "entry `{}` of {owner} for {}, active from {} until {}{used}{revoked}",
        entry.id, entry.address, entry.not_before, entry.expires_at
    )
}
