//! Holds with real programs: bands by amount, what time releases and rejects, who is called, what an officer may take back, the
//! hours in which payments go by themselves, and a freeze that nobody confirms.

use std::time::Duration;

use holdfast_ledger::StatementBody;
use holdfast_proto::v1;
use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{
    CUSTOMER, Cluster, PAYEE, Refusal, Terminal, eventually, now_ms, reason_code, transfer,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

mod signals;

const USDT: u128 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// What the lowest band waits for, whoever approves.
const RELEASE_MS: u64 = 5_000;
/// Until when the highest band must be approved.
const REJECT_MS: u64 = 7_000;
const ESCALATE_MS: u64 = 2_000;
const FREEZE_LAPSE_MS: u64 = 6_000;

/// The demo's policy with short times, bands, a step-up by risk, and what the signals of sessions and accounts add.
fn policy(demo: &str) -> String {
    let bands = format!(
        "hold_above = [\n\
         {{ amount = \"1500000000\", timer_ms = {RELEASE_MS}, at_end = \"release\" }},\n\
         {{ amount = \"5000000000\", approvals = {{ withdrawal-approver = 2 }} }},\n\
         {{ amount = \"20000000000\", approvals = {{ withdrawal-approver = 2, compliance-officer = 1 }} }},\n\
         {{ amount = \"50000000000\", approvals = {{ withdrawal-approver = 1 }}, timer_ms = {REJECT_MS}, at_end = \"reject\" }},\n]"
    );
    let risk = "step_up_at = 20\nhold_at = [\n\
                { score = 40, approvals = { withdrawal-approver = 1 } },\n\
                { score = 60, approvals = { withdrawal-approver = 2, compliance-officer = 1 } },\n]";
    let signals = "tor = 15\npassword_reset = { weight = 10, within_ms = 86400000 }\n\
                   fresh_account = { weight = 30, within_ms = 86400000 }\nmax_report_age_ms";
    let hold = format!(
        "[identity]\nproviders = [\"sessions\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 120000\n\n\
         [legal]\nfreeze_lapse_ms = {FREEZE_LAPSE_MS}\nopened_by = \"compliance-officer\"\n\
         approvals = {{ compliance-officer = 1, security-officer = 1 }}\n\n\
         [hold]\nescalate_after_ms = {ESCALATE_MS}\nescalate_to = \"security-officer\""
    );
    [
        ("hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }", bands.as_str()),
        ("hold_at = 40", risk),
        ("max_report_age_ms", signals),
        ("[hold]", hold.as_str()),
        ("owner = \"withdrawal-approver\"", "owner = \"compliance-officer\""),
    ]
    .into_iter()
    .fold(demo.to_owned(), |policy, (from, to)| {
        assert!(policy.contains(from), "the policy has no `{from}`");
        policy.replacen(from, to, 1)
    })
}

async fn cell() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::with_policy(policy)).await
}

fn hold(withdrawal: &v1::Withdrawal) -> v1::HoldRequirement {
    assert_eq!(withdrawal.state(), State::Held, "{:?}", withdrawal.reason);
    withdrawal.decision.as_ref().unwrap().hold.clone().unwrap()
}

fn approvals(hold: &v1::HoldRequirement) -> Vec<(&str, u32)> {
    let mut needs: Vec<_> = hold.approvals.iter().map(|(role, count)| (role.as_str(), *count)).collect();
    needs.sort_unstable();
    needs
}

fn approve(terminal: &Terminal, id: &str, officer: &str) {
    terminal.ok(&format!("withdraw approve {id} --officer {officer} --yes"));
}

/// The row of `holdfast officer holds` about a withdrawal.
fn row(terminal: &Terminal, options: &str, id: &str) -> Option<Value> {
    let holds = terminal.ok(&format!("officer holds{options}"));
    holds["holds"].as_array().unwrap().iter().find(|row| row["withdrawal_id"] == id).cloned()
}

async fn until(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms.saturating_sub(now_ms()) + 50)).await;
}

