//! Screening lists and outside risk providers with real processes: an updated list stops a payment at decision, authorization and
//! signing; one officer's addition acts at once and without the coordinator; a provider that is silent holds, and what it signed
//! cannot be dropped, repeated or invented.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_chains::Address;
use holdfast_ledger::{
    Outcome, PayloadKind, ScreeningPart, ScreeningProposal, ScreeningUpdate, StatementBody, key_id,
};
use holdfast_log::Envelope;
use holdfast_policy::{CalendarDate, ListId, ScreeningDelta, ScreeningList};
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::fact_service_client::FactServiceClient;
use holdfast_proto::v1::risk_provider_client::RiskProviderClient;
use holdfast_tests::{
    COORDINATOR, Cluster, Hostile, NODES, Options, PAYEE, Request, STRANGER, THIEF, eventually, free_address,
    now_ms, program, reason_code, refused, transfer,
};
use holdfast_transport::client::{Endpoint, Timeouts, connect};
use holdfast_transport::{PeerIdentity, Role};
use serde_json::{Value, json};
use tonic::{Code, Status};

const USDT: u128 = 1_000_000;
const HOUR_MS: u64 = 3_600_000;
const LIST: &str = "ofac-eth";
const PATIENCE: Duration = Duration::from_secs(60);

fn pays(cluster: &Cluster, to: &str) -> Request {
    cluster.request_of(10, to)
}

async fn submitted(cluster: &Cluster, to: &str) -> (State, String) {
    let withdrawal = cluster.pipeline().await.submit(&pays(cluster, to)).await.unwrap();
    (withdrawal.state(), reason_code(&withdrawal))
}

/// The list in force with one more address, in a file.
async fn list_with(cluster: &Cluster, address: &str) -> String {
    let log = cluster.download().await;
    let (list, _) = log.state().screening_list(&ListId::new(LIST).unwrap()).unwrap();
    std::fs::write(cluster.path("list.txt"), format!("{}{address}\n", list.text())).unwrap();
    "list.txt".to_owned()
}

#[tokio::test]
async fn an_updated_list_stops_a_payment_at_decision_authorization_and_signing() {
    let cluster = Cluster::ready(Options::default()).await;
    cluster.whitelist(STRANGER, now_ms() + HOUR_MS).await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    // Given a payee who is paid, and a payment that is allowed and has no transaction yet
    assert_eq!(submitted(&cluster, PAYEE).await.0, State::Signed);
    let waiting = cluster.intent().set("destination", PAYEE).set("amount", (10 * USDT).to_string());
    let allowed = pipeline.submit(&waiting).await.unwrap();
    assert_eq!(allowed.state(), State::Allowed, "{:?}", allowed.reason);
    // An address on a list that no rule asks would be paid all the same: the officer is told
    let (exit, unheeded) = terminal.run(&format!("screening add-now watch {PAYEE} --officer carol --yes"));
    assert_eq!((exit, unheeded["error"]["reason"].as_str()), (3, Some("LIST_NOT_NAMED")), "{unheeded:#}");
    // When officers upload, compare and propose the next version: nothing changes yet
    let file = list_with(&cluster, PAYEE).await;
    let diff = terminal.ok(&format!("screening diff {LIST} {file}"));
    assert_eq!((&diff["added"], &diff["removed"]), (&json!(1), &json!(0)), "{diff:#}");
    let propose = format!("screening propose {LIST} {file} --as-of 2026-11-21 --officer alice --yes");
    let ceremony = terminal.ok(&propose)["id"].as_str().unwrap().to_owned();
    assert_eq!(submitted(&cluster, PAYEE).await.0, State::Signed, "a proposal is no version");
    // Then with the quorum's approval the next payment is denied
    terminal.approve(&ceremony, &["alice", "bob"]);
    assert_eq!(submitted(&cluster, PAYEE).await, (State::Denied, "DESTINATION_SANCTIONED".to_owned()));
    let shown = terminal.ok(&format!("screening show {LIST} --text shown.txt"));
    assert_eq!(shown["versions"][1]["version"], 2, "{shown:#}");
    assert_eq!(shown["sha256"], diff["sha256"]);
    // And the one that was allowed is denied when it is to be authorized
    let transaction = transfer(PAYEE, 10 * USDT, cluster.next_account_nonce());
    let bound = pipeline.bind(&cluster.bind(&allowed.id, &transaction)).await.unwrap();
    assert_eq!((bound.state(), reason_code(&bound).as_str()), (State::Denied, "DESTINATION_SANCTIONED"));
    // And nodes refuse to sign what was authorized before, even for a thief with the coordinator's keys
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&pays(&cluster, STRANGER));
    hostile.sign(&id, &["node-1", "node-2"]).await.unwrap();
    update_list(&cluster, &mut hostile, STRANGER);
    for pair in [["node-1", "node-2"], ["node-2", "node-3"]] {
        refused(hostile.sign(&id, &pair).await, Code::FailedPrecondition, "POLICY_REFUSES");
    }
    // And a node that was restarted still knows the list
    cluster.kill_9("node-1");
    cluster.bring_up("node-1").await;
    refused(hostile.sign(&id, &["node-1", "node-2"]).await, Code::FailedPrecondition, "POLICY_REFUSES");
}

