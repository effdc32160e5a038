//! Bands of amounts and scores: more never needs less, and to one base unit.

use holdfast_chains::Amount;
use holdfast_policy::{Outcome, ReasonCode, RequiredApprovals, WithdrawalFacts};

use crate::world::{DEMO_POLICY, World, withdrawal};

const ONE_BAND: &str = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }";
const THREE_BANDS: &str = "hold_above = [
  { amount = \"1000\", approvals = { withdrawal-approver = 1 } },
  { amount = \"2000\", approvals = { withdrawal-approver = 2 } },
  { amount = \"3000\", approvals = { compliance = 1 } },
]";

fn needs(world: &World, base_units: u128) -> Vec<(String, u32)> {
    let facts = WithdrawalFacts { amount: Amount::from_u128(base_units), ..withdrawal() };
    let decision = world.evaluate(&facts);
    let none = RequiredApprovals::new();
    let approvals = decision.hold().map_or(&none, |hold| &hold.approvals);
    approvals.iter().map(|(role, count)| (role.to_string(), *count)).collect()
}

fn of(approver: u32, compliance: u32) -> Vec<(String, u32)> {
    [("compliance", compliance), ("withdrawal-approver", approver)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(role, count)| (role.to_owned(), count))
        .collect()
}

#[test]
fn each_band_begins_one_base_unit_above_its_amount_and_adds_to_those_below_it() {
    let world = World::with_policy(&DEMO_POLICY.replacen(ONE_BAND, THREE_BANDS, 1));
    for (amount, needed) in [
        (1000, of(0, 0)),
        (1001, of(1, 0)),
        (2000, of(1, 0)),
        (2001, of(2, 0)),
        (3000, of(2, 0)),
        (3001, of(2, 1)),
    ] {
        assert_eq!(needs(&world, amount), needed, "{amount}");
    }
}

#[test]
fn approvals_for_a_lower_band_do_not_lift_a_higher_one() {
    let lower = World::with_policy(&DEMO_POLICY.replacen(ONE_BAND, THREE_BANDS, 1));
    let facts = |amount| WithdrawalFacts { amount: Amount::from_u128(amount), ..withdrawal() };
    let mut approved = crate::world::approved_by(&lower, &facts(1001), &["ann", "ben"]);
    assert_eq!(lower.evaluate(&approved).outcome, Outcome::Allow);
    approved.amount = Amount::from_u128(2001);
    assert!(lower.evaluate(&approved).hold().is_some());
}

#[test]
fn windows_have_bands_too() {
    let mut world = World::demo();
    world.limit_windows("asset = \"USDT\"", THREE_BANDS);
    assert_eq!(needs(&world, 2000), of(1, 0));
    world.paid(&withdrawal(), 1);
    assert_eq!(needs(&world, 2000), of(2, 0));
    assert_eq!(needs(&world, 2999), of(2, 0));
    assert_eq!(needs(&world, 3000), of(2, 1));
}

#[test]
fn scores_have_bands_too_and_no_report_needs_what_the_rule_says_for_that() {
    let bands = "hold_at = [{ score = 25, approvals = { desk = 1 } }, { score = 70, approvals = { compliance = 1 } }]";
    let mut world = World::with_policy(&DEMO_POLICY.replacen("hold_at = 40", bands, 1));
    let roles = |world: &World| needs(world, 1).into_iter().map(|(role, _)| role).collect::<Vec<_>>();
    assert!(roles(&world).is_empty());
    world.alice().new_device = true;
    assert_eq!(roles(&world), ["desk"]);
    world.alice().second_factor_reset = true;
    assert_eq!(roles(&world), ["compliance", "desk"]);
    world.sessions.clear();
    assert_eq!(roles(&world), ["withdrawal-approver"]);
}

#[test]
fn sum_that_nobody_knows_needs_every_band() {
    let mut world = World::demo();
    world.limit_windows("unit = \"usd_cents\"", THREE_BANDS);
    let decision = world.evaluate(&withdrawal());
    assert_eq!(decision.main_reason(), Some(ReasonCode::PriceAbsent));
    assert_eq!(needs(&world, 1), of(2, 1));
}
