//! Owns the format of the document: which tables and fields there are and what each may hold. Checks that need two rules
//! at once lie in `check.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, str::FromStr};

use holdfast_chains::{Amount, AssetSymbol, ChainId};

use super::{
    AmountUnit, Destinations, FeeCap, Grant, HoldTerms, Hours, LegalTerms, LimitPerTransaction, LimitUnit,
    OnMatch, Outside, PolicyError, PriceTerms, RequiredApprovals, Restriction, RestrictionRule, RiskLimits,
    Rules, ScreeningRule, TimeWindow, TravelRule, Weekday, WindowLimit,
    bands::{self, Bounds},
    calls,
    check::{self, RuleIds},
    circuit_breaker,
    error::FieldProblem,
    read_risk,
    tier::Tiers,
    toml_field::{self, Field, Table},
};
use crate::{
    exposure::{ExposureTerms, MAX_EXPOSURE_AGE},
    identity::IdentityTerms,
    ids::{ProviderId, RoleName},
    outflow::MAX_WINDOW,
    price::MAX_PRICE_AGE,
    risk::MAX_SCORE,
    time::DurationMs,
    whitelist::WhitelistTerms,
};

const VERSION: u64 = 1;
/// Every name at the top of a document.
const TOP: [&str; 13] = [
    "version",
    "tier",
    "grant",
    "restriction",
    "risk",
    "hold",
    "whitelist",
    "authorization",
    "prices",
    "sessions",
    "legal",
    "exposure",
    "identity",
];
const MAX_RULES: usize = 256;
const MAX_VALUES: usize = 256;
const MAX_ROLES: usize = 8;
const MAX_APPROVALS_OF_A_ROLE: u32 = 16;
const MAX_ENTRIES_PER_CUSTOMER: u32 = 1_000;
const MAX_OPEN_REQUESTS: u32 = 100_000;
// Ten years: longer is a typing error.
const MAX_DURATION_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

pub(super) fn read(text: &str) -> Result<Rules, PolicyError> {
    let document = toml_field::parse(text)?;
    let mut root = Table::root(text, &document);
    let version = root.required("version")?;
    if version.number(0, u64::MAX)? != VERSION {
        return Err(version.invalid(format_args!("this program reads version {VERSION}")));
    }
    root.refuse_others(&TOP)?;
    let grants = root.required("grant")?.elements(MAX_RULES)?;
    let restrictions = match root.optional("restriction") {
        Some(field) => field.elements(MAX_RULES)?,
        None => Vec::new(),
    };
    // What the rules say about time must fit to it.
    let hold = hold_terms(root.required("hold")?.table()?)?;
    let mut ids = RuleIds::default();
    let tiers = Tiers::read(root.optional("tier"), &mut ids, &hold)?;
    let grants = grants.into_iter().map(|field| grant(field, &tiers, &mut ids));
    let grants = grants.collect::<Result<_, _>>()?;
    let restrictions = restrictions.into_iter().map(|field| restriction(field, &mut ids, &hold));
    let mut restrictions: Vec<_> = restrictions.collect::<Result<_, _>>()?;
    restrictions.extend(tiers.ceilings);
    let rules = Rules {
        tiers: tiers.tiers,
        grants,
        restrictions,
        risk: read_risk::terms(root.required("risk")?.table()?)?,
        hold: hold.clone(),
        whitelist: whitelist_terms(root.required("whitelist")?.table()?)?,
        authorization_max_age: authorization_max_age(root.required("authorization")?.table()?)?,
        prices: None,
        session_providers: root
            .optional("sessions")
            .map(|field| session_providers(field.table()?))
            .transpose()?,
        legal: root.optional("legal").map(|field| legal_terms(field.table()?)).transpose()?,
        exposure: root.optional("exposure").map(|field| exposure(field.table()?)).transpose()?,
        identity: None,
    };
    let in_dollars = rules.restrictions.iter().any(Restriction::is_in_dollars);
    let prices = match root.optional("prices") {
        None if in_dollars => Some(root.required("prices")?),
        prices => prices,
    };
    let prices = prices.map(|field| field.table().and_then(price_terms)).transpose()?;
    let identity = match root.optional("identity") {
        None if rules.restrictions.iter().any(Restriction::steps_up) => Some(root.required("identity")?),
        identity => identity,
    };
    let identity = identity.map(|field| field.table().and_then(identity_terms)).transpose()?;
    let rules = Rules { prices, identity, ..rules };
    root.finish()?;
    Ok(rules)
}

