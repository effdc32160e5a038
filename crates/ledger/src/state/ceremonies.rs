//! Ceremonies: proposals, approvals, key generation results, activation. The phase table is in [`crate::Ceremony`]'s file.

use holdfast_chains::AssetSymbol;
use holdfast_policy::{EntryOwner, TimestampMs, WalletId, WhitelistEntry};

use super::statements::unknown_wallet;
use super::{Change, State};
use crate::ceremony::{
    Ceremony, CeremonyApproval, CeremonyKind, CeremonyPhase, WalletProposal, WhitelistProposal,
};
use crate::ids::{CeremonyId, StatementDigest, whitelist_entry_id};
use crate::payload::{EpochActivated, KeygenConfirmation};
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;
use crate::wallet::Wallet;

impl State {
    pub(super) fn propose_wallet(
        &self,
        statement: &Statement,
        proposal: &WalletProposal,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        let threshold = self.genesis.document.threshold;
        let committee = self.roster().nodes().iter().map(|node| &node.id);
        if (proposal.t, proposal.n) != (threshold.t, threshold.n) || !committee.eq(proposal.nodes.iter()) {
            let detail = "threshold and nodes must be the cluster's committee, in its order";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("threshold"));
        }
        let in_progress = |ceremony: &Ceremony| match &ceremony.kind {
            CeremonyKind::CreateWallet(other) => {
                other.wallet == proposal.wallet
                    && matches!(
                        ceremony.phase_at(self.last_time),
                        CeremonyPhase::Approved | CeremonyPhase::Confirmed
                    )
            }
            CeremonyKind::AddWhitelistEntry(_) | CeremonyKind::ResumeWallet { .. } => false,
        };
        if self.wallet(&proposal.wallet).is_some() || self.ceremonies().any(in_progress) {
            let detail = format!("wallet `{}` exists or is being created", proposal.wallet);
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
        }
        self.propose(statement, CeremonyKind::CreateWallet(proposal.clone()), text, index)
    }

    pub(super) fn propose_whitelist_entry(
        &self,
        statement: &Statement,
        proposal: &WhitelistProposal,
        text: &str,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let registered = |symbol: &AssetSymbol| {
            self.genesis
                .document
                .assets
                .iter()
                .any(|a| a.chain_id == proposal.chain_id && a.symbol == *symbol)
        };
        if let Some(asset) = proposal.assets.iter().find(|symbol| !registered(symbol)) {
            let detail = format!("`{asset}` is not registered on chain {}", proposal.chain_id);
            return Err(Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset"));
        }
        self.check_whitelist_terms(proposal, time)?;
        self.propose(statement, CeremonyKind::AddWhitelistEntry(proposal.clone()), text, index)
    }

    pub(super) fn propose_resume(
        &self,
        statement: &Statement,
        wallet: &WalletId,
        lifts: &[StatementDigest],
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        let known = self.wallet(wallet).ok_or_else(|| unknown_wallet(wallet))?;
        let oldest = known.pauses.iter().map(|pause| pause.statement).take(lifts.len());
        if lifts.is_empty() || !oldest.eq(lifts.iter().copied()) {
            let detail =
                "must name pauses in force, the oldest first and none left out; later ones stay in force";
            return Err(Rejection::new(RejectionCode::WalletPauseState, detail).with_field("lifts pause"));
        }
        let kind = CeremonyKind::ResumeWallet { wallet: wallet.clone(), lifts: lifts.to_vec() };
        self.propose(statement, kind, text, index)
    }

    fn propose(
        &self,
        statement: &Statement,
        kind: CeremonyKind,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        let quorum = self.genesis.document.quorums.get(kind.name()).cloned().unwrap_or_default();
        if self.roles_of(&statement.officer).is_disjoint(&quorum.keys().cloned().collect()) {
            let detail = format!("`{}` has no role in the quorum for `{}`", statement.officer, kind.name());
            return Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("officer"));
        }
        let id = CeremonyId::of(&StatementDigest::of(text.as_bytes()));
        Ok(Change::ceremony(Ceremony {
            id,
            kind,
            statement: text.to_owned(),
            proposer: statement.officer.clone(),
            expires_at: statement.expires_at.unwrap_or(statement.issued_at),
            index,
            quorum,
            approvals: Vec::new(),
            confirmations: std::collections::BTreeMap::new(),
            whitelist_entry: None,
            phase: CeremonyPhase::Proposed,
        }))
    }

    pub(super) fn approve_ceremony(
        &self,
        statement: &Statement,
        id: &CeremonyId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let mut ceremony = self.ceremony_in(id, CeremonyPhase::Proposed, time)?.clone();
        let roles = self.roles_of(&statement.officer);
        if roles.is_disjoint(&ceremony.quorum.keys().cloned().collect()) {
            let detail = format!("`{}` has no role in this ceremony's quorum", statement.officer);
            return Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("officer"));
        }
        if ceremony.approvals.iter().any(|approval| approval.officer == statement.officer) {
            let detail = format!("`{}` has approved this ceremony already", statement.officer);
            return Err(Rejection::new(RejectionCode::AlreadyApproved, detail).with_field("officer"));
        }
        ceremony.approvals.push(CeremonyApproval { officer: statement.officer.clone(), roles, time, index });
        if !ceremony.quorum_met() {
            return Ok(Change::ceremony(ceremony));
        }
        self.carry_out(ceremony, time)
    }

    /// The quorum is met: what needs no nodes happens at once.
    fn carry_out(&self, mut ceremony: Ceremony, time: TimestampMs) -> Result<Change, Rejection> {
        match ceremony.kind.clone() {
            CeremonyKind::CreateWallet(proposal) => {
                if self.wallet(&proposal.wallet).is_some() {
                    let detail = format!("wallet `{}` exists by now", proposal.wallet);
                    return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
                }
                ceremony.phase = CeremonyPhase::Approved;
                Ok(Change::ceremony(ceremony))
            }
            CeremonyKind::AddWhitelistEntry(proposal) => {
                let entry = self.whitelist_entry(&ceremony.id, &proposal, time)?;
                ceremony.phase = CeremonyPhase::Activated;
                ceremony.whitelist_entry = Some(entry.id.clone());
                Ok(Change { whitelist_entry: Some(entry), ..Change::ceremony(ceremony) })
            }
            CeremonyKind::ResumeWallet { wallet, lifts } => {
                let mut wallet = self.wallet(&wallet).ok_or_else(|| unknown_wallet(&wallet))?.clone();
                // INVARIANT (G4): only the pauses that the officers named are lifted; a later one stays in force.
                wallet.pauses.retain(|pause| !lifts.contains(&pause.statement));
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { wallet: Some(wallet), ..Change::ceremony(ceremony) })
            }
        }
    }

    fn whitelist_entry(
        &self,
        ceremony: &CeremonyId,
        proposal: &WhitelistProposal,
        time: TimestampMs,
    ) -> Result<WhitelistEntry, Rejection> {
        let not_before = self.check_whitelist_terms(proposal, time)?;
        let id = whitelist_entry_id(ceremony)
            .ok_or_else(|| Rejection::new(RejectionCode::FieldInvalid, "the entry has no id"))?;
        Ok(WhitelistEntry {
            id,
            chain_id: proposal.chain_id,
            address: proposal.address,
            assets: proposal.assets.iter().cloned().collect(),
            owner: proposal.customer.clone().map_or(EntryOwner::House, EntryOwner::Customer),
            not_before,
            expires_at: proposal.expires_at,
            revoked_at: None,
        })
    }

    /// When the entry would become valid if it were approved at `time`; refuses what the policy's terms do not permit.
    fn check_whitelist_terms(
        &self,
        proposal: &WhitelistProposal,
        time: TimestampMs,
    ) -> Result<TimestampMs, Rejection> {
        let refuse =
            |detail: String| Rejection::new(RejectionCode::PolicyBound, detail).with_field("valid until");
        let terms = self.policy().whitelist();
        let cooled = time.checked_add(terms.cooling_off).ok_or_else(|| refuse("too late".to_owned()))?;
        let not_before = proposal.not_before.map_or(cooled, |asked| asked.max(cooled));
        terms.check(time, not_before, proposal.expires_at).map_err(|error| refuse(error.to_string()))?;
        Ok(not_before)
    }

    pub(super) fn admit_confirmation(&self, confirmation: &KeygenConfirmation) -> Result<Change, Rejection> {
        self.check_cluster(&confirmation.cluster)?;
        let mut ceremony =
            self.ceremony_in(&confirmation.ceremony, CeremonyPhase::Approved, self.last_time)?.clone();
        if ceremony.confirmations.contains_key(&confirmation.node) {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this node has confirmed already"));
        }
        check_confirmation(&ceremony, confirmation)?;
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

    pub(super) fn admit_activation(
        &self,
        activated: &EpochActivated,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&activated.cluster)?;
        let mut ceremony =
            self.ceremony_in(&activated.ceremony, CeremonyPhase::Confirmed, self.last_time)?.clone();
        let CeremonyKind::CreateWallet(proposal) = ceremony.kind.clone() else {
            return Err(Rejection::new(RejectionCode::CeremonyPhase, "this ceremony makes no key"));
        };
        let result = ceremony.confirmations.values().next().ok_or_else(|| {
            Rejection::new(RejectionCode::ConfirmationsMissing, "no node has confirmed")
                .with_field("ceremony")
        })?;
        if activated.wallet != proposal.wallet || activated.epoch != result.epoch {
            let detail = "wallet or epoch is not the ceremony's";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("wallet"));
        }
        if self.wallet(&proposal.wallet).is_some() {
            let detail = format!("wallet `{}` exists already", proposal.wallet);
            return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
        }
        let wallet = Wallet {
            id: proposal.wallet.clone(),
            engine: proposal.engine.clone(),
            t: proposal.t,
            nodes: proposal.nodes.clone(),
            epoch: result.epoch,
            public_key: result.public_key,
            chain_code: result.chain_code,
            verifying_shares: result.verifying_shares.clone(),
            address: result.public_key.address(),
            ceremony: ceremony.id,
            index,
            pauses: Vec::new(),
        };
        ceremony.phase = CeremonyPhase::Activated;
        Ok(Change { wallet: Some(wallet), ..Change::ceremony(ceremony) })
    }

    fn ceremony_in(
        &self,
        id: &CeremonyId,
        phase: CeremonyPhase,
        time: TimestampMs,
    ) -> Result<&Ceremony, Rejection> {
        let ceremony = self.ceremony(id).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownCeremony, format!("no ceremony `{id}`"))
                .with_field("ceremony")
        })?;
        let found = ceremony.phase_at(time);
        if found != phase {
            let detail = format!("the ceremony is {found:?}, this needs {phase:?}").to_lowercase();
            return Err(Rejection::new(RejectionCode::CeremonyPhase, detail).with_field("ceremony"));
        }
        Ok(ceremony)
    }
}

fn check_confirmation(ceremony: &Ceremony, confirmation: &KeygenConfirmation) -> Result<(), Rejection> {
    let refuse = |field: &str, detail: &str| {
        Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field))
    };
    let CeremonyKind::CreateWallet(proposal) = &ceremony.kind else {
        return Err(Rejection::new(RejectionCode::CeremonyPhase, "this ceremony makes no key"));
    };
    if !proposal.nodes.contains(&confirmation.node) {
        return Err(Rejection::new(RejectionCode::SignerNotAuthorized, "not a node of this committee")
            .with_field("node"));
    }
    if confirmation.wallet != proposal.wallet || confirmation.epoch != 0 {
        return refuse("wallet", "wallet or epoch is not the ceremony's");
    }
    if confirmation.engine != proposal.engine {
        return refuse("engine", "not the engine that the officers approved");
    }
    if confirmation.verifying_shares.len() != proposal.nodes.len() {
        return refuse("verifying_shares", "one verifying share for each node is needed");
    }
    if !confirmation.backup_restored {
        return refuse("backup_restored", "the share's backup must pass a restore test first");
    }
    Ok(())
}
