//! The node: its parts, put together once at the start.
//!
//! Owns the wiring. It must never let a part exist that was not loaded from the same store and checked against the same
//! genesis.

use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use holdfast_ledger::Genesis;
use holdfast_log::Entry;
use holdfast_policy::TimestampMs;
use holdfast_server::telemetry::cause;
use holdfast_store::StoreHandle;
use holdfast_threshold::{Engines, SessionId};
use zeroize::Zeroizing;

use crate::bans::{BanError, Bans};
use crate::clock::Clock;
use crate::crash::{self, CrashPoint, CrashPoints};
use crate::guard::Guard;
use crate::identity::{Identity, IdentityError, NodeName};
use crate::incidents::Incidents;
use crate::keygen::{KeygenRefusal, Keygens};
use crate::latches::{DeliverRefusal, Latches};
use crate::replica::{self, DurableReplica, ExtendRefusal, Extension, LoadError, Snapshots, TipRecord};
use crate::retirement::Retirement;
use crate::sealing::KdfParameters;
use crate::signing::{Sessions, Signing};
use crate::vault::{Vault, VaultError};

/// Everything a node does, without the network.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) identity: Arc<Identity>,
    pub(crate) genesis_hash: [u8; 32],
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) replica: Arc<DurableReplica>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) latches: Arc<Latches>,
    pub(crate) keygens: Keygens,
    pub(crate) signing: Signing,
    pub(crate) retirement: Retirement,
    pub(crate) incidents: Incidents,
}

