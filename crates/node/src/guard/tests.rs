//! The safety database under contention, after a restart, and with damaged records.

use holdfast_store::StoreConfig;

use super::*;
use crate::tables;

fn open(directory: &tempfile::TempDir) -> StoreHandle {
    StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &tables::ALL).unwrap()
}

fn withdrawal() -> WithdrawalId {
    WithdrawalId::of("demo", "pipeline", "key-1")
}

fn session(number: u8) -> SessionId {
    SessionId([number; 32])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_ten_contenders_with_different_digests_wins() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    // Given ten contenders that ask at once, each for its own digest
    let mut contenders = tokio::task::JoinSet::new();
    for number in 0..10u8 {
        let guard = guard.clone();
        contenders.spawn(async move {
            let digest = Digest([number; 32]);
            (digest, guard.check_and_insert(withdrawal(), &[digest], session(number)).await)
        });
    }
    // When all were answered
    let answers = contenders.join_all().await;
    // Then one won, the others were told, and the winner stays the winner
    let winners: Vec<Digest> =
        answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(digest, _)| *digest).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    for (_, answer) in answers.iter().filter(|(_, answer)| answer.is_err()) {
        assert_eq!(answer.as_ref().unwrap_err().code(), "BOUND_TO_OTHER_DIGESTS");
    }
    guard.check_and_insert(withdrawal(), &winners, session(100)).await.unwrap();
}

#[tokio::test]
async fn another_attempt_at_the_same_digests_is_permitted_with_a_new_session_only() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let digests = [Digest([7; 32])];
    guard.check_and_insert(withdrawal(), &digests, session(1)).await.unwrap();
    let again = guard.check_and_insert(withdrawal(), &digests, session(1)).await.unwrap_err();
    assert_eq!(again.code(), "SESSION_REUSED");
    guard.check_and_insert(withdrawal(), &digests, session(2)).await.unwrap();
}

#[tokio::test]
async fn session_of_one_withdrawal_is_refused_for_another_and_binds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let other = WithdrawalId::of("demo", "pipeline", "key-2");
    guard.check_and_insert(withdrawal(), &[Digest([7; 32])], session(1)).await.unwrap();
    let reused = guard.check_and_insert(other, &[Digest([8; 32])], session(1)).await.unwrap_err();
    assert_eq!(reused.code(), "SESSION_REUSED");
    assert_eq!(guard.store.read(BINDINGS, other.to_string().as_bytes()).unwrap(), None);
    let keygen = guard.store.commit(use_up(Batch::new(), session(1), "c-1")).await.unwrap_err();
    assert_eq!(keygen.reason(), "EXPECTATION_FAILED");
}

#[tokio::test]
async fn binding_and_used_session_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    Guard::new(store.clone()).check_and_insert(withdrawal(), &[Digest([7; 32])], session(1)).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    let guard = Guard::new(open(&directory));
    let other = guard.check_and_insert(withdrawal(), &[Digest([8; 32])], session(2)).await.unwrap_err();
    assert_eq!(other.code(), "BOUND_TO_OTHER_DIGESTS");
    let more = [Digest([7; 32]), Digest([8; 32])];
    let longer = guard.check_and_insert(withdrawal(), &more, session(3)).await.unwrap_err();
    assert_eq!(longer.code(), "BOUND_TO_OTHER_DIGESTS");
    let reused = guard.check_and_insert(withdrawal(), &[Digest([7; 32])], session(1)).await.unwrap_err();
    assert_eq!(reused.code(), "SESSION_REUSED");
}

#[tokio::test]
async fn damaged_or_unknown_binding_refuses_instead_of_being_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let digests = [Digest([7; 32])];
    for damaged in ["", "{}", r#"{"format":2,"digests":[]}"#, "\u{0}"] {
        let batch = Batch::new().put(BINDINGS, withdrawal().to_string(), damaged);
        guard.store.commit(batch).await.unwrap();
        let refused = guard.check_and_insert(withdrawal(), &digests, session(1)).await.unwrap_err();
        assert_eq!(refused.code(), "BINDING_UNREADABLE", "{damaged:?}");
    }
}

#[tokio::test]
async fn closed_store_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    guard.store.close().await.unwrap();
    let refused = guard.check_and_insert(withdrawal(), &[Digest([7; 32])], session(1)).await.unwrap_err();
    assert_eq!(refused.code(), "STORE_FAILED");
}

/// The stored form of version 1: programs of later versions must still read it.
#[tokio::test]
async fn binding_of_version_1_reads() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let record = format!(r#"{{"format":1,"digests":["0x{}"]}}"#, "07".repeat(32));
    guard.store.commit(Batch::new().put(BINDINGS, withdrawal().to_string(), record.as_str())).await.unwrap();
    guard.check_and_insert(withdrawal(), &[Digest([7; 32])], session(1)).await.unwrap();
    let kept = guard.store.read(BINDINGS, withdrawal().to_string().as_bytes()).unwrap();
    assert_eq!(kept, Some(record.into_bytes()));
}

fn digests() -> [Digest; 1] {
    [Digest([7; 32])]
}

/// What the state machine permits is its own tests' business.
async fn swear(guard: &Guard) -> Result<(), &'static str> {
    guard.swear_off(withdrawal()).await.map_err(|refusal| refusal.code())
}

