//! This node's key shares: sealed in the store, sealed again in a backup file, and in memory once they were used.
//!
//! Owns the life of a share from key generation to signing. It must never confirm a share whose backup was not restored,
//! and never hand out one that is not exactly the share that the log's wallet asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_ledger::Wallet;
use holdfast_policy::WalletId;
use holdfast_store::{Batch, StoreError, StoreHandle};
use holdfast_threshold::{Engines, KeyPublic, KeyShare, PartyIndex, ShareError};
use holdfast_transport::files::{self, FileError};
use zeroize::Zeroizing;

use crate::identity::NodeName;
use crate::imports::Imports;
use crate::sealing::{KdfParameters, SealedContext, SealedKind, SealingError, SealingKey};
use crate::tables::{self, BlobTooLarge, NODE, SEALING_CHECK, SHARES};

mod erasure;
mod sealed_share;

pub(crate) use erasure::{Dead, Which};
use sealed_share::SealedShare;

const CHECK: &[u8] = b"holdfast sealing check v1";
/// The epoch that a wallet is created in.
const FIRST_EPOCH: u32 = 0;
/// More wallets than this are unsealed again when they are used.
const MAX_CACHED: usize = 64;

/// Keeps shares.
pub(crate) struct Vault {
    node: NodeName,
    store: StoreHandle,
    backups: PathBuf,
    key: SealingKey,
    engines: Engines,
    unsealed: Mutex<BTreeMap<Sealing, UnsealedShare>>,
    /// Shares kept since the start.
    kept: AtomicU64,
    imports: Imports,
}

/// A key in one epoch: new shares of it are other secrets.
type Sealing = ([u8; 33], u32);

/// A share and the public data that it was checked against. Clones share the secret.
#[derive(Clone, Debug)]
pub(crate) struct UnsealedShare {
    /// The secret half.
    pub(crate) share: Arc<KeyShare>,
    /// The public half, equal to the log's.
    pub(crate) public: Arc<KeyPublic>,
}

/// Proof that the share of this key was restored from its backup file.
#[derive(Debug)]
pub(crate) struct RestoreTested {
    public: KeyPublic,
}

