//! The withdrawal path of three nodes, through the service layer, honest and attacked.

use holdfast_chains::{Digest, Signature};
use holdfast_ledger::WithdrawalId;
use holdfast_policy::{TimestampMs, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService as _;
use tonic::{Code, Request, Status};

use super::*;
use crate::testing::{Attempt, Cell, TestNode, ready, reason, sign, sign_prepare_request};

mod bound;

/// The canonical signature, checked with plain k256 under the log's public key.
fn verified(cell: &Cell, withdrawal: WithdrawalId, signature: &v1::EcdsaSignature) -> Signature {
    let digest: Digest =
        cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
    let key = cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().public_key;
    let scalar = |bytes: &Vec<u8>| <[u8; 32]>::try_from(bytes.as_slice()).unwrap();
    Signature::from_scalars(scalar(&signature.r), scalar(&signature.s), &digest, &key).unwrap()
}

async fn prepare_alone(node: &TestNode, request: v1::SignPrepareRequest) -> Result<(), Status> {
    node.api().sign_prepare(Request::new(request)).await.map(|_| ())
}

async fn refused(cell: &Cell, node: &TestNode, withdrawal: WithdrawalId, session: u8) -> String {
    let request = v1::SignPrepareRequest {
        signers: vec!["node-1".to_owned(), "node-2".to_owned()],
        ..sign_prepare_request(cell, node.tip().await, withdrawal, [session; 32], &[])
    };
    reason(&prepare_alone(node, request).await.unwrap_err())
}

#[tokio::test]
async fn any_two_of_three_nodes_sign_and_each_attempt_has_its_own_nonce() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut nonces = std::collections::BTreeSet::new();
    for (session, pair) in [(10, [0, 1]), (11, [0, 2]), (12, [1, 2]), (13, [0, 1])] {
        let pair = pair.map(|index: usize| &nodes[index]);
        let signatures = sign(&cell, &pair, withdrawal, [session; 32]).await.unwrap();
        let own: Vec<Signature> = signatures.iter().map(|s| verified(&cell, withdrawal, s)).collect();
        assert_eq!(own[0], own[1]);
        nonces.insert(*own[0].r());
    }
    assert_eq!(nonces.len(), 4, "a nonce was used twice");
}

#[tokio::test]
async fn binding_is_on_disk_before_the_first_message_exists() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    let points = [
        CrashPoint::BeforeEntries,
        CrashPoint::AfterEntries,
        CrashPoint::BeforeBinding,
        CrashPoint::AfterBinding,
        CrashPoint::SignRound1,
        CrashPoint::SignRound2,
        CrashPoint::SignRound3,
        CrashPoint::AfterLastMessage,
    ];
    let seen = nodes[0].probe.at(&points);
    assert_eq!(seen.iter().map(|(point, _)| *point).collect::<Vec<_>>(), points);
    let bindings: Vec<usize> = seen.iter().map(|(_, disk)| disk.bindings).collect();
    assert_eq!(bindings, [0, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(seen[1].1.entries, seen[0].1.entries + 2);
}

#[tokio::test]
async fn session_that_was_used_is_refused_for_ever() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 10).await, "SESSION_REUSED");
    let node = nodes.remove(0).restart(&cell).await;
    assert_eq!(refused(&cell, &node, withdrawal, 10).await, "SESSION_REUSED");
}

