//! Owns tiers: which wallets belong together, and the ceilings of what leaves them. A wallet is in exactly one tier, so that no
//! payment escapes its ceiling by the wallet it comes from; what moves from one tier to another leaves the first like any payment.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AmountUnit, HoldTerms, LimitPerTransaction, LimitUnit, PolicyError, Restriction, RestrictionRule,
    WindowLimit,
    bands::{self, Bounds},
    check::RuleIds,
    error::FieldProblem,
    read::{amount_unit, limit_unit, set, window},
    toml_field::{Field, Table},
};
use crate::ids::{TierId, WalletId};

const MAX_TIERS: usize = 32;
const MAX_CEILINGS: usize = 32;
/// Every name in a ceiling.
const CEILING: [&str; 7] = ["id", "window_ms", "asset", "unit", "step_up_above", "hold_above", "deny_above"];

/// Wallets that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub id: TierId,
    /// Its wallets; no other tier has one of them.
    pub wallets: BTreeSet<WalletId>,
    /// How many ceilings it has. They are restrictions of the document.
    pub ceilings: usize,
}

/// Whose ceiling a limit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierScope {
    /// The tier.
    pub tier: TierId,
    /// Its wallets: the limit says nothing about others, and adds up what leaves all of these.
    pub wallets: BTreeSet<WalletId>,
}

impl TierScope {
    /// Whether a limit of this scope says something about a wallet; without a scope it does about every one.
    pub fn is_about(scope: Option<&Self>, wallet: &WalletId) -> bool {
        scope.is_none_or(|scope| scope.wallets.contains(wallet))
    }

    /// Whether a limit of one scope says something about every wallet that another is about.
    pub(crate) fn is_wider(scope: Option<&Self>, than: Option<&Self>) -> bool {
        match (scope, than) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => wide.wallets.is_superset(&narrow.wallets),
        }
    }
}

/// The tiers as they are read, and in which of them each wallet is.
#[derive(Default)]
pub(super) struct Tiers {
    pub(super) tiers: Vec<Tier>,
    pub(super) ceilings: Vec<Restriction>,
    of: BTreeMap<WalletId, TierId>,
}

impl Tiers {
    pub(super) fn read(
        field: Option<Field<'_>>,
        ids: &mut RuleIds,
        hold: &HoldTerms,
    ) -> Result<Self, PolicyError> {
        let mut tiers = Self::default();
        for field in field.map(|field| field.elements(MAX_TIERS)).transpose()?.unwrap_or_default() {
            tiers.add(field, ids, hold)?;
        }
        Ok(tiers)
    }

    fn add(&mut self, field: Field<'_>, ids: &mut RuleIds, hold: &HoldTerms) -> Result<(), PolicyError> {
        let mut table = field.table()?;
        let name = table.required("id")?;
        let tier: TierId = name.parse()?;
        if self.tiers.iter().any(|known| known.id == tier) {
            return Err(name.error(FieldProblem::Duplicate { value: tier.to_string() }));
        }
        let field = table.required("wallets")?;
        let wallets: BTreeSet<WalletId> = set(&field)?;
        for wallet in &wallets {
            // INVARIANT (G1): in two tiers it could be said to be about either, and its ceiling would be a guess.
            if let Some(other) = self.of.insert(wallet.clone(), tier.clone()) {
                return Err(field
                    .invalid(format_args!("wallet `{wallet}` is in tier `{other}` already; name it once")));
            }
        }
        let ceilings = table.optional("ceiling").map(|field| field.elements(MAX_CEILINGS)).transpose()?;
        let ceilings = ceilings.unwrap_or_default();
        self.tiers.push(Tier { id: tier.clone(), wallets: wallets.clone(), ceilings: ceilings.len() });
        let scope = TierScope { tier, wallets };
        for ceiling in ceilings {
            self.ceilings.push(read_ceiling(ceiling, &scope, ids, hold)?);
        }
        table.finish()
    }

    /// The wallets that a grant names: by themselves, or by their tiers.
    pub(super) fn wallets(&self, grant: &mut Table<'_>) -> Result<BTreeSet<WalletId>, PolicyError> {
        let Some(field) = grant.optional("tiers") else {
            let field = grant.required("wallets")?;
            let wallets = set(&field)?;
            // INVARIANT (G9): a wallet that was forgotten has no ceiling, so it is no mistake that passes.
            return match wallets.iter().find(|wallet| !self.tiers.is_empty() && !self.of.contains_key(wallet))
            {
                Some(wallet) => {
                    Err(field.invalid(format_args!("wallet `{wallet}` is in no tier; add it to one")))
                }
                None => Ok(wallets),
            };
        };
        if let Some(wallets) = grant.optional("wallets") {
            return Err(wallets.invalid("the grant names `tiers` already"));
        }
        let names: BTreeSet<TierId> = set(&field)?;
        let mut wallets = BTreeSet::new();
        for name in &names {
            let tier = self.tiers.iter().find(|tier| tier.id == *name);
            let tier = tier.ok_or_else(|| field.invalid(format_args!("there is no tier `{name}`")))?;
            wallets.extend(tier.wallets.iter().cloned());
        }
        Ok(wallets)
    }
}

/// With `window_ms` it adds up, without it is about one transaction.
fn read_ceiling(
    field: Field<'_>,
    scope: &TierScope,
    ids: &mut RuleIds,
    hold: &HoldTerms,
) -> Result<Restriction, PolicyError> {
    let mut table = field.table()?;
    // A misspelt `window_ms` would make it a ceiling of another kind, and the error one about that.
    table.refuse_others(&CEILING)?;
    let id = ids.claim(&table.required("id")?)?;
    let tier = Some(scope.clone());
    let rule = match table.optional("window_ms") {
        Some(field) => {
            let (window, unit) = (window(&field)?, limit_unit(&mut table)?);
            let Bounds { step_up_above, hold_above, deny_above } = bands::bounds(&mut table, hold)?;
            let per = BTreeSet::new();
            RestrictionRule::WindowLimit(WindowLimit {
                unit,
                tier,
                per,
                window,
                step_up_above,
                hold_above,
                deny_above,
            })
        }
        None => {
            let unit = amount_unit(&mut table)?;
            let Bounds { step_up_above, hold_above, deny_above } = bands::bounds(&mut table, hold)?;
            RestrictionRule::LimitPerTransaction(LimitPerTransaction {
                unit,
                tier,
                step_up_above,
                hold_above,
                deny_above,
            })
        }
    };
    table.finish()?;
    Ok(Restriction { id, rule })
}

/// Ceilings come after the `restrictions` of the document, in its order.
pub(super) fn path_of_restriction(tiers: &[Tier], restrictions: usize, index: usize) -> String {
    let ceilings = tiers.iter().fold(0_usize, |sum, tier| sum.saturating_add(tier.ceilings));
    let Some(mut left) = index.checked_sub(restrictions.saturating_sub(ceilings)) else {
        return format!("restriction[{index}]");
    };
    for (number, tier) in tiers.iter().enumerate() {
        match left.checked_sub(tier.ceilings) {
            None => return format!("tier[{number}].ceiling[{left}]"),
            Some(rest) => left = rest,
        }
    }
    format!("restriction[{index}]")
}

impl From<&AmountUnit> for LimitUnit {
    fn from(unit: &AmountUnit) -> Self {
        match unit {
            AmountUnit::Asset(asset) => Self::Asset(asset.clone()),
            AmountUnit::UsdCents => Self::UsdCents,
        }
    }
}
