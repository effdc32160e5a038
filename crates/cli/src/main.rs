//! The `holdfast` program. It reads its arguments and runs one command; everything else lies in the modules.

mod amount;
mod args;
mod audit;
mod binding;
mod ceremony;
mod clock;
mod connect;
mod demo;
mod engine;
mod fact;
mod failure;
mod files;
mod init;
mod keys;
mod known;
mod live;
mod officer;
mod order;
mod output;
mod policy;
mod profile;
mod provider;
mod receipt;
mod replica;
mod roster;
mod screening;
mod session;
mod statement;
mod status;
#[cfg(test)]
mod testing;
mod wallet;
mod whitelist;
mod wire;
mod withdraw;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    args::run().await
}
