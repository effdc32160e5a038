//! The program as a script sees it: exit codes, one JSON document, and the road to a real genesis.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn holdfast(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .current_dir(directory)
        .env_remove("HOLDFAST_PROFILE")
        .env_remove("HOLDFAST_OFFICER")
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs with `--json`, and requires exactly one JSON document on standard output.
fn document(directory: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = holdfast(directory, &[&["--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().unwrap(), value)
}

fn done(directory: &Path, arguments: &[&str]) -> Value {
    let (code, value) = document(directory, arguments);
    assert_eq!(code, 0, "{arguments:?}: {value}");
    value
}

#[test]
fn failures_are_one_document_with_a_reason_and_an_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, code, reason) in [
        (vec!["status"], 2, "FILE_IO"),
        (vec!["frobnicate"], 2, "USAGE"),
        (vec!["wallet", "show", "Hot-1"], 2, "USAGE"),
        (vec!["audit", "verify", "nowhere", "--genesis-sha256", "00"], 2, "USAGE"),
        (vec!["audit", "verify", "nowhere", "--genesis-sha256", &"00".repeat(32)], 5, "FILE_IO"),
        (vec!["audit", "verify", ".", "--genesis-sha256", &"00".repeat(32)], 7, "EXPORT_FILE_MISSING"),
    ] {
        let (found, value) = document(directory.path(), &arguments);
        assert_eq!(
            (found, value["error"]["reason"].as_str().unwrap()),
            (code, reason),
            "{arguments:?}: {value}"
        );
        assert_eq!(value["error"]["exit_code"], code);
    }
}

#[test]
fn help_and_version_are_no_errors_and_help_lists_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let help = holdfast(directory.path(), &["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("7  verification failed") && help.contains("withdraw"), "{help}");
    assert!(holdfast(directory.path(), &["--version"]).status.success());
    let init = String::from_utf8(holdfast(directory.path(), &["init", "--help"]).stdout).unwrap();
    assert!(init.contains("holdfast-node enroll") && init.contains("holdfast-genesis"), "{init}");
}

#[test]
fn servers_that_are_not_there_are_unavailable_and_not_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let made = done(directory.path(), &["init", "--demo", "cell"]);
    assert_eq!(made["nodes"].as_array().unwrap().len(), 3);
    for arguments in [
        vec!["--profile", "cell/holdfast.toml", "status"],
        vec!["--profile", "cell/holdfast.toml", "wallet", "list"],
        vec!["--profile", "cell/holdfast.toml", "audit", "export", "out"],
    ] {
        let (code, value) = document(directory.path(), &arguments);
        assert_eq!(
            (code, value["error"]["reason"].as_str()),
            (6, Some("SERVER_UNREACHABLE")),
            "{arguments:?}: {value}"
        );
        assert!(value["error"]["next"].is_string());
    }
}

#[test]
fn misspelt_role_is_found_with_a_genesis_and_told_as_not_looked_up_without_one() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    done(at, &["init", "--demo", "cell"]);
    let policy = include_str!("../../policy/fixtures/demo-policy.toml");
    std::fs::write(
        at.join("policy.toml"),
        policy.replace("withdrawal-approver = 2", "withdrawal-aprover = 2"),
    )
    .unwrap();
    let check = ["policy", "check", "policy.toml", "--accept", "NO_COOLING_OFF"];
    let check = [&check[..], &["--accept", "SESSION_PROVIDERS_OPEN"]].concat();
    // Without a cell nobody can say that it is wrong, and it is said that nobody did.
    let blind = done(at, &check);
    let roles = json!(["withdrawal-approver", "withdrawal-aprover"]);
    assert_eq!((&blind["failing"], &blind["not_looked_up"]["roles"]), (&json!(0), &roles), "{blind:#}");
    let text = String::from_utf8(holdfast(at, &check).stdout).unwrap();
    let note = "a misspelt one is not found: roles `withdrawal-approver`, `withdrawal-aprover`; clients";
    assert!(text.contains(note) && text.contains("next: `--genesis FILE`"), "{text}");
    // With one it fails the check, and only what a genesis has not is left.
    let (code, known) = document(at, &[&check[..], &["--genesis", "cell/genesis.json"]].concat());
    let found = known["findings"].as_array().unwrap().iter().any(|it| it["code"] == "HOLD_ROLE_UNFILLED");
    assert!(code == 8 && found, "{known:#}");
    assert_eq!(known["not_looked_up"], json!({"wallets": ["hot-1"]}));
}

