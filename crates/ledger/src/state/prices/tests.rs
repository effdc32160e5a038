//! Tests of prices: an oracle that keeps them all.
#![expect(clippy::arithmetic_side_effects, reason = "test times are small")]

use holdfast_policy::{ClusterId, ProviderId};
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600_000;

fn report(observed_at: u64, price: u64) -> PriceReport {
    PriceReport {
        cluster: ClusterId::new("cell").unwrap(),
        provider: ProviderId::new("prices").unwrap(),
        sequence: 1,
        asset: AssetSymbol::parse("ETH").unwrap(),
        price_micro_usd: MicroUsd(price),
        observed_at_ms: TimestampMs(observed_at),
    }
}

fn highest(prices: &Prices, since: u64) -> Option<u64> {
    prices.highest(&AssetSymbol::parse("ETH").unwrap(), TimestampMs(since)).map(|price| price.price.0)
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
fn prices_of_other_assets_do_not_count() {
    let mut prices = Prices::default();
    prices.insert(&report(200, 10));
    assert_eq!(prices.highest(&AssetSymbol::parse("USDT").unwrap(), TimestampMs(0)), None);
}

proptest! {
    #[test]
    fn highest_young_price_is_that_of_an_oracle_that_keeps_them_all(
        reports in prop::collection::vec((0_u64..60, 1_u64..20), 1..40)
    ) {
        let (mut prices, mut all) = (Prices::default(), Vec::new());
        for (hours, price) in reports {
            prices.insert(&report(hours * HOUR, price));
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
