//! New shares of a key that exists: what officers may propose, and that the key stays what it is.

use holdfast_chains::{Digest, PublicKey};
use holdfast_policy::NodeId;

use super::unknown_wallet;
use crate::ceremony::{Ceremony, CeremonyKind, MigrationProposal, NextChainCode};
use crate::ids::CeremonyId;
use crate::payload::KeygenConfirmation;
use crate::rejection::{Rejection, RejectionCode};
use crate::state::{Change, State};
use crate::statement::Statement;
use crate::wallet::{FormerChainCode, Wallet};

impl State {
    pub(in crate::state) fn propose_migration(
        &self,
        statement: &Statement,
        proposal: &MigrationProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_migration(proposal)?;
        self.propose(statement, CeremonyKind::MigrateWallet(proposal.clone()), text, index)
    }

    /// Whether the shares are those of the log's wallet, and its committee the one that gives and receives.
    pub(super) fn check_migration(&self, proposal: &MigrationProposal) -> Result<(), Rejection> {
        let refuse = |field: &str, detail: String| {
            Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field))
        };
        let wallet = self.wallet(&proposal.wallet).ok_or_else(|| unknown_wallet(&proposal.wallet))?;
        if proposal.from_engine != wallet.engine {
            return refuse("engine", format!("the wallet's shares are of `{}`", wallet.engine));
        }
        if proposal.from_epoch != wallet.epoch || wallet.epoch == u32::MAX {
            return refuse("epoch", format!("the wallet's shares are of epoch {}", wallet.epoch));
        }
        if proposal.receivers != wallet.nodes {
            return refuse("receiver", "must be the wallet's committee, in its order".to_owned());
        }
        // INVARIANT (G3): t shares make the key, no fewer and none beside them.
        if !are_givers(wallet, &proposal.givers) {
            let t = wallet.t;
            return refuse("giver", format!("must be exactly {t} nodes of the committee, in its order"));
        }
        if self.shares_are_made(&proposal.wallet) {
            let detail = format!("wallet `{}` is being migrated", proposal.wallet);
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
        }
        Ok(())
    }

    /// INVARIANT (G6): new shares are of the old key, or no node's word for them counts: its address stays, and so do deposit
    /// addresses unless the officers said otherwise.
    pub(super) fn check_kept(
        &self,
        ceremony: &Ceremony,
        confirmation: &KeygenConfirmation,
    ) -> Result<(), Rejection> {
        let CeremonyKind::MigrateWallet(proposal) = &ceremony.kind else { return Ok(()) };
        let wallet = self.wallet(&proposal.wallet).ok_or_else(|| unknown_wallet(&proposal.wallet))?;
        let kept = [
            ("public_key", confirmation.public_key == wallet.public_key),
            ("chain_code", follows(proposal.chain_code, wallet, confirmation.chain_code)),
            // A share that stays would not go with the erasure of the old ones.
            ("verifying_shares", are_new(&confirmation.verifying_shares, &wallet.verifying_shares)),
        ];
        match kept.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => {
                let detail = match proposal.chain_code {
                    NextChainCode::Carried => "must be new shares of the wallet's key, with its chain code",
                    NextChainCode::Fresh => "must be new shares of the wallet's key, with a new chain code",
                };
                Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field))
            }
            None => Ok(()),
        }
    }

    /// The wallet with its new shares.
    pub(super) fn migrated(
        &self,
        proposal: &MigrationProposal,
        result: &KeygenConfirmation,
        ceremony: CeremonyId,
        index: u64,
    ) -> Result<Wallet, Rejection> {
        let known = self.wallet(&proposal.wallet).ok_or_else(|| unknown_wallet(&proposal.wallet))?;
        let mut wallet = known.clone();
        if wallet.chain_code != result.chain_code {
            let former = FormerChainCode { chain_code: wallet.chain_code, until: index };
            wallet.former_chain_codes.push(former);
            wallet.chain_code = result.chain_code;
        }
        wallet.engine.clone_from(&proposal.engine);
        wallet.epoch = result.epoch;
        wallet.verifying_shares.clone_from(&result.verifying_shares);
        wallet.migrations.push(ceremony);
        Ok(wallet)
    }
}

/// Whether this is the chain code that was there, or one that never was.
fn follows(choice: NextChainCode, wallet: &Wallet, next: Digest) -> bool {
    let former = wallet.former_chain_codes.iter().map(|former| former.chain_code);
    match choice {
        NextChainCode::Carried => next == wallet.chain_code,
        NextChainCode::Fresh => former.chain([wallet.chain_code]).all(|known| known != next),
    }
}

fn are_new(new: &[PublicKey], old: &[PublicKey]) -> bool {
    new.iter().zip(old).all(|(new, old)| new != old)
}

/// Exactly t of the committee, in its order.
fn are_givers(wallet: &Wallet, givers: &[NodeId]) -> bool {
    let mut members = wallet.nodes.iter();
    givers.len() == usize::from(wallet.t) && givers.iter().all(|giver| members.any(|node| node == giver))
}
