//! Owns structuring: a large sum in many pieces just under the exchange's published limits, by a customer who knows them.

use crate::{
    attack::thief::{Haul, Thief},
    calendar::{hours, minutes},
    event::{Deposit, Event, TimeMs},
    label::Skill,
    number::share,
};

/// Pieces at 90 % and more of the limit; careful ones at 55 % and more, within the limit of a day, to many addresses.
pub(super) fn split(mut thief: Thief<'_>) {
    let published = thief.world.scene.parameters.published;
    let limit = published.per_withdrawal_usd_cents;
    let (low, high) = thief.by_skill((6, 14), (5, 11), (5, 9));
    let number = thief.draws.whole_between(low, high);
    let Some(account) = thief.victim_who(0, |customer, _| customer.rate > 1.0 / 60.0) else { return };
    let needed = limit.saturating_mul(number.saturating_add(1));
    fund(&mut thief, account, needed);
    let range = thief.by_skill((0.95, 0.9999), (0.88, 0.998), (0.55, 0.98));
    let places = thief.by_skill(1, 3, number);
    let hauls: Vec<Haul> = (0..places).map(|_| thief.haul()).collect();
    let Some(mut at) = begin(&mut thief, account, &hauls) else { return };
    let (mut day, mut spent) = (at, 0_u64);
    let mut session: Option<(TimeMs, crate::event::Client)> = None;
    for _ in 0..number {
        let cents = share(limit, thief.between(range));
        if at.since(day) >= hours(24.0) {
            (day, spent) = (at, 0);
        }
        let over = spent.saturating_add(cents) > published.per_day_usd_cents;
        if over && thief.skill() != Skill::Careless {
            at = day.plus(hours(24.5));
            (day, spent) = (at, 0);
        }
        let client = match session {
            Some((since, client)) if at.since(since) < hours(2.0) => Some(client),
            _ => thief.log_in_as_usual(account, at),
        };
        let Some(client) = client else { return };
        session = Some((at, client));
        let asked = at.plus(minutes(thief.draws.between(0.5, 5.0)));
        let Some(haul) = thief.draws.one_of(&hauls).copied() else { return };
        spent = spent.saturating_add(thief.steal(account, asked, cents, haul, client, false));
        at = next(&mut thief, account, asked);
    }
}

/// The sum comes in first.
fn fund(thief: &mut Thief<'_>, account: u32, usd_cents: u64) {
    let (now, label) = (thief.now, thief.label());
    if let Some(customer) = thief.world.population.customer(account) {
        customer.balance = customer.balance.saturating_add(usd_cents);
        let deposit = Deposit { customer: customer.id, usd_cents };
        thief.world.outbox.push(now, Event::Deposited(deposit), label);
    }
    thief.lock(account, now);
}

/// When the first piece can go: addresses are confirmed before, where they must be.
fn begin(thief: &mut Thief<'_>, account: u32, hauls: &[Haul]) -> Option<TimeMs> {
    let customer = thief.world.population.customer(account)?;
    let (rhythm, whitelist) = (customer.rhythm, customer.habits.whitelist);
    let mut begin = thief.now.plus(hours(thief.between((0.5, 12.0))));
    if whitelist {
        let confirmed_at = thief.now.plus(minutes(20.0));
        for haul in hauls {
            thief.confirm(account, haul.address, confirmed_at);
        }
        let wait = f64::from(thief.world.scene.parameters.published.whitelist_wait_hours);
        begin = begin.max(confirmed_at.plus(hours(wait)));
    }
    Some(rhythm.around(begin, 0.0, &mut thief.draws))
}

fn next(thief: &mut Thief<'_>, account: u32, after: TimeMs) -> TimeMs {
    let gap = thief.between(thief.by_skill((0.05, 0.7), (0.5, 8.0), (6.0, 30.0)));
    let later = after.plus(hours(gap));
    match thief.world.population.customer(account) {
        Some(customer) if thief.incident.skill == Skill::Careful => {
            let rhythm = customer.rhythm;
            rhythm.around(later, 0.0, &mut thief.draws)
        }
        _ => later,
    }
}
