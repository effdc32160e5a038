//! Everything that can happen to one seat: each point reached once, each step from it taken once, on the real node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::machine::Bench;
use super::seat::{Fault, Seat, Step};
use super::words::{Alphabet, Promise};
use super::world::{Committee, World};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Explored {
    /// Points of a node's life.
    pub(super) states: usize,
    /// Steps that changed something.
    pub(super) steps: usize,
    /// Steps that the node refused, or that could not be taken.
    pub(super) refused: usize,
    /// Histories that a node was shown.
    pub(super) histories: usize,
    /// Last messages that a node let go.
    pub(super) released: usize,
    /// For each promise: what a seat can do, as far as that promise is concerned.
    pub(super) moves: BTreeMap<Promise, BTreeSet<Move>>,
    /// Ways to a last message that an earlier promise forbids, or that an oath denies, the shortest first.
    pub(super) broken: Vec<(Promise, Vec<Step>)>,
}

/// A seat, as far as one promise is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phase {
    pub(super) promised: bool,
    /// Whether any of its machines let a last message go; kept only where nodes swear.
    pub(super) released: bool,
}

/// One move of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Move {
    pub(super) from: Phase,
    pub(super) to: Phase,
    /// A last message leaves, and by the log of the node that sends it the promise forbids it.
    pub(super) forbidden: bool,
}

/// One point, and how it was reached.
struct Point {
    seat: Seat,
    from: Option<(usize, Step)>,
}

/// Breadth first, so that what is found broken is found in the fewest steps.
pub(super) async fn explore(committee: Committee, alphabet: Alphabet, fault: Option<Fault>) -> Explored {
    let (bench, world) = (Bench::new(), World::new(committee, alphabet.payment));
    let first = Seat::new(&bench, &world).await;
    let mut found = Explored::default();
    let mut known = BTreeSet::from([first.key(alphabet.oaths).await]);
    let mut points = vec![Point { seat: first, from: None }];
    let mut waiting = VecDeque::from([0]);
    while let Some(at) = waiting.pop_front() {
        let seat = points[at].seat.clone();
        for step in seat.steps(&world, &alphabet, fault) {
            let Some(went) = seat.go(&bench, &world, &alphabet, step, fault).await else {
                found.refused += 1;
                continue;
            };
            found.steps += 1;
            found.released += usize::from(went.released.is_some());
            for promise in alphabet.promises {
                let forbidden = went.released.as_ref().is_some_and(|permitted| !permitted.contains(promise));
                let (from, to) = (seat.phase(*promise), went.seat.phase(*promise));
                found.moves.entry(*promise).or_default().insert(Move { from, to, forbidden });
                let sworn_falsely = promise.is_about_the_past() && from.released && to.promised;
                if (from.promised && forbidden) || sworn_falsely {
                    let mut way = way_to(&points, at);
                    way.push(step);
                    found.broken.push((*promise, way));
                }
            }
            if known.insert(went.seat.key(alphabet.oaths).await) {
                waiting.push_back(points.len());
                points.push(Point { seat: went.seat, from: Some((at, step)) });
            }
        }
    }
    found.states = points.len();
    found.histories = world.histories();
    found
}

fn way_to(points: &[Point], mut at: usize) -> Vec<Step> {
    let mut way = Vec::new();
    while let Some((from, step)) = points[at].from {
        way.push(step);
        at = from;
    }
    way.reverse();
    way
}
