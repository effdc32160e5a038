//! Ceremonies: quorums, phases, contradictions, pauses and resumptions.

use std::collections::BTreeSet;

use holdfast_policy::{TimestampMs, WalletId};
use serde_json::json;

use super::cell::{Cell, confirmation, coordinator, signed_statement};
use crate::*;

fn proposal(cell: &Cell, wallet: &str) -> StatementBody {
    let nodes = cell.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
    let wallet = WalletId::new(wallet).unwrap();
    StatementBody::ProposeWallet(WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes })
}

#[test]
fn wallet_is_active_only_after_two_officers_and_three_equal_confirmations() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let proposed = cell.statement("alice", body);
    let id = cell.accept(&proposed).ceremony.unwrap();
    let activate = coordinator(
        PayloadKind::EpochActivated,
        &json!({"cluster": "demo-1", "ceremony": id, "wallet": "hot-1", "epoch": 0}),
    );
    assert_eq!(cell.refuse(&confirmation(id, "hot-1", 1, "aa")), "CEREMONY_PHASE");
    let by_alice = cell.statement("alice", StatementBody::ApproveCeremony(id));
    cell.accept(&by_alice);
    assert_eq!(cell.refuse(&by_alice), "STATEMENT_ALREADY_USED");
    cell.now += 1;
    let again = cell.statement("alice", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&again), "ALREADY_APPROVED");
    let by_bob = cell.statement("bob", StatementBody::ApproveCeremony(id));
    cell.accept(&by_bob);
    for node in 1..=2 {
        cell.accept(&confirmation(id, "hot-1", node, "aa"));
    }
    assert_eq!(cell.refuse(&activate), "CEREMONY_PHASE");
    cell.accept(&confirmation(id, "hot-1", 3, "aa"));
    assert!(cell.state.wallet(&WalletId::new("hot-1").unwrap()).is_none());
    cell.accept(&activate);
    assert!(cell.state.wallet(&WalletId::new("hot-1").unwrap()).is_some());
}

#[test]
fn one_contradicting_confirmation_fails_the_ceremony_for_good() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let id = cell.approved(body);
    cell.accept(&confirmation(id, "hot-1", 1, "aa"));
    cell.accept(&confirmation(id, "hot-1", 2, "bb"));
    assert_eq!(cell.state.ceremony(&id).unwrap().phase_at(TimestampMs(cell.now)), CeremonyPhase::Failed);
    assert_eq!(cell.refuse(&confirmation(id, "hot-1", 3, "aa")), "CEREMONY_PHASE");
}

#[test]
fn officer_without_a_role_in_the_quorum_neither_proposes_nor_approves() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let by_carol = cell.statement("carol", body.clone());
    assert_eq!(cell.refuse(&by_carol), "SIGNER_NOT_AUTHORIZED");
    let by_alice = cell.statement("alice", body);
    let id = cell.accept(&by_alice).ceremony.unwrap();
    let approval = cell.statement("carol", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&approval), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn approval_of_other_words_than_the_proposal_is_refused() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let proposed = cell.statement("alice", body);
    let id = cell.accept(&proposed).ceremony.unwrap();
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(id));
    let text = String::from_utf8(approval.payload).unwrap();
    for (shown, signed) in [("threshold: 2 of 3", "threshold: 3 of 3"), ("wallet: hot-1", "wallet: cold-1")] {
        assert_eq!(cell.refuse(&signed_statement("bob", &text.replace(shown, signed))), "STATEMENT_MISMATCH");
    }
    let elsewhere = text.replace("cluster: demo-1", "cluster: demo-2");
    assert_eq!(cell.refuse(&signed_statement("bob", &elsewhere)), "CLUSTER_MISMATCH");
    let for_alice = text.replace("officer: bob", "officer: alice");
    assert_eq!(cell.refuse(&signed_statement("bob", &for_alice)), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn expired_proposals_and_statements_accept_nothing() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let proposed = cell.statement("alice", body);
    let id = cell.accept(&proposed).ceremony.unwrap();
    let early = cell.statement("bob", StatementBody::ApproveCeremony(id));
    cell.now += 3_600_000;
    assert_eq!(cell.refuse(&early), "STATEMENT_EXPIRED");
    let late = cell.statement("bob", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&late), "CEREMONY_PHASE");
}

