//! Owns screening lists: addresses that somebody published as sanctioned. It never skips a line that it cannot read: an
//! address lost in parsing is an address that gets paid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_chains::{Address, AddressError};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{date::CalendarDate, digest::ListHash, ids::ListId};

mod delta;

pub use delta::{DeltaError, ScreeningDelta};

/// The largest text of a screening list, in bytes: a million addresses are about 43 MB.
pub const MAX_LIST_BYTES: usize = 128 * 1024 * 1024;
/// Most addresses on one list, of all chains.
pub const MAX_LISTED: usize = 2_000_000;
const MAX_SOURCE_BYTES: usize = 200;
// Longer than any address format in use (Cardano's longest has 108).
const MAX_LINE_BYTES: usize = 128;

/// One list at one date. Clones share the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreeningList {
    id: ListId,
    source: String,
    as_of: CalendarDate,
    // Sorted, each once: 20 bytes an address, and a look-up touches 20 of them in a million.
    ethereum: Arc<[Address]>,
    other_chains: Arc<[String]>,
    // Added by one officer, on top of the version.
    urgent: Arc<BTreeSet<Address>>,
    hash: ListHash,
}

/// A list that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScreeningError {
    /// The text is too large.
    #[error(
        "screening list has {size} bytes, at most {MAX_LIST_BYTES} are accepted; split it into several lists"
    )]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// It names too many addresses.
    #[error(
        "screening list names {count} addresses, at most {MAX_LISTED} are accepted; split it into several lists"
    )]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The source cannot be shown safely.
    #[error("`source` must be 1 to {MAX_SOURCE_BYTES} printable ASCII characters")]
    InvalidSource,
    /// The list names nobody: most likely a failed download.
    #[error("screening list has no addresses; fetch it again")]
    Empty,
    /// A line that looks like an Ethereum address and is none.
    #[error("line {line}: not an Ethereum address; correct the line or remove it")]
    InvalidAddress {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: AddressError,
    },
    /// A line that is no address of any chain.
    #[error("line {line}: not an address: expected up to {MAX_LINE_BYTES} letters, digits, `:`, `_` or `-`")]
    InvalidLine {
        /// The line, from 1.
        line: usize,
    },
}

impl ScreeningError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "SCREENING_LIST_TOO_LARGE",
            Self::TooMany { .. } => "SCREENING_LIST_TOO_LONG",
            Self::InvalidSource => "SCREENING_SOURCE_INVALID",
            Self::Empty => "SCREENING_LIST_EMPTY",
            Self::InvalidAddress { .. } => "SCREENING_ADDRESS_INVALID",
            Self::InvalidLine { .. } => "SCREENING_LINE_INVALID",
        }
    }
}

impl ScreeningList {
    /// Reads a plain text list: one address a line, any case; blank lines and lines that start with `#` are skipped.
    ///
    /// Addresses of other chains are kept and hashed, and ignored when an Ethereum address is looked up.
    pub fn parse(id: ListId, source: &str, as_of: CalendarDate, text: &str) -> Result<Self, ScreeningError> {
        if text.len() > MAX_LIST_BYTES {
            return Err(ScreeningError::TooLarge { size: text.len() });
        }
        let (mut ethereum, mut other_chains) = (Vec::new(), Vec::new());
        for (line, entry) in (1..).zip(text.lines().map(str::trim)) {
            if !entry.is_empty() && !entry.starts_with('#') {
                match listed(line, entry)? {
                    Listed::Ethereum(address) => ethereum.push(address),
                    Listed::Other(address) => other_chains.push(address),
                }
            }
        }
        ethereum.sort_unstable();
        ethereum.dedup();
        other_chains.sort_unstable();
        other_chains.dedup();
        let list = Self::of(id, source, as_of, ethereum, other_chains)?;
        if list.is_empty() { Err(ScreeningError::Empty) } else { Ok(list) }
    }

