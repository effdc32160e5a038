//! Owns how many different customers share something: a destination that many pay to, a device that many come from. Bounded: past
//! [`MAX_CROWD`] it is a crowd, whoever is in it.

use crate::{digest::sha256, ids::CustomerRef, minute::Minute};

/// How many customers are told apart; the count goes on beyond that by those who are not among them, and may count one twice.
pub const MAX_CROWD: usize = 12;

/// Customers who share something, with the time each was first seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crowd {
    first: Option<Minute>,
    members: Vec<(MemberKey, Minute)>,
    count: u32,
    fresh: u32,
}

/// Four bytes of the hash of a customer's reference.
pub type MemberKey = [u8; 4];

const HEADER: usize = 12;
const MEMBER: usize = 8;

impl Crowd {
    /// A customer was seen here; `fresh` says whether the account was a new one.
    pub fn see(&mut self, customer: &CustomerRef, now: Minute, fresh: bool) {
        self.first.get_or_insert(now);
        let key = member_key(customer);
        if self.members.iter().any(|(member, _)| *member == key) {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.fresh = self.fresh.saturating_add(u32::from(fresh));
        if self.members.len() < MAX_CROWD {
            self.members.push((key, now));
        }
    }

    /// When the first customer was seen.
    pub fn first(&self) -> Option<Minute> {
        self.first
    }

    /// When this customer was first seen, as far as is remembered.
    pub fn since(&self, customer: &CustomerRef) -> Option<Minute> {
        let key = member_key(customer);
        self.members.iter().find(|(member, _)| *member == key).map(|(_, first)| *first)
    }

    /// How many customers there are besides this one.
    pub fn others(&self, customer: &CustomerRef) -> u32 {
        self.count.saturating_sub(u32::from(self.since(customer).is_some()))
    }

    /// How many of all had a new account when they were first seen.
    pub fn fresh(&self) -> u32 {
        self.fresh
    }

    /// The packed form: count, new accounts, the first minute, and each member with its first minute. Never of an empty crowd.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER.saturating_add(self.members.len().saturating_mul(MEMBER)));
        out.extend(self.count.to_be_bytes());
        out.extend(self.fresh.to_be_bytes());
        out.extend(self.first.unwrap_or(Minute(0)).0.to_be_bytes());
        for (key, first) in &self.members {
            out.extend(key);
            out.extend(first.0.to_be_bytes());
        }
        out
    }

    /// Reads the packed form; `None` for other bytes, and for parts that contradict each other.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (header, members) = bytes.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
        let count = u32::from_be_bytes([a, b, c, d]);
        let fresh = u32::from_be_bytes([e, f, g, h]);
        let first = Minute(u32::from_be_bytes([i, j, k, l]));
        let (members, rest) = members.as_chunks::<MEMBER>();
        let members: Vec<_> = members
            .iter()
            .map(|[a, b, c, d, e, f, g, h]| ([*a, *b, *c, *d], Minute(u32::from_be_bytes([*e, *f, *g, *h]))))
            .collect();
        let counted = usize::try_from(count).unwrap_or(usize::MAX);
        let fits = members.len() <= MAX_CROWD && members.len() <= counted && fresh <= count;
        let whole = members.len() == counted || members.len() == MAX_CROWD;
        let sound = fits && whole && count > 0 && rest.is_empty();
        sound.then_some(Self { first: Some(first), members, count, fresh })
    }
}

/// Customers of one destination.
pub type DestinationStats = Crowd;
/// Customers of one device.
pub type DeviceStats = Crowd;

fn member_key(customer: &CustomerRef) -> MemberKey {
    let [a, b, c, d, ..] = sha256(customer.as_str().as_bytes());
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(number: usize) -> CustomerRef {
        CustomerRef::new(format!("c-{number}")).unwrap()
    }

    #[test]
    fn each_customer_counts_once_and_not_for_oneself() {
        let mut crowd = Crowd::default();
        for (number, minute) in [(1, 10), (2, 20), (1, 30)] {
            crowd.see(&customer(number), Minute(minute), number == 2);
        }
        assert_eq!((crowd.others(&customer(1)), crowd.others(&customer(9)), crowd.fresh()), (1, 2, 1));
        assert_eq!((crowd.first(), crowd.since(&customer(2))), (Some(Minute(10)), Some(Minute(20))));
    }

    #[test]
    fn a_large_crowd_takes_bounded_memory_and_goes_on_counting() {
        let mut crowd = Crowd::default();
        (0..1_000).for_each(|number| crowd.see(&customer(number), Minute(1), false));
        assert_eq!(crowd.others(&customer(5_000)), 1_000);
        let packed = crowd.pack();
        assert_eq!(packed.len(), HEADER + MAX_CROWD * MEMBER);
        assert_eq!(Crowd::unpack(&packed), Some(crowd));
    }

    #[test]
    fn packed_crowds_whose_parts_contradict_each_other_are_none() {
        let mut crowd = Crowd::default();
        crowd.see(&customer(1), Minute(7), true);
        crowd.see(&customer(2), Minute(9), false);
        let packed = crowd.pack();
        assert_eq!(Crowd::unpack(&packed), Some(crowd));
        let with = |at: usize, byte: u8| {
            let mut packed = packed.clone();
            packed[at] = byte;
            Crowd::unpack(&packed)
        };
        assert_eq!(with(3, 3), None, "more than are named, and fewer than a crowd");
        assert_eq!(with(3, 1), None, "fewer than are named");
        assert_eq!(with(7, 3), None, "more new accounts than accounts");
        for end in 0..packed.len() {
            assert_eq!(Crowd::unpack(&packed[..end]), None, "cut off at {end}");
        }
        assert_eq!(Crowd::unpack(&Crowd::default().pack()), None, "nobody is no crowd");
    }
}
