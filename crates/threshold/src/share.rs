//! The key share: one party's secret half of a key.
//!
//! Owns the one encoding of it, version 1, and what is the same for the shares of all engines. It must never be cloned,
//! printed, compared or serialised by anything but [`KeyShare::to_bytes`], whose output the node seals before it is stored.
//!
//! ```text
//! "HFKS" | version 1 | engine (postcard string) | epoch | transcript 32 | the engine's encoding
//! ```

use std::sync::Arc;

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::encoding::concat_secret;
use crate::engine::{Engine, EngineId, Engines, SecretShare};
use crate::party::{Epoch, Participants, PartyIndex, Threshold};
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
    /// A share of an engine that this program does not have.
    #[error("the key share is one of engine `{engine}`, which is not in this program")]
    EngineMissing {
        /// Its engine.
        engine: EngineId,
    },
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
            Self::EngineMissing { .. } => "SHARE_ENGINE_MISSING",
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
    engine: &'static dyn Engine,
    epoch: Epoch,
    transcript: [u8; 32],
    /// The generated key, of which this one is a child or which it is.
    family: PointBytes,
    /// Below the generated key; empty for that one.
    path: Vec<u32>,
    secret: Arc<dyn SecretShare>,
}

/// What stands before the engine's encoding.
#[derive(Serialize, Deserialize)]
struct Front {
    engine: EngineId,
    epoch: Epoch,
    transcript: [u8; 32],
}

impl KeyShare {
    pub(crate) fn new(
        engine: &'static dyn Engine,
        epoch: Epoch,
        transcript: [u8; 32],
        secret: Arc<dyn SecretShare>,
    ) -> Self {
        let family = secret.public_key();
        Self { engine, epoch, transcript, family, path: Vec::new(), secret }
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
        let secret = self.secret.child(path)?;
        let (engine, epoch, transcript, family) = (self.engine, self.epoch, self.transcript, self.family);
        Ok(Self { engine, epoch, transcript, family, path: path.to_vec(), secret })
    }

    /// The share's encoding, wiped on drop. Seal it before it touches a disk.
    ///
    /// # Errors
    /// [`ShareError::Unencodable`]; not for a share that this crate made.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ShareError> {
        if !self.path.is_empty() {
            return Err(ShareError::Unencodable);
        }
        Ok(concat_secret(&[HEADER, &self.front()?, &self.secret.to_bytes()?]))
    }

    /// Parses a share of one of this program's engines and checks that it is whole.
    ///
    /// # Errors
    /// A [`ShareError`]; a damaged share never signs.
    pub fn from_bytes(bytes: &[u8], engines: &Engines) -> Result<Self, ShareError> {
        if bytes.len() > MAX_SHARE_LEN {
            return Err(ShareError::TooLarge { len: bytes.len() });
        }
        let body = bytes.strip_prefix(HEADER).ok_or(ShareError::Malformed)?;
        let (front, secret) = postcard::take_from_bytes::<Front>(body).map_err(|_| ShareError::Malformed)?;
        let Front { engine, epoch, transcript } = front;
        let engine = engines.engine(engine).ok_or(ShareError::EngineMissing { engine })?;
        let share = Self::new(engine, epoch, transcript, engine.open_share(secret)?);
        // One encoding only: the engine holds itself to that for its part.
        if body.strip_suffix(secret) != Some(share.front()?.as_slice()) {
            return Err(ShareError::Malformed);
        }
        Ok(share)
    }

    fn front(&self) -> Result<Vec<u8>, ShareError> {
        let front = Front { engine: self.engine(), epoch: self.epoch, transcript: self.transcript };
        postcard::to_allocvec(&front).map_err(|_| ShareError::Unencodable)
    }

    /// What this party gives when the key is handed on. Children are not: their parent is.
    pub(crate) fn contribution(&self, givers: &Participants) -> Result<Zeroizing<[u8; 32]>, ShareError> {
        let whole = self.path.is_empty().then_some(&self.secret);
        whole.and_then(|secret| secret.contribution(givers)).ok_or(ShareError::OtherKey)
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
            && public.verifying_shares.get(&self.party()) == Some(&self.secret.verifying_share())
    }

    /// The engine the share belongs to.
    #[must_use]
    pub fn engine(&self) -> EngineId {
        self.engine.id()
    }

    /// Whose share it is.
    #[must_use]
    pub fn party(&self) -> PartyIndex {
        self.secret.party()
    }

    /// The epoch of the share.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// t of n.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.secret.threshold()
    }

    /// The public key, 33-byte SEC1.
    #[must_use]
    pub fn public_key(&self) -> [u8; 33] {
        self.secret.public_key()
    }

    /// The BIP-32 chain code.
    #[must_use]
    pub fn chain_code(&self) -> [u8; 32] {
        self.secret.chain_code()
    }

    /// The generated key whose reusable state this share uses: its own public key, or that of its parent.
    pub(crate) const fn family(&self) -> PointBytes {
        self.family
    }

    pub(crate) fn path(&self) -> &[u32] {
        &self.path
    }

    pub(crate) const fn transcript(&self) -> [u8; 32] {
        self.transcript
    }

    pub(crate) fn protocol(&self) -> &'static dyn Engine {
        self.engine
    }

    pub(crate) fn secret(&self) -> &Arc<dyn SecretShare> {
        &self.secret
    }
}

// INVARIANT (G3): an engine's share wipes itself when the last handle on it goes ([`SecretShare`]); for `dkls23` the test
// `a_dropped_engine_party_is_wiped` holds it to that.
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

#[cfg(test)]
mod tests;
