//! What a node does once its log says that a wallet has new shares: the old ones and their backups are erased, and the bans that
//! protected their reusable state are lifted.
//!
//! Owns the order: the activation is durable in this node's log, then the backups go, then the shares and the bans in one
//! durable write. It must never run beside a round of the same key, so that no ban of the new epoch is lifted with the old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_ledger::{State, Wallet};
use holdfast_policy::WalletId;
use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::bans::{Bans, Turn};
use crate::crash::{CrashPoint, CrashPoints};
use crate::tables::{self, ERASED, NODE};
use crate::vault::{Vault, VaultError};

/// Erases dead shares.
#[derive(Debug)]
pub(crate) struct Retirement {
    store: StoreHandle,
    vault: Arc<Vault>,
    crash: Arc<dyn CrashPoints>,
    settled: Mutex<BTreeMap<WalletId, Settled>>,
}

/// What was looked at, and nothing was left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settled {
    /// The wallet's epoch then.
    epoch: u32,
    /// Shares of later epochs too: no ceremony made any.
    also_later: bool,
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

    /// Wallets whose shares the log has replaced since they were looked at.
    pub(crate) fn replaced(&self, state: &State) -> Vec<Wallet> {
        let settled = self.settled();
        let is_new =
            |wallet: &&Wallet| settled.get(&wallet.id).is_none_or(|known| known.epoch != wallet.epoch);
        state.wallets().filter(is_new).cloned().collect()
    }

    /// Wallets that may have shares of attempts that came to nothing: no ceremony makes any for them now.
    pub(crate) fn at_rest(&self, state: &State) -> Vec<Wallet> {
        let in_making: BTreeSet<&WalletId> = state.shares_in_making().collect();
        let mut settled = self.settled();
        for wallet in &in_making {
            if let Some(known) = settled.get_mut(*wallet) {
                known.also_later = false;
            }
        }
        let is_open = |wallet: &&Wallet| {
            let done = Settled { epoch: wallet.epoch, also_later: true };
            !in_making.contains(&wallet.id) && settled.get(&wallet.id) != Some(&done)
        };
        state.wallets().filter(is_open).cloned().collect()
    }

    /// Whether nothing of a share before the wallet's active ones is here: this was looked at since the program started.
    pub(crate) fn is_settled(&self, wallet: &Wallet) -> bool {
        self.settled().get(&wallet.id).is_some_and(|settled| settled.epoch == wallet.epoch)
    }

    /// Erases the dead shares of one wallet. It is the key's turn, so no round of it runs.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn retire(
        &self,
        wallet: Wallet,
        also_later: bool,
        bans: &Bans,
        _turn: &Turn,
    ) -> Result<(), RetireError> {
        let key = *wallet.public_key.as_bytes();
        let vault = Arc::clone(&self.vault);
        let of = wallet.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let dead = vault.dead_shares(&of, also_later)?;
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
        self.settled().insert(wallet.id, Settled { epoch: wallet.epoch, also_later });
        Ok(())
    }

    fn settled(&self) -> MutexGuard<'_, BTreeMap<WalletId, Settled>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
