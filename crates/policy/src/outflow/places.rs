//! Owns the places of one meter in the order in which they were asked for, so that what those before one's own take is known
//! without walking them: a binary trie over the bits of places, each fork with the sums of what is below it. A clone is a
//! pointer and shares what neither side changes. It knows nothing of windows.

use std::sync::Arc;

use holdfast_chains::Amount;

use super::{OutflowStage, Place, total::Total};
use crate::time::TimestampMs;

#[derive(Debug, Clone, Default)]
pub(super) struct Places(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    sums: Sums,
    below: Below,
}

#[derive(Debug)]
enum Below {
    Place,
    /// Those without this bit, and those with it; all bits above it are the same.
    Fork {
        bit: u64,
        without: Arc<Node>,
        with: Arc<Node>,
    },
}

/// What is below a node.
#[derive(Debug, Clone, Copy)]
struct Sums {
    first: Place,
    last: Place,
    reserved: Sum,
    authorized: Sum,
    /// When the first of the reserved ones ends.
    ends: Option<TimestampMs>,
}

/// Values added up, and how many of them nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) known: Total,
    pub(super) unknown: u64,
}

impl Sum {
    pub(super) const NOTHING: Self = Self { known: Total::ZERO, unknown: 0 };

    fn of(value: Option<Amount>) -> Self {
        match value {
            Some(value) => Self { known: Total::of(value), unknown: 0 },
            None => Self { known: Total::ZERO, unknown: 1 },
        }
    }

    fn plus(self, other: Self) -> Self {
        Self { known: self.known.plus(other.known), unknown: self.unknown.saturating_add(other.unknown) }
    }
}

impl Places {
    /// Adds a place, or puts another value and stage in it.
    pub(super) fn insert(&mut self, place: Place, value: Option<Amount>, stage: OutflowStage) {
        let leaf = Arc::new(Node::place(place, value, stage));
        self.0 = Some(match self.0.take() {
            None => leaf,
            Some(root) => insert(&root, leaf),
        });
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.0 = self.0.take().and_then(|root| remove(&root, place));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What others take at this time: all that is authorized, and what was asked for before `mine` and has not ended.
    pub(super) fn taken(&self, mine: Place, at: TimestampMs) -> Sum {
        let Some(root) = &self.0 else { return Sum::NOTHING };
        let authorized = root.authorized_but(mine);
        authorized.plus(root.reserved_before(mine, at, &mut |_| {}))
    }
}

impl Node {
    fn place(place: Place, value: Option<Amount>, stage: OutflowStage) -> Self {
        let (reserved, authorized, ends) = match stage {
            OutflowStage::Reserved { until } => (Sum::of(value), Sum::NOTHING, Some(until)),
            OutflowStage::Authorized => (Sum::NOTHING, Sum::of(value), None),
        };
        let sums = Sums { first: place, last: place, reserved, authorized, ends };
        Self { sums, below: Below::Place }
    }

    fn fork(bit: u64, without: Arc<Node>, with: Arc<Node>) -> Self {
        let (one, other) = (&without.sums, &with.sums);
        let sums = Sums {
            first: one.first,
            last: other.last,
            reserved: one.reserved.plus(other.reserved),
            authorized: one.authorized.plus(other.authorized),
            ends: [one.ends, other.ends].into_iter().flatten().min(),
        };
        Self { sums, below: Below::Fork { bit, without, with } }
    }

    fn authorized_but(&self, mine: Place) -> Sum {
        match &self.below {
            _ if mine < self.sums.first || self.sums.last < mine => self.sums.authorized,
            Below::Place => Sum::NOTHING,
            Below::Fork { without, with, .. } => without.authorized_but(mine).plus(with.authorized_but(mine)),
        }
    }

