//! Tiers: ceilings over several wallets together, to one unit and to one millisecond, and grants for entries of the house alone.

use holdfast_chains::Amount;
use holdfast_policy::{
    Decision, EntryOwner, OutflowStage, PolicyDocument, ReasonCode, TimestampMs, Verdict, WalletId,
    WalletStatus, WithdrawalFacts,
};

use crate::world::{
    APPROVER, DAY, DEMO_POLICY, GOOD, NOW, World, approved_by, customer, entry, result, usdt, withdrawal,
};

const HOLD: &str = "hold_above = { amount = \"2000000000\", approvals = { withdrawal-approver = 2 } }";
const PRICES: &str = "[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n\n[risk]";

/// The demo's policy with `hot-2` beside `hot-1` in a tier, and this ceiling of it; a warm tier has none.
pub(crate) fn policy(ceiling: &str) -> String {
    let tiers = format!(
        "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\", \"hot-2\"]\n\n[[tier.ceiling]]\nid = \"ceiling\"\n{ceiling}\n\n\
         [[tier]]\nid = \"warm\"\nwallets = [\"warm-1\"]\n\n{PRICES}"
    );
    DEMO_POLICY.replacen("[risk]", &tiers, 1).replacen(
        "wallets = [\"hot-1\"]",
        "tiers = [\"hot\", \"warm\"]",
        1,
    )
}

fn world(ceiling: &str) -> World {
    let mut world = World::with_policy(&policy(ceiling));
    for wallet in ["hot-2", "warm-1"] {
        world.wallets.insert(WalletId::new(wallet).unwrap(), WalletStatus::Active);
    }
    world
}

fn from(wallet: &str) -> WithdrawalFacts {
    WithdrawalFacts { wallet: WalletId::new(wallet).unwrap(), ..withdrawal() }
}

fn said(decision: &Decision) -> (Verdict, ReasonCode) {
    let result = result(decision, "ceiling");
    (result.verdict, result.code)
}

/// What was paid just now from a wallet, with this worth in cents.
fn paid(world: &mut World, wallet: &str, amount: u128, cents: Option<u64>) {
    let like = WithdrawalFacts { amount: Amount::from_u128(amount), ..from(wallet) };
    let outflow = holdfast_policy::Outflow { usd_cents: cents, ..like.outflow(&usdt(), None) };
    let place = u64::try_from(world.outflows.paid().count()).unwrap() + 1;
    world.outflows.hold_place(place, outflow, OutflowStage::Authorized);
    world.outflows.pay(place, TimestampMs(NOW));
}

#[test]
fn ceiling_of_a_tier_counts_all_its_wallets_to_one_base_unit() {
    let ceiling = format!("asset = \"USDT\"\nwindow_ms = {DAY}\ndeny_above = \"2000000000\"");
    for (amount, expected) in [
        (750_000_000, (Verdict::Pass, ReasonCode::WithinTierCeiling)),
        (750_000_001, (Verdict::Deny, ReasonCode::TierCeilingReached)),
    ] {
        let mut world = world(&ceiling);
        paid(&mut world, "hot-2", amount, None);
        assert_eq!(said(&world.evaluate(&from("hot-1"))), expected, "{amount} left hot-2");
        assert_eq!(said(&world.evaluate(&from("hot-2"))), expected, "{amount} left hot-2");
        let warm = world.evaluate(&from("warm-1"));
        assert_eq!(said(&warm), (Verdict::NotApplicable, ReasonCode::NotApplicable));
        assert!(warm.is_allowed(), "another tier's ceiling: {warm:#?}");
    }
}

#[test]
fn what_left_another_tier_takes_nothing_of_the_ceiling() {
    let mut world = world(&format!("unit = \"usd_cents\"\nwindow_ms = {DAY}\ndeny_above = \"125000\""));
    world.price("USDT", 1_000_000);
    paid(&mut world, "warm-1", 1_000_000_000_000, None);
    assert!(world.evaluate(&from("hot-1")).is_allowed());
}

#[test]
fn window_of_a_tier_ends_on_the_millisecond() {
    let mut world = world(&format!("asset = \"USDT\"\nwindow_ms = {DAY}\ndeny_above = \"2000000000\""));
    paid(&mut world, "hot-2", 2_000_000_000, None);
    world.alice().observed_at = TimestampMs(NOW + DAY - 1);
    let reason = |at| world.evaluate_at(&from("hot-1"), at).main_reason();
    assert_eq!(reason(NOW + DAY - 1), Some(ReasonCode::TierCeilingReached));
    assert_eq!(reason(NOW + DAY), None);
}

