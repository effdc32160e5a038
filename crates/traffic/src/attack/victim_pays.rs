//! Owns thefts in which the customer asks for the payment: a look-alike pasted from a poisoned history, an address swapped by
//! malware. Session, hour and device are the customer's own.

use crate::{
    attack::{
        lookalike::lookalike,
        thief::{Haul, Thief},
    },
    calendar::{hours, minutes},
    event::{Address, TimeMs},
    number::whole,
    payment::LEAST_CENTS,
    population::{Customer, Known},
    provider::Background,
};

/// Those who withdraw often are poisoned and infected more often.
fn active(customer: &Customer, draws: &mut crate::draw::Draws) -> bool {
    draws.chance((customer.rate * 6.0).min(1.0))
}

/// 270 million attempts on 17 million victims and 6,633 payments of 83.8 million USD in two years on two chains (Tsuchiya et al.,
/// "Blockchain Address Poisoning", arXiv 2501.16681). Digits in common: the largest known loss (68 million USD, May 2024)
/// had the first 4 and last 6; the spread by skill is assumed. Victims of that study pay more than usual: so here.
pub(super) fn poisoned(mut thief: Thief<'_>) {
    let paid = |known: &&Known| known.paid;
    let wanted = |customer: &Customer, draws: &mut crate::draw::Draws| {
        customer.destinations.iter().any(|known| paid(&known)) && active(customer, draws)
    };
    let Some(victim) = thief.victim_who(20_000, wanted) else { return };
    let Some(customer) = thief.world.population.customer(victim) else { return };
    let used: Vec<Address> = customer.destinations.iter().filter(paid).map(|known| known.address).collect();
    // Those who never paid anybody have nothing to be poisoned with; rare, and then an address of theirs will do.
    let any = || customer.destinations.first().map(|known| known.address);
    let Some(original) = thief.draws.one_of(&used).copied().or_else(any) else { return };
    let (prefix, suffix) = thief.by_skill((3, 3), (4, 4), (5, 6));
    let more = thief.draws.below(2);
    let suffix = crate::number::index(more).saturating_add(suffix);
    let address = lookalike(original, prefix, suffix, &mut thief.draws);
    let flagged = thief.draws.chance(thief.by_skill(0.20, 0.10, 0.03));
    let background = if flagged { Background::Reported(true) } else { Background::Private };
    let factor = thief.draws.log_normal(1.6, 0.7);
    pay_by_mistake(&mut thief, victim, Haul { address, background }, factor);
}

/// Clippers that watch for millions of addresses and swap them in the clipboard (BleepingComputer, July 2018: 2.3 million).
/// Careless families use one address for all; careful ones choose the most similar of many.
pub(super) fn malware(mut thief: Thief<'_>) {
    let Some(victim) = thief.victim_who(10_000, active) else { return };
    let Some(customer) = thief.world.population.customer(victim) else { return };
    let original = customer.destinations.first().map(|known| known.address);
    let careful = thief.by_skill(false, false, true);
    let haul = match original {
        Some(original) if careful => {
            let address = lookalike(original, 2, 2, &mut thief.draws);
            Haul { address, background: Background::Private }
        }
        _ => thief.haul(),
    };
    pay_by_mistake(&mut thief, victim, haul, 1.0);
}

/// A withdrawal as any other of this customer, to the wrong address.
fn pay_by_mistake(thief: &mut Thief<'_>, victim: u32, haul: Haul, factor: f64) -> Option<()> {
    let customer = thief.world.population.customer(victim)?;
    let (rhythm, rounds, whitelist) = (customer.rhythm, customer.habits.rounds, customer.habits.whitelist);
    let cents = whole(customer.usual_cents(&mut thief.draws) * factor).max(LEAST_CENTS);
    thief.ensure_funds(victim, cents.min(20_000));
    let mut visit = rhythm.around(thief.now, 0.0, &mut thief.draws);
    if whitelist {
        // The wrong address is pasted where it is confirmed, and paid when it can be.
        thief.log_in_as_usual(victim, visit)?;
        let confirmed_at = visit.plus(minutes(thief.draws.between(1.0, 6.0)));
        thief.confirm(victim, haul.address, confirmed_at);
        visit = ready(thief, confirmed_at, &rhythm);
    }
    let client = thief.log_in_as_usual(victim, visit)?;
    let asked = visit.plus(minutes(thief.draws.between(0.5, 6.0)));
    let round = rounds && thief.draws.chance(0.8);
    thief.steal(victim, asked, cents, haul, client, round);
    thief.lock(victim, thief.now);
    Some(())
}

fn ready(thief: &mut Thief<'_>, confirmed_at: TimeMs, rhythm: &crate::calendar::Rhythm) -> TimeMs {
    let wait = f64::from(thief.world.scene.parameters.published.whitelist_wait_hours);
    let late = thief.draws.exponential(8.0);
    rhythm.around(confirmed_at.plus(hours(wait + late)), 0.0, &mut thief.draws)
}
