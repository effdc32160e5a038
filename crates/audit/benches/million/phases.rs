//! What is measured, each in a process of its own.

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
        "restart" => restart(directory),
        _ => panic!("no phase {phase}"),
    }
}

fn read(directory: &Path, path: &str) -> Option<Vec<u8>> {
    std::fs::read(directory.join(path)).ok()
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

/// A node's restart: first what it would have stored is made by replay, then loaded as if nothing were known.
fn restart(directory: &Path) -> Value {
    let genesis = genesis(directory);
    let (snapshot, leaves) = (directory.join("../snapshot"), directory.join("../leaves"));
    let (before, _) = memory_mib();
    let mut state = State::from_genesis(&genesis).unwrap();
    let mut tree = MemoryTree::new();
    let mut first = true;
    bundles(directory, |entries| {
        for entry in entries {
            tree.append(entry.leaf_hash()).unwrap();
            if !std::mem::take(&mut first) {
                state.apply(&entry).unwrap();
            }
        }
    });
    let (replayed, _) = memory_mib();
    let (bytes, write_cpu, _) = timed(|| state.to_snapshot());
    std::fs::write(&snapshot, &bytes).unwrap();
    std::fs::write(&leaves, tree.leaf_bytes_from(0)).unwrap();
    let (size, digest, root, snapshot_bytes) =
        (state.size(), state.digest(), tree.root().unwrap(), bytes.len());
    drop((state, tree, bytes));
    let ((loaded, rebuilt), cpu, wall) = timed(|| {
        let state = State::from_snapshot(&std::fs::read(&snapshot).unwrap(), &genesis).unwrap();
        let mut tree = MemoryTree::new();
        tree.append_leaf_bytes(&std::fs::read(&leaves).unwrap()).unwrap();
        (state, tree)
    });
    assert_eq!((loaded.size(), loaded.digest(), rebuilt.root().unwrap()), (size, digest, root));
    let (_, clone_cpu, _) = timed(|| (0..1000).map(|_| loaded.clone()).count());
    json!({"entries": size, "replayed_mib": replayed - before, "snapshot_mib": snapshot_bytes >> 20,
        "write_cpu_s": write_cpu.as_secs_f64(), "cpu_s": cpu.as_secs_f64(), "wall_s": wall.as_secs_f64(),
        "clone_us": clone_cpu.as_secs_f64() * 1000.0})
}
