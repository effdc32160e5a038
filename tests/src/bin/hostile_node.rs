//! A node in the wrong hands: see `holdfast_tests::hostile_node`. For tests only.

use std::process::ExitCode;

use holdfast_tests::{crash, hostile_node};

fn main() -> ExitCode {
    crash::exit("hostile_node", run())
}

fn run() -> anyhow::Result<()> {
    let config = crash::config_argument()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(hostile_node::run(&config))
}
