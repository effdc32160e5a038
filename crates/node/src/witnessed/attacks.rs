//! Statements that were kept back until they had expired, keys that the roster no longer names.

use holdfast_ledger::{MinimumCheckpoint, RosterChange, RosterProposal, StatementBody};
use holdfast_log::{Cosigner, KeyName, SignedCheckpoint};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService as _;
use holdfast_proto::v1::officer_service_server::OfficerService as _;
use tonic::Request;

use crate::testing::{
    Cell, TestNode, checkpoint_of, ed25519, prepare_keygen, ready, reason, sign_prepare_request,
};

const LATE_MS: u64 = 3_600_000 + 5_000 + 1_000;

/// The cell's newest checkpoint, cosigned by nodes at the cell's time.
fn cosigned(cell: &Cell, nodes: &[u8]) -> Vec<u8> {
    let mut note: SignedCheckpoint = checkpoint_of(&cell.log);
    for number in nodes {
        let name = KeyName::of_node("demo-1", &format!("node-{number}")).unwrap();
        let cosigner = Cosigner::new(name, ed25519(&format!("cosign-{number}")));
        let cosignature = cosigner.cosign(note.claimed(), cell.now / 1_000).unwrap();
        note = note.with_cosignature(&cosignature).unwrap();
    }
    note.to_bytes()
}

#[tokio::test]
async fn approvals_kept_back_until_they_expired_generate_no_key_unless_an_honest_node_had_them_in_time() {
    let mut cell = Cell::new();
    let node = TestNode::open(&cell, 3).await;
    let ceremony = cell.approve_wallet();
    let (early, one, two) = (cell.clone(), cosigned(&cell, &[1]), cosigned(&cell, &[1, 2]));

    // Given a node that gets them an hour too late
    cell.now += LATE_MS;
    let late = prepare_keygen(&cell, &node, ceremony, [1; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");

    // When one other node, which may be hostile, says that it had them, nothing changes
    let told = |evidence: Vec<u8>| crate::replica::Extension {
        evidence: vec![evidence],
        ..early.extension(early.size())
    };
    node.node.replicate(told(one)).await.unwrap();
    let late = prepare_keygen(&cell, &node, ceremony, [2; 32]).await.unwrap_err();
    assert_eq!(reason(&late), "STATEMENT_CAME_TOO_LATE");

    // Then with t of them one honest node has, also after a restart
    node.node.replicate(told(two)).await.unwrap();
    let node = node.restart(&cell).await;
    prepare_keygen(&cell, &node, ceremony, [3; 32]).await.unwrap();
}

fn replaced(cell: &Cell, number: u8, minimum: MinimumCheckpoint) -> StatementBody {
    let roster = cell.state().roster();
    let change = RosterChange::ReplaceNodeKeys {
        node: format!("node-{number}").parse().unwrap(),
        cosigning_key: ed25519("cosign-new").verifying_key(),
        message_key: ed25519("message-new").verifying_key(),
        minimum,
    };
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    StatementBody::ProposeRosterChange(Box::new(proposal))
}

#[tokio::test]
async fn keys_that_the_roster_no_longer_names_cosign_receipt_and_sign_nothing() {
    let (mut cell, nodes) = ready().await;
    let minimum = MinimumCheckpoint { size: cell.size(), root: cell.replica.root() };
    cell.approve(replaced(&cell, 3, minimum));
    let withdrawal = cell.authorized("k-1", 0);
    let old = &nodes[2];
    old.catch_up(&cell).await;

    let status = old.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (0, false, false));
    assert!(status.tip.unwrap().cosignature.is_empty());
    let order = sign_prepare_request(&cell, old.tip().await, withdrawal, [9; 32], &[&nodes[0], old]);
    let refused = old.api().sign_prepare(Request::new(order)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ENROLLED");
    let envelope = cell.pause("alice").to_json();
    let refused = old.officer_api().deliver(Request::new(v1::DeliverRequest { envelope })).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ENROLLED");
    // The others go on
    nodes[0].catch_up(&cell).await;
    let status = nodes[0].api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (1, true, true));
    assert!(!status.tip.unwrap().cosignature.is_empty());
}

#[tokio::test]
async fn keys_enrolled_from_another_history_do_not_serve() {
    let (mut cell, _) = ready().await;
    let (size, root) = (cell.size(), holdfast_log::Hash([7; 32]));
    cell.approve(replaced(&cell, 3, MinimumCheckpoint { size, root }));
    let node = TestNode::open_with_keys(&cell, 3, "cosign-new", "message-new").await;
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.enrolled, status.serving), (true, false));
    assert!(status.tip.unwrap().cosignature.is_empty());
}

#[tokio::test]
async fn new_keys_serve_as_soon_as_the_log_names_them_on_the_history_that_the_officers_saw() {
    let (mut cell, _) = ready().await;
    let minimum = MinimumCheckpoint { size: cell.size(), root: cell.replica.root() };
    let node = TestNode::open_with_keys(&cell, 3, "cosign-new", "message-new").await;
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (0, false, false));

    cell.approve(replaced(&cell, 3, minimum));
    node.catch_up(&cell).await;
    // The checkpoint that enrols them was taken over; the next one is cosigned.
    cell.session(false);
    node.catch_up(&cell).await;
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.incarnation, status.enrolled, status.serving), (2, true, true));
    assert!(!status.tip.unwrap().cosignature.is_empty());
}
