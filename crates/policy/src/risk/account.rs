//! Owns the components about the account and the session: silence, age, devices, resets, networks, and the two combinations that
//! mark an account that changed hands.

use super::{
    component::{Answer, Component, graded},
    facts::RiskFacts,
    terms::{AccountTerms, Dormant, Graded, Lately, Within},
};
use crate::{
    minute::{self, Minute},
    reason::ReasonCode,
    session::{Moment, Network, SessionDetails},
    time::{DurationMs, TimestampMs},
};

const NO_HISTORY: &str = "nobody reported anything about the customer";
const NO_DEVICE: &str = "no usable report names the device";
const NO_SESSION: &str = "no usable session report says so";
/// A device that appeared up to a day before a reset came with whoever asked for the reset.
const BEFORE_A_RESET: u32 = 24 * 60;

pub(super) fn components(terms: &AccountTerms, facts: &RiskFacts<'_>, all: &mut Vec<Component>) {
    let mut push = |code, weight, answer| all.push(Component { code, weight, answer, fades: true });
    if let Some(terms) = terms.dormant {
        push(ReasonCode::DormantAccount, terms.weight, dormant(&terms, facts));
    }
    if let Some(terms) = terms.fresh_account {
        push(ReasonCode::FreshAccount, terms.weight, fresh_account(&terms, facts));
    }
    if let Some(terms) = terms.young_device {
        push(ReasonCode::YoungDevice, terms.weight, young_device(&terms, facts));
    }
    if let Some(terms) = terms.shared_device {
        push(ReasonCode::SharedDevice, terms.graded.weight, shared_device(&terms, facts));
    }
    if let Some(terms) = terms.password_reset {
        let answer = lately(&terms, facts, "password reset", |details| details.password_reset_at);
        push(ReasonCode::PasswordReset, terms.weight, answer);
    }
    if let Some(terms) = terms.email_changed {
        let answer = lately(&terms, facts, "e-mail address changed", |details| details.email_changed_at);
        push(ReasonCode::EmailChanged, terms.weight, answer);
    }
    if let Some(terms) = terms.fresh_api_key {
        let answer = lately(&terms, facts, "API key made", |details| details.api_key_made_at);
        push(ReasonCode::FreshApiKey, terms.weight, answer);
    }
    if let Some(weight) = terms.tor {
        push(ReasonCode::TorNetwork, weight, network(weight, facts, Network::Tor));
    }
    if let Some(weight) = terms.vpn {
        push(ReasonCode::VpnNetwork, weight, network(weight, facts, Network::Vpn));
    }
    if let Some(weight) = terms.hosting {
        push(ReasonCode::HostingNetwork, weight, network(weight, facts, Network::Hosting));
    }
    if let Some(weight) = terms.country_changed {
        push(ReasonCode::CountryChanged, weight, country_changed(weight, facts));
    }
    if let Some(terms) = terms.old_session {
        push(ReasonCode::OldSession, terms.weight, old_session(&terms, facts));
    }
    if let Some(terms) = terms.reset_then_new_device {
        push(ReasonCode::ResetThenNewDevice, terms.weight, reset_then_new_device(&terms, facts));
    }
    if let Some(terms) = terms.woke_on_new_device {
        push(ReasonCode::WokeOnNewDevice, terms.weight, woke_on_new_device(&terms, facts));
    }
}

