//! `holdfast policy test`: cases from a file through the evaluation that nodes run.

use std::path::PathBuf;

use clap::Args;
use holdfast_policy::{CaseResult, ExpectedOutcome, PolicyCases, Verdict, readable};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;

/// Which policy by which cases.
#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// The document, TOML
    policy: PathBuf,
    /// The cases, TOML
    cases: PathBuf,
}

pub(super) fn run(args: &TestArgs) -> Result<Answer, Failure> {
    let document = super::read(&args.policy)?;
    let text = files::read_text(&args.cases)?;
    let cases = PolicyCases::parse(&text).map_err(|error| Failure::policy(&args.cases, &error))?;
    let results = cases.run(&document);
    let failed: Vec<_> = results.iter().filter(|result| !result.differences.is_empty()).collect();
    let rows: Vec<_> = results.iter().map(row).collect();
    let json = json!({
        "sha256": document.hash(),
        "passed": results.len().saturating_sub(failed.len()),
        "failed": failed.len(),
        "cases": rows,
    });
    let report: String =
        failed.iter().map(|result| format!("{}:{}", args.cases.display(), shown(result))).collect();
    let exit = if failed.is_empty() { Exit::Success } else { Exit::Alarm };
    let sum = format!("{} cases, {} failed", results.len(), failed.len());
    Ok(Answer::new(json, format!("{report}{sum}")).with_exit(exit))
}

fn row(result: &CaseResult) -> Value {
    json!({
        "name": result.name,
        "line": result.line,
        "outcome": ExpectedOutcome::of(&result.decision),
        "codes": result.decision.reasons(),
        "differences": result.differences,
    })
}

/// What was expected, what came out, and every rule that decided it.
fn shown(result: &CaseResult) -> String {
    let decides = |verdict: Verdict| matches!(verdict, Verdict::Hold | Verdict::Deny);
    let rules = result.decision.rules.iter().filter(|rule| decides(rule.verdict));
    let rules: String = rules
        .map(|rule| format!("    rule `{}` {}: {}\n", rule.rule, rule.code.code(), readable(&rule.detail)))
        .collect();
    let differences: String = result.differences.iter().map(|what| format!("  {what}\n")).collect();
    format!("{}: FAILED {}\n{differences}{rules}", result.line, result.name)
}
