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

mod approvals;
mod freezes;
mod opening;

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

/// An officer's approval that is valid for so long.
fn until(cell: &Cell, officer: &str, id: &LegalOrderId, life_ms: u64) -> Envelope {
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: officer.parse().unwrap(),
        issued_at: TimestampMs(cell.now),
        expires_at: Some(TimestampMs(cell.now + life_ms)),
        note: String::new(),
        body: StatementBody::ApproveOrder(id.clone()),
    };
    super::cell::signed_statement(officer, &cell.state.statement_text(&statement).unwrap())
}

#[test]
fn officers_approval_of_an_order_counts_until_it_expires_and_may_be_given_again() {
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
