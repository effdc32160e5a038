//! The portable proof (C2SP tlog-proof v1): an entry's position, its inclusion proof, and a cosigned checkpoint.
//!
//! Verifiable offline from the entry and published keys alone. Never trusts its own `extra` line, which nothing
//! signs.

use thiserror::Error;

use crate::checkpoint::{
    Checkpoint, CheckpointError, CosignatureVerifier, LogVerifier, MAX_SIGNED_CHECKPOINT_BYTES,
    SignedCheckpoint, VerifiedCosignature,
};
use crate::encoding;
use crate::hash::Hash;
use crate::tree::{MAX_PROOF_HASHES, TreeError, verify_inclusion};

/// Largest `extra` data in bytes.
pub const MAX_EXTRA_BYTES: usize = 16_384;
/// Largest proof in bytes.
pub const MAX_TLOG_PROOF_BYTES: usize = MAX_SIGNED_CHECKPOINT_BYTES + 32_768;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that the log holds some entry. A claim until [`TlogProof::verify`].
#[derive(Debug, Clone, PartialEq)]
pub struct TlogProof {
    /// The entry's position.
    pub index: u64,
    /// Sibling hashes, from the leaf upwards.
    pub inclusion: Vec<Hash>,
    /// The checkpoint that the inclusion proof leads to.
    pub checkpoint: SignedCheckpoint,
    /// Data beside the proof that nothing authenticates.
    pub extra: Option<Vec<u8>>,
}

/// What a verified proof shows. Only verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedInclusion {
    /// The entry's position.
    pub index: u64,
    /// The log's signed statement that includes the entry.
    pub checkpoint: Checkpoint,
    /// Who cosigned that statement, and when.
    pub cosignatures: Vec<VerifiedCosignature>,
}

/// Why a proof was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Longer than [`MAX_TLOG_PROOF_BYTES`].
    #[error("the proof has {size} bytes, at most {MAX_TLOG_PROOF_BYTES} are accepted")]
    TooLarge {
        /// Bytes received.
        size: usize,
    },
    /// Not in the form of c2sp.org/tlog-proof@v1.
    #[error("the proof is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The checkpoint, its signature or a cosignature was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The inclusion proof does not hold.
    #[error(transparent)]
    Inclusion(#[from] TreeError),
    /// Too few of the known cosigners cosigned.
    #[error("{found} known cosigners signed the checkpoint, {required} are required: wait for more of them")]
    CosignaturesMissing {
        /// Distinct known cosigners found.
        found: usize,
        /// Cosigners required.
        required: usize,
    },
}

impl TlogProof {
    /// A proof without `extra` data.
    pub fn new(index: u64, inclusion: Vec<Hash>, checkpoint: SignedCheckpoint) -> Self {
        Self { index, inclusion, checkpoint, extra: None }
    }

