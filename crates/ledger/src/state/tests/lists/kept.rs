//! Lists in snapshots: no address is in one, and what is restored is what officers approved.

use super::*;

#[test]
fn snapshot_holds_no_address_of_an_update_and_restores_the_list_from_the_log() {
    let mut cell = Cell::ready();
    let many: Vec<String> = (0..4000).map(|i| format!("0x{i:040x}")).collect();
    let before = cell.state.to_snapshot().len();
    cell.update_list(&format!("{FIRST}\nTBHTJqAy4DhHhmT3dNceJYNRz4SdLofLre\n{}", many.join("\n")));
    let grown = cell.state.to_snapshot().len() - before;
    assert!(grown < 4000, "{grown} bytes for 4,000 addresses");
    cell.update_list(&format!("{FIRST}\n{}", many[1..].join("\n")));
    let added = cell.add_now("carol", payee());
    cell.accept(&added);
    let waiting = cell.upload(LIST, PAYEE);

    let mut restored = cell.restored().unwrap();
    let (kept, record) = restored.screening_list(&id(LIST)).unwrap();
    let (found, expected) = cell.state.screening_list(&id(LIST)).unwrap();
    assert_eq!((kept, record), (found, expected));
    assert!(restored.is_listed(&id(LIST), &payee()));
    assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
    // It goes on alike: the waiting update too.
    let from = cell.log.len();
    cell.approved(waiting.proposal());
    for entry in &cell.log[from..] {
        restored.apply(entry).unwrap();
    }
    assert_eq!((restored.digest(), restored.to_snapshot()), (cell.state.digest(), cell.state.to_snapshot()));
    assert!(!restored.is_listed(&id(LIST), &Address::parse(FIRST).unwrap()));
}

#[test]
fn snapshot_is_not_restored_from_another_log() {
    let mut cell = Cell::ready();
    cell.update_list(&format!("{FIRST}\n{PAYEE}"));
    let bytes = cell.state.to_snapshot();
    assert!(State::from_snapshot(&bytes, &cell.genesis).is_err(), "no log at hand");
    let mut other = Cell::ready();
    other.update_list(&format!("{FIRST}\n0x{:040x}", 7));
    let mut entries = |index: u64| other.log.get(usize::try_from(index).unwrap()).cloned();
    let pages = holdfast_policy::Pages::default();
    let restored = State::restore(&bytes, &cell.genesis, &mut entries, &pages);
    assert!(restored.is_err(), "addresses of another list");
    assert!(cell.restored().is_ok());
}

#[test]
fn replicas_that_hold_other_addresses_have_other_digests() {
    let digest = |text: &str| {
        let mut cell = Cell::ready();
        cell.update_list(text);
        cell.state.digest()
    };
    assert_ne!(digest(&format!("{FIRST}\n{PAYEE}")), digest(&format!("{FIRST}\n0x{:040x}", 7)));
}

#[test]
fn waiting_update_is_not_restored_from_parts_of_another() {
    let (mut cell, mut other) = (Cell::ready(), Cell::ready());
    cell.upload(LIST, &format!("{FIRST}\n{PAYEE}"));
    other.upload(LIST, &format!("{FIRST}\n0x{:040x}", 7));
    let bytes = cell.state.to_snapshot();
    let mut entries = |index: u64| other.log.get(usize::try_from(index).unwrap()).cloned();
    assert!(State::restore(&bytes, &cell.genesis, &mut entries, &holdfast_policy::Pages::default()).is_err());
    assert!(cell.restored().is_ok());
}

#[test]
fn lists_out_of_order_are_no_lists() {
    let record = Cell::new().state.screening_list(&id(LIST)).unwrap().1.clone();
    for (names, good) in [(["a", "b"], true), (["b", "a"], false), (["a", "a"], false)] {
        let records: Vec<(ListId, ListRecord)> = names.map(|name| (id(name), record.clone())).into();
        let mut bytes = Vec::new();
        records.encode(&mut bytes);
        put_count(0, &mut bytes);
        assert_eq!(KeptLists::decode(&mut Input::new(&bytes)).is_ok(), good, "{names:?}");
    }
}
