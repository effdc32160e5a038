//! Officers' statements: checked byte for byte, used once, then dispatched.

use holdfast_policy::{TimestampMs, WalletId, WhitelistEntryId};

use super::{Change, State};
use crate::ids::StatementDigest;
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::{Statement, StatementBody};
use crate::wallet::{PauseRecord, PausedBy};

/// Longest validity of a statement, so that an old one cannot be kept in a drawer: 7 days.
const MAX_STATEMENT_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Most pauses of one officer in force on one wallet: enough to stop it, few enough that resumes lift faster than it pauses.
const MAX_PAUSES: usize = 8;

impl State {
    /// The exact text of a statement as this log describes its subject; officers sign these bytes.
    ///
    /// # Errors
    /// A [`Rejection`] if the subject does not exist or the statement's own data is malformed.
    pub fn statement_text(&self, statement: &Statement) -> Result<String, Rejection> {
        statement.check().map_err(|error| {
            Rejection::new(RejectionCode::FieldInvalid, error.to_string()).with_field(error.field())
        })?;
        Ok(statement.render(&self.describe(&statement.body)?))
    }

    /// Whether an officer's protective statement would act on this log: what a node asks before it sets a latch.
    ///
    /// # Errors
    /// A [`Rejection`] naming what is wrong with it.
    pub fn check_protective(&self, statement: &Statement, text: &str) -> Result<(), Rejection> {
        self.check_cluster(&statement.cluster)?;
        self.check_text(statement, text)
    }

