//! A program that writes to a store until it is killed, and the comparison of what it was told with what is left.
//!
//! Each batch has two records under one number, in two tables: both are there afterwards, or none.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_store::{BackendKind, Batch, StoreConfig, StoreError, StoreHandle, Table};

use super::Disk;
use super::unsynced::unsynced;
use crate::directory;

const ENTRIES: Table = Table::new("entries");
const BINDINGS: Table = Table::new("bindings");
const TABLES: [Table; 2] = [ENTRIES, BINDINGS];
const WRITERS: u64 = 4;
const START: Duration = Duration::from_secs(30);
/// Room for all lives; the image is sparse.
const IMAGE_BYTES: u64 = 1 << 30;
const PAGE: usize = 1_000;
/// Up to three of the chunks into which sled's backend cuts long values.
const LONGEST: u64 = 10_000;

/// Whether a writer's requests to make something durable reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// They do.
    Honoured,
    /// The kernel answers that it is done and does nothing, as a disk that lies: what the tests have to notice.
    Ignored,
}

/// What is wrong with a store after a power cut.
#[derive(Debug, PartialEq, Eq)]
pub enum Damage {
    /// It does not open, or not all of it reads.
    Unreadable(String),
    /// Batches that were acknowledged and are gone.
    Lost(BTreeSet<u64>),
    /// Batches of which one record is there and not the other, or another one than was written.
    Torn(BTreeSet<u64>),
}

/// A store on a disk that can lose its power, and everything that it ever acknowledged.
#[derive(Debug)]
pub struct StoreOnDisk {
    disk: Disk,
    // Dropped after the disk, which has to be unmounted first.
    _scratch: Scratch,
    config: StoreConfig,
    acknowledged: BTreeSet<u64>,
    lives: u64,
}

impl StoreOnDisk {
    /// A new one.
    ///
    /// # Panics
    /// When the disk cannot be made.
    pub fn make(backend: BackendKind) -> Self {
        let scratch = Scratch(directory::fresh());
        std::fs::create_dir_all(&scratch.0).unwrap();
        let mounted = scratch.0.join("mounted");
        let disk = Disk::make_of(IMAGE_BYTES, &scratch.0.join("image"), &mounted).unwrap();
        let config = StoreConfig::at(mounted.join("store")).with_backend(backend);
        Self { disk, _scratch: scratch, config, acknowledged: BTreeSet::new(), lives: 0 }
    }

    /// Writes for so long, until the power is cut in the middle of it, and looks what is left when it is back. Returns how
    /// many batches were acknowledged this time.
    ///
    /// # Errors
    /// What was damaged.
    pub fn survives_a_cut(&mut self, after: Duration, syncs: Syncs) -> Result<usize, Damage> {
        // No number is used twice, so that no record can be taken for an earlier one.
        let start = self.lives << 32;
        self.lives += 1;
        let mut writer = Writer::start(&self.config, start, syncs);
        writer.wait_for_first();
        thread::sleep(after);
        self.disk.cut();
        let heard = writer.end();
        self.disk.restore();
        let count = heard.len();
        self.acknowledged.extend(heard);
        // A library may also panic over a store whose parts do not fit together.
        let compared = thread::scope(|scope| scope.spawn(|| self.compare()).join());
        compared.unwrap_or_else(|_| Err(Damage::Unreadable("opening it panics".to_owned())))?;
        Ok(count)
    }

