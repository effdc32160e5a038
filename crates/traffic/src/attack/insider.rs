//! Owns an insider with access to support tools who takes a little from many, for weeks.

use crate::{
    attack::{
        campaign::Step,
        thief::{Entry, Haul, Thief},
    },
    calendar::{days, minutes},
    country::some_nation,
    draw::Domain,
    event::{Address, Client, DeviceId, Network},
    label::Skill,
    number::{index, share, whole},
    payment::LEAST_CENTS,
    population::Resets,
    provider::Background,
};

/// One small withdrawal from an account whose owner is not looking. Careless insiders log in from the same machine to each
/// account; careful ones slip a request behind a customer's own login, for a usual amount.
pub(super) fn one_drip(mut thief: Thief<'_>, step: &Step) {
    let number = u64::from(step.incident.number);
    let mut common = thief.world.scene.seed.draws(Domain::Incident, number, 0);
    let country = some_nation(&mut common).code;
    let places = thief.by_skill(1_u64, 3, 12);
    let addresses: Vec<Address> = (0..places).map(|_| Address(common.twenty_bytes())).collect();
    let (skill, now) = (thief.skill(), thief.now);
    let Some(victim) = thief.victim_who(50_000, |customer, _| {
        let idle = now.since(customer.last_active_at);
        match skill {
            Skill::Careless => idle > days(14.0),
            Skill::Average => !customer.habits.whitelist && idle > days(7.0),
            Skill::Careful => !customer.habits.whitelist && idle < days(1.5),
        }
    }) else {
        return;
    };
    thief.ensure_funds(victim, 50_000);
    let Some(customer) = thief.world.population.customer(victim) else { return };
    let (balance, home) = (customer.balance, customer.home);
    let usual = whole(customer.usual_cents(&mut thief.draws));
    let cents = match skill {
        Skill::Careless => share(balance, thief.between((0.01, 0.08))).min(500_000),
        Skill::Average => share(balance, thief.between((0.005, 0.04))).min(90_000),
        Skill::Careful => usual.min(share(balance, 0.05)).min(60_000),
    };
    // Careful insiders use an address twice and no more.
    let used_before = usize::from(step.number >> 1);
    let random = index(thief.draws.below(places));
    let place = addresses.get(if skill == Skill::Careful { used_before } else { random });
    let Some(address) = place.or(addresses.first()).copied() else { return };
    if skill != Skill::Careful {
        let machine = DeviceId(thief.world.scene.seed.pseudonym(Domain::Incident, number | 1 << 51));
        let single = number.wrapping_shl(8) | u64::from(step.number & 0xff) | 1 << 52;
        let single = DeviceId(thief.world.scene.seed.pseudonym(Domain::Incident, single));
        let careless = skill == Skill::Careless;
        let entry = Entry {
            device: if careless { machine } else { single },
            known_device: false,
            country: if careless { country } else { home },
            network: if thief.draws.chance(0.5) { Network::Hosting } else { Network::Home },
            resets: Resets::default(),
            api_key_made: None,
            entered: now,
        };
        thief.log_in(victim, &entry, now);
    }
    let asked = now.plus(minutes(thief.draws.between(0.5, 10.0)));
    let haul = Haul { address, background: Background::Private };
    thief.steal(victim, asked, cents.max(LEAST_CENTS.saturating_mul(3)), haul, Client::Web, false);
}
