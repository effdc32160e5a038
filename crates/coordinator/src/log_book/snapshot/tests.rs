//! Starts from snapshots: good ones, damaged ones, another log's, and those of a log that the store does not hold.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use std::fs;
use std::path::PathBuf;

use holdfast_chains::{ChainId, Eip1559Draft, UnsignedTransaction};
use holdfast_ledger::{PayloadKind, WithdrawalId, WithdrawalState};
use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use holdfast_server::snapshot::RETRY_AFTER;
use holdfast_store::Batch;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::log_book::schema::{CHECKPOINTS, ENTRIES, FOUND, LOG_CHECKPOINT, PAGES, index_key};
use crate::testing::{Cell, ed25519, sign, usdt_transfer};

/// A cell with withdrawals in several states, of which one is authorized in the place of another and one cancelled.
async fn busy() -> Cell {
    let cell = Cell::ready().await;
    let [replaced, cancelled] = [cell.submit("k-1", 0).await, cell.submit("k-2", 1).await];
    authorize(&cell, replaced, &usdt_transfer(1_250, 0)).await;
    let (now, transaction) = (cell.clock.now(), dearer(&usdt_transfer(1_250, 0)));
    let replacement = json!({"cluster": "demo-1", "client": "pipeline", "of": replaced, "action": "bump-fee",
        "fee_cap": "10000000000000000", "idempotency_key": "r-1", "created_at_ms": now, "expires_at_ms": now + 600_000,
        "transaction": transaction.to_hex()});
    let replacement = sign(PayloadKind::ReplacementRequest, &replacement, "client", "pipeline");
    let replacing = cell.accept(replacement).await.withdrawal.unwrap();
    authorize(&cell, replacing, &transaction).await;
    let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": cancelled});
    cell.accept(sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline")).await;
    cell.submit("k-3", 2).await;
    cell
}

async fn authorize(cell: &Cell, withdrawal: WithdrawalId, transaction: &UnsignedTransaction) {
    let digests = [transaction.signing_hash()];
    let authorize = json!({"cluster": "demo-1", "withdrawal": withdrawal, "digests": digests});
    let authorize = serde_json::to_vec(&authorize).unwrap();
    let kind = PayloadKind::Authorize.payload_type();
    cell.accept(Envelope::sign_ed25519(kind, authorize, "coordinator:main", &ed25519("entry")).unwrap())
        .await;
}

/// The same transaction for a higher fee.
fn dearer(transaction: &UnsignedTransaction) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce: 0,
        gas_limit: 65_000,
        max_fee_per_gas: 60_000_000_000,
        max_priority_fee_per_gas: 2_000_000_000,
        transfer: transaction.effects().transfer,
    };
    draft.build().unwrap()
}

async fn write(cell: &Cell) {
    let picture = Picture::of(&cell.parts.book.read().await.unwrap().inner);
    let kept = written(cell, picture).await.unwrap();
    cell.parts.book.inner.write().await.replica.settle_pages(&kept);
}

/// Writing blocks.
async fn written(cell: &Cell, picture: Picture) -> Result<KeptPages, KeepError> {
    let book = Arc::clone(&cell.parts.book);
    tokio::task::spawn_blocking(move || picture.write(&book.snapshots)).await.unwrap()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join(FILE)
}

async fn reopened(cell: Cell) -> Cell {
    let now = cell.clock.now();
    Cell::open(cell.shut_down().await, now).await
}

fn used(cell: &Cell) -> u64 {
    cell.parts.book.snapshots.kept()
}

/// What a replay of everything gives, from the same directory.
async fn replayed(cell: Cell) -> Cell {
    let now = cell.clock.now();
    let dir = cell.shut_down().await;
    fs::remove_file(file(&dir)).unwrap();
    let cell = Cell::open(dir, now).await;
    assert_eq!(used(&cell), 0);
    cell
}

/// Everything that a start leads to.
#[derive(Debug, PartialEq)]
struct Held {
    state: Vec<u8>,
    digest: StateDigest,
    root: Hash,
    leaves: Vec<u8>,
    keys: KeyHistory,
    checkpoint: Vec<u8>,
    counts: std::collections::BTreeMap<WithdrawalState, u64>,
    index: LogIndex,
}

