//! The log's formats: envelopes, entries, the Merkle tree, checkpoints, cosignatures, proofs and tiles.
//!
//! Owns bytes and their verification, in formats that other people's tools read: DSSE, RFC 6962 and C2SP
//! (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature v1, tlog-proof v1). It never reads a clock, a
//! file or a socket, never decides what an entry means, and never looks up whose key a `keyid` names: times,
//! keys and storage come in as arguments.
//!
//! The path of a statement through this crate: [`Envelope`] (signed by the party it speaks for) →
//! [`Entry::stamp`] (given its time by the sequencer) → [`RightEdge`] or [`MemoryTree`] (hashed) →
//! [`LogSigner::sign`] (checkpointed) → [`Cosigner::cosign`] (witnessed) → [`TlogProof`] (handed out) →
//! [`export_files`] and [`read_export`] (audited).

pub mod checkpoint;
mod encoding;
pub mod entry;
pub mod envelope;
pub mod hash;
pub mod note_key;
pub mod proof;
pub mod tiles;
pub mod tree;

pub use checkpoint::{
    Checkpoint, CheckpointError, Cosignature, CosignatureVerifier, Cosigner, LogSigner, LogVerifier, Origin,
    SignedCheckpoint, VerifiedCosignature,
};
pub use entry::{Entry, EntryError, MAX_ENTRY_BYTES};
pub use envelope::{Envelope, EnvelopeError, EnvelopeSignature, PayloadType, pae};
pub use hash::{Hash, HashError};
pub use note_key::{KeyName, NoteKeyError};
pub use proof::{ProofError, TlogProof, VerifiedInclusion};
pub use tiles::{
    ExportError, ExportFile, TileError, TilePath, export_files, parse_entry_bundle, read_export, visit_export,
};
pub use tree::{MemoryTree, RightEdge, StoredHashes, TreeError};
