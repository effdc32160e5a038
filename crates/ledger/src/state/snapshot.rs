//! The whole state as bytes, so that a restart need not replay the log.
//!
//! A snapshot proves nothing by itself: its last bytes are a checksum, not a signature. Whoever stores one authenticates it and
//! binds it to the tree's head and to the state's digest; whoever cannot read one replays the log, which needs no trust.

use holdfast_log::Entry;
use holdfast_policy::{Pages, Whitelist};
use imbl::{OrdMap, OrdSet};
use sha2::{Digest as _, Sha256};

use super::State;
use super::activity::{self, PagesOf};
use super::lists::KeptLists;
use crate::codec::{Decode, Encode, Input, Malformed, put_count};
use crate::genesis::GenesisError;

/// Counts the forms of a snapshot: one of another version is not read, and the log is replayed instead.
const VERSION: &[u8] = b"holdfast state snapshot v5\n";
const CHECKSUM_BYTES: usize = 32;

/// Why bytes are not a snapshot of this log's state.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Another version wrote it, or it is something else.
    #[error("not a snapshot of this version: replay the log")]
    Version,
    /// It was cut off or altered.
    #[error("the snapshot's checksum does not match: it was cut off or altered")]
    Checksum,
    /// It is of another log.
    #[error("the snapshot is of a log with another genesis")]
    OtherGenesis,
    /// The genesis entry given with it is not acceptable.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Its parts do not fit together.
    #[error("the snapshot is malformed: {0}")]
    Malformed(String),
}

impl SnapshotError {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            SnapshotError::Version => "SNAPSHOT_VERSION",
            SnapshotError::Checksum => "SNAPSHOT_CHECKSUM",
            SnapshotError::OtherGenesis => "OTHER_GENESIS",
            SnapshotError::Genesis(_) => "GENESIS_INVALID",
            SnapshotError::Malformed(_) => "SNAPSHOT_MALFORMED",
        }
    }
}

impl From<Malformed> for SnapshotError {
    fn from(malformed: Malformed) -> Self {
        SnapshotError::Malformed(malformed.0)
    }
}

impl State {
    /// Everything but the genesis entry, in one canonical form: equal states give equal bytes, whatever of them is in memory.
    pub fn to_snapshot(&self) -> Vec<u8> {
        self.written(PagesOf::Snapshot)
    }

    /// The same without the pages of histories and crowds, which have to be found where the state reads them: it names them by their
    /// hashes. Write them first: [`State::keep_pages`].
    pub fn to_paged_snapshot(&self) -> Vec<u8> {
        self.written(PagesOf::Source)
    }

    fn written(&self, pages: PagesOf) -> Vec<u8> {
        // Exhaustive, so that nothing of the state is left out.
        let Self {
            genesis,
            authority,
            lists,
            exposures,
            size,
            last_time,
            wallets,
            withdrawals,
            ceremonies,
            whitelist,
            whitelist_requests,
            sessions,
            activity,
            numbers,
            prices,
            outflows,
            breakers,
            orders,
            statements,
            account_nonces,
            attestations,
            digest,
            digests,
            supposed: _,
        } = self;
        let mut out = VERSION.to_vec();
        genesis.hash.encode(&mut out);
        size.encode(&mut out);
        last_time.encode(&mut out);
        digest.encode(&mut out);
        digests.encode(&mut out);
        attestations.encode(&mut out);
        authority.encode(&mut out);
        wallets.encode(&mut out);
        ceremonies.encode(&mut out);
        whitelist.encode(&mut out);
        whitelist_requests.encode(&mut out);
        sessions.encode(&mut out);
        activity::encode(activity, pages, &mut out);
        numbers.encode(&mut out);
        prices.encode(&mut out);
        outflows.encode(&mut out);
        breakers.encode(&mut out);
        lists.encode(&mut out);
        exposures.encode(&mut out);
        orders.encode(&mut out);
        statements.encode(&mut out);
        account_nonces.encode(&mut out);
        withdrawals.encode(&mut out);
        let checksum = Sha256::digest(&out);
        out.extend_from_slice(&checksum);
        out
    }

