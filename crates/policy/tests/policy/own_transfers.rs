//! Transfers of a wallet to itself need no whitelist entry, and still cannot burn the wallet in fees.

use holdfast_chains::Amount;
use holdfast_policy::{Decision, Outcome, ReasonCode, WalletId, WalletStatus, WithdrawalFacts};

use crate::world::{DEMO_POLICY, SANCTIONED, World, address, result, symbol, withdrawal};

/// To an address that no entry lists and a screening list names: no other rule may be asked.
fn sweep() -> WithdrawalFacts {
    WithdrawalFacts { destination: address(SANCTIONED), amount: Amount::MAX, customer: None, ..withdrawal() }
}

fn of_eth(amount: u128) -> WithdrawalFacts {
    WithdrawalFacts { asset: symbol("ETH"), amount: Amount::from_u128(amount), ..sweep() }
}

fn reasons(decision: &Decision) -> Vec<ReasonCode> {
    assert!(decision.hold().is_none(), "it never holds");
    decision.reasons()
}

#[test]
fn sweep_is_allowed_and_every_rule_is_reported() {
    let decision = World::demo().evaluate_own(&sweep());
    assert_eq!(decision.outcome, Outcome::Allow);
    for rule in ["whitelist", "sanctions", "usdt-limit", "risk"] {
        assert_eq!(result(&decision, rule).code, ReasonCode::NotApplicable, "{rule}");
    }
    assert_eq!(result(&decision, "mainnet-fee-cap").code, ReasonCode::FeeCapAcceptable);
    assert_eq!(decision.risk.score, 0);
}

#[test]
fn fee_cap_of_the_policy_binds_to_one_wei() {
    let with = |wei| WithdrawalFacts { fee_cap: Amount::from_u128(wei), ..sweep() };
    let decide = |wei| reasons(&World::demo().evaluate_own(&with(wei)));
    assert_eq!(decide(50_000_000_000_000_000), []);
    assert_eq!(decide(50_000_000_000_000_001), [ReasonCode::FeeCapTooHigh]);
}

#[test]
fn without_a_fee_cap_on_the_chain_nothing_moves() {
    for policy in [
        DEMO_POLICY.replace("chain_id = 1\n# 0.05", "chain_id = 5\n# 0.05"),
        DEMO_POLICY.replace(
            "type = \"fee_cap\"\nchain_id = 1\n# 0.05 ETH for one transaction.\nmax = \"50000000000000000\"",
            "type = \"whitelist\"",
        ),
    ] {
        assert_ne!(policy, DEMO_POLICY);
        let decision = World::with_policy(&policy).evaluate_own(&sweep());
        assert_eq!(reasons(&decision), [ReasonCode::FeeCapAbsent]);
    }
}

#[test]
fn native_sweep_may_not_cost_more_than_it_moves() {
    let fee = 10_000_000_000_000_000;
    assert_eq!(reasons(&World::demo().evaluate_own(&of_eth(fee))), []);
    assert_eq!(reasons(&World::demo().evaluate_own(&of_eth(fee - 1))), [ReasonCode::FeeAboveAmount]);
    assert_eq!(reasons(&World::demo().evaluate_own(&of_eth(0))), [], "moves nothing: only uses up a nonce");
    let token = WithdrawalFacts { amount: Amount::from_u128(1), ..sweep() };
    assert_eq!(
        reasons(&World::demo().evaluate_own(&token)),
        [],
        "units of a token are not compared with wei"
    );
}

#[test]
fn paused_frozen_and_unknown_wallets_and_assets_are_denied() {
    let mut world = World::demo();
    let wallet = WalletId::new("hot-1").unwrap();
    for (status, code) in
        [(WalletStatus::Paused, ReasonCode::WalletPaused), (WalletStatus::Frozen, ReasonCode::WalletFrozen)]
    {
        world.wallets.insert(wallet.clone(), status);
        assert_eq!(reasons(&world.evaluate_own(&sweep())), [code]);
    }
    world.wallets.clear();
    assert_eq!(reasons(&world.evaluate_own(&sweep())), [ReasonCode::UnknownWallet]);
    let unknown = WithdrawalFacts { asset: symbol("DOGE"), ..sweep() };
    assert_eq!(World::demo().evaluate_own(&unknown).main_reason(), Some(ReasonCode::UnknownAsset));
}
