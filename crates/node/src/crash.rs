//! Named points at which a test may end the process, to show what survives.
//!
//! Owns the names. The production program passes [`NoCrashPoints`]; nothing a configuration or a caller says may ever
//! choose another implementation.

use std::fmt;
use std::str::FromStr;

/// Told when the node reaches a named point.
pub trait CrashPoints: fmt::Debug + Send + Sync {
    /// The node is at this point. An implementation for tests may not return.
    fn reached(&self, point: CrashPoint);
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
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A named point in the node's work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CrashPoint {
            $($(#[$doc])* $variant,)+
        }

        impl CrashPoint {
            /// Every point, in the order of a cluster's life.
            pub const ALL: &'static [CrashPoint] = &[$(CrashPoint::$variant,)+];

            /// The point's name, such as `after-binding`.
            pub fn name(self) -> &'static str {
                match self {
                    $(CrashPoint::$variant => $name,)+
                }
            }
        }
    };
}

crash_points! {
    /// New log entries were checked and applied, none is durable.
    BeforeEntries = "before-entries",
    /// New log entries and the tip are durable, no cosignature left the node.
    AfterEntries = "after-entries",
    /// A key generation's first state is durable, the offer did not leave.
    KeygenPrepare = "keygen-prepare",
    /// Round 1 of a key generation is durable, its messages did not leave.
    KeygenRound1 = "keygen-round-1",
    /// The same for round 2.
    KeygenRound2 = "keygen-round-2",
    /// The same for round 3.
    KeygenRound3 = "keygen-round-3",
    /// The same for round 4.
    KeygenRound4 = "keygen-round-4",
    /// The same for round 5.
    KeygenRound5 = "keygen-round-5",
    /// A key share exists in memory only.
    BeforeShare = "before-share",
    /// The share is durable in the store, its backup is not written.
    AfterShare = "after-share",
    /// The backup passed its restore test, the confirmation is not durable.
    AfterBackup = "after-backup",
    /// An order passed every check, nothing binds it yet.
    BeforeBinding = "before-binding",
    /// The binding is durable, no message of the session left the node.
    AfterBinding = "after-binding",
    /// Round 1 of a signature is computed, its messages did not leave.
    SignRound1 = "sign-round-1",
    /// The same for round 2.
    SignRound2 = "sign-round-2",
    /// The same for round 3, whose messages are the last ones.
    SignRound3 = "sign-round-3",
    /// The node's last message left it: the messages of round 3 were answered by the other signers.
    AfterLastMessage = "after-last-message",
    /// An officer's statement was checked, no latch is durable.
    BeforeLatch = "before-latch",
    /// The latch is durable, the receipt did not leave.
    AfterLatch = "after-latch",
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
        let names: std::collections::BTreeSet<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
    }
}
