//! Owns the world that a case's facts describe, as evaluation looks at it.

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};

use super::facts::{CaseFacts, ListedDestination, after, before};
use crate::{
    activity::Activity,
    crowd::{DestinationStats, DeviceStats},
    date::CalendarDate,
    document::PolicyDocument,
    exposure::{Exposure, ExposureSignal},
    facts::{PolicyVersion, PolicyView, WalletStatus, WithdrawalFacts},
    history::{CustomerHistory, PaymentSeen},
    ids::{CustomerRef, DeviceRef, ExposureCategory, ListId, ProviderId, RuleId, WalletId, WhitelistEntryId},
    legal::LegalFacts,
    look_alike::LookAlikes,
    outflow::{Outflow, OutflowStage, Outflows},
    price::{MicroUsd, UsdPrice},
    screening::{ScreeningIndex, ScreeningList},
    session::SessionSignals,
    time::TimestampMs,
    whitelist::{Whitelist, WhitelistEntry},
};

/// Nobody's address, so that a list is not empty.
const NOBODY: &str = "0x000000000000000000000000000000000000dEaD";

pub(super) struct CaseView<'a> {
    document: &'a PolicyDocument,
    assets: &'a [Asset],
    facts: &'a CaseFacts,
    whitelist: Whitelist,
    screening: ScreeningIndex,
    session: Option<SessionSignals>,
    outflows: Outflows,
    activity: Option<Activity>,
}

impl<'a> CaseView<'a> {
    pub(super) fn new(document: &'a PolicyDocument, assets: &'a [Asset], facts: &'a CaseFacts) -> Self {
        let chain = assets.iter().find(|asset| asset.symbol == facts.asset).map(|asset| asset.chain_id);
        let mut whitelist = Whitelist::new();
        if let (Some(chain), Some(listed)) = (chain, &facts.whitelist)
            && let Some(entry) = entry(facts, chain, listed)
        {
            // The only entry, with an asset and a life: it cannot be refused.
            let _ = whitelist.insert(entry);
        }
        let mut screening = ScreeningIndex::new();
        for id in document.screening_lists() {
            if let Some(list) = list(facts, id) {
                screening.insert(list);
            }
        }
        let session = facts.session.as_ref().and_then(|session| {
            Some(SessionSignals {
                new_device: session.new_device,
                second_factor_reset: session.second_factor_reset,
                details: session.details.clone(),
                observed_at: before(facts.at, session.age),
                provider: ProviderId::new("case").ok()?,
            })
        });
        let (outflows, payments) = outflows(document, assets, facts);
        let activity = facts.account_opened.map(|opened| {
            let opened = before(facts.at, opened);
            activity(facts.customer.as_ref(), opened, session.as_ref(), &payments)
        });
        Self { document, assets, facts, whitelist, screening, session, outflows, activity }
    }
}

fn entry(facts: &CaseFacts, chain_id: ChainId, listed: &ListedDestination) -> Option<WhitelistEntry> {
    let ListedDestination { owner, assets, active_since, active_in, expires_in, revoked } = listed;
    let not_before = before(after(facts.at, *active_in), *active_since);
    Some(WhitelistEntry {
        id: WhitelistEntryId::new("case").ok()?,
        chain_id,
        address: facts.destination,
        assets: assets.clone().unwrap_or_else(|| [facts.asset.clone()].into()),
        owner: owner.clone(),
        not_before,
        expires_at: after(facts.at, *expires_in).max(TimestampMs(not_before.0.saturating_add(1))),
        revoked_at: revoked.then_some(facts.at),
        // A case says when an entry ends; it does not end of disuse besides.
        last_used: Some(facts.at),
    })
}

fn list(facts: &CaseFacts, id: &ListId) -> Option<ScreeningList> {
    if facts.not_loaded.contains(id) {
        return None;
    }
    let listed = facts.listed_on.contains(id).then(|| facts.destination.to_string());
    let text = format!("{NOBODY}\n{}\n", listed.unwrap_or_default());
    let as_of = CalendarDate::parse("2026-01-01").ok()?;
    ScreeningList::parse(id.clone(), "a case", as_of, &text).ok()
}

/// The price of the case's asset, as nodes know it: a policy that names no provider of prices knows none.
fn known_price(document: &PolicyDocument, facts: &CaseFacts) -> Option<MicroUsd> {
    document.prices().and(facts.price)
}

/// What was paid before, with the times, the oldest first.
type Payments = Vec<(TimestampMs, Outflow)>;

