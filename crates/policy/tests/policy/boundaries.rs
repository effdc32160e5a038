//! Limits are exact: to one base unit, one millisecond and one point of risk.

use holdfast_chains::Amount;
use holdfast_policy::{Outcome, ReasonCode, TimestampMs, WithdrawalFacts};

use crate::world::{DAY, DEMO_POLICY, NOW, World, approved_by, large_withdrawal, withdrawal};

fn reason_for_amount(base_units: u128) -> Option<ReasonCode> {
    let facts = WithdrawalFacts { amount: Amount::from_u128(base_units), ..withdrawal() };
    World::demo().evaluate(&facts).main_reason()
}

#[test]
fn automatic_limit_and_maximum_are_exact_to_one_base_unit() {
    assert_eq!(reason_for_amount(5_000_000_000), None);
    assert_eq!(reason_for_amount(5_000_000_001), Some(ReasonCode::AboveAutomaticLimit));
    assert_eq!(reason_for_amount(100_000_000_000), Some(ReasonCode::AboveAutomaticLimit));
    assert_eq!(reason_for_amount(100_000_000_001), Some(ReasonCode::AboveMaximum));
}

#[test]
fn largest_amount_that_exists_is_denied_and_does_not_wrap() {
    let facts = WithdrawalFacts { amount: Amount::MAX, fee_cap: Amount::MAX, ..withdrawal() };
    let reasons = World::demo().evaluate(&facts).reasons();
    assert_eq!(reasons, [ReasonCode::AboveMaximum, ReasonCode::FeeCapTooHigh]);
}

#[test]
fn grant_maximum_is_exact_to_one_base_unit() {
    let grant = |max: &str| format!("destinations = \"whitelisted\"\nmax_amount = {{ USDT = \"{max}\" }}");
    let with = |max| World::with_policy(&DEMO_POLICY.replace("destinations = \"whitelisted\"", &grant(max)));
    assert_eq!(with("1250000000").evaluate(&withdrawal()).main_reason(), None);
    assert_eq!(with("1249999999").evaluate(&withdrawal()).main_reason(), Some(ReasonCode::NoGrant));
}

#[test]
fn fee_cap_is_exact_to_one_wei() {
    let reason = |wei| {
        let facts = WithdrawalFacts { fee_cap: Amount::from_u128(wei), ..withdrawal() };
        World::demo().evaluate(&facts).main_reason()
    };
    assert_eq!(reason(50_000_000_000_000_000), None);
    assert_eq!(reason(50_000_000_000_000_001), Some(ReasonCode::FeeCapTooHigh));
}

#[test]
fn whitelist_entry_starts_and_ends_on_the_millisecond() {
    let mut world = World::demo();
    world.entries[0].not_before = TimestampMs(NOW + 10);
    world.entries[0].expires_at = TimestampMs(NOW + 20);
    let reason = |at| world.evaluate_at(&withdrawal(), at).main_reason();
    assert_eq!(reason(NOW + 9), Some(ReasonCode::WhitelistEntryPending));
    assert_eq!(reason(NOW + 10), None);
    assert_eq!(reason(NOW + 19), None);
    assert_eq!(reason(NOW + 20), Some(ReasonCode::WhitelistEntryExpired));
}

#[test]
fn policy_that_shortens_lives_ends_old_entries_on_the_millisecond() {
    let world =
        World::with_policy(&DEMO_POLICY.replace("max_life_ms = 7_776_000_000", "max_life_ms = 86_400_010"));
    // The entry started a day ago.
    assert_eq!(world.evaluate_at(&withdrawal(), NOW + 9).main_reason(), None);
    assert_eq!(
        world.evaluate_at(&withdrawal(), NOW + 10).main_reason(),
        Some(ReasonCode::WhitelistEntryExpired)
    );
}

#[test]
fn session_report_counts_up_to_its_age_and_not_from_the_future() {
    let reason = |observed_at| {
        let mut world = World::demo();
        world.alice().observed_at = TimestampMs(observed_at);
        world.evaluate(&withdrawal()).main_reason()
    };
    assert_eq!(reason(NOW - DAY - 1), Some(ReasonCode::SessionReportStale));
    assert_eq!(reason(NOW - DAY), None);
    assert_eq!(reason(NOW), None);
    assert_eq!(reason(NOW + 1), Some(ReasonCode::SessionReportAbsent));
    assert_eq!(reason(u64::MAX), Some(ReasonCode::SessionReportAbsent));
}

#[test]
fn stale_or_future_report_adds_nothing_to_the_score_and_is_shown_as_unknown() {
    for observed_at in [0, u64::MAX] {
        let mut world = World::demo();
        world.alice().new_device = true;
        world.alice().observed_at = TimestampMs(observed_at);
        let decision = world.evaluate(&withdrawal());
        assert_eq!(decision.risk.score, 0);
        assert!(matches!(decision.outcome, Outcome::Hold(_)));
    }
}

#[test]
fn risk_thresholds_are_exact_to_one_point() {
    let reason = |weight: u8| {
        let text = DEMO_POLICY.replace("new_device = 25", &format!("new_device = {weight}"));
        let mut world = World::with_policy(&text);
        world.alice().new_device = true;
        world.evaluate(&withdrawal()).main_reason()
    };
    assert_eq!(reason(39), None);
    assert_eq!(reason(40), Some(ReasonCode::RiskHold));
    assert_eq!(reason(89), Some(ReasonCode::RiskHold));
    assert_eq!(reason(90), Some(ReasonCode::RiskDeny));
}

#[test]
fn risk_components_add_up() {
    let mut world = World::demo();
    world.alice().new_device = true;
    assert_eq!(world.evaluate(&withdrawal()).risk.score, 25);
    world.alice().second_factor_reset = true;
    let decision = world.evaluate(&withdrawal());
    assert_eq!(decision.risk.score, 70);
    assert_eq!(decision.main_reason(), Some(ReasonCode::RiskHold));
}

#[test]
fn hold_is_denied_from_its_deadline_on() {
    let world = World::demo();
    let facts = large_withdrawal();
    assert_eq!(
        world.evaluate_at(&facts, NOW + DAY - 60_001).main_reason(),
        Some(ReasonCode::AboveAutomaticLimit)
    );
    let mut world = world;
    world.alice().observed_at = TimestampMs(NOW + DAY - 1);
    assert_eq!(world.evaluate_at(&facts, NOW + DAY - 1).main_reason(), Some(ReasonCode::AboveAutomaticLimit));
    assert_eq!(world.evaluate_at(&facts, NOW + DAY).main_reason(), Some(ReasonCode::HoldExpired));
}

#[test]
fn deadline_counts_from_the_request_and_does_not_move_with_later_evaluations() {
    let world = World::demo();
    for at in [NOW, NOW + 1_000, NOW + DAY / 2] {
        let decision = world.evaluate_at(&large_withdrawal(), at);
        assert_eq!(decision.hold().unwrap().deadline, TimestampMs(NOW + DAY));
    }
}

#[test]
fn approvals_given_in_time_still_count_after_the_deadline_until_they_expire() {
    let mut world = World::demo();
    let mut facts = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    let end = NOW + 2 * DAY;
    facts.approvals[0].expires_at = TimestampMs(end);
    world.alice().observed_at = TimestampMs(end - 1);
    assert_eq!(world.evaluate_at(&facts, end - 1).outcome, Outcome::Allow);
    assert_eq!(world.evaluate_at(&facts, end).main_reason(), Some(ReasonCode::HoldExpired));
}
