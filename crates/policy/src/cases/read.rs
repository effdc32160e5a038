//! Owns the format of a file of cases.

use std::{collections::BTreeSet, fmt, str::FromStr};

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};

use super::{
    Expected, ExpectedOutcome, PolicyCase, PolicyCases,
    facts::{Attested, CaseFacts, Earlier, ListedDestination, Session, after, before},
};
use crate::{
    approvals::Approval,
    digest::HoldDigest,
    document::{
        PolicyError,
        read::{approvals as required_approvals, duration, score, set},
        toml_field::{self, Field, Table},
    },
    facts::WalletStatus,
    ids::ListId,
    price::MicroUsd,
    reason::ReasonCode,
    risk::MAX_SCORE,
    session::{Moment, Network, SessionDetails},
    time::{DurationMs, TimestampMs},
    travel::TravelState,
    whitelist::EntryOwner,
};

const VERSION: u64 = 1;
/// Every name at the top of a file.
const TOP: [&str; 4] = ["version", "asset", "facts", "case"];
/// The largest file, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
const MAX_CASES: usize = 4096;
const MAX_VALUES: usize = 256;
const MAX_NAME_CHARS: usize = 200;
/// When a case happens that names no time.
const DEFAULT_AT: TimestampMs = TimestampMs(1_763_700_000_000);
const MINUTE: DurationMs = DurationMs(60_000);
const DAY: DurationMs = DurationMs(86_400_000);

pub(super) fn cases(text: &str) -> Result<PolicyCases, PolicyError> {
    let parsed = parse(text)?;
    let mut root = Table::root(text, &parsed);
    let assets = head(&mut root)?;
    let common = root.optional("facts").map(Field::table).transpose()?;
    let elements = root.required("case")?.elements(MAX_CASES)?;
    let cases = elements.into_iter().map(|field| one(field, common.as_ref())).collect::<Result<_, _>>()?;
    root.finish()?;
    Ok(PolicyCases { assets, cases })
}

pub(super) fn facts_alone(text: &str) -> Result<PolicyCases, PolicyError> {
    let parsed = parse(text)?;
    let mut root = Table::root(text, &parsed);
    let assets = head(&mut root)?;
    let mut table = root.required("facts")?.table()?;
    let facts = facts(&mut table)?;
    table.finish()?;
    root.finish()?;
    let case = PolicyCase { name: "the withdrawal".to_owned(), line: 1, facts, expected: None };
    Ok(PolicyCases { assets, cases: vec![case] })
}

fn parse(text: &str) -> Result<toml::Spanned<toml::de::DeTable<'_>>, PolicyError> {
    if text.len() > MAX_BYTES {
        return Err(PolicyError::TooLarge { size: text.len() });
    }
    toml_field::parse(text)
}

fn head(root: &mut Table<'_>) -> Result<Vec<Asset>, PolicyError> {
    let version = root.required("version")?;
    if version.number(0, u64::MAX)? != VERSION {
        return Err(version.invalid(format_args!("this program reads version {VERSION}")));
    }
    root.refuse_others(&TOP)?;
    root.required("asset")?.elements(MAX_VALUES)?.into_iter().map(asset).collect()
}

fn asset(field: Field<'_>) -> Result<Asset, PolicyError> {
    let mut table = field.table()?;
    let asset = Asset {
        symbol: table.required("symbol")?.parse()?,
        chain_id: ChainId(table.required("chain_id")?.number(1, u64::MAX)?),
        contract: table.optional("contract").map(|field| address(&field)).transpose()?,
        decimals: table.required("decimals")?.number(0_u8, u8::MAX)?,
    };
    table.finish()?;
    Ok(asset)
}

/// A case, its own facts before the common ones.
fn one<'t>(field: Field<'t>, common: Option<&Table<'t>>) -> Result<PolicyCase, PolicyError> {
    let line = field.line();
    let mut table = field.table()?;
    let name = table.required("name")?;
    let text = name.string()?;
    if text.is_empty() || text.chars().count() > MAX_NAME_CHARS || text.chars().any(char::is_control) {
        return Err(name.invalid(format_args!("1 to {MAX_NAME_CHARS} printable characters")));
    }
    let text = text.to_owned();
    let expected = expected(&mut table)?;
    let mut all = match common {
        Some(common) => table.over(common),
        None => table,
    };
    let facts = facts(&mut all)?;
    all.finish()?;
    Ok(PolicyCase { name: text, line, facts, expected: Some(expected) })
}

fn expected(table: &mut Table<'_>) -> Result<Expected, PolicyError> {
    let field = table.required("expect")?;
    let outcome = match field.string()? {
        "allow" => ExpectedOutcome::Allow,
        "hold" => ExpectedOutcome::Hold,
        "deny" => ExpectedOutcome::Deny,
        _ => return Err(field.invalid("use `allow`, `hold` or `deny`")),
    };
    let codes = table.optional("codes").map(|field| set::<ReasonCode>(&field)).transpose()?;
    let approvals = table.optional("needs").map(required_approvals).transpose()?;
    let score = table.optional("score").map(|field| score(&field)).transpose()?;
    Ok(Expected { outcome, codes, approvals, score })
}

