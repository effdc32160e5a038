//! What an admissible entry writes. Admission computes it and touches nothing; writing it cannot fail.

use std::sync::Arc;

use holdfast_policy::{ProviderId, TimestampMs, WhitelistEntry, WhitelistEntryId};

use super::authority::{ClientRevocation, UploadedPolicy};
use super::lists::{NextList, NextPart, Urgent};
use super::policies::NextPolicy;
use super::senders::AccountNonce;
use super::{Admission, Attestation, Counted, State};
use crate::ceremony::Ceremony;
use crate::codec::Encode;
use crate::ids::StatementDigest;
use crate::legal_order::LegalOrder;
use crate::payload::{CustomerReport, ExposureReport, PriceReport, ScreeningUpdate, SessionReport};
use crate::roster::Roster;
use crate::wallet::Wallet;
use crate::whitelist::RequestedEntry;
use crate::withdrawal::Withdrawal;

/// Records to write; each replaces the one with the same id.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(super) withdrawal: Option<Withdrawal>,
    /// The withdrawal in whose place that one comes.
    pub(super) replaced: Option<Withdrawal>,
    pub(super) ceremony: Option<Ceremony>,
    pub(super) wallet: Option<Wallet>,
    pub(super) whitelist_entry: Option<WhitelistEntry>,
    pub(super) revoked: Vec<(WhitelistEntryId, TimestampMs)>,
    /// Requests for entries, new or changed.
    pub(super) requested_entries: Vec<RequestedEntry>,
    /// Entries that were used.
    pub(super) used: Vec<(WhitelistEntryId, TimestampMs)>,
    pub(super) session: Option<SessionReport>,
    pub(super) customer: Option<CustomerReport>,
    pub(super) price: Option<PriceReport>,
    /// A provider's report, for whatever it is about.
    pub(super) sequence: Option<(ProviderId, u64)>,
    pub(super) legal_orders: Vec<LegalOrder>,
    pub(super) statement: Option<StatementDigest>,
    pub(super) account_nonce: Option<AccountNonce>,
    pub(super) attestation: Option<Attestation>,
    /// Ceremonies that a change of roster or policy ends.
    pub(super) other_ceremonies: Vec<Ceremony>,
    pub(super) roster: Option<Roster>,
    pub(super) client_revocation: Option<ClientRevocation>,
    pub(super) policy_upload: Option<UploadedPolicy>,
    pub(super) policy: Option<NextPolicy>,
    pub(super) screening_update: Option<(ScreeningUpdate, u64)>,
    pub(super) screening_part: Option<NextPart>,
    pub(super) screening_list: Option<NextList>,
    pub(super) urgent: Option<Urgent>,
    pub(super) exposure: Option<ExposureReport>,
    /// What circuit breakers count of it; their pauses are in the wallet.
    pub(super) counted: Option<Counted>,
}

/// What the state's digest covers: everything that is written.
impl Encode for Change {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            withdrawal,
            replaced,
            ceremony,
            wallet,
            whitelist_entry,
            revoked,
            requested_entries,
            used,
            session,
            customer,
            price,
            sequence,
            legal_orders,
            statement,
            account_nonce,
            attestation,
            other_ceremonies,
            roster,
            client_revocation,
            policy_upload,
            policy,
            screening_update,
            screening_part,
            screening_list,
            urgent,
            exposure,
            counted,
        } = self;
        withdrawal.encode(out);
        replaced.encode(out);
        ceremony.encode(out);
        wallet.encode(out);
        whitelist_entry.encode(out);
        revoked.encode(out);
        requested_entries.encode(out);
        used.encode(out);
        session.encode(out);
        customer.encode(out);
        price.encode(out);
        sequence.encode(out);
        legal_orders.encode(out);
        statement.encode(out);
        account_nonce.encode(out);
        attestation.encode(out);
        other_ceremonies.encode(out);
        roster.encode(out);
        client_revocation.encode(out);
        policy_upload.encode(out);
        policy.encode(out);
        screening_update.encode(out);
        screening_part.encode(out);
        screening_list.encode(out);
        urgent.encode(out);
        exposure.encode(out);
        // At the end, and nothing without it: logs whose policies have no breakers keep their digests.
        if let Some(counted) = counted {
            counted.encode(out);
        }
    }
}

impl Change {
    pub(super) fn withdrawal(withdrawal: Withdrawal) -> Self {
        Self { withdrawal: Some(withdrawal), ..Self::default() }
    }

    pub(super) fn ceremony(ceremony: Ceremony) -> Self {
        Self { ceremony: Some(ceremony), ..Self::default() }
    }

    pub(super) fn wallet(wallet: Wallet) -> Self {
        Self { wallet: Some(wallet), ..Self::default() }
    }
}

