//! The local replica: the log, downloaded, verified against the pinned genesis and replayed on this machine.
//!
//! INVARIANT (G2): what an officer signs is generated from this state. The coordinator's own words about its state are not
//! used: it can only withhold the log's end, which the t-th newest cosignature's age bounds.

use std::time::Duration;

use holdfast_audit::{History, LogKeys};
use holdfast_ledger::{State, Statement};
use holdfast_log::{Checkpoint, Entry, SignedCheckpoint, VerifiedCosignature};
use holdfast_policy::TimestampMs;
use holdfast_proto::v1;
use holdfast_proto::v1::log_service_client::LogServiceClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::known;
use crate::profile::{Profile, Who};
use crate::session::Session;
use crate::statement::Describes;

/// The newest checkpoint that this profile has verified: a log that is behind it or contradicts it is refused.
const SEEN_FILE: &str = "seen.checkpoint";
const RETRY_EVERY: Duration = Duration::from_millis(150);
/// How long a log may lack what was just acknowledged, or cosignatures.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to look for what somebody names: it may be logged and not cosigned yet, or not exist at all.
const LOOK_UP: Duration = Duration::from_secs(3);
/// Below this many entries a bar would only flicker.
const BAR_FROM: u64 = 200;
/// Nodes cosign every few seconds, entries or not: after this long somebody withholds or is down.
const STALE_AFTER_MS: u64 = 5 * 60 * 1000;

/// A verified log.
pub(crate) struct LocalReplica {
    pub(crate) history: History,
    pub(crate) entries: Vec<Entry>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Vec<u8>,
    pub(crate) cosigned: Vec<VerifiedCosignature>,
    /// Up to when t nodes vouch for this being the whole log.
    pub(crate) witnessed: TimestampMs,
}

impl LocalReplica {
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
    Err(Failure::new(Exit::Unavailable, "NOT_IN_LOG", missing)
        .next("run `holdfast status`: too few nodes may be up to cosign it"))
}

async fn download_with(
    session: &Session,
    wanted: impl Fn(&State) -> bool,
    patience: Duration,
) -> Result<LocalReplica, Failure> {
    let reader: Who = session.profile.reader()?;
    let mut client = LogServiceClient::new(session.coordinator(&reader).await?);
    let begun = Instant::now();
    loop {
        match attempt(session, &mut client).await {
            Ok(replica) if wanted(replica.state()) || begun.elapsed() >= patience => {
                remember(&session.profile, &replica)?;
                return Ok(replica);
            }
            Ok(_) => {}
            // Cosignatures follow an entry by a moment.
            Err(failure) if failure.reason() == "COSIGNATURES_MISSING" && begun.elapsed() < PATIENCE => {}
            Err(failure) => return Err(failure.during("reading the log")),
        }
        sleep(RETRY_EVERY).await;
    }
}

async fn attempt(session: &Session, client: &mut LogServiceClient<Channel>) -> Result<LocalReplica, Failure> {
    let note = client.checkpoint(v1::CheckpointRequest {}).await?.into_inner().note;
    // Only a checkpoint that log and nodes signed says how much there is to download.
    let size = checked(session, &note)?.1.size;
    let entries = entries(session, client, size).await?;
    verified(session, note, entries)
}

type Checked = (LogKeys, Checkpoint, Vec<VerifiedCosignature>);

fn checked(session: &Session, note: &[u8]) -> Result<Checked, Failure> {
    let signed = SignedCheckpoint::parse(note)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    let keys = LogKeys::of(&session.genesis.roster)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    let (checkpoint, cosigned) = keys.verify(&signed)?;
    Ok((keys, checkpoint, cosigned))
}

