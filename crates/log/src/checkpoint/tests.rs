//! Checkpoints and cosignatures against published vectors and under attack.

use ed25519_dalek::{Signer, SigningKey};

use super::*;

const WITNESSED: &str = include_str!("../../fixtures/public-witnessed-checkpoint.txt");
const WITNESSED_LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const WITNESSES: [&str; 4] = [
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
];
const TIME_S: u64 = 1_763_700_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn origin() -> Origin {
    Origin::of_cluster("east").unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: origin(), size: 7, root: Hash::leaf(b"seven") }
}

fn log() -> LogSigner {
    LogSigner::new(origin(), key(1))
}

fn node(number: u8) -> Cosigner {
    Cosigner::new(KeyName::of_node("east", &format!("node-{number}")).unwrap(), key(number))
}

fn witnessed_by(nodes: &[u8]) -> SignedCheckpoint {
    nodes.iter().fold(log().sign(&checkpoint()).unwrap(), |signed, number| {
        signed.with_cosignature(&node(*number).cosign(&checkpoint(), TIME_S).unwrap()).unwrap()
    })
}

fn text(signed: &SignedCheckpoint) -> String {
    String::from_utf8(signed.to_bytes()).unwrap()
}

#[test]
fn checkpoint_of_a_public_log_with_public_witnesses_verifies() {
    let signed = SignedCheckpoint::parse(WITNESSED.as_bytes()).unwrap();
    let checkpoint = signed.verify(&LogVerifier::parse(WITNESSED_LOG).unwrap()).unwrap();
    assert_eq!(checkpoint.size, 1_432_088_532);
    let witnesses = WITNESSES.map(|vkey| CosignatureVerifier::parse(vkey).unwrap());
    let cosignatures = signed.cosignatures(&witnesses).unwrap();
    assert_eq!(cosignatures.len(), 4);
    assert!(cosignatures.iter().all(|cosignature| cosignature.time_s == 1_779_573_024));
    assert_eq!(signed.to_bytes(), WITNESSED.as_bytes());
    // And not after one digit of the size changed.
    let other = SignedCheckpoint::parse(WITNESSED.replace("1432088532", "1432088533").as_bytes()).unwrap();
    let log = LogVerifier::parse(WITNESSED_LOG).unwrap();
    assert_eq!(other.verify(&log).unwrap_err().code(), "LOG_SIGNATURE_INVALID");
    assert_eq!(other.cosignatures(&witnesses).unwrap_err().code(), "COSIGNATURE_INVALID");
}

#[test]
fn go_modules_published_note_verifies_under_its_published_key() {
    let verifier =
        LogVerifier::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let signature = signed_note::Signature::from_bytes(line.as_bytes()).unwrap();
    assert_eq!(signature.id(), verifier.key_id());
    assert!(verifier.accepts(text.as_bytes(), signature.signature()));
    assert!(!verifier.accepts(b"another text\n", signature.signature()));
    assert!(!verifier.accepts(text.as_bytes(), &signature.signature()[..63]));
}

#[test]
fn signed_checkpoint_round_trips_and_states_what_was_signed() {
    let signed = witnessed_by(&[2, 3]);
    let parsed = SignedCheckpoint::parse(&signed.to_bytes()).unwrap();
    assert_eq!(parsed, signed);
    assert_eq!(parsed.verify(&log().verifier()).unwrap(), checkpoint());
    assert!(text(&signed).starts_with("holdfast/east\n7\n"));
    let reread = LogVerifier::parse(&log().verifier().vkey()).unwrap();
    assert_eq!(reread, log().verifier());
    let reread = CosignatureVerifier::parse(&node(2).verifier().vkey()).unwrap();
    assert_eq!(reread, node(2).verifier());
}

#[test]
fn cosignature_has_the_bytes_of_the_specification() {
    // Given the message written out by hand from tlog-cosignature,
    let body = checkpoint().to_body();
    let message = format!("cosignature/v1\ntime {TIME_S}\n{body}");
    let signature = key(2).sign(message.as_bytes()).to_bytes();
    let public = key(2).verifying_key().to_bytes();
    let key_id = signed_note::key_id("holdfast/east/node-2", &[[4].as_slice(), &public].concat());
    // when a node cosigns, then its line is name, key id, big-endian time and that signature.
    let payload = [&key_id.to_be_bytes(), TIME_S.to_be_bytes().as_slice(), signature.as_slice()].concat();
    let expected = format!("— holdfast/east/node-2 {}\n", crate::encoding::to_base64(&payload));
    let cosignature = node(2).cosign(&checkpoint(), TIME_S).unwrap();
    assert_eq!(cosignature.to_line(), expected);
    assert_eq!(Cosignature::parse(expected.as_bytes()).unwrap(), cosignature);
}

