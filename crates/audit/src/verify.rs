//! Verification of an export from the genesis hash alone: signatures, tree, and every entry replayed.

use holdfast_ledger::Event;
use std::fmt;
use std::sync::Arc;

use holdfast_log::tiles::CHECKPOINT_PATH;
use holdfast_log::{
    Checkpoint, Entry, ExportError, SignedCheckpoint, TilePath, parse_entry_bundle, visit_export,
};
use holdfast_policy::PolicyDocument;

use crate::decisions::Lines;
use crate::export::{GENESIS_PATH, KEYS_PATH, SIZES_PATH, checkpoint_path, decisions_path, keys_file};
use crate::finding::{Finding, malformed_entry};
use crate::heads::Heads;
use crate::history::{History, Interest};
use crate::keys::LogKeys;
use crate::report::Report;

/// Most kept checkpoints that an export may name.
const MAX_KEPT: usize = 20_000;

/// A log that was replayed to its end and is what its checkpoint states. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct Verified {
    report: Report,
    history: History,
    keys: LogKeys,
}

impl Verified {
    /// What the log holds, counted.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The replay, with the trails that were asked for.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The replay, by value.
    pub fn into_history(self) -> History {
        self.history
    }

    /// The keys in force at the end.
    pub fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// The same in the form of an export's `keys` file: for other people's tools.
    pub fn keys_file(&self) -> String {
        keys_file(&self.keys)
    }
}

/// What to do beside verifying.
pub struct Audit<'a> {
    /// Whose trails to keep.
    pub interest: Interest,
    /// Earlier checkpoints that this log must continue.
    pub heads: Heads,
    /// Another policy document, to be counted and asked beside those in force.
    pub suppose: Option<Arc<PolicyDocument>>,
    /// Who is shown every entry after the first, applied. It is shown before the export as a whole is verified: what it makes of
    /// that counts only if verification succeeds.
    pub watch: Option<&'a mut dyn FnMut(&Event<'_>)>,
}

impl Default for Audit<'_> {
    fn default() -> Self {
        Self { interest: Interest::Everything, heads: Heads::none(), suppose: None, watch: None }
    }
}

impl fmt::Debug for Audit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("interest", &self.interest)
            .field("heads", &self.heads)
            .finish_non_exhaustive()
    }
}

/// Verifies an export: `read_file` gives a file's contents by its name below the export's directory.
///
/// In order: the first entry is the genesis document with this SHA-256, signed by its officers; tree and entries are those that
/// the checkpoint states; every entry is authentic and in order, and is replayed, which derives every decision again; decisions
/// on record are the derived ones; kept checkpoints are this log's; and the keys in force after the last entry signed the
/// checkpoint: the log's, and those of at least t nodes.
///
/// # Errors
/// The first [`Finding`], located as exactly as the export allows.
pub fn verify(
    read_file: impl Fn(&str) -> Option<Vec<u8>>,
    genesis_sha256: &[u8; 32],
) -> Result<Verified, Finding> {
    verify_with(read_file, genesis_sha256, Audit::default())
}

