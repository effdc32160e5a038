//! Owns the truth about each event: honest, and in which ways unusual, or part of which attack. It must never reach a policy.

use std::fmt;

/// A kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttackKind {
    /// A thief reset the second factor and withdraws.
    TakeoverAfterReset,
    /// The customer pastes a look-alike of an address used before.
    PoisonedAddress,
    /// Many controlled accounts pay to one new destination.
    MuleFanIn,
    /// A dormant account wakes in a thief's hands.
    DrainedDormant,
    /// Many withdrawals just under the exchange's published limits.
    Structuring,
    /// The destination is one step from a listed address.
    SanctionedOneHop,
    /// Requests for many customers signed with a client's stolen key.
    StolenClientKey,
    /// Somebody inside the exchange takes a little, often, from many.
    InsiderSlowDrip,
    /// The phone number is taken over at night, an API key made, the account emptied.
    SimSwapApiKey,
    /// Malware on the customer's device swaps the destination of a habitual withdrawal.
    AddressSwapMalware,
    /// Support resets everything for a deepfake of the customer.
    DeepfakeSupportReset,
    /// A stolen session cookie: no reset, no new device.
    SessionHijack,
}

impl AttackKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::TakeoverAfterReset,
        Self::PoisonedAddress,
        Self::MuleFanIn,
        Self::DrainedDormant,
        Self::Structuring,
        Self::SanctionedOneHop,
        Self::StolenClientKey,
        Self::InsiderSlowDrip,
        Self::SimSwapApiKey,
        Self::AddressSwapMalware,
        Self::DeepfakeSupportReset,
        Self::SessionHijack,
    ];

    /// The kind's name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TakeoverAfterReset => "takeover-after-reset",
            Self::PoisonedAddress => "poisoned-address",
            Self::MuleFanIn => "mule-fan-in",
            Self::DrainedDormant => "drained-dormant",
            Self::Structuring => "structuring",
            Self::SanctionedOneHop => "sanctioned-one-hop",
            Self::StolenClientKey => "stolen-client-key",
            Self::InsiderSlowDrip => "insider-slow-drip",
            Self::SimSwapApiKey => "sim-swap-api-key",
            Self::AddressSwapMalware => "address-swap-malware",
            Self::DeepfakeSupportReset => "deepfake-support-reset",
            Self::SessionHijack => "session-hijack",
        }
    }
}

/// How good an attacker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skill {
    /// In a hurry; reuses devices, addresses and networks.
    Careless,
    /// Knows the usual alarms.
    Average,
    /// Waits, stays in the victim's country, hours and amounts.
    Careful,
}

impl Skill {
    /// From worst to best.
    pub const ALL: [Self; 3] = [Self::Careless, Self::Average, Self::Careful];

    /// The skill's name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Careless => "careless",
            Self::Average => "average",
            Self::Careful => "careful",
        }
    }
}

/// One attack, of one or more withdrawals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incident {
    /// Unique in the stream.
    pub number: u32,
    /// Its kind.
    pub kind: AttackKind,
    /// How good the attacker is.
    pub skill: Skill,
}

/// A way in which an honest event may look odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Oddity {
    /// Another phone or computer, or cleared cookies.
    NewDevice,
    /// Another country than before, for whatever reason.
    CountryChange,
    /// VPN or Tor.
    HiddenNetwork,
    /// Password reset within a week.
    PasswordReset,
    /// Second factor reset within a week.
    SecondFactorReset,
    /// First withdrawal after 90 days or more.
    Woke,
    /// Takes out at least 95 % of the balance.
    WithdrewAll,
    /// One of a batch of salaries.
    Payroll,
    /// The device is also used by other customers.
    SharedDevice,
    /// The destination is also used by others of the same household.
    SharedAddress,
    /// The destination is a place that many customers pay to.
    HotDestination,
    /// Many customers pay there within days of its first use.
    Launch,
    /// A market maker's withdrawal.
    MarketMaker,
    /// At 90 % or more of a published limit, and within it.
    JustUnderLimit,
    /// The provider reports 50 or more for an honest destination.
    ExposureFalsePositive,
    /// First withdrawal to this destination.
    NewAddress,
    /// A small amount sent ahead to try a new address.
    TestPayment,
    /// At least 10 times what the customer usually takes.
    LargeForCustomer,
    /// Over an API key made within a day.
    FreshApiKey,
    /// One of several parts of an amount above the published limit.
    SplitUp,
    /// The session provider failed to report the login.
    SessionMissing,
    /// The account is not older than two days.
    FreshAccount,
}

impl Oddity {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NewDevice,
        Self::CountryChange,
        Self::HiddenNetwork,
        Self::PasswordReset,
        Self::SecondFactorReset,
        Self::Woke,
        Self::WithdrewAll,
        Self::Payroll,
        Self::SharedDevice,
        Self::SharedAddress,
        Self::HotDestination,
        Self::Launch,
        Self::MarketMaker,
        Self::JustUnderLimit,
        Self::ExposureFalsePositive,
        Self::NewAddress,
        Self::TestPayment,
        Self::LargeForCustomer,
        Self::FreshApiKey,
        Self::SplitUp,
        Self::SessionMissing,
        Self::FreshAccount,
    ];

    #[expect(clippy::as_conversions, reason = "the discriminant of a `repr(u8)` enum")]
    fn bit(self) -> u32 {
        1_u32.wrapping_shl(u32::from(self as u8))
    }
}

/// A set of oddities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Oddities(u32);

impl Oddities {
    /// Whether it has this one.
    #[must_use]
    pub fn has(self, oddity: Oddity) -> bool {
        self.0 & oddity.bit() != 0
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With one more.
    pub(crate) fn add(&mut self, oddity: Oddity) {
        self.0 |= oddity.bit();
    }

    /// With one more, if so.
    pub(crate) fn add_if(&mut self, condition: bool, oddity: Oddity) {
        if condition {
            self.add(oddity);
        }
    }
}

/// Who was behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A customer, a provider or the market.
    Honest(Oddities),
    /// An attacker.
    Attack(Incident),
}

impl Label {
    /// Honest, with nothing odd.
    pub(crate) const PLAIN: Self = Self::Honest(Oddities(0));

    /// The incident, if this is part of one.
    #[must_use]
    pub fn incident(self) -> Option<Incident> {
        match self {
            Self::Honest(_) => None,
            Self::Attack(incident) => Some(incident),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Honest(odd) => {
                f.write_str("honest")?;
                let mut listed = Oddity::ALL.iter().filter(|oddity| odd.has(**oddity));
                listed.try_for_each(|oddity| write!(f, " {oddity:?}"))
            }
            Self::Attack(it) => write!(f, "attack {} {} {}", it.number, it.kind.name(), it.skill.name()),
        }
    }
}
