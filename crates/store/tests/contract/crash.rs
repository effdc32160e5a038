//! SIGKILL at random moments: everything acknowledged before it is there after it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use holdfast_store::{BackendKind, Batch, StoreConfig, StoreHandle};

use crate::{BINDINGS, ENTRIES, Fixture, TABLES};

const KILLS: u64 = 8;
const EARLY_KILLS: u64 = 3;
const WRITES_FIRST: usize = 10;
const WRITERS: u64 = 4;
const CONFIG_VARIABLE: &str = "HOLDFAST_STORE_CRASH_CONFIG";
const START_VARIABLE: &str = "HOLDFAST_STORE_CRASH_START";
const SEED_VARIABLE: &str = "HOLDFAST_TEST_SEED";

pub(crate) fn acknowledged_records_survive_sigkill(backend: BackendKind) {
    let store = Fixture::new(backend);
    let mut random = Random::seeded();
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        // Numbers are never used twice, so a record cannot be mistaken for an earlier one.
        let mut child = spawn_writer(&store.config(), kill << 32);
        let heard = Arc::new(AtomicUsize::new(0));
        let listener = listen(&mut child, Arc::clone(&heard));
        // The first ones at any moment of a start, the others while it writes, however slow the machine is.
        while kill >= EARLY_KILLS && heard.load(Ordering::SeqCst) < WRITES_FIRST && !listener.is_finished() {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(random.below(400)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let heard = listener.join().unwrap();
        assert!(!status.success() && status.code().is_none(), "the writer ended by itself: {status}");
        acknowledged.extend(heard);
        check(&store, &acknowledged, kill);
    }
    assert!(
        acknowledged.len() > 20,
        "only {} records were acknowledged: nothing was tested",
        acknowledged.len()
    );
}

pub(crate) fn store_of_a_living_process_is_refused_and_free_once_it_is_killed(backend: BackendKind) {
    let store = Fixture::new(backend);
    let mut child = spawn_writer(&store.config(), 0);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("ack ")), "the other process never had the store");

    let refused = StoreHandle::open(&store.config(), &TABLES).unwrap_err();
    assert_eq!(refused.reason(), "STORE_LOCKED");

    child.kill().unwrap();
    child.wait().unwrap();
    store.open();
}

/// Every acknowledged number has both of its records; no number has only one.
fn check(store: &Fixture, acknowledged: &[u64], kill: u64) {
    let handle = store.open();
    for number in acknowledged {
        let key = number.to_be_bytes();
        assert_eq!(
            handle.read(ENTRIES, &key).unwrap(),
            Some(entry(*number)),
            "kill {kill} lost entry {number}"
        );
        assert!(handle.read(BINDINGS, &key).unwrap().is_some(), "kill {kill} lost binding {number}");
    }
    let keys = |table| -> Vec<Vec<u8>> {
        handle.scan(table, b"", 10_000).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(ENTRIES), keys(BINDINGS), "kill {kill} tore a batch apart");
    handle.close_blocking().unwrap();
}

fn entry(number: u64) -> Vec<u8> {
    // Up to three of sled's chunks, so that long values are torn too.
    vec![number.to_be_bytes()[7]; 1 + (number % 10_000) as usize]
}

fn spawn_writer(config: &StoreConfig, start: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer_process", "--nocapture", "--test-threads", "1"])
        .env(CONFIG_VARIABLE, serde_json::to_string(config).unwrap())
        .env(START_VARIABLE, start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn listen(child: &mut Child, count: Arc<AtomicUsize>) -> thread::JoinHandle<Vec<u64>> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        let (mut heard, mut line) = (Vec::new(), String::new());
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line cut off by the kill is not an acknowledgement.
            if let Some(number) = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix('\n')) {
                heard.push(number.parse().unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
            line.clear();
        }
        heard
    })
}

/// The process that gets killed. Without its variables this is an empty test.
#[test]
fn writer_process() {
    let (Ok(config), Ok(start)) = (std::env::var(CONFIG_VARIABLE), std::env::var(START_VARIABLE)) else {
        return;
    };
    let config: StoreConfig = serde_json::from_str(&config).unwrap();
    let start: u64 = start.parse().unwrap();
    let store = StoreHandle::open(&config, &TABLES).unwrap();
    // libtest has printed the start of a line already.
    writeln!(std::io::stdout()).unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for number in (start + writer..).step_by(WRITERS as usize) {
                    let key = number.to_be_bytes();
                    let batch = Batch::new()
                        .expect_absent(BINDINGS, key)
                        .put(ENTRIES, key, entry(number))
                        .put(BINDINGS, key, "bound");
                    store.commit_blocking(batch).unwrap();
                    writeln!(std::io::stdout(), "ack {number}").unwrap();
                }
            });
        }
    });
}

/// splitmix64: the moments of the kills, repeatable from the printed seed.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        eprintln!("seed {seed}: repeat with {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
