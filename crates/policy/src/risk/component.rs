//! Owns what a component answers: that it is present with so many points, absent, or unknown, and why in words with numbers.

use super::{ComponentState, RiskComponent};
use crate::reason::ReasonCode;

/// A component's answer before the policy's discounts.
pub(super) enum Answer {
    Present { points: u8, because: String },
    Absent(String),
    Unknown(&'static str),
}

/// A component that the policy names.
pub(super) struct Component {
    pub(super) code: ReasonCode,
    pub(super) weight: u8,
    pub(super) answer: Answer,
    /// Whether it counts less towards a destination that has been paid for long.
    pub(super) fades: bool,
}

impl Component {
    pub(super) fn finish(self, percent: u8) -> RiskComponent {
        let Self { code, weight, answer, fades } = self;
        let (state, points, reason) = match answer {
            Answer::Present { points, because } => (ComponentState::Present, points, because),
            Answer::Absent(because) => (ComponentState::Absent, 0, because),
            Answer::Unknown(because) => (ComponentState::Unknown, 0, because.to_owned()),
        };
        let faded = fades && percent < 100;
        let contribution = if faded { share(points, percent) } else { points };
        let reason = if faded && points > 0 {
            format!("{reason}; {percent} of 100 points count: the destination has been in use for long")
        } else {
            reason
        };
        RiskComponent { code, state, weight, contribution, reason }
    }
}

/// `of` times `percent` hundredths, rounded up.
fn share(of: u8, percent: u8) -> u8 {
    let points = u16::from(of).saturating_mul(u16::from(percent)).div_ceil(100);
    u8::try_from(points).unwrap_or(of).min(of)
}

/// The answer of a condition that holds or does not.
pub(super) fn condition(weight: u8, condition: Option<bool>, because: &str, unknown: &'static str) -> Answer {
    match condition {
        Some(true) => Answer::Present { points: weight, because: because.to_owned() },
        Some(false) => Answer::Absent(because.to_owned()),
        None => Answer::Unknown(unknown),
    }
}

/// The answer of a component that is there by `points`, with the same words either way.
pub(super) fn graded(points: Option<u8>, because: String) -> Answer {
    match points {
        Some(points) => Answer::Present { points, because },
        None => Answer::Absent(because),
    }
}
