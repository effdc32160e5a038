//! Which nodes are held to an action: signatures of theirs that were verified here, and nothing else.
//!
//! INVARIANT (G4): a node counts once, however often it signed; only a node of the roster in force counts, and only by a key that
//! the roster gives it now: what a replaced incarnation promised, its successor need not know of.

use std::collections::BTreeMap;

use ed25519_dalek::VerifyingKey;
use holdfast_audit::{History, LogKeys};
use holdfast_ledger::{PauseReceipt, Roster};
use holdfast_log::{KeyName, NoteKeyError};
use holdfast_policy::{NodeId, TimestampMs};
use serde_json::{Value, json};

use super::level::Level;
use crate::failure::Failure;

/// A node's cosignature of a checkpoint that contains the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cosigned {
    key: VerifyingKey,
    pub(super) size: u64,
    pub(super) time_s: u64,
}

/// A node's own receipt for the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipted {
    key: VerifyingKey,
    pub(super) receipt: PauseReceipt,
    pub(super) envelope: String,
    /// The node still refuses because of this very statement: its log does not contain it.
    in_force: bool,
}

/// Everything that was verified about one action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// A verified and recent log has the action in force. Without one nobody knows whether officers have lifted since what is in the
    /// nodes' logs, so only what nodes refuse by themselves counts.
    log_vouches: bool,
    cosigned: BTreeMap<NodeId, Cosigned>,
    receipted: BTreeMap<NodeId, Receipted>,
}

impl Tally {
    /// Takes the cosignatures of a checkpoint, if it is of exactly these entries and they contain the one at `index`.
    // INVARIANT (G4, G2): the entry is in a log that was replayed here to the very root that the node signed. Who presents the
    // checkpoint can neither add a node nor another tree: a line under a node's name that does not verify voids it whole.
    pub(crate) fn take_note(&mut self, history: &History, note: &[u8], index: u64) -> Result<(), Failure> {
        let roster = history.state().roster();
        let keys = LogKeys::of(roster).map_err(key_name)?;
        let (checkpoint, cosigned) = keys.verify_replica(note, history.replica())?;
        if checkpoint.size <= index {
            return Ok(());
        }
        self.log_vouches = true;
        for node in roster.nodes() {
            let name = KeyName::of_node(roster.cluster().as_str(), node.id.as_str()).map_err(key_name)?;
            let Some(found) = cosigned.iter().find(|cosignature| cosignature.name == name) else { continue };
            let (key, size, time_s) = (node.cosigning_key, checkpoint.size, found.time_s);
            self.cosigned.insert(node.id.clone(), Cosigned { key, size, time_s });
        }
        Ok(())
    }

    /// Takes a receipt that was verified under this roster.
    pub(super) fn take_receipt(
        &mut self,
        roster: &Roster,
        receipt: PauseReceipt,
        envelope: &[u8],
        in_force: bool,
    ) {
        let Some(node) = roster.node(&receipt.node) else { return };
        let envelope = String::from_utf8_lossy(envelope).into_owned();
        let receipted = Receipted { key: node.message_key, receipt, envelope, in_force };
        self.receipted.insert(receipted.receipt.node.clone(), receipted);
    }

    /// Whether the log can be relied upon for what is in force now.
    pub(super) fn set_log_vouches(&mut self, vouches: bool) {
        self.log_vouches = vouches;
    }

    /// Before the nodes are asked again: what they said before may have been lifted.
    pub(super) fn forget_receipts(&mut self) {
        self.receipted.clear();
    }

    fn cosigned(&self, roster: &Roster, id: &NodeId) -> Option<&Cosigned> {
        let node = roster.node(id)?;
        self.cosigned.get(id).filter(|cosigned| self.log_vouches && cosigned.key == node.cosigning_key)
    }

    fn receipted(&self, roster: &Roster, id: &NodeId) -> Option<&Receipted> {
        let node = roster.node(id)?;
        self.receipted
            .get(id)
            .filter(|receipted| receipted.key == node.message_key)
            .filter(|receipted| receipted.in_force || self.log_vouches)
    }

    /// The nodes of this roster that are held, in its order.
    pub(crate) fn held<'a>(&self, roster: &'a Roster) -> Vec<&'a NodeId> {
        let held = |id: &NodeId| self.cosigned(roster, id).is_some() || self.receipted(roster, id).is_some();
        roster.nodes().iter().map(|node| &node.id).filter(|id| held(id)).collect()
    }

    /// How far that reaches.
    pub(crate) fn level(&self, roster: &Roster) -> Level {
        Level::of(roster, self.held(roster).len())
    }

    /// A line for each node of the roster.
    pub(super) fn lines(&self, roster: &Roster) -> String {
        let line = |id: &NodeId| {
            let cosigned = self.cosigned(roster, id).map(|cosigned| {
                let at = TimestampMs(cosigned.time_s.saturating_mul(1000));
                format!(
                    "cosigned the log of {} entries, which contains it, at {at} (verified)",
                    cosigned.size
                )
            });
            let receipted = self.receipted(roster, id).map(|receipted| {
                format!("gave a receipt for it at {} (verified)", receipted.receipt.received_at_ms)
            });
            let said: Vec<_> = receipted.into_iter().chain(cosigned).collect();
            let said = if said.is_empty() { "NOTHING YET".to_owned() } else { said.join("; ") };
            format!("  {id}: {said}\n")
        };
        roster.nodes().iter().map(|node| line(&node.id)).collect()
    }

    pub(super) fn json(&self, roster: &Roster) -> Vec<Value> {
        let one = |id: &NodeId| {
            let cosigned = self.cosigned(roster, id);
            let receipted = self.receipted(roster, id);
            json!({
                "node": id,
                "held": cosigned.is_some() || receipted.is_some(),
                "cosigned": cosigned.map(|cosigned| json!({"size": cosigned.size, "time_s": cosigned.time_s})),
                "receipt": receipted.map(|receipted| json!(receipted.receipt)),
                "receipt_envelope": receipted.map(|receipted| receipted.envelope.clone()),
            })
        };
        roster.nodes().iter().map(|node| one(&node.id)).collect()
    }
}

fn key_name(error: NoteKeyError) -> Failure {
    Failure::verification(error.code(), error.to_string())
}