#[tokio::test]
async fn crash_in_the_middle_ends_the_attempt_and_the_next_one_signs_the_same_digest() {
    let (mut cell, mut nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let second = nodes.remove(1);
    let first = nodes.remove(0);
    let mut attempt = Attempt::prepare(&cell, &[&first, &second], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    attempt.round(2).await.unwrap();
    let late = attempt.call(&second, 3).await.unwrap();
    assert_eq!(late.outbound.len(), 1);
    drop(attempt);
    let first = first.restart(&cell).await;
    let request = v1::SignRoundRequest { session_id: vec![10; 32], round: 3, messages: vec![] };
    let lost = first.api().sign_round(Request::new(request)).await.unwrap_err();
    assert_eq!((lost.code(), reason(&lost).as_str()), (Code::NotFound, "SESSION_UNKNOWN"));
    let signatures = sign(&cell, &[&first, &second], withdrawal, [11; 32]).await.unwrap();
    verified(&cell, withdrawal, &signatures[0]);
}

#[tokio::test]
async fn node_without_the_authorization_in_its_own_log_does_not_sign() {
    let (mut cell, nodes) = ready().await;
    // Given an authorization that the coordinator does not show, or that was never made
    let before = cell.size();
    let withdrawal = cell.authorized("k-1", 0);
    let mut short = cell.clone();
    short.log.truncate(usize::try_from(before).unwrap() + 1);
    let request = v1::SignPrepareRequest {
        replication: Some({
            let extension = cell.extension_to(before, before + 1);
            v1::Replication {
                from_index: extension.from_index,
                entries: extension.entries,
                checkpoint: extension.checkpoint,
                ..v1::Replication::default()
            }
        }),
        signers: vec!["node-1".to_owned(), "node-2".to_owned()],
        ..sign_prepare_request(&cell, before, withdrawal, [10; 32], &[])
    };
    nodes[0].clock.set(cell.now);
    let refusal = prepare_alone(&nodes[0], request).await.unwrap_err();
    assert_eq!(reason(&refusal), "ORDER_NOT_PERMITTED");
    let unknown = WithdrawalId::of("demo-1", "pipeline", "never");
    assert_eq!(refused(&cell, &nodes[0], unknown, 11).await, "ORDER_UNKNOWN");
}

#[tokio::test]
async fn own_clock_decides_whether_an_authorization_is_fresh() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    nodes[0].clock.set(cell.now - 5_001);
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 10).await, "AUTHORIZATION_AHEAD_OF_CLOCK");
    nodes[0].clock.set(cell.now + 600_001);
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 11).await, "AUTHORIZATION_TOO_OLD");
    nodes[0].clock.set(cell.now + 690_000);
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 12).await, "AUTHORIZATION_TOO_OLD");
    // A renewed authorization is signed
    cell.now += 700_000;
    cell.authorize(withdrawal);
    sign(&cell, &[&nodes[0], &nodes[1]], withdrawal, [13; 32]).await.unwrap();
}

#[tokio::test]
async fn facts_that_came_after_the_authorization_count() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    // Given a second factor that was reset after the authorization
    cell.session(true);
    nodes[0].catch_up(&cell).await;
    // Then the node's own evaluation no longer allows it
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 10).await, "POLICY_REFUSES");
}

#[tokio::test]
async fn pause_that_arrives_between_rounds_stops_the_last_message() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    attempt.round(2).await.unwrap();
    let pause = cell.pause("bob");
    cell.accept(&pause);
    nodes[0].catch_up(&cell).await;
    assert_eq!(reason(&attempt.call(&nodes[0], 3).await.unwrap_err()), "WALLET_PAUSED");
    assert_eq!(nodes[0].node.signing.sessions.count(), 0);
}

#[tokio::test]
async fn signer_sets_that_are_none_are_refused_and_bind_nothing() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let sets: [&[&str]; 6] = [
        &["node-1"],
        &["node-1", "node-2", "node-3"],
        &["node-1", "node-1"],
        &["node-2", "node-3"],
        &["node-1", "node-9"],
        &[],
    ];
    for (session, names) in (10..).zip(sets) {
        let request = v1::SignPrepareRequest {
            signers: names.iter().map(|name| (*name).to_owned()).collect(),
            ..sign_prepare_request(&cell, nodes[0].tip().await, withdrawal, [session; 32], &[])
        };
        let refusal = prepare_alone(&nodes[0], request).await.unwrap_err();
        assert_eq!(reason(&refusal), "SIGNERS_INVALID", "{names:?}");
    }
    assert_eq!(nodes[0].store.scan(crate::tables::BINDINGS, &[], 10).unwrap(), []);
}

#[tokio::test]
async fn message_that_the_courier_changed_is_refused_and_the_true_one_still_taken() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    let forged = attempt.call_with(&nodes[0], 1, vec![vec![0; 300], vec![0; 300]]).await.unwrap_err();
    assert_eq!((forged.code(), reason(&forged).as_str()), (Code::Aborted, "PEER_MESSAGE_INVALID"));
    attempt.round(1).await.unwrap();
    let garbled = attempt.call_with(&nodes[0], 2, vec![vec![0; 1_000]]).await.unwrap_err();
    assert_eq!(reason(&garbled), "PEER_MESSAGE_INVALID");
    attempt.round(2).await.unwrap();
    attempt.round(3).await.unwrap();
    let signatures = attempt.finish().await.unwrap();
    verified(&cell, withdrawal, &signatures[0]);
}

