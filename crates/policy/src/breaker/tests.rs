//! Tests of what breakers count: boundaries to the millisecond, who counts how often, and that nothing grows.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "small numbers of tests")]

use holdfast_chains::{Address, AssetSymbol, ChainId};
use proptest::prelude::*;

use super::*;

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");
const WINDOW: u64 = 1_000;
const REFUSED: &[ReasonCode] = &[ReasonCode::DestinationNotWhitelisted];

fn document(rules: &[&str]) -> PolicyDocument {
    let rules: String = (1..)
        .zip(rules)
        .map(|(number, rule)| {
            format!("[[restriction]]\nid = \"b{number}\"\ntype = \"circuit_breaker\"\nwindow_ms = {WINDOW}\n{rule}\n\n")
        })
        .collect();
    let prices = "[prices]\nmax_age_ms = 1000\nproviders = [\"prices\"]\n\n[risk]";
    PolicyDocument::parse(&DEMO.replacen("[risk]", &format!("{rules}{prices}"), 1)).unwrap()
}

fn breakers(rules: &[&str]) -> Breakers {
    let mut breakers = Breakers::default();
    breakers.measure(&document(rules));
    breakers
}

fn from(customer: &str, amount: u128) -> Outflow {
    Outflow {
        wallet: WalletId::new("hot-1").unwrap(),
        asset: AssetSymbol::parse("USDT").unwrap(),
        client: ClientId::new("pipeline").unwrap(),
        customer: Some(CustomerRef::new(customer).unwrap()),
        chain_id: ChainId(1),
        destination: Address::parse("0x000000000000000000000000000000000000dEaD").unwrap(),
        amount: Amount::from_u128(amount),
        usd_cents: None,
    }
}

fn by_client(client: &str) -> Outflow {
    Outflow { client: ClientId::new(client).unwrap(), ..from("a", 1) }
}

fn denials(breakers: &mut Breakers, customer: &str, at: u64) -> usize {
    breakers.denied(&from(customer, 1), REFUSED, TimestampMs(at)).len()
}

fn amount(number: u128) -> Amount {
    Amount::from_u128(number)
}

#[test]
fn one_denial_more_than_it_lets_pass_trips_and_it_starts_again() {
    let mut breakers = breakers(&["max_denials = 2"]);
    assert_eq!((denials(&mut breakers, "a", 5_000), denials(&mut breakers, "b", 5_000)), (0, 0));
    let trips = breakers.denied(&from("c", 1), REFUSED, TimestampMs(5_001));
    let cause = TripCause::Denials { counted: 3, most: 2, window_ms: WINDOW };
    assert_eq!(trips, [Trip { rule: RuleId::new("b1").unwrap(), cause }]);
    assert_eq!(breakers.counts().count(), 0);
    assert_eq!((denials(&mut breakers, "a", 5_001), denials(&mut breakers, "b", 5_001)), (0, 0));
    assert_eq!(denials(&mut breakers, "c", 5_001), 1);
}

#[test]
fn denial_leaves_the_window_on_the_millisecond() {
    for (third, tripped) in [(5_999, 1), (6_000, 0)] {
        let mut breakers = breakers(&["max_denials = 2"]);
        denials(&mut breakers, "a", 5_000);
        denials(&mut breakers, "a", 5_500);
        assert_eq!(denials(&mut breakers, "a", third), tripped, "{third}");
    }
}

#[test]
fn one_customer_alone_counts_no_more_often_than_the_rule_says() {
    let mut breakers = breakers(&["max_denials = 3\nper_customer = 2"]);
    for at in 0..50 {
        assert_eq!(denials(&mut breakers, "a", 5_000 + at), 0);
    }
    // The newest of that customer count: they have not left when the oldest would have
    assert_eq!(denials(&mut breakers, "b", 6_040), 0);
    assert_eq!(denials(&mut breakers, "b", 6_040), 1);
}

#[test]
fn denials_that_say_nothing_about_who_asked_do_not_count() {
    let rule = "max_denials = 1\nexcept = [\"WINDOW_LIMIT_REACHED\"]";
    let mut breakers = breakers(&[rule]);
    for reasons in [
        &[ReasonCode::WalletPaused, ReasonCode::BreakerTripped][..],
        &[ReasonCode::PriceAbsent],
        &[ReasonCode::WindowLimitReached],
        &[ReasonCode::WindowLimitReached, ReasonCode::HoldExpired],
        &[],
    ] {
        for _ in 0..3 {
            assert!(breakers.denied(&from("a", 1), reasons, TimestampMs(5_000)).is_empty(), "{reasons:?}");
        }
    }
    let both = [ReasonCode::WindowLimitReached, ReasonCode::DestinationSanctioned];
    assert!(breakers.denied(&from("a", 1), &both, TimestampMs(5_000)).is_empty());
    assert_eq!(breakers.denied(&from("a", 1), &both, TimestampMs(5_000)).len(), 1);
}

