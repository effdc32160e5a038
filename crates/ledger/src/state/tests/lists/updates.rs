//! An update from its announcement to its last part: what is refused, and how much waits.

use super::*;

#[test]
fn incomplete_update_cannot_be_proposed_and_parts_come_in_order() {
    let mut cell = Cell::ready();
    let addresses: Vec<String> = (0..=PART_ADDRESSES).map(|i| format!("0x{i:040x}")).collect();
    let update = Update::of(&cell.state, LIST, &format!("{FIRST}\n{}", addresses.join("\n")));
    assert_eq!(update.parts.len(), 2);
    assert_eq!(cell.refuse(&update.part(0)), "UNKNOWN_SCREENING_UPDATE");
    cell.accept(&update.announced());
    assert_eq!(cell.refuse(&update.announced()), "ALREADY_RECORDED");
    assert_eq!(cell.refuse(&update.part(1)), "SCREENING_UPDATE_INVALID");
    cell.accept(&update.part(0));
    assert_eq!(cell.refuse(&update.part(0)), "ALREADY_RECORDED");
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: "alice".parse().unwrap(),
        issued_at: TimestampMs(cell.now),
        expires_at: Some(TimestampMs(cell.now + 1000)),
        note: String::new(),
        body: update.proposal(),
    };
    assert_eq!(
        cell.state.statement_text(&statement).unwrap_err().code().as_str(),
        "UNKNOWN_SCREENING_UPDATE"
    );
    cell.accept(&update.part(1));
    assert!(cell.state.statement_text(&statement).is_ok());
}

#[test]
fn last_part_must_lead_to_exactly_what_was_announced() {
    type Change = fn(&mut Update);
    let changes: [(&str, Change); 5] = [
        ("other result", |update| update.update.result = list(FIRST).hash()),
        ("fewer removed", |update| update.update.removed -= 1),
        ("more added", |update| update.update.added += 1),
        ("other addresses", |update| update.parts[0].other_added.push("abc".to_owned())),
        ("removes what is not there", |update| {
            let delta =
                ScreeningDelta { removed: vec![Address::from_bytes([9; 20])], ..ScreeningDelta::default() };
            update.parts = ScreeningPart::all(&update.update.cluster, &delta);
            (update.update.delta, update.update.parts) = (delta.hash(), 1);
            (update.update.added, update.update.removed) = (0, 1);
        }),
    ];
    for (name, change) in changes {
        let mut cell = Cell::ready();
        let mut update = Update::of(&cell.state, LIST, PAYEE);
        update.parts.truncate(1);
        change(&mut update);
        let mut rest = Update::of(&cell.state, LIST, PAYEE).parts.split_off(1);
        if name != "removes what is not there" {
            update.parts.append(&mut rest);
        }
        cell.accept(&update.announced());
        for at in 0..update.parts.len() - 1 {
            cell.accept(&update.part(at));
        }
        assert_eq!(cell.refuse(&update.part(update.parts.len() - 1)), "SCREENING_UPDATE_INVALID", "{name}");
    }
}

#[test]
fn oldest_update_makes_room_and_nothing_grows_without_bound() {
    let mut cell = Cell::ready();
    let updates: Vec<Update> = (1..=5).map(|i| cell.upload(LIST, &format!("{FIRST}\n0x{i:040x}"))).collect();
    assert_eq!(cell.state.waiting_screening_updates().count(), 4);
    let waits: BTreeMap<DeltaHash, ()> =
        cell.state.waiting_screening_updates().map(|w| (w.update.delta, ())).collect();
    assert!(!waits.contains_key(&updates[0].update.delta) && waits.contains_key(&updates[4].update.delta));
}

