//! Attacks with time: back-dated, ahead, too old, and expiring in between.

use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{PayloadKind, StatementBody, WhitelistProposal, WithdrawalId, WithdrawalState};
use holdfast_policy::TimestampMs;
use holdfast_tests::{Hostile, now_ms, restamped};
use serde_json::json;
use std::time::Duration;
use tonic::Code;

use super::{COOLING_OFF, MAX_AGE, PAIR, SKEW_MS, Stolen};

fn entry_for(address: &str, expires_at_ms: u64) -> StatementBody {
    StatementBody::ProposeWhitelistEntry(WhitelistProposal {
        chain_id: ChainId(1),
        address: Address::parse(address).unwrap(),
        assets: vec!["USDT".parse().unwrap()],
        customer: None,
        not_before: None,
        expires_at: TimestampMs(expires_at_ms),
    })
}

#[tokio::test]
async fn an_entry_ahead_of_the_nodes_clock_waits() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    for ahead in [10_000, 60_000, 365 * 24 * 60 * 60 * 1_000] {
        let future = restamped(&cluster.intent().signed(cluster), now_ms() + ahead);
        let all = [hostile.log.bytes(), vec![future]].concat();
        let result = hostile.replicate("node-1", hostile.replication_of(tip, &all)).await;
        hostile.caught("node-1", result, Code::Unavailable, "ENTRY_AHEAD_OF_CLOCK");
    }
    assert_eq!(hostile.tip_size("node-1").await, tip);
}

#[tokio::test]
async fn an_authorization_stamped_ahead_or_kept_too_long_is_not_signed() {
    let stolen = Stolen::cluster().await;
    let cluster = &stolen.cluster;
    let id = {
        let mut log = stolen.log.lock().await;
        let mut hostile = Hostile::with(cluster, &mut log);
        let id = hostile.authorized(&cluster.request());
        hostile.catch_up("node-1").await;
        // Ahead of every node's clock, so that it would stay young for longer
        let digest = hostile.log.state().withdrawal(&id).unwrap().authorization.clone().unwrap().digests[0];
        let payload = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [digest]});
        let ahead = restamped(&hostile.speak(PayloadKind::Authorize, &payload), now_ms() + 60_000);
        let all = [hostile.log.bytes(), vec![ahead]].concat();
        let mut order = hostile.order("node-1", &holdfast_tests::new_session(), &id, &PAIR).await;
        order.replication = Some(hostile.replication_of(hostile.log.size(), &all));
        let result = hostile.prepare_at("node-1", order).await;
        hostile.caught("node-1", result, Code::Unavailable, "ENTRY_AHEAD_OF_CLOCK");
        id
    };
    // And kept until the policy gives it no longer
    tokio::time::sleep(MAX_AGE + Duration::from_millis(200)).await;
    let mut log = stolen.log.lock().await;
    let hostile = Hostile::with(cluster, &mut log);
    hostile.nobody_signs(&id, Code::FailedPrecondition, "AUTHORIZATION_TOO_OLD").await;
}

#[tokio::test]
async fn an_order_whose_whitelist_entry_expires_between_decision_and_signing_is_refused() {
    let stolen = Stolen::cluster().await;
    let cluster = &stolen.cluster;
    let address = Address::from_bytes([0x33; 20]).to_string();
    // Given an entry that is valid for a few seconds after its cooling-off
    let expires_at = {
        let mut log = stolen.log.lock().await;
        let mut hostile = Hostile::with(cluster, &mut log);
        let expires_at = now_ms() + 7_000;
        hostile.ceremony(entry_for(&address, expires_at));
        for node in holdfast_tests::NODES {
            hostile.catch_up(node).await;
        }
        expires_at
    };
    tokio::time::sleep(COOLING_OFF).await;
    // When a payment is decided, authorized and begun while it is
    let mut log = stolen.log.lock().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let request = cluster.intent().set("destination", address).with_transfer(cluster.next_account_nonce());
    let id = hostile.authorized(&request);
    assert_eq!(hostile.log.state().withdrawal(&id).unwrap().logged_state(), WithdrawalState::Authorized);
    let attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    tokio::time::sleep(Duration::from_millis(expires_at.saturating_sub(now_ms()) + 50)).await;
    // Then it is neither begun again nor gone on with
    hostile.nobody_signs(&id, Code::FailedPrecondition, "POLICY_REFUSES").await;
    let round = hostile.honest_call(&attempt, "node-1", 1).await;
    hostile.caught("node-1", round, Code::FailedPrecondition, "POLICY_REFUSES");
}

#[tokio::test]
async fn a_hold_created_now_with_an_earlier_time_is_a_no_op() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // The log was idle; the coordinator stamps a request of now with the last entry's time
    let idle_since = hostile.log.state().last_time().0;
    let wait = (idle_since + 700).saturating_sub(now_ms());
    tokio::time::sleep(Duration::from_millis(wait)).await;
    let made = now_ms() + SKEW_MS - 100;
    let request = super::large(cluster).set("created_at_ms", made).set("expires_at_ms", made + 600_000);
    let applied = hostile.log.append_at(idle_since, &request.signed(cluster));
    let holdfast_ledger::Outcome::Rejected(rejection) = applied.outcome else { panic!("{applied:?}") };
    assert_eq!(rejection.code().as_str(), "INTENT_FROM_THE_FUTURE");
    let id = WithdrawalId::of(cluster.name(), "pipeline", &request.text("idempotency_key"));
    hostile.nobody_signs(&id, Code::NotFound, "ORDER_UNKNOWN").await;
}