/// The same with more to do on the way.
///
/// # Errors
/// The first [`Finding`], located as exactly as the export allows.
pub fn verify_with(
    read_file: impl Fn(&str) -> Option<Vec<u8>>,
    genesis_sha256: &[u8; 32],
    audit: Audit<'_>,
) -> Result<Verified, Finding> {
    let missing = || Finding::new("EXPORT_FILE_MISSING", "file `checkpoint` is missing from the export");
    let signed = SignedCheckpoint::parse(&read_file(CHECKPOINT_PATH).ok_or_else(missing)?)?;
    let stated = signed.claimed().clone();
    let genesis = first_entry(&read_file, stated.size)?;
    let history = History::begin_with(&genesis, genesis_sha256, audit.interest)?;
    let history = history.supposing(audit.suppose.as_ref());
    let mut pass = Pass::begin(&read_file, stated.size, history, audit)?;
    let mut first = true;
    let replayed = visit_export(&read_file, &stated, |entry| {
        if std::mem::take(&mut first) { pass.check() } else { pass.append(&entry) }
    });
    replayed.map_err(|finding| diagnose(finding, &read_file, &signed, genesis_sha256))?;
    let Pass { history, heads, compared, .. } = pass;
    // INVARIANT (G7): the replay's own root is the checkpoint's; an export is verified only if both roads meet.
    if history.replica().root() != stated.root || history.replica().size() != stated.size {
        return Err(Finding::new("ROOT_MISMATCH", "the replayed entries do not give the checkpoint's root"));
    }
    // INVARIANT (G7): who may sign the checkpoint is what its own entries say, not what the first one said.
    let keys = LogKeys::with_earlier(history.state())?;
    let (checkpoint, cosigned) = keys.verify(&signed)?;
    check_companions(&read_file, &genesis, &keys)?;
    let witnessed = signed.cosignatures(keys.witnesses())?;
    let mut report = Report::new(&history, &keys, &checkpoint, &cosigned, &witnessed);
    report.continues = heads.finish(history.replica())?;
    report.decisions_compared = compared;
    Ok(Verified { report, history, keys })
}

/// One pass over the entries.
struct Pass<'r, 'a, R> {
    read_file: &'r R,
    size: u64,
    history: History,
    heads: Heads,
    lines: Lines,
    has_decisions: bool,
    compared: u64,
    watch: Option<&'a mut dyn FnMut(&Event<'_>)>,
}

impl<'r, 'a, R: Fn(&str) -> Option<Vec<u8>>> Pass<'r, 'a, R> {
    fn begin(read_file: &'r R, size: u64, history: History, audit: Audit<'a>) -> Result<Self, Finding> {
        let mut heads = audit.heads;
        add_kept(read_file, size, &mut heads)?;
        let bundle = TilePath::all_entries(size).next();
        let has_decisions = bundle.is_some_and(|path| read_file(&decisions_path(&path)).is_some());
        let (lines, watch) = (Lines::default(), audit.watch);
        Ok(Self { read_file, size, history, heads, lines, has_decisions, compared: 0, watch })
    }

    fn append(&mut self, entry: &Entry) -> Result<(), Finding> {
        let (lines, watch, record) = (&mut self.lines, &mut self.watch, self.has_decisions);
        self.history.append_watched(entry, &mut |event| {
            if record {
                lines.note(event);
            }
            if let Some(watch) = watch {
                watch(event);
            }
        })?;
        self.check()
    }

    fn check(&mut self) -> Result<(), Finding> {
        self.heads.check(self.history.replica())?;
        let size = self.history.replica().size();
        if self.has_decisions && (size.is_multiple_of(256) || size == self.size) {
            self.compare_decisions(size)?;
        }
        Ok(())
    }

    /// At the end of a bundle of entries.
    fn compare_decisions(&mut self, size: u64) -> Result<(), Finding> {
        let index = size.saturating_sub(1) / 256;
        let width = u16::try_from(size.saturating_sub(index.saturating_mul(256))).unwrap_or(u16::MAX);
        let bundle = TilePath::entries(index, width).map_err(ExportError::from)?;
        let path = decisions_path(&bundle);
        let recorded = (self.read_file)(&path).ok_or_else(|| {
            Finding::new("EXPORT_FILE_MISSING", format!("file `{path}` is missing from the export"))
                .within(bundle.first_entry(), bundle.end_entry())
        })?;
        self.lines.compare(&recorded)?;
        self.compared = self.compared.saturating_add(self.lines.count());
        self.lines.take();
        Ok(())
    }
}

