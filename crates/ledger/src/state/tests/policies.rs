//! Policies: uploads mean nothing, the quorum's hash does; rollback, mismatches, documents that do not parse.

use holdfast_policy::{PolicyHash, PolicyVersion, TimestampMs};
use serde_json::json;

use super::cell::{Cell, coordinator, document, genesis_entry, sign, signed_statement};
use crate::*;

const DEMO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/fixtures/demo-policy.toml"));

/// The demo policy with another automatic limit for USDT.
fn limit(usdt: u64) -> String {
    DEMO.replace(
        "hold_above = { amount = \"5000000000\"",
        &format!("hold_above = {{ amount = \"{usdt}000000\""),
    )
}

fn hash(policy: &str) -> PolicyHash {
    holdfast_policy::PolicyDocument::parse(policy).unwrap().hash()
}

pub(super) fn uploading(policy: &str) -> holdfast_log::Envelope {
    coordinator(PayloadKind::PolicyDocument, &json!({"cluster": "demo-1", "policy": policy}))
}

/// What the ledger cannot tell: any numbers over these entries.
fn claim(size: u64) -> BacktestClaim {
    let before = Before { before: 3, after: 4 };
    let digest = "ab".repeat(32).parse().unwrap();
    BacktestClaim { size, digest, decided: 9, flips: 2, customers: 1, held: before, denied: before }
}

impl Cell {
    pub(super) fn policy_proposal(&self, policy: &str) -> StatementBody {
        let proposal = self.state.policy_proposal(&hash(policy), claim(self.state.size()));
        StatementBody::ProposePolicy(proposal.unwrap())
    }

    pub(super) fn change_policy(&mut self, policy: &str) -> CeremonyId {
        self.accept(&uploading(policy));
        self.now += 1;
        let body = self.policy_proposal(policy);
        self.approved(body)
    }
}

#[test]
fn policy_takes_effect_when_the_quorum_is_met_and_not_when_it_is_uploaded() {
    let mut cell = Cell::ready();
    let strict = limit(1000);
    cell.accept(&uploading(&strict));
    assert_eq!((cell.state.policy_version(), cell.state.policy_digest()), (PolicyVersion(1), hash(DEMO)));
    let request = cell.request("k-1", 1250);
    let early = cell.ask(&request);
    assert_eq!(cell.state_of(early), WithdrawalState::Bound);
    let body = cell.policy_proposal(&strict);
    let id = cell.approved(body);
    assert_eq!((cell.state.policy_version(), cell.state.policy_digest()), (PolicyVersion(2), hash(&strict)));
    let record = cell.state.policies().last().unwrap();
    assert_eq!((record.ceremony, record.in_force_from), (Some(id), cell.state.size()));
    assert!(cell.state.uploaded_policies().is_empty());
    let request = cell.request("k-2", 1250);
    let late = cell.ask(&request);
    assert_eq!(cell.state_of(late), WithdrawalState::Held);
    // What the old policy allowed is decided again by the new one.
    let authorize = cell.authorize(early);
    cell.accept(&authorize);
    assert_eq!(cell.state_of(early), WithdrawalState::Held);
    assert_eq!(cell.withdrawal(early).decision.policy_version, PolicyVersion(2));
}

#[test]
fn node_refuses_by_the_new_policy_what_the_old_one_authorized() {
    let mut cell = Cell::ready();
    let request = cell.request("k-1", 1250);
    let id = cell.ask(&request);
    let authorize = cell.authorize(id);
    cell.accept(&authorize);
    cell.change_policy(&limit(1000));
    let refusal = cell.state.authorized_withdrawal(&id, 0, TimestampMs(cell.now)).unwrap_err();
    assert_eq!(refusal.code(), "POLICY_REFUSES");
}

