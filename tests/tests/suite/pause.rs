//! Officers' direct path: a pause or revocation handed to the nodes themselves holds, whatever the coordinator knows or
//! wants, and through every kill.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use holdfast_ledger::{LatchScope, StatementBody, StatementDigest};
use holdfast_policy::WalletId;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::wallet_service_client::WalletServiceClient;
use holdfast_tests::{
    CLIENT, COORDINATOR, Cluster, Hostile, NODES, Options, PAYEE, THIEF, WALLET, eventually, now_ms, refused,
};
use holdfast_transport::Role;
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(30);
const PAIRS: [[&str; 2]; 3] = [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]];

fn pause() -> StatementBody {
    StatementBody::PauseWallet(WalletId::new(WALLET).unwrap())
}

async fn wallet_is(cluster: &Cluster, state: v1::WalletState) -> v1::Wallet {
    let what = format!("the wallet is {}", state.as_str_name());
    let reached = eventually(&what, PATIENCE, || async {
        let channel = cluster.to_coordinator(Role::Client, CLIENT).await;
        let request = v1::GetWalletRequest { wallet_id: WALLET.to_owned() };
        let wallet = WalletServiceClient::new(channel).get(request).await.unwrap().into_inner();
        if wallet.state() == state { Ok(wallet) } else { Err(wallet.state()) }
    });
    reached.await
}

#[tokio::test]
async fn a_pause_at_the_nodes_holds_without_the_coordinator_through_kills_and_until_officers_lift_it() {
    let cluster = Cluster::ready(Options::default()).await;
    let (alice, mut log) = (cluster.officer("alice"), cluster.download().await);
    // Given a coordinator that is gone, and a thief with its keys and an authorized withdrawal
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    hostile.sign(&id, &["node-1", "node-2"]).await.unwrap();
    // When an officer hands a pause to each node
    let text = alice.statement(hostile.log.state(), pause());
    let statement = alice.sign(&text);
    for node in NODES {
        let receipt = alice.deliver(node, &statement).await.unwrap();
        // Then each gives a receipt that names what it took
        let receipt_says = alice.verify_receipt(hostile.log.state(), node, &receipt);
        assert_eq!(receipt_says.statement, StatementDigest::of(text.as_bytes()).to_string());
        assert_eq!(receipt_says.scope, LatchScope::Wallet(WalletId::new(WALLET).unwrap()));
        assert_eq!(receipt_says.node.as_str(), node);
        assert_eq!(alice.deliver(node, &statement).await.unwrap(), receipt, "the same receipt again");
    }
    // And refuses from then on, also after a power cut
    for pair in PAIRS {
        refused(hostile.sign(&id, &pair).await, Code::FailedPrecondition, "LATCHED");
    }
    for node in NODES {
        cluster.kill_9(node);
        cluster.bring_up(node).await;
        assert!(alice.statements_at(node).await.iter().all(|delivered| !delivered.lifted));
    }
    for pair in PAIRS {
        refused(hostile.sign(&id, &pair).await, Code::FailedPrecondition, "LATCHED");
    }
}

#[tokio::test]
async fn an_unaware_coordinator_learns_of_a_pause_from_the_nodes_and_only_a_ceremony_lifts_it() {
    let cluster = Cluster::ready(Options::default()).await;
    let (carol, alice, bob) = (cluster.officer("carol"), cluster.officer("alice"), cluster.officer("bob"));
    let log = cluster.download().await;
    // Given a pause that nodes took while no coordinator ran
    cluster.kill_9(COORDINATOR);
    let statement = carol.sign_with_ssh_keygen(&carol.statement(log.state(), pause()));
    for node in ["node-1", "node-3"] {
        carol.deliver(node, &statement).await.unwrap();
        cluster.kill_9(node);
        cluster.bring_up(node).await;
    }
    // When the coordinator is back
    cluster.bring_up(COORDINATOR).await;
    // Then the log gets the statement from the nodes, and everybody refuses
    let paused = wallet_is(&cluster, v1::WalletState::Paused).await;
    assert_eq!((paused.pauses.len(), paused.pauses[0].officer.as_str()), (1, "carol"));
    let pipeline = cluster.pipeline().await;
    let denied = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!((denied.state(), denied.reason.unwrap().code.as_str()), (State::Denied, "WALLET_PAUSED"));
    // And when two officers resume it
    let ceremony = alice.propose_resume(WALLET).await.unwrap();
    alice.approve(&ceremony.id).await.unwrap();
    assert_eq!(
        wallet_is(&cluster, v1::WalletState::Paused).await.pauses.len(),
        1,
        "one officer is not enough"
    );
    bob.approve(&ceremony.id).await.unwrap();
    wallet_is(&cluster, v1::WalletState::Active).await;
    // Then it pays again, by every pair of nodes: no latch is left
    for away in NODES {
        cluster.kill_9(away);
        let signed = pipeline.submit(&cluster.request()).await.unwrap();
        assert_eq!(signed.state(), State::Signed, "without {away}: {:?}", signed.reason);
        cluster.bring_up(away).await;
    }
    for node in NODES {
        assert!(carol.statements_at(node).await.iter().all(|delivered| delivered.lifted), "{node}");
    }
}