#[tokio::test]
async fn time_releases_what_no_rule_leaves_to_people_and_not_a_moment_sooner() {
    let cluster = cell().await;
    let pipeline = cluster.pipeline().await;
    let asked = pipeline.submit_only(&cluster.request_of(1_501, PAYEE)).await.unwrap();
    let hold = hold(&asked);
    assert_eq!((reason_code(&asked).as_str(), approvals(&hold)), ("ABOVE_AUTOMATIC_LIMIT", vec![]));
    let released = hold.release_at_ms.unwrap();
    assert_eq!(hold.not_before_ms, Some(released));
    // Nobody can shorten it
    let refused = cluster.officer("alice").says(StatementBody::ApproveHold(asked.id.parse().unwrap())).await;
    let refused = cluster.officer("alice").approve_hold(&refused).await;
    assert_eq!(Refusal::from(&refused.unwrap_err()).reason, "WITHDRAWAL_NOT_HELD");
    // And it goes on by itself
    let signed = pipeline.reaches(&asked.id, State::Signed, PATIENCE).await;
    let request = signed.positions.as_ref().unwrap().request.as_ref().unwrap().time_ms;
    assert_eq!(released, request + RELEASE_MS);
    assert!(signed.positions.unwrap().authorization.unwrap().time_ms >= released);
}

#[tokio::test]
async fn time_rejects_what_people_did_not_approve_in_time() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    let asked = pipeline.submit_only(&cluster.request_of(60_000, PAYEE)).await.unwrap();
    let deadline = hold(&asked).deadline_ms;
    let request = asked.positions.as_ref().unwrap().request.as_ref().unwrap().time_ms;
    assert_eq!(deadline, request + REJECT_MS);
    until(deadline).await;
    let over = pipeline.get(&asked.id).await.unwrap();
    assert!(matches!(over.state(), State::Expired | State::Denied), "{:?}", over.reason);
    let (exit, late) = terminal.run(&format!("withdraw approve {} --officer carol --yes", asked.id));
    assert_ne!(exit, 0);
    assert_eq!(late["error"]["reason"], "WITHDRAWAL_NOT_HELD", "{late}");
    assert!(pipeline.get(&asked.id).await.unwrap().positions.unwrap().authorization.is_none());
}

#[tokio::test]
async fn a_larger_amount_needs_what_every_band_below_it_says_and_officers_see_what_is_missing() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    let small = pipeline.submit_only(&cluster.request_of(1_500, PAYEE)).await.unwrap();
    assert_ne!(small.state(), State::Held, "a limit is inclusive");
    let middle = pipeline.submit_only(&cluster.request_of(6_000, PAYEE)).await.unwrap();
    assert_eq!(approvals(&hold(&middle)), [("withdrawal-approver", 2)]);
    let large = pipeline.submit_only(&cluster.request_of(30_000, PAYEE)).await.unwrap();
    assert_eq!(approvals(&hold(&large)), [("compliance-officer", 1), ("withdrawal-approver", 2)]);
    // Two approvers are not enough: carol's role is missing, and one person fills one role
    approve(&terminal, &large.id, "alice");
    approve(&terminal, &large.id, "bob");
    let waiting = row(&terminal, " --for carol", &large.id).expect("carol could approve it");
    assert_eq!(waiting["missing"], json!({"compliance-officer": 1}), "{waiting:#}");
    assert_eq!(waiting["approved_by"], json!(["alice", "bob"]));
    assert_eq!((&waiting["customer"], &waiting["amount"]), (&json!(CUSTOMER), &json!("30000000000")));
    assert_eq!(waiting["hold"]["deadline_ms"], hold(&large).deadline_ms);
    assert_eq!(waiting["hold"]["owner"], "compliance-officer");
    assert!(waiting["hold"]["reasons"].to_string().contains("ABOVE_AUTOMATIC_LIMIT"));
    approve(&terminal, &large.id, "carol");
    pipeline.reaches(&large.id, State::Signed, PATIENCE).await;
    assert_eq!(row(&terminal, "", &large.id), None);
    // What nobody touched is shown to those who are called when it waits too long
    let escalated = eventually("the hold is escalated", PATIENCE, || async {
        row(&terminal, " --escalated --for bob", &middle.id).ok_or("not shown")
    })
    .await;
    assert_eq!(
        escalated["looked_after_by"],
        json!(["compliance-officer", "security-officer"]),
        "{escalated:#}"
    );
    assert_eq!(escalated["hold"]["escalation"]["to"], "security-officer");
    assert_eq!(
        pipeline.get(&middle.id).await.unwrap().state(),
        State::Held,
        "to call somebody changes nothing"
    );
    let shown = terminal.ok(&format!("withdraw show {}", middle.id));
    assert_eq!(shown["decision"]["hold"]["not_before_ms"], json!(hold(&middle).not_before_ms), "{shown:#}");
}