#[tokio::test]
async fn what_was_never_bound_is_sworn_off_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    let guard = Guard::new(store.clone());
    swear(&guard).await.unwrap();
    swear(&guard).await.unwrap();
    let refused = guard.check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap_err();
    assert_eq!(refused.code(), "SWORN_OFF");
    store.close().await.unwrap();
    drop((guard, store));
    let guard = Guard::new(open(&directory));
    let refused = guard.check_and_insert(withdrawal(), &digests(), session(2)).await.unwrap_err();
    assert_eq!(refused.code(), "SWORN_OFF");
    swear(&guard).await.unwrap();
}

#[tokio::test]
async fn what_is_bound_is_sworn_off_only_while_its_last_message_cannot_have_left() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    guard.check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap();
    swear(&guard).await.unwrap();
    // The session that is open may not go on to its end
    assert_eq!(guard.release(withdrawal()).unwrap_err().code(), "SWORN_OFF");

    let other = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&other));
    guard.check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap();
    guard.release(withdrawal()).unwrap();
    assert_eq!(swear(&guard).await, Err("TOMBSTONE_REFUSED"));
    // Another attempt does not make it unreleased again
    guard.check_and_insert(withdrawal(), &digests(), session(2)).await.unwrap();
    assert_eq!(swear(&guard).await, Err("TOMBSTONE_REFUSED"));
    guard.release(withdrawal()).unwrap();
}

#[tokio::test]
async fn after_a_restart_a_binding_counts_as_released() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory);
    Guard::new(store.clone()).check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let guard = Guard::new(open(&directory));
    assert_eq!(swear(&guard).await, Err("TOMBSTONE_REFUSED"));
    guard.check_and_insert(withdrawal(), &digests(), session(2)).await.unwrap();
    assert_eq!(swear(&guard).await, Err("TOMBSTONE_REFUSED"));
}

#[tokio::test]
async fn damaged_binding_is_not_sworn_off() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    for damaged in ["", "{}", r#"{"format":2,"sworn_off":false}"#, r#"{"format":3,"sworn_off":true}"#] {
        guard.store.commit(Batch::new().put(BINDINGS, withdrawal().to_string(), damaged)).await.unwrap();
        assert_eq!(swear(&guard).await, Err("TOMBSTONE_REFUSED"), "{damaged:?}");
        let refused = guard.check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap_err();
        assert_eq!(refused.code(), "BINDING_UNREADABLE", "{damaged:?}");
    }
}

/// Ten attempts and an oath at once, over and over: never a last message and an oath for one withdrawal.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_oath_and_a_last_message_at_most_one_happens() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    for case in 0..20u8 {
        let id = WithdrawalId::of("demo", "pipeline", &format!("race-{case}"));
        let mut contenders = tokio::task::JoinSet::new();
        for attempt in 0..10u8 {
            let guard = guard.clone();
            contenders.spawn(async move {
                let mut used = [case; 32];
                used[0] = attempt;
                if guard.check_and_insert(id, &digests(), SessionId(used)).await.is_err() {
                    return (false, false);
                }
                (guard.release(id).is_ok(), false)
            });
        }
        let swearing = guard.clone();
        contenders.spawn(async move { (false, swearing.swear_off(id).await.is_ok()) });
        let answers = contenders.join_all().await;
        let released = answers.iter().any(|(released, _)| *released);
        let sworn = answers.iter().any(|(_, sworn)| *sworn);
        assert!(!(released && sworn), "case {case}: both happened");
    }
}

/// The stored form of an oath: programs of later versions must still read it.
#[tokio::test]
async fn oath_of_format_2_reads() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let record = r#"{"format":2,"sworn_off":true}"#;
    guard.store.commit(Batch::new().put(BINDINGS, withdrawal().to_string(), record)).await.unwrap();
    swear(&guard).await.unwrap();
    let refused = guard.check_and_insert(withdrawal(), &digests(), session(1)).await.unwrap_err();
    assert_eq!(refused.code(), "SWORN_OFF");
}

#[tokio::test]
async fn what_is_remembered_of_a_run_is_bounded_and_oaths_are_never_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let guard = Guard::new(open(&directory));
    let id = |number: usize| WithdrawalId::of("demo", "pipeline", &format!("other-{number}"));
    // Given one oath and room for one withdrawal more
    guard.this_run().insert(id(0), ThisRun::Swearing);
    for number in 1..MAX_REMEMBERED - 1 {
        guard.this_run().insert(id(number), ThisRun::Unreleased);
    }
    let remembered = || guard.this_run().len();
    guard.look_up(withdrawal(), &withdrawal().to_string()).unwrap();
    assert_eq!(remembered(), MAX_REMEMBERED);
    // When one comes for which there is none
    let new = id(MAX_REMEMBERED);
    guard.look_up(new, &new.to_string()).unwrap();
    // Then the others count as released, and the oath stays
    assert_eq!(remembered(), 2);
    assert_eq!(guard.release(id(0)).unwrap_err().code(), "SWORN_OFF");
    assert_eq!(guard.this_run().get(&new), Some(&ThisRun::Unreleased));
}
