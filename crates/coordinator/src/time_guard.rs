//! Guards the log's time: entries are stamped only while at least t nodes' clocks agree with this machine's.
//!
//! The log's time never goes back, so one entry that was stamped by a clock an hour ahead would keep the cell from signing
//! for an hour. It must never let a stamp pass that t nodes would not sign by.

use std::sync::Arc;
use std::time::Instant;

use holdfast_policy::TimestampMs;

use crate::nodes::Nodes;

/// The clock cannot be relied on: nothing is stamped by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClockRefusal {
    /// Too few nodes have a clock like this one.
    #[error(
        "{agreeing} of {heard} nodes have a clock within {skew_ms} ms of the coordinator's, {needed} are needed"
    )]
    Disagrees {
        /// Nodes whose clock is near.
        agreeing: usize,
        /// Nodes that have told the time.
        heard: usize,
        /// Nodes that it takes.
        needed: usize,
        /// How near.
        skew_ms: u64,
    },
    /// Not enough nodes have told the time.
    #[error("{heard} of {needed} nodes have told the time since the coordinator started")]
    NotHeard {
        /// Nodes that did.
        heard: usize,
        /// Nodes that it takes.
        needed: usize,
    },
}

/// The guard. Shared.
#[derive(Debug)]
pub(crate) struct TimeGuard {
    nodes: Arc<Nodes>,
    needed: usize,
    skew_ms: u64,
}

impl TimeGuard {
    /// Asks for `needed` nodes (t) within `skew_ms` (the cell's greatest clock skew).
    pub(crate) fn new(nodes: Arc<Nodes>, needed: usize, skew_ms: u64) -> Self {
        Self { nodes, needed, skew_ms }
    }

    /// Whether `now`, which this machine's clock says, may be stamped.
    ///
    /// What a node told is carried on by the monotonic clock, which nobody can set, until it tells the time again: nodes
    /// that are away do not stop the log, and a clock that is set to another time is noticed at once.
    // INVARIANT (G10, G9): no entry carries a time that fewer than t nodes would take for the present.
    pub(crate) fn check(&self, now: TimestampMs) -> Result<(), ClockRefusal> {
        let needed = self.needed;
        let clocks = self.nodes.clocks(Instant::now());
        let heard = clocks.len();
        if heard < needed {
            return Err(ClockRefusal::NotHeard { heard, needed });
        }
        let agreeing = clocks.iter().filter(|clock| clock.abs_diff(now.0) <= self.skew_ms).count();
        if agreeing < needed {
            return Err(ClockRefusal::Disagrees { agreeing, heard, needed, skew_ms: self.skew_ms });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Cell, START};

    async fn heard_from(cell: &Cell, offsets_ms: &[i64]) {
        for (link, offset) in cell.parts.nodes.links().zip(offsets_ms) {
            link.told_time(START.saturating_add_signed(*offset), Instant::now());
        }
    }

    fn guard(cell: &Cell) -> TimeGuard {
        TimeGuard::new(Arc::clone(&cell.parts.nodes), 2, 5_000)
    }

    #[tokio::test]
    async fn nothing_is_stamped_before_t_nodes_have_told_the_time() {
        let cell = Cell::new().await;
        heard_from(&cell, &[0]).await;
        let refusal = guard(&cell).check(TimestampMs(START)).unwrap_err();
        assert_eq!(refusal, ClockRefusal::NotHeard { heard: 1, needed: 2 });
    }

    #[tokio::test]
    async fn clock_that_jumps_ahead_or_back_is_refused_at_once() {
        // Given nodes that agree with the coordinator's clock
        let cell = Cell::new().await;
        heard_from(&cell, &[0, 1_000, -1_000]).await;
        let guard = guard(&cell);
        guard.check(TimestampMs(START)).unwrap();
        // When the clock is set to another time, and nodes have not reported again
        for jumped in [START + 3_600_000, START - 3_600_000, START + 8_000, u64::MAX] {
            assert!(matches!(
                guard.check(TimestampMs(jumped)),
                Err(ClockRefusal::Disagrees { agreeing: 0, .. })
            ));
        }
        guard.check(TimestampMs(START + 3_000)).unwrap();
    }

    #[tokio::test]
    async fn one_node_with_a_wrong_clock_neither_stops_the_log_nor_vouches_for_a_wrong_time() {
        let cell = Cell::new().await;
        heard_from(&cell, &[0, 0, 3_600_000]).await;
        guard(&cell).check(TimestampMs(START)).unwrap();
        assert!(guard(&cell).check(TimestampMs(START + 3_600_000)).is_err());
    }
}
