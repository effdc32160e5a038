//! Fixtures: two transactions of Ethereum's main network, an honest draft and a wallet to sign it with.
//!
//! Hashes, senders and public keys of the two transactions are public; the signing hashes were computed by a
//! separate program (keccak-256 and RLP in Python) that also recovered the published public key from them.

use k256::ecdsa::SigningKey;

use super::address::Address;
use super::draft::Eip1559Draft;
use super::transaction::UnsignedTransaction;
use crate::amount::Amount;
use crate::chain_id::ChainId;
use crate::digest::Digest;
use crate::effects::Transfer;
use crate::public_key::PublicKey;
use crate::signature::Signature;

pub(crate) const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

/// A transaction of the main network.
pub(crate) struct Published {
    pub(crate) unsigned: &'static str,
    pub(crate) signing_hash: &'static str,
    pub(crate) signature: &'static str,
    pub(crate) raw: &'static str,
    pub(crate) hash: &'static str,
    pub(crate) public_key: &'static str,
    pub(crate) sender: &'static str,
    pub(crate) contract: Option<&'static str>,
    pub(crate) to: &'static str,
    pub(crate) amount: &'static str,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) max_fee_per_gas: u128,
    pub(crate) max_priority_fee_per_gas: u128,
}

/// 610,000 USDT.
pub(crate) const PUBLISHED_TOKEN: Published = Published {
    unsigned: "0x02f86f018207a984010bef3384780f481a8301482094dac17f958d2ee523a2206206994597c13d831ec780b844a9059cbb000000000000000000000000a29e963992597b21bcdcaa969d571984869c4ff50000000000000000000000000000000000000000000000000000008e06d55400c0",
    signing_hash: "0x5bbadfb3852ec3676937f97bed81114e1bcdcb7c12607cf14bec9d4164f4f845",
    signature: "0x63ec94403b94ef380a4c4c31b3df991ca456d84943f53e6d207d57d697a8ee981631a9ad2884defacfa06eca1d8cfc04c26b119f206a72006e8b0f1802ceab9f00",
    raw: "0x02f8b2018207a984010bef3384780f481a8301482094dac17f958d2ee523a2206206994597c13d831ec780b844a9059cbb000000000000000000000000a29e963992597b21bcdcaa969d571984869c4ff50000000000000000000000000000000000000000000000000000008e06d55400c080a063ec94403b94ef380a4c4c31b3df991ca456d84943f53e6d207d57d697a8ee98a01631a9ad2884defacfa06eca1d8cfc04c26b119f206a72006e8b0f1802ceab9f",
    hash: "0x5841ee016fb03c5b8f7753342564e52b344771d94b6c17cbaa89a5fafd448453",
    public_key: "03ae779965c64b126f775d7fdb82723bd6914579ac2068639eaf3d08573ee36e57",
    sender: "0x3cb27abe5d9ef37f9866626c70624185a0e70142",
    contract: Some(USDT),
    to: "0xa29E963992597B21bcDCaa969d571984869C4FF5",
    amount: "610000000000",
    nonce: 1961,
    gas_limit: 84_000,
    max_fee_per_gas: 2_014_267_418,
    max_priority_fee_per_gas: 17_559_347,
};

/// About 0.028 ether.
pub(crate) const PUBLISHED_NATIVE: Published = Published {
    unsigned: "0x02ed012b83059f6884ae9f364882520894dfaa75323fb721e5f29d43859390f62cc4b600b8874652436b698acb80c0",
    signing_hash: "0x7edf29f9ce3c3deecea0bf66e490568159b22e38209d4fce9a8b8f81b356b9c7",
    signature: "0xbebdd83d9bc034e4824367e3f1cc0e8b8e4b24871eeba9ef8d36130d25c961294608841b2945b0ed090bc3c6fe56aef0077d6a5eb6b3416212fe727e7e2b68e101",
    raw: "0x02f870012b83059f6884ae9f364882520894dfaa75323fb721e5f29d43859390f62cc4b600b8874652436b698acb80c001a0bebdd83d9bc034e4824367e3f1cc0e8b8e4b24871eeba9ef8d36130d25c96129a04608841b2945b0ed090bc3c6fe56aef0077d6a5eb6b3416212fe727e7e2b68e1",
    hash: "0x5f5f13a49b282221223235a51cc3cb9fe6356321600310a2b97646bed757b352",
    public_key: "03ff3ec379609fb10ad47d0ef4da6b3cb5d581a232062102faa6e1ae51f1b3d7e8",
    sender: "0x8a23e63694e5f37756c354091365ef606b54c38a",
    contract: None,
    to: "0xdfaa75323fb721e5f29d43859390f62cc4b600b8",
    amount: "19793697888111307",
    nonce: 43,
    gas_limit: 21_000,
    max_fee_per_gas: 2_929_669_704,
    max_priority_fee_per_gas: 368_488,
};

pub(crate) fn usdt() -> Address {
    Address::parse(USDT).unwrap()
}

pub(crate) const CUSTOMER: Address = Address::from_bytes([0xbb; 20]);
pub(crate) const THIEF: Address = Address::from_bytes([0xee; 20]);

/// 1,250 USDT to the customer.
pub(crate) fn token_draft() -> Eip1559Draft {
    Eip1559Draft {
        chain_id: ChainId::ETHEREUM_MAINNET,
        nonce: 7,
        gas_limit: 60_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer { contract: Some(usdt()), to: CUSTOMER, amount: Amount::from_u128(1_250_000_000) },
    }
}

/// One ether to the customer.
pub(crate) fn native_draft() -> Eip1559Draft {
    Eip1559Draft {
        gas_limit: 21_000,
        transfer: Transfer {
            contract: None,
            to: CUSTOMER,
            amount: Amount::from_u128(1_000_000_000_000_000_000),
        },
        ..token_draft()
    }
}

pub(crate) fn token_transaction() -> UnsignedTransaction {
    token_draft().build().unwrap()
}

/// A key pair made from one byte.
pub(crate) fn wallet(seed: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_slice(&[seed; 32]).unwrap();
    let public_key = PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap();
    (key, public_key)
}

/// Signs with plain k256, as the threshold engine would: scalars only.
pub(crate) fn sign(key: &SigningKey, digest: &Digest) -> ([u8; 32], [u8; 32]) {
    let (signature, _) = key.sign_prehash_recoverable(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    (r.into(), s.into())
}

pub(crate) fn signature(key: &SigningKey, public_key: &PublicKey, digest: &Digest) -> Signature {
    let (r, s) = sign(key, digest);
    Signature::from_scalars(r, s, digest, public_key).unwrap()
}