    // Goes down along `mine`, and to places that ended since the last entry: that one lets them go.
    fn reserved_before(&self, mine: Place, at: TimestampMs, visit: &mut impl FnMut(&Self)) -> Sum {
        visit(self);
        if self.sums.first >= mine {
            return Sum::NOTHING;
        }
        let none_ended = self.sums.ends.is_none_or(|ends| at < ends);
        if self.sums.last < mine && none_ended {
            return self.sums.reserved;
        }
        match &self.below {
            // The place is before mine, so it has ended.
            Below::Place => Sum::NOTHING,
            Below::Fork { without, with, .. } => {
                let before = without.reserved_before(mine, at, visit);
                before.plus(with.reserved_before(mine, at, visit))
            }
        }
    }
}

fn insert(node: &Arc<Node>, leaf: Arc<Node>) -> Arc<Node> {
    let differs = top_bit(node.sums.first ^ leaf.sums.first);
    match &node.below {
        Below::Fork { bit, without, with } if differs <= *bit => Arc::new(if leaf.sums.first & bit == 0 {
            Node::fork(*bit, insert(without, leaf), Arc::clone(with))
        } else {
            Node::fork(*bit, Arc::clone(without), insert(with, leaf))
        }),
        Below::Place if differs == 0 => leaf,
        Below::Place | Below::Fork { .. } => Arc::new(if leaf.sums.first & differs == 0 {
            Node::fork(differs, leaf, Arc::clone(node))
        } else {
            Node::fork(differs, Arc::clone(node), leaf)
        }),
    }
}

fn remove(node: &Arc<Node>, place: Place) -> Option<Arc<Node>> {
    match &node.below {
        Below::Place if node.sums.first == place => None,
        Below::Place => Some(Arc::clone(node)),
        Below::Fork { bit, without, with } => {
            let (without, with) = match place & bit {
                0 => (remove(without, place), Some(Arc::clone(with))),
                _ => (Some(Arc::clone(without)), remove(with, place)),
            };
            match (without, with) {
                (Some(without), Some(with)) => Some(Arc::new(Node::fork(*bit, without, with))),
                (left, right) => left.or(right),
            }
        }
    }
}

/// The highest bit that is set; 0 of 0.
fn top_bit(bits: u64) -> u64 {
    bits.checked_ilog2().and_then(|position| 1_u64.checked_shl(position)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: u64) -> Option<Amount> {
        Some(Amount::from_u128(value.into()))
    }

    fn known(value: u64) -> Sum {
        Sum::of(amount(value))
    }

    fn reserved(until: u64) -> OutflowStage {
        OutflowStage::Reserved { until: TimestampMs(until) }
    }

    fn of(places: impl IntoIterator<Item = Place>) -> Places {
        let mut all = Places::default();
        places.into_iter().for_each(|place| all.insert(place, amount(1), reserved(1_000)));
        all
    }

    #[test]
    fn ten_thousand_places_before_mine_are_added_up_in_a_hundred_steps() {
        let places = of(0..10_000);
        for mine in [1, 4_999, 8_191, 8_192, 9_999, 20_000] {
            let mut visited = 0;
            let sum =
                places.0.as_ref().unwrap().reserved_before(mine, TimestampMs(999), &mut |_| visited += 1);
            assert_eq!(sum, known(mine.min(10_000)));
            assert!(visited <= 100, "{visited} for {mine}");
        }
    }

    #[test]
    fn places_far_apart_are_kept_apart() {
        let far = [0, 1, 2, 63, 64, u64::MAX >> 1, u64::MAX - 1, u64::MAX];
        let mut places = of(far);
        for (before, mine) in far.into_iter().enumerate() {
            assert_eq!(places.taken(mine, TimestampMs(1)), known(before.try_into().unwrap()), "{mine}");
        }
        for place in far {
            places.remove(place.wrapping_add(5));
            places.remove(place);
        }
        assert!(places.is_empty());
    }

    #[test]
    fn place_taken_again_counts_once_with_its_new_stage() {
        let mut places = of([3]);
        places.insert(3, amount(7), OutflowStage::Authorized);
        assert_eq!(places.taken(2, TimestampMs(5_000)), known(7));
        assert_eq!(places.taken(3, TimestampMs(5_000)), Sum::NOTHING);
        places.insert(3, None, reserved(10));
        assert_eq!(places.taken(4, TimestampMs(9)), Sum::of(None));
        assert_eq!(places.taken(4, TimestampMs(10)), Sum::NOTHING);
    }

    #[test]
    fn only_those_that_ended_are_left_out() {
        let mut places = of(0..64);
        places.insert(20, amount(1), reserved(10));
        places.insert(40, amount(1), reserved(11));
        assert_eq!(places.taken(64, TimestampMs(9)), known(64));
        assert_eq!(places.taken(64, TimestampMs(10)), known(63));
        assert_eq!(places.taken(64, TimestampMs(11)), known(62));
        assert_eq!(places.taken(40, TimestampMs(11)), known(39));
    }

    #[test]
    fn clone_is_a_copy_of_its_own() {
        let mut places = of([1, 2]);
        let copy = places.clone();
        places.remove(1);
        assert_eq!(copy.taken(9, TimestampMs(1)), known(2));
    }
}
