//! What a client signs and sends: intents, transactions, cancellations. A receipt is verified before it is shown.

use std::time::Duration;

use clap::Args;
use holdfast_chains::{Address, Calldata, Transfer};
use holdfast_ledger::{BindTransaction, CancelWithdrawal, PayloadKind, WithdrawalId, WithdrawalRequest};
use holdfast_policy::ClientId;
use holdfast_proto::limits::WAIT_MS;
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_transport::Role;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::intent::{Order, TransactionParts, asset};
use super::page;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::output::Answer;
use crate::profile::Who;
use crate::receipt::{self, Asked, VerifiedReceipt};
use crate::session::Session;
use crate::wire;

/// A request whose outcome is open is sent again, byte for byte, this often.
const RETRIES: u32 = 5;
const RETRY_EVERY: Duration = Duration::from_millis(500);
const POLL_EVERY: Duration = Duration::from_millis(250);

/// A submission.
#[derive(Args, Clone, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    wallet: WalletAddress,
}

/// A transaction for an earlier withdrawal.
#[derive(Args, Clone, Debug)]
pub(crate) struct BindArgs {
    /// Id of the withdrawal (`w-...`)
    id: WithdrawalId,
    /// The client that asked for it; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    #[command(flatten)]
    transaction: TransactionParts,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    wallet: WalletAddress,
}

/// What a person knows of the wallet.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct WalletAddress {
    /// The wallet's address, if this machine never replayed the log: receipts of another key are refused
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub(super) address: Option<Address>,
}

fn parse_address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

/// How long to wait.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Wait until it is signed, held, refused or needs a transaction
    #[arg(long)]
    wait: bool,
    /// The longest wait
    #[arg(long, default_value = "2m", value_name = "DURATION", value_parser = clock::parse_duration, requires = "wait")]
    wait_for: Duration,
}

impl Waiting {
    pub(super) fn span(self) -> Duration {
        if self.wait { self.wait_for } else { Duration::ZERO }
    }
}

pub(super) async fn evaluate(session: &Session, order: &Order) -> Result<Answer, Failure> {
    let who = order.who(session)?;
    let envelope = sign(session, &who, PayloadKind::WithdrawalRequest, order.request(session)?.to_json())?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let answer = client.evaluate(v1::EvaluateWithdrawalRequest { envelope }).await?.into_inner();
    let decision = answer
        .decision
        .ok_or_else(|| Failure::other("DECISION_MISSING", "the coordinator answered without a decision"))?;
    let exit = match decision.outcome() {
        v1::Outcome::Allow => Exit::Success,
        v1::Outcome::Hold => Exit::Held,
        v1::Outcome::Deny | v1::Outcome::Unspecified => Exit::Refused,
    };
    let json =
        json!({"decision": wire::decision(&decision), "effects": answer.effects.as_ref().map(wire::effects)});
    Ok(Answer::new(json, page::decision_lines(&decision)).with_exit(exit))
}

pub(super) async fn submit(session: &Session, args: &SubmitArgs) -> Result<Answer, Failure> {
    let who = args.order.who(session)?;
    let request = args.order.request(session)?;
    if args.order.idempotency_key.is_none() {
        session.output.notice(&format!("idempotency key: {}", request.idempotency_key));
    }
    let withdrawal = submit_request(session, &who, &request, args.waiting.span()).await?;
    answer(session, &Asked::submitted(&request).with_address(args.wallet.address), &withdrawal)
}

/// Signs and submits an intent; the same bytes again while the outcome is open.
pub(crate) async fn submit_request(
    session: &Session,
    who: &Who,
    request: &WithdrawalRequest,
    wait: Duration,
) -> Result<v1::Withdrawal, Failure> {
    let payload = Payload {
        kind: PayloadKind::WithdrawalRequest,
        bytes: request.to_json(),
        idempotency_key: &request.idempotency_key,
    };
    submit_payload(session, who, &Asked::submitted(request), payload, wait).await
}

/// What a client asks for, of any kind.
pub(super) struct Payload<'a> {
    pub(super) kind: PayloadKind,
    pub(super) bytes: Vec<u8>,
    pub(super) idempotency_key: &'a str,
}

