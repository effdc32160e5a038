//! Owns when honest customers come back and what they bring: gaps by rate, season, weekday and hour; deposits in between.

use crate::{
    calendar::{days, hours},
    draw::Draws,
    event::{Deposit, Event, TimeMs},
    honest::{amount, payroll},
    label::Label,
    market::MAX_MOOD_RATE,
    number::{real, whole},
    outbox::Outbox,
    population::{Customer, Plan, Segment},
    scene::Scene,
};

/// When the customer acts next; what for is in the customer's plan.
pub(super) fn next(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) -> TimeMs {
    // The dormant, once awake, are like others.
    if customer.segment == Segment::Dormant && matches!(customer.plan, Plan::Withdraw { .. }) {
        customer.rate = customer.rate.max(1.5 / 30.0);
    }
    if customer.segment == Segment::Business {
        return payday(customer, now, scene, outbox, draws);
    }
    if matches!(customer.plan, Plan::Arrive) && customer.opened_at == now && draws.chance(0.35) {
        return straight_through(customer, now, draws);
    }
    let at = gap(customer, now, scene, draws);
    let wish = amount::wish(customer, at, scene, draws);
    let missing = wish - real(customer.balance);
    if missing > 0.0 && draws.chance(0.75) {
        let brings = missing + wish * draws.between(0.05, 1.5);
        bring(customer, whole(brings), now, at, outbox, draws);
    } else if draws.chance(0.15) {
        let brings = wish * draws.log_normal(1.5, 0.8);
        bring(customer, whole(brings), now, at, outbox, draws);
    }
    if customer.segment != Segment::MarketMaker && draws.chance(0.25) {
        customer.plan = Plan::Look { cents: wish, until: at };
        return now.plus(whole(real(at.since(now)) * draws.uniform()));
    }
    customer.plan = Plan::Withdraw { cents: wish, errand: None };
    at
}

/// Many open an account only to buy once and take it away.
fn straight_through(customer: &mut Customer, now: TimeMs, draws: &mut Draws) -> TimeMs {
    let wish = real(customer.balance) * draws.between(0.7, 1.0);
    customer.plan = Plan::Withdraw { cents: wish, errand: None };
    now.plus(hours(draws.between(0.1, 40.0)))
}

/// The next visit: a Poisson process thinned by season, shift and weekday, at the customer's hours.
fn gap(customer: &Customer, now: TimeMs, scene: &Scene, draws: &mut Draws) -> TimeMs {
    let most = MAX_MOOD_RATE * scene.parameters.shift.rate.max(1.0);
    let mut at = now;
    loop {
        at = at.plus(days(draws.exponential(1.0 / (customer.rate * most))).max(1));
        if at > scene.parameters.end() {
            return at;
        }
        let weekday = if customer.rhythm.is_weekend(at) { customer.rhythm.weekend } else { 1.0 };
        let rate = scene.mood(at).rate * scene.shift(at).rate * weekday;
        if draws.chance(rate / most) {
            break;
        }
    }
    customer.rhythm.around(at, scene.shift(at).hours, draws)
}

/// Every two weeks or every month, in office hours, after the money came in.
fn payday(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) -> TimeMs {
    let monthly = customer.index.is_multiple_of(2);
    let first = matches!(customer.plan, Plan::Arrive);
    let period = if monthly { 29.5 } else { 13.5 };
    let wait = if first { draws.between(1.0, period) } else { period + draws.between(-0.5, 0.5) };
    let mut at = customer.rhythm.around(now.plus(days(wait)), scene.shift(now).hours, draws);
    while customer.rhythm.is_weekend(at) {
        at = at.plus(days(1.0));
    }
    customer.plan = Plan::Payday;
    let needed = real(payroll::total(customer, scene)) * draws.between(1.05, 1.3);
    let missing = needed - real(customer.balance);
    if missing > 0.0 {
        bring(customer, whole(missing), at.minus(hours(40.0)).max(now), at, outbox, draws);
    }
    at
}

/// Money comes in between `from` and `to`. It is there when the customer acts next.
fn bring(
    customer: &mut Customer,
    cents: u64,
    from: TimeMs,
    to: TimeMs,
    outbox: &mut Outbox,
    draws: &mut Draws,
) {
    if cents == 0 {
        return;
    }
    let at = from.plus(whole(real(to.since(from)) * draws.uniform()));
    customer.pending = (at, customer.pending.1.saturating_add(cents));
    let deposit = Deposit { customer: customer.id, usd_cents: cents };
    outbox.push(at, Event::Deposited(deposit), Label::PLAIN);
}
