//! What a node does once its log says that a wallet has new shares, and every node of the committee holds that log: the old ones
//! and their backups are erased, and the bans that protected their reusable state are lifted.
//!
//! Owns the order: the activation is durable in this node's log and known to all, then the states of attempts go, the backups,
//! the shares, and the bans with the last of them. It must never erase on this node's log alone: another one may be shown to the
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_ledger::Wallet;
use holdfast_policy::{NodeId, WalletId};
use holdfast_server::telemetry::cause;
use holdfast_store::{Batch, StoreError, StoreHandle};

use crate::bans::{self, Bans, Turn};
use crate::crash::{CrashPoint, CrashPoints};
use crate::imports::{Ended, ImportError};
use crate::node::Node;
use crate::replica::Held;
use crate::tables::{self, ERASED, NODE};
use crate::vault::{Dead, Vault, VaultError, Which};

/// Erases dead shares.
#[derive(Debug)]
pub(crate) struct Retirement {
    store: StoreHandle,
    vault: Arc<Vault>,
    crash: Arc<dyn CrashPoints<CrashPoint>>,
    known: Mutex<BTreeMap<WalletId, Known>>,
}

/// What is known of a wallet's shares since the program started.
#[derive(Clone, Copy, Debug)]
struct Known {
    epoch: u32,
    /// So many entries of the log say that this is the epoch.
    size: u64,
    /// Whether nothing from before it is left.
    replaced_are_gone: bool,
    /// How many shares had been kept when nothing of later epochs was left.
    unused_are_gone_at: Option<u64>,
    /// Whether erasing failed: it is not tried again with every entry.
    is_stuck: bool,
}

/// Why old shares are still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetireError {
    /// The new share is not there, or the old one's backup cannot be deleted.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The file that the key came from cannot be erased.
    #[error(transparent)]
    Import(#[from] ImportError),
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
            Self::Import(error) => error.code(),
            Self::Store(_) => "STORE_FAILED",
            Self::Interrupted => "ERASURE_INTERRUPTED",
        }
    }
}

impl Node {
    /// Erases the shares that the log has replaced, as soon as the whole committee holds that log. What could not be erased stays
    /// until [`Node::erase_all_dead`].
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn erase_replaced(&self) {
        let due = self.retirement.replaced(&*self.replica.read().await, self.identity.node(), false);
        self.erase_each(due, Which::Replaced).await;
    }

    /// The same, trying again what failed; and erases the shares of attempts that came to nothing, where no ceremony makes any, and
    /// what is stored of key generations that are over.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn erase_all_dead(&self) {
        self.forget_keygens().await;
        let due = self.retirement.replaced(&*self.replica.read().await, self.identity.node(), true);
        self.erase_each(due, Which::Replaced).await;
        let due = self.retirement.unused(&*self.replica.read().await);
        self.erase_each(due, Which::Unused).await;
    }

    /// True if nothing is left of them.
    async fn forget_keygens(&self) -> bool {
        let forgotten = self.keygens.forget_over(&self.replica).await;
        if let Err(error) = &forgotten {
            tracing::error!(error = cause(error), cause = error.code(), "states of key generations are kept");
        }
        forgotten.is_ok()
    }

    async fn erase_each(&self, due: Vec<Wallet>, which: Which) {
        // A giver's number, and shares of attempts, are in those states: they go first.
        if due.is_empty() || !self.forget_keygens().await {
            return;
        }
        for wallet in due {
            let name = wallet.id.clone();
            if let Err(error) = self.erase(wallet, which).await {
                self.retirement.is_stuck(&name);
                tracing::error!(wallet = %name, error = cause(&error), cause = error.code(), "old shares are kept");
            }
        }
    }

    async fn erase(&self, wallet: Wallet, which: Which) -> Result<(), RetireError> {
        self.signing.forget_replaced(&wallet);
        let turn = self.signing.bans.turn_of(*wallet.public_key.as_bytes()).await;
        // INVARIANT (G8): while the replica is held, nothing becomes active, and no ceremony that would make shares can begin here.
        let held = self.replica.read().await;
        let Ok(state) = held.sound_state() else { return Ok(()) };
        let is_as_before = state.wallet(&wallet.id).is_some_and(|now| now.epoch == wallet.epoch);
        let in_making = state.shares_in_making().any(|id| *id == wallet.id);
        if !is_as_before || (which == Which::Unused && in_making) {
            return Ok(());
        }
        self.retirement.erase(wallet, which, &self.signing.bans, &turn).await
    }
}

impl Retirement {
    pub(crate) fn new(
        store: StoreHandle,
        vault: Arc<Vault>,
        crash: Arc<dyn CrashPoints<CrashPoint>>,
    ) -> Self {
        Self { store, vault, crash, known: Mutex::default() }
    }

    /// Whether nothing of a share before the wallet's active ones is here: this was looked at since the program started.
    pub(crate) fn is_settled(&self, wallet: &Wallet) -> bool {
        let known = self.known();
        known.get(&wallet.id).is_some_and(|known| known.epoch == wallet.epoch && known.replaced_are_gone)
    }

