//! Default programs have nothing of the unmaintained engine: neither in what cargo resolves nor in their own bytes.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package, PackageId};
use holdfast_tests::program;

const PROGRAMS: &[&str] = &["holdfast-node", "holdfast-coordinator", "holdfast-cli"];
/// The engine, its mathematics, and the C library below.
const ENGINE: &[&str] = &[
    "holdfast-gg20",
    "multi-party-ecdsa",
    "curv-kzen",
    "kzen-paillier",
    "zk-paillier",
    "rust-gmp-kzen",
    "round-based",
];

/// What is built into the programs with these features, by name.
fn built_in(features: &[&str]) -> BTreeMap<String, Package> {
    let mut options = vec!["--offline".to_owned(), "--locked".to_owned()];
    options.extend(features.iter().map(|feature| format!("--features={feature}")));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let mut open: Vec<&PackageId> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| PROGRAMS.contains(&package.name.as_str()))
        .map(|package| &package.id)
        .collect();
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|node| node.id == *id).unwrap();
        for dependency in &node.deps {
            let built = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if built && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    let package = |id: &&PackageId| metadata.packages.iter().find(|package| package.id == **id).unwrap();
    seen.iter().map(package).map(|package| (package.name.to_string(), package.clone())).collect()
}

#[test]
fn default_programs_reach_nothing_of_the_engine_and_nothing_under_the_gpl() {
    let packages = built_in(&[]);
    let engine: Vec<_> = ENGINE.iter().filter(|name| packages.contains_key(**name)).collect();
    assert!(engine.is_empty(), "default programs are built with {engine:?}");
    let gpl = packages.values().filter(|package| {
        // Either licence of a choice will do.
        let licence = package.license.as_deref().unwrap_or_default();
        licence.split([' ', '/', '(', ')']).any(|word| word.contains("GPL"))
            && !["MIT", "Apache-2.0", "BSD"].iter().any(|other| licence.contains(other))
    });
    let gpl: Vec<_> = gpl.map(|package| package.name.as_str()).collect();
    assert!(gpl.is_empty(), "default programs are built with {gpl:?}, which are under the GPL");
}

#[test]
fn the_feature_is_what_brings_the_engine_in() {
    let packages = built_in(&["holdfast-node/gg20"]);
    let missing: Vec<_> = ENGINE.iter().filter(|name| !packages.contains_key(**name)).collect();
    assert!(missing.is_empty(), "the engine has other parts now: {missing:?} are not among them");
}

#[test]
fn bytes_of_the_default_node_name_nothing_of_gmp() {
    let bytes = std::fs::read(program("holdfast-node").unwrap()).unwrap();
    let has = |name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    for name in ["libgmp.so", "__gmpz_", "multi-party-ecdsa", "multi_party_ecdsa"] {
        assert!(!has(name), "the default node has `{name}` in it");
    }
    // The search finds what is there.
    assert!(has("dkls23"), "the node has its own engine");
}