/// Why a share is not kept or not handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The passphrase does not open what this node sealed before.
    #[error("the passphrase file does not hold the passphrase that this node's data was sealed with")]
    WrongPassphrase,
    /// No share of this wallet is here.
    #[error("this node holds no share of wallet `{wallet}` in epoch {epoch}: restore it from its backup")]
    Missing { wallet: WalletId, epoch: u32 },
    /// The share here is not the one of the log's wallet.
    #[error("the share of wallet `{wallet}` is not the one that the log names: its `{part}` differs")]
    OtherKey { wallet: WalletId, part: &'static str },
    /// The record is damaged.
    #[error("the record of a share is damaged: restore it from its backup")]
    Damaged,
    /// The restored backup is not the share that was backed up.
    #[error("the backup of the share does not restore")]
    BackupDiffers,
    /// Too many parties for one batch.
    #[error(transparent)]
    TooLarge(#[from] BlobTooLarge),
    /// The secret does not open or seal.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The share is damaged.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The backup file cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory of the backups cannot be created, or a backup in it cannot be deleted.
    #[error("cannot change the directory of the backups: {0}")]
    Directory(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VaultError {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::WrongPassphrase => "WRONG_PASSPHRASE",
            Self::Missing { .. } => "SHARE_MISSING",
            Self::OtherKey { .. } => "SHARE_OF_OTHER_KEY",
            Self::Damaged => "SHARE_DAMAGED",
            Self::BackupDiffers => "BACKUP_RESTORE_FAILED",
            Self::TooLarge(_) => "SHARE_TOO_LARGE",
            Self::Sealing(error) => error.code(),
            Self::Share(error) => error.code(),
            Self::File(error) => error.reason(),
            Self::Directory(_) => "FILE_IO",
            Self::Store(_) => "STORE_FAILED",
        }
    }
}

impl Vault {
    /// Opens the vault; on the first start it draws the salt of the sealing key.
    ///
    /// Blocks for the key derivation and for files: call it at start-up.
    pub(crate) fn open(
        node: NodeName,
        store: StoreHandle,
        data_dir: &Path,
        passphrase: &[u8],
        parameters: KdfParameters,
        engines: Engines,
    ) -> Result<Self, VaultError> {
        let key = sealing_key(&node, &store, passphrase, parameters)?;
        let backups = data_dir.join("backups");
        Ok(Self {
            node,
            store,
            backups,
            key,
            engines,
            unsealed: Mutex::default(),
            kept: AtomicU64::default(),
            imports: Imports::in_directory(data_dir),
        })
    }

    /// Shares of other deployments that are to become this node's.
    pub(crate) const fn imports(&self) -> &Imports {
        &self.imports
    }

    /// Vouches for a snapshot of the replica.
    pub(crate) fn seal_manifest(&self, manifest: &[u8]) -> Result<Vec<u8>, SealingError> {
        self.key.seal(&self.snapshot_context(), manifest)
    }

    /// What this node vouched for, if it did.
    pub(crate) fn open_manifest(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        self.key.open(&self.snapshot_context(), sealed)
    }

    fn snapshot_context(&self) -> SealedContext<'_> {
        let (cluster, node) = (&self.node.cluster, &self.node.node);
        SealedContext { cluster, node, kind: SealedKind::Snapshot, subject: "replica", epoch: 0 }
    }

    /// Makes a share durable in the store. Keeping the same share again is the ordinary case of a resumed ceremony.
    pub(crate) async fn keep(
        &self,
        wallet: &WalletId,
        share: &KeyShare,
        public: &KeyPublic,
    ) -> Result<(), VaultError> {
        let sealed = self.seal(wallet, share, public)?;
        let key = record_key(wallet, public, share.party());
        let batch = tables::put_blob(Batch::new(), SHARES, &key, &sealed.to_bytes())?;
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// How many shares were kept since the start: whoever looked through them before has to look again when it changes.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::SeqCst)
    }

    /// Writes the share's backup file, reads it back, opens it and checks it against its verifying share.
    ///
    /// Blocks for files.
    // INVARIANT (G8): a key becomes active only after every node holds this proof for its share.
    pub(crate) fn back_up(
        &self,
        wallet: &WalletId,
        public: &KeyPublic,
        party: PartyIndex,
    ) -> Result<RestoreTested, VaultError> {
        let record = self.record(wallet, public, party)?;
        create_private(&self.backups)?;
        let path = self.backups.join(backup_name(wallet, public, party));
        files::write_secret(&path, &record)?;

        let restored =
            SealedShare::from_bytes(&files::read_secret(&path)?).ok_or(VaultError::BackupDiffers)?;
        let share = self.unseal(wallet, &restored)?;
        if restored.public != *public || !share.matches(public) {
            return Err(VaultError::BackupDiffers);
        }
        Ok(RestoreTested { public: public.clone() })
    }

    /// This node's share of the log's wallet. Blocks for unsealing the first time.
    pub(crate) fn share_of(&self, wallet: &Wallet) -> Result<UnsealedShare, VaultError> {
        let held = match self.cached((*wallet.public_key.as_bytes(), wallet.epoch)) {
            Some(held) => held,
            None => self.load(wallet)?,
        };
        self.check(wallet, &held)?;
        Ok(held)
    }

    /// The engines whose shares it opens.
    pub(crate) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Seals other secrets of this node, such as the state of a key generation.
    pub(crate) fn seal_state(&self, ceremony: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.key.seal(&self.context(SealedKind::KeygenState, ceremony, 0), secret)?)
    }

    /// Opens what [`Vault::seal_state`] sealed.
    pub(crate) fn open_state(&self, ceremony: &str, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Ok(self.key.open(&self.context(SealedKind::KeygenState, ceremony, 0), blob)?)
    }

    fn load(&self, wallet: &Wallet) -> Result<UnsealedShare, VaultError> {
        let missing = || VaultError::Missing { wallet: wallet.id.clone(), epoch: wallet.epoch };
        let key = self.key_of(wallet).ok_or_else(missing)?;
        let record = tables::read_blob(&self.store, SHARES, &key)?.ok_or_else(missing)?;
        let sealed = SealedShare::from_bytes(&record).ok_or(VaultError::Damaged)?;
        let share = self.unseal(&wallet.id, &sealed)?;
        if !share.matches(&sealed.public) {
            return Err(VaultError::Damaged);
        }
        let held = UnsealedShare { share: Arc::new(share), public: Arc::new(sealed.public) };
        self.cache((*wallet.public_key.as_bytes(), wallet.epoch), held.clone());
        Ok(held)
    }

    /// INVARIANT (G6): a share is used only for the key, epoch, threshold and place that the log gives it.
    fn check(&self, wallet: &Wallet, held: &UnsealedShare) -> Result<(), VaultError> {
        let public = &held.public;
        let n = u8::try_from(wallet.nodes.len()).unwrap_or(u8::MAX);
        let named = wallet.verifying_shares.iter().map(|share| *share.as_bytes());
        let parts = [
            ("public key", public.public_key() == *wallet.public_key.as_bytes()),
            ("chain code", public.chain_code() == *wallet.chain_code.as_bytes()),
            ("epoch", public.epoch().0 == wallet.epoch),
            ("engine", public.engine().name() == wallet.engine),
            ("threshold", (public.threshold().t(), public.threshold().n()) == (wallet.t, n)),
            ("verifying shares", public.verifying_shares().values().copied().eq(named)),
            ("party", wallet.party_index(&self.node.node) == Some(held.share.party().get())),
        ];
        match parts.into_iter().find(|(_, equal)| !equal) {
            Some((part, _)) => Err(VaultError::OtherKey { wallet: wallet.id.clone(), part }),
            None => Ok(()),
        }
    }

    fn seal(
        &self,
        wallet: &WalletId,
        share: &KeyShare,
        public: &KeyPublic,
    ) -> Result<SealedShare, VaultError> {
        if !share.matches(public) {
            return Err(VaultError::Damaged);
        }
        let context = self.context(SealedKind::KeyShare, wallet.as_str(), public.epoch().0);
        let sealed = self.key.seal(&context, &share.to_bytes()?)?;
        Ok(SealedShare { public: public.clone(), sealed })
    }

    fn unseal(&self, wallet: &WalletId, sealed: &SealedShare) -> Result<KeyShare, VaultError> {
        let context = self.context(SealedKind::KeyShare, wallet.as_str(), sealed.public.epoch().0);
        let bytes = self.key.open(&context, &sealed.sealed)?;
        Ok(KeyShare::from_bytes(&bytes, &self.engines)?)
    }

    fn record(
        &self,
        wallet: &WalletId,
        public: &KeyPublic,
        party: PartyIndex,
    ) -> Result<Vec<u8>, VaultError> {
        let missing = || VaultError::Missing { wallet: wallet.clone(), epoch: public.epoch().0 };
        tables::read_blob(&self.store, SHARES, &record_key(wallet, public, party))?.ok_or_else(missing)
    }

    /// Where this node's share of the log's wallet is.
    fn key_of(&self, wallet: &Wallet) -> Option<String> {
        let party = usize::from(wallet.party_index(&self.node.node)?);
        let own = wallet.verifying_shares.get(party.checked_sub(1)?)?;
        Some(key_in_epoch(&wallet.id, wallet.epoch, wallet.public_key.as_bytes(), own.as_bytes()))
    }

    fn context<'a>(&'a self, kind: SealedKind, subject: &'a str, epoch: u32) -> SealedContext<'a> {
        SealedContext { cluster: &self.node.cluster, node: &self.node.node, kind, subject, epoch }
    }

    fn cached(&self, of: Sealing) -> Option<UnsealedShare> {
        self.unsealed().get(&of).cloned()
    }

    fn cache(&self, of: Sealing, held: UnsealedShare) {
        let mut unsealed = self.unsealed();
        if unsealed.len() >= MAX_CACHED {
            unsealed.pop_first();
        }
        unsealed.insert(of, held);
    }

    fn unsealed(&self) -> MutexGuard<'_, BTreeMap<Sealing, UnsealedShare>> {
        self.unsealed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RestoreTested {
    /// The key whose share was restored.
    pub(crate) fn public(&self) -> &KeyPublic {
        &self.public
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("node", &self.node)
            .field("shares", &"<redacted>")
            .finish_non_exhaustive()
    }
}