    /// A list that names nobody yet: what the first version of a list is compared with.
    pub fn nobody(id: ListId, source: &str, as_of: CalendarDate) -> Result<Self, ScreeningError> {
        Self::of(id, source, as_of, Vec::new(), Vec::new())
    }

    /// Both must be sorted, each once.
    fn of(
        id: ListId,
        source: &str,
        as_of: CalendarDate,
        ethereum: Vec<Address>,
        other_chains: Vec<String>,
    ) -> Result<Self, ScreeningError> {
        let printable = source.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if source.is_empty() || source.len() > MAX_SOURCE_BYTES || !printable {
            return Err(ScreeningError::InvalidSource);
        }
        let count = ethereum.len().saturating_add(other_chains.len());
        if count > MAX_LISTED {
            return Err(ScreeningError::TooMany { count });
        }
        let hash = hash_of(&ethereum, &other_chains);
        let (ethereum, other_chains) = (ethereum.into(), other_chains.into());
        Ok(Self {
            id,
            source: source.to_owned(),
            as_of,
            ethereum,
            other_chains,
            urgent: Arc::default(),
            hash,
        })
    }

    /// The list's id, as the policy names it.
    pub fn id(&self) -> &ListId {
        &self.id
    }

    /// Who published it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The day it was published.
    pub fn as_of(&self) -> &CalendarDate {
        &self.as_of
    }

    /// SHA-256 over [`ScreeningList::text`], which is the same for every text that names the same addresses. What single
    /// officers added is not in it.
    pub fn hash(&self) -> ListHash {
        self.hash
    }

    /// Whether the list names this address, or an officer added it.
    pub fn contains(&self, address: &Address) -> bool {
        self.ethereum.binary_search(address).is_ok() || self.urgent.contains(address)
    }

    /// Whether this version of the list itself names this address.
    pub fn names(&self, address: &Address) -> bool {
        self.ethereum.binary_search(address).is_ok()
    }

    /// The Ethereum addresses of this version, in ascending order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.ethereum.iter()
    }

    /// What single officers added on top of this version, in ascending order.
    pub fn urgent(&self) -> impl Iterator<Item = &Address> {
        self.urgent.iter()
    }

    /// The same version with exactly these addresses on top of it.
    #[must_use]
    pub fn with_urgent(&self, urgent: BTreeSet<Address>) -> Self {
        Self { urgent: Arc::new(urgent), ..self.clone() }
    }

    /// This version in its one form: an address a line, Ethereum's first and in lower case, then those of other chains, both in
    /// ascending order. `sha256sum` of it is [`ScreeningList::hash`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        write_lines(&self.ethereum, &self.other_chains, |line| text.push_str(line));
        text
    }

    /// How many different addresses this version names, of all chains.
    pub fn len(&self) -> usize {
        self.ethereum.len().saturating_add(self.other_chains.len())
    }

    /// Whether the list names nobody; a parsed list never is.
    pub fn is_empty(&self) -> bool {
        self.ethereum.is_empty() && self.other_chains.is_empty()
    }
}

enum Listed {
    Ethereum(Address),
    Other(String),
}

fn listed(line: usize, entry: &str) -> Result<Listed, ScreeningError> {
    if let Some(digits) = ethereum_digits(entry) {
        let address = Address::parse_unchecked_case(&format!("0x{digits}"))
            .map_err(|source| ScreeningError::InvalidAddress { line, source })?;
        return Ok(Listed::Ethereum(address));
    }
    if is_other_address(entry) {
        return Ok(Listed::Other(entry.to_owned()));
    }
    Err(ScreeningError::InvalidLine { line })
}

fn is_other_address(entry: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-');
    !entry.is_empty() && entry.len() <= MAX_LINE_BYTES && entry.bytes().all(plain)
}

fn hash_of(ethereum: &[Address], other_chains: &[String]) -> ListHash {
    let mut hasher = Sha256::new();
    write_lines(ethereum, other_chains, |line| hasher.update(line));
    ListHash::from_bytes(hasher.finalize().into())
}

