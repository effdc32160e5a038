//! The key share: one party's secret half of a key, with its multiplication set-up.
//!
//! Owns the secret and the one encoding of it, version 1. It must never be cloned, printed, compared or serialised by
//! anything but [`KeyShare::to_bytes`], whose output the node seals before it is stored.
//!
//! `dkls23`'s `Party` wipes itself on drop: secret share, derivation data, zero-share seeds, both directions of the
//! oblivious-transfer state and the session id; only public values (public key, indices, parameters) stay. It is boxed
//! here, so that moving a [`KeyShare`] copies a pointer and not the secret. Its own `Debug` prints all secrets and its
//! `Clone` copies them; neither is reachable through this type.

use core::fmt;

use k256_engine::ProjectivePoint;
use k256_engine::elliptic_curve::group::GroupEncoding;
use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::encoding::{decode_exact, encode_secret};
use crate::engine::{EngineId, EngineParty, engine_index, party_of};
use crate::party::{Epoch, PartyIndex, Threshold};
use crate::public::{KeyPublic, PointBytes};

const HEADER: &[u8; 5] = b"HFKS\x01";
/// A 9-of-16 share is below this by far (about 53 KB a peer).
const MAX_SHARE_LEN: usize = 2 * 1024 * 1024;

/// Why bytes are not a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Beyond the size limit.
    #[error("a share of {len} bytes is longer than {MAX_SHARE_LEN}")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// Not an encoding of a share, or one of another version or engine.
    #[error("the bytes are not a key share of a version and engine that this node knows")]
    Malformed,
    /// The share contradicts itself.
    #[error("the key share is damaged: its `{field}` is inconsistent, restore it from a backup")]
    Inconsistent {
        /// What is wrong.
        field: &'static str,
    },
    /// The share is not one of this key.
    #[error("the key share does not belong to this public key, epoch and party")]
    OtherKey,
    /// The share cannot be encoded.
    #[error("the key share cannot be encoded")]
    Unencodable,
    /// BIP-32 gives no key for this path, or it asks for a hardened one.
    #[error("the key has no child at this path: indices are below 2147483648")]
    NoSuchChild,
}

impl ShareError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "SHARE_TOO_LARGE",
            Self::Malformed => "SHARE_MALFORMED",
            Self::Inconsistent { .. } => "SHARE_INCONSISTENT",
            Self::OtherKey => "SHARE_OF_OTHER_KEY",
            Self::Unencodable => "SHARE_UNENCODABLE",
            Self::NoSuchChild => "SHARE_NO_SUCH_CHILD",
        }
    }
}

/// One party's share of one key in one epoch.
///
/// ```compile_fail,E0277
/// fn copies<T: Clone>() {}
/// copies::<holdfast_threshold::KeyShare>();
/// ```
///
/// ```compile_fail,E0277
/// fn serialises<T: serde::Serialize>() {}
/// serialises::<holdfast_threshold::KeyShare>();
/// ```
pub struct KeyShare {
    epoch: Epoch,
    transcript: [u8; 32],
    facts: Facts,
    /// Below the generated key; empty for that one.
    path: Vec<u32>,
    party: Box<EngineParty>,
}

/// What was checked about the engine's party when the share was made.
#[derive(Clone, Copy)]
struct Facts {
    party: PartyIndex,
    threshold: Threshold,
    public_key: PointBytes,
    /// The generated key, of which this one is a child or which it is.
    family: PointBytes,
}

/// The encoding, version 1.
#[derive(Serialize, Deserialize)]
struct ShareV1 {
    engine: EngineId,
    epoch: Epoch,
    transcript: [u8; 32],
    party: Box<EngineParty>,
}

/// The same for encoding without copying the secret.
#[derive(Serialize)]
struct ShareV1Ref<'a> {
    engine: EngineId,
    epoch: Epoch,
    transcript: &'a [u8; 32],
    party: &'a EngineParty,
}

impl KeyShare {
    pub(crate) fn new(
        epoch: Epoch,
        transcript: [u8; 32],
        party: Box<EngineParty>,
    ) -> Result<Self, ShareError> {
        let facts = check(&party)?;
        Ok(Self { epoch, transcript, facts, path: Vec::new(), party })
    }

    /// This party's share of the child key at a BIP-32 path without hardened indices. It lives in memory for one session and
    /// cannot be encoded; every party that derives the same path has a share of the same child.
    ///
    /// # Errors
    /// [`ShareError::NoSuchChild`] for a path that leads to no key, or from a share that is a child already.
    pub(crate) fn child(&self, path: &[u32]) -> Result<Self, ShareError> {
        if !self.path.is_empty() {
            return Err(ShareError::NoSuchChild);
        }
        let text = path.iter().fold("m".to_owned(), |text, index| format!("{text}/{index}"));
        let party = self.party.derive_from_path(&text, |_| String::new());
        let party = Box::new(party.map_err(|_| ShareError::NoSuchChild)?);
        let public_key: PointBytes = party.pk.to_bytes().into();
        let facts = Facts { public_key, ..self.facts };
        Ok(Self { epoch: self.epoch, transcript: self.transcript, facts, path: path.to_vec(), party })
    }

