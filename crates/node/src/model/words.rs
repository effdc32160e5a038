//! The alphabet: what can be logged, delivered or asked, and what nodes promise thereby.
//!
//! A block is what a hostile coordinator logs in one step. Statements are as their officers signed them; no block is invented.

use holdfast_chains::{Address, Amount, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::{
    BacktestClaim, Before, CeremonyKind, PayloadKind, PolicyProposal, RosterChange, RosterProposal, State,
    StatementBody, WalletProposal, WhitelistProposal,
};
use holdfast_log::Envelope;
use holdfast_policy::{
    BacktestDigest, DiffDigest, PolicyDocument, PolicyHash, TimestampMs, WalletId, WhitelistEntry,
};
use serde_json::json;

use super::world::{CLUSTER, Committee, World};
use crate::testing::{START, coordinator, ed25519};

pub(super) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
pub(super) const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

/// What can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Block {
    /// An entry without effect, which makes a history longer.
    Nothing,
    /// `alice` pauses the wallet.
    Pause,
    /// So does `bob`.
    SecondPause,
    /// A resume of the first pause, one approval short of its quorum.
    ResumeBegun,
    /// The approval that completes it.
    ResumeDone,
    /// `alice` revokes the client.
    ClientRevoked,
    /// So does `bob`.
    ClientRevokedAgain,
    /// The client comes back under another key: begun and done.
    ReadmitBegun,
    ReadmitDone,
    /// The payee's whitelist entry is revoked.
    EntryRevoked,
    /// Another entry for the same payee: begun and done.
    EntryBegun,
    EntryDone,
    /// `carol`, who approved the payment, leaves: begun and done.
    RemovalBegun,
    RemovalDone,
    /// `bob` approves the payment.
    HoldApproved,
    /// A policy that denies the payment: begun and done.
    PolicyBegun,
    PolicyDone,
    /// The oath of the modelled node's first incarnation.
    OwnOath,
    /// Those of all other nodes.
    OthersOaths,
    /// The officers enrol the modelled node's next incarnation.
    Enrolled,
}

/// What binds once enough nodes hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    Pause,
    SecondPause,
    ClientRevoked,
    ClientRevokedAgain,
    EntryRevoked,
    OfficerRemoved,
    PolicyTightened,
    /// Not an officer's action, but counted in the same way: the withdrawal is given up.
    Oath,
}

/// How the payment of the model came to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    Automatic,
    /// Held, and approved by `alice` and `carol`.
    Held,
}

/// One small alphabet, explored completely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alphabet {
    pub(super) name: &'static str,
    pub(super) payment: Payment,
    /// What can be logged, each at most once in a history and in any order.
    pub(super) blocks: &'static [Block],
    /// What officers deliver directly.
    pub(super) delivered: &'static [Block],
    /// Whether nodes are asked to swear.
    pub(super) oaths: bool,
    /// Whether a node's machine can be lost, and a new one enrolled.
    pub(super) replaced: bool,
    pub(super) promises: &'static [Promise],
}

/// What every committee is tried with.
pub(super) const RESTORES: Alphabet = Alphabet {
    name: "restores",
    payment: Payment::Automatic,
    blocks: &[Block::Pause, Block::Nothing],
    delivered: &[Block::Pause],
    oaths: false,
    replaced: true,
    promises: &[Promise::Pause],
};

pub(super) const PAUSES: Alphabet = Alphabet {
    name: "pauses",
    payment: Payment::Automatic,
    blocks: &[Block::Pause, Block::SecondPause, Block::ResumeBegun, Block::ResumeDone],
    delivered: &[Block::Pause, Block::SecondPause],
    oaths: false,
    replaced: false,
    promises: &[Promise::Pause, Promise::SecondPause],
};

pub(super) const CLIENTS: Alphabet = Alphabet {
    name: "clients",
    payment: Payment::Automatic,
    blocks: &[Block::ClientRevoked, Block::ClientRevokedAgain, Block::ReadmitBegun, Block::ReadmitDone],
    delivered: &[Block::ClientRevoked, Block::ClientRevokedAgain],
    oaths: false,
    replaced: false,
    promises: &[Promise::ClientRevoked, Promise::ClientRevokedAgain],
};

