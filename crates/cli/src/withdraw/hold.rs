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
use crate::replica::{self, LocalReplica};
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

/// A rejection, or an approval that is taken back.
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

/// Too late is for the log to say: what is allowed but not authorized can still be taken back.
pub(crate) async fn withdraw_approval(session: &Session, args: &RejectArgs) -> Result<Answer, Failure> {
    let replica = found(session, &args.id).await?;
    let body = StatementBody::WithdrawApproval(args.id);
    let sent = ceremony::act(session, &args.signing, &replica, body, async |channel, envelope| {
        let request = v1::WithdrawApprovalRequest { envelope };
        WithdrawalServiceClient::new(channel).withdraw_approval(request).await.map(drop)
    });
    Ok(answered(&args.id, sent.await?))
}

async fn found(session: &Session, id: &WithdrawalId) -> Result<LocalReplica, Failure> {
    let replica = replica::look_up(session, |state| state.withdrawal(id).is_some()).await?;
    if replica.state().withdrawal(id).is_some() {
        return Ok(replica);
    }
    let message = format!("the log has no withdrawal `{}`", id);
    Err(Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", message)
        .next("holdfast withdraw list --all --state HELD"))
}

async fn answer(
    session: &Session,
    id: &WithdrawalId,
    signing: &Signing,
    body: StatementBody,
    send: impl AsyncFnOnce(Channel, Vec<u8>) -> Result<(), Status>,
) -> Result<Answer, Failure> {
    let replica = found(session, id).await?;
    let state = replica.state().withdrawal(id).map(|withdrawal| withdrawal.state_at(clock::now()));
    if state != Some(WithdrawalState::Held) {
        let message = format!("withdrawal `{id}` waits for nobody's approval");
        return Err(
            Failure::other("WITHDRAWAL_NOT_HELD", message).next(format!("holdfast audit explain {id}"))
        );
    }
    Ok(answered(id, ceremony::act(session, signing, &replica, body, send).await?))
}

fn answered(id: &WithdrawalId, sent: Sent) -> Answer {
    match sent {
        Sent::Written(answer) => answer,
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
            logged.answer(Answer::new(json, text))
        }
    }
}