    /// Wallets whose earlier shares may go.
    // INVARIANT (G8): all others of the committee have cosigned this log with the activation in it. A coordinator that shows two
    // logs, in which different shares became active or none, finds no node that erases what the others need.
    fn replaced(&self, held: &Held, own: &NodeId, again: bool) -> Vec<Wallet> {
        let Ok(state) = held.sound_state() else { return Vec::new() };
        let mut known = self.known();
        let is_due = |wallet: &&Wallet| {
            let known = known.entry(wallet.id.clone()).or_insert(Known::of(wallet, held));
            if known.epoch != wallet.epoch {
                *known = Known::of(wallet, held);
            }
            wallet.epoch > 0
                && !known.replaced_are_gone
                && (again || !known.is_stuck)
                && held.is_held_by_all(wallet, own, known.size)
        };
        state.wallets().filter(is_due).cloned().collect()
    }

    /// Wallets that may have shares of attempts that came to nothing: no ceremony makes any for them now.
    fn unused(&self, held: &Held) -> Vec<Wallet> {
        let Ok(state) = held.sound_state() else { return Vec::new() };
        let in_making: BTreeSet<&WalletId> = state.shares_in_making().collect();
        let (known, kept) = (self.known(), self.vault.kept());
        let is_due = |wallet: &&Wallet| {
            let gone_at = known.get(&wallet.id).and_then(|known| known.unused_are_gone_at);
            !in_making.contains(&wallet.id) && gone_at != Some(kept)
        };
        state.wallets().filter(is_due).cloned().collect()
    }

    /// Erases dead shares of one wallet. It is the key's turn, so no round of it runs.
    async fn erase(
        &self,
        wallet: Wallet,
        which: Which,
        bans: &Bans,
        _turn: &Turn,
    ) -> Result<(), RetireError> {
        let kept = self.vault.kept();
        while let Some(dead) = self.without_backups(&wallet, which).await? {
            self.crash.reached(CrashPoint::BetweenErasures);
            let batch = dead.erased_by(marked(&wallet));
            self.store.commit(batch).await.map_err(tables::unconditional)?;
            tracing::info!(wallet = %wallet.id, epoch = wallet.epoch, shares = dead.count(), "old shares are erased");
        }
        self.vault.forget_others(&wallet);
        if which == Which::Replaced {
            self.end_import(&wallet).await?;
            self.lift_bans(&wallet, bans).await?;
        }
        if let Some(known) = self.known().get_mut(&wallet.id).filter(|known| known.epoch == wallet.epoch) {
            match which {
                Which::Replaced => known.replaced_are_gone = true,
                Which::Unused => known.unused_are_gone_at = Some(kept),
            }
        }
        Ok(())
    }

    /// Dead shares whose backups are gone.
    async fn without_backups(&self, wallet: &Wallet, which: Which) -> Result<Option<Dead>, RetireError> {
        let (vault, of) = (Arc::clone(&self.vault), wallet.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let dead = vault.dead_shares(&of, which)?;
            if let Some(dead) = &dead {
                vault.delete_backups(dead)?;
            }
            Ok::<_, VaultError>(dead)
        });
        Ok(looking.await.map_err(|_| RetireError::Interrupted)??)
    }

    /// Erases the file that the key came from, if it came from another deployment.
    // INVARIANT (G8): not before the active share opens and is the log's.
    async fn end_import(&self, wallet: &Wallet) -> Result<(), RetireError> {
        let (vault, crash, of) = (Arc::clone(&self.vault), Arc::clone(&self.crash), wallet.clone());
        let ending = tokio::task::spawn_blocking(move || {
            let imports = vault.imports();
            if !imports.has(&of.id) {
                return Ok(Ended::None);
            }
            vault.share_of(&of)?;
            let ended = imports.set_aside(&of.id, &of.public_key)?;
            if ended == Ended::SetAside {
                crash.reached(CrashPoint::ImportSetAside);
                imports.erase_set_aside(&of.id)?;
            }
            Ok::<_, RetireError>(ended)
        });
        match ending.await.map_err(|_| RetireError::Interrupted)?? {
            Ended::None => {}
            Ended::SetAside => tracing::info!(wallet = %wallet.id, "the file of the old share is erased"),
            Ended::Kept => {
                tracing::warn!(wallet = %wallet.id, "a file of an old share is of another key: it stays");
            }
        }
        Ok(())
    }

    // INVARIANT (G3): a ban is lifted when the state that it protected is gone, and never before; one of the active shares stays.
    async fn lift_bans(&self, wallet: &Wallet, bans: &Bans) -> Result<(), RetireError> {
        let lifted = bans.before(*wallet.public_key.as_bytes(), wallet.epoch);
        if !lifted.is_empty() {
            let batch = bans::without(marked(wallet), &lifted);
            self.store.commit(batch).await.map_err(tables::unconditional)?;
            bans.lifted(&lifted);
        }
        Ok(())
    }

    fn is_stuck(&self, wallet: &WalletId) {
        if let Some(known) = self.known().get_mut(wallet) {
            known.is_stuck = true;
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<WalletId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(wallet: &Wallet, held: &Held) -> Self {
        let (epoch, size) = (wallet.epoch, held.tip().size);
        Self { epoch, size, replaced_are_gone: false, unused_are_gone_at: None, is_stuck: false }
    }
}

fn marked(wallet: &Wallet) -> Batch {
    Batch::new().put(NODE, format!("{ERASED}{}", wallet.id), wallet.epoch.to_be_bytes())
}

#[cfg(test)]
mod tests;
