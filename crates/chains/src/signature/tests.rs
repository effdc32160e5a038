//! Attacks on signatures: forged, of others, second forms, scalars out of range.

use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use proptest::prelude::*;

use super::*;
use crate::ethereum::fixtures::{sign, signature, wallet};

const DIGEST: Digest = Digest([0x5a; 32]);
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn order() -> [u8; 32] {
    fixed_hex::parse_bare(ORDER).unwrap()
}

/// The other `s` that plain ECDSA accepts.
fn negate(s: [u8; 32]) -> [u8; 32] {
    (-Scalar::from_repr(s.into()).unwrap()).to_repr().into()
}

#[test]
fn high_s_is_replaced_by_its_low_equivalent_with_the_same_result() {
    let (key, public_key) = wallet(1);
    let (r, s) = sign(&key, &DIGEST);

    let low = Signature::from_scalars(r, s, &DIGEST, &public_key).unwrap();
    let high = Signature::from_scalars(r, negate(s), &DIGEST, &public_key).unwrap();

    assert_eq!(low, high);
    assert!(low.s()[0] < 0x80);
    assert_eq!(low.verify(&DIGEST, &public_key), Ok(()));
}

#[test]
fn signature_of_another_digest_or_key_is_refused() {
    let (key, public_key) = wallet(1);
    let (_, other_key) = wallet(2);
    let (r, s) = sign(&key, &DIGEST);
    let other_digest = Digest([0x5b; 32]);

    for (digest, key) in [(&other_digest, &public_key), (&DIGEST, &other_key), (&other_digest, &other_key)] {
        assert_eq!(Signature::from_scalars(r, s, digest, key), Err(SignatureError::Invalid));
        let given = signature(&wallet(1).0, &public_key, &DIGEST);
        assert_eq!(given.verify(digest, key), Err(SignatureError::Invalid));
    }
}

#[test]
fn exchanged_scalars_are_refused() {
    let (key, public_key) = wallet(1);
    let (r, s) = sign(&key, &DIGEST);
    assert_eq!(Signature::from_scalars(s, r, &DIGEST, &public_key), Err(SignatureError::Invalid));
}

#[test]
fn scalars_of_zero_or_not_below_the_order_are_refused() {
    let (key, public_key) = wallet(1);
    let (r, s) = sign(&key, &DIGEST);
    for bad in [[0; 32], order(), [0xff; 32]] {
        let out_of_range = Err(SignatureError::ScalarOutOfRange);
        assert_eq!(Signature::from_scalars(bad, s, &DIGEST, &public_key), out_of_range);
        assert_eq!(Signature::from_scalars(r, bad, &DIGEST, &public_key), out_of_range);
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(&r);
        bytes[32..64].copy_from_slice(&bad);
        assert_eq!(Signature::from_bytes(&bytes), out_of_range);
    }
}

#[test]
fn high_s_in_a_stored_signature_is_refused() {
    let (key, public_key) = wallet(1);
    let given = signature(&key, &public_key, &DIGEST);
    let mut bytes = given.to_bytes();
    bytes[32..64].copy_from_slice(&negate(*given.s()));
    bytes[64] ^= 1;
    assert_eq!(Signature::from_bytes(&bytes), Err(SignatureError::HighS));
    assert_eq!(SignatureError::HighS.code(), "SIGNATURE_HIGH_S");
}

#[test]
fn parity_other_than_0_and_1_is_refused() {
    let (key, public_key) = wallet(1);
    let mut bytes = signature(&key, &public_key, &DIGEST).to_bytes();
    for v in 2..=u8::MAX {
        bytes[64] = v;
        assert_eq!(Signature::from_bytes(&bytes), Err(SignatureError::Parity), "{v}");
    }
}

#[test]
fn flipped_parity_is_refused() {
    let (key, public_key) = wallet(1);
    let mut bytes = signature(&key, &public_key, &DIGEST).to_bytes();
    bytes[64] ^= 1;
    let flipped = Signature::from_bytes(&bytes).unwrap();
    assert_eq!(flipped.verify(&DIGEST, &public_key), Err(SignatureError::ParityMismatch));
}

/// A nonce point whose x is above the group's order makes a signature that is valid ECDSA, but that no parity of
/// Ethereum recovers. Such a signature is made backwards: choose it, then take the key that it recovers to.
#[test]
fn valid_signature_that_no_parity_recovers_is_refused() {
    let s: [u8; 32] = Scalar::from(12_345_u64).to_repr().into();
    let (r, public_key) = (1_u64..100)
        .find_map(|r| {
            let r = Scalar::from(r).to_repr();
            let reduced = RecoveryId::new(false, true);
            let signature = K256Signature::from_scalars(r, s).unwrap();
            let key = VerifyingKey::recover_from_prehash(DIGEST.as_bytes(), &signature, reduced).ok()?;
            Some((r.into(), PublicKey::from_sec1(key.to_encoded_point(true).as_bytes()).unwrap()))
        })
        .unwrap();

    let plain = K256Signature::from_scalars(r, s).unwrap();
    assert!(public_key.verifying_key().verify_prehash(DIGEST.as_bytes(), &plain).is_ok(), "valid by itself");
    assert_eq!(Signature::from_scalars(r, s, &DIGEST, &public_key), Err(SignatureError::ParityMismatch));
}