fn write_lines(ethereum: &[Address], other_chains: &[String], mut write: impl FnMut(&str)) {
    // Sized for an address line, so that a million of them are no million allocations.
    let mut line = String::with_capacity(64);
    for address in ethereum {
        line.clear();
        line.push_str("0x");
        push_hex(address.as_bytes(), &mut line);
        line.push('\n');
        write(&line);
    }
    for address in other_chains {
        write(address);
        write("\n");
    }
}

fn push_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0f));
    }
}

// Published lists write `0x`, `0X` or nothing; bare hexadecimal of the right length is meant to be an address.
fn ethereum_digits(entry: &str) -> Option<&str> {
    let prefixed = entry.strip_prefix("0x").or_else(|| entry.strip_prefix("0X"));
    let bare = entry.len() == 40 && entry.bytes().all(|b| b.is_ascii_hexdigit());
    prefixed.or_else(|| bare.then_some(entry))
}

/// The lists in force, one for each id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreeningIndex {
    lists: BTreeMap<ListId, ScreeningList>,
}

impl ScreeningIndex {
    /// No lists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a list in force and returns the one it replaces. Whether a list may replace another is the caller's rule.
    pub fn insert(&mut self, list: ScreeningList) -> Option<ScreeningList> {
        self.lists.insert(list.id.clone(), list)
    }

    /// The list with this id.
    pub fn list(&self, id: &ListId) -> Option<&ScreeningList> {
        self.lists.get(id)
    }