/// What a node is made of.
pub(crate) struct NodeParts<'a> {
    pub(crate) name: NodeName,
    pub(crate) cosigning_key: SigningKey,
    pub(crate) message_key: SigningKey,
    pub(crate) passphrase: Zeroizing<Vec<u8>>,
    pub(crate) kdf: KdfParameters,
    pub(crate) engines: Engines,
    pub(crate) genesis: (Entry, Genesis),
    pub(crate) data_dir: &'a Path,
    pub(crate) store: StoreHandle,
    /// Bytes of customers' histories that stay in memory.
    pub(crate) history_memory: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) crash: Arc<dyn CrashPoints<CrashPoint>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Keys and genesis do not belong together.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The log cannot be loaded.
    #[error("the log cannot be loaded: {0}")]
    Replica(#[from] LoadError),
    /// The shares cannot be opened.
    #[error("the key shares cannot be opened: {0}")]
    Vault(#[from] VaultError),
    /// The latches cannot be loaded.
    #[error("the officers' statements cannot be loaded: {0}")]
    Latches(#[from] DeliverRefusal),
    /// The key generations cannot be loaded.
    #[error("the key generations cannot be loaded: {0}")]
    Keygens(#[from] KeygenRefusal),
    /// The bans cannot be loaded.
    #[error(transparent)]
    Bans(#[from] BanError),
}

impl Node {
    /// Loads everything. Blocks: call it on a blocking thread, inside a runtime.
    pub(crate) fn open(parts: NodeParts<'_>) -> Result<Self, OpenError> {
        let NodeParts {
            name,
            cosigning_key,
            message_key,
            passphrase,
            kdf,
            engines,
            genesis,
            data_dir,
            store,
            history_memory,
            clock,
            crash,
        } = parts;
        let store = crash::watched(store, &crash);
        let (entry, genesis) = genesis;
        let (identity, witness) = Identity::establish(name, cosigning_key, message_key, &genesis)?;
        let identity = Arc::new(identity);
        replica::install(&store, &entry)?;
        let vault = Vault::open(identity.name().clone(), store.clone(), data_dir, &passphrase, kdf, engines)?;
        let vault = Arc::new(vault);
        let snapshots = Snapshots::at(data_dir, Arc::clone(&vault), store.clone(), history_memory);
        let held = replica::load(&store, &genesis.hash, Some(&snapshots))?;
        let latches = Latches::load(store.clone(), Arc::clone(&identity), Arc::clone(&clock), held.state())?;
        let latches = Arc::new(latches);
        let replica = DurableReplica::new(store.clone(), held, witness, Arc::clone(&clock));
        let replica = Arc::new(replica);
        let keygens = Keygens::load(
            store.clone(),
            Arc::clone(&identity),
            Arc::clone(&vault),
            Arc::clone(&clock),
            Arc::clone(&crash),
        )?;
        let retirement = Retirement::new(store.clone(), Arc::clone(&vault), Arc::clone(&crash));
        let signing = Signing {
            identity: Arc::clone(&identity),
            clock: Arc::clone(&clock),
            replica: Arc::clone(&replica),
            latches: Arc::clone(&latches),
            crash,
            vault,
            guard: Guard::new(store.clone()),
            bans: Bans::load(store.clone())?,
            sessions: Sessions::default(),
        };
        let incidents = Incidents::start(store);
        Ok(Self {
            identity,
            genesis_hash: genesis.hash,
            clock,
            replica,
            snapshots: Arc::new(snapshots),
            latches,
            keygens,
            signing,
            retirement,
            incidents,
        })
    }

    /// Extends the replica, lifts the latches that the log has taken over and erases the shares that it has replaced.
    pub(crate) async fn replicate(&self, extension: Extension) -> Result<TipRecord, ReplicateRefusal> {
        let tip = self.replica.extend(extension).await.inspect_err(|refusal| {
            if let ExtendRefusal::PageLost(_) = refusal {
                self.snapshots.file.discard();
            }
        })?;
        self.latches.lift(&self.replica).await?;
        self.erase_replaced().await;
        Ok(tip)
    }

    /// Writes a snapshot of the replica if one is due, and lets go of the pages that it made durable. That one could not be written
    /// is no reason to stop: the next start takes longer. One that names a page which is lost is removed.
    pub(crate) async fn keep_snapshot(&self) {
        if let Some(fault) = self.replica.read().await.state().page_fault() {
            tracing::error!(
                fault = cause(&fault),
                cause = fault.code(),
                "a page of customers' histories is lost"
            );
            self.snapshots.file.discard();
            return;
        }
        let every = self.signing.crash.snapshot_every();
        let picture = self.snapshots.due(&*self.replica.read().await, every);
        let Some(picture) = picture else { return };
        let (snapshots, crash) = (Arc::clone(&self.snapshots), Arc::clone(&self.signing.crash));
        let size = picture.size();
        let writing = tokio::task::spawn_blocking(move || {
            crash.reached(CrashPoint::BeforeSnapshot);
            let written = snapshots.write(&picture);
            crash.reached(CrashPoint::AfterSnapshot);
            written
        });
        match writing.await {
            Ok(Ok(kept)) => {
                self.replica.settle_pages(&kept).await;
                tracing::info!(size, pages = kept.iter().len(), "snapshot written");
            }
            Ok(Err(error)) => {
                tracing::warn!(error = cause(&error), "the snapshot of the replica was not written")
            }
            Err(error) => tracing::warn!(%error, "writing the snapshot of the replica was interrupted"),
        }
    }

    /// Forgets what the replica need not remember, and shares that nothing needs. That it could not is no reason to stop.
    pub(crate) async fn keep_little(&self) {
        self.erase_all_dead().await;
        if let Err(error) = self.replica.forget_moments().await {
            tracing::warn!(error = cause(&error), "moments that no rule asks for were not forgotten");
        }
    }

    /// Ends a session of either kind. True if there was one.
    pub(crate) async fn abort(&self, session: SessionId) -> Result<bool, KeygenRefusal> {
        Ok(self.signing.sessions.abort(session) || self.keygens.abort(session).await?)
    }

    /// This node's clock.
    pub(crate) fn now(&self) -> TimestampMs {
        self.clock.now()
    }
}

/// Why a replication failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicateRefusal {
    /// The extension was refused.
    #[error(transparent)]
    Extend(#[from] ExtendRefusal),
    /// The latches could not be brought up to date.
    #[error(transparent)]
    Latches(#[from] DeliverRefusal),
}

impl std::fmt::Debug for NodeParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeParts")
            .field("name", &self.name)
            .field("keys", &"<redacted>")
            .finish_non_exhaustive()
    }
}