#[test]
fn resume_lifts_only_the_pauses_it_names() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
    cell.accept(&pause);
    assert_eq!(cell.refuse(&pause), "STATEMENT_ALREADY_USED");
    let lifts: Vec<_> =
        cell.state.wallet(&wallet).unwrap().pauses.iter().map(|pause| pause.statement).collect();
    let resume = cell.statement("alice", StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
    let id = cell.accept(&resume).ceremony.unwrap();
    cell.now += 1;
    let second = cell.statement("bob", StatementBody::PauseWallet(wallet.clone()));
    cell.accept(&second);
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(id));
        cell.accept(&approval);
    }
    let left = &cell.state.wallet(&wallet).unwrap().pauses;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].by.officer().unwrap().as_str(), "bob");
}

#[test]
fn whitelist_entry_is_revoked_by_one_officer_at_once() {
    let mut cell = Cell::ready();
    let entry = cell.whitelist("0xdD870fA1b7C4700F2BD7f44238821C26f7392148", 1_000_000);
    let revoke = cell.statement("carol", StatementBody::RevokeWhitelistEntry(entry.clone()));
    cell.accept(&revoke);
    cell.now += 1;
    let again = cell.statement("carol", StatementBody::RevokeWhitelistEntry(entry));
    assert_eq!(cell.refuse(&again), "ALREADY_RECORDED");
    let listed = cell.state.whitelist().filter(|entry| entry.revoked_at.is_some()).count();
    assert_eq!(listed, 1);
}

#[test]
fn replay_of_the_same_log_gives_the_same_state() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    let mut replayed = State::from_genesis(&cell.log[0]).unwrap();
    for entry in &cell.log[1..] {
        replayed.apply(entry).unwrap();
    }
    assert_eq!(format!("{:?}", replayed.withdrawals), format!("{:?}", cell.state.withdrawals));
    assert_eq!(format!("{:?}", replayed.wallets), format!("{:?}", cell.state.wallets));
}

#[test]
fn wallet_that_was_paused_very_often_can_still_be_resumed() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    for newcomer in ["dave", "erin"] {
        cell.change_roster(super::authority::add_officer(newcomer, newcomer));
    }
    for officer in ["alice", "bob", "carol", "dave", "erin"] {
        for _ in 0..8 {
            cell.now += 1;
            let pause = cell.statement(officer, StatementBody::PauseWallet(wallet.clone()));
            cell.accept(&pause);
        }
    }
    for left in [8, 0] {
        let pauses = &cell.state.wallet(&wallet).unwrap().pauses;
        let lifts: Vec<_> = pauses.iter().take(MAX_LIFTS).map(|pause| pause.statement).collect();
        cell.now += 1;
        cell.approved(StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
        assert_eq!(cell.state.wallet(&wallet).unwrap().pauses.len(), left);
    }
}

/// Carol makes this many pauses, the log takes what it takes.
fn pauses_by_carol(cell: &mut Cell, count: usize) -> BTreeSet<StatementDigest> {
    let wallet = WalletId::new("hot-1").unwrap();
    let mut digests = BTreeSet::new();
    for number in 1..=count {
        cell.now += 1;
        let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
        digests.insert(StatementDigest::of(&pause.payload));
        if number <= 8 {
            cell.accept(&pause);
        } else {
            assert_eq!(cell.refuse(&pause), "WALLET_PAUSE_STATE", "pause {number}");
        }
    }
    digests
}

#[test]
fn ninth_pause_of_one_officer_is_refused_and_everything_is_lifted_in_three_resumes() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    // Given an officer who made as many pauses as a node has latches for, beside those that the log took
    let mut left = pauses_by_carol(&mut cell, 8 + 64);
    assert_eq!(cell.state.wallet(&wallet).unwrap().pauses.len(), 8);
    // Then each resume lifts as many as it can name
    for remaining in [40, 8, 0] {
        let logged: Vec<_> =
            cell.state.wallet(&wallet).unwrap().pauses.iter().map(|pause| pause.statement).collect();
        let delivered = left.iter().filter(|digest| !logged.contains(digest)).copied();
        let lifts: Vec<_> = logged.iter().copied().chain(delivered).take(MAX_LIFTS).collect();
        left.retain(|digest| !lifts.contains(digest));
        cell.now += 1;
        cell.approved(StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
        assert_eq!(left.len(), remaining);
    }
    assert!(!cell.state.wallet(&wallet).unwrap().is_paused());
}