#[tokio::test]
async fn offer_of_another_withdrawal_is_refused() {
    let (mut cell, nodes) = ready().await;
    let (first, second) = (cell.authorized("k-1", 0), cell.authorized("k-2", 1));
    // Given a coordinator that tells two nodes different withdrawals under one session
    let one = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], first, [10; 32]).await.unwrap();
    for node in &nodes {
        node.catch_up(&cell).await;
    }
    let request = v1::SignPrepareRequest {
        signers: vec!["node-2".to_owned(), "node-3".to_owned()],
        ..sign_prepare_request(&cell, nodes[2].tip().await, second, [10; 32], &[])
    };
    let other = nodes[2].api().sign_prepare(Request::new(request)).await.unwrap().into_inner().offer;
    let mixed = one.call_with(&nodes[0], 1, vec![one.offer(0), other]).await.unwrap_err();
    assert_eq!(reason(&mixed), "PEER_MESSAGE_INVALID");
}

#[tokio::test]
async fn rounds_out_of_order_and_repeated_rounds_do_no_harm() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    assert_eq!(reason(&attempt.call(&nodes[0], 2).await.unwrap_err()), "ROUND_NOT_DUE");
    let first = attempt.call(&nodes[0], 1).await.unwrap();
    let again = attempt.call(&nodes[0], 1).await.unwrap();
    assert_eq!(first, again, "one round was answered in two ways");
    let other = attempt.call_with(&nodes[0], 1, vec![attempt.offer(0)]).await.unwrap_err();
    assert_eq!(reason(&other), "ROUND_NOT_DUE");
    for round in 1..=3 {
        attempt.round(round).await.unwrap();
    }
    attempt.finish().await.unwrap();
}

#[tokio::test]
async fn attempts_are_bounded_in_number_and_time() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let request = |session: usize| v1::SignPrepareRequest {
        signers: vec!["node-1".to_owned(), "node-2".to_owned()],
        ..sign_prepare_request(&cell, cell.size(), withdrawal, [u8::try_from(session).unwrap(); 32], &[])
    };
    for session in 101..=100 + MAX_SESSIONS {
        prepare_alone(&nodes[0], request(session)).await.unwrap();
    }
    let (sessions, opened) = (&nodes[0].node.signing.sessions, cell.now);
    sessions.sweep(TimestampMs(opened + SESSION_TTL_MS));
    assert_eq!(sessions.count(), MAX_SESSIONS, "their time is not over yet");
    let full = prepare_alone(&nodes[0], request(101 + MAX_SESSIONS)).await.unwrap_err();
    assert_eq!((full.code(), reason(&full).as_str()), (Code::ResourceExhausted, "TOO_MANY_SESSIONS"));
    // When their time is over
    nodes[0].clock.advance(SESSION_TTL_MS + 1);
    prepare_alone(&nodes[0], request(101 + MAX_SESSIONS)).await.unwrap();
    assert_eq!(nodes[0].node.signing.sessions.count(), 1);
    let late = v1::SignRoundRequest { session_id: vec![101; 32], round: 1, messages: vec![] };
    let late = nodes[0].api().sign_round(Request::new(late)).await.unwrap_err();
    assert_eq!(reason(&late), "SESSION_UNKNOWN");
}

#[tokio::test]
async fn aborted_attempt_is_gone_and_aborting_nothing_is_no_error() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    for _ in 0..2 {
        let abort = v1::AbortRequest { session_id: vec![10; 32], reason: "test".to_owned() };
        nodes[0].api().abort(Request::new(abort)).await.unwrap();
    }
    assert_eq!(reason(&attempt.call(&nodes[0], 1).await.unwrap_err()), "SESSION_UNKNOWN");
}

#[tokio::test]
async fn banned_pair_does_not_sign_together_and_the_others_do() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let wallet = cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
    let party = |index| holdfast_threshold::PartyIndex::new(index).unwrap();
    let ban = holdfast_threshold::BannedPair {
        key: *wallet.public_key.as_bytes(),
        by: party(1),
        against: party(2),
    };
    nodes[0].node.signing.bans.add(ban, 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    nodes[0].catch_up(&cell).await;
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 10).await, "SIGNERS_BANNED");
    sign(&cell, &[&nodes[0], &nodes[2]], withdrawal, [11; 32]).await.unwrap();
}