    /// The share's encoding, wiped on drop. Seal it before it touches a disk.
    ///
    /// # Errors
    /// [`ShareError::Unencodable`]; not for a share that this crate made.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ShareError> {
        if !self.path.is_empty() {
            return Err(ShareError::Unencodable);
        }
        let value = ShareV1Ref {
            engine: self.engine(),
            epoch: self.epoch,
            transcript: &self.transcript,
            party: &self.party,
        };
        encode_secret(HEADER, &value).map_err(|_| ShareError::Unencodable)
    }

    /// Parses a share and checks that it is whole.
    ///
    /// # Errors
    /// A [`ShareError`]; a damaged share never signs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        if bytes.len() > MAX_SHARE_LEN {
            return Err(ShareError::TooLarge { len: bytes.len() });
        }
        let ShareV1 { engine: EngineId::Dkls23EcdsaSecp256k1V06, epoch, transcript, party } =
            decode_exact(HEADER, bytes).ok_or(ShareError::Malformed)?;
        Self::new(epoch, transcript, party)
    }

    /// Whether this is the share of its party in `public`: same engine, epoch, threshold, public key, chain code and
    /// transcript, and share times generator is the party's verifying share.
    #[must_use]
    pub fn matches(&self, public: &KeyPublic) -> bool {
        self.engine() == public.engine
            && self.epoch == public.epoch
            && self.threshold() == public.threshold
            && self.public_key() == public.public_key
            && self.chain_code() == public.chain_code
            && self.transcript == public.transcript
            && public.verifying_shares.get(&self.party()) == Some(&self.verifying_share())
    }

    /// The engine the share belongs to.
    #[must_use]
    pub const fn engine(&self) -> EngineId {
        EngineId::Dkls23EcdsaSecp256k1V06
    }

    /// Whose share it is.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.facts.party
    }

    /// The epoch of the share.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// t of n.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.facts.threshold
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub const fn public_key(&self) -> [u8; 33] {
        self.facts.public_key
    }

    /// The generated key whose multiplication set-up this share uses: its own public key, or that of its parent.
    pub(crate) const fn family(&self) -> PointBytes {
        self.facts.family
    }

    pub(crate) fn path(&self) -> &[u32] {
        &self.path
    }

    /// The BIP-32 chain code.
    #[must_use]
    pub fn chain_code(&self) -> [u8; 32] {
        self.party.derivation_data.chain_code
    }

    pub(crate) const fn transcript(&self) -> [u8; 32] {
        self.transcript
    }

    pub(crate) fn engine_party(&self) -> &EngineParty {
        &self.party
    }

    fn verifying_share(&self) -> PointBytes {
        ProjectivePoint::mul_by_generator(&self.party.poly_point).to_affine().to_bytes().into()
    }
}

// `dkls23::Party` implements `Drop` by zeroizing; the test `a_dropped_engine_party_is_wiped` holds it to that.
impl ZeroizeOnDrop for KeyShare {}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyShare")
            .field("party", &self.party().get())
            .field("threshold", &format_args!("{}", self.threshold()))
            .field("epoch", &self.epoch.0)
            .field("share", &format_args!("<redacted>"))
            .finish_non_exhaustive()
    }
}

/// What a share must satisfy to be used: a whole, underived share of a committee this crate can run. The engine checks
/// some of it again in each session; here a damaged share is found when it is loaded, and no counterparty is blamed.
fn check(party: &EngineParty) -> Result<Facts, ShareError> {
    let fault = |field: &'static str| ShareError::Inconsistent { field };
    let threshold = Threshold::new(party.parameters.threshold, party.parameters.share_count)
        .map_err(|_| fault("threshold"))?;
    let me = party_of(party.party_index)
        .filter(|me| threshold.committee().contains(*me))
        .ok_or_else(|| fault("party index"))?;
    let peers: Vec<_> = threshold.committee().others(me).filter_map(engine_index).collect();
    let senders = party.mul_senders.keys().eq(peers.iter())
        && party.mul_senders.values().all(|state| state.check_state().is_ok());
    let receivers = party.mul_receivers.keys().eq(peers.iter())
        && party.mul_receivers.values().all(|state| state.check_state(None).is_ok());
    if !senders || !receivers {
        return Err(fault("multiplication state"));
    }
    let seeds = party.zero_share.seeds.iter();
    let lowest = |index| party.party_index < index;
    let mut seeded: Vec<_> = seeds.clone().map(|pair| pair.index_counterparty).collect();
    seeded.sort_unstable();
    if seeded != peers || !seeds.clone().all(|pair| pair.lowest_index == lowest(pair.index_counterparty)) {
        return Err(fault("zero shares"));
    }
    let derivation = &party.derivation_data;
    if derivation.depth != 0 || derivation.pk != party.pk || derivation.poly_point != party.poly_point {
        return Err(fault("derivation data"));
    }
    let public_key: PointBytes = party.pk.to_bytes().into();
    k256_engine::PublicKey::from_sec1_bytes(&public_key).map_err(|_| fault("public key"))?;
    Ok(Facts { party: me, threshold, public_key, family: public_key })
}

#[cfg(test)]
mod tests;
