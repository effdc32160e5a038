//! A client's payloads, member by member, so that a test can also make wrong ones.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use holdfast_chains::{Address, Amount, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::{PayloadKind, key_id};
use holdfast_log::Envelope;
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::{CLIENT, CUSTOMER, WALLET, now_ms};

/// Whom the harness whitelists.
pub const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
/// Whom nobody has whitelisted.
pub const STRANGER: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
/// Whom attackers would like to pay.
pub const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";

const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
/// Base units of a USDT.
const USDT_UNITS: u128 = 1_000_000;
const AMOUNT: u128 = 1_250_000_000;
const FEE_CAP: u128 = 10_000_000_000_000_000;
const LIFE_MS: u64 = 10 * 60 * 1_000;

/// A payload that a client signs, and what kind it is.
#[derive(Clone, Debug)]
pub struct Request {
    kind: PayloadKind,
    members: Map<String, Value>,
}

/// An unsigned ERC-20 transfer of USDT on mainnet.
pub fn transfer(to: &str, base_units: u128, nonce: u64) -> UnsignedTransaction {
    priced_transfer(to, base_units, nonce, 30)
}

/// The same at a price of gas, in gwei.
pub fn priced_transfer(to: &str, base_units: u128, nonce: u64, gwei: u128) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: gwei * 1_000_000_000,
        max_priority_fee_per_gas: gwei * 1_000_000_000 / 30,
        transfer: Transfer {
            contract: Some(Address::parse(USDT).unwrap()),
            to: Address::parse(to).unwrap(),
            amount: Amount::from_u128(base_units),
        },
    };
    draft.build().unwrap()
}

impl Cluster {
    /// An intent that the policy allows: 1,250 USDT to the whitelisted payee, without a transaction.
    pub fn intent(&self) -> Request {
        let now = now_ms();
        Request::of(
            PayloadKind::WithdrawalRequest,
            json!({
                "cluster": self.name(),
                "client": CLIENT,
                "wallet": WALLET,
                "asset": "USDT",
                "chain_id": 1,
                "amount": AMOUNT.to_string(),
                "destination": PAYEE,
                "fee_cap": FEE_CAP.to_string(),
                "customer": CUSTOMER,
                "idempotency_key": format!("key-{}-{now}", self.fresh_number()),
                "created_at_ms": now,
                "expires_at_ms": now + LIFE_MS,
            }),
        )
    }

    /// The same with its transaction, under an account nonce of its own.
    pub fn request(&self) -> Request {
        self.intent().with_transfer(self.next_account_nonce())
    }

    /// A withdrawal of so many USDT to somebody, with its transaction.
    pub fn request_of(&self, usdt: u128, to: &str) -> Request {
        let intent = self.intent().set("amount", (usdt * USDT_UNITS).to_string()).set("destination", to);
        intent.with_transfer(self.next_account_nonce())
    }

    /// A transaction for an earlier intent.
    pub fn bind(&self, withdrawal: &str, transaction: &UnsignedTransaction) -> Request {
        let members = json!({"cluster": self.name(), "client": CLIENT, "withdrawal": withdrawal,
            "transaction": transaction.to_hex()});
        Request::of(PayloadKind::BindTransaction, members)
    }

    /// A cancellation.
    pub fn cancel(&self, withdrawal: &str) -> Request {
        let members = json!({"cluster": self.name(), "client": CLIENT, "withdrawal": withdrawal});
        Request::of(PayloadKind::CancelWithdrawal, members)
    }

    /// The client's key.
    pub fn client_key(&self) -> SigningKey {
        self.ed25519_key("client/pipeline.key")
    }

    /// An Ed25519 key file of the cluster.
    pub fn ed25519_key(&self, file: &str) -> SigningKey {
        SigningKey::read_pkcs8_pem_file(self.path(file)).unwrap()
    }
}

impl Request {
    /// Any members of any kind.
    pub fn of(kind: PayloadKind, members: Value) -> Self {
        let Value::Object(members) = members else { panic!("an object") };
        Self { kind, members }
    }

    /// Another value of a member.
    #[must_use]
    pub fn set(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the transaction that does what the intent says, if it pays in USDT.
    #[must_use]
    pub fn with_transfer(self, nonce: u64) -> Self {
        let (to, amount) = (self.text("destination"), self.text("amount").parse().unwrap());
        let transaction = transfer(&to, amount, nonce).to_hex();
        self.set("transaction", transaction)
    }

    /// A member's text.
    pub fn text(&self, member: &str) -> String {
        self.members[member].as_str().unwrap().to_owned()
    }

    /// The payload's bytes.
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(&self.members).unwrap()
    }

    /// Signed by any key in any name.
    pub fn sign(&self, key_id: &str, key: &SigningKey) -> Envelope {
        Envelope::sign_ed25519(self.kind.payload_type(), self.payload(), key_id, key).unwrap()
    }

    /// Signed by the cluster's client.
    pub fn signed(&self, cluster: &Cluster) -> Envelope {
        self.sign(&key_id("client", CLIENT), &cluster.client_key())
    }
}