impl State {
    pub(super) fn write(&mut self, mut change: Change, time: TimestampMs) -> Admission {
        let mut admission = Admission::default();
        self.write_facts(&mut change, time);
        self.write_lists(&mut change);
        self.write_counted(&mut change, time);
        let mut signed = None;
        for order in std::mem::take(&mut change.legal_orders) {
            admission.order = Some(order.id.clone());
            self.orders.insert(order, time);
        }
        if let Some(withdrawal) = change.withdrawal.take() {
            admission.withdrawal = Some(withdrawal.id);
            let newly = withdrawal.signature.is_some() && !self.is_signed(&withdrawal.id);
            signed = newly.then_some(withdrawal.id);
            if let Some(nonce) = change.account_nonce.take() {
                self.account_nonces.insert(nonce, withdrawal.id);
            }
            self.withdrawals.insert(withdrawal, self.period());
        }
        if let Some(replaced) = change.replaced.take() {
            admission.replaced = Some(replaced.id);
            self.withdrawals.insert(replaced, self.period());
        }
        if let Some(changed) = admission.withdrawal {
            self.count_outflow(changed, time);
        }
        if let Some(signed) = signed {
            self.count_payment(signed, time);
        }
        if let Some(ceremony) = change.ceremony.take() {
            admission.ceremony = Some(ceremony.id);
            self.ceremonies.insert(ceremony.id, Arc::new(ceremony));
        }
        for ceremony in std::mem::take(&mut change.other_ceremonies) {
            self.ceremonies.insert(ceremony.id, Arc::new(ceremony));
        }
        if let Some(wallet) = change.wallet.take() {
            admission.wallet = Some(wallet.id.clone());
            self.wallets.insert(wallet.id.clone(), Arc::new(wallet));
        }
        // Admission checked that the entry is new, or exists and is not revoked: neither call can fail.
        if let Some(entry) = change.whitelist_entry.take() {
            let _ = self.whitelist.insert(entry);
        }
        for (entry, at) in std::mem::take(&mut change.revoked) {
            let _ = self.whitelist.revoke(&entry, at);
            admission.whitelist_entry = Some(entry);
        }
        self.write_requested_entries(std::mem::take(&mut change.requested_entries), time, &mut admission);
        for (entry, at) in std::mem::take(&mut change.used) {
            self.whitelist.mark_used(&entry, at);
        }
        if let Some(attestation) = change.attestation.take() {
            self.attestations.insert(attestation.node.clone(), Arc::new(attestation));
        }
        if let Some(statement) = change.statement.take() {
            self.statements.insert(statement);
        }
        self.write_authority(&mut change, &mut admission);
        admission
    }

    /// Who may speak, and by which policy.
    fn write_authority(&mut self, change: &mut Change, admission: &mut Admission) {
        if let Some(roster) = change.roster.take() {
            admission.roster = Some(roster.version());
            self.write_roster(roster);
        }
        if let Some(revocation) = change.client_revocation.take() {
            admission.client = Some(revocation.client.clone());
            self.write_revocation(revocation);
        }
        if admission.roster.is_some() || admission.client.is_some() {
            self.free_places();
        }
        if let Some(upload) = change.policy_upload.take() {
            self.write_policy_upload(upload);
        }
        if let Some(policy) = change.policy.take() {
            self.write_policy(policy);
            admission.policy = Some(self.policy_version());
        }
    }

    /// What providers reported.
    fn write_facts(&mut self, change: &mut Change, time: TimestampMs) {
        if let Some(report) = change.session.take() {
            self.use_number(report.provider.clone(), report.sequence);
            self.activity.record_session(&report.customer, &report.signals());
            let reports = Arc::make_mut(self.sessions.entry(report.customer.clone()).or_default());
            match reports.binary_search_by(|known| known.provider.cmp(&report.provider)) {
                Ok(position) => reports.splice(position..=position, [report]).for_each(drop),
                Err(position) => reports.insert(position, report),
            }
        }
        if let Some(report) = change.customer.take() {
            self.use_number(report.provider.clone(), report.sequence);
            self.activity.register(&report.customer, report.opened_at_ms, report.last_active_at_ms);
        }
        if let Some(report) = change.price.take() {
            self.use_number(report.provider.clone(), report.sequence);
            self.prices.insert(&report);
        }
        if let Some((provider, sequence)) = change.sequence.take() {
            self.use_number(provider, sequence);
        }
        if let Some(report) = change.exposure.take() {
            self.use_number(report.provider.clone(), report.sequence);
            self.exposures.insert(report, time);
        }
    }

    /// What changed about screening lists.
    fn write_lists(&mut self, change: &mut Change) {
        if let Some((update, index)) = change.screening_update.take() {
            self.write_screening_update(update, index);
        }
        if let Some(part) = change.screening_part.take() {
            self.write_screening_part(part);
        }
        if let Some(list) = change.screening_list.take() {
            self.write_list(list);
        }
        if let Some(urgent) = change.urgent.take() {
            self.write_urgent(urgent);
        }
    }
}
