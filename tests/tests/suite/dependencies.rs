//! Which crate may know which: the table of the architecture, held against what cargo resolves.
//!
//! A process that cannot name a key share cannot leak one, so these edges are part of the guarantees.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Every crate, and which of ours it may name. What is not here is not allowed.
const ALLOWED: &[(&str, &[&str])] = &[
    ("chains", &[]),
    ("log", &[]),
    ("threshold", &[]),
    // In no program by default: the node names it only with its feature `gg20`.
    ("gg20", &["threshold"]),
    ("store", &[]),
    ("transport", &[]),
    // What a policy is measured on must not know the policy.
    ("traffic", &[]),
    ("score", &["traffic", "policy", "chains"]),
    ("policy", &["chains"]),
    ("ledger", &["chains", "log", "policy"]),
    // The ledger's own vocabulary comes from these two.
    ("audit", &["ledger", "log", "chains", "policy"]),
    ("proto", &["chains", "log", "policy", "ledger"]),
    ("server", &["transport", "store", "ledger", "log", "policy"]),
    ("node", &["server", "proto", "transport", "store", "threshold", "ledger", "log", "policy", "chains"]),
    ("coordinator", &["server", "proto", "transport", "store", "ledger", "log", "policy", "chains"]),
    ("cli", &["score", "traffic", "audit", "proto", "transport", "ledger", "log", "policy", "chains"]),
];

/// Crates that know no network, no clock and no file system.
const PURE: &[&str] =
    &["chains", "log", "policy", "ledger", "threshold", "gg20", "audit", "traffic", "score"];
const IMPURE: &[&str] = &["tokio", "tonic", "rustls", "hyper", "mio", "redb", "sled"];

struct Graph {
    metadata: Metadata,
    edges: BTreeMap<PackageId, BTreeSet<PackageId>>,
}

impl Graph {
    /// What is built into programs: normal and build dependencies, without those of tests.
    fn load() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .other_options(vec!["--locked".to_owned()])
            .exec()
            .unwrap();
        let nodes = &metadata.resolve.as_ref().unwrap().nodes;
        let edges = nodes.iter().map(|node| {
            let built = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (node.id.clone(), built.map(|dependency| dependency.pkg.clone()).collect())
        });
        let edges = edges.collect();
        Self { edges, metadata }
    }

    fn package(&self, id: &PackageId) -> &Package {
        self.metadata.packages.iter().find(|package| package.id == *id).unwrap()
    }

    fn ours(&self, name: &str) -> &PackageId {
        let full = format!("holdfast-{name}");
        let found = self.metadata.workspace_packages().into_iter().find(|package| package.name == full);
        &found.unwrap_or_else(|| panic!("the workspace has no crate `{full}`")).id
    }

    /// The workspace crates that this one names itself, without the prefix.
    fn named_by(&self, name: &str) -> BTreeSet<String> {
        let direct = self.edges[self.ours(name)].iter().map(|id| self.package(id).name.to_string());
        direct.filter_map(|name| name.strip_prefix("holdfast-").map(str::to_owned)).collect()
    }

    /// Everything that `start` reaches without going through `around`, as `name version`.
    fn reached(&self, start: &PackageId, around: Option<&PackageId>) -> BTreeSet<String> {
        let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            for next in &self.edges[id] {
                if Some(next) != around && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        let full = |id: &&PackageId| {
            let package = self.package(id);
            format!("{} {}", package.name, package.version)
        };
        seen.iter().map(full).collect()
    }
}

fn has(reached: &BTreeSet<String>, name: &str) -> bool {
    reached.iter().any(|full| full.split(' ').next() == Some(name))
}

/// The engine, and the generation of k256 that it is built on.
fn is_engine(full: &str) -> bool {
    full.starts_with("dkls23 ") || full.starts_with("k256 0.14")
}

#[test]
fn every_crate_names_only_the_crates_that_the_architecture_allows() {
    let graph = Graph::load();
    for (name, allowed) in ALLOWED {
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let found = graph.named_by(name);
        let surplus: Vec<_> = found.difference(&allowed).collect();
        assert!(
            surplus.is_empty(),
            "holdfast-{name} names {surplus:?}, which the architecture does not allow"
        );
    }
}

#[test]
fn no_crate_is_missing_from_the_table() {
    let graph = Graph::load();
    let packages = graph.metadata.workspace_packages();
    let members: BTreeSet<&str> =
        packages.iter().filter_map(|package| package.name.strip_prefix("holdfast-")).collect();
    let listed: BTreeSet<&str> =
        ALLOWED.iter().map(|(name, _)| *name).chain(["tests", "tests-gg20"]).collect();
    assert_eq!(members, listed);
    assert_eq!(members.len(), packages.len(), "every crate is named `holdfast-...`");
}

#[test]
fn node_and_coordinator_never_reach_each_other() {
    let graph = Graph::load();
    for (from, to) in
        [("node", "coordinator"), ("coordinator", "node"), ("cli", "node"), ("cli", "coordinator")]
    {
        let reached = graph.reached(graph.ours(from), None);
        assert!(!has(&reached, &format!("holdfast-{to}")), "holdfast-{from} reaches holdfast-{to}");
    }
}

#[test]
fn a_process_that_cannot_name_a_key_share_cannot_leak_one() {
    let graph = Graph::load();
    for name in ["coordinator", "cli", "audit", "proto", "ledger", "transport", "store", "server"] {
        let reached = graph.reached(graph.ours(name), None);
        assert!(!has(&reached, "holdfast-threshold"), "holdfast-{name} reaches holdfast-threshold");
        let engine: Vec<_> = reached.iter().filter(|full| is_engine(full)).collect();
        assert!(engine.is_empty(), "holdfast-{name} reaches {engine:?}");
    }
}

#[test]
fn pure_crates_reach_no_runtime_no_network_and_no_store() {
    let graph = Graph::load();
    // What GG20's library would drive its own state machines with. They are not used: this border drives the protocol.
    let driver = graph.metadata.packages.iter().find(|package| package.name == "round-based");
    let driver = &driver.expect("GG20's library has another driver now").id;
    for name in PURE {
        let reached = graph.reached(graph.ours(name), Some(driver).filter(|_| *name == "gg20"));
        for impure in IMPURE {
            assert!(!has(&reached, impure), "holdfast-{name} reaches {impure}");
        }
    }
}

#[test]
fn the_engine_is_reached_only_through_the_threshold_crate() {
    let graph = Graph::load();
    let threshold = graph.ours("threshold");
    assert!(
        graph.reached(threshold, None).iter().any(|full| is_engine(full)),
        "the engine has another name now"
    );
    for (name, _) in ALLOWED.iter().filter(|(name, _)| *name != "threshold") {
        let reached = graph.reached(graph.ours(name), Some(threshold));
        let engine: Vec<_> = reached.iter().filter(|full| is_engine(full)).collect();
        assert!(engine.is_empty(), "holdfast-{name} reaches {engine:?} beside holdfast-threshold");
    }
}
