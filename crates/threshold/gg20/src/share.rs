//! One party's GG20 share: the library's `LocalKey`, and the chain code that the library does not have.
//!
//! Owns the checks that it is whole, and its encoding. The library's `Debug` and `Clone` of a `LocalKey` show and copy all
//! secrets; neither is reachable from outside.

use std::sync::Arc;

use curv::cryptographic_primitives::secret_sharing::feldman_vss::VerifiableSS;
use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::Outgoing;
use holdfast_threshold::{
    Participants, PartyIndex, SecretShare, ShareError, SignBrief, SignError, SignProtocol, Threshold,
};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::state_machine::keygen::LocalKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::derive::{plus, shifted, tweak};
use crate::library::{Point, Scalar, decode, encode, guarded, is_modulus, is_unit, sec1};
use crate::sign;

/// A share that was checked when it was made.
pub(crate) struct Gg20Share {
    index: PartyIndex,
    threshold: Threshold,
    public_key: [u8; 33],
    verifying_share: [u8; 33],
    form: Form,
}

/// What is stored.
#[derive(Serialize, Deserialize)]
struct Form {
    local: LocalKey<Secp256k1>,
    chain_code: [u8; 32],
}

impl Gg20Share {
    pub(crate) fn new(local: LocalKey<Secp256k1>, chain_code: [u8; 32]) -> Result<Self, ShareError> {
        let fault = |field: &'static str| ShareError::Inconsistent { field };
        let (index, threshold) = guarded(|| check(&local)).ok_or_else(|| fault("numbers"))?.map_err(fault)?;
        let public_key = sec1(&local.y_sum_s).ok_or_else(|| fault("public key"))?;
        let verifying_share = slot(&local.pk_vec, index).and_then(sec1);
        let verifying_share = verifying_share.ok_or_else(|| fault("verifying shares"))?;
        Ok(Self { index, threshold, public_key, verifying_share, form: Form { local, chain_code } })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let Form { local, chain_code } = decode(bytes).ok_or(ShareError::Malformed)?;
        Self::new(local, chain_code)
    }

    pub(crate) fn threshold_of(&self) -> Threshold {
        self.threshold
    }

    pub(crate) fn local(&self) -> &LocalKey<Secp256k1> {
        &self.form.local
    }
}

impl SecretShare for Gg20Share {
    fn party(&self) -> PartyIndex {
        self.index
    }

    fn threshold(&self) -> Threshold {
        self.threshold
    }

    fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    fn chain_code(&self) -> [u8; 32] {
        self.form.chain_code
    }

    fn verifying_share(&self) -> [u8; 33] {
        self.verifying_share
    }

    fn child(&self, path: &[u32]) -> Result<Arc<dyn SecretShare>, ShareError> {
        let (step, chain_code) =
            tweak(&self.public_key, self.form.chain_code, path).ok_or(ShareError::NoSuchChild)?;
        let mut local = self.form.local.clone();
        local.keys_linear.x_i = plus(&local.keys_linear.x_i, &step);
        local.keys_linear.y = shifted(&local.keys_linear.y, &step);
        local.y_sum_s = shifted(&local.y_sum_s, &step);
        for share in &mut local.pk_vec {
            *share = shifted(share, &step);
        }
        Ok(Arc::new(Self::new(local, chain_code).map_err(|_| ShareError::NoSuchChild)?))
    }

    fn contribution(&self, givers: &Participants) -> Option<Zeroizing<[u8; 32]>> {
        if !givers.contains(self.index) {
            return None;
        }
        let places: Vec<u16> = givers.iter().map(place).collect();
        let local = &self.form.local;
        let weighted = guarded(|| {
            let parameters = &local.vss_scheme.parameters;
            let weight =
                VerifiableSS::<Secp256k1>::map_share_to_new_params(parameters, place(self.index), &places);
            times(&weight, &local.keys_linear.x_i)
        })?;
        let bytes = Zeroizing::new(weighted.to_bytes().to_vec());
        Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
    }

    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ShareError> {
        encode(&self.form).ok_or(ShareError::Unencodable)
    }

