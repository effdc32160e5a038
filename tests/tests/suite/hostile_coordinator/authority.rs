//! Attacks on who may speak and by which rules: policy, roster, whitelist, facts, and what officers say directly.

use holdfast_chains::Address;
use holdfast_ledger::{
    BacktestClaim, Before, Outcome, PayloadKind, RosterChange, RosterProposal, StatementBody, WithdrawalId,
    key_id,
};
use holdfast_log::Envelope;
use holdfast_policy::{PolicyDocument, TimestampMs};
use holdfast_tests::{Cluster, Hostile, Request, STRANGER, THIEF, admitted, house_entry, now_ms};
use serde_json::json;
use tonic::Code;

use super::{COOLING_OFF, MONTH_MS, OTHER_WALLET, SPARE, Stolen, key_of, never_authorized};

/// A request that pays somebody.
fn to(cluster: &Cluster, address: &str) -> Request {
    cluster.intent().set("destination", address).with_transfer(cluster.next_account_nonce())
}

/// An entry for a month.
fn entry_for(address: &str) -> StatementBody {
    house_entry(address, now_ms() + MONTH_MS)
}

/// An address of nobody.
fn fresh_address(seed: u8) -> String {
    Address::from_bytes([seed; 20]).to_string()
}

/// The policy in force with a line changed, logged by the coordinator, and the proposal to put it in force.
fn uploaded(hostile: &mut Hostile<'_>, cluster: &Cluster, change: (&str, &str)) -> StatementBody {
    let text = hostile.log.state().policy().source().replace(change.0, change.1);
    let payload = json!({"cluster": cluster.name(), "policy": text});
    let upload = hostile.speak(PayloadKind::PolicyDocument, &payload);
    let applied = hostile.log.append(&upload);
    assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    let before = Before { before: 0, after: 0 };
    let claim = BacktestClaim {
        size: hostile.log.state().size(),
        digest: "00".repeat(32).parse().unwrap(),
        decided: 0,
        flips: 0,
        customers: 0,
        held: before,
        denied: before,
    };
    let hash = PolicyDocument::parse(&text).unwrap().hash();
    StatementBody::ProposePolicy(hostile.log.state().policy_proposal(&hash, claim).unwrap())
}

/// Carol's signature under another officer's name.
fn forged(cluster: &Cluster, hostile: &Hostile<'_>, name: &str, body: StatementBody) -> Envelope {
    let text = cluster.officer(name).statement(hostile.log.state(), body);
    let mut forged = cluster.officer("carol").sign(&text);
    forged.signatures[0].key_id = key_id("officer", name);
    forged
}

#[tokio::test]
async fn a_forged_policy_never_takes_effect() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let policy = hostile.log.state().policy_digest();
    // A document that lets everybody be paid is in the log: that alone is nothing
    let proposal = uploaded(&mut hostile, cluster, ("hold_above", "# anywhere\nhold_above"));
    let envelope = forged(cluster, &hostile, "alice", proposal.clone());
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
    // One officer's proposal and approval are not the quorum
    let proposed = hostile.officer_says("alice", proposal);
    let Outcome::Admitted(admission) = hostile.log.append(&proposed).outcome else { panic!() };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approval = hostile.officer_says("alice", approve.clone());
    hostile.log.append(&approval);
    let carols = hostile.officer_says("carol", approve.clone());
    hostile.noop(&carols, "SIGNER_NOT_AUTHORIZED");
    let envelope = forged(cluster, &hostile, "bob", approve);
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
    assert_eq!(hostile.log.state().policy_digest(), policy);
    let id = admitted(&hostile.log.append(&to(cluster, THIEF).signed(cluster)));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn a_rolled_back_policy_never_takes_effect() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // Given a looser policy that officers proposed and approved, which the coordinator kept to itself
    let looser = uploaded(&mut hostile, cluster, ("5000000000", "50000000000"));
    let proposal = hostile.officer_says("alice", looser);
    let mut aside = hostile.log.clone();
    let Outcome::Admitted(admission) = aside.append(&proposal).outcome else { panic!() };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approvals = ["alice", "bob"].map(|name| {
        let officer = cluster.officer(name);
        officer.sign(&officer.statement(aside.state(), approve.clone()))
    });
    // And another policy that took effect instead
    let other = uploaded(&mut hostile, cluster, ("# Up to 5,000 USDT", "# At most 5,000 USDT"));
    hostile.ceremony(other);
    let policy = hostile.log.state().policy_digest();
    // When the looser one is brought out
    hostile.noop(&proposal, "VERSION_SUPERSEDED");
    for approval in &approvals {
        hostile.noop(approval, "UNKNOWN_CEREMONY");
    }
    // Then what only it would allow is held
    assert_eq!(hostile.log.state().policy_digest(), policy);
    let id = admitted(&hostile.log.append(&super::large(cluster).signed(cluster)));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn a_forged_or_rolled_back_roster_admits_nobody() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let change = |hostile: &Hostile<'_>, change| {
        let roster = hostile.log.state().roster();
        let (version, digest) = (roster.version(), roster.digest());
        StatementBody::ProposeRosterChange(Box::new(RosterProposal { version, digest, change }))
    };
    let thief = ed25519_dalek::SigningKey::from_bytes(&[51; 32]);
    let admit = RosterChange::AddClient {
        name: "courier".parse().unwrap(),
        key: thief.verifying_key(),
        wallets: [holdfast_tests::WALLET.parse().unwrap()].into(),
        expires_at: TimestampMs(now_ms() + MONTH_MS),
    };
    // Forged
    let body = change(&hostile, admit.clone());
    let envelope = forged(cluster, &hostile, "alice", body.clone());
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
    // Genuine once: a client that came and left
    let kept = hostile.officer_says("bob", body.clone());
    hostile.ceremony(body);
    let remove = change(&hostile, RosterChange::RemoveClient { name: "courier".parse().unwrap() });
    hostile.ceremony(remove);
    hostile.noop(&kept, "VERSION_SUPERSEDED");
    let again = change(&hostile, admit);
    let again = hostile.officer_says("alice", again);
    hostile.noop(&again, "KEY_ALREADY_USED");
    // Then what it asks for stops the log
    let request = to(cluster, THIEF).set("client", "courier").sign("client:courier", &thief);
    hostile.stops(&request, "SIGNER_UNKNOWN").await;
}

