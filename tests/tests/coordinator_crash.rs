//! SIGKILL of the coordinator in the middle of everything: what was acknowledged is there afterwards, and goes on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{COORDINATOR, Cluster, Options};

const PATIENCE: Duration = Duration::from_secs(90);
const CLIENTS: usize = 4;
const KILLS: usize = 3;
/// Slow enough that what was acknowledged can be signed soon afterwards.
const PACE: Duration = Duration::from_millis(100);

/// What one submitter was told.
#[derive(Debug, Default)]
struct Acknowledged {
    ids: Vec<String>,
    /// Submissions whose first answer was lost and that were sent again.
    repeated: usize,
}

/// Submits withdrawals one after another until it is told to stop; a lost answer is asked for again with the same bytes.
async fn keep_submitting(cluster: &Cluster, stop: &AtomicBool) -> Acknowledged {
    let mut told = Acknowledged::default();
    let pipeline = cluster.pipeline().await;
    while !stop.load(Ordering::Relaxed) {
        let envelope = cluster.request().signed(cluster);
        let mut tries = 0;
        let withdrawal = loop {
            match pipeline.submit_envelope(&envelope, 0).await {
                Ok(withdrawal) => break withdrawal,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            tries += 1;
        };
        told.repeated += usize::from(tries > 0);
        told.ids.push(withdrawal.id);
        tokio::time::sleep(PACE).await;
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinator_killed_in_the_middle_of_everything_resumes_and_loses_nothing_acknowledged() {
    let cluster = Arc::new(Cluster::ready(Options::default()).await);
    let stop = Arc::new(AtomicBool::new(false));
    // Given submitters at work, and a key being generated
    let submitters: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (cluster, stop) = (Arc::clone(&cluster), Arc::clone(&stop));
            tokio::spawn(async move { keep_submitting(&cluster, &stop).await })
        })
        .collect();
    let ceremony = cluster.start_wallet("hot-2").await;
    let mut before = cluster.download().await;
    // When the coordinator is killed again and again
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(150 + 200 * u64::try_from(kill).unwrap())).await;
        cluster.kill_9(COORDINATOR);
        cluster.bring_up(COORDINATOR).await;
        // Then the log only grew
        let after = cluster.download().await;
        assert!(after.entries().starts_with(before.entries()), "entries changed after kill {kill}");
        before = after;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    let mut repeated = 0;
    for submitter in submitters {
        let told = submitter.await.unwrap();
        repeated += told.repeated;
        acknowledged.extend(told.ids);
    }
    assert!(acknowledged.len() > CLIENTS * KILLS, "too little was going on: {}", acknowledged.len());
    assert!(repeated > 0, "no kill hit anything");
    // And every acknowledged withdrawal is there and gets its one signature, and the ceremony its key
    let pipeline = cluster.pipeline().await;
    for id in &acknowledged {
        pipeline.reaches(id, State::Signed, PATIENCE).await;
    }
    let done = cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    assert_eq!(done.result_ids, ["hot-2"]);
    let listed = pipeline.list().await;
    assert!(acknowledged.iter().all(|id| listed.iter().any(|withdrawal| withdrawal.id == *id)));
}
