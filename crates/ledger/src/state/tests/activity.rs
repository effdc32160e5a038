//! What teaches the risk score: payments when they are signed, sessions and accounts when they are reported, and nothing that was
//! only asked for.

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    CustomerHistory, CustomerRef, DeviceRef, Minute, Moment, Network, SessionDetails, TimestampMs,
};
use serde_json::{Value, json};

use super::after::{gwei, own_address, pays, pays_usdt};
use super::cell::{Cell, PAYEE, document, genesis_entry, sign};
use crate::*;

const DAY: u64 = 86_400_000;

/// Begins and ends like [`PAYEE`], with four digits each.
fn look_alike() -> String {
    let payee = PAYEE.to_lowercase();
    let alike = format!("{}{}{}", &payee[..6], "0".repeat(32), &payee[38..]);
    Address::parse_unchecked_case(&alike).unwrap().to_string()
}

fn history(cell: &Cell) -> CustomerHistory {
    cell.state.activity().customer(&CustomerRef::new("c-1").unwrap()).unwrap()
}

fn payee() -> Address {
    Address::parse(PAYEE).unwrap()
}

impl Cell {
    fn account(&mut self, opened: u64, active: Option<u64>) -> Value {
        json!({"cluster": "demo-1", "provider": "sessions", "sequence": self.state.next_sequence(&holdfast_policy::ProviderId::new("sessions").unwrap()), "customer": "c-1",
            "opened_at_ms": opened, "last_active_at_ms": active, "observed_at_ms": self.now})
    }

    fn detailed(&mut self, provider: &str, observed: u64, details: Value) {
        let sequence = self.state.next_sequence(&holdfast_policy::ProviderId::new(provider).unwrap());
        let report = json!({"cluster": "demo-1", "provider": provider, "sequence": sequence, "customer": "c-1",
            "observed_at_ms": observed, "new_device": false, "second_factor_reset": false, "details": details});
        self.accept(&sign(PayloadKind::SessionReport, &report, "provider", provider));
    }
}

#[test]
fn payment_is_a_habit_from_its_signature_on_and_not_because_it_was_asked_for_or_authorized() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-1", 1_250, 7);
    assert_eq!(history(&cell).paid(), 0);
    assert_eq!(cell.state.activity().destination(ChainId(1), &payee()).first(), None);
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    assert_eq!(history(&cell).paid(), 1);
    assert!(history(&cell).first_paid_to(&payee()).is_some());
    let crowd = cell.state.activity().destination(ChainId(1), &payee());
    assert_eq!(crowd.first(), Some(Minute::of(cell.state.last_time())));
}

