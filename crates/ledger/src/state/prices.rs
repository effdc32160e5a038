//! What providers said assets are worth. Of several prices that are young enough the highest counts: nobody passes a limit by
//! choosing which price is heard. Only providers that the policy in force names are heard at all: one that officers leave out of
//! a new policy is heard no more, whatever it said before.

use holdfast_chains::AssetSymbol;
use holdfast_policy::{MAX_PRICE_AGE, MicroUsd, PolicyDocument, ProviderId, TimestampMs, UsdPrice};
use imbl::OrdMap;

use super::{Change, State};
use crate::codec::{Decode, Encode, Input, Malformed};
use crate::payload::PriceReport;
use crate::rejection::{Rejection, RejectionCode};

/// By asset and provider, prices that may still count, by the time of observation. A price is dropped when one observed later is
/// not lower: so the first one of a provider that is young enough is its highest one that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices(OrdMap<(AssetSymbol, ProviderId), OrdMap<TimestampMs, MicroUsd>>);

impl Prices {
    pub(super) fn insert(&mut self, report: &PriceReport) {
        let prices = self.0.entry((report.asset.clone(), report.provider.clone())).or_default();
        let (observed_at, price) = (report.observed_at_ms, report.price_micro_usd);
        if prices.range(observed_at..).next().is_some_and(|(_, later)| *later >= price) {
            return;
        }
        while let Some((earlier, lower)) =
            prices.range(..=observed_at).next_back().map(|(at, price)| (*at, *price))
            && lower <= price
        {
            prices.remove(&earlier);
        }
        prices.insert(observed_at, price);
        let newest = prices.get_max().map_or(observed_at, |(newest, _)| *newest);
        while let Some((oldest, _)) = prices.get_min().copied()
            && newest.0.saturating_sub(oldest.0) > MAX_PRICE_AGE.0
        {
            prices.remove(&oldest);
        }
    }

    fn highest<'a>(
        &self,
        asset: &AssetSymbol,
        providers: impl IntoIterator<Item = &'a ProviderId>,
        since: TimestampMs,
    ) -> Option<UsdPrice> {
        let young = providers.into_iter().filter_map(|provider| {
            let (observed_at, price) =
                self.0.get(&(asset.clone(), provider.clone()))?.range(since..).next()?;
            Some(UsdPrice { price: *price, observed_at: *observed_at })
        });
        young.max_by_key(|price| (price.price, price.observed_at))
    }
}

impl State {
    pub(super) fn admit_price(&self, report: &PriceReport, time: TimestampMs) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        let named = self.policy().prices().map(|prices| &prices.providers);
        self.check_named(&report.provider, named, "prices")?;
        if !self.genesis.document.assets.iter().any(|asset| asset.symbol == report.asset) {
            let detail = format!("`{}` is not registered", report.asset);
            return Err(Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset"));
        }
        if report.price_micro_usd.0 == 0 {
            let detail = "a price of nothing would pass every limit";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("price_micro_usd"));
        }
        Ok(Change { price: Some(report.clone()), ..Change::default() })
    }

    /// The highest price of an asset that is not older than the policy accepts.
    pub fn usd_price(&self, asset: &AssetSymbol, at: TimestampMs) -> Option<UsdPrice> {
        self.price_under(self.policy(), asset, at)
    }

    /// The same by another document's terms.
    pub(super) fn price_under(
        &self,
        document: &PolicyDocument,
        asset: &AssetSymbol,
        at: TimestampMs,
    ) -> Option<UsdPrice> {
        let terms = document.prices()?;
        let since = at.checked_sub(terms.max_age).unwrap_or(TimestampMs(0));
        self.prices.highest(asset, &terms.providers, since)
    }
}

impl Encode for Prices {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Prices {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Decode::decode(input).map(Self)
    }
}

#[cfg(test)]
mod tests;
