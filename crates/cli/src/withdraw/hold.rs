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
use crate::statement::{Expiring, Signing};

/// An approval.
#[derive(Args, Clone, Debug)]
pub(crate) struct ApproveArgs {
    /// Id of the withdrawal (`w-...`)
    pub(crate) id: WithdrawalId,
    #[command(flatten)]
    pub(crate) signing: Expiring,
}

/// A rejection.
#[derive(Args, Clone, Debug)]
pub(crate) struct RejectArgs {
    /// Id of the withdrawal (`w-...`)
    id: WithdrawalId,
    #[command(flatten)]
    signing: Signing,
}

pub(crate) async fn approve(session: &Session, args: &ApproveArgs) -> Result<Answer, Failure> {
    let signing = args.signing.signing();
    answer(session, &args.id, &signing, StatementBody::ApproveHold(args.id), async |channel, envelope| {
        WithdrawalServiceClient::new(channel)
            .approve_hold(v1::ApproveHoldRequest { envelope })
            .await
            .map(drop)
    })
    .await
}

pub(super) async fn reject(session: &Session, args: &RejectArgs) -> Result<Answer, Failure> {
    answer(session, &args.id, &args.signing, StatementBody::RejectHold(args.id), async |channel, envelope| {
        WithdrawalServiceClient::new(channel).reject_hold(v1::RejectHoldRequest { envelope }).await.map(drop)
    })
    .await
}

async fn answer(
    session: &Session,
    id: &WithdrawalId,
    signing: &Signing,
    body: StatementBody,
    send: impl AsyncFnOnce(Channel, Vec<u8>) -> Result<(), Status>,
) -> Result<Answer, Failure> {
    let replica = replica::look_up(session, |state| state.withdrawal(id).is_some()).await?;
    let withdrawal = replica.state().withdrawal(id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("the log has no withdrawal `{}`", id))
            .next("holdfast withdraw list --all --state HELD")
    })?;
    if withdrawal.state_at(clock::now()) != WithdrawalState::Held {
        let message = format!("withdrawal `{}` waits for nobody's approval", id);
        return Err(
            Failure::other("WITHDRAWAL_NOT_HELD", message).next(format!("holdfast audit explain {}", id))
        );
    }
    match ceremony::act(session, signing, &replica, body, send).await? {
        Sent::Written(answer) => Ok(answer),
        Sent::Logged(logged) => {
            let (digest, replica) = (logged.digest, &logged.replica);
            let explained = explain(&replica.history, id);
            let state = explained.as_ref().map(|explained| explained.state.clone()).unwrap_or_default();
            let officers: Vec<_> = explained
                .iter()
                .flat_map(|explained| &explained.approvals)
                .map(|a| a.officer.clone())
                .collect();
            let text = format!(
                "{} is {state}; approved by {} ({})",
                id,
                if officers.is_empty() { "nobody".to_owned() } else { officers.join(", ") },
                replica.provenance()
            );
            let json = json!({"statement": digest.to_string(), "withdrawal": explained});
            Ok(logged.answer(Answer::new(json, text)))
        }
    }
}
