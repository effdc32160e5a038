//! The step-up: what asks for it, what ends it, and that nothing else does.

use holdfast_chains::Amount;
use holdfast_policy::{
    Decision, IdentityAttestation, IntentDigest, Outcome, ReasonCode, TimestampMs, Verdict, WithdrawalFacts,
};

use crate::world::{
    DAY, DEMO_POLICY, IDENTITY, NOW, World, approved_by, attestation, customer, large_withdrawal, result,
    stepping_up, withdrawal,
};

fn with(attestations: &[IdentityAttestation]) -> WithdrawalFacts {
    WithdrawalFacts { attestations: attestations.to_vec(), ..withdrawal() }
}

fn step_up_code(decision: &Decision) -> ReasonCode {
    result(decision, "builtin.step-up").code
}

#[test]
fn amount_above_the_step_up_limit_waits_for_the_customer_and_for_nobody_else() {
    let decide = |limit: &str| stepping_up(limit, 40).evaluate(&withdrawal());
    assert_eq!(decide("1250000000").outcome, Outcome::Allow, "the limit is inclusive");
    let decision = decide("1249999999");
    let hold = decision.hold().unwrap();
    assert!(hold.step_up && hold.approvals.is_empty());
    assert_eq!(result(&decision, "usdt-limit").verdict, Verdict::StepUp);
    assert_eq!(result(&decision, "builtin.hold").code, ReasonCode::NotApplicable);
    assert_eq!(step_up_code(&decision), ReasonCode::StepUpMissing);
    assert_eq!(decision.main_reason(), Some(ReasonCode::AboveStepUpLimit));
}

#[test]
fn score_reaches_the_step_up_before_the_hold() {
    let decide = |step_up_at: u8| {
        let mut world = stepping_up("5000000000", step_up_at);
        world.alice().new_device = true;
        world.evaluate(&withdrawal())
    };
    assert_eq!(decide(26).outcome, Outcome::Allow);
    let decision = decide(25);
    let reasons: Vec<_> = decision.hold().unwrap().reasons.iter().map(|reason| reason.code).collect();
    assert!(reasons.contains(&ReasonCode::RiskStepUp) && reasons.contains(&ReasonCode::NewDevice));
}

#[test]
fn attestation_of_exactly_this_withdrawal_ends_the_step_up_and_is_in_the_decision() {
    let decision = stepping_up("0", 40).evaluate(&with(&[attestation()]));
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(step_up_code(&decision), ReasonCode::StepUpComplete);
    assert_eq!(result(&decision, "builtin.hold").code, ReasonCode::NotApplicable, "nobody approved it");
    assert_eq!(decision.satisfied_hold.unwrap().step_up, Some(attestation()));
}

#[test]
fn attestation_that_is_for_something_else_or_not_good_enough_ends_nothing() {
    let good = attestation();
    let by = |name: &str| IdentityAttestation { provider: name.parse().unwrap(), ..attestation() };
    let other = IntentDigest::from_bytes([2; 32]);
    for (wrong, code) in [
        (IdentityAttestation { intent: other, ..good.clone() }, ReasonCode::IdentityOtherIntent),
        (
            IdentityAttestation { customer: customer("bob"), ..good.clone() },
            ReasonCode::IdentityOtherCustomer,
        ),
        (by("pipeline"), ReasonCode::IdentityByRequester),
        (by("sessions"), ReasonCode::IdentityProviderNotNamed),
        (
            IdentityAttestation { method: "email".parse().unwrap(), ..good.clone() },
            ReasonCode::IdentityMethodNotNamed,
        ),
        (IdentityAttestation { score: 79, ..good }, ReasonCode::IdentityScoreTooLow),
    ] {
        let decision = stepping_up("0", 40).evaluate(&with(&[wrong]));
        assert!(decision.hold().is_some(), "{code}");
        assert_eq!(step_up_code(&decision), code);
    }
}

