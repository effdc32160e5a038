//! Whom to ask: waits until enough nodes are able, and picks them.

use std::time::Duration;

use holdfast_policy::NodeId;

use super::authorize::Order;
use super::failure::{Failure, nodes_missing};
use super::{Driver, Lessons};
use crate::nodes::Choice;

/// How often a withdrawal that waits for nodes is looked at, lest it expired meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Driver {
    /// Waits until enough nodes are able, saying meanwhile which are missing.
    pub(super) async fn enough_nodes(&self, order: &Order, lessons: &Lessons) -> Result<(), Failure> {
        let mut changed = self.parts.nodes.changed();
        loop {
            changed.mark_unchanged();
            match self.choose(order, lessons).await? {
                Choice::Signers(_) => {
                    self.forget_missing();
                    return Ok(());
                }
                Choice::Missing(missing) => {
                    self.parts.progress.set_withdrawal(self.id, Some(nodes_missing(missing)));
                }
            }
            // The sender lives in `nodes`; the limit is there for the withdrawal's expiry.
            let _ = tokio::time::timeout(LOOK_EVERY, changed.changed()).await;
            self.open_order().await?;
        }
    }

    /// The signers of one attempt, in party order.
    pub(super) async fn signers(&self, order: &Order, lessons: &Lessons) -> Result<Vec<NodeId>, Failure> {
        match self.choose(order, lessons).await? {
            Choice::Signers(signers) => Ok(signers),
            Choice::Missing(missing) => Err(Failure::TooFewNodes { missing }),
        }
    }

    async fn choose(&self, order: &Order, lessons: &Lessons) -> Result<Choice, Failure> {
        let tip = self.parts.book.read().await?.size();
        Ok(self.parts.nodes.choose(&order.committee, order.threshold, &lessons.suspicion, tip))
    }

    /// A refusal stays visible until an attempt ends otherwise; that nodes are missing does not.
    fn forget_missing(&self) {
        let waits = self.parts.progress.withdrawal(&self.id);
        if waits.is_some_and(|waiting| !waiting.missing_nodes.is_empty()) {
            self.parts.progress.set_withdrawal(self.id, None);
        }
    }
}
