//! Owns the policy document: what it may say, in types that cannot hold a document which [`PolicyDocument::parse`] would
//! refuse. It never guesses: an unknown field, a missing field or a contradiction refuses the whole document.

mod bands;
mod calls;
mod check;
mod circuit_breaker;
mod diff;
mod error;
mod lift;
mod lines;
mod near;
pub(crate) mod read;
mod read_risk;
mod tier;
mod time_window;
pub(crate) mod toml_field;

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, str::FromStr};

use holdfast_chains::{Amount, AssetSymbol, ChainId};

use crate::{
    digest::{PolicyHash, sha256},
    exposure::ExposureTerms,
    identity::IdentityTerms,
    ids::{ClientId, CustomerRef, ListId, ProviderId, RoleName, RuleId, WalletId},
    outflow::Outflow,
    risk::{RiskFact, RiskTerms},
    time::DurationMs,
    whitelist::WhitelistTerms,
};

pub use calls::{ArgumentChoice, ArgumentRule, CallDanger, CallRule};
pub use circuit_breaker::{CircuitBreaker, DenialBound, MAX_BREAKER_DENIALS, OutflowBound};
pub use diff::{ChangeEffect, PolicyChange, PolicyDiff};
pub use error::{FieldProblem, PolicyError};
pub use lift::{Escalation, HoldTerms, Lift};
pub use lines::DocumentLines;
pub use tier::{Tier, TierScope};
pub use time_window::{Hours, Outside, TimeWindow, Weekday};

/// The largest policy document, in bytes: in an entry of the log it is escaped and in base64, and must still fit.
pub const MAX_DOCUMENT_BYTES: usize = 32 * 1024;

/// How many officers of each role must approve; never empty, no count is zero.
pub type RequiredApprovals = BTreeMap<RoleName, u32>;

/// A checked policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    source: String,
    hash: PolicyHash,
    rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rules {
    tiers: Vec<Tier>,
    grants: Vec<Grant>,
    // Those of the document, and then the ceilings of the tiers, in the document's order.
    restrictions: Vec<Restriction>,
    risk: RiskTerms,
    hold: HoldTerms,
    whitelist: WhitelistTerms,
    authorization_max_age: DurationMs,
    prices: Option<PriceTerms>,
    /// Whose session and customer reports count; `None` is everybody's.
    session_providers: Option<BTreeSet<ProviderId>>,
    legal: Option<LegalTerms>,
    exposure: Option<ExposureTerms>,
    identity: Option<IdentityTerms>,
}

/// What may happen: without a matching grant a withdrawal is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The rule's id.
    pub id: RuleId,
    /// The wallets it covers.
    pub wallets: BTreeSet<WalletId>,
    /// The assets it covers.
    pub assets: BTreeSet<AssetSymbol>,
    /// The clients it covers; `None` is every registered client.
    pub clients: Option<BTreeSet<ClientId>>,
    /// Which destinations it covers.
    pub destinations: Destinations,
    /// The most it gives in one transaction, for each asset, in base units; an asset without a value has no maximum here.
    pub max_amount: BTreeMap<AssetSymbol, Amount>,
    /// The contract calls that it gives, and then no transfer; empty: it gives transfers, and no call.
    pub calls: Vec<CallRule>,
}

/// Which destinations a grant covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destinations {
    /// Destinations with an active whitelist entry.
    Whitelisted,
    /// Destinations with an active whitelist entry of the house, whoever asks.
    House,
    /// Any destination: for amounts whose loss can be borne.
    Any,
}

impl Destinations {
    /// The customer whose own entries count beside those of the house.
    pub(crate) fn served(self, customer: Option<&CustomerRef>) -> Option<&CustomerRef> {
        match self {
            Self::House => None,
            Self::Whitelisted | Self::Any => customer,
        }
    }
}

/// What limits every grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// The rule's id.
    pub id: RuleId,
    /// What it demands.
    pub rule: RestrictionRule,
}