#[test]
fn altered_checkpoint_is_refused_by_log_and_cosigner_keys() {
    let original = text(&witnessed_by(&[2]));
    let other_root = Hash::leaf(b"eight").to_base64();
    for altered in [
        original.replacen("\n7\n", "\n8\n", 1),
        original.replacen(&checkpoint().root.to_base64(), &other_root, 1),
    ] {
        let signed = SignedCheckpoint::parse(altered.as_bytes()).unwrap();
        assert_eq!(signed.verify(&log().verifier()).unwrap_err().code(), "LOG_SIGNATURE_INVALID");
        let refused = signed.cosignatures(&[node(2).verifier()]).unwrap_err();
        assert_eq!(refused.code(), "COSIGNATURE_INVALID");
    }
}

#[test]
fn checkpoint_of_another_log_or_key_is_refused() {
    let signed = witnessed_by(&[]);
    let other_log = LogVerifier::new(Origin::of_cluster("west").unwrap(), key(1).verifying_key());
    assert_eq!(signed.verify(&other_log).unwrap_err().code(), "CHECKPOINT_ORIGIN_MISMATCH");
    let other_key = LogVerifier::new(origin(), key(9).verifying_key());
    assert_eq!(signed.verify(&other_key).unwrap_err().code(), "LOG_SIGNATURE_MISSING");
    let foreign = LogSigner::new(Origin::of_cluster("west").unwrap(), key(1));
    assert_eq!(foreign.sign(&checkpoint()).unwrap_err().code(), "CHECKPOINT_ORIGIN_MISMATCH");
}

#[test]
fn every_flipped_bit_of_a_signature_line_is_refused() {
    let signed = witnessed_by(&[2]);
    for (index, line) in signed.signatures.iter().enumerate() {
        for bit in 0..line.signature().len().saturating_mul(8) {
            let mut bytes = line.signature().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut tampered = signed.clone();
            tampered.signatures[index] = note_signature(line.name(), line.id(), bytes);
            let log_ok = tampered.verify(&log().verifier()).is_ok();
            let cosigner_ok = tampered.cosignatures(&[node(2).verifier()]).is_ok();
            assert_eq!((log_ok, cosigner_ok), (index != 0, index != 1), "line {index} bit {bit}");
        }
    }
}

fn note_signature(name: &str, id: u32, signature: Vec<u8>) -> signed_note::Signature {
    signed_note::Signature::new(name.to_owned(), id, signature).unwrap()
}

#[test]
fn second_line_that_names_the_logs_key_must_verify_too() {
    let mut signed = witnessed_by(&[]);
    let line = signed.signatures[0].clone();
    signed.signatures.push(note_signature(line.name(), line.id(), vec![0; 64]));
    assert_eq!(signed.verify(&log().verifier()).unwrap_err().code(), "LOG_SIGNATURE_INVALID");
}

#[test]
fn cosignature_is_not_taken_for_a_log_signature_nor_the_other_way_round() {
    // Given a log whose key is also used, wrongly, as a cosigner's under the log's name,
    let confused = Cosigner::new(origin().key_name().clone(), key(1));
    let cosignature = confused.cosign(&checkpoint(), TIME_S).unwrap();
    let mut only_cosigned = witnessed_by(&[]).with_cosignature(&cosignature).unwrap();
    only_cosigned.signatures.remove(0);
    // when only a cosignature is there, then the log's signature is missing, and the other way round.
    assert_eq!(only_cosigned.verify(&log().verifier()).unwrap_err().code(), "LOG_SIGNATURE_MISSING");
    assert_eq!(witnessed_by(&[]).cosignatures(&[confused.verifier()]).unwrap(), []);
    // And a cosignature relabelled with the log's key id does not verify as one.
    let id = log().verifier().key_id();
    let relabelled = note_signature(origin().as_str(), id, cosignature.note_signature()[8..].to_vec());
    only_cosigned.signatures = vec![relabelled];
    assert_eq!(only_cosigned.verify(&log().verifier()).unwrap_err().code(), "LOG_SIGNATURE_INVALID");
}

