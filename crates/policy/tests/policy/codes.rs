//! Every reason is produced by a change of the facts, and every such change ends as it should.

use std::collections::BTreeSet;

use holdfast_chains::{Amount, Asset, ChainId};
use holdfast_policy::{
    ComponentState, Decision, EntryOwner, FrozenSubject, IdentityAttestation, IntentDigest, Outcome,
    ReasonCode, ReleaseStanding, RuleId, TimestampMs, TravelState, Verdict, WalletId, WalletStatus,
    WithdrawalFacts,
};

use crate::world::{
    DAY, DEMO_POLICY, IDENTITY, NOW, SANCTIONED, World, address, approved_by, attestation, customer, eth,
    large_withdrawal, result, session, stepping_up, symbol, usdt, withdrawal,
};
use crate::{exposure, legal_orders, tiers, travel};

type Change = fn(&mut World, &mut WithdrawalFacts);

#[derive(Debug, PartialEq)]
enum End {
    Allowed,
    Held,
    Denied,
}

fn end(decision: &Decision) -> End {
    match decision.outcome {
        Outcome::Allow => End::Allowed,
        Outcome::Hold(_) => End::Held,
        Outcome::Deny => End::Denied,
    }
}

fn with_breaker() -> World {
    let rule = "[[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\nwindow_ms = 1\nmax_denials = 1\n\n[risk]";
    World::with_policy(&DEMO_POLICY.replacen("[risk]", rule, 1))
}

