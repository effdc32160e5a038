//! Verification of an export from the genesis hash alone: signatures, tree, and every entry replayed.

use holdfast_log::tiles::CHECKPOINT_PATH;
use holdfast_log::{
    Checkpoint, Entry, ExportError, Hash, SignedCheckpoint, TilePath, parse_entry_bundle, read_export,
};

use crate::finding::{Finding, malformed_entry};
use crate::history::History;
use crate::keys::LogKeys;
use crate::report::Report;

/// A log that was replayed to its end and is what its checkpoint states. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    report: Report,
    history: History,
    leaf_hashes: Vec<Hash>,
}

impl Verified {
    /// What the log holds, counted.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The replay, with what touched each withdrawal and ceremony.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Checks that this log continues the one that an earlier checkpoint states: one that a witness kept.
    ///
    /// # Errors
    /// A [`Finding`]: `LOG_FORKED` if both were signed and cannot be of one log, `LOG_CUT_OFF` if this one is shorter.
    pub fn continues(&self, earlier: &[u8]) -> Result<(), Finding> {
        let keys = LogKeys::of(self.history.state().roster())?;
        let earlier = SignedCheckpoint::parse(earlier)?.verify(keys.log())?;
        let size = usize::try_from(earlier.size).unwrap_or(usize::MAX);
        let Some(prefix) = self.leaf_hashes.get(..size) else {
            let detail = format!("the log was seen with {} entries, this export ends earlier", earlier.size);
            return Err(Finding::new("LOG_CUT_OFF", detail).within(self.report.size, earlier.size));
        };
        let mut edge = holdfast_log::RightEdge::new();
        for leaf_hash in prefix {
            edge.append(*leaf_hash)?;
        }
        if edge.root() == earlier.root {
            return Ok(());
        }
        let detail = "the log's key signed two histories: both checkpoints are the proof, keep them";
        Err(Finding::new("LOG_FORKED", detail).within(0, earlier.size))
    }
}

/// Verifies an export: `read_file` gives a file's contents by its name below the export's directory.
///
/// In order: the first entry is the genesis document with this SHA-256, signed by its officers; the log's key in it signed
/// the checkpoint, and at least t of its nodes cosigned; tree and entries are those that the checkpoint states; every entry
/// is authentic and in order, and is replayed, which derives every decision again.
///
/// # Errors
/// The first [`Finding`], located as exactly as the export allows.
pub fn verify(
    read_file: impl Fn(&str) -> Option<Vec<u8>>,
    genesis_sha256: &[u8; 32],
) -> Result<Verified, Finding> {
    let missing = || Finding::new("EXPORT_FILE_MISSING", "file `checkpoint` is missing from the export");
    let signed = SignedCheckpoint::parse(&read_file(CHECKPOINT_PATH).ok_or_else(missing)?)?;
    let genesis = first_entry(&read_file, signed.claimed().size)?;
    let mut history = History::begin(&genesis, genesis_sha256)?;
    let keys = LogKeys::of(history.state().roster())?;
    let (checkpoint, cosigned) = keys.verify(&signed)?;
    let entries = read_export(&read_file, &checkpoint)
        .map_err(|error| sharpen(error, &read_file, &checkpoint, history.clone()))?;
    for entry in entries.iter().skip(1) {
        history.append(entry)?;
    }
    // INVARIANT (G7): the replay's own root is the checkpoint's; an export is verified only if both roads meet.
    if history.replica().root() != checkpoint.root || history.replica().size() != checkpoint.size {
        return Err(Finding::new("ROOT_MISMATCH", "the replayed entries do not give the checkpoint's root"));
    }
    let report = Report::new(&history, &keys, &checkpoint, &cosigned);
    Ok(Verified { report, history, leaf_hashes: entries.iter().map(Entry::leaf_hash).collect() })
}

/// The genesis entry as the export has it: nothing can be verified before its keys are known.
fn first_entry(read_file: &impl Fn(&str) -> Option<Vec<u8>>, size: u64) -> Result<Entry, Finding> {
    let path = TilePath::all_entries(size)
        .next()
        .ok_or_else(|| Finding::new("EXPORT_EMPTY", "the checkpoint states an empty log"))?;
    let bundle = read_file(&path.to_string()).ok_or(ExportError::FileMissing { path })?;
    let cut_off = || Finding::from(ExportError::EntryMismatch { index: 0 });
    let (length, rest) = bundle.split_first_chunk::<2>().ok_or_else(cut_off)?;
    let bytes = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or_else(cut_off)?;
    Entry::parse(bytes).map_err(|error| malformed_entry(0, &error))
}

/// Hashes may name only a range. Replaying what is there names the first entry in it that nobody can have signed.
fn sharpen(
    error: ExportError,
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    checkpoint: &Checkpoint,
    history: History,
) -> Finding {
    let broad = Finding::from(error);
    if broad.is_exact() || broad.rule() != "EXPORT_RANGE_MISMATCH" {
        return broad;
    }
    match first_refused(read_file, checkpoint.size, history) {
        Some(exact) if exact.first_index() >= broad.first_index() => exact,
        Some(_) | None => broad,
    }
}

fn first_refused(
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    size: u64,
    mut history: History,
) -> Option<Finding> {
    let mut index = 0_u64;
    for path in TilePath::all_entries(size) {
        let bundle = read_file(&path.to_string())?;
        for bytes in parse_entry_bundle(&bundle, path.width()).ok()? {
            let entry = match Entry::parse(bytes) {
                Ok(entry) => entry,
                Err(error) => return Some(malformed_entry(index, &error)),
            };
            if index > 0
                && let Err(error) = history.append(&entry)
            {
                return Some(error.into());
            }
            index = index.saturating_add(1);
        }
    }
    None
}
