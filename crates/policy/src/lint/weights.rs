//! Owns the most that the risk score can reach: all weights of a policy together.

use crate::risk::{
    AccountTerms, Alike, DestinationTerms, Dormant, FanIn, Graded, HabitTerms, Lately, MAX_SCORE, NearLimit,
    NearListed, RiskTerms, UnusualHour, Within,
};

pub(super) fn highest_score(terms: &RiskTerms) -> u8 {
    let RiskTerms {
        listed_address,
        new_device,
        second_factor_reset,
        max_report_age: _,
        destination,
        habit,
        account,
    } = terms;
    let base = [*listed_address, *new_device, *second_factor_reset];
    let parts = [total(base), self::destination(destination), self::habit(habit), self::account(account)];
    total(parts).min(MAX_SCORE)
}

fn total<const N: usize>(weights: [u8; N]) -> u8 {
    weights.into_iter().fold(0, u8::saturating_add)
}

fn destination(terms: &DestinationTerms) -> u8 {
    let DestinationTerms {
        // Makes other weights count less.
        established: _,
        exposure,
        near_listed,
        new_destination,
        unlisted,
        look_alike,
        wallet_look_alike,
        fan_in,
        fresh_crowd,
    } = terms;
    let alike = |alike: &Option<Alike>| alike.map_or(0, |alike| alike.weight);
    let many = |many: &Option<FanIn>| many.map_or(0, |many| many.graded.weight);
    total([
        graded(exposure),
        near_listed.map_or(0, |NearListed { weight, .. }| weight),
        lately(new_destination),
        unlisted.unwrap_or(0),
        alike(look_alike),
        alike(wallet_look_alike),
        many(fan_in),
        many(fresh_crowd),
    ])
}

fn habit(terms: &HabitTerms) -> u8 {
    let HabitTerms {
        unusual_amount,
        large_amount,
        unusual_rate,
        new_places,
        near_limit,
        unusual_hour,
        new_client,
    } = terms;
    total([
        graded(unusual_amount),
        graded(large_amount),
        within(unusual_rate),
        within(new_places),
        near_limit.map_or(0, |NearLimit { graded, .. }| graded.weight),
        unusual_hour.map_or(0, |UnusualHour { weight, .. }| weight),
        new_client.unwrap_or(0),
    ])
}

fn account(terms: &AccountTerms) -> u8 {
    let AccountTerms {
        dormant,
        fresh_account,
        young_device,
        shared_device,
        password_reset,
        email_changed,
        tor,
        vpn,
        hosting,
        country_changed,
        fresh_api_key,
        old_session,
        reset_then_new_device,
        woke_on_new_device,
    } = terms;
    let woke = |dormant: &Option<Dormant>| dormant.map_or(0, |dormant| dormant.weight);
    total([
        woke(dormant),
        lately(fresh_account),
        lately(young_device),
        within(shared_device),
        lately(password_reset),
        lately(email_changed),
        tor.unwrap_or(0),
        vpn.unwrap_or(0),
        hosting.unwrap_or(0),
        country_changed.unwrap_or(0),
        lately(fresh_api_key),
        graded(old_session),
        lately(reset_then_new_device),
        woke(woke_on_new_device),
    ])
}

fn graded(graded: &Option<Graded>) -> u8 {
    graded.map_or(0, |graded| graded.weight)
}

fn lately(lately: &Option<Lately>) -> u8 {
    lately.map_or(0, |lately| lately.weight)
}

fn within(within: &Option<Within>) -> u8 {
    within.map_or(0, |within| within.graded.weight)
}
