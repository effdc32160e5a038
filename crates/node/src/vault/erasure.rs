//! The end of shares: those of an epoch that is over, and those of attempts that came to nothing.
//!
//! Owns what is dead and how its backups go. It must never count as dead what the log's wallet needs, or what an open ceremony
//! may still make active.

use std::fs::{self, File};
use std::io;

use holdfast_ledger::Wallet;
use holdfast_store::Batch;
use holdfast_transport::files;

use super::sealed_share::SealedShare;
use super::{Vault, VaultError, backup_of};
use crate::tables::{self, SHARES};

/// Far more chunks of records than one wallet ever has: attempts at a ceremony are few, and each is erased after it.
const MAX_CHUNKS: usize = 1_000;
/// Records that go at once; the next ones follow.
const MAX_AT_ONCE: usize = 64;

/// Which shares are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those before the wallet's epoch, and those of other attempts at this one.
    Replaced,
    /// Those of later epochs: no ceremony makes any.
    Unused,
}

/// Shares of a wallet's key that are of no use any more.
#[derive(Debug)]
pub(crate) struct Dead {
    /// Keys of their records.
    records: Vec<String>,
}

impl Vault {
    /// Dead shares of the wallet's key; none if everything here is needed.
    ///
    /// Blocks for the store.
    // INVARIANT (G8): nothing is dead before the active share, read from disk, opens and is the log's.
    // INVARIANT (G3): t shares of any attempt make the key, also those that never became active: they go too.
    pub(crate) fn dead_shares(&self, wallet: &Wallet, which: Which) -> Result<Option<Dead>, VaultError> {
        let prefix = format!("{}/", wallet.id);
        let chunks = self.store.scan_prefix(SHARES, prefix.as_bytes(), MAX_CHUNKS)?;
        let keys = chunks.iter().filter_map(|(key, _)| std::str::from_utf8(key).ok()?.strip_suffix("/00"));
        let active = self.key_of(wallet);
        let mut records = Vec::new();
        for key in keys.filter(|key| Some(*key) != active.as_deref()) {
            let record = tables::read_blob(&self.store, SHARES, key)?.ok_or(VaultError::Damaged)?;
            let public = SealedShare::from_bytes(&record).ok_or(VaultError::Damaged)?.public;
            let is_over = match which {
                Which::Replaced => public.epoch().0 <= wallet.epoch,
                Which::Unused => public.epoch().0 > wallet.epoch,
            };
            // What a creation that came to nothing has left is of another key.
            if is_over && public.public_key() == *wallet.public_key.as_bytes() {
                records.push(key.to_owned());
            }
        }
        records.truncate(MAX_AT_ONCE);
        if records.is_empty() {
            return Ok(None);
        }
        let active = self.load(wallet)?;
        self.check(wallet, &active)?;
        Ok(Some(Dead { records }))
    }

    /// Deletes the backup files, durably.
    ///
    /// Blocks for files.
    pub(crate) fn delete_backups(&self, dead: &Dead) -> Result<(), VaultError> {
        for record in &dead.records {
            let path = self.backups.join(backup_of(record));
            files::remove_unfinished(&path)?;
            absent_is_fine(fs::remove_file(&path))?;
        }
        absent_is_fine(File::open(&self.backups).and_then(|directory| directory.sync_all()))?;
        Ok(())
    }

    /// Drops what was unsealed of the wallet's other epochs.
    pub(crate) fn forget_others(&self, wallet: &Wallet) {
        let active = (*wallet.public_key.as_bytes(), wallet.epoch);
        self.unsealed().retain(|sealing, _| sealing.0 != active.0 || *sealing == active);
    }
}

/// A backup that its operator has moved away is the operator's to destroy: the runbook says so.
fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Dead {
    /// The batch also erases the records.
    pub(crate) fn erased_by(&self, batch: Batch) -> Batch {
        self.records.iter().fold(batch, |batch, key| tables::delete_blob(batch, SHARES, key))
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }
}