/// The ceremony of officers, in a log that a thief writes.
fn update_list(cluster: &Cluster, hostile: &mut Hostile<'_>, address: &str) {
    let list = ListId::new(LIST).unwrap();
    let (base, record) = hostile.log.state().screening_list(&list).unwrap();
    let day = CalendarDate::parse("2026-11-22").unwrap();
    let next =
        ScreeningList::parse(list.clone(), "test", day, &format!("{}{address}\n", base.text())).unwrap();
    let delta = ScreeningDelta::between(base, &next);
    let cluster_id = hostile.log.state().cluster().clone();
    let parts = ScreeningPart::all(&cluster_id, &delta);
    let update = ScreeningUpdate {
        cluster: cluster_id,
        list: list.clone(),
        source: "test".to_owned(),
        as_of: "2026-11-22".to_owned(),
        version: record.versions.last().unwrap().version,
        replaces: Some(base.hash()),
        result: next.hash(),
        delta: delta.hash(),
        added: 1,
        removed: 0,
        parts: 1,
    };
    let announced = hostile.speak(PayloadKind::ScreeningUpdate, &serde_json::to_value(&update).unwrap());
    let part = hostile.speak(PayloadKind::ScreeningPart, &serde_json::to_value(&parts[0]).unwrap());
    for envelope in [announced, part] {
        let applied = hostile.log.append(&envelope);
        assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
    }
    let ScreeningUpdate { version, replaces, result, delta, added, removed, .. } = update;
    let proposal = ScreeningProposal { list, version, replaces, result, delta, added, removed };
    let proposed = hostile.officer_says("alice", StatementBody::ProposeScreening(proposal));
    let Outcome::Admitted(admission) = hostile.log.append(&proposed).outcome else { panic!("not proposed") };
    for officer in ["alice", "bob"] {
        let approval =
            hostile.officer_says(officer, StatementBody::ApproveCeremony(admission.ceremony.unwrap()));
        hostile.log.append(&approval);
    }
    let listed = Address::parse(address).unwrap();
    assert!(hostile.log.state().is_listed(&ListId::new(LIST).unwrap(), &listed), "{}", cluster.name());
}

#[tokio::test]
async fn one_officers_addition_acts_at_once_without_the_coordinator_and_only_a_quorum_lifts_it() {
    let cluster = Cluster::ready(Options::default()).await;
    let terminal = cluster.terminal();
    let mut log = cluster.download().await;
    // Given a thief who has the coordinator and an authorized payment
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    let id = hostile.authorized(&pays(&cluster, PAYEE));
    hostile.sign(&id, &["node-1", "node-2"]).await.unwrap();
    // When one officer adds the destination at the nodes
    let added = terminal.ok(&format!("screening add-now {LIST} {PAYEE} --officer carol --yes"));
    assert_eq!(added["refusing"], NODES.len(), "{added:#}");
    // Then no pair signs, also after a power cut
    cluster.kill_9("node-3");
    cluster.bring_up("node-3").await;
    for pair in [["node-1", "node-2"], ["node-1", "node-3"]] {
        refused(hostile.sign(&id, &pair).await, Code::FailedPrecondition, "LATCHED");
    }
    // And when the honest coordinator comes back, its log takes the statement over and denies
    cluster.bring_up(COORDINATOR).await;
    eventually("the addition is in the log", PATIENCE, || async {
        let log = cluster.download().await;
        let listed = log.state().is_listed(&ListId::new(LIST).unwrap(), &Address::parse(PAYEE).unwrap());
        listed.then_some(()).ok_or("not yet")
    })
    .await;
    assert_eq!(submitted(&cluster, PAYEE).await, (State::Denied, "DESTINATION_SANCTIONED".to_owned()));
    // One officer cannot take it back, two can
    let lift = format!("screening lift {LIST} {PAYEE} --officer alice --yes");
    let ceremony = terminal.ok(&lift)["id"].as_str().unwrap().to_owned();
    terminal.approve(&ceremony, &["alice"]);
    assert_eq!(submitted(&cluster, PAYEE).await.0, State::Denied);
    terminal.approve(&ceremony, &["bob"]);
    eventually("the payee is paid again", PATIENCE, || async {
        let (state, reason) = submitted(&cluster, PAYEE).await;
        (state == State::Signed).then_some(()).ok_or(reason)
    })
    .await;
}

