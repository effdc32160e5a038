//! Revocations of clients on the direct path: one key is stopped, known here or not, and no other.

use holdfast_policy::ClientId;

use super::*;

fn revoke(cell: &Cell, officer: &str, client: &str) -> Envelope {
    cell.statement(officer, StatementBody::RevokeClient(ClientId::new(client).unwrap()))
}

async fn in_force(node: &TestNode) -> usize {
    node.node.latches.in_force().await.len()
}

#[tokio::test]
async fn delivered_revocation_stops_the_client_also_after_a_restart() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    deliver(&nodes[0], &revoke(&cell, "alice", "pipeline")).await.unwrap();
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 11).await, "LATCHED");
}

#[tokio::test]
async fn revocation_that_never_reached_the_log_does_not_stop_the_client_that_officers_admitted_since() {
    let (mut cell, mut nodes) = ready().await;
    let before = cell.authorized("k-1", 0);
    let revocation = revoke(&cell, "alice", "pipeline");
    deliver(&nodes[0], &revocation).await.unwrap();
    // When the client leaves, what it asked for is stopped by the rules and the latch is not needed any more
    cell.remove_client("pipeline");
    nodes[0].catch_up(&cell).await;
    assert_eq!(in_force(&nodes[0]).await, 0);
    assert_eq!(refusal_to_sign(&cell, &nodes, before, 10).await, "CLIENT_EXPIRED");
    // When it comes back under a new key, it is not the client that the officer revoked, also after a restart
    cell.admit_client("pipeline", "pipeline-2");
    nodes[0].catch_up(&cell).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(in_force(&nodes[0]).await, 0);
    let after = cell.authorized_for(("pipeline", "pipeline-2"), "k-2", 1);
    sign(&cell, &[&nodes[0], &nodes[1]], after, [11; 32]).await.unwrap();
    assert_eq!(refusal_to_sign(&cell, &nodes, before, 12).await, "CLIENT_EXPIRED");
    // And the statement, delivered again, gets no receipt that would say that something is stopped
    assert_eq!(refused(&nodes[0], &revocation).await, "STATEMENT_ALREADY_USED");
    nodes[2].catch_up(&cell).await;
    assert_eq!(refused(&nodes[2], &revocation).await, "STATEMENT_ALREADY_USED");
}

#[tokio::test]
async fn revocation_whose_work_another_officers_did_stays_lifted_when_the_client_comes_back() {
    let (mut cell, mut nodes) = ready().await;
    let by_alice = revoke(&cell, "alice", "pipeline");
    deliver(&nodes[0], &by_alice).await.unwrap();
    let by_bob = revoke(&cell, "bob", "pipeline");
    cell.accept(&by_bob);
    nodes[0].catch_up(&cell).await;
    assert_eq!(in_force(&nodes[0]).await, 0);
    cell.admit_client("pipeline", "pipeline-2");
    nodes[0].catch_up(&cell).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(in_force(&nodes[0]).await, 0);
    let after = cell.authorized_for(("pipeline", "pipeline-2"), "k-2", 1);
    sign(&cell, &[&nodes[0], &nodes[1]], after, [11; 32]).await.unwrap();
}

#[tokio::test]
async fn client_that_this_node_was_not_shown_can_be_revoked() {
    for shown_that_it_left in [false, true] {
        // Given a client that came back under another key, in a log that is kept from this node
        let (mut cell, mut nodes) = ready().await;
        cell.remove_client("pipeline");
        if shown_that_it_left {
            nodes[0].catch_up(&cell).await;
        }
        cell.admit_client("pipeline", "pipeline-2");
        // When an officer revokes it at the node
        let receipt = deliver(&nodes[0], &revoke(&cell, "alice", "pipeline")).await.unwrap();
        let scope = LatchScope::Client(ClientId::new("pipeline").unwrap());
        assert_eq!(receipt_of(&nodes[0], &receipt).scope, scope);
        // Then what the client asks for is not signed when it is shown, also after a restart
        let withdrawal = cell.authorized_for(("pipeline", "pipeline-2"), "k-1", 0);
        assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
        let restarted = nodes.remove(0).restart(&cell).await;
        nodes.insert(0, restarted);
        assert_eq!(in_force(&nodes[0]).await, 1);
        assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 11).await, "LATCHED");
        // Until the log's rules do it
        let by_bob = revoke(&cell, "bob", "pipeline");
        cell.accept(&by_bob);
        nodes[0].catch_up(&cell).await;
        assert_eq!(in_force(&nodes[0]).await, 0);
        assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 12).await, "CLIENT_REVOKED");
    }
}

