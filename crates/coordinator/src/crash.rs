//! Named points at which a test may end the process, to show what survives.
//!
//! Owns the names: a point before and after every kind of durable write, found by what is written and not by who writes
//! it. The production program passes [`NoCrashPoints`]; nothing a configuration or a caller says may ever choose another
//! implementation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_store::{Durable, StoreHandle, Table, WriteWatch};

use crate::log_book::SNAPSHOT_EVERY;
use crate::log_book::schema::{
    CEREMONY_EVENTS, CHECKPOINTS, COSIGNED_CHECKPOINT, ENTRIES, EVIDENCE, FOUND, GIVEN_UP, KEYGEN_ROUNDS,
    LOG_CHECKPOINT, PAGES, PAYLOADS, SEEDING, TILES, WITHDRAWAL_EVENTS,
};

/// Told when the coordinator reaches a named point.
pub trait CrashPoints: fmt::Debug + Send + Sync {
    /// The coordinator is at this point. An implementation for tests may not return.
    fn reached(&self, point: CrashPoint);

    /// The coordinator is about to write something that has no name, so that no test ends the process there.
    fn unnamed_write(&self, _table: Table) {}

    /// After how many entries a new snapshot is written. A test may ask for more snapshots.
    fn snapshot_every(&self) -> u64 {
        SNAPSHOT_EVERY
    }
}

/// The production implementation: nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCrashPoints;

impl CrashPoints for NoCrashPoints {
    fn reached(&self, _point: CrashPoint) {}
}

/// A name that is no crash point's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no crash point")]
pub struct UnknownCrashPoint(String);

