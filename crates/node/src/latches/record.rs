//! The stored form of a delivered statement, version 1: envelope and receipt exactly as they were sent.
//!
//! Owns the layout only.

use holdfast_ledger::{LatchScope, StatementDigest};
use holdfast_log::Envelope;
use holdfast_policy::{OfficerId, TimestampMs};
use serde::{Deserialize, Serialize};

use super::{DeliverRefusal, Delivered, Subject};

const FORMAT: u32 = 1;

/// A delivered statement with everything about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatementRecord {
    format: u32,
    digest: String,
    scope: LatchScope,
    officer: OfficerId,
    received_at_ms: TimestampMs,
    /// The envelope as JSON.
    pub(crate) envelope: String,
    /// The receipt's envelope as JSON.
    pub(crate) receipt: String,
    /// Whether the log's rules have taken over.
    pub(crate) lifted: bool,
}

impl StatementRecord {
    pub(super) fn new(delivered: &Delivered, envelope: &Envelope, receipt: &Envelope) -> Self {
        // Envelopes are JSON in UTF-8.
        let text = |envelope: &Envelope| String::from_utf8_lossy(&envelope.to_json()).into_owned();
        Self {
            format: FORMAT,
            digest: delivered.digest.to_string(),
            scope: delivered.scope(),
            officer: delivered.officer.clone(),
            received_at_ms: delivered.since,
            envelope: text(envelope),
            receipt: text(receipt),
            lifted: delivered.lifted,
        }
    }

    /// The same statement, with or without the log's rules having taken over.
    pub(super) fn with_lifted(self, lifted: bool) -> Self {
        Self { lifted, ..self }
    }

    pub(crate) fn delivered(&self) -> Option<Delivered> {
        let envelope = Envelope::parse(self.envelope.as_bytes());
        let text = envelope.map(|envelope| String::from_utf8_lossy(&envelope.payload).into_owned());
        Some(Delivered {
            digest: self.digest.parse::<StatementDigest>().ok()?,
            subject: Subject::of_record(&self.scope, &text.unwrap_or_default()),
            officer: self.officer.clone(),
            since: self.received_at_ms,
            lifted: self.lifted,
        })
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, DeliverRefusal> {
        serde_json::to_vec(self).map_err(|_| DeliverRefusal::Unreadable)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.format == FORMAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored form of version 1: later versions must still read it.
    #[test]
    fn statement_of_version_1_reads() {
        let json = format!(
            r#"{{"format":1,"digest":"{}","scope":{{"scope":"wallet","id":"hot-1"}},"officer":"alice","received_at_ms":5,"envelope":"{{}}","receipt":"{{}}","lifted":false}}"#,
            "ab".repeat(32)
        );
        let record = StatementRecord::from_bytes(json.as_bytes()).unwrap();
        assert_eq!(record.to_bytes().unwrap(), json.clone().into_bytes());
        let delivered = record.delivered().unwrap();
        assert_eq!(
            (delivered.officer.as_str(), delivered.since, delivered.lifted),
            ("alice", TimestampMs(5), false)
        );
        assert_eq!(
            StatementRecord::from_bytes(json.replace("\"format\":1", "\"format\":9").as_bytes()),
            None
        );
    }
}
