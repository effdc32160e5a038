//! Hash tiles: consecutive node hashes of one level, 32 bytes each, nothing else.

use super::{TILE_WIDTH, TileError};
use crate::hash::Hash;

/// A tile's bytes.
pub fn encode_hash_tile(hashes: &[Hash]) -> Result<Vec<u8>, TileError> {
    match u16::try_from(hashes.len()) {
        Ok(1..=TILE_WIDTH) => Ok(hashes.iter().flat_map(|hash| hash.0).collect()),
        Ok(width) => Err(TileError::OutOfRange { level: 0, index: 0, width }),
        Err(_) => Err(TileError::OutOfRange { level: 0, index: 0, width: u16::MAX }),
    }
}

/// The hashes of a tile of this width: exactly as many bytes as it needs.
pub fn parse_hash_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(TileError::OutOfRange { level: 0, index: 0, width });
    }
    let expected = usize::from(width).saturating_mul(Hash::LEN);
    if bytes.len() != expected {
        return Err(TileError::HashTileLength { expected, found: bytes.len() });
    }
    let (hashes, _) = bytes.as_chunks::<{ Hash::LEN }>();
    Ok(hashes.iter().copied().map(Hash).collect())
}
