//! Owns a policy in plain words, rule by rule, and a decision in plain words, result by result. It describes and never decides.

mod quantities;
mod rules;

use std::fmt::Write as _;

use holdfast_chains::{Amount, Asset, AssetSymbol};

use crate::{
    breaker::TripCause,
    decision::{Decision, Outcome, Verdict},
    document::{Escalation, LegalTerms, PolicyDocument, PriceTerms, RequiredApprovals},
    exposure::ExposureTerms,
    hold::HoldRequirement,
    identity::IdentityTerms,
    risk::ComponentState,
    time::DurationMs,
    whitelist::WhitelistTerms,
};
use quantities::span;

pub use quantities::readable;

/// Words that need to know how assets are counted; without a registry amounts are in base units.
#[derive(Clone, Copy)]
struct Words<'a> {
    assets: &'a [Asset],
}

/// What a policy says, on a page. `assets` is the registry, if one is at hand: with it amounts are in whole units.
pub fn explain_policy(document: &PolicyDocument, assets: &[Asset]) -> String {
    let words = Words { assets };
    let mut page = format!("policy {}\n", document.hash());
    if !document.tiers().is_empty() {
        section(&mut page, "Which wallets belong together.");
        for tier in document.tiers() {
            item(&mut page, tier.id.as_str(), &listed(tier.wallets.iter()));
        }
    }
    section(&mut page, "What may be paid. Without one of these grants a withdrawal is denied.");
    for grant in document.grants() {
        item(&mut page, grant.id.as_str(), &words.grant(grant));
    }
    section(&mut page, "What limits every grant. Each is asked, and one that denies is enough.");
    for restriction in document.restrictions() {
        item(&mut page, restriction.id.as_str(), &words.restriction(&restriction.rule));
    }
    if document.restrictions().is_empty() {
        page.push_str("  nothing\n");
    }
    section(&mut page, "Terms.");
    for (name, text) in document.risk().described() {
        item(&mut page, &format!("[risk] {name}"), &readable(&text));
    }
    let hold = document.hold();
    let deadline = span(hold.deadline);
    let mut held = format!(
        "a hold that is not approved {deadline} after the request is denied; `{}` looks after holds",
        hold.owner
    );
    if let Some(Escalation { after, to }) = &hold.escalation {
        let _ = write!(held, ", and `{to}` too from {} after the request", span(*after));
    }
    item(&mut page, "[hold]", &held);
    item(&mut page, "[whitelist]", &whitelist(document.whitelist()));
    if let Some(PriceTerms { max_age, providers }) = document.prices() {
        let (age, who) = (span(*max_age), listed(providers.iter()));
        let text = format!("prices of {who} count for {age}; of those that count the highest does");
        item(&mut page, "[prices]", &text);
    }
    let reporters = match document.session_providers() {
        Some(providers) => listed(providers.iter()),
        None => "every provider".to_owned(),
    };
    item(&mut page, "[sessions]", &format!("reports of {reporters} about sessions and accounts count"));
    if let Some(IdentityTerms { providers, methods, min_score, max_age }) = document.identity() {
        let text = format!(
            "attestations of {} by {} count for {} from score {min_score} on",
            listed(providers.iter()),
            listed(methods.iter()),
            span(*max_age)
        );
        item(&mut page, "[identity]", &text);
    }
    if let Some(terms) = document.exposure() {
        item(&mut page, "[exposure]", &exposure(terms));
    }
    if let Some(LegalTerms { lapse, opened_by, approvals: needed }) = document.legal() {
        let text = format!(
            "legal orders are opened by `{opened_by}`, mean something for {} and then only if {} approved",
            span(*lapse),
            approvals(needed)
        );
        item(&mut page, "[legal]", &text);
    }
    let age = span(document.authorization_max_age());
    item(&mut page, "[authorization]", &format!("nodes start to sign at most {age} after the authorization"));
    page
}

