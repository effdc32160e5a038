//! Owns the differences of the tables that are no rules. Few of their fields are limits: most change what a fact means, and that
//! can go either way.

use std::collections::BTreeSet;

use super::{Changes, rules};
use crate::{
    document::{Escalation, HoldTerms, LegalTerms, PriceTerms, RequiredApprovals},
    exposure::ExposureTerms,
    identity::IdentityTerms,
    ids::ProviderId,
    risk::RiskTerms,
    time::DurationMs,
    whitelist::WhitelistTerms,
};

/// Weights loosen whatever their direction. So does the age of reports: a report that is too old to count cannot warn any more.
pub(super) fn risk(changes: &mut Changes, old: &RiskTerms, new: &RiskTerms) {
    let (old, new) = (old.described(), new.described());
    let mut subject = changes.about("[risk]");
    let none = "none".to_owned();
    for name in old.keys().chain(new.keys()) {
        subject.value(name, old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
    }
}

pub(super) fn hold(changes: &mut Changes, old: &HoldTerms, new: &HoldTerms) {
    let HoldTerms { deadline, owner, escalation } = old;
    let mut subject = changes.about("[hold]");
    subject.value("deadline_ms", &deadline.0, &new.deadline.0);
    subject.value("owner", owner, &new.owner);
    // Whom a hold is shown to allows nothing, and is not on the closed list.
    subject.value("escalation", &called(escalation.as_ref()), &called(new.escalation.as_ref()));
}

fn called(escalation: Option<&Escalation>) -> String {
    escalation.map_or_else(|| "none".to_owned(), |Escalation { after, to }| format!("{to} after {after}"))
}

/// Lives of entries are limits; the cooling-off is a wait, and not on the closed list.
pub(super) fn whitelist(changes: &mut Changes, old: &WhitelistTerms, new: &WhitelistTerms) {
    let WhitelistTerms { cooling_off, max_life, dormancy, max_per_customer, max_open_requests } = old;
    let mut subject = changes.about("[whitelist]");
    subject.value("cooling_off_ms", &cooling_off.0, &new.cooling_off.0);
    subject.limit("max_life_ms", Some(&max_life.0), Some(&new.max_life.0));
    let ms = |dormancy: &Option<DurationMs>| dormancy.map(|dormancy| dormancy.0);
    subject.limit("dormancy_ms", ms(dormancy).as_ref(), ms(&new.dormancy).as_ref());
    subject.limit("max_per_customer", Some(max_per_customer), Some(&new.max_per_customer));
    subject.limit("max_open_requests", Some(max_open_requests), Some(&new.max_open_requests));
}

/// Who may attest and how can only be told apart name by name: fewer names and a higher score accept less, and so does a lower age.
/// Without the table nobody can attest, so that adding it loosens.
pub(super) fn identity(changes: &mut Changes, old: Option<&IdentityTerms>, new: Option<&IdentityTerms>) {
    let mut subject = changes.about("[identity]");
    match (old, new) {
        (None, None) => {}
        (None, Some(_)) => subject.loosens("added"),
        (Some(_), None) => subject.tightens("removed"),
        (Some(old), Some(new)) => {
            let IdentityTerms { providers, methods, min_score, max_age } = old;
            subject.given("providers", providers, &new.providers);
            subject.given("methods", methods, &new.methods);
            subject.value("min_score", min_score, &new.min_score);
            subject.limit("max_age_ms", Some(&max_age.0), Some(&new.max_age.0));
        }
    }
}

pub(super) fn authorization(changes: &mut Changes, old: DurationMs, new: DurationMs) {
    changes.about("[authorization]").limit("max_age_ms", Some(&old.0), Some(&new.0));
}

/// Of all prices that are young enough the highest counts: a shorter age or another list of providers can drop it, and one
/// provider more can make a worth known that was unknown. So no direction is safe.
pub(super) fn prices(changes: &mut Changes, old: Option<&PriceTerms>, new: Option<&PriceTerms>) {
    let age = |terms: Option<&PriceTerms>| shown(terms.map(|terms| terms.max_age.0.to_string()));
    let providers = |terms: Option<&PriceTerms>| {
        shown(terms.map(|terms| {
            let names: Vec<_> = terms.providers.iter().map(ToString::to_string).collect();
            names.join(", ")
        }))
    };
    let mut subject = changes.about("[prices]");
    subject.value("max_age_ms", &age(old), &age(new));
    subject.value("providers", &providers(old), &providers(new));
}

/// A provider less may warn less, and a provider more may vouch for a session: no direction is safe.
pub(super) fn sessions(
    changes: &mut Changes,
    old: Option<&BTreeSet<ProviderId>>,
    new: Option<&BTreeSet<ProviderId>>,
) {
    let names = |providers: Option<&BTreeSet<ProviderId>>| {
        providers.map_or_else(|| "every one".to_owned(), |providers| rules::listed(providers.iter()))
    };
    changes.about("[sessions]").value("providers", &names(old), &names(new));
}

/// Who may confirm what agencies demand, and how long one officer's freeze lasts, is not on the closed list.
pub(super) fn legal(changes: &mut Changes, old: Option<&LegalTerms>, new: Option<&LegalTerms>) {
    let mut subject = changes.about("[legal]");
    match (old, new) {
        (None, None) => {}
        (None, Some(_)) => subject.loosens("added"),
        (Some(_), None) => subject.loosens("removed"),
        (Some(old), Some(new)) => {
            let LegalTerms { lapse, opened_by, approvals } = old;
            let roles = |approvals: &RequiredApprovals| {
                let roles = approvals.iter().map(|(role, count)| format!("{count} {role}"));
                roles.collect::<Vec<_>>().join(", ")
            };
            subject.value("freeze_lapse_ms", &lapse.0, &new.lapse.0);
            subject.value("opened_by", opened_by, &new.opened_by);
            subject.value("approvals", &roles(approvals), &roles(&new.approvals));
        }
    }
}

fn shown(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

/// Asking providers only adds a rule. What is asked of whom and how old the answer may be can go either way; a threshold is a
/// limit of what passes.
pub(super) fn exposure(changes: &mut Changes, old: Option<&ExposureTerms>, new: Option<&ExposureTerms>) {
    let mut subject = changes.about("[exposure]");
    match (old, new) {
        (None, None) => {}
        (None, Some(_)) => subject.tightens("added"),
        (Some(_), None) => subject.loosens("removed"),
        (Some(old), Some(new)) => {
            let ExposureTerms { providers, max_age, required, hold_at, deny_at, approvals } = old;
            let names = |providers: &BTreeSet<ProviderId>| {
                providers.iter().map(ProviderId::as_str).collect::<Vec<_>>().join(" ")
            };
            let roles = |approvals: &RequiredApprovals| {
                approvals
                    .iter()
                    .map(|(role, count)| format!("{count} of {role}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            subject.value("providers", &names(providers), &names(&new.providers));
            subject.value("max_age_ms", &max_age.0, &new.max_age.0);
            subject.value("required", required, &new.required);
            subject.limit("hold_at", hold_at.as_ref(), new.hold_at.as_ref());
            subject.limit("deny_at", deny_at.as_ref(), new.deny_at.as_ref());
            subject.value("approvals", &roles(approvals), &roles(&new.approvals));
        }
    }
}
