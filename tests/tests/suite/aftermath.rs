//! After an authorization, with what people type: fee bumps, cancellations on chain, sweeps, outcomes, giving up; and a cell that
//! expects a hostile node.
//!
//! Signed transactions are read by two Ethereum libraries that are not ours, and the deposit address is derived by a few lines
//! of Python.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alloy_consensus::{Signed, Transaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use holdfast_tests::{
    CUSTOMER, Cluster, Options, PAYEE, THIEF, Terminal, WALLET, eventually, now_ms, priced_transfer,
    target_directory, transfer,
};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR_MS: u64 = 3_600_000;
/// BIP-32 by the book, from public data; then who signed each transaction, by eth-account.
const SECOND_OPINION: &str = r#"
import hashlib, hmac, json, sys
from eth_account import Account
from eth_utils import keccak, to_checksum_address
P = 2**256 - 2**32 - 977
N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
G = (0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798,
     0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8)
def add(a, b):
    if a is None: return b
    if b is None: return a
    if a[0] == b[0] and (a[1] + b[1]) % P == 0: return None
    m = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (m * m - a[0] - b[0]) % P
    return x, (m * (a[0] - x) - a[1]) % P
def mul(k, p):
    r = None
    while k:
        if k & 1: r = add(r, p)
        p, k = add(p, p), k >> 1
    return r
def point(sec1):
    x = int.from_bytes(sec1[1:], "big")
    y = pow(x**3 + 7, (P + 1) // 4, P)
    return x, y if y % 2 == sec1[0] % 2 else P - y
def sec1(p): return bytes([2 + p[1] % 2]) + p[0].to_bytes(32, "big")
asked = json.load(sys.stdin)
key, code = point(bytes.fromhex(asked["public_key"].removeprefix("0x"))), bytes.fromhex(asked["chain_code"].removeprefix("0x"))
for index in (0, asked["index"]):
    out = hmac.digest(code, sec1(key) + index.to_bytes(4, "big"), hashlib.sha512)
    key, code = add(mul(int.from_bytes(out[:32], "big") % N, G), key), out[32:]
raw = key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big")
print(json.dumps({"deposit_address": to_checksum_address(keccak(raw)[12:]),
                  "senders": [Account.recover_transaction(t) for t in asked["transactions"]]}))
"#;

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// An order of 1,250 USDT under this account nonce.
fn order(nonce: u64) -> String {
    format!(
        "withdraw submit 1250~USDT --to {PAYEE} --wallet {WALLET} --customer {CUSTOMER} --nonce {nonce} --max-fee-gwei 30 --priority-fee-gwei 1 --wait --wait-for 30s"
    )
}

fn signed(terminal: &Terminal, line: &str) -> Value {
    let withdrawal = terminal.ok(line);
    assert_eq!(withdrawal["state"], "SIGNED", "{line}: {withdrawal:#}");
    assert!(withdrawal["verified"].is_object(), "{withdrawal:#}");
    withdrawal
}

fn raw(withdrawal: &Value) -> String {
    text(&withdrawal["receipt"]["raw_transaction"])
}

/// What another library reads in a signed transaction.
fn decoded(withdrawal: &Value) -> Signed<TxEip1559> {
    let bytes = hex::decode(raw(withdrawal).strip_prefix("0x").unwrap()).unwrap();
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut bytes.as_slice()).unwrap() else {
        panic!("another type of transaction");
    };
    signed
}

/// The reason of a refusal.
fn refused(terminal: &Terminal, line: &str) -> String {
    let (code, json) = terminal.run(line);
    assert_ne!(code, 0, "{line}: {json:#}");
    text(&json["error"]["reason"])
}

