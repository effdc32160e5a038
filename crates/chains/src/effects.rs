//! What a transaction does to funds, and whether that is what was asked for.
//!
//! The comparison reports every difference, so that one answer names everything that is wrong. It must never stop
//! at the first, and never treat a missing fact as equal.

use std::fmt;

use thiserror::Error;

use crate::amount::Amount;
use crate::asset::Asset;
use crate::chain_id::ChainId;
use crate::ethereum::{Address, Calldata};

/// The movement of funds in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transfer {
    /// The token's contract; `None` for the chain's own coin.
    pub contract: Option<Address>,
    /// Who receives.
    pub to: Address,
    /// How much, in base units.
    pub amount: Amount,
}

/// Everything a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Effects {
    /// The chain it is valid on.
    pub chain_id: ChainId,
    /// The funds it moves; for a call, what of the chain's own coin it sends to the contract that it calls.
    pub transfer: Transfer,
    /// What it calls there; `None` for a transfer.
    pub calldata: Option<Calldata>,
    /// The most it can cost beside the transfer, in the chain's own base units.
    pub max_fee: Amount,
    /// The sender's account nonce that it uses up.
    pub nonce: u64,
}

/// What a withdrawal allows a transaction to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedEffects<'a> {
    /// The wallet's chain.
    pub chain_id: ChainId,
    /// The asset as the registry describes it.
    pub asset: &'a Asset,
    /// Who shall receive.
    pub destination: Address,
    /// How much, in base units, exactly.
    pub amount: Amount,
    /// What shall be called there, exactly; `None` for a transfer.
    pub calldata: Option<&'a Calldata>,
    /// The most it may cost, in the chain's own base units.
    pub fee_cap: Amount,
}

/// Compares a transaction's effects with what was asked for.
// INVARIANT: `Ok` means same chain, same calldata or none, same asset, same destination, same amount, fee within the cap (G1).
pub fn check_effects(effects: &Effects, expected: &ExpectedEffects<'_>) -> Result<(), EffectMismatch> {
    let mut mismatches = Vec::new();
    // A registry entry of another chain contradicts the withdrawal: both must agree with the transaction.
    for chain_id in [expected.chain_id, expected.asset.chain_id] {
        let mismatch = FieldMismatch::Chain { expected: chain_id, found: effects.chain_id };
        if effects.chain_id != chain_id && !mismatches.contains(&mismatch) {
            mismatches.push(mismatch);
        }
    }
    if effects.calldata.as_ref() != expected.calldata {
        mismatches.push(FieldMismatch::Calldata {
            expected: expected.calldata.cloned(),
            found: effects.calldata.clone(),
        });
    }
    let transfer = &effects.transfer;
    if transfer.contract != expected.asset.contract {
        mismatches.push(FieldMismatch::Asset { expected: expected.asset.contract, found: transfer.contract });
    }
    if transfer.to != expected.destination {
        mismatches.push(FieldMismatch::Destination { expected: expected.destination, found: transfer.to });
    }
    if transfer.amount != expected.amount {
        mismatches.push(FieldMismatch::Amount { expected: expected.amount, found: transfer.amount });
    }
    if effects.max_fee > expected.fee_cap {
        mismatches.push(FieldMismatch::FeeAboveCap { cap: expected.fee_cap, found: effects.max_fee });
    }
    if mismatches.is_empty() { Ok(()) } else { Err(EffectMismatch { mismatches }) }
}

/// The transaction does not do what was asked for: all differences, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct EffectMismatch {
    mismatches: Vec<FieldMismatch>,
}

impl EffectMismatch {
    /// The differences, in the order chain, calldata, asset, destination, amount, fee.
    pub fn mismatches(&self) -> &[FieldMismatch] {
        &self.mismatches
    }

    /// The stable reason code of each difference, in the same order.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.mismatches.iter().map(FieldMismatch::code)
    }
}

impl fmt::Display for EffectMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("transaction does not do what the withdrawal asks: ")?;
        for (position, mismatch) in self.mismatches.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{mismatch}")?;
        }
        Ok(())
    }
}

