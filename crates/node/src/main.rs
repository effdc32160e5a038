//! `holdfast-node`: loads the configuration, wires, runs; nothing else.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use holdfast_node::{Enrolment, NoCrashPoints, NodeConfig};

/// A signer node of a Holdfast custody cluster.
///
/// A node holds one key share of each wallet, keeps its own copy of the cluster's log, evaluates every withdrawal by
/// itself, and signs only what its own copy permits. It trusts neither the coordinator nor the other nodes.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast-node",
    version,
    after_help = "\
Getting a node into a cluster:
  1. holdfast-node enroll --dir node-1 --cluster demo --name node-1 \\
         --operator 'Operator A' --provider provider-a --region eu-west
  2. Give enrolment.json to whoever builds the genesis document; get tls.pem, ca.pem and genesis.entry.json back.
  3. Compare the genesis document's SHA-256 with the officers, write it into node.toml as genesis_sha256.
  4. holdfast-node run --config node-1/node.toml

node.toml (relative paths are relative to the file):
  cluster = \"demo\"
  name = \"node-1\"
  listen = \"0.0.0.0:7101\"
  metrics_listen = \"127.0.0.1:9101\"    # optional, loopback only
  data_dir = \"data\"
  store = \"redb\"                       # or \"sled\"
  genesis = \"genesis.entry.json\"
  genesis_sha256 = \"...\"
  require_locked_memory = true         # optional: do not start if secrets could reach swap space
  accept_unmaintained_protocol = true  # only for programs built with the feature gg20, which do not start without it
  [tls]
  certificate = \"tls.pem\"
  key = \"tls.key\"
  ca = \"ca.pem\"
  [keys]
  cosigning = \"cosigning.key\"
  message = \"message.key\"
  [sealing]
  passphrase_file = \"passphrase\""
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the node until SIGTERM or Ctrl-C.
    ///
    /// Logs are JSON lines on standard error; set RUST_LOG for more. Files with secrets must have mode 0600.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Makes this node's keys and its enrolment request. Replaces nothing.
    ///
    /// Writes tls.key, cosigning.key, message.key and passphrase (mode 0600, they never leave this machine), tls.csr and
    /// enrolment.json (public). Back up the passphrase apart from the data directory: a share's backup is useless
    /// without it.
    Enroll(EnrollArgs),
    /// Lists what this node refused: one JSON object a line, oldest first, the newest 64 of each reason code.
    ///
    /// Stop the node first; a running node shows the same in its log (`refused`) and in its metrics
    /// (holdfast_node_refusals_total).
    Incidents {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints the public half of the key that a share file of another deployment belongs to, for `holdfast wallet import`.
    ///
    /// The file is a `LocalKey` of GG20 as its program writes it (local-share1.json), mode 0600. No secret of it is printed.
    /// A node reads the file of a wallet from `imports/<wallet>.json` in its data directory.
    InspectShare {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Lets a node sign again that stopped because the log's key signed two histories.
    ///
    /// Stop the node first. Without --evidence it shows the evidence and its name.
    ClearHalt {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The name of the evidence that you have looked at.
        #[arg(long, value_name = "NAME")]
        evidence: Option<String>,
    },
}

#[derive(Debug, Args)]
struct EnrollArgs {
    /// An empty or new directory.
    #[arg(long)]
    dir: PathBuf,
    /// The cluster's name, as it will stand in the genesis document.
    #[arg(long)]
    cluster: String,
    /// This node's name.
    #[arg(long)]
    name: String,
    /// Who runs it.
    #[arg(long)]
    operator: String,
    /// On whose infrastructure.
    #[arg(long)]
    provider: String,
    /// Where.
    #[arg(long)]
    region: String,
    /// Where it will be reached, for example node-1.example:7101.
    #[arg(long)]
    address: Option<String>,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config } => run(&config),
        Command::Enroll(args) => enroll(args),
        Command::Incidents { config } => incidents(&config),
        Command::InspectShare { file } => inspect_share(&file),
        Command::ClearHalt { config, evidence } => {
            let config = NodeConfig::load(&config).with_context(|| config.display().to_string())?;
            Ok(holdfast_node::clear_halt(&config, evidence.as_deref())?)
        }
    }
}

fn run(config: &std::path::Path) -> anyhow::Result<()> {
    let config = NodeConfig::load(config).with_context(|| config.display().to_string())?;
    holdfast_node::start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(holdfast_node::run(config, Arc::new(NoCrashPoints)))?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn incidents(config: &std::path::Path) -> anyhow::Result<()> {
    let config = NodeConfig::load(config).with_context(|| config.display().to_string())?;
    for incident in holdfast_node::list_incidents(&config)? {
        println!("{incident}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn inspect_share(file: &std::path::Path) -> anyhow::Result<()> {
    let public = holdfast_node::inspect_share(file).with_context(|| file.display().to_string())?;
    println!("{public}");
    Ok(())
}

fn enroll(args: EnrollArgs) -> anyhow::Result<()> {
    let EnrollArgs { dir, cluster, name, operator, provider, region, address } = args;
    let enrolment = Enrolment { cluster, name, operator, provider, region, address };
    holdfast_node::enrol(&dir, &enrolment)?;
    eprintln!(
        "keys made; give `{}` to whoever builds the genesis document",
        dir.join("enrolment.json").display()
    );
    Ok(())
}
