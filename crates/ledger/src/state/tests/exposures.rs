//! What providers say about destinations: replays, gaps and lies are refused, the worst counts, silence holds.

use holdfast_policy::{ReasonCode, TimestampMs};
use serde_json::{Value, json};

use super::cell::{Cell, PAYEE, document, ed25519, genesis_entry, sign};
use crate::*;

const HOUR: u64 = 3_600_000;
const TABLE: &str = "[exposure]\nproviders = [\"chainwatch\", \"tracer\"]\nmax_age_ms = 300000\nrequired = true\nhold_at = 50\n\
                     deny_at = 80\napprovals = { withdrawal-approver = 2 }\n\n[hold]";

fn cell() -> Cell {
    let mut genesis = document();
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    for name in ["chainwatch", "tracer", "stranger"] {
        let provider = json!({"name": name, "public_key": key(name)});
        genesis["providers"].as_array_mut().unwrap().push(provider);
    }
    genesis["policy"] = json!(genesis["policy"].as_str().unwrap().replacen("[hold]", TABLE, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    cell.make_ready();
    cell
}

fn report(cell: &Cell, provider: &str, sequence: u64, score: u64) -> Value {
    json!({"cluster": "demo-1", "provider": provider, "sequence": sequence, "chain_id": 1, "destination": PAYEE,
        "score": score, "category": "mixer", "observed_at_ms": cell.now})
}

fn signed(report: &Value, by: &str) -> holdfast_log::Envelope {
    sign(PayloadKind::ExposureReport, report, "provider", by)
}

fn says(cell: &mut Cell, provider: &str, sequence: u64, score: u64) {
    let report = report(cell, provider, sequence, score);
    cell.accept(&signed(&report, provider));
}

fn ask(cell: &mut Cell, key: &str) -> WithdrawalId {
    let request = cell.request(key, 1250);
    cell.ask(&request)
}

#[test]
fn payment_is_held_until_every_required_provider_spoke() {
    let mut cell = cell();
    let held = ask(&mut cell, "k-1");
    assert_eq!(cell.withdrawal(held).decision.main_reason(), Some(ReasonCode::ExposureAbsent));
    says(&mut cell, "chainwatch", 1, 0);
    let held = ask(&mut cell, "k-2");
    assert_eq!(cell.state_of(held), WithdrawalState::Held);
    says(&mut cell, "tracer", 1, 10);
    let allowed = ask(&mut cell, "k-3");
    assert_eq!(cell.state_of(allowed), WithdrawalState::Bound);
}

/// A withdrawal that is held because both providers were silent, which then speak.
fn answered(cell: &mut Cell, usdt: u128, score: u64) -> WithdrawalId {
    let request = cell.request("k-1", usdt);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE", "nobody spoke");
    says(cell, "chainwatch", 1, 0);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE", "one of two spoke");
    says(cell, "tracer", 1, score);
    id
}

#[test]
fn payment_that_was_held_for_silence_alone_goes_on_when_all_have_spoken() {
    let mut cell = cell();
    let id = answered(&mut cell, 1250, 10);
    assert_eq!(cell.state_of(id), WithdrawalState::Held, "a report alone changes no withdrawal");
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
    assert!(cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).is_ok());
}

#[test]
fn answer_is_obeyed_whatever_it_is() {
    for (score, state, code) in [
        (50, WithdrawalState::Held, ReasonCode::ExposureHold),
        (80, WithdrawalState::Denied, ReasonCode::ExposureDeny),
    ] {
        let mut cell = cell();
        let id = answered(&mut cell, 1250, score);
        let authorize = cell.authorize(id);
        cell.accept(&authorize);
        assert_eq!(cell.state_of(id), state);
        assert_eq!(cell.withdrawal(id).decision.main_reason(), Some(code));
        assert_eq!(
            cell.refuse(&authorize),
            "WITHDRAWAL_NOT_AUTHORIZABLE",
            "it is held for another reason now"
        );
    }
}

#[test]
fn answer_does_not_lift_what_people_have_to_lift() {
    let mut cell = cell();
    // 6,000 USDT is above the automatic limit, too
    let id = answered(&mut cell, 6_000, 0);
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
}

#[test]
fn only_what_is_held_waits_for_providers() {
    let mut cell = cell();
    let waits = |cell: &Cell, id: WithdrawalId, at: u64| {
        cell.state.waits_for_providers(cell.withdrawal(id), TimestampMs(at))
    };
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let expires = cell.withdrawal(id).request.expires_at_ms.0;
    assert!(waits(&cell, id, expires - 1));
    assert!(!waits(&cell, id, expires));
    let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
    cell.accept(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline"));
    assert!(!waits(&cell, id, cell.now));
}

#[test]
fn answer_that_grew_too_old_is_none() {
    let mut cell = cell();
    let id = answered(&mut cell, 1250, 0);
    cell.now += 300_000;
    let authorize = cell.authorize(id);
    assert_eq!(cell.refuse(&authorize), "WITHDRAWAL_NOT_AUTHORIZABLE");
    cell.session(false, false);
    says(&mut cell, "chainwatch", 2, 0);
    says(&mut cell, "tracer", 2, 0);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
}

#[test]
fn worse_report_stops_at_authorization_and_signing() {
    let mut cell = cell();
    says(&mut cell, "chainwatch", 1, 0);
    says(&mut cell, "tracer", 1, 0);
    let id = ask(&mut cell, "k-1");
    let mut other = cell.state.clone();
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).is_ok());
    says(&mut cell, "tracer", 2, 80);
    let refusal = cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).unwrap_err();
    assert_eq!(refusal.code(), "POLICY_REFUSES");
    // The same before the authorization.
    std::mem::swap(&mut cell.state, &mut other);
    says(&mut cell, "tracer", 2, 80);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

