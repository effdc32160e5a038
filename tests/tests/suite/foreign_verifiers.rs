//! Auditors at a real cluster: two verifiers that are not ours (Go's `sumdb`, and Python with nothing but hashes and Ed25519) accept
//! what `holdfast audit export` writes and a withdrawal's proof, and refuse every tampered copy, as `holdfast audit verify` does;
//! and the commands that search, sample, review and watch the log.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_log::{Checkpoint, Cosigner, Entry, KeyName, LogSigner, MemoryTree, Origin, SignedCheckpoint};
use holdfast_proto::v1;
use holdfast_tests::{COORDINATOR, Cluster, NODES, Options, STRANGER, eventually, program, target_directory};
use serde_json::Value;
use tokio::sync::OnceCell;

fn clients(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients").join(name)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The two, ready to run.
struct Verifiers {
    go: PathBuf,
    python: PathBuf,
}

impl Verifiers {
    async fn get() -> &'static Self {
        static VERIFIERS: OnceCell<Verifiers> = OnceCell::const_new();
        VERIFIERS
            .get_or_init(|| async {
                let (go, venv) =
                    (target_directory().join("go-verify"), target_directory().join("python-venv"));
                succeeds(Command::new(clients("go/build.sh")).arg(&go));
                succeeds(Command::new(clients("python/setup.sh")).arg(&venv));
                Self { go, python: venv.join("bin/python") }
            })
            .await
    }

    /// Both with the same arguments; Go's flags have one hyphen or two.
    fn both(&self, arguments: &[(&str, &Path)]) -> [Command; 2] {
        let mut python = Command::new(&self.python);
        python.arg("-B").arg(clients("python/verify_export.py"));
        [Command::new(&self.go), python].map(|mut command| {
            for (name, value) in arguments {
                command.arg(name).arg(value);
            }
            command
        })
    }

    fn accept(&self, arguments: &[(&str, &Path)]) {
        for mut command in self.both(arguments) {
            let printed = succeeds(&mut command);
            assert!(printed.ends_with("VERIFIED\n"), "{command:?}: {printed}");
        }
    }

    fn refuse(&self, what: &str, arguments: &[(&str, &Path)]) {
        for mut command in self.both(arguments) {
            let output = command.output().unwrap();
            let refused = output.status.code() == Some(1) && said(&output).contains("REFUSED");
            assert!(refused, "{what}: {command:?}: {}", said(&output));
        }
    }
}

/// A cluster with a history, two exports of it, and a signed withdrawal.
struct Audited {
    cluster: Cluster,
    genesis: String,
    earlier: PathBuf,
    export: PathBuf,
    signed: v1::Withdrawal,
}

async fn audited() -> &'static Audited {
    static AUDITED: OnceCell<Audited> = OnceCell::const_new();
    AUDITED.get_or_init(make).await
}

async fn make() -> Audited {
    let cluster = Cluster::ready(Options::default()).await;
    let pipeline = cluster.pipeline().await;
    let pay = async || pipeline.submit(&cluster.request()).await.unwrap();
    let signed = pay().await;
    assert_eq!(signed.state(), v1::WithdrawalState::Signed);
    let (earlier, export) = (cluster.path("earlier"), cluster.path("export"));
    holdfast(&cluster, &["audit", "export", "earlier"]);
    pay().await;
    let refused = pipeline.submit(&cluster.request().set("destination", STRANGER).with_transfer(9)).await;
    assert!(refused.is_err() || refused.is_ok_and(|w| w.state() == v1::WithdrawalState::Denied));
    holdfast(&cluster, &["audit", "export", "export"]);
    let genesis = hex::encode(cluster.genesis_sha256());
    Audited { cluster, genesis, earlier, export, signed }
}

/// Runs the program with `--json`; what it printed.
fn holdfast(cluster: &Cluster, arguments: &[&str]) -> String {
    let (code, printed) = tried(cluster, arguments);
    assert_eq!(code, 0, "{arguments:?}: {printed}");
    printed
}