    pub(super) fn admit_statement(
        &self,
        statement: &Statement,
        text: &str,
        digest: StatementDigest,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&statement.cluster)?;
        if self.statement_acted(&digest) {
            return Err(Rejection::new(
                RejectionCode::StatementAlreadyUsed,
                "this statement acted before: make a new one",
            ));
        }
        self.check_validity(statement, time)?;
        self.check_version(&statement.body)?;
        self.check_text(statement, text)?;
        let change = match &statement.body {
            StatementBody::ProposeWallet(proposal) => {
                self.propose_wallet(statement, proposal, text, index)?
            }
            StatementBody::ProposeMigration(proposal) => {
                self.propose_migration(statement, proposal, text, index)?
            }
            StatementBody::ProposeImport(proposal) => {
                self.propose_import(statement, proposal, text, index)?
            }
            StatementBody::ProposeWhitelistEntry(proposal) => {
                self.propose_whitelist_entry(statement, proposal, text, index, time)?
            }
            StatementBody::ProposeResume { wallet, lifts } => {
                self.propose_resume(statement, wallet, lifts, text, index)?
            }
            StatementBody::ProposeRosterChange(proposal) => {
                self.propose_roster_change(statement, proposal, text, index, time)?
            }
            StatementBody::ProposePolicy(proposal) => {
                self.propose_policy(statement, proposal, text, index)?
            }
            StatementBody::ProposeScreening(proposal) => {
                self.propose_screening(statement, proposal, text, index)?
            }
            StatementBody::ProposeScreeningLift { list, addresses } => {
                self.propose_lift(statement, list, addresses, text, index)?
            }
            StatementBody::ApproveCeremony(ceremony) => {
                self.approve_ceremony(statement, ceremony, index, time)?
            }
            StatementBody::ApproveHold(withdrawal) => {
                self.admit_hold_approval(statement, withdrawal, index, time)?
            }
            StatementBody::RejectHold(withdrawal) => {
                self.admit_hold_rejection(statement, withdrawal, index, time)?
            }
            StatementBody::OpenOrder(proposal) => self.open_order(statement, proposal, index, time)?,
            StatementBody::ApproveOrder(order) => self.approve_order(statement, order, index, time)?,
            StatementBody::WithdrawApproval(withdrawal) => {
                self.admit_approval_withdrawal(statement, withdrawal, index, time)?
            }
            StatementBody::RevokeWhitelistEntry(entry) => self.revoke(entry, time)?,
            StatementBody::PauseWallet(wallet) => self.pause(statement, wallet, digest, index, time)?,
            StatementBody::RevokeClient(client) => {
                self.revoke_client(statement, client, digest, index, time)?
            }
            StatementBody::AddToScreeningList { list, address } => {
                self.add_to_list(statement, list, address, digest, index, time)?
            }
        };
        Ok(Change { statement: Some(digest), ..change })
    }

    /// INVARIANT (G1): the officer signed exactly what this log says about the subject, or nothing happens.
    fn check_text(&self, statement: &Statement, text: &str) -> Result<(), Rejection> {
        if self.statement_text(statement)? == text {
            return Ok(());
        }
        let detail = "the statement does not describe its subject as the log does: make a new one";
        Err(Rejection::new(RejectionCode::StatementMismatch, detail))
    }

    /// Before the text is compared, so that a statement made for an older version is told so.
    fn check_version(&self, body: &StatementBody) -> Result<(), Rejection> {
        match body {
            StatementBody::ProposeRosterChange(proposal) => self.roster().check_version(proposal),
            StatementBody::ProposePolicy(proposal) => self.check_policy_version(proposal),
            StatementBody::ProposeScreening(proposal) => {
                self.check_list_version(&proposal.list, proposal.version, proposal.replaces)
            }
            StatementBody::ProposeWallet(_)
            | StatementBody::ProposeMigration(_)
            | StatementBody::ProposeImport(_)
            | StatementBody::ProposeWhitelistEntry(_)
            | StatementBody::ProposeResume { .. }
            | StatementBody::ApproveCeremony(_)
            | StatementBody::ApproveHold(_)
            | StatementBody::RejectHold(_)
            | StatementBody::WithdrawApproval(_)
            | StatementBody::RevokeWhitelistEntry(_)
            | StatementBody::PauseWallet(_)
            | StatementBody::ProposeScreeningLift { .. }
            | StatementBody::AddToScreeningList { .. }
            | StatementBody::OpenOrder(_)
            | StatementBody::ApproveOrder(_)
            | StatementBody::RevokeClient(_) => Ok(()),
        }
    }

    fn check_validity(&self, statement: &Statement, time: TimestampMs) -> Result<(), Rejection> {
        let Some(expires) = statement.expires_at else { return Ok(()) };
        if time >= expires || expires.0.saturating_sub(statement.issued_at.0) > MAX_STATEMENT_LIFE_MS {
            let detail = "past its expiry, or valid for more than 7 days";
            return Err(Rejection::new(RejectionCode::StatementExpired, detail).with_field("expires"));
        }
        let latest = time.0.saturating_add(self.genesis.document.max_clock_skew_ms);
        if statement.issued_at.0 > latest {
            let detail = "made in the future: check the clock of the officer's machine";
            return Err(Rejection::new(RejectionCode::StatementFromTheFuture, detail).with_field("issued"));
        }
        Ok(())
    }

    fn revoke(&self, entry: &WhitelistEntryId, time: TimestampMs) -> Result<Change, Rejection> {
        let Some(known) = self.whitelist.entry(entry) else { return self.end_request(entry, time) };
        if known.revoked_at.is_some() {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "the entry is revoked already"));
        }
        Ok(Change { revoked: vec![(entry.clone(), time)], ..Change::default() })
    }

    /// A second pause is a second record: lifting the first does not lift it. One too many changes nothing here, and a node
    /// that has it as a latch keeps it until a resume names it.
    fn pause(
        &self,
        statement: &Statement,
        wallet: &WalletId,
        digest: StatementDigest,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let mut wallet = self.wallet(wallet).ok_or_else(|| unknown_wallet(wallet))?.clone();
        if self.resumed_before(&wallet.id, &digest) {
            let detail = "a resume lifted this statement before it came: make a new one";
            return Err(Rejection::new(RejectionCode::StatementAlreadyUsed, detail));
        }
        let officer = &statement.officer;
        // Pauses of somebody else who had the name are not this officer's.
        let since = self.roster().officer(officer).map_or(0, |known| known.since);
        let own =
            wallet.pauses.iter().filter(|pause| pause.by.officer() == Some(officer) && since < pause.index);
        if own.count() >= MAX_PAUSES {
            let detail =
                format!("{MAX_PAUSES} pauses of it by `{officer}` are in force: it is paused already");
            return Err(Rejection::new(RejectionCode::WalletPauseState, detail).with_field("wallet"));
        }
        wallet.pauses.push(PauseRecord {
            statement: digest,
            by: PausedBy::Officer(statement.officer.clone()),
            time,
            index,
        });
        Ok(Change::wallet(wallet))
    }
}

pub(super) fn unknown_wallet(wallet: &WalletId) -> Rejection {
    Rejection::new(RejectionCode::UnknownWallet, format!("no active wallet `{wallet}`")).with_field("wallet")
}

pub(super) fn unknown_entry(entry: &WhitelistEntryId) -> Rejection {
    let detail = format!("no whitelist entry `{entry}`");
    Rejection::new(RejectionCode::UnknownWhitelistEntry, detail).with_field("whitelist entry")
}
