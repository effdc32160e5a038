//! The Python client against real processes: it signs and submits with stock libraries, and refuses a receipt that was
//! changed anywhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_proto::v1::WithdrawalState as State;
use holdfast_tests::{CUSTOMER, Cluster, Options, PAYEE, WALLET, program, target_directory};
use tokio::sync::OnceCell;

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python")
}

fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}{errors}", output.status);
    printed.into_owned()
}

/// The environment with the stubs, made once.
struct Python {
    venv: PathBuf,
    stubs: PathBuf,
}

impl Python {
    async fn get() -> &'static Self {
        static PYTHON: OnceCell<Python> = OnceCell::const_new();
        PYTHON
            .get_or_init(|| async {
                let (venv, stubs) =
                    (target_directory().join("python-venv"), target_directory().join("python-stubs"));
                run(Command::new(client().join("setup.sh")).arg(&venv));
                run(Command::new(client().join("generate.sh")).arg(&venv).arg(&stubs));
                Self { venv, stubs }
            })
            .await
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.venv.join("bin/python"));
        command.arg("-B").arg(client().join(name)).env("PYTHONPATH", &self.stubs);
        command
    }

    /// A program of the client with the arguments of one withdrawal.
    fn withdrawal(&self, name: &str, cluster: &Cluster, address: &str, to: &str) -> Command {
        let mut command = self.program(name);
        command.arg("--profile").arg(cluster.path("holdfast.toml"));
        command.args(["--address", address, "--to", to, "--amount", "1250000000", "--customer", CUSTOMER]);
        command.args(["--nonce", &cluster.next_account_nonce().to_string()]);
        command
    }
}

async fn cluster() -> &'static (Cluster, String) {
    static CLUSTER: OnceCell<(Cluster, String)> = OnceCell::const_new();
    CLUSTER
        .get_or_init(|| async {
            let cluster = Cluster::ready(Options::default()).await;
            let log = cluster.download().await;
            let address = log.state().wallet(&WALLET.parse().unwrap()).unwrap().address.to_string();
            (cluster, address)
        })
        .await
}

#[tokio::test]
async fn the_python_client_signs_and_submits_a_withdrawal_and_checks_its_receipt() {
    let (python, (cluster, address)) = (Python::get().await, cluster().await);
    let printed = run(&mut python.withdrawal("holdfast_client.py", cluster, address, PAYEE));
    let answer: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let withdrawal = cluster.pipeline().await.get(answer["withdrawal"].as_str().unwrap()).await.unwrap();
    assert_eq!(withdrawal.state(), State::Signed);
    let raw = format!("0x{}", hex::encode(withdrawal.receipt.unwrap().raw_transaction));
    assert_eq!(answer["raw_transaction"], raw);
}

#[tokio::test]
async fn the_python_client_refuses_a_receipt_that_was_changed_anywhere() {
    let (python, (cluster, address)) = (Python::get().await, cluster().await);
    let printed = run(&mut python.withdrawal("check_tampered.py", cluster, address, PAYEE));
    assert_eq!(printed.lines().count(), 12, "{printed}");
}

#[tokio::test]
async fn the_python_client_refuses_another_wallets_signature_and_says_why_nothing_was_signed() {
    let (python, (cluster, address)) = (Python::get().await, cluster().await);
    for (wallet, to, says) in [
        (PAYEE, PAYEE, "refused: another key has signed"),
        (address.as_str(), holdfast_tests::STRANGER, "DESTINATION_NOT_WHITELISTED"),
    ] {
        let output = python.withdrawal("holdfast_client.py", cluster, wallet, to).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(says), "{errors}");
    }
}

#[tokio::test]
async fn the_demo_succeeds_and_its_receipt_is_what_another_ethereum_library_says_it_is() {
    let python = Python::get().await;
    // Of its own, so that two runs of the suite on one machine do not meet
    let directory = target_directory().join(format!("test-demo-{}", std::process::id()));
    let demo = program("holdfast").unwrap();
    run(Command::new(&demo).args(["--json", "demo", "--dir"]).arg(&directory));
    let printed = run(python.program("check_receipt.py").arg(directory.join("receipt.json")));
    assert!(printed.contains(&format!("pays 1250000000 base units of USDT to {PAYEE}")), "{printed}");
    // And an auditor's machine agrees about the exported log
    run(Command::new(&demo)
        .args(["audit", "verify"])
        .arg(directory.join("log"))
        .arg("--profile")
        .arg(directory.join("holdfast.toml")));
    // A receipt that says something else is noticed
    let receipt = std::fs::read_to_string(directory.join("receipt.json")).unwrap();
    let changed = directory.join("changed.json");
    std::fs::write(&changed, receipt.replace(PAYEE, holdfast_tests::THIEF)).unwrap();
    let output = python.program("check_receipt.py").arg(&changed).output().unwrap();
    assert!(!output.status.success());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn the_client_is_short_enough_to_read() {
    let source = std::fs::read_to_string(client().join("holdfast_client.py")).unwrap();
    assert!(source.lines().count() < 100);
}