#[test]
fn cosignatures_count_known_cosigners_once_and_ignore_strangers() {
    let signed = witnessed_by(&[2, 3, 4]);
    let verified = signed.cosignatures(&[node(3).verifier(), node(2).verifier()]).unwrap();
    let names: Vec<&str> = verified.iter().map(|cosignature| cosignature.name.as_str()).collect();
    assert_eq!(names, ["holdfast/east/node-3", "holdfast/east/node-2"]);
    assert_eq!(signed.cosignatures(&[node(9).verifier()]).unwrap(), []);
    // Given the same node's line twice, with two times, then it counts once, at the newer time.
    let mut doubled = signed;
    let later = node(2).cosign(&checkpoint(), TIME_S.saturating_add(60)).unwrap();
    let line = note_signature(later.claimed_name().as_str(), later.key_id(), later.note_signature());
    doubled.signatures.insert(0, line);
    let verified = doubled.cosignatures(&[node(2).verifier()]).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!(verified[0].time_s, TIME_S.saturating_add(60));
}

#[test]
fn one_key_under_two_names_does_not_count_twice() {
    // Given a cosignature relabelled with a second name, which the signed message does not cover,
    let alias = Cosigner::new(KeyName::of_node("east", "node-9").unwrap(), key(2));
    let original = node(2).cosign(&checkpoint(), TIME_S).unwrap();
    let relabelled = alias.cosign(&checkpoint(), TIME_S).unwrap();
    assert_eq!(original.note_signature(), relabelled.note_signature());
    let signed = witnessed_by(&[2]).with_cosignature(&relabelled).unwrap();
    // when both names are given as cosigners, then the list itself is refused.
    let refused = signed.cosignatures(&[node(2).verifier(), alias.verifier()]).unwrap_err();
    assert_eq!(refused.code(), "COSIGNERS_NOT_DISTINCT");
}

#[test]
fn cosignature_with_another_time_checkpoint_or_cosigner_is_refused() {
    let good = node(2).cosign(&checkpoint(), TIME_S).unwrap();
    let verified = good.verify(&checkpoint(), &node(2).verifier()).unwrap();
    assert_eq!((verified.name.as_str(), verified.time_s), ("holdfast/east/node-2", TIME_S));
    let mut later = signed_note::Signature::from_bytes(good.to_line().trim_end().as_bytes()).unwrap();
    let mut payload = later.signature().to_vec();
    payload[7] ^= 1;
    later = note_signature(later.name(), later.id(), payload);
    let later = Cosignature::from_note(&later).unwrap();
    assert_eq!(later.claimed_time_s(), TIME_S ^ 1);
    let code =
        |result: Result<_, CheckpointError>| result.map(drop::<VerifiedCosignature>).unwrap_err().code();
    assert_eq!(code(later.verify(&checkpoint(), &node(2).verifier())), "COSIGNATURE_INVALID");
    let other = Checkpoint { size: 8, ..checkpoint() };
    assert_eq!(code(good.verify(&other, &node(2).verifier())), "COSIGNATURE_INVALID");
    assert_eq!(code(good.verify(&checkpoint(), &node(3).verifier())), "COSIGNER_MISMATCH");
    let rotated = CosignatureVerifier::new(node(2).verifier().name().clone(), key(3).verifying_key());
    assert_eq!(code(good.verify(&checkpoint(), &rotated)), "COSIGNER_MISMATCH");
    assert_eq!(witnessed_by(&[2]).cosignatures(&[rotated]).unwrap(), []);
}

#[test]
fn cosignature_times_beyond_the_specification_are_refused() {
    assert!(node(2).cosign(&checkpoint(), MAX_TIME_S).is_ok());
    let refused = node(2).cosign(&checkpoint(), MAX_TIME_S.saturating_add(1)).unwrap_err();
    assert_eq!(refused.code(), "COSIGNATURE_TIME_OUT_OF_RANGE");
    let line = note_signature("a", 1, vec![0xff; 72]);
    assert_eq!(Cosignature::from_note(&line).unwrap_err().code(), "COSIGNATURE_TIME_OUT_OF_RANGE");
}

#[test]
fn malformed_cosignature_lines_are_refused() {
    let good = node(2).cosign(&checkpoint(), TIME_S).unwrap().to_line();
    for bad in [
        String::new(),
        "\n".to_owned(),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace("— ", "- "),
        good.replace("holdfast", "hold fast"),
        good.replace("=\n", "\n"),
        format!("— holdfast/east/node-2 {}\n", crate::encoding::to_base64(&[1; 75])),
        format!("— holdfast/east/node-2 {}\n", crate::encoding::to_base64(&[1; 77])),
        good.repeat(9),
    ] {
        assert_eq!(
            Cosignature::parse(bad.as_bytes()).unwrap_err().code(),
            "COSIGNATURE_MALFORMED",
            "{bad:?}"
        );
    }
}

