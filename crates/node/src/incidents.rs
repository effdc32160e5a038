//! What this node refused: in the log output, as a metric, and in a bounded durable table.
//!
//! Owns the record of refusals. It must never hold up a refusal, grow without bound, or decide anything.

use std::fmt;
use std::time::Duration;

use holdfast_policy::TimestampMs;
use holdfast_store::{Batch, StoreHandle};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::tables::INCIDENTS;

/// Refusals kept.
const MAX_INCIDENTS: u64 = 1_000;
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

async fn write_all(store: StoreHandle, mut incoming: mpsc::Receiver<Job>) {
    let mut next = match store.last(INCIDENTS) {
        Ok(last) => last.map_or(0, |(key, _)| sequence_of(&key).saturating_add(1)),
        Err(_) => return,
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
        let mut batch = Batch::new().put(INCIDENTS, next.to_be_bytes(), value);
        if let Some(oldest) = next.checked_sub(MAX_INCIDENTS) {
            batch = batch.delete(INCIDENTS, oldest.to_be_bytes());
        }
        if let Err(error) = store.commit(batch).await {
            tracing::error!(code = error.reason(), "an incident was not stored");
            return;
        }
        next = next.saturating_add(1);
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
    use crate::tables;

    #[tokio::test]
    async fn oldest_incident_makes_room_and_texts_are_cut() {
        let directory = tempfile::tempdir().unwrap();
        let store =
            StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap();
        // Given a table that is full, the last record having sequence 1,000
        let full = (1..=MAX_INCIDENTS).fold(Batch::new(), |b, i| b.put(INCIDENTS, i.to_be_bytes(), "{}"));
        store.commit(full).await.unwrap();
        // When one more refusal is recorded
        let incidents = Incidents::start(store.clone());
        incidents.record(TimestampMs(7), "ROOT_MISMATCH", "replication", &"x".repeat(10_000));
        let last = MAX_INCIDENTS + 1;
        incidents.flush().await;
        // Then it is there, bounded, and the oldest is gone
        let value = store.read(INCIDENTS, &last.to_be_bytes()).unwrap().unwrap();
        let kept: Incident = serde_json::from_slice(&value).unwrap();
        assert_eq!((kept.code.as_str(), kept.detail.len()), ("ROOT_MISMATCH", MAX_TEXT_CHARS));
        let all = store.scan(INCIDENTS, &[], 10_000).unwrap();
        assert_eq!((all.len(), sequence_of(&all[0].0)), (1_000, 2));
    }
}