#[test]
fn wallets_are_counted_by_themselves_and_clients_where_the_rule_says_so() {
    let mut breakers = breakers(&["max_denials = 1\nper_client = true", "max_denials = 2"]);
    let deny = |breakers: &mut Breakers, request: &Outflow| -> Vec<String> {
        let trips = breakers.denied(request, REFUSED, TimestampMs(5_000));
        trips.into_iter().map(|trip| trip.rule.to_string()).collect()
    };
    let other_wallet = Outflow { wallet: WalletId::new("hot-2").unwrap(), ..by_client("one") };
    assert!(deny(&mut breakers, &by_client("one")).is_empty());
    assert!(deny(&mut breakers, &by_client("two")).is_empty());
    assert!(deny(&mut breakers, &other_wallet).is_empty());
    assert_eq!(deny(&mut breakers, &by_client("one")), ["b1", "b2"]);
    // The trip forgot what the other client did, too
    assert!(deny(&mut breakers, &by_client("two")).is_empty());
    assert_eq!(deny(&mut breakers, &other_wallet), ["b1"]);
}

#[test]
fn breaker_counts_only_what_it_is_about() {
    let mut breakers = breakers(&[
        "max_denials = 1\nwallets = [\"hot-2\"]",
        "max_denials = 1\nassets = [\"ETH\"]",
        "max_denials = 1\nclients = [\"other\"]",
        "max_outflow = { asset = \"ETH\", amount = \"1\" }",
    ]);
    for _ in 0..5 {
        assert_eq!(denials(&mut breakers, "a", 5_000), 0);
        assert!(breakers.authorized(&from("a", 100), TimestampMs(5_000)).is_empty());
    }
    assert_eq!(breakers.counts().count(), 0);
}

#[test]
fn outflow_equal_to_the_bound_passes_and_one_unit_more_trips() {
    let mut breakers = breakers(&["max_outflow = { asset = \"USDT\", amount = \"100\" }"]);
    assert!(breakers.authorized(&from("a", 60), TimestampMs(5_000)).is_empty());
    assert!(breakers.authorized(&from("b", 40), TimestampMs(5_999)).is_empty());
    let trips = breakers.authorized(&from("c", 1), TimestampMs(5_999));
    let cause = TripCause::Outflow {
        sum: amount(101),
        most: amount(100),
        unit: "USDT".to_owned(),
        window_ms: WINDOW,
    };
    assert_eq!(trips[0].cause, cause);
    assert!(breakers.authorized(&from("c", 100), TimestampMs(5_999)).is_empty(), "from nothing");
}

#[test]
fn outflow_never_leaves_too_early_and_at_most_a_64th_of_the_window_late() {
    // Parts of 16 ms: 4,992 to 5,007 is one.
    let trips_at = |second: u64| {
        let mut breakers = breakers(&["max_outflow = { asset = \"USDT\", amount = \"100\" }"]);
        breakers.authorized(&from("a", 100), TimestampMs(4_992));
        !breakers.authorized(&from("b", 1), TimestampMs(second)).is_empty()
    };
    assert_eq!([5_991, 5_992, 6_006, 6_007].map(trips_at), [true, true, true, false]);
}

#[test]
fn sums_beyond_every_amount_trip() {
    let most = Amount::MAX.minus_one();
    let rule = format!("max_outflow = {{ asset = \"USDT\", amount = \"{most}\" }}");
    let mut breakers = breakers(&[&rule]);
    let largest = Outflow { amount: most, ..from("a", 1) };
    assert!(breakers.authorized(&largest, TimestampMs(5_000)).is_empty());
    assert_eq!(breakers.authorized(&largest, TimestampMs(5_000)).len(), 1);
}

trait MinusOne {
    fn minus_one(self) -> Self;
}

impl MinusOne for Amount {
    fn minus_one(self) -> Self {
        self.checked_sub(Amount::from_u128(1)).unwrap()
    }
}

#[test]
fn count_and_dollars_are_units_too_and_what_nobody_can_price_is_not_counted() {
    let mut breakers = breakers(&[
        "max_outflow = { unit = \"count\", amount = \"1\" }",
        "max_outflow = { unit = \"usd_cents\", amount = \"10\" }",
    ]);
    let priced = Outflow { usd_cents: Some(11), ..from("a", 1) };
    let trips = breakers.authorized(&priced, TimestampMs(5_000));
    assert_eq!(trips[0].cause.to_string(), "0.11 USD were authorized within 1000 ms, it lets 0.1 USD pass");
    let trips = breakers.authorized(&from("b", 1), TimestampMs(5_000));
    assert_eq!(trips[0].cause.to_string(), "2 withdrawals were authorized within 1000 ms, it lets 1 pass");
}

