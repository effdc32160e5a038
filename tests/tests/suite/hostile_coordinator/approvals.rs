//! Attacks on what officers approve: approvals moved, repeated, borrowed and made up.

use holdfast_ledger::{OfficerKey, RosterChange, RosterProposal, Statement, StatementBody, key_id};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::{OfficerId, TimestampMs};
use holdfast_tests::{CLIENT, Cluster, Hostile, THIEF, admitted, now_ms, transfer};
use tonic::Code;

use super::{PAIR, Stolen, large, never_authorized};

/// Somebody with an SSH key of their own signs a statement under an officer's name.
fn forged(text: &str, name: &str, key: &ssh_key::PrivateKey) -> Envelope {
    let signature = OfficerKey::sign(key, holdfast_ledger::OFFICER_NAMESPACE, text.as_bytes()).unwrap();
    let signature = EnvelopeSignature { key_id: key_id("officer", name), signature };
    let kind = holdfast_ledger::PayloadKind::Statement.payload_type();
    Envelope::new(kind, text.as_bytes().to_vec(), vec![signature]).unwrap()
}

fn new_ssh_key() -> ssh_key::PrivateKey {
    ssh_key::PrivateKey::random(&mut rand::rngs::OsRng, ssh_key::Algorithm::Ed25519).unwrap()
}

fn held(cluster: &Cluster, hostile: &mut Hostile<'_>) -> holdfast_ledger::WithdrawalId {
    admitted(&hostile.log.append(&large(cluster).signed(cluster)))
}

#[tokio::test]
async fn officers_and_providers_cannot_be_impersonated_either() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = held(cluster, &mut hostile);
    // Carol's key, a fresh key and the coordinator's own speak for alice
    let text = cluster.officer("alice").statement(hostile.log.state(), StatementBody::ApproveHold(id));
    let mut by_carol = cluster.officer("carol").sign(&text);
    by_carol.signatures[0].key_id = key_id("officer", "alice");
    hostile.stops(&by_carol, "ENVELOPE_SIGNATURE_INVALID").await;
    hostile.stops(&forged(&text, "alice", &new_ssh_key()), "ENVELOPE_SIGNATURE_INVALID").await;
    hostile.stops(&forged(&text, "mallory", &new_ssh_key()), "SIGNER_UNKNOWN").await;
    // And an authorization without approvals is a no-op that no node obeys
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn an_approval_moved_to_another_withdrawal_counts_for_neither() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let (approved, wanted) = (held(cluster, &mut hostile), held(cluster, &mut hostile));
    let genuine = hostile.officer_says("alice", StatementBody::ApproveHold(approved));
    let text = String::from_utf8(genuine.payload.clone()).unwrap();
    let moved = text.replace(&approved.to_string(), &wanted.to_string());
    assert_ne!(text, moved);
    let moved = Envelope { payload: moved.into_bytes(), ..genuine };
    hostile.stops(&moved, "ENVELOPE_SIGNATURE_INVALID").await;
    for id in [approved, wanted] {
        never_authorized(&mut hostile, id).await;
    }
}

