//! Look-ups, updates and memory of screening lists of up to a million addresses: `cargo bench -p holdfast-policy --bench screening`.
//! What a list keeps is the `max alloc` of `built`, less what building it used on the way.
#![allow(clippy::unwrap_used, reason = "a benchmark stops when its set-up is wrong")]
#![allow(clippy::arithmetic_side_effects, reason = "sizes chosen by the benchmark")]

use std::collections::BTreeSet;

use divan::{AllocProfiler, Bencher, black_box};
use holdfast_chains::Address;
use holdfast_policy::{CalendarDate, ListId, ScreeningDelta, ScreeningList};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn listed(bencher: Bencher<'_, '_>, addresses: u32) {
    let list = list(addresses);
    let found = address(addresses / 2);
    assert!(list.contains(&found));
    bencher.bench_local(|| list.contains(black_box(&found)));
}

#[divan::bench(args = SIZES)]
fn not_listed(bencher: Bencher<'_, '_>, addresses: u32) {
    let list = list(addresses).with_urgent(BTreeSet::from([address(u32::MAX)]));
    let absent = address(addresses.saturating_add(1));
    assert!(!list.contains(&absent));
    bencher.bench_local(|| list.contains(black_box(&absent)));
}

/// Look-ups all over the list, as a stranger's cache sees them.
#[divan::bench(args = SIZES)]
fn a_thousand_anywhere(bencher: Bencher<'_, '_>, addresses: u32) {
    let list = list(addresses);
    let asked: Vec<Address> = (0..1_000).map(|i| address(i * (addresses / 1_000))).collect();
    bencher.bench_local(|| asked.iter().filter(|address| list.contains(black_box(address))).count());
}

#[divan::bench(args = SIZES)]
fn shared(bencher: Bencher<'_, '_>, addresses: u32) {
    let list = list(addresses);
    bencher.bench_local(|| black_box(&list).clone());
}

/// A hundred come, ten go: what a replica does when a day's update takes effect.
#[divan::bench(args = SIZES, sample_count = 10)]
fn updated_by_a_day(bencher: Bencher<'_, '_>, addresses: u32) {
    let list = list(addresses);
    let mut added: Vec<Address> = (0..100).map(|i| address(addresses.saturating_add(i))).collect();
    let mut removed: Vec<Address> = (0..10).map(|i| address(i * (addresses / 10))).collect();
    added.sort_unstable();
    removed.sort_unstable();
    let delta = ScreeningDelta { added, removed, ..ScreeningDelta::default() };
    bencher.bench_local(|| list.updated(black_box(&delta), "a benchmark", day()).unwrap());
}

#[divan::bench(args = SIZES, sample_count = 5)]
fn built(bencher: Bencher<'_, '_>, addresses: u32) {
    let mut added: Vec<Address> = (0..addresses).map(address).collect();
    added.sort_unstable();
    let delta = ScreeningDelta { added, ..ScreeningDelta::default() };
    let nobody = ScreeningList::nobody(ListId::new("x").unwrap(), "a benchmark", day()).unwrap();
    bencher.bench_local(|| nobody.updated(black_box(&delta), "a benchmark", day()).unwrap());
}

fn list(addresses: u32) -> ScreeningList {
    let mut added: Vec<Address> = (0..addresses).map(address).collect();
    added.sort_unstable();
    let nobody = ScreeningList::nobody(ListId::new("x").unwrap(), "a benchmark", day()).unwrap();
    nobody.updated(&ScreeningDelta { added, ..ScreeningDelta::default() }, "a benchmark", day()).unwrap()
}

/// Spread over the whole range, like real ones.
fn address(number: u32) -> Address {
    let spread = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0x5a; 20];
    bytes.iter_mut().zip(spread.to_be_bytes()).for_each(|(to, from)| *to = from);
    Address::from_bytes(bytes)
}

fn day() -> CalendarDate {
    CalendarDate::parse("2026-11-21").unwrap()
}