#[test]
fn ceiling_for_one_transaction_is_exact_in_base_units_and_in_cents() {
    for (ceiling, price, expected) in [
        ("asset = \"USDT\"\ndeny_above = \"1250000000\"", None, ReasonCode::WithinTierCeiling),
        ("asset = \"USDT\"\ndeny_above = \"1249999999\"", None, ReasonCode::TierCeilingReached),
        ("asset = \"ETH\"\ndeny_above = \"1\"", None, ReasonCode::NotApplicable),
        ("unit = \"usd_cents\"\ndeny_above = \"125000\"", Some(1_000_000), ReasonCode::WithinTierCeiling),
        ("unit = \"usd_cents\"\ndeny_above = \"125000\"", Some(1_000_001), ReasonCode::TierCeilingReached),
    ] {
        let mut world = world(ceiling);
        if let Some(price) = price {
            world.price("USDT", price);
        }
        assert_eq!(said(&world.evaluate(&from("hot-2"))).1, expected, "{ceiling} at {price:?}");
        let warm = WithdrawalFacts { amount: Amount::from_u128(4_000_000_000), ..from("warm-1") };
        assert_eq!(said(&world.evaluate(&warm)).1, ReasonCode::NotApplicable, "{ceiling} of another tier");
    }
}

#[test]
fn worth_that_nobody_knows_is_never_within_a_ceiling() {
    let in_cents = |window: &str, bounds: &str| format!("unit = \"usd_cents\"\n{window}{bounds}");
    for window in ["", "window_ms = 1000\n"] {
        for (bounds, verdict) in [
            ("deny_above = \"99999999999\"", Verdict::Deny),
            (HOLD, Verdict::Hold),
            ("hold_above = { amount = \"2000000000\", timer_ms = 1, at_end = \"release\" }", Verdict::Deny),
        ] {
            let world = world(&in_cents(window, bounds));
            let decision = world.evaluate(&from("hot-1"));
            assert_eq!(said(&decision), (verdict, ReasonCode::PriceAbsent), "{window}{bounds}");
            assert!(!decision.is_allowed());
            assert!(world.evaluate(&from("warm-1")).is_allowed(), "{window}{bounds}");
        }
    }
}

#[test]
fn limits_in_dollars_for_one_transaction_need_no_tier() {
    let rule = format!(
        "[[restriction]]\nid = \"ceiling\"\ntype = \"limit_per_transaction\"\nunit = \"usd_cents\"\ndeny_above = \"125000\"\n\n{PRICES}"
    );
    let mut world = World::with_policy(&DEMO_POLICY.replacen("[risk]", &rule, 1));
    assert_eq!(said(&world.evaluate(&withdrawal())), (Verdict::Deny, ReasonCode::PriceAbsent));
    world.price("USDT", 1_000_000);
    assert_eq!(said(&world.evaluate(&withdrawal())), (Verdict::Pass, ReasonCode::WithinAutomaticLimit));
    world.price("USDT", 1_000_001);
    assert_eq!(said(&world.evaluate(&withdrawal())), (Verdict::Deny, ReasonCode::AboveMaximum));
}

#[test]
fn ceiling_that_was_reached_after_approval_has_its_own_code() {
    let hold = "hold_above = { amount = \"1000000000\", approvals = { withdrawal-approver = 2 } }";
    let mut world =
        world(&format!("asset = \"USDT\"\nwindow_ms = {DAY}\n{hold}\ndeny_above = \"2000000000\""));
    let approved = approved_by(&world, &from("hot-1"), &["ann", "ben"]);
    assert!(world.evaluate(&approved).is_allowed());
    paid(&mut world, "hot-2", 750_000_001, None);
    let decision = world.evaluate(&approved);
    assert_eq!(said(&decision), (Verdict::Deny, ReasonCode::TierCeilingReachedSinceApproval));
}

#[test]
fn of_hundreds_at_once_from_two_wallets_exactly_those_that_fit_together_pass() {
    let mut world = world(&format!("asset = \"USDT\"\nwindow_ms = {DAY}\ndeny_above = \"2000000000\""));
    let mut passed = 0;
    for place in 0..600_u64 {
        let wallet = if place % 2 == 0 { "hot-1" } else { "hot-2" };
        let facts = WithdrawalFacts { amount: Amount::from_u128(7_000_000), place, ..from(wallet) };
        if world.evaluate(&facts).is_allowed() {
            let stage = OutflowStage::Reserved { until: TimestampMs(NOW + DAY) };
            world.outflows.hold_place(place, facts.outflow(&usdt(), None), stage);
            passed += 1;
        }
    }
    assert_eq!(passed, 285, "2,000,000,000 / 7,000,000");
}

#[test]
fn transfers_of_a_wallet_to_itself_neither_ask_nor_count() {
    let mut world = world(&format!("asset = \"USDT\"\nwindow_ms = {DAY}\ndeny_above = \"1250000000\""));
    paid(&mut world, "hot-2", 1_250_000_000, None);
    assert!(world.evaluate_own(&from("hot-1")).is_allowed());
}

#[test]
fn every_withdrawal_of_a_tier_is_held_by_a_count_above_nothing() {
    let hold = format!("hold_above = {{ amount = \"0\", approvals = {{ {APPROVER} = 2 }} }}");
    let mut world = world(&format!("unit = \"count\"\nwindow_ms = 1\n{hold}"));
    world.prices.clear();
    let decision = world.evaluate(&from("hot-1"));
    assert_eq!(said(&decision), (Verdict::Hold, ReasonCode::TierAboveAutomaticCeiling));
    assert!(world.evaluate(&from("warm-1")).is_allowed());
}

