//! Statements that are delivered again, or after the log has them: a receipt and nothing else.

use holdfast_policy::ClientId;

use super::*;

#[tokio::test]
async fn statement_whose_rules_took_over_is_receipted_again_and_stays_lifted() {
    let (mut cell, nodes) = ready().await;
    let pause = cell.pause("alice");
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    cell.accept(&pause);
    nodes[0].catch_up(&cell).await;
    assert_eq!(deliver(&nodes[0], &pause).await.unwrap(), receipt);
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    assert!(read_record(&nodes[0].store, 0).unwrap().lifted);
}

#[tokio::test]
async fn statement_that_the_log_contains_needs_none_of_its_officers_room() {
    let (mut cell, nodes) = ready().await;
    for _ in 0..MAX_LATCHES_PER_OFFICER {
        cell.now += 1;
        deliver(&nodes[0], &cell.pause("alice")).await.unwrap();
    }
    cell.now += 1;
    let logged = cell.pause("alice");
    cell.accept(&logged);
    nodes[0].catch_up(&cell).await;
    let receipt = deliver(&nodes[0], &logged).await.unwrap();
    assert_eq!(receipt_of(&nodes[0], &receipt).statement, StatementDigest::of(&logged.payload).to_string());
    assert_eq!(nodes[0].node.latches.in_force().await.len(), MAX_LATCHES_PER_OFFICER);
}

#[tokio::test]
async fn stored_revocation_that_names_no_key_is_used_up_when_it_acted_and_the_client_came_back() {
    // Given a revocation in an earlier form, which the log has too
    let (mut cell, mut nodes) = ready().await;
    let pipeline = ClientId::new("pipeline").unwrap();
    let revocation = cell.statement("alice", StatementBody::RevokeClient(pipeline));
    deliver(&nodes[0], &revocation).await.unwrap();
    clients::forget_the_key(&nodes[0]).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    cell.accept(&revocation);
    // When officers admit the client again before this node is shown either
    cell.admit_client("pipeline", "pipeline-2");
    nodes[0].catch_up(&cell).await;
    // Then it stops the new client no more
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    let withdrawal = cell.authorized_for(("pipeline", "pipeline-2"), "k-1", 0);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn address_that_the_log_listed_and_a_quorum_took_off_is_latched_no_more_and_gets_no_receipt() {
    // Given an address that an officer added at this node
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let address = cell.state().withdrawal(&withdrawal).unwrap().request.destination;
    let list: holdfast_policy::ListId = "ofac-eth".parse().unwrap();
    let addition = cell.statement("alice", StatementBody::AddToScreeningList { list: list.clone(), address });
    deliver(&nodes[0], &addition).await.unwrap();
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    // When the log lists it and takes it off again, before this node is shown either
    cell.accept(&addition);
    cell.approve(StatementBody::ProposeScreeningLift { list, addresses: vec![address] });
    nodes[0].catch_up(&cell).await;
    // Then it stops nothing more, and nobody gets a receipt that says so
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    assert_eq!(refused(&nodes[0], &addition).await, "STATEMENT_ALREADY_USED");
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [11; 32]).await.unwrap();
}