/// The reference provider, as a process. Dropping it kills it.
struct Chainwatch {
    child: Child,
}

impl Drop for Chainwatch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SCORES: &str = "scores.txt";
const NAME: &str = "sessions";

/// A cell whose policy asks one provider, whose reports count for some seconds.
struct Watched {
    cluster: Cluster,
    address: String,
}

impl Watched {
    async fn ready() -> Self {
        let mut cluster = Cluster::make(Options::default());
        let address = free_address().to_string();
        let table = format!(
            "[exposure]\nproviders = [\"{NAME}\"]\nmax_age_ms = 12000\nrequired = true\nhold_at = 50\ndeny_at = 80\n\
             approvals = {{ withdrawal-approver = 2 }}\n\n[hold]"
        );
        cluster.amend_policy(|policy| policy.replacen("[hold]", &table, 1));
        let config = cluster.path("coordinator/coordinator.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let provider = format!("\n[[risk_providers]]\nname = \"{NAME}\"\naddress = \"{address}\"\n");
        std::fs::write(&config, format!("{text}{provider}")).unwrap();
        cluster.start_all().await;
        cluster.make_ready().await;
        let watched = Self { cluster, address };
        watched.scores("");
        watched
    }

    fn scores(&self, lines: &str) {
        std::fs::write(self.cluster.path(SCORES), lines).unwrap();
    }

