//! What a node does once its log says that a wallet has new shares: the old ones and their backups are erased, and the bans that
//! protected their reusable state are lifted.
//!
//! Owns the order: the activation is durable in this node's log, then the backups go, then the shares and the bans in one
//! durable write. It must never run beside a round of the same key, so that no ban of the new epoch is lifted with the old ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_ledger::{State, Wallet};
use holdfast_policy::WalletId;
use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::bans::Bans;
use crate::crash::{CrashPoint, CrashPoints};
use crate::tables::{self, ERASED, NODE};
use crate::vault::{Vault, VaultError};

/// Erases dead shares.
#[derive(Debug)]
pub(crate) struct Retirement {
    store: StoreHandle,
    vault: Arc<Vault>,
    crash: Arc<dyn CrashPoints>,
    /// For which epoch of a wallet, and whether new shares were being made then, nothing was left to do.
    settled: Mutex<BTreeMap<WalletId, (u32, bool)>>,
}

/// Why old shares are still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetireError {
    /// The new share is not there, or the old one's backup cannot be deleted.
    #[error("old shares are kept: {0}")]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was cut short.
    #[error("erasing old shares was interrupted")]
    Interrupted,
}

impl RetireError {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Vault(error) => error.code(),
            Self::Store(_) => "STORE_FAILED",
            Self::Interrupted => "ERASURE_INTERRUPTED",
        }
    }
}

impl Retirement {
    pub(crate) fn new(store: StoreHandle, vault: Arc<Vault>, crash: Arc<dyn CrashPoints>) -> Self {
        Self { store, vault, crash, settled: Mutex::default() }
    }

    /// Wallets that may have dead shares here, and whether new ones are being made.
    pub(crate) fn due(&self, state: &State) -> Vec<(Wallet, bool)> {
        let settled = self.settled();
        let wallets = state.wallets().map(|wallet| (wallet.clone(), state.shares_are_made(&wallet.id)));
        let is_open = |(wallet, in_making): &(Wallet, bool)| {
            settled.get(&wallet.id) != Some(&(wallet.epoch, *in_making))
        };
        wallets.filter(is_open).collect()
    }

    /// Erases the dead shares of one wallet.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn retire(
        &self,
        wallet: Wallet,
        in_making: bool,
        bans: &Bans,
    ) -> Result<(), RetireError> {
        let key = *wallet.public_key.as_bytes();
        let _turn = bans.turn_of(key).await;
        let vault = Arc::clone(&self.vault);
        let of = wallet.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let dead = vault.dead_shares(&of, in_making)?;
            if let Some(dead) = &dead {
                vault.delete_backups(&of, dead)?;
            }
            Ok::<_, VaultError>(dead)
        });
        if let Some(dead) = looking.await.map_err(|_| RetireError::Interrupted)?? {
            self.crash.reached(CrashPoint::BetweenErasures);
            let name = format!("{ERASED}{}", wallet.id);
            let batch = Batch::new().put(NODE, name, wallet.epoch.to_be_bytes());
            let batch = dead.erased_by(batch);
            // INVARIANT (G3): a ban is lifted together with the state that it protected, and never without it.
            let batch = if dead.is_older { bans.without(batch, key) } else { batch };
            self.store.commit(batch).await.map_err(tables::unconditional)?;
            if dead.is_older {
                bans.lifted(key);
            }
            tracing::info!(wallet = %wallet.id, epoch = wallet.epoch, shares = dead.count(), "old shares are erased");
        }
        self.settled().insert(wallet.id, (wallet.epoch, in_making));
        Ok(())
    }

    fn settled(&self) -> MutexGuard<'_, BTreeMap<WalletId, (u32, bool)>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