fn outflows(document: &PolicyDocument, assets: &[Asset], facts: &CaseFacts) -> (Outflows, Payments) {
    let (mut outflows, mut payments) = (Outflows::default(), Payments::new());
    outflows.measure(document);
    let mut earlier: Vec<_> = facts.earlier.iter().collect();
    earlier.sort_by_key(|earlier| std::cmp::Reverse(earlier.ago));
    for (place, earlier) in (1..).zip(earlier) {
        let symbol = earlier.asset.as_ref().unwrap_or(&facts.asset);
        let Some(asset) = assets.iter().find(|asset| asset.symbol == *symbol) else { continue };
        let worth =
            known_price(document, facts).and_then(|price| price.cents(earlier.amount, asset.decimals));
        let outflow = Outflow {
            wallet: earlier.wallet.as_ref().unwrap_or(&facts.wallet).clone(),
            asset: symbol.clone(),
            client: earlier.client.as_ref().unwrap_or(&facts.client).clone(),
            customer: earlier.customer.clone().or_else(|| facts.customer.clone()),
            chain_id: asset.chain_id,
            destination: earlier.destination.unwrap_or(facts.destination),
            amount: earlier.amount,
            usd_cents: earlier.usd_cents.or(worth),
        };
        let paid_at = before(facts.at, earlier.ago);
        outflows.hold_place(place, outflow.clone(), OutflowStage::Authorized);
        outflows.pay(place, paid_at);
        payments.push((paid_at, outflow));
    }
    (outflows, payments)
}

fn activity(
    customer: Option<&CustomerRef>,
    opened: TimestampMs,
    session: Option<&SessionSignals>,
    payments: &Payments,
) -> Activity {
    let mut activity = Activity::default();
    if let Some(customer) = customer {
        activity.register(customer, opened, None);
    }
    for (at, outflow) in payments {
        let Outflow { wallet, client, customer, chain_id, destination, usd_cents, asset: _, amount: _ } =
            outflow;
        let seen = PaymentSeen { at: *at, destination, usd_cents: *usd_cents, client };
        activity.record_payment(wallet, *chain_id, customer.as_ref(), &seen);
    }
    if let (Some(customer), Some(session)) = (customer, session) {
        activity.record_session(customer, session);
    }
    activity
}

impl PolicyView for CaseView<'_> {
    fn document(&self) -> &PolicyDocument {
        self.document
    }

    fn policy_version(&self) -> PolicyVersion {
        PolicyVersion(1)
    }

    fn whitelist(&self) -> &Whitelist {
        &self.whitelist
    }

    fn screening(&self) -> &ScreeningIndex {
        &self.screening
    }

    fn session_signals(&self, _customer: &CustomerRef) -> Option<&SessionSignals> {
        self.session.as_ref()
    }

    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.symbol == *symbol)
    }

    fn outflows(&self) -> &Outflows {
        &self.outflows
    }

    fn usd_price(&self, symbol: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice> {
        let price = known_price(self.document, self.facts).filter(|_| *symbol == self.facts.asset)?;
        Some(UsdPrice { price, observed_at: at })
    }

    fn exposure(&self, _chain_id: ChainId, _destination: &Address, at: TimestampMs) -> Exposure {
        let reported = |provider: &ProviderId| {
            Some(ExposureSignal {
                score: self.facts.exposure?,
                category: ExposureCategory::new("case").ok()?,
                hops: None,
                observed_at: at,
                provider: provider.clone(),
            })
        };
        Exposure::of(self.document.exposure(), reported, at)
    }

    fn customer_history(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.activity.as_ref()?.customer(customer)
    }

    fn destination_stats(&self, chain: ChainId, destination: &Address) -> Option<DestinationStats> {
        Some(self.activity.as_ref()?.destination(chain, destination))
    }

    fn device_stats(&self, device: &DeviceRef) -> Option<DeviceStats> {
        Some(self.activity.as_ref()?.device(device))
    }

    fn look_alikes(&self) -> Option<&LookAlikes> {
        Some(self.activity.as_ref()?.look_alikes())
    }

    /// Cases are about what a document says: no orders are at hand.
    fn legal(&self, _withdrawal: &WithdrawalFacts, _at: TimestampMs) -> LegalFacts {
        LegalFacts::default()
    }

    fn breaker_tripped(&self, rule: &RuleId, wallet: &WalletId) -> bool {
        *wallet == self.facts.wallet && self.facts.tripped.contains(rule)
    }

    // A breaker that trips pauses the wallet.
    fn wallet(&self, wallet: &WalletId) -> Option<WalletStatus> {
        let status = self.facts.wallet_status.filter(|_| *wallet == self.facts.wallet)?;
        let paused = status == WalletStatus::Active && !self.facts.tripped.is_empty();
        Some(if paused { WalletStatus::Paused } else { status })
    }

    fn wallet_address(&self, wallet: &WalletId) -> Option<Address> {
        self.facts.wallet_address.filter(|_| *wallet == self.facts.wallet)
    }
}
