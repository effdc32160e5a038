//! What a coordinator does once in a while or never: it takes over the nodes' log, and gives a withdrawal up.

use holdfast_ledger::PayloadKind;
use holdfast_tests::{Flow, Hostile, NODES};
use serde_json::json;

use super::*;

/// Entries that are as large as entries may be, so many that nodes hand their log out in three runs.
const LARGE_ENTRIES: usize = 120;
const LARGE_BYTES: usize = 44_000;
const IN_ONE_MESSAGE: usize = 40;

/// Where a new coordinator dies, life after life: at its own first entry, after each run but the last, at the last.
const LIVES: [CrashPoint; 7] = [
    CrashPoint::BeforeEntries,
    CrashPoint::AfterEntries,
    CrashPoint::BeforeSeeding,
    CrashPoint::AfterSeeding,
    CrashPoint::AfterSeeding,
    CrashPoint::BeforeEntries,
    CrashPoint::AfterEntries,
];

/// What the lost coordinator logged last: large, of no consequence, and held by every node.
async fn log_much(cluster: &Cluster) -> u64 {
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let hostile = Hostile::with(cluster, &mut log);
    let mut next = hostile.log.bytes().len();
    for number in 0..LARGE_ENTRIES {
        let policy = format!("{number} {}", "x".repeat(LARGE_BYTES));
        let payload = json!({"cluster": cluster.name(), "policy": policy});
        hostile.log.append(&hostile.speak(PayloadKind::PolicyDocument, &payload));
    }
    let all = hostile.log.bytes();
    while next < all.len() {
        let end = all.len().min(next + IN_ONE_MESSAGE);
        for node in NODES {
            let from = hostile.tip_size(node).await;
            hostile.replicate(node, hostile.replication_of(from, &all[..end])).await.unwrap();
        }
        next = end;
    }
    hostile.log.size()
}

async fn new_coordinator_dies_while_it_takes_the_log_over(store: Store) {
    // Given a cell that has lost its coordinator with its disk
    let cluster = Cluster::ready(Options { store }).await;
    let parties = Steadfast::of(&cluster);
    pay(&parties).await;
    let size = log_much(&cluster).await;
    std::fs::remove_dir_all(cluster.path(COORDINATOR).join("data")).unwrap();
    // When a new one dies again and again, each time a step further
    for (life, point) in LIVES.into_iter().enumerate() {
        cluster.start_crashing(COORDINATOR, point.name());
        let status = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "life {life}: {point}");
    }
    // Then it has the whole log in the end, and goes on with it
    cluster.bring_up(COORDINATOR).await;
    assert!(parties.log().await.size() >= size);
    pay(&parties).await;
    let checked = parties.check().await;
    assert_eq!(checked.receipts, 2, "{checked:?}");
}

#[tokio::test]
async fn a_new_coordinator_killed_at_every_write_of_taking_the_nodes_log_over_has_it_in_the_end() {
    new_coordinator_dies_while_it_takes_the_log_over(Store::Redb).await;
    if is_long() {
        new_coordinator_dies_while_it_takes_the_log_over(Store::Sled).await;
    }
}

#[tokio::test]
async fn a_coordinator_killed_while_a_withdrawal_is_given_up_has_it_sworn_off_or_signed_and_never_both() {
    let cluster = Cluster::ready(Options::default()).await;
    let parties = Steadfast::of(&cluster);
    // Entries are the request, the authorization, and the oath of the only node that is there
    let oath = [CrashPoint::BeforeEntries, CrashPoint::AfterEntries].map(|point| (point, 3));
    let lives: Vec<_> =
        oath.into_iter().filter(|_| is_long()).chain(GIVEN_UP.map(|point| (point, 1))).collect();
    for (point, nth) in &lives {
        let life = format!("{point}:{nth}");
        let flow = Box::pin(Flow::GiveUp.run(&cluster, &parties));
        let ((), died_at) = dying(&cluster, COORDINATOR, [life.clone()], flow).await;
        assert_eq!(died_at, [point.name()], "{life}");
    }
    Flow::GiveUp.run(&cluster, &parties).await;
    pay(&parties).await;
    let checked = parties.check().await;
    assert!(checked.tombstoned > 0 && checked.withdrawals == lives.len() + 2, "{checked:?}");
}
