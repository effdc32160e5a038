//! Wallets and rosters that this machine has seen proven, in the manner of SSH's `known_hosts`.
//!
//! A client may not read the log, so a receipt alone does not tell it that a public key is the wallet's. This file does:
//! an officer's or auditor's verified replica fills it, and receipts are compared with it.

mod rosters;

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_chains::{Address, Digest, PublicKey};
use holdfast_ledger::{State, Wallet};
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};
use crate::files;
use crate::profile::Profile;

pub(crate) use rosters::Rosters;

const FILE: &str = "known-wallets.json";

/// A wallet's key, as a verified log gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownWallet {
    pub(crate) address: Address,
    pub(crate) public_key: PublicKey,
    /// BIP-32 chain code; absent in files of earlier versions until the log is replayed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chain_code: Option<Digest>,
    /// Chain codes that officers let end, the oldest first: what was signed under them stays proven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former_chain_codes: Vec<Digest>,
}

/// The branch of a wallet's key tree that deposit addresses are on.
const DEPOSITS: u32 = 0;

impl KnownWallet {
    fn of(wallet: &Wallet) -> Self {
        Self {
            address: wallet.address,
            public_key: wallet.public_key,
            chain_code: Some(wallet.chain_code),
            former_chain_codes: wallet.former_chain_codes.iter().map(|former| former.chain_code).collect(),
        }
    }

    // INVARIANT (G2): a chain code gives way only to one that officers let the nodes agree after it.
    fn continues(&self, earlier: &Self) -> bool {
        (self.address, self.public_key) == (earlier.address, earlier.public_key)
            && self.chain_codes().starts_with(&earlier.chain_codes())
    }

    /// All that are known, the oldest first.
    fn chain_codes(&self) -> Vec<Digest> {
        self.former_chain_codes.iter().copied().chain(self.chain_code).collect()
    }

    /// Whether this key pays for it, or did under a chain code that has ended.
    pub(crate) fn has_sent_with(&self, key: &PublicKey, deposit_index: Option<u32>) -> Result<bool, Failure> {
        let under = |chain_code| Self { chain_code: Some(chain_code), ..self.clone() };
        let mut former = self.former_chain_codes.iter().map(|code| under(*code).sender(deposit_index));
        Ok(self.sender(deposit_index)? == *key
            || former.any(|sender| sender.is_ok_and(|sender| sender == *key)))
    }

    /// The key that pays: the wallet's own, or that of a deposit address below it.
    pub(crate) fn sender(&self, deposit_index: Option<u32>) -> Result<PublicKey, Failure> {
        deposit_index.map_or(Ok(self.public_key), |index| self.deposit_key(index))
    }

    /// The public key of a deposit address, derived here.
    pub(crate) fn deposit_key(&self, index: u32) -> Result<PublicKey, Failure> {
        let chain_code = self.chain_code.ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                "CHAIN_CODE_UNKNOWN",
                "this machine does not know the wallet's chain code",
            )
            .next("holdfast wallet list: it replays the log as officer or auditor and learns it")
        })?;
        self.public_key
            .derive(&chain_code, &[DEPOSITS, index])
            .map_err(|error| Failure::new(Exit::Usage, error.code(), error.to_string()))
    }
}

type Known = BTreeMap<String, KnownWallet>;

/// The wallet, if it is known here.
pub(crate) fn wallet(profile: &Profile, id: &str) -> Result<Option<KnownWallet>, Failure> {
    Ok(load(profile)?.remove(id))
}

/// Remembers all wallets and rosters of a verified state; a key that changed is a contradiction and not an update.
pub(crate) fn remember(profile: &Profile, state: &State) -> Result<(), Failure> {
    rosters::remember(profile, state)?;
    let mut known = load(profile)?;
    let before = known.clone();
    for wallet in state.wallets() {
        let (id, found) = (&wallet.id, KnownWallet::of(wallet));
        let expected = known.entry(id.to_string()).or_insert_with(|| found.clone());
        if !found.continues(expected) {
            let (was, address) = (expected.address, found.address);
            let message = format!("wallet `{id}` was {was} and is now {address}, or its chain code changed");
            return Err(Failure::verification("WALLET_KEY_CHANGED", message)
                .next(format!("ask an officer; if it is right, remove `{}`", path(profile).display())));
        }
        *expected = found;
    }
    if known == before {
        return Ok(());
    }
    files::write(&path(profile), &serde_json::to_vec_pretty(&known).unwrap_or_default())
}

fn load(profile: &Profile) -> Result<Known, Failure> {
    let path = path(profile);
    if !path.exists() {
        return Ok(Known::new());
    }
    serde_json::from_slice(&files::read(&path)?).map_err(|error| {
        Failure::new(Exit::Usage, "KNOWN_WALLETS_INVALID", format!("`{}`: {error}", path.display()))
            .next("correct or remove the file; `holdfast wallet list` makes it again")
    })
}

fn path(profile: &Profile) -> PathBuf {
    profile.directory.join(FILE)
}
