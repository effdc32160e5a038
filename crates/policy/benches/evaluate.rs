//! How long one evaluation takes beside whitelists of up to a million entries: `cargo bench -p holdfast-policy`.
#![allow(clippy::unwrap_used, reason = "a benchmark stops when its set-up is wrong")]

use std::collections::{BTreeMap, BTreeSet};

use divan::{Bencher, black_box};
use holdfast_chains::{Address, Amount, Asset, AssetSymbol, ChainId};
use holdfast_policy::{
    CalendarDate, CustomerRef, EntryOwner, LegalFacts, ListId, Outflows, PolicyDocument, PolicyVersion,
    PolicyView, ProviderId, RuleId, ScreeningIndex, ScreeningList, SessionDetails, SessionSignals,
    TimestampMs, UsdPrice, WalletId, WalletStatus, Whitelist, WhitelistEntry, WhitelistEntryId,
    WithdrawalFacts, evaluate,
};

const NOW: TimestampMs = TimestampMs(1_763_700_000_000);
const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn allowed(bencher: Bencher<'_, '_>, entries: u32) {
    let view = view(entries);
    let withdrawal = withdrawal(entries / 2);
    assert!(evaluate(&view, &withdrawal, NOW).is_allowed());
    bencher.bench_local(|| evaluate(&view, black_box(&withdrawal), NOW));
}

#[divan::bench(args = SIZES)]
fn not_whitelisted(bencher: Bencher<'_, '_>, entries: u32) {
    let view = view(entries);
    let withdrawal = withdrawal(entries.saturating_add(1));
    assert!(!evaluate(&view, &withdrawal, NOW).is_allowed());
    bencher.bench_local(|| evaluate(&view, black_box(&withdrawal), NOW));
}

#[divan::bench(args = SIZES)]
fn whitelist_lookup(bencher: Bencher<'_, '_>, entries: u32) {
    let view = view(entries);
    let withdrawal = withdrawal(entries / 2);
    let terms = *view.document.whitelist();
    let place = (ChainId(1), withdrawal.destination);
    let customer = withdrawal.customer.as_ref();
    bencher.bench_local(|| {
        view.whitelist.covering(&terms, black_box(place), &withdrawal.asset, customer, NOW).is_ok()
    });
}

struct View {
    document: PolicyDocument,
    whitelist: Whitelist,
    screening: ScreeningIndex,
    sessions: BTreeMap<CustomerRef, SessionSignals>,
    assets: BTreeMap<AssetSymbol, Asset>,
    outflows: Outflows,
}

impl PolicyView for View {
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
    fn session_signals(&self, customer: &CustomerRef) -> Option<&SessionSignals> {
        self.sessions.get(customer)
    }
    fn asset(&self, symbol: &AssetSymbol) -> Option<&Asset> {
        self.assets.get(symbol)
    }
    fn outflows(&self) -> &Outflows {
        &self.outflows
    }
    fn usd_price(&self, _: &AssetSymbol, _: TimestampMs) -> Option<UsdPrice> {
        None
    }
    fn legal(&self, _withdrawal: &WithdrawalFacts, _at: TimestampMs) -> LegalFacts {
        LegalFacts::default()
    }

    fn breaker_tripped(&self, _: &RuleId, _: &WalletId) -> bool {
        false
    }
    fn wallet(&self, _: &WalletId) -> Option<WalletStatus> {
        Some(WalletStatus::Active)
    }
}

fn view(entries: u32) -> View {
    let document = PolicyDocument::parse(include_str!("../fixtures/demo-policy.toml")).unwrap();
    let mut whitelist = Whitelist::new();
    for n in 0..entries {
        whitelist.insert(entry(n)).unwrap();
    }
    let listed: Vec<_> = (0..1_000_u32).map(|n| address(u32::MAX.wrapping_sub(n)).to_string()).collect();
    let day = CalendarDate::parse("2025-11-01").unwrap();
    let mut screening = ScreeningIndex::new();
    let id = ListId::new("ofac-eth").unwrap();
    screening.insert(ScreeningList::parse(id, "a benchmark", day, &listed.join("\n")).unwrap());
    let provider = ProviderId::new("sessions").unwrap();
    let report = SessionSignals {
        new_device: false,
        second_factor_reset: false,
        details: SessionDetails::default(),
        observed_at: NOW,
        provider,
    };
    let usdt = Asset { symbol: usdt(), chain_id: ChainId(1), contract: Some(address(7)), decimals: 6 };
    View {
        document,
        whitelist,
        screening,
        sessions: BTreeMap::from([(customer(), report)]),
        assets: BTreeMap::from([(usdt.symbol.clone(), usdt)]),
        outflows: Outflows::default(),
    }
}

fn entry(n: u32) -> WhitelistEntry {
    WhitelistEntry {
        id: WhitelistEntryId::new(format!("entry-{n}")).unwrap(),
        chain_id: ChainId(1),
        address: address(n),
        assets: BTreeSet::from([usdt()]),
        owner: if n.is_multiple_of(2) { EntryOwner::Customer(customer()) } else { EntryOwner::House },
        not_before: NOW,
        expires_at: TimestampMs(u64::MAX),
        revoked_at: None,
        last_used: None,
    }
}

fn withdrawal(to: u32) -> WithdrawalFacts {
    WithdrawalFacts {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: usdt(),
        amount: Amount::from_u128(1_250_000_000),
        destination: address(to),
        call: None,
        fee_cap: Amount::from_u128(1),
        client: "pipeline".parse().unwrap(),
        requesters: BTreeSet::new(),
        customer: Some(customer()),
        requested_at: NOW,
        first_requested_at: NOW,
        place: 0,
        order: None,
        travel: Vec::new(),
        approvals: Vec::new(),
        intent: holdfast_policy::IntentDigest::from_bytes([0; 32]),
        attestations: Vec::new(),
    }
}

fn customer() -> CustomerRef {
    CustomerRef::new("customer-1").unwrap()
}

fn usdt() -> AssetSymbol {
    AssetSymbol::parse("USDT").unwrap()
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