#[test]
fn update_that_makes_no_sense_is_refused_when_it_is_announced() {
    type Change = fn(&mut ScreeningUpdate);
    let mut cell = Cell::ready();
    let bad: [(Change, &str); 7] = [
        (|update| update.cluster = "demo-2".parse().unwrap(), "CLUSTER_MISMATCH"),
        (|update| update.source = "a \" quote".to_owned(), "SCREENING_UPDATE_INVALID"),
        (|update| update.source = "a \\ backslash".to_owned(), "SCREENING_UPDATE_INVALID"),
        (|update| update.as_of = "2026-13-01".to_owned(), "SCREENING_UPDATE_INVALID"),
        (|update| (update.added, update.removed) = (0, 0), "SCREENING_UPDATE_INVALID"),
        (|update| update.parts = 0, "SCREENING_UPDATE_INVALID"),
        (|update| update.parts = 2049, "SCREENING_UPDATE_INVALID"),
    ];
    for (change, code) in bad {
        let mut update = Update::of(&cell.state, LIST, PAYEE);
        change(&mut update.update);
        assert_eq!(cell.refuse(&update.announced()), code, "{:?}", update.update);
    }
    let good: [Change; 3] = [
        |update| (update.added, update.removed) = (0, 1),
        |update| (update.added, update.removed) = (1, 0),
        |update| update.parts = 2048,
    ];
    for change in good {
        let mut update = Update::of(&cell.state, LIST, PAYEE);
        change(&mut update.update);
        assert!(cell.state.check(&update.announced(), TimestampMs(cell.now)).unwrap().is_ok());
    }
}

#[test]
fn there_are_64_lists_and_no_more_but_each_of_them_can_be_updated() {
    for (lists, room) in [(63, true), (64, false)] {
        let mut genesis = document();
        let first = genesis["screening_lists"][0].clone();
        let named = |n: usize| {
            let mut list = first.clone();
            list["id"] = json!(format!("list-{n}"));
            list
        };
        let others = (1..lists).map(named);
        genesis["screening_lists"].as_array_mut().unwrap().extend(others);
        let cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
        let fits = |name: &str| {
            let update = Update::of(&cell.state, name, PAYEE).announced();
            cell.state.check(&update, TimestampMs(cell.now)).unwrap().is_ok()
        };
        assert!(fits(LIST) && fits("list-1"));
        assert_eq!(fits("scams"), room);
    }
}

#[test]
fn parts_fit_entries_however_many_and_long_the_addresses_are() {
    let cell = Cell::ready();
    for (count, length, parts) in [(1_000, 41, 1), (1_000, 42, 4), (1_500, 128, 5), (1_501, 1, 2)] {
        let other_added = (0..count).map(|i| format!("{i:0length$}")).collect();
        let delta = ScreeningDelta { other_added, ..ScreeningDelta::default() };
        let all = ScreeningPart::all(cell.state.cluster(), &delta);
        assert_eq!(all.len(), parts, "{count} of {length}");
        for part in all {
            let entry = coordinator(PayloadKind::ScreeningPart, &serde_json::to_value(&part).unwrap());
            holdfast_log::Entry::stamp(cell.now, &entry).unwrap();
        }
    }
}

#[test]
fn part_that_is_not_in_its_one_form_is_refused_by_field() {
    type Change = fn(&mut ScreeningPart);
    let cell = Cell::ready();
    let changes: [(Change, &str); 5] = [
        (|part| part.added.clear(), "part"),
        (|part| part.other_added = vec!["b".to_owned(), "a".to_owned()], "part"),
        (|part| part.other_removed = vec!["two words".to_owned()], "part"),
        // 21 bytes are one address and one byte.
        (|part| part.added = "A".repeat(28), "added"),
        (|part| part.removed = "*".to_owned(), "removed"),
    ];
    for (change, field) in changes {
        let mut part = Update::of(&cell.state, LIST, PAYEE).parts.remove(0);
        assert!(part.content().is_ok());
        change(&mut part);
        assert_eq!(part.content().unwrap_err().field(), Some(field), "{part:?}");
    }
}

#[test]
fn part_for_another_cell_or_after_the_last_one_is_refused() {
    let mut cell = Cell::ready();
    let update = Update::of(&cell.state, LIST, &format!("{FIRST}\n{PAYEE}"));
    cell.accept(&update.announced());
    let mut elsewhere = Update::of(&cell.state, LIST, &format!("{FIRST}\n{PAYEE}"));
    elsewhere.parts[0].cluster = "demo-2".parse().unwrap();
    assert_eq!(cell.refuse(&elsewhere.part(0)), "CLUSTER_MISMATCH");
    cell.accept(&update.part(0));
    let mut more = update;
    more.parts[0].part = 1;
    assert_eq!(cell.refuse(&more.part(0)), "SCREENING_UPDATE_INVALID");
}

