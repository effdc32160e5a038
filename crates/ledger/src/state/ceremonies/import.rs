//! A key that comes from another deployment: what officers may propose, and that the wallet gets that key and no other.

use std::collections::BTreeSet;

use holdfast_chains::PublicKey;
use holdfast_policy::WalletId;

use crate::ceremony::{Ceremony, CeremonyKind, CeremonyPhase, ImportProposal};
use crate::payload::KeygenConfirmation;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::{Change, State};
use crate::statement::Statement;
use crate::wallet::Wallet;

impl State {
    pub(in crate::state) fn propose_import(
        &self,
        statement: &Statement,
        proposal: &ImportProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_import(proposal)?;
        self.propose(statement, CeremonyKind::ImportWallet(Box::new(proposal.clone())), text, index)
    }

    /// Whether the wallet is new, its committee the cluster's, and the old key one that these givers can hand over.
    pub(super) fn check_import(&self, proposal: &ImportProposal) -> Result<(), Rejection> {
        self.check_new_wallet(&proposal.wallet)?;
        if !proposal.old.is_sound() {
            let detail =
                "must be the verifying shares, on one polynomial of degree t - 1, of the old public key";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("old share"));
        }
        // INVARIANT (G6): t old shares make the key, no fewer and none beside them.
        if !are_givers(proposal) {
            let t = proposal.old.t;
            let detail = format!(
                "must be exactly {t} nodes of the committee, in its order, each as another old party"
            );
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("giver"));
        }
        self.check_new_key(&proposal.old.public_key, &proposal.wallet.wallet)
    }

    /// INVARIANT (G1, G5): a key is one wallet's. Two with one key would count amounts, windows and account nonces apart.
    pub(super) fn check_new_key(&self, key: &PublicKey, wallet: &WalletId) -> Result<(), Rejection> {
        let holder = self.wallets().find(|known| known.public_key == *key).map(|known| &known.id);
        let imported = self.ceremonies().filter_map(|ceremony| {
            let phase = ceremony.phase_at(self.last_time);
            let is_made = matches!(phase, CeremonyPhase::Approved | CeremonyPhase::Confirmed);
            let CeremonyKind::ImportWallet(other) = &ceremony.kind else { return None };
            // One whose name another wallet got meanwhile is never active: it does not keep the key from other names.
            let is_made = is_made && ceremony.kind.key_work().is_some_and(|work| self.comes_after(&work));
            (is_made && other.old.public_key == *key).then_some(&other.wallet.wallet)
        });
        match holder.into_iter().chain(imported).find(|other| *other != wallet) {
            Some(other) => {
                let detail = format!("is the key of wallet `{other}`");
                Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("old public key"))
            }
            None => Ok(()),
        }
    }

    /// INVARIANT (G6): new shares are of the key that the officers saw, and none of them is an old one.
    pub(super) fn check_imported(
        &self,
        ceremony: &Ceremony,
        confirmation: &KeygenConfirmation,
    ) -> Result<(), Rejection> {
        let CeremonyKind::ImportWallet(proposal) = &ceremony.kind else { return Ok(()) };
        let old: BTreeSet<&PublicKey> = proposal.old.verifying_shares.iter().collect();
        let kept = [
            ("public_key", confirmation.public_key == proposal.old.public_key),
            ("verifying_shares", !confirmation.verifying_shares.iter().any(|share| old.contains(share))),
        ];
        match kept.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => {
                let detail = "must be new shares of the key that the officers approved";
                Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field))
            }
            None => Ok(()),
        }
    }

    /// Where a wallet's key came from, if it was not made here.
    pub fn import_of(&self, wallet: &Wallet) -> Option<&ImportProposal> {
        let CeremonyKind::ImportWallet(proposal) = &self.ceremony(&wallet.ceremony)?.kind else {
            return None;
        };
        Some(proposal)
    }
}

/// Exactly t of the committee, in its order, each with the share of another old party.
fn are_givers(proposal: &ImportProposal) -> bool {
    let ImportProposal { wallet, old, givers } = proposal;
    let mut members = wallet.nodes.iter();
    let in_order = givers.iter().all(|giver| members.any(|node| *node == giver.node));
    let parties: BTreeSet<u8> = givers.iter().map(|giver| giver.party).collect();
    let exist = parties.iter().all(|party| (1..=old.n()).contains(party));
    in_order && exist && givers.len() == usize::from(old.t) && parties.len() == givers.len()
}
