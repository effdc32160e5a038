//! A million-entry log: how fast it is replayed and verified beside its signatures alone, and how much memory that takes.
//!
//! `cargo bench -p holdfast-audit --bench million [-- entries]`. The log is made with a whole test key, once, and kept in the
//! target directory. Every phase runs in a process of its own, so that its peak memory is its own; times are CPU times of one
//! thread, because other work on the machine must not count. Writes `bench/million.json` beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark stops at the first surprise"
)]
#![allow(unreachable_pub, missing_docs, reason = "a program")]

#[path = "million/generator.rs"]
mod generator;
#[path = "million/measure.rs"]
mod measure;
#[path = "million/phases.rs"]
mod phases;
#[path = "million/signatures.rs"]
mod signatures;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value};

const PHASES: [&str; 6] =
    ["signatures", "verify", "verify-with-decisions", "replay", "restart", "signatures-again"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [phase, directory] if phase.starts_with("phase:") => {
            println!("{}", phases::run(phase.trim_start_matches("phase:"), &PathBuf::from(directory)));
        }
        [] => all(1_000_000),
        [entries] => all(entries.parse().expect("how many entries")),
        _ => panic!("at most one argument: how many entries"),
    }
}

fn all(entries: u64) {
    let directory = generator::log_of(entries);
    let mut measured = Map::new();
    for phase in PHASES {
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program).arg(format!("phase:{phase}")).arg(&directory).output().unwrap();
        assert!(output.status.success(), "{phase}: {}", String::from_utf8_lossy(&output.stderr));
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{phase:<22} {result}");
        measured.insert(phase.to_owned(), result);
    }
    let cpu = |phase: &str| measured[phase]["cpu_s"].as_f64().unwrap();
    let alone = (cpu("signatures") + cpu("signatures-again")) / 2.0;
    let (verified, compared) = (cpu("verify"), cpu("verify-with-decisions"));
    let count = measured["verify"]["entries"].as_f64().unwrap();
    println!(
        "{:.0} entries/s replayed and verified, {:.0} with decisions compared",
        count / verified,
        count / compared
    );
    println!("of the signatures alone: {:.3}, {:.3}", alone / verified, alone / compared);
    measured.insert("ratio".to_owned(), (alone / verified).into());
    measured.insert("ratio_with_decisions".to_owned(), (alone / compared).into());
    let path = directory.parent().unwrap().join("million.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&measured).unwrap()).unwrap();
    println!("written to {}", path.display());
}
