//! Policy at work: what is denied and why, what is held and for whom, and who may lift a hold.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_ledger::StatementBody;
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use holdfast_tests::{
    CUSTOMER, Cluster, Options, PAYEE, Refusal, Request, STRANGER, THIEF, Terminal, now_ms, reason_code,
    refused, transfer,
};
use holdfast_transport::Role;
use tokio::sync::OnceCell;
use tonic::Code;

const HOUR_MS: u64 = 3_600_000;
const USDT: u128 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::ready(Options::default())).await
}

/// Denied, first of all for this reason, with every rule's result and nothing signed.
async fn assert_denied(cluster: &Cluster, request: &Request, code: &str) {
    let pipeline = cluster.pipeline().await;
    let denied = pipeline.submit(request).await.unwrap();
    assert_eq!((denied.state(), reason_code(&denied).as_str()), (State::Denied, code), "{:?}", denied.reason);
    assert!(denied.receipt.is_none() && denied.positions.unwrap().authorization.is_none());
    let rules = denied.decision.unwrap().rules;
    let denying = |rule: &&v1::RuleResult| rule.verdict() == v1::Verdict::Deny;
    assert!(rules.iter().filter(denying).any(|rule| rule.code == code), "{rules:?}");
    let listed: BTreeSet<&str> = rules.iter().map(|rule| rule.rule.as_str()).collect();
    for rule in ["hot-payouts", "whitelist", "sanctions", "usdt-limit", "mainnet-fee-cap", "risk"] {
        assert!(listed.contains(rule), "rule `{rule}` is not in {listed:?}");
    }
}

#[tokio::test]
async fn a_destination_that_nobody_listed_is_denied() {
    let cluster = cluster().await;
    assert_denied(cluster, &cluster.request_of(10, STRANGER), "DESTINATION_NOT_WHITELISTED").await;
}

#[tokio::test]
async fn a_destination_whose_entry_has_expired_is_denied() {
    let cluster = cluster().await;
    let address = "0xde709f2102306220921060314715629080e2fb77";
    let address = holdfast_chains::Address::parse_unchecked_case(address).unwrap().to_string();
    // Given an entry that is valid for a moment
    let expires_at_ms = now_ms() + 4_000;
    cluster.whitelist(&address, expires_at_ms).await;
    let pipeline = cluster.pipeline().await;
    let paid = pipeline.submit(&cluster.request_of(10, &address)).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    // When the moment is over
    tokio::time::sleep(Duration::from_millis(expires_at_ms.saturating_sub(now_ms()) + 50)).await;
    assert_denied(cluster, &cluster.request_of(10, &address), "WHITELIST_ENTRY_EXPIRED").await;
}

#[tokio::test]
async fn a_destination_whose_entry_was_revoked_is_denied_at_once() {
    let cluster = cluster().await;
    let entry = cluster.whitelist(THIEF, now_ms() + HOUR_MS).await;
    let alice = cluster.officer("alice");
    let body = StatementBody::RevokeWhitelistEntry(entry.parse().unwrap());
    let request = v1::RevokeWhitelistEntryRequest { envelope: alice.says(body).await.to_json() };
    let channel = cluster.to_coordinator(Role::Officer, "alice").await;
    let revoked = WhitelistServiceClient::new(channel).revoke(request).await.unwrap().into_inner();
    assert_eq!(revoked.state(), v1::WhitelistEntryState::Revoked);
    assert_denied(cluster, &cluster.request_of(10, THIEF), "WHITELIST_ENTRY_REVOKED").await;
}

#[tokio::test]
async fn a_sanctioned_destination_is_denied_although_officers_listed_it() {
    let cluster = cluster().await;
    let log = cluster.download().await;
    let sanctioned = log.state().genesis().screening[0].addresses().next().unwrap().to_string();
    cluster.whitelist(&sanctioned, now_ms() + HOUR_MS).await;
    assert_denied(cluster, &cluster.request_of(10, &sanctioned), "DESTINATION_SANCTIONED").await;
}

#[tokio::test]
async fn amounts_and_fees_above_the_maximum_are_denied_whoever_would_approve_them() {
    let cluster = cluster().await;
    assert_denied(cluster, &cluster.request_of(100_001, PAYEE), "ABOVE_MAXIMUM").await;
    let fees = cluster.request_of(10, PAYEE).set("fee_cap", "50000000000000001");
    assert_denied(cluster, &fees, "FEE_CAP_TOO_HIGH").await;
}