const DENIALS: &[(ReasonCode, Change)] = &[
    (ReasonCode::UnknownWallet, |_, w| w.wallet = WalletId::new("hot-2").unwrap()),
    (ReasonCode::WalletPaused, |world, w| set_status(world, w, WalletStatus::Paused)),
    (ReasonCode::WalletFrozen, |world, w| set_status(world, w, WalletStatus::Frozen)),
    (ReasonCode::UnknownAsset, |_, w| w.asset = symbol("DAI")),
    (ReasonCode::EvaluationFailed, |world, _| drop(world.assets.insert(symbol("USDT"), eth()))),
    (ReasonCode::DestinationSanctioned, |_, w| w.destination = address(SANCTIONED)),
    (ReasonCode::ScreeningListAbsent, |world, _| world.lists.clear()),
    (ReasonCode::DestinationNotWhitelisted, |world, _| world.entries.clear()),
    (ReasonCode::WhitelistEntryPending, |world, _| world.entries[0].not_before = TimestampMs(NOW + 1)),
    (ReasonCode::WhitelistEntryExpired, |world, _| world.entries[0].expires_at = TimestampMs(NOW)),
    (ReasonCode::WhitelistEntryDormant, |world, _| {
        let terms = "[whitelist]\ndormancy_ms = 86400000\n";
        *world = World::with_policy(&DEMO_POLICY.replacen("[whitelist]\n", terms, 1));
    }),
    (ReasonCode::WhitelistEntryRevoked, |world, _| world.entries[0].revoked_at = Some(TimestampMs(NOW))),
    (ReasonCode::WhitelistAssetNotCovered, |world, _| {
        world.entries[0].assets = BTreeSet::from([symbol("ETH")])
    }),
    (ReasonCode::WhitelistOwnerMismatch, |world, _| {
        world.entries[0].owner = EntryOwner::Customer(customer("bob"));
    }),
    (ReasonCode::AboveMaximum, |_, w| w.amount = Amount::from_u128(100_000_000_001)),
    (ReasonCode::WindowLimitReached, |world, w| {
        world.limit_windows("asset = \"USDT\"", "deny_above = \"2000000000\"");
        world.paid(w, 750_000_001);
    }),
    (ReasonCode::WindowLimitReachedSinceApproval, |world, w| {
        *w = approved_by(world, &large_withdrawal(), &["ann", "ben"]);
        world.limit_windows("asset = \"USDT\"", "deny_above = \"2000000000\"");
    }),
    (ReasonCode::TierCeilingReached, |world, _| {
        *world = World::with_policy(&tiers::policy("asset = \"USDT\"\ndeny_above = \"1249999999\""));
    }),
    (ReasonCode::TierCeilingReachedSinceApproval, |world, w| {
        *w = approved_by(world, &large_withdrawal(), &["ann", "ben"]);
        let ceiling = "asset = \"USDT\"\nwindow_ms = 1000\ndeny_above = \"5999999999\"";
        *world = World::with_policy(&tiers::policy(ceiling));
    }),
    (ReasonCode::BreakerTripped, |world, _| {
        *world = with_breaker();
        world.tripped.insert(RuleId::new("fuse").unwrap());
    }),
    (ReasonCode::PriceAbsent, |world, _| {
        world.limit_windows("unit = \"usd_cents\"", "deny_above = \"2000000000\"");
    }),
    (ReasonCode::TimeWindowClosed, |world, _| {
        *world = within("hours = [\"00:00-00:01\"]\noutside = \"deny\"")
    }),
    (ReasonCode::FeeCapTooHigh, |_, w| w.fee_cap = Amount::from_u128(50_000_000_000_000_001)),
    (ReasonCode::ExposureDeny, |world, _| {
        *world = exposure::world(true);
        exposure::report(world, "tracer", 80, NOW);
    }),
    (ReasonCode::WalletFrozen, |world, _| {
        world.legal.freezes.push(legal_orders::freeze(FrozenSubject::Wallet, "fiu"));
    }),
    (ReasonCode::CustomerFrozen, |world, _| {
        world.legal.freezes.push(legal_orders::freeze(FrozenSubject::Customer, "fiu"));
    }),
    (ReasonCode::DestinationFrozen, |world, _| {
        world.legal.freezes.push(legal_orders::freeze(FrozenSubject::Destination, "fiu"));
    }),
    (ReasonCode::LegalOrderRequired, |world, _| {
        world.legal.releases.push(legal_orders::release(ReleaseStanding::Unconfirmed));
    }),
    (ReasonCode::LegalOrderNotConfirmed, |world, w| {
        world.legal.releases.push(legal_orders::release(ReleaseStanding::Unconfirmed));
        w.order = Some("o-2".parse().unwrap());
    }),
    (ReasonCode::LegalOrderMismatch, |_, w| w.order = Some("o-2".parse().unwrap())),
    (ReasonCode::LegalOrderPaid, |world, w| {
        world.legal.releases.push(legal_orders::release(ReleaseStanding::Paid));
        w.order = Some("o-2".parse().unwrap());
    }),
    (ReasonCode::TravelRuleRejected, |world, w| {
        *world = travel::world(travel::BELOW);
        *w = travel::reported(&[("vasp-net", TravelState::Rejected)]);
    }),
    (ReasonCode::RiskDeny, |world, _| {
        *world = World::with_policy(&DEMO_POLICY.replace("new_device = 25", "new_device = 90"));
        world.alice().new_device = true;
    }),
    (ReasonCode::NoGrant, |world, w| {
        w.wallet = WalletId::new("hot-2").unwrap();
        world.wallets.insert(w.wallet.clone(), WalletStatus::Active);
    }),
    (ReasonCode::HoldExpired, |_, w| {
        *w = WithdrawalFacts { requested_at: TimestampMs(NOW - DAY), ..large_withdrawal() };
    }),
    (ReasonCode::EvaluationFailed, |_, w| {
        *w = WithdrawalFacts { requested_at: TimestampMs(u64::MAX), ..large_withdrawal() };
    }),
];

fn set_status(world: &mut World, withdrawal: &WithdrawalFacts, status: WalletStatus) {
    world.wallets.insert(withdrawal.wallet.clone(), status);
}

