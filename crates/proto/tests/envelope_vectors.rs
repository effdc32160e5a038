//! The published vectors, made by another language's libraries, are what Holdfast signs, accepts and reads.
#![expect(clippy::unwrap_used, reason = "a vector that does not parse fails the test")]

use ed25519_dalek::{SigningKey, VerifyingKey};
use holdfast_ledger::{PayloadKind, WithdrawalRequest};
use holdfast_log::{Envelope, pae};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    withdrawal_id: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    #[serde(with = "hex::serde")]
    secret_seed: [u8; 32],
    #[serde(with = "hex::serde")]
    public_key: [u8; 32],
    payload: String,
    pae: String,
    signature: String,
    envelope: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../fixtures/envelope-vectors.json")).unwrap()
}

#[test]
fn every_vector_verifies_and_is_what_this_library_signs() {
    for vector in vectors().vectors {
        let envelope = Envelope::parse(vector.envelope.as_bytes()).unwrap();
        let kind = PayloadKind::parse(envelope.payload_type.as_str()).unwrap();
        assert!(kind.as_str().contains(&vector.name));
        assert_eq!(envelope.payload, vector.payload.as_bytes());
        assert_eq!(hex::encode(pae(&envelope.payload_type, &envelope.payload)), vector.pae);
        let key = VerifyingKey::from_bytes(&vector.public_key).unwrap();
        let signature = envelope.signatures.first().unwrap();
        signature.verify_ed25519(&envelope.payload_type, &envelope.payload, &key).unwrap();
        let again = Envelope::sign_ed25519(
            envelope.payload_type.clone(),
            envelope.payload.clone(),
            &signature.key_id,
            &SigningKey::from_bytes(&vector.secret_seed),
        );
        assert_eq!(hex::encode(&again.unwrap().signatures.first().unwrap().signature), vector.signature);
    }
}

#[test]
fn request_vector_reads_as_a_withdrawal_with_the_published_id() {
    let vectors = vectors();
    let request = vectors.vectors.iter().find(|vector| vector.name == "withdrawal-request").unwrap();
    let request = WithdrawalRequest::parse(request.payload.as_bytes()).unwrap();
    assert_eq!(request.withdrawal_id().to_string(), vectors.withdrawal_id);
    let transaction = holdfast_chains::UnsignedTransaction::parse_hex(&request.transaction.unwrap()).unwrap();
    assert_eq!(transaction.effects().transfer.to, request.destination);
    assert_eq!(transaction.effects().transfer.amount, request.amount);
}
