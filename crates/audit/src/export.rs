//! Writing an export that will verify: the files of a log in C2SP tlog-tiles form.

use holdfast_log::{Entry, ExportFile, SignedCheckpoint, export_files};

use crate::finding::Finding;
use crate::history::History;
use crate::keys::LogKeys;

/// The files of a log, in the order to write them; the checkpoint comes last, so an export that was cut off has none.
///
/// # Errors
/// A [`Finding`] if the checkpoint is not signed by the keys in the first entry, lacks cosignatures, or is not the one of
/// these entries: an auditor would refuse what this would write.
pub fn export(
    entries: &[Entry],
    checkpoint: &[u8],
    genesis_sha256: &[u8; 32],
) -> Result<Vec<ExportFile>, Finding> {
    let first = entries.first().ok_or_else(|| Finding::new("EXPORT_EMPTY", "there are no entries"))?;
    let begun = History::begin(first, genesis_sha256)?;
    LogKeys::of(begun.state().roster())?.verify(&SignedCheckpoint::parse(checkpoint)?)?;
    let files = export_files(entries, checkpoint)?;
    Ok(files.collect::<Result<Vec<_>, _>>()?)
}
