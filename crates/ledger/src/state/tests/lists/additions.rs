//! What one officer adds at once, how much that may be, and who takes it off.

use super::*;

#[test]
fn one_officer_adds_at_once_and_only_a_quorum_takes_off() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let early = cell.ask(&request);
    let authorize = cell.authorize(early);
    cell.accept(&authorize);
    let added = cell.add_now("carol", payee());
    cell.accept(&added);
    let refusal = cell.state.authorized_withdrawal(&early, 0, TimestampMs(cell.now)).unwrap_err();
    assert_eq!(refusal.code(), "POLICY_REFUSES");
    let request = cell.request("k-2", 1250);
    let late = cell.ask(&request);
    assert_eq!(cell.state_of(late), WithdrawalState::Denied);
    assert_eq!(cell.refuse(&added), "STATEMENT_ALREADY_USED");
    cell.now += 1;
    assert_eq!(cell.refuse(&cell.add_now("bob", payee())), "ALREADY_RECORDED");

    let lift = StatementBody::ProposeScreeningLift { list: id(LIST), addresses: vec![payee()] };
    let lifted = cell.statement("alice", lift.clone());
    let ceremony = cell.accept(&lifted).ceremony.unwrap();
    assert_eq!(cell.state.ceremony(&ceremony).unwrap().kind.name(), "reduce-screening-list");
    let one = cell.statement("alice", StatementBody::ApproveCeremony(ceremony));
    cell.accept(&one);
    assert!(cell.state.is_listed(&id(LIST), &payee()));
    let two = cell.statement("bob", StatementBody::ApproveCeremony(ceremony));
    cell.accept(&two);
    assert!(!cell.state.is_listed(&id(LIST), &payee()));
    // The used statement does not come back, and there is nothing left to lift.
    assert_eq!(cell.refuse(&added), "STATEMENT_ALREADY_USED");
    assert_eq!(cell.refuse(&cell.statement("bob", lift)), "SCREENING_UPDATE_INVALID");
}

#[test]
fn lift_does_not_take_off_what_the_list_itself_names() {
    let mut cell = Cell::ready();
    let first = Address::parse(FIRST).unwrap();
    let lift = StatementBody::ProposeScreeningLift { list: id(LIST), addresses: vec![first] };
    assert_eq!(cell.refuse(&cell.statement("alice", lift)), "SCREENING_UPDATE_INVALID");
}

#[test]
fn addition_outlives_the_next_version_and_is_absorbed_by_one_that_names_it() {
    let mut cell = Cell::ready();
    let added = cell.add_now("carol", payee());
    cell.accept(&added);
    cell.update_list(&format!("{FIRST}\n0x{:040x}", 7));
    assert!(cell.state.is_listed(&id(LIST), &payee()));
    assert_eq!(cell.state.screening_list(&id(LIST)).unwrap().1.urgent.len(), 1);
    cell.update_list(&format!("{FIRST}\n{PAYEE}\n0x{:040x}", 7));
    assert!(cell.state.screening_list(&id(LIST)).unwrap().1.urgent.is_empty());
    assert!(cell.state.is_listed(&id(LIST), &payee()));
}

#[test]
fn officer_has_a_bounded_number_of_additions() {
    let mut cell = Cell::ready();
    for byte in 0..64 {
        let added = cell.add_now("carol", Address::from_bytes([byte + 1; 20]));
        cell.accept(&added);
    }
    assert_eq!(cell.refuse(&cell.add_now("carol", payee())), "SCREENING_UPDATE_INVALID");
    let by_another = cell.add_now("bob", payee());
    cell.accept(&by_another);
}

#[test]
fn single_officers_have_512_additions_on_a_list_together() {
    let mut genesis = document();
    let names: Vec<String> = (0..6).map(|n| format!("officer-{n}")).collect();
    for name in &names {
        let key = ssh(name).public_key().to_openssh().unwrap();
        let officer = json!({"name": name, "roles": ["withdrawal-approver"], "ssh_public_key": key});
        genesis["officers"].as_array_mut().unwrap().push(officer);
    }
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    let officers = ["alice", "bob"].into_iter().chain(names.iter().map(String::as_str));
    for (place, officer) in officers.enumerate() {
        for n in 0..64_u8 {
            let address = Address::from_bytes([u8::try_from(place).unwrap() * 16 + 1 + n / 16; 20]);
            let mut bytes = *address.as_bytes();
            bytes[19] = n;
            let added = cell.add_now(officer, Address::from_bytes(bytes));
            cell.accept(&added);
        }
    }
    assert_eq!(cell.state.screening_list(&id(LIST)).unwrap().1.urgent.len(), 512);
    assert_eq!(cell.refuse(&cell.add_now("carol", payee())), "SCREENING_UPDATE_INVALID");
}

#[test]
fn lift_takes_off_what_it_names_in_order_and_nothing_else() {
    let mut cell = Cell::ready();
    let (low, high) = (Address::from_bytes([1; 20]), Address::from_bytes([2; 20]));
    for address in [low, high] {
        let added = cell.add_now("carol", address);
        cell.accept(&added);
    }
    let lift = |addresses: Vec<Address>| StatementBody::ProposeScreeningLift { list: id(LIST), addresses };
    for addresses in [vec![], vec![high, low], vec![low, low]] {
        assert_eq!(cell.refuse(&cell.statement("alice", lift(addresses))), "SCREENING_UPDATE_INVALID");
    }
    cell.approved(lift(vec![low]));
    assert!(!cell.state.is_listed(&id(LIST), &low) && cell.state.is_listed(&id(LIST), &high));
}
