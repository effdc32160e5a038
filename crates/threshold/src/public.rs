//! The public data of a key: what every party of its generation confirmed to be equal.
//!
//! Owns its canonical encoding, version 1, and its digest. It must never hold a point that is not on the curve, or a
//! verifying share for anybody but the committee.
//!
//! ```text
//! "HFKP" | version 1 | engine (short string) | epoch u32 | t | n
//!        | public key 33 | chain code 32 | transcript 32 | n verifying shares of 33
//! ```

use std::collections::BTreeMap;

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::{Reader, Writer, tagged_hash};
use crate::engine::EngineId;
use crate::party::{Epoch, PartyIndex, Threshold};

const HEADER: &[u8; 5] = b"HFKP\x01";

/// A compressed point, SEC1.
pub(crate) type PointBytes = [u8; 33];

/// The public half of a generated key: public key, chain code, one verifying share a party, and the transcript.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct KeyPublic {
    pub(crate) engine: EngineId,
    pub(crate) epoch: Epoch,
    pub(crate) threshold: Threshold,
    pub(crate) public_key: PointBytes,
    pub(crate) chain_code: [u8; 32],
    pub(crate) transcript: [u8; 32],
    pub(crate) verifying_shares: BTreeMap<PartyIndex, PointBytes>,
}

/// Bytes that are not the public data of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not public key data of a version and engine that this node knows")]
pub struct InvalidKeyPublic;

impl KeyPublic {
    /// The engine whose shares belong to the key.
    #[must_use]
    pub const fn engine(&self) -> EngineId {
        self.engine
    }

    /// The epoch of the shares.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// t of n.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub const fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    /// The BIP-32 chain code.
    #[must_use]
    pub const fn chain_code(&self) -> [u8; 32] {
        self.chain_code
    }

    /// Hash of the offers and of everything that was broadcast while the key was generated.
    #[must_use]
    pub const fn transcript(&self) -> [u8; 32] {
        self.transcript
    }

    /// Share times generator of every party, 33-byte SEC1 each.
    #[must_use]
    pub const fn verifying_shares(&self) -> &BTreeMap<PartyIndex, [u8; 33]> {
        &self.verifying_shares
    }

    /// A hash of the verifying shares in party order.
    #[must_use]
    pub fn verifying_shares_digest(&self) -> [u8; 32] {
        let parts: Vec<&[u8]> = self.verifying_shares.values().map(<PointBytes>::as_slice).collect();
        tagged_hash("holdfast/threshold/verifying-shares/v1", &parts)
    }

    /// A hash of all of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        tagged_hash("holdfast/threshold/key-public/v1", &[&self.to_bytes()])
    }

    /// The canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let fixed = Writer::default()
            .raw(HEADER)
            .short(self.engine.name().as_bytes())
            .u32(self.epoch.0)
            .byte(self.threshold.t())
            .byte(self.threshold.n())
            .raw(&self.public_key)
            .raw(&self.chain_code)
            .raw(&self.transcript);
        self.verifying_shares.values().fold(fixed, |writer, share| writer.raw(share)).finish()
    }

    /// Parses the canonical encoding and checks every point.
    ///
    /// # Errors
    /// [`InvalidKeyPublic`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKeyPublic> {
        parse(bytes).ok_or(InvalidKeyPublic)
    }
}

fn parse(bytes: &[u8]) -> Option<KeyPublic> {
    let mut reader = Reader::new(bytes);
    if reader.take(HEADER.len())? != HEADER {
        return None;
    }
    let engine = EngineId::from_name(core::str::from_utf8(reader.short()?).ok()?)?;
    let epoch = Epoch(reader.u32()?);
    let threshold = Threshold::new(reader.byte()?, reader.byte()?).ok()?;
    let public_key = point(&mut reader)?;
    let chain_code = reader.array()?;
    let transcript = reader.array()?;
    let mut verifying_shares = BTreeMap::new();
    for party in threshold.committee().iter() {
        verifying_shares.insert(party, point(&mut reader)?);
    }
    reader.finish()?;
    Some(KeyPublic { engine, epoch, threshold, public_key, chain_code, transcript, verifying_shares })
}

/// A point of the curve in compressed form, not the identity.
fn point(reader: &mut Reader<'_>) -> Option<PointBytes> {
    let bytes: PointBytes = reader.array()?;
    k256_engine::PublicKey::from_sec1_bytes(&bytes).ok()?;
    Some(bytes)
}

impl fmt::Debug for KeyPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPublic")
            .field("engine", &self.engine)
            .field("epoch", &self.epoch)
            .field("threshold", &format_args!("{}", self.threshold))
            .field("public_key", &hex::encode(self.public_key))
            .finish_non_exhaustive()
    }
}

impl From<KeyPublic> for Vec<u8> {
    fn from(public: KeyPublic) -> Self {
        public.to_bytes()
    }
}

impl TryFrom<Vec<u8>> for KeyPublic {
    type Error = InvalidKeyPublic;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> KeyPublic {
        let point = |scalar: u8| -> PointBytes {
            let mut bytes = [0; 32];
            bytes[31] = scalar;
            let secret = k256::SecretKey::from_slice(&bytes).unwrap();
            let point =
                k256::elliptic_curve::sec1::ToEncodedPoint::to_encoded_point(&secret.public_key(), true);
            point.as_bytes().try_into().unwrap()
        };
        let threshold = Threshold::new(2, 3).unwrap();
        KeyPublic {
            engine: EngineId::Dkls23EcdsaSecp256k1V06,
            epoch: Epoch(1),
            threshold,
            public_key: point(9),
            chain_code: [3; 32],
            transcript: [4; 32],
            verifying_shares: threshold.committee().iter().map(|p| (p, point(p.get()))).collect(),
        }
    }

    #[test]
    fn public_data_round_trips_and_nothing_else_parses() {
        let public = sample();
        let bytes = public.to_bytes();
        assert_eq!(KeyPublic::from_bytes(&bytes), Ok(public));
        for length in 0..bytes.len() {
            assert_eq!(KeyPublic::from_bytes(&bytes[..length]), Err(InvalidKeyPublic), "{length} bytes");
        }
        assert_eq!(KeyPublic::from_bytes(&[bytes.as_slice(), &[0]].concat()), Err(InvalidKeyPublic));
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        let mut public = sample();
        // x = 5 is not the x-coordinate of a point of secp256k1.
        public.public_key = [0; 33];
        public.public_key[0] = 2;
        public.public_key[32] = 5;
        assert_eq!(KeyPublic::from_bytes(&public.to_bytes()), Err(InvalidKeyPublic));
    }

    #[test]
    fn the_digest_covers_every_field() {
        let base = sample();
        let mut swapped = base.verifying_shares.clone();
        swapped.insert(PartyIndex::new(1).unwrap(), base.public_key);
        let changed = [
            KeyPublic { epoch: Epoch(2), ..base.clone() },
            KeyPublic { threshold: Threshold::new(3, 3).unwrap(), ..base.clone() },
            KeyPublic { public_key: base.verifying_shares[&PartyIndex::new(1).unwrap()], ..base.clone() },
            KeyPublic { chain_code: [0; 32], ..base.clone() },
            KeyPublic { transcript: [0; 32], ..base.clone() },
            KeyPublic { verifying_shares: swapped, ..base.clone() },
        ];
        for other in changed {
            assert_ne!(other.digest(), base.digest(), "{other:?}");
        }
    }
}