#[test]
fn officers_pauses_neither_use_up_anothers_nor_those_of_who_comes_after() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    let pauses = pauses_by_carol(&mut cell, 9);
    let by_bob = cell.statement("bob", StatementBody::PauseWallet(wallet.clone()));
    cell.accept(&by_bob);
    // On another wallet
    cell.create_wallet("hot-2");
    let elsewhere = cell.statement("carol", StatementBody::PauseWallet("hot-2".parse().unwrap()));
    cell.accept(&elsewhere);
    // Under the same name with another key
    cell.change_roster(super::authority::remove_officer("carol"));
    cell.change_roster(super::authority::add_officer("carol", "carol-2"));
    cell.now += 1;
    let text = cell.statement("carol", StatementBody::PauseWallet(wallet.clone())).payload;
    cell.accept(&super::cell::signed_by_key("carol", "carol-2", &String::from_utf8(text).unwrap()));
    assert_eq!(cell.state.wallet(&wallet).unwrap().pauses.len(), pauses.len() + 1);
}

#[test]
fn resume_that_leaves_an_older_pause_out_is_refused() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    for _ in 0..2 {
        cell.now += 1;
        let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
        cell.accept(&pause);
    }
    let newest = cell.state.wallet(&wallet).unwrap().pauses[1].statement;
    let resume = cell.statement("alice", StatementBody::ProposeResume { wallet, lifts: vec![newest] });
    assert_eq!(cell.refuse(&resume), "WALLET_PAUSE_STATE");
}

#[test]
fn resume_also_names_pauses_that_only_nodes_have_and_they_act_no_more() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    let mut pause = || {
        cell.now += 1;
        let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
        (StatementDigest::of(&pause.payload), pause)
    };
    let ((logged, envelope), (one, kept_back), (two, _)) = (pause(), pause(), pause());
    cell.accept(&envelope);
    let (small, large) = if one < two { (one, two) } else { (two, one) };
    // Not before the pauses in force, not out of order, not twice
    for lifts in
        [vec![small, logged], vec![logged, large, small], vec![logged, small, small], vec![logged, logged]]
    {
        cell.now += 1;
        let resume = cell.statement("alice", StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
        assert_eq!(cell.refuse(&resume), "WALLET_PAUSE_STATE");
    }
    assert!(!cell.state.resumed_before(&wallet, &one));
    cell.approved(StatementBody::ProposeResume { wallet: wallet.clone(), lifts: vec![logged, small, large] });
    assert!(!cell.state.wallet(&wallet).unwrap().is_paused());
    assert!(cell.state.resumed_before(&wallet, &one) && cell.state.resumed_before(&wallet, &two));
    // What came too late stays lifted
    assert_eq!(cell.refuse(&kept_back), "STATEMENT_ALREADY_USED");
    assert!(!cell.state.wallet(&wallet).unwrap().is_paused());
    // And a pause that the log got while officers approved is lifted with the others
    cell.now += 1;
    let between = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
    let lifts = vec![StatementDigest::of(&between.payload)];
    let resume = cell.statement("alice", StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
    let id = cell.accept(&resume).ceremony.unwrap();
    cell.accept(&between);
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(id));
        cell.accept(&approval);
    }
    assert!(!cell.state.wallet(&wallet).unwrap().is_paused());
}

#[test]
fn key_generation_that_never_finishes_frees_its_name() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let id = cell.approved(body.clone());
    cell.now += 1;
    let too_early = cell.statement("alice", body.clone());
    assert_eq!(cell.refuse(&too_early), "ALREADY_EXISTS");
    cell.now += 8 * 24 * 3_600_000;
    assert_eq!(cell.state.ceremony(&id).unwrap().phase_at(TimestampMs(cell.now)), CeremonyPhase::Expired);
    cell.session(false, false);
    let again = cell.statement("alice", body);
    cell.accept(&again);
    assert_eq!(cell.refuse(&confirmation(id, "hot-1", 1, "aa")), "CEREMONY_PHASE");
}