#[tokio::test]
async fn a_forged_whitelist_entry_pays_nobody() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let envelope = forged(cluster, &hostile, "alice", entry_for(THIEF));
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
    // A genuine proposal, with one approval and a forged one
    let proposal = hostile.officer_says("bob", entry_for(THIEF));
    let Outcome::Admitted(admission) = hostile.log.append(&proposal).outcome else { panic!() };
    let approve = StatementBody::ApproveCeremony(admission.ceremony.unwrap());
    let approval = hostile.officer_says("bob", approve.clone());
    hostile.log.append(&approval);
    let envelope = forged(cluster, &hostile, "alice", approve);
    hostile.stops(&envelope, "ENVELOPE_SIGNATURE_INVALID").await;
    let id = admitted(&hostile.log.append(&to(cluster, THIEF).signed(cluster)));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn a_rolled_back_whitelist_pays_nobody() {
    let stolen = Stolen::cluster().await;
    let (cluster, address) = (&stolen.cluster, fresh_address(0x31));
    // Given an entry that was revoked
    let (proposal, approvals) = {
        let mut log = stolen.log.lock().await;
        let mut hostile = Hostile::with(cluster, &mut log);
        let id = hostile.ceremony(entry_for(&address));
        let ceremony = hostile.log.state().ceremony(&id).unwrap().clone();
        let end = hostile.log.entries().len();
        let said: Vec<Envelope> =
            hostile.log.entries()[end - 3..].iter().map(|entry| entry.envelope().clone()).collect();
        let entry = ceremony.whitelist_entry.unwrap();
        let revocation = hostile.officer_says("carol", StatementBody::RevokeWhitelistEntry(entry));
        hostile.log.append(&revocation);
        (said[0].clone(), said[1..].to_vec())
    };
    // Whose cooling-off is over
    tokio::time::sleep(COOLING_OFF).await;
    let mut log = stolen.log.lock().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    // When everything that once brought it is replayed
    hostile.noop(&proposal, "STATEMENT_ALREADY_USED");
    for approval in &approvals {
        hostile.noop(approval, "STATEMENT_ALREADY_USED");
    }
    let id = admitted(&hostile.log.append(&to(cluster, &address).signed(cluster)));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn a_whitelist_entry_in_its_cooling_off_pays_nobody() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let address = fresh_address(0x32);
    hostile.ceremony(entry_for(&address));
    let id = admitted(&hostile.log.append(&to(cluster, &address).signed(cluster)));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn favourable_facts_chosen_and_worse_ones_dropped_leave_a_gap() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let next = hostile.log.state().next_sequence(&"sessions".parse().unwrap());
    let report = |sequence: u64, bad: bool| {
        let payload = json!({"cluster": cluster.name(), "provider": "sessions", "sequence": sequence,
            "customer": "customer-watched", "observed_at_ms": now_ms(), "new_device": bad,
            "second_factor_reset": bad});
        let payload = serde_json::to_vec(&payload).unwrap();
        let key = cluster.ed25519_key("provider/sessions.key");
        let kind = PayloadKind::SessionReport.payload_type();
        Envelope::sign_ed25519(kind, payload, &key_id("provider", "sessions"), &key).unwrap()
    };
    let (warning, clean) = (report(next, true), report(next + 1, false));
    // The later, clean report without the warning
    hostile.noop(&clean, "SEQUENCE_GAP");
    let request = || cluster.request().set("customer", "customer-watched").signed(cluster);
    let id = admitted(&hostile.log.append(&request()));
    never_authorized(&mut hostile, id).await;
    // The warning relabelled as clean
    let text = String::from_utf8(warning.payload.clone()).unwrap();
    let relabelled = Envelope { payload: text.replace("true", "false").into_bytes(), ..warning.clone() };
    hostile.stops(&relabelled, "ENVELOPE_SIGNATURE_INVALID").await;
    // The warning, and the clean report in its place as the provider's other one
    hostile.log.append(&warning);
    hostile.noop(&report(next, false), "ALREADY_RECORDED");
    let id = admitted(&hostile.log.append(&request()));
    never_authorized(&mut hostile, id).await;
}

