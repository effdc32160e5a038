//! Owns what Holdfast's log would be told: registrations, session reports, whitelist entries, exposure reports, prices
//! and withdrawal requests. It must never carry what the log cannot know: labels stand beside events, not in them.

use std::fmt;

use crate::label::Label;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeMs(pub u64);

impl TimeMs {
    /// This much later; saturates.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// This much earlier; not before 1970.
    #[must_use]
    pub fn minus(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds since `earlier`; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A customer's pseudonym. Neither order nor value tells anything about the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub u64);

/// A device's pseudonym. One device may serve several customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u64);

/// An Ethereum address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

/// ISO 3166 alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(pub [u8; 2]);

/// What is withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asset {
    /// Ether, 18 decimals.
    Eth,
    /// Tether, 6 decimals.
    Usdt,
    /// USD Coin, 6 decimals.
    Usdc,
    /// Wrapped bitcoin, 8 decimals.
    Wbtc,
}

impl Asset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Eth, Self::Usdt, Self::Usdc, Self::Wbtc];

    /// The symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eth => "ETH",
            Self::Usdt => "USDT",
            Self::Usdc => "USDC",
            Self::Wbtc => "WBTC",
        }
    }

    /// How many base units one coin has.
    #[must_use]
    pub fn base_units(self) -> u128 {
        match self {
            Self::Eth => 1_000_000_000_000_000_000,
            Self::Usdt | Self::Usdc => 1_000_000,
            Self::Wbtc => 100_000_000,
        }
    }
}

/// The registered client whose key signs a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Website and app.
    Web,
    /// The exchange's trading API.
    Api,
    /// The desk for large customers.
    Desk,
}

impl Client {
    /// The client's id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Web => "pipeline-web",
            Self::Api => "pipeline-api",
            Self::Desk => "pipeline-desk",
        }
    }
}

/// The wallet that pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wallet {
    /// For everyday amounts.
    Hot,
    /// For large amounts.
    Warm,
    /// For very large amounts.
    Cold,
}

impl Wallet {
    /// The wallet's id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Hot => "hot-1",
            Self::Warm => "warm-1",
            Self::Cold => "cold-1",
        }
    }
}

/// Where a session's connection seems to come from, as the exchange's provider sees it: a residential proxy looks like
/// `Home`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// A line at home or at work.
    Home,
    /// A phone network.
    Mobile,
    /// A known VPN service.
    Vpn,
    /// A Tor exit.
    Tor,
    /// A data centre.
    Hosting,
}

/// A customer whom the log did not know before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The customer.
    pub customer: CustomerId,
    /// Country of residence.
    pub country: Country,
    /// When the account was opened; long ago for those imported when the log starts.
    pub opened_at: TimeMs,
    /// Last sign of life before the log knew the customer.
    pub last_active_at: Option<TimeMs>,
}

/// A price report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The asset.
    pub asset: Asset,
    /// US cents for one coin.
    pub usd_cents: u64,
}

/// Money that came into an account (or left it again in the exchange's favour: never here). Custody need not know it; it
/// is in the stream so that anybody can check that nobody withdraws what they do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposit {
    /// The customer.
    pub customer: CustomerId,
    /// Value in US cents.
    pub usd_cents: u64,
}

/// A customer confirmed a destination with the exchange's second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WhitelistEntry {
    /// The customer.
    pub customer: CustomerId,
    /// The destination.
    pub destination: Address,
    /// When it was confirmed; earlier than the event for entries imported when the log starts.
    pub confirmed_at: TimeMs,
}

/// A login, as the exchange's session provider reports it. "Hours since" are counted to 720 and absent beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionReport {
    /// The customer.
    pub customer: CustomerId,
    /// The device's pseudonym.
    pub device: DeviceId,
    /// The device was first seen with this customer less than 24 hours ago. Cleared cookies look like a new device.
    pub new_device: bool,
    /// Where the connection seems to come from.
    pub country: Country,
    /// Another country than in the session before.
    pub country_changed: bool,
    /// Kind of connection.
    pub network: Network,
    /// Since the second factor was reset.
    pub second_factor_reset_hours: Option<u16>,
    /// Since the password was reset.
    pub password_reset_hours: Option<u16>,
    /// Since the e-mail address was changed.
    pub email_change_hours: Option<u16>,
    /// For requests over the API: age of the key, to 720 and then 720.
    pub api_key_hours: Option<u16>,
}

