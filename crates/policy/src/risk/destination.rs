//! Owns the components about the destination: what providers know of it, whether this customer was paid there before, what it looks
//! like, who else is paid there.

use holdfast_chains::Address;

use super::{
    component::{Answer, Component, graded},
    facts::RiskFacts,
    terms::{Alike, DestinationTerms, FanIn, Graded, Lately, NearListed},
};
use crate::{exposure::Exposure, look_alike, minute, reason::ReasonCode};

const NO_HISTORY: &str = "nobody reported anything about the customer";
const NO_REPORT: &str = "no provider reported on the destination";
const NO_CROWD: &str = "who else is paid there is not counted";

pub(super) fn components(terms: &DestinationTerms, facts: &RiskFacts<'_>, all: &mut Vec<Component>) {
    let mut push = |code, weight, answer, fades| all.push(Component { code, weight, answer, fades });
    if let Some(terms) = terms.exposure {
        push(ReasonCode::ExposureReported, terms.weight, exposure(&terms, facts), false);
    }
    if let Some(terms) = terms.near_listed {
        push(ReasonCode::NearListedAddress, terms.weight, near_listed(&terms, facts), true);
    }
    if let Some(terms) = terms.new_destination {
        push(ReasonCode::NewDestination, terms.weight, new_destination(&terms, facts), false);
    }
    if let Some(weight) = terms.unlisted {
        push(ReasonCode::UnlistedDestination, weight, unlisted(weight, facts), true);
    }
    if let Some(terms) = terms.look_alike {
        push(ReasonCode::LookAlikeAddress, terms.weight, own_look_alike(&terms, facts), false);
    }
    if let Some(terms) = terms.wallet_look_alike {
        push(ReasonCode::WalletLookAlikeAddress, terms.weight, wallet_look_alike(&terms, facts), true);
    }
    if let Some(terms) = terms.fan_in {
        push(ReasonCode::FanIn, terms.graded.weight, fan_in(&terms, facts, false), true);
    }
    if let Some(terms) = terms.fresh_crowd {
        push(ReasonCode::FreshCrowd, terms.graded.weight, fan_in(&terms, facts, true), true);
    }
}

fn exposure(terms: &Graded, facts: &RiskFacts<'_>) -> Answer {
    let Some(worst) = facts.exposure.worst() else { return Answer::Unknown(NO_REPORT) };
    let because = format!(
        "`{}` reports {} of 100, counts from {}, fully from {}",
        worst.provider, worst.score, terms.from, terms.full
    );
    judged(facts.exposure, terms.points(worst.score.into()), because)
}

fn near_listed(terms: &NearListed, facts: &RiskFacts<'_>) -> Answer {
    let Some(worst) = facts.exposure.worst() else { return Answer::Unknown(NO_REPORT) };
    let near = worst.hops.filter(|hops| *hops <= terms.hops && worst.score >= terms.min_score);
    let because = match worst.hops {
        Some(hops) => {
            format!("`{}` knows a listed address {hops} steps away, exposure {}", worst.provider, worst.score)
        }
        None => format!("`{}` knows no listed address near", worst.provider),
    };
    judged(facts.exposure, near.map(|_| terms.weight), because)
}

/// While a provider is silent, what the others say clears nothing.
fn judged(exposure: &Exposure, points: Option<u8>, because: String) -> Answer {
    match exposure {
        Exposure::Incomplete { .. } if points.is_none() => {
            Answer::Unknown("a provider is silent about the destination")
        }
        Exposure::Incomplete { .. } | Exposure::Known(_) | Exposure::NotAsked => graded(points, because),
    }
}

fn new_destination(terms: &Lately, facts: &RiskFacts<'_>) -> Answer {
    let Some(first) = facts.first_paid() else { return Answer::Unknown(NO_HISTORY) };
    let Some(first) = first else {
        let because = "the customer was never paid there".to_owned();
        return Answer::Present { points: terms.weight, because };
    };
    let because = format!("the customer was first paid there {} ago", minute::shown(facts.now.since(first)));
    graded(first.is_within(terms.within, facts.now).then_some(terms.weight), because)
}

fn unlisted(weight: u8, facts: &RiskFacts<'_>) -> Answer {
    match facts.whitelisted {
        None => Answer::Unknown("the chain is not known"),
        Some(true) => Answer::Absent("an active whitelist entry covers the destination".to_owned()),
        Some(false) => {
            let because = "no active whitelist entry covers the destination".to_owned();
            Answer::Present { points: weight, because }
        }
    }
}

fn own_look_alike(terms: &Alike, facts: &RiskFacts<'_>) -> Answer {
    let Some(history) = &facts.history else { return Answer::Unknown(NO_HISTORY) };
    let to = &facts.withdrawal.destination;
    let alike = |address: &Address| history.look_alike(address, terms.prefix, terms.suffix);
    // What the customer has paid before is no look-alike of anything: the customer knows it.
    let by_destination = alike(to).filter(|_| facts.first_paid() == Some(None));
    let unknown = |address: &&Address| history.first_paid_to(address).is_none();
    let by_argument = || facts.named.iter().filter(unknown).find_map(alike);
    match by_destination.or_else(by_argument) {
        Some((first, last)) => Answer::Present {
            points: terms.weight,
            because: format!(
                "the first {first} and the last {last} digits are those of another address that this customer pays"
            ),
        },
        None => Answer::Absent("it resembles no address that this customer pays".to_owned()),
    }
}

fn wallet_look_alike(terms: &Alike, facts: &RiskFacts<'_>) -> Answer {
    let (Some(index), Some((chain, to))) = (facts.look_alikes, facts.place) else {
        return Answer::Unknown("addresses in use are not kept");
    };
    let wallet = &facts.withdrawal.wallet;
    let find = |address: Address| {
        index.find(wallet, chain, &address, terms.prefix, terms.suffix).map(|other| (address, other))
    };
    match std::iter::once(to).chain(facts.named.iter().copied()).find_map(find) {
        Some((address, other)) => {
            let (first, last) = look_alike::shared(&address, &other);
            let because =
                format!("the first {first} and the last {last} digits are those of {other}, which is in use");
            Answer::Present { points: terms.weight, because }
        }
        None => Answer::Absent("it resembles no address that the wallet pays".to_owned()),
    }
}

fn fan_in(terms: &FanIn, facts: &RiskFacts<'_>, fresh_only: bool) -> Answer {
    let (Some(crowd), Some(customer)) = (&facts.destination, facts.customer) else {
        return Answer::Unknown(NO_CROWD);
    };
    let Some(first) = crowd.first() else { return Answer::Absent("nobody was paid there before".to_owned()) };
    if fresh_only && !facts.history.as_ref().is_some_and(|history| history.is_fresh(facts.now)) {
        return match &facts.history {
            Some(_) => Answer::Absent("the customer's own account is not new".to_owned()),
            None => Answer::Unknown(NO_HISTORY),
        };
    }
    let others = crowd.others(customer);
    let counted = if fresh_only { others.min(crowd.fresh()) } else { others };
    let watched = first.is_within(terms.within, facts.now) && others < terms.public;
    let whose = if fresh_only { "other customers with new accounts" } else { "other customers" };
    let because =
        format!("{counted} {whose} were paid there, first {} ago", minute::shown(facts.now.since(first)));
    graded(terms.graded.points(counted.into()).filter(|_| watched), because)
}
