//! Screening lists: an update stops payments at decision, authorization and signing; one officer adds, a quorum takes off;
//! snapshots refer to the log and never to addresses.

use std::collections::BTreeMap;

use holdfast_chains::Address;
use holdfast_log::Envelope;
use holdfast_policy::{CalendarDate, DeltaHash, ListId, ScreeningDelta, ScreeningList, TimestampMs};
use serde_json::json;

use super::cell::{Cell, PAYEE, coordinator, document, genesis_entry, signed_statement, ssh};
use crate::codec::{Decode as _, Encode as _, Input, put_count};
use crate::state::lists::{KeptLists, ListRecord};
use crate::*;

const LIST: &str = "ofac-eth";
const FIRST: &str = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96";

fn id(name: &str) -> ListId {
    ListId::new(name).unwrap()
}

fn payee() -> Address {
    Address::parse(PAYEE).unwrap()
}

fn list(text: &str) -> ScreeningList {
    ScreeningList::parse(id(LIST), "test", CalendarDate::parse("2026-11-21").unwrap(), text).unwrap()
}

/// What leads from the list in force to one with this text, announced as this change of it says.
pub(super) struct Update {
    update: ScreeningUpdate,
    parts: Vec<ScreeningPart>,
}

impl Update {
    pub(super) fn of(state: &State, name: &str, text: &str) -> Self {
        let next = list(text);
        let nobody = ScreeningList::nobody(id(name), "test", next.as_of().clone()).unwrap();
        let (base, version, replaces) = match state.screening_list(&id(name)) {
            Some((base, record)) => (base, record.versions.last().unwrap().version, Some(base.hash())),
            None => (&nobody, 0, None),
        };
        let delta = ScreeningDelta::between(base, &next);
        let parts = ScreeningPart::all(state.cluster(), &delta);
        let update = ScreeningUpdate {
            cluster: state.cluster().clone(),
            list: id(name),
            source: "test".to_owned(),
            as_of: "2026-11-21".to_owned(),
            version,
            replaces,
            result: next.hash(),
            delta: delta.hash(),
            added: delta.count_added(),
            removed: delta.count_removed(),
            parts: u32::try_from(parts.len()).unwrap(),
        };
        Self { update, parts }
    }

    pub(super) fn proposal(&self) -> StatementBody {
        let ScreeningUpdate { list, version, replaces, result, delta, added, removed, .. } =
            self.update.clone();
        StatementBody::ProposeScreening(ScreeningProposal {
            list,
            version,
            replaces,
            result,
            delta,
            added,
            removed,
        })
    }

    pub(super) fn update_is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn announced(&self) -> Envelope {
        coordinator(PayloadKind::ScreeningUpdate, &serde_json::to_value(&self.update).unwrap())
    }

    pub(super) fn part(&self, at: usize) -> Envelope {
        coordinator(PayloadKind::ScreeningPart, &serde_json::to_value(&self.parts[at]).unwrap())
    }
}

impl Cell {
    fn upload(&mut self, name: &str, text: &str) -> Update {
        let update = Update::of(&self.state, name, text);
        self.accept(&update.announced());
        for at in 0..update.parts.len() {
            self.accept(&update.part(at));
        }
        update
    }

    fn update_list(&mut self, text: &str) -> CeremonyId {
        let update = self.upload(LIST, text);
        self.approved(update.proposal())
    }

    fn add_now(&self, officer: &str, address: Address) -> Envelope {
        self.statement(officer, StatementBody::AddToScreeningList { list: id(LIST), address })
    }

    fn restored(&self) -> Result<State, SnapshotError> {
        let mut entries = |index: u64| self.log.get(usize::try_from(index).unwrap()).cloned();
        State::restore(
            &self.state.to_snapshot(),
            &self.genesis,
            &mut entries,
            &holdfast_policy::Pages::default(),
        )
    }
}

#[test]
fn updated_list_stops_a_payment_at_decision_authorization_and_signing() {
    for stage in 0..3 {
        let mut cell = Cell::ready();
        let text = format!("{FIRST}\n{PAYEE}");
        if stage == 0 {
            cell.update_list(&text);
            let request = cell.request("k-1", 1250);
            let id = cell.ask(&request);
            assert_eq!(cell.state_of(id), WithdrawalState::Denied);
            continue;
        }
        let request = cell.request("k-1", 1250);
        let id = cell.ask(&request);
        let authorize = cell.authorize(id);
        if stage == 1 {
            cell.update_list(&text);
            cell.accept(&authorize);
            assert_eq!(cell.state_of(id), WithdrawalState::Denied);
            continue;
        }
        cell.accept(&authorize);
        assert!(cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).is_ok());
        cell.update_list(&text);
        let refusal = cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).unwrap_err();
        assert_eq!(refusal.code(), "POLICY_REFUSES");
    }
}

