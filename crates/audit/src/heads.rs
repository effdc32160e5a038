//! Earlier checkpoints that a log must continue: those a witness kept, those an earlier export ended with.
//!
//! Each is checked on the way, when the replay has exactly as many entries: against the replay's own root, and against the keys
//! that were in force then.

use std::collections::BTreeMap;

use holdfast_ledger::Replica;
use holdfast_log::SignedCheckpoint;

use crate::finding::Finding;
use crate::keys::LogKeys;

/// Checkpoints that wait for the replay to reach their size.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    waiting: BTreeMap<u64, Vec<SignedCheckpoint>>,
    passed: Vec<u64>,
}

impl Heads {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a checkpoint: a signed note.
    ///
    /// # Errors
    /// A [`Finding`] if it is not one.
    pub fn add(&mut self, note: &[u8]) -> Result<(), Finding> {
        let signed = SignedCheckpoint::parse(note)?;
        self.waiting.entry(signed.claimed().size).or_default().push(signed);
        Ok(())
    }

    /// Sizes of those that the log was found to continue, in order.
    pub fn passed(&self) -> &[u64] {
        &self.passed
    }

    /// To be called after every entry.
    ///
    /// # Errors
    /// A [`Finding`] with rule `LOG_FORKED` if both were signed and cannot be of one log.
    pub fn check(&mut self, replica: &Replica) -> Result<(), Finding> {
        let size = replica.size();
        let Some(heads) = self.waiting.remove(&size) else { return Ok(()) };
        let keys = LogKeys::of(replica.state().roster())?;
        for head in heads {
            let stated = head.verify(keys.log())?;
            head.cosignatures(keys.cosigners())?;
            if stated.root != replica.root() {
                let since = self.passed.last().copied().unwrap_or(0);
                let detail = format!(
                    "the log's key signed two histories of {size} entries: both checkpoints are the proof, keep them"
                );
                return Err(Finding::new("LOG_FORKED", detail)
                    .within(since, size)
                    .differs(replica.root().to_hex(), stated.root.to_hex()));
            }
        }
        self.passed.push(size);
        Ok(())
    }

    /// To be called at the end.
    ///
    /// # Errors
    /// A [`Finding`] with rule `LOG_CUT_OFF` if the log was longer once.
    pub fn finish(self, replica: &Replica) -> Result<Vec<u64>, Finding> {
        let Some((size, heads)) = self.waiting.last_key_value() else { return Ok(self.passed) };
        let size = *size;
        // Keys may have changed in the missing tail: who signed it is said, but not known for certain.
        let keys = LogKeys::of(replica.state().roster())?;
        let known = heads.iter().any(|head| head.verify(keys.log()).is_ok());
        let by = if known { "signed by this log's key" } else { "by a key that this log does not know" };
        let detail = format!("there is a checkpoint of {size} entries, {by}; this log ends earlier");
        Err(Finding::new("LOG_CUT_OFF", detail).within(replica.size(), size))
    }
}
