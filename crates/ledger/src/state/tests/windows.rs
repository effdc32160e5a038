//! Sliding windows by the log: what counts from when to when, and thieves who would have it count for less.

use holdfast_policy::MicroUsd;
use serde_json::json;

use super::after::{gwei, own_address, pays, pays_usdt, sworn};
use super::cell::{Cell, PAYEE, document, genesis_entry, sign};
use crate::*;

const HOUR: u64 = 3_600_000;
pub(super) const USDT_2000: &str =
    "asset = \"USDT\"\nper = [\"wallet\"]\nwindow_ms = 3600000\ndeny_above = \"2000000000\"";
const USD_2000: &str =
    "unit = \"usd_cents\"\nper = [\"customer\"]\nwindow_ms = 3600000\ndeny_above = \"200000\"";

/// A cell whose policy has one more rule, with a wallet, a payee and a session report.
pub(super) fn limited(window: &str) -> Cell {
    let mut document = document();
    let rule = format!(
        "[[restriction]]\nid = \"window\"\ntype = \"limit_window\"\n{window}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"sessions\"]\n\n[risk]"
    );
    let policy = document["policy"].as_str().unwrap().replacen("[risk]", &rule, 1);
    document["policy"] = json!(policy);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

impl Cell {
    pub(super) fn asked(&mut self, key: &str, usdt: u128) -> WithdrawalId {
        let request = self.request(key, usdt);
        self.ask(&request)
    }

    pub(super) fn main_reason(&self, id: WithdrawalId) -> Option<&'static str> {
        self.withdrawal(id).decision.main_reason().map(|reason| reason.code())
    }

    /// Time passes; whitelist entry and session report are fresh again.
    fn later(&mut self, ms: u64) {
        self.now += ms;
        self.whitelist(PAYEE, 24 * HOUR);
        self.session(false, false);
    }

    /// Whether so much more fits now.
    pub(super) fn fits(&mut self, key: &str, usdt: u128) -> bool {
        let id = self.asked(key, usdt);
        let fits = self.withdrawal(id).decision.is_allowed();
        // Denied for another reason, a test would show nothing.
        assert!(fits || self.main_reason(id) == Some("WINDOW_LIMIT_REACHED"), "{:?}", self.main_reason(id));
        if fits {
            let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
            self.accept(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline"));
        }
        fits
    }

    fn price(&self, sequence: u64, asset: &str, micro_usd: u64, observed_at: u64) -> holdfast_log::Envelope {
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "asset": asset,
            "price_micro_usd": micro_usd, "observed_at_ms": observed_at});
        sign(PayloadKind::PriceReport, &report, "provider", "sessions")
    }
}

#[test]
fn request_that_is_only_asked_for_takes_its_place_at_once() {
    let mut cell = limited(USDT_2000);
    let first = cell.asked("k-1", 1_250);
    let second = cell.asked("k-2", 1_250);
    assert_eq!(cell.main_reason(first), None);
    assert_eq!(cell.main_reason(second), Some("WINDOW_LIMIT_REACHED"));
    assert!(cell.fits("k-3", 750));
}

#[test]
fn hundreds_at_once_never_exceed_the_limit_whatever_the_order_of_authorization() {
    let mut cell = limited(USDT_2000);
    let mut allowed: Vec<_> = Vec::new();
    for n in 0..200_u64 {
        let mut request = cell.request(&format!("k-{n}"), 30);
        request["transaction"] = json!(pays_usdt(PAYEE, 30, n, gwei(30, 1)).to_hex());
        let id = cell.ask(&request);
        if cell.withdrawal(id).decision.is_allowed() {
            allowed.push(id);
        }
    }
    assert_eq!(allowed.len(), 66, "2,000 / 30");
    for id in allowed.iter().rev() {
        cell.accept_authorize(*id);
        assert_eq!(cell.state_of(*id), WithdrawalState::Authorized);
    }
    assert!(!cell.fits("late", 21), "1,980 of 2,000 are gone");
    assert!(cell.fits("late-2", 20));
}

