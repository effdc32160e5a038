//! The durable record of the tip: size, root and newest cosignature, in one record beside the entries.
//!
//! Owns the stored form, version 1. Its root is only ever compared with a computed one, never believed.

use holdfast_log::Hash;
use holdfast_store::Batch;
use serde::{Deserialize, Serialize};

use super::refusal::ExtendRefusal;
use crate::tables::{NODE, TIP};

const FORMAT: u32 = 1;

/// Where the replica ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TipRecord {
    format: u32,
    /// Entries held.
    pub(crate) size: u64,
    /// Root of their tree.
    pub(crate) root: Hash,
    /// The cosignature of this tip as a line of a signed note, if this node may cosign.
    pub(crate) cosignature: Option<String>,
    /// The time of the newest cosignature ever, in seconds since the Unix epoch, 0 if there is none.
    pub(crate) cosigned_at_s: u64,
}

impl TipRecord {
    pub(super) fn new(size: u64, root: Hash, cosignature: Option<String>, cosigned_at_s: u64) -> Self {
        Self { format: FORMAT, size, root, cosignature, cosigned_at_s }
    }

    /// A tip that was never cosigned.
    pub(super) fn first(size: u64, root: Hash) -> Self {
        Self { format: FORMAT, size, root, cosignature: None, cosigned_at_s: 0 }
    }

    /// Adds to a batch that this record takes the place of exactly `old`.
    // INVARIANT (G7): the tip moves only from the tip that was read, so it never goes back.
    pub(super) fn replacing(&self, batch: Batch, old: &TipRecord) -> Result<Batch, ExtendRefusal> {
        Ok(batch.expect_equals(NODE, TIP, old.to_bytes()?).put(NODE, TIP, self.to_bytes()?))
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, ExtendRefusal> {
        serde_json::to_vec(self).map_err(|_| ExtendRefusal::Lost)
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
    fn tip_of_version_1_reads_and_other_versions_do_not() {
        let json = format!(
            r#"{{"format":1,"size":7,"root":"{}","cosignature":null,"cosigned_at_s":0}}"#,
            "ab".repeat(32)
        );
        let tip = TipRecord::from_bytes(json.as_bytes()).unwrap();
        assert_eq!((tip.size, tip.to_bytes().unwrap()), (7, json.clone().into_bytes()));
        assert_eq!(TipRecord::from_bytes(json.replace("\"format\":1", "\"format\":2").as_bytes()), None);
        assert_eq!(TipRecord::from_bytes(b""), None);
    }
}
