//! Step-ups by the log: who may end one, and everybody who may not.

use serde_json::{Value, json};

use super::cell::{Cell, document, ed25519, genesis_entry, sign};
use crate::*;

const IDENTITY: &str = "[identity]\nproviders = [\"kyc\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 60000\n\n[risk]";

/// A cell with identity providers, whose policy has [`IDENTITY`] and one more change.
pub(super) fn identified(from: &str, to: &str) -> Cell {
    let mut document = document();
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    for name in ["kyc", "pipeline-id"] {
        let entry = json!({"name": name, "public_key": key(name)});
        document["providers"].as_array_mut().unwrap().push(entry);
    }
    let policy = document["policy"].as_str().unwrap().replacen("[risk]", IDENTITY, 1).replacen(from, to, 1);
    document["policy"] = json!(policy);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    cell
}

/// USDT above 1,000 needs a step-up.
fn stepping_up() -> Cell {
    identified("asset = \"USDT\"\n", "asset = \"USDT\"\nstep_up_above = \"1000000000\"\n")
}

impl Cell {
    pub(super) fn attestation(&self, subject: &str, intent: [u8; 32], sequence: u64) -> Value {
        json!({"cluster": "demo-1", "provider": "kyc", "sequence": sequence, "customer": "c-1", "subject": subject,
            "intent": hex::encode(intent), "method": "passkey", "score": 80, "session": "s-1", "observed_at_ms": self.now})
    }

    fn of(&self, id: WithdrawalId, sequence: u64) -> Value {
        self.attestation(&id.to_string(), self.withdrawal(id).request_digest, sequence)
    }

    fn asked_for(&mut self, key: &str, usdt: u128) -> WithdrawalId {
        let request = self.request(key, usdt);
        self.ask(&request)
    }
}

pub(super) fn attested(report: &Value) -> holdfast_log::Envelope {
    let name = report["provider"].as_str().unwrap();
    sign(PayloadKind::IdentityAttestation, report, "provider", name)
}

#[test]
fn stepped_up_withdrawal_goes_on_when_its_customer_is_attested_and_is_signed() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    assert!(cell.withdrawal(id).decision.hold().unwrap().step_up);
    cell.accept(&attested(&cell.of(id, 1)));
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    cell.accept(&cell.authorize(id));
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
    let signed_at = |now: u64| cell.state.authorized_withdrawal(&id, 0, holdfast_policy::TimestampMs(now));
    let observed = cell.withdrawal(id).attestations[0].attestation.observed_at.0;
    signed_at(observed + 60_000).unwrap();
    // A node whose clock says that it is too old signs nothing
    assert_eq!(signed_at(observed + 60_001).unwrap_err().code(), "POLICY_REFUSES");
}

#[test]
fn attestation_of_anything_else_never_counts() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    let other = cell.asked_for("k-2", 1300);
    cell.now += 70_000;
    let good = cell.of(id, 1);
    let with = |field: &str, value: Value| {
        let mut report = good.clone();
        report[field] = value;
        report
    };
    let intent_of_other = hex::encode(cell.withdrawal(other).request_digest);
    for (report, code) in [
        (with("intent", json!(intent_of_other)), "IDENTITY_OTHER_INTENT"),
        (with("subject", json!(other.to_string())), "IDENTITY_OTHER_INTENT"),
        (with("customer", json!("c-2")), "IDENTITY_OTHER_CUSTOMER"),
        (with("method", json!("email")), "IDENTITY_METHOD_NOT_NAMED"),
        (with("observed_at_ms", json!(cell.now - 60_020)), "IDENTITY_TOO_OLD"),
        (with("provider", json!("pipeline-id")), "PROVIDER_NOT_NAMED"),
        (with("score", json!(101)), "FIELD_INVALID"),
        (with("sequence", json!(2)), "SEQUENCE_GAP"),
        (with("observed_at_ms", json!(cell.now + 60_000)), "FIELD_INVALID"),
        (with("subject", json!("w-00")), "FIELD_INVALID"),
        (with("cluster", json!("demo-2")), "CLUSTER_MISMATCH"),
    ] {
        assert_eq!(cell.would_refuse(&attested(&report)), code);
    }
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    cell.accept(&attested(&with("score", json!(100))));
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    assert_eq!(cell.state_of(other), WithdrawalState::Held);
}

