//! No input makes a parser panic, and whatever a parser accepts it writes back byte for byte.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "test")]

use holdfast_log::tiles::{encode_entry_bundle, parse_hash_tile};
use holdfast_log::{
    Checkpoint, Cosignature, CosignatureVerifier, Entry, Envelope, Hash, KeyName, LogVerifier, PayloadType,
    SignedCheckpoint, TlogProof, parse_entry_bundle, read_export,
};
use proptest::prelude::*;

const ENTRY: &[u8] = include_bytes!("../fixtures/entry-v1.json");
const CHECKPOINT: &[u8] = include_bytes!("../fixtures/checkpoint-v1.txt");
const PROOF: &[u8] = include_bytes!("../fixtures/proof-v1.tlog-proof");

fn feed_all(bytes: &[u8]) {
    if let Ok(envelope) = Envelope::parse(bytes) {
        assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);
    }
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.bytes(), bytes);
        let again = Entry::stamp(entry.time_ms(), entry.envelope()).unwrap();
        assert_eq!(again.envelope(), entry.envelope());
    }
    if let Ok(checkpoint) = Checkpoint::parse_body(bytes) {
        assert_eq!(checkpoint.to_body().as_bytes(), bytes);
    }
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        assert_eq!(signed.to_bytes(), bytes);
    }
    if let Ok(proof) = TlogProof::parse(bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
    if let Ok(cosignature) = Cosignature::parse(bytes) {
        assert_eq!(cosignature.to_line().as_bytes(), bytes);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        feed_text(text);
    }
    for width in [0, 1, 2, 256, 257, u16::MAX] {
        let _ = parse_hash_tile(bytes, width);
        if let Ok(entries) = parse_entry_bundle(bytes, width) {
            assert_eq!(encode_entry_bundle(&entries).unwrap(), bytes);
        }
    }
    let hostile = Checkpoint { size: 300, ..checkpoint() };
    assert!(read_export(|_| Some(bytes.to_vec()), &hostile).is_err());
}

fn feed_text(text: &str) {
    if let Ok(log) = LogVerifier::parse(text) {
        assert_eq!(log.vkey(), text);
    }
    if let Ok(cosigner) = CosignatureVerifier::parse(text) {
        assert_eq!(cosigner.vkey(), text);
    }
    let _ = (KeyName::new(text), PayloadType::new(text), Hash::from_hex(text), Hash::from_base64(text));
    let _ = (KeyName::of_node(text, "n"), KeyName::of_node("c", text));
}

fn checkpoint() -> Checkpoint {
    SignedCheckpoint::parse(CHECKPOINT).unwrap().claimed().clone()
}

/// A valid text with one stretch replaced.
fn mutated(original: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let replacement = proptest::collection::vec(any::<u8>(), 0..6);
    (0..original.len(), 0..8_usize, replacement).prop_map(move |(start, length, replacement)| {
        let end = (start + length).min(original.len());
        [&original[..start], &replacement, &original[end..]].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        feed_all(&bytes);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}(\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{43}=)?") {
        feed_all(text.as_bytes());
    }

    #[test]
    fn json_like_text_never_panics(text in "[\\[\\]{}\",:a-zA-Z0-9=+/\\\\ ]{0,200}") {
        feed_all(text.as_bytes());
    }

    #[test]
    fn mutated_entries_never_panic(bytes in mutated(ENTRY)) {
        feed_all(&bytes);
    }

    #[test]
    fn mutated_checkpoints_never_panic(bytes in mutated(CHECKPOINT)) {
        feed_all(&bytes);
    }

    #[test]
    fn mutated_proofs_never_panic_and_never_prove_another_entry(bytes in mutated(PROOF)) {
        feed_all(&bytes);
        // Given any text near a valid proof, then it proves the fixture's entry in the fixture's tree or nothing.
        let vectors: serde_json::Value = serde_json::from_str(include_str!("../fixtures/vectors-v1.json")).unwrap();
        let log = LogVerifier::parse(vectors["log_vkey"].as_str().unwrap()).unwrap();
        let leaf_hash = Entry::parse(ENTRY).unwrap().leaf_hash();
        if let Ok(proof) = TlogProof::parse(&bytes) {
            if let Ok(verified) = proof.verify(leaf_hash, &log, &[], 0) {
                prop_assert_eq!((verified.index, verified.checkpoint), (3, checkpoint()));
            }
            prop_assert!(proof.verify(Hash::leaf(b"another entry"), &log, &[], 0).is_err());
        }
    }
}
