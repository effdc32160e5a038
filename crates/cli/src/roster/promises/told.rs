//! What the other nodes say of themselves, and whose word counts.
//!
//! INVARIANT (G4): an end of the log that no log key signed is nobody's: a node alone can neither stop the officers with one nor have them
//! believe it. It must never count a node whose log is not a beginning of the one that was replayed here.

use std::collections::BTreeMap;

use holdfast_ledger::State;
use holdfast_log::{Hash, LogVerifier, Origin, SignedCheckpoint};

use crate::failure::{Exit, Failure};

/// A node's answer.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) node: String,
    /// The end of its log, not verified.
    pub(super) note: SignedCheckpoint,
    /// Envelopes of statements that it has taken and that are not in its log.
    pub(super) unlogged: Vec<Vec<u8>>,
}

/// Where the end of a node's log is, seen from the log that was replayed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Its log is a beginning of this one.
    Beginning,
    /// The log key signed a longer one.
    Longer,
    /// The log key signed another one.
    Other,
    /// The log key that is in force at that size did not sign it.
    NotSigned,
}

impl Told {
    pub(super) fn size(&self) -> u64 {
        self.note.claimed().size
    }

    /// Whether the log key that is in force at that size signed it, as far as this state knows.
    pub(super) fn is_signed(&self, state: &State) -> bool {
        let key = state.roster_at(self.size()).coordinator().log_key;
        let origin = Origin::of_cluster(state.cluster().as_str());
        origin.is_ok_and(|origin| self.note.verify(&LogVerifier::new(origin, key)).is_ok())
    }

    /// `marks` are the roots of the log that was replayed, at the sizes that nodes named and that it reached.
    pub(super) fn place(&self, state: &State, marks: &BTreeMap<u64, Hash>) -> Place {
        match marks.get(&self.size()) {
            _ if !self.is_signed(state) => Place::NotSigned,
            None => Place::Longer,
            Some(root) if *root == self.note.claimed().root => Place::Beginning,
            Some(_) => Place::Other,
        }
    }

    /// What is wrong with it.
    pub(super) fn reproach(&self, place: Place) -> String {
        let (node, size) = (&self.node, self.size());
        match place {
            Place::Beginning => format!("nothing is wrong with `{node}`"),
            Place::Longer => {
                format!("`{node}` has a log of {size} entries that the coordinator does not show")
            }
            Place::Other => {
                format!("`{node}` has another log than the coordinator shows here, at {size} entries")
            }
            Place::NotSigned => format!(
                "`{node}` names an end of its log, at {size} entries, that no log key in force signed: it is not believed"
            ),
        }
    }
}

/// Those whose log is a beginning of this one. A lying node is passed over as long as enough others agree.
pub(super) fn agreeing<'a>(needed: usize, answers: &[(&'a Told, Place)]) -> Result<Vec<&'a Told>, Failure> {
    let at = |place: Place| answers.iter().filter(move |(_, found)| *found == place).map(|(told, _)| *told);
    let agreeing: Vec<_> = at(Place::Beginning).collect();
    if agreeing.len() >= needed {
        return Ok(agreeing);
    }
    if let Some(told) = at(Place::Other).next() {
        return Err(forked(&told.reproach(Place::Other)));
    }
    if at(Place::Longer).next().is_some() {
        let message = "other nodes hold a longer log than the coordinator shows: its end is missing";
        return Err(Failure::new(Exit::Unavailable, "LOG_INCOMPLETE", message)
            .next("sign nothing until it shows them; if it never does, ask its operator"));
    }
    let lies: Vec<_> = at(Place::NotSigned).map(|told| told.reproach(Place::NotSigned)).collect();
    let message =
        format!("{} of {needed} nodes have the log that is shown here: {}", agreeing.len(), lies.join("; "));
    Err(Failure::new(Exit::Unavailable, "TIP_NOT_SIGNED", message).next(
        "either the node lies or the coordinator hides a new log key: look at both; a node that lies has to be mended before anybody's keys are replaced",
    ))
}

pub(super) fn forked(message: &str) -> Failure {
    Failure::verification("LOG_FORKED", message)
        .next("sign nothing: export both logs and treat the coordinator as hostile until it is explained")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestCell;

    fn told(node: &str, note: SignedCheckpoint) -> Told {
        Told { node: node.to_owned(), note, unlogged: Vec::new() }
    }

    #[test]
    fn end_of_a_log_that_no_log_key_signed_is_not_believed_however_long() {
        let mut cell = TestCell::ready();
        let (short, root) = (cell.checkpoint(&[]), cell.history.replica().root());
        let marks = BTreeMap::from([(short.claimed().size, root)]);
        let of = |cell: &TestCell, note: &SignedCheckpoint| {
            told("node-1", note.clone()).place(cell.state(), &marks)
        };
        assert_eq!(of(&cell, &short), Place::Beginning);
        // Given an end that a node made up: a longer log under the signature of a shorter one, or under another key
        let text = String::from_utf8(short.to_bytes()).unwrap();
        let size = format!("\n{}\n", short.claimed().size);
        let longer = SignedCheckpoint::parse(text.replacen(&size, "\n1000000\n", 1).as_bytes()).unwrap();
        assert_eq!(of(&cell, &longer), Place::NotSigned);
        let strangers = SignedCheckpoint::parse(&TestCell::new().checkpoint(&[]).to_bytes()).unwrap();
        assert_eq!(of(&cell, &strangers), Place::NotSigned);
        // And a genuine one that is longer than what is shown, or of another history
        let shown = TestCell::ready();
        let pause = holdfast_ledger::StatementBody::PauseWallet("hot-1".parse().unwrap());
        cell.accept(&cell.statement("carol", pause));
        assert_eq!(of(&cell, &cell.checkpoint(&[])), Place::Longer);
        let other = BTreeMap::from([(short.claimed().size, shown.history.replica().root())]);
        assert_eq!(told("node-1", short).place(cell.state(), &other), Place::Other);
    }

    #[test]
    fn enough_other_nodes_have_to_hold_a_beginning_of_the_log_that_is_shown() {
        let cell = TestCell::new();
        let node = told("node-1", cell.checkpoint(&[]));
        let judged = |needed: usize, places: &[Place]| {
            let answers: Vec<_> = places.iter().map(|place| (&node, *place)).collect();
            let agreeing = agreeing(needed, &answers).map(|told| told.len());
            agreeing.map_err(|failure| failure.reason().to_owned())
        };
        use Place::{Beginning, Longer, NotSigned, Other};
        assert_eq!(judged(2, &[Beginning, Beginning]), Ok(2));
        assert_eq!(judged(2, &[Beginning, Longer]).unwrap_err(), "LOG_INCOMPLETE");
        assert_eq!(judged(2, &[Longer, Other]).unwrap_err(), "LOG_FORKED");
        assert_eq!(judged(2, &[Beginning, NotSigned]).unwrap_err(), "TIP_NOT_SIGNED");
        // A node that lies blocks nothing while enough others agree
        for lie in [Longer, Other, NotSigned] {
            assert_eq!(judged(2, &[Beginning, Beginning, lie]), Ok(2));
        }
    }
}