#[test]
fn replayed_attestation_never_counts() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    let report = attested(&cell.of(id, 1));
    cell.accept(&report);
    assert_eq!(cell.refuse(&report), "ALREADY_RECORDED");
    let again = cell.asked_for("k-2", 1250);
    assert_eq!(cell.refuse(&report), "ALREADY_RECORDED");
    assert_eq!(cell.state_of(again), WithdrawalState::Held);
}

#[test]
fn client_that_asks_cannot_attest() {
    // By its own key
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    let payload = serde_json::to_vec(&cell.of(id, 1)).unwrap();
    let kind = PayloadKind::IdentityAttestation.payload_type();
    let by_client =
        holdfast_log::Envelope::sign_ed25519(kind, payload, "client:pipeline", &ed25519("pipeline")).unwrap();
    let entry = holdfast_log::Entry::stamp(cell.now, &by_client).unwrap();
    assert_eq!(cell.state.apply(&entry).unwrap_err().code(), "SIGNER_UNKNOWN");
    // By a provider of its name
    let mut document = document();
    let key = hex::encode(ed25519("pipeline-id").verifying_key().to_bytes());
    let named = json!({"name": "pipeline", "public_key": key});
    document["providers"].as_array_mut().unwrap().push(named);
    let policy = document["policy"].as_str().unwrap();
    let policy = policy.replacen("[risk]", &IDENTITY.replace("kyc", "pipeline"), 1).replacen(
        "asset = \"USDT\"\n",
        "asset = \"USDT\"\nstep_up_above = \"0\"\n",
        1,
    );
    document["policy"] = json!(policy);
    let mut cell = Cell::from_genesis(genesis_entry(&document).unwrap());
    cell.make_ready();
    let id = cell.asked_for("k-1", 1250);
    let mut report = cell.of(id, 1);
    report["provider"] = json!("pipeline");
    let payload = serde_json::to_vec(&report).unwrap();
    let kind = PayloadKind::IdentityAttestation.payload_type();
    let by_name =
        holdfast_log::Envelope::sign_ed25519(kind, payload, "provider:pipeline", &ed25519("pipeline-id"));
    assert_eq!(cell.refuse(&by_name.unwrap()), "IDENTITY_BY_REQUESTER");
}

#[test]
fn poor_score_counts_for_nothing_and_takes_back_what_was_attested_before() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    let mut poor = cell.of(id, 1);
    poor["score"] = json!(79);
    cell.accept(&attested(&poor));
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    cell.accept(&attested(&cell.of(id, 2)));
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    poor["sequence"] = json!(3);
    cell.accept(&attested(&poor));
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    assert_eq!(cell.withdrawal(id).attestations.len(), 1);
}

#[test]
fn attestation_that_got_too_old_authorizes_nothing() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    cell.accept(&attested(&cell.of(id, 1)));
    cell.now += 60_010;
    cell.accept(&cell.authorize(id));
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    // A newer one does
    cell.accept(&attested(&cell.of(id, 2)));
    cell.accept(&cell.authorize(id));
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
    // And one more after the authorization, for its renewal, changes no state
    cell.accept(&attested(&cell.of(id, 3)));
    assert_eq!(cell.state_of(id), WithdrawalState::Authorized);
}

#[test]
fn officers_cannot_approve_what_waits_for_the_customer_alone() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 1250);
    let approval = cell.statement("alice", StatementBody::ApproveHold(id));
    assert_eq!(cell.refuse(&approval), "WITHDRAWAL_NOT_HELD");
    // They can reject it
    cell.accept(&cell.statement("alice", StatementBody::RejectHold(id)));
    assert_eq!(cell.refuse(&attested(&cell.of(id, 1))), "WITHDRAWAL_NOT_HELD");
    assert_eq!(cell.state_of(id), WithdrawalState::Denied);
}

