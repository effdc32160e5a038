//! This node's word that it has no old share of a wallet any more, signed so that the log can show who has said it.
//!
//! Owns nothing: it says what [`crate::retirement`] has seen to. It must never speak of a share that is still there, or with keys
//! that the roster does not name.

use holdfast_ledger::{PayloadKind, SharesErased};
use holdfast_server::telemetry::cause;

use crate::enrolled::OwnKeys;
use crate::node::Node;
use crate::replica::Held;
use crate::retirement::Retirement;

/// As many as one status tells of; the next ones follow when these are logged.
const MAX_AT_ONCE: usize = 16;

impl Node {
    /// The envelopes to hand out, until this node's log contains them.
    pub(crate) async fn erasures(&self) -> Vec<Vec<u8>> {
        let due = due(&*self.replica.read().await, self.replica.own(), &self.retirement);
        let said = due.iter().filter_map(|erased| {
            let payload = serde_json::to_vec(erased).ok()?;
            match self.identity.sign(PayloadKind::SharesErased.payload_type(), payload) {
                Ok(envelope) => Some(envelope.to_json()),
                Err(error) => {
                    tracing::error!(error = cause(&error), "it cannot be said that old shares are erased");
                    None
                }
            }
        });
        said.collect()
    }
}

// INVARIANT (G3): it is said only after the backups and the shares are gone and their end is durable.
fn due(held: &Held, own: &OwnKeys, retirement: &Retirement) -> Vec<SharesErased> {
    let Ok(state) = held.acting_state(own) else { return Vec::new() };
    let Ok(incarnation) = own.standing(state, held.tree()) else { return Vec::new() };
    let unsaid = state.wallets().filter_map(|wallet| {
        let epoch = wallet.epoch.checked_sub(1)?;
        let is_due = wallet.nodes.contains(&own.node)
            && retirement.is_settled(wallet)
            && !state.has_erased(wallet, &own.node, epoch);
        is_due.then(|| SharesErased {
            cluster: state.cluster().clone(),
            node: own.node.clone(),
            incarnation,
            wallet: wallet.id.clone(),
            epoch,
        })
    });
    unsaid.take(MAX_AT_ONCE).collect()
}

#[cfg(test)]
mod tests {
    use holdfast_log::Envelope;

    use crate::testing::{migrate, ready};

    #[tokio::test]
    async fn erasure_is_said_after_it_happened_and_until_the_log_has_it() {
        let (mut cell, nodes) = ready().await;
        let node = &nodes[0];
        assert!(node.node.erasures().await.is_empty(), "nothing is over");
        // Given an activation that the node has not heard of, then it says nothing
        migrate(&mut cell, &nodes).await;
        assert!(node.node.erasures().await.is_empty());
        // When it has erased, then it says so, in the same bytes each time
        node.hear(&cell, &[1, 2, 3]).await;
        let said = node.node.erasures().await;
        assert_eq!((said.len(), &node.node.erasures().await), (1, &said));
        cell.accept(&Envelope::parse(&said[0]).unwrap());
        let wallet = cell.state().wallet(&"hot-1".parse().unwrap()).unwrap().clone();
        assert_eq!(cell.state().erased_by(&wallet, 0), [wallet.nodes[0].clone()]);
        // And no more when its log has it; the others speak for themselves
        node.catch_up(&cell).await;
        assert!(node.node.erasures().await.is_empty());
        assert!(nodes[1].node.erasures().await.is_empty());
        nodes[1].hear(&cell, &[1, 2, 3]).await;
        assert_eq!(nodes[1].node.erasures().await.len(), 1);
    }
}
