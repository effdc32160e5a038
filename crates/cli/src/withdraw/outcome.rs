//! After the authorization: what a client saw of its transaction, and giving up what was never signed.

use clap::{Args, ValueEnum};
use holdfast_chains::Digest;
use holdfast_ledger::{ChainOutcome, OutcomeReport, PayloadKind, WithdrawalId};
use holdfast_proto::v1;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_transport::Role;

use super::read::fetch;
use super::submit::{WalletAddress, answer, client_id, sign, to_json, verify_signed};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::Answer;
use crate::receipt::Asked;
use crate::session::Session;

/// A report.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    /// Id of the withdrawal (`w-...`)
    id: WithdrawalId,
    /// What became of its transaction
    #[arg(value_enum)]
    outcome: Seen,
    /// Number of the block: with `confirmed` and `reorganised`, allowed with `replaced`
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,
    /// Hash of the withdrawal's own signed transaction; the receipt's, verified here, if absent
    #[arg(long, value_name = "0x...", value_parser = parse_hash)]
    transaction_hash: Option<Digest>,
    /// The client that asked for it; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    #[command(flatten)]
    wallet: WalletAddress,
}

/// What a client sees of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Seen {
    /// Handed to the network
    Broadcast,
    /// In a block, as deep as you want it
    Confirmed,
    /// Gone from the network's memory without a block
    Dropped,
    /// Another transaction with the same account nonce is in a block
    Replaced,
    /// Was in a block that the chain has left
    Reorganised,
}

impl From<Seen> for ChainOutcome {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Broadcast => Self::Broadcast,
            Seen::Confirmed => Self::Confirmed,
            Seen::Dropped => Self::Dropped,
            Seen::Replaced => Self::Replaced,
            Seen::Reorganised => Self::Reorganised,
        }
    }
}

fn parse_hash(text: &str) -> Result<Digest, String> {
    Digest::parse(text).map_err(|error| error.to_string())
}

/// Who gives up.
#[derive(Args, Clone, Debug)]
pub(crate) struct GiveUpArgs {
    /// Id of the withdrawal (`w-...`)
    id: WithdrawalId,
    /// The client that asked for it; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// As this officer instead, who may give up anybody's
    #[arg(long, value_name = "NAME", conflicts_with = "client")]
    officer: Option<String>,
}

pub(super) async fn report(session: &Session, args: &ReportArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Client, args.client.as_deref())?;
    let asked = Asked::named(&who, args.id).with_address(args.wallet.address);
    let transaction_hash = match args.transaction_hash {
        Some(hash) => hash,
        None => {
            let withdrawal = fetch(session, &who, &args.id).await?;
            let verified = verify_signed(session, &asked, &withdrawal)?;
            verified.map(|verified| verified.signed.hash()).ok_or_else(|| {
                Failure::other("OUTCOME_NOT_PERMITTED", format!("withdrawal {} is not signed", args.id))
                    .next(format!("holdfast withdraw show {}", args.id))
            })?
        }
    };
    let payload = OutcomeReport {
        cluster: session.genesis.document.cluster.clone(),
        client: client_id(&who)?,
        withdrawal: args.id,
        outcome: args.outcome.into(),
        transaction_hash,
        block_number: args.block,
        observed_at_ms: clock::now(),
    };
    let envelope = sign(session, &who, PayloadKind::OutcomeReport, to_json(&payload)?)?;
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let withdrawal = client.report_outcome(v1::ReportOutcomeRequest { envelope }).await?.into_inner();
    Ok(answer(session, &asked, &withdrawal)?.with_exit(Exit::Success))
}

pub(super) async fn give_up(session: &Session, args: &GiveUpArgs) -> Result<Answer, Failure> {
    let who = match &args.officer {
        Some(officer) => session.profile.choose(Role::Officer, Some(officer))?,
        None => session.profile.choose(Role::Client, args.client.as_deref())?,
    };
    let mut client = WithdrawalServiceClient::new(session.coordinator(&who).await?);
    let request = v1::GiveUpRequest { withdrawal_id: args.id.to_string() };
    let withdrawal = client.give_up(request).await?.into_inner();
    let answered = answer(session, &Asked::named(&who, args.id), &withdrawal)?;
    // Otherwise some nodes did not answer, or may have released their last message: it may still be signed.
    let given_up = withdrawal.state() == v1::WithdrawalState::Tombstoned;
    Ok(answered.with_exit(if given_up { Exit::Success } else { Exit::Held }))
}
