//! Searching and sampling: what is found is exactly what matches, and the same draw comes out on any machine.

use holdfast_audit::{Audit, Decided, Effect, Event, Hit, Query, Sample, Sampler, verify_with};
use holdfast_policy::TimestampMs;
use sha2::{Digest as _, Sha256};

use crate::cell::{Cell, PAYEE, START, THIEF};

fn watched(cell: &Cell, watch: &mut dyn FnMut(&Event<'_>)) {
    let exported = cell.export();
    let audit = Audit { watch: Some(watch), ..Audit::default() };
    verify_with(|path| exported.get(path).cloned(), &cell.pinned(), audit).unwrap();
}

fn search(cell: &Cell, query: &Query) -> Vec<Hit> {
    let mut hits = Vec::new();
    watched(cell, &mut |event| hits.extend(query.hit(event)));
    hits
}

fn sample(cell: &Cell, seed: &str, count: usize) -> Sample {
    let mut sampler = Sampler::new(TimestampMs(START), TimestampMs(START + 1_000_000));
    watched(cell, &mut |event| sampler.watch(event));
    sampler.draw(seed, count)
}

fn busy() -> Cell {
    let mut cell = Cell::ready();
    cell.pay("k-1", 1250, 0);
    cell.accept(&cell.request("k-2", 20_000, PAYEE, 1));
    cell.submit(&cell.request("k-3", 10, THIEF, 2));
    for nonce in 3..9 {
        cell.pay(&format!("k-{}", nonce + 1), 100, nonce);
    }
    cell
}

#[test]
fn empty_query_finds_every_entry() {
    let cell = busy();
    let hits = search(&cell, &Query::default());
    assert_eq!(hits.len(), cell.log.len() - 1);
    assert_eq!(hits[0].leaf_hash, cell.log[1].leaf_hash().to_hex());
}

#[test]
fn each_filter_keeps_what_it_names_and_nothing_else() {
    let cell = busy();
    let id = holdfast_ledger::WithdrawalId::of("demo-1", "pipeline", "k-2");
    let all = search(&cell, &Query::default());
    let expect = |query: Query, keeps: &dyn Fn(&Hit) -> bool, least: usize| {
        let expected: Vec<_> = all.iter().filter(|hit| keeps(hit)).cloned().collect();
        assert!(expected.len() >= least, "{query:?}");
        assert_eq!(search(&cell, &query), expected, "{query:?}");
    };
    expect(
        Query { officer: Some("alice".parse().unwrap()), ..Query::default() },
        &|hit| hit.signer == "officer:alice",
        2,
    );
    expect(
        Query { kind: Some("withdrawal-request".to_owned()), ..Query::default() },
        &|hit| hit.kind == "withdrawal-request",
        9,
    );
    expect(
        Query { kind: Some("approve a ceremony".to_owned()), ..Query::default() },
        &|hit| hit.action.as_deref() == Some("approve a ceremony"),
        4,
    );
    expect(
        Query { withdrawal: Some(id), ..Query::default() },
        &|hit| hit.withdrawal.as_deref() == Some(&id.to_string()),
        1,
    );
    expect(
        Query { effect: Some(Effect::Refused), ..Query::default() },
        &|hit| hit.effect == Effect::Refused,
        1,
    );
    expect(
        Query { outcome: Some(Decided::Hold), ..Query::default() },
        &|hit| hit.outcome == Some(Decided::Hold),
        1,
    );
    expect(
        Query { code: Some("TRANSACTION_DESTINATION_MISMATCH".to_owned()), ..Query::default() },
        &|hit| hit.code.as_deref() == Some("TRANSACTION_DESTINATION_MISMATCH"),
        1,
    );
    expect(
        Query { client: Some("pipeline".parse().unwrap()), ..Query::default() },
        &|hit| hit.client.as_deref() == Some("pipeline"),
        20,
    );
    expect(
        Query { wallet: Some("hot-1".parse().unwrap()), ..Query::default() },
        &|hit| hit.wallet.as_deref() == Some("hot-1"),
        20,
    );
    let middle = TimestampMs(all[all.len() / 2].time_ms);
    expect(Query { from: Some(middle), ..Query::default() }, &|hit| hit.time_ms >= middle.0, 5);
    expect(Query { to: Some(middle), ..Query::default() }, &|hit| hit.time_ms < middle.0, 5);
    assert!(
        search(&cell, &Query { officer: Some("mallory".parse().unwrap()), ..Query::default() }).is_empty()
    );
}

#[test]
fn sample_is_drawn_by_a_method_that_needs_nothing_but_sha_256() {
    let cell = busy();
    let drawn = sample(&cell, "2026-Q4", 3);
    // Given the ids of all requests that were admitted, as another program would list them
    let mut ids: Vec<String> = search(&cell, &Query { effect: Some(Effect::Applied), ..Query::default() })
        .into_iter()
        .filter(|hit| hit.kind == "withdrawal-request")
        .map(|hit| hit.withdrawal.unwrap())
        .collect();
    ids.sort();
    assert_eq!(drawn.population, ids.len());
    let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
    assert_eq!(drawn.population_sha256, hex::encode(Sha256::digest(lines)));
    // when they are ranked as the method says, then the same three come first
    ids.sort_by_key(|id| hex::encode(Sha256::digest(format!("2026-Q4:{id}"))));
    let names: Vec<_> = drawn.drawn.iter().map(|drawn| drawn.withdrawal.clone()).collect();
    assert_eq!(names, ids[..3]);
}

#[test]
fn same_seed_draws_the_same_and_another_seed_another_sample() {
    let cell = busy();
    assert_eq!(sample(&cell, "a", 4), sample(&cell, "a", 4));
    assert_ne!(sample(&cell, "a", 4).drawn, sample(&cell, "b", 4).drawn);
    assert_eq!(sample(&cell, "a", 100).drawn.len(), sample(&cell, "a", 100).population);
}