#[test]
fn another_document_keeps_what_would_have_been_counted_the_same() {
    let counted = |after: &str| {
        let mut breakers = breakers(&["max_denials = 3\nper_customer = 3"]);
        denials(&mut breakers, "a", 5_000);
        denials(&mut breakers, "a", 5_000);
        breakers.measure(&document(&[after]));
        denials(&mut breakers, "a", 5_001)
    };
    assert_eq!(counted("max_denials = 2\nper_customer = 3"), 1, "a lower bound");
    assert_eq!(counted("max_denials = 1\nper_customer = 3"), 1, "a bound that is crossed already");
    assert_eq!(counted("max_denials = 4\nper_customer = 3"), 0);
    let more = "max_denials = 2\nper_customer = 3\nmax_outflow = { asset = \"USDT\", amount = \"1\" }";
    assert_eq!(counted(more), 1, "one more bound");
    assert_eq!(counted("max_denials = 2"), 0, "another way to count");
    assert_eq!(counted("max_denials = 2\nper_customer = 3\nper_client = true"), 0);
    assert_eq!(counted("max_denials = 2\nper_customer = 3\nwallets = [\"hot-1\"]"), 0);
}

#[test]
fn what_is_kept_is_bounded_whoever_asks() {
    let mut breakers = breakers(&[
        "max_denials = 10\nper_customer = 2",
        "max_outflow = { asset = \"USDT\", amount = \"1000000\" }",
    ]);
    for number in 0..20_000_u64 {
        denials(&mut breakers, "a", 5_000 + number);
        breakers.authorized(&from("a", 1), TimestampMs(5_000 + number));
        let kept = breakers.counts().map(|(_, count)| count.denials.len() + count.outflow.len());
        assert!(kept.max().unwrap_or(0) <= 66);
    }
    assert_eq!(breakers.counts().count(), 2);
}

#[test]
fn bound_that_a_document_left_out_begins_anew_whatever_it_counts_then() {
    const DENIALS: &str = "max_denials = 2";
    const BASE_UNITS: &str = "max_outflow = { asset = \"USDT\", amount = \"1000\" }";
    const CENTS: &str = "max_outflow = { unit = \"usd_cents\", amount = \"1000\" }";
    let both = format!("{DENIALS}\n{BASE_UNITS}");
    let counted = || {
        let mut breakers = breakers(&[&both]);
        denials(&mut breakers, "a", 5_000);
        denials(&mut breakers, "b", 5_000);
        assert!(breakers.authorized(&from("a", 900), TimestampMs(5_000)).is_empty());
        breakers
    };
    // Base units were never cents
    let mut outflow = counted();
    outflow.measure(&document(&[DENIALS]));
    outflow.measure(&document(&[&format!("{DENIALS}\n{CENTS}")]));
    let cheap = Outflow { usd_cents: Some(200), ..from("a", 900) };
    assert_eq!(outflow.authorized(&cheap, TimestampMs(5_001)), []);
    assert_eq!(denials(&mut outflow, "c", 5_001), 1, "what was asked about all the time goes on");
    // And denials that nobody counted any more are no reason to stop
    let mut denied = counted();
    denied.measure(&document(&[BASE_UNITS]));
    denied.measure(&document(&[&format!("max_denials = 2\nper_customer = 1\n{BASE_UNITS}")]));
    assert_eq!(denials(&mut denied, "c", 5_001), 0);
    assert_eq!(denied.authorized(&from("a", 101), TimestampMs(5_001)).len(), 1);
}

#[test]
fn each_breaker_keeps_what_it_counted_itself_when_a_document_follows() {
    // Given a breaker that counts denials only, and one beside it that counts outflow
    let both = ["max_denials = 2", "max_outflow = { asset = \"USDT\", amount = \"1000\" }"];
    let mut breakers = breakers(&both);
    assert!(breakers.authorized(&from("a", 900), TimestampMs(5_000)).is_empty());
    // When a document follows in which both are as before
    breakers.measure(&document(&both));
    // Then the second one goes on where it was
    assert_eq!(breakers.authorized(&from("a", 101), TimestampMs(5_001)).len(), 1);
}

proptest! {
    /// An oracle that keeps everything and counts by hand.
    #[test]
    fn breakers_trip_when_a_list_of_everything_says_so(
        events in proptest::collection::vec((0..4_u8, 0..300_u64), 1..80),
        most in 1..6_usize,
        each in 1..4_usize,
    ) {
        let mut breakers = breakers(&[&format!("max_denials = {most}\nper_customer = {each}")]);
        let (mut all, mut now) = (Vec::new(), 5_000);
        for (customer, later) in events {
            now += later;
            all.push((customer, now));
            let within = |of: u8| all.iter().filter(|(by, at)| *by == of && *at + WINDOW > now).count();
            let counted: usize = (0..4).map(|of| within(of).min(each)).sum();
            let trips = denials(&mut breakers, &format!("c{customer}"), now);
            prop_assert_eq!(trips == 1, counted > most);
            if trips == 1 {
                all.clear();
            }
        }
    }
}
