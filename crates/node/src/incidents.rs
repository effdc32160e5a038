//! What this node refused: in the log output, as a metric, and in a bounded durable table.
//!
//! Owns the record of refusals. It must never hold up a refusal, grow without bound, or decide anything.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use holdfast_policy::TimestampMs;
use holdfast_store::{Batch, StoreError, StoreHandle};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::config::NodeConfig;
use crate::tables::{self, INCIDENTS};

/// Refusals kept of each reason code, so that a flood of one does not push the others out; codes are few.
const MAX_OF_A_CODE: usize = 64;
/// Records read at a time.
const PAGE: usize = 256;
/// Refusals that wait for the disk; further ones are only logged and counted.
const QUEUE: usize = 256;
const MAX_TEXT_CHARS: usize = 512;
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// A refusal worth keeping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incident {
    /// By this node's clock.
    pub(crate) time_ms: TimestampMs,
    /// Stable reason code.
    pub(crate) code: String,
    /// What was asked for: a withdrawal, a ceremony, `replication`.
    pub(crate) subject: String,
    /// In words.
    pub(crate) detail: String,
}

/// Takes refusals.
#[derive(Clone)]
pub(crate) struct Incidents {
    queue: mpsc::Sender<Job>,
}

/// What the writing task is asked.
enum Job {
    Write(Incident),
    /// Answered once everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl Incidents {
    /// Starts the task that writes; it ends when every clone is dropped.
    pub(crate) fn start(store: StoreHandle) -> Self {
        let (queue, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(store, incoming));
        Self { queue }
    }

    /// Records a refusal. Returns at once.
    pub(crate) fn record(
        &self,
        time_ms: TimestampMs,
        code: &'static str,
        subject: &str,
        detail: &dyn fmt::Display,
    ) {
        let bounded = |text: String| text.chars().take(MAX_TEXT_CHARS).collect::<String>();
        let (subject, detail) = (bounded(subject.to_owned()), bounded(detail.to_string()));
        tracing::warn!(code, subject, detail, "refused");
        metrics::counter!("holdfast_node_refusals_total", "code" => code).increment(1);
        let incident = Incident { time_ms, code: code.to_owned(), subject, detail };
        if self.queue.try_send(Job::Write(incident)).is_err() {
            metrics::counter!("holdfast_node_incidents_dropped_total").increment(1);
        }
    }

    /// Waits, not for long, until everything recorded so far is written: before the store is closed.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Job::Flush(done)).await.is_ok() {
            // A writer that does not come to it has failed, and has said so.
            let _ = tokio::time::timeout(FLUSH_LIMIT, written).await;
        }
    }
}

