//! Owns the `[risk]` table: what each component may add, and from where on. A component that the table does not name is not part
//! of the score. Weights are 0 to 100, everything else is a whole number with its unit in its name.

use crate::time::DurationMs;

/// The `[risk]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RiskTerms {
    /// For a destination on a list that a screening rule names.
    pub listed_address: u8,
    /// For a session from a new device, as the provider says.
    pub new_device: u8,
    /// For a second factor that was reset lately, as the provider says.
    pub second_factor_reset: u8,
    /// The oldest session report that counts.
    pub max_report_age: DurationMs,
    /// What the destination adds.
    pub destination: DestinationTerms,
    /// What differs from the customer's own history.
    pub habit: HabitTerms,
    /// What the session and the account add.
    pub account: AccountTerms,
}

/// Components about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DestinationTerms {
    /// What counts less when this customer has been paid there for long.
    pub established: Option<Established>,
    /// The exposure that a provider reports, by its score.
    pub exposure: Option<Graded>,
    /// Steps to the nearest listed address that a provider knows.
    pub near_listed: Option<NearListed>,
    /// The customer was never paid there, or only lately.
    pub new_destination: Option<Lately>,
    /// No active whitelist entry names it.
    pub unlisted: Option<u8>,
    /// It begins and ends like another one of this customer's.
    pub look_alike: Option<Alike>,
    /// It begins and ends like another one that the wallet pays.
    pub wallet_look_alike: Option<Alike>,
    /// Several customers pay to a destination that was unknown lately.
    pub fan_in: Option<FanIn>,
    /// Several new accounts, this one among them, pay to a destination that was unknown lately.
    pub fresh_crowd: Option<FanIn>,
}

/// Components about what the customer usually does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HabitTerms {
    /// The amount, in hundredths of the customer's usual spread above the usual amount.
    pub unusual_amount: Option<Graded>,
    /// The amount in US cents, whoever asks.
    pub large_amount: Option<Graded>,
    /// Withdrawals within a time, in hundredths of what is usual for the customer.
    pub unusual_rate: Option<Within>,
    /// Withdrawals within a time to destinations that were new at the time.
    pub new_places: Option<Within>,
    /// Withdrawals within a time that stay just below an amount.
    pub near_limit: Option<NearLimit>,
    /// The hour of the day: at most so many of 100 earlier withdrawals were near it.
    pub unusual_hour: Option<UnusualHour>,
    /// The client that asks was never used by this customer before.
    pub new_client: Option<u8>,
}

/// Components about the account and the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountTerms {
    /// The account woke from a long silence lately.
    pub dormant: Option<Dormant>,
    /// The account was opened lately.
    pub fresh_account: Option<Lately>,
    /// The device was first seen with this customer lately.
    pub young_device: Option<Lately>,
    /// Several customers come from the device, which this one met lately.
    pub shared_device: Option<Within>,
    /// The password was reset lately.
    pub password_reset: Option<Lately>,
    /// The e-mail address was changed lately.
    pub email_changed: Option<Lately>,
    /// The session came over Tor.
    pub tor: Option<u8>,
    /// The session came over a VPN.
    pub vpn: Option<u8>,
    /// The session came from a data centre, as programs do.
    pub hosting: Option<u8>,
    /// The session came from another country than the one before.
    pub country_changed: Option<u8>,
    /// The API key was made lately.
    pub fresh_api_key: Option<Lately>,
    /// The session report is old, in minutes.
    pub old_session: Option<Graded>,
    /// Second factor or e-mail address were replaced lately, and the device was unknown before.
    pub reset_then_new_device: Option<Lately>,
    /// The account woke lately, and the device was unknown before.
    pub woke_on_new_device: Option<Dormant>,
}

/// A component that grows in proportion: nothing below `from`, the whole weight from `full` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graded {
    /// The most it adds.
    pub weight: u8,
    /// The first value that adds something.
    pub from: u64,
    /// The first value that adds everything; not below `from`.
    pub full: u64,
}

/// A component that counts for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lately {
    /// What it adds.
    pub weight: u8,
    /// For how long; this long ago still counts.
    pub within: DurationMs,
}

/// A component that grows with what happened within some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// What it adds, by the number.
    pub graded: Graded,
    /// How far back it looks.
    pub within: DurationMs,
}

/// What has been paid for long counts less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Established {
    /// From when on after the first payment.
    pub after: DurationMs,
    /// How many of 100 points then count of what habit, account and session add.
    pub percent: u8,
}

/// Steps to a listed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearListed {
    /// What it adds.
    pub weight: u8,
    /// At most so many steps.
    pub hops: u8,
    /// If the provider's score is not below this.
    pub min_score: u8,
}

/// Digits in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// What it adds.
    pub weight: u8,
    /// At least so many first hexadecimal digits.
    pub prefix: u8,
    /// At least so many last ones.
    pub suffix: u8,
}

/// Many to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanIn {
    /// What it adds, by the number of other customers.
    pub graded: Graded,
    /// How long after its first payment a destination is watched.
    pub within: DurationMs,
    /// From so many on it is a public place.
    pub public: u32,
}

/// Amounts that stay below a limit that everybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearLimit {
    /// What it adds, by the number of such withdrawals, this one included.
    pub graded: Graded,
    /// How far back it looks.
    pub within: DurationMs,
    /// The limit, in US cents.
    pub limit_usd_cents: u64,
    /// From so many of 100 of the limit on.
    pub percent: u8,
}

/// An hour at which the customer is not usually here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnusualHour {
    /// What it adds.
    pub weight: u8,
    /// When at most so many of 100 earlier withdrawals were within two hours of it.
    pub percent: u8,
    /// And at least so many are known.
    pub min_withdrawals: u32,
}

/// A long silence that ended lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dormant {
    /// What it adds.
    pub weight: u8,
    /// The shortest silence that counts, at least 30 days.
    pub silent: DurationMs,
    /// How long after it.
    pub within: DurationMs,
}

impl Graded {
    /// What a value adds; `None` when it adds nothing.
    pub(crate) fn points(&self, value: u64) -> Option<u8> {
        let above = value.checked_sub(self.from)?.saturating_add(1);
        let range = self.full.saturating_sub(self.from).saturating_add(1);
        // At least one point: what is present is not nothing, unless its weight says so.
        let points = u64::from(self.weight).saturating_mul(above.min(range)).div_ceil(range.max(1));
        Some(u8::try_from(points).unwrap_or(self.weight).min(self.weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graded_component_starts_at_from_and_is_whole_at_full() {
        let graded = Graded { weight: 40, from: 50, full: 89 };
        assert_eq!(
            [49, 50, 51, 69, 88, 89, u64::MAX].map(|value| graded.points(value)),
            [None, Some(1), Some(2), Some(20), Some(39), Some(40), Some(40)]
        );
        let step = Graded { weight: 7, from: 3, full: 3 };
        assert_eq!([2, 3, 4].map(|value| step.points(value)), [None, Some(7), Some(7)]);
        assert_eq!(Graded { weight: 0, from: 0, full: u64::MAX }.points(u64::MAX), Some(0));
    }
}
