//! Officers join and leave: rollback, removed officers, one person in two seats, keys that come back.

use serde_json::json;

use super::authority::{add_client, add_officer, remove_officer};
use super::cell::{Cell, PAYEE, document, genesis_entry, signed_statement};
use crate::*;

const OTHER: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";

#[test]
fn new_officer_counts_from_the_quorum_on_and_not_before() {
    let mut cell = Cell::new();
    let body = cell.roster_proposal(add_officer("dave", "dave"));
    let id = cell.proposed("alice", body);
    let pending = cell.whitelist_proposal(PAYEE);
    let early = cell.statement("dave", pending.clone());
    assert_eq!(cell.unauthentic(&early), "SIGNER_UNKNOWN");
    assert_eq!(cell.approve("alice", id), CeremonyPhase::Proposed);
    assert_eq!(cell.state.roster().version(), RosterVersion(1));
    assert_eq!(cell.approve("bob", id), CeremonyPhase::Activated);
    let roster = cell.state.roster();
    assert_eq!((roster.version(), roster.ceremony()), (RosterVersion(2), Some(id)));
    assert_eq!(roster.in_force_from(), cell.state.size());
    assert_eq!(cell.state.roster_at(cell.state.size() - 1).version(), RosterVersion(1));
    cell.proposed("dave", pending);
}

#[test]
fn roster_cannot_be_rolled_back_by_replaying_an_older_proposal() {
    let mut cell = Cell::new();
    let kept = cell.statement("alice", cell.roster_proposal(add_officer("mallory", "mallory")));
    let body = cell.roster_proposal(add_officer("eve", "eve"));
    let open = cell.proposed("bob", body);
    cell.approve("alice", open);
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(open));
    let used = cell.statement("alice", cell.roster_proposal(add_officer("dave", "dave")));
    let id = cell.accept(&used).ceremony.unwrap();
    cell.approve("alice", id);
    cell.approve("bob", id);
    assert_eq!(cell.refuse(&kept), "VERSION_SUPERSEDED");
    assert_eq!(cell.refuse(&used), "STATEMENT_ALREADY_USED");
    assert_eq!(cell.phase(open), CeremonyPhase::Superseded);
    assert_eq!(cell.refuse(&approval), "CEREMONY_PHASE");
    cell.change_roster(remove_officer("dave"));
    assert_eq!(cell.refuse(&kept), "VERSION_SUPERSEDED");
    assert_eq!(cell.state.roster().officers().len(), 3);
}

#[test]
fn same_version_number_in_another_history_does_not_do() {
    let (mut cell, mut fork) = (Cell::new(), Cell::new());
    cell.change_roster(add_officer("dave", "dave"));
    fork.change_roster(add_officer("erin", "erin"));
    let for_the_fork = fork.statement("alice", fork.roster_proposal(add_officer("frank", "frank")));
    assert_eq!(cell.refuse(&for_the_fork), "VERSION_SUPERSEDED");
}

#[test]
fn removed_officer_neither_proposes_nor_approves() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let open = cell.whitelist_proposal(PAYEE);
    let open = cell.proposed("alice", open);
    let proposal = cell.statement("dave", cell.whitelist_proposal(OTHER));
    let approval = cell.statement("dave", StatementBody::ApproveCeremony(open));
    cell.change_roster(remove_officer("dave"));
    for envelope in [proposal, approval] {
        assert_eq!(cell.unauthentic(&envelope), "SIGNER_UNKNOWN");
    }
}

#[test]
fn approval_of_a_removed_officer_counts_no_more_in_an_open_ceremony() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let body = cell.whitelist_proposal(PAYEE);
    let id = cell.proposed("alice", body);
    cell.approve("dave", id);
    cell.change_roster(remove_officer("dave"));
    assert_eq!(cell.approve("alice", id), CeremonyPhase::Proposed);
    assert_eq!(cell.approve("bob", id), CeremonyPhase::Activated);
}

#[test]
fn officer_of_the_same_name_does_not_revive_what_the_removed_one_approved() {
    let mut cell = Cell::ready();
    cell.change_roster(add_officer("dave", "dave"));
    let large = cell.request("k-1", 9_000);
    let large = cell.ask(&large);
    for officer in ["carol", "dave"] {
        assert_eq!(cell.state_of(large), WithdrawalState::Held);
        let approval = cell.statement(officer, StatementBody::ApproveHold(large));
        cell.accept(&approval);
    }
    assert_eq!(cell.state_of(large), WithdrawalState::Bound);
    cell.change_roster(remove_officer("dave"));
    cell.change_roster(add_officer("dave", "dave-2"));
    let authorize = cell.authorize(large);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(large), WithdrawalState::Held, "{:?}", cell.withdrawal(large).decision);
}