impl Restriction {
    /// The tier that it is a ceiling of.
    pub fn tier(&self) -> Option<&TierScope> {
        match &self.rule {
            RestrictionRule::LimitPerTransaction(limit) => limit.tier.as_ref(),
            RestrictionRule::WindowLimit(limit) => limit.tier.as_ref(),
            RestrictionRule::Whitelist
            | RestrictionRule::Screening(_)
            | RestrictionRule::Risk(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::FeeCap(_) => None,
        }
    }

    fn is_in_dollars(&self) -> bool {
        matches!(&self.rule, RestrictionRule::WindowLimit(limit) if limit.unit == LimitUnit::UsdCents)
            || matches!(&self.rule, RestrictionRule::LimitPerTransaction(limit) if limit.unit == AmountUnit::UsdCents)
            || matches!(&self.rule, RestrictionRule::TravelRule(rule) if rule.above_usd_cents.is_some())
            || matches!(&self.rule, RestrictionRule::CircuitBreaker(breaker) if breaker.counts_dollars())
    }

    fn steps_up(&self) -> bool {
        match &self.rule {
            RestrictionRule::LimitPerTransaction(limit) => limit.step_up_above.is_some(),
            RestrictionRule::WindowLimit(limit) => limit.step_up_above.is_some(),
            RestrictionRule::Risk(limits) => limits.step_up_at.is_some(),
            RestrictionRule::Whitelist
            | RestrictionRule::Screening(_)
            | RestrictionRule::TimeWindow(_)
            | RestrictionRule::TravelRule(_)
            | RestrictionRule::CircuitBreaker(_)
            | RestrictionRule::FeeCap(_) => false,
        }
    }
}

/// What a restriction demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestrictionRule {
    /// The destination has an active whitelist entry for the asset and the customer.
    Whitelist,
    /// A limit for one transaction.
    LimitPerTransaction(LimitPerTransaction),
    /// Screening lists that must not name the destination.
    Screening(ScreeningRule),
    /// Thresholds of the risk score.
    Risk(RiskLimits),
    /// A limit of the fee cap that a client may ask for.
    FeeCap(FeeCap),
    /// A limit for what leaves within a sliding window.
    WindowLimit(WindowLimit),
    /// Above which worth the other provider must have accepted originator and beneficiary data.
    TravelRule(TravelRule),
    /// Days and hours in which withdrawals go by themselves.
    TimeWindow(TimeWindow),
    /// How many denials or how much outflow pauses a wallet.
    CircuitBreaker(CircuitBreaker),
}

/// What of a restriction others go through: at most one of these.
#[derive(Default)]
struct RulePart<'a> {
    window: Option<&'a WindowLimit>,
    breaker: Option<&'a CircuitBreaker>,
    travel_rule: Option<&'a TravelRule>,
    screening: Option<&'a ScreeningRule>,
}

impl RestrictionRule {
    fn part(&self) -> RulePart<'_> {
        let none = RulePart::default();
        match self {
            Self::WindowLimit(limit) => RulePart { window: Some(limit), ..none },
            Self::CircuitBreaker(breaker) => RulePart { breaker: Some(breaker), ..none },
            Self::TravelRule(rule) => RulePart { travel_rule: Some(rule), ..none },
            Self::Screening(rule) => RulePart { screening: Some(rule), ..none },
            Self::Whitelist
            | Self::LimitPerTransaction(_)
            | Self::Risk(_)
            | Self::TimeWindow(_)
            | Self::FeeCap(_) => none,
        }
    }
}

/// A limit for a sliding window; at least one of the bounds is set. The withdrawal's own amount is part of the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowLimit {
    /// What the sums count.
    pub unit: LimitUnit,
    /// The tier that it is a ceiling of: withdrawals from other wallets do not matter.
    pub tier: Option<TierScope>,
    /// Whose withdrawals are added up: those that agree in all of these with the one that asks; all of them where it is empty.
    pub per: BTreeSet<Dimension>,
    /// How far back the window goes; at most [`MAX_WINDOW`](crate::MAX_WINDOW).
    pub window: DurationMs,
    /// Sums strictly above this need the customer's identity attested; not above the others.
    pub step_up_above: Option<Amount>,
    /// Sums strictly above these are held; in ascending order.
    pub hold_above: Vec<HoldAbove>,
    /// Sums strictly above this are denied.
    pub deny_above: Option<Amount>,
}

/// What a window's sums count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitUnit {
    /// Base units of one asset; withdrawals of other assets do not matter.
    Asset(AssetSymbol),
    /// US cents, by signed price reports.
    UsdCents,
    /// Withdrawals.
    Count,
}

/// Something that two withdrawals may have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// The wallet that pays.
    Wallet,
    /// The asset.
    Asset,
    /// The client that asked.
    Client,
    /// The customer.
    Customer,
    /// The destination, on its chain.
    Destination,
}

