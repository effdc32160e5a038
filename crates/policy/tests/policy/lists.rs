//! The screening lists that come with the repository are read completely.

use std::collections::BTreeSet;

use holdfast_policy::ReasonCode;

use crate::world::{GOOD, World, address, entry, list, withdrawal};

const OFAC_ETH: &str = include_str!("../../fixtures/screening/ofac-eth.txt");
const PUBLISHED: [(&str, usize); 5] = [
    (include_str!("../../fixtures/screening/ofac_sanctioned_ETH.txt"), 152),
    (include_str!("../../fixtures/screening/ofac_sanctioned_TRX.txt"), 6),
    (include_str!("../../fixtures/screening/ofac_sanctioned_USDC.txt"), 2),
    (include_str!("../../fixtures/screening/ofac_sanctioned_USDT.txt"), 26),
    (include_str!("../../fixtures/screening/ofac_sanctioned_XBT.txt"), 435),
];

#[test]
fn every_published_line_is_read() {
    for (text, lines) in PUBLISHED {
        assert_eq!(list("published", &[text]).len(), lines);
    }
}

#[test]
fn ofac_eth_has_every_published_ethereum_address_whatever_its_symbol() {
    let lines = PUBLISHED.iter().flat_map(|(text, _)| text.lines());
    let published: BTreeSet<_> = lines.filter(|line| line.starts_with("0x")).map(address).collect();
    let loaded: BTreeSet<_> = list("ofac-eth", &[OFAC_ETH]).addresses().copied().collect();
    assert_eq!(loaded, published);
    assert_eq!(loaded.len(), 156, "four of them are not in the file of ETH");
}

#[test]
fn every_address_of_ofac_eth_is_denied_although_it_is_whitelisted() {
    let mut world = World::demo();
    world.lists = vec![list("ofac-eth", &[OFAC_ETH])];
    for sanctioned in list("ofac-eth", &[OFAC_ETH]).addresses() {
        let mut facts = withdrawal();
        facts.destination = *sanctioned;
        world.entries = vec![entry("good", GOOD), entry("listed", &sanctioned.to_string())];
        assert_eq!(world.evaluate(&facts).main_reason(), Some(ReasonCode::DestinationSanctioned));
    }
}
