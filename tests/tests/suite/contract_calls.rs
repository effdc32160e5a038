//! Contract calls through real processes: what officers read and approve is what another Ethereum library finds in the signed
//! transaction, and whoever owns the coordinator cannot have anything else signed in its place.

use std::time::Duration;

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use holdfast_chains::{Address, Amount, Calldata, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::{PayloadKind, StatementBody};
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    COORDINATOR, CUSTOMER, Cluster, Hostile, PAYEE, Request, THIEF, Terminal, WALLET, admitted, reason_code,
    refused,
};
use serde_json::{Value, json};
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(60);
const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
const ETHER: u128 = 1_000_000_000_000_000_000;

/// A running cell whose wallet may approve up to 5,000 USDT to the payee, with up to 5 ether along.
async fn cell() -> Cluster {
    let grant = format!(
        "[[grant]]\nid = \"hot-calls\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\nmax_amount = {{ ETH = \"5000000000000000000\" }}\n\n[[grant.call]]\ncontract = \"{USDT}\"\nfunction = \"approve(address,uint256)\"\narguments = [{{ position = 1, one_of = [\"whitelisted\"] }}, {{ position = 2, at_most = \"5000000000\" }}]\n\n[[restriction]]"
    );
    let cluster = Cluster::with_policy(|policy| policy.replacen("[[restriction]]", &grant, 1)).await;
    let terminal = cluster.terminal();
    for address in [USDT, PAYEE] {
        let added = terminal.ok(&format!("whitelist add {address} --expires-in 30d --officer alice --yes"));
        terminal.approve(added["id"].as_str().unwrap(), &["alice", "bob"]);
    }
    cluster
}

/// `approve(spender, amount)`.
fn approve(spender: &str, amount: u128) -> Calldata {
    let spender = Address::parse(spender).unwrap();
    let arguments = [&[0; 12][..], spender.as_bytes(), &[0; 16], &amount.to_be_bytes()].concat();
    Calldata::new(&[&[0x09, 0x5e, 0xa7, 0xb3][..], &arguments].concat()).unwrap()
}

fn transaction(calldata: &Calldata, wei: u128, nonce: u64) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer {
            contract: None,
            to: Address::parse(USDT).unwrap(),
            amount: Amount::from_u128(wei),
        },
    };
    draft.build_call(Some(calldata)).unwrap()
}

fn asks(cluster: &Cluster, calldata: &Calldata, wei: u128) -> Request {
    let transaction = transaction(calldata, wei, cluster.next_account_nonce()).to_hex();
    cluster
        .intent()
        .set("asset", "ETH")
        .set("amount", wei.to_string())
        .set("destination", USDT)
        .set("calldata", calldata.to_string())
        .set("transaction", transaction)
}

/// By the command line, read again by another Ethereum library.
fn a_call_by_the_command_line_is_signed_byte_for_byte(cluster: &Cluster, terminal: &Terminal) {
    let (calldata, nonce) = (approve(PAYEE, 1_250_000_000), cluster.next_account_nonce());
    let order = |verb: &str, more: &str| {
        format!(
            "withdraw {verb} 0~ETH --to {USDT} --calldata {calldata} --wallet {WALLET} --customer {CUSTOMER} --nonce {nonce} --max-fee-gwei 30 --gas 65000{more}"
        )
    };
    assert_eq!(terminal.ok(&order("evaluate", ""))["effects"]["calldata"], json!(calldata.to_string()));
    let withdrawal = terminal.ok(&order("submit", " --wait"));
    assert_eq!(withdrawal["state"], "SIGNED", "{withdrawal:#}");
    assert!(withdrawal["verified"].is_object(), "{withdrawal:#}");
    let text = |json: &Value| json.as_str().unwrap().to_owned();
    let raw = hex::decode(text(&withdrawal["receipt"]["raw_transaction"]).trim_start_matches("0x")).unwrap();
    let TxEnvelope::Eip1559(signed) = TxEnvelope::decode_2718(&mut raw.as_slice()).unwrap() else {
        panic!("another type of transaction");
    };
    let address = text(&terminal.ok(&format!("wallet show {WALLET}"))["address"]);
    assert_eq!(signed.recover_signer().unwrap().to_string(), address, "the wallet signed it");
    assert_eq!(signed.to().unwrap().to_string(), USDT);
    assert_eq!((signed.chain_id(), signed.nonce(), signed.value().is_zero()), (Some(1), nonce, true));
    assert_eq!(signed.input().as_ref(), calldata.as_bytes());
    // An auditor's machine says what it did, from an export.
    terminal.ok("audit export calls");
    terminal.ok("audit verify calls");
    let page = terminal.ok(&format!("audit explain {} --log calls", text(&withdrawal["id"]))).to_string();
    assert!(
        page.contains("function: approve(address,uint256)") && page.contains("argument 2: 1250000000"),
        "{page}"
    );
}

