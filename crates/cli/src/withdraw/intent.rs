//! From arguments to an intent and an unsigned transaction.

use std::time::Duration;

use clap::Args;
use holdfast_chains::{
    Address, Amount, Asset, AssetSymbol, Calldata, ChainId, Eip1559Draft, Transfer, UnsignedTransaction,
};
use holdfast_ledger::WithdrawalRequest;
use holdfast_policy::{ClientId, CustomerRef, LegalOrderId, WalletId};
use holdfast_transport::Role;
use rand::RngCore;
use rand::rngs::OsRng;

use crate::amount::{Money, parse_ether, parse_gwei, parse_money, parse_money_or_none};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::profile::Who;
use crate::session::Session;

const TOKEN_GAS: u64 = 65_000;
const NATIVE_GAS: u64 = 21_000;
const ONE_GWEI: u128 = 1_000_000_000;

/// What to pay, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Order {
    /// Amount and asset, for example '1250 USDT'
    pub(crate) amount: String,
    /// Destination, with its EIP-55 checksum
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
    /// Call the destination, a contract, with exactly these bytes; the amount, of the chain's own coin, goes along and may be 0
    #[arg(long, value_name = "0x...", value_parser = parse_calldata)]
    pub(crate) calldata: Option<Calldata>,
    /// Wallet that pays
    #[arg(long)]
    pub(crate) wallet: WalletId,
    /// Your keyed pseudonym for the customer, never a name
    #[arg(long)]
    pub(crate) customer: CustomerRef,
    /// EIP-155 chain id
    #[arg(long, default_value_t = 1)]
    pub(crate) chain_id: u64,
    /// Your key for this withdrawal, `[A-Za-z0-9._:-]{1,64}`; drawn at random and shown if absent
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// How long the intent is valid
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = clock::parse_duration)]
    pub(crate) expires_in: Duration,
    /// The most that fees may cost, in ETH; what the transaction can cost if absent
    #[arg(long, value_name = "ETH", value_parser = parse_ether)]
    pub(crate) fee_cap: Option<Amount>,
    /// The confirmed legal order that demands exactly this (`o-...`)
    #[arg(long, value_name = "ORDER")]
    pub(crate) order: Option<LegalOrderId>,
    /// The client that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    #[command(flatten)]
    pub(crate) transaction: TransactionParts,
}

/// The unsigned transaction: given whole, or built here from its parts.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TransactionParts {
    /// The unsigned EIP-1559 transaction, 0x hexadecimal
    #[arg(long, value_name = "0x...", conflicts_with_all = ["nonce", "max_fee_gwei", "priority_fee_gwei", "gas"])]
    pub(crate) transaction: Option<String>,
    /// Account nonce: the transaction is built here
    #[arg(long, requires = "max_fee_gwei")]
    pub(crate) nonce: Option<u64>,
    /// Max fee for a unit of gas, in gwei
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei, requires = "nonce")]
    pub(crate) max_fee_gwei: Option<u128>,
    /// Of which at most so much for the block's proposer, in gwei (1, or the max fee if that is less)
    #[arg(long, value_name = "GWEI", value_parser = parse_gwei, requires = "nonce")]
    pub(crate) priority_fee_gwei: Option<u128>,
    /// Gas limit (21000 for the chain's own coin, 65000 for a token; a call has no default)
    #[arg(long, requires = "nonce")]
    pub(crate) gas: Option<u64>,
}

impl Order {
    /// The client that signs.
    pub(super) fn who(&self, session: &Session) -> Result<Who, Failure> {
        session.profile.choose(Role::Client, self.client.as_deref())
    }

    /// A call may send nothing along.
    fn money(&self, session: &Session) -> Result<Money, Failure> {
        match self.calldata {
            Some(_) => parse_money_or_none(&self.amount, self.chain_id, session.assets()),
            None => parse_money(&self.amount, self.chain_id, session.assets()),
        }
    }

    /// The intent, made now.
    pub(crate) fn request(&self, session: &Session) -> Result<WithdrawalRequest, Failure> {
        let who = self.who(session)?;
        let money = self.money(session)?;
        let destination = Address::parse(&self.to)
            .map_err(|error| Failure::new(Exit::Usage, "ADDRESS_CHECKSUM", error.to_string()))?;
        let transfer = Transfer { contract: money.asset.contract, to: destination, amount: money.amount };
        let transaction = self.transaction.build(&money.asset, transfer, self.calldata.as_ref())?;
        let max_fee = transaction.as_ref().map(|transaction| transaction.effects().max_fee);
        let fee_cap = self.fee_cap.or(max_fee).ok_or_else(|| {
            Failure::usage("no fee cap is known without a transaction")
                .next("pass `--fee-cap ETH`, or a transaction (`--nonce` and `--max-fee-gwei`)")
        })?;
        let created_at_ms = clock::now();
        Ok(WithdrawalRequest {
            cluster: session.genesis.document.cluster.clone(),
            client: ClientId::new(who.name).map_err(|error| Failure::usage(error.to_string()))?,
            wallet: self.wallet.clone(),
            asset: money.asset.symbol,
            chain_id: ChainId(self.chain_id),
            amount: money.amount,
            destination,
            calldata: self.calldata.clone(),
            fee_cap,
            customer: self.customer.clone(),
            idempotency_key: self.idempotency_key.clone().unwrap_or_else(random_key),
            created_at_ms,
            expires_at_ms: clock::after(created_at_ms, self.expires_in),
            transaction: transaction.map(|transaction| transaction.to_hex()),
            order: self.order.clone(),
        })
    }
}

