//! Numbers of reports: each is one report, one that can never be taken uses its number up, and nobody loses a warning by logging it
//! too early.

use holdfast_chains::{Address, ChainId};
use holdfast_log::Envelope;
use holdfast_policy::{ProviderId, TimestampMs};
use serde_json::{Value, json};

use super::cell::{Cell, PAYEE, document, genesis_entry, sign};
use crate::*;

const TABLES: &str = "[exposure]\nproviders = [\"sessions\"]\nmax_age_ms = 300000\nrequired = true\nhold_at = 50\n\
                      approvals = { withdrawal-approver = 2 }\n\n[prices]\nproviders = [\"sessions\"]\nmax_age_ms = 60000\n\n[hold]";

/// A cell in which the one provider reports about everything but identities and Travel Rule exchanges.
fn cell() -> Cell {
    let mut genesis = document();
    genesis["policy"] = json!(genesis["policy"].as_str().unwrap().replacen("[hold]", TABLES, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    cell.make_ready();
    cell
}

fn next(cell: &Cell) -> u64 {
    cell.state.next_sequence(&ProviderId::new("sessions").unwrap())
}

/// A report with the next number, and with this member.
fn report(cell: &Cell, kind: PayloadKind, mut body: Value, member: &str, value: Value) -> Envelope {
    body["cluster"] = json!("demo-1");
    body["provider"] = json!("sessions");
    body["sequence"] = json!(next(cell));
    body["observed_at_ms"] = json!(cell.now);
    body[member] = value;
    sign(kind, &body, "provider", "sessions")
}

fn exposure(cell: &Cell, member: &str, value: Value) -> Envelope {
    let body = json!({"chain_id": 1, "destination": PAYEE, "score": 90, "category": "mixer"});
    report(cell, PayloadKind::ExposureReport, body, member, value)
}

fn session(cell: &Cell, member: &str, value: Value) -> Envelope {
    let body = json!({"customer": "c-1", "new_device": false, "second_factor_reset": true});
    report(cell, PayloadKind::SessionReport, body, member, value)
}

/// Refused for good, of every kind.
fn refused_for_good(cell: &Cell) -> Vec<(Envelope, &'static str)> {
    let account = json!({"customer": "c-1"});
    let price = json!({"asset": "USDT", "price_micro_usd": 1});
    let identity = json!({"customer": "c-1", "subject": WithdrawalId::of("demo-1", "pipeline", "never"),
        "intent": "00".repeat(32), "method": "passkey", "score": 90, "session": "s-1"});
    let travel = json!({"withdrawal": WithdrawalId::of("demo-1", "pipeline", "never"), "intent": "00".repeat(32),
        "state": "rejected", "message": "ab".repeat(32)});
    vec![
        (exposure(cell, "score", json!(101)), "FIELD_INVALID"),
        (exposure(cell, "chain_id", json!(5)), "UNKNOWN_CHAIN"),
        (
            report(cell, PayloadKind::CustomerReport, account, "opened_at_ms", json!(cell.now + 1)),
            "FIELD_INVALID",
        ),
        (report(cell, PayloadKind::PriceReport, price.clone(), "asset", json!("DAI")), "UNKNOWN_ASSET"),
        (report(cell, PayloadKind::PriceReport, price, "price_micro_usd", json!(0)), "FIELD_INVALID"),
        (report(cell, PayloadKind::IdentityAttestation, identity, "score", json!(90)), "PROVIDER_NOT_NAMED"),
        (report(cell, PayloadKind::TravelRuleReport, travel, "state", json!("sent")), "PROVIDER_NOT_NAMED"),
    ]
}

/// Of two reports with one number whoever orders the entries could choose: so a provider never has to sign a second one.
#[test]
fn report_that_can_never_be_taken_uses_up_its_number_in_the_log() {
    let kinds = refused_for_good(&cell()).len();
    for at in 0..kinds {
        let mut cell = cell();
        let number = next(&cell);
        let (bad, code) = refused_for_good(&cell).swap_remove(at);
        let rejection = cell.state.check(&bad, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert!(rejection.is_logged(), "{code}");
        let (good, before) = (session(&cell, "customer", json!("c-1")), cell.state.digest());
        assert_eq!(cell.refuse(&bad), code);
        assert_ne!(cell.state.digest(), before);
        assert_eq!(next(&cell), number + 1, "{code}");
        // What the same number says besides is refused, and so is what was refused already.
        for again in [good, bad] {
            let rejection = cell.state.check(&again, TimestampMs(cell.now)).unwrap().unwrap_err();
            assert_eq!((rejection.code().as_str(), rejection.field()), ("FIELD_INVALID", Some("sequence")));
            assert!(!rejection.is_logged());
        }
        let following = session(&cell, "customer", json!("c-1"));
        cell.accept(&following);
        let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
        assert_eq!(restored.next_sequence(&ProviderId::new("sessions").unwrap()), number + 2);
        assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
    }
}

/// Whoever orders the entries stamps them: a warning that comes before its time must still come.
#[test]
fn warning_that_is_logged_too_early_is_not_lost() {
    let mut cell = cell();
    let number = next(&cell);
    for warning in [exposure(&cell, "observed_at_ms", json!(cell.now + 60_000)), {
        session(&cell, "observed_at_ms", json!(cell.now + 60_000))
    }] {
        let rejection = cell.state.check(&warning, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert!(!rejection.is_logged());
        assert_eq!(cell.refuse(&warning), "FIELD_INVALID");
        assert_eq!(next(&cell), number);
    }
    let warning = exposure(&cell, "observed_at_ms", json!(cell.now + 60_000));
    assert_eq!(cell.refuse(&warning), "FIELD_INVALID");
    let mut later = exposure(&cell, "score", json!(0));
    let without = String::from_utf8(later.payload)
        .unwrap()
        .replace(&format!("\"sequence\":{number}"), &format!("\"sequence\":{}", number + 1));
    later =
        sign(PayloadKind::ExposureReport, &serde_json::from_str(&without).unwrap(), "provider", "sessions");
    assert_eq!(cell.refuse(&later), "SEQUENCE_GAP", "nothing comes past it");
    cell.now += 60_000;
    cell.accept(&warning);
    let about = Address::parse(PAYEE).unwrap();
    let known = cell.state.exposure_report(&"sessions".parse().unwrap(), ChainId(1), &about).unwrap();
    assert_eq!(known.score, 90);
}

#[test]
fn refusal_of_an_exchange_that_is_logged_before_its_withdrawal_is_not_lost() {
    let mut genesis = document();
    let rule = "[[restriction]]\nid = \"travel\"\ntype = \"travel_rule\"\nabove = { USDT = \"1000000\" }\n\
                providers = [\"sessions\"]\napprovals = { withdrawal-approver = 2 }\n\n[risk]";
    genesis["policy"] = json!(genesis["policy"].as_str().unwrap().replacen("[risk]", rule, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    cell.make_ready();
    let request = cell.request("k-1", 1250);
    let intent = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline").payload;
    let intent = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&intent));
    let body = json!({"withdrawal": WithdrawalId::of("demo-1", "pipeline", "k-1"), "intent": intent,
        "message": "ab".repeat(32)});
    let refusal = report(&cell, PayloadKind::TravelRuleReport, body, "state", json!("rejected"));
    let number = next(&cell);
    assert_eq!(cell.refuse(&refusal), "UNKNOWN_WITHDRAWAL");
    assert_eq!(next(&cell), number);
    let id = cell.ask(&request);
    cell.accept(&refusal);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

#[test]
fn report_for_another_cell_out_of_sequence_or_that_is_none_uses_up_nothing() {
    let mut cell = cell();
    let number = next(&cell);
    for (bad, code) in [
        (exposure(&cell, "cluster", json!("demo-2")), "CLUSTER_MISMATCH"),
        (exposure(&cell, "sequence", json!(number + 1)), "SEQUENCE_GAP"),
        (exposure(&cell, "sequence", json!(number - 1)), "ALREADY_RECORDED"),
        (exposure(&cell, "score", json!("high")), "FIELD_INVALID"),
    ] {
        let rejection = cell.state.check(&bad, TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!((rejection.used_number(), rejection.is_logged()), (None, false), "{code}");
        assert_eq!(cell.refuse(&bad), code);
        assert_eq!(next(&cell), number, "{code}");
    }
}

#[test]
fn of_refused_numbers_the_newest_are_remembered() {
    let mut cell = cell();
    let first = exposure(&cell, "score", json!(101));
    assert_eq!(cell.refuse(&first), "FIELD_INVALID");
    for _ in 1..64 {
        let other = exposure(&cell, "score", json!(101));
        cell.refuse(&other);
    }
    assert_eq!(cell.refuse(&first), "FIELD_INVALID", "as many as are remembered");
    let last = exposure(&cell, "score", json!(101));
    cell.refuse(&last);
    assert_eq!(cell.refuse(&last), "FIELD_INVALID");
    assert_eq!(cell.refuse(&first), "ALREADY_RECORDED");
}
