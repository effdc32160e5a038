//! Attacks with time: back-dated, ahead, too old, and expiring in between.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_chains::Address;
use holdfast_ledger::{Outcome, PayloadKind, State, Statement, StatementBody, WithdrawalId, WithdrawalState};
use holdfast_log::{Envelope, Hash};
use holdfast_policy::{TimestampMs, WalletId};
use holdfast_tests::{Cluster, Hostile, NODES, house_entry, new_session, now_ms, restamped};
use serde_json::json;
use tonic::Code;

use super::{COOLING_OFF, LATE_WALLET, MAX_AGE, PAIR, SKEW_MS, Stolen};

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
        let mut order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
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
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let address = Address::from_bytes([0x33; 20]).to_string();
    // Given an entry that is valid for a few seconds after its cooling-off
    let expires_at = now_ms() + 7_500;
    hostile.ceremony(house_entry(&address, expires_at));
    for node in NODES {
        hostile.catch_up(node).await;
    }
    tokio::time::sleep(COOLING_OFF).await;
    // When a payment is decided, authorized and begun while it is
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

/// What officers say about an entry now, which the coordinator keeps to itself: proposal and two approvals.
fn said_about(cluster: &Cluster, hostile: &Hostile<'_>, address: &str) -> Vec<Envelope> {
    let mut aside = hostile.log.clone();
    let proposal = hostile.officer_says("alice", house_entry(address, now_ms() + 60_000));
    let Outcome::Admitted(admission) = aside.append(&proposal).outcome else { panic!() };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approvals = ["alice", "bob"].map(|name| {
        let officer = cluster.officer(name);
        officer.sign(&officer.statement(aside.state(), approve.clone()))
    });
    std::iter::once(proposal).chain(approvals).collect()
}

#[tokio::test]
async fn a_whitelist_entry_logged_late_with_an_earlier_time_cools_off_from_when_nodes_held_it() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    for node in NODES {
        hostile.catch_up(node).await;
    }
    // Given an entry that officers agreed on, which no node was shown until its cooling-off would be over
    let address = Address::from_bytes([0x34; 20]).to_string();
    let said = said_about(cluster, &hostile, &address);
    let then = hostile.now();
    tokio::time::sleep(COOLING_OFF + Duration::from_millis(1_200)).await;
    // When it is logged with the time at which it was said
    for envelope in &said {
        let applied = hostile.log.append_at(then, envelope);
        assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    }
    let request = cluster.intent().set("destination", address).with_transfer(cluster.next_account_nonce());
    let id = hostile.authorized(&request);
    assert_eq!(
        hostile.log.state().withdrawal(&id).unwrap().logged_state(),
        WithdrawalState::Authorized,
        "by the log's own time nothing is wrong"
    );
    // Then every node counts from when it held it
    for (node, pair) in [("node-2", PAIR), ("node-3", ["node-2", "node-3"])] {
        let order = hostile.order(node, &new_session(), &id, &pair).await;
        let result = hostile.prepare_at(node, order).await;
        hostile.caught(node, result, Code::FailedPrecondition, "COOLING_OFF_NOT_WITNESSED");
    }
    // Whatever evidence of an earlier moment the coordinator makes up
    let thief = SigningKey::from_bytes(&[61; 32]);
    let helper = cluster.ed25519_key("node-2/cosigning.key");
    let (size, root, earlier) = (hostile.log.size(), Hash([7; 32]), then / 1_000);
    let evidence = vec![
        // One hostile node's cosignature; the same under a second name; and with a stranger's
        hostile.cosigned_checkpoint(&[("node-2", helper.clone())], earlier),
        hostile.cosigned_checkpoint(&[("node-2", helper.clone()), ("node-3", helper.clone())], earlier),
        hostile.cosigned_checkpoint(&[("node-2", helper.clone()), ("node-3", thief)], earlier),
        // Two nodes' over another root, and over a size that does not contain it
        hostile.with_cosignatures(
            size,
            root,
            &[("node-2", helper.clone()), ("node-3", cluster.ed25519_key("node-3/cosigning.key"))],
            earlier,
        ),
        b"junk".to_vec(),
    ];
    let mut order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
    order.replication.as_mut().unwrap().evidence = evidence;
    let result = hostile.prepare_at("node-1", order).await;
    hostile.caught("node-1", result, Code::FailedPrecondition, "COOLING_OFF_NOT_WITNESSED");
    // Two nodes' words would have done, so that the refusals above mean something
    let two = [("node-2", helper), ("node-3", cluster.ed25519_key("node-3/cosigning.key"))];
    let mut order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
    order.replication.as_mut().unwrap().evidence = vec![hostile.cosigned_checkpoint(&two, earlier)];
    hostile.prepare_at("node-1", order).await.unwrap();
}

#[tokio::test]
async fn a_resume_kept_beyond_its_expiry_and_logged_with_an_earlier_time_lifts_no_pause() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let wallet: WalletId = LATE_WALLET.parse().unwrap();
    let pause = hostile.officer_says("carol", StatementBody::PauseWallet(wallet.clone()));
    hostile.log.append(&pause);
    for node in NODES {
        hostile.catch_up(node).await;
    }
    // Given a resume that two officers wanted for a moment, and that the coordinator kept
    let lifts = hostile.log.state().wallet(&wallet).unwrap().pauses.iter().map(|p| p.statement).collect();
    let valid_ms = 1_500;
    let says = |state: &State, name: &str, body: StatementBody| {
        let statement = Statement {
            cluster: state.cluster().clone(),
            officer: name.parse().unwrap(),
            issued_at: TimestampMs(now_ms()),
            expires_at: Some(TimestampMs(now_ms() + valid_ms)),
            note: String::new(),
            body,
        };
        cluster.officer(name).sign(&state.statement_text(&statement).unwrap())
    };
    let mut aside = hostile.log.clone();
    let resume = StatementBody::ProposeResume { wallet: wallet.clone(), lifts };
    let proposal = says(aside.state(), "alice", resume);
    let Outcome::Admitted(admission) = aside.append(&proposal).outcome else { panic!() };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approvals = ["alice", "bob"].map(|name| says(aside.state(), name, approve.clone()));
    let then = hostile.now();
    tokio::time::sleep(Duration::from_millis(valid_ms + SKEW_MS + 1_500)).await;
    // When it is logged with the time at which it was said
    for envelope in std::iter::once(&proposal).chain(&approvals) {
        let applied = hostile.log.append_at(then, envelope);
        assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    }
    assert!(!hostile.log.state().wallet(&wallet).unwrap().is_paused(), "by the log's own time it is lifted");
    // Then for every node it came too late
    let id = hostile.authorized(&cluster.request().set("wallet", LATE_WALLET));
    hostile.nobody_signs(&id, Code::FailedPrecondition, "STATEMENT_CAME_TOO_LATE").await;
    let other = hostile.authorized(&cluster.request());
    hostile.sign(&other, &PAIR).await.unwrap();
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
    let Outcome::Rejected(rejection) = applied.outcome else { panic!("{applied:?}") };
    assert_eq!(rejection.code().as_str(), "INTENT_FROM_THE_FUTURE");
    let id = WithdrawalId::of(cluster.name(), "pipeline", &request.text("idempotency_key"));
    hostile.nobody_signs(&id, Code::NotFound, "ORDER_UNKNOWN").await;
}
