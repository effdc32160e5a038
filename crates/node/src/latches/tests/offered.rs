//! What a node offers for the log: nothing made up keeps a statement back that the log would take.

use holdfast_proto::v1::node_service_server::NodeService as _;

use super::*;

/// What the coordinator looks at in one answer.
const LOOKED_AT: usize = 64;

/// An officer's revocation of an entry that no log will ever contain.
fn made_up(cell: &Cell, officer: &str, number: usize) -> Envelope {
    let text = String::from_utf8(cell.pause(officer).payload).unwrap();
    let text = text.replace("pause a wallet", "revoke a whitelist entry");
    signed_statement(officer, &text.replace("wallet: hot-1", &format!("whitelist entry: e-{number:032x}")))
}

async fn offered(node: &TestNode) -> Vec<Vec<u8>> {
    let status = node.api().status(Request::new(v1::NodeStatusRequest {})).await.unwrap();
    status.into_inner().unlogged_statements
}

#[tokio::test]
async fn made_up_revocations_keep_no_pause_from_the_log_whoever_came_first() {
    let (mut cell, nodes) = ready().await;
    cell.admit_officer("carol");
    nodes[0].catch_up(&cell).await;
    // Given as many made-up revocations as one officer may deliver, another officer's pause, and as many again
    for number in 0..LOOKED_AT {
        deliver(&nodes[0], &made_up(&cell, "bob", number)).await.unwrap();
    }
    let pause = cell.pause("alice");
    deliver(&nodes[0], &pause).await.unwrap();
    for number in 0..LOOKED_AT {
        deliver(&nodes[0], &made_up(&cell, "carol", LOOKED_AT + number)).await.unwrap();
    }
    // Then the pause is what the node offers first, and no more than the coordinator looks at
    let first = offered(&nodes[0]).await;
    assert_eq!((first.len(), &first[0]), (LOOKED_AT, &pause.to_json()));
    // And of two pauses the newer
    cell.now += 1;
    let newer = cell.pause("alice");
    deliver(&nodes[0], &newer).await.unwrap();
    assert_eq!(offered(&nodes[0]).await[..2], [newer.to_json(), pause.to_json()]);
}

#[tokio::test]
async fn pauses_of_an_officer_who_left_keep_no_pause_from_the_log() {
    let (mut cell, nodes) = ready().await;
    cell.admit_officer("dave");
    nodes[0].catch_up(&cell).await;
    // Given a pause, and then as many of an officer who leaves
    let pause = cell.pause("alice");
    deliver(&nodes[0], &pause).await.unwrap();
    for _ in 0..LOOKED_AT {
        cell.now += 1;
        deliver(&nodes[0], &cell.pause("dave")).await.unwrap();
    }
    cell.remove_officer("dave");
    nodes[0].catch_up(&cell).await;
    // Then
    let first = offered(&nodes[0]).await;
    assert_eq!((first.len(), &first[0]), (LOOKED_AT, &pause.to_json()));
}
