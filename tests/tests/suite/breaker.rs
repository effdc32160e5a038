//! Circuit breakers through real processes: denials that a client provokes, and outflow that a thief with the coordinator's keys
//! authorizes, pause the wallet at every node until officers resume it.

use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{COORDINATOR, Cluster, Hostile, STRANGER, WALLET, reason_code, refused};
use tonic::Code;

/// A running cell whose policy has a circuit breaker.
async fn cell(rule: &str) -> Cluster {
    let rule = format!(
        "[[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\nwindow_ms = 3600000\n{rule}\n\n[risk]"
    );
    Cluster::with_policy(|policy| policy.replacen("[risk]", &rule, 1)).await
}

#[tokio::test]
async fn denials_that_a_client_provokes_pause_the_wallet_until_officers_resume_it() {
    let cluster = cell("max_denials = 3").await;
    let (pipeline, terminal) = (cluster.pipeline().await, cluster.terminal());
    let paid = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    assert_eq!(terminal.ok("status")["paused_wallets"], serde_json::json!([]));
    // When a thief with the client's key tries one address after the other
    let mut last = String::new();
    for attempt in 1..=4 {
        let denied = pipeline.submit(&cluster.intent().set("destination", STRANGER)).await.unwrap();
        assert_eq!(reason_code(&denied), "DESTINATION_NOT_WHITELISTED", "attempt {attempt}");
        last = denied.id;
    }
    // Then an honest withdrawal is refused by a stable code
    let honest = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!((honest.state(), reason_code(&honest).as_str()), (State::Denied, "WALLET_PAUSED"));
    // And status, wallet and explanation name the breaker and what tripped it
    let status = terminal.ok("status");
    let pause = &status["paused_wallets"][0]["pauses"][0];
    assert_eq!((&pause["breaker"]["rule"], &pause["officer"]), (&"fuse".into(), &"".into()), "{status:#}");
    assert_eq!(pause["breaker"]["withdrawal"], last.as_str());
    let wallet = terminal.ok(&format!("wallet show {WALLET}"));
    assert_eq!(wallet["pauses"][0]["breaker"]["rule"], "fuse", "{wallet:#}");
    terminal.ok("audit export exported");
    let explained = terminal.ok(&format!("audit explain {} --log exported", honest.id)).to_string();
    assert!(explained.contains("BREAKER_TRIPPED") && explained.contains("fuse"), "{explained}");
    let explained = terminal.ok(&format!("audit explain {last} --log exported")).to_string();
    assert!(explained.contains("pauses `hot-1`: circuit breaker fuse"), "{explained}");
    assert!(explained.contains("4 requests were denied within 1 hour, it lets 3 pass"), "{explained}");
    // When two officers resume it
    let resume = terminal.ok(&format!("officer resume {WALLET} --officer alice --yes"));
    terminal.approve(resume["id"].as_str().unwrap(), &["alice", "bob"]);
    // Then it signs again, and what tripped it does not trip it again
    let paid = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
    for _ in 0..3 {
        pipeline.submit(&cluster.intent().set("destination", STRANGER)).await.unwrap();
    }
    let paid = pipeline.submit(&cluster.request()).await.unwrap();
    assert_eq!(paid.state(), State::Signed, "{:?}", paid.reason);
}

#[tokio::test]
async fn a_thief_with_the_coordinators_keys_cannot_hide_a_trip_from_the_nodes() {
    let cluster = cell("max_outflow = { asset = \"USDT\", amount = \"2500000000\" }").await;
    let mut log = cluster.download().await;
    cluster.kill_9(COORDINATOR);
    let mut hostile = Hostile::with(&cluster, &mut log);
    // Given two payments of 1,250 USDT: as much as the breaker lets pass
    let (first, second) = (hostile.authorized(&cluster.request()), hostile.authorized(&cluster.request()));
    hostile.sign(&first, &["node-1", "node-2"]).await.unwrap();
    // When a third one is authorized
    let third = hostile.authorized(&cluster.request());
    // Then no pair signs it, nor what was authorized before and is not signed yet
    for pair in [["node-1", "node-2"], ["node-1", "node-3"], ["node-2", "node-3"]] {
        for id in [&second, &third] {
            refused(hostile.sign(id, &pair).await, Code::FailedPrecondition, "WALLET_PAUSED");
        }
    }
}
