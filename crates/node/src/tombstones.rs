//! Oaths: this node swears that it released no final-round message for a withdrawal and never will.
//!
//! Owns the path from the coordinator's question to the signed oath. It must never sign one before the guard has it on disk,
//! and never take the coordinator's word for anything: what may be sworn off is for this node's own log to say.

use holdfast_ledger::{OrderRefusal, PayloadKind, WithdrawalId};

use crate::guard::GuardRefusal;
use crate::node::{Node, ReplicateRefusal};
use crate::replica::{ExtendRefusal, Extension, TipRecord};

/// Why nothing is sworn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TombstoneRefusal {
    /// The entries were refused.
    #[error(transparent)]
    Replicate(#[from] ReplicateRefusal),
    /// The replica is not sound.
    #[error(transparent)]
    Replica(#[from] ExtendRefusal),
    /// The log does not hold it as authorized and unsigned.
    #[error(transparent)]
    Order(#[from] OrderRefusal),
    /// The safety database refuses.
    #[error(transparent)]
    Guard(#[from] GuardRefusal),
    /// The oath could not be put into words.
    #[error("the oath cannot be written")]
    Unwritable,
}

impl TombstoneRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Replicate(ReplicateRefusal::Extend(refusal)) | Self::Replica(refusal) => refusal.code(),
            Self::Replicate(ReplicateRefusal::Latches(refusal)) => refusal.code(),
            Self::Order(refusal) => refusal.code(),
            Self::Guard(refusal) => refusal.code(),
            Self::Unwritable => "TOMBSTONE_UNWRITABLE",
        }
    }

    /// Whether it is the ordinary course of things: a node that may have released its message is asked with the others.
    pub(crate) fn is_ordinary(&self) -> bool {
        match self {
            Self::Replicate(ReplicateRefusal::Extend(refusal)) | Self::Replica(refusal) => {
                refusal.is_ordinary()
            }
            Self::Guard(GuardRefusal::MayBeReleased { .. }) => true,
            Self::Replicate(ReplicateRefusal::Latches(_))
            | Self::Order(_)
            | Self::Guard(_)
            | Self::Unwritable => false,
        }
    }
}

impl Node {
    /// Swears a withdrawal off. Asked again, it answers the same bytes: an Ed25519 signature of the same oath.
    // INVARIANT (G5): `Guard::swear` is durable before the oath is signed; from then on no session for the withdrawal opens,
    // and none that is open releases its last message.
    pub(crate) async fn swear_off(
        &self,
        extension: Extension,
        withdrawal: WithdrawalId,
    ) -> Result<(Vec<u8>, TipRecord), TombstoneRefusal> {
        let tip = self.replicate(extension).await?;
        let (permission, incarnation) = {
            let held = self.replica.read().await;
            let state = held.acting_state(self.replica.own())?;
            state.may_swear(&withdrawal, self.identity.node())?;
            let node = state.roster().node(self.identity.node());
            let incarnation = node.map_or(1, |node| node.incarnation);
            (state.tombstonable(&withdrawal, self.now())?, incarnation)
        };
        self.signing.guard.swear(&permission).await?;
        tracing::info!(%withdrawal, "swore never to sign it");
        let oath = permission.oath(self.identity.node().clone(), incarnation);
        let payload = serde_json::to_vec(&oath).map_err(|_| TombstoneRefusal::Unwritable)?;
        let envelope = self.identity.sign(PayloadKind::Tombstone.payload_type(), payload);
        Ok((envelope.map_err(|_| TombstoneRefusal::Unwritable)?.to_json(), tip))
    }
}

#[cfg(test)]
mod tests;
