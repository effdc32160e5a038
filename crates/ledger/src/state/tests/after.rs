//! What tests of replacements, sweeps, outcomes and tombstones say and ask.

use holdfast_chains::{
    Address, Amount, ChainId, Eip1559Draft, SignedTransaction, Transfer, UnsignedTransaction,
};
use holdfast_log::Envelope;
use holdfast_policy::TimestampMs;
use serde_json::{Value, json};

use super::cell::{Cell, USDT, coordinator, ed25519, sign, wallet_public, wallet_signature};
use crate::*;

pub(super) const GWEI: u128 = 1_000_000_000;
pub(super) const CAP: &str = "10000000000000000";

/// 30 gwei and 1 gwei is what the cell's own requests offer.
#[derive(Clone, Copy)]
pub(super) struct Price {
    pub(super) max: u128,
    pub(super) priority: u128,
}

pub(super) fn gwei(max: u128, priority: u128) -> Price {
    Price { max: max * GWEI, priority: priority * GWEI }
}

pub(super) fn pays(
    contract: Option<&str>,
    to: &str,
    units: u128,
    nonce: u64,
    price: Price,
) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: if contract.is_some() { 65_000 } else { 21_000 },
        max_fee_per_gas: price.max,
        max_priority_fee_per_gas: price.priority,
        transfer: Transfer {
            contract: contract.map(|contract| Address::parse(contract).unwrap()),
            to: Address::parse(to).unwrap(),
            amount: Amount::from_u128(units),
        },
    };
    draft.build().unwrap()
}

pub(super) fn pays_usdt(to: &str, usdt: u128, nonce: u64, price: Price) -> UnsignedTransaction {
    pays(Some(USDT), to, usdt * 1_000_000, nonce, price)
}

pub(super) fn own_address() -> String {
    wallet_public().address().to_string()
}

pub(super) fn by_pipeline(kind: PayloadKind, payload: &Value) -> Envelope {
    sign(kind, payload, "client", "pipeline")
}

pub(super) fn signature_entry(id: WithdrawalId, signature: holdfast_chains::Signature) -> Envelope {
    let payload = json!({"cluster": "demo-1", "withdrawal": id, "digest_index": 0,
        "signature": signature, "signers": ["node-1", "node-2"]});
    coordinator(PayloadKind::SignatureLogged, &payload)
}

pub(super) fn tombstone(node: u8, incarnation: u32, message_key: &str, id: WithdrawalId) -> Envelope {
    let payload = json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": incarnation, "withdrawal": id});
    let (payload, kind) = (serde_json::to_vec(&payload).unwrap(), PayloadKind::Tombstone.payload_type());
    let key_id = key_id("node", &format!("node-{node}"));
    Envelope::sign_ed25519(kind, payload, &key_id, &ed25519(message_key)).unwrap()
}

pub(super) fn sworn(node: u8, id: WithdrawalId) -> Envelope {
    tombstone(node, 1, &format!("message-{node}"), id)
}

impl Cell {
    /// A payment of `usdt` to the payee on `nonce`, authorized.
    pub(super) fn authorized(&mut self, key: &str, usdt: u128, nonce: u64) -> WithdrawalId {
        let mut request = self.request(key, usdt);
        let payee = request["destination"].as_str().unwrap().to_owned();
        request["transaction"] = json!(pays_usdt(&payee, usdt, nonce, gwei(30, 1)).to_hex());
        let id = self.ask(&request);
        self.accept_authorize(id);
        id
    }

    pub(super) fn accept_authorize(&mut self, id: WithdrawalId) -> Admission {
        let authorize = self.authorize(id);
        self.accept(&authorize)
    }

    pub(super) fn refuse_authorize(&mut self, id: WithdrawalId) -> &'static str {
        let authorize = self.authorize(id);
        self.refuse(&authorize)
    }

    /// The signature of the wallet's own key.
    pub(super) fn signature_of(&self, id: WithdrawalId) -> Envelope {
        signature_entry(id, wallet_signature(&self.withdrawal(id).transaction.as_ref().unwrap().signing_hash))
    }

    pub(super) fn signed(&mut self, key: &str, usdt: u128, nonce: u64) -> WithdrawalId {
        let id = self.authorized(key, usdt, nonce);
        let signature = self.signature_of(id);
        self.accept(&signature);
        id
    }

    pub(super) fn replacement(
        &self,
        key: &str,
        of: WithdrawalId,
        action: &str,
        transaction: &UnsignedTransaction,
    ) -> Value {
        json!({"cluster": "demo-1", "client": "pipeline", "of": of, "action": action, "fee_cap": CAP, "idempotency_key": key,
            "created_at_ms": self.now, "expires_at_ms": self.now + 600_000, "transaction": transaction.to_hex()})
    }

    pub(super) fn replace(&mut self, request: &Value) -> WithdrawalId {
        self.accept(&by_pipeline(PayloadKind::ReplacementRequest, request)).withdrawal.unwrap()
    }

    pub(super) fn refuse_replacement(&mut self, request: &Value) -> &'static str {
        self.refuse(&by_pipeline(PayloadKind::ReplacementRequest, request))
    }

    pub(super) fn order(&self, id: WithdrawalId) -> Result<AuthorizedWithdrawal, &'static str> {
        self.state.authorized_withdrawal(&id, 0, TimestampMs(self.now)).map_err(|refusal| refusal.code())
    }

    pub(super) fn outcome(&self, id: WithdrawalId, outcome: &str, block: Option<u64>) -> Value {
        let withdrawal = self.withdrawal(id);
        let hash = withdrawal.signature.map(|signature| {
            SignedTransaction::hash_of(&withdrawal.transaction.as_ref().unwrap().transaction, &signature)
        });
        let mut payload = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id, "outcome": outcome,
            "transaction_hash": hash.unwrap_or(holdfast_chains::Digest([1; 32])), "observed_at_ms": self.now});
        if let Some(block) = block {
            payload["block_number"] = json!(block);
        }
        payload
    }
}
