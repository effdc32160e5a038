//! Owns the kinds of customers and how they differ. All figures are assumed unless a source is named.

/// A kind of customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Now and then.
    Casual,
    /// Most weeks.
    Regular,
    /// Most days.
    Trader,
    /// Rich.
    Whale,
    /// Pays salaries and suppliers in batches.
    Business,
    /// Moves large amounts between venues, all day.
    MarketMaker,
    /// Has not been here for months.
    Dormant,
}

/// How a kind of customer behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// Of all customers.
    pub share: f64,
    /// Withdrawals in 30 days, the median of the kind.
    pub per_month: f64,
    /// The kind's median of its customers' median amounts.
    pub median_usd: f64,
    /// Of the log of those medians. Balances are log-normal too (Zhang and Tessone, arXiv 2409.10407, for bitcoin).
    pub sigma_between: f64,
    /// Of the log of one customer's amounts: from, to.
    pub sigma_within: (f64, f64),
    /// Chance that a destination is new.
    pub new_address: f64,
    /// Share who let the exchange pay only to confirmed addresses.
    pub whitelist: f64,
    /// Share who use the API.
    pub api: f64,
    /// Activity at weekends.
    pub weekend: f64,
}

impl Segment {
    pub(crate) const ALL: [Self; 7] = [
        Self::Casual,
        Self::Regular,
        Self::Trader,
        Self::Whale,
        Self::Business,
        Self::MarketMaker,
        Self::Dormant,
    ];

    pub(crate) fn traits(self) -> Traits {
        match self {
            Self::Casual => CASUAL,
            Self::Regular => REGULAR,
            Self::Trader => TRADER,
            Self::Whale => WHALE,
            Self::Business => BUSINESS,
            Self::MarketMaker => MARKET_MAKER,
            Self::Dormant => DORMANT,
        }
    }
}

const CASUAL: Traits = Traits {
    share: 0.592,
    per_month: 0.8,
    median_usd: 250.0,
    sigma_between: 1.1,
    sigma_within: (0.5, 1.2),
    new_address: 0.25,
    whitelist: 0.45,
    api: 0.005,
    weekend: 0.9,
};

const REGULAR: Traits = Traits {
    share: 0.24,
    per_month: 3.0,
    median_usd: 600.0,
    sigma_between: 1.1,
    sigma_within: (0.5, 1.1),
    new_address: 0.12,
    whitelist: 0.55,
    api: 0.03,
    weekend: 0.8,
};

const TRADER: Traits = Traits {
    share: 0.07,
    per_month: 12.0,
    median_usd: 2_000.0,
    sigma_between: 1.2,
    sigma_within: (0.6, 1.2),
    new_address: 0.06,
    whitelist: 0.65,
    api: 0.35,
    weekend: 0.75,
};

const WHALE: Traits = Traits {
    share: 0.01,
    per_month: 3.0,
    median_usd: 60_000.0,
    sigma_between: 1.0,
    sigma_within: (0.6, 1.2),
    new_address: 0.10,
    whitelist: 0.85,
    api: 0.10,
    weekend: 0.6,
};

const BUSINESS: Traits = Traits {
    share: 0.006,
    per_month: 1.0,
    median_usd: 1_800.0,
    sigma_between: 0.5,
    sigma_within: (0.05, 0.2),
    new_address: 0.03,
    whitelist: 0.80,
    api: 0.40,
    weekend: 0.1,
};

const MARKET_MAKER: Traits = Traits {
    share: 0.002,
    per_month: 80.0,
    median_usd: 100_000.0,
    sigma_between: 0.8,
    sigma_within: (0.5, 0.9),
    new_address: 0.004,
    whitelist: 0.95,
    api: 1.0,
    weekend: 0.8,
};

const DORMANT: Traits = Traits {
    share: 0.08,
    per_month: 0.15,
    median_usd: 700.0,
    sigma_between: 1.4,
    sigma_within: (0.5, 1.0),
    new_address: 0.45,
    whitelist: 0.35,
    api: 0.005,
    weekend: 0.9,
};
