//! Owns prices and the market's moods. Prices are integers (US cents a coin) as soon as they leave this file.

use crate::{
    calendar::{DAY_MS, HOUR_MS, days},
    draw::{Domain, Draws, Seed},
    event::{Asset, TimeMs},
    number::{index, real, scaled, whole},
    parameters::{Parameters, Season},
};

/// How people behave at a moment, against 1 on calm days. Assumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mood {
    /// Withdrawals a day.
    pub rate: f64,
    /// Amounts.
    pub amounts: f64,
    /// New destinations.
    pub new_addresses: f64,
    /// People who take out everything.
    pub exits: f64,
    /// Of the price, a day.
    drift: f64,
}

/// The highest rate a mood may have.
pub(crate) const MAX_MOOD_RATE: f64 = 3.0;

const CALM: Mood = Mood { rate: 1.0, amounts: 1.0, new_addresses: 1.0, exits: 1.0, drift: 0.0 };
const BULL: Mood = Mood { rate: 1.8, amounts: 1.4, new_addresses: 1.3, exits: 1.0, drift: 0.012 };
const PANIC: Mood = Mood { rate: 3.0, amounts: 1.2, new_addresses: 1.2, exits: 8.0, drift: -0.05 };

/// Yearly volatility of 70 % for ether and 50 % for bitcoin, as an hour's. Assumed, about 2024's.
const ETH_HOURLY: f64 = 0.0075;
const BTC_HOURLY: f64 = 0.0053;

#[derive(Debug, Clone, Copy)]
struct Spell {
    from: TimeMs,
    to: TimeMs,
    mood: Mood,
}

/// Prices by the hour, and spells of mood.
#[derive(Debug)]
pub(crate) struct Market {
    start: TimeMs,
    ether: Vec<u64>,
    bitcoin: Vec<u64>,
    spells: Vec<Spell>,
}

impl Market {
    pub(crate) fn new(parameters: &Parameters, seed: Seed) -> Self {
        let mut draws = seed.draws(Domain::Market, 0, 0);
        let spells = spells(parameters, &mut draws);
        let mut market = Self { start: parameters.start, ether: Vec::new(), bitcoin: Vec::new(), spells };
        let hours = parameters.end().since(parameters.start).checked_div(HOUR_MS).unwrap_or(0);
        let (mut ether, mut bitcoin) = (draws.between(220_000.0, 420_000.0), draws.between(6e6, 11e6));
        for hour in 0..=hours {
            let at = parameters.start.plus(hour.saturating_mul(HOUR_MS));
            let drift = market.mood(at).drift / 24.0;
            let common = draws.normal();
            // The two move together, with a correlation of 0.8.
            ether *= libm::exp(drift + ETH_HOURLY * (0.8 * common + 0.6 * draws.normal()));
            bitcoin *= libm::exp(0.7 * drift + BTC_HOURLY * common);
            market.ether.push(whole(ether).max(1));
            market.bitcoin.push(whole(bitcoin).max(1));
        }
        market
    }

    /// The mood at `at`.
    pub(crate) fn mood(&self, at: TimeMs) -> Mood {
        let spell = self.spells.iter().find(|spell| spell.from <= at && at < spell.to);
        spell.map_or(CALM, |spell| spell.mood)
    }

    /// US cents for a coin, as last reported at `at`.
    pub(crate) fn price(&self, asset: Asset, at: TimeMs) -> u64 {
        let hour = index(at.since(self.start).checked_div(HOUR_MS).unwrap_or(0));
        let series = match asset {
            Asset::Eth => &self.ether,
            Asset::Wbtc => &self.bitcoin,
            Asset::Usdt | Asset::Usdc => return 100,
        };
        series.get(hour).or(series.last()).copied().unwrap_or(1)
    }

    /// What is reported at this hour: moving prices each hour, stable ones once a day.
    pub(crate) fn reports(&self, at: TimeMs) -> impl Iterator<Item = Asset> + use<> {
        let daily = at.since(self.start).checked_rem(DAY_MS) == Some(0);
        Asset::ALL.into_iter().filter(move |asset| daily || matches!(asset, Asset::Eth | Asset::Wbtc))
    }

    /// The most base units that are worth no more than `cents`.
    pub(crate) fn units(&self, asset: Asset, cents: u64, at: TimeMs) -> u128 {
        scaled(u128::from(cents), asset.base_units(), u128::from(self.price(asset, at)))
    }

    /// US cents, rounded down.
    pub(crate) fn value(&self, asset: Asset, units: u128, at: TimeMs) -> u64 {
        let cents = scaled(units, u128::from(self.price(asset, at)), asset.base_units());
        u64::try_from(cents).unwrap_or(u64::MAX)
    }
}

fn spells(parameters: &Parameters, draws: &mut Draws) -> Vec<Spell> {
    let evaluation = parameters.evaluation_start();
    let spell = |from: TimeMs, length: f64, mood| Spell { from, to: from.plus(days(length)), mood };
    let length = f64::from(parameters.evaluation_days);
    match parameters.effective_season() {
        Season::Calm => Vec::new(),
        Season::Bull => vec![spell(evaluation, length, BULL)],
        Season::Panic => vec![spell(evaluation.plus(days(length / 3.0)), 4.0, PANIC)],
        Season::Mixed => {
            let whole_period = real(parameters.end().since(parameters.start)) / real(DAY_MS);
            let mut somewhere = || parameters.start.plus(days(draws.between(0.0, whole_period)));
            let (bull, panic) = (somewhere(), somewhere());
            vec![spell(panic, draws.between(2.0, 4.0), PANIC), spell(bull, draws.between(10.0, 25.0), BULL)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_of_units_never_exceeds_the_cents_they_were_bought_for() {
        let market = Market::new(&Parameters::default(), Seed(1));
        for (asset, cents) in [(Asset::Eth, 123_457), (Asset::Wbtc, 99), (Asset::Usdt, 1), (Asset::Usdc, 7)] {
            for hour in [0_u64, 17, 3_000] {
                let at = Parameters::default().start.plus(hour * HOUR_MS);
                let value = market.value(asset, market.units(asset, cents, at), at);
                assert!(value <= cents && value + 1 >= cents, "{asset:?} {cents} {value}");
            }
        }
    }

    #[test]
    fn prices_move_and_seasons_are_where_they_should_be() {
        let parameters = Parameters { season: Season::Panic, ..Parameters::default() };
        let market = Market::new(&parameters, Seed(2));
        let panic = parameters.evaluation_start().plus(days(11.0));
        assert!(market.mood(panic).exits > 1.0);
        assert!(market.mood(parameters.start).exits < 1.5);
        let first = market.price(Asset::Eth, parameters.start);
        assert_ne!(first, market.price(Asset::Eth, parameters.end()));
        assert_eq!(market.price(Asset::Usdt, parameters.end()), 100);
    }
}
