//! The access review: everybody who may act, with which key, since when, and what they last did.

use std::collections::BTreeMap;

use holdfast_ledger::{Event, State};

use super::change::places;
use super::row::{LastAct, Row};

/// What each party did.
#[derive(Debug, Default)]
pub(super) struct Acts(BTreeMap<String, PartyActs>);

#[derive(Debug)]
struct PartyActs {
    inside: u64,
    last: LastAct,
}

impl Acts {
    pub(super) fn note(&mut self, event: &Event<'_>, inside: bool) {
        // All of the coordinator's entries verify under one key, whatever name they carry.
        let party = match event.signer() {
            signer if signer.starts_with("coordinator:") => "coordinator:coordinator",
            signer => signer,
        };
        let what = event.action().unwrap_or_else(|| event.kind_name());
        let last = LastAct { index: event.index(), time_ms: event.time_ms(), what: what.to_owned() };
        match self.0.get_mut(party) {
            Some(acts) => acts.last = last,
            None => {
                self.0.insert(party.to_owned(), PartyActs { inside: 0, last });
            }
        }
        if let Some(acts) = self.0.get_mut(party).filter(|_| inside) {
            acts.inside = acts.inside.saturating_add(1);
        }
    }

    /// Those in the roster, then those that acted and are in it no more.
    pub(super) fn review(mut self, state: &State) -> Vec<Row> {
        let mut rows = Vec::new();
        for (party, place) in places(state.roster()) {
            let acts = self.0.remove(&party);
            let expired = place.expires_at_ms.is_some_and(|at| at <= state.last_time().0);
            rows.push(Row::Access {
                party,
                status: if expired { "expired" } else { "active" }.to_owned(),
                roles: place.may,
                keys: place.keys.into_values().collect(),
                since: place.since,
                acts: acts.as_ref().map_or(0, |acts| acts.inside),
                last_act: acts.map(|acts| acts.last),
            });
        }
        rows.extend(self.0.into_iter().map(|(party, acts)| Row::Access {
            party,
            status: "removed".to_owned(),
            roles: String::new(),
            keys: Vec::new(),
            since: None,
            acts: acts.inside,
            last_act: Some(acts.last),
        }));
        rows
    }
}
