//! Writing an export that will verify: the files of a log in C2SP tlog-tiles form, and beside them what an auditor wants at hand.
//!
//! | file | what |
//! |---|---|
//! | `tile/...`, `checkpoint` | C2SP tlog-tiles and the cosigned checkpoint: the log itself, for anybody's tools |
//! | `genesis.json` | the genesis document, byte for byte as it was signed |
//! | `keys` | verifier key strings in force at the checkpoint, the log's first |
//! | `checkpoints/<size>`, `checkpoints/sizes` | checkpoints that were kept over time, with their cosignatures |
//! | `decisions/...` | one JSON line for each decision and refusal, a file for each bundle of entries: to compare with a replay |
//!
//! Entries go in one at a time and files come out as they are complete, so that a log of any length is exported in little memory.

use holdfast_log::tiles::{CHECKPOINT_PATH, encode_entry_bundle, encode_hash_tile};
use holdfast_log::{Entry, ExportError, ExportFile, Hash, SignedCheckpoint, TilePath};

use crate::decisions::Lines;
use crate::finding::Finding;
use crate::heads::Heads;
use crate::history::{History, Interest};
use crate::keys::LogKeys;
use crate::report::Report;

/// The exact genesis document.
pub(crate) const GENESIS_PATH: &str = "genesis.json";
/// Verifier key strings.
pub(crate) const KEYS_PATH: &str = "keys";
/// Sizes of the kept checkpoints, one a line.
pub(crate) const SIZES_PATH: &str = "checkpoints/sizes";

const TILE_HASHES: usize = 256;

/// The file with a kept checkpoint.
pub(crate) fn checkpoint_path(size: u64) -> String {
    format!("checkpoints/{size}")
}

/// The file with the decisions of a bundle of entries.
pub(crate) fn decisions_path(bundle: &TilePath) -> String {
    bundle.to_string().replacen("tile/entries/", "decisions/", 1)
}

/// An export in the making.
#[derive(Debug)]
pub struct Exporter {
    history: History,
    heads: Heads,
    kept: Vec<(u64, Vec<u8>)>,
    genesis: Vec<u8>,
    bundle: Vec<Entry>,
    /// Hashes of each level that wait for their tile to be full, and how many tiles are full already.
    levels: Vec<(Vec<Hash>, u64)>,
    decisions: Lines,
}

impl Exporter {
    /// Begins with the first entry, whose document's SHA-256 must be the pinned one. `kept` are checkpoints that were kept over
    /// time: the log must continue them all.
    ///
    /// # Errors
    /// A [`Finding`] if the entry is another one, or one of `kept` is no checkpoint.
    pub fn begin(genesis: &Entry, genesis_sha256: &[u8; 32], kept: &[Vec<u8>]) -> Result<Self, Finding> {
        let history = History::begin_with(genesis, genesis_sha256, Interest::Nothing)?;
        let mut heads = Heads::none();
        let mut sized = Vec::new();
        for note in kept {
            heads.add(note)?;
            sized.push((SignedCheckpoint::parse(note)?.claimed().size, note.clone()));
        }
        sized.sort();
        sized.dedup_by_key(|(size, _)| *size);
        let mut exporter = Self {
            history,
            heads,
            kept: sized,
            genesis: genesis.envelope().payload.clone(),
            bundle: Vec::new(),
            levels: Vec::new(),
            decisions: Lines::default(),
        };
        exporter.heads.check(exporter.history.replica())?;
        exporter.push_hash(0, genesis.leaf_hash());
        exporter.bundle.push(genesis.clone());
        Ok(exporter)
    }

    /// The next entry. Returns the files that it completes.
    ///
    /// # Errors
    /// A [`Finding`] if no honest log holds it.
    pub fn append(&mut self, entry: &Entry) -> Result<Vec<ExportFile>, Finding> {
        let decisions = &mut self.decisions;
        self.history.append_watched(entry, &mut |event| decisions.note(event))?;
        self.heads.check(self.history.replica())?;
        self.bundle.push(entry.clone());
        self.push_hash(0, entry.leaf_hash());
        self.full_files()
    }

