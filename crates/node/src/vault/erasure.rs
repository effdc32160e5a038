//! The end of shares: those of an epoch that is over, and those of attempts that came to nothing.
//!
//! Owns what is dead and how its backups go. It must never count as dead what the log's wallet needs, or what an open ceremony
//! may still make active.

use std::fs::{self, File};
use std::io;

use holdfast_ledger::Wallet;
use holdfast_store::Batch;

use super::sealed_share::SealedShare;
use super::{Vault, VaultError, backup_of};
use crate::tables::{self, SHARES};

/// Far more chunks of records than one wallet ever has: attempts at a ceremony are few, and each is erased after it.
const MAX_CHUNKS: usize = 1_000;

/// Shares of a wallet's key that are of no use any more.
#[derive(Debug)]
pub(crate) struct Dead {
    /// Keys of their records.
    records: Vec<String>,
    /// Whether any is of an epoch before the active one.
    pub(crate) is_older: bool,
}

impl Vault {
    /// The dead shares of the wallet's key; none if everything here is needed. Those of later epochs are dead only if `also_later`
    /// says that no ceremony makes any.
    ///
    /// Blocks for the store.
    // INVARIANT (G8): nothing is dead before the active share opens and is the log's.
    // INVARIANT (G3): t shares of any attempt make the key, also those that never became active: they go too.
    pub(crate) fn dead_shares(&self, wallet: &Wallet, also_later: bool) -> Result<Option<Dead>, VaultError> {
        let prefix = format!("{}/", wallet.id);
        let chunks = self.store.scan_prefix(SHARES, prefix.as_bytes(), MAX_CHUNKS)?;
        let keys = chunks.iter().filter_map(|(key, _)| std::str::from_utf8(key).ok()?.strip_suffix("/00"));
        let (mut records, mut is_older) = (Vec::new(), false);
        let active = self.key_of(wallet);
        for key in keys.filter(|key| Some(*key) != active.as_deref()) {
            let record = tables::read_blob(&self.store, SHARES, key)?.ok_or(VaultError::Damaged)?;
            let public = SealedShare::from_bytes(&record).ok_or(VaultError::Damaged)?.public;
            let (epoch, own_key) = (public.epoch().0, public.public_key() == *wallet.public_key.as_bytes());
            if own_key && (epoch <= wallet.epoch || also_later) {
                is_older |= epoch < wallet.epoch;
                records.push(key.to_owned());
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
        self.share_of(wallet)?;
        Ok(Some(Dead { records, is_older }))
    }

    /// Deletes the backup files, durably, and forgets what was unsealed.
    ///
    /// Blocks for files.
    pub(crate) fn delete_backups(&self, wallet: &Wallet, dead: &Dead) -> Result<(), VaultError> {
        for record in &dead.records {
            match fs::remove_file(self.backups.join(backup_of(record))) {
                Ok(()) => {}
                // A backup that its operator has moved away is the operator's to destroy: the runbook says so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        File::open(&self.backups)?.sync_all()?;
        let active = (*wallet.public_key.as_bytes(), wallet.epoch);
        self.unsealed().retain(|sealing, _| sealing.0 != active.0 || *sealing == active);
        Ok(())
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
