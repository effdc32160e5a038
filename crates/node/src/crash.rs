//! Named points at which a test may end the process, to show what survives.
//!
//! Owns this program's names: a point before and after every kind of durable write, found by what is written and not by who writes
//! it, and the points in between that matter. The production program passes [`NoCrashPoints`]; nothing a configuration or
//! a caller says may ever choose another implementation.

use std::collections::BTreeSet;
use std::sync::Arc;

pub use holdfast_server::crash::{CrashPoints, NoCrashPoints, UnknownCrashPoint};
use holdfast_server::{crash, crash_points};
use holdfast_store::{StoreHandle, Table};

use crate::tables::{
    BANS, BINDINGS, ENTRIES, ERASED, HALT, INCIDENTS, KEYGEN_STATES, KEYGENS, NODE, NOTE, PAGES,
    SEALING_CHECK, SESSIONS, SHARES, STATEMENTS, TIP, WITNESSED,
};

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
pub(crate) fn watched(store: StoreHandle, points: &Arc<dyn CrashPoints<CrashPoint>>) -> StoreHandle {
    crash::watched(store, points, DurableWrite::of, DurableWrite::of_batch)
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
