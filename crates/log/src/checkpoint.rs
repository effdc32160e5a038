//! Checkpoints: a log's signed statement of its size and root, and the cosignatures of those who checked it.
//!
//! Owns the C2SP tlog-checkpoint body and, in its parts, the signed note around it, the log's key and the
//! nodes' cosignatures. Never reads a clock: a cosignature's time is given by the caller.
//!
//! Extension lines, which the specification advises against, are refused: nothing here would check them.

mod cosignature;
mod log_key;
mod signed;

use std::fmt;

use thiserror::Error;

pub use cosignature::{Cosignature, CosignatureVerifier, Cosigner, MAX_TIME_S, VerifiedCosignature};
pub use log_key::{LogSigner, LogVerifier};
pub use signed::{MAX_CHECKPOINT_SIGNATURES, MAX_SIGNED_CHECKPOINT_BYTES, SignedCheckpoint};

use crate::hash::Hash;
use crate::note_key::{KeyName, NoteKeyError};
use crate::tree::MAX_TREE_SIZE;

/// The identity of a log: first line of its checkpoints and name of its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

/// What a log states: this is my root at this size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root of those leaves.
    pub root: Hash,
}

/// Why a checkpoint, its signature or a cosignature was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Longer than [`MAX_SIGNED_CHECKPOINT_BYTES`].
    #[error("the checkpoint has {size} bytes, at most {MAX_SIGNED_CHECKPOINT_BYTES} are accepted")]
    TooLarge {
        /// Bytes received.
        size: usize,
    },
    /// Not a signed note with a checkpoint as its text.
    #[error("the checkpoint is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The origin line is not a name that a key can have.
    #[error("the checkpoint's origin is not acceptable")]
    Origin {
        /// The rule it breaks.
        #[source]
        source: NoteKeyError,
    },
    /// A checkpoint of another log.
    #[error("the checkpoint is of log `{found}`, expected `{expected}`")]
    OriginMismatch {
        /// The log asked about.
        expected: Origin,
        /// The log that the checkpoint names.
        found: Origin,
    },
    /// No signature by the log's key.
    #[error("the checkpoint carries no signature by the key of log `{origin}`")]
    LogSignatureMissing {
        /// The log.
        origin: Origin,
    },
    /// A signature that names the log's key and is not of it.
    #[error("the checkpoint's signature by log `{origin}` does not verify")]
    LogSignatureInvalid {
        /// The log.
        origin: Origin,
    },
    /// Not a line `— <name> <base64>` with a key id, a time and an Ed25519 signature.
    #[error("the cosignature is malformed: {problem}")]
    CosignatureMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A cosignature of another key than the one it is checked with.
    #[error("the cosignature is by `{found}`, expected one by `{expected}`")]
    CosignerMismatch {
        /// Whose cosignature was expected.
        expected: KeyName,
        /// The name it carries.
        found: KeyName,
    },
    /// A cosignature that names a known key and is not of it over this checkpoint.
    #[error("the cosignature by `{name}` does not verify over this checkpoint")]
    CosignatureInvalid {
        /// The cosigner.
        name: KeyName,
    },
    /// Two of the given cosigners have one key, so one cosignature would count twice.
    #[error("cosigner `{name}` shares its key with another cosigner: every cosigner needs a key of its own")]
    CosignersNotDistinct {
        /// The second of the two.
        name: KeyName,
    },
    /// More signature lines than [`MAX_CHECKPOINT_SIGNATURES`].
    #[error("the checkpoint would carry more than {MAX_CHECKPOINT_SIGNATURES} signatures")]
    TooManySignatures,
    /// A time that a cosignature cannot carry.
    #[error("cosignature time {time_s} is out of range, at most {MAX_TIME_S} is allowed")]
    TimeOutOfRange {
        /// The time in seconds.
        time_s: u64,
    },
}

impl Origin {
    /// Checks an origin: 1 to 255 printable ASCII characters without spaces and without `+`.
    pub fn new(origin: &str) -> Result<Self, NoteKeyError> {
        KeyName::new(origin).map(Self)
    }

    /// The origin of a cluster's log: `holdfast/<cluster>`.
    pub fn of_cluster(cluster: &str) -> Result<Self, NoteKeyError> {
        KeyName::of_cluster(cluster).map(Self)
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of the log's key, which is the origin.
    pub fn key_name(&self) -> &KeyName {
        &self.0
    }
}

impl Checkpoint {
    /// The body, which is what the log signs: origin, size and root, a line each.
    pub fn to_body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads a body in its one canonical form.
    pub fn parse_body(body: &[u8]) -> Result<Self, CheckpointError> {
        let malformed = |problem| CheckpointError::Malformed { problem };
        if body.len() > MAX_SIGNED_CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLarge { size: body.len() });
        }
        let parsed = tlog_tiles::Checkpoint::from_bytes(body)
            .map_err(|_| malformed("the body must be the lines origin, size and root"))?;
        if !parsed.extension().is_empty() {
            return Err(malformed("extension lines are not accepted"));
        }
        let origin = Origin::new(parsed.origin()).map_err(|source| CheckpointError::Origin { source })?;
        let checkpoint = Self { origin, size: parsed.size(), root: (*parsed.hash()).into() };
        checkpoint.check()?;
        if checkpoint.to_body().as_bytes() != body {
            return Err(malformed("the body is not in canonical form"));
        }
        Ok(checkpoint)
    }

    fn check(&self) -> Result<(), CheckpointError> {
        let malformed = |problem| CheckpointError::Malformed { problem };
        if self.size > MAX_TREE_SIZE {
            return Err(malformed("the size is out of range"));
        }
        if self.size == 0 && self.root != Hash::EMPTY_TREE {
            return Err(malformed("the root of the empty tree is another"));
        }
        Ok(())
    }
}

impl CheckpointError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "CHECKPOINT_TOO_LARGE",
            Self::Malformed { .. } | Self::Origin { .. } => "CHECKPOINT_MALFORMED",
            Self::OriginMismatch { .. } => "CHECKPOINT_ORIGIN_MISMATCH",
            Self::LogSignatureMissing { .. } => "LOG_SIGNATURE_MISSING",
            Self::LogSignatureInvalid { .. } => "LOG_SIGNATURE_INVALID",
            Self::CosignatureMalformed { .. } => "COSIGNATURE_MALFORMED",
            Self::CosignerMismatch { .. } => "COSIGNER_MISMATCH",
            Self::CosignatureInvalid { .. } => "COSIGNATURE_INVALID",
            Self::CosignersNotDistinct { .. } => "COSIGNERS_NOT_DISTINCT",
            Self::TooManySignatures => "CHECKPOINT_TOO_MANY_SIGNATURES",
            Self::TimeOutOfRange { .. } => "COSIGNATURE_TIME_OUT_OF_RANGE",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
