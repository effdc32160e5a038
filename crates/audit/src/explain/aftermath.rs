//! What became of a withdrawal after its authorization: replaced, sworn off by nodes, reported on by its client.

use std::fmt;

use holdfast_ledger::{State, Withdrawal, WithdrawalId, WithdrawalKind};
use serde::Serialize;

use super::when;
use crate::shown::upper;

/// What a withdrawal is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// Pays somebody.
    Payment,
    /// Does what another withdrawal does, for a higher fee.
    FeeBump {
        /// The other one.
        of: String,
    },
    /// Pays nothing to the sending address itself, so that another withdrawal's transaction cannot be mined.
    CancelOnChain {
        /// The other one.
        of: String,
    },
    /// Moves what arrived at a deposit address to the wallet's own address.
    Sweep {
        /// Which deposit address.
        deposit_index: u32,
    },
}

/// A withdrawal on the same account nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relative {
    /// Its id.
    pub withdrawal: String,
    /// Its state.
    pub state: String,
}

/// A node's oath never to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sworn {
    /// The node.
    pub node: String,
    /// Under which of its incarnations.
    pub incarnation: u32,
    /// Log index.
    pub index: u64,
    /// Time of the entry, ms.
    pub time_ms: u64,
}

/// What the client reported about the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// `broadcast`, `confirmed`, `dropped`, `replaced` or `reorganised`.
    pub outcome: String,
    /// The transaction.
    pub transaction_hash: String,
    /// The block, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_number: Option<u64>,
    /// When the client saw it, by its own clock, ms.
    pub observed_at_ms: u64,
    /// Log index of the report.
    pub index: u64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aftermath {
    /// What it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Relative>,
    /// What was authorized in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Relative>,
    /// Oaths of nodes, in log order.
    pub tombstones: Vec<Sworn>,
    /// How many of distinct nodes end it.
    pub tombstones_needed: usize,
    /// What its client reported, the oldest first.
    pub outcomes: Vec<Reported>,
}

impl Kind {
    pub(super) fn of(withdrawal: &Withdrawal) -> Self {
        match withdrawal.kind {
            WithdrawalKind::Payment => Self::Payment,
            WithdrawalKind::FeeBump(of) => Self::FeeBump { of: of.to_string() },
            WithdrawalKind::CancelOnChain(of) => Self::CancelOnChain { of: of.to_string() },
            WithdrawalKind::Sweep => {
                Self::Sweep { deposit_index: withdrawal.deposit_index.unwrap_or_default() }
            }
        }
    }

    /// In words; `None` for a plain payment.
    pub(super) fn words(&self) -> Option<String> {
        match self {
            Self::Payment => None,
            Self::FeeBump { of } => {
                Some(format!("a higher fee for {of}: the same payment, the same account nonce"))
            }
            Self::CancelOnChain { of } => Some(format!(
                "a cancellation of {of} on chain: nothing is paid, its account nonce is used up"
            )),
            Self::Sweep { deposit_index } => {
                Some(format!("a sweep of deposit address {deposit_index} to the wallet's own address"))
            }
        }
    }
}

impl Aftermath {
    pub(super) fn of(state: &State, withdrawal: &Withdrawal) -> Self {
        let relative = |id: WithdrawalId| Relative {
            withdrawal: id.to_string(),
            state: state
                .withdrawal(&id)
                .map(|other| upper(&other.state_at(state.last_time())))
                .unwrap_or_default(),
        };
        let tombstones = withdrawal.tombstones.iter().map(|tombstone| Sworn {
            node: tombstone.node.to_string(),
            incarnation: tombstone.incarnation,
            index: tombstone.index,
            time_ms: tombstone.time.0,
        });
        let outcomes = withdrawal.outcomes.iter().map(|report| Reported {
            outcome: format!("{:?}", report.outcome).to_lowercase(),
            transaction_hash: report.transaction_hash.to_string(),
            block_number: report.block_number,
            observed_at_ms: report.observed_at.0,
            index: report.index,
        });
        Self {
            replaces: withdrawal.replaces().map(relative),
            replaced_by: withdrawal.replaced_by.map(relative),
            tombstones: tombstones.collect(),
            tombstones_needed: state.tombstones_needed(),
            outcomes: outcomes.collect(),
        }
    }

    fn is_empty(&self) -> bool {
        let alone = self.replaces.is_none() && self.replaced_by.is_none();
        alone && self.tombstones.is_empty() && self.outcomes.is_empty()
    }
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nWHAT BECAME OF IT")?;
        if let Some(of) = &self.replaces {
            writeln!(f, "  it replaces {} ({})", of.withdrawal, of.state)?;
        }
        if let Some(by) = &self.replaced_by {
            writeln!(f, "  it was replaced by {} ({}): nodes sign it no more", by.withdrawal, by.state)?;
        }
        for sworn in &self.tombstones {
            writeln!(
                f,
                "  node `{}` (incarnation {}) swore never to sign it, {}, entry {}",
                sworn.node,
                sworn.incarnation,
                when(sworn.time_ms),
                sworn.index
            )?;
        }
        if !self.tombstones.is_empty() {
            writeln!(f, "  {} such oaths of distinct nodes end it", self.tombstones_needed)?;
        }
        for report in &self.outcomes {
            let block = report.block_number.map(|block| format!(" in block {block}")).unwrap_or_default();
            writeln!(
                f,
                "  its client saw transaction {} {}{block}, {}, entry {}",
                report.transaction_hash,
                report.outcome,
                when(report.observed_at_ms),
                report.index
            )?;
        }
        Ok(())
    }
}
