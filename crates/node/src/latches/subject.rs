//! What a delivered statement is about, and what this node's log has made of it.
//!
//! Owns the comparison of a statement with the log. It must never call a statement over before the log says so, and never
//! let one that no log can contain stop more than it names.

use holdfast_chains::Address;
use holdfast_ledger::{
    LatchScope, Rejection, RejectionCode, Roster, State, Statement, StatementBody, StatementDigest,
    WithdrawalId,
};
use holdfast_policy::{ClientId, ListId, WalletId, WhitelistEntryId};

/// A client's public key.
type ClientKey = [u8; 32];

/// What a statement stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Wallet(WalletId),
    WhitelistEntry(WhitelistEntryId),
    /// The client as long as this is its key: names come back, keys never do.
    Client {
        id: ClientId,
        key: ClientKey,
    },
    /// An address that an officer put on a screening list.
    Listed {
        list: ListId,
        address: Address,
    },
    /// Whatever key the client has: a record of an earlier form, which did not have to name one.
    ClientName(ClientId),
}

/// What the log has made of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logged {
    /// It did not act.
    Not,
    /// Its rules do what the latch does.
    TakenOver,
    /// It acted, and no rule asks for what it did: nothing but the latch refuses yet.
    NotHeeded,
    /// What it stopped is gone for good, or a quorum let it go on: it stops nothing any more.
    UsedUp,
}

impl Logged {
    /// Whether the latch is no longer needed.
    // INVARIANT (G4): a latch goes only when the log's rules refuse by themselves, or a quorum let go what it stopped.
    pub(super) fn takes_over(self) -> bool {
        match self {
            Self::TakenOver | Self::UsedUp => true,
            Self::Not | Self::NotHeeded => false,
        }
    }
}

impl Subject {
    /// What a statement of this scope and text is about, or `None` if it does not say which key of a client.
    pub(super) fn of(scope: &LatchScope, text: &str) -> Option<Self> {
        match scope {
            LatchScope::Wallet(id) => Some(Self::Wallet(id.clone())),
            LatchScope::WhitelistEntry(id) => Some(Self::WhitelistEntry(id.clone())),
            LatchScope::Client(id) => Some(Self::Client { id: id.clone(), key: client_key(text)? }),
            LatchScope::Listed { list, address } => {
                Some(Self::Listed { list: list.clone(), address: *address })
            }
        }
    }

    /// The same of a stored statement: one that names no key holds for the name, and must not keep the node from starting.
    pub(super) fn of_record(scope: &LatchScope, text: &str) -> Self {
        Self::of(scope, text).unwrap_or_else(|| match scope {
            LatchScope::Wallet(id) => Self::Wallet(id.clone()),
            LatchScope::WhitelistEntry(id) => Self::WhitelistEntry(id.clone()),
            LatchScope::Client(id) => Self::ClientName(id.clone()),
            LatchScope::Listed { list, address } => Self::Listed { list: list.clone(), address: *address },
        })
    }

    pub(super) fn scope(&self) -> LatchScope {
        match self {
            Self::Wallet(id) => LatchScope::Wallet(id.clone()),
            Self::WhitelistEntry(id) => LatchScope::WhitelistEntry(id.clone()),
            Self::Client { id, .. } | Self::ClientName(id) => LatchScope::Client(id.clone()),
            Self::Listed { list, address } => LatchScope::Listed { list: list.clone(), address: *address },
        }
    }

    /// Whether it covers this withdrawal from this wallet.
    pub(super) fn covers(&self, state: &State, wallet: &WalletId, withdrawal: &WithdrawalId) -> bool {
        match self {
            Self::Wallet(latched) => latched == wallet,
            // An entry that this state does not know yet cannot have permitted anything by it; and a latch on a name
            // that no log will ever contain, which nothing could lift, must not stop every withdrawal.
            Self::WhitelistEntry(latched) => {
                state.whitelist_entry(latched).is_some() && state.relies_on(withdrawal, latched)
            }
            // The same for a key that this state does not know yet. What a client asked for under an earlier key, the
            // rules refuse.
            Self::Client { id, key } => {
                is_key_of(state.roster(), id, key)
                    && state.withdrawal(withdrawal).is_none_or(|known| known.request.client == *id)
            }
            // INVARIANT (G4): as the rules do, wherever in a call the address stands. (G9): a withdrawal that is not known here may go
            // there.
            Self::Listed { address, .. } => {
                state.withdrawal(withdrawal).is_none_or(|known| known.request.may_reach(address))
            }
            Self::ClientName(id) => {
                state.roster().client(id).is_some()
                    && state.withdrawal(withdrawal).is_none_or(|known| known.request.client == *id)
            }
        }
    }

