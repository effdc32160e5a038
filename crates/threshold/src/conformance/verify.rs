//! Verification by code that shares nothing with the engines: k256 0.13 and the crate `bip32`.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and the arithmetic is modulo the group's order"
)]

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, Signature as Plain, VerifyingKey};
use k256::elliptic_curve::group::GroupEncoding;
use k256::{ProjectivePoint, PublicKey, Scalar};

use crate::public::KeyPublic;
use crate::sign::Signature;

/// The signature, its low s, its recovery id, and that it is one of nothing else.
pub(super) fn signature(public_key: &[u8; 33], signature: &Signature, digest: &[u8; 32]) {
    let key = VerifyingKey::from_sec1_bytes(public_key).unwrap();
    let plain = Plain::from_scalars(signature.r, signature.s).unwrap();
    key.verify_prehash(digest, &plain).unwrap();
    assert!(plain.normalize_s().is_none(), "s is low");
    let id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    assert_eq!(VerifyingKey::recover_from_prehash(digest, &plain, id).unwrap(), key);
    assert!(key.verify_prehash(&[0xff; 32], &plain).is_err());
}

/// The child that a program which knows only public data derives.
pub(super) fn child(public: &KeyPublic, path: &[u32]) -> [u8; 33] {
    let attributes = bip32::ExtendedKeyAttrs {
        depth: 0,
        parent_fingerprint: [0; 4],
        child_number: bip32::ChildNumber::default(),
        chain_code: public.chain_code(),
    };
    let root = VerifyingKey::from_sec1_bytes(&public.public_key()).unwrap();
    let mut key = bip32::ExtendedPublicKey::new(root, attributes);
    for index in path {
        key = key.derive_child(bip32::ChildNumber(*index)).unwrap();
    }
    key.public_key().to_encoded_point(true).as_bytes().try_into().unwrap()
}

/// The value at zero of the polynomial in the exponent through these points.
pub(super) fn interpolated(points: &[(u8, [u8; 33])]) -> [u8; 33] {
    let x = |index: u8| Scalar::from(u64::from(index));
    let weighted = |(index, bytes): &(u8, [u8; 33])| {
        let point = PublicKey::from_sec1_bytes(bytes).unwrap().to_projective();
        let weight =
            points.iter().filter(|(other, _)| other != index).fold(Scalar::ONE, |weight, (other, _)| {
                weight * x(*other) * (x(*other) - x(*index)).invert().unwrap()
            });
        point * weight
    };
    let sum = points.iter().map(weighted).fold(ProjectivePoint::IDENTITY, |sum, point| sum + point);
    sum.to_affine().to_bytes().into()
}
