//! The one way from facts in the log to a decision.

use std::collections::BTreeMap;

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    CustomerHistory, CustomerRef, Decision, DestinationStats, DeviceRef, DeviceStats, Exposure, IntentDigest,
    LegalFacts, LookAlikes, Outcome, Outflows, Place, PolicyDocument, PolicyVersion, PolicyView, ProviderId,
    RuleId, ScreeningIndex, SessionSignals, TimestampMs, TravelReport, UsdPrice, WalletId, WalletStatus,
    Whitelist, WhitelistEntry, WhitelistEntryId, WithdrawalFacts, evaluate, evaluate_own_transfer, footings,
};

use super::State;
use crate::ids::WithdrawalId;
use crate::payload::{ExposureReport, SessionReport, WithdrawalRequest};
use crate::wallet::{PauseRecord, Wallet};
use crate::withdrawal::{
    Approval, IdentityRecord, TravelRecord, Withdrawal, WithdrawalKind, WithdrawalState,
};

/// What a decision is about, and what was said about it since.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: &'a WithdrawalRequest,
    pub(super) to_oneself: bool,
    /// SHA-256 of the request's payload.
    pub(super) intent: [u8; 32],
    pub(super) at: AskedAt,
    pub(super) approvals: &'a [Approval],
    pub(super) attestations: &'a [IdentityRecord],
    pub(super) travel: &'a BTreeMap<ProviderId, TravelRecord>,
}

impl State {
    /// Evaluates the policy in force at this position of the log.
    pub(super) fn decide(&self, asked: &Asked<'_>, at: TimestampMs) -> Decision {
        self.in_force().decide(asked, at)
    }

    /// Where and when a withdrawal of this kind was asked for, whose own request has this index and time.
    pub(super) fn asked_at(&self, kind: WithdrawalKind, index: u64, requested_at: TimestampMs) -> AskedAt {
        let (place, first_requested_at) = match self.first_place(kind) {
            Some(first) => (first.positions.request, first.received_at),
            None => (index, requested_at),
        };
        AskedAt { requested_at, first_requested_at, place }
    }

    /// What [`State::apply`] would decide about this request now: for dry runs.
    pub fn evaluate_request(&self, request: &WithdrawalRequest, at: TimestampMs) -> Decision {
        let asked = Asked {
            request,
            to_oneself: false,
            intent: [0; 32],
            at: AskedAt { requested_at: at, first_requested_at: at, place: self.size() },
            approvals: &[],
            attestations: &[],
            travel: &BTreeMap::new(),
        };
        self.decide(&asked, at)
    }

    pub(super) fn redecide(&self, withdrawal: &mut Withdrawal, at: TimestampMs) {
        withdrawal.decision = self.decide_again(withdrawal, at).into();
    }

    pub(super) fn decide_again(&self, withdrawal: &Withdrawal, at: TimestampMs) -> Decision {
        self.in_force().decide_again(withdrawal, &withdrawal.approvals, at)
    }

    /// For each grant that gives the withdrawal at this time, the whitelist entries without which it would not: for the destination and
    /// for each argument of a call that has to be on the whitelist, any one that a node has known for long enough will do. None for a
    /// transfer of the wallet to itself.
    pub fn whitelist_footings(&self, id: &WithdrawalId, at: TimestampMs) -> Vec<Vec<Vec<WhitelistEntryId>>> {
        let Some(withdrawal) = self.withdrawal(id).filter(|withdrawal| !withdrawal.to_oneself) else {
            return Vec::new();
        };
        let (under, travel) = (self.in_force(), BTreeMap::new());
        let facts = under.facts(&under.asked_again(withdrawal, &[], &travel));
        let id = |entry: &&WhitelistEntry| entry.id.clone();
        footings(&View { under, session: None }, &facts, at)
            .iter()
            .map(|footing| footing.places.iter().map(|place| place.iter().map(id).collect()).collect())
            .collect()
    }

    fn in_force(&self) -> Under<'_> {
        let (document, version) = (self.policy(), self.policy_version());
        Under { state: self, document, version, outflows: &self.outflows, after: None }
    }

    /// INVARIANT (G4): an approval counts in the roles its officer holds now, not in those held when it was given.
    fn counted(&self, approval: &Approval) -> holdfast_policy::Approval {
        holdfast_policy::Approval {
            officer: approval.officer.clone(),
            roles: self.standing_roles(&approval.officer, approval.index),
            hold: approval.hold,
            expires_at: approval.expires_at,
        }
    }
}

