//! What may happen with contract calls: asked for with and without their transactions, to whitelisted and other spenders.

use holdfast_chains::{Address, Amount, Calldata, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_log::Envelope;
use serde_json::json;

use super::super::after::{self, gwei, pays_usdt};
use super::super::cell::{Cell, USDT, sign};
use super::acts::{CUSTOMERS, one, place, wallet};
use crate::*;

/// `approve(spender, amount)`.
fn approving(spender: &Address, amount: u8) -> Calldata {
    let bytes = [&[0x09, 0x5e, 0xa7, 0xb3][..], &[0; 12], spender.as_bytes(), &[0; 31], &[amount]].concat();
    Calldata::new(&bytes).unwrap()
}

fn calls(calldata: &Calldata, nonce: u64, price: after::Price) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: price.max,
        max_priority_fee_per_gas: price.priority,
        transfer: Transfer { contract: None, to: Address::parse(USDT).unwrap(), amount: Amount::ZERO },
    };
    draft.build_call(Some(calldata)).unwrap()
}

/// What a request asks for, on this account nonce.
pub(super) fn does(request: &WithdrawalRequest, nonce: u64, price: after::Price) -> UnsignedTransaction {
    let amount: u128 = request.amount.to_string().parse().unwrap();
    match &request.calldata {
        Some(calldata) => calls(calldata, nonce, price),
        None => pays_usdt(&request.destination.to_string(), amount / 1_000_000, nonce, price),
    }
}

pub(super) fn asking_call(cell: &Cell, [a, b, c]: [u8; 3]) -> Envelope {
    let calldata = approving(&place(c), a % 8);
    let from = one(&[0, 0, 1, 2, 1], a / 24);
    let mut request = json!({"cluster": "demo-1", "client": "pipeline", "wallet": wallet(from), "asset": "ETH", "chain_id": 1,
        "amount": "0", "destination": USDT, "calldata": calldata, "fee_cap": after::CAP, "customer": one(&CUSTOMERS, b),
        "idempotency_key": format!("k-{}", a % 24), "created_at_ms": cell.now, "expires_at_ms": cell.now + 200_000});
    if !c.is_multiple_of(5) {
        request["transaction"] = json!(calls(&calldata, u64::from(a % 24 / 2), gwei(30, 1)).to_hex());
    }
    sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
}
