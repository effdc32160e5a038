//! SIGKILL of the coordinator in the middle of everything: what was acknowledged is there afterwards, and goes on.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_coordinator::CrashPoint;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_store::{Batch, StoreConfig, StoreHandle, Table};
use holdfast_tests::crash::{dying, every_point_of_every_flow};
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Options, PAYEE, STRANGER, Steadfast, Store, WALLET, eventually,
};

use crate::is_long;

mod rare;

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

/// Its first start, when the log begins.
const FIRST_START: [CrashPoint; 2] = [CrashPoint::BeforeEntries, CrashPoint::AfterEntries];
/// A withdrawal, from the request to its proofs.
const WITHDRAWAL: [CrashPoint; 6] = [
    CrashPoint::BeforeEntries,
    CrashPoint::AfterEntries,
    CrashPoint::BeforeCosigned,
    CrashPoint::AfterCosigned,
    CrashPoint::BeforeTileCheckpoint,
    CrashPoint::AfterTileCheckpoint,
];
/// What comes once in a while; shortly after a start it comes at once.
const ONCE_IN_A_WHILE: [CrashPoint; 4] = [
    CrashPoint::BeforeTilesMark,
    CrashPoint::AfterTilesMark,
    CrashPoint::BeforeEvidence,
    CrashPoint::AfterEvidence,
];
/// A key generation.
const KEYGEN: [CrashPoint; 2] = [CrashPoint::BeforeKeygenRound, CrashPoint::AfterKeygenRound];
/// A log of more than 256 entries.
const LONG_LOG: [CrashPoint; 2] = [CrashPoint::BeforeTile, CrashPoint::AfterTile];
/// A start after which indices have to be written anew.
const MENDING: [CrashPoint; 2] = [CrashPoint::BeforeDerived, CrashPoint::AfterDerived];
/// A withdrawal that is given up.
const GIVEN_UP: [CrashPoint; 2] = [CrashPoint::BeforeGivenUp, CrashPoint::AfterGivenUp];
/// A log that has grown since the last start.
const SNAPSHOT: [CrashPoint; 2] = [CrashPoint::BeforeSnapshot, CrashPoint::AfterSnapshot];
/// The same, with customers that the last snapshot did not have.
const PAGES: [CrashPoint; 2] = [CrashPoint::BeforePages, CrashPoint::AfterPages];
/// A log taken over from nodes, in more than one run.
const SEEDING: [CrashPoint; 2] = [CrashPoint::BeforeSeeding, CrashPoint::AfterSeeding];
/// Entries of a withdrawal: the request, the authorization, the signature.
const ENTRIES: std::ops::RangeInclusive<u32> = 1..=3;

#[test]
fn every_crash_point_of_the_coordinator_has_a_scenario() {
    let tested: [&[CrashPoint]; 10] = [
        &FIRST_START,
        &WITHDRAWAL,
        &ONCE_IN_A_WHILE,
        &KEYGEN,
        &LONG_LOG,
        &MENDING,
        &SEEDING,
        &SNAPSHOT,
        &PAGES,
        &GIVEN_UP,
    ];
    let tested: BTreeSet<CrashPoint> = tested.into_iter().flatten().copied().collect();
    let untested: Vec<&CrashPoint> = CrashPoint::ALL.iter().filter(|point| !tested.contains(point)).collect();
    assert!(untested.is_empty(), "no test ends the coordinator at {untested:?}");
}

async fn pay(parties: &Steadfast<'_>) {
    let id = parties.submit().await;
    parties.signed(&id).await;
}

