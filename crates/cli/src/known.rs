//! Wallets and rosters that this machine has seen proven, in the manner of SSH's `known_hosts`.
//!
//! A client may not read the log, so a receipt alone does not tell it that a public key is the wallet's. This file does:
//! an officer's or auditor's verified replica fills it, and receipts are compared with it.

mod rosters;

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_chains::{Address, PublicKey};
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
    for Wallet { id, address, public_key, .. } in state.wallets() {
        let found = KnownWallet { address: *address, public_key: *public_key };
        let expected = known.entry(id.to_string()).or_insert_with(|| found.clone());
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