async fn what_is_no_listed_call_is_refused_or_denied(cluster: &Cluster) {
    let pipeline = cluster.pipeline().await;
    let honest = approve(PAYEE, 1);
    let swapped = transaction(&approve(THIEF, 1), 0, cluster.next_account_nonce()).to_hex();
    let request = asks(cluster, &honest, 0).set("transaction", swapped);
    let refusal =
        refused(pipeline.submit(&request).await, Code::InvalidArgument, "TRANSACTION_CALLDATA_MISMATCH");
    assert_eq!(refusal.fields, ["transaction"]);
    let disguised =
        asks(cluster, &honest, 0).set("calldata", honest.to_string().replace("095ea7b3", "a9059cbb"));
    refused(pipeline.submit(&disguised).await, Code::InvalidArgument, "CALLDATA_MOVES_TOKEN");
    let trailing = Calldata::new(&[honest.as_bytes(), &[0]].concat()).unwrap();
    let unlimited = Calldata::new(&[&honest.as_bytes()[..36], &[0xff; 32]].concat()).unwrap();
    for (calldata, wei, reason) in [
        (trailing, 0, "CALL_MALFORMED"),
        (unlimited, 0, "CALL_UNLIMITED_APPROVAL"),
        (approve(THIEF, 1), 0, "CALL_ARGUMENT_REFUSED"),
        (approve(PAYEE, 5_000_000_001), 0, "CALL_ARGUMENT_REFUSED"),
        (Calldata::parse("0x8456cb59").unwrap(), 0, "CALL_NOT_LISTED"),
        (honest, 5 * ETHER + 1, "NO_GRANT"),
    ] {
        let denied = pipeline.submit(&asks(cluster, &calldata, wei)).await.unwrap();
        assert_eq!((denied.state(), reason_code(&denied).as_str()), (State::Denied, reason));
    }
}

async fn officers_approve_what_they_read(cluster: &Cluster) {
    let calldata = approve(PAYEE, 1_000);
    let held = cluster.pipeline().await.submit(&asks(cluster, &calldata, 3 * ETHER)).await.unwrap();
    assert_eq!((held.state(), reason_code(&held).as_str()), (State::Held, "ABOVE_AUTOMATIC_LIMIT"));
    let body = StatementBody::ApproveHold(held.id.parse().unwrap());
    let (alice, carol) = (cluster.officer("alice"), cluster.officer("carol"));
    let text = alice.statement(cluster.download().await.state(), body.clone());
    for line in [
        &*format!("calls contract: {USDT}\n"),
        "function: approve(address,uint256)\n",
        &format!("argument 1: {PAYEE}\n"),
        "argument 2: 1000\n",
        "and sends: 3 ETH\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let lie = alice.sign(&text.replace("argument 2: 1000\n", "argument 2: 1\n"));
    refused(alice.approve_hold(&lie).await, Code::InvalidArgument, "STATEMENT_MISMATCH");
    alice.approve_hold(&alice.sign(&text)).await.unwrap();
    carol.approve_hold(&carol.says(body).await).await.unwrap();
    cluster.pipeline().await.reaches(&held.id, State::Signed, PATIENCE).await;
}

/// With all of the coordinator's keys: a call that was approved is not a licence for another one.
async fn a_stolen_coordinator_gets_no_other_call_signed(cluster: &Cluster) {
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = admitted(&hostile.log.append(&asks(cluster, &approve(PAYEE, 1_000), 0).signed(cluster)));
    let nonce =
        hostile.log.state().withdrawal(&id).unwrap().transaction.as_ref().unwrap().transaction.nonce();
    for calldata in [approve(THIEF, 1_000), approve(PAYEE, 1_001)] {
        let stolen = transaction(&calldata, 0, nonce).signing_hash();
        let claim = json!({"cluster": cluster.name(), "withdrawal": id, "digests": [stolen]});
        let claim = hostile.speak(PayloadKind::Authorize, &claim);
        hostile.noop(&claim, "DIGEST_MISMATCH");
        let bind = cluster.bind(&id.to_string(), &transaction(&calldata, 0, nonce)).signed(cluster);
        hostile.noop(&bind, "TRANSACTION_CALLDATA_MISMATCH");
    }
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    hostile.authorize(id);
    assert_eq!(hostile.sign(&id, &["node-1", "node-2"]).await.unwrap().len(), 2, "the honest one is signed");
}

#[tokio::test]
async fn a_listed_call_is_approved_and_signed_byte_for_byte_and_no_other_one() {
    let cluster = cell().await;
    a_call_by_the_command_line_is_signed_byte_for_byte(&cluster, &cluster.terminal());
    what_is_no_listed_call_is_refused_or_denied(&cluster).await;
    officers_approve_what_they_read(&cluster).await;
    a_stolen_coordinator_gets_no_other_call_signed(&cluster).await;
}