    fn begin_signing(
        self: Arc<Self>,
        brief: SignBrief,
    ) -> Result<(Box<dyn SignProtocol>, Outgoing), SignError> {
        sign::begin(self, brief)
    }
}

/// What belongs to a party in one of the library's lists, which count from zero.
pub(crate) fn slot<T>(list: &[T], party: PartyIndex) -> Option<&T> {
    list.get(usize::from(party.get()).checked_sub(1)?)
}

/// The place of a party in the library's lists.
fn place(party: PartyIndex) -> u16 {
    u16::from(party.get()).saturating_sub(1)
}

#[expect(clippy::arithmetic_side_effects, reason = "multiplication modulo the group's order")]
fn times(left: &Scalar, right: &Scalar) -> Scalar {
    left * right
}

/// What a share must satisfy to be used; the error names what is wrong.
fn check(local: &LocalKey<Secp256k1>) -> Result<(PartyIndex, Threshold), &'static str> {
    // The library's t is the degree of the polynomial: one less than how many sign.
    let narrow = |number: u16| u8::try_from(number).ok();
    let t = narrow(local.t).and_then(|t| t.checked_add(1)).ok_or("threshold")?;
    let n = narrow(local.n).ok_or("threshold")?;
    let threshold = Threshold::new(t, n).map_err(|_| "threshold")?;
    let parameters = &local.vss_scheme.parameters;
    if (parameters.threshold, parameters.share_count) != (local.t, local.n) {
        return Err("threshold");
    }
    let index = narrow(local.i).and_then(|index| PartyIndex::new(index).ok()).ok_or("party index")?;
    if !threshold.committee().contains(index) {
        return Err("party index");
    }
    let count = usize::from(n);
    if [local.pk_vec.len(), local.paillier_key_vec.len(), local.h1_h2_n_tilde_vec.len()] != [count; 3] {
        return Err("lists of parties");
    }
    let rings = &local.h1_h2_n_tilde_vec;
    let sound = local.paillier_key_vec.iter().all(|key| is_modulus(&key.n))
        && rings
            .iter()
            .all(|ring| is_modulus(&ring.N) && is_unit(&ring.g, &ring.N) && is_unit(&ring.ni, &ring.N));
    if !sound {
        return Err("moduli");
    }
    if !owns(local, index) {
        return Err("secret");
    }
    if local.keys_linear.y != local.y_sum_s || !on_one_polynomial(local, threshold) {
        return Err("verifying shares");
    }
    Ok((index, threshold))
}

/// Whether the secrets are those of the party's public values.
#[expect(clippy::arithmetic_side_effects, reason = "arithmetic of the group, and of big numbers that grow")]
fn owns(local: &LocalKey<Secp256k1>, index: PartyIndex) -> bool {
    let decryption = &local.paillier_dk;
    slot(&local.pk_vec, index) == Some(&(Point::generator() * &local.keys_linear.x_i))
        && slot(&local.paillier_key_vec, index).is_some_and(|key| key.n == &decryption.p * &decryption.q)
}

/// Whether any t verifying shares give the public key.
fn on_one_polynomial(local: &LocalKey<Secp256k1>, threshold: Threshold) -> bool {
    let fixed: Vec<u16> = (0..local.t).collect();
    (local.t..u16::from(threshold.n())).all(|last| {
        let set = [fixed.as_slice(), &[last]].concat();
        set.iter().try_fold(Point::zero(), |sum, index| {
            let weight = VerifiableSS::<Secp256k1>::map_share_to_new_params(
                &local.vss_scheme.parameters,
                *index,
                &set,
            );
            Some(weighted(sum, local.pk_vec.get(usize::from(*index))?, &weight))
        }) == Some(local.y_sum_s.clone())
    })
}

#[expect(clippy::arithmetic_side_effects, reason = "arithmetic of the group")]
fn weighted(sum: Point, point: &Point, weight: &Scalar) -> Point {
    sum + point * weight
}
