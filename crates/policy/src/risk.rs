//! Owns the risk score: an integer from 0 to 100, the saturating sum of components that can only add. It never decides:
//! `risk` restrictions do, in `evaluate/risk.rs`.

use serde::{Deserialize, Serialize};

use crate::{document::RiskTerms, facts::SessionSignals, reason::ReasonCode};

/// The highest score.
pub const MAX_SCORE: u8 = 100;

/// The score and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskScore {
    /// The saturating sum of all contributions.
    pub score: u8,
    /// Every component the policy knows, also those that contribute nothing.
    pub components: Vec<RiskComponent>,
}

/// One component of the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskComponent {
    /// Which component.
    pub code: ReasonCode,
    /// Whether its condition holds.
    pub state: ComponentState,
    /// What it adds when its condition holds; from the policy.
    pub weight: u8,
    /// What it adds here.
    pub contribution: u8,
    /// The component's sentence for officers.
    pub reason: String,
}

/// Whether a component's condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentState {
    /// It holds.
    Present,
    /// It does not hold.
    Absent,
    /// Nobody can tell: without a session report `risk` restrictions hold, without a list `screening` restrictions deny.
    Unknown,
}

impl ComponentState {
    fn of(condition: Option<bool>) -> Self {
        match condition {
            Some(true) => Self::Present,
            Some(false) => Self::Absent,
            None => Self::Unknown,
        }
    }
}

impl RiskScore {
    /// The score from screening (`None`: a list is missing) and the session report (`None`: no usable one).
    pub(crate) fn assess(terms: &RiskTerms, listed: Option<bool>, session: Option<&SessionSignals>) -> Self {
        let components = vec![
            component(ReasonCode::ListedAddress, terms.listed_address, listed),
            component(ReasonCode::NewDevice, terms.new_device, session.map(|report| report.new_device)),
            component(
                ReasonCode::SecondFactorReset,
                terms.second_factor_reset,
                session.map(|report| report.second_factor_reset),
            ),
        ];
        let sum = components.iter().fold(0_u8, |sum, part| sum.saturating_add(part.contribution));
        Self { score: sum.min(MAX_SCORE), components }
    }

    /// The components that raise the score.
    pub(crate) fn contributing(&self) -> impl Iterator<Item = &RiskComponent> {
        self.components.iter().filter(|part| part.contribution > 0)
    }
}

fn component(code: ReasonCode, weight: u8, condition: Option<bool>) -> RiskComponent {
    let state = ComponentState::of(condition);
    let contribution = if state == ComponentState::Present { weight } else { 0 };
    RiskComponent { code, state, weight, contribution, reason: code.officer_sentence().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::ProviderId,
        time::{DurationMs, TimestampMs},
    };

    fn terms(weights: [u8; 3]) -> RiskTerms {
        let [listed_address, new_device, second_factor_reset] = weights;
        RiskTerms { listed_address, new_device, second_factor_reset, max_report_age: DurationMs(1) }
    }

    fn report(new_device: bool, second_factor_reset: bool) -> SessionSignals {
        let provider = ProviderId::new("sessions").unwrap();
        SessionSignals { new_device, second_factor_reset, observed_at: TimestampMs(0), provider }
    }

    #[test]
    fn score_is_the_sum_of_the_conditions_that_hold() {
        let terms = terms([50, 20, 7]);
        for (listed, device, factor, score) in [
            (false, false, false, 0),
            (true, false, false, 50),
            (false, true, false, 20),
            (false, false, true, 7),
            (true, true, true, 77),
        ] {
            let assessed = RiskScore::assess(&terms, Some(listed), Some(&report(device, factor)));
            assert_eq!(assessed.score, score);
            assert_eq!(assessed.components.len(), 3, "components that add nothing are reported too");
        }
    }

    #[test]
    fn score_saturates_at_one_hundred_and_does_not_wrap() {
        let assessed = RiskScore::assess(&terms([100, 100, 100]), Some(true), Some(&report(true, true)));
        assert_eq!(assessed.score, MAX_SCORE);
        assert!(assessed.components.iter().all(|part| part.contribution == 100));
    }

    #[test]
    fn unknown_conditions_are_reported_as_unknown_and_not_as_absent() {
        let assessed = RiskScore::assess(&terms([50, 20, 7]), None, None);
        assert!(assessed.components.iter().all(|part| part.state == ComponentState::Unknown));
        assert_eq!(assessed.score, 0);
    }
}
