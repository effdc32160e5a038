//! Attacks on signing sessions: messages moved, replayed, oversized, endless, and too many of them.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream;
use holdfast_proto::v1;
use holdfast_tests::{COORDINATOR, Hostile, Refusal, new_session};
use holdfast_transport::Role;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use super::{PAIR, Stolen};

#[tokio::test]
async fn a_session_id_is_used_once() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let (first, second) = (hostile.authorized(&cluster.request()), hostile.authorized(&cluster.request()));
    let attempt = hostile.prepare(&first, &PAIR).await.unwrap();
    // While it runs
    let order = hostile.order("node-1", &attempt.session, &second, &PAIR).await;
    let busy = hostile.prepare_at("node-1", order).await;
    let refusal = Refusal::from(&busy.unwrap_err());
    assert!(["SESSION_BUSY", "SESSION_REUSED"].contains(&refusal.reason.as_str()), "{refusal:?}");
    // And after it was ended
    end(&hostile, &attempt.session).await;
    for id in [first, second] {
        let order = hostile.order("node-1", &attempt.session, &id, &PAIR).await;
        let result = hostile.prepare_at("node-1", order).await;
        hostile.caught("node-1", result, Code::AlreadyExists, "SESSION_REUSED");
    }
    let gone = hostile.honest_call(&attempt, "node-1", 1).await;
    assert_eq!(Refusal::from(&gone.unwrap_err()).reason, "SESSION_UNKNOWN");
}

async fn end(hostile: &Hostile<'_>, session: &[u8]) {
    for node in PAIR {
        let abort = v1::AbortRequest { session_id: session.to_vec(), reason: "test".to_owned() };
        hostile.node(node).await.abort(abort).await.unwrap();
    }
}

fn moved<T: Debug>(hostile: &Hostile<'_>, result: Result<T, Status>, cause: &str) {
    let refusal = hostile.caught("node-1", result, Code::Aborted, "PEER_MESSAGE_INVALID");
    assert_eq!(refusal.facts["cause"], cause);
}

#[tokio::test]
async fn sealed_messages_cannot_be_moved_between_sessions_rounds_or_receivers_or_changed() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let mut attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let mut other = hostile.prepare(&id, &PAIR).await.unwrap();
    let call = |round, messages| hostile.call(&attempt, "node-1", round, messages);
    // Offers of another session
    let swapped = vec![attempt.offers[0].clone(), other.offers[1].clone()];
    moved(&hostile, call(1, swapped).await, "OFFER_MISMATCH");
    hostile.round(&mut attempt, 1).await.unwrap();
    hostile.round(&mut other, 1).await.unwrap();
    let call = |round, messages| hostile.call(&attempt, "node-1", round, messages);
    let first_round = attempt.messages_for("node-1", 2);
    // A message of another session; one for the other node; a changed one; none; and two
    moved(&hostile, call(2, other.messages_for("node-1", 2)).await, "MESSAGE_OF_OTHER_SESSION");
    moved(&hostile, call(2, attempt.messages_for("node-2", 2)).await, "MESSAGE_FOR_OTHER_RECEIVER");
    let mut changed = first_round.clone();
    let last = changed[0].len() - 1;
    changed[0][last] ^= 1;
    moved(&hostile, call(2, changed).await, "MESSAGE_NOT_AUTHENTIC");
    moved(&hostile, call(2, vec![]).await, "MISSING_MESSAGE");
    let twice = [first_round.clone(), first_round.clone()].concat();
    moved(&hostile, call(2, twice).await, "TOO_MANY_MESSAGES");
    // Nothing of that has hurt the session
    hostile.round(&mut attempt, 2).await.unwrap();
    // A message of the round before
    moved(&hostile, hostile.call(&attempt, "node-1", 3, first_round).await, "MESSAGE_REPLAYED");
    hostile.round(&mut attempt, 3).await.unwrap();
    assert!(hostile.honest_call(&attempt, "node-1", 4).await.unwrap().signature.is_some());
}

#[tokio::test]
async fn a_replayed_round_gets_the_same_answer_and_never_another() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let mut attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let offers = attempt.offers.clone();
    // Rounds out of order
    let early = hostile.call(&attempt, "node-1", 3, offers.clone()).await;
    hostile.caught("node-1", early, Code::Aborted, "ROUND_NOT_DUE");
    let once = hostile.call(&attempt, "node-1", 1, offers.clone()).await.unwrap();
    let again = hostile.call(&attempt, "node-1", 1, offers.clone()).await.unwrap();
    assert_eq!(once, again, "a round was computed twice");
    // The same round with another input
    let others = hostile.prepare(&id, &PAIR).await.unwrap().offers;
    let other = hostile.call(&attempt, "node-1", 1, others).await;
    hostile.caught("node-1", other, Code::Aborted, "ROUND_NOT_DUE");
    for round in 1..=3 {
        hostile.round(&mut attempt, round).await.unwrap();
    }
    assert!(hostile.honest_call(&attempt, "node-2", 4).await.unwrap().signature.is_some());
}

