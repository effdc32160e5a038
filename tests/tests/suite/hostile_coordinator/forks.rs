//! Two histories, and a node whose keys are void: these attacks stop nodes for good, so each has a cluster of its own.

use holdfast_ledger::{MinimumCheckpoint, RosterChange, RosterProposal, StatementBody};
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

#[tokio::test]
async fn a_fork_with_the_help_of_one_hostile_node_collects_too_few_cosignatures() {
    // A cluster that expects one hostile node beside the coordinator: a signature needs cosignatures of all three nodes
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| document["threshold"]["f"] = serde_json::json!(1));
    let cluster = super::ready(cluster, &[holdfast_tests::WALLET]).await;
    let mut one_side = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    assert_eq!(one_side.state().cosigners_needed(), 3);
    let key = |node: &str| cluster.ed25519_key(&format!("{node}/cosigning.key"));
    let time_s = holdfast_tests::now_ms() / 1_000;
    // Given an honest history, which all cosign and in which a withdrawal is signed
    let mut honest = Hostile::with(&cluster, &mut one_side);
    let id = honest.authorized(&cluster.request());
    let mut offers = Vec::new();
    let session = new_session();
    for node in PAIR {
        let mut order = honest.order(node, &session, &id, &PAIR).await;
        let all = ["node-1", "node-2", "node-3"].map(|node| (node, key(node)));
        order.cosigned_checkpoint = honest.cosigned_checkpoint(&all, time_s);
        offers.push(honest.prepare_at(node, order).await.unwrap());
    }
    assert_eq!(offers.len(), 2);
    drop(honest);
    // When node-1 and node-2 are shown two histories, and hostile node-3 cosigns both
    let mut other_side = one_side.clone();
    let nonce = cluster.next_account_nonce();
    for (log, node, other) in [(&mut one_side, "node-1", "node-2"), (&mut other_side, "node-2", "node-1")] {
        let mut side = Hostile::with(&cluster, log);
        let before = side.log.size();
        let id = side.authorized(&cluster.intent().with_transfer(nonce));
        side.catch_up(node).await;
        let stranger = ed25519_dalek::SigningKey::from_bytes(&[71; 32]);
        let (own, helper) = ((node, key(node)), ("node-3", key("node-3")));
        let (size, root) = (before, Hash([7; 32]));
        // Then what it collects never suffices: nothing; the helper's; the other node's made up, under the helper's key, or
        // of another root; and all three of a checkpoint from before
        let notes = [
            Vec::new(),
            side.cosigned_checkpoint(&[own.clone(), helper.clone()], time_s),
            side.cosigned_checkpoint(&[own.clone(), helper.clone(), (other, stranger)], time_s),
            side.cosigned_checkpoint(&[own.clone(), helper.clone(), (other, key("node-3"))], time_s),
            side.cosigned_checkpoint(&[own.clone(), helper.clone(), helper.clone()], time_s),
            side.with_cosignatures(size, root, &[own.clone(), helper.clone(), (other, key(other))], time_s),
            side.cosigned_before(before, &[own, helper, (other, key(other))], time_s),
        ];
        for note in notes {
            let mut order = side.order(node, &new_session(), &id, &[node, "node-3"]).await;
            order.cosigned_checkpoint = note;
            let result = side.prepare_at(node, order).await;
            side.caught(node, result, Code::FailedPrecondition, "COSIGNATURES_MISSING");
        }
    }
}

#[tokio::test]
async fn a_node_whose_keys_the_officers_replaced_lends_the_coordinator_nothing() {
    // The machine that was replaced still runs; nobody else does
    let cluster = Cluster::make(Options::default());
    cluster.bring_up("node-3").await;
    let mut log = cluster.genesis_log();
    let mut hostile = Hostile::with(&cluster, &mut log);
    let before = hostile.catch_up("node-3").await;
    assert!(!before.cosignature.is_empty());
    // Given new keys for node-3, by quorum
    let roster = hostile.log.state().roster();
    let fresh = |seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let root = Hash(<[u8; 32]>::try_from(before.root.as_slice()).unwrap());
    let change = RosterChange::ReplaceNodeKeys {
        node: "node-3".parse().unwrap(),
        cosigning_key: fresh(81),
        message_key: fresh(82),
        minimum: MinimumCheckpoint { size: before.tip_size, root },
    };
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    hostile.ceremony(StatementBody::ProposeRosterChange(Box::new(proposal)));
    let wallet = hostile.ceremony(cluster.wallet_proposal(hostile.log.state(), "hot-1"));
    // Then the old ones replicate, and neither cosign nor take part in anything
    let after = hostile.catch_up("node-3").await;
    assert_eq!(after.tip_size, hostile.log.size());
    assert!(after.cosignature.is_empty() || after.cosignature == before.cosignature);
    let request = v1::KeygenPrepareRequest {
        ceremony_id: wallet.to_string(),
        session_id: new_session(),
        replication: Some(hostile.replication(after.tip_size)),
    };
    let prepared = hostile.node("node-3").await.keygen_prepare(request).await;
    hostile.caught("node-3", prepared, Code::FailedPrecondition, "NOT_ENROLLED");
}
