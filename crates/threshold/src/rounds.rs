//! Which round is due, and what was answered: the order and the idempotence of a machine's rounds.
//!
//! Owns the rule that a round's input is consumed once. It must never let a second, different input into a round that
//! has already answered, and never compute an answer twice.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::tagged_hash;
use crate::party::{PartyIndex, Round};

/// How many rounds' answers are kept. A peer that is one round behind needs the answer before the last one.
const KEPT: usize = 2;

/// One sealed message to hand to the courier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// The receiver.
    pub to: PartyIndex,
    /// The sealed bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound(to {}, {} bytes)", self.to, self.bytes.len())
    }
}

/// Why a round was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoundError {
    /// The round answered already, to a different input.
    #[error("round {round} was already answered for another input: start a new session")]
    AlreadyConsumed {
        /// The round.
        round: Round,
    },
    /// The round is long over and its answer is no longer kept.
    #[error("round {round} is over: round {expected} is due")]
    Passed {
        /// The round.
        round: Round,
        /// The round due.
        expected: Round,
    },
    /// The round is not due yet.
    #[error("round {round} is not due: deliver round {expected} first")]
    NotReached {
        /// The round.
        round: Round,
        /// The round due.
        expected: Round,
    },
    /// The session has ended.
    #[error("the session has ended after round {last}")]
    Ended {
        /// The last round.
        last: Round,
    },
    /// More inputs than parties, or one beyond the size limit.
    #[error(
        "the input of round {round} has {count} messages, the longest of {longest} bytes: too much to look at"
    )]
    TooLarge {
        /// The round.
        round: Round,
        /// Messages.
        count: usize,
        /// Bytes of the longest.
        longest: usize,
    },
}

impl RoundError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyConsumed { .. } => "ROUND_ALREADY_CONSUMED",
            Self::Passed { .. } => "ROUND_PASSED",
            Self::NotReached { .. } => "ROUND_NOT_REACHED",
            Self::Ended { .. } => "SESSION_ENDED",
            Self::TooLarge { .. } => "ROUND_INPUT_TOO_LARGE",
        }
    }
}

/// The rounds answered so far.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RoundLog {
    last: Round,
    kept: Vec<Answered>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    round: Round,
    input: [u8; 32],
    outbound: Vec<Outbound>,
}

/// What to do with an input.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Run the round; record the answer under this hash of the input.
    New([u8; 32]),
    /// The same input as before: give the same answer.
    Repeated(Vec<Outbound>),
}

impl RoundLog {
    pub(crate) const fn new() -> Self {
        Self { last: Round(0), kept: Vec::new() }
    }

    /// The round that is due.
    pub(crate) const fn expected(&self) -> Round {
        Round(self.last.0.saturating_add(1))
    }

    /// Decides on an input of at most `max_count` messages of at most `max_len` bytes, before any work is done on it.
    pub(crate) fn admit(
        &self,
        round: Round,
        inbound: &[Vec<u8>],
        max_count: usize,
        max_len: usize,
    ) -> Result<Admission, RoundError> {
        let longest = inbound.iter().map(Vec::len).max().unwrap_or(0);
        if inbound.len() > max_count || longest > max_len {
            return Err(RoundError::TooLarge { round, count: inbound.len(), longest });
        }
        let expected = self.expected();
        let input = input_hash(inbound);
        if round > expected {
            return Err(RoundError::NotReached { round, expected });
        }
        if round == expected {
            return Ok(Admission::New(input));
        }
        match self.kept.iter().find(|answered| answered.round == round) {
            Some(answered) if answered.input == input => Ok(Admission::Repeated(answered.outbound.clone())),
            Some(_) => Err(RoundError::AlreadyConsumed { round }),
            None => Err(RoundError::Passed { round, expected }),
        }
    }

    /// Records the answer to the round that was due.
    pub(crate) fn record(&mut self, round: Round, input: [u8; 32], outbound: Vec<Outbound>) {
        if self.kept.len() >= KEPT {
            self.kept.remove(0);
        }
        self.kept.push(Answered { round, input, outbound });
        self.last = round;
    }
}

/// The same messages in another order are the same input.
fn input_hash(inbound: &[Vec<u8>]) -> [u8; 32] {
    let mut sorted: Vec<&[u8]> = inbound.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    tagged_hash("holdfast/threshold/round-input/v1", &sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(log: &RoundLog, round: u8, inbound: &[Vec<u8>]) -> Result<Admission, RoundError> {
        log.admit(Round(round), inbound, 3, 8)
    }

    fn answer(byte: u8) -> Vec<Outbound> {
        vec![Outbound { to: PartyIndex::new(2).unwrap(), bytes: vec![byte] }]
    }

    #[test]
    fn the_same_input_in_any_order_gets_the_same_answer_and_another_input_is_refused() {
        let mut log = RoundLog::new();
        let input = [vec![1], vec![2]];
        let Ok(Admission::New(hash)) = admit(&log, 1, &input) else { panic!("round 1 is due") };
        log.record(Round(1), hash, answer(9));
        let again = admit(&log, 1, &[vec![2], vec![1]]);
        assert!(matches!(again, Ok(Admission::Repeated(out)) if out == answer(9)));
        assert_eq!(
            admit(&log, 1, &[vec![1], vec![3]]).unwrap_err(),
            RoundError::AlreadyConsumed { round: Round(1) }
        );
    }

    #[test]
    fn rounds_out_of_order_and_oversized_inputs_are_refused() {
        let mut log = RoundLog::new();
        assert_eq!(
            admit(&log, 2, &[]).unwrap_err(),
            RoundError::NotReached { round: Round(2), expected: Round(1) }
        );
        for round in 1..=3 {
            log.record(Round(round), [0; 32], answer(round));
        }
        assert_eq!(
            admit(&log, 1, &[]).unwrap_err(),
            RoundError::Passed { round: Round(1), expected: Round(4) }
        );
        let too_many = vec![vec![0]; 4];
        assert_eq!(admit(&log, 4, &too_many).unwrap_err().code(), "ROUND_INPUT_TOO_LARGE");
        assert_eq!(admit(&log, 4, &[vec![0; 9]]).unwrap_err().code(), "ROUND_INPUT_TOO_LARGE");
    }
}
