//! Officers' answers to held withdrawals.

use clap::Args;
use holdfast_audit::explain;
use holdfast_ledger::{StatementBody, WithdrawalId, WithdrawalState};
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use serde_json::json;
use tonic::Status;
use tonic::transport::Channel;

use crate::ceremony::{self, Sent};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::replica;
use crate::session::Session;
use crate::statement::Signing;

/// An answer.
#[derive(Args, Clone, Debug)]
pub(crate) struct HoldArgs {
    /// Id of the withdrawal (`w-...`)
    pub(crate) id: WithdrawalId,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

pub(crate) async fn approve(session: &Session, args: &HoldArgs) -> Result<Answer, Failure> {
    answer(session, args, StatementBody::ApproveHold(args.id), async |channel, envelope| {
        WithdrawalServiceClient::new(channel)
            .approve_hold(v1::ApproveHoldRequest { envelope })
            .await
            .map(drop)
    })
    .await
}

pub(super) async fn reject(session: &Session, args: &HoldArgs) -> Result<Answer, Failure> {
    answer(session, args, StatementBody::RejectHold(args.id), async |channel, envelope| {
        WithdrawalServiceClient::new(channel).reject_hold(v1::RejectHoldRequest { envelope }).await.map(drop)
    })
    .await
}

async fn answer(
    session: &Session,
    args: &HoldArgs,
    body: StatementBody,
    send: impl AsyncFnOnce(Channel, Vec<u8>) -> Result<(), Status>,
) -> Result<Answer, Failure> {
    let replica = replica::look_up(session, |state| state.withdrawal(&args.id).is_some()).await?;
    let withdrawal = replica.state().withdrawal(&args.id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("the log has no withdrawal `{}`", args.id))
            .next("holdfast withdraw list --all --state HELD")
    })?;
    if withdrawal.state_at(clock::now()) != WithdrawalState::Held {
        let message = format!("withdrawal `{}` waits for nobody's approval", args.id);
        return Err(Failure::other("WITHDRAWAL_NOT_HELD", message)
            .next(format!("holdfast audit explain {}", args.id)));
    }
    match ceremony::act(session, &args.signing, &replica, body, send).await? {
        Sent::Written(answer) => Ok(answer),
        Sent::Logged(logged) => {
            let (digest, replica) = (logged.digest, &logged.replica);
            let explained = explain(&replica.history, &args.id);
            let state = explained.as_ref().map(|explained| explained.state.clone()).unwrap_or_default();
            let officers: Vec<_> = explained
                .iter()
                .flat_map(|explained| &explained.approvals)
                .map(|a| a.officer.clone())
                .collect();
            let text = format!(
                "{} is {state}; approved by {} ({})",
                args.id,
                if officers.is_empty() { "nobody".to_owned() } else { officers.join(", ") },
                replica.provenance()
            );
            let json = json!({"statement": digest.to_string(), "withdrawal": explained});
            Ok(logged.answer(Answer::new(json, text)))
        }
    }
}