/// Takes away what the coordinator derives from its log, as if another version had written it.
async fn forget_an_index(cluster: &Cluster) {
    let payloads = Table::new("payloads");
    let config = StoreConfig::at(cluster.path("coordinator/data/store"));
    let store = StoreHandle::open(&config, &[payloads]).unwrap();
    let records = store.scan(payloads, b"", 1_000).unwrap();
    let forgetting = records.into_iter().fold(Batch::new(), |batch, (key, _)| batch.delete(payloads, key));
    store.commit(forgetting).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_coordinator_killed_at_any_durable_write_resumes_and_loses_nothing_acknowledged() {
    let cluster = Cluster::make(Options::default());
    // At its first start
    for point in FIRST_START {
        cluster.start_crashing(COORDINATOR, point.name());
        let status = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "{point}");
    }
    cluster.start_all().await;
    let parties = Steadfast::of(&cluster);
    // While a key is generated: at an offer, and in the middle of the rounds
    let lives = KEYGEN.iter().flat_map(|point| [format!("{point}:1"), format!("{point}:4")]);
    let ((), died_at) = dying(&cluster, COORDINATOR, lives, parties.wallet(WALLET)).await;
    assert_eq!(died_at.len(), 2 * KEYGEN.len(), "{died_at:?}");
    parties.whitelist(PAYEE).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    // At each write of a withdrawal
    for point in WITHDRAWAL {
        let is_entry = matches!(point, CrashPoint::BeforeEntries | CrashPoint::AfterEntries);
        for nth in ENTRIES.filter(|nth| is_entry || *nth == 1) {
            let life = format!("{point}:{nth}");
            let ((), died_at) = dying(&cluster, COORDINATOR, [life.clone()], pay(&parties)).await;
            assert_eq!(died_at, [point.name()], "{life}");
        }
    }
    // And while it writes an index anew that is not as replaying the log gives it
    for point in MENDING {
        cluster.kill_9(COORDINATOR);
        forget_an_index(&cluster).await;
        cluster.start_crashing(COORDINATOR, point.name());
        let status = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "{point}");
        cluster.bring_up(COORDINATOR).await;
    }
    // And while it keeps a snapshot of what follows from the log, and the pages of histories before it
    for point in PAGES.into_iter().chain(SNAPSHOT) {
        cluster.kill_9(COORDINATOR);
        cluster.start_crashing(COORDINATOR, point.name());
        let status = cluster.ends_by_itself(COORDINATOR, PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "{point}");
        cluster.bring_up(COORDINATOR).await;
        pay(&parties).await;
    }
    let checked = parties.check().await;
    assert!(checked.receipts >= 12, "{checked:?}");
}

/// Waits until so many entries are published as files.
async fn publishes(cluster: &Cluster, size: u64) {
    let checkpoint = cluster.path("coordinator/data/tiles/checkpoint");
    eventually(&format!("{size} entries are published"), PATIENCE, || async {
        let note = std::fs::read_to_string(&checkpoint).unwrap_or_default();
        let found: u64 = note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        if found >= size { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn a_coordinator_killed_at_writes_that_come_once_in_a_while_resumes() {
    let cluster = Cluster::ready(Options::default()).await;
    let parties = Steadfast::of(&cluster);
    for point in ONCE_IN_A_WHILE {
        let is_evidence = matches!(point, CrashPoint::BeforeEvidence | CrashPoint::AfterEvidence);
        let flow = async {
            if is_evidence {
                // Evidence is kept once a minute
                tokio::time::sleep(Duration::from_secs(61)).await;
            }
            pay(&parties).await;
            publishes(&cluster, parties.log().await.size()).await;
        };
        if is_long() || !is_evidence {
            let ((), died_at) = dying(&cluster, COORDINATOR, [point.to_string()], flow).await;
            assert_eq!(died_at, [point.name()]);
        }
    }
    // And when the log has a whole tile to write
    let provider = cluster.provider().await;
    for _ in parties.log().await.size()..250 {
        provider.report(CUSTOMER, false, false).await;
    }
    drop(provider);
    let lives = LONG_LOG.map(|point| point.to_string());
    let flow = async {
        for _ in 0..4 {
            pay(&parties).await;
        }
        publishes(&cluster, 256).await;
    };
    let ((), died_at) = dying(&cluster, COORDINATOR, lives, flow).await;
    assert_eq!(died_at, LONG_LOG.map(CrashPoint::name));
    parties.check().await;
}

#[tokio::test]
async fn a_coordinator_that_dies_ever_later_while_everything_goes_on_loses_nothing_on_sled() {
    let cluster = Cluster::ready_to_step_up(Options { store: Store::Sled }).await;
    let parties = Steadfast::of(&cluster);
    let everything = async {
        parties.wallet("hot-2").await;
        parties.whitelist(STRANGER).await;
        pay(&parties).await;
        parties.pause_and_resume(WALLET).await;
        pay(&parties).await;
    };
    let lives = (1..=if is_long() { 80 } else { 10 }).map(|n| format!("any:{n}"));
    let ((), died_at) = dying(&cluster, COORDINATOR, lives, everything).await;
    assert!(died_at.len() > 5, "{died_at:?}");
    // And while people and a customer decide, and one officer lists an address
    let holds = async {
        parties.held_and_signed().await;
        parties.listed_now().await;
    };
    let lives = (1..=if is_long() { 30 } else { 5 }).map(|n| format!("any:{n}"));
    let ((), at_holds) = dying(&cluster, COORDINATOR, lives, holds).await;
    assert!(at_holds.len() > 2, "{at_holds:?}");
    println!("died at {died_at:?}, at holds at {at_holds:?}: {:?}", parties.check().await);
}

#[tokio::test]
async fn a_coordinator_killed_at_each_point_of_each_flow_in_turn_loses_nothing() {
    if is_long() {
        println!("{}", every_point_of_every_flow(COORDINATOR, Store::Redb).await);
        println!("{}", every_point_of_every_flow(COORDINATOR, Store::Sled).await);
    }
}
