//! Owns how many different customers share something: a destination that many pay to, a device that many come from. Bounded: the
//! first [`MAX_CROWD`] are told apart, of the others each sets one of [`MAX_BEYOND`] marks.
//!
//! INVARIANT (G9): the count is never above the number of different customers, so nobody makes a place look public by coming often.

use crate::{digest::sha256, ids::CustomerRef, minute::Minute};

/// How many customers are told apart.
pub const MAX_CROWD: usize = 12;
/// How many marks there are for the others: two customers may share one, and the count is a little too low then.
pub const MAX_BEYOND: usize = 512;
/// The highest count from which a policy may call a place public: twice as many can be told from fewer.
pub const MAX_PUBLIC: u32 = 256;

/// Customers who share something, with the time each was first seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crowd {
    first: Option<Minute>,
    members: Vec<(MemberKey, Minute)>,
    /// The marks of those who came when all places were taken; empty before that.
    beyond: Vec<u8>,
    fresh: u32,
}

/// Four bytes of the hash of a customer's reference.
pub type MemberKey = [u8; 4];

const HEADER: usize = 12;
const MEMBER: usize = 8;
const MARKS: usize = MAX_BEYOND / 8;

impl Crowd {
    /// A customer was seen here; `fresh` says whether the account was a new one.
    pub fn see(&mut self, customer: &CustomerRef, now: Minute, fresh: bool) {
        self.first.get_or_insert(now);
        let who = Who::of(customer);
        if self.knows(&who) {
            return;
        }
        self.fresh = self.fresh.saturating_add(u32::from(fresh));
        if self.members.len() < MAX_CROWD {
            self.members.push((who.key, now));
            return;
        }
        self.beyond.resize(MARKS, 0);
        if let Some(byte) = self.beyond.get_mut(who.byte) {
            *byte |= who.bit;
        }
    }

    /// When the first customer was seen.
    pub fn first(&self) -> Option<Minute> {
        self.first
    }

    /// When this customer was first seen, as far as is remembered.
    pub fn since(&self, customer: &CustomerRef) -> Option<Minute> {
        self.member(&Who::of(customer).key)
    }

    /// How many customers there are besides this one: all of up to [`MAX_CROWD`], and not more than there are of more.
    pub fn others(&self, customer: &CustomerRef) -> u32 {
        self.count().saturating_sub(u32::from(self.knows(&Who::of(customer))))
    }

    /// How many of all had a new account when they were first seen.
    pub fn fresh(&self) -> u32 {
        self.fresh
    }

    /// The packed form: count, new accounts, the first minute, each member with its first minute, and the marks if there are some.
    /// Never of an empty crowd.
    pub fn pack(&self) -> Vec<u8> {
        let length = self.members.len().saturating_mul(MEMBER).saturating_add(self.beyond.len());
        let mut out = Vec::with_capacity(HEADER.saturating_add(length));
        out.extend(self.count().to_be_bytes());
        out.extend(self.fresh.to_be_bytes());
        out.extend(self.first.unwrap_or(Minute(0)).0.to_be_bytes());
        for (key, first) in &self.members {
            out.extend(key);
            out.extend(first.0.to_be_bytes());
        }
        out.extend(&self.beyond);
        out
    }

    /// Reads the packed form; `None` for other bytes, and for parts that contradict each other.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
        let count = u32::from_be_bytes([a, b, c, d]);
        let fresh = u32::from_be_bytes([e, f, g, h]);
        let first = Minute(u32::from_be_bytes([i, j, k, l]));
        let named = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_CROWD);
        let (members, beyond) = rest.split_at_checked(named.saturating_mul(MEMBER))?;
        let (members, _) = members.as_chunks::<MEMBER>();
        let members = members
            .iter()
            .map(|[a, b, c, d, e, f, g, h]| ([*a, *b, *c, *d], Minute(u32::from_be_bytes([*e, *f, *g, *h]))))
            .collect();
        let crowd = Self { first: Some(first), members, beyond: beyond.to_vec(), fresh };
        let marked = beyond.is_empty() || (beyond.len() == MARKS && crowd.marks() > 0);
        let sound = marked && count > 0 && fresh <= count && crowd.count() == count;
        sound.then_some(crowd)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX).saturating_add(self.marks())
    }

    fn marks(&self) -> u32 {
        self.beyond.iter().map(|byte| byte.count_ones()).sum()
    }

    fn member(&self, key: &MemberKey) -> Option<Minute> {
        self.members.iter().find(|(member, _)| member == key).map(|(_, first)| *first)
    }

    /// Whether this customer is counted, or looks like one who is.
    fn knows(&self, who: &Who) -> bool {
        self.member(&who.key).is_some() || self.beyond.get(who.byte).is_some_and(|byte| byte & who.bit != 0)
    }
}

