//! The canonical binary form of what the state holds: one value has one encoding, and every other byte string is refused.
//!
//! State digests hash it, settled withdrawals are kept in it, and snapshots are written in it. Records are listed member by
//! member with exhaustive patterns, so that a new member does not compile until it is encoded too. Never used for what
//! parties sign: that is stored as received.

mod records;
mod values;

/// Room for a withdrawal's record, so that a vector does not grow in steps.
pub(crate) const USUAL_LEN: usize = 2_048;

/// Writes the canonical form.
pub(crate) trait Encode {
    fn encode(&self, out: &mut Vec<u8>);

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL_LEN);
        self.encode(&mut out);
        out
    }
}

/// Reads the canonical form and nothing else.
pub(crate) trait Decode: Sized {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed>;

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(bytes);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

/// Bytes that are not the canonical form of what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn new(problem: impl ToString) -> Self {
        Self(problem.to_string())
    }
}

/// Bytes still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| Malformed::new("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(|| Malformed::new("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A little-endian base-128 number in its shortest form.
    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for position in 0..10_u32 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shift = position.saturating_mul(7);
            let placed = bits.checked_shl(shift).filter(|placed| placed.checked_shr(shift) == Some(bits));
            value |= placed.ok_or_else(|| Malformed::new("a number is out of range"))?;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || position == 0;
                return if shortest { Ok(value) } else { Err(Malformed::new("a number is padded")) };
            }
        }
        Err(Malformed::new("a number is out of range"))
    }

    /// How many items or bytes follow, as somebody claims: nothing may be reserved for them before they are read.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed::new("a length is beyond the end"))
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::new("a text is not UTF-8"))
    }

    pub(crate) fn starts_with(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes)
    }

    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::new("bytes follow its end")) }
    }
}

pub(crate) fn put_number(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

pub(crate) fn put_count(count: usize, out: &mut Vec<u8>) {
    put_number(u64::try_from(count).unwrap_or(u64::MAX), out);
}

pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// A struct: its members in the order listed.
macro_rules! record {
    ($type:ty { $($member:ident),+ $(,)? }) => {
        impl $crate::codec::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                let Self { $($member),+ } = self;
                $($crate::codec::Encode::encode($member, out);)+
            }
        }

        impl $crate::codec::Decode for $type {
            fn decode(input: &mut $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Malformed> {
                $(let $member = $crate::codec::Decode::decode(input)?;)+
                Ok(Self { $($member),+ })
            }
        }
    };
}

/// An enum: one byte for the variant, then its one member if it has one. Tags are for ever.
macro_rules! variants {
    ($type:ty { $($tag:literal => $variant:ident $(($member:ident))?),+ $(,)? }) => {
        impl $crate::codec::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($member))? => {
                        out.push($tag);
                        $($crate::codec::Encode::encode($member, out);)?
                    })+
                }
            }
        }

        impl $crate::codec::Decode for $type {
            fn decode(input: &mut $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Malformed> {
                match input.byte()? {
                    $($tag => Ok(Self::$variant $(({
                        let $member = $crate::codec::Decode::decode(input)?;
                        $member
                    }))?),)+
                    _ => Err($crate::codec::Malformed::new(concat!("unknown ", stringify!($type)))),
                }
            }
        }
    };
}

/// A small, rarely written record in the form of its own strict JSON: it names its members.
macro_rules! json_record {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::codec::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                // Structs with text keys always render.
                $crate::codec::put_bytes(&serde_json::to_vec(self).unwrap_or_default(), out);
            }
        }

        impl $crate::codec::Decode for $type {
            fn decode(input: &mut $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Malformed> {
                let bytes = input.bytes()?;
                let value: Self = serde_json::from_slice(bytes).map_err($crate::codec::Malformed::new)?;
                if serde_json::to_vec(&value).ok().as_deref() == Some(bytes) {
                    Ok(value)
                } else {
                    Err($crate::codec::Malformed::new(concat!(stringify!($type), " in another form")))
                }
            }
        }
    )+};
}

pub(crate) use {json_record, record, variants};

#[cfg(test)]
mod tests;
