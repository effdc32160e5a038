//! Agencies' orders and the Travel Rule with real programs: one officer freezes at once and for a while, nothing is released or
//! unfrozen on the strength of a document, and a payment waits for its exchange of data.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use holdfast_chains::Address;
use holdfast_ledger::{OrderConfirmation, PayloadKind, key_id};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::LegalOrderId;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_proto::v1::legal_order_service_client::LegalOrderServiceClient;
use holdfast_tests::{Cluster, PAYEE, Request, Terminal, now_ms, refused};
use holdfast_transport::Role;
use serde_json::Value;
use tokio::sync::OnceCell;
use tonic::Code;

const HOUR_MS: u64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(30);
const AGENCY: &str = "fiu";
/// Registered contacts of the agency.
const CONTACTS: [&str; 2] = ["dora", "eve"];
/// Somebody with a letterhead and a key.
const FORGER: &str = "mallory";
const DOCUMENT: &str = "order.pdf";

async fn cell() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(make).await
}

/// A cell whose policy knows legal orders and the Travel Rule, with two contacts of an agency in its roster.
async fn make() -> Cluster {
    let more = "[[restriction]]\nid = \"travel\"\ntype = \"travel_rule\"\nabove = { USDT = \"3000000000\" }\n\
                    providers = [\"sessions\"]\napprovals = { compliance-officer = 1 }\n\n\
                    [legal]\nfreeze_lapse_ms = 600000\nopened_by = \"compliance-officer\"\n\
                    approvals = { compliance-officer = 1, security-officer = 1 }\n\n[risk]";
    let cluster = Cluster::with_policy(|policy| policy.replacen("[risk]", more, 1)).await;
    let terminal = cluster.terminal();
    std::fs::write(cluster.path(DOCUMENT), "By order of the court: pay.").unwrap();
    for name in CONTACTS.into_iter().chain([FORGER]) {
        let key = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
        assert!(Command::new("ssh-keygen").args(key).arg(cluster.path(name)).status().unwrap().success());
    }
    for contact in CONTACTS {
        let add = format!(
            "roster add-agency-contact {contact} --agency {AGENCY} --public-key {contact}.pub --officer alice --yes"
        );
        let ceremony = terminal.ok(&add)["id"].as_str().unwrap().to_owned();
        terminal.approve(&ceremony, &["alice", "bob"]);
    }
    cluster
}

fn pays(cluster: &Cluster, usdt: u128, to: &str, customer: &str) -> Request {
    cluster.request_of(usdt, to).set("customer", customer)
}

async fn submitted(cluster: &Cluster, request: &Request) -> (State, String) {
    let withdrawal = cluster.pipeline().await.submit(request).await.unwrap();
    (withdrawal.state(), withdrawal.reason.unwrap().code)
}

fn denied(code: &str) -> (State, String) {
    (State::Denied, code.to_owned())
}

/// Opens an order; returns its id.
fn opened(terminal: &Terminal, demands: &str, reference: &str) -> String {
    let open = format!(
        "order open {demands} --agency {AGENCY} --reference {reference} --document {DOCUMENT} --officer carol --yes"
    );
    let order = terminal.ok(&open);
    assert_eq!(order["state"], "open", "{order:#}");
    order["id"].as_str().unwrap().to_owned()
}

fn approve(terminal: &Terminal, order: &str, officer: &str) -> Value {
    terminal.ok(&format!("order approve {order} --officer {officer} --yes"))
}

/// The text that a contact has to sign, signed with somebody's key: the file of the signature.
fn signed(terminal: &Terminal, order: &str, contact: &str, key: &str) -> String {
    let text = format!("{order}-{contact}-{key}.txt");
    terminal.ok(&format!("order confirm {order} --contact {contact} --write {text} --officer carol"));
    let sign = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", "holdfast-order", "-f", key, &text])
        .current_dir(terminal.directory())
        .output()
        .unwrap();
    assert!(sign.status.success(), "{}", String::from_utf8_lossy(&sign.stderr));
    format!("{text}.sig")
}

fn confirm(terminal: &Terminal, order: &str, contact: &str) -> Value {
    let signature = signed(terminal, order, contact, contact);
    terminal.ok(&format!("order confirm {order} --contact {contact} --signature {signature} --officer carol"))
}

