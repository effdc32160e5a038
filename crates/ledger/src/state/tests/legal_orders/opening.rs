//! Who opens orders, how many wait, and what is kept of them.

use super::*;

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
    let opening =
        super::super::cell::signed_by_key("dave", "dave-2", &String::from_utf8(opening.payload).unwrap());
    cell.accept(&opening);
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
