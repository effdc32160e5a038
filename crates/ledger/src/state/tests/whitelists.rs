//! Customers' whitelist entries: confirmed, cooled off, used and ended, to the millisecond; and everybody who would have one
//! sooner, longer or for somebody else.

use holdfast_policy::{EntryStatus, TimestampMs, WhitelistEntryId};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::after::{gwei, own_address, pays};
use super::authority::add_client;
use super::cell::{Cell, PAYEE, START, coordinator, ed25519, sign, usdt_transfer, wallet_signature};
use super::step_ups::{attested, identified};
use crate::codec::{Decode as _, Encode as _, Input};
use crate::state::whitelists::Requests;
use crate::*;

mod requests;

/// Ten minutes.
const TEN_MINUTES: u64 = 600_000;
/// An hour: the days of this cell are short, because the keys of its clients expire soon.
const SHORT_DAY: u64 = 6 * TEN_MINUTES;
const REAL_DAY: u64 = 24 * SHORT_DAY;
/// In lower case on purpose.
const OWN: &str = "0x52908400098527886e0f7030069857d2e4169ee7";
const OWN_CHECKSUMMED: &str = "0x52908400098527886E0F7030069857D2E4169EE7";

/// Ten minutes of cooling-off, ten hours without use, three entries for each customer, four open requests.
fn cell() -> Cell {
    let terms =
        "cooling_off_ms = 600000\ndormancy_ms = 36000000\nmax_per_customer = 3\nmax_open_requests = 4";
    let mut cell = identified("cooling_off_ms = 0", terms);
    cell.now += SHORT_DAY;
    cell
}

fn digest(envelope: &holdfast_log::Envelope) -> [u8; 32] {
    sha2::Sha256::digest(&envelope.payload).into()
}

impl Cell {
    fn entry_request(&self, customer: &str) -> Value {
        json!({"cluster": "demo-1", "client": "pipeline", "customer": customer, "chain_id": 1, "address": OWN,
            "assets": ["USDT"], "expires_at_ms": self.now + 20 * SHORT_DAY, "created_at_ms": self.now,
            "confirm_by_ms": self.now + SHORT_DAY})
    }

    fn ask_entry(&mut self, request: &Value) -> (WhitelistEntryId, [u8; 32]) {
        let envelope = asked(request);
        (self.accept(&envelope).whitelist_entry.unwrap(), digest(&envelope))
    }

    fn sequence_of(&self, provider: &str) -> u64 {
        self.state.next_sequence(&provider.parse().unwrap())
    }

    fn confirmation(&self, id: &WhitelistEntryId, intent: [u8; 32], customer: &str) -> Value {
        let mut report = self.attestation(id.as_str(), intent, self.sequence_of("kyc"));
        report["customer"] = json!(customer);
        report
    }

    fn confirm_entry(&mut self, (id, intent): &(WhitelistEntryId, [u8; 32]), customer: &str) {
        let report = self.confirmation(id, *intent, customer);
        self.accept(&attested(&report));
    }

    fn confirmed(&mut self, request: &Value) -> WhitelistEntryId {
        let customer = request["customer"].as_str().unwrap().to_owned();
        let asked = self.ask_entry(request);
        self.confirm_entry(&asked, &customer);
        asked.0
    }

    fn status(&self, id: &WhitelistEntryId) -> EntryStatus {
        let entry = self.state.whitelist_entry(id).unwrap();
        entry.status_under(self.state.policy().whitelist(), TimestampMs(self.now))
    }

    fn payment(&self, key: &str, nonce: u64) -> Value {
        let mut request = self.request(key, 1250);
        request["destination"] = json!(OWN_CHECKSUMMED);
        request["transaction"] = json!(usdt_transfer(OWN_CHECKSUMMED, 1250, nonce).to_hex());
        request
    }

    /// The main reason of a payment that is asked for in the entry of this time.
    fn pays_at(&mut self, key: &str, time: u64) -> Option<&'static str> {
        self.session_at(time - 1);
        self.now = time - 1;
        let request = self.payment(key, 0);
        let id = self.ask(&request);
        assert_eq!(self.withdrawal(id).received_at.0, time);
        self.withdrawal(id).decision.main_reason().map(|reason| reason.code())
    }

    fn session_at(&mut self, before: u64) {
        self.now = self.now.max(before - 1);
        self.session(false, false);
    }

    fn paid_own(&mut self, key: &str, nonce: u64) {
        self.session(false, false);
        let request = self.payment(key, nonce);
        let id = self.ask(&request);
        self.accept(&self.authorize(id));
        let digest = self.withdrawal(id).authorization.as_ref().unwrap().digests[0];
        let payload = json!({"cluster": "demo-1", "withdrawal": id, "digest_index": 0,
            "signature": wallet_signature(&digest), "signers": ["node-1", "node-2"]});
        self.accept(&coordinator(PayloadKind::SignatureLogged, &payload));
    }
}