#[test]
fn complete_update_is_the_one_announced_for_the_version_in_force_and_names_somebody() {
    let refusal = |cell: &mut Cell, update: &Update| {
        cell.accept(&update.announced());
        let last = update.part(update.parts.len() - 1);
        let rejection = cell.state.check(&last, TimestampMs(cell.now)).unwrap().unwrap_err();
        (cell.refuse(&last), rejection.field().map(str::to_owned))
    };
    // Given parts whose addresses lead to the announced version, under the name of another delta
    let mut cell = Cell::ready();
    let mut renamed = Update::of(&cell.state, LIST, &format!("{FIRST}\n{PAYEE}"));
    renamed.update.delta = DeltaHash::from_bytes([9; 32]);
    renamed.parts[0].delta = renamed.update.delta;
    assert_eq!(refusal(&mut cell, &renamed), ("SCREENING_UPDATE_INVALID", Some("delta".to_owned())));
    // Given a version that names nobody
    let nobody = ScreeningList::nobody(id(LIST), "test", CalendarDate::parse("2026-11-21").unwrap()).unwrap();
    let delta = ScreeningDelta { removed: vec![Address::parse(FIRST).unwrap()], ..ScreeningDelta::default() };
    let mut empty = Update::of(&cell.state, LIST, PAYEE);
    empty.parts = ScreeningPart::all(cell.state.cluster(), &delta);
    (empty.update.delta, empty.update.result) = (delta.hash(), nobody.hash());
    (empty.update.added, empty.update.removed, empty.update.parts) = (0, 1, 1);
    assert_eq!(refusal(&mut cell, &empty), ("SCREENING_UPDATE_INVALID", Some("result".to_owned())));
    // Given another version that took effect before the last part
    let late = Update::of(&cell.state, LIST, &format!("{FIRST}\n{PAYEE}"));
    cell.accept(&late.announced());
    cell.update_list(&format!("{FIRST}\n0x{:040x}", 7));
    assert_eq!(cell.refuse(&late.part(0)), "VERSION_SUPERSEDED");
}

#[test]
fn updates_with_the_same_addresses_share_their_parts_and_none_keeps_another_out() {
    // Given the same addresses for two lists, and for one of them under another day, with one of them in the log
    let mut cell = Cell::ready();
    let text = format!("{PAYEE}\n0x{:040x}", 7);
    let both = Update::of(&cell.state, LIST, &format!("{FIRST}\n{text}"));
    let scams = Update::of(&cell.state, "scams", &text);
    let mut later = Update::of(&cell.state, LIST, &format!("{FIRST}\n{text}"));
    later.update.as_of = "2026-11-22".to_owned();
    assert_eq!(both.update.delta, scams.update.delta);
    cell.accept(&both.announced());
    cell.accept(&both.part(0));
    cell.accept(&scams.announced());
    cell.accept(&later.announced());
    // When the parts of another one come, both that lack them have them, and nobody twice
    cell.accept(&scams.part(0));
    assert_eq!(cell.refuse(&later.part(0)), "ALREADY_RECORDED");
    assert!(cell.state.waiting_screening_updates().all(WaitingUpdate::is_complete));
    // Then each is approved by itself
    cell.approved(scams.proposal());
    assert!(cell.state.is_listed(&id("scams"), &payee()));
    cell.approved(both.proposal());
    assert!(cell.state.is_listed(&id(LIST), &payee()));
    assert!(cell.restored().is_ok());
}

#[test]
fn update_that_does_not_come_out_as_announced_takes_no_part_from_another_with_the_same_addresses() {
    let mut cell = Cell::ready();
    let text = format!("{FIRST}\n{PAYEE}");
    let mut wrong = Update::of(&cell.state, LIST, &text);
    wrong.update.result = list(PAYEE).hash();
    let mut longer = Update::of(&cell.state, LIST, &text);
    longer.update.parts = 2;
    let good = Update::of(&cell.state, LIST, &text);
    for update in [&wrong, &longer, &good] {
        cell.accept(&update.announced());
    }
    cell.accept(&good.part(0));
    let have: Vec<_> = cell.state.waiting_screening_updates().map(WaitingUpdate::parts).collect();
    assert_eq!(have, [0, 1, 1]);
    assert_eq!(cell.refuse(&good.part(0)), "ALREADY_RECORDED", "an upload may be repeated");
    cell.approved(good.proposal());
    assert!(cell.state.is_listed(&id(LIST), &payee()));
}
