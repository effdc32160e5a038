//! Keeps one node up to date: asks how it is, hands over what it lacks, verifies what it cosigns, and notices when it holds
//! another log.

use std::sync::Arc;
use std::time::Duration;

use holdfast_log::SignedCheckpoint;
use holdfast_policy::ClusterId;
use holdfast_proto::convert::Tip;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::{CallError, Measured};
use super::{DeliveredStatements, NodeLink, Nodes};
use crate::clock::Clock;
use crate::cosigned::{Cosigned, TipRefusal};
use crate::log_book::{LogBook, ReadError};

/// How often a node is asked how it is.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How often a node cosigns the same tip again, so that its cosignature stays young.
const COSIGN_EVERY: Duration = Duration::from_secs(5);
/// Notes that a node looks at in one call.
const MAX_EVIDENCE: usize = 64;
/// Pauses after failures, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// One node's replicator.
#[derive(Debug)]
pub(crate) struct Replicator {
    pub(crate) book: Arc<LogBook>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) link: Arc<NodeLink>,
    pub(crate) cosigned: Arc<Cosigned>,
    pub(crate) delivered: Arc<DeliveredStatements>,
    pub(crate) clock: Clock,
    pub(crate) cluster: ClusterId,
    pub(crate) genesis_hash: [u8; 32],
}

/// Why a node cannot be followed at the moment.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("{code}: {source}", code = source.code())]
    Call { source: CallError },
    #[error(transparent)]
    Tip(#[from] TipRefusal),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{found}` answered, it was installed for another cluster, name or genesis")]
    Stranger { found: String },
}

impl From<CallError> for FollowError {
    fn from(source: CallError) -> Self {
        Self::Call { source }
    }
}

