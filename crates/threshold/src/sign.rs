//! Threshold signing: exactly t parties make one ECDSA signature of one digest.
//!
//! Owns the four rounds of `dkls23` signing (Protocol 3.6 of <https://eprint.iacr.org/2023/765>). It must never keep a
//! signing state anywhere but in memory, never run a step twice, and never hand out a signature that an independent
//! verification did not accept.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all signers | commitment to the nonce share, first multiplication message |
//! | 2 | those | the nonce share, second multiplication message |
//! | 3 | those | this party's part of the signature |
//! | 4 | the parts | nothing: [`Signature`] |
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
//! use holdfast_threshold::sign::{Round1, Round2};
//!
//! fn once(session: Round1, messages: &Incoming) -> Option<Round2> {
//!     session.handle(messages).ok().map(|(next, _)| next)
//! }
//! ```
//!
//! ```compile_fail,E0382
//! use holdfast_threshold::channel::Incoming;
//! use holdfast_threshold::sign::{Round1, Round2};
//!
//! fn twice(session: Round1, messages: &Incoming) -> Option<Round2> {
//!     let _ = session.handle(messages);
//!     session.handle(messages).ok().map(|(next, _)| next)
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
mod messages;
mod round1;
mod round2;
mod round3;
mod round4;
mod signature;

use std::sync::Arc;

use core::fmt;

use dkls23::protocols::signing::SignData;

pub use ban::{BannedPair, InvalidBan};
pub use error::SignError;
pub use machine::{SignMachine, SignReply};
pub use round1::{Round1, start};
pub use round2::Round2;
pub use round3::Round3;
pub use signature::Signature;

use crate::channel::{MessageKeys, Purpose, SessionContext};
use crate::encoding::tagged_hash;
use crate::engine::engine_index;
use crate::fault::ProtocolFault;
use crate::party::{ClusterId, PartyIndex, Round, SessionId, SetupError, SignerSet};
use crate::share::{KeyShare, ShareError};

/// The last round: it takes the parts and yields the signature.
pub const LAST_ROUND: Round = Round(4);

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

/// What every step needs: the share, and the engine's description of the session. Its sign id covers cluster, engine,
/// session, epoch, threshold, signer set, authorization and digest.
pub(crate) struct Desk {
    share: Arc<KeyShare>,
    data: SignData,
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
}

impl Desk {
    fn new(task: &SignTask, share: Arc<KeyShare>) -> Result<Self, SignError> {
        task.check(&share)?;
        if share.path() != task.path {
            return Err(ShareError::OtherKey.into());
        }
        let context = task.context(&share).encode();
        let sign_id = tagged_hash("holdfast/threshold/sign-id/v1", &[&context, &task.digest]);
        let counterparties = task
            .signers
            .participants()
            .others(share.party())
            .map(engine_index)
            .collect::<Option<Vec<_>>>()
            .ok_or(ProtocolFault::LOCAL)?;
        let data = SignData { sign_id: sign_id.to_vec(), counterparties, message_hash: task.digest };
        Ok(Self { share, data })
    }

    fn me(&self) -> PartyIndex {
        self.share.party()
    }

    fn fault(&self, abort: &dkls23::protocols::Abort) -> SignError {
        SignError::from_fault(&self.share, ProtocolFault::from_abort(self.me(), abort))
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("share", &self.share).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
