//! Attacks on the decoder, one by one, and properties over many transactions.

mod calldata;
mod encoding;
mod fields;
mod properties;
mod published;

use super::*;
use crate::ethereum::fixtures::{CUSTOMER, native_draft, token_draft, token_transaction, usdt};

/// The nine fields of the honest token transfer, each RLP-encoded by hand, to be tampered with one at a time.
struct Items([Vec<u8>; 9]);

const CHAIN_ID: usize = 0;
const NONCE: usize = 1;
const PRIORITY_FEE: usize = 2;
const MAX_FEE: usize = 3;
const GAS_LIMIT: usize = 4;
const TO: usize = 5;
const VALUE: usize = 6;
const CALLDATA: usize = 7;
const ACCESS_LIST: usize = 8;

impl Items {
    fn honest() -> Self {
        Self([
            vec![0x01],
            vec![0x07],
            hex::decode("843b9aca00").unwrap(),
            hex::decode("8506fc23ac00").unwrap(),
            hex::decode("82ea60").unwrap(),
            [&[0x94][..], usdt().as_bytes()].concat(),
            vec![0x80],
            string(&calldata()),
            vec![0xc0],
        ])
    }

    fn with(mut self, position: usize, item: impl Into<Vec<u8>>) -> Self {
        self.0[position] = item.into();
        self
    }

    fn encode(&self) -> Vec<u8> {
        [vec![0x02], list(&self.0.concat())].concat()
    }

    fn decode(&self) -> Result<UnsignedTransaction, DecodeError> {
        UnsignedTransaction::decode(&self.encode())
    }

    fn code(&self) -> &'static str {
        code(&self.encode())
    }
}

/// `transfer(customer, 1250000000)`, written by hand.
fn calldata() -> Vec<u8> {
    let amount = Amount::from_u128(1_250_000_000).to_be_bytes();
    [&[0xa9, 0x05, 0x9c, 0xbb][..], &[0; 12], CUSTOMER.as_bytes(), &amount].concat()
}

/// RLP of a byte string of 2 to 65,535 bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    [header(0x80, bytes.len()), bytes.to_vec()].concat()
}

/// RLP of a list with this payload.
fn list(payload: &[u8]) -> Vec<u8> {
    [header(0xc0, payload.len()), payload.to_vec()].concat()
}

fn header(base: u8, length: usize) -> Vec<u8> {
    match length {
        0..=55 => vec![base | u8::try_from(length).unwrap()],
        56..=255 => vec![base | 0x38, u8::try_from(length).unwrap()],
        _ => [&[base | 0x39][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    }
}

/// The reason why bytes are refused.
fn code(bytes: &[u8]) -> &'static str {
    UnsignedTransaction::decode(bytes).expect_err("must be refused").code()
}

#[test]
fn hand_made_encoding_is_the_builders() {
    assert_eq!(Items::honest().encode(), token_transaction().as_bytes());
}

#[test]
fn honest_token_transfer_is_described_completely() {
    let transaction = token_transaction();

    assert_eq!(
        transaction.effects(),
        Effects {
            chain_id: ChainId::ETHEREUM_MAINNET,
            transfer: token_draft().transfer,
            calldata: None,
            max_fee: Amount::from_u128(1_800_000_000_000_000),
            nonce: 7,
        }
    );
}

#[test]
fn honest_native_transfer_is_described_completely() {
    let effects = native_draft().build().unwrap().effects();

    assert_eq!(effects.transfer, native_draft().transfer);
    assert_eq!(effects.transfer.contract, None);
    assert_eq!(effects.max_fee, Amount::from_u128(630_000_000_000_000));
}