/// A signature that is not the contact's is refused here and by the coordinator, whoever hands it in.
async fn forge(cluster: &Cluster, order: &str, contact: &str) {
    let terminal = cluster.terminal();
    let signature = signed(&terminal, order, contact, FORGER);
    let (exit, answer) = terminal
        .run(&format!("order confirm {order} --contact {contact} --signature {signature} --officer carol"));
    assert_eq!(
        (exit, answer["error"]["reason"].as_str()),
        (3, Some("ENVELOPE_SIGNATURE_INVALID")),
        "{answer}"
    );
    let log = cluster.download().await;
    let known = log.state().legal_order(&order.parse::<LegalOrderId>().unwrap()).unwrap();
    let text = OrderConfirmation::text(log.state().cluster(), known, &contact.parse().unwrap());
    let signature: PathBuf = cluster.path(&signature);
    let signature = EnvelopeSignature {
        key_id: key_id("contact", contact),
        signature: std::fs::read(signature).unwrap(),
    };
    let kind = PayloadKind::OrderConfirmation.payload_type();
    let envelope = Envelope::new(kind, text.into_bytes(), vec![signature]).unwrap().to_json();
    let channel = cluster.to_coordinator(Role::Officer, "carol").await;
    let handed_in =
        LegalOrderServiceClient::new(channel).submit(v1::SubmitLegalOrderRequest { envelope }).await;
    refused(handed_in, Code::Unauthenticated, "ENVELOPE_SIGNATURE_INVALID");
}

#[tokio::test]
async fn one_officer_freezes_a_customer_a_quorum_confirms_it_and_only_the_agency_with_officers_ends_it() {
    let cluster = cell().await;
    let terminal = cluster.terminal();
    terminal.ok("fact session --customer customer-frozen");
    let pays = |customer: &str| pays(cluster, 10, PAYEE, customer);
    assert_eq!(submitted(cluster, &pays("customer-frozen")).await.0, State::Signed);
    // An officer of another role cannot
    let freeze = format!("order open freeze --agency {AGENCY} --reference F-0 --document {DOCUMENT}");
    let (exit, answer) = terminal.run(&format!("{freeze} --customer customer-frozen --officer bob --yes"));
    assert_eq!((exit, answer["error"]["reason"].as_str()), (3, Some("SIGNER_NOT_AUTHORIZED")), "{answer}");
    // When one compliance officer freezes, it stops at once, this customer and no other
    let order = opened(&terminal, "freeze --customer customer-frozen", "F-1");
    assert_eq!(submitted(cluster, &pays("customer-frozen")).await, denied("CUSTOMER_FROZEN"));
    assert_eq!(submitted(cluster, &pays(holdfast_tests::CUSTOMER)).await.0, State::Signed);
    // When two roles confirm it, it stays
    assert_eq!(approve(&terminal, &order, "carol")["state"], "open");
    assert_eq!(approve(&terminal, &order, "alice")["state"], "confirmed");
    assert_eq!(submitted(cluster, &pays("customer-frozen")).await, denied("CUSTOMER_FROZEN"));
    // A document that says to end it, and all officers with it, end nothing
    let unfreeze = opened(&terminal, &format!("unfreeze --order {order}"), "F-2");
    approve(&terminal, &unfreeze, "carol");
    approve(&terminal, &unfreeze, "bob");
    for contact in CONTACTS {
        forge(cluster, &unfreeze, contact).await;
    }
    assert_eq!(terminal.ok(&format!("order show {unfreeze}"))["state"], "open");
    assert_eq!(submitted(cluster, &pays("customer-frozen")).await, denied("CUSTOMER_FROZEN"));
    // Both contacts of the agency do
    assert_eq!(confirm(&terminal, &unfreeze, "dora")["state"], "open");
    assert_eq!(confirm(&terminal, &unfreeze, "eve")["state"], "confirmed");
    assert_eq!(terminal.ok(&format!("order show {order}"))["state"], "lifted");
    assert_eq!(submitted(cluster, &pays("customer-frozen")).await.0, State::Signed);
}

