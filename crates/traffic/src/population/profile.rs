//! Owns who customers are: drawn once, by index. It must never depend on what others do.

use crate::{
    calendar::{Rhythm, days, in_days},
    country::{Nation, some_nation},
    draw::{Domain, Draws},
    event::{Address, DeviceId, TimeMs},
    number::whole,
    population::{
        Customer, Habits, Kind, Known, Segment,
        customer::{Person, cents, some_asset},
        segment::Traits,
    },
    scene::Scene,
};

/// Customers who register during the stream. Assumed.
const ARRIVING: f64 = 0.20;
/// Three neighbours in the index live together. Assumed.
const HOUSEHOLDS: f64 = 0.06;
/// Twenty-five neighbours use one shop's or café's computer. Assumed.
const SHOPS: f64 = 0.004;

/// The customer with this index.
pub(crate) fn customer(index: u32, scene: &Scene) -> Customer {
    let mut draws = scene.seed.draws(Domain::Profile, u64::from(index), 0);
    let shares = Segment::ALL.map(|segment| segment.traits().share);
    let segment = Segment::ALL.get(draws.weighted(&shares)).copied().unwrap_or(Segment::Casual);
    let arrives = segment != Segment::Dormant && draws.chance(ARRIVING);
    let start = scene.parameters.start;
    let person = if arrives {
        let period = in_days(scene.parameters.end().since(start));
        let known_from = start.plus(days(draws.between(0.0, period)));
        person(index, segment, known_from, known_from, &mut draws)
    } else {
        let opened_at = start.minus(days(draws.exponential(500.0).clamp(10.0, 4_000.0)));
        // Imported in the first hour.
        let known_from = start.plus(whole(draws.between(0.0, 3_600_000.0)));
        person(index, segment, opened_at, known_from, &mut draws)
    };
    let mut customer = Customer::new(person, scene.seed);
    share(&mut customer, scene);
    furnish(&mut customer, arrives, &mut draws, scene);
    customer
}

/// An account opened for a mule: a person like any other, with nothing to remember.
pub(crate) fn mule(index: u32, now: TimeMs, scene: &Scene) -> Customer {
    let mut draws = scene.seed.draws(Domain::Profile, u64::from(index), 0);
    let mut customer = Customer::new(person(index, Segment::Casual, now, now, &mut draws), scene.seed);
    customer.locked_from = now;
    customer
}

fn person(index: u32, segment: Segment, opened_at: TimeMs, known_from: TimeMs, draws: &mut Draws) -> Person {
    let traits = segment.traits();
    let nation = some_nation(draws);
    let asleep = segment == Segment::Dormant;
    let idle = if asleep { draws.between(90.0, 900.0) } else { draws.exponential(20.0) };
    Person {
        index,
        segment,
        home: nation.code,
        rhythm: rhythm(segment, &nation, &traits, draws),
        habits: habits(segment, &nation, &traits, draws),
        opened_at: if asleep { opened_at.minus(days(idle)) } else { opened_at },
        known_from,
        last_active_at: if asleep {
            known_from.minus(days(idle))
        } else {
            known_from.minus(days(idle)).max(opened_at)
        },
        rate: draws.log_normal(traits.per_month, 0.5) / 30.0,
        median_cents: 100.0 * draws.log_normal(traits.median_usd, traits.sigma_between).clamp(15.0, 3e6),
        sigma: draws.between(traits.sigma_within.0, traits.sigma_within.1),
        favourite: some_asset(draws),
    }
}

fn rhythm(segment: Segment, nation: &Nation, traits: &Traits, draws: &mut Draws) -> Rhythm {
    let office = segment == Segment::Business;
    let program = segment == Segment::MarketMaker;
    let centre = if office { draws.between(9.0, 16.0) } else { 18.0 + 3.5 * draws.normal() };
    Rhythm {
        offset_minutes: nation.offset_minutes,
        centre,
        spread: (!program).then(|| draws.between(1.5, 4.5)),
        weekend: traits.weekend,
    }
}

fn habits(segment: Segment, nation: &Nation, traits: &Traits, draws: &mut Draws) -> Habits {
    let program = segment == Segment::MarketMaker;
    Habits {
        vpn: !program && draws.chance(nation.vpn),
        tor: !program && draws.chance(0.003),
        whitelist: draws.chance(traits.whitelist),
        rounds: !program && draws.chance(0.5),
        under_limit: !program && draws.chance(0.02),
        api: draws.chance(traits.api),
    }
}

/// Devices and an address in common with others.
fn share(customer: &mut Customer, scene: &Scene) {
    let index = u64::from(customer.index);
    let home = index.checked_div(3).unwrap_or(0);
    let shop = index.checked_div(25).unwrap_or(0).saturating_add(1 << 40);
    let mut household = scene.seed.draws(Domain::Household, home, 0);
    if household.chance(HOUSEHOLDS) {
        let device = DeviceId(scene.seed.pseudonym(Domain::Household, home));
        customer.shared_device = Some((device, 0.4));
        customer.household_address = Some(Address(household.twenty_bytes()));
    } else if scene.seed.draws(Domain::Household, shop, 0).chance(SHOPS) {
        customer.shared_device = Some((DeviceId(scene.seed.pseudonym(Domain::Household, shop)), 0.6));
    }
}

/// Money, and for those who were here before, destinations and a second device.
fn furnish(customer: &mut Customer, arrives: bool, draws: &mut Draws, scene: &Scene) {
    let brings = cents(customer.median_cents * draws.log_normal(8.0, 1.1)).max(5_000);
    customer.pending = (customer.known_from, brings);
    customer.main_device_since = customer.opened_at;
    if draws.chance(0.4) {
        customer.other_device = Some(customer.another_device(scene.seed));
    }
    if arrives && customer.segment != Segment::Business && customer.segment != Segment::MarketMaker {
        return;
    }
    let number = match customer.segment {
        Segment::Business => draws.whole_between(6, 40),
        Segment::MarketMaker => draws.whole_between(2, 6),
        Segment::Trader | Segment::Whale => draws.whole_between(2, 8),
        Segment::Casual | Segment::Regular | Segment::Dormant => draws.whole_between(1, 4),
    };
    for _ in 0..number {
        let hot = draws.chance(0.12).then(|| scene.places.hot(draws)).flatten();
        let address = hot.unwrap_or_else(|| Address(draws.twenty_bytes()));
        let age = in_days(customer.known_from.since(customer.opened_at)) * draws.uniform();
        let confirmed = customer.known_from.minus(days(age));
        customer.destinations.push(Known {
            address,
            kind: if hot.is_some() { Kind::Hot } else { Kind::Private },
            whitelisted_since: customer.habits.whitelist.then_some(confirmed),
            used: true,
            paid: false,
        });
    }
}
