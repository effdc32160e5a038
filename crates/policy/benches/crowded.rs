//! One evaluation beside a million whitelist entries, a million screened addresses and a million customers with history: median and
//! 99th percentile over many different withdrawals, and what each part takes in memory. `cargo bench -p holdfast-policy --bench
//! crowded`; a number after `--` is another size.
#![allow(clippy::unwrap_used, reason = "a benchmark stops when its set-up is wrong")]
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeSet;
use std::time::Instant;

use holdfast_chains::{Address, Amount, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    Activity, CalendarDate, ClientId, CustomerHistory, CustomerRef, DestinationStats, DeviceRef, DeviceStats,
    EntryOwner, IntentDigest, LegalFacts, ListId, LookAlikes, MicroUsd, Moment, Network, OutflowStage,
    Outflows, PaymentSeen, PolicyDocument, PolicyVersion, PolicyView, ProviderId, RuleId, ScreeningIndex,
    ScreeningList, SessionDetails, SessionSignals, TimestampMs, UsdPrice, WalletId, WalletStatus, Whitelist,
    WhitelistEntry, WhitelistEntryId, WithdrawalFacts, evaluate,
};

const NOW: TimestampMs = TimestampMs(1_763_700_000_000);
const DAY: u64 = 86_400_000;
/// Each customer has so many payments behind them, to so many addresses, and two devices.
const PAYMENTS: u32 = 12;
const ADDRESSES: u32 = 4;
const EVALUATIONS: u32 = 200_000;

struct Crowded {
    document: PolicyDocument,
    whitelist: Whitelist,
    screening: ScreeningIndex,
    activity: Activity,
    outflows: Outflows,
    usdt: Asset,
    session: SessionSignals,
}

impl PolicyView for Crowded {
    fn document(&self) -> &PolicyDocument {
        &self.document
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
    fn session_signals(&self, _: &CustomerRef) -> Option<&SessionSignals> {
        Some(&self.session)
    }
    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        (*symbol == self.usdt.symbol).then_some(&self.usdt)
    }
    fn outflows(&self) -> &Outflows {
        &self.outflows
    }
    fn usd_price(&self, _: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice> {
        Some(UsdPrice { price: MicroUsd(1_000_000), observed_at: at })
    }
    fn customer_history(&self, customer: &CustomerRef) -> Option<CustomerHistory> {
        self.activity.customer(customer)
    }
    fn destination_stats(&self, chain: ChainId, destination: &Address) -> Option<DestinationStats> {
        Some(self.activity.destination(chain, destination))
    }
    fn device_stats(&self, device: &DeviceRef) -> Option<DeviceStats> {
        Some(self.activity.device(device))
    }
    fn look_alikes(&self) -> Option<&LookAlikes> {
        Some(self.activity.look_alikes())
    }
    fn legal(&self, _: &WithdrawalFacts, _: TimestampMs) -> LegalFacts {
        LegalFacts::default()
    }
    fn breaker_tripped(&self, _: &RuleId, _: &WalletId) -> bool {
        false
    }
    fn wallet(&self, _: &WalletId) -> Option<WalletStatus> {
        Some(WalletStatus::Active)
    }
}

fn main() {
    let size = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let view = crowded(size);
    let mut took: Vec<u64> = Vec::new();
    let (mut allowed, mut denied) = (0_u32, 0_u32);
    for n in 0..EVALUATIONS {
        // Every tenth pays an address that nobody listed.
        let customer = scattered(n, size);
        let to = if n.is_multiple_of(10) { size.saturating_add(n) } else { customer };
        let withdrawal = withdrawal(customer, to);
        let began = Instant::now();
        let decision = evaluate(&view, &withdrawal, NOW);
        took.push(u64::try_from(began.elapsed().as_nanos()).unwrap());
        if decision.is_allowed() {
            allowed = allowed.saturating_add(1);
        } else {
            denied = denied.saturating_add(1);
        }
    }
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len().saturating_mul(percent) / 100).copied().unwrap();
    println!(
        "{EVALUATIONS} evaluations: {allowed} allowed, {denied} not; every restriction and component asked"
    );
    for percent in [50, 90, 99] {
        println!("p{percent}  {:>7.1} us", micro(at(percent)));
    }
    println!("most {:>7.1} us", micro(took.last().copied().unwrap()));
}

fn crowded(size: u32) -> Crowded {
    let mut memory = Memory::of_now();
    let document = PolicyDocument::parse(include_str!("crowded.toml")).unwrap();
    let mut whitelist = Whitelist::new();
    (0..size).for_each(|n| whitelist.insert(entry(n)).unwrap());
    memory.grew(&format!("{size} whitelist entries"));
    let mut text = String::new();
    for n in 0..size {
        text.push_str(&address(u32::MAX.wrapping_sub(n)).to_string());
        text.push('\n');
    }
    let day = CalendarDate::parse("2025-11-01").unwrap();
    let list =
        ScreeningList::parse(ListId::new("everybody-listed").unwrap(), "a benchmark", day, &text).unwrap();
    drop(text);
    let mut screening = ScreeningIndex::new();
    screening.insert(list);
    memory.grew(&format!("{size} screened addresses"));
    let mut activity = Activity::default();
    (0..size).for_each(|n| live(&mut activity, n));
    memory.grew(&format!(
        "{size} customers with {PAYMENTS} payments to {ADDRESSES} addresses and 2 devices each"
    ));
    let bytes: usize = activity.packed().map(|(_, packed)| packed.len()).sum();
    println!("a packed history: {} bytes", bytes.checked_div(usize::try_from(size).unwrap()).unwrap());
    let usdt = Asset { symbol: usdt(), chain_id: ChainId(1), contract: Some(address(7)), decimals: 6 };
    let mut outflows = Outflows::default();
    outflows.measure(&document);
    let price = Some(UsdPrice { price: MicroUsd(1_000_000), observed_at: NOW });
    for n in 0..size / 10 {
        let paid = withdrawal(scattered(n, size), n);
        outflows.hold_place(n.into(), paid.outflow(&usdt, price), OutflowStage::Authorized);
        outflows.pay(n.into(), NOW);
    }
    memory.grew(&format!("{} payments in a sliding window", size / 10));
    Crowded { document, whitelist, screening, activity, outflows, usdt, session: session(0) }
}

