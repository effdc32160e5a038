//! What a session is about: the fields on which all its parties must agree, byte for byte.
//!
//! Owns their canonical encoding. It must never leave out a field that distinguishes two sessions.

use serde::{Deserialize, Serialize};

use crate::encoding::{Reader, Writer};
use crate::engine::EngineId;
use crate::party::{ClusterId, Epoch, Participants, PartyIndex, SessionId, Threshold};

/// What the session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Generates a key.
    Keygen,
    /// Makes one signature.
    Sign,
    /// Hands a key on to new shares.
    Reshare,
}

impl Purpose {
    const fn tag(self) -> u8 {
        match self {
            Self::Keygen => 1,
            Self::Sign => 2,
            Self::Reshare => 3,
        }
    }

    const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Keygen),
            2 => Some(Self::Sign),
            3 => Some(Self::Reshare),
            _ => None,
        }
    }

    /// The largest sealed message of such a session, in bytes.
    #[must_use]
    pub const fn max_message_len(self) -> usize {
        match self {
            Self::Keygen | Self::Reshare => 1024 * 1024,
            Self::Sign => 256 * 1024,
        }
    }
}

/// The agreed description of one session. It is signed in every offer and bound into every key and message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionContext {
    /// The protocol.
    pub engine: EngineId,
    /// The cell.
    pub cluster: ClusterId,
    /// Key generation, signing or resharing.
    pub purpose: Purpose,
    /// This attempt.
    pub session: SessionId,
    /// The epoch of the shares made or used.
    pub epoch: Epoch,
    /// t of n of the key.
    pub threshold: Threshold,
    /// The committee that makes or receives a key, or the signer set.
    pub participants: Participants,
    /// What permits the session: the ceremony's hash, or the authorisation with the message digest and the key.
    pub binding: [u8; 32],
}

impl SessionContext {
    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let indices: Vec<u8> = self.participants.iter().map(PartyIndex::get).collect();
        Writer::default()
            .short(self.engine.name().as_bytes())
            .short(self.cluster.as_str().as_bytes())
            .byte(self.purpose.tag())
            .raw(&self.session.0)
            .u32(self.epoch.0)
            .byte(self.threshold.t())
            .byte(self.threshold.n())
            .short(&indices)
            .raw(&self.binding)
            .finish()
    }

    /// Reads one context from the front; the error is the name of the field that is wrong.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        let text = |bytes: &[u8]| core::str::from_utf8(bytes).map(str::to_owned).ok();
        let engine =
            reader.short().and_then(text).and_then(|name| EngineId::from_name(&name)).ok_or("engine")?;
        let cluster =
            reader.short().and_then(text).and_then(|name| ClusterId::new(name).ok()).ok_or("cluster")?;
        let purpose = reader.byte().and_then(Purpose::from_tag).ok_or("purpose")?;
        let session = SessionId(reader.array().ok_or("session")?);
        let epoch = Epoch(reader.u32().ok_or("epoch")?);
        let t = reader.byte().ok_or("threshold")?;
        let n = reader.byte().ok_or("threshold")?;
        let threshold = Threshold::new(t, n).map_err(|_| "threshold")?;
        let participants = reader.short().and_then(decode_participants).ok_or("participants")?;
        let binding = reader.array().ok_or("binding")?;
        Ok(Self { engine, cluster, purpose, session, epoch, threshold, participants, binding })
    }

    /// The name of the first field in which the two differ.
    pub(super) fn first_difference(&self, other: &Self) -> Option<&'static str> {
        [
            ("engine", self.engine == other.engine),
            ("cluster", self.cluster == other.cluster),
            ("purpose", self.purpose == other.purpose),
            ("session", self.session == other.session),
            ("epoch", self.epoch == other.epoch),
            ("threshold", self.threshold == other.threshold),
            ("participants", self.participants == other.participants),
            ("binding", self.binding == other.binding),
        ]
        .into_iter()
        .find(|(_, equal)| !equal)
        .map(|(field, _)| field)
    }
}

/// Only the sorted, distinct form is an encoding.
fn decode_participants(indices: &[u8]) -> Option<Participants> {
    let parties = indices.iter().map(|index| PartyIndex::new(*index)).collect::<Result<Vec<_>, _>>().ok()?;
    let participants = Participants::new(parties.iter().copied()).ok()?;
    participants.iter().eq(parties).then_some(participants)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> SessionContext {
        let threshold = Threshold::new(2, 3).unwrap();
        SessionContext {
            engine: EngineId::Dkls23EcdsaSecp256k1V06,
            cluster: ClusterId::new("demo").unwrap(),
            purpose: Purpose::Sign,
            session: SessionId([7; 32]),
            epoch: Epoch(1),
            threshold,
            participants: Participants::new([1, 3].map(|i| PartyIndex::new(i).unwrap())).unwrap(),
            binding: [9; 32],
        }
    }

    #[test]
    fn the_encoding_round_trips() {
        let bytes = context().encode();
        let mut reader = Reader::new(&bytes);
        assert_eq!(SessionContext::decode(&mut reader), Ok(context()));
        assert_eq!(reader.finish(), Some(()));
    }

    #[test]
    fn unsorted_participants_are_not_an_encoding() {
        assert!(decode_participants(&[1, 3]).is_some());
        assert!(decode_participants(&[3, 1]).is_none());
        assert!(decode_participants(&[1, 1]).is_none());
        assert!(decode_participants(&[0]).is_none());
    }

    #[test]
    fn every_field_that_differs_is_named() {
        let mine = context();
        let changed = [
            ("cluster", SessionContext { cluster: ClusterId::new("other").unwrap(), ..mine.clone() }),
            ("purpose", SessionContext { purpose: Purpose::Keygen, ..mine.clone() }),
            ("session", SessionContext { session: SessionId([8; 32]), ..mine.clone() }),
            ("epoch", SessionContext { epoch: Epoch(2), ..mine.clone() }),
            ("threshold", SessionContext { threshold: Threshold::new(2, 2).unwrap(), ..mine.clone() }),
            ("participants", SessionContext { participants: mine.threshold.committee(), ..mine.clone() }),
            ("binding", SessionContext { binding: [0; 32], ..mine.clone() }),
        ];
        for (field, other) in changed {
            assert_eq!(mine.first_difference(&other), Some(field));
            assert_ne!(mine.encode(), other.encode(), "{field}");
        }
        assert_eq!(mine.first_difference(&context()), None);
    }
}