    /// The state that [`State::to_snapshot`] wrote, of the log that begins with this entry.
    ///
    /// The caller must have authenticated the bytes, and must compare [`State::size`] and [`State::digest`] with what it
    /// stored beside them.
    ///
    /// # Errors
    /// [`SnapshotError`] if these are not such bytes; replay the log then.
    pub fn from_snapshot(bytes: &[u8], genesis: &Entry) -> Result<Self, SnapshotError> {
        Self::restore(bytes, genesis, &mut |_| None, &Pages::default())
    }

    /// The same of a state whose screening lists were updated: their addresses are in the log and not in the snapshot, and
    /// `entries` reads them from there by index. What it gives need not be authenticated: the snapshot has the hashes. So it has of
    /// pages: `pages` reads those of a [`State::to_paged_snapshot`] when they are asked for, and from then on all others.
    ///
    /// # Errors
    /// [`SnapshotError`] if these are not such bytes, or an entry is not at hand; replay the log then.
    pub fn restore(
        bytes: &[u8],
        genesis: &Entry,
        entries: &mut dyn FnMut(u64) -> Option<Entry>,
        pages: &Pages,
    ) -> Result<Self, SnapshotError> {
        let body = checked(bytes)?;
        let first = Self::from_genesis(genesis)?;
        let mut input = Input::new(body);
        if <[u8; 32]>::decode(&mut input)? != first.genesis.hash {
            return Err(SnapshotError::OtherGenesis);
        }
        let input = &mut input;
        let mut state = Self {
            genesis: first.genesis,
            size: Decode::decode(input)?,
            last_time: Decode::decode(input)?,
            digest: Decode::decode(input)?,
            digests: Decode::decode(input)?,
            attestations: Decode::decode(input)?,
            authority: Decode::decode(input)?,
            wallets: Decode::decode(input)?,
            ceremonies: Decode::decode(input)?,
            whitelist: Decode::decode(input)?,
            whitelist_requests: Decode::decode(input)?,
            sessions: Decode::decode(input)?,
            activity: activity::decode(input, pages)?,
            numbers: Decode::decode(input)?,
            prices: Decode::decode(input)?,
            outflows: Decode::decode(input)?,
            breakers: Decode::decode(input)?,
            lists: KeptLists::decode(input)?.restored(&first.lists, entries)?,
            exposures: Decode::decode(input)?,
            orders: Decode::decode(input)?,
            statements: Decode::decode(input)?,
            account_nonces: Decode::decode(input)?,
            withdrawals: Decode::decode(input)?,
            supposed: None,
        };
        input.finish()?;
        state.outflows.measure(&state.authority.policy);
        state.breakers = state.breakers.under(&state.authority.policy);
        Ok(state)
    }
}

fn checked(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    let rest = bytes.strip_prefix(VERSION).ok_or(SnapshotError::Version)?;
    let (body, checksum) = rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(SnapshotError::Checksum)?;
    let covered = Sha256::new().chain_update(VERSION).chain_update(body).finalize();
    if covered.as_slice() != checksum {
        return Err(SnapshotError::Checksum);
    }
    Ok(body)
}

impl<K: Encode + Ord + Clone, V: Encode + Clone> Encode for OrdMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord + Clone, V: Decode + Clone> Decode for OrdMap<K, V> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let pairs: Vec<(K, V)> = Decode::decode(input)?;
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(Malformed::new("a map is not in order"));
        }
        Ok(pairs.into_iter().collect())
    }
}

impl<T: Encode + Ord + Clone> Encode for OrdSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode + Ord + Clone> Decode for OrdSet<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let items: Vec<T> = Decode::decode(input)?;
        if !items.is_sorted_by(|one, next| one < next) {
            return Err(Malformed::new("a set is not in order"));
        }
        Ok(items.into_iter().collect())
    }
}

impl Encode for Whitelist {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter_in_order().for_each(|entry| entry.encode(out));
    }
}

impl Decode for Whitelist {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let entries: Vec<holdfast_policy::WhitelistEntry> = Decode::decode(input)?;
        let mut whitelist = Self::new();
        for entry in entries {
            whitelist.insert(entry).map_err(Malformed::new)?;
        }
        Ok(whitelist)
    }
}
