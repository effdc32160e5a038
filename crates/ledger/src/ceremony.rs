//! Ceremonies: what officers propose and approve together.
//!
//! | phase | accepts | next |
//! |---|---|---|
//! | proposed | an officer's approval | proposed, approved (create, migrate and import wallet), activated (all others) |
//! | approved | a node's confirmation of the key | approved, confirmed, failed |
//! | confirmed | `EpochActivated` | activated |
//! | activated, failed, superseded | nothing | |
//!
//! A change of the roster or the policy ends what rested on the one before: proposals for the replaced version, proposals of
//! an officer who left, key generations whose approvals no longer meet the quorum or in which a node got new keys. They show
//! as superseded.
//!
//! A proposal that is past its expiry, and a key generation that did not finish within 7 days after it, accept nothing and show as
//! expired. Every other pair of phase and message is
//! refused with `CEREMONY_PHASE`.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::Address;
use holdfast_policy::{ListId, NodeId, OfficerId, RoleName, TimestampMs, WalletId, WhitelistEntryId};
use serde::{Deserialize, Serialize};

use crate::genesis::Quorum;
use crate::ids::{CeremonyId, StatementDigest};
use crate::payload::KeygenConfirmation;
use crate::roster::RosterProposal;

mod import;
mod proposal;

pub(crate) use import::MAX_OLD_PARTIES;
pub use import::{ImportGiver, ImportProposal, OldKey};
pub use proposal::{
    BacktestClaim, Before, MigrationProposal, NextChainCode, PolicyProposal, ScreeningProposal,
    WalletProposal, WhitelistProposal,
};

/// Names under which genesis lists quorums.
pub(crate) const QUORUM_NAMES: [&str; 5] =
    ["create-wallet", "add-whitelist-entry", "resume-wallet", "change-roster", "change-policy"];

/// Quorums that genesis may leave out, and the one that serves then.
pub(crate) const OPTIONAL_QUORUMS: [(&str, &str); 5] = [
    (EXTEND_LIST, "change-policy"),
    (REDUCE_LIST, "change-policy"),
    (TIGHTEN_POLICY, "change-policy"),
    (MIGRATE_WALLET, "create-wallet"),
    (IMPORT_WALLET, "create-wallet"),
];
/// For new shares of a key.
const MIGRATE_WALLET: &str = "migrate-wallet";
/// For a key that another deployment holds.
const IMPORT_WALLET: &str = "import-wallet";
/// The epoch of the first shares of a key that was made elsewhere: those of the old deployment count as epoch 0.
const IMPORT_EPOCH: u32 = 1;
/// For a change of the policy that only tightens.
pub(crate) const TIGHTEN_POLICY: &str = "tighten-policy";
pub(crate) const EXTEND_LIST: &str = "extend-screening-list";
pub(crate) const REDUCE_LIST: &str = "reduce-screening-list";

/// The quorum that genesis gives a ceremony of this name.
pub(crate) fn quorum_of<'a>(quorums: &'a BTreeMap<String, Quorum>, name: &str) -> Option<&'a Quorum> {
    let other = || {
        let (_, instead) = OPTIONAL_QUORUMS.iter().find(|(optional, _)| *optional == name)?;
        quorums.get(*instead)
    };
    quorums.get(name).or_else(other)
}

/// How long after its proposal's expiry an approved key generation or migration may still finish: 7 days. Then another may be
/// proposed.
const MAX_KEYGEN_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// What a ceremony is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CeremonyKind {
    /// Generates a key and creates a wallet.
    CreateWallet(WalletProposal),
    /// Hands a wallet's key on to new shares.
    MigrateWallet(MigrationProposal),
    /// Takes over a key that another deployment holds, and creates a wallet.
    ImportWallet(Box<ImportProposal>),
    /// Adds a whitelist entry.
    AddWhitelistEntry(WhitelistProposal),
    /// Lifts exactly these pauses of a wallet.
    ResumeWallet {
        /// The wallet.
        wallet: WalletId,
        /// The pause statements it lifts; one made later stays in force.
        lifts: Vec<StatementDigest>,
    },
    /// Changes who may speak.
    ChangeRoster(Box<RosterProposal>),
    /// Puts another policy in force.
    ChangePolicy(PolicyProposal),
    /// Puts the next version of a screening list in force.
    UpdateScreeningList(ScreeningProposal),
    /// Takes off a screening list what single officers added to it.
    LiftScreeningAdditions {
        /// The list.
        list: ListId,
        /// The addresses, in order.
        addresses: Vec<Address>,
    },
}

