//! A replica: state and tree of one log prefix, of the genesis that it was installed with, and what nodes ask of it.

use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_log::RightEdge;
use holdfast_policy::{TimestampMs, WhitelistEntryId};
use serde_json::json;

use super::cell::{Cell, PAYEE, document, genesis_entry};
use crate::*;

fn edge_of(cell: &Cell, size: usize) -> RightEdge {
    let mut edge = RightEdge::new();
    cell.log[..size].iter().for_each(|entry| edge.append(entry.leaf_hash()).unwrap());
    edge
}

#[test]
fn replica_starts_and_goes_on_only_from_the_genesis_it_was_installed_with() {
    let cell = Cell::ready();
    let pinned = cell.state.genesis().hash;
    let other = [7; 32];
    assert!(Replica::from_genesis(&cell.genesis, &pinned).is_ok());
    assert_eq!(Replica::from_genesis(&cell.genesis, &other).unwrap_err().code(), "OTHER_GENESIS");
    let edge = edge_of(&cell, cell.log.len());
    assert!(Replica::resume(cell.state.clone(), edge.clone(), &pinned).is_ok());
    assert_eq!(Replica::resume(cell.state.clone(), edge, &other).unwrap_err().code(), "OTHER_GENESIS");
}

#[test]
fn state_and_tree_of_different_prefixes_are_no_replica() {
    let cell = Cell::ready();
    let pinned = cell.state.genesis().hash;
    let short = edge_of(&cell, cell.log.len() - 1);
    let refused = Replica::resume(cell.state.clone(), short.clone(), &pinned).unwrap_err();
    assert_eq!(refused.code(), "REPLICA_SIZES_DIFFER");
    assert!(Replica::restored(cell.state.clone(), short).is_none());
    assert!(Replica::restored(cell.state.clone(), edge_of(&cell, cell.log.len())).is_some());
}

#[test]
fn withdrawal_relies_on_every_entry_that_names_what_it_pays() {
    let mut document = document();
    let more = json!({"symbol": "GOR", "chain_id": 5, "contract": null, "decimals": 18});
    document["assets"].as_array_mut().unwrap().push(more);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    let request = cell.request("k-1", 10);
    let id = cell.ask(&request);
    let mut entry = |chain: u64, address: &str, asset: &str| {
        let proposal = WhitelistProposal {
            chain_id: ChainId(chain),
            address: Address::parse(address).unwrap(),
            assets: vec![AssetSymbol::parse(asset).unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(cell.now + 1_000_000),
        };
        let ceremony = cell.approved(StatementBody::ProposeWhitelistEntry(proposal));
        cell.state.ceremony(&ceremony).unwrap().whitelist_entry.clone().unwrap()
    };
    let same = entry(1, PAYEE, "ETH");
    let other_chain = entry(5, PAYEE, "GOR");
    let other_address = entry(1, "0xdD870fA1b7C4700F2BD7f44238821C26f7392148", "USDT");
    assert!(cell.state.relies_on(&id, &same));
    assert!(!cell.state.relies_on(&id, &other_chain));
    assert!(!cell.state.relies_on(&id, &other_address));
    // What is not known clears nothing.
    assert!(cell.state.relies_on(&id, &WhitelistEntryId::new("never").unwrap()));
    assert!(cell.state.relies_on(&WithdrawalId::of("demo-1", "pipeline", "never"), &other_chain));
}