/// A download, if its entries are what its checkpoint states.
fn verified(session: &Session, note: Vec<u8>, entries: Vec<Entry>) -> Result<LocalReplica, Failure> {
    let (keys, checkpoint, cosigned) = checked(session, &note)?;
    let history = replay(&session.profile, &entries, &keys)?;
    if history.replica().root() != checkpoint.root {
        return Err(Failure::verification(
            "ROOT_MISMATCH",
            "the entries do not give the root that log and nodes signed",
        )
        .next("keep the output of `holdfast audit export`, and ask the nodes' operators"));
    }
    let witnessed = TimestampMs(keys.witnessed_s(&cosigned).saturating_mul(1000));
    Ok(LocalReplica { history, entries, checkpoint, note, cosigned, witnessed })
}

async fn entries(
    session: &Session,
    client: &mut LogServiceClient<Channel>,
    size: u64,
) -> Result<Vec<Entry>, Failure> {
    let bar = (size >= BAR_FROM).then(|| session.output.bar(size, "downloading the log"));
    let mut entries = Vec::new();
    while count(&entries) < size {
        let start = count(&entries);
        let limit = size.saturating_sub(start);
        let mut stream = client.entries(v1::EntriesRequest { start, limit }).await?.into_inner();
        while let Some(received) = stream.message().await? {
            if received.index != count(&entries) || count(&entries) >= size {
                return Err(Failure::verification(
                    "ENTRIES_OUT_OF_ORDER",
                    "the coordinator sent entries out of order",
                ));
            }
            let entry = Entry::parse(&received.entry)
                .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
            entries.push(entry);
            if let Some(bar) = &bar {
                bar.inc(1);
            }
        }
        if count(&entries) == start {
            return Err(Failure::new(
                Exit::Unavailable,
                "LOG_INCOMPLETE",
                "the coordinator holds back entries",
            ));
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(entries)
}

/// Replays, and checks on the way that the log continues what this profile has seen.
fn replay(profile: &Profile, entries: &[Entry], keys: &LogKeys) -> Result<History, Failure> {
    let seen = seen(profile, keys)?;
    let (first, rest) = entries
        .split_first()
        .ok_or_else(|| Failure::verification("LOG_EMPTY", "the coordinator shows an empty log"))?;
    let mut history = History::begin(first, &profile.genesis_sha256)?;
    let check = |history: &History| match &seen {
        Some(seen) if seen.size == history.replica().size() && seen.root != history.replica().root() => {
            Err(forked(profile))
        }
        Some(_) | None => Ok(()),
    };
    check(&history)?;
    for entry in rest {
        history.append(entry)?;
        check(&history)?;
    }
    match seen {
        Some(seen) if seen.size > history.replica().size() => Err(Failure::verification(
            "LOG_ROLLED_BACK",
            format!(
                "this profile has seen {} entries, the coordinator shows {}",
                seen.size,
                history.replica().size()
            ),
        )
        .next("the coordinator lost or withholds the log's end: ask its operator, sign nothing until then")),
        Some(_) | None => Ok(history),
    }
}

fn forked(profile: &Profile) -> Failure {
    Failure::verification("LOG_FORKED", "the coordinator shows another history than it did before").next(
        format!(
            "keep `{}` and the output of `holdfast audit export`: together they are the proof",
            profile.directory.join(SEEN_FILE).display()
        ),
    )
}

fn seen(profile: &Profile, keys: &LogKeys) -> Result<Option<Checkpoint>, Failure> {
    let path = profile.directory.join(SEEN_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let parsed = SignedCheckpoint::parse(&files::read(&path)?).and_then(|signed| signed.verify(keys.log()));
    parsed.map(Some).map_err(|error| {
        Failure::new(Exit::Usage, error.code(), format!("`{}`: {error}", path.display()))
            .next("the file is damaged or of another cluster: move it away")
    })
}

fn remember(profile: &Profile, replica: &LocalReplica) -> Result<(), Failure> {
    files::write(&profile.directory.join(SEEN_FILE), &replica.note)?;
    known::remember(profile, replica.state())
}

fn count(entries: &[Entry]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
