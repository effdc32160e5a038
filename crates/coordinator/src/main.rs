//! `holdfast-coordinator`: loads the configuration, wires, runs; nothing else.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use holdfast_coordinator::{CoordinatorConfig, NoCrashPoints};

/// The coordinator of a Holdfast custody cluster.
///
/// It orders the cluster's log, runs signing rounds and ceremonies, and answers the API. It holds no key share and cannot
/// obtain a signature that the nodes' own replicas of the log do not permit.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast-coordinator",
    version,
    after_help = "\
coordinator.toml (relative paths are relative to the file):
  cluster = \"demo\"
  name = \"main\"
  listen = \"0.0.0.0:7100\"
  metrics_listen = \"127.0.0.1:9100\"    # optional, loopback only
  tiles_listen = \"0.0.0.0:7180\"        # optional: the log's files over HTTPS, for auditors
  data_dir = \"data\"
  store = \"redb\"                       # or \"sled\"
  genesis = \"genesis.entry.json\"
  genesis_sha256 = \"...\"
  [tls]
  certificate = \"tls.pem\"
  key = \"tls.key\"
  ca = \"ca.pem\"
  [keys]
  log = \"log.key\"                      # or a list: the one in force signs, the one before it beside it
  entry = \"entry.key\"                  # or a list
  [client_calls]                       # optional: what one client may call
  per_second = 500
  burst = 2000
  [[witnesses]]                        # where the outside witnesses of the genesis document are
  name = \"witness.example/w1\"
  url = \"https://witness.example\"
  ca = \"witness-ca.pem\"
  [[risk_providers]]                   # who is asked about destinations, if the policy has an [exposure] table
  name = \"chainwatch\"
  address = \"chainwatch.example:7300\"
  [[nodes]]                            # one for each node of the genesis document
  name = \"node-1\"
  address = \"node-1.example:7101\""
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the coordinator until SIGTERM or Ctrl-C.
    ///
    /// Logs are JSON lines on standard error; set RUST_LOG for more. Files with secrets must have mode 0600.
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let Command::Run { config } = Cli::parse().command;
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-coordinator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Path) -> anyhow::Result<()> {
    let config = CoordinatorConfig::load(config).with_context(|| config.display().to_string())?;
    holdfast_coordinator::start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(holdfast_coordinator::run(config, Arc::new(NoCrashPoints)))?;
    Ok(())
}