#[test]
fn cancelled_and_expired_requests_give_their_places_up_and_authorized_ones_do_not() {
    let mut cell = limited(USDT_2000);
    assert!(cell.fits("cancelled", 2_000));
    cell.asked("expiring", 2_000);
    assert!(!cell.fits("k-1", 1));
    cell.later(600_000);
    let authorized = cell.authorized("authorized", 2_000, 7);
    cell.later(100 * HOUR);
    assert_eq!(cell.state_of(authorized), WithdrawalState::Authorized);
    assert!(!cell.fits("k-2", 1), "what may be signed in secret does not age");
}

#[test]
fn signature_that_is_hidden_until_the_window_has_passed_counts_from_its_entry() {
    let mut cell = limited(USDT_2000);
    let id = cell.authorized("k-1", 2_000, 7);
    cell.later(100 * HOUR);
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    let signed_at = cell.now;
    cell.now = signed_at + HOUR - 3;
    cell.session(false, false);
    assert!(!cell.fits("k-2", 1), "at signed_at + HOUR - 1");
    assert!(cell.fits("k-3", 2_000), "at signed_at + HOUR");
}

#[test]
fn amount_comes_back_with_the_last_tombstone_that_is_needed() {
    let mut cell = limited(USDT_2000);
    let id = cell.authorized("k-1", 2_000, 7);
    cell.accept(&sworn(1, id));
    assert!(!cell.fits("k-2", 1));
    cell.accept(&sworn(2, id));
    assert!(cell.fits("k-3", 2_000));
}

