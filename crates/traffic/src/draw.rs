//! Owns randomness: draws that are the same for the same seed on every machine. It must never ask the operating system.
//!
//! Every action of every customer and every incident has a ChaCha8 stream of its own, so that a draw more in one place
//! changes nothing elsewhere. The functions of analysis come from `libm`, compiled from Rust source: a platform's own
//! `log` may differ from another's in the last bit.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::number::{index, real, whole};

/// What a stream of draws is for.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Domain {
    /// The price series.
    Market = 1,
    /// The places that many customers pay to.
    Places = 2,
    /// Who a customer is.
    Profile = 3,
    /// Whom a customer lives with.
    Household = 4,
    /// What a customer does.
    Customer = 5,
    /// What an attacker does.
    Incident = 6,
    /// What a provider knows about an address.
    Exposure = 7,
    /// When and by whom attacks happen.
    Campaign = 8,
}

/// The seed of a whole stream of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub u64);

impl Seed {
    /// The draws of step `step` of number `number` in `domain`.
    pub(crate) fn draws(self, domain: Domain, number: u64, step: u64) -> Draws {
        let mut key = *b"holdfast-traffic/v1 ........... ";
        for (to, from) in key.iter_mut().rev().zip(self.0.to_le_bytes()) {
            *to = from;
        }
        for (to, from) in key.iter_mut().skip(20).zip(step.to_le_bytes().into_iter().take(4)) {
            *to = from;
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        let tag = u64::from(domain_tag(domain)).wrapping_shl(56);
        rng.set_stream(tag | (number & 0x00ff_ffff_ffff_ffff));
        Draws { rng }
    }

    /// A number that tells nothing about `number` and is different for every `number`: a bijection.
    pub(crate) fn pseudonym(self, domain: Domain, number: u64) -> u64 {
        let salt = mix(self.0 ^ u64::from(domain_tag(domain)).wrapping_shl(56));
        mix(mix(number ^ salt))
    }
}

#[expect(clippy::as_conversions, reason = "the discriminant of a `repr(u8)` enum")]
fn domain_tag(domain: Domain) -> u8 {
    domain as u8
}

/// The finaliser of splitmix64, a bijection.
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One stream of draws.
#[derive(Debug)]
pub(crate) struct Draws {
    rng: ChaCha8Rng,
}

impl Draws {
    /// Any number of 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// From 0 (inclusive) to 1 (exclusive), in steps of 2^-53.
    pub(crate) fn uniform(&mut self) -> f64 {
        real(self.bits() >> 11) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// From `low` (inclusive) to `high` (exclusive).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A whole number from `low` to `high`, both inclusive.
    pub(crate) fn whole_between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// A whole number below `bound`; zero if `bound` is zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()).saturating_mul(u128::from(bound));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal, by Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Log-normal with this median.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Exponential with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.uniform())
    }

    /// Pareto from 1, with this tail index.
    pub(crate) fn pareto(&mut self, alpha: f64) -> f64 {
        libm::pow(1.0 - self.uniform(), -1.0 / alpha)
    }

    /// An index below `length` with Zipf's weights (exponent 1): index k with about 1 / (k + 1).
    pub(crate) fn zipf(&mut self, length: usize) -> usize {
        let top = real(crate::number::count(length)) + 1.0;
        index(whole(libm::pow(top, self.uniform())).saturating_sub(1)).min(length.saturating_sub(1))
    }

    /// An index with these weights; 0 if there are none.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.uniform() * total;
        for (at, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return at;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// One of `values`.
    pub(crate) fn one_of<'a, T>(&mut self, values: &'a [T]) -> Option<&'a T> {
        values.get(index(self.below(crate::number::count(values.len()))))
    }

    /// Twenty bytes.
    pub(crate) fn twenty_bytes(&mut self) -> [u8; 20] {
        let mut bytes = [0; 20];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut draws = Seed(7).draws(Domain::Market, 0, 0);
        let normal: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
        let mean = normal.iter().sum::<f64>() / 20_000.0;
        let variance = normal.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let gaps = (0..20_000).map(|_| draws.exponential(3.0)).sum::<f64>() / 20_000.0;
        assert!((gaps - 3.0).abs() < 0.1, "{gaps}");
        let first = (0..20_000).filter(|_| draws.zipf(10) == 0).count();
        // ln 2 / ln 11
        assert!((5_500..6_100).contains(&first), "{first}");
    }

    #[test]
    fn draws_of_another_domain_number_step_or_seed_differ() {
        let first = |seed: u64, domain, number, step| Seed(seed).draws(domain, number, step).bits();
        let mut seen = vec![
            first(1, Domain::Customer, 1, 1),
            first(2, Domain::Customer, 1, 1),
            first(1, Domain::Incident, 1, 1),
            first(1, Domain::Customer, 2, 1),
            first(1, Domain::Customer, 1, 2),
        ];
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
        assert_eq!(first(1, Domain::Customer, 1, 1), first(1, Domain::Customer, 1, 1));
    }

    #[test]
    fn pseudonyms_do_not_collide() {
        let mut all: Vec<u64> = (0..100_000).map(|n| Seed(3).pseudonym(Domain::Profile, n)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100_000);
    }
}
