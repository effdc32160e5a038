//! `holdfast policy explain`: a document in plain words, or what it says about one withdrawal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use holdfast_audit::{Backtester, Event, Interest};
use holdfast_chains::Asset;
use holdfast_ledger::WithdrawalId;
use holdfast_policy::{PolicyCases, PolicyDocument, explain_decision, explain_policy};
use serde_json::json;

use crate::audit::{LogArgs, replay, replay_supposing};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Answer, Output};

/// What one withdrawal of a log gets.
const NO_SUCH: &str = "the log has no decision about withdrawal";

/// Which document, about what.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The document, TOML
    policy: PathBuf,
    /// Say what it says about the withdrawal with these invented facts: like a file of cases, with `[facts]` alone
    #[arg(long, value_name = "FILE")]
    withdrawal_facts: Option<PathBuf>,
    /// Say what it would have said about this withdrawal of a log, with the approvals that were given
    #[arg(long, value_name = "ID", conflicts_with = "withdrawal_facts")]
    withdrawal: Option<WithdrawalId>,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) async fn run(profile: &Path, output: Output, args: &ExplainArgs) -> Result<Answer, Failure> {
    let document = super::read(&args.policy)?;
    if let Some(id) = args.withdrawal {
        return logged(profile, output, &args.log, document, id).await;
    }
    let Some(path) = &args.withdrawal_facts else {
        let page = explain_policy(&document, &registry(profile, output, &args.log).await?);
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

/// The assets of a log that is named; without one nothing here knows decimals, and amounts stay in base units.
async fn registry(profile: &Path, output: Output, log: &LogArgs) -> Result<Vec<Asset>, Failure> {
    if log.log.is_none() {
        return Ok(Vec::new());
    }
    let history = replay(profile, output, log, Interest::Nothing, &mut |_| {}).await?;
    Ok(history.state().genesis().document.assets.clone())
}

async fn logged(
    profile: &Path,
    output: Output,
    log: &LogArgs,
    document: PolicyDocument,
    id: WithdrawalId,
) -> Result<Answer, Failure> {
    let document = Arc::new(document);
    let mut tester = Backtester::new(&document, None).explaining(id);
    let suppose = Some(Arc::clone(&document));
    let watch = &mut |event: &Event<'_>| tester.watch(event);
    let history = replay_supposing(profile, output, log, Interest::Nothing, suppose, watch).await?;
    let decision = tester.explained().ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("{NO_SUCH} `{id}`"))
            .next("find it with `holdfast audit search`")
    })?;
    let policy = explain_policy(&document, &history.state().genesis().document.assets);
    let page = explain_decision(decision);
    let json = json!({"sha256": document.hash(), "withdrawal": id, "page": page, "decision": decision});
    Ok(Answer::new(json, format!("{policy}\n{id}\n{page}")))
}