/// The same for any kind of request.
pub(super) async fn submit_payload(
    session: &Session,
    who: &Who,
    asked: &Asked<'_>,
    payload: Payload<'_>,
    wait: Duration,
) -> Result<v1::Withdrawal, Failure> {
    let envelope = sign(session, who, payload.kind, payload.bytes)?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(who).await?);
    let wait_ms = wait_ms(wait);
    let mut attempt = 0;
    let withdrawal = loop {
        let sent = v1::SubmitWithdrawalRequest { envelope: envelope.clone(), wait_ms };
        match client.submit(sent).await.map_err(Failure::from) {
            Ok(answered) => break answered.into_inner(),
            Err(failure) if failure.is_unavailable() && attempt < RETRIES => {
                attempt = attempt.saturating_add(1);
                session.output.notice(&format!("{}: the same request again", failure.message()));
                sleep(RETRY_EVERY).await;
            }
            Err(failure) => return Err(unsure(failure, payload.idempotency_key)),
        }
    };
    follow(session, who, asked, withdrawal, wait).await
}

fn unsure(failure: Failure, idempotency_key: &str) -> Failure {
    if failure.is_unavailable() {
        return failure.next(format!(
            "the outcome is open: ask with `holdfast withdraw show --idempotency-key {idempotency_key}`, do not choose another key"
        ));
    }
    failure
}

pub(super) async fn bind(session: &Session, args: &BindArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Client, args.client.as_deref())?;
    let known = super::read::fetch(session, &who, &args.id).await?;
    let symbol = known.asset.parse().map_err(|_| Failure::usage("the withdrawal's asset is unknown here"))?;
    let chain_id = known.effects.as_ref().map(|effects| effects.chain_id).unwrap_or_default();
    let asset = asset(session, &symbol, holdfast_chains::ChainId(chain_id))?;
    let to = Address::parse(&known.destination).map_err(|error| Failure::usage(error.to_string()))?;
    let amount = known.amount.parse().map_err(|_| Failure::usage("the withdrawal's amount is malformed"))?;
    // What is signed here is compared with the intent by every node: a coordinator that says something else gains nothing.
    let called = known.effects.as_ref().map(|effects| effects.calldata.as_slice()).unwrap_or_default();
    let calldata = match called {
        [] => None,
        called => Some(Calldata::new(called).map_err(|error| Failure::usage(error.to_string()))?),
    };
    let transfer = Transfer { contract: asset.contract, to, amount };
    let transaction = args.transaction.build(asset, transfer, calldata.as_ref())?.ok_or_else(|| {
        Failure::usage("no transaction is given")
            .next("pass `--transaction 0x...`, or `--nonce` and `--max-fee-gwei`")
    })?;
    let withdrawal =
        bind_transaction(session, &who, &args.id, transaction.to_hex(), args.waiting.span()).await?;
    answer(session, &Asked::named(&who, args.id).with_address(args.wallet.address), &withdrawal)
}

/// Signs and binds a transaction.
pub(crate) async fn bind_transaction(
    session: &Session,
    who: &Who,
    id: &WithdrawalId,
    transaction: String,
    wait: Duration,
) -> Result<v1::Withdrawal, Failure> {
    let payload = BindTransaction {
        cluster: session.genesis.document.cluster.clone(),
        client: client_id(who)?,
        withdrawal: *id,
        transaction,
    };
    let envelope = sign(session, who, PayloadKind::BindTransaction, to_json(&payload)?)?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(who).await?);
    let request = v1::BindTransactionRequest { envelope, wait_ms: wait_ms(wait) };
    let withdrawal = client.bind_transaction(request).await?.into_inner();
    follow(session, who, &Asked::named(who, *id), withdrawal, wait).await
}

pub(super) async fn cancel(
    session: &Session,
    id: &WithdrawalId,
    client: Option<&str>,
) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Client, client)?;
    let cluster = session.genesis.document.cluster.clone();
    let payload = CancelWithdrawal { cluster, client: client_id(&who)?, withdrawal: *id };
    let envelope = sign(session, &who, PayloadKind::CancelWithdrawal, to_json(&payload)?)?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let withdrawal = client.cancel(v1::CancelWithdrawalRequest { envelope }).await?.into_inner();
    Ok(answer(session, &Asked::named(&who, *id), &withdrawal)?.with_exit(Exit::Success))
}