#[tokio::test]
async fn ban_stops_the_attempts_that_were_open_before_it() {
    // Given an attempt of the first two nodes and one of the first and the third
    let (mut cell, nodes) = ready().await;
    let (first, second) = (cell.authorized("k-1", 0), cell.authorized("k-2", 1));
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], first, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    let mut other = Attempt::prepare(&cell, &[&nodes[0], &nodes[2]], second, [11; 32]).await.unwrap();
    Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], second, [12; 32]).await.unwrap();
    // When another session leads to a ban of the second node
    let wallet = cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
    let party = |index| holdfast_threshold::PartyIndex::new(index).unwrap();
    let ban = holdfast_threshold::BannedPair {
        key: *wallet.public_key.as_bytes(),
        by: party(1),
        against: party(2),
    };
    nodes[0].node.signing.bans.add(ban, 0, "OT_CONSISTENCY_CHECK_FAILED").await.unwrap();
    // Then no further round of the first attempt runs, and the attempt is forgotten
    assert_eq!(reason(&attempt.call(&nodes[0], 2).await.unwrap_err()), "SIGNERS_BANNED");
    assert_eq!(reason(&attempt.call(&nodes[0], 2).await.unwrap_err()), "SESSION_UNKNOWN");
    // While the other one ends with a signature, although open attempts of the pair are forgotten
    assert_eq!(nodes[0].node.signing.sessions.count(), 2);
    nodes[0].node.signing.sessions.forget(|session| session.is_forbidden_by(&ban));
    assert_eq!(nodes[0].node.signing.sessions.count(), 1);
    for round in 1..=3 {
        other.round(round).await.unwrap();
    }
    other.finish().await.unwrap();
}

#[tokio::test]
async fn clock_that_went_back_signs_nothing_and_revives_no_old_authorization() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let then = cell.now;
    let cosign_at = async |now: u64| {
        nodes[0].clock.set(now);
        nodes[0].node.replicate(cell.extension_to(cell.size(), cell.size())).await.unwrap();
    };
    // Given an open attempt of a node whose clock goes back by more than the skew
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    cosign_at(then + 20_000).await;
    nodes[0].clock.set(then);
    assert_eq!(reason(&attempt.call(&nodes[0], 2).await.unwrap_err()), "CLOCK_WENT_BACK");
    // Given a node that cosigned a day later
    cosign_at(then + 90_000_000).await;
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 11).await, "AUTHORIZATION_TOO_OLD");
    // When its clock goes back to when the authorization was young
    nodes[0].clock.set(then);
    // Then it signs nothing
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 12).await, "CLOCK_WENT_BACK");
    // And a clock that is behind by no more than the skew is no reason
    nodes[0].clock.set(then + 90_000_000 - 5_000);
    assert_eq!(refused(&cell, &nodes[0], withdrawal, 13).await, "AUTHORIZATION_TOO_OLD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_is_not_cosigned_while_a_message_is_leaving() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    nodes[0].catch_up(&cell).await;
    let mut attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    attempt.round(1).await.unwrap();
    attempt.round(2).await.unwrap();
    let pause = cell.pause("bob");
    cell.accept(&pause);
    nodes[0].clock.set(cell.now);
    // Given a round that is in its computation when the pause arrives
    let tip = nodes[0].tip().await;
    let extension = cell.extension(tip);
    let (reached, go_on) = nodes[0].probe.stop_at(CrashPoint::SignRound3);
    let node = Arc::clone(&nodes[0].node);
    let (released, ()) = tokio::join!(attempt.call(&nodes[0], 3), async move {
        tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
        let replicating = tokio::spawn(async move { node.replicate(extension).await });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let waits = !replicating.is_finished();
        go_on.send(()).unwrap();
        assert!(waits, "the pause was cosigned before the message had left");
        replicating.await.unwrap().unwrap();
    });
    assert_eq!(released.unwrap().outbound.len(), 1);
}

