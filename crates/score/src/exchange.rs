//! Owns what an exchange's log would have said so far, under one policy: the facts that evaluation asks for, fed event by event. It
//! never sees a label.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{Address, Amount, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    Activity, ClientId, CustomerRef, Decision, DeviceRef, DurationMs, EntryOwner, ExposureCategory,
    ExposureSignal, IntentDigest, MicroUsd, Moment, Network, OutflowStage, Outflows, PaymentSeen,
    PolicyDocument, ProviderId, ScreeningIndex, SessionDetails, SessionSignals, TimestampMs, TravelReport,
    TravelState, UsdPrice, WalletId, Whitelist, WhitelistEntry, WhitelistEntryId, WithdrawalFacts, evaluate,
};
use holdfast_traffic::{self as traffic, Event, TimeMs};

use crate::run::ScoreError;

/// Ethereum.
pub(crate) const CHAIN: ChainId = ChainId(1);
/// A second factor that was reset within a week was reset lately, the provider says.
const LATELY_HOURS: u16 = 168;
/// "Hours since" are counted to 30 days.
const REMEMBERED_HOURS: u16 = 720;
const HOUR_MS: u64 = 3_600_000;

/// The log of one exchange, as far as a policy asks.
pub(crate) struct Exchange {
    pub(crate) document: PolicyDocument,
    pub(crate) activity: Activity,
    pub(crate) whitelist: Whitelist,
    pub(crate) screening: ScreeningIndex,
    pub(crate) outflows: Outflows,
    pub(crate) sessions: BTreeMap<CustomerRef, SessionSignals>,
    pub(crate) exposures: BTreeMap<Address, ExposureSignal>,
    pub(crate) prices: BTreeMap<AssetSymbol, UsdPrice>,
    pub(crate) assets: BTreeMap<AssetSymbol, Asset>,
    provider: ProviderId,
    category: ExposureCategory,
    entries: u64,
}

impl Exchange {
    pub(crate) fn new(document: PolicyDocument, screening: ScreeningIndex) -> Result<Self, ScoreError> {
        let mut outflows = Outflows::default();
        outflows.measure(&document);
        let assets = traffic::Asset::ALL.into_iter().map(registered).collect::<Result<_, _>>()?;
        Ok(Self {
            document,
            activity: Activity::default(),
            whitelist: Whitelist::new(),
            screening,
            outflows,
            sessions: BTreeMap::new(),
            exposures: BTreeMap::new(),
            prices: BTreeMap::new(),
            assets,
            provider: ProviderId::new("traffic").map_err(ScoreError::generated)?,
            category: ExposureCategory::new("unspecified").map_err(ScoreError::generated)?,
            entries: 0,
        })
    }

    /// Enters what is no withdrawal.
    pub(crate) fn tell(&mut self, at: TimeMs, event: &Event) -> Result<(), ScoreError> {
        match event {
            Event::Registered(it) => {
                let customer = customer(it.customer)?;
                let active = it.last_active_at.map(time);
                self.activity.register(&customer, time(it.opened_at), active);
            }
            Event::Price(it) => {
                let price = MicroUsd(it.usd_cents.saturating_mul(10_000));
                self.prices.insert(symbol(it.asset)?, UsdPrice { price, observed_at: time(at) });
            }
            Event::Whitelisted(it) => self.confirm(at, it)?,
            Event::Session(it) => {
                let customer = customer(it.customer)?;
                let signals = self.signals(at, it)?;
                self.activity.record_session(&customer, &signals);
                self.sessions.insert(customer, signals);
            }
            Event::Exposure(it) => {
                let signal = ExposureSignal {
                    score: it.score,
                    category: self.category.clone(),
                    hops: it.hops,
                    observed_at: time(at),
                    provider: self.provider.clone(),
                };
                self.exposures.insert(address(it.destination), signal);
            }
            // Custody is not told of deposits.
            Event::Deposited(_) | Event::Withdrawal(_) => {}
        }
        Ok(())
    }

    /// The facts of a request.
    pub(crate) fn facts(
        &self,
        at: TimeMs,
        it: &traffic::WithdrawalRequest,
    ) -> Result<WithdrawalFacts, ScoreError> {
        let client = ClientId::new(it.client.id()).map_err(ScoreError::generated)?;
        Ok(WithdrawalFacts {
            wallet: self.wallet(it.wallet, &client)?,
            asset: symbol(it.asset)?,
            amount: Amount::from_u128(it.amount),
            destination: address(it.destination),
            call: None,
            fee_cap: Amount::from_u128(1_000_000_000_000_000),
            client,
            requesters: BTreeSet::new(),
            customer: Some(customer(it.customer)?),
            requested_at: time(at),
            first_requested_at: time(at),
            place: it.number,
            approvals: Vec::new(),
            intent: IntentDigest::from_bytes([0; 32]),
            attestations: Vec::new(),
            order: None,
            travel: self.travel(),
        })
    }