#[test]
fn attestation_counts_up_to_its_greatest_age_and_not_a_millisecond_longer() {
    let world = stepping_up("0", 40);
    let facts = with(&[attestation()]);
    assert_eq!(world.evaluate_at(&facts, NOW + 60_000).outcome, Outcome::Allow);
    let late = world.evaluate_at(&facts, NOW + 60_001);
    assert_eq!(step_up_code(&late), ReasonCode::IdentityTooOld);
    assert!(late.hold().is_some());
}

#[test]
fn one_good_attestation_is_enough_beside_poor_ones() {
    let poor = IdentityAttestation { score: 1, observed_at: TimestampMs(NOW), ..attestation() };
    let good = IdentityAttestation { observed_at: TimestampMs(NOW - 1), ..attestation() };
    let decision = stepping_up("0", 40).evaluate(&with(&[poor, good.clone()]));
    assert_eq!(decision.satisfied_hold.unwrap().step_up, Some(good));
}

#[test]
fn hold_of_a_rule_that_steps_up_needs_both_and_neither_replaces_the_other() {
    let world = stepping_up("1000000000", 40);
    let held = world.evaluate(&large_withdrawal());
    let hold = held.hold().unwrap();
    assert!(hold.step_up && hold.approvals.len() == 1);
    let approved = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    let people = world.evaluate(&approved);
    assert!(people.hold().is_some(), "approvals without the step-up");
    assert_eq!(result(&people, "builtin.hold").code, ReasonCode::ApprovalsComplete);
    let attested = WithdrawalFacts { attestations: vec![attestation()], ..large_withdrawal() };
    assert!(world.evaluate(&attested).hold().is_some(), "the step-up without approvals");
    let both = WithdrawalFacts { attestations: vec![attestation()], ..approved };
    assert_eq!(world.evaluate(&both).outcome, Outcome::Allow);
}

#[test]
fn missing_session_report_does_not_spare_the_step_up() {
    let mut world = stepping_up("5000000000", 25);
    world.sessions.clear();
    let approved = approved_by(&world, &withdrawal(), &["ann", "ben"]);
    let decision = world.evaluate(&approved);
    assert!(decision.hold().unwrap().step_up);
    assert_eq!(step_up_code(&decision), ReasonCode::StepUpMissing);
}

#[test]
fn attestation_leaves_the_hold_that_officers_approve_the_same() {
    let world = stepping_up("1000000000", 40);
    let attested = WithdrawalFacts { attestations: vec![attestation()], ..large_withdrawal() };
    let digest = |facts: &WithdrawalFacts| world.evaluate(facts).hold().unwrap().digest();
    assert_eq!(digest(&attested), digest(&large_withdrawal()));
}

#[test]
fn step_up_that_nobody_ends_expires_like_every_hold() {
    let facts = WithdrawalFacts { requested_at: TimestampMs(NOW - DAY), ..withdrawal() };
    let decision = stepping_up("0", 40).evaluate(&facts);
    assert_eq!(decision.main_reason(), Some(ReasonCode::HoldExpired));
}

#[test]
fn window_whose_sum_nobody_knows_steps_up_if_it_can_do_no_more() {
    let mut world = World::with_policy(&DEMO_POLICY.replacen("[risk]", IDENTITY, 1));
    world.limit_windows("unit = \"usd_cents\"", "step_up_above = \"100\"");
    let decision = world.evaluate(&withdrawal());
    assert_eq!(result(&decision, "window").code, ReasonCode::PriceAbsent);
    assert!(decision.hold().unwrap().step_up);
}

#[test]
fn amounts_beyond_the_maximum_are_denied_whoever_attests() {
    let facts = WithdrawalFacts { amount: Amount::MAX, ..with(&[attestation()]) };
    assert_eq!(stepping_up("0", 0).evaluate(&facts).outcome, Outcome::Deny);
}
