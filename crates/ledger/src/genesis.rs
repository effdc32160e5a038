//! The genesis document: the first entry, signed by every officer it names, pinned by hash in every node.
//!
//! It holds the cell's identity, first roster, committee, witnesses, assets, first policy and first screening lists. Roster
//! and policy change later, by ceremony: ask [`crate::State`] for those in force.

use holdfast_log::{Entry, Envelope, EnvelopeSignature};
use holdfast_policy::{OfficerId, PolicyDocument, ScreeningList};
use sha2::{Digest as _, Sha256};

use crate::officer_key::GENESIS_NAMESPACE;
use crate::payload::{PayloadKind, parse};
use crate::roster::Roster;

mod check;
mod document;

pub use document::{
    AssetEntry, ClientEntry, CoordinatorEntry, GenesisDocument, NodeEntry, OfficerEntry, ProviderEntry,
    Quorum, ScreeningListEntry, ThresholdEntry, WitnessEntry,
};

/// A genesis document that passed every check.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// SHA-256 of the exact document bytes: what nodes pin.
    pub hash: [u8; 32],
    /// The members.
    pub document: GenesisDocument,
    /// The first roster, keys ready for use.
    pub roster: Roster,
    /// The first policy, parsed.
    pub policy: PolicyDocument,
    /// The first lists, parsed.
    pub screening: Vec<ScreeningList>,
}

/// Why a genesis entry is refused. A node that meets one does not start.
#[derive(Debug, thiserror::Error)]
#[error("genesis: {0}")]
pub struct GenesisError(String);

impl Genesis {
    /// SHA-256 of a document's exact bytes.
    pub fn hash_of(document: &[u8]) -> [u8; 32] {
        Sha256::digest(document).into()
    }

    /// Puts a document and its officers' signatures together into the log's first entry, dated as the document is.
    ///
    /// # Errors
    /// [`GenesisError`] if the document or a signature is not acceptable, or one is missing.
    pub fn assemble(document: &[u8], signatures: &[(OfficerId, Vec<u8>)]) -> Result<Entry, GenesisError> {
        let genesis = Self::from_document(document)?;
        let signatures = signatures.iter().map(|(officer, armored)| EnvelopeSignature {
            key_id: crate::payload::key_id("officer", officer.as_str()),
            signature: armored.clone(),
        });
        let envelope = Envelope {
            payload_type: PayloadKind::Genesis.payload_type(),
            payload: document.to_vec(),
            signatures: signatures.collect(),
        };
        let entry = Entry::stamp(genesis.document.created_at_ms.0, &envelope)
            .map_err(|error| GenesisError(error.to_string()))?;
        Self::from_entry(&entry)?;
        Ok(entry)
    }

    /// Checks the first entry of a log completely, every officer's signature included.
    ///
    /// # Errors
    /// [`GenesisError`] with the first thing that is wrong.
    pub fn from_entry(entry: &Entry) -> Result<Self, GenesisError> {
        let envelope = entry.envelope();
        if envelope.payload_type.as_str() != PayloadKind::Genesis.as_str() {
            return Err(GenesisError("the first entry is not a genesis document".to_owned()));
        }
        let genesis = Self::from_document(&envelope.payload)?;
        for (officer, key) in genesis.roster.officer_keys() {
            let key_id = crate::payload::key_id("officer", officer.as_str());
            let signed = envelope.signatures.iter().any(|signature| {
                signature.key_id == key_id
                    && key.verify(GENESIS_NAMESPACE, &envelope.payload, &signature.signature).is_ok()
            });
            if !signed {
                return Err(GenesisError(format!("officer `{officer}` has not signed it")));
            }
        }
        Ok(genesis)
    }

    /// Checks a document that may not be signed yet: for the tools that build one.
    ///
    /// # Errors
    /// [`GenesisError`] with the first thing that is wrong.
    pub fn from_document(bytes: &[u8]) -> Result<Self, GenesisError> {
        let document: GenesisDocument = parse(bytes).map_err(|rejection| {
            GenesisError(format!("`{}`: {}", rejection.field().unwrap_or("."), rejection.detail()))
        })?;
        check::check_versions(&document)?;
        check::check_committee(&document)?;
        check::check_witnesses(&document)?;
        check::check_assets(&document.assets)?;
        let roster = Roster::from_genesis(&document).map_err(GenesisError)?;
        check::check_quorums(&document, &roster)?;
        let policy = PolicyDocument::parse(&document.policy)
            .map_err(|error| GenesisError(format!("policy: {error}")))?;
        let lists = document.screening_lists.iter().map(check::screening_list);
        let screening = lists.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { hash: Self::hash_of(bytes), document, roster, policy, screening })
    }
}
