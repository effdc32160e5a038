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
}

/// The branch of a wallet's key tree that deposit addresses are on.
const DEPOSITS: u32 = 0;

impl KnownWallet {
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
        let Wallet { id, address, public_key, chain_code, .. } = wallet;
        let found = KnownWallet { address: *address, public_key: *public_key, chain_code: Some(*chain_code) };
        let expected = known.entry(id.to_string()).or_insert_with(|| found.clone());
        // INVARIANT (G2): a chain code gives way only to one that officers let the nodes agree after it.
        let former = |known: &Digest| wallet.former_chain_codes.iter().any(|code| code.chain_code == *known);
        expected.chain_code = expected.chain_code.filter(|known| !former(known)).or(found.chain_code);
        if *expected != found {
            let message = format!("wallet `{id}` was {} and is now {address}", expected.address);
            return Err(Failure::verification("WALLET_KEY_CHANGED", message)
                .next(format!("ask an officer; if it is right, remove `{}`", path(profile).display())));
        }
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
