//! Legal orders for people.

use comfy_table::{Table, presets};
use holdfast_ledger::{LegalOrder, OrderDemand, OrderState};
use holdfast_policy::TimestampMs;
use serde_json::{Value, json};

use crate::clock;
use crate::output::Answer;
use crate::replica::LocalReplica;

pub(super) fn one(replica: &LocalReplica, order: &LegalOrder) -> Answer {
    let now = clock::now();
    let lines: String =
        order.proposal.lines().into_iter().map(|(key, value)| format!("  {key}: {value}\n")).collect();
    let approvals = order.approvals.iter().map(|approval| format!("officer {}", approval.officer));
    let confirmations =
        order.confirmations.iter().map(|confirmation| format!("contact {}", confirmation.contact));
    let behind: Vec<_> = approvals.chain(confirmations).collect();
    let behind = if behind.is_empty() { "nobody yet".to_owned() } else { behind.join(", ") };
    let text = format!(
        "order {} is {}\n{lines}  order digest: {}\n  opened by {} at {}\n  behind it: {behind}\n  {}\n({})",
        order.id,
        name(order.state_at(now)),
        order.digest,
        order.opened_by,
        order.time,
        meaning(order, now),
        replica.provenance()
    );
    Answer::new(to_json(order, now), text)
}

pub(super) fn all(replica: &LocalReplica) -> Answer {
    let now = clock::now();
    let orders: Vec<_> = replica.state().legal_orders().collect();
    let json: Vec<_> = orders.iter().map(|order| to_json(order, now)).collect();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["order", "state", "agency", "reference", "demands", "lapses"]);
    for order in &orders {
        let proposal = &order.proposal;
        table.add_row([
            order.id.to_string(),
            name(order.state_at(now)).to_owned(),
            proposal.agency.to_string(),
            proposal.reference.to_string(),
            proposal.demand.name().to_owned(),
            order.lapses_at.to_string(),
        ]);
    }
    let shown = if orders.is_empty() { "no legal orders".to_owned() } else { table.to_string() };
    let json = json!({"orders": json, "log_size": replica.state().size()});
    Answer::new(json, format!("{shown}\n({})", replica.provenance()))
}

fn to_json(order: &LegalOrder, now: TimestampMs) -> Value {
    let mut json = json!(order);
    if let Some(object) = json.as_object_mut() {
        object.insert("state".to_owned(), json!(order.state_at(now)));
        object.insert("contacts_needed".to_owned(), json!(order.contacts_needed()));
    }
    json
}

fn name(state: OrderState) -> &'static str {
    match state {
        OrderState::Open => "open",
        OrderState::Confirmed => "confirmed",
        OrderState::Lapsed => "lapsed",
        OrderState::Lifted => "lifted",
    }
}

/// What follows from it now, and what is to be done.
fn meaning(order: &LegalOrder, now: TimestampMs) -> String {
    let contacts = order.contacts_needed().saturating_sub(order.confirmations.len());
    let needs = match contacts {
        0 => "approvals by officers".to_owned(),
        more => format!("approvals by officers and {more} more contacts of `{}`", order.proposal.agency),
    };
    match (order.state_at(now), &order.proposal.demand) {
        (OrderState::Open, OrderDemand::Freeze(subject)) => {
            format!("{subject} is frozen until {}, and beyond only with {needs}", order.lapses_at)
        }
        (OrderState::Open, _) => format!("nothing moves yet: it needs {needs} before {}", order.lapses_at),
        (OrderState::Confirmed, OrderDemand::Freeze(subject)) => format!("{subject} is frozen"),
        (OrderState::Confirmed, OrderDemand::Unfreeze(frozen)) => format!("the freeze by {frozen} has ended"),
        (OrderState::Confirmed, OrderDemand::Release(_)) => match &order.paid_by {
            Some(withdrawal) => format!("withdrawal {withdrawal} was authorized on its strength"),
            None => {
                format!("next: holdfast withdraw submit with exactly this and `--order {}`", order.id)
            }
        },
        (OrderState::Confirmed, OrderDemand::Disclose(subject)) => {
            format!("what is known about {subject} may be told to `{}`", order.proposal.agency)
        }
        (OrderState::Lapsed, _) => "nobody confirmed it in time: it means nothing any more".to_owned(),
        (OrderState::Lifted, _) => match &order.lifted_by {
            Some(by) => format!("order {by} ended it"),
            None => "it has ended".to_owned(),
        },
    }
}
