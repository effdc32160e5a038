//! Keys: the proposal of a wallet, the nodes' confirmations of new shares, their activation.

use holdfast_policy::WalletId;

use crate::ceremony::{Ceremony, CeremonyKind, CeremonyPhase, KeyWork, WalletProposal};
use crate::ids::CeremonyId;
use crate::payload::{EpochActivated, KeygenConfirmation};
use crate::rejection::{Rejection, RejectionCode};
use crate::state::{Change, State};
use crate::statement::Statement;
use crate::wallet::Wallet;

impl State {
    pub(in crate::state) fn propose_wallet(
        &self,
        statement: &Statement,
        proposal: &WalletProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_new_wallet(proposal)?;
        self.propose(statement, CeremonyKind::CreateWallet(proposal.clone()), text, index)
    }

    /// Whether the wallet is new, and its committee the cluster's.
    pub(super) fn check_new_wallet(&self, proposal: &WalletProposal) -> Result<(), Rejection> {
        let threshold = self.genesis.document.threshold;
        let committee = self.roster().nodes().iter().map(|node| &node.id);
        if (proposal.t, proposal.n) != (threshold.t, threshold.n) || !committee.eq(proposal.nodes.iter()) {
            let detail = "threshold and nodes must be the cluster's committee, in its order";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("threshold"));
        }
        if self.wallet(&proposal.wallet).is_some() || self.shares_are_made(&proposal.wallet) {
            let detail = format!("wallet `{}` exists or is being created", proposal.wallet);
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
        }
        Ok(())
    }

    /// Wallets of whose key nodes make shares: first ones, or new ones.
    pub fn shares_in_making(&self) -> impl Iterator<Item = &WalletId> {
        let open = self.ceremonies().filter(|ceremony| {
            let phase = ceremony.phase_at(self.last_time);
            matches!(phase, CeremonyPhase::Approved | CeremonyPhase::Confirmed)
        });
        let works = open.filter_map(|ceremony| ceremony.kind.key_work());
        // A second creation under one name is confirmed perhaps, and never active: it must not stop what comes after.
        works.filter(|work| self.comes_after(work)).map(|work| work.wallet)
    }

    /// Whether these shares may yet become active.
    pub(in crate::state) fn comes_after(&self, work: &KeyWork<'_>) -> bool {
        self.wallet(work.wallet).is_none_or(|wallet| !work.makes_wallet && work.epoch > wallet.epoch)
    }

    pub(super) fn shares_are_made(&self, wallet: &WalletId) -> bool {
        self.shares_in_making().any(|other| other == wallet)
    }

    pub(in crate::state) fn admit_confirmation(
        &self,
        confirmation: &KeygenConfirmation,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&confirmation.cluster)?;
        let mut ceremony =
            self.ceremony_in(&confirmation.ceremony, CeremonyPhase::Approved, self.last_time)?.clone();
        if ceremony.confirmations.contains_key(&confirmation.node) {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this node has confirmed already"));
        }
        check_confirmation(&ceremony, confirmation)?;
        self.check_kept(&ceremony, confirmation)?;
        self.check_imported(&ceremony, confirmation)?;
        let contradicts = |other: &KeygenConfirmation| {
            KeygenConfirmation { node: confirmation.node.clone(), ..other.clone() } != *confirmation
        };
        // INVARIANT (G3): one transcript, or no key.
        if ceremony.confirmations.values().any(contradicts) {
            ceremony.phase = CeremonyPhase::Failed;
        }
        ceremony.confirmations.insert(confirmation.node.clone(), confirmation.clone());
        if ceremony.phase == CeremonyPhase::Approved && ceremony.unconfirmed_nodes().is_empty() {
            ceremony.phase = CeremonyPhase::Confirmed;
        }
        Ok(Change::ceremony(ceremony))
    }

    pub(in crate::state) fn admit_activation(
        &self,
        activated: &EpochActivated,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&activated.cluster)?;
        let mut ceremony =
            self.ceremony_in(&activated.ceremony, CeremonyPhase::Confirmed, self.last_time)?.clone();
        let result = ceremony.confirmations.values().next().ok_or_else(|| {
            Rejection::new(RejectionCode::ConfirmationsMissing, "no node has confirmed")
                .with_field("ceremony")
        })?;
        if activated.wallet != result.wallet || activated.epoch != result.epoch {
            let detail = "wallet or epoch is not the ceremony's";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("wallet"));
        }
        let wallet = match &ceremony.kind {
            CeremonyKind::CreateWallet(proposal) => self.created(proposal, result, ceremony.id, index)?,
            CeremonyKind::MigrateWallet(proposal) => self.migrated(proposal, result, ceremony.id, index)?,
            CeremonyKind::ImportWallet(proposal) => {
                self.check_new_key(&proposal.old.public_key, &proposal.wallet.wallet)?;
                self.created(&proposal.wallet, result, ceremony.id, index)?
            }
            CeremonyKind::AddWhitelistEntry(_)
            | CeremonyKind::ResumeWallet { .. }
            | CeremonyKind::ChangeRoster(_)
            | CeremonyKind::ChangePolicy(_)
            | CeremonyKind::UpdateScreeningList(_)
            | CeremonyKind::LiftScreeningAdditions { .. } => return Err(makes_no_key()),
        };
        ceremony.phase = CeremonyPhase::Activated;
        Ok(Change { wallet: Some(wallet), ..Change::ceremony(ceremony) })
    }

    fn created(
        &self,
        proposal: &WalletProposal,
        result: &KeygenConfirmation,
        ceremony: CeremonyId,
        index: u64,
    ) -> Result<Wallet, Rejection> {
        if self.wallet(&proposal.wallet).is_some() {
            let detail = format!("wallet `{}` exists already", proposal.wallet);
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
        }
        Ok(Wallet {
            id: proposal.wallet.clone(),
            engine: proposal.engine.clone(),
            t: proposal.t,
            nodes: proposal.nodes.clone(),
            epoch: result.epoch,
            public_key: result.public_key,
            chain_code: result.chain_code,
            verifying_shares: result.verifying_shares.clone(),
            address: result.public_key.address(),
            ceremony,
            index,
            migrations: Vec::new(),
            former_chain_codes: Vec::new(),
            erasures: Vec::new(),
            pauses: Vec::new(),
            resumes: Vec::new(),
        })
    }
}

fn makes_no_key() -> Rejection {
    Rejection::new(RejectionCode::CeremonyPhase, "this ceremony makes no key")
}

fn check_confirmation(ceremony: &Ceremony, confirmation: &KeygenConfirmation) -> Result<(), Rejection> {
    let refuse = |field: &str, detail: &str| {
        Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field))
    };
    let work = ceremony.kind.key_work().ok_or_else(makes_no_key)?;
    if !work.nodes.contains(&confirmation.node) {
        return Err(Rejection::new(RejectionCode::SignerNotAuthorized, "not a node of this committee")
            .with_field("node"));
    }
    if confirmation.wallet != *work.wallet || confirmation.epoch != work.epoch {
        return refuse("wallet", "wallet or epoch is not the ceremony's");
    }
    if confirmation.engine != work.engine {
        return refuse("engine", "not the engine that the officers approved");
    }
    if confirmation.verifying_shares.len() != work.nodes.len() {
        return refuse("verifying_shares", "one verifying share for each node is needed");
    }
    if !confirmation.backup_restored {
        return refuse("backup_restored", "the share's backup must pass a restore test first");
    }
    Ok(())
}
