//! The local replica: the log, downloaded, verified against the pinned genesis and replayed on this machine.
//!
//! INVARIANT (G2): what an officer signs is generated from this state. The coordinator's own words about its state are not
//! used: it can only withhold the log's end, which the t-th newest cosignature's age bounds.

use std::time::Duration;

use holdfast_audit::{History, Interest, LogKeys};
use holdfast_ledger::{State, Statement};
use holdfast_log::{Checkpoint, VerifiedCosignature};
use holdfast_policy::TimestampMs;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::live::{self, Live, Replayed};
use crate::session::Session;
use crate::statement::Describes;

const RETRY_EVERY: Duration = Duration::from_millis(150);
/// How long a log may lack what was just acknowledged, or cosignatures.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to look for what somebody names: it may be logged and not cosigned yet, or not exist at all.
const LOOK_UP: Duration = Duration::from_secs(3);
/// Nodes cosign every few seconds, entries or not: after this long somebody withholds or is down.
pub(crate) const STALE_AFTER_MS: u64 = 5 * 60 * 1000;

/// A verified log.
pub(crate) struct LocalReplica {
    pub(crate) history: History,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) cosigned: Vec<VerifiedCosignature>,
    /// Up to when t nodes vouch for this being the whole log.
    pub(crate) witnessed: TimestampMs,
}

impl LocalReplica {
    /// A replay, if it is what its checkpoint states.
    // INVARIANT (G7): who must have signed is what the entries themselves say, up to the last one.
    fn of(history: History, note: &[u8]) -> Result<Self, Failure> {
        let keys = LogKeys::of(history.state().roster())
            .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
        let (checkpoint, cosigned) = keys.verify_replica(note, history.replica())?;
        let witnessed = TimestampMs(keys.witnessed_s(&cosigned).saturating_mul(1000));
        Ok(Self { history, checkpoint, cosigned, witnessed })
    }

    pub(crate) fn state(&self) -> &State {
        self.history.state()
    }

    /// One line: how much of the log this is, who vouches for it, and how old that is.
    pub(crate) fn provenance(&self) -> String {
        let names: Vec<_> = self.cosigned.iter().filter_map(|c| c.name.as_str().rsplit('/').next()).collect();
        format!(
            "log of {} entries, replayed here, cosigned by {} (complete as of {} ago)",
            self.checkpoint.size,
            names.join(", "),
            clock::show_ms(self.age_ms(clock::now()))
        )
    }

    /// Why this log may be too old to sign upon, if it is.
    pub(crate) fn staleness(&self, now: TimestampMs) -> Option<String> {
        let age_ms = self.age_ms(now);
        (age_ms > STALE_AFTER_MS).then(|| {
            format!(
                "warning: the nodes last vouched for this log {} ago; whatever happened since (revocations, pauses, changed policies) may be missing\nnext: run `holdfast status` and ask an operator before you sign",
                clock::show_ms(age_ms)
            )
        })
    }

    fn age_ms(&self, now: TimestampMs) -> u64 {
        now.0.saturating_sub(self.witnessed.0)
    }
}

/// INVARIANT (G1, G2): what is described is what was replayed here.
impl Describes for LocalReplica {
    fn text(&self, statement: &Statement) -> Result<String, Failure> {
        Ok(self.state().statement_text(statement)?)
    }

    fn provenance(&self) -> String {
        self.provenance()
    }

    fn staleness(&self) -> Option<String> {
        self.staleness(clock::now())
    }
}

/// Downloads and replays the log.
pub(crate) async fn download(session: &Session) -> Result<LocalReplica, Failure> {
    download_with(session, |_| true, PATIENCE).await
}

/// The same, and again for some seconds if the log lacks what somebody named; then as it is.
pub(crate) async fn look_up(
    session: &Session,
    wanted: impl Fn(&State) -> bool,
) -> Result<LocalReplica, Failure> {
    download_with(session, wanted, LOOK_UP).await
}

/// The same, until the log holds what a server has acknowledged.
pub(crate) async fn download_until(
    session: &Session,
    missing: &str,
    wanted: impl Fn(&State) -> bool,
) -> Result<LocalReplica, Failure> {
    let replica = download_with(session, &wanted, PATIENCE).await?;
    if wanted(replica.state()) {
        return Ok(replica);
    }
    Err(not_in_log(missing))
}

/// The log lacks what a server has acknowledged.
pub(crate) fn not_in_log(missing: &str) -> Failure {
    Failure::new(Exit::Unavailable, "NOT_IN_LOG", missing)
        .next("run `holdfast status`: too few nodes may be up to cosign it")
}

async fn download_with(
    session: &Session,
    wanted: impl Fn(&State) -> bool,
    patience: Duration,
) -> Result<LocalReplica, Failure> {
    let replayed = Replayed::new(session, Interest::Everything, None)?;
    read_for(session, replayed, patience, |replayed, _| Ok(replayed.state().is_some_and(&wanted))).await
}

/// Reads the log again and again, until somebody who sees each verified state with its checkpoint has enough, or patience ends.
pub(crate) async fn read_until(
    session: &Session,
    replayed: Replayed<'_>,
    mut enough: impl FnMut(&History, &[u8]) -> Result<bool, Failure>,
) -> Result<LocalReplica, Failure> {
    read_for(session, replayed, PATIENCE, |replayed, note| {
        replayed.history().map_or(Ok(false), |history| enough(history, note))
    })
    .await
}

/// The same for somebody who wants to see more of the replay than its state.
pub(crate) async fn read_seeing(
    session: &Session,
    replayed: Replayed<'_>,
    enough: impl FnMut(&Replayed<'_>, &[u8]) -> Result<bool, Failure>,
) -> Result<LocalReplica, Failure> {
    read_for(session, replayed, PATIENCE, enough).await
}

async fn read_for(
    session: &Session,
    mut replayed: Replayed<'_>,
    patience: Duration,
    mut enough: impl FnMut(&Replayed<'_>, &[u8]) -> Result<bool, Failure>,
) -> Result<LocalReplica, Failure> {
    let reading = |failure: Failure| failure.during("reading the log");
    let mut live = Live::connect(session).await?;
    let begun = Instant::now();
    loop {
        let note = live.read(&mut replayed).await.map_err(reading)?;
        let done = enough(&replayed, &note)?;
        if done || begun.elapsed() >= patience {
            let replica = LocalReplica::of(replayed.into_history().map_err(reading)?, &note)?;
            live::remember(session, &note, replica.state())?;
            return Ok(replica);
        }
        sleep(RETRY_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
