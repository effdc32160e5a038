//! Attacks on whitelist entries: what is proposed is refused at once if it could never take effect.

use holdfast_chains::ChainId;
use holdfast_policy::TimestampMs;

use super::cell::{Cell, PAYEE};
use crate::*;

const DAY: u64 = 24 * 60 * 60 * 1000;

fn listing(cell: &Cell, chain_id: u64, assets: &[&str]) -> WhitelistProposal {
    WhitelistProposal {
        chain_id: ChainId(chain_id),
        address: PAYEE.parse().unwrap(),
        assets: assets.iter().map(|asset| asset.parse().unwrap()).collect(),
        customer: None,
        not_before: None,
        expires_at: TimestampMs(cell.now + DAY),
    }
}

/// The code and the field with which it is refused.
#[track_caller]
fn refused(cell: &mut Cell, proposal: WhitelistProposal) -> (&'static str, Option<String>) {
    let statement = cell.statement("alice", StatementBody::ProposeWhitelistEntry(proposal));
    let at = TimestampMs(cell.now + 1);
    let rejection = cell.state.check(&statement, at).unwrap().unwrap_err();
    assert_eq!(cell.refuse(&statement), rejection.code().as_str());
    (rejection.code().as_str(), rejection.field().map(str::to_owned))
}

#[test]
fn asset_that_the_registry_does_not_have_on_that_chain_is_not_whitelisted() {
    let mut cell = Cell::new();
    for (chain_id, assets) in [
        (1, vec!["DAI"]),
        (1, vec!["DAI", "USDT"]),
        (1, vec!["USDT", "ZRX"]),
        (5, vec!["USDT"]),
        (5, vec!["DAI"]),
    ] {
        let proposal = listing(&cell, chain_id, &assets);
        let unknown = ("UNKNOWN_ASSET", Some("asset".to_owned()));
        assert_eq!(refused(&mut cell, proposal), unknown, "{assets:?} on {chain_id}");
    }
    let proposal = listing(&cell, 1, &["ETH", "USDT"]);
    cell.approved(StatementBody::ProposeWhitelistEntry(proposal));
    assert_eq!(cell.state.whitelist().count(), 1);
}

#[test]
fn entry_that_would_live_longer_than_the_policy_permits_is_not_even_proposed() {
    let mut cell = Cell::new();
    // The policy permits 90 days from the proposal's entry on, which is the next millisecond.
    let mut proposal = listing(&cell, 1, &["USDT"]);
    proposal.expires_at = TimestampMs(cell.now + 1 + 90 * DAY + 1);
    assert_eq!(refused(&mut cell, proposal.clone()), ("POLICY_BOUND", Some("valid until".to_owned())));
    proposal.expires_at = TimestampMs(cell.now + 1 + 90 * DAY);
    let statement = cell.statement("alice", StatementBody::ProposeWhitelistEntry(proposal));
    cell.accept(&statement);
}
