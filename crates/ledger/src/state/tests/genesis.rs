//! Attacks on the first entry.

use serde_json::{Value, json};

use super::cell::{document, ed25519, genesis_entry, ssh};
use crate::*;

fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut document = document();
    change(&mut document);
    genesis_entry(&document).unwrap_err().to_string()
}

#[test]
fn complete_signed_genesis_is_accepted() {
    assert!(genesis_entry(&document()).is_ok());
}

#[test]
fn genesis_that_an_officer_has_not_signed_is_refused() {
    let bytes = serde_json::to_vec(&document()).unwrap();
    let by_alice = OfficerKey::sign(&ssh("alice"), GENESIS_NAMESPACE, &bytes).unwrap();
    let id = |name: &str| holdfast_policy::OfficerId::new(name).unwrap();
    let only_alice = Genesis::assemble(&bytes, &[(id("alice"), by_alice.clone())]).unwrap_err();
    assert!(only_alice.to_string().contains("has not signed"));
    let in_all_names = ["alice", "bob", "carol"].map(|name| (id(name), by_alice.clone()));
    assert!(
        Genesis::assemble(&bytes, &in_all_names).unwrap_err().to_string().contains("`bob` has not signed")
    );
}

#[test]
fn one_key_cannot_speak_for_two_parties() {
    let pipeline = hex::encode(ed25519("pipeline").verifying_key().to_bytes());
    assert!(refused(|d| d["providers"][0]["public_key"] = json!(pipeline)).contains("share a key"));
    let alice = ssh("alice").public_key().to_openssh().unwrap();
    assert!(refused(|d| d["officers"][1]["ssh_public_key"] = json!(alice)).contains("share a key"));
    let alice_point = ssh("alice").public_key().key_data().ed25519().unwrap().0;
    assert!(
        refused(|d| d["clients"][0]["public_key"] = json!(hex::encode(alice_point))).contains("share a key")
    );
    let cosigning = hex::encode(ed25519("cosign-1").verifying_key().to_bytes());
    assert!(refused(|d| d["nodes"][0]["message_key"] = json!(cosigning)).contains("share a key"));
}

#[test]
fn committee_in_which_one_party_reaches_the_threshold_is_refused() {
    for member in ["operator", "provider", "region"] {
        let message = refused(|d| {
            d["nodes"][0][member] = json!("same");
            d["nodes"][1][member] = json!("same");
        });
        assert!(message.contains("would hold 2 shares"), "{message}");
    }
}

#[test]
fn thresholds_without_an_honest_majority_are_refused() {
    assert!(refused(|d| d["threshold"] = json!({"t": 1, "n": 3})).contains("at least 2"));
    assert!(refused(|d| d["threshold"] = json!({"t": 2, "n": 4})).contains("2t > n"));
    assert!(refused(|d| d["threshold"] = json!({"t": 4, "n": 3})).contains("2t > n"));
}

#[test]
fn quorums_that_one_person_could_meet_or_nobody_can_are_refused() {
    assert!(
        refused(|d| d["quorums"]["create-wallet"] = json!({"security-officer": 1})).contains("at least two")
    );
    assert!(
        refused(|d| d["quorums"]["create-wallet"] = json!({"security-officer": 3})).contains("never be met")
    );
    assert!(
        refused(|d| {
            d["quorums"].as_object_mut().unwrap().remove("resume-wallet");
        })
        .contains("is missing")
    );
}

#[test]
fn unknown_members_and_versions_are_refused() {
    assert!(refused(|d| d["backdoor"] = json!(true)).contains("backdoor"));
    assert!(refused(|d| d["rules_version"] = json!(2)).contains("rules version 2"));
    assert!(refused(|d| d["version"] = json!(2)).contains("format version 2"));
    assert!(refused(|d| d["policy"] = json!("version = 1")).contains("policy"));
}