/// What a provider of chain analysis says about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExposureReport {
    /// The address.
    pub destination: Address,
    /// 0 (nothing known) to 100.
    pub score: u8,
    /// Steps to the nearest listed address, if any is known.
    pub hops: Option<u8>,
}

/// A request for a withdrawal, signed by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalRequest {
    /// Counts up through the stream.
    pub number: u64,
    /// Whose money.
    pub customer: CustomerId,
    /// Whose key signed.
    pub client: Client,
    /// The wallet that should pay.
    pub wallet: Wallet,
    /// The asset.
    pub asset: Asset,
    /// Base units.
    pub amount: u128,
    /// Value in US cents at the price last reported.
    pub usd_cents: u64,
    /// Who gets it.
    pub destination: Address,
    /// When the customer confirmed this destination; absent if never.
    pub whitelisted_since: Option<TimeMs>,
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A customer appears.
    Registered(Registration),
    /// A price moves.
    Price(Price),
    /// Money comes in.
    Deposited(Deposit),
    /// A destination is confirmed.
    Whitelisted(WhitelistEntry),
    /// A login.
    Session(SessionReport),
    /// What a provider knows of a destination.
    Exposure(ExposureReport),
    /// A withdrawal is asked for.
    Withdrawal(WithdrawalRequest),
}

/// An event, when it happened, and what nobody knew at the time: who was behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When the log was told.
    pub at: TimeMs,
    /// What it was told.
    pub event: Event,
    /// The truth. A policy must never see it.
    pub label: Label,
}

impl fmt::Display for TimeMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c-{:016x}", self.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d-{:016x}", self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// One line of text. Everything in the record is in it, so that a digest of the lines is a digest of the stream.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at)?;
        match &self.event {
            Event::Registered(it) => {
                write!(f, "registered {} {} {}", it.customer, it.country, it.opened_at)?;
                optional(f, "active", it.last_active_at)?;
            }
            Event::Price(it) => write!(f, "price {} {}", it.asset.symbol(), it.usd_cents)?,
            Event::Deposited(it) => write!(f, "deposited {} {}", it.customer, it.usd_cents)?,
            Event::Whitelisted(it) => {
                write!(f, "whitelisted {} {} {}", it.customer, it.destination, it.confirmed_at)?;
            }
            Event::Session(it) => session(f, it)?,
            Event::Exposure(it) => {
                write!(f, "exposure {} {}", it.destination, it.score)?;
                optional(f, "hops", it.hops)?;
            }
            Event::Withdrawal(it) => {
                write!(f, "withdrawal {} {} {} ", it.number, it.customer, it.client.id())?;
                write!(f, "{} {} {} ", it.wallet.id(), it.asset.symbol(), it.amount)?;
                write!(f, "{} {}", it.usd_cents, it.destination)?;
                optional(f, "whitelisted", it.whitelisted_since)?;
            }
        }
        write!(f, " | {}", self.label)
    }
}

fn session(f: &mut fmt::Formatter<'_>, it: &SessionReport) -> fmt::Result {
    write!(f, "session {} {} {} {:?}", it.customer, it.device, it.country, it.network)?;
    optional(f, "new-device", it.new_device.then_some(true))?;
    optional(f, "country-changed", it.country_changed.then_some(true))?;
    optional(f, "second-factor-reset", it.second_factor_reset_hours)?;
    optional(f, "password-reset", it.password_reset_hours)?;
    optional(f, "email-change", it.email_change_hours)?;
    optional(f, "api-key", it.api_key_hours)
}

fn optional(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name}={value}"))
}