#[tokio::test]
async fn an_approval_counted_twice_is_still_one() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = held(cluster, &mut hostile);
    let first = hostile.officer_says("alice", StatementBody::ApproveHold(id));
    let again = hostile.officer_says("alice", StatementBody::ApproveHold(id));
    hostile.log.append(&first);
    hostile.noop(&first, "STATEMENT_ALREADY_USED");
    if again.payload != first.payload {
        hostile.noop(&again, "ALREADY_APPROVED");
    }
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn an_approval_by_the_requester_is_nobodys() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = held(cluster, &mut hostile);
    let text = cluster.officer("alice").statement(hostile.log.state(), StatementBody::ApproveHold(id));
    let own = text.replace("officer: alice", &format!("officer: {CLIENT}"));
    assert_ne!(text, own);
    // As a client, as an officer of the client's name, and with the client's key as alice's
    let kind = holdfast_ledger::PayloadKind::Statement.payload_type();
    for (key_id, text, cause) in [
        ("client:pipeline", &own, "SIGNER_UNKNOWN"),
        ("officer:pipeline", &own, "SIGNER_UNKNOWN"),
        ("officer:alice", &text, "ENVELOPE_SIGNATURE_INVALID"),
    ] {
        let bytes = text.as_bytes().to_vec();
        let envelope = Envelope::sign_ed25519(kind.clone(), bytes, key_id, &cluster.client_key()).unwrap();
        hostile.stops(&envelope, cause).await;
    }
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn an_approval_under_another_clusters_id_counts_for_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = held(cluster, &mut hostile);
    for name in ["alice", "bob"] {
        let officer = cluster.officer(name);
        let text = officer.statement(hostile.log.state(), StatementBody::ApproveHold(id));
        let elsewhere = text.replace(cluster.name(), "demo-other");
        hostile.noop(&officer.sign(&elsewhere), "CLUSTER_MISMATCH");
    }
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn an_approval_of_other_words_or_after_its_expiry_counts_for_nothing() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let id = held(cluster, &mut hostile);
    // The coordinator showed alice a smaller amount and another destination
    let (alice, bob) = (cluster.officer("alice"), cluster.officer("bob"));
    let text = alice.statement(hostile.log.state(), StatementBody::ApproveHold(id));
    let shown = text.replace("20000", "20");
    assert_ne!(text, shown);
    hostile.noop(&alice.sign(&shown), "STATEMENT_MISMATCH");
    // And kept what bob once said until it was void
    let said = Statement {
        cluster: hostile.log.state().cluster().clone(),
        officer: OfficerId::new("bob").unwrap(),
        issued_at: TimestampMs(now_ms() - 60_000),
        expires_at: Some(TimestampMs(now_ms() - 1)),
        note: String::new(),
        body: StatementBody::ApproveHold(id),
    };
    let void = bob.sign(&hostile.log.state().statement_text(&said).unwrap());
    hostile.noop(&void, "STATEMENT_EXPIRED");
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn an_approval_by_a_removed_officer_counts_no_more() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let dave = new_ssh_key();
    let name: OfficerId = "dave".parse().unwrap();
    let change = |hostile: &Hostile<'_>, change| {
        let roster = hostile.log.state().roster();
        let (version, digest) = (roster.version(), roster.digest());
        StatementBody::ProposeRosterChange(Box::new(RosterProposal { version, digest, change }))
    };
    let add = RosterChange::AddOfficer {
        name: name.clone(),
        roles: ["withdrawal-approver".parse().unwrap()].into(),
        key: OfficerKey::parse(&dave.public_key().to_openssh().unwrap()).unwrap(),
    };
    let add = change(&hostile, add);
    hostile.ceremony(add);
    // Given dave's approval and carol's, before dave left
    let id = held(cluster, &mut hostile);
    let says = |hostile: &Hostile<'_>, note: &str| Statement {
        cluster: hostile.log.state().cluster().clone(),
        officer: name.clone(),
        issued_at: TimestampMs(now_ms()),
        expires_at: Some(TimestampMs(now_ms() + 600_000)),
        note: note.to_owned(),
        body: StatementBody::ApproveHold(id),
    };
    let text = hostile.log.state().statement_text(&says(&hostile, "")).unwrap();
    hostile.log.append(&forged(&text, "dave", &dave));
    let kept = hostile.log.state().statement_text(&says(&hostile, "kept for later")).unwrap();
    let remove = change(&hostile, RosterChange::RemoveOfficer { name: name.clone() });
    hostile.ceremony(remove);
    let carol = hostile.officer_says("carol", StatementBody::ApproveHold(id));
    hostile.log.append(&carol);
    // Then one of two is missing, and what dave says now stops the log
    never_authorized(&mut hostile, id).await;
    hostile.stops(&forged(&kept, "dave", &dave), "SIGNER_UNKNOWN").await;
}

#[tokio::test]
async fn a_transaction_swapped_after_approval_is_not_signed() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given a payment that two officers approved
    let intent = cluster.intent().set("amount", "20000000000");
    let id = admitted(&hostile.log.append(&intent.signed(cluster)));
    for officer in ["alice", "bob"] {
        let approval = hostile.officer_says(officer, StatementBody::ApproveHold(id));
        hostile.log.append(&approval);
    }
    // When the coordinator binds other transactions: its own, and one that the client once made and that pays a thief
    let nonce = cluster.next_account_nonce();
    let stolen = transfer(THIEF, 20_000_000_000, nonce);
    let bind = cluster.bind(&id.to_string(), &stolen);
    hostile
        .stops(
            &bind.sign("client:pipeline", &cluster.ed25519_key("coordinator/entry.key")),
            "ENVELOPE_SIGNATURE_INVALID",
        )
        .await;
    hostile.noop(&bind.signed(cluster), "TRANSACTION_DESTINATION_MISMATCH");
    let more = transfer(holdfast_tests::PAYEE, 20_000_000_001, nonce);
    hostile.noop(&cluster.bind(&id.to_string(), &more).signed(cluster), "TRANSACTION_AMOUNT_MISMATCH");
    // Then nothing is signed until the right one is bound, and no other one after it
    hostile.nobody_signs(&id, Code::FailedPrecondition, "ORDER_NOT_PERMITTED").await;
    let right = transfer(holdfast_tests::PAYEE, 20_000_000_000, nonce);
    hostile.log.append(&cluster.bind(&id.to_string(), &right).signed(cluster));
    hostile.authorize(id);
    hostile.noop(&bind.signed(cluster), "TRANSACTION_ALREADY_BOUND");
    hostile.sign(&id, &PAIR).await.unwrap();
}