#[tokio::test]
async fn revocation_of_one_client_stops_no_other() {
    let (mut cell, nodes) = ready().await;
    cell.admit_client("batch", "batch");
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    deliver(&nodes[0], &revoke(&cell, "alice", "batch")).await.unwrap();
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    assert_eq!(in_force(&nodes[0]).await, 1);
}

#[tokio::test]
async fn revocation_of_a_key_that_nobody_has_stops_nobody() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let text = String::from_utf8(revoke(&cell, "alice", "pipeline").payload).unwrap();
    let key = hex::encode(ed25519("pipeline").verifying_key().as_bytes());
    let made_up = hex::encode(ed25519("nobody").verifying_key().as_bytes());
    deliver(&nodes[0], &signed_statement("alice", &text.replace(&key, &made_up))).await.unwrap();
    assert_eq!(in_force(&nodes[0]).await, 1);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn revocation_that_does_not_say_which_key_or_describes_a_known_one_wrongly_is_refused() {
    let (cell, nodes) = ready().await;
    let text = String::from_utf8(revoke(&cell, "alice", "pipeline").payload).unwrap();
    let key = hex::encode(ed25519("pipeline").verifying_key().as_bytes());
    let unknown = text.replace("client: pipeline", "client: nobody");
    let made_up = hex::encode(ed25519("nobody").verifying_key().as_bytes());
    for (wrong, code) in [
        (text.replace("wallets: hot-1", "wallets: hot-2"), "STATEMENT_MISMATCH"),
        (text.replace(&key, "ab"), "STATEMENT_MISMATCH"),
        (text.replace(&key, &made_up.to_uppercase()), "STATEMENT_MISMATCH"),
        (
            text.replace(&format!("key: {key}\n"), &format!("key: {made_up}\nkey: {key}\n")),
            "STATEMENT_MISMATCH",
        ),
        // A key is one client's for ever
        (unknown.clone(), "UNKNOWN_PARTY"),
        (unknown.replace(&format!("key: {key}\n"), ""), "STATEMENT_MISMATCH"),
    ] {
        assert_ne!(wrong, text);
        assert_eq!(refused(&nodes[0], &signed_statement("alice", &wrong)).await, code, "{wrong}");
    }
}

/// Takes the lines that name a key out of the stored statement, as an earlier form of it could lack them.
pub(super) async fn forget_the_key(node: &TestNode) {
    let mut record: serde_json::Value =
        serde_json::from_slice(&node.store.read(STATEMENTS, &[0; 8]).unwrap().unwrap()).unwrap();
    let mut envelope = Envelope::parse(record["envelope"].as_str().unwrap().as_bytes()).unwrap();
    let text = String::from_utf8(envelope.payload).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.starts_with("key: ")).map(|l| format!("{l}\n")).collect();
    envelope.payload = kept.into_bytes();
    record["envelope"] = String::from_utf8(envelope.to_json()).unwrap().into();
    let batch = Batch::new().put(STATEMENTS, [0; 8], serde_json::to_vec(&record).unwrap());
    node.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn stored_revocation_that_names_no_key_does_not_stop_the_node_and_holds_for_the_name() {
    // Given revocations in an earlier form, of a client at one node and of another client at the next
    let (mut cell, mut nodes) = ready().await;
    cell.admit_client("batch", "batch");
    let withdrawal = cell.authorized("k-1", 0);
    for (node, client) in nodes.iter().zip(["pipeline", "batch"]) {
        node.catch_up(&cell).await;
        deliver(node, &revoke(&cell, "alice", client)).await.unwrap();
        forget_the_key(node).await;
    }
    // When the nodes start
    for place in 0..2 {
        let restarted = nodes.remove(place).restart(&cell).await;
        nodes.insert(place, restarted);
        assert_eq!(in_force(&nodes[place]).await, 1);
    }
    // Then each is a latch on the client of this name and on no other
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    sign(&cell, &[&nodes[1], &nodes[2]], withdrawal, [11; 32]).await.unwrap();
    // Until the log's rules do it
    let by_bob = revoke(&cell, "bob", "pipeline");
    cell.accept(&by_bob);
    nodes[0].catch_up(&cell).await;
    assert_eq!(in_force(&nodes[0]).await, 0);
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 12).await, "CLIENT_REVOKED");
}
