//! Attacks on legal orders: forged documents, one officer, one contact, another amount, a second payment.

use holdfast_chains::{Address, Amount, ChainId};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::{ContactId, LegalOrderId, TimestampMs};
use serde_json::json;

use super::after::{gwei, pays_usdt, sworn};
use super::authority::{add_officer, officer_key, remove_officer};
use super::cell::{Cell, PAYEE, document, genesis_entry, sign, ssh};
use crate::codec::{Decode as _, Encode as _, Input};
use crate::state::legal_orders::Orders;
use crate::*;

const LAPSE: u64 = 500_000;

fn with_legal() -> Cell {
    let mut document = document();
    let table = format!(
        "[legal]\nfreeze_lapse_ms = {LAPSE}\nopened_by = \"withdrawal-approver\"\n\
         approvals = {{ security-officer = 1, withdrawal-approver = 1 }}\n\n[hold]"
    );
    document["policy"] = json!(document["policy"].as_str().unwrap().replacen("[hold]", &table, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

fn add_contact(name: &str, agency: &str) -> RosterChange {
    RosterChange::AddAgencyContact {
        name: name.parse().unwrap(),
        agency: agency.parse().unwrap(),
        key: officer_key(&format!("contact-{name}")),
    }
}

fn with_contacts() -> Cell {
    let mut cell = with_legal();
    for name in ["desk-1", "desk-2"] {
        cell.change_roster(add_contact(name, "fiu"));
    }
    cell.session(false, false);
    cell
}

fn payee() -> OrderSubject {
    OrderSubject::Destination(ChainId(1), Address::parse(PAYEE).unwrap())
}

fn customer() -> OrderSubject {
    OrderSubject::Customer("c-1".parse().unwrap())
}

fn order(reference: &str, demand: OrderDemand) -> OrderProposal {
    OrderProposal {
        agency: "fiu".parse().unwrap(),
        reference: reference.parse().unwrap(),
        document: DocumentDigest::from_bytes([7; 32]),
        demand,
    }
}

/// What pays PAYEE so much.
fn release(usdt: u128) -> OrderDemand {
    OrderDemand::Release(ReleaseDemand {
        wallet: "hot-1".parse().unwrap(),
        asset: "USDT".parse().unwrap(),
        amount: Amount::from_u128(usdt * 1_000_000),
        chain_id: ChainId(1),
        address: Address::parse(PAYEE).unwrap(),
    })
}

/// An order for another payment.
fn released(change: fn(&mut ReleaseDemand)) -> OrderProposal {
    let OrderDemand::Release(mut demand) = release(1) else { unreachable!() };
    change(&mut demand);
    order("case/1", OrderDemand::Release(demand))
}

impl Cell {
    fn opening(&self, officer: &str, proposal: OrderProposal) -> Envelope {
        self.statement(officer, StatementBody::OpenOrder(Box::new(proposal)))
    }

    fn open(&mut self, proposal: OrderProposal) -> LegalOrderId {
        let opening = self.opening("carol", proposal);
        self.accept(&opening).order.unwrap()
    }

    fn freeze(&mut self, reference: &str, subject: OrderSubject) -> LegalOrderId {
        self.open(order(reference, OrderDemand::Freeze(subject)))
    }

    fn approving(&self, officer: &str, id: &LegalOrderId) -> Envelope {
        self.statement(officer, StatementBody::ApproveOrder(id.clone()))
    }

    fn approve_both(&mut self, id: &LegalOrderId) {
        for officer in ["alice", "bob"] {
            let approval = self.approving(officer, id);
            self.accept(&approval);
        }
    }

    fn confirming(&self, contact: &str, id: &LegalOrderId) -> Envelope {
        let order = self.state.legal_order(id).unwrap();
        let contact: ContactId = contact.parse().unwrap();
        signed_by(contact.as_str(), &OrderConfirmation::text(self.state.cluster(), order, &contact))
    }

    fn confirm(&mut self, id: &LegalOrderId) {
        for contact in ["desk-1", "desk-2"] {
            let confirmation = self.confirming(contact, id);
            self.accept(&confirmation);
        }
    }

    fn order_state(&self, id: &LegalOrderId) -> OrderState {
        self.state.legal_order(id).unwrap().state_at(TimestampMs(self.now))
    }

    /// Asks to pay 1,250 USDT on the strength of an order.
    fn pay(&mut self, key: &str, order: Option<&LegalOrderId>, usdt: u128, nonce: u64) -> WithdrawalId {
        let mut request = self.request(key, usdt);
        request["transaction"] = json!(pays_usdt(PAYEE, usdt, nonce, gwei(30, 1)).to_hex());
        if let Some(order) = order {
            request["order"] = json!(order);
        }
        self.ask(&request)
    }

    fn reason(&mut self, key: &str, order: Option<&LegalOrderId>) -> Option<&'static str> {
        let id = self.pay(key, order, 1_250, 3);
        let reason = self.withdrawal(id).decision.main_reason().map(|reason| reason.code());
        if reason.is_none() {
            let cancel = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
            self.accept(&sign(PayloadKind::CancelWithdrawal, &cancel, "client", "pipeline"));
        }
        reason
    }
}

fn signed_by(contact: &str, text: &str) -> Envelope {
    let key = ssh(&format!("contact-{contact}"));
    let signature = OfficerKey::sign(&key, ORDER_NAMESPACE, text.as_bytes()).unwrap();
    Envelope {
        payload_type: PayloadKind::OrderConfirmation.payload_type(),
        payload: text.as_bytes().to_vec(),
        signatures: vec![EnvelopeSignature { key_id: key_id("contact", contact), signature }],
    }
}

#[test]
fn one_officer_freezes_at_once_and_the_freeze_lapses_on_its_millisecond() {
    for (subject, code) in [
        (OrderSubject::Wallet("hot-1".parse().unwrap()), "WALLET_FROZEN"),
        (customer(), "CUSTOMER_FROZEN"),
        (payee(), "DESTINATION_FROZEN"),
    ] {
        let mut cell = with_legal();
        assert_eq!(cell.reason("before", None), None);
        let id = cell.freeze("case/1", subject);
        let lapses_at = cell.state.legal_order(&id).unwrap().lapses_at.0;
        assert_eq!(lapses_at, cell.now + LAPSE);
        assert_eq!(cell.reason("k-1", None), Some(code));
        cell.now = lapses_at - 2;
        assert_eq!(cell.reason("k-2", None), Some(code), "the last millisecond");
        assert_eq!(cell.order_state(&id), OrderState::Open);
        cell.now = lapses_at - 1;
        assert_eq!(cell.reason("k-3", None), None);
        assert_eq!(cell.order_state(&id), OrderState::Lapsed);
    }
}

#[test]
fn frozen_withdrawal_that_was_allowed_before_is_refused_at_authorization_and_by_nodes() {
    let mut cell = with_legal();
    let (bound, authorized) = (cell.pay("k-1", None, 10, 3), cell.pay("k-2", None, 10, 4));
    cell.accept_authorize(authorized);
    cell.freeze("case/1", customer());
    cell.accept_authorize(bound);
    assert_eq!(cell.state_of(bound), WithdrawalState::Denied);
    let refusal = cell.state.authorized_withdrawal(&authorized, 0, TimestampMs(cell.now)).unwrap_err();
    assert_eq!(refusal, OrderRefusal::PolicyRefuses("CUSTOMER_FROZEN".to_owned()));
}

#[test]
fn freeze_confirmed_by_two_roles_stays_and_one_role_confirms_nothing() {
    let mut cell = with_legal();
    let id = cell.freeze("case/1", customer());
    let approval = cell.approving("carol", &id);
    cell.accept(&approval);
    assert_eq!(cell.order_state(&id), OrderState::Open);
    assert_eq!(cell.refuse(&approval), "STATEMENT_ALREADY_USED");
    let other = cell.approving("carol", &id);
    assert_eq!(cell.refuse(&other), "ALREADY_APPROVED");
    let approval = cell.approving("alice", &id);
    cell.accept(&approval);
    assert_eq!(cell.order_state(&id), OrderState::Confirmed);
    cell.now += LAPSE + 1;
    cell.session(false, false);
    assert_eq!(cell.reason("k-1", None), Some("CUSTOMER_FROZEN"));
}

#[test]
fn order_that_lapsed_is_never_confirmed_and_its_reference_never_used_again() {
    let mut cell = with_legal();
    let id = cell.freeze("case/1", customer());
    cell.now += LAPSE;
    let late = cell.approving("alice", &id);
    assert_eq!(cell.refuse(&late), "LEGAL_ORDER_STATE");
    let again = cell.opening("carol", order("case/1", OrderDemand::Freeze(payee())));
    assert_eq!(cell.refuse(&again), "ALREADY_EXISTS");
}

#[test]
fn one_officer_does_not_prolong_a_freeze_by_another_order() {
    for subject in [OrderSubject::Wallet("hot-1".parse().unwrap()), customer(), payee()] {
        let mut cell = with_legal();
        let first = cell.freeze("case/1", subject.clone());
        // Neither while it is in force nor when it lapsed
        let again = order("case/2", OrderDemand::Freeze(subject.clone()));
        let second = cell.opening("carol", again.clone());
        assert_eq!(cell.refuse(&second), "LEGAL_ORDER_STATE");
        cell.now = cell.state.legal_order(&first).unwrap().lapses_at.0;
        let second = cell.opening("carol", again.clone());
        assert_eq!(cell.refuse(&second), "LEGAL_ORDER_STATE");
        assert_eq!(cell.reason("k-1", None), None);
        // Another officer may, and after a confirmed order the first one again
        let other = cell.opening("bob", again);
        let second = cell.accept(&other).order.unwrap();
        cell.approve_both(&second);
        let third = cell.opening("bob", order("case/3", OrderDemand::Freeze(subject)));
        cell.accept(&third);
    }
}

#[test]
fn one_officer_does_not_prolong_a_stop_by_orders_to_pay() {
    let mut cell = with_legal();
    let first = cell.open(order("case/1", release(1)));
    // Orders to one address may wait beside each other
    let second = cell.open(order("case/2", release(2)));
    cell.now = cell.state.legal_order(&first).unwrap().lapses_at.0;
    for demand in [release(3), OrderDemand::Freeze(payee())] {
        let more = cell.opening("carol", order("case/3", demand));
        assert_eq!(cell.refuse(&more), "LEGAL_ORDER_STATE");
    }
    cell.now = cell.state.legal_order(&second).unwrap().lapses_at.0;
    cell.session(false, false);
    assert_eq!(cell.reason("k-1", None), None);
}

#[test]
fn officers_approval_of_an_order_counts_until_it_expires_and_may_be_given_again() {
    let until = |cell: &Cell, officer: &str, id: &LegalOrderId, life_ms: u64| {
        let statement = Statement {
            cluster: cell.state.cluster().clone(),
            officer: officer.parse().unwrap(),
            issued_at: TimestampMs(cell.now),
            expires_at: Some(TimestampMs(cell.now + life_ms)),
            note: String::new(),
            body: StatementBody::ApproveOrder(id.clone()),
        };
        super::cell::signed_statement(officer, &cell.state.statement_text(&statement).unwrap())
    };
    for (wait, state) in [(7, OrderState::Confirmed), (8, OrderState::Open)] {
        let mut cell = with_legal();
        let id = cell.freeze("case/1", customer());
        let first = until(&cell, "carol", &id, 10);
        cell.accept(&first);
        cell.now += wait;
        let second = until(&cell, "alice", &id, 1_000);
        cell.accept(&second);
        assert_eq!(cell.order_state(&id), state, "{wait} ms later");
        if state == OrderState::Open {
            let anew = until(&cell, "carol", &id, 10);
            cell.accept(&anew);
            assert_eq!(cell.order_state(&id), OrderState::Confirmed);
        }
    }
}

#[test]
fn officers_alone_release_unfreeze_and_disclose_nothing() {
    let mut cell = with_contacts();
    let frozen = cell.freeze("case/1", customer());
    cell.approve_both(&frozen);
    for demand in [release(1_250), OrderDemand::Disclose(customer()), OrderDemand::Unfreeze(frozen.clone())] {
        let id = cell.open(order(&format!("case/{}", demand.name()), demand));
        cell.approve_both(&id);
        let confirmation = cell.confirming("desk-1", &id);
        cell.accept(&confirmation);
        assert_eq!(cell.order_state(&id), OrderState::Open, "one contact is not two");
        assert_eq!(cell.order_state(&frozen), OrderState::Confirmed);
        cell.now += 1;
        let again = cell.confirming("desk-1", &id);
        assert_eq!(cell.refuse(&again), "ALREADY_APPROVED", "one contact twice is one");
        let confirmation = cell.confirming("desk-2", &id);
        cell.accept(&confirmation);
        assert_eq!(cell.order_state(&id), OrderState::Confirmed);
    }
    assert_eq!(cell.order_state(&frozen), OrderState::Lifted);
    assert_eq!(
        cell.reason("k-1", None),
        Some("LEGAL_ORDER_REQUIRED"),
        "the freeze is over, the release is not"
    );
}

#[test]
fn contacts_alone_move_nothing_either() {
    let mut cell = with_contacts();
    let id = cell.open(order("case/1", release(1_250)));
    cell.confirm(&id);
    let approval = cell.approving("carol", &id);
    cell.accept(&approval);
    assert_eq!(cell.order_state(&id), OrderState::Open);
    assert_eq!(cell.reason("k-1", Some(&id)), Some("LEGAL_ORDER_NOT_CONFIRMED"));
    assert_eq!(cell.reason("k-2", None), Some("LEGAL_ORDER_REQUIRED"));
}

#[test]
fn confirmation_of_another_agency_by_a_stranger_or_about_other_words_is_refused() {
    let mut cell = with_contacts();
    cell.change_roster(add_contact("tax-1", "tax"));
    let id = cell.open(order("case/1", release(1_250)));
    let foreign = cell.confirming("tax-1", &id);
    assert_eq!(cell.refuse(&foreign), "SIGNER_NOT_AUTHORIZED");
    let text = String::from_utf8(cell.confirming("desk-1", &id).payload).unwrap();
    for (from, to) in [
        ("base units: 1250000000", "base units: 1"),
        ("demands: release", "demands: freeze"),
        ("agency: fiu", "agency: tax"),
        ("order digest: ", "order digest: 00"),
        ("cluster: demo-1", "cluster: demo-2"),
    ] {
        assert!(text.contains(from), "{text}");
        let altered = signed_by("desk-1", &text.replace(from, to));
        let code = if to.starts_with("cluster") { "CLUSTER_MISMATCH" } else { "STATEMENT_MISMATCH" };
        assert_eq!(cell.refuse(&altered), code, "{to}");
    }
    let other = signed_by("desk-2", &text);
    assert_eq!(cell.refuse(&other), "SIGNER_NOT_AUTHORIZED", "one contact speaks for another");
    let mut stranger = signed_by("stranger", &text);
    let entry = holdfast_log::Entry::stamp(cell.now, &stranger).unwrap();
    assert!(matches!(cell.state.apply(&entry), Err(ApplyError::Act(ActError::SignerUnknown(_)))));
    stranger.signatures[0].key_id = "contact:desk-1".to_owned();
    let entry = holdfast_log::Entry::stamp(cell.now, &stranger).unwrap();
    assert!(matches!(cell.state.apply(&entry), Err(ApplyError::Act(ActError::SignatureInvalid(_)))));
    let genuine = cell.confirming("desk-1", &id);
    cell.accept(&genuine);
}

#[test]
fn contact_or_officer_who_left_before_the_last_word_does_not_count() {
    let mut cell = with_contacts();
    let id = cell.open(order("case/1", release(1_250)));
    let confirmation = cell.confirming("desk-1", &id);
    cell.accept(&confirmation);
    cell.change_roster(RosterChange::RemoveAgencyContact { name: "desk-1".parse().unwrap() });
    cell.approve_both(&id);
    let confirmation = cell.confirming("desk-2", &id);
    cell.accept(&confirmation);
    assert_eq!(cell.order_state(&id), OrderState::Open);

    let mut cell = with_contacts();
    let id = cell.open(order("case/1", release(1_250)));
    let approval = cell.approving("carol", &id);
    cell.accept(&approval);
    cell.change_roster(remove_officer("carol"));
    cell.confirm(&id);
    let approval = cell.approving("alice", &id);
    cell.accept(&approval);
    assert_eq!(cell.order_state(&id), OrderState::Open);
}

#[test]
fn key_of_a_contact_is_nobody_elses() {
    let mut cell = with_contacts();
    let key = |name: &str| RosterChange::AddAgencyContact {
        name: "desk-3".parse().unwrap(),
        agency: "fiu".parse().unwrap(),
        key: officer_key(name),
    };
    assert_eq!(cell.refused_change(key("alice")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(key("contact-desk-1")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_contact("desk-1", "tax")), "ALREADY_EXISTS");
    let gone = RosterChange::RemoveAgencyContact { name: "desk-9".parse().unwrap() };
    let roster = cell.state.roster();
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change: gone };
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: "alice".parse().unwrap(),
        issued_at: TimestampMs(cell.now),
        expires_at: Some(TimestampMs(cell.now + 1)),
        note: String::new(),
        body: StatementBody::ProposeRosterChange(Box::new(proposal)),
    };
    assert_eq!(cell.state.statement_text(&statement).unwrap_err().code().as_str(), "UNKNOWN_PARTY");
}

#[test]
fn confirmed_release_is_paid_exactly_once_through_the_agencys_own_freeze() {
    let mut cell = with_contacts();
    cell.freeze("case/1", customer());
    let id = cell.open(order("case/2", release(1_250)));
    assert_eq!(cell.reason("early", Some(&id)), Some("CUSTOMER_FROZEN"));
    cell.approve_both(&id);
    cell.confirm(&id);
    let (first, second) = (cell.pay("k-1", Some(&id), 1_250, 3), cell.pay("k-2", Some(&id), 1_250, 4));
    assert_eq!(cell.state_of(first), WithdrawalState::Bound);
    assert_eq!(cell.state_of(second), WithdrawalState::Bound);
    let less = cell.pay("k-3", Some(&id), 1_249, 5);
    assert_eq!(cell.withdrawal(less).decision.reasons()[0].code(), "CUSTOMER_FROZEN");
    cell.accept_authorize(first);
    assert_eq!(cell.state.legal_order(&id).unwrap().paid_by, Some(first));
    cell.state.authorized_withdrawal(&first, 0, TimestampMs(cell.now)).unwrap();
    cell.accept_authorize(second);
    assert_eq!(cell.state_of(second), WithdrawalState::Denied);
    // A fee bump of the payment is the payment.
    let bump = cell.replacement("k-4", first, "bump-fee", &pays_usdt(PAYEE, 1_250, 3, gwei(60, 2)));
    let bump = cell.replace(&bump);
    assert_eq!(cell.withdrawal(bump).decision.main_reason(), None);
    cell.accept_authorize(bump);
    for withdrawal in [first, bump] {
        for node in [1, 2] {
            assert_eq!(cell.reason(&format!("{withdrawal}-{node}")[2..], Some(&id)), Some("CUSTOMER_FROZEN"));
            cell.accept(&sworn(node, withdrawal));
        }
    }
    assert_eq!(cell.reason("again", Some(&id)), None, "sworn off by enough nodes, it may be paid again");
}

#[test]
fn orders_are_opened_by_the_policys_role_about_what_exists() {
    let mut cell = with_contacts();
    let unknown: LegalOrderId = "o-1".parse().unwrap();
    let lapsed = cell.freeze("case/lapsed", customer());
    cell.now += LAPSE;
    let open = cell.freeze("case/0", payee());
    let payment = cell.open(order("case/payment", release(1)));
    let mut foreign = order("case/1", OrderDemand::Unfreeze(open));
    foreign.agency = "tax".parse().unwrap();
    for (proposal, code) in [
        (foreign, "LEGAL_ORDER_STATE"),
        (order("case/1", OrderDemand::Unfreeze(unknown)), "UNKNOWN_LEGAL_ORDER"),
        (order("case/1", OrderDemand::Unfreeze(payment)), "LEGAL_ORDER_STATE"),
        (order("case/1", OrderDemand::Unfreeze(lapsed)), "LEGAL_ORDER_STATE"),
        (
            order("case/1", OrderDemand::Freeze(OrderSubject::Wallet("cold-9".parse().unwrap()))),
            "UNKNOWN_WALLET",
        ),
        (order("case/1", release(0)), "FIELD_INVALID"),
        (released(|demand| demand.address = Address::from_bytes([0; 20])), "FIELD_INVALID"),
        (released(|demand| demand.chain_id = ChainId(5)), "UNKNOWN_ASSET"),
        (released(|demand| demand.asset = "DOGE".parse().unwrap()), "UNKNOWN_ASSET"),
        (released(|demand| demand.wallet = "cold-9".parse().unwrap()), "UNKNOWN_WALLET"),
    ] {
        let opening = cell.opening("carol", proposal);
        assert_eq!(cell.refuse(&opening), code);
    }
    let mut bare = Cell::ready();
    let opening = bare.opening("carol", order("case/1", OrderDemand::Freeze(customer())));
    assert_eq!(bare.refuse(&opening), "POLICY_BOUND", "a policy without the table takes none");
}

#[test]
fn one_officer_has_sixteen_orders_that_wait_and_no_more() {
    let mut cell = with_legal();
    for n in 0..16 {
        cell.freeze(&format!("case/{n}"), OrderSubject::Customer(format!("c-{n}").parse().unwrap()));
    }
    let more = cell.opening("carol", order("case/16", OrderDemand::Freeze(payee())));
    assert_eq!(cell.refuse(&more), "LEGAL_ORDER_STATE");
    let other = cell.opening("bob", order("case/16", OrderDemand::Freeze(payee())));
    cell.accept(&other);
}

#[test]
fn snapshot_keeps_orders_contacts_and_freezes() {
    let mut cell = with_contacts();
    cell.freeze("case/1", customer());
    let id = cell.open(order("case/2", release(1_250)));
    cell.confirm(&id);
    let bytes = cell.state.to_snapshot();
    let restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
    assert_eq!(restored.to_snapshot(), bytes);
    assert_eq!(restored.legal_order(&id), cell.state.legal_order(&id));
    assert_eq!(restored.freezes(&customer(), TimestampMs(cell.now)).count(), 1);
    assert_eq!(restored.roster().contacts().len(), 2);
}

#[test]
fn restored_replica_says_the_same_about_an_order_that_lapsed() {
    let mut cell = with_legal();
    let lapsed = cell.open(order("case/1", release(1_250)));
    cell.now += LAPSE;
    cell.session(false, false);
    assert_eq!(cell.reason("k-0", None), None, "what lapsed demands nothing");
    // The second order to the same destination takes the lapsed one out of what a running replica looks up.
    let second = cell.opening("bob", order("case/2", release(10)));
    cell.accept(&second);
    let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    let mut asked = cell.request("k-1", 1_250);
    asked["order"] = json!(lapsed);
    let asked = WithdrawalRequest::parse(&serde_json::to_vec(&asked).unwrap()).unwrap();
    let at = TimestampMs(cell.now);
    let decision = cell.state.evaluate_request(&asked, at);
    assert_eq!(decision.main_reason().map(|reason| reason.code()), Some("LEGAL_ORDER_NOT_CONFIRMED"));
    assert_eq!(restored.evaluate_request(&asked, at), decision);
}

#[test]
fn references_are_one_line_without_surprises() {
    for text in ["2026/17-b", "A.1", "x", &"x".repeat(64)] {
        assert_eq!(text.parse::<OrderReference>().unwrap().to_string(), text);
    }
    for text in ["", "/x", "a b", "a\nb", "a\"", &"x".repeat(65), "\u{0430}"] {
        assert!(text.parse::<OrderReference>().is_err(), "{text:?}");
    }
}

#[test]
fn officer_without_the_policys_roles_neither_opens_nor_approves() {
    let mut cell = with_legal();
    let open = cell.freeze("case/1", customer());
    let auditor = RosterChange::AddOfficer {
        name: "dave".parse().unwrap(),
        roles: ["auditor".parse().unwrap()].into(),
        key: officer_key("dave"),
    };
    cell.change_roster(auditor);
    let opening = cell.opening("dave", order("case/2", OrderDemand::Freeze(customer())));
    assert_eq!(cell.refuse(&opening), "SIGNER_NOT_AUTHORIZED");
    let approval = cell.approving("dave", &open);
    assert_eq!(cell.refuse(&approval), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn orders_that_were_confirmed_or_lapsed_or_of_an_officer_who_left_take_no_room() {
    let mut cell = with_legal();
    // Each about somebody else: nobody adds a second freeze to one's own.
    let of = |reference: &str| OrderSubject::Customer(reference.replace('/', "-").parse().unwrap());
    let opens = |cell: &mut Cell, officer: &str, reference: &str| {
        let opening = cell.opening(officer, order(reference, OrderDemand::Freeze(of(reference))));
        matches!(cell.submit(&opening), Outcome::Admitted(_))
    };
    let confirmed = cell.freeze("case/confirmed", customer());
    for n in 1..16 {
        let reference = format!("case/{n}");
        cell.freeze(&reference, of(&reference));
    }
    assert!(!opens(&mut cell, "carol", "case/more"));
    cell.approve_both(&confirmed);
    assert!(opens(&mut cell, "carol", "case/17") && !opens(&mut cell, "carol", "case/more"));
    cell.now += LAPSE;
    assert!(opens(&mut cell, "carol", "case/18"));

    cell.change_roster(add_officer("dave", "dave"));
    for n in 0..16 {
        assert!(opens(&mut cell, "dave", &format!("dave/{n}")));
    }
    let more = order("dave/more", OrderDemand::Freeze(of("dave/more")));
    let opening = cell.opening("dave", more);
    assert_eq!(cell.refuse(&opening), "LEGAL_ORDER_STATE");
    cell.change_roster(remove_officer("dave"));
    cell.change_roster(add_officer("dave", "dave-2"));
    let opening = super::cell::signed_by_key("dave", "dave-2", &String::from_utf8(opening.payload).unwrap());
    cell.accept(&opening);
}

#[test]
fn confirmation_of_a_contact_who_came_back_under_another_key_does_not_count() {
    let mut cell = with_contacts();
    let id = cell.open(order("case/1", release(1_250)));
    let confirmation = cell.confirming("desk-1", &id);
    cell.accept(&confirmation);
    cell.change_roster(RosterChange::RemoveAgencyContact { name: "desk-1".parse().unwrap() });
    cell.change_roster(RosterChange::AddAgencyContact {
        name: "desk-1".parse().unwrap(),
        agency: "fiu".parse().unwrap(),
        key: officer_key("another"),
    });
    cell.approve_both(&id);
    let confirmation = cell.confirming("desk-2", &id);
    cell.accept(&confirmation);
    assert_eq!(cell.order_state(&id), OrderState::Open);
}

#[test]
fn confirmed_order_pays_nobody_but_whom_it_names() {
    let mut cell = with_contacts();
    let OrderDemand::Release(mut elsewhere) = release(1_250) else { unreachable!() };
    elsewhere.address = Address::from_bytes([9; 20]);
    let id = cell.open(order("case/1", OrderDemand::Release(elsewhere)));
    cell.approve_both(&id);
    cell.confirm(&id);
    assert_eq!(cell.order_state(&id), OrderState::Confirmed);
    assert_eq!(cell.reason("k-1", Some(&id)), Some("LEGAL_ORDER_MISMATCH"));
}

#[test]
fn frozen_destination_is_frozen_on_its_own_chain() {
    let mut document = document();
    let other = json!({"symbol": "POL", "chain_id": 137, "contract": null, "decimals": 18});
    document["assets"].as_array_mut().unwrap().push(other);
    let table = "[legal]\nfreeze_lapse_ms = 500000\nopened_by = \"withdrawal-approver\"\n\
                 approvals = { security-officer = 1, withdrawal-approver = 1 }\n\n[hold]";
    document["policy"] = json!(document["policy"].as_str().unwrap().replacen("[hold]", table, 1));
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell.freeze("case/1", OrderSubject::Destination(ChainId(137), Address::parse(PAYEE).unwrap()));
    for (asset, chain, frozen) in [("POL", 137, true), ("USDT", 1, false)] {
        let mut asked = cell.request("k-1", 10);
        (asked["asset"], asked["chain_id"]) = (json!(asset), json!(chain));
        asked.as_object_mut().unwrap().remove("transaction");
        let asked = WithdrawalRequest::parse(&serde_json::to_vec(&asked).unwrap()).unwrap();
        let decision = cell.state.evaluate_request(&asked, TimestampMs(cell.now));
        let codes: Vec<_> = decision.reasons().iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.contains(&"DESTINATION_FROZEN"), frozen, "{asset}: {codes:?}");
    }
}

#[test]
fn orders_out_of_order_are_no_orders() {
    let mut cell = with_legal();
    for (reference, subject) in [("case/1", customer()), ("case/2", payee())] {
        cell.freeze(reference, subject);
    }
    let mut records: Vec<LegalOrder> = cell.state.legal_orders().cloned().collect();
    for (records, good) in [
        (records.clone(), true),
        (vec![records[0].clone(), records[0].clone()], false),
        (
            {
                records.reverse();
                records
            },
            false,
        ),
    ] {
        let mut bytes = Vec::new();
        records.encode(&mut bytes);
        assert_eq!(Orders::decode(&mut Input::new(&bytes)).is_ok(), good);
    }
}
