//! The facts that all tests start from: the demo's policy, one wallet, one whitelisted destination, a clean session. The
//! standard withdrawal is allowed; every test takes something away or changes it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{Address, Amount, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    Activity, Approval, CalendarDate, ClientId, CustomerHistory, CustomerRef, Decision, DestinationStats,
    DeviceRef, DeviceStats, EntryOwner, Exposure, ExposureSignal, Footing, HoldDigest, IdentityAttestation,
    IntentDigest, LegalFacts, ListId, LookAlikes, MicroUsd, OfficerId, OutflowStage, Outflows,
    PolicyDocument, PolicyVersion, PolicyView, ProviderId, RoleName, RuleId, RuleResult, ScreeningIndex,
    ScreeningList, SessionDetails, SessionSignals, TimestampMs, UsdPrice, WalletId, WalletStatus, Whitelist,
    WhitelistEntry, WhitelistEntryId, WithdrawalFacts, evaluate, evaluate_own_transfer, footings,
};

pub(crate) const DEMO_POLICY: &str = include_str!("../../fixtures/demo-policy.toml");
pub(crate) const NOW: u64 = 1_763_700_000_000;
pub(crate) const DAY: u64 = 86_400_000;
pub(crate) const GOOD: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
pub(crate) const SANCTIONED: &str = "0x03893a7c7463AE47D46bc7f091665f1893656003";
pub(crate) const APPROVER: &str = "withdrawal-approver";

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) document: PolicyDocument,
    pub(crate) entries: Vec<WhitelistEntry>,
    pub(crate) lists: Vec<ScreeningList>,
    pub(crate) sessions: BTreeMap<CustomerRef, SessionSignals>,
    pub(crate) assets: BTreeMap<AssetSymbol, Asset>,
    pub(crate) wallets: BTreeMap<WalletId, WalletStatus>,
    pub(crate) outflows: Outflows,
    pub(crate) prices: BTreeMap<AssetSymbol, UsdPrice>,
    pub(crate) legal: LegalFacts,
    pub(crate) exposures: BTreeMap<(ChainId, Address, ProviderId), ExposureSignal>,
    /// Circuit breakers that paused the wallet.
    pub(crate) tripped: BTreeSet<RuleId>,
    /// `None`: nothing is kept.
    pub(crate) activity: Option<Activity>,
    /// The address of `hot-1`.
    pub(crate) own_address: Option<Address>,
}

struct View<'w> {
    world: &'w World,
    whitelist: Whitelist,
    screening: ScreeningIndex,
}

impl World {
    pub(crate) fn demo() -> Self {
        Self::with_policy(DEMO_POLICY)
    }

    pub(crate) fn with_policy(text: &str) -> Self {
        let document = PolicyDocument::parse(text).expect("the policy of a test is valid");
        let mut outflows = Outflows::default();
        outflows.measure(&document);
        Self {
            document,
            outflows,
            prices: BTreeMap::new(),
            legal: LegalFacts::default(),
            exposures: BTreeMap::new(),
            activity: None,
            own_address: None,
            tripped: BTreeSet::new(),
            entries: vec![entry("good", GOOD), entry("listed", SANCTIONED)],
            lists: vec![list("ofac-eth", &[SANCTIONED])],
            sessions: BTreeMap::from([(customer("alice"), session(false, false))]),
            assets: [usdt(), eth()].map(|asset| (asset.symbol.clone(), asset)).into(),
            wallets: BTreeMap::from([(WalletId::new("hot-1").unwrap(), WalletStatus::Active)]),
        }
    }

    /// Adds a window of a day for each wallet.
    pub(crate) fn limit_windows(&mut self, unit: &str, bounds: &str) {
        let rule = format!(
            "[[restriction]]\nid = \"window\"\ntype = \"limit_window\"\n{unit}\nper = [\"wallet\"]\nwindow_ms = {DAY}\n{bounds}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n\n[risk]"
        );
        let text = self.document.source().replacen("[risk]", &rule, 1);
        self.document = PolicyDocument::parse(&text).expect("the window of a test is valid");
        self.outflows.measure(&self.document);
    }

    /// Another withdrawal like this one was paid just now, without a known worth.
    pub(crate) fn paid(&mut self, like: &WithdrawalFacts, amount: u128) {
        let like = WithdrawalFacts { amount: Amount::from_u128(amount), ..like.clone() };
        let outflow = like.outflow(&usdt(), None);
        self.outflows.hold_place(1, outflow, OutflowStage::Authorized);
        self.outflows.pay(1, TimestampMs(NOW));
    }

