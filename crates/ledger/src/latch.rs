//! Officers' direct path: what a protective statement stops at a node, before any log contains it.

use holdfast_chains::Address;
use holdfast_policy::{ClientId, ClusterId, ListId, NodeId, TimestampMs, WalletId, WhitelistEntryId};
use serde::{Deserialize, Serialize};

use crate::statement::{Statement, StatementBody};

/// What a latch refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope", content = "id")]
pub enum LatchScope {
    /// Every signature of this wallet.
    Wallet(WalletId),
    /// Every withdrawal that would rely on this whitelist entry.
    WhitelistEntry(WhitelistEntryId),
    /// Every withdrawal that this client asked for.
    Client(ClientId),
    /// Every withdrawal to this address, which an officer put on a screening list.
    Listed {
        /// The list.
        list: ListId,
        /// The address.
        address: Address,
    },
}

/// A refuse-only latch: it stops signing until the node's log contains the statement and its rules take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latch {
    /// The statement.
    pub statement: Statement,
    /// What it refuses.
    pub scope: LatchScope,
}

/// What a node signs when it has durably set a latch (payload type [`PauseReceipt::PAYLOAD_TYPE`], message key).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseReceipt {
    /// The cell.
    pub cluster: ClusterId,
    /// The node that refuses from now on.
    pub node: NodeId,
    /// SHA-256 of the exact statement, hex.
    pub statement: String,
    /// What is refused.
    pub scope: LatchScope,
    /// The node's clock when the latch was durable.
    pub received_at_ms: TimestampMs,
    /// Entries in the node's log at that moment.
    pub tip_size: u64,
}

impl PauseReceipt {
    /// The envelope's payload type. Receipts are not log entries.
    pub const PAYLOAD_TYPE: &'static str = "application/vnd.holdfast.pause-receipt.v1+json";
}

/// The latch that a statement sets, or `None` if a node cannot act on it without the log.
pub fn latch_of(statement: &Statement) -> Option<Latch> {
    let scope = match &statement.body {
        StatementBody::PauseWallet(wallet) => LatchScope::Wallet(wallet.clone()),
        StatementBody::RevokeWhitelistEntry(entry) => LatchScope::WhitelistEntry(entry.clone()),
        StatementBody::RevokeClient(client) => LatchScope::Client(client.clone()),
        StatementBody::AddToScreeningList { list, address } => {
            LatchScope::Listed { list: list.clone(), address: *address }
        }
        StatementBody::OpenOrder(_)
        | StatementBody::ApproveOrder(_)
        | StatementBody::ProposeWallet(_)
        | StatementBody::ProposeMigration(_)
        | StatementBody::ProposeImport(_)
        | StatementBody::ProposeWhitelistEntry(_)
        | StatementBody::ProposeResume { .. }
        | StatementBody::ProposeRosterChange(_)
        | StatementBody::ProposePolicy(_)
        | StatementBody::ProposeScreening(_)
        | StatementBody::ProposeScreeningLift { .. }
        | StatementBody::ApproveCeremony(_)
        | StatementBody::ApproveHold(_)
        | StatementBody::RejectHold(_)
        | StatementBody::WithdrawApproval(_) => return None,
    };
    Some(Latch { statement: statement.clone(), scope })
}