/// Asks again until there is nothing more to wait for, or the time is up.
pub(crate) async fn follow(
    session: &Session,
    who: &Who,
    asked: &Asked<'_>,
    mut withdrawal: v1::Withdrawal,
    wait: Duration,
) -> Result<v1::Withdrawal, Failure> {
    let deadline = Instant::now().checked_add(wait);
    let mut missing = Vec::new();
    asked.check(&withdrawal)?;
    while is_moving(&withdrawal) && deadline.is_some_and(|deadline| Instant::now() < deadline) {
        if withdrawal.missing_nodes != missing && !withdrawal.missing_nodes.is_empty() {
            session.output.notice(&format!("waits for {}", withdrawal.missing_nodes.join(", ")));
        }
        missing.clone_from(&withdrawal.missing_nodes);
        sleep(POLL_EVERY).await;
        match super::read::fetch(session, who, &asked.id()).await {
            Ok(fetched) => {
                asked.check(&fetched)?;
                withdrawal = fetched;
            }
            Err(failure) if failure.is_unavailable() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(withdrawal)
}

/// Whether the servers go on by themselves. A transaction whose nonce is taken waits for its client.
fn is_moving(withdrawal: &v1::Withdrawal) -> bool {
    !page::needs_another_nonce(withdrawal)
        && matches!(
            withdrawal.state(),
            v1::WithdrawalState::Received | v1::WithdrawalState::Bound | v1::WithdrawalState::Authorized
        )
}

/// The answer to whoever asked: it is about what was asked, and a receipt is verified here first.
pub(super) fn answer(
    session: &Session,
    asked: &Asked<'_>,
    withdrawal: &v1::Withdrawal,
) -> Result<Answer, Failure> {
    let verified = verify_signed(session, asked, withdrawal)?;
    let exit = match withdrawal.state() {
        v1::WithdrawalState::Signed => Exit::Success,
        v1::WithdrawalState::Denied => Exit::Refused,
        v1::WithdrawalState::Received
        | v1::WithdrawalState::Held
        | v1::WithdrawalState::Allowed
        | v1::WithdrawalState::Bound
        | v1::WithdrawalState::Authorized => Exit::Held,
        v1::WithdrawalState::Unspecified
        | v1::WithdrawalState::Cancelled
        | v1::WithdrawalState::Expired
        | v1::WithdrawalState::Replaced
        | v1::WithdrawalState::Tombstoned => Exit::Other,
    };
    let mut json = wire::withdrawal(withdrawal);
    if let (Some(object), Some(verified)) = (json.as_object_mut(), &verified) {
        object.insert("verified".to_owned(), page::verified_json(verified));
    }
    Ok(Answer::new(json, page::withdrawal_text(session, withdrawal, verified.as_ref())).with_exit(exit))
}

/// Verifies the receipt of a signed withdrawal, also of one that was replaced since; `None` if it is not signed.
pub(crate) fn verify_signed(
    session: &Session,
    asked: &Asked<'_>,
    withdrawal: &v1::Withdrawal,
) -> Result<Option<VerifiedReceipt>, Failure> {
    asked.check(withdrawal)?;
    if withdrawal.state() != v1::WithdrawalState::Signed && withdrawal.receipt.is_none() {
        return Ok(None);
    }
    receipt::verify(session, asked, withdrawal).map(Some)
}

pub(super) fn sign(
    session: &Session,
    who: &Who,
    kind: PayloadKind,
    payload: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    Ok(keys::envelope(&session.profile, who, kind.payload_type(), payload)?.to_json())
}

pub(super) fn client_id(who: &Who) -> Result<ClientId, Failure> {
    ClientId::new(who.name.clone()).map_err(|error| Failure::usage(error.to_string()))
}

pub(super) fn to_json(payload: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(payload).map_err(|error| Failure::other("INTERNAL", error.to_string()))
}

fn wait_ms(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).min(WAIT_MS)
}
