//! Named points at which a test may end the process, to show what survives.
//!
//! Owns how they are defined and reached; each program lists its own with [`crash_points!`](crate::crash_points): one before and after
//! every kind of durable write, found by what is written and not by who writes it, and points in between that matter. The production
//! programs pass [`NoCrashPoints`]; nothing a configuration or a caller says may ever choose another implementation.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use holdfast_store::{Durable, StoreHandle, Table, WriteWatch};

use crate::snapshot::SNAPSHOT_EVERY;

/// Told when the program reaches a named point, `P` being the program's points.
pub trait CrashPoints<P>: fmt::Debug + Send + Sync {
    /// The program is at this point. An implementation for tests may not return.
    fn reached(&self, point: P);

    /// The program is about to write something that has no name, so that no test ends the process there.
    fn unnamed_write(&self, _table: Table) {}

    /// After how many entries a new snapshot is written. A test may ask for more snapshots.
    fn snapshot_every(&self) -> u64 {
        SNAPSHOT_EVERY
    }
}

/// The production implementation: nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCrashPoints;

impl<P> CrashPoints<P> for NoCrashPoints {
    fn reached(&self, _point: P) {}
}

/// A name that is no crash point's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no crash point")]
pub struct UnknownCrashPoint(String);

impl UnknownCrashPoint {
    /// This name, of which the first 64 characters are kept.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(name.chars().take(64).collect())
    }
}

/// A kind of durable write of a program, as [`crash_points!`](crate::crash_points) defines it.
pub trait NamedWrite: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// The program's points.
    type Point: fmt::Debug + Send + 'static;

    /// The point before it.
    fn before(self) -> Self::Point;

    /// The point after it.
    fn after(self) -> Self::Point;
}

/// What is written at a place, `None` for a place that has no name.
pub type NameOfWrite<W> = fn(Table, &[u8]) -> Option<W>;
/// What a batch is whose records are of these kinds, `None` if no point is reached for it.
pub type NameOfBatch<W> = fn(&BTreeSet<W>) -> Option<W>;

/// The same store; everything that is written to it reaches its points.
pub fn watched<W: NamedWrite>(
    store: StoreHandle,
    points: &Arc<dyn CrashPoints<W::Point>>,
    of: NameOfWrite<W>,
    of_batch: NameOfBatch<W>,
) -> StoreHandle {
    store.watched(Arc::new(Watch { points: Arc::clone(points), of, of_batch }))
}

#[derive(Debug)]
struct Watch<W: NamedWrite> {
    points: Arc<dyn CrashPoints<W::Point>>,
    of: NameOfWrite<W>,
    of_batch: NameOfBatch<W>,
}

impl<W: NamedWrite> WriteWatch for Watch<W> {
    fn begins(&self, records: &mut dyn Iterator<Item = (Table, &[u8])>) -> Durable {
        let named = records.filter_map(|(table, key)| {
            let write = (self.of)(table, key);
            if write.is_none() {
                self.points.unnamed_write(table);
            }
            write
        });
        let Some(write) = (self.of_batch)(&named.collect()) else { return Box::new(|| {}) };
        self.points.reached(write.before());
        let points = Arc::clone(&self.points);
        Box::new(move || points.reached(write.after()))
    }
}

/// Defines a program's `DurableWrite` (its kinds of durable writes, the first of which a batch is of) and `CrashPoint` (its points, with
/// `ALL`, `name`, [`Display`](fmt::Display) and [`FromStr`](std::str::FromStr) by name).
#[macro_export]
macro_rules! crash_points {
    (
        writes { $($(#[$write_doc:meta])* $write:ident: $before:ident = $before_name:literal, $after:ident = $after_name:literal;)+ }
        between { $($(#[$doc:meta])* $variant:ident = $name:literal;)* }
    ) => {
        /// A kind of durable write. A batch is of the first kind that any of its records is of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum DurableWrite {
            $($(#[$write_doc])* $write,)+
        }

        /// A named point in the program's work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CrashPoint {
            $(
                #[doc = concat!("Nothing of the write is durable: [`DurableWrite::", stringify!($write), "`].")]
                $before,
                #[doc = concat!("The write is durable and nobody has heard of it: [`DurableWrite::", stringify!($write), "`].")]
                $after,
            )+
            $($(#[$doc])* $variant,)*
        }

        impl $crate::crash::NamedWrite for DurableWrite {
            type Point = CrashPoint;

            fn before(self) -> CrashPoint {
                match self { $(DurableWrite::$write => CrashPoint::$before,)+ }
            }

            fn after(self) -> CrashPoint {
                match self { $(DurableWrite::$write => CrashPoint::$after,)+ }
            }
        }

        impl CrashPoint {
            /// Every point.
            pub const ALL: &'static [CrashPoint] =
                &[$(CrashPoint::$before, CrashPoint::$after,)+ $(CrashPoint::$variant,)*];

            /// The point's name, such as `after-entries`.
            pub fn name(self) -> &'static str {
                match self {
                    $(CrashPoint::$before => $before_name, CrashPoint::$after => $after_name,)+
                    $(CrashPoint::$variant => $name,)*
                }
            }
        }

        impl ::std::str::FromStr for CrashPoint {
            type Err = $crate::crash::UnknownCrashPoint;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = CrashPoint::ALL.iter().copied().find(|point| point.name() == name);
                found.ok_or_else(|| $crate::crash::UnknownCrashPoint::of(name))
            }
        }

        impl ::std::fmt::Display for CrashPoint {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
