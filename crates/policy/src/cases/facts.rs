//! Owns the invented facts of one case, as the file gives them.

use std::collections::BTreeSet;

use holdfast_chains::{Address, Amount, AssetSymbol, Calldata};

use crate::{
    approvals::Approval,
    digest::IntentDigest,
    document::PolicyDocument,
    facts::{WalletStatus, WithdrawalFacts},
    identity::{IdentityAttestation, IdentityTerms},
    ids::{ClientId, CustomerRef, ListId, RuleId, SessionRef, WalletId},
    price::MicroUsd,
    session::SessionDetails,
    time::{DurationMs, TimestampMs},
    travel::{TravelReport, TravelState},
    whitelist::EntryOwner,
};

#[derive(Debug, Clone)]
pub(super) struct CaseFacts {
    pub(super) at: TimestampMs,
    pub(super) requested_ago: DurationMs,
    pub(super) wallet: WalletId,
    pub(super) wallet_status: Option<WalletStatus>,
    pub(super) asset: AssetSymbol,
    pub(super) amount: Amount,
    pub(super) destination: Address,
    /// What is called at the destination; `None` for a transfer.
    pub(super) calldata: Option<Calldata>,
    pub(super) wallet_address: Option<Address>,
    pub(super) fee_cap: Amount,
    pub(super) client: ClientId,
    pub(super) customer: Option<CustomerRef>,
    pub(super) whitelist: Option<ListedDestination>,
    pub(super) session: Option<Session>,
    /// When the customer's account was opened. With it, what is kept of customers, destinations and devices is known: what
    /// earlier withdrawals and the session make of it.
    pub(super) account_opened: Option<DurationMs>,
    /// Circuit breakers that paused the wallet.
    pub(super) tripped: BTreeSet<RuleId>,
    pub(super) listed_on: BTreeSet<ListId>,
    pub(super) not_loaded: BTreeSet<ListId>,
    /// What every provider that the policy names reported about the destination.
    pub(super) exposure: Option<u8>,
    /// What every provider that the policy names reported about the Travel Rule exchange.
    pub(super) travel: Option<TravelState>,
    pub(super) price: Option<MicroUsd>,
    pub(super) earlier: Vec<Earlier>,
    pub(super) approvals: Vec<Approval>,
    pub(super) attestation: Option<Attested>,
}

/// An identity attestation for exactly this withdrawal, by a provider and a method that the policy names.
#[derive(Debug, Clone)]
pub(super) struct Attested {
    pub(super) score: u8,
    pub(super) age: DurationMs,
}

/// A whitelist entry for the destination.
#[derive(Debug, Clone)]
pub(super) struct ListedDestination {
    pub(super) owner: EntryOwner,
    pub(super) assets: Option<BTreeSet<AssetSymbol>>,
    pub(super) active_since: DurationMs,
    pub(super) active_in: DurationMs,
    pub(super) expires_in: DurationMs,
    pub(super) revoked: bool,
}

/// What a provider reported about the customer's session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) new_device: bool,
    pub(super) second_factor_reset: bool,
    pub(super) details: SessionDetails,
    pub(super) age: DurationMs,
}

/// A withdrawal that was paid before, like this one but for what is named.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    pub(super) amount: Amount,
    pub(super) ago: DurationMs,
    pub(super) usd_cents: Option<u64>,
    pub(super) wallet: Option<WalletId>,
    pub(super) asset: Option<AssetSymbol>,
    pub(super) client: Option<ClientId>,
    pub(super) customer: Option<CustomerRef>,
    pub(super) destination: Option<Address>,
}

/// The withdrawal's own place in windows: after all earlier ones.
pub(super) const PLACE: u64 = 1_000_000;
/// What exactly is asked for: attestations are about it.
const INTENT: IntentDigest = IntentDigest::from_bytes([7; 32]);

impl CaseFacts {
    /// The withdrawal, without approvals: they are of a hold that is not known yet.
    pub(super) fn withdrawal(&self, document: &PolicyDocument) -> WithdrawalFacts {
        let reported = |state| {
            let providers = document.travel_providers().into_iter();
            providers.map(move |provider| TravelReport { provider, state })
        };
        WithdrawalFacts {
            wallet: self.wallet.clone(),
            asset: self.asset.clone(),
            amount: self.amount,
            destination: self.destination,
            call: self.calldata.clone(),
            fee_cap: self.fee_cap,
            client: self.client.clone(),
            requesters: BTreeSet::new(),
            customer: self.customer.clone(),
            requested_at: before(self.at, self.requested_ago),
            first_requested_at: before(self.at, self.requested_ago),
            place: PLACE,
            order: None,
            travel: self.travel.into_iter().flat_map(reported).collect(),
            approvals: Vec::new(),
            intent: INTENT,
            attestations: document.identity().and_then(|terms| self.attestation(terms)).into_iter().collect(),
        }
    }

    fn attestation(&self, terms: &IdentityTerms) -> Option<IdentityAttestation> {
        let Attested { score, age } = self.attestation.as_ref()?;
        Some(IdentityAttestation {
            provider: terms.providers.first()?.clone(),
            method: terms.methods.first()?.clone(),
            score: *score,
            session: SessionRef::new("case").ok()?,
            customer: self.customer.clone()?,
            intent: INTENT,
            observed_at: before(self.at, *age),
        })
    }
}

/// A point in time so long ago; the epoch at the earliest.
pub(super) fn before(at: TimestampMs, span: DurationMs) -> TimestampMs {
    at.checked_sub(span).unwrap_or(TimestampMs(0))
}

/// A point in time so much later; the end of time at the latest.
pub(super) fn after(at: TimestampMs, span: DurationMs) -> TimestampMs {
    at.checked_add(span).unwrap_or(TimestampMs(u64::MAX))
}