#[test]
fn reports_grow_too_old_for_a_node_that_signs_later() {
    let mut cell = cell();
    says(&mut cell, "chainwatch", 1, 0);
    says(&mut cell, "tracer", 1, 0);
    cell.now += 290_000;
    cell.session(false, false);
    let id = ask(&mut cell, "k-1");
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    assert!(cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).is_ok());
    let refusal = cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now + 20_000)).unwrap_err();
    assert_eq!(refusal.code(), "POLICY_REFUSES");
}

#[test]
fn worse_report_cannot_be_dropped_without_a_gap() {
    let mut cell = cell();
    says(&mut cell, "tracer", 1, 0);
    let (worse, better) = (report(&cell, "tracer", 2, 90), report(&cell, "tracer", 3, 0));
    assert_eq!(cell.refuse(&signed(&better, "tracer")), "SEQUENCE_GAP");
    cell.accept(&signed(&worse, "tracer"));
    cell.accept(&signed(&better, "tracer"));
}

#[test]
fn replayed_report_and_one_about_an_earlier_moment_clear_nothing() {
    let mut cell = cell();
    says(&mut cell, "chainwatch", 1, 0);
    says(&mut cell, "tracer", 1, 0);
    let good = report(&cell, "tracer", 1, 0);
    assert_eq!(cell.refuse(&signed(&good, "tracer")), "ALREADY_RECORDED");
    let mut late = report(&cell, "tracer", 3, 5);
    late["observed_at_ms"] = json!(cell.now - 50);
    says(&mut cell, "tracer", 2, 85);
    cell.accept(&signed(&late, "tracer"));
    let id = ask(&mut cell, "k-1");
    assert_eq!(cell.withdrawal(id).decision.main_reason(), Some(ReasonCode::ExposureDeny));
    says(&mut cell, "tracer", 4, 5);
    let id = ask(&mut cell, "k-2");
    assert_eq!(cell.state_of(id), WithdrawalState::Bound, "a later look clears");
}

#[test]
fn report_that_lies_about_who_where_or_when_is_refused() {
    let mut cell = cell();
    let good = report(&cell, "tracer", 1, 0);
    let with = |member: &str, value: Value| {
        let mut report = good.clone();
        report[member] = value;
        report
    };
    assert_eq!(cell.would_refuse(&signed(&good, "chainwatch")), "SIGNER_NOT_AUTHORIZED");
    assert_eq!(cell.would_refuse(&signed(&with("cluster", json!("demo-2")), "tracer")), "CLUSTER_MISMATCH");
    assert_eq!(cell.would_refuse(&signed(&with("score", json!(101)), "tracer")), "FIELD_INVALID");
    assert_eq!(cell.would_refuse(&signed(&with("chain_id", json!(5)), "tracer")), "UNKNOWN_CHAIN");
    assert_eq!(
        cell.would_refuse(&signed(&with("observed_at_ms", json!(cell.now + 6000)), "tracer")),
        "FIELD_INVALID"
    );
    assert_eq!(cell.would_refuse(&signed(&with("category", json!("Two Words")), "tracer")), "FIELD_INVALID");
    let stranger = report(&cell, "stranger", 1, 0);
    assert_eq!(cell.would_refuse(&signed(&stranger, "stranger")), "PROVIDER_NOT_NAMED");
}

#[test]
fn restored_state_knows_what_was_reported() {
    let mut cell = cell();
    says(&mut cell, "chainwatch", 1, 0);
    says(&mut cell, "tracer", 1, 60);
    let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    let about = holdfast_chains::Address::parse(PAYEE).unwrap();
    for provider in ["chainwatch", "tracer"] {
        let provider = provider.parse().unwrap();
        let chain = holdfast_chains::ChainId(1);
        assert!(restored.exposure_report(&provider, chain, &about).is_some());
        assert_eq!(
            restored.exposure_report(&provider, chain, &about),
            cell.state.exposure_report(&provider, chain, &about)
        );
    }
}

