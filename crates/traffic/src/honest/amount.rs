//! Owns how much honest customers take. All figures are assumed.

use crate::{
    draw::Draws,
    event::TimeMs,
    label::{Oddities, Oddity},
    number::{real, share, whole},
    payment::LEAST_CENTS,
    population::{Customer, Segment},
    scene::Scene,
};

/// What the customer would like, in cents: log-normal, with a heavier tail now and then (a house, a tax bill).
pub(crate) fn wish(customer: &Customer, at: TimeMs, scene: &Scene, draws: &mut Draws) -> f64 {
    let tail = if draws.chance(0.02) { draws.pareto(1.3) } else { 1.0 };
    let season = scene.mood(at).amounts * scene.shift(at).amounts;
    (customer.usual_cents(draws) * tail * season).clamp(real(LEAST_CENTS), 2e9)
}

/// What the customer takes, given what is there. `None`: not worth it.
pub(super) fn settle(
    wish: f64,
    customer: &Customer,
    at: TimeMs,
    scene: &Scene,
    draws: &mut Draws,
) -> Option<u64> {
    if customer.balance < LEAST_CENTS {
        return None;
    }
    if draws.chance((0.012 * scene.mood(at).exits).min(0.5)) {
        return Some(customer.balance);
    }
    let limit = real(scene.parameters.published.per_withdrawal_usd_cents);
    let habit = customer.habits.under_limit && wish > 0.5 * limit && wish < 4.0 * limit;
    // Many who want a little more than the limit take a little less, to be paid at once.
    let page_says_so = wish > limit && wish < 1.6 * limit && draws.chance(0.4);
    let cents = if habit || page_says_so { limit * draws.between(0.95, 0.9999) } else { wish };
    Some(whole(cents).min(customer.balance).max(LEAST_CENTS))
}

/// Whether the customer splits so much into parts. Not those who have a desk for it.
pub(super) fn is_split(cents: u64, customer: &Customer, scene: &Scene, draws: &mut Draws) -> bool {
    let limit = scene.parameters.published.per_withdrawal_usd_cents;
    let range = limit.saturating_add(1)..=limit.saturating_mul(5);
    let desk = matches!(customer.segment, Segment::Whale | Segment::MarketMaker | Segment::Business);
    !desk && range.contains(&cents) && draws.chance(0.12)
}

/// What is odd about taking so much.
pub(super) fn note(cents: u64, customer: &Customer, scene: &Scene, odd: &mut Oddities) {
    let limit = scene.parameters.published.per_withdrawal_usd_cents;
    odd.add_if(cents >= share(customer.balance, 0.95), Oddity::WithdrewAll);
    odd.add_if((share(limit, 0.9)..=limit).contains(&cents), Oddity::JustUnderLimit);
    odd.add_if(real(cents) >= 10.0 * customer.median_cents, Oddity::LargeForCustomer);
}
