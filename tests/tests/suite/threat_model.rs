//! The threat model names a test for each attack: each of them exists. A name that nobody runs is a promise that nobody keeps.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const MODEL: &str = include_str!("../../../docs/threat-model.md");
/// Shorter words with underscores are fields and codes.
const SHORTEST: usize = 18;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks.
fn quoted() -> impl Iterator<Item = &'static str> {
    MODEL.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let mut files = Vec::new();
    for directory in ["crates", "tests"] {
        sources(&root().join(directory), &mut files);
    }
    let mut functions = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for after in text.split("fn ").skip(1) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            functions.insert(after[..end].to_owned());
        }
    }
    let is_name = |word: &&str| {
        word.len() >= SHORTEST
            && word.contains('_')
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: BTreeSet<&str> = quoted().filter(is_name).filter(|word| !word.starts_with('_')).collect();
    assert!(named.len() > 300, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "no test has the name: {missing:#?}");
}

#[test]
fn every_file_that_the_threat_model_names_exists() {
    let mut files = Vec::new();
    for directory in ["crates", "tests"] {
        sources(&root().join(directory), &mut files);
    }
    let names: BTreeSet<_> =
        files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let named: BTreeSet<&str> =
        quoted().filter(|word| word.ends_with(".rs") && !word.contains('/')).collect();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "no such file: {missing:?}");
}
