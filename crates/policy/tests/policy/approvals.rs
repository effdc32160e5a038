//! Attacks on the counting of approvals.

use holdfast_policy::{Decision, OfficerId, Outcome, ReasonCode, TimestampMs, WithdrawalFacts};

use crate::world::{APPROVER, NOW, World, approval, approved_by, large_withdrawal, result, withdrawal};

fn with(officers: &[&str]) -> (World, WithdrawalFacts) {
    let world = World::demo();
    let facts = approved_by(&world, &large_withdrawal(), officers);
    (world, facts)
}

fn assert_still_held(decision: &Decision, counted: usize) {
    assert!(decision.hold().is_some(), "{decision:#?}");
    let report = result(decision, "builtin.hold");
    assert_eq!(report.code, ReasonCode::ApprovalsMissing);
    assert!(report.detail.starts_with(&format!("{counted} counted")), "{}", report.detail);
}

#[test]
fn two_different_officers_satisfy_the_hold() {
    let (world, facts) = with(&["ann", "ben"]);
    assert_eq!(world.evaluate(&facts).outcome, Outcome::Allow);
}

#[test]
fn one_officer_is_not_enough() {
    let (world, facts) = with(&["ann"]);
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn same_officer_twice_counts_once() {
    let (world, facts) = with(&["ann", "ann", "ann"]);
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn officer_without_the_role_does_not_count() {
    let (world, mut facts) = with(&["ann", "ben"]);
    facts.approvals[1].roles.clear();
    assert_still_held(&world.evaluate(&facts), 1);
    facts.approvals[1].roles = ["auditor".parse().unwrap()].into();
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn approval_of_another_hold_does_not_count() {
    let (mut world, facts) = with(&["ann", "ben"]);
    let mut swapped = facts.clone();
    world.sessions.clear();
    swapped.approvals[0].hold = world.evaluate(&withdrawal()).hold().unwrap().digest();
    assert_still_held(&World::demo().evaluate(&swapped), 1);
}

#[test]
fn expired_approval_does_not_count_from_its_millisecond_on() {
    let (world, mut facts) = with(&["ann", "ben"]);
    facts.approvals[0].expires_at = TimestampMs(NOW + 1);
    assert_eq!(world.evaluate_at(&facts, NOW).outcome, Outcome::Allow);
    assert_still_held(&world.evaluate_at(&facts, NOW + 1), 1);
}

#[test]
fn officer_who_stands_behind_the_request_does_not_count() {
    let (world, mut facts) = with(&["ann", "ben"]);
    facts.requesters.insert(OfficerId::new("ben").unwrap());
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn officer_with_the_name_of_the_client_does_not_count() {
    let (world, facts) = with(&["ann", "pipeline"]);
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn officer_with_several_roles_in_several_approvals_fills_one_role() {
    let (world, mut facts) = with(&["ann"]);
    let hold = facts.approvals[0].hold;
    facts.approvals.push(approval("ann", &["auditor", APPROVER], hold));
    assert_still_held(&world.evaluate(&facts), 1);
}

#[test]
fn more_approvals_than_needed_record_only_those_that_fill_a_role() {
    let (world, facts) = with(&["ann", "ben", "cem", "dan"]);
    let decision = world.evaluate(&facts);
    assert_eq!(decision.satisfied_hold.unwrap().approvals.len(), 2);
}
