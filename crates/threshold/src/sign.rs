//! Threshold signing: exactly t parties make one signature, and fewer learn nothing.
//!
//! Owns what is the same for every engine: who may sign together, what a session is bound to, bans, and the verification
//! of what comes out. Round 1 takes the signed offers of all signers; the rounds after it are the engine's
//! ([`SignProtocol`](crate::SignProtocol)); how many there are, [`SignMachine::last_round`] says. The message before the
//! last round is the only one that is made from the digest.
//!
//! # Memory only
//!
//! No state of this module can be serialised or cloned: nonces that are gone after a crash cannot be used twice. A crash
//! aborts the attempt; another attempt takes a fresh session id and draws fresh nonces (G5).
//!
//! # Consumed by value
//!
//! ```
//! use holdfast_threshold::channel::Incoming;
//! use holdfast_threshold::{SignProgress, SignProtocol};
//!
//! fn once(session: Box<dyn SignProtocol>, messages: &Incoming) -> Option<SignProgress> {
//!     session.handle(messages).ok()
//! }
//! ```
//!
//! ```compile_fail,E0382
//! use holdfast_threshold::channel::Incoming;
//! use holdfast_threshold::{SignProgress, SignProtocol};
//!
//! fn twice(session: Box<dyn SignProtocol>, messages: &Incoming) -> Option<SignProgress> {
//!     let _ = session.handle(messages);
//!     session.handle(messages).ok()
//! }
//! ```
//!
//! # Failures
//!
//! [`SignError::ban`] is evidence, valid for this node because the message that proves it was sealed by the counterparty.
//! The node stores it before it does anything else, and gives all its bans to every later [`SignTask`]. An assembled
//! signature that does not verify accuses nobody: rotate the signer set.

mod ban;
mod error;
mod machine;
mod signature;

use core::fmt;

pub use ban::{BannedPair, InvalidBan};
pub use error::SignError;
pub use machine::{SignMachine, SignReply};
pub use signature::Signature;

use crate::channel::{MessageKeys, Purpose, SessionContext};
use crate::encoding::tagged_hash;
use crate::fault::ProtocolFault;
use crate::party::{ClusterId, Participants, PartyIndex, SessionId, SetupError, SignerSet};
use crate::share::{KeyShare, ShareError};

/// What to sign, with whom, and by what permission.
#[derive(Clone, Debug)]
pub struct SignTask {
    /// The cell.
    pub cluster: ClusterId,
    /// This attempt; fresh for each.
    pub session: SessionId,
    /// Exactly t signers, this node among them.
    pub signers: SignerSet,
    /// The hash of the authorization whose digests the node has bound durably.
    pub authorization: [u8; 32],
    /// Where the signing key is below the generated one: a BIP-32 path without hardened indices, empty for that key itself.
    pub path: Vec<u32>,
    /// The digest to sign. The node computed it itself from the decoded transaction.
    pub digest: [u8; 32],
    /// The message keys of the signers.
    pub message_keys: MessageKeys,
    /// All bans that this node has stored.
    pub bans: Vec<BannedPair>,
}

/// What an engine is told about a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SignBrief {
    /// Covers cluster, engine, session, epoch, threshold, signer set, authorization, key and digest: what an engine binds
    /// its messages to.
    pub sign_id: [u8; 32],
    /// This party.
    pub me: PartyIndex,
    /// The signers, this party among them.
    pub signers: Participants,
    /// The digest to sign.
    pub digest: [u8; 32],
    /// The generated key that bans are about.
    family: [u8; 33],
}

impl SignTask {
    /// The context that all signers must agree on.
    fn context(&self, share: &KeyShare) -> SessionContext {
        let binding = tagged_hash(
            "holdfast/threshold/sign-binding/v1",
            &[
                &self.authorization,
                &self.digest,
                &share.public_key(),
                &share.chain_code(),
                &share.transcript(),
            ],
        );
        SessionContext {
            engine: share.engine(),
            cluster: self.cluster.clone(),
            purpose: Purpose::Sign,
            session: self.session,
            epoch: share.epoch(),
            threshold: share.threshold(),
            participants: self.signers.participants().clone(),
            binding,
        }
    }

    /// Refuses a set that was made for another threshold, that this node is not in, or that has a banned pair in it.
    fn check(&self, share: &KeyShare) -> Result<(), SignError> {
        let threshold = share.threshold();
        if self.signers.threshold() != threshold {
            return Err(SetupError::WrongSignerCount {
                expected: threshold.t(),
                got: self.signers.participants().count(),
            }
            .into());
        }
        if !self.signers.participants().contains(share.party()) {
            return Err(SetupError::NotAParticipant { party: share.party() }.into());
        }
        match self.bans.iter().find(|ban| ban.forbids(share.family(), self.signers.participants())) {
            Some(ban) => Err(SignError::Banned { pair: *ban }),
            None => Ok(()),
        }
    }

    /// What the engine is told, once the task and the share of its key fit each other.
    pub(crate) fn brief(&self, share: &KeyShare) -> Result<SignBrief, SignError> {
        self.check(share)?;
        if share.path() != self.path {
            return Err(ShareError::OtherKey.into());
        }
        let context = self.context(share).encode();
        Ok(SignBrief {
            sign_id: tagged_hash("holdfast/threshold/sign-id/v1", &[&context, &self.digest]),
            me: share.party(),
            signers: self.signers.participants().clone(),
            digest: self.digest,
            family: share.family(),
        })
    }
}

impl SignBrief {
    /// The other signers, in ascending order.
    pub fn counterparties(&self) -> impl Iterator<Item = PartyIndex> + '_ {
        self.signers.others(self.me)
    }

    /// What a fault of the protocol means for the session.
    // INVARIANT (G3): every ban of an engine becomes an `Attacked`, so `SignError::ban` reports it.
    #[must_use]
    pub fn failed(&self, fault: ProtocolFault) -> SignError {
        match fault {
            ProtocolFault::Ban { counterparty, reason } => SignError::Attacked {
                pair: BannedPair { key: self.family, by: self.me, against: counterparty },
                reason,
            },
            ProtocolFault::Blamed { .. } | ProtocolFault::Unattributed { .. } => SignError::Protocol(fault),
        }
    }
}

impl fmt::Debug for SignBrief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignBrief").field("me", &self.me).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
