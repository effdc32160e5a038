//! Searches as auditors see them.

use holdfast_ledger::PayloadKind;
use holdfast_proto::field_violations;
use holdfast_store::Batch;
use tokio_stream::StreamExt;
use tonic::Code;

use super::*;
use crate::log_book::evidence::{EVERY_MS, Evidence};
use crate::log_book::schema::FOUND;
use crate::testing::{Cell, called_by, client_request, sign};

fn api(cell: &Cell) -> AuditApi {
    AuditApi { parts: cell.parts.clone(), streams: Streams::new(cell.stop.subscribe()) }
}

async fn search(cell: &Cell, request: v1::SearchRequest) -> Vec<v1::SearchHit> {
    let stream = api(cell).search(called_by("auditor", "anna", request)).await.unwrap().into_inner();
    stream.map(Result::unwrap).collect().await
}

/// A cell with two withdrawals and an attempt to use the first one's key for another.
async fn searched() -> Cell {
    let cell = Cell::ready().await;
    cell.submit("k-1", 0).await;
    cell.submit("k-2", 1).await;
    let other = client_request(cell.clock.now(), "k-1", 7, 2);
    let envelope = sign(PayloadKind::WithdrawalRequest, &other, "client", "pipeline");
    let _ = cell.parts.sequencer.propose(envelope).await;
    cell
}

#[tokio::test]
async fn empty_search_finds_every_entry_after_the_first_with_its_exact_bytes() {
    let cell = searched().await;
    let hits = search(&cell, v1::SearchRequest::default()).await;
    assert_eq!(u64::try_from(hits.len()).unwrap() + 1, cell.size().await);
    for hit in &hits {
        let index = hit.position.unwrap().index;
        assert_eq!(hit.entry, cell.parts.book.entry(index).unwrap(), "{index}");
        assert!(!hit.kind.is_empty() && hit.signer.contains(':'), "{hit:?}");
    }
}

#[tokio::test]
async fn filters_keep_what_they_name_and_stop_at_the_limit() {
    let cell = searched().await;
    let all = search(&cell, v1::SearchRequest::default()).await;
    let only = |keeps: &dyn Fn(&v1::SearchHit) -> bool| {
        all.iter().filter(|hit| keeps(hit)).cloned().collect::<Vec<_>>()
    };
    let requests = v1::SearchRequest { kind: "withdrawal-request".to_owned(), ..Default::default() };
    let found = search(&cell, requests.clone()).await;
    assert_eq!(found, only(&|hit| hit.kind == "withdrawal-request"));
    assert!(found.len() >= 2, "{found:?}");
    assert_eq!(search(&cell, v1::SearchRequest { limit: 1, ..requests }).await, found[..1]);
    let officer = v1::SearchRequest { officer: "alice".to_owned(), ..Default::default() };
    assert_eq!(search(&cell, officer).await, only(&|hit| hit.signer == "officer:alice"));
    let id = found[0].withdrawal_id.clone();
    let about = v1::SearchRequest { withdrawal_id: id.clone(), ..Default::default() };
    assert_eq!(search(&cell, about).await, only(&|hit| hit.withdrawal_id == id));
    let refused = v1::SearchRequest { effect: v1::EntryEffect::Refused.into(), ..Default::default() };
    assert_eq!(search(&cell, refused).await, only(&|hit| hit.effect() == v1::EntryEffect::Refused));
    let from = all[all.len() / 2].position.unwrap().index;
    let later = v1::SearchRequest { from_index: from, ..Default::default() };
    assert_eq!(search(&cell, later).await, only(&|hit| hit.position.unwrap().index >= from));
}

#[tokio::test]
async fn search_reads_only_the_time_that_it_is_about_and_finds_the_same_after_a_restart() {
    let cell = searched().await;
    let all = search(&cell, v1::SearchRequest::default()).await;
    let time = |place: usize| all[place].position.unwrap().time_ms;
    let (from_ms, to_ms) = (time(3), time(all.len() - 2));
    let expected: Vec<_> =
        all.iter().filter(|hit| (from_ms..to_ms).contains(&hit.position.unwrap().time_ms)).cloned().collect();
    assert!(expected.len() > 2 && expected.len() < all.len() - 2);
    let between = v1::SearchRequest { from_ms, to_ms, ..Default::default() };
    assert_eq!(search(&cell, between.clone()).await, expected);
    for nothing in [
        v1::SearchRequest { from_ms: u64::MAX, ..Default::default() },
        v1::SearchRequest { from_index: u64::MAX, ..Default::default() },
        v1::SearchRequest { from_ms: to_ms, to_ms: from_ms, ..Default::default() },
    ] {
        assert_eq!(search(&cell, nothing).await, []);
    }
    // Records that are gone, as if an earlier version had written the log, come back with a replay
    let store = cell.parts.book.store();
    let records = store.scan(FOUND, &[], 1_000).unwrap();
    assert_eq!(records.len(), all.len());
    let forgetting = records.into_iter().fold(Batch::new(), |batch, (key, _)| batch.delete(FOUND, key));
    store.commit(forgetting).await.unwrap();
    let now = cell.clock.now();
    let cell = Cell::open(cell.shut_down().await, now).await;
    assert_eq!(search(&cell, v1::SearchRequest::default()).await, all);
    assert_eq!(search(&cell, between).await, expected);
}

#[tokio::test]
async fn search_of_many_hits_loses_and_repeats_none() {
    let cell = Cell::ready().await;
    for _ in 0..150 {
        cell.accept(cell.session_report()).await;
    }
    let hits = search(&cell, v1::SearchRequest::default()).await;
    let found: Vec<u64> = hits.iter().map(|hit| hit.position.unwrap().index).collect();
    assert_eq!(found, (1..cell.size().await).collect::<Vec<_>>());
}

#[tokio::test]
async fn filter_that_is_no_id_or_too_long_is_refused_by_its_name() {
    let cell = Cell::new().await;
    for (request, field) in [
        (v1::SearchRequest { withdrawal_id: "w-1".to_owned(), ..Default::default() }, "withdrawal_id"),
        (v1::SearchRequest { kind: "x".repeat(257), ..Default::default() }, "kind"),
    ] {
        let status = api(&cell).search(called_by("auditor", "anna", request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(field_violations(&status)[0].field, field);
    }
}

#[tokio::test]
async fn kept_checkpoints_are_streamed_oldest_first_from_a_size_on() {
    let cell = Cell::ready().await;
    let mut evidence = Evidence::load(cell.parts.book.store()).unwrap();
    let size = cell.size().await;
    for (number, size) in [3, 5, size].into_iter().enumerate() {
        let checkpoint = cell.parts.book.read().await.unwrap().checkpoint_at(size).unwrap();
        let at = cell.clock.now() + EVERY_MS * u64::try_from(number).unwrap();
        assert!(evidence.offer(&checkpoint, holdfast_policy::TimestampMs(at)).await.unwrap(), "{size}");
    }
    let kept = async |from_size, limit| {
        let request = v1::CheckpointsRequest { from_size, limit };
        let stream =
            api(&cell).checkpoints(called_by("auditor", "anna", request)).await.unwrap().into_inner();
        stream.map(|kept| kept.unwrap().size).collect::<Vec<_>>().await
    };
    assert_eq!(kept(0, 0).await, [3, 5, size]);
    assert_eq!(kept(5, 0).await, [5, size]);
    assert_eq!(kept(0, 1).await, [3]);
}
