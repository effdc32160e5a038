//! Circuit breakers by the log: what trips them, what does not, and thieves and customers who would have it otherwise.

use holdfast_policy::{PolicyVersion, TimestampMs, TripCause, WalletId};
use serde_json::{Value, json};

use super::after::{by_pipeline, gwei, pays_usdt};
use super::cell::{Cell, PAYEE, document, genesis_entry, sign};
use super::sweeps::sweep;
use crate::*;

const STRANGER: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
const TWO_DENIALS: &str = "window_ms = 3600000\nmax_denials = 2";
const OUTFLOW_2000: &str = "window_ms = 3600000\nmax_outflow = { asset = \"USDT\", amount = \"2000000000\" }";

fn policy(rule: &str) -> String {
    let rule = format!(
        "[[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\n{rule}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"sessions\"]\n\n[risk]"
    );
    document()["policy"].as_str().unwrap().replacen("[risk]", &rule, 1)
}

fn fused(rule: &str) -> Cell {
    let mut document = document();
    document["policy"] = json!(policy(rule));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

fn hot() -> WalletId {
    WalletId::new("hot-1").unwrap()
}

/// The trip by the second denial, for this request.
fn trip_of_two(key: &str) -> BreakerTrip {
    BreakerTrip {
        rule: "fuse".parse().unwrap(),
        policy_version: PolicyVersion(1),
        withdrawal: WithdrawalId::of("demo-1", "pipeline", key),
        cause: TripCause::Denials { counted: 2, most: 1, window_ms: 3_600_000 },
    }
}

impl Cell {
    fn pauses(&self) -> &[PauseRecord] {
        &self.state.wallet(&hot()).unwrap().pauses
    }

    fn is_paused(&self) -> bool {
        !self.pauses().is_empty()
    }

    fn stranger(&self, key: &str, customer: &str) -> Value {
        let mut request = self.request(key, 10);
        request["destination"] = json!(STRANGER);
        request["customer"] = json!(customer);
        request.as_object_mut().unwrap().remove("transaction");
        request
    }

    /// Asks for what the policy denies.
    fn denied(&mut self, key: &str) -> WithdrawalId {
        let request = self.stranger(key, "c-1");
        let id = self.ask(&request);
        assert_eq!(self.state_of(id), WithdrawalState::Denied);
        id
    }

    fn codes(&self, id: WithdrawalId) -> Vec<&'static str> {
        self.withdrawal(id).decision.reasons().into_iter().map(|reason| reason.code()).collect()
    }

    fn lifts(&self) -> Vec<StatementDigest> {
        self.pauses().iter().map(|pause| pause.statement).collect()
    }

    fn resume(&mut self) {
        self.now += 1;
        let lifts = self.lifts();
        self.approved(StatementBody::ProposeResume { wallet: hot(), lifts });
        assert!(!self.is_paused());
    }

    fn refused_to_sign(&self, id: WithdrawalId) -> &'static str {
        let order = self.state.authorized_withdrawal(&id, 0, TimestampMs(self.now));
        order.map_or_else(|refusal| refusal.code(), |_| "")
    }
}

#[test]
fn one_denial_too_many_pauses_the_wallet_and_the_pause_says_by_whom() {
    let mut cell = fused(TWO_DENIALS);
    cell.denied("k-1");
    // What is counted and trips nothing changes no wallet
    let request = cell.stranger("k-2", "c-1");
    let admission = cell.accept(&by_pipeline(PayloadKind::WithdrawalRequest, &request));
    assert_eq!(admission.wallet, None);
    assert!(!cell.is_paused());
    let request = cell.stranger("k-3", "c-1");
    let admission = cell.accept(&by_pipeline(PayloadKind::WithdrawalRequest, &request));
    assert_eq!(admission.wallet, Some(hot()));
    let [pause] = cell.pauses() else { panic!("{:?}", cell.pauses()) };
    let cause = TripCause::Denials { counted: 3, most: 2, window_ms: 3_600_000 };
    let withdrawal = admission.withdrawal.unwrap();
    let trip =
        BreakerTrip { rule: "fuse".parse().unwrap(), policy_version: PolicyVersion(1), withdrawal, cause };
    assert_eq!(pause.statement, trip.digest(cell.state.cluster(), &hot(), pause.index));
    assert_eq!((pause.by.clone(), pause.index), (PausedBy::Breaker(trip), cell.state.size() - 1));
    // Like an officer's statement the log has it
    assert!(cell.state.statement_acted(&pause.statement));
    // What tripped it is denied for its own reasons; an honest request is denied for the pause, and the rule says so
    assert_eq!(cell.codes(withdrawal), ["DESTINATION_NOT_WHITELISTED", "NO_GRANT"]);
    let honest = cell.asked("k-4", 10);
    assert_eq!(cell.codes(honest), ["WALLET_PAUSED", "BREAKER_TRIPPED"]);
}

