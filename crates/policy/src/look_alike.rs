//! Owns look-alikes: addresses that begin and end like another one that is in use. People compare the ends and not the middle, and
//! thieves grind keys for that. It never calls an address a look-alike of itself.

use holdfast_chains::{Address, ChainId};
use imbl::OrdMap;

use crate::ids::WalletId;

/// The digits the index compares: a policy may ask for more, not for fewer.
pub const INDEXED_DIGITS: u8 = 4;
/// How many addresses with the same ends are kept; two among millions are rare, and one is enough to warn.
const MAX_ALIKE: usize = 4;

/// The addresses each wallet paid, by their first and last digits: found in O(log n) among millions.
#[derive(Debug, Clone, Default)]
pub struct LookAlikes {
    paid: OrdMap<(WalletId, ChainId, [u8; 4]), Vec<Address>>,
}

impl LookAlikes {
    /// A wallet paid this address.
    pub fn record(&mut self, wallet: &WalletId, chain: ChainId, address: &Address) {
        let key = (wallet.clone(), chain, ends(address));
        let alike = self.paid.entry(key).or_default();
        if !alike.contains(address) && alike.len() < MAX_ALIKE {
            alike.push(*address);
        }
    }

    /// An address that this wallet paid and that is easily taken for this one: the same ends with at least so many digits.
    pub fn find(
        &self,
        wallet: &WalletId,
        chain: ChainId,
        address: &Address,
        prefix: u8,
        suffix: u8,
    ) -> Option<Address> {
        let alike = self.paid.get(&(wallet.clone(), chain, ends(address)))?;
        // What the wallet itself pays is in use, however it looks.
        if alike.contains(address) {
            return None;
        }
        alike.iter().copied().find(|other| {
            let (first, last) = shared(address, other);
            first >= prefix && last >= suffix
        })
    }

    /// How many different ends are kept.
    pub fn len(&self) -> usize {
        self.paid.len()
    }

    /// Whether nothing was paid yet.
    pub fn is_empty(&self) -> bool {
        self.paid.is_empty()
    }

    /// Everything kept, in order: for snapshots.
    pub fn iter(&self) -> impl Iterator<Item = (&WalletId, ChainId, &Address)> {
        self.paid.iter().flat_map(|((wallet, chain, _), alike)| {
            alike.iter().map(move |address| (wallet, *chain, address))
        })
    }
}

/// How many first and how many last hexadecimal digits two addresses have in common.
pub fn shared(one: &Address, other: &Address) -> (u8, u8) {
    let digits = |address: &Address| nibbles(address.as_bytes().iter().copied()).collect::<Vec<_>>();
    let (one, other) = (digits(one), digits(other));
    (common(one.iter(), other.iter()), common(one.iter().rev(), other.iter().rev()))
}

pub(crate) fn nibbles(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    bytes.flat_map(|byte| [byte >> 4, byte & 15])
}

pub(crate) fn common<T: PartialEq>(one: impl Iterator<Item = T>, other: impl Iterator<Item = T>) -> u8 {
    u8::try_from(one.zip(other).take_while(|(a, b)| a == b).count()).unwrap_or(u8::MAX)
}

/// The first two and the last two bytes: four digits each.
fn ends(address: &Address) -> [u8; 4] {
    match address.as_bytes() {
        [a, b, .., y, z] => [*a, *b, *y, *z],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAID: &str = "0x52908400098527886e0f7030069857d2e4169ee7";

    fn address(text: &str) -> Address {
        Address::parse_unchecked_case(text).unwrap()
    }

    fn index() -> (LookAlikes, WalletId) {
        let (mut index, wallet) = (LookAlikes::default(), WalletId::new("hot-1").unwrap());
        index.record(&wallet, ChainId(1), &address(PAID));
        (index, wallet)
    }

    #[test]
    fn address_with_the_same_ends_is_found_and_the_address_itself_is_not() {
        let (index, wallet) = index();
        let poisoned = address("0x5290000000000000000000000000000000009ee7");
        assert_eq!(index.find(&wallet, ChainId(1), &poisoned, 4, 4), Some(address(PAID)));
        assert_eq!(index.find(&wallet, ChainId(1), &address(PAID), 4, 4), None);
        let other = WalletId::new("hot-2").unwrap();
        assert_eq!(index.find(&other, ChainId(1), &poisoned, 4, 4), None);
        assert_eq!(index.find(&wallet, ChainId(2), &poisoned, 4, 4), None);
    }

    #[test]
    fn one_digit_less_than_the_policy_asks_for_is_no_look_alike() {
        let (index, wallet) = index();
        let five_and_four = address("0x5290800000000000000000000000000000009ee7");
        assert_eq!(shared(&five_and_four, &address(PAID)), (5, 4));
        assert!(index.find(&wallet, ChainId(1), &five_and_four, 5, 4).is_some());
        assert!(index.find(&wallet, ChainId(1), &five_and_four, 6, 4).is_none());
        assert!(index.find(&wallet, ChainId(1), &five_and_four, 5, 5).is_none());
    }

    #[test]
    fn poisoned_address_that_was_paid_once_is_in_use_from_then_on() {
        let (mut index, wallet) = index();
        let alike = address("0x5290000000000000000000000000000000009ee7");
        index.record(&wallet, ChainId(1), &alike);
        assert_eq!(index.find(&wallet, ChainId(1), &alike, 4, 4), None);
    }

    #[test]
    fn four_addresses_with_the_same_ends_are_kept_each_once() {
        assert!(LookAlikes::default().is_empty());
        let (mut index, wallet) = index();
        assert!(!index.is_empty());
        for number in [0, 0, 1, 2, 3] {
            let alike = address(&format!("0x52908400098527886e0f70300{number}9857d2e4169ee7"));
            index.record(&wallet, ChainId(1), &alike);
        }
        let kept: Vec<_> = index.iter().map(|(_, _, address)| *address).collect();
        // The one of `index` is the first.
        let expected =
            [6, 0, 1, 2].map(|n| address(&format!("0x52908400098527886e0f70300{n}9857d2e4169ee7")));
        assert_eq!((kept, index.len()), (expected.to_vec(), 1));
    }
}