#[tokio::test]
async fn calldata_that_pays_somebody_else_is_refused_before_any_decision() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let swapped = transfer(THIEF, 1_250 * USDT, cluster.next_account_nonce()).to_hex();
    let request = cluster.intent().set("transaction", swapped);
    let refusal =
        refused(pipeline.submit(&request).await, Code::InvalidArgument, "TRANSACTION_DESTINATION_MISMATCH");
    assert_eq!(refusal.fields, ["transaction"]);
    // The honest intent under the same key is none the worse for it
    let honest = request.with_transfer(cluster.next_account_nonce());
    assert_eq!(pipeline.submit(&honest).await.unwrap().state(), State::Signed);
}

/// A withdrawal that waits for two approvals, and alice's approving text.
async fn held(cluster: &Cluster) -> (v1::Withdrawal, StatementBody) {
    let held = cluster.pipeline().await.submit(&cluster.request_of(20_000, PAYEE)).await.unwrap();
    assert_eq!((held.state(), reason_code(&held).as_str()), (State::Held, "ABOVE_AUTOMATIC_LIMIT"));
    let hold = held.decision.as_ref().unwrap().hold.as_ref().expect("what it waits for");
    assert_eq!(hold.approvals["withdrawal-approver"], 2);
    let body = StatementBody::ApproveHold(held.id.parse().unwrap());
    (held, body)
}

#[tokio::test]
async fn a_held_withdrawal_is_signed_after_two_officers_approved_one_by_key_file_and_one_by_ssh_keygen() {
    let cluster = cluster().await;
    let (alice, carol) = (cluster.officer("alice"), cluster.officer("carol"));
    let (withdrawal, body) = held(cluster).await;
    // When alice approves with her key file
    let first = alice.says(body.clone()).await;
    let after_one = alice.approve_hold(&first).await.unwrap();
    assert_eq!((after_one.state(), after_one.approvals.len()), (State::Held, 1));
    // Then sending the same again changes nothing, and she does not count twice
    refused(alice.approve_hold(&first).await, Code::AlreadyExists, "STATEMENT_ALREADY_USED");
    let again = alice.says(body.clone()).await;
    refused(alice.approve_hold(&again).await, Code::AlreadyExists, "ALREADY_APPROVED");
    // And when carol approves with `ssh-keygen -Y sign`
    let log = cluster.download().await;
    let second = carol.sign_with_ssh_keygen(&carol.statement(log.state(), body));
    carol.approve_hold(&second).await.unwrap();
    // Then it is signed
    let signed = cluster.pipeline().await.reaches(&withdrawal.id, State::Signed, PATIENCE).await;
    let approved: Vec<&str> = signed.approvals.iter().map(|approval| approval.officer.as_str()).collect();
    assert_eq!(approved, ["alice", "carol"]);
}

#[tokio::test]
async fn an_approval_that_does_not_say_exactly_what_the_log_says_is_refused() {
    let cluster = cluster().await;
    let alice = cluster.officer("alice");
    let (withdrawal, body) = held(cluster).await;
    let log = cluster.download().await;
    let honest = alice.statement(log.state(), body);
    for (from, to) in [
        ("pays: 20000 USDT", "pays: 2 USDT"),
        (PAYEE, STRANGER),
        ("hold digest: ", "hold digest: 00"),
        ("asked by client: pipeline", "asked by client: treasury"),
    ] {
        assert!(honest.contains(from), "{honest}");
        let lie = alice.sign(&honest.replace(from, to));
        refused(alice.approve_hold(&lie).await, Code::InvalidArgument, "STATEMENT_MISMATCH");
    }
    // Nor one that somebody else signed in her name, or that she signed for something else
    let mut forged: Envelope = cluster.officer("bob").sign(&honest);
    forged.signatures[0].key_id = "officer:alice".to_owned();
    refused(alice.approve_hold(&forged).await, Code::Unauthenticated, "ENVELOPE_SIGNATURE_INVALID");
    let unchanged = cluster.pipeline().await.get(&withdrawal.id).await.unwrap();
    assert_eq!((unchanged.state(), unchanged.approvals.len()), (State::Held, 0));
}

