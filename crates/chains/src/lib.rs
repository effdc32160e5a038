//! Transactions of the chains we hold funds on: decode, check, hash and assemble them.
//!
//! Pure: no network, no clock, no storage, no secret. Everything that reaches a signer goes through
//! [`UnsignedTransaction::decode`], which refuses whatever it cannot describe completely, and the digest to sign
//! is computed here. This crate must never accept a digest from a caller, and never hold a private key.
//!
//! Ethereum is the first chain. What every chain shares (amounts, assets, keys, signatures, effects) lies beside
//! the [`ethereum`] module; what only Ethereum has lies inside it.

mod amount;
mod asset;
mod chain_id;
mod derivation;
mod digest;
mod effects;
pub mod ethereum;
mod fixed_hex;
mod public_key;
mod serde_text;
mod shared_key;
mod signature;

pub use amount::{Amount, AmountError};
pub use asset::{Asset, AssetSymbol, AssetSymbolError};
pub use chain_id::{ChainId, ChainIdError};
pub use derivation::DerivationError;
pub use digest::Digest;
pub use effects::{EffectMismatch, Effects, ExpectedEffects, FieldMismatch, Transfer, check_effects};
pub use ethereum::{
    Address, AddressError, AssembleError, CallDecodeError, CallValue, Calldata, CalldataError, DecodeError,
    Eip1559Draft, FunctionSignature, ParameterKind, Selector, SignatureTextError, SignedTransaction,
    UnsignedTransaction,
};
pub use fixed_hex::HexError;
pub use public_key::{PublicKey, PublicKeyError};
pub use signature::{Signature, SignatureError};