#[tokio::test]
async fn a_pause_during_an_order_stops_it_before_the_last_message() {
    let cluster = Cluster::ready(Options::default()).await;
    let (alice, mut log) = (cluster.officer("alice"), cluster.download().await);
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&cluster.request());
    // Given an attempt whose last messages are not yet out
    let mut attempt = hostile.prepare(&id, &["node-1", "node-2"]).await.unwrap();
    hostile.round(&mut attempt, 1).await.unwrap();
    hostile.round(&mut attempt, 2).await.unwrap();
    // When node-1 takes a pause
    let statement = alice.sign(&alice.statement(hostile.log.state(), pause()));
    alice.deliver("node-1", &statement).await.unwrap();
    // Then its part of the signature never leaves it
    let refusal = hostile.honest_call(&attempt, "node-1", 3).await;
    refused(refusal, Code::FailedPrecondition, "LATCHED");
}

#[tokio::test]
async fn a_revocation_at_the_nodes_stops_payments_to_that_destination_only() {
    let cluster = Cluster::ready(Options::default()).await;
    let entry = cluster.whitelist(THIEF, now_ms() + 3_600_000).await;
    let (alice, mut log) = (cluster.officer("alice"), cluster.download().await);
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let to_thief = cluster.intent().set("destination", THIEF).with_transfer(cluster.next_account_nonce());
    let (stolen, honest) = (hostile.authorized(&to_thief), hostile.authorized(&cluster.request()));
    // When two nodes are told that the entry is revoked
    let body = StatementBody::RevokeWhitelistEntry(entry.parse().unwrap());
    let statement = alice.sign(&alice.statement(hostile.log.state(), body));
    for node in ["node-1", "node-2"] {
        let receipt = alice.deliver(node, &statement).await.unwrap();
        let scope = alice.verify_receipt(hostile.log.state(), node, &receipt).scope;
        assert_eq!(scope, LatchScope::WhitelistEntry(entry.parse().unwrap()));
    }
    // Then no pair pays there: every pair has one of them
    for pair in PAIRS {
        refused(hostile.sign(&stolen, &pair).await, Code::FailedPrecondition, "LATCHED");
    }
    // And others are paid as before
    hostile.sign(&honest, &["node-1", "node-2"]).await.unwrap();
    assert_ne!(THIEF, PAYEE);
}

#[tokio::test]
async fn a_node_takes_protective_statements_of_officers_and_nothing_else() {
    let cluster = Cluster::ready(Options::default()).await;
    let (alice, log) = (cluster.officer("alice"), cluster.download().await);
    let text = alice.statement(log.state(), pause());
    let lifts = vec![StatementDigest::of(text.as_bytes())];
    let body = StatementBody::ProposeResume { wallet: WalletId::new(WALLET).unwrap(), lifts };
    let resume = alice.statement(log.state(), body);
    refused(
        alice.deliver("node-1", &alice.sign(&resume)).await,
        Code::InvalidArgument,
        "STATEMENT_NOT_PROTECTIVE",
    );
    let lie = alice.sign(&text.replace("wallet: hot-1\naddress: 0x", "wallet: hot-1\naddress: 0X"));
    refused(alice.deliver("node-1", &lie).await, Code::InvalidArgument, "STATEMENT_MISMATCH");
    let mut forged = cluster.officer("bob").sign(&text);
    forged.signatures[0].key_id = "officer:alice".to_owned();
    refused(alice.deliver("node-1", &forged).await, Code::Unauthenticated, "ENVELOPE_SIGNATURE_INVALID");
    let mut stranger = alice.sign(&text);
    stranger.signatures[0].key_id = "officer:mallory".to_owned();
    refused(alice.deliver("node-1", &stranger).await, Code::Unauthenticated, "SIGNER_UNKNOWN");
    let request = cluster.request().signed(&cluster);
    refused(alice.deliver("node-1", &request).await, Code::InvalidArgument, "NOT_A_STATEMENT");
    assert_eq!(alice.statements_at("node-1").await.len(), 0);
    // And the wallet pays
    let pipeline = cluster.pipeline().await;
    assert_eq!(pipeline.submit(&cluster.request()).await.unwrap().state(), State::Signed);
}

