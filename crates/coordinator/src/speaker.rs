//! The coordinator's own voice: the three entries it may propose in its own name. Each only asks the state machine, which
//! derives everything that counts (G2).

use std::fmt;

use ed25519_dalek::SigningKey;
use holdfast_chains::{Digest, Signature};
use holdfast_ledger::{
    Authorize, CeremonyId, EpochActivated, PayloadKind, SignatureLogged, WithdrawalId, key_id,
};
use holdfast_log::{Envelope, EnvelopeError};
use holdfast_policy::{ClusterId, NodeId, WalletId};
use serde::Serialize;

/// Signs the coordinator's entries.
pub(crate) struct Speaker {
    cluster: ClusterId,
    key_id: String,
    key: SigningKey,
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
}

impl Speaker {
    /// Speaks as coordinator `name` of `cluster`.
    pub(crate) fn new(cluster: ClusterId, name: &str, key: SigningKey) -> Self {
        Self { cluster, key_id: key_id("coordinator", name), key }
    }

    /// Asks to authorize a withdrawal for these digests.
    pub(crate) fn authorize(
        &self,
        withdrawal: WithdrawalId,
        digests: Vec<Digest>,
    ) -> Result<Envelope, SpeakError> {
        let cluster = self.cluster.clone();
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
        let cluster = self.cluster.clone();
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
        let cluster = self.cluster.clone();
        self.say(PayloadKind::EpochActivated, &EpochActivated { cluster, ceremony, wallet, epoch })
    }

    fn say(&self, kind: PayloadKind, payload: &impl Serialize) -> Result<Envelope, SpeakError> {
        let payload = serde_json::to_vec(payload)?;
        Ok(Envelope::sign_ed25519(kind.payload_type(), payload, &self.key_id, &self.key)?)
    }
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker")
            .field("key_id", &self.key_id)
            .field("key", &"<redacted>")
            .finish_non_exhaustive()
    }
}
