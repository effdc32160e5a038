//! A log as somebody else holds it, verified: replayed entry by entry, its end signed by the key that is in force there.

use holdfast_ledger::{Replica, ReplicaError};
use holdfast_log::{CheckpointError, Entry, EntryError, Hash, MemoryTree, SignedCheckpoint, TreeError};

use super::Stand;
use crate::log_book::{KeyHistory, LogBook, LogBookError, LogFailed};
use crate::nodes::{CallError, NodeEntries};

/// A log that was verified. Entries are not kept, only their hashes: a log may be larger than memory.
#[derive(Debug)]
pub(super) struct Verified {
    replica: Replica,
    tree: MemoryTree,
    history: KeyHistory,
    checkpoint: Option<SignedCheckpoint>,
    // Of the entries that were copied, the first of which has this index.
    copied_from: u64,
    leaf_hashes: Vec<Hash>,
}

/// Why a node's log is not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Call(CallError),
    #[error("the node's checkpoint is of {found} entries, it holds {expected}")]
    NoCheckpoint { expected: u64, found: u64 },
    #[error("the node has no entry {index}, though its checkpoint covers it")]
    Missing { index: u64 },
    #[error("entry {index} does not read")]
    Entry { index: u64, source: EntryError },
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("the entries do not lead to the checkpoint's root")]
    OtherRoot,
    #[error("the checkpoint is not signed by the log key in force at its size")]
    Signature(#[from] CheckpointError),
    #[error("entry {index} is another one than before")]
    Changed { index: u64 },
    #[error(transparent)]
    Log(#[from] LogBookError),
}

impl CopyError {
    /// Whether the node served what cannot be, as opposed to being away or busy.
    pub(super) fn is_lie(&self) -> bool {
        match self {
            Self::Call(error) => !error.is_silence(),
            Self::Log(_) => false,
            Self::NoCheckpoint { .. }
            | Self::Missing { .. }
            | Self::Entry { .. }
            | Self::Replica(_)
            | Self::Tree(_)
            | Self::OtherRoot
            | Self::Signature(_)
            | Self::Changed { .. } => true,
        }
    }
}

impl Verified {
    /// The coordinator's own log, verified when it was opened.
    pub(super) async fn own(book: &LogBook) -> Result<Self, LogFailed> {
        let reader = book.read().await?;
        Ok(Self {
            replica: reader.replica().clone(),
            tree: reader.tree().clone(),
            history: reader.key_history().clone(),
            checkpoint: None,
            copied_from: reader.size(),
            leaf_hashes: Vec::new(),
        })
    }

    /// The log that holds the genesis entry only.
    pub(super) async fn begun(book: &LogBook) -> Result<Self, LogBookError> {
        let (replica, leaf_hash) = book.begun().await?;
        let mut history = KeyHistory::default();
        history.note(replica.size(), replica.state().roster().coordinator().log_key);
        let tree = MemoryTree::from_leaf_hashes([leaf_hash])?;
        Ok(Self { replica, tree, history, checkpoint: None, copied_from: 1, leaf_hashes: Vec::new() })
    }

    pub(super) fn size(&self) -> u64 {
        self.replica.size()
    }

    /// The root at a size, if the log is that long.
    pub(super) fn root_at(&self, size: u64) -> Option<Hash> {
        self.tree.root_at(size).ok()
    }

    /// What signed its end; the checkpoint of a log that was copied.
    pub(super) fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// Whether a note shows that a key of this log signed another one.
    pub(super) fn contradicts(&self, note: &SignedCheckpoint) -> bool {
        let stated = note.claimed();
        self.root_at(stated.size).is_some_and(|root| root != stated.root)
            && self.history.all(&stated.origin).any(|key| note.verify(&key).is_ok())
    }

    /// This log with everything that the node holds after it.
    // INVARIANT (G1, G7): every entry is authentic by replay, and the key that the log itself has in force at its end signed
    // exactly these entries in this order: a node, or all of them, can withhold the end and add nothing.
    pub(super) async fn continued_by(&self, stand: &Stand, book: &LogBook) -> Result<Self, CopyError> {
        let mut log = Self {
            replica: self.replica.clone(),
            tree: self.tree.clone(),
            history: self.history.clone(),
            checkpoint: None,
            copied_from: self.size(),
            leaf_hashes: Vec::new(),
        };
        let mut target = None;
        while target.is_none_or(|target| log.size() < target) {
            let NodeEntries { entries, checkpoint } = stand.link.client().entries(log.size()).await?;
            // The checkpoint of the first answer is the aim: a node that goes on growing is not run after.
            if target.is_none() {
                let found = checkpoint.claimed().size;
                if found <= log.size() {
                    return Err(CopyError::NoCheckpoint { expected: stand.size, found });
                }
                target = Some(found);
                log.checkpoint = Some(checkpoint);
            }
            if entries.is_empty() {
                return Err(CopyError::Missing { index: log.size() });
            }
            log = tokio::task::spawn_blocking(move || log.append(entries, target.unwrap_or_default()))
                .await
                .map_err(|_| LogBookError::from(LogFailed))??;
        }
        log.check_end(book)?;
        Ok(log)
    }

    fn append(mut self, entries: Vec<Vec<u8>>, target: u64) -> Result<Self, CopyError> {
        for bytes in entries {
            let index = self.size();
            if index >= target {
                break;
            }
            let entry = Entry::parse(&bytes).map_err(|source| CopyError::Entry { index, source })?;
            self.replica.append(&entry)?;
            self.tree.append(entry.leaf_hash())?;
            self.leaf_hashes.push(entry.leaf_hash());
            self.history.note(self.size(), self.replica.state().roster().coordinator().log_key);
        }
        Ok(self)
    }

    fn check_end(&self, book: &LogBook) -> Result<(), CopyError> {
        let Some(signed) = &self.checkpoint else { return Err(CopyError::OtherRoot) };
        let stated = signed.claimed();
        if stated.size != self.size() || stated.root != self.replica.root() {
            return Err(CopyError::OtherRoot);
        }
        let size = self.size();
        let key = self.history.verifier_at(size, book.origin()).ok_or(LogBookError::NoLogKey { size })?;
        signed.verify(&key)?;
        Ok(())
    }

    /// The node's entries from this index on once more: the very same ones.
    pub(super) async fn entries_again(&self, stand: &Stand, from: u64) -> Result<Vec<Entry>, CopyError> {
        let served = stand.link.client().entries(from).await?.entries;
        if served.is_empty() {
            return Err(CopyError::Missing { index: from });
        }
        let position = usize::try_from(from.saturating_sub(self.copied_from)).unwrap_or(usize::MAX);
        let expected = self.leaf_hashes.iter().skip(position);
        let same = |((index, bytes), expected): ((u64, Vec<u8>), &Hash)| {
            let entry = Entry::parse(&bytes).map_err(|source| CopyError::Entry { index, source })?;
            if entry.leaf_hash() == *expected { Ok(entry) } else { Err(CopyError::Changed { index }) }
        };
        (from..).zip(served).zip(expected).map(same).collect()
    }
}
