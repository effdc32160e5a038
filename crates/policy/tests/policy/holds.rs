//! What a hold requires, and that its digest changes whenever its reasons do.

use holdfast_policy::{Decision, HoldReason, Outcome, ReasonCode, RoleName, RuleId};

use crate::world::{DEMO_POLICY, World, approved_by, large_withdrawal, withdrawal};

fn reason(rule: &str, code: ReasonCode, measure: Option<&str>) -> HoldReason {
    HoldReason { rule: RuleId::new(rule).unwrap(), code, measure: measure.map(ToOwned::to_owned) }
}

#[test]
fn required_approvals_are_the_maximum_for_each_role_and_not_the_sum() {
    let text = DEMO_POLICY.replace(
        "deny_at = 90\napprovals = { withdrawal-approver = 2 }",
        "deny_at = 90\napprovals = { withdrawal-approver = 1, compliance = 3 }",
    );
    let mut world = World::with_policy(&text);
    world.sessions.clear();
    let decision = world.evaluate(&large_withdrawal());
    let hold = decision.hold().unwrap();
    let required: Vec<_> = hold.approvals.iter().map(|(role, count)| (role.as_str(), *count)).collect();
    assert_eq!(required, [("compliance", 3), ("withdrawal-approver", 2)]);
    assert_eq!(hold.owner, RoleName::new("withdrawal-approver").unwrap());
}

#[test]
fn hold_names_every_reason_and_what_raised_the_score() {
    let mut world = World::demo();
    world.alice().second_factor_reset = true;
    let decision = world.evaluate(&large_withdrawal());
    let reasons: Vec<_> = decision.hold().unwrap().reasons.iter().cloned().collect();
    assert_eq!(
        reasons,
        [
            reason("risk", ReasonCode::RiskHold, Some("from-40")),
            reason("risk", ReasonCode::SecondFactorReset, None),
            reason("usdt-limit", ReasonCode::AboveAutomaticLimit, Some("above-5000000000")),
        ]
    );
    assert_eq!(decision.reasons(), [ReasonCode::AboveAutomaticLimit, ReasonCode::RiskHold]);
}

#[test]
fn approvals_of_a_hold_do_not_count_when_a_new_reason_appears() {
    let mut world = World::demo();
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    assert_eq!(world.evaluate(&facts).outcome, Outcome::Allow);
    world.alice().second_factor_reset = true;
    assert!(world.evaluate(&facts).hold().is_some());
}

#[test]
fn higher_score_from_another_signal_is_a_new_reason_too() {
    let mut world = World::demo();
    world.alice().second_factor_reset = true;
    let facts = approved_by(&world, &withdrawal(), &["ann", "ben"]);
    assert_eq!(world.evaluate(&facts).outcome, Outcome::Allow);
    world.alice().new_device = true;
    assert!(world.evaluate(&facts).hold().is_some(), "same rule and code, one more signal");
}

/// The same reason, the same approvals, and more of what was approved.
#[test]
fn approvals_are_not_carried_into_a_higher_band_that_wants_the_same_people() {
    let bands = |second: &str| {
        DEMO_POLICY.replacen(
            "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }",
            &format!("hold_above = [{{ amount = \"5000000000\", approvals = {{ withdrawal-approver = 2 }} }}, {{ amount = \"{second}\", approvals = {{ withdrawal-approver = 2 }} }}]"),
            1,
        )
    };
    let world = World::with_policy(&bands("7000000000"));
    let approved = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    assert_eq!(world.evaluate(&approved).outcome, Outcome::Allow);
    // A policy by which the same amount is in the second band
    let stricter = World::with_policy(&bands("5500000000"));
    assert!(stricter.evaluate(&approved).hold().is_some());
    // The score climbs into the next band, by a weight and not by a new signal.
    let scores = |weight: u8| {
        let text = DEMO_POLICY.replace("hold_at = 40", "hold_at = [{ score = 40, approvals = { withdrawal-approver = 2 } }, { score = 60, approvals = { withdrawal-approver = 2 } }]");
        let mut world = World::with_policy(
            &text.replace("second_factor_reset = 45", &format!("second_factor_reset = {weight}")),
        );
        world.alice().second_factor_reset = true;
        world
    };
    let approved = approved_by(&scores(45), &withdrawal(), &["ann", "ben"]);
    assert_eq!(scores(45).evaluate(&approved).outcome, Outcome::Allow);
    assert_eq!(scores(59).evaluate(&approved).outcome, Outcome::Allow, "the policy sees no difference");
    assert!(scores(60).evaluate(&approved).hold().is_some());
}

#[test]
fn stricter_policy_asks_again() {
    let world = World::demo();
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben", "cem"]);
    let stricter =
        World::with_policy(&DEMO_POLICY.replace("withdrawal-approver = 2", "withdrawal-approver = 3"));
    assert!(stricter.evaluate(&facts).hold().is_some());
}

#[test]
fn digest_does_not_change_with_time_while_the_reasons_stay() {
    let world = World::demo();
    let digest = |at| world.evaluate_at(&large_withdrawal(), at).hold().unwrap().digest();
    assert_eq!(digest(crate::world::NOW), digest(crate::world::NOW + 3_600_000));
}

#[test]
fn satisfied_hold_is_recorded_in_the_decision() {
    let world = World::demo();
    let held = world.evaluate(&large_withdrawal()).hold().unwrap().clone();
    let decision = world.evaluate(&approved_by(&world, &large_withdrawal(), &["ben", "ann"]));
    let satisfied = decision.satisfied_hold.clone().unwrap();
    assert_eq!(satisfied.requirement, held);
    let officers: Vec<_> = satisfied.approvals.iter().map(|counted| counted.officer.as_str()).collect();
    assert_eq!(officers, ["ann", "ben"]);
    assert!(decision.is_allowed());
    assert_eq!(decision.main_reason(), None);
}

#[test]
fn stored_form_of_a_decision_is_fixed() {
    let world = World::demo();
    let mut decision = world.evaluate(&approved_by(&world, &large_withdrawal(), &["ann", "ben"]));
    let stored = include_str!("../../fixtures/decision-v1.json");
    let read: Decision = serde_json::from_str(stored).unwrap();
    // Only the hash may move: it follows every comment in the demo's policy.
    decision.policy_hash = read.policy_hash;
    assert_eq!(read, decision);
    assert_eq!(format!("{}\n", serde_json::to_string_pretty(&decision).unwrap()), stored);
    let with_more = stored.replacen("{", "{\"surprise\": 1,", 1);
    assert!(serde_json::from_str::<Decision>(&with_more).is_err());
}