#[tokio::test]
async fn a_rejected_withdrawal_is_denied_and_no_approval_revives_it() {
    let cluster = cluster().await;
    let (withdrawal, body) = held(cluster).await;
    let late = cluster.officer("alice").says(body).await;
    let rejected = cluster.officer("bob").reject_hold(&withdrawal.id).await.unwrap();
    assert_eq!((rejected.state(), reason_code(&rejected).as_str()), (State::Denied, "REJECTED_BY_OFFICER"));
    let revived = cluster.officer("alice").approve_hold(&late).await;
    let refusal = Refusal::from(&revived.unwrap_err());
    // Its description has changed with its state, so either check may come first
    assert!(["WITHDRAWAL_NOT_HELD", "STATEMENT_MISMATCH"].contains(&refusal.reason.as_str()), "{refusal:?}");
    assert_eq!(cluster.pipeline().await.get(&withdrawal.id).await.unwrap().state(), State::Denied);
}

#[tokio::test]
async fn session_signals_raise_the_risk_and_an_unknown_session_holds() {
    let cluster = cluster().await;
    let (pipeline, provider) = (cluster.pipeline().await, cluster.provider().await);
    provider.report("customer-new-device", true, false).await;
    provider.report("customer-reset", false, true).await;
    let for_customer = |customer: &str| cluster.request_of(10, PAYEE).set("customer", customer);
    let score =
        |withdrawal: &v1::Withdrawal| withdrawal.decision.as_ref().unwrap().risk.as_ref().unwrap().score;
    let calm = pipeline.submit(&for_customer(CUSTOMER)).await.unwrap();
    assert_eq!((calm.state(), score(&calm)), (State::Signed, 0), "{:?}", calm.reason);
    let device = pipeline.submit(&for_customer("customer-new-device")).await.unwrap();
    assert_eq!((device.state(), score(&device)), (State::Signed, 25), "{:?}", device.reason);
    let reset = pipeline.submit(&for_customer("customer-reset")).await.unwrap();
    assert_eq!((reset.state(), reason_code(&reset).as_str(), score(&reset)), (State::Held, "RISK_HOLD", 45));
    let unknown = pipeline.submit(&for_customer("customer-unknown")).await.unwrap();
    assert_eq!((unknown.state(), reason_code(&unknown).as_str()), (State::Held, "SESSION_REPORT_ABSENT"));
}

#[tokio::test]
async fn a_gap_in_a_providers_reports_is_refused() {
    let cluster = cluster().await;
    let provider = cluster.provider().await;
    let gap = provider.report_as(1_000, CUSTOMER, false, false).await;
    let refusal = refused(gap, Code::FailedPrecondition, "SEQUENCE_GAP");
    assert_eq!(refusal.fields, ["sequence"]);
    let old = provider.report_as(1, CUSTOMER, true, true).await;
    refused(old, Code::AlreadyExists, "ALREADY_RECORDED");
}

#[tokio::test]
async fn a_dry_run_decides_the_same_and_logs_nothing() {
    let cluster = cluster().await;
    let pipeline = cluster.pipeline().await;
    let request = cluster.request_of(10, STRANGER);
    let decision = pipeline.evaluate(&request).await.unwrap();
    assert_eq!(decision.outcome(), v1::Outcome::Deny);
    let found = pipeline.by_key(&request.text("idempotency_key")).await;
    refused(found, Code::NotFound, "UNKNOWN_WITHDRAWAL");
}

#[tokio::test]
async fn one_person_fills_one_place_in_a_quorum_and_only_with_the_right_role() {
    let cluster = cluster().await;
    let (alice, carol) = (cluster.officer("alice"), cluster.officer("carol"));
    let ceremony = alice.propose_whitelist_entry(STRANGER, now_ms() + HOUR_MS).await.unwrap();
    alice.approve(&ceremony.id).await.unwrap();
    refused(alice.approve(&ceremony.id).await, Code::AlreadyExists, "ALREADY_APPROVED");
    refused(carol.approve(&ceremony.id).await, Code::PermissionDenied, "SIGNER_NOT_AUTHORIZED");
    refused(carol.propose_wallet("hot-9").await, Code::PermissionDenied, "SIGNER_NOT_AUTHORIZED");
    let open = cluster.ceremony(&ceremony.id).await.unwrap();
    assert_eq!((open.phase(), open.approvals.len()), (v1::CeremonyPhase::Proposed, 1));
    // The address stays unlisted
    assert_denied(cluster, &cluster.request_of(10, STRANGER), "DESTINATION_NOT_WHITELISTED").await;
}

/// The policy in force with one replacement, as a file beside the terminal's profile.
fn policy_file(cluster_policy: &str, terminal: &Terminal, name: &str, from: &str, to: &str) -> String {
    let text = cluster_policy.replacen(from, to, 1);
    assert_ne!(text, cluster_policy, "the policy has no `{from}`");
    std::fs::write(terminal.directory().join(name), text).unwrap();
    name.to_owned()
}

