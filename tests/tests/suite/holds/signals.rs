//! What providers say about customers and their sessions, by the command line, and what the customer answers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use holdfast_tests::program;

use super::*;

fn score(withdrawal: &v1::Withdrawal) -> u32 {
    withdrawal.decision.as_ref().unwrap().risk.as_ref().unwrap().score
}

fn components(withdrawal: &v1::Withdrawal) -> Vec<&str> {
    let risk = withdrawal.decision.as_ref().unwrap().risk.as_ref().unwrap();
    let mut codes: Vec<_> = risk.components.iter().map(|part| part.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

/// The reference identity provider, as a process. Dropping it kills it.
struct IdentityDesk {
    child: Child,
    keyboard: ChildStdin,
    screen: BufReader<ChildStdout>,
}

impl IdentityDesk {
    fn open(cluster: &Cluster) -> Self {
        let log = std::fs::File::create(cluster.path("logs/identity.log")).unwrap();
        let mut child = Command::new(program("holdfast").unwrap())
            .args([
                "--json",
                "provider",
                "identity",
                "--method",
                "passkey",
                "--score",
                "90",
                "--session",
                "s-1",
            ])
            .current_dir(cluster.directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let keyboard = child.stdin.take().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap());
        Self { child, keyboard, screen }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// The next event about a withdrawal.
    fn shows(&mut self, event: &str, id: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.screen.read_line(&mut line).unwrap(), 0, "the provider ended");
            let shown: Value = serde_json::from_str(&line).unwrap();
            if shown["id"] == id {
                assert_eq!(shown["event"], event, "{shown:#}");
                return shown;
            }
        }
    }
}

impl Drop for IdentityDesk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_the_command_line_reports_about_account_and_session_moves_the_score() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    let pays = || cluster.request_of(10, PAYEE).set("customer", "c-signals");
    let session = "fact session --customer c-signals --device d-1 --second-factor-reset-ago never --email-changed-ago never";
    // Given a new account, a fresh password and a session over Tor
    terminal.ok("fact customer --customer c-signals --opened-ago 1h");
    terminal.ok(&format!("{session} --network tor --password-reset-ago 2h"));
    let risky = pipeline.submit(&pays()).await.unwrap();
    assert_eq!(components(&risky), ["FRESH_ACCOUNT", "PASSWORD_RESET", "TOR_NETWORK"]);
    assert_eq!((score(&risky), reason_code(&risky).as_str()), (55, "RISK_HOLD"));
    let held = hold(&risky);
    assert!(held.step_up_required);
    assert_eq!(approvals(&held), [("withdrawal-approver", 1)]);
    // Then both explanations say so
    let policy = cluster.download().await.state().policy().source().to_owned();
    std::fs::write(cluster.path("explained.toml"), policy).unwrap();
    let explained = terminal.ok(&format!("policy explain explained.toml --withdrawal {}", risky.id));
    let page = explained["page"].as_str().unwrap();
    assert!(page.contains("Risk score 55.") && page.contains("TOR_NETWORK"), "{page}");
    let audited = terminal.ok(&format!("audit explain {}", risky.id));
    assert_eq!(audited["decision"]["risk"]["score"], 55, "{audited:#}");
    // When a factor comes to it, the next band wants more people
    terminal.ok(&format!("{session} --network tor --password-reset-ago 2h --new-device"));
    let worse = pipeline.submit(&pays()).await.unwrap();
    assert_eq!(score(&worse), 80);
    assert_eq!(approvals(&hold(&worse)), [("compliance-officer", 1), ("withdrawal-approver", 2)]);
    // When the session is an ordinary one, only the young account is left, and the customer is asked
    terminal.ok(&format!("{session} --network ordinary --password-reset-ago never"));
    let calm = pipeline.submit(&pays()).await.unwrap();
    assert_eq!((score(&calm), reason_code(&calm).as_str()), (30, "RISK_STEP_UP"));
    assert!(hold(&calm).approvals.is_empty() && hold(&calm).step_up_required);
    let row = row(&terminal, "", &calm.id).expect("shown as held");
    assert_eq!((&row["customer_must_confirm"], &row["missing"]), (&json!(true), &json!({})), "{row:#}");
}

#[tokio::test]
async fn risk_that_wants_a_step_up_and_a_person_gets_both_or_nothing() {
    let cluster = cell().await;
    let (terminal, pipeline) = (cluster.terminal(), cluster.pipeline().await);
    terminal.ok("fact session --customer c-reset --second-factor-reset");
    let asked = pipeline.submit(&cluster.request_of(10, PAYEE).set("customer", "c-reset")).await.unwrap();
    assert_eq!((score(&asked), reason_code(&asked).as_str()), (45, "RISK_HOLD"));
    // A person alone is not enough
    approve(&terminal, &asked.id, "bob");
    let waiting = row(&terminal, "", &asked.id).expect("it is held");
    assert_eq!(
        (&waiting["missing"], &waiting["customer_must_confirm"]),
        (&json!({}), &json!(true)),
        "{waiting:#}"
    );
    assert_eq!(pipeline.get(&asked.id).await.unwrap().state(), State::Held);
    // With the customer it goes
    let attest = format!("fact identity --subject {} --method passkey --session s-9", asked.id);
    let (_, low) = terminal.run(&format!("{attest} --score 79"));
    let held = pipeline.get(&asked.id).await.unwrap();
    assert_eq!(held.state(), State::Held, "{low}");
    terminal.ok(&format!("{attest} --score 80"));
    pipeline.reaches(&asked.id, State::Signed, PATIENCE).await;
}

#[tokio::test]
async fn the_reference_identity_provider_attests_what_was_confirmed_and_nothing_else() {
    let cluster = cell().await;
    let pipeline = cluster.pipeline().await;
    cluster.terminal().ok("fact session --customer c-desk --new-device");
    let pays = || cluster.request_of(10, PAYEE).set("customer", "c-desk");
    // Given two payments of one customer that wait for the customer
    let mine = pipeline.submit(&pays()).await.unwrap();
    let other = pipeline.submit(&pays()).await.unwrap();
    for asked in [&mine, &other] {
        assert_eq!((asked.state(), reason_code(asked).as_str()), (State::Held, "RISK_STEP_UP"));
    }
    let mut desk = IdentityDesk::open(cluster);
    let shown = desk.shows("ASKED", &mine.id);
    assert_eq!(
        (&shown["customer"], &shown["intent"]),
        (&json!("c-desk"), &json!(hex::encode(&mine.intent_digest)))
    );
    assert!(shown["what"].as_str().unwrap().contains("10 USDT"), "{shown:#}");
    // When the customer confirms one and denies the other
    desk.types(&format!("no {}", other.id));
    desk.types("yes w-00000000000000000000000000000000");
    desk.types(&format!("yes {}", mine.id));
    let attested = desk.shows("ATTESTED", &mine.id);
    assert!(attested["report"]["sequence"].as_u64().is_some(), "{attested:#}");
    // Then that one is signed, and the other one is not
    let signed = pipeline.reaches(&mine.id, State::Signed, PATIENCE).await;
    assert_eq!((signed.attestations.len(), signed.attestations[0].session.as_str()), (1, "s-1"));
    assert_eq!(pipeline.get(&other.id).await.unwrap().state(), State::Held);
}
