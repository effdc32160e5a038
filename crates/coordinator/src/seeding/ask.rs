//! Whom to wait for: a coordinator that has a log of its own starts without its nodes after a while; one that has none must
//! not, because a log that begins anew is a fork.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use holdfast_policy::NodeId;
use tokio::time::Instant;

use super::{SeedError, Seeding, Stand};
use crate::nodes::{CallError, Measured, NodeLink, time_at_answer};

/// How long a coordinator that has a log of its own waits for its nodes.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits for the last ones when enough have answered.
const GRACE: Duration = Duration::from_millis(500);
/// How long a new coordinator waits for the last ones: whoever is missing may hold the end of the log.
const NEW_GRACE: Duration = Duration::from_secs(5);
/// Pause before a node that did not answer is asked again.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
/// How often a new coordinator says that it is waiting.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Seeding {
    /// How the nodes stand: all of them, or enough of them if the others stay away. Enough are n - t + 1, so that among them
    /// is one of any t nodes that hold what was acknowledged.
    pub(super) async fn stands(&self) -> Result<Vec<Stand>, SeedError> {
        let (is_new, enough, all) = self.wanted().await?;
        let started = Instant::now();
        let (mut stands, mut enough_since, mut said) = (BTreeMap::new(), None, started);
        loop {
            self.ask_missing(&mut stands).await;
            if stands.len() >= all {
                break;
            }
            if stands.len() >= enough {
                let since = *enough_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= if is_new { NEW_GRACE } else { GRACE } {
                    break;
                }
            } else if !is_new && started.elapsed() >= PATIENCE {
                tracing::warn!(heard = stands.len(), enough, "starting without having heard enough nodes");
                break;
            }
            if said.elapsed() >= SAY_EVERY {
                tracing::warn!(
                    heard = stands.len(),
                    enough,
                    "a coordinator without a log waits for its nodes"
                );
                said = Instant::now();
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(stands.into_values().collect())
    }

    /// Whether this log is a new one, how many nodes are enough, and how many there are.
    async fn wanted(&self) -> Result<(bool, usize, usize), SeedError> {
        let unfinished = self.book.is_unfinished()?;
        let reader = self.book.read().await?;
        let t = usize::from(reader.state().roster().threshold());
        let all = self.nodes.links().count();
        Ok((unfinished || reader.size() <= 1, all.saturating_sub(t).saturating_add(1), all))
    }

    async fn ask_missing(&self, stands: &mut BTreeMap<NodeId, Stand>) {
        let missing = self.nodes.links().filter(|link| !stands.contains_key(link.node()));
        let asking = missing.map(|link| async move { (link, self.ask(link).await) });
        for (link, answer) in join_all(asking).await {
            match answer {
                Ok(Some((size, root))) => {
                    stands.insert(link.node().clone(), Stand { link: link.clone(), size, root });
                }
                Ok(None) => {
                    tracing::error!(node = %link.node(), "somebody else answered, or a node of another cell")
                }
                Err(error) => tracing::debug!(node = %link.node(), %error, "a node does not answer yet"),
            }
        }
    }

    async fn ask(&self, link: &NodeLink) -> Result<Option<(u64, holdfast_log::Hash)>, CallError> {
        let Measured { report, round_trip, answered_at } = link.client().status().await?;
        let expected = (link.node().as_str(), self.cluster.as_str(), self.genesis_hash.as_slice());
        if (report.name.as_str(), report.cluster.as_str(), report.genesis_hash.as_slice()) != expected {
            return Ok(None);
        }
        link.told_time(time_at_answer(report.time_ms, round_trip), answered_at);
        Ok(Some((report.tip.size, report.tip.root)))
    }
}
