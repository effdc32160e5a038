//! `holdfast audit explain`: one withdrawal on a page.

use std::path::Path;

use clap::Args;
use holdfast_audit::{History, Interest, explain};
use holdfast_ledger::WithdrawalId;
use serde_json::json;

use super::replayed::{LogArgs, replay};
use crate::failure::{Exit, Failure};
use crate::output::{Answer, Output};

/// Which withdrawal.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// Id of the withdrawal (`w-...`)
    pub(crate) id: WithdrawalId,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

pub(crate) async fn run(profile: &Path, output: Output, args: &ExplainArgs) -> Result<Answer, Failure> {
    let interest = Interest::Withdrawal(args.id);
    let history = replay(profile, output, &args.log, interest, &mut |_| {}).await?;
    explained(&history, &args.id)
}

fn explained(history: &History, id: &WithdrawalId) -> Result<Answer, Failure> {
    let explanation = explain(history, id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("the log has no withdrawal `{id}`"))
            .next("find it with `holdfast audit search`")
    })?;
    Ok(Answer::new(json!(explanation), explanation.to_string()))
}
