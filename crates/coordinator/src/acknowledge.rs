//! Acknowledgements: before a caller hears that its entry is logged, the nodes get the time to hold it, too, so that it
//! outlives the loss of this coordinator.

use std::time::Duration;

use crate::coordinator::Coordinator;
use crate::nodes::Holding;
use crate::sequencer::{ProposeError, Proposed};
use holdfast_log::Envelope;
use tokio::time::Instant;

/// How long a caller waits for nodes that answer and lag. Usually it is the time of one of their writes.
const WITHIN: Duration = Duration::from_millis(750);

impl Coordinator {
    /// Logs an entry for a caller, and waits until t nodes hold it, or all that answer do.
    // INVARIANT (G8): while t nodes answer, what is acknowledged is on t of them: any n - t + 1 nodes, which a new coordinator
    // waits for, have one that holds it.
    pub(crate) async fn log(&self, envelope: Envelope) -> Result<Proposed, ProposeError> {
        let proposed = self.sequencer.propose(envelope).await?;
        let size = match &proposed {
            Proposed::Logged(logged) => logged.index.saturating_add(1),
            // Where the same was logged before does not matter: at the end of the log at most.
            Proposed::Repeated => self.book.read().await?.size(),
        };
        self.held_by_nodes(size).await?;
        Ok(proposed)
    }

    async fn held_by_nodes(&self, size: u64) -> Result<(), ProposeError> {
        let enough = usize::from(self.book.read().await?.state().roster().threshold());
        let (mut changed, now) = (self.nodes.changed(), Instant::now());
        let until = now.checked_add(WITHIN).unwrap_or(now);
        self.nodes.announce(size);
        loop {
            changed.mark_unchanged();
            let Holding { holding, awaited } = self.nodes.holding(size);
            if holding >= enough || awaited == 0 {
                return Ok(());
            }
            tokio::select! {
                // The sender lives in `nodes`.
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(until) => return Ok(()),
            }
        }
    }
}
