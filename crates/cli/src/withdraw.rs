//! `holdfast withdraw`: ask for withdrawals as a client, follow them, decide about held ones as an officer.

pub(crate) mod hold;
mod intent;
mod outcome;
mod page;
mod read;
mod replace;
mod submit;
mod sweep;

use clap::Subcommand;
use holdfast_ledger::WithdrawalId;

use crate::failure::Failure;
use crate::output::Answer;
use crate::session::Session;

pub(crate) use hold::{ApproveArgs, approve};
pub(crate) use intent::{Order, TransactionParts};
pub(crate) use page::decision_lines;
pub(crate) use read::fetch;
pub(crate) use submit::{bind_transaction, follow, submit_request, verify_signed};

/// Ask for withdrawals, follow them, and decide about held ones
#[derive(Subcommand, Debug)]
pub(crate) enum WithdrawCommand {
    /// Dry run: what would be decided now? Nothing is logged
    Evaluate(Order),
    /// Sign an intent and submit it
    Submit(submit::SubmitArgs),
    /// Bind an unsigned transaction to an earlier withdrawal
    Bind(submit::BindArgs),
    /// Show one withdrawal; a receipt is verified here before it is shown
    Show(read::ShowArgs),
    /// Follow withdrawals from a log position on
    Watch(read::WatchArgs),
    /// List withdrawals, newest first
    List(read::ListArgs),
    /// Bump the fee of a withdrawal that is authorized or signed: the same payment again, for more gas
    ///
    /// A new withdrawal with a key of its own takes the place of the old one, on the same account nonce: only one of the two can be
    /// mined. Its transaction is built here from the old one. Nodes refuse it unless it does exactly what the old one does.
    Replace(replace::ReplaceArgs),
    /// Cancel a withdrawal that is authorized or signed: pay nothing to its own address, on the same account nonce
    ///
    /// A signature may exist, so nobody can take it back; but once this transaction is mined, the old one never can be.
    /// Report what happened with `withdraw report-outcome`.
    CancelOnChain(replace::ReplaceArgs),
    /// Move what arrived at a deposit address to the wallet's own address: needs no whitelist entry
    Sweep(sweep::SweepArgs),
    /// Record what became of a signed transaction on its chain: history, frees no amount and no account nonce
    ReportOutcome(outcome::ReportArgs),
    /// Give an authorized withdrawal up that nobody signed: nodes swear never to sign it
    ///
    /// Once enough of them did it is TOMBSTONED: its amount and its account nonce are free. A node that may have let its part of a
    /// signature go does not swear. Run it again when nodes that were down are back; exit code 4 says not yet.
    GiveUp(outcome::GiveUpArgs),
    /// Cancel a withdrawal that is not authorized yet
    Cancel {
        /// Id of the withdrawal (`w-...`)
        id: WithdrawalId,
        /// The client that asked for it; the profile's default if absent
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
    },
    /// Approve a held withdrawal: the statement is generated from the log on this machine
    Approve(ApproveArgs),
    /// Reject a held withdrawal, which denies it
    Reject(hold::RejectArgs),
}

pub(crate) async fn run(session: &Session, command: &WithdrawCommand) -> Result<Answer, Failure> {
    match command {
        WithdrawCommand::Evaluate(order) => submit::evaluate(session, order).await,
        WithdrawCommand::Submit(args) => submit::submit(session, args).await,
        WithdrawCommand::Bind(args) => submit::bind(session, args).await,
        WithdrawCommand::Show(args) => read::show(session, args).await,
        WithdrawCommand::Watch(args) => read::watch(session, args).await,
        WithdrawCommand::List(args) => read::list(session, args).await,
        WithdrawCommand::Replace(args) => replace::bump_fee(session, args).await,
        WithdrawCommand::CancelOnChain(args) => replace::cancel_on_chain(session, args).await,
        WithdrawCommand::Sweep(args) => sweep::sweep(session, args).await,
        WithdrawCommand::ReportOutcome(args) => outcome::report(session, args).await,
        WithdrawCommand::GiveUp(args) => outcome::give_up(session, args).await,
        WithdrawCommand::Cancel { id, client } => submit::cancel(session, id, client.as_deref()).await,
        WithdrawCommand::Approve(args) => approve(session, args).await,
        WithdrawCommand::Reject(args) => hold::reject(session, args).await,
    }
}
