//! Timers of holds: what time rejects, what it releases, and that it releases nothing that somebody must look at.

use holdfast_policy::{
    Decision, Outcome, ReasonCode, RoleName, SessionSignals, TimestampMs, Verdict, WithdrawalFacts,
};

use crate::world::{
    APPROVER, DAY, DEMO_POLICY, NOW, World, approval, approved_by, customer, large_withdrawal, result,
    session, withdrawal,
};

const BAND: &str = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }";
const HOUR: u64 = 3_600_000;

/// The demo with another band for USDT, and a session report that stays young.
fn with_band(band: &str) -> World {
    let mut world = World::with_policy(&DEMO_POLICY.replacen(BAND, &format!("hold_above = {band}"), 1));
    let later = SessionSignals { observed_at: TimestampMs(NOW), ..session(false, false) };
    world.sessions.insert(customer("alice"), later);
    world
}

fn released_after(band_above: &str, ms: u64) -> String {
    format!("{{ amount = \"{band_above}\", timer_ms = {ms}, at_end = \"release\" }}")
}

fn cooling_off() -> World {
    with_band(&released_after("5000000000", HOUR))
}

fn said(decision: &Decision) -> (Option<ReasonCode>, ReasonCode) {
    (decision.main_reason(), result(decision, "builtin.hold").code)
}

#[test]
fn pure_delay_needs_nobody_and_ends_on_the_millisecond() {
    let world = cooling_off();
    let decision = world.evaluate_at(&large_withdrawal(), NOW + HOUR - 1);
    let hold = decision.hold().unwrap();
    assert!(hold.approvals.is_empty());
    assert_eq!((hold.release_at, hold.lapses_at()), (Some(TimestampMs(NOW + HOUR)), None));
    assert_eq!(said(&decision), (Some(ReasonCode::AboveAutomaticLimit), ReasonCode::ReleasePending));
    let decision = world.evaluate_at(&large_withdrawal(), NOW + HOUR);
    assert!(decision.is_allowed());
    assert_eq!(said(&decision), (None, ReasonCode::HoldReleased));
    let satisfied = decision.satisfied_hold.unwrap();
    assert_eq!(
        (satisfied.requirement.release_at, satisfied.approvals),
        (Some(TimestampMs(NOW + HOUR)), vec![])
    );
}

#[test]
fn nobody_ends_a_pure_delay_sooner() {
    let world = cooling_off();
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben", "cem"]);
    assert!(world.evaluate(&facts).hold().is_some());
}

#[test]
fn people_end_a_delay_sooner_where_the_rule_names_them() {
    let band =
        released_after("5000000000", HOUR).replace("timer", "approvals = { withdrawal-approver = 1 }, timer");
    let world = with_band(&band);
    assert_eq!(said(&world.evaluate(&large_withdrawal())).1, ReasonCode::ReleasePending);
    let facts = approved_by(&world, &large_withdrawal(), &["ann"]);
    let decision = world.evaluate(&facts);
    assert!(decision.is_allowed());
    assert_eq!(said(&decision).1, ReasonCode::ApprovalsComplete);
    assert_eq!(decision.satisfied_hold.unwrap().requirement.release_at, None, "it rests on people alone");
    assert!(world.evaluate_at(&large_withdrawal(), NOW + HOUR).is_allowed());
}

#[test]
fn release_by_time_rests_on_nobody_even_if_one_of_two_approved() {
    let people =
        released_after("5000000000", HOUR).replace("timer", "approvals = { withdrawal-approver = 2 }, timer");
    let world = with_band(&people);
    let facts = approved_by(&world, &large_withdrawal(), &["ann"]);
    let decision = world.evaluate_at(&facts, NOW + HOUR);
    assert_eq!(said(&decision).1, ReasonCode::HoldReleased);
    assert!(decision.satisfied_hold.unwrap().approvals.is_empty(), "an approval too few is none");
}

#[test]
fn time_releases_nothing_while_another_rule_wants_people() {
    let mut world = cooling_off();
    world.alice().second_factor_reset = true;
    let decision = world.evaluate_at(&large_withdrawal(), NOW + HOUR);
    let hold = decision.hold().unwrap();
    assert_eq!((hold.release_at, hold.lapses_at()), (None, Some(TimestampMs(NOW + DAY))));
    assert_eq!(said(&decision).1, ReasonCode::ApprovalsMissing);
}

#[test]
fn approvals_of_another_rule_do_not_shorten_a_delay_and_the_hold_does_not_lapse_meanwhile() {
    let mut world = cooling_off();
    world.alice().second_factor_reset = true;
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    let waiting = world.evaluate_at(&facts, NOW + HOUR - 1);
    assert_eq!(said(&waiting).1, ReasonCode::ReleasePending);
    let detail = &result(&waiting, "builtin.hold").detail;
    assert!(!detail.contains("sooner"), "nobody is asked for what is done: {detail}");
    assert_eq!(waiting.hold().unwrap().lapses_at(), None);
    let decision = world.evaluate_at(&facts, NOW + HOUR);
    assert!(decision.is_allowed());
    assert_eq!(said(&decision).1, ReasonCode::ApprovalsComplete);
    let requirement = decision.satisfied_hold.unwrap().requirement;
    assert_eq!(requirement.release_at, Some(TimestampMs(NOW + HOUR)), "it rests on time as well");
}

