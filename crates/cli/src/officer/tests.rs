//! Receipts of a pause: a node counts only if its own key says so, for this very statement.

use holdfast_ledger::LatchScope;
use holdfast_log::PayloadType;
use holdfast_policy::TimestampMs;

use super::*;
use crate::keys;
use crate::testing::TestCell;

struct Forgery<'a> {
    node: &'a str,
    key: &'a str,
    keyid: &'a str,
    wallet: &'a str,
    statement: &'a [u8],
    payload_type: &'static str,
    received_at_ms: u64,
}

const STATEMENT: &[u8] = b"pause";
const BEGAN_MS: u64 = 1_763_700_000_000;

fn honest() -> Forgery<'static> {
    Forgery {
        node: "node-1",
        key: "node-1/message.key",
        keyid: "node:node-1",
        wallet: "hot-1",
        statement: STATEMENT,
        payload_type: PauseReceipt::PAYLOAD_TYPE,
        received_at_ms: BEGAN_MS,
    }
}

fn checked(cell: &TestCell, forgery: &Forgery<'_>) -> Result<PauseReceipt, Failure> {
    checked_since(cell, forgery, Some(TimestampMs(BEGAN_MS)))
}

fn checked_since(
    cell: &TestCell,
    forgery: &Forgery<'_>,
    not_before: Option<TimestampMs>,
) -> Result<PauseReceipt, Failure> {
    let receipt_payload = PauseReceipt {
        cluster: cell.session.genesis.document.cluster.clone(),
        node: forgery.node.parse().unwrap(),
        statement: StatementDigest::of(forgery.statement).to_string(),
        scope: LatchScope::Wallet(forgery.wallet.parse().unwrap()),
        received_at_ms: TimestampMs(forgery.received_at_ms),
        tip_size: 1,
    };
    let key = keys::ed25519(&cell.cell.directory.join(forgery.key)).unwrap();
    let payload = serde_json::to_vec(&receipt_payload).unwrap();
    let kind = PayloadType::from_static(forgery.payload_type);
    let envelope = Envelope::sign_ed25519(kind, payload, forgery.keyid, &key).unwrap();
    let scope = LatchScope::Wallet("hot-1".parse().unwrap());
    let order = Order { digest: StatementDigest::of(STATEMENT), scope, not_before };
    let roster = &cell.session.genesis.roster;
    verify_receipt(&cell.session, roster, "node-1", &envelope.to_json(), &order)
}

fn refusing(answer: &Answer) -> (u64, bool, Exit) {
    let binding = answer.json["level"]["binding_against_coordinator"].as_bool().unwrap();
    (answer.json["refusing"].as_u64().unwrap(), binding, answer.exit)
}

#[test]
fn receipt_of_the_node_itself_counts() {
    let cell = TestCell::new();
    assert_eq!(checked(&cell, &honest()).unwrap().node.as_str(), "node-1");
}

#[test]
fn receipt_that_is_not_this_nodes_word_on_this_statement_counts_for_nothing() {
    let cell = TestCell::new();
    let forgeries = [
        ("another node's key", Forgery { key: "node-2/message.key", ..honest() }),
        ("the cosigning key", Forgery { key: "node-1/cosigning.key", ..honest() }),
        ("another key id", Forgery { keyid: "node:node-2", ..honest() }),
        ("another node", Forgery { node: "node-2", ..honest() }),
        ("another wallet", Forgery { wallet: "hot-2", ..honest() }),
        ("another statement", Forgery { statement: b"resume", ..honest() }),
        (
            "another payload type",
            Forgery { payload_type: "application/vnd.holdfast.authorize.v1+json", ..honest() },
        ),
    ];
    for (what, forgery) in forgeries {
        let failure = checked(&cell, &forgery).map(|_| ()).unwrap_err();
        assert_eq!(failure.reason(), "RECEIPT_INVALID", "{what}");
    }
}

#[test]
fn node_that_genesis_does_not_name_never_counts() {
    let cell = TestCell::new();
    let scope = LatchScope::Wallet("hot-1".parse().unwrap());
    let order = Order { digest: StatementDigest::of(STATEMENT), scope, not_before: None };
    let roster = &cell.session.genesis.roster;
    assert!(verify_receipt(&cell.session, roster, "node-9", b"{}", &order).is_err());
}

#[test]
fn node_that_is_named_twice_counts_once() {
    let cell = TestCell::new();
    let receipt = checked(&cell, &honest()).unwrap();
    // Given one node, told by its name and at a second address
    let told = |receipt: PauseReceipt| ("node-1".to_owned(), Ok((receipt, Vec::new())));
    let delivered = [told(receipt.clone()), told(receipt)];
    let answer = conclude(&cell.session.genesis.roster, &delivered, &StatementDigest::of(STATEMENT));
    assert_eq!(refusing(&answer), (1, false, Exit::Unavailable), "{}", answer.text);
    assert!(answer.text.contains("1 of 3 nodes refuse"), "{}", answer.text);
}

#[test]
fn node_that_is_named_twice_at_one_address_is_told_once() {
    let cell = TestCell::new();
    let named = |nodes: &[&str]| {
        let nodes: Vec<_> = nodes.iter().map(|node| (*node).to_owned()).collect();
        servers(&cell.session, &nodes).unwrap().len()
    };
    assert_eq!(named(&["node-1", "node-1", "node-2"]), 2);
    // A second address may be the one that answers.
    assert_eq!(named(&["node-1", "node-1=[::1]:9"]), 2);
}

#[test]
fn receipt_from_before_a_statement_was_made_counts_for_nothing() {
    let cell = TestCell::new();
    let skew_ms = cell.session.genesis.document.max_clock_skew_ms;
    let stale = Forgery { received_at_ms: BEGAN_MS - skew_ms - 1, ..honest() };
    let failure = checked(&cell, &stale).unwrap_err();
    assert_eq!(failure.reason(), "RECEIPT_INVALID", "{failure}");
    // A slow clock within the skew is none, and a statement that was made earlier may have been delivered earlier.
    checked(&cell, &Forgery { received_at_ms: BEGAN_MS - skew_ms, ..honest() }).unwrap();
    checked_since(&cell, &stale, None).unwrap();
}

#[test]
fn statement_that_a_resume_lifted_does_not_pause_again_and_the_answer_says_what_does() {
    let cell = TestCell::new();
    let used = holdfast_proto::ApiError::new("STATEMENT_ALREADY_USED", "a resume has lifted this statement");
    let failure = say_how_to_go_on(tonic::Status::from(used).into());
    let delivered = [("node-1".to_owned(), Err(failure))];
    let answer = conclude(&cell.session.genesis.roster, &delivered, &StatementDigest::of(STATEMENT));
    assert_eq!(refusing(&answer), (0, false, Exit::Unavailable));
    let said =
        answer.text.contains("node-1: does not refuse") && answer.text.contains("make a new pause statement");
    assert!(said, "{}", answer.text);
    let next = answer.json["nodes"][0]["error"]["next"].as_str().unwrap();
    assert!(next.contains("make a new pause statement"), "{next}");
}
