//! Owns mules: accounts opened with borrowed names or rented from customers, through which fraud's proceeds go to one address.

use crate::{
    attack::thief::{Entry, Haul, Thief},
    calendar::{days, hours, minutes},
    draw::Domain,
    event::{Deposit, DeviceId, Event, Network, Registration, TimeMs},
    label::Skill,
    number::share,
    population::Resets,
};

/// Many accounts pay to one new destination; careful gangs split into two groups of at least four.
pub(super) fn fan_in(mut thief: Thief<'_>) {
    let (low, high) = thief.by_skill((6, 20), (5, 14), (8, 11));
    let number = thief.draws.whole_between(low, high);
    let first = thief.fresh_haul();
    let second = if thief.skill() == Skill::Careful { thief.fresh_haul() } else { first };
    let span = thief.by_skill(0.15, 2.0, 6.0);
    let amount = thief.draws.log_normal(150_000.0, 0.6);
    for mule in 0..number {
        let haul = if mule < number / 2 { first } else { second };
        let pays_at = thief.now.plus(days(1.5 + span * thief.draws.uniform()));
        let variation = thief.by_skill(0.02, 0.25, 0.8);
        let brings = crate::number::whole(thief.draws.log_normal(amount, variation));
        one_mule(&mut thief, mule, haul, pays_at, brings);
    }
}

fn one_mule(thief: &mut Thief<'_>, mule: u64, haul: Haul, pays_at: TimeMs, brings: u64) -> Option<()> {
    let rented = thief.draws.chance(thief.by_skill(0.15, 0.35, 0.6));
    let account = if rented { rent(thief)? } else { open(thief, pays_at)? };
    let entry = entry(thief, mule, account, rented)?;
    thief.lock(account, thief.now);
    let ahead = thief.between(thief.by_skill((0.3, 6.0), (1.0, 16.0), (8.0, 30.0)));
    let comes_in = pays_at.minus(hours(ahead)).max(thief.now.plus(hours(1.0)));
    let customer = thief.world.population.customer(account)?;
    let (whitelist, pays_at) = (customer.habits.whitelist, pays_at.max(thief.now.plus(hours(2.0))));
    let mut at = pays_at;
    if whitelist {
        let confirmed_at = thief.now.plus(hours(1.5));
        thief.confirm(account, haul.address, confirmed_at);
        let wait = f64::from(thief.world.scene.parameters.published.whitelist_wait_hours);
        at = at.max(confirmed_at.plus(hours(wait)));
    }
    let client = thief.log_in(account, &entry, at)?;
    let asked = at.plus(minutes(thief.draws.between(0.5, 8.0)));
    let cents = share(brings, thief.between(thief.by_skill((0.97, 1.0), (0.85, 1.0), (0.5, 0.95))));
    let round = thief.draws.chance(0.3);
    let before = bring(thief, account, brings, comes_in)?;
    thief.steal(account, asked, cents, haul, client, round);
    // What stays behind belongs to the gang and is not touched again.
    thief.world.population.customer(account)?.balance = before;
    Some(())
}

/// A customer sells the login.
fn rent(thief: &mut Thief<'_>) -> Option<u32> {
    thief.victim_who(0, |customer, _| customer.median_cents < 100_000.0)
}

/// A new account, some time before it is needed.
fn open(thief: &mut Thief<'_>, pays_at: TimeMs) -> Option<u32> {
    let now = thief.now;
    let label = thief.label();
    let account = {
        let crate::world::World { population, scene, .. } = &mut *thief.world;
        population.open_mule(now, scene)
    };
    let window = crate::number::real(pays_at.since(now)) * 0.3;
    let registered = now.plus(crate::number::whole(window * thief.draws.uniform()).min(hours(0.8)));
    let customer = thief.world.population.customer(account)?;
    customer.opened_at = registered;
    let registration = Registration {
        customer: customer.id,
        country: customer.home,
        opened_at: registered,
        last_active_at: None,
    };
    thief.world.outbox.push(registered, Event::Registered(registration), label);
    Some(account)
}

/// Careless gangs use one device for all accounts, average ones one for three, careful ones one for each.
fn entry(thief: &mut Thief<'_>, mule: u64, account: u32, rented: bool) -> Option<Entry> {
    let shared = thief.by_skill(0, mule.checked_div(3)?, mule);
    let number = u64::from(thief.incident.number).wrapping_shl(8) | (shared & 0xff) | 1 << 50;
    let device = DeviceId(thief.world.scene.seed.pseudonym(Domain::Incident, number));
    let own = rented && thief.skill() == Skill::Careful;
    let mut entry = thief.stranger(account, Resets::default(), thief.now)?;
    let customer = thief.world.population.customer(account)?;
    // Careful gangs let the owner of a rented account press the button.
    entry.device = if own { customer.main_device } else { device };
    entry.known_device = own;
    if own {
        (entry.country, entry.network) = (customer.home, Network::Mobile);
    }
    Some(entry)
}

/// Proceeds come in, before they are taken. Returns the balance without them.
fn bring(thief: &mut Thief<'_>, account: u32, usd_cents: u64, at: TimeMs) -> Option<u64> {
    let label = thief.label();
    let customer = thief.world.population.customer(account)?;
    let before = customer.balance;
    customer.balance = before.saturating_add(usd_cents);
    let deposit = Deposit { customer: customer.id, usd_cents };
    thief.world.outbox.push(at, Event::Deposited(deposit), label);
    Some(before)
}