#[test]
fn digest_stays_while_a_delay_ends_so_that_earlier_approvals_still_count() {
    let mut world = cooling_off();
    world.alice().second_factor_reset = true;
    let digest = |at| world.evaluate_at(&large_withdrawal(), at).hold().unwrap().digest();
    assert_eq!(digest(NOW), digest(NOW + HOUR));
}

#[test]
fn longest_delay_counts() {
    let bands = format!(
        "[{}, {}]",
        released_after("1000", HOUR),
        released_after("2000", 2 * HOUR).replace("timer", "approvals = { withdrawal-approver = 1 }, timer")
    );
    let world = with_band(&bands);
    assert!(world.evaluate_at(&large_withdrawal(), NOW + 2 * HOUR - 1).hold().is_some());
    assert!(world.evaluate_at(&large_withdrawal(), NOW + 2 * HOUR).is_allowed());
    let approved = approved_by(&world, &large_withdrawal(), &["ann"]);
    assert!(
        world.evaluate_at(&approved, NOW + HOUR - 1).hold().is_some(),
        "the first delay is for nobody to end"
    );
    assert!(world.evaluate_at(&approved, NOW + HOUR).is_allowed());
}

#[test]
fn time_never_releases_what_nobody_knows() {
    let mut world = World::demo();
    let delay = format!("hold_above = {}", released_after("1", HOUR));
    world.limit_windows("unit = \"usd_cents\"", &delay);
    let decision = world.evaluate_at(&withdrawal(), NOW + HOUR);
    assert_eq!(decision.main_reason(), Some(ReasonCode::PriceAbsent));
    assert_eq!(
        result(&decision, "window").verdict,
        Verdict::Deny,
        "the rule names nobody who could answer for it"
    );
    let mut world = World::with_policy(&DEMO_POLICY.replacen(
        "hold_at = 40",
        &format!("hold_at = [{{ score = 1, timer_ms = {HOUR}, at_end = \"release\" }}]"),
        1,
    ));
    world.sessions.clear();
    let decision = world.evaluate_at(&withdrawal(), NOW + HOUR);
    assert_eq!(decision.main_reason(), Some(ReasonCode::SessionReportAbsent));
    assert_eq!(decision.hold().unwrap().release_at, None);
}

#[test]
fn delay_of_a_replacement_counts_from_the_first_request() {
    let world = cooling_off();
    let bump = WithdrawalFacts {
        requested_at: TimestampMs(NOW + HOUR),
        first_requested_at: TimestampMs(NOW),
        ..large_withdrawal()
    };
    assert!(world.evaluate_at(&bump, NOW + HOUR).is_allowed());
}

#[test]
fn rule_rejects_sooner_than_the_document_where_it_says_so() {
    let band = "{ amount = \"5000000000\", approvals = { withdrawal-approver = 2 }, timer_ms = 3600000, at_end = \"reject\" }";
    let world = with_band(band);
    let last = world.evaluate_at(&large_withdrawal(), NOW + HOUR - 1);
    assert_eq!(last.hold().unwrap().deadline, TimestampMs(NOW + HOUR));
    let over = world.evaluate_at(&large_withdrawal(), NOW + HOUR);
    assert_eq!(over.main_reason(), Some(ReasonCode::HoldExpired));
    let approved = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    assert!(world.evaluate_at(&approved, NOW + HOUR).is_allowed(), "approved in time");
}

#[test]
fn approval_that_expires_before_the_delay_ends_no_longer_counts() {
    let mut world = cooling_off();
    world.alice().second_factor_reset = true;
    let hold = world.evaluate(&large_withdrawal()).hold().unwrap().digest();
    let mut facts = large_withdrawal();
    facts.approvals = vec![approval("ann", &[APPROVER], hold), approval("ben", &[APPROVER], hold)];
    facts.approvals[0].expires_at = TimestampMs(NOW + HOUR);
    assert!(!world.evaluate_at(&facts, NOW + HOUR).is_allowed());
    assert_eq!(world.evaluate_at(&facts, NOW + DAY).main_reason(), Some(ReasonCode::HoldExpired));
}

#[test]
fn times_out_of_range_deny() {
    let facts = WithdrawalFacts { first_requested_at: TimestampMs(u64::MAX), ..large_withdrawal() };
    assert_eq!(cooling_off().evaluate(&facts).outcome, Outcome::Deny);
}

#[test]
fn hold_says_who_is_called_and_when() {
    let terms =
        format!("deadline_ms = 86_400_000\nescalate_after_ms = {HOUR}\nescalate_to = \"head-of-desk\"");
    let world = World::with_policy(&DEMO_POLICY.replacen("deadline_ms = 86_400_000", &terms, 1));
    let decision = world.evaluate(&large_withdrawal());
    let hold = decision.hold().unwrap();
    let called = |at| hold.looked_after_by(TimestampMs(at)).map(RoleName::as_str).collect::<Vec<_>>();
    assert_eq!(called(NOW + HOUR - 1), [APPROVER]);
    assert_eq!(called(NOW + HOUR), [APPROVER, "head-of-desk"]);
}
