//! One replay for every question: over an export without a network, or over the live log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use holdfast_audit::{Audit, Event, Heads, History, Interest};
use holdfast_policy::PolicyDocument;

use super::verify::{self, PinArgs};
use crate::failure::Failure;
use crate::live::{self, Live, Replayed};
use crate::output::Output;
use crate::session::Session;

/// Which log.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LogArgs {
    /// Read this export, a directory or a tar file, instead of the live log; needs no network
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) log: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
}

/// Replays the log and shows every entry after the first to `watch`. What `watch` was shown is verified when this returns `Ok`.
pub(crate) async fn replay(
    profile: &Path,
    output: Output,
    args: &LogArgs,
    interest: Interest,
    watch: &mut dyn FnMut(&Event<'_>),
) -> Result<History, Failure> {
    replay_supposing(profile, output, args, interest, None, watch).await
}

/// The same, with another policy document counted and asked beside those in force.
pub(crate) async fn replay_supposing(
    profile: &Path,
    output: Output,
    args: &LogArgs,
    interest: Interest,
    suppose: Option<Arc<PolicyDocument>>,
    watch: &mut dyn FnMut(&Event<'_>),
) -> Result<History, Failure> {
    if let Some(log) = &args.log {
        let audit = Audit { interest, heads: Heads::none(), suppose, watch: Some(watch) };
        return Ok(verify::export(log, &args.pin.pinned(profile)?, audit)?.into_history());
    }
    let session = Session::open(profile, output)?;
    let mut replayed = Replayed::new(&session, interest, Some(watch))?.supposing(suppose);
    let note = Live::connect(&session).await?.read(&mut replayed).await?;
    let history = replayed.into_history()?;
    live::remember(&session, &note, history.state())?;
    Ok(history)
}