#[test]
fn update_means_nothing_before_its_quorum() {
    let mut cell = Cell::ready();
    let update = cell.upload(LIST, &format!("{FIRST}\n{PAYEE}"));
    assert!(!cell.state.is_listed(&id(LIST), &payee()));
    let proposal = cell.statement("alice", update.proposal());
    let ceremony = cell.accept(&proposal).ceremony.unwrap();
    let one = cell.statement("alice", StatementBody::ApproveCeremony(ceremony));
    cell.accept(&one);
    assert!(!cell.state.is_listed(&id(LIST), &payee()), "one officer is no quorum");
    let two = cell.statement("bob", StatementBody::ApproveCeremony(ceremony));
    cell.accept(&two);
    assert!(cell.state.is_listed(&id(LIST), &payee()));
    let (_, record) = cell.state.screening_list(&id(LIST)).unwrap();
    let version = record.versions.last().unwrap();
    assert_eq!((version.version, version.added, version.removed, version.addresses), (2, 1, 0, 2));
    assert_eq!((version.ceremony, version.in_force_from), (Some(ceremony), cell.state.size()));
    assert_eq!(cell.state.waiting_screening_updates().count(), 0);
}

#[test]
fn statement_shows_what_comes_and_goes_and_where_from() {
    let mut cell = Cell::ready();
    let update = cell.upload(LIST, PAYEE);
    let statement = cell.statement("alice", update.proposal());
    let text = String::from_utf8(statement.payload.clone()).unwrap();
    for line in [
        "screening list: ofac-eth\nlist version: 1\n".to_owned(),
        format!("new list: {}\n", update.update.result),
        format!(
            "changes: {}\nadds: 1\nremoves: 1\nnew list version: 2\nsource: \"test\"\n",
            update.update.delta
        ),
        format!("adds address: {PAYEE}\nremoves address: {FIRST}\n"),
    ] {
        assert!(text.contains(&line), "{line} not in {text}");
    }
    // Twelve of each kind are shown, and how many more there are.
    for (count, more) in [(12, None), (13, Some("adds address: and 1 more\n"))] {
        let mut cell = Cell::ready();
        let addresses: Vec<String> = (0..count).map(|i| format!("0x{i:040x}")).collect();
        let update = cell.upload(LIST, &format!("{FIRST}\n{}", addresses.join("\n")));
        let text = String::from_utf8(cell.statement("alice", update.proposal()).payload).unwrap();
        assert_eq!(text.matches("adds address: 0x").count(), 12);
        assert_eq!(text.contains(" more\n"), more.is_some());
        assert!(more.is_none_or(|more| text.contains(more)), "{text}");
    }
    // A screen that showed fewer removals signed something else.
    let lie = signed_statement("alice", &text.replace("removes: 1", "removes: 0"));
    assert_eq!(cell.refuse(&lie), "UNKNOWN_SCREENING_UPDATE");
    let lie = signed_statement("alice", &text.replace(&format!("removes address: {FIRST}\n"), ""));
    assert_eq!(cell.refuse(&lie), "STATEMENT_MISMATCH");
}

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
fn version_never_goes_back_and_an_old_proposal_is_void() {
    let mut cell = Cell::ready();
    let shorter = cell.upload(LIST, PAYEE);
    let kept = cell.statement("bob", shorter.proposal());
    cell.update_list(&format!("{FIRST}\n0x{:040x}", 7));
    assert_eq!(cell.refuse(&kept), "VERSION_SUPERSEDED");
    assert_eq!(cell.refuse(&shorter.announced()), "VERSION_SUPERSEDED");
    // Going back is a version of its own.
    cell.update_list(FIRST);
    let (found, record) = cell.state.screening_list(&id(LIST)).unwrap();
    assert_eq!((found.hash(), record.versions.len()), (list(FIRST).hash(), 3));
    assert_eq!(record.versions.last().unwrap().removed, 1);
}

#[test]
fn second_proposal_for_the_same_version_is_superseded() {
    let mut cell = Cell::ready();
    let one = cell.upload(LIST, &format!("{FIRST}\n{PAYEE}"));
    let other = cell.upload(LIST, &format!("{FIRST}\n0x{:040x}", 7));
    let waiting = cell.statement("bob", other.proposal());
    let waiting = cell.accept(&waiting).ceremony.unwrap();
    cell.approved(one.proposal());
    let phase = cell.state.ceremony(&waiting).unwrap().phase_at(TimestampMs(cell.now));
    assert_eq!(phase, CeremonyPhase::Superseded);
}

