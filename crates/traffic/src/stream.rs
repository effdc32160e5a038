//! Owns the order of a stream: customers, attackers and the market act one after another by time, and what they decided is
//! told as soon as nobody can decide anything earlier. Memory grows with the customers, not with the length of the stream.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    attack::{self, Step, Underworld},
    calendar::HOUR_MS,
    draw::Seed,
    event::{Event, Price, Record, TimeMs},
    honest,
    label::Label,
    outbox::Outbox,
    parameters::{ParameterError, Parameters},
    population::Population,
    scene::Scene,
    world::World,
};

/// Who acts; at the same millisecond, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Market,
    Customer(u32),
    Attacker(Step),
}

/// A stream of records, ordered by time. It ends when the period does.
#[derive(Debug)]
pub struct Traffic {
    world: World,
    agenda: BinaryHeap<Reverse<(TimeMs, Actor)>>,
    end: TimeMs,
}

impl Traffic {
    /// The stream for these parameters and this seed: the same on every machine.
    ///
    /// # Errors
    /// Refuses parameters out of bounds.
    pub fn new(parameters: Parameters, seed: u64) -> Result<Self, ParameterError> {
        parameters.check()?;
        let seed = Seed(seed);
        let end = parameters.end();
        let attackers = attack::agenda(&parameters, seed);
        let scene = Scene::new(parameters, seed);
        let population = Population::new(&scene);
        let mut agenda = BinaryHeap::new();
        agenda.push(Reverse((scene.parameters.start, Actor::Market)));
        agenda.extend(population.arrivals().map(|(at, index)| Reverse((at, Actor::Customer(index)))));
        agenda.extend(attackers.into_iter().map(|step| Reverse((step.at, Actor::Attacker(step)))));
        let world = World { scene, population, outbox: Outbox::default(), underworld: Underworld::new(seed) };
        Ok(Self { world, agenda, end })
    }

    /// What the stream was made from.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.world.scene.parameters
    }

    fn act(&mut self, now: TimeMs, actor: Actor) {
        let World { scene, population, outbox, .. } = &mut self.world;
        let again = match actor {
            Actor::Market => {
                for asset in scene.market.reports(now) {
                    let price = Price { asset, usd_cents: scene.market.price(asset, now) };
                    outbox.push(now, Event::Price(price), Label::PLAIN);
                }
                Some(now.plus(HOUR_MS))
            }
            Actor::Customer(index) => {
                let customer = population.customer(index);
                customer.and_then(|customer| honest::act(customer, now, scene, outbox))
            }
            Actor::Attacker(step) => {
                attack::act(&step, now, &mut self.world);
                None
            }
        };
        if let Some(at) = again.filter(|at| *at < self.end) {
            self.agenda.push(Reverse((at, actor)));
        }
    }
}

impl Iterator for Traffic {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let acts = self.agenda.peek().map(|Reverse((at, _))| *at);
            let told = self.world.outbox.next_at();
            // INVARIANT: nobody decides about the past, so an event due before the next action is the earliest of all.
            if let Some(told) = told
                && acts.is_none_or(|acts| told < acts)
            {
                return self.world.outbox.pop().filter(|record| record.at < self.end);
            }
            let Reverse((now, actor)) = self.agenda.pop()?;
            self.act(now, actor);
        }
    }
}
