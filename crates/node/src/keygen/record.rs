//! What is stored of an attempt in the clear, version 1: which session, how many before it, its offer, its result.
//!
//! Owns the layout. It must never hold a secret: the machine's state is sealed in a table of its own.

use holdfast_ledger::CeremonyId;
use holdfast_store::Batch;
use holdfast_threshold::SessionId;
use serde::{Deserialize, Serialize};

use super::refusal::KeygenRefusal;
use crate::tables::KEYGENS;

const FORMAT: u32 = 1;

/// The newest attempt of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeygenRecord {
    format: u32,
    #[serde(with = "hex::serde")]
    session: [u8; 32],
    /// Counted from 1.
    pub(super) attempts: u32,
    #[serde(with = "hex::serde")]
    offer: Vec<u8>,
    pub(super) stage: Stage,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Its machine is stored sealed.
    Running,
    /// It was ended; the next attempt needs another session.
    Aborted,
    /// The signed confirmation, as JSON, and the round that it answers.
    Confirmed {
        #[serde(default = "last_round_v1", skip_serializing_if = "is_last_round_v1")]
        last_round: u8,
        confirmation: String,
    },
}

/// The last round of the engine that there was when records did not name it.
const fn last_round_v1() -> u8 {
    5
}

const fn is_last_round_v1(round: &u8) -> bool {
    *round == last_round_v1()
}

impl KeygenRecord {
    pub(super) fn new(session: SessionId, attempts: u32, offer: &[u8]) -> Self {
        Self { format: FORMAT, session: session.0, attempts, offer: offer.to_vec(), stage: Stage::Running }
    }

    /// The same attempt, that far.
    pub(super) fn at(&self, stage: Stage) -> Self {
        Self { stage, ..self.clone() }
    }

    /// Whether this is the attempt of a session that was not aborted.
    pub(super) fn is_of(&self, session: SessionId) -> bool {
        self.session == session.0 && self.stage != Stage::Aborted
    }

    pub(super) fn offer(&self) -> Vec<u8> {
        self.offer.clone()
    }

    pub(super) fn put(&self, batch: Batch, ceremony: &CeremonyId) -> Result<Batch, KeygenRefusal> {
        let bytes = serde_json::to_vec(self).map_err(|_| KeygenRefusal::Unreadable)?;
        Ok(batch.put(KEYGENS, ceremony.to_string(), bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.format == FORMAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored form of version 1: later versions must still read it.
    #[test]
    fn keygen_record_of_version_1_reads() {
        let session = "07".repeat(32);
        let running =
            format!(r#"{{"format":1,"session":"{session}","attempts":2,"offer":"0102","stage":"running"}}"#);
        let record = KeygenRecord::from_bytes(running.as_bytes()).unwrap();
        assert!(record.is_of(SessionId([7; 32])) && !record.is_of(SessionId([8; 32])));
        assert_eq!(serde_json::to_string(&record).unwrap(), running);
        let confirmed = running.replace("\"running\"", r#"{"confirmed":{"confirmation":"{}"}}"#);
        let record = KeygenRecord::from_bytes(confirmed.as_bytes()).unwrap();
        assert_eq!(record.stage, Stage::Confirmed { last_round: 5, confirmation: "{}".to_owned() });
        assert_eq!(serde_json::to_string(&record).unwrap(), confirmed);
        let longer = record.at(Stage::Confirmed { last_round: 6, confirmation: "{}".to_owned() });
        let bytes = serde_json::to_vec(&longer).unwrap();
        assert_eq!(KeygenRecord::from_bytes(&bytes), Some(longer));
    }
}