#[tokio::test]
async fn a_forged_document_moves_nothing_and_a_confirmed_order_is_paid_exactly_and_once() {
    let cluster = cell().await;
    let terminal = cluster.terminal();
    let agency =
        Address::parse_unchecked_case("0xde709f2102306220921060314715629080e2fb77").unwrap().to_string();
    cluster.whitelist(&agency, now_ms() + HOUR_MS).await;
    let plain = |usdt: u128| pays(cluster, usdt, &agency, holdfast_tests::CUSTOMER);
    // Given a document that somebody forged, and an officer who believed it
    let order =
        opened(&terminal, &format!("release --wallet hot-1 --amount 100~USDT --address {agency}"), "R-1");
    let named = |usdt: u128| plain(usdt).set("order", order.as_str());
    // Then nothing goes to that address, with or without the order
    assert_eq!(submitted(cluster, &plain(100)).await, denied("LEGAL_ORDER_REQUIRED"));
    assert_eq!(submitted(cluster, &named(100)).await, denied("LEGAL_ORDER_NOT_CONFIRMED"));
    // Nor when officers of two roles believe it
    approve(&terminal, &order, "carol");
    approve(&terminal, &order, "alice");
    assert_eq!(submitted(cluster, &named(100)).await, denied("LEGAL_ORDER_NOT_CONFIRMED"));
    // Nor with one contact, and another one's name under somebody else's signature
    confirm(&terminal, &order, "eve");
    forge(cluster, &order, "dora").await;
    // One contact is one contact, however often
    let again =
        format!("order confirm {order} --contact eve --signature {order}-eve-eve.txt.sig --officer carol");
    terminal.run(&again);
    assert_eq!(submitted(cluster, &named(100)).await, denied("LEGAL_ORDER_NOT_CONFIRMED"));
    // When the second contact confirms, exactly what is demanded is paid, and once
    assert_eq!(confirm(&terminal, &order, "dora")["state"], "confirmed");
    assert_eq!(submitted(cluster, &named(99)).await, denied("LEGAL_ORDER_MISMATCH"));
    let paid = cluster.pipeline().await.submit(&named(100)).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    assert_eq!(terminal.ok(&format!("order show {order}"))["paid_by"], paid.id.as_str());
    assert_eq!(submitted(cluster, &named(100)).await, denied("LEGAL_ORDER_PAID"));
}

#[tokio::test]
async fn a_payment_that_the_travel_rule_concerns_waits_for_its_exchange() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    let message = "ab".repeat(32);
    let report = |id: &str, state: &str| {
        format!("fact travel --withdrawal {id} --state {state} --message {message} --provider sessions")
    };
    let large = || pays(cluster, 4_000, PAYEE, holdfast_tests::CUSTOMER);
    // Given one below the threshold and three above it
    let small = pays(cluster, 3_000, PAYEE, holdfast_tests::CUSTOMER);
    assert_eq!(submitted(cluster, &small).await.0, State::Signed);
    let mut held = Vec::new();
    for _ in 0..3 {
        let withdrawal = pipeline.submit(&large()).await.unwrap();
        assert_eq!(withdrawal.reason.as_ref().unwrap().code, "TRAVEL_RULE_ABSENT");
        assert_eq!(withdrawal.state(), State::Held);
        held.push(withdrawal.id);
    }
    // When the exchange is under way, it waits on
    terminal.ok(&report(&held[0], "sent"));
    let sent = pipeline.get(&held[0]).await.unwrap();
    assert_eq!((sent.state(), sent.reason.unwrap().code.as_str()), (State::Held, "TRAVEL_RULE_PENDING"));
    // When it is accepted, it is paid; when it is rejected, never
    terminal.ok(&report(&held[0], "accepted"));
    pipeline.reaches(&held[0], State::Signed, PATIENCE).await;
    terminal.ok(&report(&held[1], "rejected"));
    let rejected = pipeline.get(&held[1]).await.unwrap();
    assert_eq!(
        (rejected.state(), rejected.reason.unwrap().code.as_str()),
        (State::Denied, "TRAVEL_RULE_REJECTED")
    );
    // And where no answer comes, compliance may stand in for it
    assert_eq!(pipeline.get(&held[2]).await.unwrap().state(), State::Held);
    let (exit, answer) = terminal.run(&format!("withdraw approve {} --officer carol --yes", held[2]));
    assert_eq!(exit, 0, "{answer}");
    pipeline.reaches(&held[2], State::Signed, PATIENCE).await;
}