/// The document that decides, and what was counted for its windows. All that a decision takes from a document it takes from this
/// one: it need not be the one in force.
#[derive(Clone, Copy)]
pub(super) struct Under<'a> {
    pub(super) state: &'a State,
    pub(super) document: &'a PolicyDocument,
    pub(super) version: PolicyVersion,
    pub(super) outflows: &'a Outflows,
    /// The entry after which a decision is asked that was taken in it: the pauses of breakers that it tripped came later.
    pub(super) after: Option<u64>,
}

/// When and where in the log a withdrawal was asked for.
#[derive(Clone, Copy)]
pub(super) struct AskedAt {
    requested_at: TimestampMs,
    first_requested_at: TimestampMs,
    place: Place,
}

impl Under<'_> {
    fn decide(self, asked: &Asked<'_>, at: TimestampMs) -> Decision {
        let facts = self.facts(asked);
        // INVARIANT (G1): admission derived both addresses from the wallet's key, and nodes do so again when they sign.
        if asked.to_oneself {
            return evaluate_own_transfer(&View { under: self, session: None }, &facts, at);
        }
        let session = self.session_signals(&asked.request.customer, at);
        evaluate(&View { under: self, session }, &facts, at)
    }

    fn facts(self, asked: &Asked<'_>) -> WithdrawalFacts {
        let Asked { request, to_oneself: _, intent, at: since, approvals, attestations, travel } = *asked;
        let AskedAt { requested_at, first_requested_at, place } = since;
        let reported = |(provider, record): (&ProviderId, &TravelRecord)| TravelReport {
            provider: provider.clone(),
            state: record.state,
        };
        WithdrawalFacts {
            wallet: request.wallet.clone(),
            asset: request.asset.clone(),
            amount: request.amount,
            destination: request.destination,
            call: request.calldata.clone(),
            fee_cap: request.fee_cap,
            client: request.client.clone(),
            requesters: std::collections::BTreeSet::new(),
            customer: Some(request.customer.clone()),
            requested_at,
            first_requested_at,
            place,
            order: request.order.clone(),
            travel: travel.iter().map(reported).collect(),
            approvals: approvals.iter().map(|approval| self.state.counted(approval)).collect(),
            intent: IntentDigest::from_bytes(intent),
            attestations: attestations.iter().map(|record| record.attestation.clone()).collect(),
        }
    }

    /// About a withdrawal that is in the log, with these approvals.
    pub(super) fn decide_again(
        self,
        withdrawal: &Withdrawal,
        approvals: &[Approval],
        at: TimestampMs,
    ) -> Decision {
        let travel = self.state.travel_about(withdrawal);
        self.decide(&self.asked_again(withdrawal, approvals, &travel), at)
    }

    fn asked_again<'a>(
        self,
        withdrawal: &'a Withdrawal,
        approvals: &'a [Approval],
        travel: &'a BTreeMap<ProviderId, TravelRecord>,
    ) -> Asked<'a> {
        Asked {
            request: &withdrawal.request,
            to_oneself: withdrawal.to_oneself,
            intent: withdrawal.request_digest,
            at: self.state.asked_at(withdrawal.kind, withdrawal.positions.request, withdrawal.received_at),
            approvals,
            attestations: &withdrawal.attestations,
            travel,
        }
    }

    /// The pauses of a wallet that the decision obeys.
    fn pauses(self, wallet: &Wallet) -> impl Iterator<Item = &PauseRecord> {
        let came_later =
            move |pause: &PauseRecord| pause.by.breaker().is_some() && Some(pause.index) == self.after;
        wallet.pauses.iter().filter(move |pause| !came_later(pause))
    }

    /// The worst of the newest reports of all providers that the document names, of those that are young enough, with the newest
    /// one's name and time: if that one is too old, all are, and policy finds it stale whatever it says.
    fn session_signals(self, customer: &CustomerRef, at: TimestampMs) -> Option<SessionSignals> {
        let named = |report: &&SessionReport| {
            self.document.session_providers().is_none_or(|named| named.contains(&report.provider))
        };
        let reports: Vec<_> = self.state.sessions.get(customer)?.iter().filter(named).collect();
        let newest = reports.iter().max_by_key(|report| report.observed_at_ms)?;
        let max_age = self.document.risk().max_report_age;
        let young = |report: &&&SessionReport| at.0.saturating_sub(report.observed_at_ms.0) <= max_age.0;
        let counted = reports.iter().filter(young);
        let signals = counted.fold(newest.signals(), |worst, report| SessionSignals {
            new_device: worst.new_device || report.new_device,
            second_factor_reset: worst.second_factor_reset || report.second_factor_reset,
            details: worst.details.worse_of(&report.details),
            ..worst
        });
        Some(signals)
    }
}