/// The end of a silence that counts, if there is one; `Err` when nobody knows.
fn awakening(terms: &Dormant, facts: &RiskFacts<'_>) -> Result<Option<(Minute, u32)>, &'static str> {
    let history = facts.history.as_ref().ok_or(NO_HISTORY)?;
    let woke = history.awakening(facts.now).map_err(|_| NO_HISTORY)?;
    let silent = Minute::of(TimestampMs(terms.silent.0)).0;
    Ok(woke.filter(|(at, silence)| *silence >= silent && at.is_within(terms.within, facts.now)))
}

fn dormant(terms: &Dormant, facts: &RiskFacts<'_>) -> Answer {
    match awakening(terms, facts) {
        Err(unknown) => Answer::Unknown(unknown),
        Ok(None) => Answer::Absent("the customer was not silent for long".to_owned()),
        Ok(Some((at, silence))) => {
            let (silence, ago) = (minute::shown(silence), minute::shown(facts.now.since(at)));
            let because = format!("silent for {silence}, back {ago} ago");
            Answer::Present { points: terms.weight, because }
        }
    }
}

fn fresh_account(terms: &Lately, facts: &RiskFacts<'_>) -> Answer {
    let opened = facts.history.as_ref().and_then(|history| history.opened());
    let Some(opened) = opened else { return Answer::Unknown("nobody registered the customer") };
    let because = format!("the account was opened {} ago", minute::shown(facts.now.since(opened)));
    graded(opened.is_within(terms.within, facts.now).then_some(terms.weight), because)
}

fn young_device(terms: &Lately, facts: &RiskFacts<'_>) -> Answer {
    let Some(device) = facts.device_seen() else { return Answer::Unknown(NO_DEVICE) };
    let because = format!("the device was first seen {} ago", minute::shown(facts.now.since(device.first)));
    let young = !device.from_the_start && device.first.is_within(terms.within, facts.now);
    graded(young.then_some(terms.weight), because)
}

fn shared_device(terms: &Within, facts: &RiskFacts<'_>) -> Answer {
    let (Some(device), Some(crowd), Some(customer)) = (facts.device_seen(), &facts.device, facts.customer)
    else {
        return Answer::Unknown(NO_DEVICE);
    };
    let others = crowd.others(customer);
    let lately = device.first.is_within(terms.within, facts.now);
    let because = format!(
        "{others} other customers come from the device, this one first {} ago",
        minute::shown(facts.now.since(device.first))
    );
    graded(terms.graded.points(others.into()).filter(|_| lately), because)
}

fn lately(
    terms: &Lately,
    facts: &RiskFacts<'_>,
    what: &str,
    moment: fn(&SessionDetails) -> Option<Moment>,
) -> Answer {
    match facts.report().and_then(|report| moment(&report.details)) {
        None => Answer::Unknown(NO_SESSION),
        Some(Moment::NotLately) => Answer::Absent(format!("{what}: not lately")),
        Some(Moment::At(at)) => {
            let because = format!("{what} {} ago", ago(facts, at));
            graded(is_within(facts, at, terms.within).then_some(terms.weight), because)
        }
    }
}

fn network(weight: u8, facts: &RiskFacts<'_>, which: Network) -> Answer {
    let Some(network) = facts.report().and_then(|report| report.details.network) else {
        return Answer::Unknown(NO_SESSION);
    };
    if network != which {
        return Answer::Absent("the session did not come over it".to_owned());
    }
    // Those who always hide are not hiding anything now.
    let history = facts.history.as_ref();
    let (usual, what) = if which == Network::Hosting {
        (history.and_then(|history| history.hosted_percent()), "sessions come from a data centre")
    } else {
        (history.and_then(|history| history.hidden_percent()), "sessions are hidden")
    };
    habitual(weight, usual.unwrap_or(0), what)
}

fn country_changed(weight: u8, facts: &RiskFacts<'_>) -> Answer {
    match facts.report().and_then(|report| report.details.country_changed) {
        None => Answer::Unknown(NO_SESSION),
        Some(false) => Answer::Absent("the same country as before".to_owned()),
        Some(true) => {
            let usual = facts.history.as_ref().and_then(|history| history.moved_percent()).unwrap_or(0);
            habitual(weight, usual, "sessions come from another country than the one before")
        }
    }
}

/// A habit takes as many of 100 points as it is strong.
fn habitual(weight: u8, usual_percent: u32, what: &str) -> Answer {
    let left = 100_u32.saturating_sub(usual_percent.min(100));
    let points = u32::from(weight).saturating_mul(left).div_ceil(100);
    let points = u8::try_from(points).unwrap_or(weight).min(weight);
    Answer::Present { points, because: format!("usually {usual_percent} of 100 {what}") }
}

fn old_session(terms: &Graded, facts: &RiskFacts<'_>) -> Answer {
    let Some((_, age)) = facts.session else { return Answer::Unknown(NO_SESSION) };
    let minutes = Minute::of(TimestampMs(age.0)).0;
    graded(terms.points(minutes.into()), format!("the session began {} ago", minute::shown(minutes)))
}

fn reset_then_new_device(terms: &Lately, facts: &RiskFacts<'_>) -> Answer {
    let (Some(report), Some(device)) = (facts.report(), facts.device_seen()) else {
        return Answer::Unknown(NO_DEVICE);
    };
    let details = &report.details;
    let moments = [details.second_factor_reset_at, details.email_changed_at];
    let resets = moments.into_iter().flatten().filter_map(|moment| match moment {
        Moment::At(at) if is_within(facts, at, terms.within) => Some(at),
        Moment::At(_) | Moment::NotLately => None,
    });
    // The provider's word that the factor was reset lately counts when it gives no time.
    let untimed = report.second_factor_reset && details.second_factor_reset_at.is_none();
    let newest = resets.max().or(untimed.then_some(report.observed_at));
    let Some(reset) = newest else {
        return if moments.contains(&None) {
            Answer::Unknown(NO_SESSION)
        } else {
            Answer::Absent("neither second factor nor e-mail address were replaced lately".to_owned())
        };
    };
    let known_before = device.first.0.saturating_add(BEFORE_A_RESET) < Minute::of(reset).0;
    let because = format!(
        "second factor or e-mail address replaced {} ago, device first seen {} ago",
        ago(facts, reset),
        minute::shown(facts.now.since(device.first))
    );
    graded((!known_before && !device.from_the_start).then_some(terms.weight), because)
}

fn woke_on_new_device(terms: &Dormant, facts: &RiskFacts<'_>) -> Answer {
    let Some(device) = facts.device_seen() else { return Answer::Unknown(NO_DEVICE) };
    match awakening(terms, facts) {
        Err(unknown) => Answer::Unknown(unknown),
        Ok(None) => Answer::Absent("the customer was not silent for long".to_owned()),
        Ok(Some((woke, silence))) => {
            let because = format!(
                "silent for {}, then back on a device first seen {} ago",
                minute::shown(silence),
                minute::shown(facts.now.since(device.first))
            );
            // A first device counts too: of those who slept through the start of the log none is known.
            graded((device.first >= woke).then_some(terms.weight), because)
        }
    }
}

fn is_within(facts: &RiskFacts<'_>, at: TimestampMs, within: DurationMs) -> bool {
    // What lies in the future is not past: it counts.
    facts.at.checked_duration_since(at).is_none_or(|age| age <= within)
}

fn ago(facts: &RiskFacts<'_>, at: TimestampMs) -> String {
    minute::shown(facts.now.since(Minute::of(at)))
}
