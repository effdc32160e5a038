//! Key generations through the service layer: interrupted, repeated, replaced, not permitted.

use holdfast_ledger::{CeremonyId, KeygenConfirmation};
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService as _;
use tonic::{Code, Request};

use super::*;
use crate::testing::{Cell, TestNode, create_wallet, keygen_round, prepare_keygen, reason};

const SESSION: [u8; 32] = [1; 32];

type Mail = Vec<(u32, Vec<u8>)>;

fn inbox(mail: &Mail, node: &TestNode) -> Vec<Vec<u8>> {
    mail.iter().filter(|(to, _)| *to == u32::from(node.number)).map(|(_, bytes)| bytes.clone()).collect()
}

async fn offers(cell: &Cell, nodes: &[TestNode], ceremony: CeremonyId) -> Vec<Vec<u8>> {
    let mut offers = Vec::new();
    for node in nodes {
        offers.push(prepare_keygen(cell, node, ceremony, SESSION).await.unwrap());
    }
    offers
}

async fn abort(node: &TestNode, session: [u8; 32]) {
    let abort = v1::AbortRequest { session_id: session.to_vec(), reason: "test".to_owned() };
    node.api().abort(Request::new(abort)).await.unwrap();
}

#[tokio::test]
async fn clock_that_went_back_generates_no_key() {
    let mut cell = Cell::new();
    let nodes = TestNode::three(&cell).await;
    let ceremony = cell.approve_wallet();
    let offers = offers(&cell, &nodes, ceremony).await;
    // Given a node that cosigned later than its clock now says
    nodes[0].clock.advance(60_000);
    nodes[0].node.replicate(cell.extension_to(cell.size(), cell.size())).await.unwrap();
    nodes[0].clock.set(cell.now);
    // Then it opens no attempt and goes on with none
    let refused = prepare_keygen(&cell, &nodes[0], ceremony, [2; 32]).await.unwrap_err();
    assert_eq!(reason(&refused), "CLOCK_WENT_BACK");
    let refused = keygen_round(&nodes[0], SESSION, 1, offers.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "CLOCK_WENT_BACK");
    // Until its clock is right again
    nodes[0].clock.advance(60_000);
    keygen_round(&nodes[0], SESSION, 1, offers).await.unwrap();
}

#[tokio::test]
async fn every_node_can_be_restarted_in_every_round_and_repeats_its_answers() {
    let mut cell = Cell::new();
    let mut nodes = TestNode::three(&cell).await;
    let ceremony = cell.approve_wallet();
    let offers = offers(&cell, &nodes, ceremony).await;
    let mut mail = Mail::new();
    let mut confirmations = Vec::new();
    for round in 1..=5 {
        let mut sent = Mail::new();
        let mut restarted = Vec::new();
        for node in nodes {
            let messages = if round == 1 { offers.clone() } else { inbox(&mail, &node) };
            let first = keygen_round(&node, SESSION, round, messages.clone()).await.unwrap();
            // Given a node that is restarted before anybody got its answer
            let node = node.restart(&cell).await;
            // Then the same messages get the same answer
            let again = keygen_round(&node, SESSION, round, messages).await.unwrap();
            assert_eq!(first, again, "round {round} was answered in two ways");
            sent.extend(again.outbound.into_iter().map(|message| (message.to_party, message.message)));
            confirmations.extend(again.confirmation_envelope);
            restarted.push(node);
        }
        (nodes, mail) = (restarted, sent);
    }
    let confirmations: Vec<KeygenConfirmation> = confirmations
        .iter()
        .map(|json| serde_json::from_slice(&Envelope::parse(json).unwrap().payload).unwrap())
        .collect();
    assert_eq!(confirmations.len(), 3);
    let same = |confirmation: &KeygenConfirmation| KeygenConfirmation {
        node: confirmations[0].node.clone(),
        ..confirmation.clone()
    };
    assert!(confirmations.iter().all(|confirmation| same(confirmation) == confirmations[0]));
    // The session's secrets are gone, and only the last round is still answered
    for node in &nodes {
        assert_eq!(node.store.scan(KEYGEN_STATES, &[], 10).unwrap(), []);
        let over = keygen_round(node, SESSION, 4, Vec::new()).await.unwrap_err();
        assert_eq!(reason(&over), "SESSION_OVER");
    }
}

