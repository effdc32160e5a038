//! The `holdfast` program against real processes: what people type, with `--json`, from the first ceremony to the audit.

use holdfast_tests::{COORDINATOR, CUSTOMER, Cluster, Options, PAYEE};
use serde_json::Value;

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// Everything that `json` says about a node in a list of nodes.
fn node<'a>(json: &'a Value, name: &str) -> &'a Value {
    let nodes = json["nodes"].as_array().unwrap_or_else(|| panic!("{json:#}"));
    nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("{json:#}"))
}

#[tokio::test]
async fn officers_clients_operators_and_auditors_do_their_work_with_the_command_line_tool() {
    let cluster = Cluster::running(Options::default()).await;
    let terminal = cluster.terminal();
    // A wallet: proposed and approved with a key file by alice, approved by bob with `ssh-keygen -Y sign`
    let proposed = terminal.ok("wallet create hot-1 --officer alice --yes");
    let ceremony = text(&proposed["id"]);
    terminal.ok(&format!("ceremony approve {ceremony} --officer alice --yes"));
    terminal.ok(&format!("ceremony approve {ceremony} --officer bob --write-statement bob.txt"));
    terminal.ssh_keygen("bob", "bob.txt");
    terminal.ok(&format!("ceremony approve {ceremony} --officer bob --yes --signature bob.txt.sig --wait"));
    let wallet = terminal.ok("wallet show hot-1");
    assert!(text(&wallet["address"]).starts_with("0x"), "{wallet:#}");
    // A whitelist entry and a session
    let add = format!("whitelist add {PAYEE} --asset USDT --expires-in 30d --officer alice --yes");
    let entry = text(&terminal.ok(&add)["id"]);
    for officer in ["alice", "bob"] {
        terminal.ok(&format!("ceremony approve {entry} --officer {officer} --yes"));
    }
    terminal.ok(&format!("fact session --customer {CUSTOMER}"));
    // A withdrawal: a dry run, then the real thing
    let order = |verb: &str, nonce: u64, wait: &str| {
        format!(
            "withdraw {verb} 1250~USDT --to {PAYEE} --wallet hot-1 --customer {CUSTOMER} --nonce {nonce} --max-fee-gwei 30{wait}"
        )
    };
    terminal.ok(&order("evaluate", 0, ""));
    let withdrawal = terminal.ok(&order("submit", 0, " --wait"));
    assert_eq!(withdrawal["state"], "SIGNED", "{withdrawal:#}");
    let id = text(&withdrawal["id"]);
    assert_eq!(terminal.ok(&format!("withdraw show {id}"))["state"], "SIGNED");
    // The log, exported and verified offline
    terminal.ok("audit export exported");
    terminal.ok("audit verify exported");
    terminal.ok(&format!("audit explain {id} --log exported"));
    // An operator sees who is missing
    cluster.kill_9("node-2");
    let missing = || {
        let (_, status) = terminal.run("status");
        (node(&status, "node-2")["reachable"] == false && node(&status, "node-1")["reachable"] == true)
            .then_some(())
            .ok_or(status)
    };
    holdfast_tests::eventually("status names node-2", std::time::Duration::from_secs(30), || async {
        missing()
    })
    .await;
    cluster.bring_up("node-2").await;
    // And an officer pauses the wallet at the nodes while no coordinator runs
    cluster.kill_9(COORDINATOR);
    let paused = terminal.ok("officer pause hot-1 --node node-1 --node node-3 --officer carol --yes");
    assert_eq!(paused["refusing"], 2, "{paused:#}");
    assert_eq!(paused["level"]["binding_against_coordinator"], true, "{paused:#}");
    cluster.bring_up(COORDINATOR).await;
    let refused = terminal.run(&order("submit", 1, " --wait"));
    assert_ne!(refused.1["state"], "SIGNED", "{:#}", refused.1);
}