/// What a decision says, rule by rule, on a page.
pub fn explain_decision(decision: &Decision) -> String {
    let outcome = match &decision.outcome {
        Outcome::Allow => "ALLOWED".to_owned(),
        Outcome::Deny => "DENIED".to_owned(),
        Outcome::Hold(hold) => format!("HELD until {} for {}", hold.deadline, awaited(hold)),
    };
    let reasons: Vec<_> = decision.reasons().iter().map(|reason| reason.code()).collect();
    let because = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    let mut page = format!("{outcome}{because}\nby policy {}\n", decision.policy_hash);
    section(&mut page, "Each rule.");
    for result in &decision.rules {
        let verdict = match result.verdict {
            Verdict::Pass => "passes",
            Verdict::StepUp => "STEPS UP",
            Verdict::Hold => "HOLDS",
            Verdict::Deny => "DENIES",
            Verdict::NotApplicable => "does not apply",
        };
        let text = format!("{verdict}, {}: {}", result.code.code(), readable(&result.detail));
        item(&mut page, result.rule.as_str(), &text);
    }
    section(&mut page, &format!("Risk score {}.", decision.risk.score));
    for component in &decision.risk.components {
        let state = match component.state {
            ComponentState::Present => format!("adds {} of {}", component.contribution, component.weight),
            ComponentState::Absent => format!("adds nothing of {}", component.weight),
            ComponentState::Unknown => format!("unknown, would add {}", component.weight),
        };
        item(&mut page, component.code.code(), &state);
    }
    page
}

/// Why a circuit breaker tripped. `assets` is the registry: an asset that it does not have stays in base units.
pub fn explain_trip(cause: &TripCause, assets: &[Asset]) -> String {
    if let TripCause::Outflow { sum, most, unit, window_ms } = cause
        && let Ok(symbol) = AssetSymbol::parse(unit)
    {
        let words = Words { assets };
        let (sum, most) = (words.money(&symbol, *sum), words.money(&symbol, *most));
        let window = span(DurationMs(*window_ms));
        return format!("{sum} were authorized within {window}, it lets {most} pass");
    }
    readable(&cause.to_string())
}

fn section(page: &mut String, title: &str) {
    let _ = write!(page, "\n{title}\n");
}

fn item(page: &mut String, name: &str, text: &str) {
    let _ = writeln!(page, "  {name:<24} {text}");
}

fn whitelist(terms: &WhitelistTerms) -> String {
    let WhitelistTerms { cooling_off, max_life, dormancy, max_per_customer, max_open_requests } = terms;
    let first = match cooling_off {
        DurationMs(0) => "entries are usable at once".to_owned(),
        wait => format!("entries are usable {} after they were added", span(*wait)),
    };
    let unused = dormancy
        .map_or_else(String::new, |dormancy| format!("; one that nobody uses ends after {}", span(dormancy)));
    format!(
        "{first}, and at most for {}{unused}; a customer has at most {max_per_customer}, and at most \
         {max_open_requests} requests of a client wait for their customers",
        span(*max_life)
    )
}

fn exposure(terms: &ExposureTerms) -> String {
    let ExposureTerms { providers, max_age, required, hold_at, deny_at, approvals: needed } = terms;
    let who = listed(providers.iter());
    let mut parts =
        vec![format!("{who} report about destinations, and what they report counts for {}", span(*max_age))];
    parts.extend(hold_at.map(|score| format!("the worst report from {score} on is held")));
    parts.extend(deny_at.map(|score| format!("from {score} on it is denied")));
    parts.push(match required {
        true => "silence is held".to_owned(),
        false => "silence changes nothing".to_owned(),
    });
    format!("{}; what is held needs {}", parts.join(", "), approvals(needed))
}

impl Words<'_> {
    fn money(self, symbol: &AssetSymbol, amount: Amount) -> String {
        match self.assets.iter().find(|asset| asset.symbol == *symbol) {
            Some(asset) => format!("{} {symbol}", amount.format_units(asset.decimals)),
            None => format!("{amount} base units of {symbol}"),
        }
    }
}

/// What a hold waits for.
fn awaited(hold: &HoldRequirement) -> String {
    let people = Some(approvals(&hold.approvals)).filter(|people| !people.is_empty());
    let proof = hold.step_up.then(|| "a proof of the customer's identity".to_owned());
    let acts = people.into_iter().chain(proof).collect::<Vec<_>>().join(" and ");
    match hold.release_at {
        Some(at) if acts.is_empty() => format!("the time {at}"),
        Some(at) => format!("{acts}, or for the time {at}"),
        None => acts,
    }
}

fn approvals(required: &RequiredApprovals) -> String {
    let people = required.iter().map(|(role, count)| match count {
        1 => format!("1 person as `{role}`"),
        count => format!("{count} people as `{role}`"),
    });
    people.collect::<Vec<_>>().join(" and ")
}

fn listed(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| format!("`{}`", value.to_string())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
