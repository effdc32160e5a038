//! The live log as a stream: entries go one by one to whoever wants them and are not kept, so that a log of any length is read
//! in little memory.
//!
//! INVARIANT (G7): nothing that is read here is believed before the checkpoint that ends it is verified, under the keys that its own
//! entries put in force. What a reader makes of the entries on the way counts only then.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_audit::{Event, Finding, Heads, History, Interest, LogKeys};
use holdfast_ledger::State;
use holdfast_log::{Entry, Hash, SignedCheckpoint};
use holdfast_policy::PolicyDocument;
use holdfast_proto::v1;
use holdfast_proto::v1::log_service_client::LogServiceClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::known;
use crate::profile::Who;
use crate::session::Session;

/// The newest checkpoint that this profile has verified.
const SEEN_FILE: &str = "seen.checkpoint";
const RETRY_EVERY: Duration = Duration::from_millis(150);
/// How long cosignatures may take to follow an entry.
const PATIENCE: Duration = Duration::from_secs(15);
/// Below this many entries a bar would only flicker.
const BAR_FROM: u64 = 2_000;

/// Who takes the entries.
pub(crate) trait Sink {
    /// The next entry, the first one included.
    fn push(&mut self, entry: &Entry) -> Result<(), Failure>;
    /// Entries taken so far.
    fn size(&self) -> u64;
    /// Whether a checkpoint of exactly these entries is signed by whom it must be.
    fn check(&self, note: &[u8]) -> Result<(), Finding>;
}

/// A connection to the log.
pub(crate) struct Live<'a> {
    session: &'a Session,
    client: LogServiceClient<Channel>,
}

impl<'a> Live<'a> {
    pub(crate) async fn connect(session: &'a Session) -> Result<Self, Failure> {
        let reader: Who = session.profile.reader()?;
        let client = LogServiceClient::new(session.coordinator(&reader).await?);
        Ok(Self { session, client })
    }

    /// The newest checkpoint, as the coordinator shows it.
    pub(crate) async fn note(&mut self) -> Result<Vec<u8>, Failure> {
        Ok(self.client.checkpoint(v1::CheckpointRequest {}).await?.into_inner().note)
    }

    /// Reads up to the newest checkpoint with enough cosignatures, and verifies it. Returns it.
    pub(crate) async fn read(&mut self, sink: &mut dyn Sink) -> Result<Vec<u8>, Failure> {
        let begun = Instant::now();
        loop {
            let note = self.note().await?;
            self.read_to(claimed_size(&note)?, sink).await?;
            match sink.check(&note) {
                Ok(()) => return Ok(note),
                // Cosignatures follow an entry by a moment.
                Err(finding) if finding.rule() == "COSIGNATURES_MISSING" && begun.elapsed() < PATIENCE => {
                    sleep(RETRY_EVERY).await;
                }
                Err(finding) => return Err(finding.into()),
            }
        }
    }

    /// Reads entries until there are so many.
    pub(crate) async fn read_to(&mut self, size: u64, sink: &mut dyn Sink) -> Result<(), Failure> {
        let missing = size.saturating_sub(sink.size());
        let bar = (missing >= BAR_FROM).then(|| self.session.output.bar(missing, "reading the log"));
        while sink.size() < size {
            let start = sink.size();
            let request = v1::EntriesRequest { start, limit: size.saturating_sub(start) };
            let mut stream = self.client.entries(request).await?.into_inner();
            while let Some(received) = stream.message().await? {
                if received.index != sink.size() || sink.size() >= size {
                    return Err(Failure::verification(
                        "ENTRIES_OUT_OF_ORDER",
                        "the coordinator sent entries out of order",
                    ));
                }
                sink.push(&parse(&received)?)?;
                if let Some(bar) = &bar {
                    bar.inc(1);
                }
            }
            if sink.size() == start {
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
        Ok(())
    }
}

fn parse(received: &v1::Entry) -> Result<Entry, Failure> {
    Entry::parse(&received.entry)
        .map_err(|error| Failure::verification(error.code(), format!("entry {}: {error}", received.index)))
}

/// How many entries a checkpoint says there are. Not verified: the entries that make it up are, one by one.
pub(crate) fn claimed_size(note: &[u8]) -> Result<u64, Failure> {
    let signed = SignedCheckpoint::parse(note)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))?;
    Ok(signed.claimed().size)
}

/// What this profile has seen: the log must continue it.
pub(crate) fn seen(session: &Session) -> Result<Heads, Failure> {
    let mut heads = Heads::none();
    let path = seen_path(session);
    if path.exists() {
        heads.add(&files::read(&path)?).map_err(|finding| {
            Failure::new(Exit::Usage, finding.rule(), format!("`{}`: {finding}", path.display()))
                .next("the file is damaged or of another cluster: move it away")
        })?;
    }
    Ok(heads)
}