#[test]
fn event_of_the_trip_names_wallet_and_breaker() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    cell.denied("k-1");
    let before = cell.state.clone();
    cell.denied("k-2");
    let (entry, mut state) = (cell.log.last().unwrap(), before);
    let applied = state.apply(entry).unwrap();
    let event = Event::new(entry, &applied, &state);
    let trips: Vec<_> =
        event.trips().map(|(wallet, trip)| (wallet.id.clone(), trip.rule.to_string())).collect();
    assert_eq!(trips, [(hot(), "fuse".to_owned())]);
    // Later events about the wallet are not trips
    let honest = cell.asked("k-3", 10);
    let entry = cell.log.last().unwrap();
    let applied = state.apply(entry).unwrap();
    assert_eq!(Event::new(entry, &applied, &state).trips().count(), 0);
    assert_eq!(cell.state_of(honest), WithdrawalState::Denied);
    let pause = cell.statement("carol", StatementBody::PauseWallet(hot()));
    cell.accept(&pause);
    let entry = cell.log.last().unwrap();
    let applied = state.apply(entry).unwrap();
    assert!(matches!(&applied.outcome, Outcome::Admitted(admission) if admission.wallet == Some(hot())));
    assert_eq!(Event::new(entry, &applied, &state).trips().count(), 0);
}

#[test]
fn officers_resume_by_name_and_the_count_starts_again() {
    let mut cell = fused(TWO_DENIALS);
    for key in ["k-1", "k-2", "k-3"] {
        cell.denied(key);
    }
    // What the officers sign says what they lift
    let lifts = cell.lifts();
    let proposal = cell.statement("alice", StatementBody::ProposeResume { wallet: hot(), lifts });
    let text = String::from_utf8(proposal.payload).unwrap();
    assert!(text.contains("tripped: circuit breaker fuse of policy version 1, tripped by w-"), "{text}");
    assert!(text.contains("3 requests were denied within 3600000 ms, it lets 2 pass (entry "), "{text}");
    cell.resume();
    let honest = cell.asked("k-4", 10);
    assert_eq!(cell.state_of(honest), WithdrawalState::Bound);
    cell.denied("k-5");
    cell.denied("k-6");
    assert!(!cell.is_paused(), "what tripped it before does not count again");
    cell.denied("k-7");
    assert!(cell.is_paused());
}

#[test]
fn pause_that_is_lifted_in_advance_is_not_lifted() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    cell.denied("k-1");
    // Given officers who foresee the trip of the entry after their approvals, name for name
    let wallet = cell.statement("carol", StatementBody::PauseWallet(hot()));
    cell.accept(&wallet);
    let foreseen = trip_of_two("k-2").digest(cell.state.cluster(), &hot(), cell.state.size() + 3);
    let lifts = [cell.lifts(), vec![foreseen]].concat();
    cell.approved(StatementBody::ProposeResume { wallet: hot(), lifts });
    assert!(!cell.is_paused());
    cell.denied("k-2");
    assert_eq!(cell.lifts(), [foreseen]);
}

#[test]
fn trip_that_a_resume_foresaw_is_not_lifted_by_those_who_approve_it_afterwards() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    cell.denied("k-1");
    // Given one officer who proposes to lift the trip of the next entry, when nothing is paused
    let foreseen = trip_of_two("k-2").digest(cell.state.cluster(), &hot(), cell.state.size() + 1);
    let proposal =
        cell.statement("alice", StatementBody::ProposeResume { wallet: hot(), lifts: vec![foreseen] });
    let ceremony = cell.accept(&proposal).ceremony.unwrap();
    cell.denied("k-2");
    assert_eq!(cell.lifts(), [foreseen]);
    // When others approve what says nothing of a trip
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(ceremony));
        cell.accept(&approval);
    }
    // Then it stays, until a resume that could name it
    assert_eq!(cell.lifts(), [foreseen]);
    cell.resume();
}

#[test]
fn what_was_authorized_stays_so_waits_for_the_resume_and_is_signed_then() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    let id = cell.authorized("k-1", 10, 0);
    assert_eq!(cell.refused_to_sign(id), "");
    cell.denied("k-2");
    cell.denied("k-3");
    assert_eq!((cell.state_of(id), cell.refused_to_sign(id)), (WithdrawalState::Authorized, "WALLET_PAUSED"));
    cell.resume();
    assert_eq!(cell.refused_to_sign(id), "");
}

