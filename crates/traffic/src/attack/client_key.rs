//! Owns thefts with a client's stolen signing key: requests for many customers without any session of theirs. A whitelist
//! cannot be touched with it: confirmations need the customers' own factors.

use crate::{
    attack::{
        campaign::Step,
        thief::{Haul, Thief},
    },
    calendar::hours,
    draw::Domain,
    event::{Address, Client},
    label::Skill,
    number::{share, whole},
    payment::LEAST_CENTS,
    provider::Background,
};

/// One request for one customer. Careful thieves ask for the usual amounts of customers who just logged in, and choose those
/// who are paid to unconfirmed addresses.
pub(super) fn one_request(mut thief: Thief<'_>, step: &Step) {
    let number = u64::from(step.incident.number);
    let mut common = thief.world.scene.seed.draws(Domain::Incident, number, 0);
    let client = if common.chance(0.75) { Client::Web } else { Client::Api };
    let places = thief.by_skill(1, 4, 64);
    let addresses: Vec<Address> = (0..places).map(|_| Address(common.twenty_bytes())).collect();
    let skill = thief.skill();
    let now = thief.now;
    let Some(victim) = thief.victim_who(30_000, |customer, draws| match skill {
        Skill::Careless => true,
        Skill::Average => !customer.habits.whitelist && draws.chance(0.8) || draws.chance(0.05),
        Skill::Careful => !customer.habits.whitelist && now.since(customer.last_active_at) < hours(30.0),
    }) else {
        return;
    };
    thief.ensure_funds(victim, 30_000);
    let Some(customer) = thief.world.population.customer(victim) else { return };
    let balance = customer.balance;
    let usual = whole(customer.usual_cents(&mut thief.draws));
    let cents = match skill {
        Skill::Careless => share(balance, thief.between((0.7, 1.0))),
        Skill::Average => share(balance, thief.between((0.2, 0.8))),
        Skill::Careful => usual.min(share(balance, 0.8)),
    };
    let place = if skill == Skill::Careful { addresses.get(usize::from(step.number)) } else { None };
    let Some(address) = place.or(thief.draws.one_of(&addresses)).copied() else { return };
    let haul = Haul { address, background: Background::Private };
    thief.steal(victim, now.plus(5_000), cents.max(LEAST_CENTS), haul, client, false);
}