#[tokio::test]
async fn status_says_how_the_node_is() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let pause = cell.pause("alice");
    let _attempt = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], withdrawal, [10; 32]).await.unwrap();
    nodes[0].node.latches.deliver(&nodes[0].node.replica, &pause.to_json()).await.unwrap();
    let request = Request::new(v1::NodeStatusRequest {});
    let status = nodes[0].api().status(request).await.unwrap().into_inner();
    assert_eq!((status.name.as_str(), status.cluster.as_str()), ("node-1", "demo-1"));
    assert_eq!((status.open_sessions, status.latches.len()), (1, 1));
    assert_eq!(status.latches[0].scope, "wallet");
    assert_eq!(status.unlogged_statements, [pause.to_json()]);
    assert_eq!(status.tip.unwrap().tip_size, cell.size());
}

#[tokio::test]
async fn sweep_is_signed_by_the_deposit_addresss_key_and_by_no_other() {
    let (mut cell, nodes) = ready().await;
    let sweep = cell.authorized_sweep("k-1", 5);
    let signed = sign(&cell, &[&nodes[0], &nodes[2]], sweep, [10; 32]).await.unwrap();
    let withdrawal = cell.state().withdrawal(&sweep).unwrap().clone();
    let sender = cell.state().sender(&withdrawal).unwrap();
    assert_eq!(sender.path, [0, 5]);
    let digest = withdrawal.transaction.as_ref().unwrap().signing_hash;
    let scalars = |signature: &v1::EcdsaSignature| {
        (signature.r.clone().try_into().unwrap(), signature.s.clone().try_into().unwrap())
    };
    let (r, s) = scalars(&signed[0]);
    let signature = Signature::from_scalars(r, s, &digest, &sender.public_key).unwrap();
    let own = cell.state().wallet(&withdrawal.request.wallet).unwrap().public_key;
    assert!(Signature::from_scalars(r, s, &digest, &own).is_err(), "the wallet's own key did not sign");
    // Then the log takes it, and the next payment is signed by the wallet's own key again
    let payload = serde_json::json!({"cluster": "demo-1", "withdrawal": sweep, "digest_index": 0,
        "signature": signature, "signers": ["node-1", "node-3"]});
    let logged = crate::testing::coordinator(holdfast_ledger::PayloadKind::SignatureLogged, &payload);
    assert!(matches!(cell.log(&logged), holdfast_ledger::Outcome::Admitted(_)));
    let payment = cell.authorized("k-2", 0);
    let signed = sign(&cell, &[&nodes[0], &nodes[1]], payment, [11; 32]).await.unwrap();
    verified(&cell, payment, &signed[0]);
}

#[tokio::test]
async fn ban_of_the_wallets_key_holds_for_its_deposit_addresses() {
    let (mut cell, nodes) = ready().await;
    let sweep = cell.authorized_sweep("k-1", 5);
    let wallet = cell.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
    let party = |index| holdfast_threshold::PartyIndex::new(index).unwrap();
    let ban = holdfast_threshold::BannedPair {
        key: *wallet.public_key.as_bytes(),
        by: party(1),
        against: party(2),
    };
    let mut open = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], sweep, [10; 32]).await.unwrap();
    nodes[0].node.signing.bans.add(ban, 0, "test").await.unwrap();
    assert!(open.round(1).await.is_err(), "also for an attempt that was open before");
    let refused = Attempt::prepare(&cell, &[&nodes[0], &nodes[1]], sweep, [11; 32]).await.map(|_| ());
    assert_eq!(reason(&refused.unwrap_err()), "SIGNERS_BANNED");
    sign(&cell, &[&nodes[0], &nodes[2]], sweep, [12; 32]).await.unwrap();
}

#[tokio::test]
async fn session_id_that_comes_a_second_time_does_not_end_the_attempt_that_has_it() {
    let (mut cell, nodes) = ready().await;
    let withdrawal = cell.authorized("k-1", 0);
    let pair = [&nodes[0], &nodes[1]];
    let mut attempt = Attempt::prepare(&cell, &pair, withdrawal, [10; 32]).await.unwrap();
    let again = Attempt::prepare(&cell, &pair, withdrawal, [10; 32]).await.map(|_| ()).unwrap_err();
    assert_eq!(reason(&again), "SESSION_BUSY");
    for round in 1..=3 {
        attempt.round(round).await.unwrap();
    }
    attempt.finish().await.unwrap();
}
