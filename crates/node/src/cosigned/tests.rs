//! Notes with too few names, of other trees, by keys that left, and just enough.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "test")]

use holdfast_ledger::{MinimumCheckpoint, RosterChange};
use holdfast_log::{Cosigner, Hash};
use holdfast_proto::v1::node_service_server::NodeService as _;
use serde_json::json;
use tonic::Request;

use super::*;
use crate::testing::{
    Cell, TestNode, checkpoint_of, create_wallet, ed25519, reason, sign_prepare_request, signed_checkpoint,
};

/// One node may be hostile; `witnesses` outside witnesses are required of the two that there are.
fn cell_of(hostile: u8, witnesses: u8) -> Cell {
    let mut cell = Cell::amended(|document| {
        let witness = |n: u8| {
            let key = hex::encode(ed25519(&format!("witness-{n}")).verifying_key().as_bytes());
            json!({"name": format!("witness.example/{n}"), "public_key": key})
        };
        document["threshold"]["f"] = json!(hostile);
        document["witnesses"] = json!([witness(1), witness(2)]);
        document["witnesses_required"] = json!(witnesses);
    });
    cell.fill(4);
    cell
}

fn tree_of(cell: &Cell) -> MemoryTree {
    MemoryTree::from_leaf_hashes(cell.log.iter().map(|entry| entry.leaf_hash())).unwrap()
}

fn cosigned_by(mut note: SignedCheckpoint, cell: &Cell, nodes: &[u8], witnesses: &[u8]) -> Vec<u8> {
    let node = |n: &u8| (KeyName::of_node("demo-1", &format!("node-{n}")).unwrap(), format!("cosign-{n}"));
    let witness = |n: &u8| (KeyName::new(&format!("witness.example/{n}")).unwrap(), format!("witness-{n}"));
    for (name, key) in nodes.iter().map(node).chain(witnesses.iter().map(witness)) {
        let cosigner = Cosigner::new(name, ed25519(&key));
        let cosignature = cosigner.cosign(note.claimed(), cell.now / 1_000).unwrap();
        note = note.with_cosignature(&cosignature).unwrap();
    }
    note.to_bytes()
}

/// What node 1 says to the first `size` entries, cosigned by these, when the authorization is entry 3.
fn checked(cell: &Cell, size: usize, nodes: &[u8], witnesses: &[u8]) -> Result<(), String> {
    let note = cosigned_by(checkpoint_of(&cell.log[..size]), cell, nodes, witnesses);
    let own = "node-1".parse().unwrap();
    check(cell.state(), &tree_of(cell), &note, 3, &own).map_err(|refusal| refusal.to_string())
}

#[test]
fn with_a_hostile_node_more_than_half_of_all_and_it_must_have_cosigned() {
    let cell = cell_of(1, 0);
    // Three of three are needed: this node counts, once
    assert_eq!(checked(&cell, 5, &[2, 3], &[]), Ok(()));
    assert_eq!(checked(&cell, 5, &[1, 2, 3], &[]), Ok(()));
    for too_few in [&[][..], &[1], &[2], &[1, 3]] {
        let found = 1 + too_few.iter().filter(|node| **node != 1).count();
        let refusal = format!("{found} of 3 nodes and 0 of 0 witnesses cosigned it");
        assert_eq!(checked(&cell, 5, too_few, &[1, 2]), Err(refusal.replace("and 0 of", "and 2 of")));
    }
}

#[test]
fn outside_witnesses_are_asked_for_also_if_no_node_may_be_hostile() {
    let cell = cell_of(0, 1);
    assert_eq!(checked(&cell, 5, &[], &[2]), Ok(()));
    assert_eq!(checked(&cell, 5, &[], &[1, 2]), Ok(()));
    assert_eq!(
        checked(&cell, 5, &[2, 3], &[]),
        Err("3 of 0 nodes and 0 of 1 witnesses cosigned it".to_owned())
    );
    // Both kinds, if genesis wants both
    let cell = cell_of(1, 2);
    assert_eq!(checked(&cell, 5, &[2, 3], &[1, 2]), Ok(()));
    assert!(checked(&cell, 5, &[2, 3], &[1]).is_err() && checked(&cell, 5, &[2], &[1, 2]).is_err());
}

#[test]
fn nothing_is_asked_for_where_genesis_asks_for_nothing() {
    let cell = cell_of(0, 0);
    let own = "node-1".parse().unwrap();
    assert!(check(cell.state(), &tree_of(&cell), b"", 3, &own).is_ok());
}

#[test]
fn checkpoint_that_ends_before_the_authorization_shows_nothing() {
    let cell = cell_of(1, 0);
    assert_eq!(checked(&cell, 4, &[2, 3], &[]), Ok(()));
    for size in [0, 1, 3] {
        let refusal = format!("the cosigned checkpoint has {size} entries, the authorization is entry 3");
        assert_eq!(checked(&cell, size, &[2, 3], &[]), Err(refusal));
    }
}

#[test]
fn checkpoint_of_another_tree_or_a_longer_one_shows_nothing() {
    let cell = cell_of(1, 0);
    let own = "node-1".parse().unwrap();
    for (size, root) in [(5, Hash([7; 32])), (6, cell.replica.root()), (1 << 40, cell.replica.root())] {
        let note = cosigned_by(signed_checkpoint(size, root), &cell, &[2, 3], &[]);
        let refused = check(cell.state(), &tree_of(&cell), &note, 3, &own).unwrap_err();
        assert!(matches!(refused, CosignedRefusal::OtherHistory { .. }), "{size}: {refused}");
        assert_eq!(refused.code(), "COSIGNATURES_MISSING");
    }
}

#[test]
fn keys_that_left_the_roster_count_no_more_not_even_under_what_they_signed_before() {
    let mut cell = cell_of(1, 0);
    let (size, root) = (cell.size(), cell.replica.root());
    let note = cosigned_by(checkpoint_of(&cell.log), &cell, &[2, 3], &[]);
    let shown = |cell: &Cell| {
        let shown = read(cell.state(), &tree_of(cell), &note).unwrap();
        shown.nodes.into_iter().map(|(node, _)| node.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&cell), ["node-2", "node-3"]);
    cell.change_roster(RosterChange::ReplaceNodeKeys {
        node: "node-3".parse().unwrap(),
        cosigning_key: ed25519("cosign-new").verifying_key(),
        message_key: ed25519("message-new").verifying_key(),
        minimum: MinimumCheckpoint { size, root },
    });
    assert_eq!(shown(&cell), ["node-2"]);
}

#[tokio::test]
async fn order_without_the_cosignatures_that_genesis_asks_for_is_refused() {
    let mut cell = cell_of(1, 0);
    let nodes = TestNode::three(&cell).await;
    create_wallet(&mut cell, &nodes).await;
    cell.permit_payee();
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].clock.set(cell.now);
    let pair = [&nodes[0], &nodes[1]];
    let ask = async |session: u8, cosigners: &[u8]| {
        let mut order = sign_prepare_request(&cell, nodes[0].tip().await, withdrawal, [session; 32], &pair);
        order.cosigned_checkpoint = cosigned_by(checkpoint_of(&cell.log), &cell, cosigners, &[]);
        nodes[0].api().sign_prepare(Request::new(order)).await
    };
    assert_eq!(reason(&ask(9, &[1, 2]).await.unwrap_err()), "COSIGNATURES_MISSING");
    assert!(!ask(10, &[2, 3]).await.unwrap().into_inner().offer.is_empty());
}