#[tokio::test]
async fn share_is_on_disk_and_its_state_erased_in_this_order() {
    let mut cell = Cell::new();
    let nodes = TestNode::three(&cell).await;
    create_wallet(&mut cell, &nodes).await;
    let points = [CrashPoint::BeforeShare, CrashPoint::AfterShare, CrashPoint::AfterBackup];
    let seen = nodes[0].probe.at(&points);
    assert_eq!(seen.iter().map(|(point, _)| *point).collect::<Vec<_>>(), points);
    assert_eq!(seen.iter().map(|(_, disk)| disk.shares).collect::<Vec<_>>(), [0, 1, 1]);
    assert!(seen.iter().all(|(_, disk)| disk.keygen_states > 0));
    assert_eq!(nodes[0].store.scan(KEYGEN_STATES, &[], 10).unwrap(), []);
}

#[tokio::test]
async fn key_is_not_generated_without_the_officers_quorum() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 1).await;
    let ceremony = cell.approve_wallet();
    // Given a coordinator that leaves out the last approval
    let request = |to: u64| {
        let extension = cell.extension_to(1, to);
        v1::KeygenPrepareRequest {
            ceremony_id: ceremony.to_string(),
            session_id: SESSION.to_vec(),
            replication: Some(v1::Replication {
                from_index: extension.from_index,
                entries: extension.entries,
                checkpoint: extension.checkpoint,
                ..v1::Replication::default()
            }),
        }
    };
    node.clock.set(cell.now);
    let refused = node.api().keygen_prepare(Request::new(request(cell.size() - 1))).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "ORDER_NOT_PERMITTED")
    );
    node.api().keygen_prepare(Request::new(request(cell.size()))).await.unwrap();
}

#[tokio::test]
async fn preparing_again_gives_the_same_offer_and_another_session_replaces_the_attempt() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 1).await;
    let ceremony = cell.approve_wallet();
    let first = prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap();
    assert_eq!(prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap(), first);
    let node = node.restart(&cell).await;
    assert_eq!(prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap(), first);
    let second = prepare_keygen(&cell, &node, ceremony, [2; 32]).await.unwrap();
    assert_ne!(second, first);
    let gone = keygen_round(&node, SESSION, 1, vec![first]).await.unwrap_err();
    assert_eq!(reason(&gone), "SESSION_UNKNOWN");
    let reused = prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap_err();
    assert_eq!(reason(&reused), "SESSION_REUSED");
}

#[tokio::test]
async fn aborted_attempt_leaves_no_secret_and_its_session_is_used_up() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 1).await;
    let ceremony = cell.approve_wallet();
    prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap();
    abort(&node, SESSION).await;
    assert_eq!(node.store.scan(KEYGEN_STATES, &[], 10).unwrap(), []);
    let reused = prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap_err();
    assert_eq!(reason(&reused), "SESSION_REUSED");
    prepare_keygen(&cell, &node, ceremony, [2; 32]).await.unwrap();
}

#[tokio::test]
async fn attempts_at_one_ceremony_are_bounded() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 1).await;
    let ceremony = cell.approve_wallet();
    for attempt in 1..=MAX_ATTEMPTS {
        let session = [u8::try_from(attempt).unwrap(); 32];
        prepare_keygen(&cell, &node, ceremony, session).await.unwrap();
    }
    let refused = prepare_keygen(&cell, &node, ceremony, [99; 32]).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_SESSIONS"));
}

#[tokio::test]
async fn forged_offer_and_round_ahead_are_refused_without_ending_the_attempt() {
    let mut cell = Cell::new();
    let nodes = TestNode::three(&cell).await;
    let ceremony = cell.approve_wallet();
    let offers = offers(&cell, &nodes, ceremony).await;
    let ahead = keygen_round(&nodes[0], SESSION, 3, Vec::new()).await.unwrap_err();
    assert_eq!(reason(&ahead), "ROUND_NOT_DUE");
    let mut forged = offers.clone();
    if let Some(byte) = forged[1].last_mut() {
        *byte ^= 1;
    }
    let refused = keygen_round(&nodes[0], SESSION, 1, forged).await.unwrap_err();
    assert_eq!(reason(&refused), "PEER_MESSAGE_INVALID");
    keygen_round(&nodes[0], SESSION, 1, offers).await.unwrap();
}

#[tokio::test]
async fn state_on_disk_is_sealed() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 1).await;
    let ceremony = cell.approve_wallet();
    prepare_keygen(&cell, &node, ceremony, SESSION).await.unwrap();
    let records = node.store.scan(KEYGEN_STATES, &[], 10).unwrap();
    assert_eq!(records.len(), 1);
    // After the number of chunks
    assert!(records[0].1[1..].starts_with(b"HFSEAL"));
    let contains = |needle: &[u8]| records[0].1.windows(needle.len()).any(|window| window == needle);
    assert!(!contains(b"HFKG"), "the machine's own encoding lies in the clear");
}
