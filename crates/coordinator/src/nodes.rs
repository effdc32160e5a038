//! The nodes as the coordinator knows them: one link to each, its health, and who can take part in a signature now.
//!
//! Health decides whom to ask, never what is true: a node that looks healthy is verified like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdfast_policy::NodeId;
use rand::seq::SliceRandom;
use tokio::sync::watch;

mod client;
mod delivered;
mod health;
mod replicator;
mod suspicion;

pub(crate) use client::{
    CallError, CallLimits, KeygenReply, Measured, NodeClient, NodeEntries, SignOrder, SignReply,
};
pub(crate) use delivered::DeliveredStatements;
pub(crate) use health::Health;
pub(crate) use health::NodeLink;
pub(crate) use replicator::{Replicator, jittered, time_at_answer};
pub(crate) use suspicion::{Spoilt, Suspicion};

use crate::log_book::CHUNK_ENTRIES;
use suspicion::{Blame, Memory};

/// All nodes of the roster. Shared.
#[derive(Debug)]
pub(crate) struct Nodes {
    links: BTreeMap<NodeId, Arc<NodeLink>>,
    memory: Mutex<Memory>,
    changed: watch::Sender<u64>,
    target: watch::Sender<u64>,
}

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Nodes that hold it durably.
    pub(crate) holding: usize,
    /// Nodes that answer and do not hold it yet.
    pub(crate) awaited: usize,
}

/// Who can sign now, or who is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Exactly as many as are needed, in the committee's order.
    Signers(Vec<NodeId>),
    /// Too few: these do not answer, or cannot follow the log, sorted.
    Missing(Vec<NodeId>),
}

impl Nodes {
    /// Links to these nodes, none of which has answered yet.
    pub(crate) fn new(clients: impl IntoIterator<Item = (NodeId, NodeClient)>) -> Self {
        let changed = watch::Sender::new(0);
        let link = |(node, client): (NodeId, NodeClient)| {
            (node.clone(), Arc::new(NodeLink::new(node, client, changed.clone())))
        };
        let links = clients.into_iter().map(link).collect();
        Self { links, memory: Mutex::default(), changed, target: watch::Sender::new(0) }
    }

    /// The link to a node.
    pub(crate) fn link(&self, node: &NodeId) -> Option<&Arc<NodeLink>> {
        self.links.get(node)
    }

    /// All links, by name.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Arc<NodeLink>> {
        self.links.values()
    }

    /// Counts the changes of any node's health.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The size of the log that all nodes are brought to. Sizes are announced, so that nodes cosign the same ones.
    pub(crate) fn target(&self) -> watch::Receiver<u64> {
        self.target.subscribe()
    }

    /// Announces a size of the log.
    pub(crate) fn announce(&self, size: u64) {
        self.target.send_if_modified(|target| {
            let grows = size > *target;
            *target = size.max(*target);
            grows
        });
    }

    /// Follows the log, so that nodes get every entry soon even if nothing is signed, until `stop` turns true. The pause
    /// lets a signing order carry the entries that it needs, and gathers several commits into one.
    pub(crate) async fn follow(
        self: Arc<Self>,
        mut tip: watch::Receiver<u64>,
        mut stop: watch::Receiver<bool>,
    ) {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(3);
        loop {
            let size = *tip.borrow_and_update();
            self.announce(size);
            tokio::select! {
                changed = tip.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Remembers for all withdrawals what spoilt one's attempt.
    pub(crate) fn remember(&self, signers: &BTreeSet<NodeId>, spoilt: &Spoilt) {
        self.memory().learn(signers, spoilt, Instant::now());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Picks `count` healthy nodes of the committee: the set that is suspected least, by this withdrawal's own attempts and by
    /// what is remembered of others', then that closest to the tip.
    pub(crate) fn choose(
        &self,
        committee: &[NodeId],
        count: usize,
        suspicion: &Suspicion,
        tip: u64,
    ) -> Choice {
        let mut able: Vec<(&NodeId, u64)> =
            committee.iter().filter_map(|node| Some((node, self.lag(node, tip)?))).collect();
        if able.len() < count {
            let able: BTreeSet<&NodeId> = able.into_iter().map(|(node, _)| node).collect();
            let missing: BTreeSet<NodeId> =
                committee.iter().filter(|node| !able.contains(node)).cloned().collect();
            return Choice::Missing(missing.into_iter().collect());
        }
        // Among equals the load is spread.
        able.shuffle(&mut rand::thread_rng());
        able.sort_by_key(|(_, lag)| *lag);
        let names: Vec<&NodeId> = able.into_iter().map(|(node, _)| node).collect();
        let remembered = self.memory().now(Instant::now());
        let chosen = least_suspected(&names, count, suspicion, &remembered);
        Choice::Signers(committee.iter().filter(|node| chosen.contains(node)).cloned().collect())
    }

    /// What the clocks of the nodes say `at` this moment, by what each told last.
    pub(crate) fn clocks(&self, at: Instant) -> Vec<u64> {
        let clock = |link: &Arc<NodeLink>| {
            let (time_ms, told) = link.health().told_time?;
            let passed = u64::try_from(at.saturating_duration_since(told).as_millis()).unwrap_or(u64::MAX);
            Some(time_ms.saturating_add(passed))
        };
        self.links.values().filter_map(clock).collect()
    }

    /// How many nodes hold this many entries, and whether none is left that could follow and does not.
    pub(crate) fn holding(&self, size: u64) -> Holding {
        let (mut holding, mut awaited) = (0_usize, 0_usize);
        for health in self.links.values().map(|link| link.health()) {
            if health.tip_size >= size && !health.estranged {
                holding = holding.saturating_add(1);
            } else if health.is_sound() {
                awaited = awaited.saturating_add(1);
            }
        }
        Holding { holding, awaited }
    }

    /// How many entries a node lacks, if it can take part: reachable, serving, on this log, and not too far behind.
    fn lag(&self, node: &NodeId, tip: u64) -> Option<u64> {
        let health = self.links.get(node)?.health();
        let lag = tip.saturating_sub(health.tip_size);
        (health.can_sign() && lag <= CHUNK_ENTRIES).then_some(lag)
    }
}

/// The first `count` of these, unless another set is suspected less.
fn least_suspected<'a>(
    able: &[&'a NodeId],
    count: usize,
    suspicion: &Suspicion,
    remembered: &Blame,
) -> BTreeSet<&'a NodeId> {
    let first = able.iter().take(count).copied().collect();
    if suspicion.is_empty() && remembered.is_empty() {
        return first;
    }
    let sets = suspicion::choices(able, count).into_iter().map(|set| set.into_iter().collect());
    sets.min_by_key(|set| suspicion.of(set, remembered)).unwrap_or(first)
}

#[cfg(test)]
mod tests;