#[test]
fn grant_for_the_house_wants_an_entry_of_the_house() {
    let text = DEMO_POLICY.replacen("destinations = \"whitelisted\"", "destinations = \"house\"", 1);
    let mut world = World::with_policy(&text);
    assert!(world.evaluate(&withdrawal()).is_allowed(), "the entry is the house's");
    world.entries[0].owner = EntryOwner::Customer(customer("alice"));
    let decision = world.evaluate(&withdrawal());
    assert_eq!(result(&decision, "whitelist").code, ReasonCode::DestinationWhitelisted);
    assert_eq!(
        decision.main_reason(),
        Some(ReasonCode::NoGrant),
        "the customer's own entry is none of the house"
    );
    // With both, the house's counts, and its own cooling-off.
    world.entries.push(entry("house", GOOD));
    assert!(world.evaluate(&withdrawal()).is_allowed());
    world.entries.last_mut().unwrap().not_before = TimestampMs(NOW + 1);
    let decision = world.evaluate(&withdrawal());
    assert_eq!(result(&decision, "hot-payouts").code, ReasonCode::WhitelistEntryPending);
    assert!(!decision.is_allowed());
}

/// The error of a document, as code, line and field.
fn refusal(text: &str) -> (&'static str, Option<usize>, Option<String>) {
    let error = PolicyDocument::parse(text).unwrap_err();
    (error.code(), error.line(), error.field().map(str::to_owned))
}

#[test]
fn tiers_that_contradict_each_other_are_refused_with_line_and_field() {
    let good = policy("asset = \"USDT\"\ndeny_above = \"5\"");
    PolicyDocument::parse(&good).unwrap();
    let line = |text: &str, part: &str| text.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (from, to, code, field) in [
        (
            "wallets = [\"warm-1\"]",
            "wallets = [\"warm-1\", \"hot-2\"]",
            "POLICY_FIELD_INVALID",
            "tier[1].wallets",
        ),
        ("id = \"warm\"", "id = \"hot\"", "POLICY_FIELD_DUPLICATE", "tier[1].id"),
        ("wallets = [\"warm-1\"]", "wallets = []", "POLICY_FIELD_EMPTY", "tier[1].wallets"),
        (
            "tiers = [\"hot\", \"warm\"]",
            "tiers = [\"hot\", \"cold\"]",
            "POLICY_FIELD_INVALID",
            "grant[0].tiers",
        ),
        (
            "tiers = [\"hot\", \"warm\"]",
            "wallets = [\"hot-1\", \"cold-1\"]",
            "POLICY_FIELD_INVALID",
            "grant[0].wallets",
        ),
        (
            "asset = \"USDT\"\ndeny_above = \"5\"",
            "unit = \"count\"\ndeny_above = \"5\"",
            "POLICY_FIELD_INVALID",
            "tier[0].ceiling[0].unit",
        ),
        (
            "deny_above = \"5\"",
            "deny_above = \"5\"\nper = []",
            "POLICY_FIELD_UNKNOWN",
            "tier[0].ceiling[0].per",
        ),
        (
            "deny_above = \"5\"",
            "window_ms = 0\ndeny_above = \"5\"",
            "POLICY_FIELD_OUT_OF_RANGE",
            "tier[0].ceiling[0].window_ms",
        ),
    ] {
        let at = good.find(from).unwrap_or_else(|| panic!("no `{from}`"));
        let text = format!("{}{to}{}", &good[..at], &good[at + from.len()..]);
        let last = to.lines().last().unwrap();
        let last = if code == "POLICY_FIELD_INVALID" { to.lines().next().unwrap() } else { last };
        let at = match field {
            "tier[1].id" => line(&text, "wallets = [\"warm-1\"]") - 1,
            "tier[0].ceiling[0].window_ms" => line(&text, "window_ms = 0"),
            _ => line(&text, last),
        };
        assert_eq!(refusal(&text), (code, Some(at), Some(field.to_owned())), "`{from}` -> `{to}`");
    }
    let taken = good.replacen("id = \"ceiling\"", "id = \"risk\"", 1);
    assert_eq!(refusal(&taken).0, "POLICY_FIELD_DUPLICATE", "ceilings are rules like others");
    let both = good.replacen("tiers = [", "wallets = [\"hot-1\"]\ntiers = [", 1);
    assert_eq!(refusal(&both).2.as_deref(), Some("grant[0].wallets"));
    let nothing = good.replacen("deny_above = \"5\"", "", 1);
    assert_eq!(refusal(&nothing).2.as_deref(), Some("tier[0].ceiling[0].deny_above"));
    let dollars =
        good.replacen("asset = \"USDT\"\ndeny_above = \"5\"", "unit = \"usd_cents\"\ndeny_above = \"5\"", 1);
    let unpriced = dollars.replacen("[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n", "", 1);
    assert_eq!(refusal(&unpriced), ("POLICY_FIELD_MISSING", Some(1), Some("prices".to_owned())));
}
