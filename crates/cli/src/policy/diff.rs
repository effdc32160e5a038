//! `holdfast policy diff`: what differs between two documents by meaning.

use std::path::PathBuf;

use clap::Args;
use holdfast_policy::{ChangeEffect, PolicyDiff};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Answer;

/// Which two.
#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArgs {
    /// The document in force, or any other, TOML
    old: PathBuf,
    /// The document that would replace it, TOML
    new: PathBuf,
}

pub(super) fn run(args: &DiffArgs) -> Result<Answer, Failure> {
    let diff = PolicyDiff::between(&super::read(&args.old)?, &super::read(&args.new)?);
    Ok(Answer::new(json(&diff), text(&diff)))
}

pub(super) fn json(diff: &PolicyDiff) -> Value {
    json!({
        "old": diff.old(),
        "new": diff.new_hash(),
        "effect": effect(diff),
        "changes": diff.changes(),
        "digest": diff.digest(),
    })
}

fn effect(diff: &PolicyDiff) -> &'static str {
    match (diff.changes().is_empty(), diff.loosens()) {
        (true, _) => "none",
        (false, true) => "loosens",
        (false, false) => "tightens",
    }
}

pub(super) fn text(diff: &PolicyDiff) -> String {
    let lines: String = diff
        .changes()
        .iter()
        .map(|change| format!("  {:<9} {change}\n", change.effect.to_string()))
        .collect();
    let sum = match effect(diff) {
        "none" => "the documents mean the same".to_owned(),
        "tightens" => "only tightens: the quorum `tighten-policy` is enough where genesis has one".to_owned(),
        _ => format!(
            "{} of {} changes loosen: the quorum `change-policy` must approve",
            diff.count(ChangeEffect::Loosens),
            diff.changes().len()
        ),
    };
    format!("old {}\nnew {}\n{lines}{sum}\ndigest {}", diff.old(), diff.new_hash(), diff.digest())
}