/// One difference between a transaction and a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FieldMismatch {
    /// Valid on another chain.
    #[error("chain id is {found}, expected {expected}")]
    Chain {
        /// The chain asked for.
        expected: ChainId,
        /// The transaction's chain.
        found: ChainId,
    },
    /// Calls something else, calls where nothing shall be called, or does not call.
    #[error("calldata is {}, expected {}", CallName(.found), CallName(.expected))]
    Calldata {
        /// What was to be called; `None` for a transfer.
        expected: Option<Calldata>,
        /// What the transaction calls; `None` for a transfer.
        found: Option<Calldata>,
    },
    /// Moves another asset.
    #[error("asset is {}, expected {}", AssetName(.found), AssetName(.expected))]
    Asset {
        /// The contract asked for; `None` for the chain's own coin.
        expected: Option<Address>,
        /// The transaction's contract; `None` for the chain's own coin.
        found: Option<Address>,
    },
    /// Pays someone else.
    #[error("destination is `{found}`, expected `{expected}`")]
    Destination {
        /// Who was to receive.
        expected: Address,
        /// Who would receive.
        found: Address,
    },
    /// Pays more or less.
    #[error("amount is {found} base units, expected {expected}")]
    Amount {
        /// The amount asked for.
        expected: Amount,
        /// The transaction's amount.
        found: Amount,
    },
    /// Could cost more than allowed.
    #[error("fee can be {found} base units, the cap is {cap}")]
    FeeAboveCap {
        /// The most it may cost.
        cap: Amount,
        /// The most it can cost.
        found: Amount,
    },
}

impl FieldMismatch {
    /// The stable reason code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "TRANSACTION_CHAIN_MISMATCH",
            Self::Calldata { .. } => "TRANSACTION_CALLDATA_MISMATCH",
            Self::Asset { .. } => "TRANSACTION_ASSET_MISMATCH",
            Self::Destination { .. } => "TRANSACTION_DESTINATION_MISMATCH",
            Self::Amount { .. } => "TRANSACTION_AMOUNT_MISMATCH",
            Self::FeeAboveCap { .. } => "TRANSACTION_FEE_ABOVE_CAP",
        }
    }

    /// The field that differs: `chain_id`, `calldata`, `contract`, `destination`, `amount` or `fee`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Chain { .. } => "chain_id",
            Self::Calldata { .. } => "calldata",
            Self::Asset { .. } => "contract",
            Self::Destination { .. } => "destination",
            Self::Amount { .. } => "amount",
            Self::FeeAboveCap { .. } => "fee",
        }
    }

    /// What was asked for, as text (for the fee: the cap).
    pub fn expected(&self) -> String {
        match self {
            Self::Chain { expected, .. } => expected.to_string(),
            Self::Calldata { expected, .. } => CallName(expected).to_string(),
            Self::Asset { expected, .. } => AssetName(expected).to_string(),
            Self::Destination { expected, .. } => expected.to_string(),
            Self::Amount { expected, .. } => expected.to_string(),
            Self::FeeAboveCap { cap, .. } => cap.to_string(),
        }
    }

    /// What the transaction does, as text.
    pub fn found(&self) -> String {
        match self {
            Self::Chain { found, .. } => found.to_string(),
            Self::Calldata { found, .. } => CallName(found).to_string(),
            Self::Asset { found, .. } => AssetName(found).to_string(),
            Self::Destination { found, .. } => found.to_string(),
            Self::Amount { found, .. } | Self::FeeAboveCap { found, .. } => found.to_string(),
        }
    }
}

/// Names an asset by its contract.
struct AssetName<'a>(&'a Option<Address>);

impl fmt::Display for AssetName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(contract) => write!(f, "{contract}"),
            None => f.write_str("native"),
        }
    }
}

/// Names calldata in a line, however long it is.
struct CallName<'a>(&'a Option<Calldata>);

impl fmt::Display for CallName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(calldata) => f.write_str(&calldata.summary()),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests;
