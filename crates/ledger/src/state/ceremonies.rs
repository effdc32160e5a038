//! Ceremonies: proposals, approvals, and what happens when the quorum is met. The phase table is in [`crate::Ceremony`]'s
//! file.

use std::collections::BTreeMap;

use holdfast_policy::{TimestampMs, WalletId};

use super::statements::unknown_wallet;
use super::{Change, State};
use crate::ceremony::{Ceremony, CeremonyApproval, CeremonyKind, CeremonyPhase, QuorumMet, quorum_of};
use crate::ids::{CeremonyId, StatementDigest};
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::Statement;
use crate::wallet::PauseRecord;

mod import;
mod keygen;
mod migration;
mod whitelist;

impl State {
    pub(super) fn propose_resume(
        &self,
        statement: &Statement,
        wallet: &WalletId,
        lifts: &[StatementDigest],
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        let known = self.wallet(wallet).ok_or_else(|| unknown_wallet(wallet))?;
        let in_force = known.pauses.iter().map(|pause| pause.statement);
        let logged = in_force.zip(lifts).take_while(|(pause, lift)| pause == *lift).count();
        // Beyond those, pauses that only nodes have: the log will never contain one whose officer left.
        let only_delivered = lifts.get(logged..).unwrap_or_default();
        let ordered = only_delivered.is_sorted_by(|a, b| a < b);
        if lifts.is_empty() || !ordered || only_delivered.iter().any(|lift| self.statement_acted(lift)) {
            let detail = "must name pauses in force, the oldest first and none left out, then in order any that only nodes \
                          have; later ones stay in force";
            return Err(Rejection::new(RejectionCode::WalletPauseState, detail).with_field("lifts pause"));
        }
        let kind = CeremonyKind::ResumeWallet { wallet: wallet.clone(), lifts: lifts.to_vec() };
        self.propose(statement, kind, text, index)
    }

    pub(super) fn propose(
        &self,
        statement: &Statement,
        kind: CeremonyKind,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        self.propose_by(kind.name(), statement, kind, text, index)
    }

    /// The same by a quorum of another name than the kind's.
    pub(super) fn propose_by(
        &self,
        name: &str,
        statement: &Statement,
        kind: CeremonyKind,
        text: &str,
        index: u64,
    ) -> Result<Change, Rejection> {
        let quorum = quorum_of(&self.genesis.document.quorums, name).cloned().unwrap_or_default();
        if self.roles_of(&statement.officer).is_disjoint(&quorum.keys().cloned().collect()) {
            let detail = format!("`{}` has no role in the quorum for `{name}`", statement.officer);
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
            quorum_met: None,
            confirmations: BTreeMap::new(),
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
        ceremony.approvals.push(CeremonyApproval {
            officer: statement.officer.clone(),
            roles,
            time,
            expires_at: statement.expires_at.unwrap_or(time),
            index,
        });
        if !ceremony.quorum_met_by(|approval| self.standing_roles(&approval.officer, approval.index)) {
            return Ok(Change::ceremony(ceremony));
        }
        ceremony.quorum_met = Some(QuorumMet { index, time });
        self.carry_out(ceremony, index, time)
    }

    /// The quorum is met: what needs no nodes happens at once.
    fn carry_out(&self, mut ceremony: Ceremony, index: u64, time: TimestampMs) -> Result<Change, Rejection> {
        match ceremony.kind.clone() {
            CeremonyKind::CreateWallet(proposal) => {
                if self.wallet(&proposal.wallet).is_some() {
                    let detail = format!("wallet `{}` exists by now", proposal.wallet);
                    return Err(Rejection::new(RejectionCode::AlreadyExists, detail).with_field("wallet"));
                }
                ceremony.phase = CeremonyPhase::Approved;
                Ok(Change::ceremony(ceremony))
            }
            CeremonyKind::MigrateWallet(proposal) => {
                self.check_migration(&proposal)?;
                ceremony.phase = CeremonyPhase::Approved;
                Ok(Change::ceremony(ceremony))
            }
            CeremonyKind::ImportWallet(proposal) => {
                self.check_import(&proposal)?;
                ceremony.phase = CeremonyPhase::Approved;
                Ok(Change::ceremony(ceremony))
            }
            CeremonyKind::AddWhitelistEntry(proposal) => {
                let entry = self.approved_entry(&ceremony.id, &proposal, time)?;
                ceremony.phase = CeremonyPhase::Activated;
                ceremony.whitelist_entry = Some(entry.id.clone());
                Ok(Change { whitelist_entry: Some(entry), ..Change::ceremony(ceremony) })
            }
            CeremonyKind::ResumeWallet { wallet, lifts } => {
                let mut wallet = self.wallet(&wallet).ok_or_else(|| unknown_wallet(&wallet))?.clone();
                // INVARIANT (G4): only the pauses that the officers named are lifted; a later one stays in force. So does the trip of a
                // breaker that somebody foresaw: the proposal could not say what it is.
                let foreseen =
                    |pause: &PauseRecord| pause.by.breaker().is_some() && pause.index > ceremony.index;
                wallet.pauses.retain(|pause| !lifts.contains(&pause.statement) || foreseen(pause));
                wallet.resumes.push(ceremony.id);
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { wallet: Some(wallet), ..Change::ceremony(ceremony) })
            }
            CeremonyKind::ChangeRoster(proposal) => {
                let change = self.change_roster(&proposal, ceremony.id, index, time)?;
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { ceremony: Some(ceremony), ..change })
            }
            CeremonyKind::ChangePolicy(proposal) => {
                let change = self.change_policy(&proposal, ceremony.id, index, time)?;
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { ceremony: Some(ceremony), ..change })
            }
            CeremonyKind::UpdateScreeningList(proposal) => {
                let change = self.update_list(&proposal, ceremony.id, index, time)?;
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { ceremony: Some(ceremony), ..change })
            }
            CeremonyKind::LiftScreeningAdditions { list, addresses } => {
                let change = self.lift_additions(&list, &addresses)?;
                ceremony.phase = CeremonyPhase::Activated;
                Ok(Change { ceremony: Some(ceremony), ..change })
            }
        }
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
