//! Owns the rules that no document can leave out: the wallet may pay, the asset is registered, and the facts could be read.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{decision::RuleKind, facts::WalletStatus, ids::RuleId, reason::ReasonCode};

pub(super) fn wallet<'a>(case: &Case<'a>) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Wallet, rule: &RuleId::builtin("wallet") };
    let wallet = &case.withdrawal.wallet;
    match case.wallet {
        Some(WalletStatus::Active) => {
            speaker.passes(ReasonCode::WalletActive, format!("wallet `{wallet}` is active"))
        }
        // INVARIANT (G4): a pause that is in the log binds every evaluation after it.
        Some(WalletStatus::Paused) => {
            speaker.denies(ReasonCode::WalletPaused, format!("wallet `{wallet}` is paused"))
        }
        Some(WalletStatus::Frozen) => {
            speaker.denies(ReasonCode::WalletFrozen, format!("wallet `{wallet}` is frozen"))
        }
        None => speaker.denies(ReasonCode::UnknownWallet, format!("no active wallet `{wallet}`")),
    }
}

pub(super) fn asset<'a>(case: &Case<'a>) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Asset, rule: &RuleId::builtin("asset") };
    let symbol = &case.withdrawal.asset;
    match case.asset {
        Ok(asset) => {
            speaker.passes(ReasonCode::AssetKnown, format!("asset `{symbol}` on chain {}", asset.chain_id))
        }
        Err(ReasonCode::UnknownAsset) => {
            speaker.denies(ReasonCode::UnknownAsset, format!("asset `{symbol}` is not in the registry"))
        }
        Err(code) => speaker.denies(code, format!("the registry answers with another asset than `{symbol}`")),
    }
}

/// A fact that exists could not be read, so nobody knows what the rules would have said.
pub(super) fn unreadable<'a>() -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::Risk, rule: &RuleId::builtin("facts") };
    speaker.denies(ReasonCode::EvaluationFailed, "a fact that is kept could not be read")
}
