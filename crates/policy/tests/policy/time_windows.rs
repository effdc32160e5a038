//! Days and hours: to the millisecond, by UTC, and that only people shorten the wait.

use holdfast_policy::{PolicyDocument, ReasonCode, TimestampMs, WithdrawalFacts};

use crate::world::{DEMO_POLICY, World, approved_by, withdrawal};

/// A Friday, midnight UTC: 2025-11-21.
const FRIDAY: u64 = 1_763_683_200_000;
const HOUR: u64 = 3_600_000;

fn text(rule: &str) -> String {
    DEMO_POLICY.replacen(
        "[risk]",
        &format!("[[restriction]]\nid = \"hours\"\ntype = \"time_window\"\n{rule}\n\n[risk]"),
        1,
    )
}

/// With a session report and a request of that time.
fn reason(rule: &str, at: u64) -> Option<ReasonCode> {
    let mut world = World::with_policy(&text(rule));
    world.alice().observed_at = TimestampMs(at);
    world.entries[0].not_before = TimestampMs(at - HOUR);
    let facts = WithdrawalFacts {
        requested_at: TimestampMs(at),
        first_requested_at: TimestampMs(at),
        ..withdrawal()
    };
    world.evaluate_at(&facts, at).main_reason()
}

const OFFICE: &str = "days = [\"mon\", \"fri\"]\nhours = [\"08:00-12:00\", \"13:00-18:30\"]\napprovals = { withdrawal-approver = 1 }";

#[test]
fn parts_of_a_day_begin_and_end_on_the_millisecond() {
    let held = Some(ReasonCode::OutsideTimeWindow);
    for (ms, expected) in [
        (0, held),
        (8 * HOUR - 1, held),
        (8 * HOUR, None),
        (12 * HOUR - 1, None),
        (12 * HOUR, held),
        (13 * HOUR, None),
        (18 * HOUR + HOUR / 2 - 1, None),
        (18 * HOUR + HOUR / 2, held),
        // Saturday and Monday
        (34 * HOUR, held),
        (3 * 24 * HOUR + 9 * HOUR, None),
    ] {
        assert_eq!(reason(OFFICE, FRIDAY + ms), expected, "{ms}");
    }
}

#[test]
fn window_up_to_midnight_ends_with_the_day() {
    let rule = "days = [\"fri\"]\nhours = [\"22:00-24:00\"]\noutside = \"deny\"";
    assert_eq!(reason(rule, FRIDAY + 24 * HOUR - 1), None);
    assert_eq!(reason(rule, FRIDAY + 24 * HOUR), Some(ReasonCode::TimeWindowClosed));
    assert_eq!(reason("days = [\"fri\"]\noutside = \"deny\"", FRIDAY), None);
    assert_eq!(
        reason("hours = [\"00:00-00:01\"]\noutside = \"deny\"", FRIDAY + 60_000),
        Some(ReasonCode::TimeWindowClosed)
    );
}

#[test]
fn people_let_a_withdrawal_go_outside_the_hours_and_not_outside_those_that_deny() {
    let world =
        World::with_policy(&text("hours = [\"00:00-00:01\"]\napprovals = { withdrawal-approver = 1 }"));
    let facts = approved_by(&world, &withdrawal(), &["ann"]);
    assert!(world.evaluate(&facts).is_allowed());
    let closed = World::with_policy(&text("hours = [\"00:00-00:01\"]\noutside = \"deny\""));
    assert!(!closed.evaluate(&facts).is_allowed());
}

#[test]
fn windows_that_say_nothing_or_two_things_are_refused() {
    for (rule, code, field) in [
        ("approvals = { a = 1 }", "POLICY_FIELD_MISSING", "restriction[6].hours"),
        ("days = [\"fri\"]", "POLICY_FIELD_MISSING", "restriction[6].approvals"),
        ("days = [\"fri\"]\noutside = \"hold\"", "POLICY_FIELD_INVALID", "restriction[6].outside"),
        (
            "days = [\"fri\"]\noutside = \"deny\"\napprovals = { a = 1 }",
            "POLICY_FIELD_INVALID",
            "restriction[6].outside",
        ),
        ("days = [\"friday\"]\noutside = \"deny\"", "POLICY_FIELD_INVALID", "restriction[6].days[0]"),
        ("hours = [\"22:00-06:00\"]\noutside = \"deny\"", "POLICY_FIELD_INVALID", "restriction[6].hours[0]"),
        ("days = []\noutside = \"deny\"", "POLICY_FIELD_EMPTY", "restriction[6].days"),
    ] {
        let error = PolicyDocument::parse(&text(rule)).unwrap_err();
        assert_eq!((error.code(), error.field()), (code, Some(field)), "{rule}");
    }
}
