//! What changed between two rosters or policies, entry by entry.

use std::collections::BTreeMap;

use holdfast_ledger::{Event, Roster, State};
use holdfast_policy::RoleName;

use super::row::Row;

/// Roster and policy as they were after the entry before.
#[derive(Debug)]
pub(super) struct Authority {
    roster: Roster,
    policy: String,
}

/// One party's place in a roster: what it may do, and its keys by purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) may: String,
    pub(super) keys: BTreeMap<&'static str, String>,
    pub(super) since: Option<u64>,
    pub(super) expires_at_ms: Option<u64>,
}

impl Authority {
    fn of(state: &State) -> Self {
        Self { roster: state.roster().clone(), policy: policy(state) }
    }

    /// What the event changed.
    pub(super) fn advance(known: &mut Option<Self>, event: &Event<'_>) -> Vec<Row> {
        let Some(before) = known else {
            *known = Some(Self::of(event.state));
            return Vec::new();
        };
        let (index, time_ms) = (event.index(), event.time_ms());
        let mut rows = Vec::new();
        if before.roster.version() != event.state.roster().version() {
            rows.extend(roster_changes(&before.roster, event.state.roster(), index, time_ms));
            before.roster = event.state.roster().clone();
        }
        let after = policy(event.state);
        if before.policy != after {
            rows.push(Row::PolicyChange {
                index,
                time_ms,
                before: before.policy.clone(),
                after: after.clone(),
            });
            before.policy = after;
        }
        rows
    }
}

fn policy(state: &State) -> String {
    format!("version {:?} {}", state.policy_version().0, state.policy_digest())
}

fn roster_changes(before: &Roster, after: &Roster, index: u64, time_ms: u64) -> Vec<Row> {
    let (before, after) = (places(before), places(after));
    let mut rows = Vec::new();
    let mut change = |party: &String, change: String| {
        rows.push(Row::RosterChange { index, time_ms, party: party.clone(), change });
    };
    for (party, place) in &before {
        match after.get(party) {
            None => change(party, format!("removed; was {}", place.may)),
            Some(now) if now.may != place.may => change(party, format!("{}; was {}", now.may, place.may)),
            Some(_) => {}
        }
    }
    for (party, place) in after.iter().filter(|(party, _)| !before.contains_key(*party)) {
        change(party, format!("added: {}", place.may));
    }
    for (party, old) in &before {
        let Some(new) = after.get(party) else { continue };
        for (purpose, key) in &new.keys {
            let was = old.keys.get(purpose).cloned().unwrap_or_default();
            if was != *key {
                let (party, key_name, after) = (party.clone(), (*purpose).to_owned(), key.clone());
                rows.push(Row::KeyRotation { index, time_ms, party, key: key_name, before: was, after });
            }
        }
    }
    rows
}

/// Everybody in a roster, by `<role>:<name>`.
pub(super) fn places(roster: &Roster) -> BTreeMap<String, Place> {
    let hex = |key: &ed25519_dalek::VerifyingKey| hex::encode(key.as_bytes());
    let mut places = BTreeMap::new();
    for (id, officer) in roster.officers() {
        let may: Vec<_> = officer.roles.iter().map(RoleName::to_string).collect();
        let keys = BTreeMap::from([("ssh key", officer.key.fingerprint())]);
        let place = Place { may: may.join(" "), keys, since: Some(officer.since), expires_at_ms: None };
        places.insert(format!("officer:{id}"), place);
    }
    for (id, client) in roster.clients() {
        let wallets: Vec<_> = client.wallets.iter().map(ToString::to_string).collect();
        let may = format!("wallets {} until {}", wallets.join(" "), client.expires_at);
        let keys = BTreeMap::from([("request key", hex(&client.key))]);
        let expires_at_ms = Some(client.expires_at.0);
        places.insert(format!("client:{id}"), Place { may, keys, since: Some(client.since), expires_at_ms });
    }
    for (id, provider) in roster.providers() {
        let keys = BTreeMap::from([("report key", hex(&provider.key))]);
        let place = Place { may: "session reports".to_owned(), keys, since: None, expires_at_ms: None };
        places.insert(format!("provider:{id}"), place);
    }
    for node in roster.nodes() {
        let keys = BTreeMap::from([
            ("cosigning key", hex(&node.cosigning_key)),
            ("message key", hex(&node.message_key)),
        ]);
        let minimum = node.minimum.map(|m| format!(", serves from entry {}", m.size)).unwrap_or_default();
        let may = format!("holds shares, incarnation {}{minimum}", node.incarnation);
        places.insert(
            format!("node:{}", node.id),
            Place { may, keys, since: Some(node.since), expires_at_ms: None },
        );
    }
    let coordinator = roster.coordinator();
    let keys =
        BTreeMap::from([("log key", hex(&coordinator.log_key)), ("entry key", hex(&coordinator.entry_key))]);
    let may = "orders entries".to_owned();
    places
        .insert("coordinator:coordinator".to_owned(), Place { may, keys, since: None, expires_at_ms: None });
    for witness in roster.witnesses() {
        let keys = BTreeMap::from([("cosigning key", hex(&witness.key))]);
        let place = Place { may: "cosigns checkpoints".to_owned(), keys, since: None, expires_at_ms: None };
        places.insert(format!("witness:{}", witness.name), place);
    }
    places
}