    /// How many batches were ever acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    fn compare(&self) -> Result<(), Damage> {
        let unreadable = |error: StoreError| Damage::Unreadable(format!("{error:?}"));
        let store = StoreHandle::open(&self.config, &TABLES).map_err(unreadable)?;
        let (mut whole, mut torn) = (BTreeSet::new(), BTreeSet::new());
        for table in TABLES {
            let mut from = Vec::new();
            loop {
                let page = store.scan(table, &from, PAGE).map_err(unreadable)?;
                let Some((last, _)) = page.last() else { break };
                from = [last.as_slice(), &[0]].concat();
                for (key, _) in &page {
                    let number = u64::from_be_bytes(key.as_slice().try_into().unwrap());
                    let record = |table| store.read(table, key).map_err(unreadable);
                    let both = (record(ENTRIES)?, record(BINDINGS)?);
                    let is_whole = both == (Some(entry(number)), Some(number.to_le_bytes().to_vec()));
                    if is_whole {
                        whole.insert(number)
                    } else {
                        torn.insert(number)
                    };
                }
            }
        }
        store.close_blocking().map_err(unreadable)?;
        if !torn.is_empty() {
            return Err(Damage::Torn(torn));
        }
        let lost: BTreeSet<u64> = self.acknowledged.difference(&whole).copied().collect();
        if lost.is_empty() { Ok(()) } else { Err(Damage::Lost(lost)) }
    }
}

/// A directory that is removed in the end, unless the test has failed.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// The process that writes, and what it has said.
struct Writer {
    process: Child,
    first: mpsc::Receiver<()>,
    listener: Option<thread::JoinHandle<Vec<u64>>>,
}

impl Writer {
    fn start(config: &StoreConfig, start: u64, syncs: Syncs) -> Self {
        let program = crate::program("power_writer").unwrap_or_else(|error| panic!("{error}"));
        let mut command = match syncs {
            Syncs::Honoured => Command::new(&program),
            Syncs::Ignored => unsynced(&program),
        };
        let mut process = command
            .arg(&config.path)
            .args([config.backend.to_string(), start.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it complains of is that its disk is gone.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let (tell, first) = mpsc::sync_channel(1);
        let listener = thread::spawn(move || {
            let (mut heard, mut line) = (Vec::new(), String::new());
            while said.read_line(&mut line).unwrap() > 0 {
                // A line cut off by the end of the process is no acknowledgement.
                if let Some(number) = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix('\n')) {
                    heard.push(number.parse().unwrap());
                    // Only the first one is waited for.
                    let _ = tell.try_send(());
                }
                line.clear();
            }
            heard
        });
        Self { process, first, listener: Some(listener) }
    }

    /// A busy machine takes a while to start a program and open a store.
    fn wait_for_first(&self) {
        self.first.recv_timeout(START).expect("the writer writes");
    }

    fn end(&mut self) -> Vec<u64> {
        let _ = self.process.kill();
        self.process.wait().unwrap();
        self.listener.take().map(|listener| listener.join().unwrap()).unwrap_or_default()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

/// For the program `power_writer`: opens the store that its arguments name and writes to it until it is killed, or until the
/// store fails.
///
/// # Errors
/// What keeps it from writing.
pub fn write_for_ever() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().context("usage: power_writer DIRECTORY redb|sled START");
    let path = PathBuf::from(next()?);
    let backend = match next()?.as_str() {
        "redb" => BackendKind::Redb,
        "sled" => BackendKind::Sled,
        other => anyhow::bail!("`{other}` is no backend"),
    };
    let start: u64 = next()?.parse()?;
    let store = StoreHandle::open(&StoreConfig::at(path).with_backend(backend), &TABLES)?;
    let write_all = |writer: u64| -> anyhow::Result<()> {
        for number in (start + writer..).step_by(usize::try_from(WRITERS)?) {
            let key = number.to_be_bytes();
            let batch = Batch::new().expect_absent(BINDINGS, key).put(ENTRIES, key, entry(number)).put(
                BINDINGS,
                key,
                number.to_le_bytes(),
            );
            store.commit_blocking(batch)?;
            writeln!(std::io::stdout(), "ack {number}")?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write_all(writer))).collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap())
    })
}

fn entry(number: u64) -> Vec<u8> {
    let length = usize::try_from(1 + number % LONGEST).unwrap();
    vec![number.to_be_bytes()[7]; length]
}