/// What the store of a node that is stopped remembers as refused, oldest first, one JSON object a line. Changes nothing.
///
/// Blocks.
///
/// # Errors
/// [`StoreError`]; a running node has its store open, and shows its incidents in its log output and its metrics.
pub fn list_incidents(config: &NodeConfig) -> Result<Vec<String>, StoreError> {
    let store = StoreHandle::open(&config.store_config(), &tables::ALL)?;
    let (mut lines, mut from) = (Vec::new(), 0u64);
    loop {
        let page = store.scan(INCIDENTS, &from.to_be_bytes(), PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = sequence_of(last).saturating_add(1);
        lines.extend(page.iter().map(|(_, record)| String::from_utf8_lossy(record).into_owned()));
    }
    store.close_blocking()?;
    Ok(lines)
}

async fn write_all(store: StoreHandle, mut incoming: mpsc::Receiver<Job>) {
    let mut rings = match Rings::load(&store) {
        Ok(rings) => rings,
        Err(error) => {
            tracing::error!(code = error.reason(), "incidents cannot be read and are not stored");
            return;
        }
    };
    while let Some(job) = incoming.recv().await {
        let incident = match job {
            Job::Write(incident) => incident,
            Job::Flush(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                continue;
            }
        };
        let Ok(value) = serde_json::to_vec(&incident) else { continue };
        let (sequence, forgotten) = rings.place(incident.code);
        let batch = Batch::new().put(INCIDENTS, sequence.to_be_bytes(), value);
        let batch =
            forgotten.into_iter().fold(batch, |batch, old| batch.delete(INCIDENTS, old.to_be_bytes()));
        if let Err(error) = store.commit(batch).await {
            tracing::error!(code = error.reason(), "an incident was not stored");
            return;
        }
    }
}

/// The sequences of what is stored, by reason code, oldest first.
#[derive(Debug, Default)]
struct Rings {
    next: u64,
    by_code: BTreeMap<String, VecDeque<u64>>,
}

impl Rings {
    fn load(store: &StoreHandle) -> Result<Self, StoreError> {
        let mut rings = Self::default();
        loop {
            let page = store.scan(INCIDENTS, &rings.next.to_be_bytes(), PAGE)?;
            if page.is_empty() {
                return Ok(rings);
            }
            for (key, value) in page {
                let sequence = sequence_of(&key);
                // What does not read has a ring of its own.
                let code = serde_json::from_slice::<Incident>(&value).map(|incident| incident.code);
                rings.by_code.entry(code.unwrap_or_default()).or_default().push_back(sequence);
                rings.next = sequence.saturating_add(1);
            }
        }
    }

    /// A sequence for one more incident, and which ones make room for it: more than one only if more were kept before.
    fn place(&mut self, code: String) -> (u64, Vec<u64>) {
        let sequence = self.next;
        self.next = sequence.saturating_add(1);
        let ring = self.by_code.entry(code).or_default();
        ring.push_back(sequence);
        let excess = ring.len().saturating_sub(MAX_OF_A_CODE);
        (sequence, ring.drain(..excess).collect())
    }
}

fn sequence_of(key: &[u8]) -> u64 {
    key.try_into().map(u64::from_be_bytes).unwrap_or_default()
}

impl fmt::Debug for Incidents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incidents").field("room", &self.queue.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use holdfast_store::StoreConfig;

    use super::*;

    fn kept(store: &StoreHandle) -> Vec<Incident> {
        let records = store.scan(INCIDENTS, &[], 10_000).unwrap();
        records.iter().map(|(_, value)| serde_json::from_slice(value).unwrap()).collect()
    }

    /// However slow the disk is.
    async fn written(incidents: &Incidents) {
        let (done, written) = oneshot::channel();
        incidents.queue.send(Job::Flush(done)).await.ok().unwrap();
        written.await.unwrap();
    }

    #[tokio::test]
    async fn flood_of_one_code_makes_room_among_its_own_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let store =
            StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap();
        // Given a refusal that matters, and one with a long text
        let incidents = Incidents::start(store.clone());
        incidents.record(TimestampMs(1), "FORK_DETECTED", "replication", &"evidence");
        incidents.record(TimestampMs(2), "ROOT_MISMATCH", "replication", &"x".repeat(10_000));
        written(&incidents).await;
        // When another one is repeated more often than is kept, before and after a restart
        for start in [10, 1_000] {
            let incidents = Incidents::start(store.clone());
            for number in 0..100 {
                incidents.record(TimestampMs(start + number), "SIGNER_UNKNOWN", "statement", &"again");
            }
            written(&incidents).await;
        }
        // Then it has pushed out only its own
        let kept = kept(&store);
        let codes: Vec<&str> = kept.iter().take(2).map(|incident| incident.code.as_str()).collect();
        assert_eq!(codes, ["FORK_DETECTED", "ROOT_MISMATCH"]);
        assert_eq!(kept[1].detail.len(), MAX_TEXT_CHARS);
        let repeated: Vec<u64> = kept[2..].iter().map(|incident| incident.time_ms.0).collect();
        assert_eq!(repeated, (1_036..1_100).collect::<Vec<u64>>());
    }

    #[tokio::test]
    async fn table_of_an_earlier_version_shrinks_to_its_rings() {
        let directory = tempfile::tempdir().unwrap();
        let store =
            StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap();
        let full = (1..=1_000u64).fold(Batch::new(), |batch, sequence| {
            let incident = Incident {
                time_ms: TimestampMs(sequence),
                code: "ROOT_MISMATCH".to_owned(),
                subject: String::new(),
                detail: String::new(),
            };
            batch.put(INCIDENTS, sequence.to_be_bytes(), serde_json::to_vec(&incident).unwrap())
        });
        store.commit(full).await.unwrap();
        let incidents = Incidents::start(store.clone());
        incidents.record(TimestampMs(1_001), "ROOT_MISMATCH", "replication", &"one more");
        written(&incidents).await;
        let times: Vec<u64> = kept(&store).iter().map(|incident| incident.time_ms.0).collect();
        assert_eq!(times, (938..=1_001).collect::<Vec<u64>>());
    }
}