impl FromStr for Dimension {
    type Err = &'static str;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "wallet" => Ok(Self::Wallet),
            "asset" => Ok(Self::Asset),
            "client" => Ok(Self::Client),
            "customer" => Ok(Self::Customer),
            "destination" => Ok(Self::Destination),
            _ => Err("use `wallet`, `asset`, `client`, `customer` or `destination`"),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wallet => "wallet",
            Self::Asset => "asset",
            Self::Client => "client",
            Self::Customer => "customer",
            Self::Destination => "destination",
        })
    }
}

impl WindowLimit {
    /// What an outflow adds to a sum: `None` when the window is not about it, `Some(None)` when nobody knows.
    pub fn value_of(&self, outflow: &Outflow) -> Option<Option<Amount>> {
        if !TierScope::is_about(self.tier.as_ref(), &outflow.wallet) {
            return None;
        }
        self.unit.value_of(outflow)
    }
}

impl LimitUnit {
    /// What an outflow adds to a sum of this unit: `None` when it is another asset, `Some(None)` when nobody knows.
    fn value_of(&self, outflow: &Outflow) -> Option<Option<Amount>> {
        match self {
            Self::Asset(asset) if *asset == outflow.asset => Some(Some(outflow.amount)),
            Self::Asset(_) => None,
            Self::UsdCents => Some(outflow.usd_cents.map(|cents| Amount::from_u128(cents.into()))),
            Self::Count => Some(Some(Amount::from_u128(1))),
        }
    }
}

/// What one transaction is measured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmountUnit {
    /// Base units of one asset; the rule says nothing about others.
    Asset(AssetSymbol),
    /// US cents, by signed price reports.
    UsdCents,
}

/// A limit for one transaction; at least one of the bounds is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitPerTransaction {
    /// What it measures.
    pub unit: AmountUnit,
    /// The tier that it is a ceiling of: it says nothing about other wallets.
    pub tier: Option<TierScope>,
    /// Amounts strictly above this need the customer's identity attested; not above the others.
    pub step_up_above: Option<Amount>,
    /// Amounts strictly above these are held; in ascending order.
    pub hold_above: Vec<HoldAbove>,
    /// Amounts strictly above this are denied.
    pub deny_above: Option<Amount>,
}

/// One band of amounts. An amount above several bands needs what each of them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldAbove {
    /// The largest amount that this band does not hold.
    pub amount: Amount,
    /// What ends the hold of a larger one.
    pub lift: Lift,
}

/// Lists that must not name the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreeningRule {
    /// The lists; each must be loaded.
    pub lists: BTreeSet<ListId>,
    /// What a match does.
    pub on_match: OnMatch,
}

/// What a match on a screening list does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMatch {
    /// It denies the withdrawal.
    Deny,
}

/// Thresholds of the risk score, 0 to 100, in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskLimits {
    /// From this score on the customer's identity must be attested.
    pub step_up_at: Option<u8>,
    /// From these scores on the withdrawal is held; at least one, in ascending order.
    pub hold_at: Vec<HoldAt>,
    /// From this score on it is denied.
    pub deny_at: u8,
    /// Facts that must be known: without one the withdrawal is held.
    pub require: BTreeSet<RiskFact>,
    /// Whose approvals a hold needs that is there because the score is not known. Time never ends such a hold.
    pub approvals: RequiredApprovals,
}

/// One band of scores. A score in several bands needs what each of them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldAt {
    /// From this score on the band holds.
    pub score: u8,
    /// What ends its hold.
    pub lift: Lift,
}

/// The highest fee cap a client may ask for on one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeCap {
    /// The chain.
    pub chain_id: ChainId,
    /// The highest fee cap, in base units of the chain's native coin (wei).
    pub max: Amount,
}

/// The `[prices]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTerms {
    /// The oldest price that counts.
    pub max_age: DurationMs,
    /// The providers whose prices count; those of others neither enter nor stay.
    pub providers: BTreeSet<ProviderId>,
}

/// When originator and beneficiary data must have been exchanged; at least one of the two thresholds is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TravelRule {
    /// By asset, amounts strictly above this need it, in base units.
    pub above: BTreeMap<AssetSymbol, Amount>,
    /// The same in US cents, for assets that are not in `above`.
    pub above_usd_cents: Option<u64>,
    /// The providers whose reports count.
    pub providers: BTreeSet<ProviderId>,
    /// Whose approvals stand in for a report that is absent, or for an answer that is awaited.
    pub approvals: RequiredApprovals,
}

