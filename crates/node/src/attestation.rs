//! This node's word on its state: the digest of what it made of the log, signed at every multiple of 1024 entries.
//!
//! Owns nothing: it says what the durable replica holds. It must never attest what is not on disk, or speak with keys that the
//! roster does not name.

use holdfast_ledger::{ATTEST_EVERY, PayloadKind, StateAttestation};
use holdfast_server::telemetry::cause;

use crate::enrolled::OwnKeys;
use crate::node::Node;
use crate::replica::Held;

impl Node {
    /// The envelope to hand out with the tip, until this node's log contains it.
    pub(crate) async fn attestation(&self) -> Option<Vec<u8>> {
        let attestation = due(&*self.replica.read().await, self.replica.own())?;
        let payload = serde_json::to_vec(&attestation).ok()?;
        let signed = self.identity.sign(PayloadKind::StateAttestation.payload_type(), payload);
        match signed {
            Ok(envelope) => Some(envelope.to_json()),
            Err(error) => {
                tracing::error!(error = cause(&error), "the state cannot be attested");
                None
            }
        }
    }
}

/// What to say about the newest multiple, if it was not said.
// INVARIANT (G10): the digest is the replica's own, and what it is of is on disk: the tip is.
fn due(held: &Held, own: &OwnKeys) -> Option<StateAttestation> {
    let state = held.acting_state(own).ok()?;
    let incarnation = own.standing(state, held.tree()).ok()?;
    let size = (held.tip().size / ATTEST_EVERY).checked_mul(ATTEST_EVERY).filter(|size| *size > 0)?;
    let said = |said: &holdfast_ledger::Attestation| said.node == own.node && said.size >= size;
    if state.attestations().any(said) {
        return None;
    }
    Some(StateAttestation {
        cluster: state.cluster().clone(),
        node: own.node.clone(),
        incarnation,
        size,
        root: held.tree().root_at(size).ok()?,
        state_digest: state.digest_at(size)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "test")]

    use holdfast_log::Envelope;

    use super::*;
    use crate::testing::{Cell, TestNode};

    async fn bring(node: &TestNode, cell: &Cell) {
        while node.tip().await < cell.size() {
            let from = node.tip().await;
            let extension = cell.extension_to(from, cell.size().min(from.saturating_add(256)));
            node.clock.set(cell.now);
            node.node.replicate(extension).await.unwrap();
        }
    }

    #[tokio::test]
    async fn state_is_attested_once_at_a_multiple_and_nodes_agree() {
        // Given two nodes one entry before a multiple
        let mut cell = Cell::new();
        let multiple = usize::try_from(ATTEST_EVERY).unwrap();
        cell.fill(multiple - 1 - cell.log.len());
        let (one, two) = (TestNode::open(&cell, 1).await, TestNode::open(&cell, 2).await);
        bring(&one, &cell).await;
        assert_eq!((one.tip().await, one.node.attestation().await), (ATTEST_EVERY - 1, None));
        // When they pass it
        cell.fill(4);
        bring(&one, &cell).await;
        bring(&two, &cell).await;
        // Then both say the same, until their logs contain it
        for node in [&one, &two] {
            let envelope = Envelope::parse(&node.node.attestation().await.unwrap()).unwrap();
            cell.accept(&envelope);
        }
        assert_eq!(cell.state().agreeing_nodes().len(), 2);
        bring(&one, &cell).await;
        assert_eq!(one.node.attestation().await, None);
    }
}