/// A customer's life: an account, sessions on two devices, payments over half a year.
fn live(activity: &mut Activity, n: u32) {
    let customer = customer(n);
    let opened = TimestampMs(NOW.0.saturating_sub(700_u64.saturating_mul(DAY)));
    activity.register(&customer, opened, None);
    let wallet = WalletId::new("hot-1").unwrap();
    let client = ClientId::new("pipeline").unwrap();
    for payment in 0..PAYMENTS {
        let days = u64::from(PAYMENTS.saturating_sub(payment)).saturating_mul(15);
        let at = TimestampMs(NOW.0.saturating_sub(days.saturating_mul(DAY)));
        let signals =
            SessionSignals { observed_at: at, ..session(n.saturating_mul(2).saturating_add(payment % 2)) };
        activity.record_session(&customer, &signals);
        let to = match payment % ADDRESSES {
            0 => address(n),
            other => address(n.wrapping_mul(7).wrapping_add(other)),
        };
        let seen = PaymentSeen {
            at,
            destination: &to,
            usd_cents: Some(u64::from(n % 1_000).saturating_mul(100).saturating_add(5_000)),
            client: &client,
        };
        activity.record_payment(&wallet, ChainId(1), Some(&customer), &seen);
    }
}

fn session(device: u32) -> SessionSignals {
    SessionSignals {
        new_device: false,
        second_factor_reset: false,
        details: SessionDetails {
            device: Some(DeviceRef::new(format!("device-{device}")).unwrap()),
            network: Some(Network::Ordinary),
            country_changed: Some(false),
            second_factor_reset_at: Some(Moment::NotLately),
            password_reset_at: Some(Moment::NotLately),
            email_changed_at: Some(Moment::NotLately),
            api_key_made_at: Some(Moment::NotLately),
        },
        observed_at: NOW,
        provider: ProviderId::new("sessions").unwrap(),
    }
}

fn entry(n: u32) -> WhitelistEntry {
    WhitelistEntry {
        id: WhitelistEntryId::new(format!("entry-{n}")).unwrap(),
        chain_id: ChainId(1),
        address: address(n),
        assets: BTreeSet::from([usdt()]),
        owner: if n.is_multiple_of(2) { EntryOwner::Customer(customer(n)) } else { EntryOwner::House },
        not_before: NOW,
        expires_at: TimestampMs(NOW.0.saturating_add(DAY)),
        revoked_at: None,
        last_used: None,
    }
}

fn withdrawal(by: u32, to: u32) -> WithdrawalFacts {
    WithdrawalFacts {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: usdt(),
        amount: Amount::from_u128(125_000_000),
        destination: address(to),
        call: None,
        fee_cap: Amount::from_u128(1),
        client: ClientId::new("pipeline").unwrap(),
        requesters: BTreeSet::new(),
        customer: Some(customer(by)),
        requested_at: NOW,
        first_requested_at: NOW,
        place: u64::MAX,
        approvals: Vec::new(),
        intent: IntentDigest::from_bytes([0; 32]),
        attestations: Vec::new(),
        order: None,
        travel: Vec::new(),
    }
}

fn customer(n: u32) -> CustomerRef {
    CustomerRef::new(format!("customer-{n}")).unwrap()
}

fn usdt() -> AssetSymbol {
    AssetSymbol::parse("USDT").unwrap()
}

/// Another one each time, all over the range: caches help no more than in life.
fn scattered(n: u32, size: u32) -> u32 {
    n.wrapping_mul(2_654_435_761).checked_rem(size).unwrap()
}

// Spread over the whole address space by an odd multiplier.
fn address(n: u32) -> Address {
    let mut bytes = [0; 20];
    let mixed = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (head, rest) = bytes.split_at_mut(8);
    head.copy_from_slice(&mixed.to_be_bytes());
    let (next, _) = rest.split_at_mut(4);
    next.copy_from_slice(&n.to_be_bytes());
    Address::from_bytes(bytes)
}

/// Resident memory, in KiB.
struct Memory(u64);

impl Memory {
    fn of_now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self(line.trim().trim_end_matches(" kB").parse().unwrap())
    }

    fn grew(&mut self, by: &str) {
        let now = Self::of_now();
        println!("{:>6} MiB  {by}", now.0.saturating_sub(self.0) / 1024);
        *self = now;
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "figures for people")]
fn micro(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