#[test]
fn bodies_outside_the_canonical_form_are_refused() {
    let root = Hash::leaf(b"seven").to_base64();
    let cases = [
        "holdfast/east\n7\n".to_owned(),
        format!("holdfast/east\n07\n{root}\n"),
        format!("holdfast/east\n+7\n{root}\n"),
        format!("holdfast/east\n-7\n{root}\n"),
        format!("holdfast/east\n7\n{root}"),
        format!("holdfast/east\n7\n{root}\nextension\n"),
        format!("holdfast/east\n7\n{root}\n\n"),
        format!("\n7\n{root}\n"),
        format!("holdfast east\n7\n{root}\n"),
        format!("holdfast+east\n7\n{root}\n"),
        format!("holdfast/east\n7\n{}\n", root.trim_end_matches('=')),
        format!("holdfast/east\n7\r\n{root}\n"),
        format!("holdfast/east\n0\n{root}\n"),
        format!("holdfast/east\n281474976710657\n{root}\n"),
        format!("holdfast/east\n18446744073709551616\n{root}\n"),
        format!("{}\n7\n{root}\n", "o".repeat(256)),
    ];
    for body in cases {
        let refused = Checkpoint::parse_body(body.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "CHECKPOINT_MALFORMED", "{body:?}");
    }
    let extended = format!("{}extension\n", checkpoint().to_body());
    let refused = Checkpoint::parse_body(extended.as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("extension lines"), "{refused}");
    let empty = Checkpoint { origin: origin(), size: 0, root: Hash::EMPTY_TREE };
    assert_eq!(Checkpoint::parse_body(empty.to_body().as_bytes()).unwrap(), empty);
    let false_empty = Checkpoint { root: Hash::leaf(b"x"), ..empty };
    assert_eq!(log().sign(&false_empty).unwrap_err().code(), "CHECKPOINT_MALFORMED");
    assert_eq!(node(2).cosign(&false_empty, TIME_S).unwrap_err().code(), "CHECKPOINT_MALFORMED");
}

#[test]
fn notes_outside_the_canonical_form_are_refused() {
    let good = text(&witnessed_by(&[2]));
    for bad in [
        String::new(),
        checkpoint().to_body(),
        format!("{}\n", checkpoint().to_body()),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}x"),
        format!("\n{good}"),
        good.replace("\n\n", "\n"),
        good.replace("\n\n", "\n\n\n"),
        good.replace("— ", "—  "),
        good.replace("=\n", "\n"),
        good.replace('\n', "\r\n"),
    ] {
        let refused = SignedCheckpoint::parse(bad.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "CHECKPOINT_MALFORMED", "{bad:?}");
    }
    assert_eq!(SignedCheckpoint::parse(b"\xff\n\n\xff\n").unwrap_err().code(), "CHECKPOINT_MALFORMED");
}

#[test]
fn oversized_notes_are_refused() {
    let long = vec![b'a'; MAX_SIGNED_CHECKPOINT_BYTES.saturating_add(1)];
    assert_eq!(SignedCheckpoint::parse(&long).unwrap_err().code(), "CHECKPOINT_TOO_LARGE");
    assert_eq!(Checkpoint::parse_body(&long).unwrap_err().code(), "CHECKPOINT_TOO_LARGE");
    let full: Vec<u8> = (2..65).collect();
    let full = witnessed_by(&full);
    assert!(SignedCheckpoint::parse(&full.to_bytes()).is_ok());
    let one_more = node(65).cosign(&checkpoint(), TIME_S).unwrap();
    let many = format!("{}{}", text(&full), one_more.to_line());
    assert_eq!(
        SignedCheckpoint::parse(many.as_bytes()).unwrap_err().code(),
        "CHECKPOINT_TOO_MANY_SIGNATURES"
    );
    // A newer cosignature by a cosigner that is there takes the place of the old one.
    let again = node(2).cosign(&checkpoint(), TIME_S.saturating_add(1)).unwrap();
    let replaced = full.clone().with_cosignature(&again).unwrap();
    assert_eq!(replaced.signatures.len(), full.signatures.len());
    assert_eq!(replaced.cosignatures(&[node(2).verifier()]).unwrap()[0].time_s, TIME_S.saturating_add(1));
    assert_eq!(full.with_cosignature(&one_more).unwrap_err().code(), "CHECKPOINT_TOO_MANY_SIGNATURES");
}

#[test]
fn secret_keys_are_not_printed() {
    let secret = hex::encode([1; 32]);
    for printed in [format!("{:?}", log()), format!("{:?}", node(1))] {
        assert!(printed.contains("<redacted>"), "{printed}");
        assert!(!printed.contains(&secret) && !printed.contains("1, 1, 1"), "{printed}");
    }
}
