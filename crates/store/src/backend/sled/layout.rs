//! How records lie in sled's one ordered tree, so that one sled batch covers all tables.
//!
//! Head: `h`, table name length, table name, key -> value length (4 bytes, big-endian), first chunk of the value.
//! Chunk: `c`, table name length, table name, key length (2 bytes), key, index (4 bytes) -> further chunk of the value.
//! Must never change meaning under the same format version.

use crate::backend::BackendError;
use crate::batch::MAX_VALUE_BYTES;
use crate::table::Table;

/// Small enough that a leaf, which sled splits above 16 entries, stays far below the size of a blob.
pub(super) const CHUNK_BYTES: usize = 4_096;

const LENGTH_BYTES: usize = 4;

/// The start of every head of this table, and of no other table's.
pub(super) fn table_prefix(table: Table) -> Result<Vec<u8>, BackendError> {
    prefix(b'h', table)
}

pub(super) fn head_key(table: Table, key: &[u8]) -> Result<Vec<u8>, BackendError> {
    let mut encoded = table_prefix(table)?;
    encoded.extend_from_slice(key);
    Ok(encoded)
}

/// The record's key inside a head's key.
pub(super) fn key_of<'a>(head_key: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], BackendError> {
    head_key.strip_prefix(prefix).ok_or(BackendError::Damaged("a record lies outside its table"))
}

pub(super) fn chunk_key(table: Table, key: &[u8], index: usize) -> Result<Vec<u8>, BackendError> {
    let key_length = u16::try_from(key.len()).map_err(|_| BackendError::Damaged("a key is too long"))?;
    let index = u32::try_from(index).map_err(|_| BackendError::Damaged("a value has too many chunks"))?;
    let mut encoded = prefix(b'c', table)?;
    encoded.extend_from_slice(&key_length.to_be_bytes());
    encoded.extend_from_slice(key);
    encoded.extend_from_slice(&index.to_be_bytes());
    Ok(encoded)
}

/// What is stored under a head's key.
pub(super) fn head(value: &[u8]) -> Result<Vec<u8>, BackendError> {
    let length = u32::try_from(value.len()).map_err(|_| BackendError::Damaged("a value is too long"))?;
    let first = value.chunks(CHUNK_BYTES).next().unwrap_or_default();
    Ok([length.to_be_bytes().as_slice(), first].concat())
}

/// The chunks after the first, numbered from 1.
pub(super) fn chunks(value: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    value.chunks(CHUNK_BYTES).enumerate().skip(1)
}

/// A parsed head.
pub(super) struct Head<'a> {
    pub(super) length: usize,
    pub(super) first: &'a [u8],
}

impl<'a> Head<'a> {
    pub(super) fn parse(stored: &'a [u8]) -> Result<Self, BackendError> {
        let (length, first) = stored
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or(BackendError::Damaged("a value has no length"))?;
        let length = usize::try_from(u32::from_be_bytes(*length))
            .ok()
            .filter(|length| *length <= MAX_VALUE_BYTES)
            .ok_or(BackendError::Damaged("a value is too long"))?;
        Ok(Self { length, first })
    }

    pub(super) fn chunk_count(&self) -> usize {
        Self::chunk_count_of(self.length)
    }

    /// Chunks of a value, the one inside the head included.
    pub(super) fn chunk_count_of(length: usize) -> usize {
        length.div_ceil(CHUNK_BYTES)
    }
}

fn prefix(kind: u8, table: Table) -> Result<Vec<u8>, BackendError> {
    let name = table.name().as_bytes();
    let length = u8::try_from(name.len()).map_err(|_| BackendError::Damaged("a table name is too long"))?;
    Ok([[kind, length].as_slice(), name].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table::new("t");

    #[test]
    fn layout_of_format_version_1_is_fixed() {
        assert_eq!(head_key(TABLE, b"key").unwrap(), b"h\x01tkey");
        assert_eq!(chunk_key(TABLE, b"key", 1).unwrap(), b"c\x01t\0\x03key\0\0\0\x01");
        assert_eq!(head(b"value").unwrap(), b"\0\0\0\x05value");
    }

    #[test]
    fn value_that_claims_more_than_the_limit_is_damaged() {
        assert!(matches!(Head::parse(&[0xff; 8]), Err(BackendError::Damaged(_))));
        assert!(matches!(Head::parse(&[0; 3]), Err(BackendError::Damaged(_))));
    }

    #[test]
    fn chunks_cover_a_value_exactly() {
        for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let value: Vec<u8> = (0..length).map(|i| i.to_le_bytes()[0]).collect();
            let stored = head(&value).unwrap();
            let parsed = Head::parse(&stored).unwrap();
            let mut joined = parsed.first.to_vec();
            let rest: Vec<_> = chunks(&value).collect();
            rest.iter().for_each(|(_, chunk)| joined.extend_from_slice(chunk));
            assert_eq!(joined, value);
            assert_eq!(parsed.chunk_count().saturating_sub(1), rest.len());
        }
    }
}
