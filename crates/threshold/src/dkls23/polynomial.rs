//! Polynomials over the group's order, and in the exponent: what a resharing deals.
//!
//! Owns all arithmetic of it. It must never hand out a coefficient but the one that commits to it, as a point.

#![expect(clippy::arithmetic_side_effects, reason = "arithmetic modulo the group's order, and in the group")]

use k256_engine::elliptic_curve::PrimeField;
use k256_engine::{AffinePoint, ProjectivePoint, PublicKey, Scalar};
use zeroize::Zeroizing;

use crate::party::{Participants, PartyIndex};
use crate::public::PointBytes;

/// A secret polynomial, the constant first.
pub(super) struct Polynomial(Zeroizing<Vec<Scalar>>);

impl Polynomial {
    /// The polynomial that starts at `constant`; `None` if that is no scalar below the order.
    pub(super) fn starting_at(constant: &[u8; 32], further: &[Scalar]) -> Option<Self> {
        let constant = Zeroizing::new(Scalar::from_repr((*constant).into()).into_option()?);
        let mut coefficients = Zeroizing::new(Vec::with_capacity(further.len().saturating_add(1)));
        coefficients.push(*constant);
        coefficients.extend_from_slice(further);
        Some(Self(coefficients))
    }

    /// Every coefficient times the generator (Feldman).
    pub(super) fn commitments(&self) -> Vec<AffinePoint> {
        let points = self.0.iter().map(ProjectivePoint::mul_by_generator);
        points.map(|point| point.to_affine()).collect()
    }

    /// Its value for a party.
    pub(super) fn value_for(&self, party: PartyIndex) -> Zeroizing<Scalar> {
        let x = place(party);
        let horner = |value: Scalar, coefficient: &Scalar| value * x + coefficient;
        Zeroizing::new(self.0.iter().rev().fold(Scalar::ZERO, horner))
    }
}

/// The value for a party, in the exponent.
pub(super) fn committed_value(commitments: &[AffinePoint], party: PartyIndex) -> ProjectivePoint {
    let x = place(party);
    commitments.iter().rev().fold(ProjectivePoint::IDENTITY, |value, point| value * x + point)
}

/// Whether the value is the one committed to for a party.
pub(super) fn is_value(commitments: &[AffinePoint], party: PartyIndex, value: &Scalar) -> bool {
    ProjectivePoint::mul_by_generator(value) == committed_value(commitments, party)
}

/// Everybody's values for a party added up, in the exponent.
pub(super) fn sum_of_values<'a>(
    dealt: impl Iterator<Item = &'a [AffinePoint]>,
    party: PartyIndex,
) -> AffinePoint {
    let values = dealt.map(|commitments| committed_value(commitments, party));
    values.fold(ProjectivePoint::IDENTITY, |sum, value| sum + value).to_affine()
}

/// What a giver gives: its share times its weight.
pub(crate) fn contribution(
    giver: PartyIndex,
    givers: &Participants,
    share: &Scalar,
) -> Option<Zeroizing<[u8; 32]>> {
    let weighted = Zeroizing::new(weight(giver, givers)? * share);
    Some(Zeroizing::new(weighted.to_bytes().into()))
}

/// The same in the exponent, from the giver's verifying share.
pub(crate) fn contribution_point(
    giver: PartyIndex,
    givers: &Participants,
    verifying_share: &PointBytes,
) -> Option<AffinePoint> {
    let share = PublicKey::from_sec1_bytes(verifying_share).ok()?.to_projective();
    Some((share * weight(giver, givers)?).to_affine())
}

/// The Lagrange coefficient, at zero, of a giver among all of them.
fn weight(giver: PartyIndex, givers: &Participants) -> Option<Scalar> {
    if !givers.contains(giver) {
        return None;
    }
    let own = place(giver);
    let (above, below) = givers
        .others(giver)
        .map(place)
        .fold((Scalar::ONE, Scalar::ONE), |(above, below), other| (above * other, below * (other - own)));
    below.invert().into_option().map(|inverse: Scalar| above * inverse)
}

fn place(party: PartyIndex) -> Scalar {
    Scalar::from(u64::from(party.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::party;

    /// 7 + 3x + 5x^2.
    fn polynomial() -> Polynomial {
        let mut constant = [0; 32];
        constant[31] = 7;
        Polynomial::starting_at(&constant, &[Scalar::from(3_u64), Scalar::from(5_u64)]).unwrap()
    }

    #[test]
    fn values_are_those_of_the_polynomial_and_of_its_commitments() {
        let polynomial = polynomial();
        let commitments = polynomial.commitments();
        for (index, expected) in [(1, 15_u64), (2, 33), (4, 99)] {
            let value = polynomial.value_for(party(index));
            assert_eq!(*value, Scalar::from(expected));
            assert!(is_value(&commitments, party(index), &value));
            assert!(!is_value(&commitments, party(index + 1), &value));
        }
        let double = [commitments.as_slice(), commitments.as_slice()];
        let sum = sum_of_values(double.into_iter(), party(2));
        assert_eq!(sum, ProjectivePoint::mul_by_generator(&Scalar::from(66_u64)).to_affine());
    }

    #[test]
    fn contributions_of_all_givers_add_up_to_the_constant() {
        let polynomial = polynomial();
        for set in [[1, 2, 3], [1, 3, 5], [2, 7, 16]] {
            let givers = Participants::new(set.map(party)).unwrap();
            let mut sum = Scalar::ZERO;
            for giver in givers.iter() {
                let share = polynomial.value_for(giver);
                let given = contribution(giver, &givers, &share).unwrap();
                let given = Scalar::from_repr((*given).into()).unwrap();
                let verifying_share = ProjectivePoint::mul_by_generator(&share).to_affine();
                let bytes: PointBytes =
                    k256_engine::elliptic_curve::group::GroupEncoding::to_bytes(&verifying_share).into();
                let point = contribution_point(giver, &givers, &bytes).unwrap();
                assert_eq!(point, ProjectivePoint::mul_by_generator(&given).to_affine());
                sum += given;
            }
            assert_eq!(sum, Scalar::from(7_u64), "{set:?}");
            assert!(contribution(party(4), &givers, &Scalar::ONE).is_none());
        }
    }

    #[test]
    fn a_constant_that_is_no_scalar_starts_nothing() {
        assert!(Polynomial::starting_at(&[0xff; 32], &[]).is_none());
        assert!(Polynomial::starting_at(&[0; 32], &[]).is_some());
    }
}