fn tried(cluster: &Cluster, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(program("holdfast").unwrap())
        .args(["--json", "--profile"])
        .arg(cluster.path("holdfast.toml"))
        .args(arguments)
        .current_dir(cluster.directory())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A copy of an export in which something is changed.
fn tampered(audited: &Audited, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let copy = audited.cluster.path(&format!("tampered-{}", name.replace(' ', "-")));
    succeeds(Command::new("cp").arg("-r").arg(&audited.export).arg(&copy));
    change(&copy);
    copy
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    let before = bytes.clone();
    change(&mut bytes);
    assert_ne!(before, bytes, "{}: nothing was changed", path.display());
    std::fs::write(path, bytes).unwrap();
}

fn edit_text(path: &Path, change: impl FnOnce(String) -> String) {
    edit(path, |bytes| *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes());
}

/// The one file in a directory of partial tiles.
fn partial(export: &Path, directory: &str) -> PathBuf {
    std::fs::read_dir(export.join(directory)).unwrap().next().unwrap().unwrap().path()
}

/// A checkpoint that whoever owns the log's key and all nodes' keys can make of other entries.
fn forged_checkpoint(audited: &Audited, entries: &[Entry]) -> Vec<u8> {
    let (cluster, origin) = (&audited.cluster, Origin::of_cluster(audited.cluster.name()).unwrap());
    let tree = MemoryTree::from_leaf_hashes(entries.iter().map(Entry::leaf_hash)).unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
    let signed =
        LogSigner::new(origin, cluster.ed25519_key("coordinator/log.key")).sign(&checkpoint).unwrap();
    let cosigned = NODES.iter().fold(signed, |signed, node| {
        let key = cluster.ed25519_key(&format!("{node}/cosigning.key"));
        let cosigner = Cosigner::new(KeyName::of_node(cluster.name(), node).unwrap(), key);
        signed.with_cosignature(&cosigner.cosign(&checkpoint, 1_763_700_000).unwrap()).unwrap()
    });
    cosigned.to_bytes()
}

#[tokio::test]
async fn go_and_python_accept_an_export_its_earlier_checkpoint_and_a_withdrawals_proof() {
    let (verifiers, audited) = (Verifiers::get().await, audited().await);
    let pin = Path::new(&audited.genesis);
    let (export, kept) = (audited.export.as_path(), audited.earlier.join("checkpoint"));
    verifiers.accept(&[("--genesis-sha256", pin), ("--export", export), ("--against", &kept)]);
    // The same with the keys that our verifier wrote after its replay
    let keys = audited.cluster.path("keys-in-force");
    holdfast(
        &audited.cluster,
        &[
            "audit",
            "verify",
            "export",
            "--write-keys",
            "keys-in-force",
            "--against",
            "earlier/checkpoint",
            "--against",
            "earlier",
        ],
    );
    verifiers.accept(&[("--keys", &keys), ("--export", export)]);
    let (proof, entry) = proof_files(audited);
    verifiers.accept(&[("--keys", &keys), ("--proof", &proof), ("--entry", &entry)]);
}

/// The proof of a withdrawal's signature, as the client got it with its receipt.
fn proof_files(audited: &Audited) -> (PathBuf, PathBuf) {
    let receipt = audited.signed.receipt.as_ref().unwrap();
    let (proof, entry) = (audited.cluster.path("signed.tlog-proof"), audited.cluster.path("signed.entry"));
    std::fs::write(&proof, &receipt.tlog_proof).unwrap();
    std::fs::write(&entry, &receipt.signature_entry).unwrap();
    (proof, entry)
}

#[tokio::test]
async fn go_python_and_our_own_verifier_refuse_every_tampered_copy() {
    let (verifiers, audited) = (Verifiers::get().await, audited().await);
    let node = format!("\u{2014} holdfast/{}/node-", audited.cluster.name());
    let only_log = |text: String| {
        let kept = text.lines().filter(|line| !line.starts_with(&node));
        kept.map(|line| format!("{line}\n")).collect::<String>()
    };
    let flip_in_line = |text: String, line: usize| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let position = lines[line].len() - 20;
        let other = if &lines[line][position..=position] == "A" { "B" } else { "A" };
        lines[line].replace_range(position..=position, other);
        lines.iter().map(|line| format!("{line}\n")).collect::<String>()
    };
    let copies = [
        tampered(audited, "an entry's byte", |copy| {
            edit(&partial(copy, "tile/entries/000.p"), |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
        }),
        tampered(audited, "the last entry dropped", |copy| {
            edit(&partial(copy, "tile/entries/000.p"), |bytes| bytes.truncate(bytes.len() - 100));
        }),
        tampered(audited, "a byte after the last entry", |copy| {
            edit(&partial(copy, "tile/entries/000.p"), |bytes| bytes.push(0));
        }),
        tampered(audited, "a tile's byte", |copy| {
            edit(&partial(copy, "tile/0/000.p"), |bytes| bytes[40] ^= 1);
        }),
        tampered(audited, "another size", |copy| {
            edit_text(&copy.join("checkpoint"), |text| {
                let size = text.lines().nth(1).unwrap().to_owned();
                let smaller = (size.parse::<u64>().unwrap() - 1).to_string();
                text.replacen(&format!("\n{size}\n"), &format!("\n{smaller}\n"), 1)
            });
        }),
        tampered(audited, "another root", |copy| {
            edit_text(&copy.join("checkpoint"), |text| flip_in_line(text, 2));
        }),
        tampered(audited, "the log's signature", |copy| {
            edit_text(&copy.join("checkpoint"), |text| flip_in_line(text, 4));
        }),
        tampered(audited, "a cosignature", |copy| {
            edit_text(&copy.join("checkpoint"), |text| flip_in_line(text, 5));
        }),
        tampered(audited, "no cosignatures", |copy| edit_text(&copy.join("checkpoint"), only_log)),
        tampered(audited, "an older checkpoint", |copy| {
            std::fs::copy(audited.earlier.join("checkpoint"), copy.join("checkpoint")).unwrap();
        }),
    ];
    for copy in &copies {
        let name = copy.file_name().unwrap().to_string_lossy().into_owned();
        let pin = Path::new(&audited.genesis);
        verifiers.refuse(&name, &[("--genesis-sha256", pin), ("--export", copy)]);
        let (code, printed) = tried(&audited.cluster, &["audit", "verify", &name]);
        assert_eq!(code, 7, "{name}: {printed}");
    }
    // Another cluster's pin
    let other = "00".repeat(32);
    let arguments = [("--genesis-sha256", Path::new(&other)), ("--export", audited.export.as_path())];
    verifiers.refuse("another genesis", &arguments);
}

#[tokio::test]
async fn a_fork_signed_with_every_key_is_refused_against_a_kept_checkpoint() {
    let (verifiers, audited) = (Verifiers::get().await, audited().await);
    let log = audited.cluster.download().await;
    let mut fork = log.entries()[..10].to_vec();
    fork.swap(8, 9);
    let forged = audited.cluster.path("forged.checkpoint");
    std::fs::write(&forged, forged_checkpoint(audited, &fork)).unwrap();
    let pin = Path::new(&audited.genesis);
    let arguments =
        [("--genesis-sha256", pin), ("--export", audited.export.as_path()), ("--against", forged.as_path())];
    verifiers.refuse("a fork", &arguments);
    let (code, printed) =
        tried(&audited.cluster, &["audit", "verify", "export", "--against", "forged.checkpoint"]);
    assert_eq!(code, 7, "{printed}");
    let error: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(error["error"]["reason"], "LOG_FORKED", "{printed}");
    assert_eq!(error["error"]["finding"]["end_index"], 10, "{printed}");
}

#[tokio::test]
async fn go_and_python_refuse_a_changed_proof_and_a_proof_of_another_entry() {
    let (verifiers, audited) = (Verifiers::get().await, audited().await);
    let keys = audited.export.join("keys");
    let (proof, entry) = proof_files(audited);
    let text = std::fs::read_to_string(&proof).unwrap();
    let changed = audited.cluster.path("changed.tlog-proof");
    let lines: Vec<&str> = text.lines().collect();
    let index: u64 = lines[1].strip_prefix("index ").unwrap().parse().unwrap();
    let without = |dropped: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != dropped);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for (what, text) in [
        ("another index", text.replacen(&format!("index {index}"), &format!("index {}", index - 1), 1)),
        ("a hash too few", without(2)),
        (
            "no cosignatures",
            text.lines().filter(|l| !l.contains("/node-")).map(|l| format!("{l}\n")).collect(),
        ),
        ("another form", text.replacen("tlog-proof@v1", "tlog-proof@v2", 1)),
    ] {
        assert_ne!(text, std::fs::read_to_string(&proof).unwrap(), "{what}");
        std::fs::write(&changed, text).unwrap();
        verifiers.refuse(what, &[("--keys", &keys), ("--proof", &changed), ("--entry", &entry)]);
    }
    let other = audited.cluster.path("other.entry");
    edit_into(&entry, &other);
    verifiers.refuse("another entry", &[("--keys", &keys), ("--proof", &proof), ("--entry", &other)]);
}

