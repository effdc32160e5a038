//! Two histories: each of these attacks stops nodes for good, so each has a cluster of its own.

use holdfast_log::Hash;
use holdfast_proto::v1;
use holdfast_tests::{COORDINATOR, Cluster, Hostile, Options, PAYEE, admitted, new_session, transfer};
use tonic::Code;

use super::PAIR;

#[tokio::test]
async fn a_log_forked_between_two_nodes_gets_no_signature_and_stops_the_node_that_sees_both_sides() {
    let cluster = Cluster::ready(Options::default()).await;
    let mut one_side = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut other_side = one_side.clone();
    // Given two histories of one withdrawal, bound to two transactions that the client made one after the other
    let mut first = Hostile::with(&cluster, &mut one_side);
    let intent = cluster.intent().signed(&cluster);
    let id = admitted(&first.log.append(&intent));
    let mut second = Hostile::with(&cluster, &mut other_side);
    assert_eq!(admitted(&second.log.append(&intent)), id);
    for (side, nonce) in [(&mut first, 0), (&mut second, 1)] {
        let bind = cluster.bind(&id.to_string(), &transfer(PAYEE, 1_250_000_000, nonce));
        side.log.append(&bind.signed(&cluster));
        side.authorize(id);
    }
    first.catch_up("node-1").await;
    second.catch_up("node-2").await;
    // When one node of each history is to use the one authorization for its own digest
    let session = new_session();
    let mut offers = Vec::new();
    for (side, node) in [(&first, "node-1"), (&second, "node-2")] {
        let order = side.order(node, &session, &id, &PAIR).await;
        offers.push(side.prepare_at(node, order).await.unwrap());
    }
    let signers = PAIR.map(str::to_owned).to_vec();
    let attempt = holdfast_tests::Attempt { session, signers, offers, mail: Vec::new() };
    let round = first.honest_call(&attempt, "node-1", 1).await;
    let refusal = first.caught("node-1", round, Code::Aborted, "PEER_MESSAGE_INVALID");
    assert_eq!(refusal.facts["cause"], "OFFER_MISMATCH");
    // And when a node is shown the other history
    let fork = first.replication(second.log.size() - 2);
    let result = first.replicate("node-2", fork).await;
    first.caught("node-2", result, Code::FailedPrecondition, "FORK_DETECTED");
    // Then it signs nothing more on any side, also after a restart
    for _ in 0..2 {
        let order = second.order("node-2", &new_session(), &id, &PAIR).await;
        let result = second.prepare_at("node-2", order).await;
        second.caught("node-2", result, Code::FailedPrecondition, "FORK_DETECTED");
        cluster.kill_9("node-2");
        cluster.bring_up("node-2").await;
    }
    // And the others, shown another root of their own size by the log's own key, stop as well
    let size = first.tip_size("node-1").await;
    let checkpoint = first.checkpoint(size, Hash([7; 32]));
    let lie = v1::Replication { from_index: size, checkpoint, ..v1::Replication::default() };
    let result = first.replicate("node-1", lie).await;
    first.caught("node-1", result, Code::FailedPrecondition, "FORK_DETECTED");
    let result = first.prepare(&id, &["node-1", "node-3"]).await;
    first.caught("node-1", result, Code::FailedPrecondition, "FORK_DETECTED");
}
