//! Owns everything that changes while a stream is made.

use crate::{attack::Underworld, outbox::Outbox, population::Population, scene::Scene};

/// The state of a stream.
#[derive(Debug)]
pub(crate) struct World {
    pub scene: Scene,
    pub population: Population,
    pub outbox: Outbox,
    pub underworld: Underworld,
}