fn asked(request: &Value) -> holdfast_log::Envelope {
    let client = request["client"].as_str().unwrap();
    sign(PayloadKind::WhitelistRequest, request, "client", client)
}

/// Why this would be refused in an entry of this time.
fn code_at(cell: &Cell, envelope: &holdfast_log::Envelope, time: u64) -> Option<&'static str> {
    let judged = cell.state.check(envelope, TimestampMs(time)).unwrap();
    judged.err().map(|rejection| rejection.code().as_str())
}

fn taken_back(client: &str, entry: &WhitelistEntryId) -> holdfast_log::Envelope {
    let payload = json!({"cluster": "demo-1", "client": client, "entry": entry});
    sign(PayloadKind::WhitelistRevocation, &payload, "client", client)
}

#[test]
fn entry_waits_for_its_customer_then_cools_off_and_counts_to_the_millisecond_at_decisions() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let asked = cell.ask_entry(&request);
    assert!(cell.state.whitelist_entry(&asked.0).is_none());
    assert!(cell.state.requested_entry(&asked.0).unwrap().is_open_at(TimestampMs(cell.now)));
    cell.confirm_entry(&asked, "c-1");
    let entry = cell.state.whitelist_entry(&asked.0).unwrap().clone();
    assert_eq!(entry.address.to_string(), OWN_CHECKSUMMED);
    assert_eq!(entry.not_before.0, cell.now + TEN_MINUTES, "the cooling-off begins with the confirmation");
    let (from, until) = (entry.not_before.0, entry.expires_at.0);
    assert_eq!(cell.pays_at("k-1", from - 1), Some("WHITELIST_ENTRY_PENDING"));
    let mut exact = self::cell();
    let entry = exact.confirmed(&request);
    let from = exact.state.whitelist_entry(&entry).unwrap().not_before.0;
    assert_eq!(exact.pays_at("k-1", from), None);
    let kept_alive = exact.state.whitelist_entry(&entry).unwrap().expires_at.0;
    assert_eq!(kept_alive, until);
    for week in 1..=2 {
        exact.now = from + week * 9 * SHORT_DAY;
        exact.paid_own(&format!("alive-{week}"), week);
    }
    assert_eq!(exact.pays_at("k-2", until - 2), None);
    assert_eq!(exact.pays_at("k-3", until), Some("WHITELIST_ENTRY_EXPIRED"));
}

#[test]
fn entry_counts_to_the_millisecond_when_a_payment_is_authorized() {
    for (time, state) in [(0, WithdrawalState::Authorized), (1, WithdrawalState::Denied)] {
        let mut cell = cell();
        let mut request = cell.entry_request("c-1");
        request["expires_at_ms"] = json!(cell.now + 2 * TEN_MINUTES);
        let entry = cell.confirmed(&request);
        let until = cell.state.whitelist_entry(&entry).unwrap().expires_at.0;
        cell.now = until - 60_000;
        cell.session(false, false);
        let payment = cell.payment("k-1", 0);
        let id = cell.ask(&payment);
        cell.now = until - 2 + time;
        cell.accept(&cell.authorize(id));
        assert_eq!(cell.state_of(id), state);
    }
}

#[test]
fn entry_counts_to_the_millisecond_by_the_clock_of_a_node_that_signs() {
    let mut cell = cell();
    let mut request = cell.entry_request("c-1");
    request["expires_at_ms"] = json!(cell.now + 2 * TEN_MINUTES);
    let entry = cell.confirmed(&request);
    let until = cell.state.whitelist_entry(&entry).unwrap().expires_at.0;
    cell.now = until - 60_000;
    cell.session(false, false);
    let payment = cell.payment("k-1", 0);
    let id = cell.ask(&payment);
    cell.accept(&cell.authorize(id));
    let signs = |now: u64| cell.state.authorized_withdrawal(&id, 0, TimestampMs(now));
    signs(until - 1).unwrap();
    assert_eq!(signs(until).unwrap_err().code(), "POLICY_REFUSES");
}

#[test]
fn widening_leaves_what_was_allowed_and_cools_off_what_is_new() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    cell.confirmed(&request);
    cell.now += TEN_MINUTES;
    let mut wider = cell.entry_request("c-1");
    wider["assets"] = json!(["ETH", "USDT"]);
    let wide = cell.confirmed(&wider);
    let covers = |cell: &Cell, asset: &str, at: u64| {
        let entry = cell.state.whitelist_entry(&wide).unwrap();
        let (asset, customer) = (asset.parse().unwrap(), "c-1".parse().unwrap());
        let (terms, place) = (cell.state.policy().whitelist(), (entry.chain_id, entry.address));
        cell.state.whitelist.covering(terms, place, &asset, Some(&customer), TimestampMs(at)).is_ok()
    };
    let from = cell.state.whitelist_entry(&wide).unwrap().not_before.0;
    assert!(covers(&cell, "USDT", cell.now) && !covers(&cell, "ETH", cell.now));
    assert!(!covers(&cell, "ETH", from - 1) && covers(&cell, "ETH", from) && covers(&cell, "USDT", from));
}

