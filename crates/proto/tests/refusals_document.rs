//! `docs/refusals.md` and the sources say the same: every reason code of the servers and the engine, every metric; and `docs/api.md`
//! describes every payload.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use holdfast_proto::REASONS;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Text that looks like a code and is none.
const NO_CODES: [&str; 2] = ["CARGO_", "HOLDFAST_"];
/// Written by servers and by the tool that issues certificates alike; those of the tool are its own business.
const OF_THE_TOOL: &str = "crates/transport/src/issue.rs";

#[test]
fn every_code_of_a_node_is_explained_and_no_other() {
    let codes = codes_in(&["crates/node/src", "crates/ledger/src/order.rs"]);
    assert_eq!(first_column("| Node's code |"), codes);
}

#[test]
fn every_code_of_the_engine_is_explained_and_no_other() {
    assert_eq!(first_column("| Engine's code |"), codes_in(&["crates/threshold/src"]));
}

#[test]
fn every_code_of_the_coordinator_is_explained_somewhere() {
    let codes = codes_in(&["crates/coordinator/src"]);
    let own = first_column("| Coordinator's code |");
    let nodes = &first_column("| Node's code |") | &first_column("| Engine's code |");
    let of_the_api = |code: &str| {
        REASONS.iter().any(|row| match row.reason.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => row.reason == code,
        })
    };
    let unexplained: Vec<_> = codes
        .iter()
        .filter(|code| !own.contains(*code) && !nodes.contains(*code) && !of_the_api(code))
        .collect();
    assert_eq!(unexplained, Vec::<&String>::new());
    let gone: Vec<_> = own.difference(&codes).collect();
    assert_eq!(gone, Vec::<&String>::new(), "no longer in the sources");
}

#[test]
fn every_code_at_the_start_is_explained_and_no_other() {
    let mut codes = codes_in(&["crates/transport/src", "crates/store/src"]);
    codes.retain(|code| !REASONS.iter().any(|row| row.reason == code));
    assert_eq!(first_column("| Code at the start |"), codes);
}

#[test]
fn every_metric_is_explained_and_no_other() {
    let mut metrics = BTreeSet::new();
    for source in sources(&["crates/node/src", "crates/coordinator/src"]) {
        metrics.extend(literals(&source).filter(|text| {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            text.starts_with("holdfast_") && text.chars().all(is_name) && !text.contains("holdfast_node=")
        }));
    }
    assert_eq!(first_column("| Metric |"), metrics);
}

#[test]
fn every_payload_of_the_log_is_described() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/api.md")).unwrap();
    let sources = sources(&["crates/ledger/src/payload.rs"]);
    let names: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| literals(source))
        .filter_map(|text| {
            let name = text.strip_prefix("application/vnd.holdfast.")?.strip_suffix(".v1+json")?;
            Some(name.to_owned())
        })
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !document.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

fn codes_in(paths: &[&str]) -> BTreeSet<String> {
    let is_code = |text: &String| {
        let shape = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        text.len() > 5
            && text.contains('_')
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(shape)
    };
    let sources = sources(paths);
    let mut codes: BTreeSet<String> =
        sources.iter().flat_map(|source| literals(source)).filter(is_code).collect();
    // The only code of one word.
    codes
        .extend(sources.iter().any(|source| source.contains("=> \"LATCHED\"")).then(|| "LATCHED".to_owned()));
    codes.retain(|code| !NO_CODES.iter().any(|start| code.starts_with(start)));
    codes
}

/// String literals without escapes.
fn literals(source: &str) -> impl Iterator<Item = String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let found =
        code.flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    found.collect::<Vec<_>>().into_iter()
}

/// What is compiled into the programs: tests are left out.
fn sources(paths: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    paths.iter().for_each(|path| walk(&Path::new(ROOT).join(path), &mut files));
    assert!(!files.is_empty(), "{paths:?}");
    let shipped = files.into_iter().filter(|path| !path.ends_with(OF_THE_TOOL)).map(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.split_once("#[cfg(test)]\nmod tests {").map_or(text.clone(), |(before, _)| before.to_owned())
    });
    shipped.collect()
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) {
    let name = path.file_stem().unwrap().to_str().unwrap();
    if ["tests", "testing", "model", "attacks"].contains(&name) {
        return;
    }
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), files));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        files.push(path.to_owned());
    }
}

/// The names in the first column of the table whose header line starts like this.
fn first_column(header: &str) -> BTreeSet<String> {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/refusals.md")).unwrap();
    let rows = document.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let names: Vec<String> =
        rows.map(|row| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned()).collect();
    let distinct: BTreeSet<String> = names.iter().cloned().collect();
    assert!(!names.is_empty() && distinct.len() == names.len(), "{header}: {names:?}");
    distinct
}