const HOLDS: &[(ReasonCode, Change)] = &[
    (ReasonCode::AboveAutomaticLimit, |_, w| w.amount = Amount::from_u128(5_000_000_001)),
    (ReasonCode::WindowAboveAutomaticLimit, |world, w| {
        let hold = "hold_above = { amount = \"2000000000\", approvals = { withdrawal-approver = 1 } }";
        world.limit_windows("asset = \"USDT\"", hold);
        world.paid(w, 750_000_001);
    }),
    (ReasonCode::TierAboveAutomaticCeiling, |world, _| {
        let hold = "hold_above = { amount = \"1249999999\", approvals = { withdrawal-approver = 1 } }";
        *world = World::with_policy(&tiers::policy(&format!("asset = \"USDT\"\n{hold}")));
    }),
    (ReasonCode::TierAboveStepUpCeiling, |world, _| {
        let text = tiers::policy("asset = \"USDT\"\nwindow_ms = 1000\nstep_up_above = \"1249999999\"");
        *world = World::with_policy(&text.replacen("[risk]", IDENTITY, 1));
    }),
    (ReasonCode::WindowSumUnknown, |world, w| {
        let hold = "hold_above = { amount = \"2000000000\", approvals = { withdrawal-approver = 1 } }";
        world.limit_windows("unit = \"usd_cents\"", hold);
        world.paid(w, 1);
        world.price("USDT", 1_000_000);
    }),
    (ReasonCode::OutsideTimeWindow, |world, _| {
        *world = within("hours = [\"00:00-00:01\"]\napprovals = { withdrawal-approver = 1 }");
    }),
    (ReasonCode::SessionReportAbsent, |world, _| world.sessions.clear()),
    (ReasonCode::SessionReportStale, |world, _| world.alice().observed_at = TimestampMs(NOW - DAY - 1)),
    (ReasonCode::ExposureAbsent, |world, _| {
        *world = exposure::world(true);
        world.exposures.clear();
    }),
    (ReasonCode::ExposureHold, |world, _| {
        *world = exposure::world(true);
        exposure::report(world, "tracer", 50, NOW);
    }),
    (ReasonCode::TravelRuleAbsent, |world, _| *world = travel::world(travel::BELOW)),
    (ReasonCode::TravelRulePending, |world, w| {
        *world = travel::world(travel::BELOW);
        *w = travel::reported(&[("vasp-net", TravelState::Sent)]);
    }),
    (ReasonCode::RiskHold, |world, _| world.alice().second_factor_reset = true),
    (ReasonCode::AboveStepUpLimit, |world, _| *world = stepping_up("1249999999", 40)),
    (ReasonCode::WindowAboveStepUpLimit, |world, w| {
        let with_identity = DEMO_POLICY.replacen("[risk]", IDENTITY, 1);
        *world = World::with_policy(&with_identity);
        world.limit_windows("asset = \"USDT\"", "step_up_above = \"2000000000\"");
        world.paid(w, 750_000_001);
    }),
    (ReasonCode::RiskStepUp, |world, _| {
        *world = stepping_up("5000000000", 25);
        world.alice().new_device = true;
    }),
];

fn poorly(world: &mut World, w: &mut WithdrawalFacts, change: fn(&mut IdentityAttestation)) {
    *world = stepping_up("0", 40);
    let mut made = attestation();
    change(&mut made);
    w.attestations = vec![made];
}

