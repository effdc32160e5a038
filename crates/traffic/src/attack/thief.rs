//! Owns what every thief can do: choose a victim, log in, confirm an address, ask for money, and where it goes.

use crate::{
    attack::campaign::Step,
    calendar::{DAY_MS, days},
    country::{some_exit, some_nation},
    draw::{Domain, Draws, Seed},
    event::{Address, Asset, Client, Country, Deposit, DeviceId, Event, Network, TimeMs},
    honest,
    label::{Incident, Label, Skill},
    number::{count, whole},
    payment::{Payment, pay},
    population::{Access, Customer, Kind, Known, Resets},
    provider::Background,
    world::World,
};

/// Gangs that reuse their devices and addresses. Assumed.
const GANGS: u64 = 60;

#[derive(Debug, Clone, Copy)]
struct Gang {
    device: DeviceId,
    address: Address,
    first_used: Option<TimeMs>,
    /// Victims report it, and some day the provider hears of it.
    noticed_after_days: f64,
}

/// What careless thieves share.
#[derive(Debug)]
pub(crate) struct Underworld {
    gangs: Vec<Gang>,
}

impl Underworld {
    pub(crate) fn new(seed: Seed) -> Self {
        let gangs = (0..GANGS).map(|number| {
            let mut draws = seed.draws(Domain::Campaign, number, 1);
            let device = DeviceId(seed.pseudonym(Domain::Campaign, number));
            let noticed_after_days = draws.exponential(6.0);
            Gang { device, address: Address(draws.twenty_bytes()), first_used: None, noticed_after_days }
        });
        Self { gangs: gangs.collect() }
    }

    /// A gang's device and address, and what is known of the address at `at`.
    fn some_gang(&mut self, at: TimeMs, draws: &mut Draws) -> Option<(DeviceId, Haul)> {
        let pick = crate::number::index(draws.below(count(self.gangs.len())));
        let gang = self.gangs.get_mut(pick)?;
        let first = *gang.first_used.get_or_insert(at);
        let noticed = at.since(first) > days(gang.noticed_after_days);
        Some((gang.device, Haul { address: gang.address, background: Background::Reported(noticed) }))
    }
}

/// Where stolen money goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Haul {
    pub address: Address,
    pub background: Background,
}

/// How a thief gets in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub device: DeviceId,
    /// The victim's own device or cookie: never new.
    pub known_device: bool,
    pub country: Country,
    pub network: Network,
    pub resets: Resets,
    pub api_key_made: Option<TimeMs>,
    pub entered: TimeMs,
}

/// A thief at work.
pub(super) struct Thief<'a> {
    pub world: &'a mut World,
    pub incident: Incident,
    pub now: TimeMs,
    pub draws: Draws,
}

impl<'a> Thief<'a> {
    pub(super) fn new(step: &Step, now: TimeMs, world: &'a mut World) -> Self {
        // Step 0 of the domain is for what all steps of an incident share.
        let seed = world.scene.seed;
        let number = u64::from(step.number).saturating_add(1);
        let draws = seed.draws(Domain::Incident, u64::from(step.incident.number), number);
        Self { world, incident: step.incident, now, draws }
    }

    pub(super) fn skill(&self) -> Skill {
        self.incident.skill
    }

    pub(super) fn label(&self) -> Label {
        Label::Attack(self.incident)
    }

    /// One of three values, by skill.
    pub(super) fn by_skill<T>(&self, careless: T, average: T, careful: T) -> T {
        match self.incident.skill {
            Skill::Careless => careless,
            Skill::Average => average,
            Skill::Careful => careful,
        }
    }

    /// A number of days within the pace of this skill, and hours likewise.
    pub(super) fn between(&mut self, range: (f64, f64)) -> f64 {
        self.draws.between(range.0, range.1)
    }

    /// A victim with at least so many cents, whom nobody else has robbed.
    pub(super) fn victim(&mut self, least: u64) -> Option<u32> {
        self.victim_who(least, |_, _| true)
    }

    /// The same, whom `wanted` accepts.
    pub(super) fn victim_who(
        &mut self,
        least: u64,
        wanted: impl Fn(&Customer, &mut Draws) -> bool,
    ) -> Option<u32> {
        let Self { world, now, draws, .. } = self;
        world
            .population
            .pick(*now, draws, |customer, draws| customer.balance >= least && wanted(customer, draws))
    }

    /// From `from` on the customer does nothing any more: locked out, or on the phone with support.
    pub(super) fn lock(&mut self, victim: u32, from: TimeMs) {
        if let Some(customer) = self.world.population.customer(victim) {
            customer.robbed = true;
            customer.locked_from = customer.locked_from.min(from);
        }
    }

    /// If there is less than `least`, it came in just now. Rarely needed: only when too few customers are worth robbing.
    pub(super) fn ensure_funds(&mut self, victim: u32, least: u64) {
        let Some(customer) = self.world.population.customer(victim) else { return };
        if customer.balance < least {
            let usd_cents = whole(crate::number::real(least) * self.draws.between(1.0, 3.0));
            customer.balance = customer.balance.saturating_add(usd_cents);
            let deposit = Deposit { customer: customer.id, usd_cents };
            self.world.outbox.push(self.now, Event::Deposited(deposit), Label::PLAIN);
        }
    }