    /// All lists, by id.
    pub fn iter(&self) -> impl Iterator<Item = &ScreeningList> {
        self.lists.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "0x03893a7c7463AE47D46bc7f091665f1893656003";

    fn parse(text: &str) -> Result<ScreeningList, ScreeningError> {
        let id = ListId::new("ofac-eth").unwrap();
        ScreeningList::parse(id, "OFAC SDN list", CalendarDate::parse("2025-11-01").unwrap(), text)
    }

    fn listed() -> Address {
        Address::parse_unchecked_case(LISTED).unwrap()
    }

    #[test]
    fn listed_address_is_found_in_any_case_and_with_any_prefix() {
        let digits = LISTED.trim_start_matches("0x");
        for line in [
            LISTED.to_owned(),
            LISTED.to_lowercase(),
            format!("0x{}", digits.to_uppercase()),
            format!("0X{digits}"),
            digits.to_owned(),
            format!("  {LISTED}\t\r"),
        ] {
            assert!(parse(&format!("# header\n\n{line}\n")).unwrap().contains(&listed()), "{line:?}");
        }
    }

    #[test]
    fn damaged_ethereum_address_is_refused_with_its_line_and_never_skipped() {
        for damaged in
            ["0x03893a7c7463AE47D46bc7f091665f189365600", "0x03893a7c7463AE47D46bc7f091665f189365600g", "0x"]
        {
            let error = parse(&format!("{LISTED}\n{damaged}\n")).unwrap_err();
            assert!(matches!(error, ScreeningError::InvalidAddress { line: 2, .. }), "{error:?}");
        }
    }

    #[test]
    fn line_that_is_no_address_is_refused() {
        for line in ["not an address", "<html>", "a,b", "\u{1b}[2J", &"a".repeat(MAX_LINE_BYTES + 1)] {
            assert_eq!(parse(line).unwrap_err(), ScreeningError::InvalidLine { line: 1 }, "{line:?}");
        }
        assert!(parse(&"a".repeat(MAX_LINE_BYTES)).is_ok());
    }

    #[test]
    fn address_with_a_prefix_of_its_chain_is_kept() {
        for address in ["bitcoincash:qpm2qsznhks23z7629mms6s9cwef74vcwv", "EQ_x-1"] {
            assert_eq!(parse(address).unwrap().len(), 1, "{address}");
        }
    }

    #[test]
    fn addresses_of_other_chains_are_kept_and_match_no_ethereum_address() {
        let forty_letters = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5md";
        let text = format!(
            "123WBUDmSJv4GctdVEz6Qq6z8nXSKrJ4KX\nTBHTJqAy4DhHhmT3dNceJYNRz4SdLofLre\n{}\n",
            &forty_letters[..40]
        );
        let list = parse(&text).unwrap();
        assert_eq!(list.len(), 3);
        assert!(!list.contains(&listed()));
    }

    #[test]
    fn empty_and_oversized_lists_are_refused() {
        assert_eq!(parse("").unwrap_err(), ScreeningError::Empty);
        assert_eq!(parse("# only a comment\n").unwrap_err(), ScreeningError::Empty);
        let size = MAX_LIST_BYTES + 1;
        assert_eq!(parse(&"\n".repeat(size)).unwrap_err(), ScreeningError::TooLarge { size });
    }

    #[test]
    fn list_of_more_addresses_than_the_maximum_is_refused() {
        let many = |count: usize| -> Vec<String> { (0..count).map(|i| format!("a{i:07}")).collect() };
        let of = |count| {
            let day = CalendarDate::parse("2025-11-01").unwrap();
            ScreeningList::of(ListId::new("x").unwrap(), "s", day, Vec::new(), many(count))
                .map(|list| list.len())
        };
        assert_eq!(of(MAX_LISTED), Ok(MAX_LISTED));
        assert_eq!(of(MAX_LISTED + 1), Err(ScreeningError::TooMany { count: MAX_LISTED + 1 }));
    }

    #[test]
    fn source_that_could_disturb_a_terminal_is_refused() {
        let id = ListId::new("x").unwrap();
        let day = CalendarDate::parse("2025-11-01").unwrap();
        for source in ["", "a\nb", "\u{1b}[2J", &"s".repeat(MAX_SOURCE_BYTES + 1)] {
            let result = ScreeningList::parse(id.clone(), source, day.clone(), LISTED);
            assert_eq!(result.unwrap_err(), ScreeningError::InvalidSource);
        }
        assert!(ScreeningList::parse(id, &"s".repeat(MAX_SOURCE_BYTES), day, LISTED).is_ok());
    }

    #[test]
    fn hash_is_of_the_addresses_and_not_of_how_they_were_written() {
        let other = "TBHTJqAy4DhHhmT3dNceJYNRz4SdLofLre";
        let list = parse(&format!("{other}\n{LISTED}\n# comment\n")).unwrap();
        assert_eq!(list.text(), format!("{}\n{other}\n", LISTED.to_lowercase()));
        assert_eq!(list.hash().as_bytes(), &crate::digest::sha256(list.text().as_bytes()));
        let again =
            parse(&format!("{}\n{other}\n{LISTED}", LISTED.to_uppercase().replace("0X", ""))).unwrap();
        assert_eq!(again.hash(), list.hash());
        assert_ne!(parse(LISTED).unwrap().hash(), list.hash());
        assert_eq!(parse(&list.text()).unwrap(), list);
    }

    #[test]
    fn what_an_officer_added_is_found_and_changes_no_hash() {
        let list = parse(LISTED).unwrap();
        let other = Address::from_bytes([7; 20]);
        assert!(!list.contains(&other));
        let urgent = list.with_urgent(BTreeSet::from([other]));
        assert!(urgent.contains(&other) && urgent.contains(&listed()) && !urgent.names(&other));
        assert_eq!(urgent.hash(), list.hash());
        assert!(!urgent.with_urgent(BTreeSet::new()).contains(&other));
    }

    #[test]
    fn newer_list_replaces_the_older_one_of_the_same_id() {
        let mut index = ScreeningIndex::new();
        assert_eq!(index.insert(parse(LISTED).unwrap()), None);
        let replaced = index.insert(parse("0x01e2919679362dFBC9ee1644Ba9C6da6D6245BB1").unwrap());
        assert!(replaced.unwrap().contains(&listed()));
        assert!(!index.list(&ListId::new("ofac-eth").unwrap()).unwrap().contains(&listed()));
        assert_eq!(index.iter().count(), 1);
    }
}