// Codes that explain a result without being the decision's main reason.
const EXPLANATIONS: &[(ReasonCode, Change)] = &[
    (ReasonCode::GrantOtherWallet, |_, w| w.wallet = WalletId::new("hot-2").unwrap()),
    (ReasonCode::GrantOtherAsset, |_, w| w.asset = symbol("DAI")),
    (ReasonCode::GrantOtherClient, |_, w| w.client = "intruder".parse().unwrap()),
    (ReasonCode::AboveGrantMaximum, |world, _| {
        let grant = "destinations = \"whitelisted\"\nmax_amount = { USDT = \"1249999999\" }";
        *world = World::with_policy(&DEMO_POLICY.replace("destinations = \"whitelisted\"", grant));
    }),
    (ReasonCode::WithinWindowLimit, |world, _| {
        world.limit_windows("unit = \"count\"", "deny_above = \"1\"");
    }),
    (ReasonCode::WithinTierCeiling, |world, _| {
        *world = World::with_policy(&tiers::policy("asset = \"USDT\"\ndeny_above = \"1250000000\""));
    }),
    (ReasonCode::ExposureAcceptable, |world, _| *world = exposure::world(true)),
    (ReasonCode::NotFrozen, |world, _| {
        *world = World::with_policy(&legal_orders::policy("{ a = 1, b = 1 }"));
    }),
    (ReasonCode::LegalOrderConfirmed, |world, w| {
        world.legal.releases.push(legal_orders::release(ReleaseStanding::Confirmed));
        w.order = Some("o-2".parse().unwrap());
    }),
    (ReasonCode::TravelRuleBelowThreshold, |world, _| {
        *world = travel::world("above = { USDT = \"1250000000\" }");
    }),
    (ReasonCode::TravelRuleSatisfied, |world, w| {
        *world = travel::world(travel::BELOW);
        *w = travel::reported(&[("vasp-net", TravelState::Accepted)]);
    }),
    (ReasonCode::ApprovalsMissing, |_, w| *w = large_withdrawal()),
    (ReasonCode::WithinTimeWindow, |world, _| {
        *world = within("hours = [\"00:00-24:00\"]\noutside = \"deny\"")
    }),
    (ReasonCode::ReleasePending, |world, w| {
        *world = World::with_policy(&released());
        *w = large_withdrawal();
    }),
    (ReasonCode::HoldReleased, |world, w| {
        *world = World::with_policy(&released());
        *w = WithdrawalFacts { first_requested_at: TimestampMs(NOW - 1), ..large_withdrawal() };
    }),
    (ReasonCode::NewDevice, |world, _| world.alice().new_device = true),
    (ReasonCode::SecondFactorReset, |world, _| world.alice().second_factor_reset = true),
    (ReasonCode::ListedAddress, |_, w| w.destination = address(SANCTIONED)),
    (ReasonCode::StepUpMissing, |world, _| *world = stepping_up("0", 40)),
    (ReasonCode::StepUpComplete, |world, w| poorly(world, w, |_| {})),
    (ReasonCode::IdentityOtherIntent, |world, w| {
        poorly(world, w, |made| made.intent = IntentDigest::from_bytes([2; 32]));
    }),
    (ReasonCode::IdentityOtherCustomer, |world, w| poorly(world, w, |made| made.customer = customer("bob"))),
    (ReasonCode::IdentityByRequester, |world, w| {
        poorly(world, w, |made| made.provider = "pipeline".parse().unwrap());
    }),
    (ReasonCode::IdentityProviderNotNamed, |world, w| {
        poorly(world, w, |made| made.provider = "sessions".parse().unwrap());
    }),
    (ReasonCode::IdentityMethodNotNamed, |world, w| {
        poorly(world, w, |made| made.method = "email".parse().unwrap());
    }),
    (ReasonCode::IdentityTooOld, |world, w| {
        poorly(world, w, |made| made.observed_at = TimestampMs(NOW - 60_001));
    }),
    (ReasonCode::IdentityScoreTooLow, |world, w| poorly(world, w, |made| made.score = 79)),
    (ReasonCode::BreakerReady, |world, _| *world = with_breaker()),
];

fn within(hours: &str) -> World {
    let rule = format!("[[restriction]]\nid = \"hours\"\ntype = \"time_window\"\n{hours}\n\n[risk]");
    World::with_policy(&DEMO_POLICY.replacen("[risk]", &rule, 1))
}