fn grant(field: Field<'_>, tiers: &Tiers, ids: &mut RuleIds) -> Result<Grant, PolicyError> {
    let mut table = field.table()?;
    let id = ids.claim(&table.required("id")?)?;
    let wallets = tiers.wallets(&mut table)?;
    let assets = set(&table.required("assets")?)?;
    let clients = table.optional("clients").map(|field| set(&field)).transpose()?;
    let destinations = destinations(&table.required("destinations")?)?;
    let max_amount = match table.optional("max_amount") {
        Some(field) => amounts(field, &assets)?,
        None => BTreeMap::new(),
    };
    let calls = table.optional("call").map(|field| calls::calls(&field)).transpose()?.unwrap_or_default();
    table.finish()?;
    Ok(Grant { id, wallets, assets, clients, destinations, max_amount, calls })
}

fn destinations(field: &Field<'_>) -> Result<Destinations, PolicyError> {
    match field.string()? {
        "whitelisted" => Ok(Destinations::Whitelisted),
        "house" => Ok(Destinations::House),
        "any" => Ok(Destinations::Any),
        _ => Err(field.invalid("use `whitelisted`, `house` or `any`")),
    }
}

fn amounts(
    field: Field<'_>,
    assets: &BTreeSet<AssetSymbol>,
) -> Result<BTreeMap<AssetSymbol, Amount>, PolicyError> {
    let mut amounts = BTreeMap::new();
    for (name, field) in field.table()?.entries() {
        let asset = AssetSymbol::parse(name).map_err(|error| field.invalid(error))?;
        if !assets.contains(&asset) {
            return Err(field.invalid("the grant does not name this asset in `assets`"));
        }
        amounts.insert(asset, field.parse()?);
    }
    Ok(amounts)
}

fn restriction(field: Field<'_>, ids: &mut RuleIds, hold: &HoldTerms) -> Result<Restriction, PolicyError> {
    let mut table = field.table()?;
    let id = ids.claim(&table.required("id")?)?;
    let kind = table.required("type")?;
    let rule = match kind.string()? {
        "whitelist" => RestrictionRule::Whitelist,
        "limit_per_transaction" => {
            RestrictionRule::LimitPerTransaction(limit_per_transaction(&mut table, hold)?)
        }
        "screening" => RestrictionRule::Screening(screening(&mut table)?),
        "risk" => RestrictionRule::Risk(risk_limits(&mut table, hold)?),
        "fee_cap" => RestrictionRule::FeeCap(fee_cap(&mut table)?),
        "limit_window" => RestrictionRule::WindowLimit(window_limit(&mut table, hold)?),
        "travel_rule" => RestrictionRule::TravelRule(travel_rule(&mut table)?),
        "time_window" => RestrictionRule::TimeWindow(time_window(&mut table)?),
        "circuit_breaker" => RestrictionRule::CircuitBreaker(circuit_breaker::read(&mut table)?),
        _ => {
            let reason = "use `whitelist`, `limit_per_transaction`, `limit_window`, `screening`, `risk`, `fee_cap`, `travel_rule`, `time_window` or `circuit_breaker`";
            return Err(kind.invalid(reason));
        }
    };
    table.finish()?;
    Ok(Restriction { id, rule })
}

fn limit_per_transaction(
    table: &mut Table<'_>,
    hold: &HoldTerms,
) -> Result<LimitPerTransaction, PolicyError> {
    let unit = amount_unit(table)?;
    let Bounds { step_up_above, hold_above, deny_above } = bands::bounds(table, hold)?;
    Ok(LimitPerTransaction { unit, tier: None, step_up_above, hold_above, deny_above })
}