#[test]
fn only_what_a_registered_client_asks_for_and_the_policy_denies_counts() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    cell.denied("k-1");
    // The same request again, one for another cell, one that expired, one by a client without the wallet, one by a stranger
    let again = cell.stranger("k-1", "c-1");
    cell.refuse(&by_pipeline(PayloadKind::WithdrawalRequest, &again));
    for (field, value) in [
        ("cluster", json!("other")),
        ("wallet", json!("hot-9")),
        ("expires_at_ms", json!(cell.now - 1)),
        ("asset", json!("DAI")),
    ] {
        let mut request = cell.stranger("k-2", "c-1");
        request[field] = value;
        cell.refuse(&by_pipeline(PayloadKind::WithdrawalRequest, &request));
    }
    let mut request = cell.stranger("k-2", "c-1");
    request["client"] = json!("other");
    cell.refuse(&sign(PayloadKind::WithdrawalRequest, &request, "client", "other"));
    // Rehearsals
    let rehearsed = by_pipeline(PayloadKind::WithdrawalRequest, &cell.stranger("k-2", "c-1"));
    for _ in 0..3 {
        cell.state.check(&rehearsed, TimestampMs(cell.now)).unwrap().unwrap();
    }
    // An officer's rejection, and a cancellation
    let held = cell.asked("k-3", 6000);
    assert_eq!(cell.state_of(held), WithdrawalState::Held);
    let rejection = cell.statement("bob", StatementBody::RejectHold(held));
    cell.accept(&rejection);
    let cancelled = cell.asked("k-4", 10);
    let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": cancelled});
    cell.accept(&by_pipeline(PayloadKind::CancelWithdrawal, &cancel));
    assert!(!cell.is_paused());
    // One that is allowed at first and denied at its authorization counts like any
    let late = cell.asked("k-5", 10);
    let entry = cell.state.whitelist().next().unwrap().id.clone();
    let revocation = cell.statement("carol", StatementBody::RevokeWhitelistEntry(entry));
    cell.accept(&revocation);
    cell.accept_authorize(late);
    assert_eq!(cell.state_of(late), WithdrawalState::Denied);
    assert!(cell.is_paused());
}

#[test]
fn sweeps_that_are_denied_do_not_count() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    for (key, index) in [("k-1", 5), ("k-2", 6), ("k-3", 7)] {
        let mut request = sweep(&cell, key, index, 0);
        request["fee_cap"] = json!("50000000000000001");
        let id = cell.accept(&by_pipeline(PayloadKind::SweepRequest, &request)).withdrawal.unwrap();
        assert_eq!(cell.state_of(id), WithdrawalState::Denied);
    }
    assert!(!cell.is_paused());
}

#[test]
fn revoked_client_trips_nothing() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
    cell.denied("k-1");
    let revocation = cell.statement("carol", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    cell.accept(&revocation);
    let request = cell.stranger("k-2", "c-1");
    assert_eq!(cell.refuse(&by_pipeline(PayloadKind::WithdrawalRequest, &request)), "CLIENT_REVOKED");
    assert!(!cell.is_paused());
}

#[test]
fn one_customer_cannot_trip_it_where_the_rule_says_so_and_several_can() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 2\nper_customer = 1");
    for number in 0..20 {
        cell.denied(&format!("k-{number}"));
    }
    assert!(!cell.is_paused());
    for customer in ["c-2", "c-3"] {
        let request = cell.stranger(customer, customer);
        cell.ask(&request);
    }
    assert!(cell.is_paused());
}

#[test]
fn nothing_is_counted_while_the_wallet_is_paused() {
    let mut cell = fused(TWO_DENIALS);
    let pause = cell.statement("carol", StatementBody::PauseWallet(hot()));
    cell.accept(&pause);
    for number in 0..10 {
        cell.denied(&format!("k-{number}"));
    }
    assert_eq!(cell.pauses().len(), 1);
    cell.resume();
    cell.denied("k-10");
    cell.denied("k-11");
    assert!(!cell.is_paused());
}

#[test]
fn denial_leaves_the_window_and_counts_no_more() {
    for (later, paused) in [(3_600_000 - 1, true), (3_600_000, false)] {
        let mut cell = fused("window_ms = 3600000\nmax_denials = 1");
        cell.denied("k-1");
        // An entry is stamped a millisecond later than the one before
        cell.now += later - 1;
        cell.denied("k-2");
        assert_eq!(cell.is_paused(), paused, "{later}");
    }
}

