//! Owns the destinations that many customers share: deposit addresses of services, and launches that become busy overnight.
//! It must never be told who pays there.

use crate::{
    calendar::{days, in_days},
    draw::{Domain, Draws, Seed},
    event::{Address, TimeMs},
    number::whole,
    parameters::Parameters,
};

/// Bridges, payment services, brokers and exchanges that use one address for all. Assumed number.
const HOT: usize = 200;
/// New busy places a day: sales, bridges, games. Assumed.
const LAUNCHES_A_DAY: f64 = 0.25;

#[derive(Debug, Clone, Copy)]
struct Launch {
    address: Address,
    opens: TimeMs,
    closes: TimeMs,
}

/// Places that many pay to.
#[derive(Debug)]
pub(crate) struct Places {
    hot: Vec<Address>,
    launches: Vec<Launch>,
}

impl Places {
    pub(crate) fn new(parameters: &Parameters, seed: Seed) -> Self {
        let mut draws = seed.draws(Domain::Places, 0, 0);
        let hot = (0..HOT).map(|_| Address(draws.twenty_bytes())).collect();
        let period = in_days(parameters.end().since(parameters.start));
        let launches = (0..whole(period * LAUNCHES_A_DAY).max(2)).map(|_| {
            let opens = parameters.start.plus(days(draws.between(0.0, period)));
            let closes = opens.plus(days(draws.between(3.0, 12.0)));
            Launch { address: Address(draws.twenty_bytes()), opens, closes }
        });
        let launches = launches.collect();
        Self { hot, launches }
    }

    /// A place that was busy before the stream began; the busiest most often.
    pub(crate) fn hot(&self, draws: &mut Draws) -> Option<Address> {
        self.hot.get(draws.zipf(self.hot.len())).copied()
    }

    /// A launch that is open at `at`.
    pub(crate) fn launch(&self, at: TimeMs, draws: &mut Draws) -> Option<Address> {
        let open = self.launches.iter().filter(|launch| launch.opens <= at && at < launch.closes);
        let open: Vec<Address> = open.map(|launch| launch.address).collect();
        draws.one_of(&open).copied()
    }
}
