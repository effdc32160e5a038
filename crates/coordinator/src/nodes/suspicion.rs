//! Who may have spoilt attempts: whom to ask last, never who is guilty.
//!
//! A failure says of some nodes that one of them did it: the node itself that was silent, the accuser and the accused, or all
//! signers where nobody can be named. Signers that hold all nodes of such a group are asked after those that do not. Honest
//! nodes never form a group by themselves, whatever the others say: so their set is found, and nobody's word keeps it apart.
//! What one withdrawal learnt serves the next ones, too, and fades: a node that is silent costs one payment now and then, not
//! each that picks it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use holdfast_policy::NodeId;

/// What one failure weighs.
const FAILURE: u32 = 4;
/// What is remembered halves in this time.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// No more is remembered of a group: whoever behaves again is asked again within eight half-lives.
const MOST: u32 = 128;
/// Groups that are remembered.
const GROUPS: usize = 4_096;

/// Groups of nodes of which one spoilt attempts, and how much that weighs.
pub(crate) type Blame = BTreeMap<BTreeSet<NodeId>, u32>;

/// What the failures of one withdrawal say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suspicion {
    blame: Blame,
    failed: BTreeMap<BTreeSet<NodeId>, u32>,
}

/// What the failures of all withdrawals of late say.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<BTreeSet<NodeId>, Faded>);

/// Blame as it was at a moment.
#[derive(Clone, Copy, Debug)]
struct Faded {
    blame: u32,
    at: Instant,
}

/// What spoilt an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// This node, by what it did to the coordinator.
    By(NodeId),
    /// One of these two: the one says that it was the other.
    Between(NodeId, NodeId),
    /// Somebody.
    BySomebody,
}

impl Spoilt {
    /// One of these did it.
    // INVARIANT (G2): where a node accuses another one, both are in the group, so no node's word is held against two others.
    fn group(&self, signers: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        match self {
            Self::By(node) => BTreeSet::from([node.clone()]),
            Self::Between(accuser, accused) if signers.contains(accused) => {
                BTreeSet::from([accuser.clone(), accused.clone()])
            }
            // Whoever accuses somebody who was not there is no witness.
            Self::Between(accuser, _) => BTreeSet::from([accuser.clone()]),
            Self::BySomebody => signers.clone(),
        }
    }
}

impl Suspicion {
    /// Learns that an attempt by these signers failed.
    pub(crate) fn learn(&mut self, signers: &BTreeSet<NodeId>, spoilt: &Spoilt) {
        let blame = self.blame.entry(spoilt.group(signers)).or_default();
        *blame = blame.saturating_add(FAILURE);
        let failures = self.failed.entry(signers.clone()).or_default();
        *failures = failures.saturating_add(1);
    }

    /// Whether nothing was learnt.
    pub(crate) fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// How often exactly this set failed, and how much it is suspected, here and by what is remembered: the smaller, the
    /// better.
    pub(crate) fn of(&self, signers: &BTreeSet<&NodeId>, remembered: &Blame) -> (u32, u32) {
        let same = |failed: &&BTreeSet<NodeId>| failed.iter().eq(signers.iter().copied());
        let failures = self.failed.iter().find(|(failed, _)| same(failed)).map_or(0, |(_, count)| *count);
        let held = |group: &BTreeSet<NodeId>| group.iter().all(|node| signers.contains(node));
        let blame = self.blame.iter().chain(remembered).filter(|(group, _)| held(group));
        (failures, blame.fold(0, |sum: u32, (_, blame)| sum.saturating_add(*blame)))
    }
}

impl Memory {
    /// Learns that an attempt by these signers failed.
    pub(crate) fn learn(&mut self, signers: &BTreeSet<NodeId>, spoilt: &Spoilt, now: Instant) {
        self.0.retain(|_, faded| faded.left(now) > 0);
        let group = spoilt.group(signers);
        let so_far = self.0.get(&group).map_or(0, |faded| faded.left(now));
        if self.0.len() < GROUPS || so_far > 0 {
            let blame = so_far.saturating_add(FAILURE).min(MOST);
            self.0.insert(group, Faded { blame, at: now });
        }
    }

