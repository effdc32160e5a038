//! How many nodes it takes until an action binds, and how far so many reach.
//!
//! It counts and never decides who counts: see [`super::tally`].

use holdfast_ledger::Roster;
use serde_json::{Value, json};

/// Against whom an action is to bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Against {
    /// A hostile coordinator: n - t + 1 nodes (f = 0)
    #[default]
    Coordinator,
    /// A hostile coordinator and any t - 1 hostile nodes: all n nodes (f = t - 1)
    HostileNodes,
}

/// How far an action binds: n - t + 1 + f nodes, for f = 0 and for f = t - 1.
// INVARIANT (G4): any t nodes that sign have at least one honest node among those that are held, if f of these lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(super) held: usize,
    pub(super) total: usize,
    pub(super) against_coordinator: usize,
    pub(super) against_nodes: usize,
    pub(super) f: usize,
}

impl Level {
    /// With so many nodes of this roster held.
    pub(crate) fn of(roster: &Roster, held: usize) -> Self {
        let (t, n) = (usize::from(roster.threshold()), roster.nodes().len());
        let against_coordinator = n.saturating_sub(t).saturating_add(1);
        let f = t.saturating_sub(1);
        Self { held, total: n, against_coordinator, against_nodes: against_coordinator.saturating_add(f), f }
    }

    pub(crate) fn binds_coordinator(&self) -> bool {
        self.held >= self.against_coordinator
    }

    pub(crate) fn binds_nodes(&self) -> bool {
        self.held >= self.against_nodes
    }

    pub(crate) fn binds(&self, against: Against) -> bool {
        match against {
            Against::Coordinator => self.binds_coordinator(),
            Against::HostileNodes => self.binds_nodes(),
        }
    }

    /// How many nodes are missing.
    pub(crate) fn missing(&self, against: Against) -> usize {
        let needed = match against {
            Against::Coordinator => self.against_coordinator,
            Against::HostileNodes => self.against_nodes,
        };
        needed.saturating_sub(self.held)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "nodes": self.total,
            "needed_against_coordinator": self.against_coordinator,
            "binding_against_coordinator": self.binds_coordinator(),
            "needed_against_hostile_nodes": self.against_nodes,
            "binding_against_hostile_nodes": self.binds_nodes(),
            "hostile_nodes": self.f,
        })
    }

    /// Two lines, one for each level, after a line that says who is counted.
    pub(crate) fn text(&self, counted: &str) -> String {
        let mark = |met: bool, needed: usize| {
            if met { "yes".to_owned() } else { format!("NO, needs {}", needed) }
        };
        format!(
            "{} of {} nodes {counted}\n  binding against the coordinator: {}\n  binding against any {} hostile node(s) too: {}",
            self.held,
            self.total,
            mark(self.binds_coordinator(), self.against_coordinator),
            self.f,
            mark(self.binds_nodes(), self.against_nodes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_need_two_nodes_against_the_coordinator_and_three_against_a_node_too() {
        let level = |held| Level { held, total: 3, against_coordinator: 2, against_nodes: 3, f: 1 };
        for (held, coordinator, nodes) in
            [(0, false, false), (1, false, false), (2, true, false), (3, true, true)]
        {
            let level = level(held);
            assert_eq!((level.binds_coordinator(), level.binds_nodes()), (coordinator, nodes), "{held}");
            assert_eq!(level.binds(Against::Coordinator), coordinator);
            assert_eq!(level.binds(Against::HostileNodes), nodes);
        }
        assert!(level(2).text("refuse").contains("NO, needs 3"));
        assert_eq!(level(1).missing(Against::HostileNodes), 2);
    }
}
