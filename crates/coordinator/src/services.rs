//! What the coordinator answers, one service a file. A service checks who calls and what was sent, asks the log, and puts the
//! answer into its wire form; it decides nothing.

mod audit;
mod caller;
mod ceremony;
mod cluster;
mod deadline;
mod envelope;
mod fact;
mod log;
mod order;
mod paging;
mod streams;
mod wallet;
mod whitelist;
mod withdrawal;

pub(crate) use audit::AuditApi;
pub(crate) use ceremony::CeremonyApi;
pub(crate) use cluster::ClusterApi;
pub(crate) use fact::FactApi;
pub(crate) use log::LogApi;
pub(crate) use order::LegalOrderApi;
pub(crate) use streams::Streams;
pub(crate) use wallet::WalletApi;
pub(crate) use whitelist::WhitelistApi;
pub(crate) use withdrawal::WithdrawalApi;

#[cfg(test)]
mod tests;
