//! Sessions between nodes as the coordinator sees them: an id, and sealed messages that it carries and cannot read.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_ledger::CeremonyId;
use holdfast_proto::convert::{FieldError, RoutedMessage};
use holdfast_proto::limits::SESSION_ROUNDS;
use rand::RngCore;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

const KEYGEN_DOMAIN: &[u8] = b"holdfast/keygen-session/v1";

/// Id of a session, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    /// A new one, for a signing attempt: never used before, on any node.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The one of a ceremony's key generation, the same after every restart; each further attempt has its own.
    pub(crate) fn of_ceremony(ceremony: &CeremonyId, attempt: u32) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(KEYGEN_DOMAIN);
        hasher.update(ceremony.to_string());
        if attempt > 0 {
            hasher.update(format!("/{attempt}"));
        }
        Self(hasher.finalize().into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// How many rounds a session has: its engine's affair, and so the nodes' to say. The answer to the last one is the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounds(u32);

impl Rounds {
    /// Of a key generation with nodes that do not say: they had one engine.
    pub(crate) const KEYGEN_UNSAID: Self = Self(5);
    /// Of an attempt to sign with nodes that do not say.
    pub(crate) const SIGN_UNSAID: Self = Self(4);

    /// What a node says, bounded; `unsaid` if it does not.
    pub(crate) fn said(rounds: u32, unsaid: Self) -> Result<Self, FieldError> {
        match rounds {
            0 => Ok(unsaid),
            // The offers are one round's, and what is made of them another's.
            2..=SESSION_ROUNDS => Ok(Self(rounds)),
            _ => Err(FieldError::new("rounds", format!("must be from 2 to {SESSION_ROUNDS}"))),
        }
    }

    /// What all say; `None` if they do not say the same.
    pub(crate) fn agreed(said: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut said = said.into_iter();
        let first = said.next()?;
        said.all(|other| other == first).then_some(first)
    }

    /// The round whose answer is the result.
    pub(crate) const fn last(self) -> u32 {
        self.0
    }

    /// The rounds before the last, in their order.
    pub(crate) fn before_last(self) -> std::ops::Range<u32> {
        1..self.0
    }
}

/// What a node opened a session with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Its signed offer, for all parties.
    pub(crate) offer: Vec<u8>,
    /// How many rounds the session has by its account.
    pub(crate) rounds: Rounds,
}

/// What each party sent in a round, by party.
pub(crate) type Sent = BTreeMap<u8, Vec<RoutedMessage>>;
/// What each party receives in the next round, by party, in the order of the senders.
pub(crate) type Received = BTreeMap<u8, Vec<Vec<u8>>>;

/// A party that did not send exactly one message to each other party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("party {party} did not send exactly one message to each other party")]
pub(crate) struct Misrouted {
    pub(crate) party: u8,
}

/// Hands the messages of a round to those they are for.
///
/// # Errors
/// [`Misrouted`] names the first party whose messages are not one for each other party of `sent`.
pub(crate) fn route(sent: &Sent) -> Result<Received, Misrouted> {
    let mut received: Received = sent.keys().map(|party| (*party, Vec::new())).collect();
    for (sender, messages) in sent {
        let mut receivers: Vec<u8> = messages.iter().map(|message| message.to_party).collect();
        receivers.sort_unstable();
        if !receivers.iter().eq(sent.keys().filter(|party| *party != sender)) {
            return Err(Misrouted { party: *sender });
        }
        for message in messages {
            if let Some(inbox) = received.get_mut(&message.to_party) {
                inbox.push(message.message.clone());
            }
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(to_party: u8, byte: u8) -> RoutedMessage {
        RoutedMessage { to_party, message: vec![byte] }
    }

    #[test]
    fn number_of_rounds_is_bounded_and_one_for_all() {
        let unsaid = Rounds::SIGN_UNSAID;
        assert_eq!(Rounds::said(0, unsaid), Ok(unsaid));
        assert_eq!(Rounds::said(8, unsaid).map(Rounds::last), Ok(8));
        for wrong in [1, 17, u32::MAX] {
            assert_eq!(Rounds::said(wrong, unsaid).unwrap_err().field, "rounds", "{wrong}");
        }
        assert_eq!(Rounds::agreed([Rounds(8), Rounds(8)]), Some(Rounds(8)));
        assert_eq!(Rounds::agreed([Rounds(8), Rounds(8), unsaid]), None);
        assert_eq!(Rounds::agreed([]), None);
    }

    #[test]
    fn messages_arrive_in_the_order_of_their_senders() {
        let sent = Sent::from([
            (1, vec![message(3, 13), message(2, 12)]),
            (2, vec![message(1, 21), message(3, 23)]),
            (3, vec![message(1, 31), message(2, 32)]),
        ]);
        let received = route(&sent).unwrap();
        assert_eq!(received[&1], [[21], [31]]);
        assert_eq!(received[&2], [[12], [32]]);
        assert_eq!(received[&3], [[13], [23]]);
    }

    #[test]
    fn party_that_sends_too_few_too_many_or_to_itself_or_a_stranger_is_named() {
        let honest = vec![message(1, 1)];
        for faulty in [
            vec![],
            vec![message(2, 1), message(2, 2)],
            vec![message(1, 1)],
            vec![message(3, 1)],
            vec![message(2, 1), message(1, 1)],
        ] {
            let sent = Sent::from([(1, faulty), (2, honest.clone())]);
            assert_eq!(route(&sent), Err(Misrouted { party: 1 }));
        }
    }

    #[test]
    fn ceremony_keeps_its_session_and_every_attempt_has_its_own() {
        let ceremony: CeremonyId = format!("c-{}", "ab".repeat(16)).parse().unwrap();
        let first = SessionId::of_ceremony(&ceremony, 0);
        let expected = Sha256::digest([KEYGEN_DOMAIN, ceremony.to_string().as_bytes()].concat());
        assert_eq!(first.as_bytes().as_slice(), expected.as_slice());
        assert_eq!(first, SessionId::of_ceremony(&ceremony, 0));
        assert_ne!(first, SessionId::of_ceremony(&ceremony, 1));
        assert_ne!(SessionId::random(), SessionId::random());
    }
}