#[test]
fn authorization_that_crosses_the_bound_pauses_the_wallet_and_the_one_before_does_not() {
    let mut cell = fused(OUTFLOW_2000);
    let first = cell.authorized("k-1", 1_500, 0);
    let second = cell.authorized("k-2", 500, 1);
    assert!(!cell.is_paused(), "2,000 is within the bound");
    let third = cell.authorized("k-3", 1, 2);
    let [PauseRecord { by: PausedBy::Breaker(trip), .. }] = cell.pauses() else { panic!() };
    assert_eq!(trip.withdrawal, third);
    assert_eq!(
        trip.cause.to_string(),
        "2001000000 base units of USDT were authorized within 3600000 ms, it lets 2000000000 pass"
    );
    for id in [first, second, third] {
        assert_eq!(
            (cell.state_of(id), cell.refused_to_sign(id)),
            (WithdrawalState::Authorized, "WALLET_PAUSED")
        );
    }
    cell.resume();
    assert_eq!(cell.refused_to_sign(third), "", "officers looked and resumed");
    cell.authorized("k-4", 2_000, 3);
    assert!(!cell.is_paused(), "what tripped it before does not count again");
    cell.authorized("k-5", 1, 4);
    assert!(cell.is_paused());
}

#[test]
fn outflow_that_is_not_authorized_trips_nothing() {
    let mut cell = fused(OUTFLOW_2000);
    // Asked for, held, denied
    cell.asked("k-1", 4_000);
    cell.asked("k-2", 60_000);
    cell.asked("k-3", 200_000);
    let held = cell.withdrawal(WithdrawalId::of("demo-1", "pipeline", "k-2"));
    assert_eq!(held.logged_state(), WithdrawalState::Held);
    assert!(!cell.is_paused());
}

#[test]
fn renewals_and_replacements_of_what_was_counted_are_not_counted_again() {
    let mut cell = fused(OUTFLOW_2000);
    let id = cell.authorized("k-1", 1_500, 0);
    cell.accept_authorize(id);
    assert_eq!(cell.withdrawal(id).authorization.as_ref().unwrap().renewals, 1);
    let bump = cell.replacement("k-2", id, "bump-fee", &pays_usdt(PAYEE, 1_500, 0, gwei(60, 2)));
    let bump = cell.accept(&by_pipeline(PayloadKind::ReplacementRequest, &bump)).withdrawal.unwrap();
    cell.accept_authorize(bump);
    assert_eq!(cell.state_of(bump), WithdrawalState::Authorized);
    cell.authorized("k-3", 500, 1);
    assert!(!cell.is_paused());
    cell.authorized("k-4", 1, 2);
    assert!(cell.is_paused());
}

#[test]
fn what_nobody_can_price_is_denied_and_trips_no_breaker() {
    let mut cell = fused(
        "window_ms = 3600000\nmax_denials = 1\nmax_outflow = { unit = \"usd_cents\", amount = \"200000\" }",
    );
    for key in ["k-1", "k-2", "k-3"] {
        let id = cell.asked(key, 10);
        assert_eq!(cell.codes(id), ["PRICE_ABSENT"]);
    }
    assert!(!cell.is_paused());
}

#[test]
fn breakers_that_one_entry_trips_pause_each_by_itself() {
    let second = format!(
        "{TWO_DENIALS}\n\n[[restriction]]\nid = \"other\"\ntype = \"circuit_breaker\"\n{TWO_DENIALS}"
    );
    let mut cell = fused(&second);
    for key in ["k-1", "k-2", "k-3"] {
        cell.denied(key);
    }
    let rules: Vec<_> =
        cell.pauses().iter().map(|pause| pause.by.breaker().unwrap().rule.to_string()).collect();
    assert_eq!(rules, ["fuse", "other"]);
    let lifts = cell.lifts();
    assert_ne!(lifts[0], lifts[1]);
    // Officers read what tripped, of what they lift
    let resume = StatementBody::ProposeResume { wallet: hot(), lifts: lifts[..1].to_vec() };
    let shown = cell.state.describe(&resume).unwrap();
    assert!(shown.len() == 1 && shown[0].1.contains("fuse"), "{shown:?}");
    cell.approved(resume);
    assert!(cell.is_paused());
    let honest = cell.asked("k-4", 10);
    let said: Vec<_> = cell
        .withdrawal(honest)
        .decision
        .rules
        .iter()
        .map(|rule| (rule.rule.to_string(), rule.code.code()))
        .collect();
    assert!(said.contains(&("fuse".to_owned(), "BREAKER_READY")));
    assert!(said.contains(&("other".to_owned(), "BREAKER_TRIPPED")));
    cell.resume();
}