#[test]
fn pause_without_any_server_says_how_many_nodes_took_it() {
    let directory = tempfile::tempdir().unwrap();
    done(directory.path(), &["init", "--demo", "cell"]);
    let (code, value) = document(
        directory.path(),
        &[
            "--profile",
            "cell/holdfast.toml",
            "officer",
            "pause",
            "hot-1",
            "--officer",
            "carol",
            "--yes",
            "--address",
            "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
        ],
    );
    assert_eq!((code, &value["refusing"]), (6, &json!(0)), "{value}");
    assert_eq!(value["level"]["needed_against_coordinator"], 2);
    assert_eq!(value["level"]["needed_against_hostile_nodes"], 3);
}

fn key(at: &Path, name: &str) -> String {
    done(at, &["init", "key", name])["public_key"].as_str().unwrap().to_owned()
}

/// A node as `holdfast-node enroll` leaves it, certified; its request serves for no other identity.
fn enrol(at: &Path, i: u8) {
    let (name, identity) = (format!("node-{i}"), format!("node/node-{i}"));
    done(at, &["init", "request", "--cluster", "east-1", "--identity", &identity, "--out", &name]);
    let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
    let enrolment = json!({"version": 1, "cluster": "east-1", "name": name, "operator": format!("op-{i}"),
        "provider": format!("cloud-{i}"), "region": format!("region-{i}"), "address": format!("{name}.example:7101"),
        "cosigning_key": key(at, &format!("cosigning-{i}.key")), "message_key": key(at, &format!("message-{i}.key")),
        "tls_csr": std::fs::read_to_string(at.join(&csr)).unwrap()});
    std::fs::write(at.join(format!("enrolment-{i}.json")), enrolment.to_string()).unwrap();
    done(at, &["init", "certify", "--ca", "ca", "--csr", &csr, "--identity", &identity, "--out", &pem]);
    let stolen = [
        "init",
        "certify",
        "--ca",
        "ca",
        "--csr",
        &csr,
        "--identity",
        "officer/alice",
        "--out",
        "stolen.pem",
    ];
    let (code, refused) = document(at, &stolen);
    assert_eq!((code, refused["error"]["reason"].as_str()), (2, Some("CERTIFICATE_REQUEST_INVALID")));
}

fn genesis(at: &Path) -> Value {
    std::fs::write(at.join("policy.toml"), include_str!("../../policy/fixtures/demo-policy.toml")).unwrap();
    std::fs::write(at.join("list.txt"), "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n").unwrap();
    let client = format!("pipeline={}:hot-1", key(at, "pipeline.key"));
    let provider = format!("sessions={}", key(at, "sessions.key"));
    let (log, entry) = (key(at, "log.key"), key(at, "entry.key"));
    let arguments = [
        ["--cluster", "east-1"],
        ["--threshold", "2"],
        ["--enrolment", "enrolment-1.json"],
        ["--enrolment", "enrolment-2.json"],
        ["--enrolment", "enrolment-3.json"],
        ["--officer", "alice=keys/officers/alice.pub:security-officer,withdrawal-approver"],
        ["--officer", "bob=keys/officers/bob.pub:security-officer,withdrawal-approver"],
        ["--client", &client],
        ["--provider", &provider],
        ["--coordinator-log-key", &log],
        ["--coordinator-entry-key", &entry],
        ["--asset", "USDT:1:6:0xdAC17F958D2ee523a2206206994597C13D831ec7"],
        ["--asset", "ETH:1:18"],
        ["--policy", "policy.toml"],
        ["--list", "ofac-eth=list.txt:2026-11-21:a source: with colons"],
        ["--out", "genesis.json"],
    ];
    done(at, &[&["init", "genesis"], arguments.as_flattened()].concat())
}

/// The steps of `holdfast init --help`, with enrolments as nodes write them.
#[test]
fn genesis_is_built_from_enrolments_and_signed_by_every_officer() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    done(at, &["init", "authority", "--cluster", "east-1", "--out", "ca"]);
    (1..=3).for_each(|i| enrol(at, i));
    // Officers' keys: those of a demo cell serve.
    done(at, &["init", "--demo", "keys"]);
    let genesis = genesis(at);
    let wrong = ["init", "sign", "--officer", "alice", "--key", "keys/officers/bob", "--yes", "genesis.json"];
    assert_eq!(document(at, &wrong).0, 3, "a key that is not alice's");
    for officer in ["alice", "bob"] {
        let key = format!("keys/officers/{officer}");
        done(at, &["init", "sign", "--officer", officer, "--key", &key, "--yes", "genesis.json"]);
    }
    let alice = ["init", "assemble", "genesis.json", "--signature", "alice=genesis.json.alice.sig"];
    assert_eq!(document(at, &alice).0, 2, "bob's signature is missing");
    let assembled = done(at, &[&alice[..], &["--signature", "bob=genesis.json.bob.sig"]].concat());
    assert_eq!(assembled["sha256"], genesis["sha256"]);
    assert!(at.join("genesis.entry.json").exists());
}