#[test]
fn log_tells_by_which_entries_something_took_effect() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    cell.now += 1;
    let renewed = cell.whitelist(super::cell::PAYEE, 2_000_000);
    let footings = cell.state.whitelist_footings(&id, TimestampMs(cell.now));
    let [places] = footings.as_slice() else { panic!("{footings:?}") };
    let [covering] = places.as_slice() else { panic!("{places:?}") };
    assert_eq!(covering.len(), 2);
    assert_eq!(covering[0], renewed);
    let added = cell.state.whitelist_ceremony(&renewed).unwrap();
    assert_eq!(added.whitelist_entry.as_ref(), Some(&renewed));
    assert_eq!(added.quorum_met.unwrap().index, cell.state.size() - 1);
    assert_eq!(added.approvals.last().unwrap().index, cell.state.size() - 1);
    assert!(added.approvals.iter().all(|approval| approval.expires_at.0 > cell.now));
    let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
    cell.accept(&pause);
    assert_eq!(cell.state.resumes(&wallet).count(), 0);
    let lifts = cell.state.wallet(&wallet).unwrap().pauses.iter().map(|pause| pause.statement).collect();
    let resume = cell.approved(StatementBody::ProposeResume { wallet: wallet.clone(), lifts });
    assert!(cell.state.resumes(&wallet).map(|ceremony| ceremony.id).eq([resume]));
    assert_eq!(cell.state.authority_ceremonies().count(), 0);
    let change = cell.change_roster(super::authority::add_officer("dave", "dave"));
    assert!(cell.state.authority_ceremonies().map(|ceremony| ceremony.id).eq([change]));
}

#[test]
fn ceremony_lapses_at_its_very_expiry() {
    let mut cell = Cell::new();
    let body = proposal(&cell, "hot-1");
    let proposed = cell.statement("alice", body);
    let id = cell.accept(&proposed).ceremony.unwrap();
    let expiry = cell.state.ceremony(&id).unwrap().expires_at;
    let shows = |cell: &Cell, end: u64, phase| {
        let ceremony = cell.state.ceremony(&id).unwrap();
        assert_eq!(ceremony.phase_at(TimestampMs(end - 1)), phase);
        assert!(ceremony.is_open_at(TimestampMs(end - 1)));
        assert_eq!(ceremony.phase_at(TimestampMs(end)), CeremonyPhase::Expired);
        assert!(!ceremony.is_open_at(TimestampMs(end)), "what lapsed is not superseded later");
    };
    shows(&cell, expiry.0, CeremonyPhase::Proposed);
    for officer in ["alice", "bob"] {
        let approval = cell.statement(officer, StatementBody::ApproveCeremony(id));
        cell.accept(&approval);
    }
    let week = 7 * 24 * 60 * 60 * 1000;
    shows(&cell, expiry.0 + week, CeremonyPhase::Approved);
}

#[test]
fn resume_that_lifts_nothing_is_refused() {
    let mut cell = Cell::ready();
    let wallet = WalletId::new("hot-1").unwrap();
    let pause = cell.statement("carol", StatementBody::PauseWallet(wallet.clone()));
    cell.accept(&pause);
    let nothing = cell.statement("alice", StatementBody::ProposeResume { wallet, lifts: Vec::new() });
    assert_eq!(cell.refuse(&nothing), "WALLET_PAUSE_STATE");
}

#[test]
fn statement_for_another_cell_sets_no_latch() {
    let cell = Cell::ready();
    let envelope = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
    let act = verify_act(cell.state.roster(), &envelope).unwrap();
    let Ok(Act::Statement { statement, .. }) = act.act() else { panic!("not a statement") };
    let elsewhere = Statement { cluster: "demo-2".parse().unwrap(), ..statement.clone() };
    let text = cell.state.statement_text(&elsewhere).unwrap();
    assert_eq!(
        cell.state.check_protective(&elsewhere, &text).unwrap_err().code().as_str(),
        "CLUSTER_MISMATCH"
    );
}

#[test]
fn slip_is_no_evidence_and_an_attack_is() {
    use RejectionCode as Code;
    for slip in [Code::AlreadyRecorded, Code::FieldInvalid, Code::UnknownWallet, Code::CeremonyPhase] {
        assert!(!slip.is_evidence(), "{slip:?}");
    }
    for attack in [
        Code::Transaction("TRANSACTION_AMOUNT_MISMATCH"),
        Code::IdempotencyKeyReused,
        Code::StatementMismatch,
        Code::WithdrawalTombstoned,
    ] {
        assert!(attack.is_evidence(), "{attack:?}");
    }
}