#[tokio::test]
async fn an_approval_that_is_taken_back_before_the_authorization_authorizes_nothing() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    // Given a hold that enough officers approved, whose transaction is not there yet
    let intent = cluster.intent().set("amount", (6_000 * USDT).to_string());
    let asked = pipeline.submit_only(&intent).await.unwrap();
    let not_before = hold(&asked).not_before_ms.unwrap();
    approve(&terminal, &asked.id, "alice");
    approve(&terminal, &asked.id, "carol");
    // When one of them takes it back
    terminal.ok(&format!("officer withdraw-approval {} --officer carol --yes", asked.id));
    let waiting = row(&terminal, " --for carol", &asked.id).expect("it waits for carol again");
    assert_eq!(waiting["missing"], json!({"withdrawal-approver": 1}), "{waiting:#}");
    // Then the transaction is bound to a hold, and however long it waits nothing is authorized
    until(not_before).await;
    let transaction = transfer(PAYEE, 6_000 * USDT, cluster.next_account_nonce());
    let bound = pipeline.bind_waiting(&cluster.bind(&asked.id, &transaction), 2_500).await.unwrap();
    assert_eq!((bound.state(), bound.positions.unwrap().authorization), (State::Held, None));
    // Until the officer approves anew
    approve(&terminal, &asked.id, "carol");
    pipeline.reaches(&asked.id, State::Signed, PATIENCE).await;
    // From the authorization on it is too late
    let (exit, late) = terminal.run(&format!("officer withdraw-approval {} --officer carol --yes", asked.id));
    assert_ne!(exit, 0);
    assert_eq!(late["error"]["reason"], "APPROVAL_FINAL", "{late}");
}

#[tokio::test]
async fn a_freeze_that_nobody_confirms_lapses() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    terminal.ok("fact session --customer customer-lapse");
    let pays = || cluster.request_of(10, PAYEE).set("customer", "customer-lapse");
    std::fs::write(cluster.path("order.txt"), "freeze").unwrap();
    let order = terminal.ok(
        "order open freeze --customer customer-lapse --agency fiu --reference L-1 --document order.txt --officer carol --yes",
    );
    let frozen = pipeline.submit(&pays()).await.unwrap();
    let lapses_at = order["lapses_at"].as_u64().unwrap();
    // The open order stopped it, unless this machine took longer than that
    if frozen.positions.as_ref().unwrap().request.as_ref().unwrap().time_ms < lapses_at {
        assert_eq!((frozen.state(), reason_code(&frozen).as_str()), (State::Denied, "CUSTOMER_FROZEN"));
    }
    until(lapses_at).await;
    let free = pipeline.submit(&pays()).await.unwrap();
    assert_eq!(free.state(), State::Signed, "{:?}", free.reason);
    // A late confirmation revives nothing
    let id = order["id"].as_str().unwrap();
    assert_eq!(terminal.ok(&format!("order show {id}"))["state"], "lapsed");
    let (exit, late) = terminal.run(&format!("order approve {id} --officer carol --yes"));
    assert_ne!(exit, 0);
    assert_eq!(late["error"]["reason"], "LEGAL_ORDER_STATE", "{late}");
}

/// Runs in a cell of its own: its hours are over.
#[tokio::test]
async fn outside_its_hours_a_payment_waits_for_people_until_officers_change_the_hours() {
    // Given hours that are half a day away
    let hour = now_ms() / 3_600_000 % 24;
    let closed = (hour + 12) % 23;
    let hours = format!("hours = [\"{closed:02}:00-{:02}:00\"]", closed + 1);
    let rule = format!(
        "[[restriction]]\nid = \"office\"\ntype = \"time_window\"\n{hours}\napprovals = {{ withdrawal-approver = 1 }}\n\n[risk]"
    );
    let cluster = Cluster::with_policy(|demo| demo.replacen("[risk]", &rule, 1)).await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    let night = pipeline.submit(&cluster.request_of(10, PAYEE)).await.unwrap();
    assert_eq!(reason_code(&night), "OUTSIDE_TIME_WINDOW");
    assert_eq!(approvals(&hold(&night)), [("withdrawal-approver", 1)]);
    // An officer lets it go
    approve(&terminal, &night.id, "bob");
    pipeline.reaches(&night.id, State::Signed, PATIENCE).await;
    // When officers open the hours, payments go by themselves
    let policy =
        cluster.download().await.state().policy().source().replacen(&hours, "hours = [\"00:00-24:00\"]", 1);
    std::fs::write(cluster.path("open.toml"), policy).unwrap();
    let proposed = terminal.ok("policy propose open.toml --officer alice --yes");
    terminal.approve(proposed["id"].as_str().unwrap(), &["alice", "bob"]);
    let day = pipeline.submit(&cluster.request_of(10, PAYEE)).await.unwrap();
    assert_eq!(day.state(), State::Signed, "{:?}", day.reason);
}
