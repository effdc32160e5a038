//! The screening lists that come with the repository are read completely.

use std::collections::BTreeSet;

use holdfast_policy::ReasonCode;

use crate::world::{GOOD, World, address, entry, list, withdrawal};

macro_rules! published {
    ($symbol:literal) => {
        include_str!(concat!("../../../../fixtures/screening-2026-11-21/ofac_sanctioned_", $symbol, ".txt"))
    };
}

/// What `fixtures/README.md` calls the list `ofac-eth`.
const OFAC_ETH: [&str; 3] = [published!("ETH"), published!("USDC"), published!("USDT")];

#[test]
fn every_published_line_is_read() {
    for (text, lines) in [
        (OFAC_ETH[0], 152),
        (OFAC_ETH[1], 2),
        (OFAC_ETH[2], 26),
        (published!("TRX"), 6),
        (published!("XBT"), 435),
    ] {
        assert_eq!(list("published", &[text]).len(), lines);
    }
}

#[test]
fn ofac_eth_has_the_ethereum_addresses_of_all_three_symbols() {
    let lines = OFAC_ETH.iter().flat_map(|text| text.lines());
    let published: BTreeSet<_> = lines.filter(|line| line.starts_with("0x")).map(address).collect();
    let loaded: BTreeSet<_> = list("ofac-eth", &OFAC_ETH).addresses().copied().collect();
    assert_eq!(loaded, published);
    assert_eq!(loaded.len(), 156, "four of them are not in the file of ETH");
}

#[test]
fn every_address_of_ofac_eth_is_denied_although_it_is_whitelisted() {
    let mut world = World::demo();
    world.lists = vec![list("ofac-eth", &OFAC_ETH)];
    for sanctioned in list("ofac-eth", &OFAC_ETH).addresses() {
        let mut facts = withdrawal();
        facts.destination = *sanctioned;
        world.entries = vec![entry("good", GOOD), entry("listed", &sanctioned.to_string())];
        assert_eq!(world.evaluate(&facts).main_reason(), Some(ReasonCode::DestinationSanctioned));
    }
}