#[test]
fn policy_cannot_be_rolled_back_by_replaying_an_older_proposal() {
    let mut cell = Cell::ready();
    let (lax, strict) = (limit(9000), limit(1000));
    cell.accept(&uploading(&lax));
    let kept = cell.statement("bob", cell.policy_proposal(&lax));
    cell.now += 1;
    let used = cell.statement("alice", cell.policy_proposal(&lax));
    let id = cell.accept(&used).ceremony.unwrap();
    let by_alice = cell.statement("alice", StatementBody::ApproveCeremony(id));
    cell.change_policy(&strict);
    assert_eq!(cell.phase(id), CeremonyPhase::Superseded);
    assert_eq!(cell.refuse(&by_alice), "CEREMONY_PHASE");
    assert_eq!(cell.refuse(&used), "STATEMENT_ALREADY_USED");
    // The demo document is in force no more, so it can be uploaded again; the old proposal for it stays void.
    assert_eq!(cell.refuse(&kept), "VERSION_SUPERSEDED");
    cell.change_policy(DEMO);
    assert_eq!(cell.refuse(&kept), "VERSION_SUPERSEDED");
    assert_eq!(cell.state.policy_version(), PolicyVersion(3));
}

#[test]
fn proposal_that_names_another_policy_in_force_is_void() {
    let mut cell = Cell::ready();
    let strict = limit(1000);
    cell.accept(&uploading(&strict));
    for (version, replaces) in [(2, hash(DEMO)), (1, hash(&limit(7)))] {
        let StatementBody::ProposePolicy(proposal) = cell.policy_proposal(&strict) else { panic!() };
        let proposal = PolicyProposal { version: PolicyVersion(version), replaces, ..proposal };
        let statement = cell.statement("alice", StatementBody::ProposePolicy(proposal));
        assert_eq!(cell.refuse(&statement), "VERSION_SUPERSEDED");
    }
}

#[test]
fn hash_without_its_document_is_refused() {
    let mut cell = Cell::ready();
    let strict = limit(1000);
    cell.accept(&uploading(&strict));
    let text = String::from_utf8(cell.statement("alice", cell.policy_proposal(&strict)).payload).unwrap();
    let other = text.replace(&hash(&strict).to_string(), &hash(&limit(9000)).to_string());
    assert_eq!(cell.refuse(&signed_statement("alice", &other)), "UNKNOWN_POLICY");
    let elsewhere = text.replace("cluster: demo-1", "cluster: demo-2");
    assert_eq!(cell.refuse(&signed_statement("alice", &elsewhere)), "CLUSTER_MISMATCH");
}

#[test]
fn document_that_cannot_be_read_or_is_another_cells_is_refused() {
    let mut cell = Cell::ready();
    let unknown_list = DEMO.replace("ofac-eth", "unknown-list");
    let long = format!("{DEMO}\n# {}", "x".repeat(32_768));
    for bad in ["version = 1", "", &DEMO.replace("hold_at", "hold_ta"), &unknown_list, &long] {
        assert_eq!(cell.refuse(&uploading(bad)), "POLICY_INVALID", "{}", bad.len());
    }
    let payload = json!({"cluster": "demo-2", "policy": limit(1000)});
    assert_eq!(cell.refuse(&coordinator(PayloadKind::PolicyDocument, &payload)), "CLUSTER_MISMATCH");
    let payload = json!({"cluster": "demo-1", "policy": limit(1000)});
    let by_client = sign(PayloadKind::PolicyDocument, &payload, "client", "pipeline");
    assert_eq!(cell.unauthentic(&by_client), "SIGNER_UNKNOWN");
    assert_eq!(cell.refuse(&uploading(DEMO)), "ALREADY_RECORDED");
    cell.accept(&uploading(&limit(1000)));
    assert_eq!(cell.refuse(&uploading(&limit(1000))), "ALREADY_RECORDED");
}

