//! Owns what a provider of chain analysis says about a destination, with its mistakes. It must never tell whether an
//! incident is behind an address: thieves' fresh addresses are as clean as anybody's.

use crate::{
    draw::{Domain, Draws},
    event::{Address, ExposureReport, TimeMs},
    label::Skill,
    number::whole,
    scene::Scene,
};

/// Reports that never arrive: timeouts, quotas. Assumed.
const MISSING: f64 = 0.0005;

/// What there is to know about an address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Background {
    /// Nothing special.
    Private,
    /// A busy service: some dirt from other customers of theirs.
    Service,
    /// One step from a listed address; better hidden by better launderers.
    OneHop(Skill),
    /// Used for thefts and reported by victims since; `true` once the provider noticed.
    Reported(bool),
}

/// The provider's report about `address` at `at`, if it arrives.
pub(crate) fn report(
    address: Address,
    background: Background,
    at: TimeMs,
    scene: &Scene,
    draws: &mut Draws,
) -> Option<ExposureReport> {
    if draws.chance(MISSING) {
        return None;
    }
    let (base, hops) = opinion(address, background, scene.shift(at).exposure_noise, scene);
    // Scores wander a little, and now and then a report is just wrong.
    let glitch = if draws.chance(0.001 * scene.shift(at).exposure_noise) { 30.0 } else { 0.0 };
    let score = (base + 2.0 * draws.normal() + glitch).clamp(0.0, 100.0);
    let score = u8::try_from(whole(score)).unwrap_or(100);
    Some(ExposureReport { destination: address, score, hops })
}

/// The same for the same address each time: providers are wrong persistently.
fn opinion(address: Address, background: Background, noise: f64, scene: &Scene) -> (f64, Option<u8>) {
    let mut draws = scene.seed.draws(Domain::Exposure, leading(address), 0);
    match background {
        Background::Private => private(noise, &mut draws),
        Background::Service => {
            let base = if draws.chance(0.03) { draws.between(30.0, 55.0) } else { draws.between(2.0, 28.0) };
            (base, Some(step(2, 5, &mut draws)))
        }
        Background::OneHop(skill) => one_hop(skill, noise, &mut draws),
        Background::Reported(true) => (draws.between(60.0, 97.0), Some(step(1, 2, &mut draws))),
        Background::Reported(false) => private(noise, &mut draws),
    }
}

/// Shares of honest addresses that providers see badly are assumed; providers publish none. Dust from listed addresses
/// (Tornado Cash to celebrities, August 2022) shows that one step alone proves nothing.
fn private(noise: f64, draws: &mut Draws) -> (f64, Option<u8>) {
    let wrong = 0.0025 * noise;
    let doubtful = wrong + 0.006 * noise;
    let dusty = doubtful + 0.03 * noise;
    let at = draws.uniform();
    if at < wrong {
        (draws.between(65.0, 95.0), Some(step(1, 2, draws)))
    } else if at < doubtful {
        (draws.between(42.0, 65.0), Some(step(1, 3, draws)))
    } else if at < dusty {
        (draws.between(15.0, 42.0), Some(step(1, 5, draws)))
    } else {
        (draws.between(0.0, 12.0), None)
    }
}

/// One step away: mostly seen, but the better the launderer, the more often the link is not yet known. Assumed.
fn one_hop(skill: Skill, noise: f64, draws: &mut Draws) -> (f64, Option<u8>) {
    let (unseen, low, high) = match skill {
        Skill::Careless => (0.03, 75.0, 100.0),
        Skill::Average => (0.10, 60.0, 98.0),
        Skill::Careful => (0.25, 45.0, 92.0),
    };
    if draws.chance(unseen) { private(noise, draws) } else { (draws.between(low, high), Some(1)) }
}

fn step(low: u64, high: u64, draws: &mut Draws) -> u8 {
    u8::try_from(draws.whole_between(low, high)).unwrap_or(u8::MAX)
}

/// Seven bytes of the address, as a number.
pub(crate) fn leading(address: Address) -> u64 {
    address.0.iter().skip(4).take(7).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
