//! Owns the counting of approvals: which officers count for a hold, and whether they fill its roles. One person fills one
//! role, and the assignment is exact: it finds a way to fill all roles whenever there is one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    decision::CountedApproval,
    digest::HoldDigest,
    document::RequiredApprovals,
    facts::WithdrawalFacts,
    ids::{OfficerId, RoleName},
    time::TimestampMs,
};

/// One officer's approval of one hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who approved.
    pub officer: OfficerId,
    /// The roles the roster gives this officer now.
    pub roles: BTreeSet<RoleName>,
    /// The hold that the officer saw.
    pub hold: HoldDigest,
    /// From this time on the approval does not count.
    #[serde(rename = "expires_at_ms")]
    pub expires_at: TimestampMs,
}

/// How far the approvals fill a hold's roles.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) filled: Vec<CountedApproval>,
    pub(crate) missing: RequiredApprovals,
}

impl Assignment {
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Assigns the approvals that count for this hold at this time to its roles.
pub(crate) fn assign(
    required: &RequiredApprovals,
    hold: HoldDigest,
    withdrawal: &WithdrawalFacts,
    at: TimestampMs,
) -> Assignment {
    fill(required, &counting(withdrawal, hold, at))
}

/// Whether these people can fill all seats of a quorum: distinct people, and one person fills one role.
///
/// For everything that a quorum approves besides holds; whose approvals count is for the caller to say. The same officer
/// twice is one person with the roles of both.
pub fn quorum_is_met(quorum: &RequiredApprovals, approved: &[(OfficerId, BTreeSet<RoleName>)]) -> bool {
    still_missing(quorum, approved).is_empty()
}

/// The seats of a quorum that these people leave free, by the best way to seat them; empty if they fill it. Whose approvals count
/// is for the caller to say.
pub fn still_missing(
    quorum: &RequiredApprovals,
    approved: &[(OfficerId, BTreeSet<RoleName>)],
) -> RequiredApprovals {
    let mut people = People::new();
    for (officer, roles) in approved {
        people.entry(officer).or_default().extend(roles);
    }
    fill(quorum, &people).missing
}

type People<'a> = BTreeMap<&'a OfficerId, BTreeSet<&'a RoleName>>;

fn counting(withdrawal: &WithdrawalFacts, hold: HoldDigest, at: TimestampMs) -> People<'_> {
    let mut people = People::new();
    for approval in &withdrawal.approvals {
        let requester = withdrawal.requesters.contains(&approval.officer)
            || approval.officer.as_str() == withdrawal.client.as_str();
        // INVARIANT (G1, G9): an approval counts only for the very hold its officer saw, while it lasts, and never
        // when its officer asked for the withdrawal.
        if requester || approval.hold != hold || at >= approval.expires_at {
            continue;
        }
        // The same person twice is one person, and still fills one role.
        people.entry(&approval.officer).or_default().extend(&approval.roles);
    }
    people
}

// Maximum bipartite matching by augmenting paths (Kuhn). A greedy choice would reject {alice: [a, b], bob: [a]} for
// {a: 1, b: 1} if it gave `a` to alice first.
fn fill(required: &RequiredApprovals, people: &People<'_>) -> Assignment {
    let mut taken = BTreeMap::new();
    let mut missing = RequiredApprovals::new();
    for (role, count) in required {
        for seat in 0..*count {
            // No new path for one seat of a role means none for its other seats either.
            if !place((role, seat), people, &mut taken, &mut BTreeSet::new()) {
                missing.insert(role.clone(), count.saturating_sub(seat));
                break;
            }
        }
    }
    let counted = |(officer, (role, _)): (&OfficerId, Seat<'_>)| CountedApproval {
        role: role.clone(),
        officer: officer.clone(),
    };
    let mut filled: Vec<_> = taken.into_iter().map(counted).collect();
    filled.sort();
    Assignment { filled, missing }
}

type Seat<'a> = (&'a RoleName, u32);

fn place<'a>(
    seat: Seat<'a>,
    people: &People<'a>,
    taken: &mut BTreeMap<&'a OfficerId, Seat<'a>>,
    asked: &mut BTreeSet<&'a OfficerId>,
) -> bool {
    for (&officer, roles) in people {
        if !roles.contains(seat.0) || !asked.insert(officer) {
            continue;
        }
        // Depth is bounded by the number of people: each is asked once for one seat.
        let free = match taken.get(officer).copied() {
            None => true,
            Some(held) => place(held, people, taken, asked),
        };
        if free {
            taken.insert(officer, seat);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
