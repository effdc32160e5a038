//! What a latch stops, and nothing beside it.

use super::*;
use crate::witnessed::calls::{CONTRACT, DELEGATE, cell, delegates, whitelist};

#[tokio::test]
async fn pause_of_another_wallet_stops_nothing_of_this_one() {
    // Given a pause of a wallet that this node was not shown
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let text = String::from_utf8(cell.pause("alice").payload).unwrap();
    let pause = signed_statement("alice", &text.replace("wallet: hot-1", "wallet: hot-2"));
    let receipt = deliver(&nodes[0], &pause).await.unwrap();
    assert_eq!(receipt_of(&nodes[0], &receipt).scope, LatchScope::Wallet(WalletId::new("hot-2").unwrap()));
    // Then it is in force, and what the other wallet pays is signed
    assert_eq!(nodes[0].node.latches.in_force().await.len(), 1);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
}

#[tokio::test]
async fn address_on_a_list_that_no_rule_asks_stays_latched_when_the_log_has_it() {
    // Given two lists, of which the policy names one
    let mut cell = Cell::amended(|document| {
        let unheeded = json!({"id": "watch", "source": "test", "as_of": "2026-11-01",
            "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"});
        document["screening_lists"].as_array_mut().unwrap().push(unheeded);
    });
    let mut node = TestNode::three(&cell).await.remove(0);
    let address = holdfast_chains::Address::parse("0x8ba1f109551bD432803012645Ac136ddd64DBA72").unwrap();
    let added = ["ofac-eth", "watch"].map(|list| {
        let list = list.parse().unwrap();
        cell.statement("alice", StatementBody::AddToScreeningList { list, address })
    });
    for addition in &added {
        deliver(&node, addition).await.unwrap();
    }
    assert_eq!(node.node.latches.in_force().await.len(), 2);
    // When the log has both
    added.iter().for_each(|addition| drop(cell.accept(addition)));
    node.catch_up(&cell).await;
    // Then the rules refuse by the first, and nothing but the latch by the second, also after a restart
    for _ in 0..2 {
        let in_force = node.node.latches.in_force().await;
        assert_eq!(
            in_force.iter().map(|latch| latch.digest).collect::<Vec<_>>(),
            [StatementDigest::of(&added[1].payload)]
        );
        node = node.restart(&cell).await;
    }
}

#[tokio::test]
async fn node_that_was_told_of_a_revoked_entry_calls_nothing_with_its_address() {
    let mut cell = cell("whitelisted").await;
    whitelist(&mut cell, CONTRACT, None);
    let entry = whitelist(&mut cell, DELEGATE, None);
    let other = whitelist(&mut cell, "0xdD870fA1b7C4700F2BD7f44238821C26f7392148", None);
    let id = delegates(&mut cell);
    let wallet = cell.state().withdrawal(&id).unwrap().request.wallet.clone();
    let covers = |scope: LatchScope| Subject::of_record(&scope, "").covers(cell.state(), &wallet, &id);
    assert!(covers(LatchScope::WhitelistEntry(entry)));
    assert!(!covers(LatchScope::WhitelistEntry(other)));
}
