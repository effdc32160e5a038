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

/// A crowd in parts, for codecs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrowdParts {
    /// When the first customer was seen.
    pub first: Option<Minute>,
    /// Those told apart, with the time each was first seen.
    pub members: Vec<(MemberKey, Minute)>,
    /// All of them.
    pub count: u32,
    /// Those who came with new accounts.
    pub fresh: u32,
}

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

    /// The parts, for codecs.
    pub fn parts(&self) -> CrowdParts {
        let Self { first, members, count, fresh } = self.clone();
        CrowdParts { first, members, count, fresh }
    }

    /// From its parts; `None` when they contradict each other.
    pub fn from_parts(parts: CrowdParts) -> Option<Self> {
        let CrowdParts { first, members, count, fresh } = parts;
        let counted = usize::try_from(count).unwrap_or(usize::MAX);
        let fits = members.len() <= MAX_CROWD && members.len() <= counted && fresh <= count;
        let whole = members.len() == counted || members.len() == MAX_CROWD;
        (fits && whole && first.is_some() == (count > 0)).then_some(Self { first, members, count, fresh })
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
        let parts = crowd.parts();
        assert_eq!(parts.members.len(), MAX_CROWD);
        assert_eq!(Crowd::from_parts(parts.clone()), Some(crowd));
        assert_eq!(Crowd::from_parts(CrowdParts { count: 3, fresh: 0, ..parts }), None);
        let nobody = CrowdParts { first: None, members: Vec::new(), count: 0, fresh: 1 };
        assert_eq!(Crowd::from_parts(nobody), None);
    }
}
