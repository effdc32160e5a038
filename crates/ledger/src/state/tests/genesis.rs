//! Attacks on the first entry.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cell::{document, ed25519, genesis_entry, ssh};
use crate::*;

fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut document = document();
    change(&mut document);
    genesis_entry(&document).unwrap_err().to_string()
}

fn accepted(change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    assert!(genesis_entry(&document).is_ok());
}

fn key(name: &str) -> Value {
    json!(hex::encode(ed25519(name).verifying_key().to_bytes()))
}

/// As many nodes, each with an operator, a provider and a region of its own.
fn nodes(n: u8) -> Value {
    let node = |i| {
        let name = format!("n-{i}");
        json!({"name": name, "operator": name, "provider": name, "region": name,
               "cosigning_key": key(&format!("cosign-{i}")), "message_key": key(&format!("message-{i}"))})
    };
    (1..=n).map(node).collect()
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
    assert!(refused(|d| d["threshold"] = json!({"t": 1, "n": 3, "f": 0})).contains("at least 2"));
    assert!(refused(|d| d["threshold"] = json!({"t": 2, "n": 4, "f": 0})).contains("2t > n"));
    assert!(refused(|d| d["threshold"] = json!({"t": 2, "n": 3, "f": 2})).contains("`f` is 2"));
    assert!(refused(|d| d["threshold"] = json!({"t": 2, "n": 3})).contains("missing field `f`"));
    assert!(refused(|d| d["threshold"] = json!({"t": 4, "n": 3, "f": 0})).contains("2t > n"));
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

#[test]
fn witnesses_with_a_bad_name_a_shared_key_or_too_few_are_refused() {
    let witness = |name: &str, key: &str| json!({"name": name, "public_key": hex::encode(ed25519(key).verifying_key().to_bytes())});
    let with = |witnesses: Value, required: u8| {
        refused(move |d| {
            d["witnesses"] = witnesses;
            d["witnesses_required"] = json!(required);
        })
    };
    assert!(with(json!([witness("w.example/a", "wa")]), 2).contains("`witnesses_required` is 2"));
    assert!(with(json!([witness("w.example/a", "wa"), witness("w.example/a", "wb")]), 1).contains("twice"));
    assert!(with(json!([witness("w.example/a", "cosign-1")]), 1).contains("share a key"));
    assert!(with(json!([witness("w example", "wa")]), 1).contains("key name"));
    assert!(with(json!([witness("holdfast/demo-1/node-1", "wa")]), 1).contains("own keys"));
}

#[test]
fn hostile_nodes_decide_how_many_cosignatures_and_tombstones_are_needed() {
    let needed = |t: u8, n: u8, f: u8| {
        let mut document = document();
        document["nodes"] = nodes(n);
        document["threshold"] = json!({"t": t, "n": n, "f": f});
        let state = State::from_genesis(&genesis_entry(&document).unwrap()).unwrap();
        (state.cosigners_needed(), state.tombstones_needed())
    };
    assert_eq!(needed(2, 3, 0), (0, 2));
    assert_eq!(needed(2, 3, 1), (3, 3));
    assert_eq!(needed(3, 5, 0), (0, 3));
    assert_eq!(needed(3, 5, 1), (4, 4));
    assert_eq!(needed(3, 5, 2), (4, 5));
    assert_eq!(needed(4, 5, 3), (5, 5));
}

#[test]
fn entry_of_another_type_is_no_genesis() {
    let mut disguised = genesis_entry(&document()).unwrap().envelope().clone();
    disguised.payload_type = PayloadKind::PolicyDocument.payload_type();
    let entry = holdfast_log::Entry::stamp(super::cell::START, &disguised).unwrap();
    assert!(Genesis::from_entry(&entry).unwrap_err().to_string().contains("not a genesis document"));
}

#[test]
fn skew_without_bounds_is_refused() {
    for (ms, good) in [(0, false), (1, true), (600_000, true), (600_001, false)] {
        let mut document = document();
        document["max_clock_skew_ms"] = json!(ms);
        match genesis_entry(&document) {
            Ok(_) => assert!(good, "{ms}"),
            Err(error) => {
                assert!(!good && error.to_string().contains("`max_clock_skew_ms`"), "{ms}: {error}")
            }
        }
    }
}

#[test]
fn committee_is_as_large_as_it_says_and_at_most_sixteen() {
    accepted(|d| d["threshold"] = json!({"t": 3, "n": 3, "f": 0}));
    accepted(|d| {
        d["threshold"] = json!({"t": 9, "n": 16, "f": 0});
        d["nodes"] = nodes(16);
    });
    let message = refused(|d| d["threshold"] = json!({"t": 3, "n": 4, "f": 0}));
    assert!(message.contains("`n` is 4 but 3 nodes"), "{message}");
    let message = refused(|d| {
        d["threshold"] = json!({"t": 9, "n": 17, "f": 0});
        d["nodes"] = nodes(17);
    });
    assert!(message.contains("`n` is 17"), "{message}");
}

#[test]
fn witnesses_are_at_most_sixteen_and_the_cells_own_name_is_none_of_them() {
    let witnesses = |count: u8| -> Value {
        (1..=count)
            .map(|i| json!({"name": format!("w.example/{i}"), "public_key": key(&format!("w-{i}"))}))
            .collect()
    };
    accepted(|d| {
        d["witnesses"] = witnesses(16);
        d["witnesses_required"] = json!(16);
    });
    assert!(refused(|d| d["witnesses"] = witnesses(17)).contains("at most 16 witnesses"));
    let own = json!([{"name": "holdfast/demo-1", "public_key": key("w-1")}]);
    assert!(refused(|d| d["witnesses"] = own).contains("own keys"));
    accepted(|d| d["witnesses"] = json!([{"name": "holdfast/demo-10", "public_key": key("w-1")}]));
}

#[test]
fn asset_that_is_absent_doubled_or_on_no_chain_is_refused() {
    assert!(refused(|d| d["assets"] = json!([])).contains("no asset"));
    assert!(refused(|d| d["assets"][1]["symbol"] = json!("USDT")).contains("registered twice"));
    assert!(refused(|d| d["assets"][0]["contract"] = json!(null)).contains("registered twice"));
    assert!(refused(|d| d["assets"][0]["chain_id"] = json!(0)).contains("chain id 0"));
}

#[test]
fn quorum_with_an_unknown_name_is_refused() {
    let quorum = json!({"security-officer": 2});
    assert!(refused(|d| d["quorums"]["rob-the-bank"] = quorum).contains("unknown name"));
}

#[test]
fn screening_list_that_cannot_be_read_is_refused() {
    let listed = |member: &str, text: &str| refused(|d| d["screening_lists"][0][member] = json!(text));
    for (member, text) in [("as_of", "2026-13-01"), ("text", "0x12"), ("text", "")] {
        let message = listed(member, text);
        assert!(message.contains("screening list `ofac-eth`"), "{message}");
    }
}

#[test]
fn signature_under_another_officers_name_is_none() {
    let mut envelope = genesis_entry(&document()).unwrap().envelope().clone();
    let (alice, bob) = (envelope.signatures[0].key_id.clone(), envelope.signatures[1].key_id.clone());
    (envelope.signatures[0].key_id, envelope.signatures[1].key_id) = (bob, alice);
    let entry = holdfast_log::Entry::stamp(super::cell::START, &envelope).unwrap();
    assert!(Genesis::from_entry(&entry).unwrap_err().to_string().contains("has not signed"));
}

#[test]
fn node_that_is_listed_twice_under_other_keys_is_refused() {
    let message = refused(|d| d["nodes"][1]["name"] = json!("node-1"));
    assert!(message.contains("a node is listed twice"), "{message}");
}

#[test]
fn quorum_that_genesis_leaves_out_is_the_one_of_what_is_done() {
    let listed = json!({"create-wallet": {"security-officer": 2}, "change-policy": {"security-officer": 3}});
    let quorums: BTreeMap<String, Quorum> = serde_json::from_value(listed).unwrap();
    for (name, instead) in [
        ("migrate-wallet", "create-wallet"),
        ("import-wallet", "create-wallet"),
        ("tighten-policy", "change-policy"),
        ("extend-screening-list", "change-policy"),
        ("reduce-screening-list", "change-policy"),
    ] {
        assert_eq!(ceremony::quorum_of(&quorums, name), quorums.get(instead), "{name}");
    }
    assert_eq!(ceremony::quorum_of(&quorums, "resume-wallet"), None);
}
