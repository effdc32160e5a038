//! Names of tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`.
//!
//! Every value names a tile of a supported tree, so that positions computed from it cannot overflow.

use std::fmt;

use super::TileError;
use crate::tree::MAX_TREE_SIZE;

/// Hashes in a full hash tile, entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

const LEVEL_BITS: u32 = 8;

/// Levels of the largest tree: 2^48 leaves fill levels 0 to 5 and give level 6 one hash.
const MAX_LEVELS: u8 = 7;

/// The name of one hash tile or entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    kind: Kind,
    level: u8,
    index: u64,
    width: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Hashes,
    Entries,
}

impl TilePath {
    /// The hash tile at `level` and `index` with `width` (1 to 256) hashes.
    pub fn hashes(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        Self { kind: Kind::Hashes, level, index, width }.checked()
    }

    /// The entry bundle at `index` with `width` (1 to 256) entries.
    pub fn entries(index: u64, width: u16) -> Result<Self, TileError> {
        Self { kind: Kind::Entries, level: 0, index, width }.checked()
    }

    /// Reads a name in its one canonical form; `None` for anything else. What it names is below one directory, whatever the
    /// text tries.
    pub fn parse(name: &str) -> Option<Self> {
        let (level, rest) = name.strip_prefix("tile/")?.split_once('/')?;
        let (elements, width) = match rest.split_once(".p/") {
            Some((elements, width)) => (elements, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let index = elements.split('/').try_fold(0_u64, |index, element| {
            let digits: u64 = element.strip_prefix('x').unwrap_or(element).parse().ok()?;
            index.checked_mul(1000)?.checked_add(digits)
        })?;
        let path = match level {
            "entries" => Self::entries(index, width),
            level => Self::hashes(level.parse().ok()?, index, width),
        };
        // The one form that is written is the only one that is read.
        path.ok().filter(|path| path.to_string() == name)
    }

    /// Whether it holds entries, and not hashes.
    pub fn is_entries(&self) -> bool {
        self.kind == Kind::Entries
    }

    /// All hash tiles of a tree, level by level from the leaves. Lazy: costs nothing until it is followed.
    pub fn all_hashes(size: u64) -> impl Iterator<Item = Self> {
        (0..levels(size)).flat_map(move |level| Self::level_of(size, level))
    }

    /// All entry bundles of a log, in order. Lazy.
    pub fn all_entries(size: u64) -> impl Iterator<Item = Self> {
        Self::level_of(size, 0).map(|path| Self { kind: Kind::Entries, ..path })
    }

    /// The hash tiles of one level of a tree, in order; the last one may be partial. Lazy.
    pub(super) fn level_of(size: u64, level: u8) -> impl Iterator<Item = Self> {
        let hashes = nodes_at(size, level);
        let full = hashes >> LEVEL_BITS;
        let partial = u16::try_from(hashes & 0xff).unwrap_or(0);
        let tile = move |index, width| Self { kind: Kind::Hashes, level, index, width };
        let last = (partial > 0).then(|| tile(full, partial));
        (0..full).map(move |index| tile(index, TILE_WIDTH)).chain(last)
    }

    /// Level above the leaves, in steps of 256.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Index within the level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Index of the first entry under this tile.
    pub fn first_entry(&self) -> u64 {
        self.index << self.entry_bits()
    }

    /// Index of the first entry after this tile.
    pub fn end_entry(&self) -> u64 {
        let below = u64::from(self.width) << self.entry_bits().saturating_sub(LEVEL_BITS);
        self.first_entry().saturating_add(below)
    }

    fn entry_bits(&self) -> u32 {
        LEVEL_BITS.saturating_mul(u32::from(self.level).saturating_add(1))
    }

    fn checked(self) -> Result<Self, TileError> {
        let Self { level, index, width, .. } = self;
        let in_tree = level < MAX_LEVELS
            && index <= MAX_TREE_SIZE >> self.entry_bits()
            && (1..=TILE_WIDTH).contains(&width);
        if in_tree { Ok(self) } else { Err(TileError::OutOfRange { level, index, width }) }
    }
}

/// Number of levels that have a tile.
pub(super) fn levels(size: u64) -> u8 {
    let used = (0..MAX_LEVELS).take_while(|level| nodes_at(size, *level) > 0).last();
    used.map_or(0, |level| level.saturating_add(1))
}

/// Number of complete subtrees of 256^level leaves.
fn nodes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(LEVEL_BITS.saturating_mul(u32::from(level))).unwrap_or(0)
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes => write!(f, "tile/{}/", self.level)?,
            Kind::Entries => f.write_str("tile/entries/")?,
        }
        write_index(f, self.index)?;
        if self.width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Three digits an element; all but the last begin with `x`.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let higher = index / 1000;
    if higher > 0 {
        write_higher(f, higher)?;
    }
    write!(f, "{:03}", index % 1000)
}

fn write_higher(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let higher = index / 1000;
    if higher > 0 {
        write_higher(f, higher)?;
    }
    write!(f, "x{:03}/", index % 1000)
}
