//! `withdraw sweep`: what arrived at a deposit address goes to the wallet's own address.

use clap::Args;
use holdfast_chains::{Address, Transfer};
use holdfast_ledger::{PayloadKind, SweepRequest};
use holdfast_policy::WalletId;
use holdfast_proto::v1;
use holdfast_proto::v1::wallet_service_client::WalletServiceClient;

use super::intent::TransactionParts;
use super::replace::Asking;
use super::submit::{Payload, Waiting, WalletAddress, answer, client_id, submit_payload};
use crate::amount::parse_money;
use crate::clock;
use crate::failure::Failure;
use crate::known;
use crate::output::Answer;
use crate::profile::Who;
use crate::receipt::Asked;
use crate::session::Session;

/// A sweep.
#[derive(Args, Clone, Debug)]
pub(crate) struct SweepArgs {
    /// Amount and asset, for example '250 USDT': what lies at the deposit address
    amount: String,
    /// Wallet that the deposit address belongs to, and whose own address receives
    #[arg(long)]
    wallet: WalletId,
    /// Index of the deposit address: see `holdfast wallet deposit-address`
    #[arg(long, value_name = "INDEX", value_parser = clap::value_parser!(u32).range(..=0x7fff_ffff))]
    deposit_index: u32,
    /// EIP-155 chain id
    #[arg(long, default_value_t = 1)]
    chain_id: u64,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    transaction: TransactionParts,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    address: WalletAddress,
}

pub(super) async fn sweep(session: &Session, args: &SweepArgs) -> Result<Answer, Failure> {
    let who = args.asking.who(session)?;
    let money = parse_money(&args.amount, args.chain_id, session.assets())?;
    let destination = own_address(session, &who, &args.wallet).await?;
    let transfer = Transfer { contract: money.asset.contract, to: destination, amount: money.amount };
    let transaction = args.transaction.build(&money.asset, transfer, None)?;
    let max_fee = transaction.as_ref().map(|transaction| transaction.effects().max_fee);
    let fee_cap = args.asking.fee_cap.or(max_fee).ok_or_else(|| {
        Failure::usage("no fee cap is known without a transaction")
            .next("pass `--fee-cap ETH`, or a transaction (`--nonce` and `--max-fee-gwei`)")
    })?;
    let created_at_ms = clock::now();
    let request = SweepRequest {
        cluster: session.genesis.document.cluster.clone(),
        client: client_id(&who)?,
        wallet: args.wallet.clone(),
        deposit_index: args.deposit_index,
        asset: money.asset.symbol,
        amount: money.amount,
        fee_cap,
        idempotency_key: args.asking.key(session),
        created_at_ms,
        expires_at_ms: clock::after(created_at_ms, args.asking.expires_in),
        transaction: transaction.map(|transaction| transaction.to_hex()),
    };
    let (id, bytes) = (request.withdrawal_id(), request.to_json());
    let asked = Asked::signed(&who, id, bytes.clone()).with_address(args.address.address);
    let kind = PayloadKind::SweepRequest;
    let payload = Payload { kind, bytes, idempotency_key: &request.idempotency_key };
    let withdrawal = submit_payload(session, &who, &asked, payload, args.waiting.span()).await?;
    answer(session, &asked, &withdrawal)
}

/// The wallet's own address: as this machine knows it, otherwise as the coordinator says. Nodes sign for no other one, and a
/// receipt is verified with what this machine knows.
async fn own_address(session: &Session, who: &Who, wallet: &WalletId) -> Result<Address, Failure> {
    if let Some(known) = known::wallet(&session.profile, wallet.as_str())? {
        return Ok(known.address);
    }
    let mut client = WalletServiceClient::new(session.coordinator(who).await?);
    let said = client.get(v1::GetWalletRequest { wallet_id: wallet.to_string() }).await?.into_inner();
    Address::parse(&said.address)
        .map_err(|error| Failure::verification("ADDRESS_CHECKSUM", error.to_string()))
}