/// Runs in a cell of its own: it changes the policy.
#[tokio::test]
async fn officers_approve_a_policy_by_its_diff_and_by_a_backtest_that_every_machine_derives_itself() {
    let cluster = Cluster::ready(Options::default()).await;
    let terminal = cluster.terminal();
    let pipeline = cluster.pipeline().await;
    let paid = pipeline.submit(&cluster.request_of(3_000, PAYEE)).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    let policy = cluster.download().await.state().policy().source().to_owned();
    let hold = "hold_above = { amount = \"5000000000\"";
    policy_file(&policy, &terminal, "strict.toml", hold, "hold_above = { amount = \"2000000000\"");
    std::fs::write(terminal.directory().join("old.toml"), &policy).unwrap();

    // What-if tools, without and with a log
    let diff = terminal.ok("policy diff old.toml strict.toml");
    assert_eq!(diff["effect"], "tightens", "{diff:#}");
    let (exit, checked) = terminal.run("policy check strict.toml");
    assert_eq!((exit, checked["failing"].as_u64()), (8, Some(2)), "the demo has no cooling-off: {checked:#}");
    terminal.ok("policy check strict.toml --accept NO_COOLING_OFF --accept SESSION_PROVIDERS_OPEN");
    terminal.ok("audit export exported");
    let known = terminal.ok(
        "policy check strict.toml --accept NO_COOLING_OFF --accept SESSION_PROVIDERS_OPEN --log exported",
    );
    assert_eq!(known["failing"], 0, "{known:#}");
    let backtest = terminal.ok("policy backtest strict.toml --log exported");
    let flips = backtest["backtest"]["flips"].as_array().unwrap();
    assert_eq!(flips.len(), 1, "{backtest:#}");
    assert_eq!(flips[0]["withdrawal"], paid.id.as_str());
    let live = terminal.ok(&format!("policy backtest strict.toml --size {}", backtest["backtest"]["size"]));
    assert_eq!(live["digest"], backtest["digest"], "another process, the live log: the same digest");
    let again = terminal.ok("policy backtest strict.toml --log exported");
    assert_eq!(again, backtest, "another process over the same export: the same bytes");
    let plain = terminal.ok("policy explain strict.toml")["page"].to_string();
    assert!(plain.contains("held above 2000000000 base units of USDT"), "nothing knows decimals: {plain}");
    let plain = terminal.ok("policy explain strict.toml --log exported")["page"].to_string();
    assert!(plain.contains("held above 2000 USDT"), "the log's registry does: {plain}");
    let explained =
        terminal.ok(&format!("policy explain strict.toml --withdrawal {} --log exported", paid.id));
    assert!(explained["page"].as_str().unwrap().starts_with("HELD"), "{explained:#}");

    // A proposal whose backtest is a lie is refused by every other officer's machine
    let proposed = terminal.ok("policy propose strict.toml --officer alice --write-statement honest.txt");
    let honest = proposed["text"].as_str().unwrap();
    assert!(
        honest.contains("\nbacktest flips: 1\n") && honest.contains("\ntightens: restriction usdt-limit"),
        "{honest}"
    );
    let lie =
        cluster.officer("alice").sign(&honest.replace("\nbacktest flips: 1\n", "\nbacktest flips: 0\n"));
    let channel = cluster.to_coordinator(Role::Officer, "alice").await;
    let request = v1::ProposeCeremonyRequest { envelope: lie.to_json() };
    let lie = CeremonyServiceClient::new(channel).propose(request).await.unwrap().into_inner().id;
    let (exit, refused) = terminal.run(&format!("ceremony approve {lie} --officer bob --yes"));
    assert_eq!((exit, refused["error"]["reason"].as_str()), (3, Some("BACKTEST_MISMATCH")), "{refused:#}");

    // The honest one takes effect, although the log went on meanwhile
    terminal.ssh_keygen("alice", "honest.txt");
    let proposed = terminal.ok("policy propose strict.toml --officer alice --signature honest.txt.sig");
    let ceremony = proposed["id"].as_str().unwrap().to_owned();
    terminal.approve(&ceremony, &["alice", "bob"]);
    let held = pipeline.submit(&cluster.request_of(3_000, PAYEE)).await.unwrap();
    assert_eq!((held.state(), reason_code(&held).as_str()), (State::Held, "ABOVE_AUTOMATIC_LIMIT"));
    let shown = terminal.ok("policy show");
    assert_eq!(shown["version"], 2, "{shown:#}");
}
