//! The real node with one difference: it kills itself with SIGKILL at the point named in `HOLDFAST_CRASH_AT`.
//!
//! For tests only. Everything else is `holdfast_node::run`, as in the production program.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_node::{CrashPoint, NodeConfig};
use holdfast_tests::crash::{DieAt, config_argument, exit};

fn main() -> ExitCode {
    exit("crash_node", run())
}

fn run() -> anyhow::Result<()> {
    let file = config_argument()?;
    let hooks = DieAt::from_environment(|name| name.parse::<CrashPoint>().is_ok())?;
    let config = NodeConfig::load(&file).with_context(|| file.display().to_string())?;
    holdfast_node::start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(holdfast_node::run(config, Arc::new(hooks)))?;
    Ok(())
}
