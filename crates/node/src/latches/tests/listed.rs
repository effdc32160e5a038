//! Addresses that officers put on a screening list at the node: what they stop, and when that is over.

use holdfast_chains::Address;
use holdfast_policy::ListId;

use super::*;
use crate::testing::PAYEE;

/// A call of the payee that hands over an address; the policy of these tests lists none, and a latch does not ask that.
fn calling(cell: &mut Cell, key: &str, address: &str) -> WithdrawalId {
    let word = format!("{}{}", "00".repeat(12), address.trim_start_matches("0x").to_lowercase());
    let request = json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "ETH", "chain_id": 1,
        "amount": "0", "destination": PAYEE, "calldata": format!("0x095ea7b3{word}{}", "00".repeat(32)),
        "fee_cap": "10000000000000000", "customer": "c-1", "idempotency_key": key, "created_at_ms": cell.now,
        "expires_at_ms": cell.now + 3_600_000});
    cell.accept(&sign_payload(PayloadKind::WithdrawalRequest, &request, "client", "pipeline"))
        .withdrawal
        .unwrap()
}

#[tokio::test]
async fn address_that_an_officer_added_stops_the_calls_that_hand_it_over_too() {
    const SPENDER: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
    const OTHER: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
    // Given calls of one contract, and an address that the log does not list yet
    let (mut cell, nodes) = ready().await;
    let withdrawals = [(SPENDER, true), (OTHER, false)].map(|(address, stopped)| {
        let id = calling(&mut cell, &format!("k-{stopped}"), address);
        (id, stopped)
    });
    let payment = cell.authorized("k-1", 0);
    let address = Address::parse(SPENDER).unwrap();
    let addition = cell
        .statement("alice", StatementBody::AddToScreeningList { list: "ofac-eth".parse().unwrap(), address });
    deliver(&nodes[0], &addition).await.unwrap();
    // Then what hands it over is stopped, as the rules will stop it, and nothing else is
    let wallet = WalletId::new("hot-1").unwrap();
    let gate = nodes[0].node.latches.gate().await;
    for (id, stopped) in withdrawals.into_iter().chain([(payment, false)]) {
        assert_eq!(gate.check(cell.state(), &wallet, &id).is_err(), stopped, "{id}");
    }
}

#[tokio::test]
async fn address_that_two_officers_added_and_a_quorum_took_off_stays_off_after_a_restart() {
    // Given an address that two officers add at the same time, of whom the log hears one first
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let (list, address) = ("ofac-eth".parse::<ListId>().unwrap(), Address::parse(PAYEE).unwrap());
    let added = ["alice", "bob"].map(|officer| {
        cell.statement(officer, StatementBody::AddToScreeningList { list: list.clone(), address })
    });
    for addition in &added {
        deliver(&nodes[0], addition).await.unwrap();
    }
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    cell.accept(&added[0]);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, [], "the rules have taken over");
    // When a quorum takes it off
    cell.approve(StatementBody::ProposeScreeningLift { list, addresses: vec![address] });
    nodes[0].catch_up(&cell).await;
    // Then neither statement comes back, nor is offered to the log again
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    assert!(unlogged(&nodes[0], 100_000).await.is_empty());
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [11; 32]).await.unwrap();
}

#[tokio::test]
async fn address_that_only_nodes_have_of_an_officer_who_left_goes_when_the_log_had_it_and_a_quorum_took_it_off()
 {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let (list, address) = ("ofac-eth".parse::<ListId>().unwrap(), Address::parse(PAYEE).unwrap());
    let add = StatementBody::AddToScreeningList { list: list.clone(), address };
    cell.admit_officer("carol");
    nodes[0].catch_up(&cell).await;
    let hers = cell.statement("carol", add.clone());
    deliver(&nodes[0], &hers).await.unwrap();
    cell.remove_officer("carol");
    nodes[0].catch_up(&cell).await;
    // Given that no log will ever take it
    assert_eq!(refusal_to_sign(&cell, &nodes, withdrawal, 10).await, "LATCHED");
    // When another officer adds the same address
    let his = cell.statement("bob", add);
    cell.accept(&his);
    nodes[0].catch_up(&cell).await;
    assert_eq!(nodes[0].node.latches.in_force().await, []);
    // And a quorum takes it off
    cell.approve(StatementBody::ProposeScreeningLift { list, addresses: vec![address] });
    nodes[0].catch_up(&cell).await;
    let restarted = nodes.remove(0).restart(&cell).await;
    nodes.insert(0, restarted);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [11; 32]).await.unwrap();
}
