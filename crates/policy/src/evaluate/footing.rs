//! Owns what a grant's yes rests on: the whitelist entries without which it would not have given the withdrawal. For those who
//! ask the entries something more than the log does, as a node asks how long it has known them.

use holdfast_chains::{Address, Asset};

use super::{case::Case, grant};
use crate::{
    decision::Verdict,
    document::{Destinations, Grant},
    facts::{PolicyView, WithdrawalFacts},
    time::TimestampMs,
    whitelist::WhitelistEntry,
};

/// What one grant's yes rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footing<'a> {
    /// For the destination and for each argument that has to be on the whitelist: the entries that name it. Any one of each will do.
    pub places: Vec<Vec<&'a WhitelistEntry>>,
}

/// For each grant that gives the withdrawal, what that rests on: any one of these will do. None if no grant gives it.
///
/// A destination that may be any one rests on the entries that name it, too, if there are some: they lower its score.
pub fn footings<'a, V: PolicyView + ?Sized>(
    view: &'a V,
    withdrawal: &'a WithdrawalFacts,
    at: TimestampMs,
) -> Vec<Footing<'a>> {
    let case = Case::gather(view, withdrawal, at);
    let Ok(asset) = case.asset else { return Vec::new() };
    let gives = |grant: &&Grant| grant::one(&case, grant).result.verdict == Verdict::Pass;
    let on = |grant: &Grant| {
        let entries = |address: Address| entries(view, withdrawal, asset, grant.destinations, address, at);
        let destination = entries(withdrawal.destination);
        let called = case.call.as_ref().and_then(|call| call.by_grant(grant).ok());
        let arguments = called.into_iter().flat_map(|listed| listed.whitelisted).map(entries);
        let wanted = grant.destinations != Destinations::Any || !destination.is_empty();
        Footing { places: wanted.then_some(destination).into_iter().chain(arguments).collect() }
    };
    view.document().grants().iter().filter(gives).map(on).collect()
}

fn entries<'a, V: PolicyView + ?Sized>(
    view: &'a V,
    withdrawal: &WithdrawalFacts,
    asset: &Asset,
    destinations: Destinations,
    address: Address,
    at: TimestampMs,
) -> Vec<&'a WhitelistEntry> {
    let (terms, place) = (view.document().whitelist(), (asset.chain_id, address));
    let customer = destinations.served(withdrawal.customer.as_ref());
    view.whitelist().all_covering(terms, place, &asset.symbol, customer, at).collect()
}