#[test]
fn what_takes_an_address_off_needs_the_larger_quorum() {
    let mut genesis = document();
    genesis["quorums"]["extend-screening-list"] = json!({"withdrawal-approver": 2});
    genesis["quorums"]["reduce-screening-list"] = json!({"withdrawal-approver": 3});
    let mut cell = Cell::from_genesis(genesis_entry(&genesis).unwrap());
    cell.make_ready();
    cell.update_list(&format!("{FIRST}\n{PAYEE}"));
    assert!(cell.state.is_listed(&id(LIST), &payee()), "two are enough to add");
    let ceremony = cell.update_list(FIRST);
    assert_eq!(cell.state.ceremony(&ceremony).unwrap().kind.name(), "reduce-screening-list");
    assert!(cell.state.is_listed(&id(LIST), &payee()), "two are not enough to take off");
    let third = cell.statement("carol", StatementBody::ApproveCeremony(ceremony));
    cell.accept(&third);
    assert!(!cell.state.is_listed(&id(LIST), &payee()));
}

#[test]
fn genesis_cannot_make_taking_off_easier_than_adding() {
    let check = |extend: serde_json::Value, reduce: serde_json::Value| {
        let mut genesis = document();
        for (name, quorum) in [("extend-screening-list", extend), ("reduce-screening-list", reduce)] {
            if !quorum.is_null() {
                genesis["quorums"][name] = quorum;
            }
        }
        genesis_entry(&genesis).is_ok()
    };
    assert!(check(json!(null), json!(null)));
    assert!(check(
        json!({"withdrawal-approver": 2}),
        json!({"withdrawal-approver": 2, "security-officer": 1})
    ));
    assert!(!check(json!({"withdrawal-approver": 3}), json!({"withdrawal-approver": 2})));
    assert!(!check(json!({"withdrawal-approver": 2}), json!(null)), "the policy's quorum has no such role");
    assert!(!check(json!({"security-officer": 1}), json!(null)), "one person");
}

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
fn new_list_begins_with_a_ceremony_and_then_a_policy_may_name_it() {
    let mut cell = Cell::ready();
    let policy = cell.state.policy().source().replace("[\"ofac-eth\"]", "[\"ofac-eth\", \"scams\"]");
    let upload = || coordinator(PayloadKind::PolicyDocument, &json!({"cluster": "demo-1", "policy": policy}));
    assert_eq!(cell.refuse(&upload()), "POLICY_INVALID");
    let update = cell.upload("scams", PAYEE);
    assert_eq!((update.update.version, update.update.replaces), (0, None));
    cell.approved(update.proposal());
    assert!(cell.state.is_listed(&id("scams"), &payee()));
    cell.accept(&upload());
    let unknown = StatementBody::AddToScreeningList { list: id("nobody"), address: payee() };
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: "alice".parse().unwrap(),
        issued_at: TimestampMs(cell.now),
        expires_at: None,
        note: String::new(),
        body: unknown,
    };
    assert_eq!(cell.state.statement_text(&statement).unwrap_err().code().as_str(), "UNKNOWN_SCREENING_LIST");
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
fn proposal_is_about_exactly_one_update_that_waits() {
    type Change = fn(&mut ScreeningProposal);
    let mut cell = Cell::ready();
    let update = cell.upload(LIST, PAYEE);
    let changes: [Change; 6] = [
        |proposal| (proposal.list, proposal.version, proposal.replaces) = (id("scams"), 0, None),
        |proposal| proposal.version = 0,
        |proposal| proposal.result = list(FIRST).hash(),
        |proposal| proposal.delta = DeltaHash::from_bytes([9; 32]),
        |proposal| proposal.added = 2,
        |proposal| proposal.removed = 0,
    ];
    for change in changes {
        let StatementBody::ProposeScreening(mut proposal) = update.proposal() else { unreachable!() };
        change(&mut proposal);
        let statement = Statement {
            cluster: cell.state.cluster().clone(),
            officer: "alice".parse().unwrap(),
            issued_at: TimestampMs(cell.now),
            expires_at: Some(TimestampMs(cell.now + 1000)),
            note: String::new(),
            body: StatementBody::ProposeScreening(proposal),
        };
        let refusal = cell.state.statement_text(&statement).unwrap_err();
        assert_eq!(refusal.code().as_str(), "UNKNOWN_SCREENING_UPDATE");
    }
}

#[test]
fn version_that_takes_effect_ends_open_proposals_for_its_own_list_and_nothing_else() {
    let mut cell = Cell::ready();
    let wallet = cell.wallet_proposal("hot-9");
    let wallet = cell.proposed("alice", wallet);
    let scams = cell.upload("scams", &format!("0x{:040x}", 7));
    let other = cell.proposed("alice", scams.proposal());
    let first = cell.update_list(&format!("{FIRST}\n{PAYEE}"));
    let second = cell.update_list(FIRST);
    for (ceremony, phase) in [
        (first, CeremonyPhase::Activated),
        (second, CeremonyPhase::Activated),
        (wallet, CeremonyPhase::Proposed),
        (other, CeremonyPhase::Proposed),
    ] {
        assert_eq!(cell.phase(ceremony), phase);
    }
    let waiting: Vec<_> =
        cell.state.waiting_screening_updates().map(|waiting| waiting.update.delta).collect();
    assert_eq!(waiting, [scams.update.delta]);
    assert!(cell.restored().is_ok());
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