fn second_opinion(asked: &Value) -> Value {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python");
    let venv = target_directory().join("python-venv");
    let made = Command::new(client.join("setup.sh")).arg(&venv).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut python = Command::new(venv.join("bin/python"))
        .args(["-c", SECOND_OPINION])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), asked).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn what_is_stuck_is_replaced_cancelled_on_chain_swept_and_reported() {
    let cluster = Cluster::ready(Options::default()).await;
    let terminal = cluster.terminal();
    let wallet = terminal.ok(&format!("wallet show {WALLET}"));
    let bump = a_fee_bump_changes_the_fee_and_nothing_else(&terminal);
    outcomes_are_history_and_free_nothing(&terminal, &text(&bump["id"]));
    let cancelled = a_cancellation_pays_nothing_to_its_own_address(&terminal, &text(&wallet["address"]));
    let (deposit, swept) = a_sweep_moves_a_deposit_to_the_wallet(&terminal, &text(&wallet["address"]));
    // Then another library, and BIP-32 by the book, agree about who signed what
    let asked = json!({"public_key": wallet["public_key"], "chain_code": wallet["chain_code"], "index": 7,
        "transactions": [raw(&bump), raw(&cancelled), raw(&swept)]});
    let opinion = second_opinion(&asked);
    assert_eq!(opinion["deposit_address"], json!(deposit));
    assert_eq!(opinion["senders"], json!([wallet["address"], wallet["address"], deposit]));
    // And an auditor replays all of it
    terminal.ok("audit export exported");
    terminal.ok("audit verify exported");
    terminal.ok(&format!("audit explain {} --log exported", text(&cancelled["id"])));
}

fn a_fee_bump_changes_the_fee_and_nothing_else(terminal: &Terminal) -> Value {
    let first = signed(terminal, &order(0));
    let id = text(&first["id"]);
    // Given offers that replace nothing, and a transaction that pays somebody else
    let low = format!("withdraw replace {id} --max-fee-gwei 30");
    assert_eq!(refused(terminal, &low), "USAGE");
    let theft = priced_transfer(THIEF, 1_250_000_000, 0, 90).to_hex();
    let steal = format!("withdraw replace {id} --transaction {theft}");
    assert_eq!(refused(terminal, &steal), "TRANSACTION_DESTINATION_MISMATCH");
    // When the fee is bumped
    let bump = signed(terminal, &format!("withdraw replace {id} --max-fee-gwei 60 --wait"));
    assert_eq!((&bump["kind"], &bump["replaces"]), (&json!("FEE_BUMP"), &json!(id)));
    // Then both do the same, on one account nonce, and only the price differs
    let (old, new) = (decoded(&first), decoded(&bump));
    let effects = |signed: &Signed<TxEip1559>| {
        let tx = signed.tx();
        (tx.chain_id, tx.nonce, tx.to, tx.value, tx.input.clone(), tx.gas_limit)
    };
    assert_eq!(effects(&old), effects(&new));
    assert!(new.max_fee_per_gas() > old.max_fee_per_gas());
    assert!(new.max_priority_fee_per_gas() > old.max_priority_fee_per_gas());
    assert_eq!(old.recover_signer().unwrap(), new.recover_signer().unwrap());
    // And the old one says what replaced it, with its own receipt verified still
    let shown = terminal.ok(&format!("withdraw show {id}"));
    assert_eq!((&shown["state"], &shown["replaced_by"]), (&json!("REPLACED"), &bump["id"]));
    assert!(shown["verified"].is_object(), "{shown:#}");
    // And neither is replaced a second time by way of the old one, nor is their nonce anybody else's
    let again = format!("withdraw replace {id} --max-fee-gwei 90");
    assert_eq!(refused(terminal, &again), "REPLACEMENT_NOT_PERMITTED");
    let (code, unrelated) = terminal.run(&order(0));
    assert_eq!((code, &unrelated["state"]), (4, &json!("BOUND")), "{unrelated:#}");
    assert_eq!(unrelated["reason"]["code"], "ACCOUNT_NONCE_USED");
    bump
}

