//! Grants that pay addresses of the house alone, asked of real nodes: an entry of a customer is none of the house's, however long the
//! nodes have held it.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use holdfast_ledger::WithdrawalId;
use holdfast_policy::ReasonCode;
use holdfast_proto::v1::node_service_server::NodeService as _;
use serde_json::json;
use tonic::Request;

use crate::testing::{Cell, TestNode, create_wallet, reason, sign_prepare_request};

const COOLING_OFF_MS: u64 = 60_000;
const SKEW_MS: u64 = 5_000;

/// A cell whose wallet pays the house alone, to addresses that were on the whitelist for a minute.
async fn cell_that_pays_the_house() -> (Cell, Vec<TestNode>) {
    let mut cell = Cell::amended(|document| {
        let policy = document["policy"].as_str().unwrap();
        let policy = policy.replacen("destinations = \"whitelisted\"", "destinations = \"house\"", 1);
        let cooling_off = format!("cooling_off_ms = {COOLING_OFF_MS}");
        document["policy"] = json!(policy.replacen("cooling_off_ms = 0", &cooling_off, 1));
    });
    let nodes = TestNode::three(&cell).await;
    create_wallet(&mut cell, &nodes).await;
    cell.session(false);
    (cell, nodes)
}

async fn catch_up(nodes: &[TestNode], cell: &Cell) {
    for node in nodes {
        node.catch_up(cell).await;
    }
}

/// What each node answers to the order to sign.
async fn answers(cell: &Cell, nodes: &[TestNode], id: WithdrawalId, session: u8) -> [Result<(), String>; 3] {
    let mut answers = [Ok(()), Ok(()), Ok(())];
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        let signers = [&nodes[first.min(second)], &nodes[first.max(second)]];
        let session = [session + u8::try_from(first).unwrap(); 32];
        let order = sign_prepare_request(cell, nodes[first].tip().await, id, session, &signers);
        let answered = nodes[first].api().sign_prepare(Request::new(order)).await;
        answers[first] = answered.map(drop).map_err(|status| reason(&status));
    }
    answers
}

#[tokio::test]
async fn old_entry_of_a_customer_pays_nothing_where_the_grant_wants_the_houses() {
    // Given a payee whom a customer confirmed long ago
    let (mut cell, nodes) = cell_that_pays_the_house().await;
    cell.confirm_payee();
    catch_up(&nodes, &cell).await;
    cell.now += 10 * COOLING_OFF_MS;
    // Then nothing is paid there for the house
    let id = cell.requested("k-0", 10);
    let denied = &cell.state().withdrawal(&id).unwrap().decision;
    assert_eq!(denied.main_reason(), Some(ReasonCode::NoGrant), "{denied:?}");
    catch_up(&nodes, &cell).await;
    // When the house's own entry comes in a log that was kept back until it had cooled off by the log's times
    cell.permit_payee();
    cell.now += COOLING_OFF_MS;
    let id = cell.authorized("k-1", 1);
    catch_up(&nodes, &cell).await;
    // Then no node signs before it cooled off by the node's own clock, to the millisecond
    let too_early = [0; 3].map(|_| Err("COOLING_OFF_NOT_WITNESSED".to_owned()));
    assert_eq!(answers(&cell, &nodes, id, 10).await, too_early);
    nodes.iter().for_each(|node| node.clock.advance(COOLING_OFF_MS - SKEW_MS - 1));
    assert_eq!(answers(&cell, &nodes, id, 20).await, too_early);
    nodes.iter().for_each(|node| node.clock.advance(1));
    assert_eq!(answers(&cell, &nodes, id, 30).await, [Ok(()), Ok(()), Ok(())]);
}
