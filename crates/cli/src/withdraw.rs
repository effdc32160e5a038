//! `holdfast withdraw`: ask for withdrawals as a client, follow them, decide about held ones as an officer.

mod hold;
mod intent;
mod page;
mod read;
mod submit;

use clap::Subcommand;
use holdfast_ledger::WithdrawalId;

use crate::failure::Failure;
use crate::output::Answer;
use crate::session::Session;

pub(crate) use hold::{HoldArgs, approve};
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
    /// Cancel a withdrawal that is not authorized yet
    Cancel {
        /// Id of the withdrawal (`w-...`)
        id: WithdrawalId,
        /// The client that asked for it; the profile's default if absent
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
    },
    /// Approve a held withdrawal: the statement is generated from the log on this machine
    Approve(HoldArgs),
    /// Reject a held withdrawal, which denies it
    Reject(HoldArgs),
}

pub(crate) async fn run(session: &Session, command: &WithdrawCommand) -> Result<Answer, Failure> {
    match command {
        WithdrawCommand::Evaluate(order) => submit::evaluate(session, order).await,
        WithdrawCommand::Submit(args) => submit::submit(session, args).await,
        WithdrawCommand::Bind(args) => submit::bind(session, args).await,
        WithdrawCommand::Show(args) => read::show(session, args).await,
        WithdrawCommand::Watch(args) => read::watch(session, args).await,
        WithdrawCommand::List(args) => read::list(session, args).await,
        WithdrawCommand::Cancel { id, client } => submit::cancel(session, id, client.as_deref()).await,
        WithdrawCommand::Approve(args) => approve(session, args).await,
        WithdrawCommand::Reject(args) => hold::reject(session, args).await,
    }
}
