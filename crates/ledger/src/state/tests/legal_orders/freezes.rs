//! What one officer stops alone, and for how long.

use super::*;

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
fn order_that_lapsed_is_never_confirmed_nor_opened_again() {
    let mut cell = with_legal();
    let id = cell.freeze("case/1", customer());
    cell.now += LAPSE;
    let late = cell.approving("alice", &id);
    assert_eq!(cell.refuse(&late), "LEGAL_ORDER_STATE");
    let again = cell.opening("bob", order("case/1", OrderDemand::Freeze(customer())));
    assert_eq!(cell.refuse(&again), "ALREADY_EXISTS");
}

/// Somebody who knows an agency's reference keeps nobody from opening what the agency really ordered.
#[test]
fn false_order_takes_no_reference_from_the_true_one_and_only_one_is_confirmed() {
    for lapsed in [false, true] {
        let mut cell = with_legal();
        let false_one = cell.freeze("case/1", customer());
        if lapsed {
            cell.now += LAPSE;
        }
        let opening = cell.opening("bob", order("case/1", OrderDemand::Freeze(payee())));
        let true_one = cell.accept(&opening).order.unwrap();
        assert_ne!(true_one, false_one);
        cell.approve_both(&true_one);
        assert_eq!(cell.order_state(&true_one), OrderState::Confirmed);
        let late = cell.approving("alice", &false_one);
        assert_eq!(cell.refuse(&late), "LEGAL_ORDER_STATE");
        let third = cell.opening("bob", order("case/1", release(1)));
        assert_eq!(cell.refuse(&third), "ALREADY_EXISTS");
        // Another agency's reference is its own.
        let mut other = order("case/1", OrderDemand::Freeze(customer()));
        other.agency = "court".parse().unwrap();
        let other = cell.opening("bob", other);
        cell.accept(&other);
    }
}

#[test]
fn second_order_under_a_reference_is_not_confirmed_by_officers_or_contacts_that_came_before() {
    let mut cell = with_contacts();
    let (one, other) = (cell.open(order("case/1", release(1))), cell.open(order("case/1", release(2))));
    for id in [&one, &other] {
        cell.approve_both(id);
    }
    cell.confirm(&one);
    assert_eq!(cell.order_state(&one), OrderState::Confirmed);
    let late = cell.confirming("desk-1", &other);
    assert_eq!(cell.refuse(&late), "LEGAL_ORDER_STATE");
    assert_eq!(cell.order_state(&other), OrderState::Open);
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
fn freeze_may_stand_beside_ones_own_order_to_pay_that_waits() {
    let mut cell = with_legal();
    cell.open(order("case/1", release(1)));
    let freeze = cell.opening("carol", order("case/2", OrderDemand::Freeze(payee())));
    cell.accept(&freeze);
}

#[test]
fn officer_who_came_back_is_another_one_and_prolongs_nothing() {
    let mut cell = with_legal();
    cell.change_roster(add_officer("dave", "dave"));
    let first = cell.opening("dave", order("case/1", OrderDemand::Freeze(customer())));
    let first = cell.accept(&first).order.unwrap();
    cell.now = cell.state.legal_order(&first).unwrap().lapses_at.0;
    let again = cell.opening("dave", order("case/2", OrderDemand::Freeze(customer())));
    assert_eq!(cell.refuse(&again), "LEGAL_ORDER_STATE");
    cell.change_roster(remove_officer("dave"));
    cell.change_roster(add_officer("dave", "dave-2"));
    let text = String::from_utf8(again.payload).unwrap();
    cell.accept(&super::super::cell::signed_by_key("dave", "dave-2", &text));
}
