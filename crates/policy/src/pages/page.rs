//! Owns the form of a page: records in the order of their keys, each with the lengths of key and value in front. It never accepts
//! bytes that it would not have written, nor any that are not of the hash they were asked for by.

use std::{fmt, sync::Arc};

use crate::digest::sha256;

/// A page that grows beyond this is split. Halves have at least a third of it, because a record is small beside a page.
pub const PAGE_BYTES: usize = 8_192;

const VERSION: u8 = 1;
/// Length of the key, length of the value.
const LENGTHS: usize = 3;

/// SHA-256 of a page's bytes: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageHash([u8; 32]);

impl From<PageHash> for [u8; 32] {
    fn from(hash: PageHash) -> Self {
        hash.0
    }
}

impl PageHash {
    /// The hash from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageHash({self})")
    }
}

/// A page that the state rests on cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// It is not where it was kept.
    #[error("page {0} is not in the store: start again to rebuild it from the log")]
    Missing(PageHash),
    /// It has other bytes than were kept.
    #[error("page {0} was altered, or is another one: start again to rebuild it from the log")]
    Damaged(PageHash),
    /// It cannot be read.
    #[error("page {0} cannot be read: look at the disk, then start again")]
    Unreadable(PageHash),
}

impl PageFault {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "PAGE_MISSING",
            Self::Damaged(_) => "PAGE_DAMAGED",
            Self::Unreadable(_) => "PAGE_UNREADABLE",
        }
    }
}

/// A page's bytes, well-formed and at least the version.
#[derive(Clone)]
pub(super) struct Page(Arc<Vec<u8>>);

/// What was split off a page.
pub(super) struct SecondHalf {
    /// Its smallest key.
    pub(super) bound: Arc<[u8]>,
    pub(super) page: Page,
}

impl Default for Page {
    fn default() -> Self {
        Self(vec![VERSION].into())
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes)", self.0.len())
    }
}

impl Page {
    /// The page that this names.
    // INVARIANT (G10): bytes are what was kept under this hash or they are refused, so a decision cannot depend on where they were.
    pub(super) fn verified(reference: &super::PageRef, bytes: Vec<u8>) -> Result<Self, PageFault> {
        let damaged = PageFault::Damaged(reference.hash);
        if sha256(&bytes) != reference.hash.0 {
            return Err(damaged);
        }
        let page = Self::parse(bytes).ok_or(damaged)?;
        let found = (u32::try_from(page.0.len()), u32::try_from(page.records().count()));
        if found == (Ok(reference.bytes), Ok(reference.records)) { Ok(page) } else { Err(damaged) }
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let mut last: Option<&[u8]> = None;
        while !rest.is_empty() {
            let (key, _, after) = record(rest)?;
            if last.is_some_and(|last| last >= key) {
                return None;
            }
            (last, rest) = (Some(key), after);
        }
        Some(Self(bytes.into()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn shared_bytes(self) -> Arc<Vec<u8>> {
        self.0
    }

    pub(super) fn hash(&self) -> PageHash {
        PageHash(sha256(&self.0))
    }

    pub(super) fn reference(&self) -> super::PageRef {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        super::PageRef {
            hash: self.hash(),
            bytes: count(self.0.len()),
            records: count(self.records().count()),
        }
    }

    /// Whether these are the same bytes in the same place of memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.0.get(1..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (key, value, after) = record(rest)?;
            rest = after;
            Some((key, value))
        })
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<&[u8]> {
        let mut records = self.records().skip_while(|(known, _)| *known < key);
        records.next().filter(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The page with this record in the place of the one with the same key; `None` if key or value are too long for a record.
    pub(super) fn with(&self, key: &[u8], value: &[u8]) -> Option<Self> {
        let mut rest = self.0.get(1..)?;
        let mut after = rest;
        while let Some((known, _, next)) = record(rest) {
            if known >= key {
                after = if known == key { next } else { rest };
                break;
            }
            (rest, after) = (next, next);
        }
        let before = self.0.get(..self.0.len().saturating_sub(rest.len()))?;
        let grown = self.0.len().saturating_add(key.len()).saturating_add(value.len());
        let mut out = Vec::with_capacity(grown.saturating_add(LENGTHS));
        out.extend_from_slice(before);
        put(&mut out, key, value)?;
        out.extend_from_slice(after);
        Some(Self(out.into()))
    }

    /// The page, or its first half, and the second one.
    // INVARIANT (G10): where a page is split follows from its content, so every replay splits alike.
    pub(super) fn split(self) -> (Self, Option<SecondHalf>) {
        if self.0.len() <= PAGE_BYTES {
            return (self, None);
        }
        let half = self.0.len() / 2;
        let (mut first, mut second, mut bound) = (vec![VERSION], vec![VERSION], None);
        for (key, value) in self.records() {
            let begins = bound.is_none() && first.len() >= half && first.len() > 1;
            if begins {
                bound = Some(Arc::from(key));
            }
            let half = if bound.is_some() { &mut second } else { &mut first };
            // What was a record before is one again.
            let _ = put(half, key, value);
        }
        match bound {
            Some(bound) => (Self(first.into()), Some(SecondHalf { bound, page: Self(second.into()) })),
            None => (self, None),
        }
    }
}

fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let ([key, high, low], rest) = bytes.split_first_chunk::<LENGTHS>()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key))?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((key, value, rest))
}

fn put(out: &mut Vec<u8>, key: &[u8], value: &[u8]) -> Option<()> {
    out.push(u8::try_from(key.len()).ok()?);
    out.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    Some(())
}
