//! `holdfast audit explain`: one withdrawal on a page.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use holdfast_audit::{History, Interest, explain};
use holdfast_ledger::WithdrawalId;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::replayed::{LogArgs, replay};
use crate::failure::{Exit, Failure};
use crate::live::{self, Live, Replayed};
use crate::output::{Answer, Output};
use crate::session::Session;

const LOOK_UP: Duration = Duration::from_secs(3);
const RETRY_EVERY: Duration = Duration::from_millis(150);

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
    let history = if args.log.log.is_some() {
        replay(profile, output, &args.log, interest, &mut |_| {}).await?
    } else {
        look_up(&Session::open(profile, output)?, &args.id, interest).await?
    };
    explained(&history, &args.id)
}

/// Reads the live log; again for some seconds if it lacks what somebody names, for that may be logged and not cosigned yet.
async fn look_up(session: &Session, id: &WithdrawalId, interest: Interest) -> Result<History, Failure> {
    let mut replayed = Replayed::new(session, interest, None)?;
    let mut live = Live::connect(session).await?;
    let begun = Instant::now();
    loop {
        let note = live.read(&mut replayed).await?;
        let found = replayed.state().is_some_and(|state| state.withdrawal(id).is_some());
        if found || begun.elapsed() >= LOOK_UP {
            let history = replayed.into_history()?;
            live::remember(session, &note, history.state())?;
            return Ok(history);
        }
        sleep(RETRY_EVERY).await;
    }
}

fn explained(history: &History, id: &WithdrawalId) -> Result<Answer, Failure> {
    let explanation = explain(history, id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("the log has no withdrawal `{id}`"))
            .next("find it with `holdfast audit search`")
    })?;
    Ok(Answer::new(json!(explanation), explanation.to_string()))
}