#[tokio::test]
async fn oversized_messages_are_refused_before_any_work() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    let tip = hostile.catch_up("node-1").await.tip_size;
    let huge = v1::Replication { from_index: tip, entries: vec![vec![b' '; 5 << 20]], ..Default::default() };
    let result = hostile.replicate("node-1", huge).await;
    hostile.caught("node-1", result, Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let many = v1::Replication { from_index: tip, entries: vec![vec![b'{']; 4_001], ..Default::default() };
    let result = hostile.replicate("node-1", many).await;
    hostile.caught("node-1", result, Code::ResourceExhausted, "REPLICATION_TOO_LARGE");
    // An entry of junk under a genuine checkpoint
    let all = [hostile.log.bytes(), vec![vec![b' '; 70_000]]].concat();
    let long = hostile.replication_of(hostile.log.size(), &all);
    let result = hostile.replicate("node-1", long).await;
    hostile.caught("node-1", result, Code::InvalidArgument, "ENTRY_REFUSED");
    assert_eq!(hostile.tip_size("node-1").await, tip);
}

#[tokio::test]
async fn malformed_fields_are_refused_by_name() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    let attempt = hostile.prepare(&id, &PAIR).await.unwrap();
    let refused = |result: Result<(), Status>, field: &str| {
        let refusal = hostile.caught("node-1", result, Code::InvalidArgument, "FIELD_INVALID");
        assert_eq!(refusal.fields, [field]);
    };
    refused(hostile.call(&attempt, "node-1", 1, vec![vec![1]; 300]).await.map(drop), "messages");
    for session in [vec![7; 31], vec![0; 32], vec![]] {
        let order = hostile.order("node-1", &session, &id, &PAIR).await;
        refused(hostile.prepare_at("node-1", order).await.map(drop), "session_id");
    }
    for round in [0, 17, u32::MAX] {
        refused(hostile.call(&attempt, "node-1", round, vec![]).await.map(drop), "round");
    }
    let order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
    let nameless = v1::SignPrepareRequest { withdrawal_id: "w-1".to_owned(), ..order.clone() };
    refused(hostile.prepare_at("node-1", nameless).await.map(drop), "withdrawal_id");
    let bare = v1::SignPrepareRequest { replication: None, ..order };
    refused(hostile.prepare_at("node-1", bare).await.map(drop), "replication");
    // The attempt goes on
    hostile.honest_call(&attempt, "node-1", 1).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_sessions_is_bounded_and_leaves_room_for_others() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    hostile.catch_up("node-1").await;
    let order = hostile.order("node-1", &new_session(), &id, &PAIR).await;
    let node = hostile.node("node-1").await;
    let mut opened = Vec::new();
    let flooded = loop {
        let sessions: Vec<Vec<u8>> = (0..16).map(|_| new_session()).collect();
        let opening = sessions.iter().map(|session| {
            let order = v1::SignPrepareRequest { session_id: session.clone(), ..order.clone() };
            let mut node = node.clone();
            async move { node.sign_prepare(order).await }
        });
        let answers = futures::future::join_all(opening).await;
        opened.extend(sessions);
        assert!(opened.len() <= 96, "no bound");
        if let Some(refused) = answers.into_iter().find_map(Result::err) {
            break refused;
        }
    };
    hostile.caught("node-1", Err::<(), _>(flooded), Code::ResourceExhausted, "TOO_MANY_SESSIONS");
    // Status and officers have room of their own
    assert!(hostile.status("node-1").await.open_sessions >= 64);
    for session in &opened {
        let abort = v1::AbortRequest { session_id: session.clone(), reason: "test".to_owned() };
        node.clone().abort(abort).await.unwrap();
    }
    // However long the flood took
    hostile.authorize(id);
    hostile.sign(&id, &PAIR).await.unwrap();
}

#[tokio::test]
async fn stalled_and_endless_request_bodies_are_cut_and_hold_nobody_up() {
    let stolen = Stolen::cluster().await;
    let cluster = &stolen.cluster;
    // Given many requests whose bodies never come, and some that never end
    let channel = cluster.channel(Role::Coordinator, COORDINATOR, "node-1").await;
    let stalled = (0..40).map(|_| call_with(&channel, stream::pending()));
    let stalled = futures::future::join_all(stalled);
    let endless = call_with(
        &channel,
        stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Some((v1::Replication::default(), ()))
        }),
    );
    let honest = async {
        let mut log = stolen.log.lock().await;
        let mut hostile = Hostile::with(cluster, &mut log);
        let id = hostile.authorized(&cluster.request());
        tokio::time::timeout(Duration::from_secs(20), hostile.sign(&id, &PAIR)).await.unwrap().unwrap();
    };
    let started = std::time::Instant::now();
    let (stalled, endless, ()) = tokio::join!(stalled, endless, honest);
    // Then the node ends each of them by itself
    for status in stalled.into_iter().chain([endless]) {
        let status = status.unwrap_err();
        assert!([Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()), "{status:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(45));
}

async fn call_with(
    channel: &tonic::transport::Channel,
    body: impl futures::Stream<Item = v1::Replication> + Send + 'static,
) -> Result<v1::ReplicaTip, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/holdfast.v1.NodeService/Replicate");
    let codec = ProstCodec::<v1::Replication, v1::ReplicaTip>::default();
    let answer = grpc.client_streaming(tonic::Request::new(body), path, codec).await;
    answer.map(tonic::Response::into_inner)
}