/// The log as the policy sees it.
struct View<'a> {
    under: Under<'a>,
    session: Option<SessionSignals>,
}

impl PolicyView for View<'_> {
    fn document(&self) -> &PolicyDocument {
        self.under.document
    }

    fn policy_version(&self) -> PolicyVersion {
        self.under.version
    }

    fn whitelist(&self) -> &Whitelist {
        &self.under.state.whitelist
    }

    fn screening(&self) -> &ScreeningIndex {
        self.under.state.lists.index()
    }

    fn session_signals(&self, _customer: &CustomerRef) -> Option<&SessionSignals> {
        self.session.as_ref()
    }

    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        self.under.state.genesis.document.assets.iter().find(|asset| asset.symbol == *symbol)
    }

    fn outflows(&self) -> &Outflows {
        self.under.outflows
    }

    fn exposure(&self, chain_id: ChainId, destination: &Address, at: TimestampMs) -> Exposure {
        let newest = |provider: &ProviderId| {
            self.under.state.exposure_report(provider, chain_id, destination).map(ExposureReport::signal)
        };
        Exposure::of(self.under.document.exposure(), newest, at)
    }

    fn usd_price(&self, symbol: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice> {
        self.under.state.price_under(self.under.document, symbol, at)
    }

    fn customer_history(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.under.state.activity.customer(customer)
    }

    fn destination_stats(&self, chain: ChainId, destination: &Address) -> Option<DestinationStats> {
        Some(self.under.state.activity.destination(chain, destination))
    }

    fn device_stats(&self, device: &DeviceRef) -> Option<DeviceStats> {
        Some(self.under.state.activity.device(device))
    }

    fn look_alikes(&self) -> Option<&LookAlikes> {
        Some(self.under.state.activity.look_alikes())
    }

    fn is_readable(&self) -> bool {
        self.under.state.page_fault().is_none()
    }

    fn legal(&self, withdrawal: &WithdrawalFacts, at: TimestampMs) -> LegalFacts {
        self.under.state.legal_facts(withdrawal, at)
    }

    fn breaker_tripped(&self, rule: &RuleId, wallet: &WalletId) -> bool {
        let wallet = self.under.state.wallet(wallet);
        let mut trips = wallet
            .into_iter()
            .flat_map(|wallet| self.under.pauses(wallet))
            .filter_map(|pause| pause.by.breaker());
        trips.any(|trip| trip.rule == *rule)
    }

    fn wallet(&self, wallet: &WalletId) -> Option<WalletStatus> {
        let wallet = self.under.state.wallet(wallet)?;
        let paused = self.under.pauses(wallet).next().is_some();
        Some(if paused { WalletStatus::Paused } else { WalletStatus::Active })
    }

    fn wallet_address(&self, wallet: &WalletId) -> Option<Address> {
        self.under.state.wallet(wallet).map(|wallet| wallet.address)
    }
}

impl Withdrawal {
    /// Follows the newest decision, for a withdrawal that is not authorized yet.
    pub(super) fn settle(&mut self, index: u64) {
        self.positions.decision = index;
        self.state = match (&self.decision.outcome, &self.transaction) {
            (Outcome::Deny, _) => WithdrawalState::Denied,
            (Outcome::Hold(_), _) => WithdrawalState::Held,
            (Outcome::Allow, None) => WithdrawalState::Allowed,
            (Outcome::Allow, Some(_)) => WithdrawalState::Bound,
        };
    }
}
