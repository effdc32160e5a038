//! `withdraw replace` and `withdraw cancel-on-chain`: another transaction on the account nonce of one that is stuck.
//!
//! What the new transaction does is read from the old one as the coordinator shows it; nodes hold it against the client's own
//! original request, and the receipt is verified here against that request too.

use std::time::Duration;

use clap::Args;
use holdfast_chains::{Address, Amount, Calldata, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::{PayloadKind, ReplacementAction, ReplacementRequest, WithdrawalId};
use holdfast_proto::v1;
use holdfast_proto::v1::wallet_service_client::WalletServiceClient;
use holdfast_transport::Role;

use super::intent::random_key;
use super::read::fetch;
use super::submit::{Payload, Waiting, WalletAddress, answer, client_id, submit_payload};
use crate::amount::{parse_ether, parse_gwei, show_ether, show_money};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::known;
use crate::output::Answer;
use crate::profile::Who;
use crate::receipt::Asked;
use crate::session::Session;

/// Gas of a transfer of the chain's own coin.
const NATIVE_GAS: u64 = 21_000;

/// A replacement.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReplaceArgs {
    /// Id of the withdrawal to replace (`w-...`): authorized or signed, the newest on its account nonce
    id: WithdrawalId,
    #[command(flatten)]
    price: Price,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    wallet: WalletAddress,
}

/// What the new transaction offers for gas: more than the old one in both.
#[derive(Args, Clone, Debug)]
struct Price {
    /// Max fee for a unit of gas, in gwei (an eighth more than before)
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei)]
    max_fee_gwei: Option<u128>,
    /// Of which at most so much for the block's proposer, in gwei (an eighth more than before)
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei)]
    priority_fee_gwei: Option<u128>,
    /// The unsigned EIP-1559 transaction, 0x hexadecimal, in place of one that is built here
    #[arg(long, value_name = "0x...", conflicts_with_all = ["max_fee_gwei", "priority_fee_gwei"])]
    transaction: Option<String>,
}

/// How a client asks for anything but a payment.
#[derive(Args, Clone, Debug)]
pub(super) struct Asking {
    /// The most that fees may cost, in ETH; what the transaction can cost, and what the original's cap was, if absent
    #[arg(long, value_name = "ETH", value_parser = parse_ether)]
    pub(super) fee_cap: Option<Amount>,
    /// Your key for this request, `[A-Za-z0-9._:-]{1,64}`; drawn at random and shown if absent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// How long the request is valid
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = clock::parse_duration)]
    pub(super) expires_in: Duration,
    /// The client that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
}

impl Asking {
    pub(super) fn who(&self, session: &Session) -> Result<Who, Failure> {
        session.profile.choose(Role::Client, self.client.as_deref())
    }

    /// The key, shown if it was drawn here: whoever does not know it cannot ask again.
    pub(super) fn key(&self, session: &Session) -> String {
        self.idempotency_key.clone().unwrap_or_else(|| {
            let key = random_key();
            session.output.notice(&format!("idempotency key: {key}"));
            key
        })
    }
}

pub(super) async fn bump_fee(session: &Session, args: &ReplaceArgs) -> Result<Answer, Failure> {
    let who = args.asking.who(session)?;
    let original = fetch(session, &who, &args.id).await?;
    let old = transaction_of(&original)?;
    let effects = old.effects();
    let new = args.price.build(&old, effects.transfer, effects.calldata.as_ref(), old.gas_limit())?;
    replace(session, args, &who, &original, ReplacementAction::BumpFee, &old, &new).await
}

pub(super) async fn cancel_on_chain(session: &Session, args: &ReplaceArgs) -> Result<Answer, Failure> {
    let who = args.asking.who(session)?;
    let original = fetch(session, &who, &args.id).await?;
    let old = transaction_of(&original)?;
    let to = sender(session, &who, &original, args.wallet.address).await?;
    let transfer = Transfer { contract: None, to, amount: Amount::ZERO };
    let new = args.price.build(&old, transfer, None, NATIVE_GAS)?;
    replace(session, args, &who, &original, ReplacementAction::CancelOnChain, &old, &new).await
}