fn edit_into(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
    edit(to, |bytes| bytes[20] ^= 1);
}

#[tokio::test]
async fn two_keys_of_one_node_never_count_twice() {
    // Given a node that got new keys, with both of its keys in a thief's hands, and the log's key
    let (verifiers, audited) = (Verifiers::get().await, audited().await);
    let cluster = &audited.cluster;
    let note = SignedCheckpoint::parse(&std::fs::read(audited.export.join("checkpoint")).unwrap()).unwrap();
    let shown = note.claimed().clone();
    let cosigner =
        |node: &str, key: SigningKey| Cosigner::new(KeyName::of_node(cluster.name(), node).unwrap(), key);
    let key = |node: &str| cluster.ed25519_key(&format!("{node}/cosigning.key"));
    let replaced = cosigner("node-1", SigningKey::from_bytes(&[0x31; 32]));
    let (one, two) = (cosigner("node-1", key("node-1")), cosigner("node-2", key("node-2")));
    let log = LogSigner::new(shown.origin.clone(), cluster.ed25519_key("coordinator/log.key"));
    let export = tampered(audited, "cosigned by one node twice", |_| {});
    let keys = cluster.path("keys-of-two-incarnations");
    let trust = |bounds: [&str; 2]| {
        let [old, new] = bounds;
        let lines = [
            "threshold 2".to_owned(),
            log.verifier().vkey(),
            format!("{new}{}", one.verifier().vkey()),
            two.verifier().vkey(),
            format!("{old}{}", replaced.verifier().vkey()),
        ];
        std::fs::write(&keys, lines.join("\n") + "\n").unwrap();
    };
    let cosigned = |by: &[&Cosigner]| {
        let mut bytes = log.sign(&shown).unwrap().to_bytes();
        for cosigner in by {
            bytes.extend(cosigner.cosign(&shown, 1_800_000_000).unwrap().to_line().into_bytes());
        }
        std::fs::write(export.join("checkpoint"), bytes).unwrap();
        let _ = std::fs::remove_dir_all(export.join("checkpoints"));
    };
    let arguments: [(&str, &Path); 2] = [("--keys", &keys), ("--export", &export)];
    let (long_ago, later) = (format!("until {} ", shown.size + 1), format!("from {} ", shown.size + 1));
    // Then one node is one node, whatever sizes its keys count for
    cosigned(&[&one, &replaced]);
    for bounds in [["", ""], [long_ago.as_str(), ""], [long_ago.as_str(), later.as_str()]] {
        trust(bounds);
        verifiers.refuse("one node twice", &arguments);
    }
    // A key counts before it was replaced, and not after; the one that replaced it not before
    cosigned(&[&replaced, &two]);
    trust([long_ago.as_str(), later.as_str()]);
    verifiers.accept(&arguments);
    trust([&format!("until {} ", shown.size), ""]);
    verifiers.refuse("a key after its time", &arguments);
    cosigned(&[&one, &two]);
    trust([long_ago.as_str(), later.as_str()]);
    verifiers.refuse("a key before its time", &arguments);
    trust([&format!("until {} ", shown.size), &format!("from {} ", shown.size)]);
    verifiers.accept(&arguments);
}

