//! `holdfast policy backtest`: which past decisions another policy would have turned.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use holdfast_audit::{Backtest, Backtester, Counts, Event, Flip, Interest, Said, Trips};
use holdfast_policy::{PolicyDiff, PolicyDocument};
use serde_json::json;

use crate::audit::{LogArgs, replay_supposing};
use crate::failure::Failure;
use crate::live::{self, Live, Replayed};
use crate::output::{Answer, Output};
use crate::policy::diff;
use crate::session::Session;

/// Flips that are shown to people; the JSON form has all.
const SHOWN: usize = 40;

/// Which policy, over which log.
#[derive(Args, Clone, Debug)]
pub(crate) struct BacktestArgs {
    /// The document, TOML
    policy: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// Only the first N entries of the log: what a proposal names as `backtest size`
    #[arg(long, value_name = "N")]
    size: Option<u64>,
}

pub(super) async fn run(profile: &Path, output: Output, args: &BacktestArgs) -> Result<Answer, Failure> {
    let document = Arc::new(super::read(&args.policy)?);
    let mut tester = Backtester::new(&document, args.size);
    let history = replay_supposing(
        profile,
        output,
        &args.log,
        Interest::Nothing,
        Some(Arc::clone(&document)),
        &mut |event| tester.watch(event),
    )
    .await?;
    let backtest = tester.finish();
    let diff = PolicyDiff::between(history.state().policy(), &document);
    let json = json!({
        "digest": backtest.digest(),
        "backtest": backtest,
        "diff": diff::json(&diff),
    });
    Ok(Answer::new(json, format!("{}\n\n{}", diff::text(&diff), text(&backtest))))
}

/// Over the first entries of the live log, in a replay of its own that is verified to the log's end.
pub(super) async fn live(
    session: &Session,
    document: &PolicyDocument,
    size: u64,
) -> Result<Backtest, Failure> {
    let mut tester = Backtester::new(document, Some(size));
    let mut watch = |event: &Event<'_>| tester.watch(event);
    let replayed = Replayed::new(session, Interest::Nothing, Some(&mut watch))?;
    let mut replayed = replayed.supposing(Some(Arc::new(document.clone())));
    let note = Live::connect(session).await?.read(&mut replayed).await?;
    // INVARIANT (G7): what was watched counts because this succeeds.
    let history = replayed.into_history()?;
    live::remember(session, &note, history.state())?;
    Ok(tester.finish())
}

pub(super) fn text(backtest: &Backtest) -> String {
    let Backtest { policy, size, decided, at_request, with_approvals, customers, flips, trips } = backtest;
    let rates = |counts: &Counts| {
        let Counts { allow, hold, deny, hold_per_10k, deny_per_10k } = counts;
        let percent = |of_10k: &u64| format!("{}.{:02} %", of_10k.div_euclid(100), of_10k.rem_euclid(100));
        format!(
            "{allow} allowed, {hold} held ({}), {deny} denied ({})",
            percent(hold_per_10k),
            percent(deny_per_10k)
        )
    };
    let lines: String = flips.iter().take(SHOWN).map(flip).collect();
    let tripped = |trips: &Trips| {
        let Trips { rule, wallet, times, first } = trips;
        format!("  circuit breaker {rule} pauses {wallet} {times} times, first by entry {first}\n")
    };
    let trips: String = trips.iter().map(tripped).collect();
    let more = flips.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("  and {more} more: see `--json`\n") } else { String::new() };
    format!(
        "backtest of {policy} over {size} entries: {decided} withdrawals\n  \
         at the request  as it was    {}\n                  with it      {}\n  \
         with approvals  as it was    {}\n                  with it      {}\n  \
         {} flip, of {customers} customers\n{lines}{more}{trips}digest {}",
        rates(&at_request.before),
        rates(&at_request.after),
        rates(&with_approvals.before),
        rates(&with_approvals.after),
        flips.len(),
        backtest.digest()
    )
}

fn flip(flip: &Flip) -> String {
    let said = |said: &Said| {
        let codes: Vec<_> = said.codes.iter().map(|code| code.code()).collect();
        match codes.is_empty() {
            true => said.outcome.to_string(),
            false => format!("{} ({})", said.outcome, codes.join(", ")),
        }
    };
    let mut line = format!(
        "    {}  entry {:>6}  {}: {} -> {}",
        flip.withdrawal,
        flip.index,
        flip.customer,
        said(&flip.at_request.before),
        said(&flip.at_request.after)
    );
    if flip.with_approvals != flip.at_request {
        line = format!(
            "{line}; with approvals {} -> {}",
            said(&flip.with_approvals.before),
            said(&flip.with_approvals.after)
        );
    }
    line + "\n"
}