#[test]
fn policy_with_a_lower_bound_goes_on_counting_and_one_without_the_breaker_leaves_the_pause() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 5");
    cell.denied("k-1");
    cell.denied("k-2");
    cell.change_policy(&policy(TWO_DENIALS));
    cell.denied("k-3");
    let [PauseRecord { by: PausedBy::Breaker(trip), .. }] = cell.pauses() else { panic!() };
    assert_eq!(trip.policy_version, PolicyVersion(2));
    let without = document()["policy"].as_str().unwrap().to_owned();
    cell.change_policy(&without);
    let honest = cell.asked("k-4", 10);
    assert_eq!(cell.codes(honest), ["WALLET_PAUSED"]);
    cell.resume();
    for key in ["k-5", "k-6", "k-7"] {
        cell.denied(key);
    }
    assert!(!cell.is_paused());
}

#[test]
fn supposed_breaker_counts_what_happened_and_stops_nothing() {
    let mut cell = fused("window_ms = 3600000\nmax_denials = 500");
    let document =
        holdfast_policy::PolicyDocument::parse(&policy("window_ms = 3600000\nmax_denials = 1")).unwrap();
    cell.state.suppose(document.into());
    let first = cell.state.size() + 1;
    for key in ["k-1", "k-2", "k-3", "k-4", "k-5"] {
        let request = cell.stranger(key, "c-1");
        let entry =
            holdfast_log::Entry::stamp(cell.now + 1, &by_pipeline(PayloadKind::WithdrawalRequest, &request));
        cell.now += 1;
        cell.state.apply(&entry.unwrap()).unwrap();
    }
    let trips = cell.state.trips_supposed();
    let expected = SupposedTrip { rule: "fuse".parse().unwrap(), wallet: hot(), times: 2, first };
    assert_eq!(trips, [expected]);
    assert!(!cell.is_paused());
}

#[test]
fn restored_replica_trips_at_the_same_entry() {
    let both = format!(
        "{TWO_DENIALS}\nper_customer = 2\nper_client = true\nmax_outflow = {{ asset = \"USDT\", amount = \"2000000000\" }}"
    );
    let mut cell = fused(&both);
    cell.denied("k-1");
    cell.authorized("k-2", 1_900, 0);
    cell.denied("k-3");
    let bytes = cell.state.to_snapshot();
    let mut restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
    assert_eq!(restored.to_snapshot(), bytes);
    let from = cell.log.len();
    cell.authorized("k-4", 101, 1);
    assert!(cell.is_paused());
    cell.resume();
    for customer in ["c-1", "c-2", "c-3"] {
        let request = cell.stranger(customer, customer);
        cell.ask(&request);
    }
    assert!(cell.is_paused());
    for entry in &cell.log[from..] {
        restored.apply(entry).unwrap();
    }
    assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
    assert_eq!(restored.digest(), cell.state.digest());
}

#[test]
fn counts_out_of_order_are_no_snapshot() {
    use holdfast_policy::{BreakerCount, BreakerKey, Breakers};

    use crate::codec::{Decode as _, Encode as _};
    let key = |rule: &str| BreakerKey { rule: rule.parse().unwrap(), wallet: hot(), client: None };
    let count = |times: [u64; 2], parts: [u64; 2]| BreakerCount {
        denials: times.iter().map(|time| (TimestampMs(*time), None)).collect(),
        outflow: parts.iter().map(|part| (*part, holdfast_chains::Amount::ZERO)).collect(),
    };
    let read = |counts: Vec<(BreakerKey, BreakerCount)>| Breakers::from_bytes(&counts.to_bytes());
    let fine = count([5, 5], [1, 2]);
    assert!(read(vec![(key("a"), fine.clone()), (key("b"), fine.clone())]).is_ok());
    for counts in [
        vec![(key("b"), fine.clone()), (key("a"), fine.clone())],
        vec![(key("a"), fine.clone()), (key("a"), fine)],
        vec![(key("a"), count([6, 5], [1, 2]))],
        vec![(key("a"), count([5, 5], [1, 1]))],
    ] {
        assert_eq!(read(counts).unwrap_err().0, "counts of breakers are not in order");
    }
}