/// The `[legal]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalTerms {
    /// How long a legal order that nobody confirmed means anything.
    pub lapse: DurationMs,
    /// The role of the officers who may open one.
    pub opened_by: RoleName,
    /// Whose approvals confirm one: officers of at least two roles.
    pub approvals: RequiredApprovals,
}

impl PolicyDocument {
    /// Reads and checks a document.
    ///
    /// `docs/policy.md` describes the format. Errors name line and field.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(PolicyError::TooLarge { size: text.len() });
        }
        let rules = read::read(text)?;
        Ok(Self { source: text.to_owned(), hash: PolicyHash::from_bytes(sha256(text.as_bytes())), rules })
    }

    /// SHA-256 over the exact bytes.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// The exact text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The grants, in the document's order; at least one.
    pub fn grants(&self) -> &[Grant] {
        &self.rules.grants
    }

    /// The tiers of wallets, in the document's order; none if the document knows none.
    pub fn tiers(&self) -> &[Tier] {
        &self.rules.tiers
    }

    /// The restrictions, in the document's order, and then the ceilings of the tiers.
    pub fn restrictions(&self) -> &[Restriction] {
        &self.rules.restrictions
    }

    /// The weights of the risk score.
    pub fn risk(&self) -> &RiskTerms {
        &self.rules.risk
    }

    /// Who looks after holds, and until when.
    pub fn hold(&self) -> &HoldTerms {
        &self.rules.hold
    }

    /// What the life of a whitelist entry must be.
    pub fn whitelist(&self) -> &WhitelistTerms {
        &self.rules.whitelist
    }

    /// Which prices count; `None` when the document knows no dollars.
    pub fn prices(&self) -> Option<&PriceTerms> {
        self.rules.prices.as_ref()
    }

    /// The providers whose session and customer reports count; `None` when those of every provider do.
    pub fn session_providers(&self) -> Option<&BTreeSet<ProviderId>> {
        self.rules.session_providers.as_ref()
    }

    /// Who is asked about destinations; `None` when nobody is.
    pub fn exposure(&self) -> Option<&ExposureTerms> {
        self.rules.exposure.as_ref()
    }

    /// Which attestations of identity count; `None` when the document asks for none and lets customers confirm nothing.
    pub fn identity(&self) -> Option<&IdentityTerms> {
        self.rules.identity.as_ref()
    }

    /// Who deals with legal orders; `None` when none are taken.
    pub fn legal(&self) -> Option<&LegalTerms> {
        self.rules.legal.as_ref()
    }

    /// The providers whose Travel Rule reports count for any rule.
    pub fn travel_providers(&self) -> BTreeSet<ProviderId> {
        let rules = self.restrictions().iter().filter_map(|restriction| restriction.rule.part().travel_rule);
        rules.flat_map(|rule| &rule.providers).cloned().collect()
    }

    /// How old an authorization may be when a node starts to sign it.
    pub fn authorization_max_age(&self) -> DurationMs {
        self.rules.authorization_max_age
    }

    /// Where in the text its fields are.
    pub fn lines(&self) -> DocumentLines {
        DocumentLines::of(&self.source)
    }

    /// Where in the text the restriction with this index is: `restriction[1]` or `tier[0].ceiling[2]`.
    pub(crate) fn path_of_restriction(&self, index: usize) -> String {
        tier::path_of_restriction(&self.rules.tiers, self.rules.restrictions.len(), index)
    }

    /// Every screening list that the document relies on.
    pub fn screening_lists(&self) -> BTreeSet<&ListId> {
        let rules = self.restrictions().iter().filter_map(|restriction| restriction.rule.part().screening);
        rules.flat_map(|rule| &rule.lists).collect()
    }

    /// Every sliding window, with its rule's id.
    pub fn windows(&self) -> impl Iterator<Item = (&RuleId, &WindowLimit)> {
        self.restrictions()
            .iter()
            .filter_map(|restriction| Some((&restriction.id, restriction.rule.part().window?)))
    }

    /// Every circuit breaker, with its rule's id.
    pub fn breakers(&self) -> impl Iterator<Item = (&RuleId, &CircuitBreaker)> {
        self.restrictions()
            .iter()
            .filter_map(|restriction| Some((&restriction.id, restriction.rule.part().breaker?)))
    }
}

#[cfg(test)]
mod tests;
