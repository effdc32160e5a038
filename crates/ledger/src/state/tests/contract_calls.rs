//! Contract calls: the bytes that officers saw are the bytes that are signed, and nothing passes for a call that is none.

use holdfast_chains::{Address, Amount, Calldata, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use serde_json::{Value, json};

use super::cell::{Cell, document, genesis_entry, sign, signed_statement};
use crate::*;

const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
const SPENDER: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
const SANCTIONED: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

/// `hot-1` may approve tokens, and pay nobody by that grant.
fn cell() -> Cell {
    cell_with("[[restriction]]")
}

/// The same with another end of the grants.
fn cell_with(end: &str) -> Cell {
    let mut genesis = document();
    let grant = format!(
        "[[grant]]\nid = \"hot-calls\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\n\n[[grant.call]]\ncontract = \"{USDT}\"\nfunction = \"approve(address,uint256)\"\n\n{end}"
    );
    let policy = genesis["policy"].as_str().unwrap().replacen("[[restriction]]", &grant, 1);
    genesis["policy"] = json!(policy);
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    cell.make_ready();
    cell.whitelist(USDT, 1_000_000);
    cell.now += 100_000;
    cell.session(false, false);
    cell
}

/// `approve(spender, amount)`, then these bytes.
fn approve(spender: &str, amount: u128, trailing: &[u8]) -> Calldata {
    let spender = Address::parse(spender).unwrap();
    let arguments = [&[0; 12][..], spender.as_bytes(), &[0; 16], &amount.to_be_bytes(), trailing].concat();
    Calldata::new(&[&[0x09, 0x5e, 0xa7, 0xb3][..], &arguments].concat()).unwrap()
}

fn transaction(contract: &str, calldata: Option<&Calldata>, wei: u128, gwei: u128) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce: 0,
        gas_limit: 65_000,
        max_fee_per_gas: gwei * 1_000_000_000,
        max_priority_fee_per_gas: gwei * 100_000_000,
        transfer: Transfer {
            contract: None,
            to: Address::parse(contract).unwrap(),
            amount: Amount::from_u128(wei),
        },
    };
    draft.build_call(calldata).unwrap()
}

fn asks(cell: &Cell, key: &str, calldata: &Calldata) -> Value {
    let mut request = cell.request(key, 1);
    request["asset"] = json!("ETH");
    request["amount"] = json!("0");
    request["destination"] = json!(USDT);
    request["calldata"] = json!(calldata.to_string());
    request["transaction"] = json!(transaction(USDT, Some(calldata), 0, 30).to_hex());
    request
}

fn envelope(request: &Value) -> Envelope {
    sign(PayloadKind::WithdrawalRequest, request, "client", "pipeline")
}

fn order(cell: &Cell, id: WithdrawalId) -> Result<AuthorizedWithdrawal, OrderRefusal> {
    cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now))
}

#[test]
fn listed_call_is_authorized_and_its_exact_bytes_are_signed() {
    let mut cell = cell();
    let call = approve(SPENDER, 1_000, &[]);
    let request = asks(&cell, "k-1", &call);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound, "{:?}", cell.withdrawal(id).decision);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert_eq!(*order(&cell, id).unwrap().digest(), transaction(USDT, Some(&call), 0, 30).signing_hash());
    let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    assert_eq!(restored.withdrawal(&id), Some(cell.withdrawal(id)));
}

#[test]
fn call_relies_on_the_entry_of_every_address_that_its_bytes_may_name() {
    let mut cell = cell();
    let [spender, other] = [SPENDER, THIEF].map(|address| cell.whitelist(address, 1_000_000));
    cell.session(false, false);
    let request = asks(&cell, "k-1", &approve(SPENDER, 1_000, &[]));
    let id = cell.ask(&request);
    assert!(cell.state.relies_on(&id, &spender));
    assert!(!cell.state.relies_on(&id, &other));
}

