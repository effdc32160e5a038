//! Owns the customers. It must never know which of them will be robbed.

mod customer;
mod profile;
mod segment;

pub(crate) use customer::{Access, Customer, Habits, Kind, Known, Plan, Resets};
pub(crate) use segment::Segment;

use crate::{
    draw::Draws,
    event::TimeMs,
    number::{count, index},
    scene::Scene,
};

/// All customers, by index. Mules come after the honest.
#[derive(Debug)]
pub(crate) struct Population {
    customers: Vec<Customer>,
    honest: usize,
    dormant: Vec<u32>,
}

impl Population {
    pub(crate) fn new(scene: &Scene) -> Self {
        let customers: Vec<Customer> =
            (0..scene.parameters.customers).map(|index| profile::customer(index, scene)).collect();
        let dormant = customers.iter().filter(|customer| customer.segment == Segment::Dormant);
        let dormant = dormant.map(|customer| customer.index).collect();
        Self { honest: customers.len(), customers, dormant }
    }

    /// The customer with this index.
    pub(crate) fn customer(&mut self, at: u32) -> Option<&mut Customer> {
        self.customers.get_mut(usize::try_from(at).ok()?)
    }

    /// When each honest customer first acts.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = (TimeMs, u32)> {
        self.customers.iter().map(|customer| (customer.known_from, customer.index))
    }

    /// A customer that `wanted` accepts, among those whom nobody robs yet; the last one looked at if none does.
    pub(crate) fn pick(
        &self,
        now: TimeMs,
        draws: &mut Draws,
        wanted: impl Fn(&Customer, &mut Draws) -> bool,
    ) -> Option<u32> {
        let mut last = None;
        for _ in 0..400 {
            let Some(customer) = self.customers.get(index(draws.below(count(self.honest)))) else { break };
            if customer.known_from < now && customer.segment != Segment::MarketMaker {
                last = last.or(Some(customer.index));
                if customer.is_free() && wanted(customer, draws) {
                    return Some(customer.index);
                }
            }
        }
        last
    }

    /// The same among the dormant.
    pub(crate) fn pick_dormant(
        &self,
        now: TimeMs,
        draws: &mut Draws,
        wanted: impl Fn(&Customer) -> bool,
    ) -> Option<u32> {
        for _ in 0..400 {
            let Some(at) = draws.one_of(&self.dormant).copied() else { break };
            let customer = self.customers.get(index(u64::from(at)));
            let fits =
                |customer: &&Customer| customer.is_free() && customer.known_from < now && wanted(customer);
            if customer.filter(fits).is_some() {
                return Some(at);
            }
        }
        self.pick(now, draws, |customer, _| wanted(customer))
    }

    /// Opens an account for a mule.
    pub(crate) fn open_mule(&mut self, now: TimeMs, scene: &Scene) -> u32 {
        let at = u32::try_from(self.customers.len()).unwrap_or(u32::MAX);
        self.customers.push(profile::mule(at, now, scene));
        at
    }
}