    /// A thief's own device, network and country, as good as the skill.
    pub(super) fn stranger(&mut self, victim: u32, resets: Resets, entered: TimeMs) -> Option<Entry> {
        let seed = self.world.scene.seed;
        let home = self.world.population.customer(victim)?.home;
        let own = DeviceId(seed.pseudonym(Domain::Incident, u64::from(self.incident.number)));
        let careless = self.skill() == Skill::Careless;
        let device = if careless && self.draws.chance(0.5) { self.gang_device().unwrap_or(own) } else { own };
        let near = self.draws.chance(self.by_skill(0.10, 0.65, 0.97));
        let country = if near { home } else { some_abroad(&mut self.draws) };
        // Residential proxies look like a line at home.
        let network = match (near, self.draws.weighted(&[0.55, 0.2, 0.25])) {
            (true, 0) => Network::Home,
            (true, _) => Network::Mobile,
            (false, 0) => Network::Vpn,
            (false, 1) => Network::Hosting,
            (false, _) if careless => Network::Tor,
            (false, _) => Network::Home,
        };
        Some(Entry { device, known_device: false, country, network, resets, api_key_made: None, entered })
    }

    pub(super) fn gang_device(&mut self) -> Option<DeviceId> {
        let now = self.now;
        self.world.underworld.some_gang(now, &mut self.draws).map(|(device, _)| device)
    }

    /// An address that nobody used before.
    pub(super) fn fresh_haul(&mut self) -> Haul {
        Haul { address: Address(self.draws.twenty_bytes()), background: Background::Private }
    }

    /// Where the money goes: careless thieves use the gang's address half of the time.
    pub(super) fn haul(&mut self) -> Haul {
        let fresh = self.fresh_haul();
        if self.skill() != Skill::Careless || self.draws.chance(0.5) {
            return fresh;
        }
        let now = self.now;
        self.world.underworld.some_gang(now, &mut self.draws).map_or(fresh, |(_, haul)| haul)
    }

    /// A login that the session provider reports. Returns the client its requests come from.
    pub(super) fn log_in(&mut self, victim: u32, entry: &Entry, at: TimeMs) -> Option<Client> {
        let label = self.label();
        let at = self.world.scene.no_later_than_end(at);
        let customer = self.world.population.customer(victim)?;
        let access = Access {
            device: entry.device,
            new_device: !entry.known_device && at.since(entry.entered) < DAY_MS,
            country: entry.country,
            network: entry.network,
            api_key_made: entry.api_key_made,
        };
        let own = customer.resets;
        let resets = Resets {
            second_factor: entry.resets.second_factor.or(own.second_factor),
            password: entry.resets.password.or(own.password),
            email: entry.resets.email.or(own.email),
        };
        let report = customer.report(&access, &resets, at);
        customer.last_active_at = customer.last_active_at.max(at);
        let client = customer.client(&access);
        self.world.outbox.push(at, Event::Session(report), label);
        Some(client)
    }

    /// A login that looks like the customer's, because it is: complicit, deceived, or with malware on the device.
    pub(super) fn log_in_as_usual(&mut self, victim: u32, at: TimeMs) -> Option<Client> {
        let label = self.label();
        let World { scene, population, outbox, .. } = &mut *self.world;
        let customer = population.customer(victim)?;
        let at = scene.no_later_than_end(at);
        let access =
            honest::log_in(customer, at, scene, &mut self.draws, &mut crate::label::Oddities::default());
        let resets = customer.resets;
        let report = customer.report(&access, &resets, at);
        outbox.push(at, Event::Session(report), label);
        Some(customer.client(&access))
    }

    /// Confirms an address as the customer would.
    pub(super) fn confirm(&mut self, victim: u32, address: Address, at: TimeMs) {
        let label = self.label();
        let World { scene, population, outbox, .. } = &mut *self.world;
        if let Some(customer) = population.customer(victim) {
            if customer.known(address).is_none() {
                customer.foreign.push(Known::new(address, Kind::Private));
            }
            honest::confirm_at(customer, address, at, scene, outbox, label);
        }
    }

    /// Asks for the money. Returns the cents asked for.
    pub(super) fn steal(
        &mut self,
        victim: u32,
        at: TimeMs,
        cents: u64,
        haul: Haul,
        client: Client,
        round: bool,
    ) -> u64 {
        let label = self.label();
        let World { scene, population, outbox, .. } = &mut *self.world;
        let Some(customer) = population.customer(victim) else { return 0 };
        let asset: Asset = customer.some_asset(&mut self.draws);
        let whitelisted_since = customer
            .known(haul.address)
            .and_then(|known| known.whitelisted_since)
            .filter(|since| *since <= at);
        let payment = Payment {
            at,
            client,
            asset,
            cents,
            round,
            destination: haul.address,
            background: haul.background,
            whitelisted_since,
            label,
        };
        pay(&payment, customer, scene, outbox, &mut self.draws)
    }
}

fn some_abroad(draws: &mut Draws) -> Country {
    if draws.chance(0.6) { some_exit(draws) } else { some_nation(draws).code }
}