fn window_limit(table: &mut Table<'_>, hold: &HoldTerms) -> Result<WindowLimit, PolicyError> {
    let unit = limit_unit(table)?;
    let per = table.required("per")?;
    // Nothing in common is everything together.
    let per = if per.is_empty_array() { BTreeSet::new() } else { set(&per)? };
    let window = window(&table.required("window_ms")?)?;
    let Bounds { step_up_above, hold_above, deny_above } = bands::bounds(table, hold)?;
    Ok(WindowLimit { unit, tier: None, per, window, step_up_above, hold_above, deny_above })
}

pub(super) fn window(field: &Field<'_>) -> Result<DurationMs, PolicyError> {
    field.number(1, MAX_WINDOW.0).map(DurationMs)
}

/// What one transaction is measured in: `asset` or `unit`.
pub(super) fn amount_unit(table: &mut Table<'_>) -> Result<AmountUnit, PolicyError> {
    match (table.optional("asset"), table.optional("unit")) {
        (Some(asset), None) => Ok(AmountUnit::Asset(asset.parse()?)),
        (None, Some(unit)) => match unit.string()? {
            "usd_cents" => Ok(AmountUnit::UsdCents),
            _ => Err(unit.invalid("use `usd_cents`, or name an `asset` instead")),
        },
        (Some(_), Some(unit)) => Err(unit.invalid("the rule names an `asset` already")),
        (None, None) => Ok(AmountUnit::Asset(table.required("asset")?.parse()?)),
    }
}

/// What a window counts: `asset` or `unit`.
pub(super) fn limit_unit(table: &mut Table<'_>) -> Result<LimitUnit, PolicyError> {
    match (table.optional("asset"), table.optional("unit")) {
        (Some(asset), None) => Ok(LimitUnit::Asset(asset.parse()?)),
        (None, Some(unit)) => match unit.string()? {
            "usd_cents" => Ok(LimitUnit::UsdCents),
            "count" => Ok(LimitUnit::Count),
            _ => Err(unit.invalid("use `usd_cents` or `count`, or name an `asset` instead")),
        },
        (Some(_), Some(unit)) => Err(unit.invalid("the rule names an `asset` already")),
        (None, None) => Ok(LimitUnit::Asset(table.required("asset")?.parse()?)),
    }
}

fn screening(table: &mut Table<'_>) -> Result<ScreeningRule, PolicyError> {
    let lists = set(&table.required("lists")?)?;
    let on_match = table.required("on_match")?;
    match on_match.string()? {
        "deny" => Ok(ScreeningRule { lists, on_match: OnMatch::Deny }),
        _ => Err(on_match.invalid("the only value is `deny`")),
    }
}

fn risk_limits(table: &mut Table<'_>, hold: &HoldTerms) -> Result<RiskLimits, PolicyError> {
    let step_up_at = table.optional("step_up_at").map(|field| score(&field)).transpose()?;
    let hold_field = table.required("hold_at")?;
    let deny_field = table.required("deny_at")?;
    let approvals = approvals(table.required("approvals")?)?;
    let hold_at = bands::scores(&hold_field, &approvals, hold)?;
    let lowest = hold_at.first().map_or(0, |band| band.score);
    check::not_below(&hold_field, &lowest, step_up_at.as_ref(), "step_up_at")?;
    let deny_at = score(&deny_field)?;
    check::not_below(&deny_field, &deny_at, hold_at.last().map(|band| &band.score), "hold_at")?;
    let require = match table.optional("require") {
        Some(field) => set(&field)?,
        None => BTreeSet::new(),
    };
    Ok(RiskLimits { step_up_at, hold_at, deny_at, require, approvals })
}

fn fee_cap(table: &mut Table<'_>) -> Result<FeeCap, PolicyError> {
    let chain_id = ChainId(table.required("chain_id")?.number(1, u64::MAX)?);
    Ok(FeeCap { chain_id, max: table.required("max")?.parse()? })
}