fn outcomes_are_history_and_free_nothing(terminal: &Terminal, id: &str) {
    let report = |rest: &str| format!("withdraw report-outcome {id} {rest}");
    assert_eq!(refused(terminal, &report("confirmed")), "FIELD_INVALID");
    let wrong = format!("broadcast --transaction-hash 0x{}", "11".repeat(32));
    assert_eq!(refused(terminal, &report(&wrong)), "FIELD_INVALID");
    for outcome in ["broadcast", "dropped", "replaced", "confirmed --block 5", "reorganised --block 5"] {
        terminal.ok(&report(outcome));
    }
    // Once it is confirmed there is nothing to replace
    let confirmed = terminal.ok(&report("confirmed --block 6"));
    let seen: Vec<_> =
        confirmed["outcomes"].as_array().unwrap().iter().map(|o| text(&o["outcome"])).collect();
    assert_eq!(seen, ["BROADCAST", "DROPPED", "REPLACED", "CONFIRMED", "REORGANISED", "CONFIRMED"]);
    assert_eq!(confirmed["state"], "SIGNED");
    assert_eq!(refused(terminal, &format!("withdraw replace {id}")), "REPLACEMENT_NOT_PERMITTED");
    let (_, unrelated) = terminal.run(&order(0));
    assert_eq!(unrelated["reason"]["code"], "ACCOUNT_NONCE_USED", "{unrelated:#}");
    // Of what is not signed there is nothing to report
    let waiting = text(&unrelated["id"]);
    let early = format!("withdraw report-outcome {waiting} broadcast");
    assert_eq!(refused(terminal, &early), "OUTCOME_NOT_PERMITTED");
    assert_eq!(refused(terminal, &format!("withdraw give-up {waiting}")), "WITHDRAWAL_NOT_TOMBSTONABLE");
}

fn a_cancellation_pays_nothing_to_its_own_address(terminal: &Terminal, address: &str) -> Value {
    let first = signed(terminal, &order(1));
    let id = text(&first["id"]);
    // A signature exists: neither cancelled nor given up
    assert_eq!(refused(terminal, &format!("withdraw cancel {id}")), "WITHDRAWAL_NOT_CANCELLABLE");
    assert_eq!(refused(terminal, &format!("withdraw give-up {id}")), "WITHDRAWAL_NOT_TOMBSTONABLE");
    let cancelled = signed(terminal, &format!("withdraw cancel-on-chain {id} --wait"));
    assert_eq!((&cancelled["kind"], &cancelled["replaces"]), (&json!("CANCEL_ON_CHAIN"), &json!(id)));
    let transaction = decoded(&cancelled);
    assert_eq!(transaction.nonce(), 1);
    assert_eq!(transaction.to().unwrap().to_string(), address);
    assert!(transaction.value().is_zero() && transaction.input().is_empty());
    assert_eq!(transaction.recover_signer().unwrap().to_string(), address);
    // It may have to be bumped itself
    signed(terminal, &format!("withdraw replace {} --wait", text(&cancelled["id"])))
}

fn a_sweep_moves_a_deposit_to_the_wallet(terminal: &Terminal, address: &str) -> (String, Value) {
    let deposit = terminal.ok(&format!("wallet deposit-address {WALLET} 7"));
    let swept = signed(
        terminal,
        &format!(
            "withdraw sweep 250~USDT --wallet {WALLET} --deposit-index 7 --nonce 0 --max-fee-gwei 30 --wait"
        ),
    );
    assert_eq!((&swept["kind"], &swept["deposit_index"]), (&json!("SWEEP"), &json!(7)));
    let expected = transfer(address, 250_000_000, 0);
    let transaction = decoded(&swept);
    let effects = expected.effects().transfer;
    assert_eq!(transaction.to().unwrap().to_string(), effects.contract.unwrap().to_string());
    let words = hex::encode(transaction.input());
    assert!(words.contains(&address.trim_start_matches("0x").to_lowercase()), "{words}");
    let sender = transaction.recover_signer().unwrap().to_string();
    assert_eq!(sender, text(&deposit["address"]));
    // What was swept is bumped from the same deposit address
    let bump = signed(terminal, &format!("withdraw replace {} --wait", text(&swept["id"])));
    assert_eq!(decoded(&bump).recover_signer().unwrap().to_string(), sender);
    (sender, bump)
}

