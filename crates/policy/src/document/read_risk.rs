//! Owns the format of the `[risk]` table. Four fields are required; every other one is a component that only counts when the table
//! names it.

use super::{
    PolicyError, check,
    read::{duration, score},
    toml_field::{Field, Table},
};
use crate::{
    crowd::MAX_PUBLIC,
    risk::{
        AccountTerms, Alike, DestinationTerms, Dormant, Established, FanIn, Graded, HabitTerms, Lately,
        NearLimit, NearListed, RiskTerms, UnusualHour, Within,
    },
    time::DurationMs,
};

/// 30 days: shorter silences are not remembered.
const LEAST_SILENCE_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// A customer's history keeps six digits of each end, the wallets' index compares four at least.
const MAX_OWN_DIGITS: u8 = 6;
const MAX_DIGITS: u8 = 20;
/// Enough for any count, amount or share, and far from overflow.
const MAX_VALUE: u64 = 1_000_000_000_000_000;

pub(super) fn terms(mut table: Table<'_>) -> Result<RiskTerms, PolicyError> {
    let terms = RiskTerms {
        listed_address: score(&table.required("listed_address")?)?,
        new_device: score(&table.required("new_device")?)?,
        second_factor_reset: score(&table.required("second_factor_reset")?)?,
        max_report_age: duration(&table.required("max_report_age_ms")?, 1)?,
        destination: destination(&mut table)?,
        habit: habit(&mut table)?,
        account: account(&mut table)?,
    };
    table.finish()?;
    Ok(terms)
}

fn destination(table: &mut Table<'_>) -> Result<DestinationTerms, PolicyError> {
    Ok(DestinationTerms {
        established: part(table, "established", established)?,
        exposure: part(table, "exposure", |table| graded(table, "from_score", "full_score", 100))?,
        near_listed: part(table, "near_listed", near_listed)?,
        new_destination: part(table, "new_destination", lately)?,
        unlisted: weight_only(table, "unlisted_destination")?,
        look_alike: part(table, "look_alike", |table| alike(table, 1, MAX_OWN_DIGITS))?,
        wallet_look_alike: part(table, "wallet_look_alike", |table| {
            alike(table, crate::look_alike::INDEXED_DIGITS, MAX_DIGITS)
        })?,
        fan_in: part(table, "fan_in", fan_in)?,
        fresh_crowd: part(table, "fresh_crowd", fan_in)?,
    })
}

fn habit(table: &mut Table<'_>) -> Result<HabitTerms, PolicyError> {
    Ok(HabitTerms {
        unusual_amount: part(table, "unusual_amount", |table| {
            graded(table, "from_hundredths", "full_hundredths", MAX_VALUE)
        })?,
        large_amount: part(table, "large_amount", |table| {
            graded(table, "from_usd_cents", "full_usd_cents", MAX_VALUE)
        })?,
        unusual_rate: part(table, "unusual_rate", |table| {
            within(table, "from_hundredths", "full_hundredths")
        })?,
        new_places: part(table, "new_places", |table| within(table, "from_count", "full_count"))?,
        near_limit: part(table, "near_limit", near_limit)?,
        unusual_hour: part(table, "unusual_hour", unusual_hour)?,
        new_client: weight_only(table, "new_client")?,
    })
}

fn account(table: &mut Table<'_>) -> Result<AccountTerms, PolicyError> {
    Ok(AccountTerms {
        dormant: part(table, "dormant", dormant)?,
        fresh_account: part(table, "fresh_account", lately)?,
        young_device: part(table, "young_device", lately)?,
        shared_device: part(table, "shared_device", |table| within(table, "from_count", "full_count"))?,
        password_reset: part(table, "password_reset", lately)?,
        email_changed: part(table, "email_changed", lately)?,
        tor: weight_only(table, "tor")?,
        vpn: weight_only(table, "vpn")?,
        hosting: weight_only(table, "hosting")?,
        country_changed: weight_only(table, "country_changed")?,
        fresh_api_key: part(table, "fresh_api_key", lately)?,
        old_session: part(table, "old_session", |table| {
            graded(table, "from_minutes", "full_minutes", MAX_VALUE)
        })?,
        reset_then_new_device: part(table, "reset_then_new_device", lately)?,
        woke_on_new_device: part(table, "woke_on_new_device", dormant)?,
    })
}