/// Taken apart by the end of time, when no withdrawal is open any more: until then an index also remembers deadlines that are
/// met.
async fn held(cell: &Cell) -> Held {
    let mut inner = cell.parts.book.inner.write().await;
    let Inner { replica, tree, index, keys, checkpoint } = &mut *inner;
    let counts = index.counts();
    index.expire(TimestampMs(u64::MAX), replica.state());
    assert!(index.open().keys().all(|id| index.newest_of(id) > 0));
    Held {
        state: replica.state().to_snapshot(),
        digest: replica.state().digest(),
        root: tree.root().unwrap(),
        leaves: tree.leaf_bytes_from(0),
        keys: keys.clone(),
        checkpoint: checkpoint.as_ref().unwrap().to_bytes(),
        counts,
        index: std::mem::take(index),
    }
}

#[tokio::test]
async fn start_from_a_snapshot_holds_what_a_replay_holds_and_goes_on() {
    // Given a log with a snapshot and entries beyond it
    let cell = busy().await;
    write(&cell).await;
    let kept = cell.size().await;
    cell.submit("k-4", 3).await;
    // When the coordinator starts again
    let cell = reopened(cell).await;
    // Then it read the snapshot, and goes on
    assert_eq!(used(&cell), kept);
    cell.submit("k-5", 4).await;
    write(&cell).await;
    let (first, size) = (reopened(cell).await, kept + 2);
    assert_eq!((used(&first), first.size().await), (size, size));
    // And nobody can tell it from one that replayed everything
    let from_snapshot = held(&first).await;
    assert!(from_snapshot.counts.len() >= 4, "{:?}", from_snapshot.counts);
    assert_eq!(from_snapshot.index.whitelist_by_age().len(), 1);
    assert_eq!(from_snapshot, held(&replayed(first).await).await);
}

#[tokio::test]
async fn damaged_snapshots_are_not_used() {
    let cell = busy().await;
    write(&cell).await;
    let (size, now) = (cell.size().await, cell.clock.now());
    let mut dir = cell.shut_down().await;
    let good = fs::read(file(&dir)).unwrap();
    let last = good.len() - 1;
    let flipped = (0..good.len()).step_by(good.len() / 40).chain([last]).map(|position| {
        let mut altered = good.clone();
        altered[position] ^= 1;
        altered
    });
    let cut =
        [0, 3, MAGIC.len(), MAGIC.len() + 4, good.len() / 2, last].map(|length| good[..length].to_vec());
    let longer = [good.as_slice(), b"x"].concat();
    for (number, damage) in flipped.chain(cut).chain([longer]).enumerate() {
        fs::write(file(&dir), damage).unwrap();
        let cell = Cell::open(dir, now).await;
        assert_eq!((used(&cell), cell.size().await), (0, size), "{number}");
        dir = cell.shut_down().await;
    }
    fs::write(file(&dir), good).unwrap();
    assert_eq!(used(&Cell::open(dir, now).await), size);
}

/// What is done to a manifest.
type Change = Box<dyn FnOnce(&mut Manifest)>;

