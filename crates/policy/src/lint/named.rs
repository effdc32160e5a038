//! Owns which names of a cell a document relies on: what can be looked up in a genesis or a log, and means nothing where nobody
//! has that name.

use std::collections::BTreeSet;

use holdfast_chains::AssetSymbol;
use serde::Serialize;

use super::width;
use crate::{
    document::{AmountUnit, Escalation, LimitUnit, PolicyDocument, RestrictionRule},
    ids::{ClientId, ListId, ProviderId, RoleName, WalletId},
};

/// The names of a cell in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NamedParties {
    /// Officers' roles.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<RoleName>,
    /// Clients.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clients: BTreeSet<ClientId>,
    /// Providers.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub providers: BTreeSet<ProviderId>,
    /// Wallets.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub wallets: BTreeSet<WalletId>,
    /// Assets.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub assets: BTreeSet<AssetSymbol>,
    /// Screening lists.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub lists: BTreeSet<ListId>,
}

impl NamedParties {
    /// Every name that a document relies on.
    pub fn of(document: &PolicyDocument) -> Self {
        let mut named = Self::default();
        for grant in document.grants() {
            named.wallets.extend(grant.wallets.iter().cloned());
            named.assets.extend(grant.assets.iter().cloned());
            named.clients.extend(grant.clients.iter().flatten().cloned());
        }
        for tier in document.tiers() {
            named.wallets.extend(tier.wallets.iter().cloned());
        }
        for restriction in document.restrictions() {
            let held = width::holds(&restriction.rule).into_iter();
            named.roles.extend(held.flat_map(|(_, approvals)| approvals.keys().cloned()));
            named.in_rule(&restriction.rule);
        }
        for (_, providers) in providers(document) {
            named.providers.extend(providers.iter().cloned());
        }
        let hold = document.hold();
        named.roles.insert(hold.owner.clone());
        named.roles.extend(hold.escalation.iter().map(|Escalation { after: _, to }| to.clone()));
        if let Some(terms) = document.exposure() {
            named.roles.extend(terms.approvals.keys().cloned());
        }
        if let Some(terms) = document.legal() {
            named.roles.extend(terms.approvals.keys().cloned());
            named.roles.insert(terms.opened_by.clone());
        }
        named
    }

    fn in_rule(&mut self, rule: &RestrictionRule) {
        match rule {
            RestrictionRule::LimitPerTransaction(limit) => match &limit.unit {
                AmountUnit::Asset(asset) => self.assets.extend([asset.clone()]),
                AmountUnit::UsdCents => {}
            },
            RestrictionRule::WindowLimit(limit) => self.counted(&limit.unit),
            RestrictionRule::Screening(rule) => self.lists.extend(rule.lists.iter().cloned()),
            RestrictionRule::TravelRule(terms) => self.assets.extend(terms.above.keys().cloned()),
            RestrictionRule::CircuitBreaker(breaker) => {
                self.wallets.extend(breaker.wallets.iter().flatten().cloned());
                self.assets.extend(breaker.assets.iter().flatten().cloned());
                self.clients.extend(breaker.clients.iter().flatten().cloned());
                if let Some(bound) = &breaker.outflow {
                    self.counted(&bound.unit);
                }
            }
            RestrictionRule::Whitelist
            | RestrictionRule::Risk(_)
            | RestrictionRule::FeeCap(_)
            | RestrictionRule::TimeWindow(_) => {}
        }
    }

    fn counted(&mut self, unit: &LimitUnit) {
        match unit {
            LimitUnit::Asset(asset) => self.assets.extend([asset.clone()]),
            LimitUnit::UsdCents | LimitUnit::Count => {}
        }
    }
}

/// The providers that a document names, with the path of the field that names them.
pub(super) fn providers(document: &PolicyDocument) -> Vec<(String, &BTreeSet<ProviderId>)> {
    let tables = [
        ("prices", document.prices().map(|terms| &terms.providers)),
        ("sessions", document.session_providers()),
        ("exposure", document.exposure().map(|terms| &terms.providers)),
        ("identity", document.identity().map(|terms| &terms.providers)),
    ];
    let tables = tables.into_iter().filter_map(|(name, named)| Some((format!("{name}.providers"), named?)));
    let rules = document.restrictions().iter().enumerate().filter_map(|(index, restriction)| {
        let RestrictionRule::TravelRule(terms) = &restriction.rule else { return None };
        Some((format!("{}.providers", document.path_of_restriction(index)), &terms.providers))
    });
    tables.chain(rules).collect()
}