fn facts(table: &mut Table<'_>) -> Result<CaseFacts, PolicyError> {
    let at = table.optional("at_ms").map(|field| field.number(0, u64::MAX)).transpose()?;
    let at = at.map_or(DEFAULT_AT, TimestampMs);
    Ok(CaseFacts {
        at,
        requested_ago: span(table, "requested_ms_ago", DurationMs(0))?,
        wallet: table.required("wallet")?.parse()?,
        wallet_status: wallet_status(table)?,
        asset: table.required("asset")?.parse()?,
        amount: table.required("amount")?.parse()?,
        destination: address(&table.required("destination")?)?,
        calldata: present(table, "calldata", |field| field.parse())?,
        wallet_address: present(table, "wallet_address", |field| address(&field))?,
        fee_cap: table.required("fee_cap")?.parse()?,
        client: table.required("client")?.parse()?,
        customer: present(table, "customer", |field| field.parse())?,
        whitelist: present(table, "whitelist", listed_destination)?,
        session: present(table, "session", |field| session(field, at))?,
        account_opened: present(table, "account_opened_ms_ago", |field| duration(&field, 0))?,
        tripped: present(table, "tripped", |field| set(&field))?.unwrap_or_default(),
        listed_on: ids(table, "listed_on")?,
        not_loaded: ids(table, "not_loaded")?,
        exposure: present(table, "exposure", |field| score(&field))?,
        travel: present(table, "travel", travel)?,
        price: present(table, "price_micro_usd", |field| field.number(1, u64::MAX).map(MicroUsd))?,
        earlier: many(table, "earlier", earlier)?,
        attestation: present(table, "attestation", attestation)?,
        approvals: many(table, "approvals", |field| approval(field, at))?,
    })
}

/// A fact that may be absent: not named, or `false`.
fn present<'t, T>(
    table: &mut Table<'t>,
    name: &'static str,
    read: impl FnOnce(Field<'t>) -> Result<T, PolicyError>,
) -> Result<Option<T>, PolicyError> {
    match table.optional(name) {
        None => Ok(None),
        Some(field) if field.flag() == Some(false) => Ok(None),
        Some(field) => read(field).map(Some),
    }
}

fn many<'t, T>(
    table: &mut Table<'t>,
    name: &'static str,
    read: impl FnMut(Field<'t>) -> Result<T, PolicyError>,
) -> Result<Vec<T>, PolicyError> {
    let elements = present(table, name, |field| field.elements(MAX_VALUES))?;
    elements.unwrap_or_default().into_iter().map(read).collect()
}

fn ids(table: &mut Table<'_>, name: &'static str) -> Result<BTreeSet<ListId>, PolicyError> {
    Ok(present(table, name, |field| set(&field))?.unwrap_or_default())
}

fn span(table: &mut Table<'_>, name: &'static str, default: DurationMs) -> Result<DurationMs, PolicyError> {
    Ok(table.optional(name).map(|field| duration(&field, 0)).transpose()?.unwrap_or(default))
}

fn flag(table: &mut Table<'_>, name: &'static str) -> Result<bool, PolicyError> {
    table.optional(name).map_or(Ok(false), |field| field.boolean())
}

fn address(field: &Field<'_>) -> Result<Address, PolicyError> {
    Address::parse(field.string()?).map_err(|error| field.invalid(error))
}

fn wallet_status(table: &mut Table<'_>) -> Result<Option<WalletStatus>, PolicyError> {
    let Some(field) = table.optional("wallet_status") else { return Ok(Some(WalletStatus::Active)) };
    match field.string()? {
        "active" => Ok(Some(WalletStatus::Active)),
        "paused" => Ok(Some(WalletStatus::Paused)),
        "frozen" => Ok(Some(WalletStatus::Frozen)),
        "unknown" => Ok(None),
        _ => Err(field.invalid("use `active`, `paused`, `frozen` or `unknown`")),
    }
}

/// `true` is an active entry of the house.
fn listed_destination(field: Field<'_>) -> Result<ListedDestination, PolicyError> {
    let mut listed = ListedDestination {
        owner: EntryOwner::House,
        assets: None,
        active_since: DAY,
        active_in: DurationMs(0),
        expires_in: DAY,
        revoked: false,
    };
    if field.flag() == Some(true) {
        return Ok(listed);
    }
    let mut table = field.table()?;
    if let Some(customer) = optional(&mut table, "customer")? {
        listed.owner = EntryOwner::Customer(customer);
    }
    listed.assets = table.optional("assets").map(|field| set::<AssetSymbol>(&field)).transpose()?;
    listed.active_in = span(&mut table, "active_in_ms", DurationMs(0))?;
    let since = if listed.active_in == DurationMs(0) { DAY } else { DurationMs(0) };
    listed.active_since = span(&mut table, "active_since_ms_ago", since)?;
    listed.expires_in = span(&mut table, "expires_in_ms", DAY)?;
    listed.revoked = flag(&mut table, "revoked")?;
    table.finish()?;
    Ok(listed)
}