/// What is above the automatic limit waits a millisecond.
fn released() -> String {
    let people = "approvals = { withdrawal-approver = 2 } }\ndeny_above = \"100000000000\"";
    let time = "timer_ms = 1, at_end = \"release\" }\ndeny_above = \"100000000000\"";
    DEMO_POLICY.replacen(people, time, 1)
}

fn decide(change: Change) -> Decision {
    let (mut world, mut facts) = (World::demo(), withdrawal());
    change(&mut world, &mut facts);
    world.evaluate(&facts)
}

fn codes(decision: &Decision) -> BTreeSet<ReasonCode> {
    let rules = decision.rules.iter().map(|result| result.code);
    let present = decision.risk.components.iter().filter(|part| part.state == ComponentState::Present);
    rules.chain(present.map(|part| part.code)).collect()
}

#[test]
fn standard_withdrawal_is_allowed_by_every_rule() {
    let decision = World::demo().evaluate(&withdrawal());
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(decision.satisfied_hold, None);
    assert_eq!(decision.main_reason(), None);
    let said: Vec<_> =
        decision.rules.iter().map(|result| (result.rule.as_str(), result.code.code())).collect();
    assert_eq!(
        said,
        [
            ("builtin.wallet", "WALLET_ACTIVE"),
            ("builtin.asset", "ASSET_KNOWN"),
            ("sanctions", "DESTINATION_NOT_LISTED"),
            ("whitelist", "DESTINATION_WHITELISTED"),
            ("eth-limit", "NOT_APPLICABLE"),
            ("usdt-limit", "WITHIN_AUTOMATIC_LIMIT"),
            ("mainnet-fee-cap", "FEE_CAP_ACCEPTABLE"),
            ("risk", "SESSION_REPORT_CURRENT"),
            ("risk", "RISK_ACCEPTABLE"),
            ("builtin.grant", "GRANTED"),
            ("hot-payouts", "GRANTED"),
            ("builtin.hold", "NOT_APPLICABLE"),
        ]
    );
}

#[test]
fn every_denying_fact_denies_with_its_own_reason() {
    for (reason, change) in DENIALS {
        let decision = decide(*change);
        assert_eq!((end(&decision), decision.main_reason()), (End::Denied, Some(*reason)), "{decision:#?}");
        assert_eq!(decision.satisfied_hold, None);
    }
}

#[test]
fn every_holding_fact_holds_with_its_own_reason() {
    for (reason, change) in HOLDS {
        let decision = decide(*change);
        assert_eq!((end(&decision), decision.main_reason()), (End::Held, Some(*reason)), "{decision:#?}");
    }
}

#[test]
fn every_code_is_produced_by_some_facts() {
    let mut produced = codes(&World::demo().evaluate(&withdrawal()));
    for (reason, change) in DENIALS.iter().chain(HOLDS).chain(EXPLANATIONS) {
        let codes = codes(&decide(*change));
        assert!(codes.contains(reason), "{reason} not among {codes:?}");
        produced.extend(codes);
    }
    let world = World::demo();
    produced.extend(codes(&world.evaluate(&approved_by(&world, &large_withdrawal(), &["ann", "ben"]))));
    let costly = WithdrawalFacts { asset: symbol("ETH"), amount: Amount::from_u128(1), ..withdrawal() };
    produced.extend(codes(&world.evaluate_own(&costly)));
    let uncapped = DEMO_POLICY.replace("chain_id = 1\n# 0.05", "chain_id = 5\n# 0.05");
    produced.extend(codes(&World::with_policy(&uncapped).evaluate_own(&withdrawal())));
    produced.extend(crate::risk::codes());
    produced.extend(crate::contract_calls::codes());
    assert_eq!(produced, ReasonCode::ALL.iter().copied().collect());
}

#[test]
fn grant_that_does_not_match_is_no_grant() {
    for (reason, change) in &EXPLANATIONS[..4] {
        let decision = decide(*change);
        assert_eq!(end(&decision), End::Denied, "{reason}");
        assert!(decision.reasons().contains(&ReasonCode::NoGrant), "{reason}");
        assert_eq!(result(&decision, "hot-payouts").verdict, Verdict::NotApplicable, "{reason}");
    }
}