#[tokio::test]
async fn auditors_search_sample_review_and_explain_with_and_without_the_coordinator() {
    let audited = audited().await;
    let (cluster, id) = (&audited.cluster, audited.signed.id.as_str());
    // One file instead of a directory, with the same log in it
    holdfast(cluster, &["audit", "export", "log.tar"]);
    holdfast(cluster, &["audit", "verify", "log.tar", "--against", "export"]);
    let page = holdfast(cluster, &["audit", "explain", id, "--log", "log.tar"]);
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["state"], "SIGNED", "{page:#}");
    // The same hits from an export, from a replay of the live log and from the coordinator
    let search = |how: &[&str]| {
        let printed = holdfast(cluster, &[&["audit", "search", "--withdrawal", id], how].concat());
        lines(&printed).iter().map(|hit| (hit["index"].clone(), hit["leaf_hash"].clone())).collect::<Vec<_>>()
    };
    let offline = search(&["--log", "log.tar"]);
    assert!(offline.len() >= 3, "request, authorization, signature: {offline:?}");
    assert_eq!(search(&["--replay"]), offline);
    assert_eq!(search(&[]), offline);
    // The same sample from a directory and from the live log
    let sample = ["audit", "sample", "--seed", "2026-Q4", "--count", "2"];
    let drawn = holdfast(cluster, &[&sample[..], &["--log", "export"]].concat());
    assert_eq!(drawn, holdfast(cluster, &sample));
    assert_eq!(lines(&drawn).len(), 2, "{drawn}");
    // For spreadsheets: a header, a row for each hit, lines as RFC 4180 ends them
    let table = Command::new(program("holdfast").unwrap())
        .args(["audit", "search", "--log", "export", "--csv", "--profile", "holdfast.toml"])
        .current_dir(cluster.directory())
        .output()
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("index,time,kind,") && table.ends_with("\r\n"), "{table}");
    let hits = lines(&holdfast(cluster, &["audit", "search", "--log", "export"]));
    assert_eq!(table.matches("\r\n").count(), hits.len() + 1, "{table}");
    assert_eq!(tried(cluster, &["audit", "search", "--log", "export", "--csv"]).0, 2, "JSON and CSV at once");
    // The review names every party
    let review = lines(&holdfast(cluster, &["audit", "report", "--log", "export"]));
    let parties: Vec<_> = review.iter().filter_map(|row| row["party"].as_str()).collect();
    for party in ["officer:alice", "client:pipeline", "provider:sessions", "node:node-3"] {
        assert!(parties.contains(&party), "{parties:?}");
    }
}