#[test]
fn statement_of_a_hold_says_that_the_step_up_is_missing() {
    let mut cell = stepping_up();
    let id = cell.asked_for("k-1", 6_000);
    let text = String::from_utf8(cell.statement("alice", StatementBody::ApproveHold(id)).payload).unwrap();
    assert!(text.contains("needs: 2 of withdrawal-approver\n"), "{text}");
    assert!(text.contains("needs: the customer's step-up\n"), "{text}");
    let mut without = Cell::ready();
    let large = without.asked_for("k-1", 6_000);
    let other = String::from_utf8(without.statement("alice", StatementBody::ApproveHold(large)).payload);
    assert!(!other.unwrap().contains("step-up"));
    for officer in ["alice", "bob"] {
        cell.accept(&cell.statement(officer, StatementBody::ApproveHold(id)));
    }
    assert_eq!(cell.state_of(id), WithdrawalState::Held);
    cell.accept(&attested(&cell.of(id, 1)));
    assert_eq!(cell.state_of(id), WithdrawalState::Bound);
}

#[test]
fn policy_without_identity_takes_no_attestation() {
    let mut cell = Cell::ready();
    let id = cell.asked_for("k-1", 6_000);
    let mut report = cell.of(id, 2);
    report["provider"] = json!("sessions");
    assert_eq!(cell.refuse(&attested(&report)), "PROVIDER_NOT_NAMED");
}

#[test]
fn attestation_about_no_later_moment_takes_no_doubt_back() {
    for earlier_ms in [0, 1_000] {
        let mut cell = stepping_up();
        let id = cell.asked_for("k-1", 1250);
        let mut poor = cell.of(id, 1);
        poor["score"] = json!(79);
        let mut late = cell.of(id, 2);
        late["observed_at_ms"] = json!(cell.now - earlier_ms);
        cell.accept(&attested(&poor));
        cell.accept(&attested(&late));
        assert_eq!(cell.state_of(id), WithdrawalState::Held, "{earlier_ms} ms earlier");
        let known = &cell.withdrawal(id).attestations[0].attestation;
        assert_eq!((known.score, known.observed_at.0), (79, poor["observed_at_ms"].as_u64().unwrap()));
        // A later look does
        cell.accept(&attested(&cell.of(id, 3)));
        assert_eq!(cell.state_of(id), WithdrawalState::Bound);
    }
}

#[test]
fn attestation_takes_the_place_of_its_own_providers_and_of_nobody_elses() {
    let mut cell = identified("[\"kyc\"]", "[\"kyc\", \"pipeline-id\"]");
    let id = cell.asked_for("k-1", 1250);
    let mut second = cell.of(id, 1);
    second["provider"] = json!("pipeline-id");
    for report in [cell.of(id, 1), second, cell.of(id, 2)] {
        cell.accept(&attested(&report));
    }
    let known: Vec<_> =
        cell.withdrawal(id).attestations.iter().map(|known| known.attestation.provider.as_str()).collect();
    assert_eq!(known, ["pipeline-id", "kyc"]);
}

#[test]
fn poor_score_of_one_provider_takes_nothing_from_anothers() {
    let mut cell = identified("[\"kyc\"]", "[\"kyc\", \"pipeline-id\"]");
    let id = cell.asked_for("k-1", 1250);
    let mut poor = cell.of(id, 1);
    poor["score"] = json!(79);
    let mut good = cell.of(id, 1);
    good["provider"] = json!("pipeline-id");
    for report in [poor, good] {
        cell.accept(&attested(&report));
    }
    let known = cell.withdrawal(id).attestations.iter().map(|known| &known.attestation);
    let scores: Vec<_> = known.map(|known| (known.provider.as_str(), known.score)).collect();
    assert_eq!(scores, [("kyc", 79), ("pipeline-id", 80)]);
}