#[test]
fn signature_has_one_spelling() {
    let (key, public_key) = wallet(1);
    let given = signature(&key, &public_key, &DIGEST);
    let text = given.to_string();

    assert_eq!(text.len(), 2 + 130);
    assert_eq!(Signature::parse(&text), Ok(given));
    assert_eq!(serde_json::from_str::<Signature>(&serde_json::to_string(&given).unwrap()).unwrap(), given);
    for bad in [&text[2..], &text[..130], &text.to_uppercase(), &format!("{text}00")] {
        assert!(matches!(Signature::parse(bad), Err(SignatureError::Hex(_))), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_signature_of_k256_gets_the_parity_that_k256_reports(seed in 1..=250_u8, digest: [u8; 32]) {
        let (key, public_key) = wallet(seed);
        let digest = Digest(digest);
        let (_, id) = key.sign_prehash_recoverable(digest.as_bytes()).unwrap();

        let given = signature(&key, &public_key, &digest);

        prop_assert_eq!(given.y_parity(), id.is_y_odd());
        prop_assert_eq!(given.verify(&digest, &public_key), Ok(()));
        prop_assert_eq!(Signature::from_bytes(&given.to_bytes()), Ok(given));
    }

    #[test]
    fn flipping_any_bit_of_a_signature_is_noticed(bit in 0..520_usize) {
        let (key, public_key) = wallet(3);
        let mut bytes = signature(&key, &public_key, &DIGEST).to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let noticed = match Signature::from_bytes(&bytes) {
            Ok(changed) => changed.verify(&DIGEST, &public_key).is_err(),
            Err(_) => true,
        };
        prop_assert!(noticed);
    }
}

/// What k256 itself says, by two functions of its own.
fn by_library(given: &Signature, digest: &Digest, key: &PublicKey) -> Result<(), SignatureError> {
    let signature = K256Signature::from_scalars(given.r, given.s).unwrap();
    key.verifying_key().verify_prehash(digest.as_bytes(), &signature).map_err(|_| SignatureError::Invalid)?;
    if given.recovers(&signature, digest, key) { Ok(()) } else { Err(SignatureError::ParityMismatch) }
}

proptest! {
    #[test]
    fn verdict_is_the_librarys(
        digest in any::<[u8; 32]>(),
        wallet_of in 1_u8..5,
        asked_of in 1_u8..5,
        flip in any::<prop::sample::Index>(),
        altered in 0..4_u8,
    ) {
        let digest = Digest(digest);
        let (key, public_key) = wallet(wallet_of);
        let mut bytes = signature(&key, &public_key, &digest).to_bytes();
        match altered {
            1 => bytes[64] ^= 1,
            2 => bytes[flip.index(64)] ^= 1,
            _ => {}
        }
        if let Ok(given) = Signature::from_bytes(&bytes) {
            let (_, asked) = wallet(asked_of);
            prop_assert_eq!(given.verify(&digest, &asked), by_library(&given, &digest, &asked));
            prop_assert_eq!(given.verify(&digest, &public_key), by_library(&given, &digest, &public_key));
        }
    }
}

/// x = 5 + order is on the curve and below the field's prime: its nonce point has a reduced x, whose signature plain ECDSA
/// accepts and Ethereum cannot recover.
#[test]
fn nonce_point_with_a_reduced_x_is_a_parity_that_does_not_recover() {
    use k256::elliptic_curve::point::DecompressPoint as _;
    // Given a key made to fit: with R = (r + n, y) and any s and z, Q = (s R - z G) / r is a key under which (r, s) verifies
    let mut found = false;
    for small in 1_u8..100 {
        let mut x = order();
        let sum = u16::from(x[31]) + u16::from(small);
        x[31] = sum.to_be_bytes()[1];
        let (carried, overflow) = x[30].overflowing_add(sum.to_be_bytes()[0]);
        x[30] = carried;
        assert!(!overflow);
        let point = Option::<AffinePoint>::from(AffinePoint::decompress(&x.into(), 0.into()));
        let Some(point) = point else { continue };
        found = true;
        let r = Scalar::from(u64::from(small));
        let (s, z) = (Scalar::from(7_u64), <Scalar as Reduce<U256>>::reduce_bytes(&DIGEST.0.into()));
        let r_inverse = r.invert().unwrap();
        let q = (ProjectivePoint::from(point) * s - ProjectivePoint::GENERATOR * z) * r_inverse;
        let sec1 = k256::PublicKey::from_affine(q.to_affine()).unwrap().to_sec1_bytes();
        let compressed = k256::EncodedPoint::from_bytes(sec1).unwrap().compress();
        let key = PublicKey::from_sec1(compressed.as_bytes()).unwrap();
        for y_parity in [false, true] {
            let given = Signature { r: r.to_repr().into(), s: s.to_repr().into(), y_parity };
            assert_eq!(by_library(&given, &DIGEST, &key), Err(SignatureError::ParityMismatch));
            assert_eq!(given.verify(&DIGEST, &key), Err(SignatureError::ParityMismatch));
        }
    }
    assert!(found, "one of these x is on the curve");
}
