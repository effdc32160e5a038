//! Owns thefts by somebody who got into a customer's account: by a reset, a dormant password, a SIM swap, a deepfake, a cookie.

use crate::{
    attack::{
        raid::Raid,
        thief::{Entry, Thief},
    },
    calendar::{DAY_MS, hours, minutes},
    event::{Network, TimeMs},
    label::Skill,
    population::Resets,
};

/// What is worth the trouble, in cents.
fn worth(thief: &Thief<'_>) -> u64 {
    thief.by_skill(15_000, 80_000, 300_000)
}

/// The second factor is reset (phished support, stolen e-mail), then the money goes: at once, after a night, or after the
/// hold that the exchange announces.
pub(super) fn after_reset(mut thief: Thief<'_>) {
    let least = worth(&thief);
    let Some(victim) = thief.victim(least) else { return };
    thief.ensure_funds(victim, least);
    let reset = thief.now;
    let resets = Resets {
        second_factor: Some(reset),
        password: thief.draws.chance(0.7).then_some(reset),
        email: thief.draws.chance(thief.by_skill(0.4, 0.2, 0.05)).then_some(reset),
    };
    let Some(entry) = thief.stranger(victim, resets, reset) else { return };
    let hold = f64::from(thief.world.scene.parameters.published.reset_hold_hours);
    let range = thief.by_skill((0.1, 3.0), (1.0, 30.0), (hold, hold * 5.0));
    let earliest = reset.plus(hours(thief.between(range)));
    let warm_up = thief.by_skill(0, 0, 2);
    thief.raid(&Raid { victim, entry, locked_out: Some(reset), earliest, warm_up });
}

/// A password leaked years ago opens an account that nobody watches.
pub(super) fn dormant(mut thief: Thief<'_>) {
    let least = worth(&thief);
    let now = thief.now;
    let pick = thief.world.population.pick_dormant(now, &mut thief.draws, |customer| {
        customer.balance >= least && now.since(customer.last_active_at) > DAY_MS.saturating_mul(90)
    });
    let Some(victim) = pick else { return };
    thief.ensure_funds(victim, least);
    let resets = Resets {
        password: thief.draws.chance(thief.by_skill(0.7, 0.5, 0.3)).then_some(now),
        second_factor: thief.draws.chance(thief.by_skill(0.4, 0.3, 0.2)).then_some(now),
        email: thief.draws.chance(0.1).then_some(now),
    };
    let Some(entry) = thief.stranger(victim, resets, now) else { return };
    let range = thief.by_skill((0.1, 4.0), (1.0, 36.0), (72.0, 288.0));
    let earliest = now.plus(hours(thief.between(range)));
    let warm_up = thief.by_skill(0, 1, 4);
    thief.raid(&Raid { victim, entry, locked_out: Some(now), earliest, warm_up });
}

/// At night the phone dies, in the morning the account is empty. In 2021 the FBI's IC3 had 1,611 such complaints with
/// 68 million USD lost (FBI, February 2022). The API key is made because keys outlast sessions.
pub(super) fn sim_swap(mut thief: Thief<'_>) {
    let least = worth(&thief).saturating_mul(2);
    let Some(victim) = thief.victim_who(least, |customer, _| !customer.habits.api) else { return };
    thief.ensure_funds(victim, least);
    let Some(customer) = thief.world.population.customer(victim) else { return };
    let rhythm = customer.rhythm;
    let night = thief.draws.between(0.5, 4.5);
    let reset = rhythm.next_local_hour(thief.now, night);
    let resets = Resets { second_factor: Some(reset), password: Some(reset), email: None };
    let Some(mut entry) = thief.stranger(victim, resets, reset) else { return };
    entry.api_key_made = Some(reset.plus(minutes(thief.draws.between(4.0, 30.0))));
    if thief.draws.chance(0.6) {
        entry.network = Network::Mobile;
    }
    let hold = f64::from(thief.world.scene.parameters.published.reset_hold_hours);
    let range = thief.by_skill((0.6, 1.5), (0.6, 4.0), (hold, hold + 8.0));
    let earliest = reset.plus(hours(thief.between(range)));
    thief.raid(&Raid { victim, entry, locked_out: Some(reset), earliest, warm_up: 0 });
}

/// A video call with support in the customer's face and voice: everything is reset. Worth it only for rich accounts.
pub(super) fn deepfake(mut thief: Thief<'_>) {
    let least = thief.by_skill(500_000, 1_000_000, 2_000_000);
    let Some(victim) = thief.victim(least) else { return };
    thief.ensure_funds(victim, least);
    let reset = thief.now;
    let resets = Resets { second_factor: Some(reset), password: Some(reset), email: Some(reset) };
    let Some(entry) = thief.stranger(victim, resets, reset) else { return };
    let hold = f64::from(thief.world.scene.parameters.published.reset_hold_hours);
    let range = thief.by_skill((0.2, 6.0), (6.0, 48.0), (hold * 2.0, hold * 7.0));
    let earliest = reset.plus(hours(thief.between(range)));
    let warm_up = thief.by_skill(0, 1, 3);
    thief.raid(&Raid { victim, entry, locked_out: Some(reset), earliest, warm_up });
}

/// An infostealer sold the session cookie: nothing is reset, the device is the customer's to all appearance.
pub(super) fn hijack(mut thief: Thief<'_>) {
    let least = worth(&thief);
    let Some(victim) = thief.victim(least) else { return };
    thief.ensure_funds(victim, least);
    let now = thief.now;
    let Some(stranger) = thief.stranger(victim, Resets::default(), now) else { return };
    let entry = cookie(&mut thief, victim, stranger);
    let range = thief.by_skill((0.05, 1.0), (0.1, 12.0), (1.0, 72.0));
    let earliest: TimeMs = now.plus(hours(thief.between(range)));
    let warm_up = thief.by_skill(0, 0, 1);
    thief.raid(&Raid { victim, entry, locked_out: None, earliest, warm_up });
}

/// The cookie carries the device's pseudonym; careless thieves lose it half of the time by an odd browser.
fn cookie(thief: &mut Thief<'_>, victim: u32, stranger: Entry) -> Entry {
    let lost = thief.skill() == Skill::Careless && thief.draws.chance(0.5);
    match thief.world.population.customer(victim) {
        Some(customer) if !lost => Entry { device: customer.main_device, known_device: true, ..stranger },
        _ => stranger,
    }
}
