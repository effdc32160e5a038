//! Tests of prices: an oracle that keeps them all.
#![expect(clippy::arithmetic_side_effects, reason = "test times are small")]

use holdfast_policy::ClusterId;
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600_000;

fn provider(name: &str) -> ProviderId {
    ProviderId::new(name).unwrap()
}

fn report(observed_at: u64, price: u64) -> PriceReport {
    by("prices", observed_at, price)
}

fn by(name: &str, observed_at: u64, price: u64) -> PriceReport {
    PriceReport {
        cluster: ClusterId::new("cell").unwrap(),
        provider: provider(name),
        sequence: 1,
        asset: AssetSymbol::parse("ETH").unwrap(),
        price_micro_usd: MicroUsd(price),
        observed_at_ms: TimestampMs(observed_at),
    }
}

fn highest(prices: &Prices, since: u64) -> Option<u64> {
    highest_of(prices, &["prices", "other"], since)
}

fn highest_of(prices: &Prices, names: &[&str], since: u64) -> Option<u64> {
    let named: Vec<_> = names.iter().map(|name| provider(name)).collect();
    let eth = AssetSymbol::parse("ETH").unwrap();
    prices.highest(&eth, &named, TimestampMs(since)).map(|price| price.price.0)
}

#[test]
fn only_named_providers_count_and_no_report_of_another_hides_one_of_theirs() {
    let mut prices = Prices::default();
    prices.insert(&by("prices", 100, 10));
    prices.insert(&by("other", 200, 15));
    assert_eq!(highest_of(&prices, &["prices"], 100), Some(10));
    assert_eq!(highest_of(&prices, &["other"], 100), Some(15));
    assert_eq!(highest_of(&prices, &["prices", "other"], 100), Some(15));
    assert_eq!(highest_of(&prices, &["prices"], 101), None);
    assert_eq!(highest_of(&prices, &[], 100), None);
}

#[test]
fn late_report_of_an_earlier_higher_price_counts_while_it_is_young() {
    let mut prices = Prices::default();
    prices.insert(&report(200, 10));
    prices.insert(&report(100, 15));
    assert_eq!(highest(&prices, 100), Some(15));
    assert_eq!(highest(&prices, 101), Some(10));
    assert_eq!(highest(&prices, 201), None);
}

#[test]
fn late_report_of_the_same_price_makes_no_price_older() {
    let (mut once, mut twice) = (Prices::default(), Prices::default());
    once.insert(&report(200, 10));
    twice.insert(&report(200, 10));
    twice.insert(&report(100, 10));
    assert_eq!(once.to_bytes(), twice.to_bytes());
}

#[test]
fn prices_of_other_assets_do_not_count() {
    let mut prices = Prices::default();
    prices.insert(&report(200, 10));
    assert_eq!(
        prices.highest(&AssetSymbol::parse("USDT").unwrap(), &[provider("prices")], TimestampMs(0)),
        None
    );
}

proptest! {
    #[test]
    fn highest_young_price_is_that_of_an_oracle_that_keeps_them_all(
        reports in prop::collection::vec((0_u64..60, 1_u64..20, any::<bool>()), 1..40)
    ) {
        let (mut prices, mut all) = (Prices::default(), Vec::new());
        for (hours, price, other) in reports {
            prices.insert(&by(if other { "other" } else { "prices" }, hours * HOUR, price));
            all.push((hours * HOUR, price));
            let newest = all.iter().map(|(at, _)| *at).max().unwrap();
            for since in [newest.saturating_sub(24 * HOUR), newest.saturating_sub(7 * HOUR), newest, newest + 1] {
                let expected = all.iter().filter(|(at, _)| *at >= since).map(|(_, price)| *price).max();
                prop_assert_eq!(highest(&prices, since), expected);
            }
            let back = Prices::from_bytes(&prices.to_bytes()).unwrap();
            prop_assert_eq!(back.to_bytes(), prices.to_bytes());
        }
    }
}
