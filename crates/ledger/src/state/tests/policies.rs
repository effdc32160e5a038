//! Policies: uploads mean nothing, the quorum's hash does; rollback, mismatches, documents that do not parse.

use holdfast_policy::{PolicyHash, PolicyVersion, TimestampMs};
use serde_json::json;

use super::cell::{Cell, coordinator, sign, signed_statement};
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

fn uploading(policy: &str) -> holdfast_log::Envelope {
    coordinator(PayloadKind::PolicyDocument, &json!({"cluster": "demo-1", "policy": policy}))
}

impl Cell {
    fn policy_proposal(&self, policy: &str) -> StatementBody {
        StatementBody::ProposePolicy(PolicyProposal {
            version: self.state.policy_version(),
            replaces: self.state.policy_digest(),
            policy: hash(policy),
        })
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
        let proposal = PolicyProposal { version: PolicyVersion(version), replaces, policy: hash(&strict) };
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
fn officer_reads_versions_hashes_and_what_changes() {
    let mut cell = Cell::ready();
    let next = limit(1000)
        .replace("id = \"eth-limit\"", "id = \"ether-limit\"")
        .replace("hold_at = 40", "hold_at = 41");
    cell.accept(&uploading(&next));
    let text = String::from_utf8(cell.statement("alice", cell.policy_proposal(&next)).payload).unwrap();
    let expected = format!(
        "action: propose to change the policy\npolicy version: 1\npolicy: {}\nnew policy: {}\nnew policy version: 2\n\
         new policy bytes: {}\nrule removed: eth-limit\nrule added: ether-limit\nrule changed: risk\nrule changed: usdt-limit\n\
         officer: alice\n",
        hash(DEMO),
        hash(&next),
        next.len()
    );
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn officer_reads_how_many_more_rules_change_than_are_shown() {
    let mut cell = Cell::ready();
    let with = |count: usize| {
        let rule = |i| format!("\n[[restriction]]\nid = \"more-{i:02}\"\ntype = \"whitelist\"\n");
        DEMO.to_owned() + &(0..count).map(rule).collect::<String>()
    };
    let text = |cell: &mut Cell, policy: &str| {
        cell.accept(&uploading(policy));
        String::from_utf8(cell.statement("alice", cell.policy_proposal(policy)).payload).unwrap()
    };
    assert!(!text(&mut cell, &with(40)).contains("and more rules"));
    let more = text(&mut cell, &with(42));
    assert_eq!(more.matches("rule added: ").count(), 40);
    assert!(more.contains("rule added: more-39\nand more rules: 2\n"), "{more}");
}

#[test]
fn officer_reads_which_terms_change() {
    let mut cell = Cell::ready();
    for (from, to, terms) in [
        ("new_device = 25", "new_device = 24", "risk"),
        ("deadline_ms = 86_400_000", "deadline_ms = 86_400_001", "hold"),
        ("cooling_off_ms = 0", "cooling_off_ms = 1", "whitelist"),
        ("max_age_ms = 600_000", "max_age_ms = 600_001", "authorization"),
        (
            "[authorization]",
            "[prices]\nmax_age_ms = 1\nproviders = [\"sessions\"]\n\n[authorization]",
            "prices",
        ),
    ] {
        let policy = DEMO.replace(from, to);
        assert_ne!(policy, DEMO);
        cell.accept(&uploading(&policy));
        let text = String::from_utf8(cell.statement("alice", cell.policy_proposal(&policy)).payload).unwrap();
        let changed: Vec<_> = text.lines().filter(|line| line.contains("changed: ")).collect();
        assert_eq!(changed, [format!("terms changed: {terms}")]);
    }
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
    let rules: Vec<_> = text.lines().filter(|line| line.starts_with("rule ")).collect();
    assert_eq!(rules, ["rule changed: more-payouts"]);
}