#[test]
fn entry_that_is_used_lives_on_and_one_that_is_not_is_dormant_to_the_millisecond() {
    let mut cell = cell();
    let mut request = cell.entry_request("c-1");
    request["expires_at_ms"] = json!(cell.now + 60 * SHORT_DAY);
    let id = cell.confirmed(&request);
    let from = cell.state.whitelist_entry(&id).unwrap().not_before.0;
    cell.now = from + 4 * SHORT_DAY;
    cell.paid_own("k-1", 0);
    let used = cell.now;
    assert_eq!(cell.state.whitelist_entry(&id).unwrap().last_used, Some(TimestampMs(used)));
    cell.now = used + 10 * SHORT_DAY - 1;
    assert_eq!(cell.status(&id), EntryStatus::Active);
    assert_eq!(cell.pays_at("k-2", used + 10 * SHORT_DAY), Some("WHITELIST_ENTRY_DORMANT"));
    // What is only asked for uses nothing
    assert_eq!(cell.state.whitelist_entry(&id).unwrap().last_used, Some(TimestampMs(used)));
    // And it stays dormant
    assert_eq!(cell.status(&id), EntryStatus::Dormant);
}

#[test]
fn entry_of_one_customer_serves_nobody_else() {
    let mut cell = cell();
    let request = cell.entry_request("c-2");
    let id = cell.confirmed(&request);
    let from = cell.state.whitelist_entry(&id).unwrap().not_before.0;
    assert_eq!(cell.pays_at("k-1", from), Some("WHITELIST_OWNER_MISMATCH"));
}

#[test]
fn restored_state_knows_requests_confirmations_and_uses() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let id = cell.confirmed(&request);
    let open = cell.entry_request("c-2");
    let (open, intent) = cell.ask_entry(&open);
    let taken = cell.entry_request("c-3");
    let (taken, _) = cell.ask_entry(&taken);
    cell.accept(&taken_back("pipeline", &taken));
    cell.now += TEN_MINUTES;
    cell.paid_own("k-1", 0);
    let bytes = cell.state.to_snapshot();
    let mut restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
    assert_eq!(restored.to_snapshot(), bytes);
    assert_eq!(restored.whitelist_entry(&id), cell.state.whitelist_entry(&id));
    assert_eq!(restored.whitelist_added(&id), cell.state.whitelist_added(&id));
    // Both go on alike
    let report = attested(&cell.confirmation(&open, intent, "c-2"));
    cell.accept(&report);
    restored.apply(cell.log.last().unwrap()).unwrap();
    cell.now += 2 * SHORT_DAY;
    let last = cell.entry_request("c-4");
    cell.ask_entry(&last);
    restored.apply(cell.log.last().unwrap()).unwrap();
    assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
    assert!(restored.requested_entry(&taken).is_none() && restored.requested_entry(&open).is_some());
}

#[test]
fn transfer_of_a_wallet_to_itself_uses_no_entry() {
    let mut cell = Cell::ready();
    let entry = cell.whitelist(&own_address(), 1_000_000);
    let first = cell.authorized("k-1", 1_250, 7);
    let cancel = pays(None, &own_address(), 0, 7, gwei(60, 2));
    let cancel = cell.replacement("k-2", first, "cancel-on-chain", &cancel);
    let cancel = cell.replace(&cancel);
    cell.accept_authorize(cancel);
    let signature = cell.signature_of(cancel);
    cell.accept(&signature);
    assert_eq!(cell.state.whitelist_entry(&entry).unwrap().last_used, None);
}

/// A customer's entry is no entry of the house, however long ago it cooled off: neither the grant nor a node's clock takes it.
#[test]
fn grant_for_the_house_takes_no_entry_of_a_customer() {
    let mut cell = identified("destinations = \"whitelisted\"", "destinations = \"house\"");
    let request = cell.entry_request("c-1");
    cell.confirmed(&request);
    cell.session(false, false);
    let refused = cell.payment("k-1", 0);
    let refused = cell.ask(&refused);
    assert_eq!(cell.withdrawal(refused).decision.main_reason().map(|reason| reason.code()), Some("NO_GRANT"));
    let now = TimestampMs(cell.now);
    assert!(cell.state.whitelist_footings(&refused, now).is_empty());
    let house = cell.whitelist(OWN_CHECKSUMMED, 2_000_000);
    let allowed = cell.payment("k-2", 0);
    let allowed = cell.ask(&allowed);
    assert!(cell.withdrawal(allowed).decision.is_allowed());
    let now = TimestampMs(cell.now);
    assert_eq!(cell.state.whitelist_footings(&allowed, now), [[[house]]]);
}
