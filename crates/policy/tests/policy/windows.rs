//! Sliding windows through the whole evaluation: sums to one base unit, the window's end to one millisecond, and contenders that
//! do not fit together.

use holdfast_chains::Amount;
use holdfast_policy::{OutflowStage, PolicyDocument, ReasonCode, TimestampMs, WithdrawalFacts};

use crate::world::{DAY, DEMO_POLICY, NOW, World, usdt, withdrawal};

fn world(unit: &str, bounds: &str) -> World {
    let mut world = World::demo();
    world.limit_windows(unit, bounds);
    world
}

fn limited() -> World {
    world("asset = \"USDT\"", "deny_above = \"2000000000\"")
}

fn asking(amount: u128, place: u64) -> WithdrawalFacts {
    WithdrawalFacts { amount: Amount::from_u128(amount), place, ..withdrawal() }
}

#[test]
fn window_limit_is_exact_to_one_base_unit() {
    let mut world = limited();
    world.paid(&withdrawal(), 750_000_000);
    assert_eq!(world.evaluate(&withdrawal()).main_reason(), None);
    world = limited();
    world.paid(&withdrawal(), 750_000_001);
    assert_eq!(world.evaluate(&withdrawal()).main_reason(), Some(ReasonCode::WindowLimitReached));
}

#[test]
fn automatic_limit_of_a_window_is_exact_to_one_base_unit() {
    let hold = "hold_above = { amount = \"2000000000\", approvals = { withdrawal-approver = 2 } }";
    for (bounds, deny_at) in [
        (hold.to_owned(), None),
        (format!("{hold}\ndeny_above = \"3000000000\""), Some(ReasonCode::WindowLimitReached)),
    ] {
        for (paid, reason) in [
            (750_000_000, None),
            (750_000_001, Some(ReasonCode::WindowAboveAutomaticLimit)),
            (1_750_000_000, Some(ReasonCode::WindowAboveAutomaticLimit)),
            (1_750_000_001, deny_at.or(Some(ReasonCode::WindowAboveAutomaticLimit))),
        ] {
            let mut world = world("asset = \"USDT\"", &bounds);
            world.paid(&withdrawal(), paid);
            assert_eq!(world.evaluate(&withdrawal()).main_reason(), reason, "{paid} of {bounds}");
        }
    }
}

#[test]
fn window_ends_on_the_millisecond() {
    let mut world = limited();
    world.paid(&withdrawal(), 2_000_000_000);
    world.alice().observed_at = TimestampMs(NOW + DAY - 1);
    let reason = |at| world.evaluate_at(&withdrawal(), at).main_reason();
    assert_eq!(reason(NOW + DAY - 1), Some(ReasonCode::WindowLimitReached));
    assert_eq!(reason(NOW + DAY), None);
}

#[test]
fn amount_alone_above_the_window_is_denied() {
    assert_eq!(
        limited().evaluate(&asking(2_000_000_001, 1)).main_reason(),
        Some(ReasonCode::WindowLimitReached)
    );
}

#[test]
fn worth_in_dollars_counts_at_the_highest_price_and_is_rounded_up() {
    let mut world = world("unit = \"usd_cents\"", "deny_above = \"125000\"");
    world.price("USDT", 1_000_000);
    assert_eq!(world.evaluate(&withdrawal()).main_reason(), None);
    world.price("USDT", 1_000_001);
    assert_eq!(world.evaluate(&withdrawal()).main_reason(), Some(ReasonCode::WindowLimitReached));
}

#[test]
fn of_hundreds_at_once_exactly_those_that_fit_together_pass_whatever_the_order_of_authorization() {
    // Each takes 7 of 2,000,000,000; every one is asked for before any is authorized.
    let each = 7_000_000_u128;
    let mut world = limited();
    let mut passed = Vec::new();
    for place in 0..600_u64 {
        let facts = asking(each, place);
        if world.evaluate(&facts).is_allowed() {
            let stage = OutflowStage::Reserved { until: TimestampMs(NOW + DAY) };
            world.outflows.hold_place(place, facts.outflow(&usdt(), None), stage);
            passed.push(place);
        }
    }
    assert_eq!(passed.len(), 285, "2,000,000,000 / 7,000,000");
    // The last ones are authorized first; all the others still pass, and nobody else does.
    for place in passed.iter().rev() {
        let facts = asking(each, *place);
        assert!(world.evaluate(&facts).is_allowed(), "place {place}");
        world.outflows.hold_place(*place, facts.outflow(&usdt(), None), OutflowStage::Authorized);
        assert!(!world.evaluate(&asking(each, 0)).is_allowed() || passed.contains(&0));
    }
    assert_eq!(world.evaluate(&asking(each, 601)).main_reason(), Some(ReasonCode::WindowLimitReached));
}

#[test]
fn window_in_dollars_says_which_prices_count() {
    let with = |unit: &str, prices: &str| {
        let rule = format!(
            "[[restriction]]\nid = \"w\"\ntype = \"limit_window\"\n{unit}\nper = [\"wallet\"]\nwindow_ms = 1000\ndeny_above = \"1\"\n\n{prices}[risk]"
        );
        PolicyDocument::parse(&DEMO_POLICY.replacen("[risk]", &rule, 1))
    };
    let prices = "[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n\n";
    assert!(with("unit = \"usd_cents\"", prices).unwrap().prices().is_some());
    let refused = with("unit = \"usd_cents\"", "").unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("POLICY_FIELD_MISSING", Some("prices")));
    for unit in ["unit = \"count\"", "asset = \"USDT\""] {
        assert!(with(unit, "").unwrap().prices().is_none());
    }
}

#[test]
fn own_transfers_neither_ask_nor_count() {
    let mut world = limited();
    world.paid(&withdrawal(), 2_000_000_000);
    assert!(world.evaluate_own(&withdrawal()).is_allowed());
}