    /// What this log has made of the statement about it.
    pub(super) fn in_log(&self, state: &State, digest: &StatementDigest) -> Logged {
        let acted = state.statement_acted(digest);
        match self {
            // A quorum can lift a pause by name that the log will never contain, because its officer left.
            Self::Wallet(id) if !acted => match state.resumed_before(id, digest) {
                true => Logged::UsedUp,
                false => Logged::Not,
            },
            Self::Wallet(id) => {
                let pauses = state.wallet(id).map(|wallet| wallet.pauses.as_slice()).unwrap_or_default();
                match pauses.iter().any(|pause| pause.statement == *digest) {
                    true => Logged::TakenOver,
                    false => Logged::UsedUp,
                }
            }
            // Whoever revoked it, an entry is revoked for good.
            Self::WhitelistEntry(id) => {
                let entry = state.whitelist_entry(id);
                if entry.is_some_and(|entry| entry.revoked_at.is_some()) {
                    Logged::TakenOver
                } else {
                    Logged::Not
                }
            }
            // Whoever revoked it, a key is revoked for good, and gone as soon as officers removed the client or admitted
            // it again: under another key, because no key comes back.
            Self::Client { id, key } if is_key_of(state.roster(), id, key) => {
                match state.client_revocation(id) {
                    Some(_) => Logged::TakenOver,
                    None => Logged::Not,
                }
            }
            Self::Client { id, key } if state.rosters().any(|roster| is_key_of(roster, id, key)) => {
                Logged::UsedUp
            }
            Self::Client { .. } => Logged::Not,
            // Whoever put it there, and whether the list came to name it itself: it is refused, if a rule names the list.
            Self::Listed { list, address } if state.is_listed(list, address) => {
                match state.policy().screening_lists().contains(list) {
                    true => Logged::TakenOver,
                    false => Logged::NotHeeded,
                }
            }
            // A quorum took it off again.
            Self::Listed { .. } if acted => Logged::UsedUp,
            Self::Listed { .. } => Logged::Not,
            Self::ClientName(id) if state.client_revocation(id).is_some() => Logged::TakenOver,
            Self::ClientName(_) if acted => Logged::UsedUp,
            Self::ClientName(_) => Logged::Not,
        }
    }
}

/// Whether the officer signed what this node's log says about the subject.
///
/// A subject that this node was not shown yet has no description to compare: it is latched by its name alone, a client by name
/// and key, so that withholding entries does not keep officers from stopping. Refusing is all that a latch can do, and each
/// officer has few; when the log contains the statement, its rules judge the words.
pub(super) fn check_words(state: &State, statement: &Statement, text: &str) -> Result<(), Rejection> {
    let Err(rejection) = state.check_protective(statement, text) else { return Ok(()) };
    let not_shown = match (&statement.body, rejection.code()) {
        (
            _,
            RejectionCode::UnknownWallet
            | RejectionCode::UnknownWhitelistEntry
            | RejectionCode::UnknownScreeningList,
        ) => true,
        // A client of this name may have come, or come back under this key, since.
        (StatementBody::RevokeClient(_), RejectionCode::UnknownParty | RejectionCode::StatementMismatch) => {
            client_key(text).is_some_and(|key| !is_known(state, &key))
        }
        _ => false,
    };
    if not_shown { Ok(()) } else { Err(rejection) }
}

fn is_key_of(roster: &Roster, id: &ClientId, key: &ClientKey) -> bool {
    roster.client(id).is_some_and(|client| client.key.as_bytes() == key)
}

/// Whether any client ever had it.
fn is_known(state: &State, key: &ClientKey) -> bool {
    state.rosters().any(|roster| roster.clients().values().any(|client| client.key.as_bytes() == key))
}

/// The key that a revocation names, if it names exactly one, as the log would write it.
fn client_key(text: &str) -> Option<ClientKey> {
    let mut keys = text.lines().filter_map(|line| line.strip_prefix("key: "));
    let (named, None) = (keys.next()?, keys.next()) else { return None };
    let key = ClientKey::try_from(hex::decode(named).ok()?).ok()?;
    (hex::encode(key) == named).then_some(key)
}
