//! Which approvals a replacement takes over.

use super::*;

fn approved(cell: &mut Cell, key: &str) -> WithdrawalId {
    let request = cell.request(key, 20_000);
    let id = cell.ask(&request);
    for officer in ["alice", "carol"] {
        let approval = cell.statement(officer, StatementBody::ApproveHold(id));
        cell.accept(&approval);
    }
    cell.accept_authorize(id);
    id
}

fn bump_of_large(cell: &Cell, key: &str, of: WithdrawalId) -> serde_json::Value {
    cell.replacement(key, of, "bump-fee", &pays_usdt(PAYEE, 20_000, 0, gwei(40, 2)))
}

#[test]
fn approvals_carry_over_within_the_fee_cap_and_not_above_it() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    let mut request = bump_of_large(&cell, "k-2", original);
    request["fee_cap"] = json!("10000000000000001");
    let dearer = cell.replace(&request);
    assert_eq!(cell.state_of(dearer), WithdrawalState::Held, "one wei more than officers approved");
    assert!(cell.withdrawal(dearer).approvals.is_empty());
    let shown = cell.statement("alice", StatementBody::ApproveHold(dearer));
    let shown = String::from_utf8(shown.payload).unwrap();
    assert!(shown.contains(&format!("replaces: {original}\n")), "{shown}");
    let request = cancel(&cell, "k-4", original);
    let cancelled = cell.replace(&request);
    assert_eq!(cell.state_of(cancelled), WithdrawalState::Bound);
    assert!(cell.withdrawal(cancelled).approvals.is_empty(), "nobody approved a cancellation");
    let request = bump_of_large(&cell, "k-3", original);
    let within = cell.replace(&request);
    assert_eq!(cell.state_of(within), WithdrawalState::Bound);
    cell.accept_authorize(within);
    assert!(cell.order(within).is_ok());
}

#[test]
fn approvals_do_not_carry_over_to_new_reasons_nor_beyond_their_own_expiry() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    cell.session(true, true);
    let request = bump_of_large(&cell, "k-2", original);
    let riskier = cell.replace(&request);
    assert_eq!(cell.state_of(riskier), WithdrawalState::Held);
    assert!(cell.withdrawal(riskier).approvals.is_empty());
    let hold = cell.withdrawal(riskier).decision.hold().unwrap();
    let life = cell.state.policy().hold().deadline;
    assert_eq!(Some(hold.deadline), cell.withdrawal(riskier).received_at.checked_add(life));
    cell.now += 1;
    cell.session(false, false);
    cell.now += 700_000;
    cell.session(false, false);
    // Approvals of the cell's officers are valid for an hour.
    cell.now += 3_600_000;
    cell.session(false, false);
    cell.whitelist(PAYEE, 100_000_000);
    let request = bump_of_large(&cell, "k-3", original);
    let late = cell.replace(&request);
    assert_eq!(cell.state_of(late), WithdrawalState::Held);
}

#[test]
fn approval_of_an_officer_who_left_does_not_carry_over() {
    let mut cell = Cell::ready();
    let original = approved(&mut cell, "k-1");
    cell.change_roster(super::super::authority::remove_officer("carol"));
    let request = bump_of_large(&cell, "k-2", original);
    let bumped = cell.replace(&request);
    assert_eq!(cell.state_of(bumped), WithdrawalState::Held);
}