    /// What is left of it.
    pub(crate) fn now(&self, now: Instant) -> Blame {
        let left = self.0.iter().map(|(group, faded)| (group.clone(), faded.left(now)));
        left.filter(|(_, blame)| *blame > 0).collect()
    }
}

impl Faded {
    fn left(self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.at).as_secs();
        let halvings = passed.checked_div(HALF_LIFE.as_secs()).unwrap_or(u64::MAX);
        u32::try_from(halvings).ok().and_then(|halvings| self.blame.checked_shr(halvings)).unwrap_or(0)
    }
}

/// Every choice of `count` of these, in order.
pub(crate) fn choices<T: Copy>(of: &[T], count: usize) -> Vec<Vec<T>> {
    let Some((first, rest)) = of.split_first().filter(|_| count <= of.len()) else {
        return if count == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let Some(fewer) = count.checked_sub(1) else { return vec![Vec::new()] };
    let with = choices(rest, fewer).into_iter().map(|mut chosen| {
        chosen.insert(0, *first);
        chosen
    });
    with.chain(choices(rest, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::new(format!("node-{number}")).unwrap()
    }

    fn set(numbers: &[u8]) -> BTreeSet<NodeId> {
        numbers.iter().map(|number| node(*number)).collect()
    }

    fn best(suspicion: &Suspicion, remembered: &Blame, n: u8, t: usize) -> BTreeSet<NodeId> {
        let all: Vec<u8> = (1..=n).rev().collect();
        let sets = choices(&all, t).into_iter().map(|chosen| set(&chosen));
        // Among equals the worst: the sets with the highest numbers, where the hostile nodes are, come first.
        sets.min_by_key(|set| suspicion.of(&set.iter().collect(), remembered)).unwrap()
    }

    /// How many attempts it takes until a set without hostile nodes is asked.
    fn attempts(n: u8, t: usize, hostile: &[u8], spoil: impl Fn(&BTreeSet<NodeId>) -> Spoilt) -> usize {
        payment(&mut Memory::default(), Instant::now(), (n, t), hostile, spoil)
    }

    /// The same for one payment of many.
    fn payment(
        memory: &mut Memory,
        now: Instant,
        (n, t): (u8, usize),
        hostile: &[u8],
        spoil: impl Fn(&BTreeSet<NodeId>) -> Spoilt,
    ) -> usize {
        let mut suspicion = Suspicion::default();
        for attempt in 1..=40 {
            let chosen = best(&suspicion, &memory.now(now), n, t);
            if chosen.is_disjoint(&set(hostile)) {
                return attempt;
            }
            let spoilt = spoil(&chosen);
            suspicion.learn(&chosen, &spoilt);
            memory.learn(&chosen, &spoilt, now);
        }
        panic!("never: {suspicion:?} {memory:?}");
    }

    /// How many attempts a hundred payments take, one a second.
    fn hundred(size: (u8, usize), hostile: &[u8], spoil: impl Fn(&BTreeSet<NodeId>) -> Spoilt) -> usize {
        let (mut memory, begun) = (Memory::default(), Instant::now());
        let at = |second| begun.checked_add(Duration::from_secs(second)).unwrap();
        (0..100).map(|second| payment(&mut memory, at(second), size, hostile, &spoil)).sum()
    }

    #[test]
    fn honest_set_is_found_whatever_the_hostile_nodes_say() {
        let first = |set: &BTreeSet<NodeId>| set.iter().next().unwrap().clone();
        let last = |set: &BTreeSet<NodeId>| set.iter().next_back().unwrap().clone();
        // Given a hostile node that accuses whomever it signs with
        assert!(attempts(3, 2, &[3], |set| Spoilt::Between(last(set), first(set))) <= 3);
        // or that is accused
        assert!(attempts(3, 2, &[3], |set| Spoilt::Between(first(set), last(set))) <= 3);
        // or that spoils signatures so that nobody can be named, or that is just silent
        assert!(attempts(3, 2, &[3], |_| Spoilt::BySomebody) <= 3);
        assert!(attempts(3, 2, &[3], |set| Spoilt::By(last(set))) <= 2);
        // or an honest node that takes the blame for what nobody can be named for
        assert!(attempts(3, 2, &[3], |set| Spoilt::By(first(set))) <= 3);
        // or two of five: then there are ten sets, and one is good
        assert!(attempts(5, 3, &[4, 5], |set| Spoilt::Between(last(set), first(set))) <= 10);
        assert!(attempts(5, 3, &[4, 5], |_| Spoilt::BySomebody) <= 10);
    }

    #[test]
    fn what_one_payment_learnt_spares_the_next_ones_and_no_false_accuser_keeps_honest_nodes_apart() {
        let first = |set: &BTreeSet<NodeId>| set.iter().next().unwrap().clone();
        let last = |set: &BTreeSet<NodeId>| set.iter().next_back().unwrap().clone();
        let second = |set: &BTreeSet<NodeId>| set.iter().nth(1).unwrap().clone();
        // A node that is silent in rounds costs a payment now and then, not each one
        assert!(hundred((3, 2), &[3], |set| Spoilt::By(last(set))) <= 104);
        // One that accuses whomever it signs with, is accused, or spoils so that nobody can be named
        let (accuses, accused) = (
            |set: &_| Spoilt::Between(last(set), first(set)),
            |set: &_| Spoilt::Between(first(set), last(set)),
        );
        assert!(hundred((3, 2), &[3], accuses) <= 106);
        assert!(hundred((3, 2), &[3], accused) <= 106);
        assert!(hundred((3, 2), &[3], |_| Spoilt::BySomebody) <= 106);
        // Two of five, or three of seven, and one by one, too, whom it hurts most
        for (size, hostile, bad_sets) in [((5, 3), &[4, 5][..], 9), ((7, 4), &[5, 6, 7][..], 34)] {
            let at_most = 100 + 2 * bad_sets;
            assert!(hundred(size, hostile, accuses) <= at_most);
            assert!(hundred(size, hostile, accused) <= at_most);
            assert!(hundred(size, hostile, |set| Spoilt::Between(last(set), second(set))) <= at_most);
            assert!(hundred(size, hostile, |_| Spoilt::BySomebody) <= at_most);
        }
    }

    #[test]
    fn blame_fades_by_half_and_is_bounded() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let (signers, silent) = (set(&[1, 3]), Spoilt::By(node(3)));
        memory.learn(&signers, &silent, now);
        let after = |memory: &Memory, half_lives: u32| memory.now(now + HALF_LIFE * half_lives);
        assert_eq!(after(&memory, 0), Blame::from([(set(&[3]), FAILURE)]));
        assert_eq!(after(&memory, 1), Blame::from([(set(&[3]), FAILURE / 2)]));
        assert!(after(&memory, 3).is_empty());
        // However often it failed
        for _ in 0..1_000 {
            memory.learn(&signers, &silent, now);
        }
        assert_eq!(after(&memory, 0), Blame::from([(set(&[3]), MOST)]));
        assert!(after(&memory, 8).is_empty() && after(&memory, 1_000_000).is_empty());
        // A clock that stands still changes nothing
        assert_eq!(memory.now(now), after(&memory, 0));
    }

    #[test]
    fn whoever_accuses_a_node_that_was_not_there_is_suspected_alone() {
        let mut suspicion = Suspicion::default();
        suspicion.learn(&set(&[1, 3]), &Spoilt::Between(node(3), node(2)));
        assert_eq!(suspicion.of(&set(&[2]).iter().collect(), &Blame::new()), (0, 0));
        assert_eq!(suspicion.of(&set(&[3]).iter().collect(), &Blame::new()), (0, FAILURE));
    }

    #[test]
    fn choices_are_all_subsets_of_a_size() {
        assert_eq!(choices(&[1, 2, 3], 2), [[1, 2], [1, 3], [2, 3]]);
        assert_eq!(choices(&[1, 2], 3), Vec::<Vec<i32>>::new());
        assert_eq!(choices(&[0; 16], 8).len(), 12_870);
    }
}