/// A customer, by the hash of the reference.
struct Who {
    key: MemberKey,
    /// The mark: which of the 64 bytes, and which bit of it.
    byte: usize,
    bit: u8,
}

impl Who {
    fn of(customer: &CustomerRef) -> Self {
        let [a, b, c, d, e, f, ..] = sha256(customer.as_str().as_bytes());
        Self { key: [a, b, c, d], byte: usize::from(e & 0x3f), bit: 1_u8.rotate_left(u32::from(f & 7)) }
    }
}

/// Customers of one destination.
pub type DestinationStats = Crowd;
/// Customers of one device.
pub type DeviceStats = Crowd;

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

    /// Whoever comes again and again is one customer, however many came before.
    #[test]
    fn customers_who_come_again_never_make_a_place_look_public() {
        for members in [MAX_CROWD, MAX_CROWD + 1, MAX_CROWD + 20] {
            let mut crowd = Crowd::default();
            (0..members).for_each(|number| crowd.see(&customer(number), Minute(1), true));
            let (before, last) = (crowd.clone(), customer(members - 1));
            (2..100).for_each(|minute| crowd.see(&last, Minute(minute), true));
            assert_eq!(crowd, before);
            let (all, others) = (u32::try_from(members).unwrap(), crowd.others(&customer(5_000)));
            assert!(others <= all && others + 2 >= all, "{others} of {all}");
            assert_eq!(crowd.others(&last), others - 1, "nobody is somebody else");
            assert_eq!(crowd.fresh(), others);
        }
    }

    /// Never above the truth, and near it where policies ask.
    #[test]
    fn large_crowd_takes_bounded_memory_and_is_counted_from_below() {
        let mut crowd = Crowd::default();
        for number in 0..20_000 {
            crowd.see(&customer(number), Minute(1), false);
            let (counted, there) = (crowd.others(&customer(50_000)), u32::try_from(number + 1).unwrap());
            assert!(counted <= there, "{counted} of {there}");
            assert!(there > 200 || counted >= there - there / 4, "{counted} of {there}");
        }
        let most = u32::try_from(MAX_CROWD + MAX_BEYOND).unwrap();
        assert_eq!(crowd.count(), most, "and no more");
        let packed = crowd.pack();
        assert_eq!(packed.len(), HEADER + MAX_CROWD * MEMBER + MARKS);
        assert_eq!(Crowd::unpack(&packed), Some(crowd));
    }

    #[test]
    fn packed_marks_that_contradict_the_count_are_none() {
        let mut crowd = Crowd::default();
        (0..=MAX_CROWD).for_each(|number| crowd.see(&customer(number), Minute(1), true));
        let packed = crowd.pack();
        assert_eq!(Crowd::unpack(&packed), Some(crowd));
        let without = packed[..packed.len() - MARKS].to_vec();
        assert_eq!(Crowd::unpack(&without), None, "thirteen, and no mark");
        let mut unmarked = [without.clone(), vec![0; MARKS]].concat();
        assert_eq!(Crowd::unpack(&unmarked), None, "no mark, and thirteen");
        unmarked[3] = 12;
        assert_eq!(Crowd::unpack(&unmarked), None, "twelve need none");
        assert_eq!(Crowd::unpack(&[&packed[..], &[0]].concat()), None, "one byte more");
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
        assert_eq!(with(3, 14), None, "more than there is room for");
        assert_eq!(with(7, 3), None, "more new accounts than accounts");
        for end in 0..packed.len() {
            assert_eq!(Crowd::unpack(&packed[..end]), None, "cut off at {end}");
        }
        assert_eq!(Crowd::unpack(&Crowd::default().pack()), None, "nobody is no crowd");
    }
}