#[test]
fn swapped_calldata_is_refused_with_the_intent_at_bind_and_after_approval_at_a_node() {
    let mut cell = cell();
    let call = approve(SPENDER, 1_000, &[]);
    let mut request = asks(&cell, "k-1", &call);
    let others = [
        transaction(USDT, Some(&approve(THIEF, 1_000, &[])), 0, 30),
        transaction(USDT, Some(&approve(SPENDER, 1_001, &[])), 0, 30),
        transaction(USDT, Some(&approve(SPENDER, 1_000, &[0])), 0, 30),
        transaction(USDT, None, 0, 30),
        transaction(THIEF, Some(&call), 0, 30),
        transaction(USDT, Some(&call), 1, 30),
    ];
    for other in &others {
        request["transaction"] = json!(other.to_hex());
        assert!(cell.refuse(&envelope(&request)).starts_with("TRANSACTION_"), "{other:?}");
    }
    let request = asks(&cell, "k-1", &call);
    let id = cell.ask(&request);
    for other in &others {
        let bind = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "transaction": other.to_hex()});
        let bind = sign(PayloadKind::BindTransaction, &bind, "client", "pipeline");
        assert!(cell.refuse(&bind).starts_with("TRANSACTION_"), "{other:?}");
    }
    // Given replicas whose records were altered after an honest authorization, the digest too
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(order(&cell, id).is_ok());
    let honest = cell.withdrawal(id).clone();
    for other in others {
        let stolen = BoundTransaction::new(other);
        let mut altered = honest.clone();
        altered.authorization.as_mut().unwrap().digests = vec![stolen.signing_hash];
        altered.transaction = Some(stolen);
        // When a node is asked to sign by them
        cell.state.withdrawals.insert(altered, 0);
        // Then it refuses
        assert_eq!(order(&cell, id).unwrap_err().code(), "TRANSACTION_MISMATCH");
    }
}

#[test]
fn transfer_in_the_disguise_of_a_call_is_refused() {
    let mut cell = cell();
    let call = approve(SPENDER, 1_000, &[]);
    let mut request = asks(&cell, "k-1", &call);
    for selector in ["a9059cbb", "23b872dd"] {
        request["calldata"] = json!(call.to_string().replace("095ea7b3", selector));
        assert_eq!(cell.refuse(&envelope(&request)), "CALLDATA_MOVES_TOKEN");
    }
    request["calldata"] = json!("0x");
    assert_eq!(cell.refuse(&envelope(&request)), "FIELD_INVALID");
    request["calldata"] = json!(format!("0x095ea7b3{}", "00".repeat(4093)));
    assert_eq!(cell.refuse(&envelope(&request)), "FIELD_INVALID");
    let mut token = asks(&cell, "k-1", &call);
    token["asset"] = json!("USDT");
    assert_eq!(cell.refuse(&envelope(&token)), "FIELD_INVALID");
    let mut ordered = asks(&cell, "k-1", &call);
    ordered["order"] = json!("o-0123456789abcdef");
    assert_eq!(cell.refuse(&envelope(&ordered)), "FIELD_INVALID");
    // A payment whose transaction calls, and a payment of nothing.
    let mut payment = asks(&cell, "k-1", &call);
    payment.as_object_mut().unwrap().remove("calldata");
    assert_eq!(cell.refuse(&envelope(&payment)), "FIELD_INVALID");
    payment["amount"] = json!("1");
    payment["transaction"] = json!(transaction(USDT, Some(&call), 1, 30).to_hex());
    assert_eq!(cell.refuse(&envelope(&payment)), "TRANSACTION_CALLDATA_MISMATCH");
}

#[test]
fn call_that_is_not_listed_or_not_exact_or_names_a_sanctioned_address_is_denied() {
    let mut cell = cell();
    let unlimited = [approve(SPENDER, 0, &[]).as_bytes()[..36].to_vec(), vec![0xff; 32]].concat();
    for (calldata, code) in [
        (approve(SPENDER, 1, &[0; 32]), "CALL_MALFORMED"),
        (Calldata::new(&unlimited).unwrap(), "CALL_UNLIMITED_APPROVAL"),
        (approve(SANCTIONED, 1, &[]), "CALL_ADDRESS_SANCTIONED"),
        (Calldata::parse("0x4e71d92d").unwrap(), "CALL_NOT_LISTED"),
    ] {
        let mut request = asks(&cell, code, &calldata);
        request["idempotency_key"] = json!(code);
        let id = cell.ask(&request);
        assert_eq!(cell.state_of(id), WithdrawalState::Denied);
        assert_eq!(cell.withdrawal(id).decision.main_reason().unwrap().code(), code);
    }
}