#[test]
fn sixteen_documents_wait_at_most() {
    let mut cell = Cell::ready();
    for usdt in 1..=17 {
        cell.accept(&uploading(&limit(usdt)));
    }
    let waiting: Vec<_> =
        cell.state.uploaded_policies().iter().map(|upload| upload.document.hash()).collect();
    assert_eq!(waiting.len(), 16);
    assert_eq!((waiting[0], waiting[15]), (hash(&limit(2)), hash(&limit(17))));
}

#[test]
fn officer_without_a_role_in_the_quorum_does_not_change_the_policy() {
    let mut cell = Cell::ready();
    let strict = limit(1000);
    cell.accept(&uploading(&strict));
    let by_carol = cell.statement("carol", cell.policy_proposal(&strict));
    assert_eq!(cell.refuse(&by_carol), "SIGNER_NOT_AUTHORIZED");
}

#[test]
fn officer_reads_versions_hashes_diff_backtest_and_what_changes() {
    let mut cell = Cell::ready();
    let next = limit(1000)
        .replace("id = \"eth-limit\"", "id = \"ether-limit\"")
        .replace("hold_at = 40", "hold_at = 41");
    cell.accept(&uploading(&next));
    let (size, diff) = (cell.state.size(), cell.state.policy_diff(&hash(&next)).unwrap().digest());
    let text = String::from_utf8(cell.statement("alice", cell.policy_proposal(&next)).payload).unwrap();
    let expected = format!(
        "action: propose to change the policy\npolicy version: 1\npolicy: {}\nnew policy: {}\ndiff: {diff}\nbacktest: {}\n\
         backtest size: {size}\nbacktest decided: 9\nbacktest flips: 2\nbacktest customers: 1\nbacktest held: 3 -> 4\n\
         backtest denied: 3 -> 4\nnew policy version: 2\nnew policy bytes: {}\nquorum: change-policy\n\
         changes that loosen: 2\nchanges that tighten: 2\n\
         loosens: restriction eth-limit: removed (limit_per_transaction)\nloosens: restriction risk: hold_at 40 -> 41\n\
         tightens: restriction ether-limit: added (limit_per_transaction)\n\
         tightens: restriction usdt-limit: hold_above 5000000000 -> 1000000000\nofficer: alice\n",
        hash(DEMO),
        hash(&next),
        "ab".repeat(32),
        next.len()
    );
    assert!(text.contains(&expected), "{text}\n{expected}");
}

#[test]
fn proposal_with_another_diff_or_a_backtest_over_what_is_not_logged_is_refused() {
    let mut cell = Cell::ready();
    let (strict, other) = (limit(1000), limit(2000));
    cell.accept(&uploading(&strict));
    cell.accept(&uploading(&other));
    let StatementBody::ProposePolicy(honest) = cell.policy_proposal(&strict) else { panic!() };
    let diff = cell.state.policy_diff(&hash(&other)).unwrap().digest();
    let size = cell.state.size();
    let with = |size: u64| PolicyProposal { backtest: claim(size), ..honest.clone() };
    for lie in [PolicyProposal { diff, ..honest.clone() }, with(0), with(size + 3)] {
        let statement = cell.statement("alice", StatementBody::ProposePolicy(lie));
        assert_eq!(cell.refuse(&statement), "FIELD_INVALID");
    }
    let honest = cell.statement("alice", StatementBody::ProposePolicy(honest));
    cell.accept(&honest);
}

