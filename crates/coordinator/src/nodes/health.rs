//! How one node is, by its last answers.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use holdfast_log::Hash;
use holdfast_policy::NodeId;
use holdfast_proto::convert::{LatchReport, NodeReport, Tip};
use tokio::sync::watch;

use super::client::NodeClient;

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// It answered the last call.
    pub reachable: bool,
    /// It holds another log than ours, or refuses ours: it is asked for nothing until that is over.
    pub estranged: bool,
    /// Entries that were durable on it when it last answered.
    pub tip_size: u64,
    /// Its root at that size.
    pub root: Option<Hash>,
    /// Time of its newest verified cosignature, seconds since the epoch.
    pub cosigned_at_s: Option<u64>,
    /// Its clock minus ours, ms.
    pub clock_offset_ms: Option<i64>,
    /// The last round trip.
    pub round_trip: Option<Duration>,
    /// What it refuses by officers' direct orders.
    pub latches: Vec<LatchReport>,
    /// Whether the roster names the keys that it holds, by its own account.
    pub enrolled: bool,
    /// Whether it cosigns and signs, by its own account.
    pub serving: bool,
    /// Which of its keys the roster names, by its own account.
    pub incarnation: u32,
    /// Engines in its program that nobody maintains, by its own account.
    pub unmaintained_engines: Vec<String>,
    /// What its clock said, ms, and when by ours that nobody can set.
    pub told_time: Option<(u64, Instant)>,
    /// The last error; empty if the last call went well.
    pub last_error: String,
}

impl Health {
    /// Whether it can be asked to take part in something.
    pub(crate) fn is_sound(&self) -> bool {
        self.reachable && !self.estranged
    }

    /// Whether it would sign: a node that says it does not serve is not asked to.
    pub(crate) fn can_sign(&self) -> bool {
        self.is_sound() && self.serving
    }
}

/// One node: how to call it, and how it is.
pub(crate) struct NodeLink {
    node: NodeId,
    client: NodeClient,
    health: RwLock<Health>,
    changed: watch::Sender<u64>,
}

impl NodeLink {
    pub(super) fn new(node: NodeId, client: NodeClient, changed: watch::Sender<u64>) -> Self {
        Self { node, client, health: RwLock::default(), changed }
    }

    pub(crate) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(crate) fn client(&self) -> &NodeClient {
        &self.client
    }

    pub(crate) fn health(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The node answered: it stands at this tip, which was verified.
    pub(crate) fn stands_at(&self, tip: &Tip, cosigned_at_s: Option<u64>) {
        self.update(|health| {
            health.reachable = true;
            if !health.estranged {
                health.last_error.clear();
            }
            // Answers may overtake each other; a node's tip never goes back.
            if tip.size >= health.tip_size {
                health.tip_size = tip.size;
                health.root = Some(tip.root);
            }
            health.cosigned_at_s = health.cosigned_at_s.max(cosigned_at_s);
        });
    }

    /// The node has fewer entries than it said it had: it was restored from a copy, or lied. It gets them again; whether
    /// it may take part is decided by its own operator and officers.
    pub(crate) fn went_back_to(&self, tip: &Tip) {
        self.update(|health| {
            health.tip_size = tip.size;
            health.root = Some(tip.root);
        });
    }

    /// The node took what the log has for it.
    pub(crate) fn follows(&self) {
        self.update(|health| {
            health.estranged = false;
            health.last_error.clear();
        });
    }

    /// The node told how it is.
    pub(crate) fn reports(&self, clock_offset_ms: i64, round_trip: Duration, report: &NodeReport) {
        self.update(|health| {
            health.clock_offset_ms = Some(clock_offset_ms);
            health.round_trip = Some(round_trip);
            health.latches = report.latches.clone();
            (health.enrolled, health.serving) = (report.enrolled, report.serving);
            health.incarnation = report.incarnation;
            health.unmaintained_engines =
                report.unmaintained_engines.iter().map(|engine| printable(engine)).collect();
        });
    }

    /// The node told the time, `at` by our monotonic clock.
    pub(crate) fn told_time(&self, time_ms: u64, at: Instant) {
        self.update(|health| health.told_time = Some((time_ms, at)));
    }

    /// The node did not answer.
    pub(crate) fn is_silent(&self, error: &str) {
        self.update(|health| {
            health.reachable = false;
            health.last_error = printable(error);
        });
    }

    /// The node answers, but it and this log do not go together.
    pub(crate) fn is_estranged(&self, error: &str) {
        self.update(|health| {
            health.reachable = true;
            health.estranged = true;
            health.last_error = printable(error);
        });
    }

    fn update(&self, change: impl FnOnce(&mut Health)) {
        let mut health = self.health.write().unwrap_or_else(PoisonError::into_inner);
        let before = health.clone();
        change(&mut health);
        let (sound, tip) = (health.is_sound(), health.tip_size);
        let news =
            before.is_sound() != sound || before.can_sign() != health.can_sign() || before.tip_size != tip;
        drop(health);
        let label = self.node.to_string();
        metrics::gauge!("holdfast_node_up", "node" => label.clone()).set(f64::from(u8::from(sound)));
        metrics::counter!("holdfast_node_tip", "node" => label).absolute(tip);
        if before.is_sound() && !sound {
            tracing::warn!(node = %self.node, error = self.health().last_error, "node is not available");
        } else if !before.is_sound() && sound {
            tracing::info!(node = %self.node, tip, "node is available");
        }
        if news {
            self.changed.send_modify(|version| *version = version.wrapping_add(1));
        }
    }
}

/// Text that came from a node, as people may see it.
fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 256;
    let defused = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(MAX_CHARS).map(defused).collect()
}

impl fmt::Debug for NodeLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLink")
            .field("node", &self.node)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_node_is_short_and_cannot_drive_a_terminal() {
        assert_eq!(printable("no\u{1b}[2J\nway"), "no?[2J?way");
        assert_eq!(printable(&"x".repeat(10_000)).len(), 256);
    }
}
