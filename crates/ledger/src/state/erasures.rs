//! What nodes say about old shares: that they are gone. The log believes each node for itself and shows who has not said it.

use holdfast_policy::{NodeId, TimestampMs};

use super::statements::unknown_wallet;
use super::{Change, State};
use crate::payload::SharesErased;
use crate::rejection::{Rejection, RejectionCode};
use crate::wallet::{Erasure, Wallet};

impl State {
    pub(super) fn admit_erasure(
        &self,
        erased: &SharesErased,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&erased.cluster)?;
        let known = self.roster().node(&erased.node);
        if known.is_none_or(|node| node.incarnation != erased.incarnation) {
            let detail = "not the node's incarnation in the roster";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("incarnation"));
        }
        let mut wallet = self.wallet(&erased.wallet).ok_or_else(|| unknown_wallet(&erased.wallet))?.clone();
        if !wallet.nodes.contains(&erased.node) {
            return Err(Rejection::new(RejectionCode::SignerNotAuthorized, "not a node of this committee")
                .with_field("node"));
        }
        // INVARIANT (G8): nobody says that the shares which sign are gone.
        if erased.epoch >= wallet.epoch {
            let detail = format!("the shares that sign are of epoch {}: theirs is not over", wallet.epoch);
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("epoch"));
        }
        if self.has_erased(&wallet, &erased.node, erased.epoch) {
            let detail = "this node said so of this epoch or a later one already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        wallet.erasures.push(Erasure {
            node: erased.node.clone(),
            incarnation: erased.incarnation,
            epoch: erased.epoch,
            time,
            index,
        });
        Ok(Change::wallet(wallet))
    }

    /// Whether a node said, as what it is now, that it has no share of the wallet of this epoch or of any before it.
    pub fn has_erased(&self, wallet: &Wallet, node: &NodeId, epoch: u32) -> bool {
        // A node that was restored has what its copy had: the word of an earlier incarnation is not its own.
        let incarnation = self.roster().node(node).map(|known| known.incarnation);
        wallet
            .erasures
            .iter()
            .any(|said| said.node == *node && Some(said.incarnation) == incarnation && said.epoch >= epoch)
    }

    /// Nodes of the wallet's committee that said so of this epoch, in the committee's order.
    pub fn erased_by(&self, wallet: &Wallet, epoch: u32) -> Vec<NodeId> {
        wallet.nodes.iter().filter(|node| self.has_erased(wallet, node, epoch)).cloned().collect()
    }
}