fn parse_calldata(text: &str) -> Result<Calldata, String> {
    Calldata::parse(text).map_err(|error| error.to_string())
}

impl TransactionParts {
    /// The transaction, if the arguments give one.
    pub(crate) fn build(
        &self,
        asset: &Asset,
        transfer: Transfer,
        calldata: Option<&Calldata>,
    ) -> Result<Option<UnsignedTransaction>, Failure> {
        let refuse = |error: holdfast_chains::DecodeError| {
            Failure::new(Exit::Refused, error.code(), error.to_string())
        };
        if let Some(hex) = &self.transaction {
            return UnsignedTransaction::parse_hex(hex).map(Some).map_err(refuse);
        }
        let (Some(nonce), Some(max_fee_per_gas)) = (self.nonce, self.max_fee_gwei) else { return Ok(None) };
        let usual = if asset.is_native() { NATIVE_GAS } else { TOKEN_GAS };
        let gas_limit = match (self.gas, calldata) {
            (Some(gas), _) => gas,
            (None, None) => usual,
            (None, Some(_)) => {
                return Err(Failure::usage("a call needs a gas limit")
                    .next("estimate what the contract takes, and pass `--gas N`"));
            }
        };
        let draft = Eip1559Draft {
            chain_id: asset.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas: self.priority_fee_gwei.unwrap_or(ONE_GWEI.min(max_fee_per_gas)),
            transfer,
        };
        draft.build_call(calldata).map(Some).map_err(refuse)
    }
}

/// The registry's entry of an asset.
pub(super) fn asset<'a>(
    session: &'a Session,
    symbol: &AssetSymbol,
    chain_id: ChainId,
) -> Result<&'a Asset, Failure> {
    let mut assets = session.assets().iter();
    assets.find(|asset| asset.symbol == *symbol && asset.chain_id == chain_id).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "UNKNOWN_ASSET",
            format!("`{symbol}` is not registered on chain {chain_id}"),
        )
    })
}

/// A key for a request that names none.
pub(super) fn random_key() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    format!("cli-{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";

    fn usdt() -> Asset {
        serde_json::from_str(
            r#"{"symbol":"USDT","chain_id":1,"contract":"0xdAC17F958D2ee523a2206206994597C13D831ec7","decimals":6}"#,
        )
        .unwrap()
    }

    fn build(parts: &TransactionParts) -> Result<Option<UnsignedTransaction>, Failure> {
        let (asset, to) = (usdt(), Address::parse(PAYEE).unwrap());
        let transfer = Transfer { contract: asset.contract, to, amount: Amount::from_u128(1_250_000_000) };
        parts.build(&asset, transfer, None)
    }

    #[test]
    fn parts_make_exactly_the_transfer_that_was_ordered() {
        let parts = TransactionParts {
            nonce: Some(7),
            max_fee_gwei: Some(30_000_000_000),
            ..TransactionParts::default()
        };
        let effects = build(&parts).unwrap().unwrap().effects();
        assert_eq!((effects.nonce, effects.chain_id), (7, ChainId(1)));
        assert_eq!(effects.transfer.to.to_string(), PAYEE);
        assert_eq!(effects.transfer.amount.to_string(), "1250000000");
        assert_eq!(effects.max_fee.to_string(), "1950000000000000");
    }

    #[test]
    fn call_needs_a_gas_limit_and_is_built_byte_for_byte() {
        let parts = |gas| TransactionParts {
            nonce: Some(7),
            max_fee_gwei: Some(30_000_000_000),
            gas,
            ..TransactionParts::default()
        };
        let eth = Asset { contract: None, ..usdt() };
        let to = Transfer { contract: None, to: Address::parse(PAYEE).unwrap(), amount: Amount::ZERO };
        let call = Calldata::parse("0xd0e30db0").unwrap();
        assert_eq!(parts(None).build(&eth, to, Some(&call)).unwrap_err().exit(), Exit::Usage);
        let built = parts(Some(90_000)).build(&eth, to, Some(&call)).unwrap().unwrap();
        assert_eq!(built.effects().calldata, Some(call.clone()));
        // A token has no coin of its own to send along.
        let token = Transfer { contract: usdt().contract, ..to };
        assert!(parts(Some(90_000)).build(&usdt(), token, Some(&call)).is_err());
    }

    #[test]
    fn no_parts_make_no_transaction_and_bad_ones_are_refused_with_their_reason() {
        assert!(build(&TransactionParts::default()).unwrap().is_none());
        let malformed =
            TransactionParts { transaction: Some("0x02zz".to_owned()), ..TransactionParts::default() };
        assert_eq!(build(&malformed).unwrap_err().exit(), Exit::Refused);
        let low_gas = TransactionParts {
            nonce: Some(0),
            max_fee_gwei: Some(1),
            gas: Some(20_999),
            ..TransactionParts::default()
        };
        assert!(build(&low_gas).unwrap_err().reason().starts_with("TRANSACTION_"));
    }
}