/// `true` is a report of a minute ago about nothing special.
fn session(field: Field<'_>, at: TimestampMs) -> Result<Session, PolicyError> {
    if field.flag() == Some(true) {
        let details = SessionDetails::default();
        return Ok(Session { new_device: false, second_factor_reset: false, details, age: MINUTE });
    }
    let mut table = field.table()?;
    let session = Session {
        new_device: flag(&mut table, "new_device")?,
        second_factor_reset: flag(&mut table, "second_factor_reset")?,
        age: span(&mut table, "age_ms", MINUTE)?,
        details: SessionDetails {
            device: optional(&mut table, "device")?,
            network: table.optional("network").map(|field| network(&field)).transpose()?,
            country_changed: table.optional("country_changed").map(|field| field.boolean()).transpose()?,
            second_factor_reset_at: moment(&mut table, "second_factor_reset_ms_ago", at)?,
            password_reset_at: moment(&mut table, "password_reset_ms_ago", at)?,
            email_changed_at: moment(&mut table, "email_changed_ms_ago", at)?,
            api_key_made_at: moment(&mut table, "api_key_made_ms_ago", at)?,
        },
    };
    table.finish()?;
    Ok(session)
}

fn travel(field: Field<'_>) -> Result<TravelState, PolicyError> {
    let name = field.string()?;
    let state = TravelState::ALL.into_iter().find(|state| state.name() == name);
    state.ok_or_else(|| field.invalid("use `not-required`, `accepted`, `sent`, `required` or `rejected`"))
}

/// `true` is an attestation of a minute ago that could not be surer.
fn attestation(field: Field<'_>) -> Result<Attested, PolicyError> {
    if field.flag() == Some(true) {
        return Ok(Attested { score: MAX_SCORE, age: MINUTE });
    }
    let mut table = field.table()?;
    let attested = Attested {
        score: table.optional("score").map(|field| score(&field)).transpose()?.unwrap_or(MAX_SCORE),
        age: span(&mut table, "age_ms", MINUTE)?,
    };
    table.finish()?;
    Ok(attested)
}

fn network(field: &Field<'_>) -> Result<Network, PolicyError> {
    match field.string()? {
        "ordinary" => Ok(Network::Ordinary),
        "hosting" => Ok(Network::Hosting),
        "vpn" => Ok(Network::Vpn),
        "tor" => Ok(Network::Tor),
        _ => Err(field.invalid("use `ordinary`, `hosting`, `vpn` or `tor`")),
    }
}

/// So long ago, or `false`: not within the provider's memory. A field that is not there is unknown.
fn moment(table: &mut Table<'_>, name: &'static str, at: TimestampMs) -> Result<Option<Moment>, PolicyError> {
    match table.optional(name) {
        None => Ok(None),
        Some(field) if field.flag() == Some(false) => Ok(Some(Moment::NotLately)),
        Some(field) => Ok(Some(Moment::At(before(at, duration(&field, 0)?)))),
    }
}

fn earlier(field: Field<'_>) -> Result<Earlier, PolicyError> {
    let mut table = field.table()?;
    let earlier = Earlier {
        amount: table.required("amount")?.parse()?,
        ago: duration(&table.required("ms_ago")?, 0)?,
        usd_cents: table.optional("usd_cents").map(|field| field.number(0, u64::MAX)).transpose()?,
        wallet: optional(&mut table, "wallet")?,
        asset: optional(&mut table, "asset")?,
        client: optional(&mut table, "client")?,
        customer: optional(&mut table, "customer")?,
        destination: table.optional("destination").map(|field| address(&field)).transpose()?,
    };
    table.finish()?;
    Ok(earlier)
}

fn approval(field: Field<'_>, at: TimestampMs) -> Result<Approval, PolicyError> {
    let mut table = field.table()?;
    let approval = Approval {
        officer: table.required("officer")?.parse()?,
        roles: set(&table.required("roles")?)?,
        // Put in when the hold is known.
        hold: HoldDigest::from_bytes([0; 32]),
        expires_at: after(at, span(&mut table, "expires_in_ms", DAY)?),
    };
    table.finish()?;
    Ok(approval)
}

fn optional<T: FromStr<Err: fmt::Display>>(
    table: &mut Table<'_>,
    name: &'static str,
) -> Result<Option<T>, PolicyError> {
    table.optional(name).map(|field| field.parse()).transpose()
}