macro_rules! crash_points {
    ($($(#[$doc:meta])* $write:ident: $before:ident = $before_name:literal, $after:ident = $after_name:literal;)+) => {
        /// A kind of durable write. A batch is of the first kind that any of its records is of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DurableWrite {
            $($(#[$doc])* $write,)+
        }

        /// A named point in the coordinator's work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CrashPoint {
            $(
                #[doc = concat!("Nothing of the write is durable: [`DurableWrite::", stringify!($write), "`].")]
                $before,
                #[doc = concat!("The write is durable and nobody has heard of it: [`DurableWrite::", stringify!($write), "`].")]
                $after,
            )+
        }

        impl DurableWrite {
            /// The point before it.
            pub fn before(self) -> CrashPoint {
                match self { $(DurableWrite::$write => CrashPoint::$before,)+ }
            }

            /// The point after it.
            pub fn after(self) -> CrashPoint {
                match self { $(DurableWrite::$write => CrashPoint::$after,)+ }
            }
        }

        impl CrashPoint {
            /// Every point.
            pub const ALL: &'static [CrashPoint] = &[$(CrashPoint::$before, CrashPoint::$after,)+];

            /// The point's name, such as `after-entries`.
            pub fn name(self) -> &'static str {
                match self {
                    $(CrashPoint::$before => $before_name, CrashPoint::$after => $after_name,)+
                }
            }
        }
    };
}

crash_points! {
    /// Log entries taken over from nodes, with the mark that more have to come or that the last has come.
    Seeding: BeforeSeeding = "before-seeding", AfterSeeding = "after-seeding";
    /// Log entries with their checkpoint and what is derived from them.
    Entries: BeforeEntries = "before-entries", AfterEntries = "after-entries";
    /// What a node sent in a key generation, or that a generation begins again or is over.
    KeygenRound: BeforeKeygenRound = "before-keygen-round", AfterKeygenRound = "after-keygen-round";
    /// The newest checkpoint that enough nodes cosigned.
    Cosigned: BeforeCosigned = "before-cosigned", AfterCosigned = "after-cosigned";
    /// A cosigned checkpoint that is kept as evidence.
    Evidence: BeforeEvidence = "before-evidence", AfterEvidence = "after-evidence";
    /// A withdrawal that was given up, or one that is over.
    GivenUp: BeforeGivenUp = "before-given-up", AfterGivenUp = "after-given-up";
    /// A full tile or entry bundle, a file beside the store.
    Tile: BeforeTile = "before-tile", AfterTile = "after-tile";
    /// That all full tiles up to a size are durable.
    TilesMark: BeforeTilesMark = "before-tiles-mark", AfterTilesMark = "after-tiles-mark";
    /// The checkpoint beside the tiles, a file.
    TileCheckpoint: BeforeTileCheckpoint = "before-tile-checkpoint", AfterTileCheckpoint = "after-tile-checkpoint";
    /// Pages of customers' histories, before the snapshot that names them, or those that no snapshot names any more.
    Pages: BeforePages = "before-pages", AfterPages = "after-pages";
    /// A snapshot of what follows from the entries, a file beside the store.
    Snapshot: BeforeSnapshot = "before-snapshot", AfterSnapshot = "after-snapshot";
    /// Derived records that were not as replaying gives them, written anew at the start.
    Derived: BeforeDerived = "before-derived", AfterDerived = "after-derived";
}

impl DurableWrite {
    /// What is written at a place, `None` for a place that has no name.
    pub fn of(table: Table, key: &[u8]) -> Option<Self> {
        Some(match table {
            ENTRIES => Self::Entries,
            CHECKPOINTS if key == LOG_CHECKPOINT => Self::Entries,
            CHECKPOINTS if key == COSIGNED_CHECKPOINT => Self::Cosigned,
            CHECKPOINTS if key == SEEDING => Self::Seeding,
            CHECKPOINTS if key == TILES => Self::TilesMark,
            KEYGEN_ROUNDS => Self::KeygenRound,
            EVIDENCE => Self::Evidence,
            GIVEN_UP => Self::GivenUp,
            PAGES => Self::Pages,
            PAYLOADS | WITHDRAWAL_EVENTS | CEREMONY_EVENTS | FOUND => Self::Derived,
            _ => return None,
        })
    }
}

/// The same store; everything that is written to it reaches its points.
pub(crate) fn watched(store: StoreHandle, points: &Arc<dyn CrashPoints>) -> StoreHandle {
    store.watched(Arc::new(Watch(Arc::clone(points))))
}

#[derive(Debug)]
struct Watch(Arc<dyn CrashPoints>);

impl WriteWatch for Watch {
    fn begins(&self, records: &mut dyn Iterator<Item = (Table, &[u8])>) -> Durable {
        let named = records.filter_map(|(table, key)| {
            let write = DurableWrite::of(table, key);
            if write.is_none() {
                self.0.unnamed_write(table);
            }
            write
        });
        let Some(write) = named.min() else { return Box::new(|| {}) };
        self.0.reached(write.before());
        let points = Arc::clone(&self.0);
        Box::new(move || points.reached(write.after()))
    }
}

impl FromStr for CrashPoint {
    type Err = UnknownCrashPoint;

    fn from_str(name: &str) -> Result<Self, UnknownCrashPoint> {
        let found = CrashPoint::ALL.iter().copied().find(|point| point.name() == name);
        found.ok_or_else(|| UnknownCrashPoint(name.chars().take(64).collect()))
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_book::schema::TABLES;

    #[test]
    fn every_point_is_found_by_its_own_name_and_by_no_other() {
        for point in CrashPoint::ALL {
            assert_eq!(point.name().parse(), Ok(*point));
        }
        assert!("after_entries".parse::<CrashPoint>().is_err());
        let names: std::collections::BTreeSet<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
    }

    #[test]
    fn every_table_has_a_kind_of_write() {
        for table in TABLES.into_iter().filter(|table| *table != CHECKPOINTS) {
            assert!(DurableWrite::of(table, b"any").is_some(), "name what is written to `{table}`");
        }
        assert_eq!(DurableWrite::of(CHECKPOINTS, b"stranger"), None);
    }
}