/// The file with another manifest and a checksum that fits it.
fn forged(good: &[u8], change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let rest = good.strip_prefix(MAGIC).unwrap();
    let (length, rest) = rest.split_first_chunk::<4>().unwrap();
    let (manifest, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
    let mut manifest: Manifest = serde_json::from_slice(manifest).unwrap();
    change(&mut manifest);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let length = u32::try_from(manifest.len()).unwrap().to_be_bytes();
    let content = &rest[..rest.len() - CHECKSUM_BYTES];
    let mut bytes = [MAGIC, &length, &manifest, content].concat();
    bytes.extend(Sha256::digest(&bytes));
    bytes
}

#[tokio::test]
async fn snapshot_whose_parts_do_not_fit_its_manifest_is_not_used() {
    let cell = busy().await;
    write(&cell).await;
    let (size, now) = (cell.size().await, cell.clock.now());
    let mut dir = cell.shut_down().await;
    let good = fs::read(file(&dir)).unwrap();
    let other_key = hex::encode(ed25519("other").verifying_key().as_bytes());
    let changes: [Change; 9] = [
        Box::new(|manifest| manifest.format += 1),
        Box::new(|manifest| manifest.program.push('x')),
        Box::new(|manifest| manifest.size -= 1),
        Box::new(|manifest| manifest.root = Hash([7; 32])),
        Box::new(|manifest| manifest.state_digest = "07".repeat(32).parse().unwrap()),
        Box::new(|manifest| manifest.state_bytes -= 1),
        Box::new(|manifest| manifest.leaf_bytes -= 32),
        Box::new(|manifest| manifest.log_keys.clear()),
        Box::new(move |manifest| manifest.log_keys = vec![(1, other_key)]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        fs::write(file(&dir), forged(&good, change)).unwrap();
        let cell = Cell::open(dir, now).await;
        assert_eq!((used(&cell), cell.size().await), (0, size), "{number}");
        dir = cell.shut_down().await;
    }
    fs::write(file(&dir), forged(&good, |_| {})).unwrap();
    assert_eq!(used(&Cell::open(dir, now).await), size);
}

#[tokio::test]
async fn snapshot_of_another_cluster_is_not_used() {
    let other = Cell::witnessed("witness.example/w", "witness").await;
    write(&other).await;
    let cell = busy().await;
    let (size, now) = (cell.size().await, cell.clock.now());
    let (dir, other) = (cell.shut_down().await, other.shut_down().await);
    fs::copy(file(&other), file(&dir)).unwrap();
    let cell = Cell::open(dir, now).await;
    assert_eq!((used(&cell), cell.size().await), (0, size));
}

/// Two logs that begin alike, and the first one's size where they part.
async fn forked() -> (Cell, Cell, u64) {
    let (cell, other) = (Cell::ready().await, Cell::ready().await);
    let size = cell.size().await;
    assert_eq!(
        cell.parts.book.read().await.unwrap().replica().root(),
        other.parts.book.read().await.unwrap().replica().root()
    );
    for number in 0..3 {
        cell.submit(&format!("k-{number}"), number).await;
        other.submit(&format!("o-{number}"), number).await;
    }
    (cell, other, size)
}

#[tokio::test]
async fn snapshot_of_a_fork_is_not_used_and_leaves_nothing_behind() {
    // Given a snapshot of a log that is another one from some entry on, shorter and as long
    let (cell, other, _) = forked().await;
    write(&other).await;
    cell.submit("k-9", 9).await;
    let (size, now) = (cell.size().await, cell.clock.now());
    let found = cell.parts.book.store().scan(FOUND, &[], 1_000).unwrap();
    let (mut dir, other) = (cell.shut_down().await, other.shut_down().await);
    fs::copy(file(&other), file(&dir)).unwrap();
    // When the coordinator starts, then it holds the stored log, and what is derived from it
    let cell = Cell::open(dir, now).await;
    assert_eq!((used(&cell), cell.size().await), (0, size));
    assert_eq!(cell.parts.book.store().scan(FOUND, &[], 1_000).unwrap(), found);
    dir = cell.shut_down().await;
    let other = Cell::open(other, now).await;
    other.submit("o-9", 9).await;
    write(&other).await;
    fs::copy(file(&other.shut_down().await), file(&dir)).unwrap();
    let cell = Cell::open(dir, now).await;
    assert_eq!((used(&cell), cell.size().await), (0, size));
}

#[tokio::test]
async fn what_no_checkpoint_covers_yet_is_compared_byte_for_byte() {
    // Given a store whose newest entries are not covered by a checkpoint, and a snapshot with others in their place
    let (cell, other, common) = forked().await;
    write(&other).await;
    let note = cell.parts.book.read().await.unwrap().checkpoint_at(common).unwrap().to_bytes();
    let batch = Batch::new().put(CHECKPOINTS, LOG_CHECKPOINT, note);
    cell.parts.book.store().commit(batch).await.unwrap();
    let (size, now) = (cell.size().await, cell.clock.now());
    let (dir, other) = (cell.shut_down().await, other.shut_down().await);
    fs::copy(file(&other), file(&dir)).unwrap();
    let cell = Cell::open(dir, now).await;
    assert_eq!((used(&cell), cell.size().await), (0, size));
    assert!(
        cell.parts
            .book
            .read()
            .await
            .unwrap()
            .state()
            .withdrawals()
            .all(|w| w.request.idempotency_key.starts_with("k-"))
    );
}

#[tokio::test]
async fn snapshot_that_is_ahead_of_the_store_is_not_used() {
    // Given a store that was put back to an earlier moment beside a newer snapshot
    let cell = busy().await;
    let (earlier, size) = (cell.size().await - 2, cell.size().await);
    let note = cell.parts.book.read().await.unwrap().checkpoint_at(earlier).unwrap().to_bytes();
    write(&cell).await;
    let batch = (earlier..size).fold(Batch::new(), |batch, index| batch.delete(ENTRIES, index_key(index)));
    cell.parts.book.store().commit(batch.put(CHECKPOINTS, LOG_CHECKPOINT, note)).await.unwrap();
    // When the coordinator starts, it holds what its store says, and no more
    let cell = reopened(cell).await;
    assert_eq!((used(&cell), cell.size().await), (0, earlier));
}

#[tokio::test]
async fn snapshot_is_written_when_it_is_due_and_what_was_cut_off_is_cleared_away() {
    /// Asks for a snapshot after every five entries.
    #[derive(Debug)]
    struct Often;
    impl CrashPoints<CrashPoint> for Often {
        fn reached(&self, _: CrashPoint) {}
        fn snapshot_every(&self) -> u64 {
            5
        }
    }
    let cell = busy().await;
    let often: Arc<dyn CrashPoints<CrashPoint>> = Arc::new(Often);
    let usual: Arc<dyn CrashPoints<CrashPoint>> = Arc::new(crate::NoCrashPoints);
    cell.parts.book.keep_snapshot(&usual).await.unwrap();
    assert!(!file(&cell.dir).exists());
    cell.parts.book.keep_snapshot(&often).await.unwrap();
    let first = fs::read(file(&cell.dir)).unwrap();
    cell.submit("k-4", 3).await;
    cell.parts.book.keep_snapshot(&often).await.unwrap();
    assert_eq!(fs::read(file(&cell.dir)).unwrap(), first, "one entry more is no reason");
    // What cannot be written is not tried again at once
    cell.submit("k-5", 4).await;
    let size = cell.size().await;
    let picture = Picture::of(&cell.parts.book.read().await.unwrap().inner);
    fs::remove_file(file(&cell.dir)).unwrap();
    fs::create_dir(file(&cell.dir)).unwrap();
    written(&cell, picture).await.unwrap_err();
    fs::remove_dir(file(&cell.dir)).unwrap();
    assert!(
        !cell.parts.book.snapshots.is_due(size, 2) && cell.parts.book.snapshots.is_due(size + RETRY_AFTER, 2)
    );
    fs::write(file(&cell.dir), &first).unwrap();
    // A process that was killed while it wrote leaves a part of a file under another name
    let unfinished = cell.dir.path().join("log.snapshot.17-0.tmp");
    fs::write(&unfinished, &first[..first.len() / 2]).unwrap();
    let cell = reopened(cell).await;
    assert!(!unfinished.exists());
    assert_eq!(used(&cell) + 2, cell.size().await);
}

/// A session report about the customer who asks for everything.
async fn report(cell: &Cell) -> bool {
    let sequence = cell.parts.book.read().await.unwrap().state().next_sequence(&"sessions".parse().unwrap());
    let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
        "observed_at_ms": cell.clock.now(), "new_device": false, "second_factor_reset": false});
    let report = sign(PayloadKind::SessionReport, &report, "provider", "sessions");
    cell.clock.advance(1);
    cell.parts.sequencer.propose(report).await.is_ok()
}