impl Replicator {
    /// Runs until `stop` turns true.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let error = tokio::select! {
                error = self.follow() => error,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            self.note(&error);
            if started.elapsed() > LAST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
    }

    /// Follows the log with this node until something goes wrong.
    async fn follow(&self) -> FollowError {
        match self.follow_forever().await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    async fn follow_forever(&self) -> Result<std::convert::Infallible, FollowError> {
        let mut target = self.nodes.target();
        let mut ask_at = Instant::now();
        let mut cosign_at = Instant::now();
        loop {
            if ask_at <= Instant::now() {
                self.ask().await?;
                ask_at = later(STATUS_EVERY);
            }
            let size = *target.borrow_and_update();
            let idle = cosign_at <= Instant::now();
            if self.bring_to(size, idle).await? {
                cosign_at = later(COSIGN_EVERY);
            }
            tokio::select! {
                // The sender lives in `self.nodes`.
                _ = target.changed() => {}
                () = tokio::time::sleep_until(ask_at.min(cosign_at)) => {}
            }
        }
    }

    /// Asks the node how it is.
    async fn ask(&self) -> Result<(), FollowError> {
        let known = self.link.health().tip_size;
        let Measured { report, round_trip, answered_at } = self.link.client().status().await?;
        let now = self.clock.now();
        let expected = (self.link.node().as_str(), self.cluster.as_str(), self.genesis_hash.as_slice());
        if (report.name.as_str(), report.cluster.as_str(), report.genesis_hash.as_slice()) != expected {
            return Err(FollowError::Stranger { found: report.name.chars().take(64).collect() });
        }
        self.believe(&report.tip).await?;
        if report.tip.size < known {
            tracing::error!(node = %self.link.node(), known, found = report.tip.size, "ALARM: the node's tip went back");
            self.link.went_back_to(&report.tip);
        }
        self.link.reports(clock_offset_ms(report.time_ms, now.0, round_trip), round_trip, &report);
        self.link.told_time(time_at_answer(report.time_ms, round_trip), answered_at);
        self.delivered.log(self.link.node(), report.unlogged_statements).await;
        self.delivered.log(self.link.node(), report.erasures).await;
        Ok(())
    }

    /// Hands over what the node lacks of the first `size` entries, or asks it to cosign again. True if it was called.
    async fn bring_to(&self, size: u64, cosign_again: bool) -> Result<bool, FollowError> {
        let mut called = false;
        loop {
            let tip = self.link.health().tip_size;
            if tip >= size && (called || !cosign_again) {
                return Ok(called);
            }
            let mut chunk = self.book.chunk(tip, size.max(tip)).await?;
            if self.has_old_shares().await? {
                let room = MAX_EVIDENCE.saturating_sub(chunk.evidence.len());
                let newest = self.cosigned.newest_of_each();
                chunk.evidence.extend(newest.iter().take(room).map(SignedCheckpoint::to_bytes));
            }
            let end = chunk.end();
            let answered = self.link.client().replicate(chunk).await?;
            self.believe(&answered).await?;
            self.link.follows();
            called = true;
            if answered.size < end {
                // It took less than it was given; asking again at once would not help.
                return Ok(called);
            }
        }
    }

    /// Whether the node has not said yet that it erased the shares which the log has replaced: it waits to hear that all of the
    /// committee hold that log.
    async fn has_old_shares(&self) -> Result<bool, FollowError> {
        let reader = self.book.read().await.map_err(ReadError::from)?;
        let (state, node) = (reader.state(), self.link.node());
        let is_waiting = state.wallets().any(|wallet| {
            let before = wallet.epoch.checked_sub(1);
            wallet.nodes.contains(node) && before.is_some_and(|epoch| !state.has_erased(wallet, node, epoch))
        });
        Ok(is_waiting)
    }

    async fn believe(&self, tip: &Tip) -> Result<(), FollowError> {
        let cosigned_at_s = self.cosigned.add(self.link.node(), tip).await?;
        self.link.stands_at(tip, cosigned_at_s);
        if !tip.attestation.is_empty() {
            self.delivered.log(self.link.node(), vec![tip.attestation.clone()]).await;
        }
        Ok(())
    }

    fn note(&self, error: &FollowError) {
        let node = self.link.node();
        let text = error.to_string();
        match error {
            FollowError::Tip(refusal) if refusal.is_fork() => {
                metrics::counter!("holdfast_node_root_mismatch_total", "node" => node.to_string())
                    .increment(1);
                tracing::error!(%node, error = text, "ALARM: the node holds another log");
                self.link.is_estranged(&text);
            }
            FollowError::Call { source } if source.is_silence() => self.link.is_silent(&text),
            FollowError::Stranger { .. } | FollowError::Tip(_) => {
                tracing::error!(%node, error = text, "the node's answer is not acceptable");
                self.link.is_estranged(&text);
            }
            FollowError::Call { .. } => {
                tracing::warn!(%node, error = text, "the node refuses");
                self.link.is_estranged(&text);
            }
            // Our own failure says nothing about the node.
            FollowError::Read(_) => tracing::error!(%node, error = text, "the log cannot be read"),
        }
    }
}

/// The node's clock minus ours, the node having read it half a round trip ago.
fn clock_offset_ms(theirs: u64, ours: u64, round_trip: Duration) -> i64 {
    let half = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX).checked_div(2).unwrap_or_default();
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    signed(theirs).saturating_sub(signed(ours.saturating_sub(half)))
}

/// What the node's clock said when its answer arrived, half a round trip after it read it.
pub(crate) fn time_at_answer(told_ms: u64, round_trip: Duration) -> u64 {
    let half = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX).checked_div(2).unwrap_or_default();
    told_ms.saturating_add(half)
}

fn later(after: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now)
}

/// Up to half of a pause more, so that all who wait do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let extra = rand::thread_rng().gen_range(0..=50_u32);
    pause.saturating_add(pause.saturating_mul(extra).checked_div(100).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_offset_is_measured_at_half_the_round_trip() {
        assert_eq!(clock_offset_ms(1_000, 1_010, Duration::from_millis(20)), 0);
        assert_eq!(clock_offset_ms(1_500, 1_010, Duration::from_millis(20)), 500);
        assert_eq!(clock_offset_ms(500, 1_010, Duration::from_millis(20)), -500);
    }
}