#[tokio::test]
async fn a_pause_that_the_coordinator_withholds_binds_every_pair_of_nodes() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let body = StatementBody::PauseWallet(OTHER_WALLET.parse().unwrap());
    let statement = hostile.officer_says("alice", body);
    // Given receipts of n - t + 1 nodes
    for node in ["node-1", "node-2"] {
        let receipt = cluster.officer("alice").deliver(node, &statement).await.unwrap();
        cluster.officer("alice").verify_receipt(hostile.log.state(), node, &receipt);
    }
    // When the hostile coordinator authorizes without ever logging the pause
    let id = hostile.authorized(&cluster.request().set("wallet", OTHER_WALLET));
    // Then no pair signs: every pair has a node that knows
    every_pair_is_latched(&hostile, &id).await;
    // And once it is logged, the log's own rule takes over
    hostile.log.append(&statement);
    hostile.nobody_signs(&id, Code::FailedPrecondition, "WALLET_PAUSED").await;
}

#[tokio::test]
async fn a_client_revocation_that_the_coordinator_withholds_binds_every_pair_of_nodes() {
    let (cluster, mut log) = Stolen::get().await;
    let mut hostile = Hostile::with(cluster, &mut log);
    let asks = || cluster.request().set("client", SPARE).sign(&key_id("client", SPARE), &key_of(SPARE));
    let id = admitted(&hostile.log.append(&asks()));
    hostile.authorize(id);
    hostile.sign(&id, &super::PAIR).await.unwrap();
    // Given a revocation with receipts of n - t + 1 nodes
    let statement = hostile.officer_says("carol", StatementBody::RevokeClient(SPARE.parse().unwrap()));
    for node in ["node-2", "node-3"] {
        cluster.officer("carol").deliver(node, &statement).await.unwrap();
    }
    // When the coordinator never logs it, what was authorized before and after is signed by no pair
    let later = admitted(&hostile.log.append(&asks()));
    hostile.authorize(later);
    for id in [id, later] {
        every_pair_is_latched(&hostile, &id).await;
    }
    hostile.log.append(&statement);
    hostile.nobody_signs(&later, Code::FailedPrecondition, "CLIENT_REVOKED").await;
    // The other client pays as before
    let other = hostile.authorized(&cluster.request());
    hostile.sign(&other, &super::PAIR).await.unwrap();
}

/// Asks every pair for a whole signature; one of its nodes refuses.
async fn every_pair_is_latched(hostile: &Hostile<'_>, id: &WithdrawalId) {
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        let mut refusals = Vec::new();
        for node in pair {
            let order = hostile.order(node, &holdfast_tests::new_session(), id, &pair).await;
            if let Err(status) = hostile.prepare_at(node, order).await {
                refusals.push(hostile.caught(
                    node,
                    Err::<(), _>(status),
                    Code::FailedPrecondition,
                    "LATCHED",
                ));
            }
        }
        assert!(!refusals.is_empty(), "{pair:?} would sign");
    }
}

#[tokio::test]
async fn a_statement_that_stops_nothing_or_is_forged_is_not_taken_directly() {
    let (cluster, mut log) = Stolen::get().await;
    let hostile = Hostile::with(cluster, &mut log);
    // Officers' statements that stop nothing are not taken over the direct path, whoever brings them
    let resume = hostile.officer_says("alice", entry_for(STRANGER));
    let delivered = cluster.officer("alice").deliver("node-1", &resume).await;
    hostile.caught("node-1", delivered, Code::InvalidArgument, "STATEMENT_NOT_PROTECTIVE");
    let pause = StatementBody::PauseWallet(holdfast_tests::WALLET.parse().unwrap());
    let envelope = forged(cluster, &hostile, "alice", pause);
    let delivered = cluster.officer("alice").deliver("node-1", &envelope).await;
    hostile.caught("node-1", delivered, Code::Unauthenticated, "ENVELOPE_SIGNATURE_INVALID");
}
