//! Updates of screening lists: what an update is, and the addresses in parts that fit entries. They mean nothing until officers
//! approve the hashes in a ceremony.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast_chains::Address;
use holdfast_policy::{ClusterId, DeltaHash, ListHash, ListId, ScreeningDelta};
use serde::{Deserialize, Serialize};

use crate::rejection::{Rejection, RejectionCode};

/// Most addresses of one part: an entry has 65,535 bytes, and an address of another chain takes up to 131 of them.
pub const PART_ADDRESSES: usize = 1_500;
/// Most bytes of addresses of other chains in one part, quotes and commas included.
const PART_TEXT_BYTES: usize = 44_000;
const ADDRESS_BYTES: usize = 20;

/// An update of a screening list that officers may put in force: which list, which version it is based on, and what comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningUpdate {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The list; a new name is a new list.
    pub list: ListId,
    /// Who published it.
    pub source: String,
    /// The day it was published, `YYYY-MM-DD`.
    pub as_of: String,
    /// The version in force that it is based on; 0 for a new list.
    pub version: u64,
    /// SHA-256 of that version; none for a new list.
    pub replaces: Option<ListHash>,
    /// SHA-256 of the version that comes out.
    pub result: ListHash,
    /// SHA-256 over the addresses that come and go.
    pub delta: DeltaHash,
    /// How many come.
    pub added: u64,
    /// How many go.
    pub removed: u64,
    /// How many `screening-part` entries carry them.
    pub parts: u32,
}

/// Some of the addresses of an update, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningPart {
    /// The cell this is meant for.
    pub cluster: ClusterId,
    /// The update it belongs to.
    pub delta: DeltaHash,
    /// Which part it is, from 0.
    pub part: u32,
    /// Ethereum addresses that come, 20 bytes each, base64.
    pub added: String,
    /// Ethereum addresses that go.
    pub removed: String,
    /// Addresses of other chains that come.
    pub other_added: Vec<String>,
    /// Addresses of other chains that go.
    pub other_removed: Vec<String>,
}

impl ScreeningPart {
    /// The parts of an update, each of which fits an entry.
    pub fn all(cluster: &ClusterId, delta: &ScreeningDelta) -> Vec<Self> {
        let hash = delta.hash();
        let parts = delta.split(PART_ADDRESSES).into_iter().flat_map(|part| {
            let text: usize =
                part.other_added.iter().chain(&part.other_removed).map(|a| a.len().saturating_add(3)).sum();
            // Some chains have long addresses: 300 of any fit.
            if text > PART_TEXT_BYTES { part.split(PART_ADDRESSES / 5) } else { vec![part] }
        });
        let numbered = (0..).zip(parts);
        numbered
            .map(|(part, content)| Self {
                cluster: cluster.clone(),
                delta: hash,
                part,
                added: packed(&content.added),
                removed: packed(&content.removed),
                other_added: content.other_added,
                other_removed: content.other_removed,
            })
            .collect()
    }

    /// The addresses.
    ///
    /// # Errors
    /// A [`Rejection`] if they are not in their one form.
    pub fn content(&self) -> Result<ScreeningDelta, Rejection> {
        let content = ScreeningDelta {
            added: unpacked("added", &self.added)?,
            removed: unpacked("removed", &self.removed)?,
            other_added: self.other_added.clone(),
            other_removed: self.other_removed.clone(),
        };
        let refuse =
            |detail: String| Rejection::new(RejectionCode::ScreeningUpdateInvalid, detail).with_field("part");
        if content.is_empty() {
            return Err(refuse("the part holds no address".to_owned()));
        }
        content.check().map_err(|error| refuse(error.to_string()))?;
        Ok(content)
    }
}

fn packed(addresses: &[Address]) -> String {
    let bytes: Vec<u8> = addresses.iter().flat_map(|address| *address.as_bytes()).collect();
    STANDARD.encode(bytes)
}

fn unpacked(field: &str, text: &str) -> Result<Vec<Address>, Rejection> {
    let refuse = || {
        Rejection::new(RejectionCode::FieldInvalid, "must be base64 of 20 bytes for each address")
            .with_field(field)
    };
    let bytes = STANDARD.decode(text).map_err(|_| refuse())?;
    let (addresses, rest) = bytes.as_chunks::<ADDRESS_BYTES>();
    if !rest.is_empty() {
        return Err(refuse());
    }
    Ok(addresses.iter().copied().map(Address::from_bytes).collect())
}