    /// The replay so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Ends with the checkpoint of exactly these entries. Returns the remaining files in the order to write them: the checkpoint
    /// comes last, so that an export that was cut off has none.
    ///
    /// # Errors
    /// A [`Finding`] if the checkpoint is not of these entries, or is not signed by the log and enough nodes: an auditor would
    /// refuse what this would write.
    pub fn finish(mut self, checkpoint: &[u8]) -> Result<(Vec<ExportFile>, Report), Finding> {
        let signed = SignedCheckpoint::parse(checkpoint)?;
        let keys = LogKeys::with_earlier(self.history.state())?;
        let (stated, cosigned) = keys.verify(&signed)?;
        let replica = self.history.replica();
        if stated.size != replica.size() || stated.root != replica.root() {
            let detail = format!(
                "{} entries do not hash to the checkpoint of size {}: export with the checkpoint of these entries",
                replica.size(),
                stated.size
            );
            return Err(Finding::new("EXPORT_CHECKPOINT_MISMATCH", detail));
        }
        let witnessed = signed.cosignatures(keys.witnesses())?;
        let mut report = Report::new(&self.history, &keys, &stated, &cosigned, &witnessed);
        report.continues = std::mem::take(&mut self.heads).finish(self.history.replica())?;
        let mut files = self.partial_files()?;
        files.push(file(GENESIS_PATH, self.genesis));
        files.push(file(KEYS_PATH, keys_file(&keys).into_bytes()));
        if !self.kept.is_empty() {
            let sizes: String = self.kept.iter().map(|(size, _)| format!("{size}\n")).collect();
            files.extend(self.kept.into_iter().map(|(size, note)| file(&checkpoint_path(size), note)));
            files.push(file(SIZES_PATH, sizes.into_bytes()));
        }
        files.push(file(CHECKPOINT_PATH, checkpoint.to_vec()));
        Ok((files, report))
    }

    fn full_files(&mut self) -> Result<Vec<ExportFile>, Finding> {
        let mut files = Vec::new();
        if self.bundle.len() == TILE_HASHES {
            let first = self.history.replica().size().saturating_sub(1);
            files.extend(self.bundle_files(first / 256)?);
        }
        let mut level = 0_usize;
        while let Some((hashes, full)) = self.levels.get_mut(level)
            && hashes.len() == TILE_HASHES
        {
            let hashes = std::mem::take(hashes);
            let index = *full;
            *full = full.saturating_add(1);
            files.push(tile(level, index, &hashes)?);
            level = level.saturating_add(1);
            self.push_hash(level, perfect_root(&hashes));
        }
        Ok(files)
    }

    fn partial_files(&mut self) -> Result<Vec<ExportFile>, Finding> {
        let mut files = Vec::new();
        if !self.bundle.is_empty() {
            files.extend(self.bundle_files(self.history.replica().size() / 256)?);
        }
        for (level, (hashes, full)) in self.levels.iter().enumerate() {
            if !hashes.is_empty() {
                files.push(tile(level, *full, hashes)?);
            }
        }
        Ok(files)
    }

    fn bundle_files(&mut self, index: u64) -> Result<[ExportFile; 2], Finding> {
        let width = u16::try_from(self.bundle.len()).unwrap_or(u16::MAX);
        let path = TilePath::entries(index, width).map_err(ExportError::from)?;
        let bytes = encode_entry_bundle(&self.bundle).map_err(ExportError::from)?;
        self.bundle.clear();
        Ok([file(&path.to_string(), bytes), file(&decisions_path(&path), self.decisions.take())])
    }

    fn push_hash(&mut self, level: usize, hash: Hash) {
        if self.levels.len() <= level {
            self.levels.push((Vec::new(), 0));
        }
        if let Some((hashes, _)) = self.levels.get_mut(level) {
            hashes.push(hash);
        }
    }
}

fn tile(level: usize, index: u64, hashes: &[Hash]) -> Result<ExportFile, Finding> {
    let (level, width) =
        (u8::try_from(level).unwrap_or(u8::MAX), u16::try_from(hashes.len()).unwrap_or(u16::MAX));
    let path = TilePath::hashes(level, index, width).map_err(ExportError::from)?;
    Ok(file(&path.to_string(), encode_hash_tile(hashes).map_err(ExportError::from)?))
}

/// The root of a full tile's subtree.
fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::EMPTY_TREE,
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            Hash::node(perfect_root(left), perfect_root(right))
        }
    }
}

/// The `keys` file: how many cosigners are needed, then the log's key, then the cosigners', then those that were replaced; a key
/// that was replaced, or replaced another one, with the tree sizes that it counts for.
pub(crate) fn keys_file(keys: &LogKeys) -> String {
    let mut text = format!("threshold {}\n", keys.threshold());
    for key in keys.dated() {
        text.push_str(&format!("{key}\n"));
    }
    text
}

fn file(path: &str, bytes: Vec<u8>) -> ExportFile {
    ExportFile { path: path.to_owned(), bytes }
}

/// The files of a log that is at hand in full.
///
/// # Errors
/// A [`Finding`] if an auditor would refuse what this would write.
pub fn export(
    entries: &[Entry],
    checkpoint: &[u8],
    genesis_sha256: &[u8; 32],
) -> Result<Vec<ExportFile>, Finding> {
    let (first, rest) =
        entries.split_first().ok_or_else(|| Finding::new("EXPORT_EMPTY", "there are no entries"))?;
    let mut exporter = Exporter::begin(first, genesis_sha256, &[])?;
    let mut files = Vec::new();
    for entry in rest {
        files.extend(exporter.append(entry)?);
    }
    files.extend(exporter.finish(checkpoint)?.0);
    Ok(files)
}