/// Checkpoints that the exporter kept over time.
fn add_kept(
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    size: u64,
    heads: &mut Heads,
) -> Result<(), Finding> {
    let Some(sizes) = read_file(SIZES_PATH) else { return Ok(()) };
    let malformed = || Finding::new("EXPORT_KEPT_CHECKPOINTS", format!("file `{SIZES_PATH}` is malformed"));
    let sizes = String::from_utf8(sizes).map_err(|_| malformed())?;
    for (number, line) in sizes.lines().enumerate() {
        let kept: u64 = line.parse().map_err(|_| malformed())?;
        let path = checkpoint_path(kept);
        if number >= MAX_KEPT || kept > size {
            return Err(malformed());
        }
        let note = read_file(&path).ok_or_else(|| {
            Finding::new("EXPORT_FILE_MISSING", format!("file `{path}` is missing from the export"))
        })?;
        heads.add(&note)?;
    }
    Ok(())
}

/// Files beside the log are conveniences: if they are there, they must say what the log says.
fn check_companions(
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    genesis: &Entry,
    keys: &LogKeys,
) -> Result<(), Finding> {
    let differs = |path: &str| {
        Finding::new("EXPORT_COMPANION_MISMATCH", format!("file `{path}` is not what the log says"))
    };
    if read_file(GENESIS_PATH).is_some_and(|document| document != genesis.envelope().payload) {
        return Err(differs(GENESIS_PATH).at(0));
    }
    if let Some(recorded) = read_file(KEYS_PATH).filter(|recorded| *recorded != keys_file(keys).as_bytes()) {
        let recorded = crate::text::one_line(&String::from_utf8_lossy(&recorded));
        return Err(differs(KEYS_PATH).differs(recorded, crate::text::one_line(&keys_file(keys))));
    }
    Ok(())
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

/// Something is wrong with the files. Is it the checkpoint, or are it the entries, and which of them?
///
/// Hashes may name only a range. Replaying what is there names the first entry in it that nobody can have signed, and tells
/// whose signature the checkpoint would need.
fn diagnose(
    broad: Finding,
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    signed: &SignedCheckpoint,
    genesis_sha256: &[u8; 32],
) -> Finding {
    if broad.is_exact() || broad.rule() != "EXPORT_RANGE_MISMATCH" {
        return broad;
    }
    match replay_all(read_file, signed.claimed(), genesis_sha256) {
        (_, Some(exact)) if exact.first_index() >= broad.first_index() => exact,
        (Some(history), None) => match LogKeys::of(history.state().roster()) {
            // All entries can be in an honest log, and the checkpoint is not of them: is it the log's at all?
            Ok(keys) => keys.verify(signed).map_or_else(|finding| finding, |_| broad),
            Err(error) => error.into(),
        },
        _ => broad,
    }
}

/// Replays entries as they are, whatever their hashes: the history, if it reached the end, or the first entry that is refused.
fn replay_all(
    read_file: &impl Fn(&str) -> Option<Vec<u8>>,
    checkpoint: &Checkpoint,
    genesis_sha256: &[u8; 32],
) -> (Option<History>, Option<Finding>) {
    let mut history: Option<History> = None;
    let mut index = 0_u64;
    for path in TilePath::all_entries(checkpoint.size) {
        let Some(bundle) = read_file(&path.to_string()) else { return (None, None) };
        let Ok(entries) = parse_entry_bundle(&bundle, path.width()) else { return (None, None) };
        for bytes in entries {
            let applied = match Entry::parse(bytes) {
                Err(error) => Err(malformed_entry(index, &error)),
                Ok(entry) => match &mut history {
                    Some(history) => history.append(&entry).map(drop).map_err(Finding::from),
                    None => History::begin_with(&entry, genesis_sha256, Interest::Nothing)
                        .map(|begun| history = Some(begun))
                        .map_err(Finding::from),
                },
            };
            if let Err(finding) = applied {
                return (None, Some(finding));
            }
            index = index.saturating_add(1);
        }
    }
    (history, None)
}