#[tokio::test]
async fn a_node_killed_while_it_takes_a_pause_either_has_it_for_good_or_never_promised_it() {
    let cluster = Cluster::ready(Options::default()).await;
    let (alice, log) = (cluster.officer("alice"), cluster.download().await);
    cluster.kill_9(COORDINATOR);
    let statement = alice.sign(&alice.statement(log.state(), pause()));
    for (point, taken) in [("before-latch", 0), ("after-latch", 1)] {
        cluster.kill_9("node-1");
        cluster.start_crashing("node-1", point);
        cluster.wait_healthy("node-1").await;
        // When the node dies before it answers
        let lost = alice.deliver("node-1", &statement).await;
        assert!(lost.is_err(), "{point}: a receipt without a node");
        let status = cluster.ends_by_itself("node-1", PATIENCE).await;
        assert_eq!(status.signal(), Some(9), "{point}");
        // Then what was durable is in force, and what was not never was
        cluster.bring_up("node-1").await;
        assert_eq!(alice.statements_at("node-1").await.len(), taken, "{point}");
    }
    let receipt = alice.deliver("node-1", &statement).await.unwrap();
    alice.verify_receipt(log.state(), "node-1", &receipt);
}

#[tokio::test]
async fn pause_that_only_a_node_has_is_lifted_by_the_quorum_by_name_and_not_otherwise() {
    let cluster = Cluster::ready(Options::default()).await;
    let hash = cluster.pause_of_an_officer_who_left("node-1", "carol").await.to_string();
    let terminal = cluster.terminal();
    let standing = || terminal.ok("officer statements --node node-1 --officer alice")["statements"].clone();
    let delivered = standing();
    assert_eq!(delivered[0]["statement_hash"], hash.as_str(), "{delivered:#}");
    assert_eq!(delivered[0]["lifted"], false, "{delivered:#}");
    // Then a resume of what the log has lifts nothing, because the log has no pause
    let (code, refused) = terminal.run("officer resume hot-1 --officer alice --yes");
    assert_eq!((code, &refused["error"]["reason"]), (1, &"WALLET_PAUSE_STATE".into()), "{refused:#}");
    // When it is proposed by name
    let resume = terminal.ok(&format!("officer resume hot-1 --lift {hash} --officer alice --yes"));
    let ceremony = resume["id"].as_str().unwrap();
    // Then nobody approves it unseen
    cluster.kill_9("node-1");
    let (code, unseen) = terminal.run(&format!("ceremony approve {ceremony} --officer bob --yes"));
    assert_eq!((code, &unseen["error"]["reason"]), (3, &"UNKNOWN_STATEMENT".into()), "{unseen:#}");
    cluster.bring_up("node-1").await;
    terminal.approve(ceremony, &["alice"]);
    // And one officer does not lift it: the node still keeps a payment that needs it from being signed
    cluster.kill_9("node-2");
    let pipeline = cluster.pipeline().await;
    let waiting = pipeline.submit_only(&cluster.request()).await.unwrap().id;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_ne!(pipeline.get(&waiting).await.unwrap().state(), State::Signed);
    assert_eq!(standing()[0]["lifted"], false);
    // When the quorum has spoken
    terminal.approve(ceremony, &["bob"]);
    // Then the node lets go of it
    pipeline.reaches(&waiting, State::Signed, 2 * PATIENCE).await;
    assert_eq!(standing()[0]["lifted"], true);
}
