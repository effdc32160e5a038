//! Owns what everybody shares and nobody changes: parameters, seed, market, places. It must never hold a customer.

use crate::{
    draw::Seed,
    event::TimeMs,
    market::{Market, Mood},
    parameters::{Parameters, Shift},
    places::Places,
};

/// The scene on which everybody acts.
#[derive(Debug)]
pub(crate) struct Scene {
    pub parameters: Parameters,
    pub seed: Seed,
    pub market: Market,
    pub places: Places,
    unshifted: Shift,
}

impl Scene {
    pub(crate) fn new(parameters: Parameters, seed: Seed) -> Self {
        let market = Market::new(&parameters, seed);
        let places = Places::new(&parameters, seed);
        Self { parameters, seed, market, places, unshifted: Shift::default() }
    }

    /// The shift that applies at `at`.
    pub(crate) fn shift(&self, at: TimeMs) -> &Shift {
        let shifted = self.parameters.shift.from_start || at >= self.parameters.evaluation_start();
        if shifted { &self.parameters.shift } else { &self.unshifted }
    }

    /// The market's mood at `at`.
    pub(crate) fn mood(&self, at: TimeMs) -> Mood {
        self.market.mood(at)
    }

    /// `at`, but within the stream.
    pub(crate) fn no_later_than_end(&self, at: TimeMs) -> TimeMs {
        at.min(self.parameters.end().minus(1_000))
    }
}
