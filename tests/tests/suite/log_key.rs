//! Officers replace the log's key: what was signed before stays valid, what is signed afterwards needs the new key, and
//! whoever has the old one signs for nobody.

use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::VerifyingKey;
use holdfast_log::{LogVerifier, Origin, SignedCheckpoint};
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, Options, PAYEE, Terminal, WALLET, target_directory,
};
use holdfast_transport::signing_key;
use serde_json::Value;
use tonic::Code;

const NEW_KEY: &str = "log-2.key";

/// Which files of log keys the coordinator is configured with.
fn configure(cluster: &Cluster, files: &str) {
    let path = cluster.path(COORDINATOR).join("coordinator.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let log = |line: &&str| line.starts_with("log = ");
    assert_eq!(text.lines().filter(log).count(), 1, "{text}");
    let lines: Vec<String> = text
        .lines()
        .map(|line| if log(&line) { format!("log = {files}") } else { line.to_owned() })
        .collect();
    std::fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
}

async fn restart(cluster: &Cluster) {
    cluster.kill_9(COORDINATOR);
    cluster.bring_up(COORDINATOR).await;
}

/// A payment by the tool, on a client's machine; it verifies the receipt with what it knows of the roster.
fn pay(cluster: &Cluster, machine: &Terminal) -> (i32, Value) {
    let nonce = cluster.next_account_nonce();
    machine.run(&format!(
        "withdraw submit 1250~USDT --to {PAYEE} --wallet {WALLET} --customer {CUSTOMER} --nonce {nonce} --max-fee-gwei 30 --wait"
    ))
}

fn pays(cluster: &Cluster, machine: &Terminal) {
    let (code, paid) = pay(cluster, machine);
    assert_eq!((code, paid["state"].as_str()), (0, Some("SIGNED")), "{paid:#}");
}

/// Whether the checkpoint of an export carries a valid signature of this log key.
fn is_signed_by(export: &Path, cluster: &Cluster, key: &VerifyingKey) -> bool {
    let note = SignedCheckpoint::parse(&std::fs::read(export.join("checkpoint")).unwrap()).unwrap();
    note.verify(&LogVerifier::new(Origin::of_cluster(cluster.name()).unwrap(), *key)).is_ok()
}

/// An export, verified by our own tool; the keys that it found in force are written beside it.
fn exported(cluster: &Cluster, name: &str, against: Option<&str>) -> PathBuf {
    let terminal = cluster.terminal();
    terminal.ok(&format!("audit export {name}"));
    let against = against.map(|earlier| format!(" --against {earlier}/checkpoint --against {earlier}"));
    let verify = format!("audit verify {name} --write-keys {name}.keys{}", against.unwrap_or_default());
    terminal.ok(&verify);
    cluster.path(name)
}

/// What Go's and Python's verifiers say to these arguments.
fn others(arguments: &[(&str, &Path)]) -> [bool; 2] {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients");
    let (go, venv) = (target_directory().join("go-verify"), target_directory().join("python-venv"));
    for (script, target) in [("go/build.sh", &go), ("python/setup.sh", &venv)] {
        let made = Command::new(clients.join(script)).arg(target).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let mut python = Command::new(venv.join("bin/python"));
    python.arg("-B").arg(clients.join("python/verify_export.py"));
    [Command::new(go), python].map(|mut command| {
        arguments.iter().for_each(|(name, value)| {
            command.arg(name).arg(value);
        });
        let said = command.output().unwrap();
        let text = String::from_utf8_lossy(&[said.stdout.clone(), said.stderr.clone()].concat()).into_owned();
        let accepted = said.status.success() && text.contains("VERIFIED\n");
        assert!(accepted || (said.status.code() == Some(1) && text.contains("REFUSED")), "{said:?}");
        accepted
    })
}

#[tokio::test]
async fn log_key_replaced_by_officers_signs_from_then_on_and_the_old_one_nothing_more() {
    let cluster = Cluster::ready(Options::default()).await;
    let (office, machine) = (cluster.terminal(), cluster.new_terminal("client-machine"));
    let old = cluster.ed25519_key("coordinator/log.key").verifying_key();
    let new = signing_key::generate(&cluster.path(COORDINATOR).join(NEW_KEY)).unwrap().verifying_key();
    // Given a client's machine that knows the wallet's key and the roster of that time
    machine.ok(&format!("wallet show {WALLET}"));
    pays(&cluster, &machine);
    let before = exported(&cluster, "before", None);
    assert!(is_signed_by(&before, &cluster, &old));
    // When officers replace the key and the coordinator does not hold the new one, the last approval is refused
    let command = format!(
        "roster replace-coordinator-keys --log-key {} --officer alice --yes",
        hex::encode(new.as_bytes())
    );
    let ceremony = office.ok(&command)["id"].as_str().unwrap().to_owned();
    office.approve(&ceremony, &["alice"]);
    let (code, refused) = office.run(&format!("ceremony approve {ceremony} --officer bob --yes"));
    assert_ne!(code, 0);
    assert!(refused.to_string().contains("LOG_KEY_NOT_CONFIGURED"), "{refused:#}");
    // With both configured it is taken, and both sign, for readers who know only the old one
    configure(&cluster, "[\"log.key\", \"log-2.key\"]");
    restart(&cluster).await;
    office.approve(&ceremony, &["bob"]);
    pays(&cluster, &machine);
    let during = exported(&cluster, "during", Some("before"));
    assert!(is_signed_by(&during, &cluster, &new) && is_signed_by(&during, &cluster, &old));
    // Once the old key's file is gone, only the new one does
    configure(&cluster, "\"log-2.key\"");
    std::fs::rename(cluster.path("coordinator/log.key"), cluster.path("stolen-log.key")).unwrap();
    restart(&cluster).await;
    let paid = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    let after = exported(&cluster, "after", Some("during"));
    assert!(is_signed_by(&after, &cluster, &new) && !is_signed_by(&after, &cluster, &old));
    a_machine_with_the_old_roster_learns_the_new_one(&cluster, &machine);
    others_follow_the_rotation(&cluster, &before, &after);
    the_old_key_signs_for_nobody(&cluster).await;
}

/// The client's machine has seen the genesis roster only.
fn a_machine_with_the_old_roster_learns_the_new_one(cluster: &Cluster, machine: &Terminal) {
    let (code, unsure) = pay(cluster, machine);
    assert_ne!(code, 0, "a receipt under a key that this machine has never seen proven: {unsure:#}");
    let shown = machine.ok("roster show");
    assert_eq!(shown["version"], 2, "{shown:#}");
    pays(cluster, machine);
}

/// Go's and Python's verifiers, with the keys in force after the replay.
fn others_follow_the_rotation(cluster: &Cluster, before: &Path, after: &Path) {
    let (keys, kept) = (cluster.path("after.keys"), before.join("checkpoint"));
    let written = std::fs::read_to_string(&keys).unwrap();
    for word in ["from ", "until "] {
        assert_eq!(written.lines().filter(|line| line.starts_with(word)).count(), 1, "{written}");
    }
    assert_eq!(others(&[("--keys", &keys), ("--export", after), ("--against", &kept)]), [true; 2]);
    // Who goes by genesis alone is told that the key is another one
    let pin = hex::encode(cluster.genesis_sha256());
    assert_eq!(others(&[("--genesis-sha256", Path::new(&pin)), ("--export", after)]), [false; 2]);
    // The old key signs no checkpoint of today, whatever nodes cosigned
    let forged = cluster.path("forged");
    let copied = Command::new("cp").arg("-r").args([after, &forged]).status().unwrap();
    assert!(copied.success());
    let note = SignedCheckpoint::parse(&std::fs::read(after.join("checkpoint")).unwrap()).unwrap();
    let origin = Origin::of_cluster(cluster.name()).unwrap();
    let thief = holdfast_log::LogSigner::new(origin, cluster.ed25519_key("stolen-log.key"));
    let mut bytes = thief.sign(note.claimed()).unwrap().to_bytes();
    let genuine = String::from_utf8(note.to_bytes()).unwrap();
    for line in genuine.lines().filter(|line| line.contains("/node-")) {
        bytes.extend(format!("{line}\n").into_bytes());
    }
    std::fs::write(forged.join("checkpoint"), bytes).unwrap();
    assert_eq!(others(&[("--keys", &keys), ("--export", &forged)]), [false; 2]);
    let (code, refused) = cluster.terminal().run("audit verify forged");
    assert_ne!(code, 0, "{refused:#}");
}

/// Whoever stole the old key, the coordinator's certificate and its entry key shows the nodes a longer log.
async fn the_old_key_signs_for_nobody(cluster: &Cluster) {
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    std::fs::copy(cluster.path("stolen-log.key"), cluster.path("coordinator/log.key")).unwrap();
    let mut thief = Hostile::with(cluster, &mut log);
    thief.authorized(&cluster.request());
    let tip = thief.tip_size("node-1").await;
    let result = thief.replicate("node-1", thief.replication(tip)).await;
    thief.caught("node-1", result, Code::InvalidArgument, "CHECKPOINT_INVALID");
    // With the new one it would have been taken
    std::fs::copy(cluster.path("coordinator/log-2.key"), cluster.path("coordinator/log.key")).unwrap();
    let thief = Hostile::with(cluster, &mut log);
    thief.catch_up("node-1").await;
}
