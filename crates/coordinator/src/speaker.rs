//! The coordinator's own voice: the entries it may propose in its own name. Each only asks the state machine, which derives
//! everything that counts (G2).
//!
//! Officers decide which entry key is in force. It must never sign with another one, even if it holds it.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_chains::{Digest, Signature};
use holdfast_ledger::{
    Authorize, CeremonyId, EpochActivated, PayloadKind, PolicyUpload, SignatureLogged, WithdrawalId, key_id,
};
use holdfast_log::{Envelope, EnvelopeError};
use holdfast_policy::{ClusterId, NodeId, WalletId};
use serde::Serialize;

use crate::coordinator::Coordinator;
use crate::log_book::LogFailed;

/// Holds the coordinator's entry keys.
pub(crate) struct Speaker {
    cluster: ClusterId,
    key_id: String,
    keys: Vec<SigningKey>,
}

/// The speaker with the key that is in force.
pub(crate) struct Voice<'a> {
    speaker: &'a Speaker,
    key: &'a SigningKey,
}

/// An entry that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpeakError {
    /// Its payload does not render.
    #[error("the payload does not render")]
    Payload(#[from] serde_json::Error),
    /// It does not fit an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The key in force is not configured.
    #[error("the coordinator's entry key in force is not configured")]
    NoEntryKey,
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

impl Speaker {
    /// Speaks as coordinator `name` of `cluster`, with whichever of these keys is in force.
    pub(crate) fn new(cluster: ClusterId, name: &str, keys: Vec<SigningKey>) -> Self {
        Self { cluster, key_id: key_id("coordinator", name), keys }
    }

    /// Speaks with this key, which is in force.
    pub(crate) fn with(&self, in_force: &VerifyingKey) -> Result<Voice<'_>, SpeakError> {
        let key = self.keys.iter().find(|key| key.verifying_key() == *in_force);
        Ok(Voice { speaker: self, key: key.ok_or(SpeakError::NoEntryKey)? })
    }
}

impl Coordinator {
    /// The coordinator's voice, with the key that the log has in force now.
    pub(crate) async fn voice(&self) -> Result<Voice<'_>, SpeakError> {
        let key = self.book.read().await?.state().roster().coordinator().entry_key;
        self.speaker.with(&key)
    }
}

impl Voice<'_> {
    /// Asks to authorize a withdrawal for these digests.
    pub(crate) fn authorize(
        &self,
        withdrawal: WithdrawalId,
        digests: Vec<Digest>,
    ) -> Result<Envelope, SpeakError> {
        let cluster = self.speaker.cluster.clone();
        self.say(PayloadKind::Authorize, &Authorize { cluster, withdrawal, digests })
    }

    /// Logs a signature that was verified.
    pub(crate) fn signature(
        &self,
        withdrawal: WithdrawalId,
        digest_index: u32,
        signature: Signature,
        mut signers: Vec<NodeId>,
    ) -> Result<Envelope, SpeakError> {
        let cluster = self.speaker.cluster.clone();
        signers.sort();
        self.say(
            PayloadKind::SignatureLogged,
            &SignatureLogged { cluster, withdrawal, digest_index, signature, signers },
        )
    }

    /// Activates the key that all nodes confirmed.
    pub(crate) fn activate(
        &self,
        ceremony: CeremonyId,
        wallet: WalletId,
        epoch: u32,
    ) -> Result<Envelope, SpeakError> {
        let cluster = self.speaker.cluster.clone();
        self.say(PayloadKind::EpochActivated, &EpochActivated { cluster, ceremony, wallet, epoch })
    }

    /// Passes a policy document on.
    pub(crate) fn policy(&self, policy: String) -> Result<Envelope, SpeakError> {
        let cluster = self.speaker.cluster.clone();
        self.say(PayloadKind::PolicyDocument, &PolicyUpload { cluster, policy })
    }

    /// Passes an update of a screening list on, or a part of one, exactly as an officer uploaded it.
    pub(crate) fn screening(&self, kind: PayloadKind, payload: Vec<u8>) -> Result<Envelope, SpeakError> {
        Ok(Envelope::sign_ed25519(kind.payload_type(), payload, &self.speaker.key_id, self.key)?)
    }

    fn say(&self, kind: PayloadKind, payload: &impl Serialize) -> Result<Envelope, SpeakError> {
        let payload = serde_json::to_vec(payload)?;
        Ok(Envelope::sign_ed25519(kind.payload_type(), payload, &self.speaker.key_id, self.key)?)
    }
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker")
            .field("key_id", &self.key_id)
            .field("keys", &"<redacted>")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Voice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice").field("speaker", self.speaker).finish_non_exhaustive()
    }
}
