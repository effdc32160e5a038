//! The real node with one difference: it kills itself with SIGKILL at the point named in `HOLDFAST_CRASH_AT`.
//!
//! For tests only. Everything else is `holdfast_node::run`, as in the production program.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use holdfast_node::{CrashPoint, CrashPoints, NodeConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Dies at one point, like a process whose power was cut.
#[derive(Debug)]
struct DieAt(CrashPoint);

impl CrashPoints for DieAt {
    fn reached(&self, point: CrashPoint) {
        if point != self.0 {
            return;
        }
        // The signal may take a moment to arrive; nothing may happen after the point.
        while kill(Pid::this(), Signal::SIGKILL).is_ok() {
            std::thread::park();
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash_node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let config = match arguments.as_slice() {
        [_, command, flag, path] if command == "run" && flag == "--config" => Path::new(path),
        _ => anyhow::bail!("usage: HOLDFAST_CRASH_AT=POINT crash_node run --config FILE"),
    };
    let point = std::env::var("HOLDFAST_CRASH_AT").context("HOLDFAST_CRASH_AT names no point")?;
    let point: CrashPoint = point.parse()?;
    let config = NodeConfig::load(config).with_context(|| config.display().to_string())?;
    holdfast_node::start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(holdfast_node::run(config, Arc::new(DieAt(point))))?;
    Ok(())
}
