//! The log entry: an envelope and the time that the sequencer gave it, as the exact bytes that are hashed.
//!
//! Owns the leaf's bytes. Never re-encodes them: what was received is what is stored, hashed and exported.

use thiserror::Error;

use crate::envelope::{EntryWire, Envelope, EnvelopeError, parse_object, render};
use crate::hash::Hash;

/// Largest entry in bytes: what the two length bytes of a C2SP entry bundle can say.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// Latest time an entry can have: the last millisecond of the year 9999, so that every time prints.
pub const MAX_TIME_MS: u64 = 253_402_300_799_999;

/// A leaf of the log. The time and the envelope are read from the bytes and cannot differ from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    envelope: Envelope,
    time_ms: u64,
    bytes: Vec<u8>,
    leaf_hash: Hash,
}

/// Why bytes are not an entry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Longer than [`MAX_ENTRY_BYTES`].
    #[error(
        "the entry has {size} bytes, at most {MAX_ENTRY_BYTES} are accepted: refer to large objects by hash"
    )]
    TooLarge {
        /// Bytes received.
        size: usize,
    },
    /// Not one JSON object with an envelope's members and `time_ms`.
    #[error(
        "the entry must be one JSON object with exactly the members `time_ms`, `payloadType`, `payload` and `signatures`"
    )]
    Malformed {
        /// What the JSON parser found.
        #[source]
        source: serde_json::Error,
    },
    /// Later than [`MAX_TIME_MS`].
    #[error("`time_ms` is {time_ms}, at most {MAX_TIME_MS} is accepted")]
    TimeOutOfRange {
        /// The time received.
        time_ms: u64,
    },
    /// The envelope's members break an envelope's rule.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl Entry {
    /// Reads an entry as strictly as [`Envelope::parse`] reads an envelope, and keeps its bytes as they are.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::from_bytes(bytes.to_vec())
    }

    /// Gives an envelope its time. The result is what [`Entry::parse`] accepts.
    pub fn stamp(time_ms: u64, envelope: &Envelope) -> Result<Self, EntryError> {
        envelope.check()?;
        Self::from_bytes(render(Some(time_ms), envelope).into_bytes())
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLarge { size: bytes.len() });
        }
        let EntryWire { time_ms, body } =
            parse_object(&bytes).map_err(|source| EntryError::Malformed { source })?;
        if time_ms > MAX_TIME_MS {
            return Err(EntryError::TimeOutOfRange { time_ms });
        }
        let envelope = body.decode()?;
        let leaf_hash = Hash::leaf(&bytes);
        Ok(Self { envelope, time_ms, bytes, leaf_hash })
    }

    /// What was signed, and by whom it claims to be signed.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The sequencer's time in milliseconds since the Unix epoch.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The exact bytes that are stored and hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The exact bytes, by value.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The RFC 6962 leaf hash of the exact bytes.
    // INVARIANT: the hash covers time, type, payload and signatures as received, so that replaying the
    // committed bytes gives every replica the same state (G7, G10).
    pub fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }
}

impl EntryError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "ENTRY_TOO_LARGE",
            Self::Malformed { .. } => "ENTRY_MALFORMED",
            Self::TimeOutOfRange { .. } => "ENTRY_TIME_OUT_OF_RANGE",
            Self::Envelope(error) => error.code(),
        }
    }
}

impl AsRef<[u8]> for Entry {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::PayloadType;
    use ed25519_dalek::SigningKey;

    const TIME_MS: u64 = 1_763_700_000_000;

    fn envelope(payload: Vec<u8>) -> Envelope {
        let key = SigningKey::from_bytes(&[1; 32]);
        Envelope::sign_ed25519(PayloadType::new("a/b").unwrap(), payload, "client:a", &key).unwrap()
    }