#[test]
fn fee_bump_of_a_payment_is_the_same_payment() {
    let mut cell = Cell::ready();
    let first = cell.signed("k-1", 1_250, 7);
    let bump = cell.replacement("k-2", first, "bump-fee", &pays_usdt(PAYEE, 1_250, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    cell.accept_authorize(bump);
    let signature = cell.signature_of(bump);
    cell.accept(&signature);
    assert_eq!(history(&cell).paid(), 1);
}

#[test]
fn bump_that_is_signed_where_the_original_never_was_is_the_payment() {
    let mut cell = Cell::ready();
    let first = cell.authorized("k-1", 1_250, 7);
    let bump = cell.replacement("k-2", first, "bump-fee", &pays_usdt(PAYEE, 1_250, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    cell.accept_authorize(bump);
    let signature = cell.signature_of(bump);
    cell.accept(&signature);
    assert_eq!(history(&cell).paid(), 1);
}

#[test]
fn transfers_of_a_wallet_to_itself_are_nobodys_habit() {
    let mut cell = Cell::ready();
    let first = cell.authorized("k-1", 1_250, 7);
    let cancel = pays(None, &own_address(), 0, 7, gwei(60, 2));
    let cancel = cell.replacement("k-2", first, "cancel-on-chain", &cancel);
    let cancel = cell.replace(&cancel);
    cell.accept_authorize(cancel);
    let signature = cell.signature_of(cancel);
    cell.accept(&signature);
    assert_eq!(history(&cell).paid(), 0);
    assert!(cell.state.activity().look_alikes().is_empty());
}

#[test]
fn account_says_since_when_it_exists_and_a_later_report_makes_it_no_younger() {
    let mut cell = Cell::ready();
    let (opened, now) = (cell.now - 400 * DAY, cell.now);
    let report = cell.account(opened, Some(now - 100 * DAY));
    cell.accept(&sign(PayloadKind::CustomerReport, &report, "provider", "sessions"));
    assert_eq!(history(&cell).opened(), Some(Minute::of(TimestampMs(opened))));
    let younger = cell.account(now, None);
    cell.accept(&sign(PayloadKind::CustomerReport, &younger, "provider", "sessions"));
    assert_eq!(history(&cell).opened(), Some(Minute::of(TimestampMs(opened))));
}

#[test]
fn account_with_times_that_cannot_be_is_refused_by_field() {
    let mut cell = Cell::ready();
    let now = cell.now;
    for (opened, active, field) in [
        (now + 1, None, "opened_at_ms"),
        (now - DAY, Some(now - DAY - 1), "last_active_at_ms"),
        (now - DAY, Some(now + 1), "last_active_at_ms"),
    ] {
        let report = sign(PayloadKind::CustomerReport, &cell.account(opened, active), "provider", "sessions");
        let rejection = cell.state.check(&report, TimestampMs(now)).unwrap().unwrap_err();
        assert_eq!((rejection.code().as_str(), rejection.field()), ("FIELD_INVALID", Some(field)));
    }
    for (opened, active) in [(now - DAY, now), (now - DAY, now - DAY), (now, now)] {
        let report = cell.account(opened, Some(active));
        let report = sign(PayloadKind::CustomerReport, &report, "provider", "sessions");
        assert!(cell.state.check(&report, TimestampMs(now)).unwrap().is_ok());
    }
    let report = cell.account(now - DAY, Some(now));
    let by_client = sign(PayloadKind::CustomerReport, &report, "client", "pipeline");
    assert!(cell.state.check(&by_client, TimestampMs(now)).is_err(), "a client knows nothing about accounts");
}

#[test]
fn devices_of_sessions_are_counted_by_customer() {
    let mut cell = Cell::ready();
    let now = cell.now;
    cell.detailed("sessions", now, json!({"device": "d-1", "network": "tor", "country_changed": true}));
    let device = DeviceRef::new("d-1").unwrap();
    assert!(history(&cell).device(&device).is_some());
    let crowd = cell.state.activity().device(&device);
    assert_eq!(crowd.others(&CustomerRef::new("somebody-else").unwrap()), 1);
}

#[test]
fn worst_of_all_reports_counts_for_each_signal_and_an_older_one_clears_nothing() {
    let at = |ms| Some(Moment::At(TimestampMs(ms)));
    let older = SessionDetails {
        network: Some(Network::Tor),
        country_changed: Some(false),
        password_reset_at: at(5),
        api_key_made_at: Some(Moment::NotLately),
        ..SessionDetails::default()
    };
    let newer = SessionDetails {
        device: Some(DeviceRef::new("d-1").unwrap()),
        network: Some(Network::Ordinary),
        country_changed: Some(true),
        password_reset_at: Some(Moment::NotLately),
        email_changed_at: at(9),
        ..SessionDetails::default()
    };
    let worst = SessionDetails {
        device: newer.device.clone(),
        network: Some(Network::Tor),
        country_changed: Some(true),
        second_factor_reset_at: None,
        password_reset_at: at(5),
        email_changed_at: at(9),
        api_key_made_at: Some(Moment::NotLately),
    };
    assert_eq!(newer.worse_of(&older), worst);
    assert_eq!(older.worse_of(&newer), worst);

    let mut cell = Cell::ready();
    cell.now += 10;
    let now = cell.now;
    cell.detailed("sessions", now, serde_json::to_value(&newer).unwrap());
    cell.detailed("sessions", now - 1, serde_json::to_value(&older).unwrap());
    let customer = CustomerRef::new("c-1").unwrap();
    assert_eq!(cell.state.sessions[&customer].first().unwrap().details, worst);
}

/// A cell whose policy knows one component more.
fn risky(components: &str) -> Cell {
    let mut document = document();
    let risk = format!("[risk]\n{components}");
    let policy = document["policy"].as_str().unwrap().replacen("[risk]", &risk, 1);
    document["policy"] = json!(policy);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

#[test]
fn poisoned_address_is_held_once_the_real_one_was_paid_even_if_an_officer_whitelisted_it() {
    let mut cell = risky("look_alike = { weight = 60, first_digits = 4, last_digits = 4 }");
    let poisoned = look_alike();
    cell.whitelist(&poisoned, DAY);
    let ask = |cell: &mut Cell, key: &str| {
        let mut request = cell.request(key, 100);
        request["destination"] = json!(poisoned);
        request["transaction"] = json!(pays_usdt(&poisoned, 100, 9, gwei(30, 1)).to_hex());
        let id = cell.ask(&request);
        cell.withdrawal(id).decision.reasons().iter().map(|reason| reason.code()).collect::<Vec<_>>()
    };
    assert!(ask(&mut cell, "before").is_empty());
    cell.signed("real", 1_250, 7);
    assert_eq!(ask(&mut cell, "after"), ["RISK_HOLD"]);
}

#[test]
fn what_was_learnt_survives_a_snapshot_byte_for_byte() {
    let mut cell = Cell::ready();
    let now = cell.now;
    cell.detailed("sessions", now, json!({"device": "d-1", "password_reset_at": {"at": now - 5}}));
    cell.signed("k-1", 1_250, 7);
    let bytes = cell.state.to_snapshot();
    let restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
    assert_eq!(restored.to_snapshot(), bytes);
    assert_eq!(restored.activity().customer(&CustomerRef::new("c-1").unwrap()), Some(history(&cell)));
    assert_eq!(restored.activity().look_alikes().len(), 1);
}

#[test]
fn account_report_for_another_cell_or_out_of_its_providers_sequence_is_refused() {
    let mut cell = Cell::ready();
    let good = cell.account(cell.now - DAY, None);
    let next = good["sequence"].as_u64().unwrap();
    for (member, value, code) in [
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH"),
        ("sequence", json!(next - 1), "ALREADY_RECORDED"),
        ("sequence", json!(next + 1), "SEQUENCE_GAP"),
        ("observed_at_ms", json!(cell.now + 60_000), "FIELD_INVALID"),
    ] {
        let mut report = good.clone();
        report[member] = value;
        assert_eq!(cell.refuse(&sign(PayloadKind::CustomerReport, &report, "provider", "sessions")), code);
    }
}

#[test]
fn what_became_of_a_signed_payment_is_no_second_payment() {
    let mut cell = Cell::ready();
    let id = cell.signed("k-1", 1_250, 7);
    let outcome = cell.outcome(id, "confirmed", Some(7));
    cell.accept(&super::after::by_pipeline(PayloadKind::OutcomeReport, &outcome));
    assert_eq!(history(&cell).paid(), 1);
}