pub(super) const ENTRIES: Alphabet = Alphabet {
    name: "whitelist",
    payment: Payment::Automatic,
    blocks: &[Block::EntryRevoked, Block::EntryBegun, Block::EntryDone, Block::Pause],
    delivered: &[Block::EntryRevoked],
    oaths: false,
    replaced: false,
    promises: &[Promise::EntryRevoked, Promise::Pause],
};

pub(super) const QUORUMS: Alphabet = Alphabet {
    name: "roster and policy",
    payment: Payment::Held,
    blocks: &[
        Block::RemovalBegun,
        Block::RemovalDone,
        Block::HoldApproved,
        Block::PolicyBegun,
        Block::PolicyDone,
    ],
    delivered: &[],
    oaths: false,
    replaced: false,
    promises: &[Promise::OfficerRemoved, Promise::PolicyTightened],
};

pub(super) const OATHS: Alphabet = Alphabet {
    name: "oaths",
    payment: Payment::Automatic,
    blocks: &[Block::OwnOath, Block::OthersOaths, Block::Pause],
    delivered: &[Block::Pause],
    oaths: true,
    replaced: false,
    promises: &[Promise::Oath, Promise::Pause],
};

impl Payment {
    pub(super) fn usdt(self) -> u128 {
        match self {
            Payment::Automatic => 1_250,
            Payment::Held => 6_000,
        }
    }
}

impl Promise {
    pub(super) const ALL: [Self; 8] = [
        Self::Pause,
        Self::SecondPause,
        Self::ClientRevoked,
        Self::ClientRevokedAgain,
        Self::EntryRevoked,
        Self::OfficerRemoved,
        Self::PolicyTightened,
        Self::Oath,
    ];

    /// An oath also says that no last message left before.
    pub(super) fn is_about_the_past(self) -> bool {
        self == Self::Oath
    }

    /// What a node that receipts this block promises.
    pub(super) fn of(block: Block) -> Self {
        let receipted = [
            (Block::Pause, Self::Pause),
            (Block::SecondPause, Self::SecondPause),
            (Block::ClientRevoked, Self::ClientRevoked),
            (Block::ClientRevokedAgain, Self::ClientRevokedAgain),
            (Block::EntryRevoked, Self::EntryRevoked),
        ];
        receipted.into_iter().find(|(of, _)| *of == block).unwrap().1
    }

    /// Whether a log of this state contains the action, in force: who cosigns it promises to obey it.
    pub(super) fn is_in(self, state: &State, world: &World) -> bool {
        let acted = |block| state.statement_acted(&world.digest(block));
        match self {
            Self::Pause => acted(Block::Pause),
            Self::SecondPause => acted(Block::SecondPause),
            Self::ClientRevoked => acted(Block::ClientRevoked),
            Self::ClientRevokedAgain => acted(Block::ClientRevokedAgain),
            Self::EntryRevoked => acted(Block::EntryRevoked),
            Self::OfficerRemoved => state.roster().officer(&"carol".parse().unwrap()).is_none(),
            Self::PolicyTightened => state.policy_version().0 > 1,
            Self::Oath => false,
        }
    }

    /// Whether, by this log, officers permitted since what the promise forbids.
    pub(super) fn is_lifted_in(self, state: &State, world: &World) -> bool {
        let wallet = || state.wallet(&WalletId::new("hot-1").unwrap()).unwrap();
        match self {
            Self::Pause => {
                let digest = world.digest(Block::Pause);
                let names = |kind: &CeremonyKind| matches!(kind, CeremonyKind::ResumeWallet { lifts, .. } if lifts.contains(&digest));
                wallet().resumes.iter().any(|resume| names(&state.ceremony(resume).unwrap().kind))
            }
            // Another entry that a quorum made for the same address.
            Self::EntryRevoked => {
                let serves = |entry: &WhitelistEntry| entry.id != world.entry && entry.revoked_at.is_none();
                state.whitelist().any(serves)
            }
            // Another officer approved in the place of the one who left.
            Self::OfficerRemoved => {
                let bob = "bob".parse().unwrap();
                let known = state.withdrawal(&world.withdrawal).unwrap();
                known.approvals.iter().any(|approval| approval.officer == bob)
            }
            // A client that comes back has another key; what was asked for under the old one stays dead.
            Self::SecondPause
            | Self::ClientRevoked
            | Self::ClientRevokedAgain
            | Self::PolicyTightened
            | Self::Oath => false,
        }
    }
}

