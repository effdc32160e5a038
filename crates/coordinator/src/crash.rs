//! Named points at which a test may end the process, to show what survives.
//!
//! Owns this program's names: a point before and after every kind of durable write, found by what is written and not by who writes
//! it. The production program passes [`NoCrashPoints`]; nothing a configuration or a caller says may ever choose another
//! implementation.

use std::sync::Arc;

pub use holdfast_server::crash::{CrashPoints, NoCrashPoints, UnknownCrashPoint};
use holdfast_server::{crash, crash_points};
use holdfast_store::{StoreHandle, Table};

use crate::log_book::schema::{
    CEREMONY_EVENTS, CHECKPOINTS, COSIGNED_CHECKPOINT, ENTRIES, EVIDENCE, FOUND, GIVEN_UP, KEYGEN_ROUNDS,
    LOG_CHECKPOINT, PAGES, PAYLOADS, SEEDING, TILES, WITHDRAWAL_EVENTS,
};

crash_points! {
    writes {
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
    between {}
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
pub(crate) fn watched(store: StoreHandle, points: &Arc<dyn CrashPoints<CrashPoint>>) -> StoreHandle {
    crash::watched(store, points, DurableWrite::of, |kinds| kinds.first().copied())
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
