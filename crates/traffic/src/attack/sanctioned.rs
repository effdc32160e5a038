//! Owns payments by complicit customers to addresses one step from a listed one.

use crate::{
    attack::thief::{Haul, Thief},
    calendar::{days, hours, minutes},
    event::Address,
    label::Skill,
    number::whole,
    payment::LEAST_CENTS,
    provider::Background,
};

/// Careless: far more than usual, at once. Careful: usual amounts, over days, through an intermediate that the provider may
/// not know yet.
pub(super) fn one_hop(mut thief: Thief<'_>) {
    let Some(customer) = thief.victim_who(20_000, |customer, _| customer.rate > 1.0 / 90.0) else { return };
    let (low, high) = thief.by_skill((1, 1), (1, 2), (2, 4));
    let number = thief.draws.whole_between(low, high);
    let skill = thief.skill();
    let address = Address(thief.draws.twenty_bytes());
    let haul = Haul { address, background: Background::OneHop(skill) };
    let factor = thief.between(thief.by_skill((4.0, 30.0), (1.0, 5.0), (0.6, 1.6)));
    send(&mut thief, customer, number, haul, factor);
}

fn send(thief: &mut Thief<'_>, account: u32, number: u64, haul: Haul, factor: f64) -> Option<()> {
    let customer = thief.world.population.customer(account)?;
    let (rhythm, whitelist) = (customer.rhythm, customer.habits.whitelist);
    let cents = whole(customer.usual_cents(&mut thief.draws) * factor)
        .clamp(LEAST_CENTS.saturating_mul(5), 500_000_000);
    thief.ensure_funds(account, cents.saturating_mul(number));
    thief.lock(account, thief.now);
    let mut earliest = thief.now;
    if whitelist {
        let confirmed_at = thief.now.plus(minutes(10.0));
        thief.confirm(account, haul.address, confirmed_at);
        let wait = f64::from(thief.world.scene.parameters.published.whitelist_wait_hours);
        earliest = confirmed_at.plus(hours(wait));
    }
    let mut at = rhythm.around(earliest, 0.0, &mut thief.draws);
    for _ in 0..number {
        let client = thief.log_in_as_usual(account, at)?;
        let asked = at.plus(minutes(thief.draws.between(0.5, 6.0)));
        let this = whole(crate::number::real(cents) * thief.draws.log_normal(1.0, 0.2));
        let round = thief.draws.chance(0.4);
        thief.steal(account, asked, this, haul, client, round);
        let gap = if thief.skill() == Skill::Careful { (0.5, 2.5) } else { (0.02, 0.5) };
        let later = asked.plus(days(thief.between(gap)));
        at = rhythm.around(later, 0.0, &mut thief.draws);
    }
    Some(())
}
