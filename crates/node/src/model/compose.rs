//! A committee of seats: who binds, and whether t of them can still sign.
//!
//! Honest nodes say nothing to each other but through the coordinator, and the moves of each were found by showing it
//! everything that a coordinator can. So a committee's histories are all the ways to take its seats' moves in turn.

use std::collections::{BTreeSet, VecDeque};

use super::explore::{Move, Phase};
use super::words::Promise;
use super::world::Committee;

/// What one promise came to in a committee.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Composed {
    /// Situations of the committee.
    pub(super) states: usize,
    /// Situations in which enough last messages left before the promise bound: signatures that no promise forbids.
    pub(super) signatures: usize,
    /// Situations in which the promise binds.
    pub(super) binding: usize,
    /// Attempts that were under way when the promise came to bind: an honest signer had let its last message go before it
    /// promised, another one lets its own go later. An attempt lives for 30 seconds (`SESSION_TTL_MS`).
    pub(super) under_way: usize,
    /// Signatures that contradict a binding promise.
    pub(super) contradictions: usize,
}

/// One honest seat of a committee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    phase: Phase,
    /// A last message that the promise forbids left before it bound.
    before: bool,
    /// One left afterwards.
    after: bool,
}

/// All situations of `n - hostile` honest seats and `hostile` ones that promise and sign whatever is wanted.
pub(super) fn compose(
    committee: Committee,
    hostile: u8,
    promise: Promise,
    moves: &BTreeSet<Move>,
) -> Composed {
    let (t, honest) = (usize::from(committee.t), usize::from(committee.n - hostile));
    let hostile = usize::from(hostile);
    let needed = usize::from(committee.n) - t + 1 + hostile;
    let binds =
        |seats: &[Standing]| seats.iter().filter(|seat| seat.phase.promised).count() + hostile >= needed;
    let count = |seats: &[Standing], of: fn(&Standing) -> bool| seats.iter().filter(|seat| of(seat)).count();
    let mut found = Composed::default();
    let first = vec![Standing::default(); honest];
    let mut known = BTreeSet::from([first.clone()]);
    let mut waiting = VecDeque::from([first]);
    while let Some(seats) = waiting.pop_front() {
        let bound = binds(&seats);
        let after = count(&seats, |seat| seat.after);
        let all = count(&seats, |seat| seat.after || seat.before);
        found.states += 1;
        found.binding += usize::from(bound);
        found.signatures += usize::from(!bound && all + hostile >= t);
        let contradicting = if promise.is_about_the_past() { all } else { after };
        found.contradictions += usize::from(bound && contradicting + hostile >= t);
        let completed = after > 0 && all + hostile >= t;
        found.under_way += usize::from(bound && completed && contradicting + hostile < t);
        for (position, seat) in seats.iter().enumerate() {
            for go in moves.iter().filter(|go| go.from == seat.phase) {
                let mut next = seats.clone();
                let seat = &mut next[position];
                seat.phase = go.to;
                seat.before |= go.forbidden & !bound;
                seat.after |= go.forbidden & bound;
                // Honest seats are alike.
                next.sort_unstable();
                if known.insert(next.clone()) {
                    waiting.push_back(next);
                }
            }
        }
    }
    found
}
