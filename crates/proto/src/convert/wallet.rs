//! Wallets towards the wire.

use holdfast_chains::{Asset, ChainId};
use holdfast_ledger::{PauseRecord, Wallet, WalletProposal};
use holdfast_policy::NodeId;

use crate::v1;

/// A wallet with a key; `assets` is the registry.
pub fn wallet(wallet: &Wallet, assets: &[Asset]) -> v1::Wallet {
    let state = if wallet.is_paused() { v1::WalletState::Paused } else { v1::WalletState::Active };
    v1::Wallet {
        id: wallet.id.to_string(),
        state: state.into(),
        engine: wallet.engine.clone(),
        threshold: wallet.t.into(),
        share_count: count(&wallet.nodes),
        epoch: Some(wallet.epoch),
        public_key: wallet.public_key.as_bytes().to_vec(),
        address: wallet.address.to_string(),
        chain_ids: chain_ids(assets),
        nodes: wallet.nodes.iter().map(NodeId::to_string).collect(),
        pauses: wallet.pauses.iter().map(pause).collect(),
    }
}

/// A wallet whose key ceremony is approved and not finished.
pub fn wallet_in_creation(proposal: &WalletProposal, assets: &[Asset]) -> v1::Wallet {
    v1::Wallet {
        id: proposal.wallet.to_string(),
        state: v1::WalletState::Creating.into(),
        engine: proposal.engine.clone(),
        threshold: proposal.t.into(),
        share_count: proposal.n.into(),
        chain_ids: chain_ids(assets),
        nodes: proposal.nodes.iter().map(NodeId::to_string).collect(),
        ..v1::Wallet::default()
    }
}

/// A wallet that is paused, and why; `None` if it is not.
pub fn paused_wallet(wallet: &Wallet) -> Option<v1::PausedWallet> {
    let pauses = wallet.pauses.iter().map(pause).collect();
    wallet.is_paused().then(|| v1::PausedWallet { wallet_id: wallet.id.to_string(), pauses })
}

fn pause(record: &PauseRecord) -> v1::WalletPause {
    v1::WalletPause {
        statement_hash: record.statement.as_bytes().to_vec(),
        officer: record.by.officer().map(ToString::to_string).unwrap_or_default(),
        position: Some(v1::LogPosition { index: record.index, time_ms: record.time.0 }),
        breaker: record.by.breaker().map(|trip| v1::BreakerTrip {
            rule: trip.rule.to_string(),
            policy_version: trip.policy_version.0,
            withdrawal_id: trip.withdrawal.to_string(),
            cause: trip.cause.to_string(),
        }),
    }
}

fn chain_ids(assets: &[Asset]) -> Vec<u64> {
    let ids: std::collections::BTreeSet<ChainId> = assets.iter().map(|asset| asset.chain_id).collect();
    ids.into_iter().map(|id| id.0).collect()
}

fn count(nodes: &[NodeId]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}