fn part<T>(
    table: &mut Table<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Table<'_>) -> Result<T, PolicyError>,
) -> Result<Option<T>, PolicyError> {
    let Some(field) = table.optional(name) else { return Ok(None) };
    let mut part = field.table()?;
    let terms = read(&mut part)?;
    part.finish()?;
    Ok(Some(terms))
}

fn weight_only(table: &mut Table<'_>, name: &'static str) -> Result<Option<u8>, PolicyError> {
    table.optional(name).map(|field| score(&field)).transpose()
}

fn weight(table: &mut Table<'_>) -> Result<u8, PolicyError> {
    score(&table.required("weight")?)
}

fn graded(
    table: &mut Table<'_>,
    from: &'static str,
    full: &'static str,
    max: u64,
) -> Result<Graded, PolicyError> {
    let weight = weight(table)?;
    let first = table.required(from)?.number(1, max)?;
    let last = table.required(full)?;
    let whole = last.number(1, max)?;
    check::not_below(&last, &whole, Some(&first), from)?;
    Ok(Graded { weight, from: first, full: whole })
}

fn lately(table: &mut Table<'_>) -> Result<Lately, PolicyError> {
    Ok(Lately { weight: weight(table)?, within: span(table, "within_ms")? })
}

fn within(table: &mut Table<'_>, from: &'static str, full: &'static str) -> Result<Within, PolicyError> {
    Ok(Within { graded: graded(table, from, full, MAX_VALUE)?, within: span(table, "within_ms")? })
}

fn established(table: &mut Table<'_>) -> Result<Established, PolicyError> {
    Ok(Established { after: span(table, "after_ms")?, percent: percent(&table.required("percent")?)? })
}

fn near_listed(table: &mut Table<'_>) -> Result<NearListed, PolicyError> {
    Ok(NearListed {
        weight: weight(table)?,
        hops: table.required("max_hops")?.number(1, u8::MAX)?,
        min_score: percent(&table.required("min_score")?)?,
    })
}

fn alike(table: &mut Table<'_>, least: u8, most: u8) -> Result<Alike, PolicyError> {
    Ok(Alike {
        weight: weight(table)?,
        prefix: table.required("first_digits")?.number(least, most)?,
        suffix: table.required("last_digits")?.number(least, most)?,
    })
}

fn fan_in(table: &mut Table<'_>) -> Result<FanIn, PolicyError> {
    Ok(FanIn {
        graded: graded(table, "from_count", "full_count", MAX_VALUE)?,
        within: span(table, "within_ms")?,
        public: table.required("public_count")?.number(1, MAX_PUBLIC)?,
    })
}

fn near_limit(table: &mut Table<'_>) -> Result<NearLimit, PolicyError> {
    Ok(NearLimit {
        graded: graded(table, "from_count", "full_count", MAX_VALUE)?,
        within: span(table, "within_ms")?,
        limit_usd_cents: table.required("limit_usd_cents")?.number(1, MAX_VALUE)?,
        percent: percent(&table.required("percent")?)?,
    })
}

fn unusual_hour(table: &mut Table<'_>) -> Result<UnusualHour, PolicyError> {
    Ok(UnusualHour {
        weight: weight(table)?,
        percent: percent(&table.required("percent")?)?,
        min_withdrawals: table.required("min_withdrawals")?.number(1, u32::MAX)?,
    })
}

fn dormant(table: &mut Table<'_>) -> Result<Dormant, PolicyError> {
    let weight = weight(table)?;
    let silent = duration(&table.required("silent_ms")?, LEAST_SILENCE_MS)?;
    Ok(Dormant { weight, silent, within: span(table, "within_ms")? })
}

fn percent(field: &Field<'_>) -> Result<u8, PolicyError> {
    field.number(0, 100)
}

/// Statistics know whole minutes.
fn span(table: &mut Table<'_>, name: &'static str) -> Result<DurationMs, PolicyError> {
    duration(&table.required(name)?, 60_000)
}
