//! The roster for people.

use comfy_table::{Table, presets};
use holdfast_ledger::{Roster, State};
use serde_json::{Value, json};

use crate::output::Answer;
use crate::replica::LocalReplica;

pub(super) fn answer(replica: &LocalReplica) -> Answer {
    let state = replica.state();
    let roster = state.roster();
    let text = format!(
        "roster version {} ({})\n{}in force from tree size {}\n\n{}\n\n({})",
        roster.version(),
        roster.digest(),
        roster.ceremony().map(|id| format!("brought by ceremony {id}, ")).unwrap_or_default(),
        roster.in_force_from(),
        table(state),
        replica.provenance(),
    );
    Answer::new(to_json(state, roster), text)
}

fn to_json(state: &State, roster: &Roster) -> Value {
    let mut json = json!(roster);
    if let Some(object) = json.as_object_mut() {
        object.insert("digest".to_owned(), json!(roster.digest()));
        let revoked: Vec<_> = roster.clients().keys().filter_map(|id| state.client_revocation(id)).collect();
        object.insert("revoked_clients".to_owned(), json!(revoked));
    }
    json
}

fn table(state: &State) -> Table {
    let roster = state.roster();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["who", "name", "may", "key"]);
    for (id, officer) in roster.officers() {
        let roles: Vec<_> = officer.roles.iter().map(ToString::to_string).collect();
        table.add_row(["officer".to_owned(), id.to_string(), roles.join(", "), officer.key.fingerprint()]);
    }
    for (id, client) in roster.clients() {
        let wallets: Vec<_> = client.wallets.iter().map(ToString::to_string).collect();
        let may = match state.client_revocation(id) {
            Some(revocation) => format!("nothing: revoked by {} at {}", revocation.officer, revocation.time),
            None => format!("{} until {}", wallets.join(", "), client.expires_at),
        };
        table.add_row(["client".to_owned(), id.to_string(), may, hex::encode(client.key.as_bytes())]);
    }
    for (id, contact) in roster.contacts() {
        let agency = format!("confirm orders of {}", contact.agency);
        table.add_row(["contact".to_owned(), id.to_string(), agency, contact.key.fingerprint()]);
    }
    for (id, provider) in roster.providers() {
        table.add_row([
            "provider".to_owned(),
            id.to_string(),
            String::new(),
            hex::encode(provider.key.as_bytes()),
        ]);
    }
    for node in roster.nodes() {
        let incarnation = format!("incarnation {}", node.incarnation);
        let key = hex::encode(node.cosigning_key.as_bytes());
        table.add_row(["node".to_owned(), node.id.to_string(), incarnation, key]);
    }
    let coordinator = roster.coordinator();
    for (name, key) in [("log", coordinator.log_key), ("entries", coordinator.entry_key)] {
        table.add_row([
            "coordinator".to_owned(),
            name.to_owned(),
            String::new(),
            hex::encode(key.as_bytes()),
        ]);
    }
    for witness in roster.witnesses() {
        let key = hex::encode(witness.key.as_bytes());
        table.add_row(["witness".to_owned(), witness.name.clone(), String::new(), key]);
    }
    table
}
