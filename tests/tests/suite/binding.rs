//! How far an officer's action binds, as the officer's own tool counts it, against real processes.

use std::time::Duration;

use holdfast_tests::{COORDINATOR, Cluster, Options, PAYEE, Terminal, WALLET, eventually};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// Names of the nodes that are counted.
fn held(binding: &Value) -> Vec<String> {
    let nodes = binding["nodes"].as_array().unwrap_or_else(|| panic!("{binding:#}"));
    nodes.iter().filter(|node| node["held"] == true).map(|node| text(&node["node"])).collect()
}

fn levels(binding: &Value) -> (bool, bool) {
    let level = |name: &str| binding["level"][name].as_bool().unwrap_or_else(|| panic!("{binding:#}"));
    (level("binding_against_coordinator"), level("binding_against_hostile_nodes"))
}

#[tokio::test]
async fn officers_see_from_cosignatures_and_receipts_how_far_an_action_binds() {
    let cluster = Cluster::running(Options::default()).await;
    let terminal = cluster.terminal();
    cluster.create_wallet(WALLET).await;
    let digest = a_pause_binds_by_receipts_and_cosignatures(&cluster, &terminal).await;
    receipts_alone_count_without_a_coordinator(&cluster, &terminal, &digest).await;
    what_restricts_says_how_far_it_binds(&terminal);
    a_pause_that_was_lifted_binds_no_more(&terminal, &digest);
}

async fn a_pause_binds_by_receipts_and_cosignatures(cluster: &Cluster, terminal: &Terminal) -> String {
    // Given a node that is down, and a pause that only node-1 got directly
    cluster.kill_9("node-3");
    let (code, paused) = terminal.run(&format!("officer pause {WALLET} --node node-1 --officer carol --yes"));
    assert_eq!((code, paused["refusing"].as_u64()), (6, Some(1)), "{paused:#}");
    let digest = text(&paused["statement"]);
    // When the coordinator has logged it, node-2 is held by its cosignature
    let binding = terminal.ok(&format!("officer binding {digest} --officer carol"));
    assert_eq!(levels(&binding), (true, false), "{binding:#}");
    assert_eq!(held(&binding), ["node-1", "node-2"]);
    assert!(binding["nodes"][0]["receipt"].is_object(), "{binding:#}");
    assert!(binding["nodes"][1]["receipt"].is_null(), "{binding:#}");
    assert_eq!(binding["says"], "pause a wallet");
    // And all that is missing is node-3
    let strict = format!("officer binding {digest} --against hostile-nodes");
    let (code, waiting) = terminal.run(&format!("{strict} --timeout 2s"));
    assert_eq!((code, &waiting["reached"]), (4, &Value::Bool(false)), "{waiting:#}");
    assert_eq!(held(&waiting), ["node-1", "node-2"]);
    cluster.bring_up("node-3").await;
    let all = terminal.ok(&strict);
    assert_eq!((levels(&all), held(&all).len()), ((true, true), 3), "{all:#}");
    // The same by the entry's index
    let entry = all["entry"].as_u64().unwrap();
    assert_eq!(terminal.ok(&format!("officer binding {entry} --against hostile-nodes"))["statement"], digest);
    let (code, unknown) = terminal.run("officer binding 100000 --timeout 1s");
    assert_eq!((code, held(&unknown).len()), (4, 0), "{unknown:#}");
    digest
}

async fn receipts_alone_count_without_a_coordinator(cluster: &Cluster, terminal: &Terminal, digest: &str) {
    cluster.kill_9(COORDINATOR);
    let (code, alone) = terminal.run(&format!("officer binding {digest} --officer carol --timeout 1s"));
    // What is in the nodes' logs may have been lifted there since: without the log nobody knows
    assert_eq!((code, held(&alone)), (4, Vec::<String>::new()), "{alone:#}");
    assert!(alone["log_size"].is_null() && alone["lifted"].is_null(), "{alone:#}");
    let (code, paused) = terminal.run(&format!("officer pause {WALLET} --officer alice --yes"));
    assert_eq!(code, 0, "{paused:#}");
    let second = text(&paused["statement"]);
    let all = terminal.ok(&format!("officer binding {second} --against hostile-nodes --officer carol"));
    assert_eq!((levels(&all), held(&all).len()), ((true, true), 3), "{all:#}");
    cluster.bring_up(COORDINATOR).await;
    eventually("the pause is logged", PATIENCE, || async {
        let (_, binding) = terminal.run(&format!("officer binding {second} --timeout 1s"));
        if binding["entry"].is_u64() { Ok(()) } else { Err(binding) }
    })
    .await;
}

fn what_restricts_says_how_far_it_binds(terminal: &Terminal) {
    let add = format!("whitelist add {PAYEE} --asset USDT --expires-in 30d --officer alice --yes");
    let added = terminal.ok(&add);
    assert!(added["binding"].is_null(), "what loosens says nothing: {added:#}");
    let ceremony = text(&added["id"]);
    terminal.approve(&ceremony, &["alice", "bob"]);
    let entry = format!("e-{}", ceremony.strip_prefix("c-").unwrap());
    let revoked = terminal.ok(&format!("whitelist revoke {entry} --officer alice --yes"));
    assert_eq!((&revoked["refusing"], levels(&revoked)), (&Value::from(3), (true, true)), "{revoked:#}");
    // A change of the roster binds from its last approval on
    let proposed = terminal.ok("roster remove-client pipeline --officer alice --yes");
    let ceremony = text(&proposed["id"]);
    let first = terminal.ok(&format!("ceremony approve {ceremony} --officer alice --yes"));
    assert!(first["binding"].is_null(), "nothing is in force yet: {first:#}");
    let (code, open) = terminal.run(&format!("officer binding {ceremony} --timeout 1s"));
    assert_eq!((code, &open["entry"]), (4, &Value::Null), "{open:#}");
    let last = terminal.ok(&format!("ceremony approve {ceremony} --officer bob --yes"));
    assert_eq!(levels(&last["binding"]), (true, true), "{last:#}");
    let asked = terminal.ok(&format!("officer binding {ceremony} --against hostile-nodes"));
    assert_eq!(asked["entry"], last["binding"]["entry"]);
}

fn a_pause_that_was_lifted_binds_no_more(terminal: &Terminal, digest: &str) {
    let resume = terminal.ok(&format!("officer resume {WALLET} --officer alice --yes"));
    terminal.approve(&text(&resume["id"]), &["alice", "bob"]);
    let (code, lifted) = terminal.run(&format!("officer binding {digest}"));
    assert_eq!((code, &lifted["lifted"]), (1, &Value::Bool(true)), "{lifted:#}");
    assert_eq!(lifted["reached"], false);
}
