//! Every stored format against its fixture, which an independent script wrote from the specifications.
//!
//! A fixture never changes once released: a new form of a format gets a fixture of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "test")]

use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_log::{
    Checkpoint, CosignatureVerifier, Cosigner, Entry, Envelope, Hash, KeyName, LogSigner, LogVerifier,
    MemoryTree, Origin, PayloadType, RightEdge, SignedCheckpoint, TlogProof, export_files, pae, read_export,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

const ENTRY: &[u8] = include_bytes!("../fixtures/entry-v1.json");
const CHECKPOINT: &[u8] = include_bytes!("../fixtures/checkpoint-v1.txt");
const PROOF: &[u8] = include_bytes!("../fixtures/proof-v1.tlog-proof");
const VECTORS: &str = include_str!("../fixtures/vectors-v1.json");
const TIME_MS: u64 = 1_763_700_000_000;
const SIZE: u64 = 7;
const INDEX: u64 = 3;

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn text(name: &str) -> String {
    vectors()[name].as_str().unwrap().to_owned()
}

fn bytes(name: &str) -> Vec<u8> {
    hex::decode(text(name)).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn cosigners() -> Vec<CosignatureVerifier> {
    let vkeys = vectors()["cosigner_vkeys"].as_array().unwrap().clone();
    vkeys.iter().map(|vkey| CosignatureVerifier::parse(vkey.as_str().unwrap()).unwrap()).collect()
}

fn envelope() -> Envelope {
    let payload_type = PayloadType::new(&text("payload_type")).unwrap();
    Envelope::sign_ed25519(payload_type, text("payload_utf8").into_bytes(), "client:pipeline", &key(7))
        .unwrap()
}

fn entries() -> Vec<Entry> {
    (0..SIZE).map(|index| Entry::stamp(TIME_MS + index, &envelope()).unwrap()).collect()
}

#[test]
fn entry_v1_is_read_verified_and_written_as_in_the_fixture() {
    let entry = Entry::parse(ENTRY).unwrap();
    assert_eq!(entry.time_ms(), TIME_MS + INDEX);
    assert_eq!(entry.leaf_hash().to_hex(), text("leaf_hash_hex"));
    let Envelope { payload_type, payload, signatures } = entry.envelope();
    assert_eq!(pae(payload_type, payload), bytes("pae_hex"));
    let public = VerifyingKey::try_from(bytes("client_public_key_hex").as_slice()).unwrap();
    signatures[0].verify_ed25519(payload_type, payload, &public).unwrap();
    assert_eq!(Entry::stamp(TIME_MS + INDEX, &envelope()).unwrap().bytes(), ENTRY);
}

#[test]
fn checkpoint_v1_is_read_verified_and_written_as_in_the_fixture() {
    let log = LogVerifier::parse(&text("log_vkey")).unwrap();
    let signed = SignedCheckpoint::parse(CHECKPOINT).unwrap();
    let checkpoint = signed.verify(&log).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root.to_hex()), (SIZE, text("root_hex")));
    let cosignatures = signed.cosignatures(&cosigners()).unwrap();
    let times: Vec<u64> = cosignatures.iter().map(|cosignature| cosignature.time_s).collect();
    assert_eq!(times, [1_763_700_002, 1_763_700_003]);
    let signer = LogSigner::new(Origin::of_cluster("east").unwrap(), key(1));
    assert_eq!(signer.verifier().vkey(), text("log_vkey"));
    let written = [2, 3].iter().fold(signer.sign(&checkpoint).unwrap(), |signed, node| {
        let name = KeyName::of_node("east", &format!("node-{node}")).unwrap();
        let cosigner = Cosigner::new(name, key(*node));
        let cosignature = cosigner.cosign(&checkpoint, 1_763_700_000 + u64::from(*node)).unwrap();
        signed.with_cosignature(&cosignature).unwrap()
    });
    assert_eq!(written.to_bytes(), CHECKPOINT);
}

#[test]
fn proof_v1_is_read_verified_and_written_as_in_the_fixture() {
    let log = LogVerifier::parse(&text("log_vkey")).unwrap();
    let proof = TlogProof::parse(PROOF).unwrap();
    let leaf_hash = Entry::parse(ENTRY).unwrap().leaf_hash();
    let verified = proof.verify(leaf_hash, &log, &cosigners(), 2).unwrap();
    assert_eq!((verified.index, verified.checkpoint.size), (INDEX, SIZE));
    let tree = MemoryTree::from_leaf_hashes(entries().iter().map(Entry::leaf_hash)).unwrap();
    let inclusion = tree.inclusion_proof(INDEX, SIZE).unwrap();
    let written = TlogProof::new(INDEX, inclusion, SignedCheckpoint::parse(CHECKPOINT).unwrap());
    assert_eq!(written.to_bytes(), PROOF);
}

#[test]
fn right_edge_v1_is_read_and_written_as_in_the_fixture() {
    let edge = RightEdge::from_bytes(&bytes("right_edge_v1_hex")).unwrap();
    assert_eq!((edge.size(), edge.root().to_hex()), (SIZE, text("root_hex")));
    let mut written = RightEdge::new();
    for entry in entries() {
        written.append(entry.leaf_hash()).unwrap();
    }
    assert_eq!(written, edge);
    assert_eq!(written.to_bytes(), bytes("right_edge_v1_hex"));
}

#[test]
fn export_is_written_as_in_the_fixture_and_read_back() {
    let entries = entries();
    let files: Vec<_> = export_files(&entries, CHECKPOINT).unwrap().map(Result::unwrap).collect();
    let named = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.bytes.clone());
    let bundle = Sha256::digest(named("tile/entries/000.p/7").unwrap());
    assert_eq!(hex::encode(bundle), text("entry_bundle_sha256_hex"));
    assert_eq!(named("tile/0/000.p/7").unwrap(), bytes("hash_tile_hex"));
    assert_eq!(named("checkpoint").unwrap(), CHECKPOINT);
    assert_eq!(files.len(), 3);
    let root = Hash::from_hex(&text("root_hex")).unwrap();
    let checkpoint = Checkpoint { origin: Origin::of_cluster("east").unwrap(), size: SIZE, root };
    assert_eq!(read_export(named, &checkpoint).unwrap(), entries);
}
