//! Keys that are shared out: whether points can be the verifying shares of a public key.
//!
//! Public data only. Must never take a share's secret.

#![expect(clippy::arithmetic_side_effects, reason = "arithmetic modulo the group's order, and in the group")]

use k256::{ProjectivePoint, Scalar};

use crate::public_key::PublicKey;

impl PublicKey {
    /// Whether these points, of parties 1, 2 and so on, lie on one polynomial of degree t - 1 whose value at zero is this key, so
    /// that any t of the parties have the key between them (Shamir, Feldman).
    pub fn is_shared_by(&self, t: u8, shares: &[PublicKey]) -> bool {
        let parties: Vec<_> = (1_u64..).map(Scalar::from).zip(shares.iter().map(point)).collect();
        let fixed = usize::from(t).checked_sub(1);
        // If each of the others gives the key together with the first t - 1, then all are on the polynomial of those t points.
        match fixed.and_then(|fixed| parties.split_at_checked(fixed)) {
            Some((_, [])) | None => false,
            Some((fixed, others)) => {
                let with = |last| at_zero(&fixed.iter().chain([last]).copied().collect::<Vec<_>>());
                others.iter().all(|last| with(last) == Some(point(self)))
            }
        }
    }
}

/// The value at zero of the polynomial through these points (Lagrange).
fn at_zero(points: &[(Scalar, ProjectivePoint)]) -> Option<ProjectivePoint> {
    points.iter().try_fold(ProjectivePoint::IDENTITY, |sum, (own, point)| {
        let others = points.iter().map(|(place, _)| *place).filter(|place| place != own);
        let (above, below) = others
            .fold((Scalar::ONE, Scalar::ONE), |(above, below), other| (above * other, below * (other - own)));
        let inverse = Option::<Scalar>::from(below.invert())?;
        Some(sum + *point * (above * inverse))
    })
}

fn point(key: &PublicKey) -> ProjectivePoint {
    (*key.verifying_key().as_affine()).into()
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::sec1::ToEncodedPoint as _;

    use super::*;

    /// The value at `x` of the polynomial with these coefficients, times the generator.
    fn value(coefficients: &[u64], x: u64) -> PublicKey {
        let horner = |sum: Scalar, next: &u64| sum * Scalar::from(x) + Scalar::from(*next);
        let scalar = coefficients.iter().rev().fold(Scalar::ZERO, horner);
        let point = (ProjectivePoint::GENERATOR * scalar).to_affine();
        PublicKey::from_sec1(point.to_encoded_point(true).as_bytes()).unwrap()
    }

    fn shares(coefficients: &[u64], n: u64) -> Vec<PublicKey> {
        (1..=n).map(|x| value(coefficients, x)).collect()
    }

    #[test]
    fn shares_of_a_key_are_known_by_their_polynomial() {
        for (coefficients, t) in [(&[7, 11][..], 2), (&[7, 11, 13], 3)] {
            let key = value(coefficients, 0);
            for n in [3, 5, 16] {
                assert!(key.is_shared_by(t, &shares(coefficients, n)), "{t} of {n}");
            }
        }
    }

    #[test]
    fn points_that_are_not_on_the_polynomial_of_the_key_are_none_of_its_shares() {
        let (coefficients, key) = ([7, 11, 13], value(&[7, 11, 13], 0));
        let honest = shares(&coefficients, 5);
        for wrong in 0..5 {
            let mut points = honest.clone();
            points[wrong] = points[(wrong + 1) % 5];
            assert!(!key.is_shared_by(3, &points), "share {wrong}");
        }
        let mut swapped = honest.clone();
        swapped.swap(0, 4);
        assert!(!key.is_shared_by(3, &swapped));
        assert!(!value(&[8], 0).is_shared_by(3, &honest), "another key");
        assert!(!key.is_shared_by(2, &honest), "fewer than it takes");
    }

    #[test]
    fn too_few_shares_and_no_threshold_are_no_shared_key() {
        let (key, honest) = (value(&[7, 11], 0), shares(&[7, 11], 3));
        for t in [0, 4, 255] {
            assert!(!key.is_shared_by(t, &honest), "{t}");
        }
        assert!(!key.is_shared_by(2, &honest[..1]));
        assert!(!key.is_shared_by(1, &[]));
    }
}
