//! Canonical bytes: tagged hashes, a bounded writer and reader, and the encodings of secrets.
//!
//! Owns how this crate turns values into bytes. It must never accept two encodings of one value (a decoded value is
//! encoded again and compared) and never leave a secret encoding behind in a buffer that it grew.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A value that cannot be encoded: only possible if memory runs out of the address space.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the value cannot be encoded")]
pub(crate) struct EncodingError;

/// SHA-256 over the tag and the parts, each preceded by its length, so that no two part lists collide.
#[must_use]
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    absorb(&mut hash, tag.as_bytes());
    for part in parts {
        absorb(&mut hash, part);
    }
    hash.finalize().into()
}

fn absorb(hash: &mut Sha256, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    hash.update(length.to_be_bytes());
    hash.update(bytes);
}

/// `header` followed by the postcard encoding of `value`, in one exactly sized buffer that is wiped on drop.
pub(crate) fn encode_secret<T: Serialize + ?Sized>(
    header: &[u8],
    value: &T,
) -> Result<Zeroizing<Vec<u8>>, EncodingError> {
    let body = postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default())
        .map_err(|_| EncodingError)?;
    let total = header.len().checked_add(body).ok_or(EncodingError)?;
    let mut out = Zeroizing::new(vec![0_u8; total]);
    let (head, tail) = out.split_at_mut_checked(header.len()).ok_or(EncodingError)?;
    head.copy_from_slice(header);
    postcard::to_slice(value, tail).map_err(|_| EncodingError)?;
    Ok(out)
}

/// The parts one after the other, in one exactly sized buffer that is wiped on drop.
pub(crate) fn concat_secret(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let total = parts.iter().fold(0_usize, |total, part| total.saturating_add(part.len()));
    let mut out = Zeroizing::new(Vec::with_capacity(total));
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// The value that `bytes` encode under `header`, if they are exactly its one encoding: no trailing bytes and no
/// alternative form (an uncompressed point, a padded varint) is accepted.
pub(crate) fn decode_exact<T: Serialize + DeserializeOwned>(header: &[u8], bytes: &[u8]) -> Option<T> {
    let body = bytes.strip_prefix(header)?;
    let (value, rest) = postcard::take_from_bytes::<T>(body).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let again = encode_secret(header, &value).ok()?;
    (again.as_slice() == bytes).then_some(value)
}

/// Builds the fixed-layout encodings: integers big-endian, short strings preceded by one length byte.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn byte(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// At most 255 bytes; callers bound their values far below. A longer one would be cut, and then not decode.
    pub(crate) fn short(self, bytes: &[u8]) -> Self {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.byte(length).raw(bytes.get(..usize::from(length)).unwrap_or(bytes))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a fixed-layout encoding apart. Every method returns `None` once the bytes run out.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// `Some` only if every byte was taken.
    pub(crate) fn finish(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_the_hash() {
        assert_ne!(tagged_hash("t", &[b"ab", b"c"]), tagged_hash("t", &[b"a", b"bc"]));
        assert_ne!(tagged_hash("t", &[b"a"]), tagged_hash("ta", &[]));
        assert_ne!(tagged_hash("t", &[]), tagged_hash("t", &[b""]));
    }

    #[test]
    fn only_the_one_encoding_is_accepted() {
        let bytes = encode_secret(b"HX", &(300_u32, vec![1_u8])).unwrap();
        assert_eq!(bytes.as_slice(), &[b'H', b'X', 0xac, 0x02, 1, 1]);
        assert_eq!(decode_exact::<(u32, Vec<u8>)>(b"HX", &bytes), Some((300, vec![1])));
        let trailing = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode_exact::<(u32, Vec<u8>)>(b"HX", &trailing), None);
        assert_eq!(decode_exact::<(u32, Vec<u8>)>(b"HY", &bytes), None);
        // 5 written as a two-byte varint.
        assert_eq!(decode_exact::<u32>(b"", &[0x85, 0x00]), None);
        assert_eq!(decode_exact::<u32>(b"", &[0x05]), Some(5));
    }

    #[test]
    fn reader_stops_at_the_end_and_notices_leftovers() {
        let bytes = Writer::default().byte(7).u32(9).short(b"abc").raw(&[1, 2]).finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.byte(), Some(7));
        assert_eq!(reader.u32(), Some(9));
        assert_eq!(reader.short(), Some(&b"abc"[..]));
        assert_eq!(reader.take(3), None);
        assert_eq!(reader.finish(), None);
    }
}