    /// Reads a proof in its one canonical form. Verifies nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MAX_TLOG_PROOF_BYTES {
            return Err(ProofError::TooLarge { size: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(malformed("an empty line must precede the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line must be `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(parse_extra(line)?),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(encoding::from_decimal)
            .ok_or(malformed("the line `index <decimal>` is missing or not canonical"))?;
        let inclusion = lines
            .take(MAX_PROOF_HASHES.saturating_add(1))
            .map(Hash::from_base64)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| malformed("a proof line is not the base64 of 32 bytes"))?;
        if inclusion.len() > MAX_PROOF_HASHES {
            return Err(malformed("it holds more hashes than any tree needs"));
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Ok(Self { index, inclusion, checkpoint, extra })
    }

    /// The proof's text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            text.push_str(&format!("extra {}\n", encoding::to_base64(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.inclusion {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        [text.into_bytes(), self.checkpoint.to_bytes()].concat()
    }

    /// Checks that the log of `log` holds the entry with `leaf_hash`, and that at least `min_cosignatures` of the
    /// distinct `cosigners` cosigned the checkpoint that shows it.
    // INVARIANT: log signature, cosignatures and inclusion are checked against one and the same checkpoint (G7).
    pub fn verify(
        &self,
        leaf_hash: Hash,
        log: &LogVerifier,
        cosigners: &[CosignatureVerifier],
        min_cosignatures: usize,
    ) -> Result<VerifiedInclusion, ProofError> {
        let checkpoint = self.checkpoint.verify(log)?;
        let cosignatures = self.checkpoint.cosignatures(cosigners)?;
        if cosignatures.len() < min_cosignatures {
            return Err(ProofError::CosignaturesMissing {
                found: cosignatures.len(),
                required: min_cosignatures,
            });
        }
        verify_inclusion(leaf_hash, self.index, checkpoint.size, checkpoint.root, &self.inclusion)?;
        Ok(VerifiedInclusion { index: self.index, checkpoint, cosignatures })
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, ProofError> {
    let extra = line
        .strip_prefix("extra ")
        .and_then(encoding::from_base64)
        .ok_or(malformed("the extra line is not canonical base64"))?;
    if extra.is_empty() || extra.len() > MAX_EXTRA_BYTES {
        return Err(malformed("the extra line must hold 1 to 16384 bytes"));
    }
    Ok(extra)
}

fn malformed(problem: &'static str) -> ProofError {
    ProofError::Malformed { problem }
}

impl ProofError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "PROOF_TOO_LARGE",
            Self::Malformed { .. } => "PROOF_MALFORMED",
            Self::Checkpoint(error) => error.code(),
            Self::Inclusion(error) => error.code(),
            Self::CosignaturesMissing { .. } => "COSIGNATURES_MISSING",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Cosigner, LogSigner, Origin};
    use crate::note_key::KeyName;
    use crate::tree::MemoryTree;
    use ed25519_dalek::SigningKey;

    const TIME_S: u64 = 1_763_700_000;

    fn leaf(index: u64) -> Hash {
        Hash::leaf(&index.to_be_bytes())
    }

    fn log() -> LogSigner {
        LogSigner::new(Origin::of_cluster("east").unwrap(), SigningKey::from_bytes(&[1; 32]))
    }

    fn node(number: u8) -> Cosigner {
        let name = KeyName::of_node("east", &format!("node-{number}")).unwrap();
        Cosigner::new(name, SigningKey::from_bytes(&[number; 32]))
    }

    fn proof_of(index: u64, size: u64) -> TlogProof {
        let tree = MemoryTree::from_leaf_hashes((0..size).map(leaf)).unwrap();
        let root = tree.root().unwrap();
        let checkpoint = Checkpoint { origin: Origin::of_cluster("east").unwrap(), size, root };
        let signed = [2, 3].iter().fold(log().sign(&checkpoint).unwrap(), |signed, number| {
            signed.with_cosignature(&node(*number).cosign(&checkpoint, TIME_S).unwrap()).unwrap()
        });
        TlogProof::new(index, tree.inclusion_proof(index, size).unwrap(), signed)
    }

    fn cosigners() -> Vec<CosignatureVerifier> {
        vec![node(2).verifier(), node(3).verifier(), node(4).verifier()]
    }

    fn code(proof: &TlogProof, leaf_hash: Hash, min_cosignatures: usize) -> &'static str {
        proof.verify(leaf_hash, &log().verifier(), &cosigners(), min_cosignatures).unwrap_err().code()
    }

    #[test]
    fn proof_round_trips_and_verifies_from_published_keys() {
        for (index, size) in [(0, 1), (5, 13), (12, 13), (299, 300)] {
            let proof = proof_of(index, size);
            let parsed = TlogProof::parse(&proof.to_bytes()).unwrap();
            assert_eq!(parsed, proof);
            let verified = parsed.verify(leaf(index), &log().verifier(), &cosigners(), 2).unwrap();
            assert_eq!((verified.index, verified.checkpoint.size), (index, size));
            assert_eq!(verified.cosignatures.len(), 2);
        }
        let mut with_extra = proof_of(5, 13);
        with_extra.extra = Some(b"context".to_vec());
        assert_eq!(TlogProof::parse(&with_extra.to_bytes()).unwrap(), with_extra);
    }

    #[test]
    fn tampered_leaf_index_hash_or_checkpoint_is_refused() {
        let good = proof_of(5, 13);
        assert_eq!(code(&good, leaf(6), 2), "INCLUSION_PROOF_INVALID");
        assert_eq!(code(&TlogProof { index: 4, ..good.clone() }, leaf(5), 2), "INCLUSION_PROOF_INVALID");
        assert_eq!(code(&TlogProof { index: 13, ..good.clone() }, leaf(5), 2), "TREE_INDEX_OUT_OF_RANGE");
        let mut hash = good.clone();
        hash.inclusion[0].0[0] ^= 1;
        assert_eq!(code(&hash, leaf(5), 2), "INCLUSION_PROOF_INVALID");
        let newer = TlogProof { checkpoint: proof_of(5, 14).checkpoint, ..good.clone() };
        assert_eq!(code(&newer, leaf(5), 2), "INCLUSION_PROOF_INVALID");
        let text = String::from_utf8(good.to_bytes()).unwrap().replace("\n13\n", "\n14\n");
        let resized = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(code(&resized, leaf(5), 2), "LOG_SIGNATURE_INVALID");
    }

    #[test]
    fn too_few_or_unknown_cosigners_are_refused() {
        let good = proof_of(5, 13);
        assert_eq!(code(&good, leaf(5), 3), "COSIGNATURES_MISSING");
        let strangers = [node(8).verifier(), node(9).verifier()];
        let refused = good.verify(leaf(5), &log().verifier(), &strangers, 1).unwrap_err();
        assert_eq!(refused.code(), "COSIGNATURES_MISSING");
        let doubled = [node(2).verifier(), node(2).verifier()];
        let refused = good.verify(leaf(5), &log().verifier(), &doubled, 2).unwrap_err();
        assert_eq!(refused.code(), "COSIGNERS_NOT_DISTINCT");
        assert!(good.verify(leaf(5), &log().verifier(), &[], 0).is_ok());
    }

    #[test]
    fn proof_signed_by_another_log_is_refused() {
        let other = LogSigner::new(Origin::of_cluster("east").unwrap(), SigningKey::from_bytes(&[9; 32]));
        let refused = proof_of(5, 13).verify(leaf(5), &other.verifier(), &cosigners(), 2).unwrap_err();
        assert_eq!(refused.code(), "LOG_SIGNATURE_MISSING");
    }

    #[test]
    fn texts_outside_the_canonical_form_are_refused() {
        let good = String::from_utf8(proof_of(5, 13).to_bytes()).unwrap();
        let hash = Hash::leaf(b"x").to_base64();
        for bad in [
            String::new(),
            good.replace("@v1", "@v2"),
            format!("\n{good}"),
            good.replace("index 5\n", ""),
            good.replace("index 5", "index 05"),
            good.replace("index 5", "index +5"),
            good.replace("index 5", "index  5"),
            good.replace("index 5\n", "index 5\nindex 5\n"),
            good.replace("index 5\n", "index 5\nextra YQ==\n"),
            good.replace("index 5\n", "extra \nindex 5\n"),
            good.replace("index 5\n", "extra YQ\nindex 5\n"),
            good.replace("index 5\n", "extra YQ==\nextra YQ==\nindex 5\n"),
            good.replace("index 5\n", &format!("extra {}\nindex 5\n", "YWFh".repeat(5_462))),
            good.replace("index 5\n", &format!("index 5\n{}\n", hash.trim_end_matches('='))),
            good.replace("index 5\n", &format!("index 5\n{}", format!("{hash}\n").repeat(61))),
            good.replace('\n', "\r\n"),
        ] {
            let refused = TlogProof::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), "PROOF_MALFORMED", "{bad}");
        }
        assert_eq!(TlogProof::parse(b"\xff").unwrap_err().code(), "PROOF_MALFORMED");
        for bad in [format!("{good}\n"), good.replace("\n\n", "\n\n\n")] {
            assert_eq!(TlogProof::parse(bad.as_bytes()).unwrap_err().code(), "CHECKPOINT_MALFORMED", "{bad}");
        }
        let long = vec![b'a'; MAX_TLOG_PROOF_BYTES.saturating_add(1)];
        assert_eq!(TlogProof::parse(&long).unwrap_err().code(), "PROOF_TOO_LARGE");
    }
}