/// Keeps a checkpoint that was verified, and the wallets and rosters of the state that it is of: whatever command read the log,
/// this machine has learnt which keys are in force.
pub(crate) fn remember(session: &Session, note: &[u8], state: &State) -> Result<(), Failure> {
    known::remember(&session.profile, state)?;
    files::write(&seen_path(session), note)
}

fn seen_path(session: &Session) -> PathBuf {
    session.profile.directory.join(SEEN_FILE)
}

/// A sink that replays and shows every entry to somebody.
pub(crate) struct Replayed<'a> {
    pinned: [u8; 32],
    interest: Interest,
    history: Option<History>,
    heads: Heads,
    marks: BTreeMap<u64, Option<Hash>>,
    suppose: Option<Arc<PolicyDocument>>,
    watch: Option<&'a mut dyn FnMut(&Event<'_>)>,
}

impl<'a> Replayed<'a> {
    pub(crate) fn new(
        session: &Session,
        interest: Interest,
        watch: Option<&'a mut dyn FnMut(&Event<'_>)>,
    ) -> Result<Self, Failure> {
        let (pinned, heads) = (session.profile.genesis_sha256, seen(session)?);
        Ok(Self { pinned, interest, history: None, heads, marks: BTreeMap::new(), suppose: None, watch })
    }

    /// With another policy document counted and asked beside those in force.
    #[must_use]
    pub(crate) fn supposing(self, suppose: Option<Arc<PolicyDocument>>) -> Self {
        Self { suppose, ..self }
    }

    /// Notes the log's root at these sizes.
    #[must_use]
    pub(crate) fn marking(self, sizes: impl Iterator<Item = u64>) -> Self {
        Self { marks: sizes.map(|size| (size, None)).collect(), ..self }
    }

    /// The log's root at a size that was to be noted and was reached.
    pub(crate) fn mark(&self, size: u64) -> Option<Hash> {
        self.marks.get(&size).copied().flatten()
    }

    /// The state so far, once there is any.
    pub(crate) fn state(&self) -> Option<&State> {
        self.history.as_ref().map(History::state)
    }

    /// The replay so far, once there is any.
    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Whether the log, as far as it was read, is as long as what this profile has seen.
    pub(crate) fn check_end(&self) -> Result<(), Failure> {
        let Some(history) = &self.history else { return Ok(()) };
        self.heads.clone().finish(history.replica()).map(drop).map_err(rolled_back)
    }

    /// The replay, at the end of what was verified: the log must not be shorter than what this profile has seen.
    pub(crate) fn into_history(self) -> Result<History, Failure> {
        let history = self
            .history
            .ok_or_else(|| Failure::verification("LOG_EMPTY", "the coordinator shows an empty log"))?;
        self.heads.finish(history.replica()).map_err(rolled_back)?;
        Ok(history)
    }
}

impl Sink for Replayed<'_> {
    fn push(&mut self, entry: &Entry) -> Result<(), Failure> {
        let history = match self.history.as_mut() {
            Some(history) => {
                match &mut self.watch {
                    Some(watch) => history.append_watched(entry, watch)?,
                    None => history.append(entry)?,
                };
                history
            }
            None => {
                let history = History::begin_with(entry, &self.pinned, self.interest)?;
                self.history.insert(history.supposing(self.suppose.as_ref()))
            }
        };
        if let Some(mark) = self.marks.get_mut(&history.replica().size()) {
            *mark = Some(history.replica().root());
        }
        self.heads.check(history.replica()).map_err(forked)
    }

    fn size(&self) -> u64 {
        self.history.as_ref().map_or(0, |history| history.replica().size())
    }

    fn check(&self, note: &[u8]) -> Result<(), Finding> {
        let history = self.history.as_ref();
        history.map_or(Ok(()), |history| check_note(history, note))
    }
}

/// Whether a checkpoint is of exactly what was replayed, and signed as its own entries say.
pub(crate) fn check_note(history: &History, note: &[u8]) -> Result<(), Finding> {
    LogKeys::of(history.state().roster())?.verify_replica(note, history.replica()).map(drop)
}

fn rolled_back(finding: Finding) -> Failure {
    Failure::verification("LOG_ROLLED_BACK", finding.detail())
        .next("the coordinator lost or withholds the log's end: ask its operator, sign nothing until then")
}

fn forked(finding: Finding) -> Failure {
    let failure = Failure::from(finding);
    if failure.reason() != "LOG_FORKED" {
        return failure;
    }
    failure.next(format!(
        "keep `{SEEN_FILE}` and the output of `holdfast audit export`: together they are the proof"
    ))
}