#[test]
fn officers_read_the_function_and_its_arguments_and_sign_the_intent_of_exactly_this_call() {
    let mut cell = cell();
    cell.session(true, true);
    let call = approve(SPENDER, 1_000, &[]);
    let request = asks(&cell, "k-1", &call);
    let id = cell.ask(&request);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    let statement = cell.statement("bob", StatementBody::ApproveHold(id));
    let text = String::from_utf8(statement.payload.clone()).unwrap();
    for line in [
        &*format!("calls contract: {USDT}\n"),
        "function: approve(address,uint256)\n",
        &format!("argument 1: {SPENDER}\n"),
        "argument 2: 1000\n",
        "and sends: 0 ETH\n",
        "calldata: 0x095ea7b3, 68 bytes, keccak-256 0x",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let other = text.replace("argument 2: 1000\n", "argument 2: 10\n");
    assert_eq!(cell.refuse(&signed_statement("bob", &other)), "STATEMENT_MISMATCH");
    cell.accept(&statement);
    let carol = cell.statement("carol", StatementBody::ApproveHold(id));
    cell.accept(&carol);
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
}

#[test]
fn fee_bump_makes_the_same_call_and_a_cancellation_makes_none() {
    let mut cell = cell();
    let call = approve(SPENDER, 1_000, &[]);
    let request = asks(&cell, "k-1", &call);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let replace = |cell: &Cell, key: &str, action: &str, transaction: &UnsignedTransaction| {
        let payload = json!({"cluster": "demo-1", "client": "pipeline", "of": id, "action": action,
            "fee_cap": "10000000000000000", "idempotency_key": key, "created_at_ms": cell.now,
            "expires_at_ms": cell.now + 600_000, "transaction": transaction.to_hex()});
        sign(PayloadKind::ReplacementRequest, &payload, "client", "pipeline")
    };
    let swapped = transaction(USDT, Some(&approve(THIEF, 1_000, &[])), 0, 60);
    let bump = replace(&cell, "r-1", "bump-fee", &swapped);
    assert_eq!(cell.refuse(&bump), "TRANSACTION_CALLDATA_MISMATCH");
    let bump = replace(&cell, "r-1", "bump-fee", &transaction(USDT, Some(&call), 0, 60));
    let bumped = cell.accept(&bump).withdrawal.unwrap();
    assert_eq!(cell.withdrawal(bumped).request.calldata.as_ref(), Some(&call));
    assert_eq!(cell.state_of(bumped), WithdrawalState::Bound);
    let own = cell.state.wallet(&"hot-1".parse().unwrap()).unwrap().address.to_string();
    let with_call = transaction(&own, Some(&call), 0, 90);
    let cancel = replace(&cell, "r-2", "cancel-on-chain", &with_call);
    assert_eq!(cell.refuse(&cancel), "TRANSACTION_CALLDATA_MISMATCH");
    let cancel = replace(&cell, "r-2", "cancel-on-chain", &transaction(&own, None, 0, 90));
    let cancelled = cell.accept(&cancel).withdrawal.unwrap();
    assert_eq!(cell.withdrawal(cancelled).request.calldata, None);
}

#[test]
fn function_of_one_contract_is_not_shown_for_a_call_of_another() {
    let cell = cell();
    let call = approve(SPENDER, 1_000, &[]);
    for (contract, shown) in [(USDT, true), (THIEF, false)] {
        let mut request = asks(&cell, "k-1", &call);
        request["destination"] = json!(contract);
        let request = WithdrawalRequest::parse(&serde_json::to_vec(&request).unwrap()).unwrap();
        let lines = cell.state.call_lines(&request).unwrap();
        let says = |text: &str| lines.iter().any(|(_, value)| value == text);
        assert_eq!(says("approve(address,uint256)"), shown, "{lines:?}");
        assert_eq!(says("none that the policy in force lists"), !shown, "{lines:?}");
    }
}

#[test]
fn call_that_sends_nothing_along_is_a_payment_and_says_nothing_about_amounts() {
    // Given an asset whose price is known
    let mut cell = cell_with("[prices]\nmax_age_ms = 60000\nproviders = [\"sessions\"]\n\n[[restriction]]");
    let customer = "c-1".parse().unwrap();
    let seen = |cell: &Cell| {
        let history = cell.state.activity().customer(&customer).unwrap();
        (history.paid(), history.amounts().count())
    };
    let sequence = cell.state.next_sequence(&"sessions".parse().unwrap());
    for (sequence, asset) in (sequence..).zip(["ETH", "USDT"]) {
        let price = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "asset": asset,
            "price_micro_usd": 1_000_000, "observed_at_ms": cell.now});
        cell.accept(&sign(PayloadKind::PriceReport, &price, "provider", "sessions"));
    }
    // When it is called with nothing, and paid with something
    let request = asks(&cell, "k-1", &approve(SPENDER, 1_000, &[]));
    let call = cell.ask(&request);
    cell.accept_authorize(call);
    let signature = cell.signature_of(call);
    cell.accept(&signature);
    assert_eq!(seen(&cell), (1, 0));
    cell.signed("k-2", 10, 1);
    // Then only that has an amount
    assert_eq!(seen(&cell), (2, 1));
}
