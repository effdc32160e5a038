//! Named points at which a test may end the process, to show what survives.
//!
//! Owns the names: a point before and after every kind of durable write, found by what is written and not by who writes
//! it, and the points in between that matter. The production program passes [`NoCrashPoints`]; nothing a configuration or
//! a caller says may ever choose another implementation.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_store::{Durable, StoreHandle, Table, WriteWatch};

use crate::replica::SNAPSHOT_EVERY;
use crate::tables::{
    BANS, BINDINGS, ENTRIES, ERASED, HALT, INCIDENTS, KEYGEN_STATES, KEYGENS, NODE, NOTE, PAGES,
    SEALING_CHECK, SESSIONS, SHARES, STATEMENTS, TIP, WITNESSED,
};

/// Told when the node reaches a named point.
pub trait CrashPoints: fmt::Debug + Send + Sync {
    /// The node is at this point. An implementation for tests may not return.
    fn reached(&self, point: CrashPoint);

    /// The node is about to write something that has no name, so that no test ends the process there.
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
    (
        writes { $($(#[$write_doc:meta])* $write:ident: $before:ident = $before_name:literal, $after:ident = $after_name:literal;)+ }
        between { $($(#[$doc:meta])* $variant:ident = $name:literal;)+ }
    ) => {
        /// A kind of durable write. A batch is of the first kind that any of its records is of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DurableWrite {
            $($(#[$write_doc])* $write,)+
        }

        /// A named point in the node's work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CrashPoint {
            $(
                #[doc = concat!("Nothing of the write is durable: [`DurableWrite::", stringify!($write), "`].")]
                $before,
                #[doc = concat!("The write is durable and nobody has heard of it: [`DurableWrite::", stringify!($write), "`].")]
                $after,
            )+
            $($(#[$doc])* $variant,)+
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
            pub const ALL: &'static [CrashPoint] =
                &[$(CrashPoint::$before, CrashPoint::$after,)+ $(CrashPoint::$variant,)+];

            /// The point's name, such as `after-binding`.
            pub fn name(self) -> &'static str {
                match self {
                    $(CrashPoint::$before => $before_name, CrashPoint::$after => $after_name,)+
                    $(CrashPoint::$variant => $name,)+
                }
            }
        }
    };
}

crash_points! {
    writes {
        /// Log entries with the tip and its cosignature.
        Entries: BeforeEntries = "before-entries", AfterEntries = "after-entries";
        /// The evidence of a fork, which stops signing.
        Halt: BeforeHalt = "before-halt", AfterHalt = "after-halt";
        /// A withdrawal bound to its digests, with the session that it was first bound for.
        Binding: BeforeBinding = "before-binding", AfterBinding = "after-binding";
        /// The oath never to sign a withdrawal, in the place of its binding.
        Oath: BeforeOath = "before-oath", AfterOath = "after-oath";
        /// The sealed state of a key generation: the offer's, then each round's.
        KeygenState: BeforeKeygenState = "before-keygen-state", AfterKeygenState = "after-keygen-state";
        /// A key generation that is confirmed or given up, its sealed state erased.
        KeygenRecord: BeforeKeygenRecord = "before-keygen-record", AfterKeygenRecord = "after-keygen-record";
        /// A session that is used up for a further attempt at what is bound already.
        Session: BeforeSession = "before-session", AfterSession = "after-session";
        /// An officer's statement that latches, or a latch that the log has taken over.
        Latch: BeforeLatch = "before-latch", AfterLatch = "after-latch";
        /// Shares that are of no use any more, erased with the bans of their epoch.
        Erasure: BeforeErasure = "before-erasure", AfterErasure = "after-erasure";
        /// A sealed key share.
        Share: BeforeShare = "before-share", AfterShare = "after-share";
        /// A pair that never signs together again.
        Ban: BeforeBan = "before-ban", AfterBan = "after-ban";
        /// The sealed constant that tells a wrong passphrase, once in a node's life.
        SealingCheck: BeforeSealingCheck = "before-sealing-check", AfterSealingCheck = "after-sealing-check";
        /// Pages of customers' histories, before the snapshot that names them, or those that no snapshot names any more.
        Pages: BeforePages = "before-pages", AfterPages = "after-pages";
        /// A snapshot of the replica, a file beside the store.
        Snapshot: BeforeSnapshot = "before-snapshot", AfterSnapshot = "after-snapshot";
        /// A refusal worth keeping.
        Incident: BeforeIncident = "before-incident", AfterIncident = "after-incident";
        /// A moment at which other nodes held the log, by their word.
        Witnessed: BeforeWitnessed = "before-witnessed", AfterWitnessed = "after-witnessed";
        /// The tip cosigned again, without new entries.
        Cosignature: BeforeCosignature = "before-cosignature", AfterCosignature = "after-cosignature";
    }
    between {
        /// A key generation's first state is durable, the offer did not leave.
        KeygenPrepare = "keygen-prepare";
        /// Round 1 of a key generation is durable, its messages did not leave.
        KeygenRound1 = "keygen-round-1";
        /// The same for round 2.
        KeygenRound2 = "keygen-round-2";
        /// The same for round 3.
        KeygenRound3 = "keygen-round-3";
        /// The same for round 4.
        KeygenRound4 = "keygen-round-4";
        /// The same for round 5.
        KeygenRound5 = "keygen-round-5";
        /// The backup file passed its restore test, the confirmation is not durable.
        AfterBackup = "after-backup";
        /// The backups of old shares are gone, the shares in the store are not.
        BetweenErasures = "between-erasures";
        /// The file that a key was imported from has the name under which it is erased, and is whole.
        ImportSetAside = "import-set-aside";
        /// Round 1 of a signature is computed, its messages did not leave.
        SignRound1 = "sign-round-1";
        /// The same for round 2.
        SignRound2 = "sign-round-2";
        /// The same for round 3 and later ones; its messages are the last ones of the default engine.
        SignRound3 = "sign-round-3";
        /// The node's last message left it: the messages of round 3 were answered by the other signers.
        AfterLastMessage = "after-last-message";
    }
}

impl DurableWrite {
    /// What is written at a place, `None` for a place that has no name.
    pub fn of(table: Table, key: &[u8]) -> Option<Self> {
        let named = |name: &str| key == name.as_bytes();
        Some(match table {
            ENTRIES => Self::Entries,
            BINDINGS => Self::Binding,
            KEYGEN_STATES => Self::KeygenState,
            KEYGENS => Self::KeygenRecord,
            SESSIONS => Self::Session,
            STATEMENTS => Self::Latch,
            SHARES => Self::Share,
            BANS => Self::Ban,
            INCIDENTS => Self::Incident,
            WITNESSED => Self::Witnessed,
            PAGES => Self::Pages,
            // Only ever written with entries.
            NODE if named(NOTE) => Self::Entries,
            NODE if named(TIP) => Self::Cosignature,
            NODE if named(HALT) => Self::Halt,
            NODE if key.starts_with(ERASED.as_bytes()) => Self::Erasure,
            NODE if named(SEALING_CHECK) => Self::SealingCheck,
            _ => return None,
        })
    }

    /// What a batch is whose records are of these kinds.
    fn of_batch(kinds: &BTreeSet<Self>) -> Option<Self> {
        match kinds.first() {
            // An oath lies where the binding would; only a binding uses a session up.
            Some(Self::Binding) if !kinds.contains(&Self::Session) => Some(Self::Oath),
            first => first.copied(),
        }
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
        let Some(write) = DurableWrite::of_batch(&named.collect()) else { return Box::new(|| {}) };
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

    #[test]
    fn every_point_is_found_by_its_own_name_and_by_no_other() {
        for point in CrashPoint::ALL {
            assert_eq!(point.name().parse(), Ok(*point));
        }
        assert!("after_binding".parse::<CrashPoint>().is_err());
        let names: BTreeSet<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
    }

    #[test]
    fn every_table_has_a_kind_of_write() {
        for table in crate::tables::ALL.into_iter().filter(|table| *table != NODE) {
            assert!(DurableWrite::of(table, b"any").is_some(), "name what is written to `{table}`");
        }
        assert_eq!(DurableWrite::of(NODE, b"stranger"), None);
        assert_eq!(DurableWrite::of(NODE, b"erased/hot-1"), Some(DurableWrite::Erasure));
    }

    #[test]
    fn batch_is_of_its_first_kind_and_a_binding_without_a_session_is_an_oath() {
        use DurableWrite::{Ban, Binding, Cosignature, Entries, Erasure, Oath, Session, Share};
        let kind = |kinds: &[DurableWrite]| DurableWrite::of_batch(&kinds.iter().copied().collect());
        assert_eq!(kind(&[Cosignature, Entries]), Some(Entries));
        assert_eq!(kind(&[Session, Binding]), Some(Binding));
        assert_eq!(kind(&[Session]), Some(Session));
        assert_eq!(kind(&[Binding]), Some(Oath));
        assert_eq!(kind(&[Share, Ban, Erasure]), Some(Erasure));
        assert_eq!(kind(&[]), None);
    }
}
