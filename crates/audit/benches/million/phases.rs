//! What is measured, each in a process of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use holdfast_audit::{Audit, Interest, verify_with};
use holdfast_ledger::{Genesis, State};
use holdfast_log::tiles::{CHECKPOINT_PATH, parse_entry_bundle};
use holdfast_log::{Entry, MemoryTree, SignedCheckpoint, TilePath};
use serde_json::{Value, json};

use crate::measure::{memory_mib, timed};
use crate::signatures::Signatures;

pub(crate) fn run(phase: &str, directory: &Path) -> Value {
    match phase {
        "signatures" | "signatures-again" => signatures_alone(directory),
        "verify" => verify(directory, false),
        "verify-with-decisions" => verify(directory, true),
        "replay" => replay(directory),
        "restart" => restart(directory),
        _ => panic!("no phase {phase}"),
    }
}

fn read(directory: &Path, path: &str) -> Option<Vec<u8>> {
    fs::read(directory.join(path)).ok()
}

/// Calls with each bundle's entries.
fn bundles(directory: &Path, mut visit: impl FnMut(Vec<Entry>)) {
    let checkpoint = SignedCheckpoint::parse(&read(directory, CHECKPOINT_PATH).unwrap()).unwrap();
    for path in TilePath::all_entries(checkpoint.claimed().size) {
        let bundle = read(directory, &path.to_string()).unwrap();
        let entries = parse_entry_bundle(&bundle, path.width()).unwrap();
        visit(entries.into_iter().map(|bytes| Entry::parse(bytes).unwrap()).collect());
    }
}

fn genesis(directory: &Path) -> Entry {
    let path = TilePath::all_entries(1).next().unwrap().to_string();
    let first = read(directory, &path).or_else(|| read(directory, "tile/entries/000")).unwrap();
    let length = usize::from(u16::from_be_bytes([first[0], first[1]]));
    Entry::parse(&first[2..2 + length]).unwrap()
}

/// Every signature that verification checks, and nothing else: keys, messages and signatures are ready before the clock runs.
fn signatures_alone(directory: &Path) -> Value {
    let mut all = Signatures::of(&genesis(directory));
    let (mut cpu, mut wall) = (Duration::ZERO, Duration::ZERO);
    bundles(directory, |entries| {
        entries.iter().for_each(|entry| all.add(entry));
        let ((), one_cpu, one_wall) = timed(|| all.verify());
        cpu += one_cpu;
        wall += one_wall;
    });
    json!({"ed25519": all.ed25519, "ecdsa": all.ecdsa, "cpu_s": cpu.as_secs_f64(), "wall_s": wall.as_secs_f64()})
}

/// What an auditor's machine does with an export.
fn verify(directory: &Path, decisions: bool) -> Value {
    let pinned = Genesis::hash_of(&genesis(directory).envelope().payload);
    let shown =
        |path: &str| (decisions || !path.starts_with("decisions/")).then(|| read(directory, path)).flatten();
    let audit = Audit { interest: Interest::Nothing, ..Audit::default() };
    let (verified, cpu, wall) = timed(|| verify_with(shown, &pinned, audit).unwrap());
    let entries = verified.history().replica().size();
    let (_, peak) = memory_mib();
    json!({"entries": entries, "withdrawals": verified.history().state().withdrawal_count(), "peak_mib": peak,
        "cpu_s": cpu.as_secs_f64(), "wall_s": wall.as_secs_f64()})
}

/// What a node holds after a replay, and what it would keep for a restart.
fn replay(directory: &Path) -> Value {
    let genesis = genesis(directory);
    let (before, _) = memory_mib();
    let mut state = State::from_genesis(&genesis).unwrap();
    let mut tree = MemoryTree::new();
    let mut first = true;
    let ((), cpu, wall) = timed(|| {
        bundles(directory, |entries| {
            for entry in entries {
                tree.append(entry.leaf_hash()).unwrap();
                if !std::mem::take(&mut first) {
                    state.apply(&entry).unwrap();
                }
            }
        });
    });
    let (after, _) = memory_mib();
    let (bytes, write_cpu, _) = timed(|| state.to_snapshot());
    fs::write(directory.join("../snapshot"), &bytes).unwrap();
    fs::write(directory.join("../leaves"), tree.leaf_bytes_from(0)).unwrap();
    fs::write(
        directory.join("../tip"),
        format!("{} {} {}", state.size(), state.digest(), tree.root().unwrap()),
    )
    .unwrap();
    let (_, clone_cpu, _) = timed(|| (0..10_000).map(|_| state.clone().size()).max());
    json!({"entries": state.size(), "state_and_tree_mib": after - before, "snapshot_mib": bytes.len() >> 20,
        "cpu_s": cpu.as_secs_f64(), "wall_s": wall.as_secs_f64(), "write_cpu_s": write_cpu.as_secs_f64(),
        "clone_us": clone_cpu.as_secs_f64() * 100.0})
}

/// A node's restart: the snapshot and the leaf hashes, read and compared with the tip.
fn restart(directory: &Path) -> Value {
    let genesis = genesis(directory);
    let kept = |name: &str| fs::read(directory.join("..").join(name)).unwrap();
    let (before, _) = memory_mib();
    let (state, state_cpu, state_wall) = timed(|| State::from_snapshot(&kept("snapshot"), &genesis).unwrap());
    let (tree, tree_cpu, tree_wall) = timed(|| {
        let mut tree = MemoryTree::new();
        tree.append_leaf_bytes(&kept("leaves")).unwrap();
        tree
    });
    let tip = format!("{} {} {}", state.size(), state.digest(), tree.root().unwrap());
    assert_eq!(tip.as_bytes(), kept("tip"));
    let (after, peak) = memory_mib();
    json!({"entries": state.size(), "state_and_tree_mib": after - before, "peak_mib": peak,
        "state_cpu_s": state_cpu.as_secs_f64(), "tree_cpu_s": tree_cpu.as_secs_f64(),
        "wall_s": (state_wall + tree_wall).as_secs_f64(), "cpu_s": (state_cpu + tree_cpu).as_secs_f64()})
}
