//! Calls that name whitelisted addresses: each of these cooled off by this node's clock, or nothing is called.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use holdfast_chains::{Address, Amount, Calldata, ChainId, Eip1559Draft, FunctionSignature, Transfer};
use holdfast_ledger::{PayloadKind, StatementBody, WhitelistProposal, WithdrawalId};
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::*;
use crate::testing::{Cell, TestNode, create_wallet, sign_payload};

pub(crate) const CONTRACT: &str = "0x00000000219ab540356cBB839Cbe05303d7705Fa";
pub(crate) const DELEGATE: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
const FUNCTION: &str = "delegate(address)";

/// A wallet that may call `delegate` of a contract with addresses on the whitelist.
pub(crate) async fn cell(destinations: &str) -> Cell {
    let mut cell = Cell::amended(|document| {
        let grant = format!(
            "[[grant]]\nid = \"hot-calls\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\ndestinations = \"{destinations}\"\n\n\
             [[grant.call]]\ncontract = \"{CONTRACT}\"\nfunction = \"{FUNCTION}\"\n\
             arguments = [{{ position = 1, one_of = [\"whitelisted\"] }}]\n\n[[restriction]]"
        );
        let policy = document["policy"].as_str().unwrap().replacen("[[restriction]]", &grant, 1);
        document["policy"] = json!(policy);
    });
    let nodes = TestNode::three(&cell).await;
    create_wallet(&mut cell, &nodes).await;
    cell.session(false);
    cell
}

pub(crate) fn whitelist(cell: &mut Cell, address: &str, customer: Option<&str>) -> WhitelistEntryId {
    let proposal = WhitelistProposal {
        chain_id: ChainId(1),
        address: Address::parse(address).unwrap(),
        assets: vec!["ETH".parse().unwrap()],
        customer: customer.map(|customer| customer.parse().unwrap()),
        not_before: None,
        expires_at: TimestampMs(cell.now + 10_000_000),
    };
    let ceremony = cell.approve(StatementBody::ProposeWhitelistEntry(proposal));
    cell.state().ceremony(&ceremony).unwrap().whitelist_entry.clone().unwrap()
}

pub(crate) fn delegates(cell: &mut Cell) -> WithdrawalId {
    let argument = Address::parse(DELEGATE).unwrap();
    let selector = FunctionSignature::parse(FUNCTION).unwrap().selector().0;
    let call = Calldata::new(&[&selector[..], &[0; 12], argument.as_bytes()].concat()).unwrap();
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce: 0,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer { contract: None, to: Address::parse(CONTRACT).unwrap(), amount: Amount::ZERO },
    };
    let request = json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "ETH", "chain_id": 1,
        "amount": "0", "destination": CONTRACT, "calldata": call.to_string(), "fee_cap": "10000000000000000",
        "customer": "c-1", "idempotency_key": "k-1", "created_at_ms": cell.now, "expires_at_ms": cell.now + 3_600_000,
        "transaction": draft.build_call(Some(&call)).unwrap().to_hex()});
    let request = sign_payload(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
    let id = cell.accept(&request).withdrawal.unwrap();
    assert!(cell.state().withdrawal(&id).unwrap().decision.is_allowed());
    id
}

/// What a node says that held so much of the log long ago, and the rest at this time.
fn check(cell: &Cell, id: WithdrawalId, long_ago: u64, held_at: u64) -> Result<(), &'static str> {
    let mut witnessed = Witnessed::default();
    for (size, at) in [(long_ago, cell.now - 1_000_000), (cell.size(), held_at)] {
        witnessed.add(Moment { kind: OWN, size, at: TimestampMs(at) });
    }
    let node = "node-1".parse().unwrap();
    witnessed
        .check_cooling_off(cell.state(), &id, &node, TimestampMs(cell.now))
        .map_err(|refusal| refusal.code())
}

#[tokio::test]
async fn address_that_a_call_names_cools_off_by_this_nodes_clock_like_the_contract() {
    let mut cell = cell("whitelisted").await;
    whitelist(&mut cell, CONTRACT, None);
    let only_the_contract = cell.size();
    whitelist(&mut cell, DELEGATE, None);
    let id = delegates(&mut cell);
    let now = cell.now;
    assert_eq!(check(&cell, id, only_the_contract, now + 5_000), Ok(()));
    assert_eq!(check(&cell, id, only_the_contract, now + 5_001), Err("COOLING_OFF_NOT_WITNESSED"));
    assert_eq!(check(&cell, id, cell.size(), now + 5_001), Ok(()));
}

#[tokio::test]
async fn old_entry_of_a_customer_is_no_cooling_off_of_the_houses_where_the_grant_wants_the_houses() {
    for (destinations, then) in [("house", Err("COOLING_OFF_NOT_WITNESSED")), ("whitelisted", Ok(()))] {
        let mut cell = cell(destinations).await;
        whitelist(&mut cell, CONTRACT, None);
        whitelist(&mut cell, DELEGATE, Some("c-1"));
        let old = cell.size();
        whitelist(&mut cell, DELEGATE, None);
        let id = delegates(&mut cell);
        assert_eq!(check(&cell, id, old, cell.now + 5_001), then, "{destinations}");
    }
}
