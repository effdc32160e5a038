//! Receipts of a pause: a node counts only if its own key says so, for this very statement.

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
}

const STATEMENT: &[u8] = b"pause";

fn honest() -> Forgery<'static> {
    Forgery {
        node: "node-1",
        key: "node-1/message.key",
        keyid: "node:node-1",
        wallet: "hot-1",
        statement: STATEMENT,
        payload_type: PauseReceipt::PAYLOAD_TYPE,
    }
}

fn checked(cell: &TestCell, forgery: &Forgery<'_>) -> Result<PauseReceipt, Failure> {
    let receipt_payload = PauseReceipt {
        cluster: cell.session.genesis.document.cluster.clone(),
        node: forgery.node.parse().unwrap(),
        statement: StatementDigest::of(forgery.statement).to_string(),
        scope: LatchScope::Wallet(forgery.wallet.parse().unwrap()),
        received_at_ms: TimestampMs(1),
        tip_size: 1,
    };
    let key = keys::ed25519(&cell.cell.directory.join(forgery.key)).unwrap();
    let payload = serde_json::to_vec(&receipt_payload).unwrap();
    let kind = PayloadType::from_static(forgery.payload_type);
    let envelope = Envelope::sign_ed25519(kind, payload, forgery.keyid, &key).unwrap();
    let server = Server { name: "node-1".to_owned(), address: String::new() };
    let scope = LatchScope::Wallet("hot-1".parse().unwrap());
    receipt(&cell.session, &server, &envelope.to_json(), &StatementDigest::of(STATEMENT), &scope)
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
    let server = Server { name: "node-9".to_owned(), address: String::new() };
    let scope = LatchScope::Wallet("hot-1".parse().unwrap());
    let refused = receipt(&cell.session, &server, b"{}", &StatementDigest::of(STATEMENT), &scope);
    assert!(refused.is_err());
}

#[test]
fn two_of_three_need_two_receipts_against_the_coordinator_and_three_against_a_node_too() {
    let level = |refusing| Level { refusing, total: 3, against_coordinator: 2, against_nodes: 3, f: 1 };
    for (refusing, coordinator, nodes) in
        [(0, false, false), (1, false, false), (2, true, false), (3, true, true)]
    {
        let level = level(refusing);
        assert_eq!((level.binds_coordinator(), level.binds_nodes()), (coordinator, nodes), "{refusing}");
    }
    assert!(level(2).text().contains("NO, needs 3"));
}