async fn replace(
    session: &Session,
    args: &ReplaceArgs,
    who: &Who,
    original: &v1::Withdrawal,
    action: ReplacementAction,
    old: &UnsignedTransaction,
    new: &UnsignedTransaction,
) -> Result<Answer, Failure> {
    let fee_cap = fee_cap(session, args, original, new)?;
    let created_at_ms = clock::now();
    let request = ReplacementRequest {
        cluster: session.genesis.document.cluster.clone(),
        client: client_id(who)?,
        of: args.id,
        action,
        fee_cap,
        idempotency_key: args.asking.key(session),
        created_at_ms,
        expires_at_ms: clock::after(created_at_ms, args.asking.expires_in),
        transaction: Some(new.to_hex()),
    };
    session.output.notice(&summary(session, original, action, old, new));
    let (id, bytes) = (request.withdrawal_id(), request.to_json());
    let asked = Asked::signed(who, id, bytes.clone()).with_address(args.wallet.address);
    let kind = PayloadKind::ReplacementRequest;
    let payload = Payload { kind, bytes, idempotency_key: &request.idempotency_key };
    let withdrawal = submit_payload(session, who, &asked, payload, args.waiting.span()).await?;
    answer(session, &asked, &withdrawal)
}

/// The original's cap if that is enough: officers' approvals are carried over under it, and under no higher one.
fn fee_cap(
    session: &Session,
    args: &ReplaceArgs,
    original: &v1::Withdrawal,
    new: &UnsignedTransaction,
) -> Result<Amount, Failure> {
    let max_fee = new.effects().max_fee;
    let cap = Amount::parse(&original.fee_cap_wei)
        .map_err(|error| Failure::other("ANSWER_INVALID", format!("the original's fee cap: {error}")))?;
    let chosen = args.asking.fee_cap.unwrap_or(cap.max(max_fee));
    if chosen < max_fee {
        let message = format!("the transaction can cost {}", show_ether(&max_fee.to_string()));
        return Err(Failure::usage(message).next("raise `--fee-cap`, or offer less for gas"));
    }
    if chosen > cap {
        session.output.notice(&format!(
            "fee cap {} is above the original's {}: officers' approvals of a payment do not carry over",
            show_ether(&chosen.to_string()),
            show_ether(&cap.to_string())
        ));
    }
    Ok(chosen)
}

fn summary(
    session: &Session,
    original: &v1::Withdrawal,
    action: ReplacementAction,
    old: &UnsignedTransaction,
    new: &UnsignedTransaction,
) -> String {
    let pays = show_money(&original.amount, &original.asset, session.assets());
    let what = match action {
        ReplacementAction::BumpFee => match new.effects().calldata {
            None => format!("pays {pays} to {} in its place", original.destination),
            Some(call) => {
                format!("calls {} with {} and {pays} in its place", original.destination, call.summary())
            }
        },
        ReplacementAction::CancelOnChain => {
            format!("pays nothing to {} itself, so that {pays} are not paid", new.effects().transfer.to)
        }
    };
    let fee = |transaction: &UnsignedTransaction| show_ether(&transaction.effects().max_fee.to_string());
    format!(
        "{}: {what}; account nonce {}, fee at most {} (was {})",
        original.id,
        new.nonce(),
        fee(new),
        fee(old)
    )
}

impl Price {
    fn build(
        &self,
        old: &UnsignedTransaction,
        transfer: Transfer,
        calldata: Option<&Calldata>,
        gas_limit: u64,
    ) -> Result<UnsignedTransaction, Failure> {
        let refuse = |error: holdfast_chains::DecodeError| {
            Failure::new(Exit::Refused, error.code(), error.to_string())
        };
        if let Some(hex) = &self.transaction {
            return UnsignedTransaction::parse_hex(hex).map_err(refuse);
        }
        let max_fee_per_gas = self.max_fee_gwei.unwrap_or_else(|| raised(old.max_fee_per_gas()));
        let priority = self.priority_fee_gwei.unwrap_or_else(|| raised(old.max_priority_fee_per_gas()));
        if max_fee_per_gas <= old.max_fee_per_gas() || priority <= old.max_priority_fee_per_gas() {
            return Err(Failure::usage(
                "a replacement offers more for gas than what it replaces, in both parts",
            )
            .next("raise `--max-fee-gwei` and `--priority-fee-gwei`, or leave them out"));
        }
        let draft = Eip1559Draft {
            chain_id: old.chain_id(),
            nonce: old.nonce(),
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas: priority.min(max_fee_per_gas),
            transfer,
        };
        draft.build_call(calldata).map_err(refuse)
    }
}