#[test]
fn reports_that_no_policy_can_count_any_more_are_forgotten() {
    const DAY: u64 = 24 * HOUR;
    let mut cell = cell();
    let elsewhere = |cell: &Cell, sequence: u64| {
        let mut report = report(cell, "tracer", sequence, 0);
        report["destination"] = json!(format!("0x{sequence:040x}"));
        signed(&report, "tracer")
    };
    let known = |cell: &Cell, sequence: u64| {
        let about = holdfast_chains::Address::parse(&format!("0x{sequence:040x}")).unwrap();
        cell.state.exposure_report(&"tracer".parse().unwrap(), holdfast_chains::ChainId(1), &about).is_some()
    };
    for sequence in 1..=5 {
        let report = elsewhere(&cell, sequence);
        cell.accept(&report);
        assert!(known(&cell, sequence));
        if sequence > 1 {
            assert!(known(&cell, sequence - 1), "20 days old");
        }
        cell.now += 20 * DAY;
    }
    assert!(!known(&cell, 1));
}

#[test]
fn better_report_about_the_same_millisecond_clears_nothing() {
    let mut cell = cell();
    says(&mut cell, "chainwatch", 1, 0);
    let mut near = report(&cell, "tracer", 1, 85);
    near["hops"] = json!(1);
    let mut better = report(&cell, "tracer", 2, 5);
    better["category"] = json!("exchange");
    cell.accept(&signed(&near, "tracer"));
    cell.accept(&signed(&better, "tracer"));
    let about = holdfast_chains::Address::parse(PAYEE).unwrap();
    let (tracer, chain) = ("tracer".parse().unwrap(), holdfast_chains::ChainId(1));
    let known = cell.state.exposure_report(&tracer, chain, &about).unwrap();
    assert_eq!((known.score, known.category.as_str(), known.hops, known.sequence), (85, "mixer", Some(1), 2));
    let id = ask(&mut cell, "k-1");
    assert_eq!(cell.withdrawal(id).decision.main_reason(), Some(ReasonCode::ExposureDeny));
}

#[test]
fn late_report_that_is_worse_in_one_part_makes_only_that_part_worse() {
    let mut cell = cell();
    let mut far = report(&cell, "tracer", 1, 60);
    far["hops"] = json!(4);
    let mut near = report(&cell, "tracer", 2, 10);
    near["hops"] = json!(1);
    near["observed_at_ms"] = json!(cell.now - 1);
    cell.accept(&signed(&far, "tracer"));
    cell.accept(&signed(&near, "tracer"));
    let about = holdfast_chains::Address::parse(PAYEE).unwrap();
    let tracer = "tracer".parse().unwrap();
    let known = cell.state.exposure_report(&tracer, holdfast_chains::ChainId(1), &about).unwrap();
    assert_eq!(
        (known.score, known.hops, known.observed_at_ms.0),
        (60, Some(1), far["observed_at_ms"].as_u64().unwrap())
    );
}

#[test]
fn late_report_that_is_worse_counts_at_the_later_time_and_scores_go_up_to_100() {
    let mut cell = cell();
    let about = (holdfast_chains::ChainId(1), holdfast_chains::Address::parse(PAYEE).unwrap());
    let newest = |cell: &Cell| {
        let known = cell.state.exposure_report(&"tracer".parse().unwrap(), about.0, &about.1).unwrap();
        (known.sequence, u64::from(known.score), known.category.to_string(), known.observed_at_ms.0)
    };
    let first = cell.now;
    says(&mut cell, "tracer", 1, 5);
    for (sequence, score, category, counts) in
        [(2, 85, "scam", 85), (3, 85, "theft", 85), (4, 84, "none", 85)]
    {
        let mut late = report(&cell, "tracer", sequence, score);
        late["observed_at_ms"] = json!(first - 50);
        late["category"] = json!(category);
        cell.accept(&signed(&late, "tracer"));
        // Of two that are equally bad the one said last counts.
        let category = if score == counts { category } else { "theft" };
        assert_eq!(newest(&cell), (sequence, counts, category.to_owned(), first));
    }
    // And what a provider says again about the same moment is no later look.
    let mut again = report(&cell, "tracer", 5, 3);
    again["observed_at_ms"] = json!(first);
    cell.accept(&signed(&again, "tracer"));
    assert_eq!(newest(&cell), (5, 85, "theft".to_owned(), first));
    says(&mut cell, "tracer", 6, 100);
    assert_eq!(newest(&cell).1, 100);
}
