//! Two exports of one log: where do they part?

use holdfast_log::{Hash, SignedCheckpoint, TilePath, parse_entry_bundle};

/// The first index at which two exports hold different entries; `None` if one continues the other. Reads what is there and
/// trusts none of it: verify both before drawing conclusions.
pub fn first_difference(
    one: impl Fn(&str) -> Option<Vec<u8>>,
    other: impl Fn(&str) -> Option<Vec<u8>>,
) -> Option<u64> {
    let (one, other) = (leaf_hashes(&one), leaf_hashes(&other));
    let first = one.iter().zip(&other).position(|(one, other)| one != other)?;
    u64::try_from(first).ok()
}

/// The leaf hashes of the entries that can be read, in order, up to the first bundle that cannot.
fn leaf_hashes(read: &impl Fn(&str) -> Option<Vec<u8>>) -> Vec<Hash> {
    let mut hashes = Vec::new();
    for path in TilePath::all_entries(claimed_size(read)) {
        let Some(bundle) = read(&path.to_string()) else { break };
        let Ok(entries) = parse_entry_bundle(&bundle, path.width()) else { break };
        hashes.extend(entries.into_iter().map(Hash::leaf));
    }
    hashes
}

pub(crate) fn claimed_size(read: &impl Fn(&str) -> Option<Vec<u8>>) -> u64 {
    let checkpoint = read(holdfast_log::tiles::CHECKPOINT_PATH);
    let checkpoint = checkpoint.and_then(|bytes| SignedCheckpoint::parse(&bytes).ok());
    checkpoint.map_or(0, |checkpoint| checkpoint.claimed().size)
}
