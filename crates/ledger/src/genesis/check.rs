//! What a genesis document must hold before anyone signs or starts from it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{Asset, ChainId};
use holdfast_log::KeyName;
use holdfast_policy::{CalendarDate, ScreeningList};

use super::{GenesisDocument, GenesisError, NodeEntry, ScreeningListEntry, ThresholdEntry};
use crate::ceremony::{EXTEND_LIST, OPTIONAL_QUORUMS, QUORUM_NAMES, REDUCE_LIST, TIGHTEN_POLICY, quorum_of};
use crate::roster::Roster;
use crate::rules::RULES_VERSION;

const MAX_NODES: usize = 16;
const MAX_WITNESSES: usize = 16;

fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), GenesisError> {
    if condition { Ok(()) } else { Err(GenesisError(message())) }
}

pub(super) fn check_versions(document: &GenesisDocument) -> Result<(), GenesisError> {
    ensure(document.version == 1, || format!("format version {} is unknown", document.version))?;
    ensure(document.rules_version == RULES_VERSION, || {
        format!(
            "rules version {} is unknown to this program (it has {RULES_VERSION})",
            document.rules_version
        )
    })?;
    ensure((1..=600_000).contains(&document.max_clock_skew_ms), || {
        "`max_clock_skew_ms` must be 1 to 600000".to_owned()
    })
}

/// INVARIANT (G3): no single operator, provider or region may hold t shares.
pub(super) fn check_committee(document: &GenesisDocument) -> Result<(), GenesisError> {
    let ThresholdEntry { t, n, f } = document.threshold;
    ensure(t >= 2, || "`t` must be at least 2".to_owned())?;
    ensure(u16::from(t).saturating_mul(2) > u16::from(n) && t <= n, || {
        format!("{t} of {n} does not hold 2t > n")
    })?;
    ensure(f < t, || format!("`f` is {f}: fewer than t = {t} nodes may be hostile"))?;
    ensure(usize::from(n) == document.nodes.len() && document.nodes.len() <= MAX_NODES, || {
        format!("`n` is {n} but {} nodes are listed", document.nodes.len())
    })?;
    let party = |name: &str, of: fn(&NodeEntry) -> &str| {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &document.nodes {
            let count = seen.entry(of(node)).or_default();
            *count = count.saturating_add(1);
        }
        match seen.into_iter().find(|(_, count)| *count >= usize::from(t)) {
            Some((who, count)) => {
                Err(GenesisError(format!("{name} `{who}` would hold {count} shares, the threshold is {t}")))
            }
            None => Ok(()),
        }
    };
    party("operator", |node| &node.operator)?;
    party("provider", |node| &node.provider)?;
    party("region", |node| &node.region)
}

/// Outside witnesses have names of their own: a node's cosignature must not pass for one.
pub(super) fn check_witnesses(document: &GenesisDocument) -> Result<(), GenesisError> {
    let names: BTreeSet<_> = document.witnesses.iter().map(|witness| &witness.name).collect();
    ensure(names.len() == document.witnesses.len(), || "a witness is listed twice".to_owned())?;
    ensure(document.witnesses.len() <= MAX_WITNESSES, || {
        format!("at most {MAX_WITNESSES} witnesses can be listed")
    })?;
    ensure(usize::from(document.witnesses_required) <= document.witnesses.len(), || {
        format!("`witnesses_required` is {} but {} are listed", document.witnesses_required, names.len())
    })?;
    let own = format!("holdfast/{}", document.cluster);
    for name in names {
        KeyName::new(name).map_err(|error| GenesisError(format!("witness `{name}`: {error}")))?;
        ensure(*name != own && !name.starts_with(&format!("{own}/")), || {
            format!("witness `{name}` has a name of this cluster's own keys")
        })?;
    }
    Ok(())
}

pub(super) fn check_assets(assets: &[Asset]) -> Result<(), GenesisError> {
    let symbols: BTreeSet<_> = assets.iter().map(|asset| &asset.symbol).collect();
    let contracts: BTreeSet<_> = assets.iter().map(|asset| (asset.chain_id, asset.contract)).collect();
    ensure(!assets.is_empty(), || "no asset is registered".to_owned())?;
    ensure(symbols.len() == assets.len() && contracts.len() == assets.len(), || {
        "an asset is registered twice".to_owned()
    })?;
    ensure(assets.iter().all(|asset| asset.chain_id != ChainId(0)), || "chain id 0 does not exist".to_owned())
}

/// Every ceremony has a quorum of at least two people that this roster can fill.
pub(super) fn check_quorums(document: &GenesisDocument, roster: &Roster) -> Result<(), GenesisError> {
    for kind in QUORUM_NAMES {
        let quorum =
            document.quorums.get(kind).ok_or_else(|| GenesisError(format!("quorum `{kind}` is missing")))?;
        let people: u32 = quorum.values().fold(0, |sum, count| sum.saturating_add(*count));
        ensure(people >= 2, || format!("quorum `{kind}` needs at least two people"))?;
    }
    for (kind, _) in OPTIONAL_QUORUMS {
        let people: u32 = document.quorums.get(kind).map_or(2, |quorum| quorum.values().sum());
        ensure(people >= 2, || format!("quorum `{kind}` needs at least two people"))?;
    }
    check_order_of_quorums(document)?;
    if let Some(kind) = roster.unfillable(&document.quorums) {
        return Err(GenesisError(format!("quorum `{kind}` can never be met")));
    }
    let optional = |name: &str| OPTIONAL_QUORUMS.iter().any(|(kind, _)| *kind == name);
    let known = |name: &&String| QUORUM_NAMES.contains(&name.as_str()) || optional(name);
    ensure(document.quorums.keys().all(|name| known(&name)), || "a quorum has an unknown name".to_owned())
}

/// INVARIANT (G4): taking an address off a list never needs fewer people of any role than putting one on it, and loosening a
/// policy never fewer than tightening it.
fn check_order_of_quorums(document: &GenesisDocument) -> Result<(), GenesisError> {
    for (larger, smaller) in [(REDUCE_LIST, EXTEND_LIST), ("change-policy", TIGHTEN_POLICY)] {
        let of = |name| quorum_of(&document.quorums, name).cloned().unwrap_or_default();
        let (needed, least) = (of(larger), of(smaller));
        let covers = least.iter().all(|(role, count)| needed.get(role).is_some_and(|of| of >= count));
        ensure(covers, || format!("quorum `{larger}` must need at least what `{smaller}` needs"))?;
    }
    Ok(())
}

pub(super) fn screening_list(entry: &ScreeningListEntry) -> Result<ScreeningList, GenesisError> {
    let refuse = |detail: String| GenesisError(format!("screening list `{}`: {detail}", entry.id));
    let as_of = CalendarDate::parse(&entry.as_of).map_err(|error| refuse(error.to_string()))?;
    ScreeningList::parse(entry.id.clone(), &entry.source, as_of, &entry.text)
        .map_err(|error| refuse(error.to_string()))
}
