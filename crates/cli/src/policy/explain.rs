//! `holdfast policy explain`: a document in plain words, or what it says about one withdrawal.

use std::path::PathBuf;

use clap::Args;
use holdfast_policy::{PolicyCases, explain_decision, explain_policy};
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::output::Answer;

/// Which document, about what.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The document, TOML
    policy: PathBuf,
    /// Say what it says about the withdrawal with these invented facts: like a file of cases, with `[facts]` alone
    #[arg(long, value_name = "FILE")]
    withdrawal_facts: Option<PathBuf>,
}

pub(super) fn run(args: &ExplainArgs) -> Result<Answer, Failure> {
    let document = super::read(&args.policy)?;
    let Some(path) = &args.withdrawal_facts else {
        let page = explain_policy(&document, &[]);
        return Ok(Answer::new(json!({"sha256": document.hash(), "page": page}), page));
    };
    let cases = PolicyCases::parse_facts(&files::read_text(path)?);
    let cases = cases.map_err(|error| Failure::policy(path, &error))?;
    let policy = explain_policy(&document, cases.assets());
    let decisions: Vec<_> = cases.run(&document).into_iter().map(|result| result.decision).collect();
    let page: String = decisions.iter().map(explain_decision).collect();
    let json = json!({"sha256": document.hash(), "page": page, "decision": decisions.first()});
    Ok(Answer::new(json, format!("{policy}\n{page}")))
}
