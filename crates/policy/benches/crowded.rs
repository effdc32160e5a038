//! One evaluation beside a million whitelist entries, a million screened addresses and a million customers with history: median and
//! 99th percentile over many different withdrawals, by customers whose history is in memory and by others whose history is read from a
//! store, and what each part takes in memory. `cargo bench -p holdfast-policy --bench crowded`; a number after `--` is another size.
//!
//! One process makes the histories and keeps their pages, as a node does; the next one begins with their hashes, as a node starts.
#![allow(clippy::unwrap_used, reason = "a benchmark stops when its set-up is wrong")]
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use holdfast_chains::{Address, Amount, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    Activity, CalendarDate, ClientId, CustomerHistory, CustomerRef, DestinationStats, DeviceRef, DeviceStats,
    EntryOwner, IntentDigest, LegalFacts, ListId, LookAlikes, MicroUsd, Moment, Network, OutflowStage,
    Outflows, PageHash, PageRef, Pages, PaymentSeen, PolicyDocument, PolicyVersion, PolicyView, ProviderId,
    RuleId, ScreeningIndex, ScreeningList, SessionDetails, SessionSignals, TimestampMs, UsdPrice, WalletId,
    WalletStatus, Whitelist, WhitelistEntry, WhitelistEntryId, WithdrawalFacts, evaluate,
};
use holdfast_store::{ContentTable, StoreConfig, StoreHandle, Table};

const NOW: TimestampMs = TimestampMs(1_763_700_000_000);
const DAY: u64 = 86_400_000;
/// Each customer has so many payments behind them, to so many addresses, and two devices.
const PAYMENTS: u32 = 12;
const ADDRESSES: u32 = 4;
const EVALUATIONS: u32 = 200_000;
/// Who withdraws all the time: every second withdrawal is by one of these.
const REGULARS: u32 = 1_000;
/// As a node's configuration has it unless told otherwise.
const MEMORY: usize = 64 << 20;
const PAGES: Table = Table::new("pages");
/// In the environment of the process that makes the histories: where to.
const FILL: &str = "HOLDFAST_FILL";
/// What is known of each page beside the store: its smallest key, its hash, its length and number of records.
type Reference = (Vec<u8>, [u8; 32], u32, u32);

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
    if let Ok(directory) = std::env::var(FILL) {
        return fill(Path::new(&directory), size);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut filling = Command::new(std::env::current_exe().unwrap());
    assert!(filling.env(FILL, directory.path()).arg(size.to_string()).status().unwrap().success());
    let store = StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &[PAGES]).unwrap();
    let view = crowded(size, store, &directory.path().join("references"));
    let (mut regular, mut others): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let (mut allowed, mut denied) = (0_u32, 0_u32);
    for n in 0..EVALUATIONS {
        // Every tenth pays an address that nobody listed.
        let is_regular = n.is_multiple_of(2);
        let customer = scattered(if is_regular { n % REGULARS } else { n }, size);
        let to = if n.is_multiple_of(10) { size.saturating_add(n) } else { customer };
        let withdrawal = withdrawal(customer, to);
        let began = Instant::now();
        let decision = evaluate(&view, &withdrawal, NOW);
        let took = if is_regular { &mut regular } else { &mut others };
        took.push(u64::try_from(began.elapsed().as_nanos()).unwrap());
        if decision.is_allowed() {
            allowed = allowed.saturating_add(1);
        } else {
            denied = denied.saturating_add(1);
        }
    }
    assert_eq!(view.activity.records().pages().fault(), None);
    println!(
        "{EVALUATIONS} evaluations: {allowed} allowed, {denied} not; every restriction and component asked"
    );
    print_times(&format!("by {} customers who withdraw all the time", REGULARS / 2), &mut regular);
    print_times("by anybody, with payees seldom paid: most pages are read from the store", &mut others);
    println!("{:>6} KiB  of pages in memory", view.activity.records().pages().cached_bytes() / 1024);
}

fn print_times(who: &str, took: &mut [u64]) {
    took.sort_unstable();
    println!("{who}:");
    for percent in [50, 90, 99] {
        let at = took.len().saturating_mul(percent) / 100;
        println!("p{percent}  {:>7.1} us", micro(took.get(at).copied().unwrap()));
    }
    println!("most {:>7.1} us", micro(took.last().copied().unwrap()));
}

