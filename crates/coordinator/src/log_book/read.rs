//! Reading entries back from the store, always in bounded pieces.

use holdfast_log::{Entry, Envelope, SignedCheckpoint};
use holdfast_store::StoreError;

use super::schema::{ENTRIES, PAYLOADS, index_key, index_of, payload_key};
use super::{LogBook, LogBookError, LogFailed, evidence, same_payload};

/// Most entries of one chunk.
pub(crate) const CHUNK_ENTRIES: u64 = 512;
/// Most bytes of one chunk, but never less than one entry.
pub(crate) const CHUNK_BYTES: usize = 2 << 20;
/// Entries that are read at a time.
const PAGE: usize = 64;

/// A run of entries with the checkpoint of the tree that ends with them.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Index of the first entry.
    pub(crate) from: u64,
    /// The entries.
    pub(crate) entries: Vec<Vec<u8>>,
    /// The checkpoint, signed by the log's key.
    pub(crate) checkpoint: SignedCheckpoint,
    /// Cosigned checkpoints that were kept of sizes within this chunk, oldest first: when the log was how long.
    pub(crate) evidence: Vec<Vec<u8>>,
}

impl Chunk {
    /// Number of entries of the tree that ends with this chunk.
    pub(crate) fn end(&self) -> u64 {
        self.checkpoint.claimed().size
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// A record that has to be there is not, or is damaged.
    #[error("the stored record of entry {index} is missing or damaged")]
    Missing { index: u64 },
    /// No checkpoint can be made.
    #[error(transparent)]
    Checkpoint(#[from] LogBookError),
    /// The reading was interrupted.
    #[error("reading the store was interrupted")]
    Interrupted,
}

impl LogBook {
    /// One entry's bytes.
    pub(crate) fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        self.store.read(ENTRIES, &index_key(index))?.ok_or(ReadError::Missing { index })
    }

    /// Entries from `from` up to but without `to`, as many as one chunk may hold and at least one.
    pub(crate) async fn entries(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let store = self.store.clone();
        let to = to.min(from.saturating_add(CHUNK_ENTRIES));
        let reading = tokio::task::spawn_blocking(move || {
            let (mut entries, mut bytes) = (Vec::new(), 0_usize);
            let mut next = from;
            while next < to {
                let page = store.scan(ENTRIES, &index_key(next), PAGE)?;
                if page.is_empty() {
                    return Err(ReadError::Missing { index: next });
                }
                for (key, entry) in page {
                    bytes = bytes.saturating_add(entry.len());
                    if next >= to || (bytes > CHUNK_BYTES && !entries.is_empty()) {
                        return Ok(entries);
                    }
                    if index_of(&key) != Some(next) {
                        return Err(ReadError::Missing { index: next });
                    }
                    entries.push(entry);
                    next = next.saturating_add(1);
                }
            }
            Ok(entries)
        });
        reading.await.map_err(|_| ReadError::Interrupted)?
    }

    /// What a replica of `from` entries lacks of the first `to`, as much as one chunk may hold.
    pub(crate) async fn chunk(&self, from: u64, to: u64) -> Result<Chunk, ReadError> {
        let mut entries = if from < to { self.entries(from, to).await? } else { Vec::new() };
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let mut end = from.saturating_add(count);
        let kept = evidence::within(&self.store, from, end)?;
        if let Some(last) = kept.last().filter(|_| kept.len() >= evidence::MAX_SENT) {
            // The rest goes with the next run, with its own evidence.
            end = last.claimed().size;
        }
        let checkpoint = match self.read().await?.checkpoint_at(end) {
            // The key of that time is gone; a checkpoint that it signed may have been kept.
            Err(error @ LogBookError::NoLogKey { .. }) => kept.last().cloned().ok_or(error)?,
            other => other?,
        };
        let covered = checkpoint.claimed().size.saturating_sub(from);
        entries.truncate(usize::try_from(covered).unwrap_or(usize::MAX));
        let evidence = kept.iter().map(SignedCheckpoint::to_bytes).collect();
        Ok(Chunk { from, entries, checkpoint, evidence })
    }

    /// The first entry with exactly this type and payload, if there is one.
    pub(crate) fn position_of(&self, envelope: &Envelope) -> Result<Option<u64>, ReadError> {
        let Some(value) = self.store.read(PAYLOADS, &payload_key(envelope))? else { return Ok(None) };
        let Some(index) = index_of(&value) else { return Ok(None) };
        let entry = Entry::parse(&self.entry(index)?).map_err(|_| ReadError::Missing { index })?;
        Ok(same_payload(entry.envelope(), envelope).then_some(index))
    }
}