#[test]
fn node_does_not_sign_on_the_approval_of_an_officer_who_left() {
    let mut cell = Cell::ready();
    let large = cell.request("k-1", 9_000);
    let large = cell.ask(&large);
    for officer in ["carol", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveHold(large));
        cell.accept(&approval);
    }
    let authorize = cell.authorize(large);
    cell.accept(&authorize);
    let at = holdfast_policy::TimestampMs(cell.now);
    cell.state.authorized_withdrawal(&large, 0, at).unwrap();
    cell.change_roster(remove_officer("carol"));
    let refusal = cell.state.authorized_withdrawal(&large, 0, at).unwrap_err();
    assert_eq!(refusal.code(), "POLICY_REFUSES");
}

#[test]
fn proposal_of_an_officer_who_left_ends() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let body = cell.whitelist_proposal(PAYEE);
    let id = cell.proposed("dave", body);
    let approval = cell.statement("alice", StatementBody::ApproveCeremony(id));
    cell.change_roster(remove_officer("dave"));
    assert_eq!(cell.phase(id), CeremonyPhase::Superseded);
    assert_eq!(cell.refuse(&approval), "CEREMONY_PHASE");
}

#[test]
fn key_generation_ends_when_its_quorum_leaves() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let body = cell.wallet_proposal("hot-1");
    let id = cell.proposed("alice", body.clone());
    cell.approve("dave", id);
    assert_eq!(cell.approve("alice", id), CeremonyPhase::Approved);
    cell.state.approved_keygen(&id).unwrap();
    cell.change_roster(remove_officer("dave"));
    assert_eq!(cell.phase(id), CeremonyPhase::Superseded);
    assert!(cell.state.approved_keygen(&id).is_err());
    assert_eq!(cell.refuse(&super::cell::confirmation(id, "hot-1", 1, "aa")), "CEREMONY_PHASE");
    cell.now += 1;
    cell.proposed("alice", body);
}

#[test]
fn key_generation_goes_on_when_another_officer_leaves() {
    let mut cell = Cell::new();
    let body = cell.wallet_proposal("hot-1");
    let id = cell.approved(body);
    cell.change_roster(remove_officer("carol"));
    assert_eq!(cell.phase(id), CeremonyPhase::Approved);
}

#[test]
fn one_person_with_two_roles_fills_one_seat() {
    let mut document = document();
    document["quorums"]["change-roster"] = json!({"security-officer": 1, "withdrawal-approver": 1});
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    let body = cell.roster_proposal(add_officer("dave", "dave"));
    let id = cell.proposed("alice", body);
    assert_eq!(cell.approve("alice", id), CeremonyPhase::Proposed);
    cell.now += 1;
    let again = cell.statement("alice", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&again), "ALREADY_APPROVED");
    assert_eq!(cell.approve("carol", id), CeremonyPhase::Activated);
}

#[test]
fn one_key_never_comes_under_two_names_nor_comes_back() {
    let mut cell = Cell::new();
    assert_eq!(cell.refused_change(add_officer("alice-2", "alice")), "KEY_ALREADY_USED");
    cell.change_roster(remove_officer("carol"));
    assert_eq!(cell.refused_change(add_officer("carol", "carol")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_client(&cell, "c-2", "pipeline")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_client(&cell, "c-2", "carol")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_client(&cell, "c-2", "message-2")), "KEY_ALREADY_USED");
    assert_eq!(cell.refused_change(add_client(&cell, "c-2", "sessions")), "KEY_ALREADY_USED");
    cell.change_roster(add_officer("carol", "carol-2"));
}

#[test]
fn officer_without_whom_a_quorum_can_never_be_met_stays() {
    let mut cell = Cell::new();
    assert_eq!(cell.refused_change(remove_officer("bob")), "QUORUM_UNFILLABLE");
    cell.change_roster(add_officer("dave", "dave"));
    cell.change_roster(remove_officer("bob"));
    assert_eq!(cell.refused_change(remove_officer("dave")), "QUORUM_UNFILLABLE");
}

#[test]
fn names_that_are_taken_or_unknown_are_refused() {
    let mut cell = Cell::new();
    assert_eq!(cell.refused_change(add_officer("carol", "carol-2")), "ALREADY_EXISTS");
    assert_eq!(cell.refused_change(add_client(&cell, "other", "other-2")), "ALREADY_EXISTS");
    let unknown = StatementBody::ProposeRosterChange(Box::new(RosterProposal {
        version: cell.state.roster().version(),
        digest: cell.state.roster().digest(),
        change: remove_officer("nobody"),
    }));
    let statement = Statement {
        cluster: cell.state.cluster().clone(),
        officer: "alice".parse().unwrap(),
        issued_at: holdfast_policy::TimestampMs(cell.now),
        expires_at: Some(holdfast_policy::TimestampMs(cell.now + 1)),
        note: String::new(),
        body: unknown,
    };
    assert_eq!(cell.state.statement_text(&statement).unwrap_err().code(), RejectionCode::UnknownParty);
}

