//! Owns the common course of a theft from an account that a thief controls: wait, confirm addresses if need be, take it in pieces.

use crate::{
    attack::thief::{Entry, Haul, Thief},
    calendar::{days, hours, minutes},
    event::TimeMs,
    label::Skill,
    number::{share, whole},
    payment::LEAST_CENTS,
};

/// A theft from one account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raid {
    pub victim: u32,
    pub entry: Entry,
    /// When the customer cannot act any more; `None`: only when the money leaves.
    pub locked_out: Option<TimeMs>,
    /// Nothing is taken before.
    pub earliest: TimeMs,
    /// Logins ahead, to become familiar.
    pub warm_up: u64,
}

impl Thief<'_> {
    /// Takes what the skill dares to take.
    pub(super) fn raid(&mut self, raid: &Raid) -> Option<()> {
        let victim = raid.victim;
        for _ in 0..raid.warm_up {
            let before = crate::number::real(raid.earliest.since(raid.entry.entered));
            let at = raid.entry.entered.plus(whole(before * self.draws.uniform()));
            self.log_in(victim, &raid.entry, at);
        }
        let pieces = self.pieces(victim)?;
        let hauls = self.hauls(pieces.len());
        let earliest = self.confirm_if_needed(raid, &hauls)?;
        let first = self.first_at(victim, earliest)?;
        self.lock(victim, raid.locked_out.unwrap_or(first));
        let mut at = first;
        let mut session: Option<(TimeMs, crate::event::Client)> = None;
        for (number, cents) in pieces.into_iter().enumerate() {
            let client = match session {
                Some((since, client)) if at.since(since) < hours(1.0) => client,
                _ => {
                    let client = self.log_in(victim, &raid.entry, at)?;
                    session = Some((at, client));
                    client
                }
            };
            let haul = hauls.get(number).or(hauls.first()).copied()?;
            let asked = at.plus(minutes(self.draws.between(0.5, 8.0)));
            self.steal(victim, asked, cents, haul, client, false);
            at = self.next_at(victim, asked)?;
        }
        Some(())
    }

    /// Careless: all at once. Average: pieces under the published limit. Careful: what the customer usually takes.
    fn pieces(&mut self, victim: u32) -> Option<Vec<u64>> {
        let limit = self.world.scene.parameters.published.per_withdrawal_usd_cents;
        let customer = self.world.population.customer(victim)?;
        let balance = customer.balance;
        let draws = &mut self.draws;
        let pieces = match self.incident.skill {
            Skill::Careless => {
                let all = share(balance, draws.between(0.95, 1.0));
                let number = if draws.chance(0.6) { 1 } else { draws.whole_between(2, 3) };
                vec![all.checked_div(number).unwrap_or(all); crate::number::index(number)]
            }
            Skill::Average => {
                let target = share(balance, draws.between(0.6, 1.0));
                let number = draws.whole_between(1, 5);
                let each = target.checked_div(number).unwrap_or(target);
                let each = if draws.chance(0.7) { each.min(share(limit, 0.98)) } else { each };
                (0..number).map(|_| share(each, draws.between(0.7, 1.1))).collect()
            }
            Skill::Careful => {
                let number = draws.whole_between(2, 6);
                let cap = share(balance, 0.9).checked_div(number).unwrap_or(balance).saturating_mul(2);
                let usual = |draws: &mut crate::draw::Draws| {
                    whole(customer.usual_cents(draws) * draws.between(0.8, 1.8)).min(cap)
                };
                (0..number).map(|_| usual(draws)).collect()
            }
        };
        Some(pieces.into_iter().map(|cents| cents.max(LEAST_CENTS)).collect())
    }

    fn hauls(&mut self, pieces: usize) -> Vec<Haul> {
        let several = self.draws.chance(self.by_skill(0.05, 0.35, 0.6));
        let first = self.haul();
        if !several {
            return vec![first];
        }
        let others: Vec<Haul> = (1..pieces).map(|_| self.haul()).collect();
        std::iter::once(first).chain(others).collect()
    }

    /// Where the exchange pays only confirmed addresses, thieves confirm theirs and wait as everybody has to. Careful ones do
    /// so elsewhere too: a confirmed address looks better.
    fn confirm_if_needed(&mut self, raid: &Raid, hauls: &[Haul]) -> Option<TimeMs> {
        let habit = self.world.population.customer(raid.victim)?.habits.whitelist;
        let would = self.skill() == Skill::Careful && self.draws.chance(0.6);
        if !habit && !would {
            return Some(raid.earliest);
        }
        let at = raid.entry.entered.plus(minutes(self.draws.between(3.0, 40.0)));
        for haul in hauls {
            self.confirm(raid.victim, haul.address, at);
        }
        let wait = f64::from(self.world.scene.parameters.published.whitelist_wait_hours);
        let late = self.draws.exponential(self.by_skill(0.5, 3.0, 20.0));
        Some(raid.earliest.max(at.plus(hours(wait)).plus(hours(late))))
    }

    /// Careful thieves come at the victim's hours.
    fn first_at(&mut self, victim: u32, earliest: TimeMs) -> Option<TimeMs> {
        if self.skill() == Skill::Careful {
            let rhythm = self.world.population.customer(victim)?.rhythm;
            return Some(rhythm.around(earliest, 0.0, &mut self.draws));
        }
        Some(earliest)
    }

    fn next_at(&mut self, victim: u32, after: TimeMs) -> Option<TimeMs> {
        match self.skill() {
            Skill::Careless => Some(after.plus(minutes(self.draws.between(1.0, 15.0)))),
            Skill::Average => Some(after.plus(minutes(self.draws.exponential(90.0) + 3.0))),
            Skill::Careful => {
                let later = after.plus(days(self.draws.between(0.1, 1.5)));
                let rhythm = self.world.population.customer(victim)?.rhythm;
                Some(rhythm.around(later, 0.0, &mut self.draws))
            }
        }
    }
}