fn hold_terms(mut table: Table<'_>) -> Result<HoldTerms, PolicyError> {
    let deadline = duration(&table.required("deadline_ms")?, 1)?;
    let owner = table.required("owner")?.parse()?;
    let escalation = bands::escalation(&mut table, deadline)?;
    table.finish()?;
    Ok(HoldTerms { deadline, owner, escalation })
}

fn whitelist_terms(mut table: Table<'_>) -> Result<WhitelistTerms, PolicyError> {
    let cooling_off = duration(&table.required("cooling_off_ms")?, 0)?;
    let max_life = duration(&table.required("max_life_ms")?, 1)?;
    let dormancy = table.optional("dormancy_ms").map(|field| duration(&field, 1)).transpose()?;
    let number = |field: Option<Field<'_>>, default: u32, max: u32| {
        field.map_or(Ok(default), |field| field.number(1, max))
    };
    let max_per_customer = number(
        table.optional("max_per_customer"),
        WhitelistTerms::DEFAULT_MAX_PER_CUSTOMER,
        MAX_ENTRIES_PER_CUSTOMER,
    )?;
    let max_open_requests = number(
        table.optional("max_open_requests"),
        WhitelistTerms::DEFAULT_MAX_OPEN_REQUESTS,
        MAX_OPEN_REQUESTS,
    )?;
    table.finish()?;
    Ok(WhitelistTerms { cooling_off, max_life, dormancy, max_per_customer, max_open_requests })
}

fn authorization_max_age(mut table: Table<'_>) -> Result<DurationMs, PolicyError> {
    let max_age = duration(&table.required("max_age_ms")?, 1)?;
    table.finish()?;
    Ok(max_age)
}

fn time_window(table: &mut Table<'_>) -> Result<TimeWindow, PolicyError> {
    let days = table.optional("days").map(|field| set(&field)).transpose()?;
    let hours = table.optional("hours").map(|field| set(&field)).transpose()?;
    if days.is_none() && hours.is_none() {
        // A window that is always open limits nothing.
        table.required("hours")?;
    }
    let outside = match (table.optional("approvals"), table.optional("outside")) {
        (Some(people), None) => Outside::Hold(approvals(people)?),
        (None, Some(outside)) if outside.string()? == "deny" => Outside::Deny,
        (None, Some(outside)) => {
            return Err(outside.invalid("the only value is `deny`; to hold, name `approvals`"));
        }
        (Some(_), Some(outside)) => return Err(outside.invalid("the rule names `approvals` already")),
        (None, None) => Outside::Hold(approvals(table.required("approvals")?)?),
    };
    let days = days.unwrap_or_else(|| BTreeSet::from(Weekday::ALL));
    let hours = hours.unwrap_or_else(|| BTreeSet::from([Hours::ALL_DAY]));
    Ok(TimeWindow { days, hours, outside })
}

fn travel_rule(table: &mut Table<'_>) -> Result<TravelRule, PolicyError> {
    let above = match table.optional("above") {
        Some(field) => thresholds(field)?,
        None => BTreeMap::new(),
    };
    let above_usd_cents = match table.optional("above_usd_cents") {
        Some(field) => Some(field.number(0, u64::MAX)?),
        // A threshold that nothing is measured by is a mistake.
        None if above.is_empty() => Some(table.required("above_usd_cents")?.number(0, u64::MAX)?),
        None => None,
    };
    let providers = set(&table.required("providers")?)?;
    let approvals = approvals(table.required("approvals")?)?;
    Ok(TravelRule { above, above_usd_cents, providers, approvals })
}

fn thresholds(field: Field<'_>) -> Result<BTreeMap<AssetSymbol, Amount>, PolicyError> {
    let mut above = BTreeMap::new();
    for (name, field) in field.table()?.entries() {
        above.insert(AssetSymbol::parse(name).map_err(|error| field.invalid(error))?, field.parse()?);
    }
    Ok(above)
}