#[test]
fn replacement_counts_once_and_both_must_be_sworn_off() {
    let mut cell = limited(USDT_2000);
    let first = cell.authorized("k-1", 1_500, 7);
    let bump = cell.replacement("k-2", first, "bump-fee", &pays_usdt(PAYEE, 1_500, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    assert_eq!(cell.main_reason(bump), None, "it does not find what it replaces in its way");
    cell.accept_authorize(bump);
    assert!(cell.fits("k-3", 500) && !cell.fits("k-4", 501));
    for node in [1, 2] {
        cell.accept(&sworn(node, first));
    }
    assert!(!cell.fits("k-5", 501), "the replacement can still be signed");
    for node in [1, 2] {
        cell.accept(&sworn(node, bump));
    }
    assert!(cell.fits("k-6", 2_000));
}

#[test]
fn bumps_of_payments_that_left_the_window_take_their_places_again() {
    let mut cell = limited(USDT_2000);
    let first = cell.signed("k-1", 1_500, 7);
    cell.later(2 * HOUR);
    let second = cell.signed("k-2", 1_500, 8);
    cell.later(2 * HOUR);
    let mut bump = |key: &str, of, nonce| {
        let bump = cell.replacement(key, of, "bump-fee", &pays_usdt(PAYEE, 1_500, nonce, gwei(60, 2)));
        cell.replace(&bump)
    };
    let (first, second) = (bump("k-3", first, 7), bump("k-4", second, 8));
    cell.accept_authorize(first);
    assert!(!cell.fits("k-5", 501), "it is open again");
    cell.accept_authorize(second);
    assert_eq!(cell.state_of(second), WithdrawalState::Denied);
    let signature = cell.signature_of(first);
    cell.accept(&signature);
    assert!(cell.fits("k-6", 500) && !cell.fits("k-7", 501), "it counts once, from now on");
    cell.later(HOUR);
    assert!(cell.fits("k-8", 2_000));
}

#[test]
fn price_that_rose_does_not_keep_a_stuck_payment_from_being_bumped() {
    let mut cell = limited(USD_2000);
    let price = cell.price(2, "USDT", 1_000_000, cell.now);
    cell.accept(&price);
    let id = cell.signed("k-1", 100, 7);
    let price = cell.price(3, "USDT", 1_010_000, cell.now);
    cell.accept(&price);
    let bump = cell.replacement("k-2", id, "bump-fee", &pays_usdt(PAYEE, 100, 7, gwei(60, 2)));
    let bump = cell.replace(&bump);
    assert_eq!(cell.main_reason(bump), None);
}

#[test]
fn cancellation_on_chain_gives_nothing_back_while_the_payment_may_be_mined() {
    let mut cell = limited(USDT_2000);
    let first = cell.authorized("k-1", 2_000, 7);
    let nothing = pays(None, &own_address(), 0, 7, gwei(60, 2));
    let cancel = cell.replacement("k-2", first, "cancel-on-chain", &nothing);
    let cancel = cell.replace(&cancel);
    cell.accept_authorize(cancel);
    assert!(!cell.fits("k-3", 1));
    let signature = cell.signature_of(cancel);
    cell.accept(&signature);
    assert!(!cell.fits("k-4", 1));
}

#[test]
fn without_a_young_price_nothing_passes_a_limit_in_dollars() {
    let mut cell = limited(USD_2000);
    let id = cell.asked("k-1", 1);
    assert_eq!(cell.main_reason(id), Some("PRICE_ABSENT"));
    let price = cell.price(2, "USDT", 1_000_000, cell.now);
    cell.accept(&price);
    assert!(cell.fits("k-2", 2_000) && !cell.fits("k-3", 2_001));
    cell.now += 60_001;
    let id = cell.asked("k-4", 1);
    assert_eq!(cell.main_reason(id), Some("PRICE_ABSENT"));
}

#[test]
fn of_several_young_prices_the_highest_counts_whichever_came_last() {
    let mut cell = limited(USD_2000);
    let (high, low) =
        (cell.price(2, "USDT", 2_000_000, cell.now), cell.price(3, "USDT", 1_000_000, cell.now + 1));
    cell.accept(&high);
    cell.accept(&low);
    assert!(cell.fits("k-1", 1_000) && !cell.fits("k-2", 1_001));
    let usdt = holdfast_chains::AssetSymbol::parse("USDT").unwrap();
    let now = holdfast_policy::TimestampMs(cell.now);
    assert_eq!(cell.state.usd_price(&usdt, now).unwrap().price, MicroUsd(2_000_000));
}

#[test]
fn prices_out_of_sequence_of_nothing_or_of_nothing_known_are_refused() {
    let mut cell = limited(USD_2000);
    let now = cell.now;
    for (sequence, asset, price, observed_at, code) in [
        (3, "USDT", 1, now, "SEQUENCE_GAP"),
        (1, "USDT", 1, now, "ALREADY_RECORDED"),
        (2, "DAI", 1, now, "UNKNOWN_ASSET"),
        (2, "USDT", 0, now, "FIELD_INVALID"),
        (2, "USDT", 1, now + 60_000, "FIELD_INVALID"),
    ] {
        let report = cell.price(sequence, asset, price, observed_at);
        assert_eq!(cell.would_refuse(&report), code);
    }
    let honest = cell.price(2, "USDT", 1, now);
    let elsewhere = String::from_utf8(honest.payload).unwrap().replace("demo-1", "demo-2");
    let elsewhere: serde_json::Value = serde_json::from_str(&elsewhere).unwrap();
    let elsewhere = sign(PayloadKind::PriceReport, &elsewhere, "provider", "sessions");
    assert_eq!(cell.refuse(&elsewhere), "CLUSTER_MISMATCH");
}

#[test]
fn price_of_a_provider_that_the_policy_does_not_name_is_not_heard() {
    let mut cell = limited(USD_2000);
    let price = cell.price(2, "USDT", 1_000_000, cell.now);
    cell.accept(&price);
    let named = cell.state.policy().source().to_owned();
    cell.change_policy(&named.replace("[\"sessions\"]", "[\"others\"]"));
    let id = cell.asked("k-1", 1);
    assert_eq!(cell.main_reason(id), Some("PRICE_ABSENT"), "what it said before counts no more either");
    let price = cell.price(3, "USDT", 1_000_000, cell.now);
    assert_eq!(cell.refuse(&price), "PROVIDER_NOT_NAMED");
    cell.change_policy(&named);
    let price = cell.price(3, "USDT", 1_000_000, cell.now);
    assert_eq!(cell.refuse(&price), "FIELD_INVALID", "what was refused used up its number");
    let price = cell.price(4, "USDT", 1_000_000, cell.now);
    cell.accept(&price);
}

#[test]
fn customer_with_a_thousand_requests_that_wait_asks_for_no_more_until_one_ends() {
    let mut cell = limited(USDT_2000);
    let ask = |cell: &mut Cell, n: u64| {
        let mut request = cell.request(&format!("k-{n}"), 1);
        request["transaction"] = json!(null);
        request["amount"] = json!("1");
        sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
    };
    let mut ids = Vec::new();
    for n in 0..holdfast_policy::MAX_PLACES_OF_CUSTOMER {
        let request = ask(&mut cell, n);
        ids.push(cell.accept(&request).withdrawal.unwrap());
    }
    let more = ask(&mut cell, 5_000);
    assert_eq!(cell.refuse(&more), "TOO_MANY_OPEN_WITHDRAWALS");
    let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": ids[7]});
    cell.accept(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline"));
    let more = ask(&mut cell, 5_001);
    cell.accept(&more);
    let more = ask(&mut cell, 5_002);
    assert_eq!(cell.refuse(&more), "TOO_MANY_OPEN_WITHDRAWALS");
    let revoked = cell.statement("bob", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    cell.accept(&revoked);
    assert_eq!(
        cell.state.outflows().open().count(),
        0,
        "a thief's requests do not stay in the customer's way"
    );
}

#[test]
fn price_that_rises_after_the_approval_is_said_to_be_the_reason() {
    let mut cell = limited(&USD_2000.replace("200000", "700000"));
    let price = cell.price(2, "USDT", 1_000_000, cell.now);
    cell.accept(&price);
    let mut request = cell.request("k-1", 6_000);
    request["transaction"] = json!(pays_usdt(PAYEE, 6_000, 7, gwei(30, 1)).to_hex());
    let id = cell.ask(&request);
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveHold(id));
        cell.accept(&approval);
    }
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    let price = cell.price(3, "USDT", 1_200_000, cell.now);
    cell.accept(&price);
    cell.accept_authorize(id);
    assert_eq!(cell.main_reason(id), Some("WINDOW_LIMIT_REACHED_SINCE_APPROVAL"));
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

/// The ceiling of a tier is a window of the policy like others: counted by the log, and counted again after a restore.
#[test]
fn ceiling_of_a_tier_counts_by_the_log_and_restored_replicas_count_alike() {
    let tier = "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\", \"hot-2\"]\n\n[[tier.ceiling]]\nid = \"day\"\n\
                asset = \"USDT\"\nwindow_ms = 3600000\ndeny_above = \"2000000000\"\n\n[risk]";
    let mut document = document();
    document["policy"] = json!(document["policy"].as_str().unwrap().replacen("[risk]", tier, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell.authorized("k-1", 1_250, 7);
    let fits = cell.asked("k-2", 750);
    assert_eq!(cell.main_reason(fits), None);
    let asked = cell.asked("k-3", 1);
    assert_eq!(cell.main_reason(asked), Some("TIER_CEILING_REACHED"));
    let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    for id in [fits, asked] {
        let asked = &cell.withdrawal(id).request;
        let at = cell.state.last_time();
        assert_eq!(restored.evaluate_request(asked, at), cell.state.evaluate_request(asked, at));
    }
}
