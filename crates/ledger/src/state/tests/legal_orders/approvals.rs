//! What is kept of officers' approvals of an order.

use super::*;

#[test]
fn approval_is_given_again_at_the_millisecond_at_which_it_expires_and_not_before() {
    for (earlier, code) in [(1, Some("ALREADY_APPROVED")), (0, None)] {
        let mut cell = with_legal();
        let id = cell.freeze("case/1", customer());
        let first = until(&cell, "carol", &id, 1_000);
        cell.accept(&first);
        // The entry's time is the next millisecond.
        cell.now = cell.state.legal_order(&id).unwrap().approvals[0].expires_at.0 - 1 - earlier;
        let again = until(&cell, "carol", &id, 1_000);
        match cell.submit(&again) {
            Outcome::Admitted(_) => assert_eq!(code, None),
            Outcome::Rejected(rejection) => assert_eq!(Some(rejection.code().as_str()), code),
        }
        assert_eq!(cell.state.legal_order(&id).unwrap().approvals.len(), 1);
    }
}

#[test]
fn expired_approval_of_one_officer_stays_in_the_record_when_another_one_approves() {
    let mut cell = with_legal();
    let id = cell.freeze("case/1", customer());
    let first = until(&cell, "carol", &id, 10);
    cell.accept(&first);
    cell.now += 1_000;
    let second = until(&cell, "alice", &id, 1_000);
    cell.accept(&second);
    let order = cell.state.legal_order(&id).unwrap();
    let officers: Vec<_> = order.approvals.iter().map(|approval| approval.officer.as_str()).collect();
    assert_eq!(officers, ["carol", "alice"]);
    assert_eq!(cell.order_state(&id), OrderState::Open, "and counts no more");
}
