//! The canonical form of single values and of collections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_chains::{
    Address, Amount, AssetSymbol, Calldata, ChainId, Digest, PublicKey, Signature, UnsignedTransaction,
};
use holdfast_log::Hash;
use holdfast_policy::{
    ClientId, ClusterId, ContactId, CustomerRef, DeltaHash, DeviceRef, ExposureCategory, HoldDigest,
    IdentityMethod, IntentDigest, LegalOrderId, ListHash, ListId, MicroUsd, NodeId, OfficerId,
    PolicyDocument, PolicyHash, PolicyVersion, ProviderId, ReasonCode, RoleName, RuleId, SessionRef,
    TimestampMs, WalletId, WhitelistEntryId,
};

use super::{Decode, Encode, Input, Malformed, put_bytes, put_count, put_number};

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode for bool {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::new("a flag is neither 0 nor 1")),
        }
    }
}

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                put_number(u64::from(*self), out);
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
                input.number()?.try_into().map_err(|_| Malformed::new("a number is out of range"))
            }
        }
    )+};
}

number!(u8, u32, u64);

macro_rules! newtype {
    ($($type:ident),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
                Decode::decode(input).map($type)
            }
        }
    )+};
}

newtype!(TimestampMs, MicroUsd, ChainId, PolicyVersion, Digest, Hash);

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.array()
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
}

impl Decode for String {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        input.text().map(str::to_owned)
    }
}

/// Names and codes: their text, read by their own strict parser.
macro_rules! text {
    ($($type:ty = $as_text:ident),+ $(,)?) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                put_bytes(self.$as_text().as_bytes(), out);
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
                input.text()?.parse().map_err(Malformed::new)
            }
        }
    )+};
}

text!(
    AssetSymbol = as_str,
    ClientId = as_str,
    ClusterId = as_str,
    ContactId = as_str,
    CustomerRef = as_str,
    IdentityMethod = as_str,
    ExposureCategory = as_str,
    ListId = as_str,
    DeviceRef = as_str,
    LegalOrderId = as_str,
    NodeId = as_str,
    OfficerId = as_str,
    ProviderId = as_str,
    ReasonCode = code,
    RoleName = as_str,
    RuleId = as_str,
    SessionRef = as_str,
    WalletId = as_str,
    WhitelistEntryId = as_str,
);

/// Values of a fixed length in bytes.
macro_rules! fixed {
    ($($type:ty: $write:ident, $read:expr);+ $(;)?) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.$write().as_ref());
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
                let read: fn(&mut Input<'_>) -> Result<Self, Malformed> = $read;
                read(input)
            }
        }
    )+};
}

fixed! {
    Address: as_bytes, |input| Ok(Address::from_bytes(input.array()?));
    DeltaHash: as_bytes, |input| Ok(DeltaHash::from_bytes(input.array()?));
    ListHash: as_bytes, |input| Ok(ListHash::from_bytes(input.array()?));
    HoldDigest: as_bytes, |input| Ok(HoldDigest::from_bytes(input.array()?));
    IntentDigest: as_bytes, |input| Ok(IntentDigest::from_bytes(input.array()?));
    PolicyHash: as_bytes, |input| Ok(PolicyHash::from_bytes(input.array()?));
    PublicKey: as_bytes, |input| PublicKey::from_sec1(&input.array::<33>()?).map_err(Malformed::new);
    Signature: to_bytes, |input| Signature::from_bytes(&input.array::<65>()?).map_err(Malformed::new);
}

/// Big-endian without leading zeros.
impl Encode for Amount {
    fn encode(&self, out: &mut Vec<u8>) {
        let bytes = self.to_be_bytes();
        let significant = bytes.iter().position(|byte| *byte != 0).and_then(|first| bytes.get(first..));
        put_bytes(significant.unwrap_or_default(), out);
    }
}

impl Decode for Amount {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let bytes = input.bytes()?;
        if bytes.first() == Some(&0) || bytes.len() > 32 {
            return Err(Malformed::new("an amount is padded or too large"));
        }
        let mut full = [0; 32];
        full.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
        Ok(Amount::from_be_bytes(full))
    }
}

impl Encode for UnsignedTransaction {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
}

impl Decode for UnsignedTransaction {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        UnsignedTransaction::decode(input.bytes()?).map_err(Malformed::new)
    }
}

impl Encode for Calldata {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }
}

impl Decode for Calldata {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Calldata::new(input.bytes()?).map_err(Malformed::new)
    }
}

/// Its text; the rest is read from that.
impl Encode for PolicyDocument {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(self.source().as_bytes(), out);
    }
}

impl Decode for PolicyDocument {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        PolicyDocument::parse(input.text()?).map_err(Malformed::new)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        if bool::decode(input)? { T::decode(input).map(Some) } else { Ok(None) }
    }
}

impl<T: Encode> Encode for Arc<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().encode(out);
    }
}

impl<T: Decode> Decode for Arc<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        T::decode(input).map(Arc::new)
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().encode(out);
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        T::decode(input).map(Box::new)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        (0..count).map(|_| T::decode(input)).collect()
    }
}

impl<T: Encode> Encode for BTreeSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode + Ord> Decode for BTreeSet<T> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let items: Vec<T> = Decode::decode(input)?;
        if !items.is_sorted_by(|one, next| one < next) {
            return Err(Malformed::new("a set is not in order"));
        }
        Ok(items.into_iter().collect())
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let pairs: Vec<(K, V)> = Decode::decode(input)?;
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(Malformed::new("a map is not in order"));
        }
        Ok(pairs.into_iter().collect())
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok((A::decode(input)?, B::decode(input)?))
    }
}

impl<A: Encode, B: Encode, C: Encode> Encode for (A, B, C) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
    }
}

impl<A: Decode, B: Decode, C: Decode> Decode for (A, B, C) {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok((A::decode(input)?, B::decode(input)?, C::decode(input)?))
    }
}