    pub(crate) fn price(&mut self, asset: &str, micro_usd: u64) {
        let price = UsdPrice { price: MicroUsd(micro_usd), observed_at: TimestampMs(NOW) };
        self.prices.insert(symbol(asset), price);
    }

    pub(crate) fn evaluate(&self, withdrawal: &WithdrawalFacts) -> Decision {
        self.evaluate_at(withdrawal, NOW)
    }

    pub(crate) fn evaluate_at(&self, withdrawal: &WithdrawalFacts, at: u64) -> Decision {
        evaluate(&self.view(), withdrawal, TimestampMs(at))
    }

    pub(crate) fn evaluate_own(&self, transfer: &WithdrawalFacts) -> Decision {
        evaluate_own_transfer(&self.view(), transfer, TimestampMs(NOW))
    }

    pub(crate) fn footings<T>(
        &self,
        withdrawal: &WithdrawalFacts,
        read: impl FnOnce(&[Footing<'_>]) -> T,
    ) -> T {
        read(&footings(&self.view(), withdrawal, TimestampMs(NOW)))
    }

    fn view(&self) -> View<'_> {
        let mut whitelist = Whitelist::new();
        for entry in &self.entries {
            whitelist.insert(entry.clone()).unwrap();
        }
        let mut screening = ScreeningIndex::new();
        for list in &self.lists {
            screening.insert(list.clone());
        }
        View { world: self, whitelist, screening }
    }

    pub(crate) fn alice(&mut self) -> &mut SessionSignals {
        self.sessions.get_mut(&customer("alice")).unwrap()
    }
}

impl PolicyView for View<'_> {
    fn document(&self) -> &PolicyDocument {
        &self.world.document
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

    fn session_signals(&self, customer: &CustomerRef) -> Option<&SessionSignals> {
        self.world.sessions.get(customer)
    }

    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        self.world.assets.get(symbol)
    }

    fn outflows(&self) -> &Outflows {
        &self.world.outflows
    }

    fn usd_price(&self, symbol: &AssetSymbol, _at: TimestampMs) -> Option<UsdPrice> {
        self.world.prices.get(symbol).copied()
    }

    fn exposure(&self, chain_id: ChainId, destination: &Address, at: TimestampMs) -> Exposure {
        let newest =
            |by: &ProviderId| self.world.exposures.get(&(chain_id, *destination, by.clone())).cloned();
        Exposure::of(self.world.document.exposure(), newest, at)
    }

    fn customer_history(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.world.activity.as_ref()?.customer(customer)
    }

    fn destination_stats(&self, chain: ChainId, destination: &Address) -> Option<DestinationStats> {
        Some(self.world.activity.as_ref()?.destination(chain, destination))
    }

    fn device_stats(&self, device: &DeviceRef) -> Option<DeviceStats> {
        Some(self.world.activity.as_ref()?.device(device))
    }

    fn look_alikes(&self) -> Option<&LookAlikes> {
        Some(self.world.activity.as_ref()?.look_alikes())
    }

    fn is_readable(&self) -> bool {
        let activity = self.world.activity.as_ref();
        activity.is_none_or(|activity| activity.records().pages().fault().is_none())
    }

    fn legal(&self, _withdrawal: &WithdrawalFacts, _at: TimestampMs) -> LegalFacts {
        self.world.legal.clone()
    }

    fn breaker_tripped(&self, rule: &RuleId, _wallet: &WalletId) -> bool {
        self.world.tripped.contains(rule)
    }

    fn wallet(&self, wallet: &WalletId) -> Option<WalletStatus> {
        self.world.wallets.get(wallet).copied()
    }

    fn wallet_address(&self, wallet: &WalletId) -> Option<Address> {
        self.world.own_address.filter(|_| wallet.as_str() == "hot-1")
    }
}

/// 1,250 USDT from `hot-1` to the whitelisted destination, for Alice: allowed.
pub(crate) fn withdrawal() -> WithdrawalFacts {
    WithdrawalFacts {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: symbol("USDT"),
        amount: Amount::from_u128(1_250_000_000),
        destination: address(GOOD),
        call: None,
        fee_cap: Amount::from_u128(10_000_000_000_000_000),
        client: ClientId::new("pipeline").unwrap(),
        requesters: BTreeSet::new(),
        customer: Some(customer("alice")),
        requested_at: TimestampMs(NOW),
        first_requested_at: TimestampMs(NOW),
        place: 100,
        order: None,
        travel: Vec::new(),
        approvals: Vec::new(),
        intent: IntentDigest::from_bytes([1; 32]),
        attestations: Vec::new(),
    }
}