    /// The wallet that the stream names, or the next hotter one that a grant gives to the client: nobody asks a wallet for what it
    /// never pays. A policy that gives the client none of them denies.
    fn wallet(&self, named: traffic::Wallet, client: &ClientId) -> Result<WalletId, ScoreError> {
        let hotter: &[traffic::Wallet] = match named {
            traffic::Wallet::Hot => &[],
            traffic::Wallet::Warm => &[traffic::Wallet::Hot],
            traffic::Wallet::Cold => &[traffic::Wallet::Warm, traffic::Wallet::Hot],
        };
        let named = WalletId::new(named.id()).map_err(ScoreError::generated)?;
        let given = |wallet: &WalletId| {
            let mut grants = self.document.grants().iter();
            grants.any(|grant| {
                grant.wallets.contains(wallet)
                    && grant.clients.as_ref().is_none_or(|clients| clients.contains(client))
            })
        };
        if given(&named) {
            return Ok(named);
        }
        for wallet in hotter {
            let wallet = WalletId::new(wallet.id()).map_err(ScoreError::generated)?;
            if given(&wallet) {
                return Ok(wallet);
            }
        }
        Ok(named)
    }

    /// The stream knows nothing of the Travel Rule: every exchange is accepted, a thief's too.
    fn travel(&self) -> Vec<TravelReport> {
        let providers = self.document.travel_providers().into_iter();
        providers.map(|provider| TravelReport { provider, state: TravelState::Accepted }).collect()
    }

    /// What the policy says, as in the log.
    pub(crate) fn decide(&self, at: TimeMs, facts: &WithdrawalFacts) -> Decision {
        evaluate(self, facts, time(at))
    }

    /// The withdrawal was paid.
    pub(crate) fn pay(&mut self, at: TimeMs, facts: &WithdrawalFacts) {
        let Some(asset) = self.assets.get(&facts.asset) else { return };
        let outflow = facts.outflow(asset, self.prices.get(&facts.asset).copied());
        let payment = PaymentSeen {
            at: time(at),
            destination: &facts.destination,
            usd_cents: outflow.usd_cents,
            client: &facts.client,
        };
        self.activity.record_payment(&facts.wallet, CHAIN, facts.customer.as_ref(), &payment);
        self.outflows.hold_place(facts.place, outflow, OutflowStage::Authorized);
        self.outflows.pay(facts.place, time(at));
        self.outflows.advance(time(at));
    }

    fn confirm(&mut self, at: TimeMs, it: &traffic::WhitelistEntry) -> Result<(), ScoreError> {
        let terms = *self.document.whitelist();
        self.entries = self.entries.saturating_add(1);
        let later = |from: TimestampMs, span: DurationMs| from.checked_add(span).unwrap_or(from);
        let entry = WhitelistEntry {
            id: WhitelistEntryId::new(format!("w-{}", self.entries)).map_err(ScoreError::generated)?,
            chain_id: CHAIN,
            address: address(it.destination),
            assets: self.assets.keys().cloned().collect(),
            owner: EntryOwner::Customer(customer(it.customer)?),
            not_before: later(time(it.confirmed_at), terms.cooling_off),
            // Imported entries were renewed when the log began.
            expires_at: later(time(at), terms.max_life),
            revoked_at: None,
            last_used: None,
        };
        self.whitelist.insert(entry).map_err(ScoreError::generated)
    }

    fn signals(&self, at: TimeMs, it: &traffic::SessionReport) -> Result<SessionSignals, ScoreError> {
        let device = DeviceRef::new(it.device.to_string()).map_err(ScoreError::generated)?;
        Ok(SessionSignals {
            new_device: it.new_device,
            second_factor_reset: it.second_factor_reset_hours.is_some_and(|hours| hours <= LATELY_HOURS),
            details: SessionDetails {
                device: Some(device),
                network: Some(network(it.network)),
                country_changed: Some(it.country_changed),
                second_factor_reset_at: Some(moment(at, it.second_factor_reset_hours)),
                password_reset_at: Some(moment(at, it.password_reset_hours)),
                email_changed_at: Some(moment(at, it.email_change_hours)),
                api_key_made_at: Some(moment(at, it.api_key_hours)),
            },
            observed_at: time(at),
            provider: self.provider.clone(),
        })
    }
}

fn network(network: traffic::Network) -> Network {
    match network {
        traffic::Network::Home | traffic::Network::Mobile => Network::Ordinary,
        traffic::Network::Vpn => Network::Vpn,
        traffic::Network::Tor => Network::Tor,
        traffic::Network::Hosting => Network::Hosting,
    }
}

fn moment(at: TimeMs, hours: Option<u16>) -> Moment {
    match hours {
        Some(hours) if hours < REMEMBERED_HOURS => {
            Moment::At(time(at.minus(u64::from(hours).saturating_mul(HOUR_MS))))
        }
        Some(_) | None => Moment::NotLately,
    }
}

fn registered(asset: traffic::Asset) -> Result<(AssetSymbol, Asset), ScoreError> {
    let symbol = symbol(asset)?;
    let decimals = u8::try_from(asset.base_units().ilog10()).map_err(ScoreError::generated)?;
    Ok((symbol.clone(), Asset { symbol, chain_id: CHAIN, contract: None, decimals }))
}

fn symbol(asset: traffic::Asset) -> Result<AssetSymbol, ScoreError> {
    AssetSymbol::parse(asset.symbol()).map_err(ScoreError::generated)
}

fn customer(id: traffic::CustomerId) -> Result<CustomerRef, ScoreError> {
    CustomerRef::new(id.to_string()).map_err(ScoreError::generated)
}

fn address(address: traffic::Address) -> Address {
    Address::from_bytes(address.0)
}

pub(crate) fn time(at: TimeMs) -> TimestampMs {
    TimestampMs(at.0)
}