#[tokio::test]
async fn histories_are_pages_in_the_store_and_read_from_there_after_a_start() {
    let cell = busy().await;
    assert!(report(&cell).await);
    write(&cell).await;
    let pages = cell.parts.book.store().scan(PAGES, &[], 10).unwrap();
    assert_eq!(pages.len(), 1);
    let file_bytes = fs::read(file(&cell.dir)).unwrap();
    assert!(!file_bytes.windows(pages[0].1.len()).any(|found| found == pages[0].1));
    let size = cell.size().await;
    let cell = reopened(cell).await;
    assert_eq!(used(&cell), size);
    assert!(report(&cell).await);
    write(&cell).await;
    assert_eq!(cell.parts.book.store().scan(PAGES, &[], 10).unwrap().len(), 2);
    let resumed = held(&cell).await;
    assert_eq!(resumed, held(&replayed(cell).await).await);
}

#[tokio::test]
async fn lost_page_stops_the_coordinator_until_it_replays_its_log() {
    type Damage = fn(Vec<u8>, Vec<u8>) -> Batch;
    let damages: [Damage; 2] = [
        |key, _| Batch::new().delete(PAGES, key),
        |key, mut bytes| {
            *bytes.last_mut().unwrap() ^= 1;
            Batch::new().put(PAGES, key, bytes)
        },
    ];
    for damage in damages {
        // Given a coordinator whose only page is gone or altered
        let cell = busy().await;
        assert!(report(&cell).await);
        write(&cell).await;
        let size = cell.size().await;
        let (key, bytes) = cell.parts.book.store().scan(PAGES, &[], 10).unwrap().remove(0);
        cell.parts.book.store().commit(damage(key, bytes)).await.unwrap();
        // When it would log what is judged by it, then it logs nothing and fails for good
        assert!(!report(&cell).await);
        assert!(*cell.parts.book.failure().borrow());
        assert!(cell.parts.book.read().await.is_err());
        // And the next start replays the log
        let cell = reopened(cell).await;
        assert_eq!((used(&cell), cell.size().await), (0, size));
        assert!(report(&cell).await);
    }
}