/// The key that opens this node's data. A wrong passphrase is noticed here, before anything depends on it.
fn sealing_key(
    node: &NodeName,
    store: &StoreHandle,
    passphrase: &[u8],
    parameters: KdfParameters,
) -> Result<SealingKey, VaultError> {
    let context = SealedContext {
        cluster: &node.cluster,
        node: &node.node,
        kind: SealedKind::PassphraseCheck,
        subject: "",
        epoch: 0,
    };
    if let Some(blob) = store.read(NODE, SEALING_CHECK.as_bytes())? {
        let key = SealingKey::of_blob(passphrase, &blob)?;
        return match key.open(&context, &blob) {
            Ok(opened) if opened.as_slice() == CHECK => Ok(key),
            Ok(_) | Err(_) => Err(VaultError::WrongPassphrase),
        };
    }
    let key = SealingKey::create(passphrase, parameters)?;
    let blob = key.seal(&context, CHECK)?;
    let batch = Batch::new().expect_absent(NODE, SEALING_CHECK).put(NODE, SEALING_CHECK, blob);
    store.commit_blocking(batch).map_err(tables::unconditional)?;
    Ok(key)
}

fn record_key(wallet: &WalletId, public: &KeyPublic, party: PartyIndex) -> String {
    let key = public.public_key();
    let own = public.verifying_shares().get(&party).unwrap_or(&key);
    key_in_epoch(wallet, public.epoch().0, &key, own)
}

/// Attempts at a first key make different keys. Attempts at new shares of a key make shares of that one key: the verifying
/// share keeps them apart, so that a later attempt never writes over a share that may become active.
// INVARIANT (G8): no attempt replaces the share of another.
fn key_in_epoch(wallet: &WalletId, epoch: u32, public_key: &[u8; 33], own: &[u8; 33]) -> String {
    let name = if epoch == FIRST_EPOCH { public_key } else { own };
    format!("{wallet}/{epoch}/{}", hex::encode(name))
}

fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// The first bytes of what keeps the records of repeated ceremonies apart.
fn backup_name(wallet: &WalletId, public: &KeyPublic, party: PartyIndex) -> String {
    backup_of(&record_key(wallet, public, party))
}

/// The backup's name of a record.
fn backup_of(record: &str) -> String {
    let (front, name) = record.rsplit_once('/').unwrap_or((record, ""));
    let name: String = name.chars().take(16).collect();
    format!("{}-{name}.share", front.replace('/', "-"))
}

#[cfg(test)]
mod tests;
