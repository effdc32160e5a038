//! Owns what outside providers say about a destination: how far it is exposed to crime, by each provider's newest report.
//! It never lets a better report stand in for a worse or a missing one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    document::RequiredApprovals,
    ids::{ExposureCategory, ProviderId},
    time::{DurationMs, TimestampMs},
};

/// The oldest exposure report that any policy may accept: 30 days.
pub const MAX_EXPOSURE_AGE: DurationMs = DurationMs(30 * 24 * 60 * 60 * 1000);

/// The `[exposure]` table: who is asked about destinations, and what follows from the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExposureTerms {
    /// The providers that are asked; each counts.
    pub providers: BTreeSet<ProviderId>,
    /// The oldest report that counts.
    pub max_age: DurationMs,
    /// Whether a withdrawal waits for people when one of them said nothing, or nothing young enough.
    pub required: bool,
    /// From this score on the withdrawal is held.
    pub hold_at: Option<u8>,
    /// From this score on it is denied.
    pub deny_at: Option<u8>,
    /// Whose approvals a hold needs.
    pub approvals: RequiredApprovals,
}

/// One provider's newest report about a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureSignal {
    /// 0, nothing known against it, to 100.
    pub score: u8,
    /// What it is exposed to, in the provider's words.
    pub category: ExposureCategory,
    /// How many transfers lie between the destination and the crime, 0 for the destination itself; if the provider says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// When the provider looked.
    #[serde(rename = "observed_at_ms")]
    pub observed_at: TimestampMs,
    /// Who reported.
    pub provider: ProviderId,
}

impl ExposureSignal {
    /// The worse of both: the higher score with its category, and the fewer hops.
    #[must_use]
    pub fn worse_of(self, other: Self) -> Self {
        let hops = [self.hops, other.hops].into_iter().flatten().min();
        let worse = if other.score > self.score { other } else { self };
        Self { hops, ..worse }
    }
}

/// What the providers that the policy names say about a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// The policy has no `[exposure]` table.
    NotAsked,
    /// Every provider's newest report is young enough; this is the worst, with the fewest `hops` that any of them knows.
    Known(ExposureSignal),
    /// Some have none that is young enough.
    Incomplete {
        /// The worst of those that are, with the fewest `hops`.
        worst: Option<ExposureSignal>,
        /// Who has none, by name.
        missing: Vec<ProviderId>,
    },
}

impl Exposure {
    /// What counts at `at`, by what `newest` says is a provider's newest report about the destination.
    pub fn of(
        terms: Option<&ExposureTerms>,
        newest: impl Fn(&ProviderId) -> Option<ExposureSignal>,
        at: TimestampMs,
    ) -> Self {
        let Some(terms) = terms else { return Self::NotAsked };
        let (mut worst, mut missing) = (None::<ExposureSignal>, Vec::new());
        for provider in &terms.providers {
            // INVARIANT (G9): a report from the future is as good as none. One that is too old neither helps nor harms: what it
            // said may have been corrected.
            let young = |signal: &ExposureSignal| {
                at.checked_duration_since(signal.observed_at).is_some_and(|age| age <= terms.max_age)
            };
            match newest(provider).filter(young) {
                None => missing.push(provider.clone()),
                // INVARIANT (G9): a higher score of one provider does not hide a listed address that another one knows near.
                Some(signal) => {
                    worst = Some(match worst {
                        Some(worst) => worst.worse_of(signal),
                        None => signal,
                    });
                }
            }
        }
        match worst {
            Some(worst) if missing.is_empty() => Self::Known(worst),
            worst => Self::Incomplete { worst, missing },
        }
    }

    /// The worst report that is young enough.
    pub fn worst(&self) -> Option<&ExposureSignal> {
        match self {
            Self::NotAsked => None,
            Self::Known(worst) => Some(worst),
            Self::Incomplete { worst, .. } => worst.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str) -> ProviderId {
        ProviderId::new(name).unwrap()
    }

    fn terms() -> ExposureTerms {
        ExposureTerms {
            providers: ["one", "two"].map(provider).into(),
            max_age: DurationMs(10),
            required: true,
            hold_at: None,
            deny_at: None,
            approvals: RequiredApprovals::new(),
        }
    }

    fn signal(name: &str, score: u8, observed_at: u64) -> ExposureSignal {
        let category = ExposureCategory::new("mixer").unwrap();
        ExposureSignal {
            score,
            category,
            hops: None,
            observed_at: TimestampMs(observed_at),
            provider: provider(name),
        }
    }

    fn of(signals: &[ExposureSignal], at: u64) -> Exposure {
        let newest = |id: &ProviderId| signals.iter().find(|signal| signal.provider == *id).cloned();
        Exposure::of(Some(&terms()), newest, TimestampMs(at))
    }

    #[test]
    fn worst_of_all_providers_counts() {
        let (good, bad) = (signal("one", 3, 100), signal("two", 90, 100));
        assert_eq!(of(&[good.clone(), bad.clone()], 100), Exposure::Known(bad.clone()));
        assert_eq!(of(&[signal("one", 95, 100), bad], 100).worst().unwrap().score, 95);
        assert_eq!(of(&[good, signal("two", 0, 100)], 100).worst().unwrap().score, 3);
    }

    #[test]
    fn higher_score_of_one_provider_does_not_hide_a_listed_address_that_another_one_knows_near() {
        let near = ExposureSignal { hops: Some(1), ..signal("two", 60, 100) };
        let far = ExposureSignal { hops: Some(9), ..signal("one", 61, 100) };
        for (other, hops) in [(far, Some(1)), (signal("one", 61, 100), Some(1))] {
            let worst = of(&[other, near.clone()], 100).worst().unwrap().clone();
            assert_eq!((worst.score, worst.provider.as_str(), worst.hops), (61, "one", hops));
        }
        // What is too old neither helps nor harms.
        let old = ExposureSignal { observed_at: TimestampMs(89), ..near };
        assert_eq!(of(&[signal("one", 61, 100), old], 100).worst().unwrap().hops, None);
    }

    #[test]
    fn silent_provider_is_named_even_if_another_one_spoke() {
        let good = signal("one", 0, 100);
        let missing = vec![provider("two")];
        assert_eq!(of(std::slice::from_ref(&good), 100), Exposure::Incomplete { worst: Some(good), missing });
        assert_eq!(of(&[], 100).worst(), None);
    }

    #[test]
    fn report_counts_until_its_age_is_the_maximum_and_not_a_millisecond_longer() {
        let signals = [signal("one", 7, 100), signal("two", 1, 105)];
        assert!(matches!(of(&signals, 110), Exposure::Known(_)));
        let Exposure::Incomplete { worst, missing } = of(&signals, 111) else { panic!("too old") };
        assert_eq!((worst.unwrap().score, missing), (1, vec![provider("one")]));
    }

    #[test]
    fn report_from_the_future_is_none() {
        assert!(matches!(
            of(&[signal("one", 7, 101), signal("two", 1, 100)], 100),
            Exposure::Incomplete { .. }
        ));
    }

    #[test]
    fn nothing_is_asked_without_the_table() {
        let never = |_: &ProviderId| -> Option<ExposureSignal> { panic!("asked") };
        assert_eq!(Exposure::of(None, never, TimestampMs(0)), Exposure::NotAsked);
    }
}
