//! Ceremonies as text and JSON, from the replayed log.

use comfy_table::{Table, presets};
use holdfast_audit::{Step, StepResult};
use holdfast_ledger::{Ceremony, CeremonyPhase, fingerprint};
use holdfast_policy::TimestampMs;
use serde_json::{Value, json};

use crate::statement::indent;

fn phase(ceremony: &Ceremony, now: TimestampMs) -> &'static str {
    match ceremony.phase_at(now) {
        CeremonyPhase::Proposed => "proposed",
        CeremonyPhase::Approved => "approved",
        CeremonyPhase::Confirmed => "confirmed",
        CeremonyPhase::Activated => "activated",
        CeremonyPhase::Expired => "expired",
        CeremonyPhase::Failed => "failed",
        CeremonyPhase::Superseded => "superseded",
    }
}

/// The ceremony with the phase it has now.
pub(crate) fn ceremony_json(ceremony: &Ceremony, now: TimestampMs) -> Value {
    let mut json = json!(ceremony);
    if let Some(object) = json.as_object_mut() {
        object.insert("phase".to_owned(), json!(phase(ceremony, now)));
        object.insert("fingerprint".to_owned(), json!(fingerprint(ceremony.statement.as_bytes())));
        object.insert("unconfirmed_nodes".to_owned(), json!(ceremony.unconfirmed_nodes()));
    }
    json
}

/// A page about one ceremony.
pub(crate) fn ceremony_text(ceremony: &Ceremony, steps: &[Step], now: TimestampMs) -> String {
    let quorum: Vec<_> = ceremony.quorum.iter().map(|(role, count)| format!("{count} of {role}")).collect();
    let approvals: Vec<_> = ceremony.approvals.iter().map(|approval| approval.officer.to_string()).collect();
    let approved = if approvals.is_empty() { "nobody yet".to_owned() } else { approvals.join(", ") };
    let mut text = format!(
        "ceremony {} ({}): {}\n  needs {}, approved by {approved}, takes approvals until {}\n",
        ceremony.id,
        ceremony.kind.name(),
        phase(ceremony, now),
        quorum.join(", "),
        ceremony.expires_at,
    );
    let waiting = ceremony.unconfirmed_nodes();
    if ceremony.phase_at(now) == CeremonyPhase::Approved && !waiting.is_empty() {
        let nodes: Vec<_> = waiting.iter().map(ToString::to_string).collect();
        text.push_str(&format!("  waits for {}\n", nodes.join(", ")));
    }
    if let Some(entry) = &ceremony.whitelist_entry {
        text.push_str(&format!("  added whitelist entry {entry}\n"));
    }
    text.push_str(&format!(
        "{}\n  four words of the proposal: {}\n",
        indent(&ceremony.statement),
        fingerprint(ceremony.statement.as_bytes())
    ));
    for step in steps {
        let result = match &step.result {
            StepResult::Admitted { state } => state.to_lowercase(),
            StepResult::NoOp { code, detail } => format!("no-op {code}: {detail}"),
        };
        text.push_str(&format!("  entry {:>4}  {}: {} -> {result}\n", step.index, step.signer, step.says));
    }
    text
}

pub(super) fn table(ceremonies: &[&Ceremony], now: TimestampMs) -> String {
    if ceremonies.is_empty() {
        return "no ceremonies".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["ceremony", "kind", "phase", "proposed by", "approved by", "entry"]);
    for ceremony in ceremonies {
        let approvals: Vec<_> =
            ceremony.approvals.iter().map(|approval| approval.officer.to_string()).collect();
        table.add_row([
            ceremony.id.to_string(),
            ceremony.kind.name().to_owned(),
            phase(ceremony, now).to_owned(),
            ceremony.proposer.to_string(),
            if approvals.is_empty() { "-".to_owned() } else { approvals.join(", ") },
            ceremony.index.to_string(),
        ]);
    }
    table.to_string()
}