/// An eighth more: what nodes of the network ask for before they take another transaction on the same nonce.
fn raised(price: u128) -> u128 {
    price.saturating_add(price / 8).saturating_add(1)
}

fn transaction_of(withdrawal: &v1::Withdrawal) -> Result<UnsignedTransaction, Failure> {
    if withdrawal.unsigned_transaction.is_empty() {
        let message = format!("withdrawal {} has no transaction to replace", withdrawal.id);
        return Err(Failure::other("REPLACEMENT_NOT_PERMITTED", message)
            .next(format!("nothing can be mined yet: holdfast withdraw cancel {}", withdrawal.id)));
    }
    UnsignedTransaction::decode(&withdrawal.unsigned_transaction)
        .map_err(|error| Failure::verification(error.code(), error.to_string()))
}

/// The address that pays: as this machine knows it, as a person says, or as the coordinator says, who cannot gain by another
/// one: nodes derive it themselves.
async fn sender(
    session: &Session,
    who: &Who,
    withdrawal: &v1::Withdrawal,
    given: Option<Address>,
) -> Result<Address, Failure> {
    if let Some(known) = known::wallet(&session.profile, &withdrawal.wallet)? {
        return Ok(known.sender(withdrawal.deposit_index)?.address());
    }
    if let Some(given) = given {
        return Ok(given);
    }
    let mut client = WalletServiceClient::new(session.coordinator(who).await?);
    let wallet_id = withdrawal.wallet.clone();
    let said = match withdrawal.deposit_index {
        Some(index) => {
            client.deposit_address(v1::DepositAddressRequest { wallet_id, index }).await?.into_inner().address
        }
        None => client.get(v1::GetWalletRequest { wallet_id }).await?.into_inner().address,
    };
    Address::parse(&said).map_err(|error| Failure::verification("ADDRESS_CHECKSUM", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::PAYEE;

    fn old() -> UnsignedTransaction {
        let draft = Eip1559Draft {
            chain_id: holdfast_chains::ChainId(1),
            nonce: 7,
            gas_limit: 65_000,
            max_fee_per_gas: 30_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            transfer: Transfer {
                contract: None,
                to: Address::parse(PAYEE).unwrap(),
                amount: Amount::from_u128(5),
            },
        };
        draft.build().unwrap()
    }

    fn price(max: Option<u128>, priority: Option<u128>) -> Result<UnsignedTransaction, Failure> {
        let price = Price { max_fee_gwei: max, priority_fee_gwei: priority, transaction: None };
        price.build(&old(), old().effects().transfer, old().effects().calldata.as_ref(), old().gas_limit())
    }

    #[test]
    fn bump_changes_nothing_but_the_price_and_offers_an_eighth_more() {
        let new = price(None, None).unwrap();
        assert_eq!((new.nonce(), new.gas_limit(), new.chain_id()), (7, 65_000, old().chain_id()));
        assert_eq!(new.effects().transfer, old().effects().transfer);
        assert_eq!(new.max_fee_per_gas(), 33_750_000_001);
        assert_eq!(new.max_priority_fee_per_gas(), 1_125_000_001);
    }

    #[test]
    fn price_that_replaces_nothing_is_refused_before_anything_is_signed() {
        assert!(price(Some(30_000_000_000), None).is_err());
        assert!(price(Some(60_000_000_000), Some(1_000_000_000)).is_err());
        assert!(price(Some(60_000_000_000), Some(2_000_000_000)).is_ok());
    }
}