/// Replays everybody's life, and keeps it: pages in a store, and what is known of them in a file.
fn fill(directory: &Path, size: u32) {
    let mut memory = Memory::of_now();
    let mut activity = Activity::default();
    let began = Instant::now();
    (0..size).for_each(|n| live(&mut activity, n));
    let customers =
        format!("{size} customers with {PAYMENTS} payments to {ADDRESSES} addresses and 2 devices each");
    memory.grew(&format!("{customers}, all in memory, replayed in {:.0} s", began.elapsed().as_secs_f64()));
    let mut packed = 0_usize;
    activity.records().for_each(|key, value| {
        packed = packed.saturating_add(if key.starts_with(b"c") { value.len() } else { 0 });
    });
    println!("a packed history: {} bytes", packed.checked_div(usize::try_from(size).unwrap()).unwrap());
    let store = StoreHandle::open(&StoreConfig::at(directory.join("store")), &[PAGES]).unwrap();
    let began = Instant::now();
    let kept = activity.keep();
    let table = ContentTable::new(store.clone(), PAGES);
    table.write_blocking(kept.iter()).unwrap();
    let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "{} pages, {} MiB, hashed and written in {:.1} s",
        kept.iter().len(),
        bytes >> 20,
        began.elapsed().as_secs_f64()
    );
    let references = activity.records().references();
    let references: Vec<Reference> = references
        .map(|(bound, page)| (bound.to_vec(), *page.hash.as_bytes(), page.bytes, page.records))
        .collect();
    std::fs::write(directory.join("references"), serde_json::to_vec(&references).unwrap()).unwrap();
    store.close_blocking().unwrap();
}

fn crowded(size: u32, store: StoreHandle, references: &Path) -> Crowded {
    let mut memory = Memory::of_now();
    let document = PolicyDocument::parse(include_str!("crowded.toml")).unwrap();
    let mut whitelist = Whitelist::new();
    (0..size).for_each(|n| whitelist.insert(entry(n)).unwrap());
    memory.grew(&format!("{size} whitelist entries"));
    let screening = screened(size);
    memory.grew(&format!("{size} screened addresses"));
    let references: Vec<Reference> = serde_json::from_slice(&std::fs::read(references).unwrap()).unwrap();
    let mut memory = Memory::of_now();
    let references = references.into_iter().map(|(bound, hash, bytes, records)| {
        (bound, PageRef { hash: PageHash::from_bytes(hash), bytes, records })
    });
    let table = ContentTable::new(store, PAGES);
    let pages = Pages::reading(move |hash| table.read(hash), MEMORY);
    let mut activity = Activity::from_references(references.collect(), &pages).unwrap();
    memory.grew(&format!("{size} customers, their destinations and devices, in pages elsewhere"));
    let wallet = WalletId::new("hot-1").unwrap();
    for n in 0..size {
        for payment in 0..ADDRESSES {
            activity.restore_look_alike(&wallet, ChainId(1), &payee(n, payment));
        }
    }
    memory.grew(&format!("look-alikes: the ends of {} addresses", activity.look_alikes().len()));
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

fn screened(size: u32) -> ScreeningIndex {
    let mut text = String::new();
    for n in 0..size {
        text.push_str(&address(u32::MAX.wrapping_sub(n)).to_string());
        text.push('\n');
    }
    let day = CalendarDate::parse("2025-11-01").unwrap();
    let list =
        ScreeningList::parse(ListId::new("everybody-listed").unwrap(), "a benchmark", day, &text).unwrap();
    let mut screening = ScreeningIndex::new();
    screening.insert(list);
    screening
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
        let to = payee(n, payment);
        let seen = PaymentSeen {
            at,
            destination: &to,
            usd_cents: Some(u64::from(n % 1_000).saturating_mul(100).saturating_add(5_000)),
            client: &client,
        };
        activity.record_payment(&wallet, ChainId(1), Some(&customer), &seen);
    }
}

fn payee(of: u32, payment: u32) -> Address {
    match payment % ADDRESSES {
        0 => address(of),
        other => address(of.wrapping_mul(7).wrapping_add(other)),
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
