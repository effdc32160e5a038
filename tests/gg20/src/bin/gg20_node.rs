//! The real node, built with the engine that nobody maintains. It kills itself with SIGKILL at the point named in
//! `HOLDFAST_CRASH_AT`, if that is set.
//!
//! For tests only. Everything else is `holdfast_node::run`, as in the production program.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_node::{CrashPoint, CrashPoints, NoCrashPoints, NodeConfig};
use holdfast_tests::crash::{CRASH_AT, DieAt, config_argument, exit};

fn main() -> ExitCode {
    exit("gg20_node", run())
}

fn run() -> anyhow::Result<()> {
    let file = config_argument()?;
    let hooks: Arc<dyn CrashPoints<CrashPoint>> = match std::env::var_os(CRASH_AT) {
        Some(_) => Arc::new(DieAt::from_environment(|name| name.parse::<CrashPoint>().is_ok())?),
        None => Arc::new(NoCrashPoints),
    };
    let config = NodeConfig::load(&file).with_context(|| file.display().to_string())?;
    holdfast_node::start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(holdfast_node::run(config, hooks))?;
    Ok(())
}