#[tokio::test]
async fn a_monitor_is_quiet_while_all_is_well_and_alarms_when_the_log_or_a_node_stands_still() {
    // Of its own: it kills nodes
    let cluster = Cluster::ready(Options::default()).await;
    let once = |arguments: &[&str]| {
        let (code, printed) = tried(&cluster, &[&["audit", "monitor", "--once"], arguments].concat());
        (code, lines(&printed))
    };
    let codes = |lines: &[Value]| {
        lines.iter().filter_map(|line| line["code"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let quiet = || {
        let (code, printed) = once(&[]);
        (code == 0).then_some(()).ok_or(printed)
    };
    eventually("the monitor is quiet", Duration::from_secs(20), || async { quiet() }).await;
    assert!(cluster.path("monitor.checkpoint").is_file());
    // Two of three nodes are down: nobody vouches for the present
    cluster.kill_9("node-2");
    cluster.kill_9("node-3");
    let stalled = || {
        let (code, printed) = once(&["--stalled-after", "3s", "--silent-after", "4s"]);
        let codes = codes(&printed);
        let told = code == 8 && codes.contains(&"COSIGNATURES_STALLED".to_owned());
        told.then_some(()).ok_or((code, codes))
    };
    eventually("stalled cosignatures are told", Duration::from_secs(30), || async { stalled() }).await;
    // What was seen once is never forgotten: a log that is not its continuation ends the watch
    let log = cluster.download().await;
    let seen = cluster.path("monitor.checkpoint");
    let mut fork = log.entries().to_vec();
    let last = fork.len() - 1;
    fork.swap(last - 1, last);
    let forged = Audited {
        genesis: String::new(),
        earlier: PathBuf::new(),
        export: PathBuf::new(),
        signed: v1::Withdrawal::default(),
        cluster,
    };
    std::fs::write(&seen, forged_checkpoint(&forged, &fork)).unwrap();
    let cluster = &forged.cluster;
    let (code, printed) = tried(cluster, &["audit", "monitor", "--once"]);
    assert_eq!(code, 7, "{printed}");
    assert!(printed.contains("LOG_FORKED"), "{printed}");
    // No coordinator: there is nothing to watch
    cluster.kill_9(COORDINATOR);
    assert_eq!(tried(cluster, &["audit", "monitor", "--once"]).0, 6);
}