#[tokio::test]
async fn a_cell_that_expects_a_hostile_node_waits_for_all_and_gives_up_with_all() {
    // Given 2 of 3 with f = 1: more than (n + f) / 2 cosigners are all three
    let mut cluster = Cluster::make(Options::default());
    cluster.amend_genesis(|document| document["threshold"]["f"] = json!(1));
    cluster.start_all().await;
    cluster.create_wallet(WALLET).await;
    cluster.whitelist(PAYEE, now_ms() + HOUR_MS).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let terminal = cluster.terminal();
    terminal.ok(&format!("wallet show {WALLET}"));
    // Then withdrawals flow while all nodes answer
    let first = signed(&terminal, &order(0));
    assert_eq!(decoded(&first).nonce(), 0);
    // When one node is down, a withdrawal is authorized and waits for its cosignature
    cluster.kill_9("node-3");
    let waiting = waits_for_cosignatures(&terminal, &order(1)).await;
    // And is signed by itself once the node is back
    cluster.bring_up("node-3").await;
    let id = text(&waiting["id"]);
    eventually("the withdrawal is signed", PATIENCE, || async {
        let shown = terminal.ok(&format!("withdraw show {id}"));
        if shown["state"] == "SIGNED" { Ok(()) } else { Err(shown["reason"].clone()) }
    })
    .await;
    giving_up_takes_all_oaths(&cluster, &terminal).await;
}

async fn waits_for_cosignatures(terminal: &Terminal, order: &str) -> Value {
    let line = order.replace("--wait-for 30s", "--wait-for 2s");
    let (code, submitted) = terminal.run(&line);
    assert_eq!(code, 4, "{submitted:#}");
    let id = text(&submitted["id"]);
    let waiting = eventually("it waits for cosignatures", PATIENCE, || async {
        let shown = terminal.ok(&format!("withdraw show {id}"));
        let reason = &shown["reason"]["code"];
        let waits = shown["state"] == "AUTHORIZED" && reason == "COSIGNATURES_MISSING";
        if waits { Ok(Box::new(shown.clone())) } else { Err(format!("{} {reason}", shown["state"])) }
    });
    *waiting.await
}

async fn giving_up_takes_all_oaths(cluster: &Cluster, terminal: &Terminal) {
    // Given a withdrawal that two nodes could sign, and none may
    cluster.kill_9("node-3");
    let id = text(&waits_for_cosignatures(terminal, &order(2)).await["id"]);
    let give_up = format!("withdraw give-up {id}");
    // When it is given up, two oaths of three needed are too few: one of them may be a lie
    let (code, given) = terminal.run(&give_up);
    assert_eq!((code, &given["state"]), (4, &json!("AUTHORIZED")), "{given:#}");
    assert_eq!(given["tombstones"], json!(["node-1", "node-2"]));
    assert_eq!(given["tombstones_needed"], 3);
    let short = order(2).replace("--wait-for 30s", "--wait-for 2s");
    let (_, unrelated) = terminal.run(&short);
    assert_eq!(unrelated["reason"]["code"], "ACCOUNT_NONCE_USED", "{unrelated:#}");
    // When the third node is back: nobody signs what two have sworn off, and its oath ends it
    cluster.bring_up("node-3").await;
    let (_, shown) = terminal.run(&format!("withdraw show {id}"));
    assert_eq!(shown["state"], "AUTHORIZED", "{shown:#}");
    let done = eventually("all nodes swore", PATIENCE, || async {
        let (code, given) = terminal.run(&give_up);
        if code == 0 { Ok(given) } else { Err(given["tombstones"].clone()) }
    });
    let done = done.await;
    assert_eq!(
        (&done["state"], &done["tombstones"]),
        (&json!("TOMBSTONED"), &json!(["node-1", "node-2", "node-3"]))
    );
    assert_eq!(terminal.ok(&give_up)["state"], "TOMBSTONED");
    // Then its account nonce is free for the withdrawal that waited for it
    let waited = text(&unrelated["id"]);
    let rebound = format!("withdraw bind {waited} --nonce 2 --max-fee-gwei 29 --wait --wait-for 30s");
    let next = signed(terminal, &rebound);
    assert_eq!(decoded(&next).nonce(), 2);
    assert_eq!(refused(terminal, &format!("withdraw replace {id}")), "REPLACEMENT_NOT_PERMITTED");
}
