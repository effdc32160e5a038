//! Owns the list of what a document's risk terms name: each component with its name, its text and the most that it adds. Officers read
//! the texts when two documents differ: two terms are the same exactly when their texts are.

use std::{collections::BTreeMap, fmt};

use super::{
    MAX_SCORE,
    terms::{
        AccountTerms, Alike, DestinationTerms, Dormant, Established, FanIn, Graded, HabitTerms, Lately,
        NearLimit, NearListed, RiskTerms, UnusualHour, Within,
    },
};

impl RiskTerms {
    /// Every field of the table that is there, by name.
    pub(crate) fn described(&self) -> BTreeMap<&'static str, String> {
        let mut all: BTreeMap<_, _> =
            self.parts().into_iter().map(|(name, part)| (name, part.to_string())).collect();
        all.insert("max_report_age_ms", self.max_report_age.0.to_string());
        all
    }

    /// The most that the score can reach: all weights together.
    pub(crate) fn highest_score(&self) -> u8 {
        let weights = self.parts().into_values().map(Part::weight);
        weights.fold(0, u8::saturating_add).min(MAX_SCORE)
    }

    // Exhaustive, so that no component is left out.
    fn parts(&self) -> Parts<'_> {
        let Self {
            listed_address,
            new_device,
            second_factor_reset,
            max_report_age: _,
            destination,
            habit,
            account,
        } = self;
        let mut all: Parts<'_> = BTreeMap::new();
        all.insert("listed_address", listed_address);
        all.insert("new_device", new_device);
        all.insert("second_factor_reset", second_factor_reset);
        self::destination(destination, &mut all);
        self::habit(habit, &mut all);
        self::account(account, &mut all);
        all
    }
}

/// A component that a table may name.
trait Part: fmt::Display {
    /// The most that it adds.
    fn weight(&self) -> u8;
}

type Parts<'a> = BTreeMap<&'static str, &'a dyn Part>;

fn put<'a, T: Part>(all: &mut Parts<'a>, name: &'static str, part: &'a Option<T>) {
    if let Some(part) = part {
        all.insert(name, part);
    }
}

fn destination<'a>(terms: &'a DestinationTerms, all: &mut Parts<'a>) {
    let DestinationTerms {
        established,
        exposure,
        near_listed,
        new_destination,
        unlisted,
        look_alike,
        wallet_look_alike,
        fan_in,
        fresh_crowd,
    } = terms;
    put(all, "established", established);
    put(all, "exposure", exposure);
    put(all, "near_listed", near_listed);
    put(all, "new_destination", new_destination);
    put(all, "unlisted_destination", unlisted);
    put(all, "look_alike", look_alike);
    put(all, "wallet_look_alike", wallet_look_alike);
    put(all, "fan_in", fan_in);
    put(all, "fresh_crowd", fresh_crowd);
}

fn habit<'a>(terms: &'a HabitTerms, all: &mut Parts<'a>) {
    let HabitTerms {
        unusual_amount,
        large_amount,
        unusual_rate,
        new_places,
        near_limit,
        unusual_hour,
        new_client,
    } = terms;
    put(all, "unusual_amount", unusual_amount);
    put(all, "large_amount", large_amount);
    put(all, "unusual_rate", unusual_rate);
    put(all, "new_places", new_places);
    put(all, "near_limit", near_limit);
    put(all, "unusual_hour", unusual_hour);
    put(all, "new_client", new_client);
}

fn account<'a>(terms: &'a AccountTerms, all: &mut Parts<'a>) {
    let AccountTerms {
        dormant,
        fresh_account,
        young_device,
        shared_device,
        password_reset,
        email_changed,
        tor,
        vpn,
        hosting,
        country_changed,
        fresh_api_key,
        old_session,
        reset_then_new_device,
        woke_on_new_device,
    } = terms;
    put(all, "dormant", dormant);
    put(all, "fresh_account", fresh_account);
    put(all, "young_device", young_device);
    put(all, "shared_device", shared_device);
    put(all, "password_reset", password_reset);
    put(all, "email_changed", email_changed);
    put(all, "tor", tor);
    put(all, "vpn", vpn);
    put(all, "hosting", hosting);
    put(all, "country_changed", country_changed);
    put(all, "fresh_api_key", fresh_api_key);
    put(all, "old_session", old_session);
    put(all, "reset_then_new_device", reset_then_new_device);
    put(all, "woke_on_new_device", woke_on_new_device);
}

impl Part for u8 {
    fn weight(&self) -> u8 {
        *self
    }
}

macro_rules! weights {
    ($($name:ident($it:ident) $weight:expr;)+) => {$(
        impl Part for $name {
            fn weight(&self) -> u8 {
                let $it = self;
                $weight
            }
        }
    )+};
}

weights! {
    Graded(it) it.weight;
    Lately(it) it.weight;
    Within(it) it.graded.weight;
    // Makes others count less.
    Established(_it) 0;
    NearListed(it) it.weight;
    Alike(it) it.weight;
    FanIn(it) it.graded.weight;
    NearLimit(it) it.graded.weight;
    UnusualHour(it) it.weight;
    Dormant(it) it.weight;
}

macro_rules! text {
    ($($name:ident($it:ident) $($arg:expr),+;)+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $it = self;
                let parts: &[&dyn fmt::Display] = &[$(&$arg),+];
                for (number, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if number == 0 { "" } else { " " })?;
                }
                Ok(())
            }
        }
    )+};
}

text! {
    Graded(it) "weight", it.weight, "from", it.from, "full", it.full;
    Lately(it) "weight", it.weight, "within", it.within;
    Within(it) it.graded, "within", it.within;
    Established(it) "after", it.after, "percent", it.percent;
    NearListed(it) "weight", it.weight, "hops", it.hops, "min score", it.min_score;
    Alike(it) "weight", it.weight, "digits", it.prefix, "and", it.suffix;
    FanIn(it) it.graded, "within", it.within, "public", it.public;
    NearLimit(it) it.graded, "within", it.within, "limit", it.limit_usd_cents, "percent", it.percent;
    UnusualHour(it) "weight", it.weight, "percent", it.percent, "of", it.min_withdrawals;
    Dormant(it) "weight", it.weight, "silent", it.silent, "within", it.within;
}