    /// Starts the provider with the program that users have.
    async fn serve(&self) -> Chainwatch {
        let log = std::fs::File::create(self.cluster.path("logs/provider.log")).unwrap();
        let child = Command::new(program("holdfast").unwrap())
            .args([
                "provider",
                "serve",
                "--list",
                SCORES,
                "--reports",
                "reports.jsonl",
                "--first-sequence",
                "2",
            ])
            .args(["--listen", &self.address])
            .current_dir(self.cluster.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let serving = Chainwatch { child };
        eventually("the provider listens", PATIENCE, || async {
            std::net::TcpStream::connect(&self.address).map(drop).map_err(|error| error.to_string())
        })
        .await;
        serving
    }

    /// Reports are due again when they are half as old as counts.
    async fn until_due(&self) {
        tokio::time::sleep(Duration::from_millis(6_100)).await;
    }

    async fn until_stale(&self) {
        tokio::time::sleep(Duration::from_millis(12_300)).await;
    }

    async fn paid(&self) -> (State, String) {
        submitted(&self.cluster, PAYEE).await
    }

    async fn next_sequence(&self) -> u64 {
        self.cluster.download().await.state().next_sequence(&NAME.parse().unwrap())
    }

    /// Passes a report on as anybody may who calls the service.
    async fn says(&self, report: &Value, key: &SigningKey) -> Result<v1::ReportFactResponse, Status> {
        let kind = PayloadKind::ExposureReport.payload_type();
        let payload = serde_json::to_vec(report).unwrap();
        let envelope = Envelope::sign_ed25519(kind, payload, &key_id("provider", NAME), key).unwrap();
        let channel = self.cluster.to_coordinator(Role::Provider, NAME).await;
        let request = v1::ReportFactRequest { envelope: envelope.to_json() };
        Ok(FactServiceClient::new(channel).report(request).await?.into_inner())
    }

    fn report(&self, sequence: u64, score: u64) -> Value {
        json!({"cluster": self.cluster.name(), "provider": NAME, "sequence": sequence, "chain_id": 1, "destination": PAYEE,
            "score": score, "category": "none", "observed_at_ms": now_ms()})
    }
}

#[tokio::test]
async fn a_payment_waits_for_the_provider_and_obeys_what_it_says() {
    let watched = Watched::ready().await;
    let pipeline = watched.cluster.pipeline().await;
    // Nobody answers: people have to look
    let unanswered = pipeline.submit(&pays(&watched.cluster, PAYEE)).await.unwrap();
    assert_eq!((unanswered.state(), reason_code(&unanswered).as_str()), (State::Held, "EXPOSURE_ABSENT"));
    // It answers that nothing is known
    let serving = watched.serve().await;
    eventually("the payee is paid", PATIENCE, || async {
        let (state, reason) = watched.paid().await;
        (state == State::Signed).then_some(()).ok_or(reason)
    })
    .await;
    // And what was held for its silence alone goes on by itself
    let answered = pipeline.reaches(&unanswered.id, State::Signed, PATIENCE).await;
    assert!(answered.approvals.is_empty());
    // It answers what its file says now
    watched.scores(&format!("{PAYEE} 65 mixer 2\n"));
    watched.until_due().await;
    assert_eq!(watched.paid().await, (State::Held, "EXPOSURE_HOLD".to_owned()));
    watched.scores(&format!("{PAYEE} 80 sanctions 1\n"));
    watched.until_due().await;
    assert_eq!(watched.paid().await, (State::Denied, "EXPOSURE_DENY".to_owned()));
    // A file that cannot be read clears nobody
    watched.scores("not an address\n");
    watched.until_stale().await;
    assert_eq!(watched.paid().await, (State::Held, "EXPOSURE_ABSENT".to_owned()));
    // Down: it holds, and a request is not kept waiting for it
    drop(serving);
    let before = std::time::Instant::now();
    assert_eq!(watched.paid().await, (State::Held, "EXPOSURE_ABSENT".to_owned()));
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    // Back, with its numbers where they were
    watched.scores("");
    let _serving = watched.serve().await;
    eventually("the payee is paid again", PATIENCE, || async {
        let (state, reason) = watched.paid().await;
        (state == State::Signed).then_some(()).ok_or(reason)
    })
    .await;
}

#[tokio::test]
async fn what_the_provider_signed_cannot_be_dropped_repeated_or_invented() {
    let watched = Watched::ready().await;
    let key = watched.cluster.ed25519_key("provider/sessions.key");
    let _serving = watched.serve().await;
    assert_eq!(watched.paid().await.0, State::Signed);
    let next = watched.next_sequence().await;
    // A favourable report that leaves out the one before it
    let gap = watched.says(&watched.report(next + 1, 0), &key).await;
    assert_eq!(refused(gap, Code::FailedPrecondition, "SEQUENCE_GAP").fields, ["sequence"]);
    // One that was said before
    let again = watched.says(&watched.report(next - 1, 0), &key).await;
    refused(again, Code::AlreadyExists, "ALREADY_RECORDED");
    // One that somebody else signed in its name
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let forged = watched.says(&watched.report(next, 0), &stranger).await;
    refused(forged, Code::Unauthenticated, "ENVELOPE_SIGNATURE_INVALID");
    // A coordinator that asked, did not like the answer and threw it away is found out by the gap: it has to log it
    watched.scores(&format!("{PAYEE} 90 sanctions 1\n{THIEF} 100 theft 0\n"));
    let expected = PeerIdentity::new(watched.cluster.name(), Role::Provider, NAME).unwrap();
    let endpoint = Endpoint { address: watched.address.clone(), expected };
    let identity = watched.cluster.identity(Role::Coordinator, COORDINATOR);
    let channel = connect(&endpoint, &identity, &Timeouts::default()).await.unwrap();
    let about = |destination: &str| v1::AssessDestinationRequest {
        cluster: watched.cluster.name().to_owned(),
        chain_id: 1,
        destination: destination.to_owned(),
    };
    let thrown = RiskProviderClient::new(channel).assess_destination(about(PAYEE)).await.unwrap();
    assert!(!thrown.into_inner().envelope.is_empty());
    watched.scores("");
    watched.until_due().await;
    assert_eq!(watched.paid().await.0, State::Signed, "the newest report counts");
    let sequence = watched.next_sequence().await;
    assert!(sequence > next + 1, "the thrown report is in the log: {sequence}");
    // One that cannot be stays in the log and uses up its number: nothing else is ever said under it
    let lie = watched.says(&watched.report(sequence, 101), &key).await;
    assert_eq!(refused(lie, Code::InvalidArgument, "FIELD_INVALID").fields, ["score"]);
    let again = watched.says(&watched.report(sequence, 0), &key).await;
    assert_eq!(refused(again, Code::InvalidArgument, "FIELD_INVALID").fields, ["sequence"]);
    assert_eq!(watched.next_sequence().await, sequence + 1);
    // Nobody but the coordinator may ask
    let outsider = watched.cluster.identity(Role::Client, "pipeline");
    let channel = connect(&endpoint, &outsider, &Timeouts::default()).await.unwrap();
    let refusal = RiskProviderClient::new(channel).assess_destination(about(THIEF)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::PermissionDenied);
}
