//! A node comes back from a backup: without its keys it serves nobody until the officers enrolled new ones, and then it
//! keeps what it promised before; whoever has its old keys, or enrols keys of their own, speaks for nobody.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_ledger::{MinimumCheckpoint, StatementBody, WithdrawalId};
use holdfast_log::Envelope;
use holdfast_policy::{NodeId, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_tests::hostile_node::Control;
use holdfast_tests::{
    Attempt, CLIENT, COORDINATOR, Cluster, Hostile, LogCopy, Options, WALLET, eventually, new_session,
    program, refused,
};
use holdfast_threshold::PartyIndex;
use holdfast_threshold::channel::{EphemeralOffer, SignedOffer};
use holdfast_transport::Role;
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(30);
const RESTORED: &str = "node-3";
/// A second machine's directory: what `holdfast-node enroll` made there.
const NEW_KEYS: &str = "new-node-3";
const KEYS: [&str; 2] = ["cosigning.key", "message.key"];

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Stops the node, copies its data, starts it again.
async fn back_up(cluster: &Cluster) {
    assert!(cluster.terminate(RESTORED, PATIENCE).await.success());
    copy(&cluster.path("node-3/data"), &cluster.path("backup"));
    cluster.bring_up(RESTORED).await;
}

/// The machine is gone. The thief's copy of its keys is kept aside, and the backup is put in place on a machine that made
/// keys of its own.
fn lose_and_restore(cluster: &Cluster) {
    cluster.kill_9(RESTORED);
    for key in KEYS {
        std::fs::rename(cluster.path(&format!("node-3/{key}")), cluster.path(&format!("old-{key}"))).unwrap();
    }
    std::fs::remove_dir_all(cluster.path("node-3/data")).unwrap();
    copy(&cluster.path("backup"), &cluster.path("node-3/data"));
    let enrolled = Command::new(program("holdfast-node").unwrap())
        .args(["enroll", "--cluster", cluster.name(), "--name", RESTORED, "--operator", "Operator C"])
        .args(["--provider", "provider-c", "--region", "eu-north", "--dir"])
        .arg(cluster.path(NEW_KEYS))
        .output()
        .unwrap();
    assert!(enrolled.status.success(), "{enrolled:?}");
    use_keys(cluster, NEW_KEYS, "");
}

fn use_keys(cluster: &Cluster, directory: &str, prefix: &str) {
    for key in KEYS {
        let from = cluster.path(directory).join(format!("{prefix}{key}"));
        std::fs::copy(from, cluster.path(&format!("node-3/{key}"))).unwrap();
    }
}

/// The command that the officer types on seeing the new machine's `enrolment.json`.
fn propose(cluster: &Cluster) -> String {
    cluster.terminal().ok(&proposal(""))["id"].as_str().unwrap().to_owned()
}

fn proposal(more: &str) -> String {
    format!(
        "roster replace-node-keys {RESTORED} --enrolment {NEW_KEYS}/enrolment.json --officer alice --yes{more}"
    )
}

/// A withdrawal that is authorized, unsigned, and that the node alone swore off.
async fn sworn_off_by_the_node(cluster: &Cluster) -> WithdrawalId {
    cluster.kill_9("node-2");
    cluster.kill_9("node-1");
    cluster.start_crashing("node-1", "sign-round-1");
    cluster.wait_healthy("node-1").await;
    let pipeline = cluster.pipeline().await;
    let id = pipeline.submit_only(&cluster.request()).await.unwrap().id;
    cluster.ends_by_itself("node-1", PATIENCE).await;
    let channel = cluster.to_coordinator(Role::Client, CLIENT).await;
    let request = v1::GiveUpRequest { withdrawal_id: id.clone() };
    let given_up = WithdrawalServiceClient::new(channel).give_up(request).await.unwrap().into_inner();
    assert_eq!(given_up.tombstones, [RESTORED], "{given_up:?}");
    for node in ["node-1", "node-2"] {
        cluster.bring_up(node).await;
    }
    id.parse().unwrap()
}

/// Two nodes take an officer's pause while no coordinator runs: binding against any coordinator.
async fn pause_directly(cluster: &Cluster, log: &LogCopy) -> Envelope {
    let alice = cluster.officer("alice");
    let body = StatementBody::PauseWallet(WalletId::new(WALLET).unwrap());
    let statement = alice.sign(&alice.statement(log.state(), body));
    for node in ["node-1", RESTORED] {
        let receipt = alice.deliver(node, &statement).await.unwrap();
        alice.verify_receipt(log.state(), node, &receipt);
    }
    statement
}

async fn status(cluster: &Cluster) -> v1::NodeStatus {
    let mut log = cluster.genesis_log();
    Hostile::with(cluster, &mut log).status(RESTORED).await
}

/// Whoever asks the node gets nothing that speaks in its name.
async fn speaks_for_nobody(cluster: &Cluster, log: &mut LogCopy, id: &WithdrawalId) {
    let hostile = Hostile::with(cluster, log);
    let tip = hostile.catch_up(RESTORED).await;
    assert!(tip.cosignature.is_empty() && tip.attestation.is_empty(), "{tip:?}");
    let order = hostile.order(RESTORED, &new_session(), id, &["node-2", RESTORED]).await;
    let result = hostile.prepare_at(RESTORED, order).await;
    hostile.caught(RESTORED, result, Code::FailedPrecondition, "NOT_ENROLLED");
    refused(hostile.oath_of(RESTORED, id).await, Code::FailedPrecondition, "NOT_ENROLLED");
    let alice = cluster.officer("alice");
    let body = StatementBody::PauseWallet(WalletId::new(WALLET).unwrap());
    let pause = alice.sign(&alice.statement(hostile.log.state(), body));
    refused(alice.deliver(RESTORED, &pause).await, Code::FailedPrecondition, "NOT_ENROLLED");
}

/// The order that would contradict what the node promised.
async fn refuses(cluster: &Cluster, id: &WithdrawalId, code: Code, reason: &str) {
    let mut log = cluster.download().await;
    let hostile = Hostile::with(cluster, &mut log);
    let order = hostile.order(RESTORED, &new_session(), id, &["node-2", RESTORED]).await;
    let result = hostile.prepare_at(RESTORED, order).await;
    refused(result, code, reason);
}

async fn serves(cluster: &Cluster) {
    eventually("the node serves again", PATIENCE, || async {
        let status = status(cluster).await;
        if status.serving && status.incarnation == 2 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test]
async fn restored_node_serves_only_when_officers_enrolled_it_and_breaks_no_promise() {
    let cluster = Cluster::ready(Options::default()).await;
    back_up(&cluster).await;
    // Given an oath and a direct pause that are younger than the backup
    let id = sworn_off_by_the_node(&cluster).await;
    let log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    pause_directly(&cluster, &log).await;
    // When the node's machine is lost and its backup is put in place
    lose_and_restore(&cluster);
    for server in [RESTORED, COORDINATOR] {
        cluster.bring_up(server).await;
    }
    // Then it replicates and speaks for nobody
    let mut log = cluster.download().await;
    speaks_for_nobody(&cluster, &mut log, &id).await;
    let before = status(&cluster).await;
    assert!(!before.enrolled && !before.serving, "{before:?}");
    // Nor does one officer enrol it
    let ceremony = propose(&cluster);
    cluster.terminal().approve(&ceremony, &["alice"]);
    let mut log = cluster.download().await;
    speaks_for_nobody(&cluster, &mut log, &id).await;
    // When the quorum does
    cluster.terminal().approve(&ceremony, &["bob"]);
    serves(&cluster).await;
    // Then the minimum is a log that holds what it promised, and it keeps both
    let log = cluster.download().await;
    let known = log.state().roster().node(&NodeId::new(RESTORED).unwrap()).unwrap().clone();
    let MinimumCheckpoint { size, .. } = known.minimum.unwrap();
    let pause = log.state().wallet(&WalletId::new(WALLET).unwrap()).unwrap().pauses[0].clone();
    assert!(pause.index < size && known.incarnation == 2, "{} {size}", pause.index);
    refuses(&cluster, &id, Code::FailedPrecondition, "WALLET_PAUSED").await;
    let (alice, bob) = (cluster.officer("alice"), cluster.officer("bob"));
    let resume = alice.propose_resume(WALLET).await.unwrap();
    alice.approve(&resume.id).await.unwrap();
    bob.approve(&resume.id).await.unwrap();
    refuses(&cluster, &id, Code::FailedPrecondition, "SWORN_OFF").await;
    // And signs what it never promised not to, also without the node that was there all the time
    cluster.kill_9("node-1");
    let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    cluster.bring_up("node-1").await;
    the_old_incarnation_counts_no_more(&cluster).await;
}

/// Somebody answers in the node's place with the keys that it lost.
async fn the_old_incarnation_counts_no_more(cluster: &Cluster) {
    cluster.kill_9(RESTORED);
    cluster.kill_9("node-2");
    use_keys(cluster, ".", "old-");
    cluster.start_hostile(RESTORED, &Control::create(cluster.path("thief.queue")));
    cluster.wait_healthy(RESTORED).await;
    let pipeline = cluster.pipeline().await;
    let waiting = pipeline.submit_only(&cluster.request()).await.unwrap().id;
    eventually("the coordinator looks at what the thief cosigned", PATIENCE, || async {
        let said = cluster.log_text(COORDINATOR);
        if said.contains("the node's answer is not acceptable") { Ok(()) } else { Err("not yet") }
    })
    .await;
    pipeline.waits_for(&waiting, &["node-2", RESTORED], PATIENCE).await;
    // The genuine ones are back: nothing is lost
    cluster.kill_9(RESTORED);
    use_keys(cluster, NEW_KEYS, "");
    cluster.bring_up(RESTORED).await;
    pipeline.reaches(&waiting, State::Signed, PATIENCE).await;
    cluster.bring_up("node-2").await;
}

#[tokio::test]
async fn genuine_re_enrolment_on_a_log_that_hides_a_promise_serves_nobody() {
    let cluster = Cluster::ready(Options::default()).await;
    back_up(&cluster).await;
    let clean = cluster.download().await;
    // Given a pause that two nodes took, in the log by now, and officers who enrolled the restored node on that log
    let statement = pause_directly(&cluster, &clean).await;
    eventually("the pause is logged", PATIENCE, || async {
        let log = cluster.download().await;
        let paused = !log.state().wallet(&WalletId::new(WALLET).unwrap()).unwrap().pauses.is_empty();
        if paused { Ok(()) } else { Err(log.size()) }
    })
    .await;
    lose_and_restore(&cluster);
    let ceremony = propose(&cluster);
    cluster.terminal().approve(&ceremony, &["alice", "bob"]);
    let genuine = cluster.download().await;
    // When whoever owns the coordinator tells the restored node another story: all but the pause, the approvals included
    cluster.kill_9(COORDINATOR);
    cluster.bring_up(RESTORED).await;
    let first = clean.entries().len();
    let mut forged = clean;
    let mut thief = Hostile::with(&cluster, &mut forged);
    let id = thief.authorized(&cluster.request());
    for entry in &genuine.entries()[first..] {
        if entry.envelope().payload != statement.payload {
            thief.log.append(&entry.envelope().clone());
        }
    }
    let known = thief.log.state().roster().node(&NodeId::new(RESTORED).unwrap()).unwrap().clone();
    assert_eq!(known.incarnation, 2, "the genuine statements act in the forged log, too");
    // Then its keys are those that the officers meant, and its history is not
    speaks_for_nobody(&cluster, &mut forged, &id).await;
    let told = status(&cluster).await;
    assert!(told.enrolled && !told.serving, "{told:?}");
    assert_eq!(told.tip.unwrap().tip_size, forged.size());
}

/// The restored node's part of a session, well-formed in everything but the key that signs it.
fn thiefs_offer(cluster: &Cluster, of_another: &[u8]) -> Vec<u8> {
    let EphemeralOffer { context, .. } = SignedOffer::from_bytes(of_another).unwrap().claim().clone();
    let offer = EphemeralOffer { context, party: PartyIndex::new(3).unwrap(), key: [9; 32] };
    offer.sign(&cluster.ed25519_key("new-node-3/message.key")).as_bytes().to_vec()
}

#[tokio::test]
async fn keys_that_a_thief_enrols_for_a_stolen_backup_speak_for_nobody() {
    let cluster = Cluster::ready(Options::default()).await;
    back_up(&cluster).await;
    let mut log = cluster.download().await;
    // Given a thief with the coordinator's keys, the backup, its passphrase, the node's certificate, and keys of their own
    cluster.kill_9(COORDINATOR);
    lose_and_restore(&cluster);
    cluster.bring_up(RESTORED).await;
    let mut thief = Hostile::with(&cluster, &mut log);
    let id = thief.authorized(&cluster.request());
    // Then the program itself signs nothing with them
    speaks_for_nobody(&cluster, &mut log, &id).await;
    // And from a program of the thief's own, honest nodes take nothing: its offer is not by a key that they know
    let thief = Hostile::with(&cluster, &mut log);
    let (session, pair) = (new_session(), ["node-1", RESTORED]);
    let order = thief.order("node-1", &session, &id, &pair).await;
    let offer = thief.prepare_at("node-1", order).await.unwrap();
    let offers = vec![offer.clone(), thiefs_offer(&cluster, &offer)];
    let signers = pair.map(str::to_owned).to_vec();
    let attempt = Attempt { session, signers, offers, mail: Vec::new() };
    let result = thief.honest_call(&attempt, "node-1", 1).await;
    thief.caught("node-1", result, Code::Aborted, "PEER_MESSAGE_INVALID");
    // While those who are who they say they are sign
    thief.sign(&id, &["node-1", "node-2"]).await.unwrap();
}

#[tokio::test]
async fn pause_that_no_log_will_take_stops_new_keys_until_each_officer_passes_over_it_by_name() {
    let cluster = Cluster::ready(Options::default()).await;
    back_up(&cluster).await;
    let hash = cluster.pause_of_an_officer_who_left("node-1", "carol").await;
    lose_and_restore(&cluster);
    cluster.bring_up(RESTORED).await;
    let terminal = cluster.terminal();
    let held = |command: &str| {
        let (code, refused) = terminal.run(command);
        assert_eq!((code, &refused["error"]["reason"]), (4, &"STATEMENT_NOT_LOGGED".into()), "{refused:#}");
        let next = refused["error"]["next"].as_str().unwrap();
        assert!(next.contains(&format!("--pass-over {hash}")), "{next}");
    };
    // Then neither a proposal nor, if somebody made one all the same, an approval gets past it in silence
    held(&proposal(""));
    let pass_over = format!(" --pass-over {hash}");
    let proposed = terminal.ok(&proposal(&pass_over));
    let ceremony = proposed["id"].as_str().unwrap();
    let approval = |officer: &str| format!("ceremony approve {ceremony} --officer {officer} --yes");
    held(&approval("bob"));
    // And with its name, from each of them, it does
    for officer in ["alice", "bob"] {
        terminal.ok(&format!("{}{pass_over}", approval(officer)));
    }
    serves(&cluster).await;
    // While the node that has it still obeys it
    let alice = cluster.officer("alice");
    assert!(alice.statements_at("node-1").await.iter().all(|delivered| !delivered.lifted));
    cluster.kill_9("node-1");
    let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
}
