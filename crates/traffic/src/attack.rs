//! Owns attacks: which incident acts when, and what all thieves have in common. It must never use what a policy would do:
//! thieves know the exchange's help pages, no more, and do not react to being stopped.

mod campaign;
mod client_key;
mod insider;
mod lookalike;
mod mules;
mod raid;
mod sanctioned;
mod structuring;
mod takeover;
mod thief;
mod victim_pays;

pub(crate) use campaign::{Step, agenda};
pub(crate) use thief::Underworld;

use crate::{event::TimeMs, label::AttackKind, world::World};

/// One step of one incident. Most have one step only.
pub(crate) fn act(step: &Step, now: TimeMs, world: &mut World) {
    let thief = thief::Thief::new(step, now, world);
    match step.incident.kind {
        AttackKind::TakeoverAfterReset => takeover::after_reset(thief),
        AttackKind::DrainedDormant => takeover::dormant(thief),
        AttackKind::SimSwapApiKey => takeover::sim_swap(thief),
        AttackKind::DeepfakeSupportReset => takeover::deepfake(thief),
        AttackKind::SessionHijack => takeover::hijack(thief),
        AttackKind::PoisonedAddress => victim_pays::poisoned(thief),
        AttackKind::AddressSwapMalware => victim_pays::malware(thief),
        AttackKind::MuleFanIn => mules::fan_in(thief),
        AttackKind::Structuring => structuring::split(thief),
        AttackKind::SanctionedOneHop => sanctioned::one_hop(thief),
        AttackKind::StolenClientKey => client_key::one_request(thief, step),
        AttackKind::InsiderSlowDrip => insider::one_drip(thief, step),
    }
}
