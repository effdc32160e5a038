//! Entry bundles: up to 256 entries, each behind its length in two big-endian bytes.

use super::{TILE_WIDTH, TileError};

/// A bundle's bytes.
pub fn encode_entry_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    if entries.is_empty() || entries.len() > usize::from(TILE_WIDTH) {
        let width = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        return Err(TileError::OutOfRange { level: 0, index: 0, width });
    }
    let mut bytes = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLarge { position })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle of this width: exactly as many, and no byte after them.
pub fn parse_entry_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(TileError::OutOfRange { level: 0, index: 0, width });
    }
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for position in 0..usize::from(width) {
        let (entry, after) = split_entry(rest).ok_or(TileError::BundleCutOff { position })?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(TileError::BundleTrailing) }
}

/// The first entry and what follows it; `None` if the bytes end before the entry does.
pub(super) fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
