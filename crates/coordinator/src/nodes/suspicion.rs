//! Who may have spoilt attempts: whom to ask last, never who is guilty.
//!
//! A node that says that another one cheated may be the cheat itself, and a signature that does not verify accuses
//! nobody. So accuser and accused, or all signers, are suspected alike, and no set of signers is tried again before the
//! others were: one honest set is enough to sign, whatever the rest says about each other.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_policy::NodeId;

/// A failure that a node caused itself, as the coordinator saw: it was silent, refused, or sent what is no answer.
const OWN: u32 = 4;
/// A failure of a session that any of its signers may have caused.
const SHARED: u32 = 1;
/// A failure of a session in which a node accuses another one.
const ACCUSED: u32 = 2;

/// What the failures so far say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Suspicion {
    blame: BTreeMap<NodeId, u32>,
    failed: BTreeMap<BTreeSet<NodeId>, u32>,
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

impl Suspicion {
    /// Learns that an attempt by these signers failed.
    pub(crate) fn learn(&mut self, signers: &BTreeSet<NodeId>, spoilt: &Spoilt) {
        match spoilt {
            Spoilt::By(node) => self.add(node, OWN),
            Spoilt::Between(accuser, accused) if signers.contains(accused) && accuser != accused => {
                self.add(accuser, ACCUSED);
                self.add(accused, ACCUSED);
            }
            // Whoever accuses somebody who was not there, or itself, is no witness.
            Spoilt::Between(accuser, _) => self.add(accuser, OWN),
            Spoilt::BySomebody => signers.iter().for_each(|node| self.add(node, SHARED)),
        }
        let failures = self.failed.entry(signers.clone()).or_default();
        *failures = failures.saturating_add(1);
    }

    /// Whether nothing was learnt.
    pub(crate) fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// How often exactly this set failed, and how much its members are suspected: the smaller, the better.
    pub(crate) fn of(&self, signers: &BTreeSet<&NodeId>) -> (u32, u32) {
        let same = |failed: &&BTreeSet<NodeId>| failed.iter().eq(signers.iter().copied());
        let failures = self.failed.iter().find(|(failed, _)| same(failed)).map_or(0, |(_, count)| *count);
        let blame = signers.iter().filter_map(|node| self.blame.get(*node));
        (failures, blame.fold(0, |sum: u32, blame| sum.saturating_add(*blame)))
    }

    fn add(&mut self, node: &NodeId, blame: u32) {
        let so_far = self.blame.entry(node.clone()).or_default();
        *so_far = so_far.saturating_add(blame);
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

    fn best(suspicion: &Suspicion, n: u8, t: usize) -> BTreeSet<NodeId> {
        let all: Vec<u8> = (1..=n).rev().collect();
        let sets = choices(&all, t).into_iter().map(|chosen| set(&chosen));
        // Among equals the worst: the sets with the highest numbers, where the hostile nodes are, come first.
        sets.min_by_key(|set| suspicion.of(&set.iter().collect())).unwrap()
    }

    /// How many attempts it takes until a set without hostile nodes is asked.
    fn attempts(n: u8, t: usize, hostile: &[u8], spoil: impl Fn(&BTreeSet<NodeId>) -> Spoilt) -> usize {
        let mut suspicion = Suspicion::default();
        for attempt in 1..=20 {
            let chosen = best(&suspicion, n, t);
            if chosen.is_disjoint(&set(hostile)) {
                return attempt;
            }
            suspicion.learn(&chosen, &spoil(&chosen));
        }
        panic!("never: {suspicion:?}");
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
    fn whoever_accuses_a_node_that_was_not_there_is_suspected_alone() {
        let mut suspicion = Suspicion::default();
        suspicion.learn(&set(&[1, 3]), &Spoilt::Between(node(3), node(2)));
        assert_eq!(suspicion.of(&set(&[2]).iter().collect()), (0, 0));
        assert_eq!(suspicion.of(&set(&[3]).iter().collect()), (0, OWN));
    }

    #[test]
    fn choices_are_all_subsets_of_a_size() {
        assert_eq!(choices(&[1, 2, 3], 2), [[1, 2], [1, 3], [2, 3]]);
        assert_eq!(choices(&[1, 2], 3), Vec::<Vec<i32>>::new());
        assert_eq!(choices(&[0; 16], 8).len(), 12_870);
    }
}