#[test]
fn change_for_another_cluster_or_with_other_words_is_refused() {
    let mut cell = Cell::new();
    let body = cell.roster_proposal(add_officer("dave", "dave"));
    let proposal = cell.statement("alice", body);
    let text = String::from_utf8(proposal.payload.clone()).unwrap();
    let elsewhere = text.replace("cluster: demo-1", "cluster: demo-2");
    assert_eq!(cell.refuse(&signed_statement("alice", &elsewhere)), "CLUSTER_MISMATCH");
    let mallory = super::authority::officer_key("mallory");
    let key = super::authority::officer_key("dave").to_openssh();
    let swapped = text.replace(&key, &mallory.to_openssh());
    assert_eq!(cell.refuse(&signed_statement("alice", &swapped)), "STATEMENT_MISMATCH");
    let id = cell.accept(&proposal).ceremony.unwrap();
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(id));
    let text = String::from_utf8(approval.payload).unwrap();
    assert!(text.contains(&key), "{text}");
    let other_key = text.replace(&key, &mallory.to_openssh());
    assert_eq!(cell.refuse(&signed_statement("bob", &other_key)), "STATEMENT_MISMATCH");
}

#[test]
fn officer_reads_everything_that_a_new_officer_brings() {
    let cell = Cell::new();
    let proposal = cell.statement("alice", cell.roster_proposal(add_officer("dave", "dave")));
    let text = String::from_utf8(proposal.payload).unwrap();
    let key = super::authority::officer_key("dave");
    let expected = format!(
        "Holdfast statement v1\ncluster: demo-1\naction: propose to change the roster\nroster version: 1\nroster: {}\n\
         change: add an officer\nname: dave\nrole: security-officer\nrole: withdrawal-approver\nkey: {}\n\
         key fingerprint: {}\nofficer: alice\nissued: 2025-11-21T04:40:01.000Z\nexpires: 2025-11-21T05:40:01.000Z\n",
        cell.state.roster().digest(),
        key.to_openssh(),
        key.fingerprint()
    );
    assert_eq!(text, expected);
}

#[test]
fn roster_digest_covers_every_version_before_it() {
    let mut cell = Cell::new();
    let first = cell.state.roster().digest();
    cell.change_roster(add_officer("dave", "dave"));
    cell.change_roster(remove_officer("dave"));
    assert_ne!(cell.state.roster().digest(), first);
    let json = serde_json::to_vec(cell.state.roster()).unwrap();
    let read: Roster = serde_json::from_slice(&json).unwrap();
    assert_eq!(&read, cell.state.roster());
    assert_eq!(read.digest(), cell.state.roster().digest());
}

#[test]
fn removed_officers_approvals_are_struck_out_and_the_others_stay() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let body = cell.wallet_proposal("hot-1");
    let id = cell.proposed("alice", body);
    cell.approve("bob", id);
    let before: Vec<_> = cell.state.ceremony(&id).unwrap().approvals.clone();
    assert_eq!(before.len(), 1);
    cell.change_roster(remove_officer("carol"));
    assert_eq!(cell.state.ceremony(&id).unwrap().approvals, before);
    cell.change_roster(remove_officer("bob"));
    assert!(cell.state.ceremony(&id).unwrap().approvals.is_empty());
}

#[test]
fn key_generation_goes_on_when_only_its_proposer_leaves() {
    let mut cell = Cell::new();
    cell.change_roster(add_officer("dave", "dave"));
    let body = cell.wallet_proposal("hot-1");
    let id = cell.proposed("alice", body);
    cell.approve("bob", id);
    assert_eq!(cell.approve("dave", id), CeremonyPhase::Approved);
    cell.change_roster(remove_officer("alice"));
    assert_eq!(cell.phase(id), CeremonyPhase::Approved);
}

#[test]
fn ceremonies_that_a_change_leaves_alone_are_no_part_of_it() {
    let mut cell = Cell::new();
    let body = cell.wallet_proposal("hot-1");
    cell.proposed("alice", body);
    let (roster, by) = (cell.state.roster(), CeremonyId::of(&StatementDigest::of(b"another")));
    let ended = cell.state.ended_by(roster, &add_officer("dave", "dave"), by, cell.state.last_time());
    assert!(ended.is_empty());
}

#[test]
fn change_of_the_roster_ends_no_ceremony_that_is_over() {
    let mut cell = Cell::new();
    let first = cell.change_roster(add_officer("dave", "dave"));
    let body = cell.roster_proposal(add_officer("erin", "erin"));
    let lapsed = cell.proposed("bob", body);
    cell.now += 3_600_000;
    cell.change_roster(add_officer("frank", "frank"));
    assert_eq!(cell.phase(first), CeremonyPhase::Activated);
    assert_eq!(cell.phase(lapsed), CeremonyPhase::Expired);
}