pub(super) fn wallet(Committee { t, n, .. }: Committee) -> StatementBody {
    let nodes = (1..=n).map(|number| format!("node-{number}").parse().unwrap()).collect();
    let (wallet, engine) = (WalletId::new("hot-1").unwrap(), "dkls23-ecdsa-secp256k1/0.6".to_owned());
    StatementBody::ProposeWallet(WalletProposal { wallet, engine, t, n, nodes })
}

pub(super) fn whitelisted(now: u64) -> StatementBody {
    StatementBody::ProposeWhitelistEntry(WhitelistProposal {
        chain_id: ChainId(1),
        address: Address::parse(PAYEE).unwrap(),
        assets: vec!["USDT".parse().unwrap()],
        customer: None,
        not_before: None,
        expires_at: TimestampMs(now + 10_000_000),
    })
}

pub(super) fn readmitted(state: &State) -> StatementBody {
    let name = "pipeline".parse().unwrap();
    let key = ed25519("pipeline-2").verifying_key();
    let wallets = [WalletId::new("hot-1").unwrap()].into();
    let expires_at = TimestampMs(START + 1_000_000_000);
    roster_change(state, RosterChange::AddClient { name, key, wallets, expires_at })
}

pub(super) fn carol_removed(state: &State) -> StatementBody {
    roster_change(state, RosterChange::RemoveOfficer { name: "carol".parse().unwrap() })
}

pub(super) fn roster_change(state: &State, change: RosterChange) -> StatementBody {
    let (version, digest) = (state.roster().version(), state.roster().digest());
    StatementBody::ProposeRosterChange(Box::new(RosterProposal { version, digest, change }))
}

/// An upload of a policy that denies every payment of this model, and its hash.
pub(super) fn tighter_policy() -> (Envelope, PolicyHash) {
    let text = policy().replace("deny_above = \"100000000000\"", "deny_above = \"5500000000\"");
    assert_ne!(text, policy());
    let hash = PolicyDocument::parse(&text).unwrap().hash();
    (coordinator(PayloadKind::PolicyDocument, &json!({"cluster": CLUSTER, "policy": text})), hash)
}

/// The tests' policy without the band that waits: the model's payments are approved and signed within its seconds.
pub(super) fn policy() -> String {
    let text = include_str!("../../fixtures/test-policy.toml");
    let waits = "  { amount = \"4000000000\", timer_ms = 3_600_000, at_end = \"release\" },\n";
    assert!(text.contains(waits));
    text.replace(waits, "")
}

pub(super) fn policy_proposed(state: &State, policy: PolicyHash) -> StatementBody {
    // The ledger compares versions, hashes and diff; what the backtest says is for officers' tools.
    let before = Before { before: 0, after: 0 };
    let digest = BacktestDigest::from_bytes([0; 32]);
    let backtest =
        BacktestClaim { size: 1, digest, decided: 0, flips: 0, customers: 0, held: before, denied: before };
    let proposal = PolicyProposal {
        version: state.policy_version(),
        replaces: state.policy_digest(),
        policy,
        diff: state.policy_diff(&policy).map_or(DiffDigest::from_bytes([0; 32]), |diff| diff.digest()),
        backtest,
    };
    StatementBody::ProposePolicy(proposal)
}

pub(super) fn transfer(usdt: u128) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce: 0,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer {
            contract: Some(Address::parse(USDT).unwrap()),
            to: Address::parse(PAYEE).unwrap(),
            amount: Amount::from_u128(usdt * 1_000_000),
        },
    };
    draft.build().unwrap()
}