#[test]
fn grant_wants_a_whitelisted_destination_even_without_a_whitelist_restriction() {
    let text = DEMO_POLICY.replace("[[restriction]]\nid = \"whitelist\"\ntype = \"whitelist\"\n", "");
    let mut world = World::with_policy(&text);
    world.entries.clear();
    let decision = world.evaluate(&withdrawal());
    assert_eq!((end(&decision), decision.main_reason()), (End::Denied, Some(ReasonCode::NoGrant)));
    assert_eq!(result(&decision, "hot-payouts").code, ReasonCode::DestinationNotWhitelisted);
}

#[test]
fn all_rules_are_reported_also_after_a_denial() {
    let (mut world, mut facts) = (World::demo(), large_withdrawal());
    world.wallets.insert(facts.wallet.clone(), WalletStatus::Paused);
    world.sessions.clear();
    facts.destination = address(SANCTIONED);
    facts.fee_cap = Amount::MAX;
    let decision = world.evaluate(&facts);
    let expected = [
        ReasonCode::WalletPaused,
        ReasonCode::DestinationSanctioned,
        ReasonCode::FeeCapTooHigh,
        ReasonCode::RiskDeny,
    ];
    assert_eq!(decision.reasons(), expected);
    assert_eq!(result(&decision, "usdt-limit").code, ReasonCode::AboveAutomaticLimit);
    assert_eq!(decision.rules.len(), World::demo().evaluate(&withdrawal()).rules.len());
}

#[test]
fn approvals_never_lift_a_denial() {
    let mut world = World::demo();
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    assert_eq!(end(&world.evaluate(&facts)), End::Allowed);
    world.wallets.insert(facts.wallet.clone(), WalletStatus::Paused);
    assert_eq!(end(&world.evaluate(&facts)), End::Denied);
}

#[test]
fn sanctioned_destination_is_denied_although_it_is_whitelisted() {
    let decision =
        World::demo().evaluate(&WithdrawalFacts { destination: address(SANCTIONED), ..withdrawal() });
    assert_eq!(decision.main_reason(), Some(ReasonCode::DestinationSanctioned));
    assert_eq!(result(&decision, "whitelist").code, ReasonCode::DestinationWhitelisted);
    assert_eq!(decision.risk.score, 100);
    assert!(result(&decision, "sanctions").detail.contains("`ofac-eth` (a test, as of 2025-11-01)"));
}

#[test]
fn leaving_the_customer_out_does_not_avoid_the_session_signals() {
    let mut world = World::demo();
    world.sessions.insert(customer("alice"), session(true, true));
    let decision = world.evaluate(&WithdrawalFacts { customer: None, ..withdrawal() });
    assert_eq!(decision.main_reason(), Some(ReasonCode::SessionReportAbsent));
}

#[test]
fn rules_about_another_asset_or_chain_say_nothing() {
    let mut world = World::demo();
    world.assets.insert(symbol("USDT"), Asset { chain_id: ChainId(137), ..usdt() });
    world.entries[0].chain_id = ChainId(137);
    let decision = world.evaluate(&WithdrawalFacts { fee_cap: Amount::MAX, ..withdrawal() });
    assert_eq!(end(&decision), End::Allowed);
    assert_eq!(result(&decision, "mainnet-fee-cap").verdict, Verdict::NotApplicable);
    assert_eq!(result(&decision, "eth-limit").verdict, Verdict::NotApplicable);
}

#[test]
fn whitelist_entry_of_one_chain_is_worthless_on_another() {
    let mut world = World::demo();
    world.assets.insert(symbol("USDT"), Asset { chain_id: ChainId(137), ..usdt() });
    let decision = world.evaluate(&withdrawal());
    assert_eq!(decision.main_reason(), Some(ReasonCode::DestinationNotWhitelisted));
}