/// A cell in which carol alone with bob may tighten, and two security officers must loosen.
fn cell_with_quorum_to_tighten() -> Cell {
    let mut document = document();
    document["quorums"]["change-policy"] = json!({"security-officer": 2, "withdrawal-approver": 1});
    document["quorums"]["tighten-policy"] = json!({"security-officer": 1, "withdrawal-approver": 1});
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

fn approvals_needed(cell: &mut Cell, policy: &str) -> usize {
    cell.accept(&uploading(policy));
    let body = cell.policy_proposal(policy);
    let id = cell.proposed("alice", body);
    let before = cell.state.policy_version();
    for (count, officer) in ["bob", "carol", "alice"].into_iter().enumerate() {
        if cell.state.policy_version() != before {
            return count;
        }
        cell.approve(officer, id);
    }
    assert_ne!(cell.state.policy_version(), before);
    3
}

#[test]
fn change_that_loosens_needs_the_larger_quorum_and_one_that_tightens_does_not() {
    let mut cell = cell_with_quorum_to_tighten();
    assert_eq!(approvals_needed(&mut cell, &limit(4000)), 2);
    assert_eq!(approvals_needed(&mut cell, &limit(4001)), 3);
    // One point up and another one down loosens
    let both = limit(1).replace("deny_above = \"100000000000\"", "deny_above = \"100000000001\"");
    assert_eq!(approvals_needed(&mut cell, &both), 3);
    // So does a weight, whatever its direction
    let heavier = both.replace("new_device = 25", "new_device = 26");
    assert_eq!(approvals_needed(&mut cell, &heavier), 3);
    // And what means the same needs no more than what tightens
    assert_eq!(approvals_needed(&mut cell, &(heavier + "# the same\n")), 2);
}

#[test]
fn quorum_to_tighten_may_be_left_out_and_never_needs_more_than_the_other_one() {
    let mut cell = Cell::ready();
    let body = {
        cell.accept(&uploading(&limit(1000)));
        cell.policy_proposal(&limit(1000))
    };
    let id = cell.proposed("alice", body);
    assert_eq!(
        cell.state.ceremony(&id).unwrap().quorum,
        cell.state.genesis().document.quorums["change-policy"]
    );
    let mut document = document();
    document["quorums"]["tighten-policy"] = json!({"withdrawal-approver": 2});
    let refused = genesis_entry(&document).unwrap_err().to_string();
    assert!(
        refused.contains("quorum `change-policy` must need at least what `tighten-policy` needs"),
        "{refused}"
    );
}

#[test]
fn officer_reads_how_many_more_changes_there_are_than_are_shown() {
    let mut cell = Cell::ready();
    let with = |count: usize| {
        let rule = |i| format!("\n[[restriction]]\nid = \"more-{i:02}\"\ntype = \"whitelist\"\n");
        DEMO.replace("hold_at = 40", "hold_at = 41") + &(0..count).map(rule).collect::<String>()
    };
    let text = |cell: &mut Cell, policy: &str| {
        cell.accept(&uploading(policy));
        String::from_utf8(cell.statement("alice", cell.policy_proposal(policy)).payload).unwrap()
    };
    assert!(!text(&mut cell, &with(39)).contains("and more changes"));
    let more = text(&mut cell, &with(42));
    assert_eq!(more.matches("added (whitelist)").count(), 39);
    assert!(more.contains("loosens: restriction risk"), "what loosens comes first: {more}");
    assert!(more.contains("more-38: added (whitelist)\nand more changes: 3\n"), "{more}");
    // Long names do not make a statement that nobody can read
    let long =
        |i: usize| format!("\n[[restriction]]\nid = \"{}{i:02}\"\ntype = \"whitelist\"\n", "x".repeat(62));
    let roles = (0..8).map(|i| format!("{}{i} = 16", "r".repeat(63))).collect::<Vec<_>>().join(", ");
    let many = DEMO.replace("approvals = { withdrawal-approver = 2 }", &format!("approvals = {{ {roles} }}"));
    let full = text(&mut cell, &(many + &(0..60).map(long).collect::<String>()));
    assert!(full.len() < 8192 - 1000 && full.contains("and more changes: "), "{}", full.len());
}

#[test]
fn snapshot_keeps_rosters_policies_uploads_and_revocations() {
    let mut cell = Cell::ready();
    cell.change_roster(super::authority::add_officer("dave", "dave"));
    cell.change_policy(&limit(1000));
    cell.accept(&uploading(&limit(2000)));
    let revocation = cell.statement("carol", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    cell.accept(&revocation);
    let read = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    assert_eq!(read.to_snapshot(), cell.state.to_snapshot());
    assert!(read.rosters().eq(cell.state.rosters()));
    assert!(read.policies().eq(cell.state.policies()));
    assert_eq!(read.uploaded_policies(), cell.state.uploaded_policies());
    assert!(read.client_revocation(&"pipeline".parse().unwrap()).is_some());
}

#[test]
fn other_ceremonies_outlive_a_change_of_the_policy() {
    let mut cell = Cell::ready();
    let body = cell.whitelist_proposal("0xdD870fA1b7C4700F2BD7f44238821C26f7392148");
    let id = cell.proposed("alice", body);
    let body = cell.roster_proposal(super::authority::add_officer("dave", "dave"));
    let roster = cell.proposed("alice", body);
    cell.change_policy(&limit(1000));
    assert_eq!(cell.phase(id), CeremonyPhase::Proposed);
    assert_eq!(cell.phase(roster), CeremonyPhase::Proposed);
}

#[test]
fn whitelist_terms_of_the_new_policy_hold_for_open_proposals() {
    let mut cell = Cell::ready();
    let body = cell.whitelist_proposal("0xdD870fA1b7C4700F2BD7f44238821C26f7392148");
    let id = cell.proposed("alice", body);
    cell.change_policy(&DEMO.replace("max_life_ms = 7_776_000_000", "max_life_ms = 1_000"));
    cell.approve("alice", id);
    let last = cell.statement("bob", StatementBody::ApproveCeremony(id));
    assert_eq!(cell.refuse(&last), "POLICY_BOUND");
}

#[test]
fn change_of_the_policy_ends_no_ceremony_that_is_over_and_takes_no_other_document() {
    let mut cell = Cell::ready();
    cell.accept(&uploading(&limit(3000)));
    let first = cell.change_policy(&limit(1000));
    let lapsing = cell.policy_proposal(&limit(3000));
    let lapsed = cell.proposed("bob", lapsing);
    cell.now += 3_600_000;
    let second = cell.change_policy(&limit(2000));
    assert_eq!(cell.phase(first), CeremonyPhase::Activated);
    assert_eq!(cell.phase(second), CeremonyPhase::Activated);
    assert_eq!(cell.phase(lapsed), CeremonyPhase::Expired);
    let waiting: Vec<_> =
        cell.state.uploaded_policies().iter().map(|upload| upload.document.hash()).collect();
    assert_eq!(waiting, [hash(&limit(3000))]);
}

#[test]
fn policy_as_long_as_may_be_is_taken_and_no_longer_one() {
    let mut cell = Cell::new();
    let padded = |size: usize| DEMO.to_owned() + "#" + &"x".repeat(size - DEMO.len() - 1);
    cell.accept(&uploading(&padded(32_768)));
    assert_eq!(cell.refuse(&uploading(&padded(32_769))), "POLICY_INVALID");
}

#[test]
fn officer_reads_which_of_several_grants_changes() {
    let mut cell = Cell::ready();
    let second = "\n[[grant]]\nid = \"more-payouts\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\ndestinations = \"whitelisted\"\n";
    let two = DEMO.to_owned() + second;
    cell.change_policy(&two);
    let altered =
        two.replace("wallets = [\"hot-1\"]\nassets = [\"ETH\"]", "wallets = [\"hot-2\"]\nassets = [\"ETH\"]");
    assert_ne!(altered, two);
    cell.accept(&uploading(&altered));
    let text = String::from_utf8(cell.statement("alice", cell.policy_proposal(&altered)).payload).unwrap();
    let changes: Vec<_> = text.lines().filter(|line| line.contains("grant ")).collect();
    assert_eq!(
        changes,
        ["loosens: grant more-payouts: wallets + hot-2", "tightens: grant more-payouts: wallets - hot-1"]
    );
}