impl CeremonyKind {
    /// The key that nodes make or hand on in such a ceremony; `None` if they do neither.
    pub fn key_work(&self) -> Option<KeyWork<'_>> {
        match self {
            CeremonyKind::CreateWallet(WalletProposal { wallet, engine, nodes, .. }) => {
                Some(KeyWork { wallet, engine, epoch: 0, nodes, makes_wallet: true })
            }
            CeremonyKind::MigrateWallet(proposal) => Some(KeyWork {
                wallet: &proposal.wallet,
                engine: &proposal.engine,
                epoch: proposal.epoch(),
                nodes: &proposal.receivers,
                makes_wallet: false,
            }),
            CeremonyKind::ImportWallet(proposal) => {
                let WalletProposal { wallet, engine, nodes, .. } = &proposal.wallet;
                Some(KeyWork { wallet, engine, epoch: IMPORT_EPOCH, nodes, makes_wallet: true })
            }
            CeremonyKind::AddWhitelistEntry(_)
            | CeremonyKind::ResumeWallet { .. }
            | CeremonyKind::ChangeRoster(_)
            | CeremonyKind::ChangePolicy(_)
            | CeremonyKind::UpdateScreeningList(_)
            | CeremonyKind::LiftScreeningAdditions { .. } => None,
        }
    }

    /// The kind's name, which is also its quorum's in genesis.
    pub fn name(&self) -> &'static str {
        match self {
            CeremonyKind::CreateWallet(_) => "create-wallet",
            CeremonyKind::MigrateWallet(_) => MIGRATE_WALLET,
            CeremonyKind::ImportWallet(_) => IMPORT_WALLET,
            CeremonyKind::AddWhitelistEntry(_) => "add-whitelist-entry",
            CeremonyKind::ResumeWallet { .. } => "resume-wallet",
            CeremonyKind::ChangeRoster(_) => "change-roster",
            CeremonyKind::ChangePolicy(_) => "change-policy",
            CeremonyKind::UpdateScreeningList(proposal) if proposal.removed == 0 => EXTEND_LIST,
            CeremonyKind::UpdateScreeningList(_) | CeremonyKind::LiftScreeningAdditions { .. } => REDUCE_LIST,
        }
    }
}

/// Shares that nodes make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWork<'a> {
    /// Of which wallet.
    pub wallet: &'a WalletId,
    /// By which engine.
    pub engine: &'a str,
    /// Their epoch.
    pub epoch: u32,
    /// Who gets one, in party order.
    pub nodes: &'a [NodeId],
    /// Whether they are a wallet's first ones.
    pub makes_wallet: bool,
}

/// Where a ceremony stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CeremonyPhase {
    /// Waits for officers.
    Proposed,
    /// Approved; nodes make the shares.
    Approved,
    /// All nodes confirmed one transcript and a restored backup.
    Confirmed,
    /// Done.
    Activated,
    /// Not approved in time.
    Expired,
    /// Confirmations contradict each other.
    Failed,
    /// The roster or the policy it was made for is no longer in force.
    Superseded,
}

/// One officer's approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CeremonyApproval {
    /// Who.
    pub officer: OfficerId,
    /// In the roles held at that time.
    pub roles: BTreeSet<RoleName>,
    /// When, by the entry's time.
    pub time: TimestampMs,
    /// From this time on the approving statement is void.
    pub expires_at: TimestampMs,
    /// Log index of the approval.
    pub index: u64,
}

/// Where in the log a ceremony's quorum was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct QuorumMet {
    /// Log index of the approval that completed it.
    pub index: u64,
    /// That entry's time.
    pub time: TimestampMs,
}

/// A ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ceremony {
    /// Derived from the proposing statement.
    pub id: CeremonyId,
    /// What it is for.
    #[serde(flatten)]
    pub kind: CeremonyKind,
    /// The proposing statement, exactly.
    pub statement: String,
    /// Who proposed it.
    pub proposer: OfficerId,
    /// From this time on it accepts no approval.
    pub expires_at: TimestampMs,
    /// Log index of the proposal.
    pub index: u64,
    /// Who must approve.
    pub quorum: Quorum,
    /// Who approved.
    pub approvals: Vec<CeremonyApproval>,
    /// When the quorum was met: approvals of whitelist, resume, roster and policy ceremonies take effect there.
    pub quorum_met: Option<QuorumMet>,
    /// Key generation results, by node.
    pub confirmations: BTreeMap<NodeId, KeygenConfirmation>,
    /// The entry it added, for whitelist ceremonies.
    pub whitelist_entry: Option<WhitelistEntryId>,
    pub(crate) phase: CeremonyPhase,
}

impl Ceremony {
    /// The phase at a given time.
    pub fn phase_at(&self, now: TimestampMs) -> CeremonyPhase {
        let lapsed = match self.phase {
            CeremonyPhase::Proposed => now >= self.expires_at,
            CeremonyPhase::Approved => now.0 >= self.expires_at.0.saturating_add(MAX_KEYGEN_MS),
            CeremonyPhase::Confirmed
            | CeremonyPhase::Activated
            | CeremonyPhase::Expired
            | CeremonyPhase::Failed
            | CeremonyPhase::Superseded => false,
        };
        if lapsed { CeremonyPhase::Expired } else { self.phase }
    }

    /// Whether it still accepts something at this time.
    pub(crate) fn is_open_at(&self, now: TimestampMs) -> bool {
        let phase = self.phase_at(now);
        matches!(phase, CeremonyPhase::Proposed | CeremonyPhase::Approved | CeremonyPhase::Confirmed)
    }

    /// Whether the approvals so far meet the quorum, each in the roles that it counts in.
    pub(crate) fn quorum_met_by(&self, roles: impl Fn(&CeremonyApproval) -> BTreeSet<RoleName>) -> bool {
        let approved: Vec<_> = self.approvals.iter().map(|a| (a.officer.clone(), roles(a))).collect();
        quorum_met(&self.quorum, &approved)
    }

    /// Committee nodes that have not confirmed, for ceremonies in which nodes make shares.
    pub fn unconfirmed_nodes(&self) -> Vec<NodeId> {
        let nodes = self.kind.key_work().map(|work| work.nodes).unwrap_or_default();
        nodes.iter().filter(|node| !self.confirmations.contains_key(*node)).cloned().collect()
    }
}

/// INVARIANT (G1): distinct people, and one person fills one role.
pub(crate) fn quorum_met(quorum: &Quorum, approved: &[(OfficerId, BTreeSet<RoleName>)]) -> bool {
    holdfast_policy::quorum_is_met(quorum, approved)
}