fn legal_terms(mut table: Table<'_>) -> Result<LegalTerms, PolicyError> {
    let lapse = duration(&table.required("freeze_lapse_ms")?, 1)?;
    let opened_by = table.required("opened_by")?.parse()?;
    let field = table.required("approvals")?;
    let approvals = approvals(field.clone())?;
    if approvals.len() < 2 {
        return Err(field.invalid("name at least two roles: what an order demands is approved by both"));
    }
    table.finish()?;
    Ok(LegalTerms { lapse, opened_by, approvals })
}

fn price_terms(mut table: Table<'_>) -> Result<PriceTerms, PolicyError> {
    let max_age = DurationMs(table.required("max_age_ms")?.number(1, MAX_PRICE_AGE.0)?);
    let providers = set(&table.required("providers")?)?;
    table.finish()?;
    Ok(PriceTerms { max_age, providers })
}

fn session_providers(mut table: Table<'_>) -> Result<BTreeSet<ProviderId>, PolicyError> {
    let providers = set(&table.required("providers")?)?;
    table.finish()?;
    Ok(providers)
}

fn exposure(mut table: Table<'_>) -> Result<ExposureTerms, PolicyError> {
    let providers = set(&table.required("providers")?)?;
    let max_age = DurationMs(table.required("max_age_ms")?.number(1, MAX_EXPOSURE_AGE.0)?);
    let required = table.required("required")?.boolean()?;
    let hold_at = table.optional("hold_at").map(|field| threshold(&field)).transpose()?;
    let deny_at = match table.optional("deny_at") {
        Some(field) => {
            let deny_at = threshold(&field)?;
            check::not_below(&field, &deny_at, hold_at.as_ref(), "hold_at")?;
            Some(deny_at)
        }
        None => None,
    };
    let approvals = approvals(table.required("approvals")?)?;
    table.finish()?;
    Ok(ExposureTerms { providers, max_age, required, hold_at, deny_at, approvals })
}

fn threshold(field: &Field<'_>) -> Result<u8, PolicyError> {
    field.number(1, MAX_SCORE)
}

fn identity_terms(mut table: Table<'_>) -> Result<IdentityTerms, PolicyError> {
    let terms = IdentityTerms {
        providers: set(&table.required("providers")?)?,
        methods: set(&table.required("methods")?)?,
        min_score: score(&table.required("min_score")?)?,
        max_age: duration(&table.required("max_age_ms")?, 1)?,
    };
    table.finish()?;
    Ok(terms)
}

pub(crate) fn approvals(field: Field<'_>) -> Result<RequiredApprovals, PolicyError> {
    let mut required = RequiredApprovals::new();
    for (role, count) in field.clone().table()?.entries() {
        let role = RoleName::new(role).map_err(|error| count.invalid(error))?;
        required.insert(role, count.number(1, MAX_APPROVALS_OF_A_ROLE)?);
    }
    match required.len() {
        0 => Err(field.error(FieldProblem::Empty)),
        1..=MAX_ROLES => Ok(required),
        _ => Err(field.error(FieldProblem::TooMany { max: MAX_ROLES })),
    }
}

pub(crate) fn score(field: &Field<'_>) -> Result<u8, PolicyError> {
    field.number(0, MAX_SCORE)
}

pub(crate) fn duration(field: &Field<'_>, min: u64) -> Result<DurationMs, PolicyError> {
    field.number(min, MAX_DURATION_MS).map(DurationMs)
}

pub(crate) fn set<T: FromStr<Err: fmt::Display> + Ord + fmt::Display>(
    field: &Field<'_>,
) -> Result<BTreeSet<T>, PolicyError> {
    let mut values = BTreeSet::new();
    for element in field.elements(MAX_VALUES)? {
        let value: T = element.parse()?;
        if values.contains(&value) {
            return Err(element.error(FieldProblem::Duplicate { value: value.to_string() }));
        }
        values.insert(value);
    }
    Ok(values)
}