    fn code_of(json: &str) -> &'static str {
        Entry::parse(json.as_bytes()).unwrap_err().code()
    }

    fn json() -> String {
        String::from_utf8(Entry::stamp(TIME_MS, &envelope(b"{}".to_vec())).unwrap().into_bytes()).unwrap()
    }

    #[test]
    fn stamped_envelope_is_an_entry_with_its_time() {
        let envelope = envelope(b"{}".to_vec());
        let entry = Entry::stamp(TIME_MS, &envelope).unwrap();
        assert_eq!((entry.time_ms(), entry.envelope()), (TIME_MS, &envelope));
        assert_eq!(Entry::parse(entry.bytes()).unwrap(), entry);
        assert!(json().starts_with(r#"{"time_ms":1763700000000,"payloadType":"a/b","payload":"e30=","signatures":[{"keyid":"client:a","sig":""#));
    }

    #[test]
    fn entry_and_envelope_are_not_taken_for_each_other() {
        let envelope = envelope(b"{}".to_vec());
        assert_eq!(Entry::parse(&envelope.to_json()).unwrap_err().code(), "ENTRY_MALFORMED");
        assert_eq!(Envelope::parse(json().as_bytes()).unwrap_err().code(), "ENVELOPE_MALFORMED");
    }

    #[test]
    fn bytes_are_kept_and_hashed_as_received() {
        let spaced = json().replacen(',', " ,\n", 1);
        let entry = Entry::parse(spaced.as_bytes()).unwrap();
        assert_eq!(entry.bytes(), spaced.as_bytes());
        assert_eq!(entry.leaf_hash(), Hash::leaf(spaced.as_bytes()));
        assert_ne!(entry.leaf_hash(), Hash::leaf(json().as_bytes()));
    }

    #[test]
    fn times_that_are_no_plain_number_are_refused() {
        for time in ["-1", "1.0", "1e3", "\"1\"", "null", "18446744073709551616", "01", "1,\"time_ms\":1"] {
            let broken = json().replace("1763700000000", time);
            assert_eq!(code_of(&broken), "ENTRY_MALFORMED", "{time}");
        }
        assert_eq!(code_of(&json().replace("1763700000000", "253402300800000")), "ENTRY_TIME_OUT_OF_RANGE");
        assert!(Entry::stamp(MAX_TIME_MS, &envelope(b"{}".to_vec())).is_ok());
        let late = Entry::stamp(MAX_TIME_MS + 1, &envelope(b"{}".to_vec()));
        assert_eq!(late.unwrap_err().code(), "ENTRY_TIME_OUT_OF_RANGE");
    }

    #[test]
    fn broken_envelope_members_keep_their_own_code() {
        assert_eq!(code_of(&json().replace("\"e30=\"", "\"e30\"")), "ENVELOPE_FIELD_INVALID");
        assert_eq!(code_of(&json().replace("\"e30=\"", "\"\"")), "ENVELOPE_FIELD_INVALID");
        assert_eq!(code_of(&format!("{}]", json())), "ENTRY_MALFORMED");
    }

    #[test]
    fn entry_of_exactly_the_limit_is_accepted_and_one_byte_more_refused() {
        let padding = MAX_ENTRY_BYTES - json().len();
        let largest = format!("{}{}", json(), " ".repeat(padding));
        assert_eq!(Entry::parse(largest.as_bytes()).unwrap().bytes().len(), MAX_ENTRY_BYTES);
        assert_eq!(code_of(&format!("{largest} ")), "ENTRY_TOO_LARGE");
        let stamped = Entry::stamp(TIME_MS, &envelope(vec![7; 50_000]));
        assert_eq!(stamped.unwrap_err().code(), "ENTRY_TOO_LARGE");
    }

    #[test]
    fn invalid_envelope_cannot_be_stamped() {
        let mut unsigned = envelope(b"{}".to_vec());
        unsigned.signatures.clear();
        assert_eq!(Entry::stamp(TIME_MS, &unsigned).unwrap_err().code(), "ENVELOPE_FIELD_INVALID");
    }
}