/// The same with 6,000 USDT: above the automatic limit.
pub(crate) fn large_withdrawal() -> WithdrawalFacts {
    WithdrawalFacts { amount: Amount::from_u128(6_000_000_000), ..withdrawal() }
}

pub(crate) fn approval(officer: &str, roles: &[&str], hold: HoldDigest) -> Approval {
    Approval {
        officer: OfficerId::new(officer).unwrap(),
        roles: roles.iter().map(|role| RoleName::new(*role).unwrap()).collect(),
        hold,
        expires_at: TimestampMs(NOW + 2 * DAY),
    }
}

/// The withdrawal with approvals of exactly the hold that it has now.
pub(crate) fn approved_by(world: &World, withdrawal: &WithdrawalFacts, officers: &[&str]) -> WithdrawalFacts {
    let hold = world.evaluate(withdrawal).hold().expect("the withdrawal is held").digest();
    let approvals = officers.iter().map(|officer| approval(officer, &[APPROVER], hold)).collect();
    WithdrawalFacts { approvals, ..withdrawal.clone() }
}

pub(crate) const IDENTITY: &str = "[identity]\nproviders = [\"kyc\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 60000\n\n[risk]";

/// An attestation that counts for the standard withdrawal.
pub(crate) fn attestation() -> IdentityAttestation {
    IdentityAttestation {
        provider: ProviderId::new("kyc").unwrap(),
        method: "passkey".parse().unwrap(),
        score: 80,
        session: "s-1".parse().unwrap(),
        customer: customer("alice"),
        intent: withdrawal().intent,
        observed_at: TimestampMs(NOW),
    }
}

/// The demo's policy, in which USDT above this many base units and scores from this one on need a step-up.
pub(crate) fn stepping_up(usdt: &str, score: u8) -> World {
    let text = DEMO_POLICY
        .replacen("asset = \"USDT\"\n", &format!("asset = \"USDT\"\nstep_up_above = \"{usdt}\"\n"), 1)
        .replacen("hold_at = 40", &format!("step_up_at = {score}\nhold_at = 40"), 1)
        .replacen("[risk]", IDENTITY, 1);
    World::with_policy(&text)
}

pub(crate) fn result<'d>(decision: &'d Decision, rule: &str) -> &'d RuleResult {
    let rule = RuleId::new(rule).unwrap();
    decision.rules.iter().find(|result| result.rule == rule).expect("every rule is reported")
}

pub(crate) fn entry(id: &str, to: &str) -> WhitelistEntry {
    WhitelistEntry {
        id: WhitelistEntryId::new(id).unwrap(),
        chain_id: ChainId(1),
        address: address(to),
        assets: BTreeSet::from([symbol("USDT"), symbol("ETH")]),
        owner: EntryOwner::House,
        not_before: TimestampMs(NOW - DAY),
        expires_at: TimestampMs(NOW + 30 * DAY),
        revoked_at: None,
        last_used: None,
    }
}

pub(crate) fn list(id: &str, addresses: &[&str]) -> ScreeningList {
    let day = CalendarDate::parse("2025-11-01").unwrap();
    ScreeningList::parse(ListId::new(id).unwrap(), "a test", day, &addresses.join("\n")).unwrap()
}

pub(crate) fn session(new_device: bool, second_factor_reset: bool) -> SessionSignals {
    let provider = ProviderId::new("sessions").unwrap();
    let details = SessionDetails::default();
    SessionSignals {
        new_device,
        second_factor_reset,
        details,
        observed_at: TimestampMs(NOW - 60_000),
        provider,
    }
}

pub(crate) fn usdt() -> Asset {
    let contract = Some(address("0xdAC17F958D2ee523a2206206994597C13D831ec7"));
    Asset { symbol: symbol("USDT"), chain_id: ChainId(1), contract, decimals: 6 }
}

pub(crate) fn eth() -> Asset {
    Asset { symbol: symbol("ETH"), chain_id: ChainId(1), contract: None, decimals: 18 }
}

pub(crate) fn customer(name: &str) -> CustomerRef {
    CustomerRef::new(name).unwrap()
}

pub(crate) fn symbol(text: &str) -> AssetSymbol {
    AssetSymbol::parse(text).unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse_unchecked_case(text).unwrap()
}
