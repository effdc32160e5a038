//! What customers confirm, through real processes: a destination from request to expiry, and a withdrawal that waits for its
//! customer.

use std::time::Duration;

use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use holdfast_tests::{CUSTOMER, Cluster, PAYEE, STRANGER, now_ms, reason_code};
use holdfast_transport::Role;

const COOLING_OFF_MS: u64 = 8_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// A running cell in which customers confirm entries, and payments above 1,000 USDT.
async fn cell() -> Cluster {
    let identity = "[identity]\nproviders = [\"sessions\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 120000\n\n[risk]";
    let change = |policy: &str| {
        policy
            .replacen("[risk]", identity, 1)
            .replacen("cooling_off_ms = 0", &format!("cooling_off_ms = {COOLING_OFF_MS}"), 1)
            .replacen("asset = \"USDT\"\n", "asset = \"USDT\"\nstep_up_above = \"1000000000\"\n", 1)
    };
    Cluster::with_policy(change).await
}

async fn until(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms.saturating_sub(now_ms()) + 50)).await;
}

#[tokio::test]
async fn entry_of_a_customer_is_confirmed_cools_off_is_used_and_expires() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    // Given a client that asks, in lower case
    let asked = terminal.ok(&format!(
        "whitelist request {} --customer {CUSTOMER} --asset USDT --expires-in 60s",
        STRANGER.to_lowercase()
    ));
    let id = asked["id"].as_str().unwrap().to_owned();
    assert_eq!(asked["address"], STRANGER);
    let waiting = terminal.ok("whitelist list --requested");
    assert_eq!(waiting["requests"][0]["id"], id.as_str());
    // Then nothing may be paid before the customer confirms
    let early = pipeline.submit(&cluster.request_of(10, STRANGER)).await.unwrap();
    assert_eq!((early.state(), reason_code(&early).as_str()), (State::Denied, "DESTINATION_NOT_WHITELISTED"));
    // When the identity provider attests something else, nothing happens
    let attest = format!("fact identity --subject {id} --method passkey --session s-1");
    let (exit, refused) = terminal.run(&format!("{attest} --score 90 --customer somebody-else"));
    assert_ne!(exit, 0);
    assert_eq!(refused["error"]["reason"], "IDENTITY_OTHER_CUSTOMER", "{refused}");
    let (exit, refused) = terminal.run(&format!("{attest} --score 79"));
    assert_ne!(exit, 0);
    assert_eq!(refused["error"]["reason"], "IDENTITY_SCORE_TOO_LOW", "{refused}");
    // And when it attests this, the cooling-off begins
    terminal.ok(&format!("{attest} --score 90"));
    let cooling = pipeline.submit(&cluster.request_of(10, STRANGER)).await.unwrap();
    assert_eq!((cooling.state(), reason_code(&cooling).as_str()), (State::Denied, "WHITELIST_ENTRY_PENDING"));
    let entry = get(&cluster, &id).await;
    assert_eq!((entry.state(), entry.client.as_str()), (v1::WhitelistEntryState::Pending, "pipeline"));
    assert_eq!(entry.confirmation.unwrap().method, "passkey");
    // Then it is used
    until(entry.not_before_ms).await;
    let paid = pipeline.submit(&cluster.request_of(10, STRANGER)).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    assert!(get(&cluster, &id).await.last_used_ms.is_some());
    // And noticed before it ends
    let soon = terminal.ok("whitelist list --expiring-within 1");
    assert!(soon["entries"].as_array().unwrap().iter().any(|entry| entry["id"] == id.as_str()), "{soon}");
    // Until its life is over
    until(entry.expires_at_ms).await;
    let late = pipeline.submit(&cluster.request_of(10, STRANGER)).await.unwrap();
    assert_eq!((late.state(), reason_code(&late).as_str()), (State::Denied, "WHITELIST_ENTRY_EXPIRED"));
    // And what a client takes back is over at once
    let asked = terminal
        .ok(&format!("whitelist request {STRANGER} --customer {CUSTOMER} --asset USDT --expires-in 1h"));
    let id = asked["id"].as_str().unwrap().to_owned();
    terminal.ok(&format!("fact identity --subject {id} --method passkey --session s-2 --score 90"));
    terminal.ok(&format!("whitelist take-back {id}"));
    assert_eq!(get(&cluster, &id).await.state(), v1::WhitelistEntryState::Revoked);
}

async fn get(cluster: &Cluster, id: &str) -> v1::WhitelistEntry {
    let channel = cluster.to_coordinator(Role::Client, "pipeline").await;
    let request = v1::GetWhitelistEntryRequest { entry_id: id.to_owned() };
    WhitelistServiceClient::new(channel).get(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn withdrawal_is_stepped_up_until_exactly_it_is_attested() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    until(now_ms() + COOLING_OFF_MS).await;
    let first = pipeline.submit(&cluster.request_of(1_250, PAYEE)).await.unwrap();
    let second = pipeline.submit(&cluster.request_of(1_300, PAYEE)).await.unwrap();
    assert_eq!((first.state(), reason_code(&first).as_str()), (State::Held, "ABOVE_STEP_UP_LIMIT"));
    let hold = first.decision.clone().unwrap().hold.unwrap();
    assert!(hold.step_up_required && hold.approvals.is_empty());
    // When the attestation is for the other one
    let attest = format!("fact identity --subject {} --method passkey --session s-1 --score 90", first.id);
    let (exit, refused) = terminal.run(&format!("{attest} --intent {}", hex::encode(&second.intent_digest)));
    assert_ne!(exit, 0);
    assert_eq!(refused["error"]["reason"], "IDENTITY_OTHER_INTENT", "{refused}");
    assert_eq!(pipeline.get(&first.id).await.unwrap().state(), State::Held);
    // Then only its own lets it go
    terminal.ok(&attest);
    let signed = pipeline.reaches(&first.id, State::Signed, PATIENCE).await;
    assert_eq!(signed.attestations[0].provider, "sessions");
    assert_eq!(pipeline.get(&second.id).await.unwrap().state(), State::Held);
}
