//! The sequencer's promises: durable before answered, one entry for one key, evidence kept once, nothing after a failure.

use holdfast_ledger::{PayloadKind, RejectionCode};
use holdfast_log::Entry;
use holdfast_store::Batch;

use super::*;
use crate::log_book::schema::{ENTRIES, index_key};
use crate::testing::{Cell, START, client_request, sign};

fn request(cell: &Cell, key: &str, usdt: u128) -> Envelope {
    let request = client_request(cell.clock.now(), key, usdt, 0);
    sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
}

fn code_of(answer: Answer) -> (RejectionCode, Option<u64>) {
    match answer {
        Err(ProposeError::Rejected { rejection, logged }) => (rejection.code(), logged),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answered_proposal_is_on_disk_and_survives_a_restart() {
    // Given a cell whose log has some entries
    let cell = Cell::ready().await;
    let id = cell.submit("k-1", 0).await;
    let size = cell.size().await;
    // When the store is read behind the log's back
    let stored = cell.parts.book.store().read(ENTRIES, &index_key(size - 1)).unwrap().unwrap();
    // Then the answered entry is there, and a new process finds the same log
    assert_eq!(
        Entry::parse(&stored).unwrap().envelope().payload_type,
        PayloadKind::WithdrawalRequest.payload_type()
    );
    let root = cell.parts.book.read().await.unwrap().root_at(size).unwrap();
    let now = cell.clock.now();
    let reopened = Cell::open(cell.shut_down().await, now).await;
    let reader = reopened.parts.book.read().await.unwrap();
    assert_eq!((reader.size(), reader.root_at(size).unwrap()), (size, root));
    assert!(reader.state().withdrawal(&id).is_some());
}

#[tokio::test]
async fn same_key_raced_by_ten_callers_is_logged_once() {
    let cell = Cell::ready().await;
    let (before, envelope) = (cell.size().await, request(&cell, "k-1", 1_250));
    let callers = (0..10).map(|_| cell.parts.sequencer.propose(envelope.clone()));
    let answers = futures::future::join_all(callers).await;
    let logged = answers.iter().filter(|answer| matches!(answer, Ok(Proposed::Logged(_)))).count();
    let repeated = answers.iter().filter(|answer| matches!(answer, Ok(Proposed::Repeated))).count();
    assert_eq!((logged, repeated), (1, 9));
    assert_eq!(cell.size().await, before + 1);
}

#[tokio::test]
async fn same_key_with_another_body_is_refused_and_kept_as_evidence_once() {
    let cell = Cell::ready().await;
    cell.accept(request(&cell, "k-1", 1_250)).await;
    let (before, other) = (cell.size().await, request(&cell, "k-1", 1_251));
    // When it is tried three times
    for _ in 0..3 {
        let answer = cell.parts.sequencer.propose(other.clone()).await;
        assert_eq!(code_of(answer), (RejectionCode::IdempotencyKeyReused, Some(before)));
    }
    // Then one entry says so
    assert_eq!(cell.size().await, before + 1);
}

#[tokio::test]
async fn slip_that_is_no_evidence_is_answered_and_not_logged() {
    let cell = Cell::ready().await;
    let before = cell.size().await;
    let mut unknown = client_request(cell.clock.now(), "k-1", 1_250, 0);
    unknown["wallet"] = "hot-9".into();
    let envelope = sign(PayloadKind::WithdrawalRequest, &unknown, "client", "pipeline");
    assert_eq!(code_of(cell.parts.sequencer.propose(envelope).await), (RejectionCode::UnknownWallet, None));
    assert_eq!(cell.size().await, before);
}

#[tokio::test]
async fn report_that_is_refused_for_good_is_logged_and_its_number_used_up() {
    let cell = Cell::ready().await;
    let before = cell.size().await;
    let next =
        async || cell.parts.book.read().await.unwrap().state().next_sequence(&"sessions".parse().unwrap());
    let (number, now) = (next().await, cell.clock.now());
    let report = |observed_at_ms: u64, opened_at_ms: u64| {
        let report = serde_json::json!({"cluster": "demo-1", "provider": "sessions", "sequence": number, "customer": "c-1",
            "opened_at_ms": opened_at_ms, "observed_at_ms": observed_at_ms});
        sign(PayloadKind::CustomerReport, &report, "provider", "sessions")
    };
    // One that may be taken later is not: whoever brings it comes again.
    let early = cell.parts.sequencer.propose(report(now + 600_000, now)).await;
    assert_eq!(code_of(early), (RejectionCode::FieldInvalid, None));
    assert_eq!((cell.size().await, next().await), (before, number));
    let impossible = report(now, now + 1);
    let answer = cell.parts.sequencer.propose(impossible.clone()).await;
    assert_eq!(code_of(answer), (RejectionCode::FieldInvalid, Some(before)));
    assert_eq!((cell.size().await, next().await), (before + 1, number + 1));
    // Whoever repeats it does not hear that it was taken.
    let answer = cell.parts.sequencer.propose(impossible).await;
    assert_eq!(code_of(answer), (RejectionCode::FieldInvalid, None));
    assert_eq!(cell.size().await, before + 1);
}

#[tokio::test]
async fn forged_envelope_never_reaches_the_log() {
    let cell = Cell::ready().await;
    let before = cell.size().await;
    let mut forged = request(&cell, "k-1", 1_250);
    forged.signatures[0].signature[0] ^= 1;
    let answer = cell.parts.sequencer.propose(forged).await;
    assert!(matches!(answer, Err(ProposeError::Act(ActError::SignatureInvalid(_)))), "{answer:?}");
    assert_eq!(cell.size().await, before);
}

#[tokio::test]
async fn time_never_goes_back_whatever_the_clock_does() {
    // Given a log whose last entry is later than the clock of a restarted coordinator
    let cell = Cell::ready().await;
    let last = cell.parts.book.read().await.unwrap().state().last_time();
    let cell = Cell::open(cell.shut_down().await, START).await;
    let _ = cell.parts.sequencer.propose(cell.session_report()).await;
    // When something is proposed
    let report = cell.session_report();
    let Ok(Proposed::Logged(logged)) = cell.parts.sequencer.propose(report).await else {
        panic!("not logged")
    };
    // Then it has the last entry's time
    assert_eq!(logged.time, last);
}

#[tokio::test]
async fn failed_write_fails_everything_from_then_on() {
    let cell = Cell::ready().await;
    // Given a store that cannot be written any more
    cell.parts.book.store().close().await.unwrap();
    // When an entry is proposed
    let answer = cell.parts.sequencer.propose(request(&cell, "k-1", 1_250)).await;
    // Then its outcome is open, and nobody is shown a state that is not on disk
    assert!(matches!(answer, Err(ProposeError::Failed(LogFailed))), "{answer:?}");
    assert_eq!(cell.parts.book.read().await.err(), Some(LogFailed));
    let answer = cell.parts.sequencer.propose(request(&cell, "k-2", 1_250)).await;
    assert!(matches!(answer, Err(ProposeError::Failed(LogFailed))), "{answer:?}");
    assert!(*cell.parts.book.failure().borrow());
}

#[tokio::test]
async fn failed_write_beside_the_log_is_noticed_without_an_entry() {
    let cell = Cell::ready().await;
    assert_eq!(cell.parts.book.require_store(), Ok(()));
    // Given a store that cannot be written any more, and nobody who proposes anything
    cell.parts.book.store().close().await.unwrap();
    assert_eq!(cell.parts.book.require_store(), Err(LogFailed));
    // Then whoever waits for it hears of it
    assert!(*cell.parts.book.failure().borrow());
    assert_eq!(cell.parts.book.read().await.err(), Some(LogFailed));
}

#[tokio::test]
async fn readers_wait_for_the_commit_and_see_all_of_it() {
    let cell = Cell::ready().await;
    let before = cell.size().await;
    // Given a writer that has applied an entry and not committed it
    let mut writer = cell.parts.book.write().await.unwrap();
    let entry = Entry::stamp(cell.clock.now(), &request(&cell, "k-1", 1_250)).unwrap();
    writer.append(entry).unwrap();
    assert_eq!(writer.state().size(), before + 1);
    // Then nobody can read
    let reading = tokio::time::timeout(Duration::from_millis(50), cell.parts.book.read()).await;
    assert!(reading.is_err(), "a state that is not durable was shown");
    assert_eq!(*cell.parts.book.tip().borrow(), before);
    // Until it is committed
    writer.commit().await.unwrap();
    assert_eq!((cell.size().await, *cell.parts.book.tip().borrow()), (before + 1, before + 1));
}

#[tokio::test]
async fn writer_that_is_dropped_before_its_commit_fails_the_log() {
    let cell = Cell::ready().await;
    let mut writer = cell.parts.book.write().await.unwrap();
    writer.append(Entry::stamp(cell.clock.now(), &request(&cell, "k-1", 1_250)).unwrap()).unwrap();
    drop(writer);
    assert_eq!(cell.parts.book.read().await.err(), Some(LogFailed));
}

#[tokio::test]
async fn full_queue_refuses_and_says_when_to_come_back() {
    // Given a log that is held up, so that nothing is taken from the queue
    let cell = Cell::ready().await;
    let writer = cell.parts.book.write().await.unwrap();
    let envelope = request(&cell, "k-1", 1_250);
    let mut waiting: Vec<_> = Vec::new();
    let mut refused = 0;
    for _ in 0..QUEUE + BATCH + 10 {
        let sequencer = cell.parts.sequencer.clone();
        let envelope = envelope.clone();
        let mut proposing = Box::pin(async move { sequencer.propose(envelope).await });
        match futures::poll!(&mut proposing) {
            std::task::Poll::Pending => waiting.push(proposing),
            std::task::Poll::Ready(answer) => {
                assert!(matches!(answer, Err(ProposeError::QueueFull)), "{answer:?}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 10, "{refused} refused");
    // When the log goes on
    drop(writer);
    // Then everything that was taken is answered, and logged once
    let answers = futures::future::join_all(waiting).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Proposed::Logged(_)))).count(), 1);
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn stopping_sequencer_answers_what_it_took_and_refuses_the_rest() {
    let cell = Cell::ready().await;
    let envelope = request(&cell, "k-1", 1_250);
    let taken = cell.parts.sequencer.propose(envelope.clone());
    let mut taken = Box::pin(taken);
    assert!(futures::poll!(&mut taken).is_pending());
    cell.stop.send_replace(true);
    assert!(matches!(taken.await, Ok(Proposed::Logged(_))));
    cell.writing.await.unwrap();
    let late = cell.parts.sequencer.propose(envelope).await;
    assert!(matches!(late, Err(ProposeError::Stopping)), "{late:?}");
}

#[tokio::test]
async fn damaged_or_cut_store_is_not_opened() {
    let cell = Cell::ready().await;
    let (size, now) = (cell.size().await, cell.clock.now());
    let store = cell.parts.book.store().clone();
    let damage = |batch: Batch| {
        let store = store.clone();
        async move { store.commit(batch).await.unwrap() }
    };
    // When the last entry is lost, the checkpoint tells
    damage(Batch::new().delete(ENTRIES, index_key(size - 1))).await;
    let dir = cell.shut_down().await;
    let opening = std::panic::AssertUnwindSafe(Cell::open(dir, now));
    let opened = futures::FutureExt::catch_unwind(opening).await;
    assert!(opened.is_err(), "a log without its last entry was opened");
}
