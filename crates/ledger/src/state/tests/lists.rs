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

mod additions;
mod kept;
mod updates;

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
