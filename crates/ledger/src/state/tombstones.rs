//! Giving an authorized withdrawal up: enough nodes swear that they never will sign it.

use holdfast_policy::{NodeId, TimestampMs};

use super::{Change, State};
use crate::ids::WithdrawalId;
use crate::order::{OrderRefusal, Tombstonable};
use crate::payload::Tombstone;
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{TombstoneRecord, Withdrawal, WithdrawalState};

impl State {
    /// INVARIANT (G5): n - t + 1 + f different nodes, of which f may lie, leave fewer than t that could sign. Only then is the
    /// withdrawal over and its account nonce free.
    pub(super) fn admit_tombstone(
        &self,
        tombstone: &Tombstone,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&tombstone.cluster)?;
        self.check_incarnation(tombstone)?;
        let known = self.withdrawal(&tombstone.withdrawal).ok_or_else(|| {
            let detail = format!("no withdrawal `{}`", tombstone.withdrawal);
            Rejection::new(RejectionCode::UnknownWithdrawal, detail).with_field("withdrawal")
        })?;
        self.check_member(known, tombstone)?;
        let same = |earlier: &TombstoneRecord| {
            earlier.node == tombstone.node && earlier.incarnation == tombstone.incarnation
        };
        if known.tombstones.iter().any(same) || known.logged_state() == WithdrawalState::Tombstoned {
            let detail = "this node has sworn already, or enough others have";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        giveable_up(known).and_then(|()| self.check_remembers(known, &tombstone.node)).map_err(|detail| {
            Rejection::new(RejectionCode::WithdrawalNotTombstonable, detail).with_field("withdrawal")
        })?;
        let mut withdrawal = known.clone();
        withdrawal.tombstones.push(TombstoneRecord {
            node: tombstone.node.clone(),
            incarnation: tombstone.incarnation,
            time,
            index,
        });
        if self.counted_tombstones(&withdrawal) >= self.tombstones_needed() {
            withdrawal.state = WithdrawalState::Tombstoned;
        }
        Ok(Change::withdrawal(withdrawal))
    }

    /// Whether a node may swear now never to sign this withdrawal. That it released no final-round message is for the node
    /// itself to know.
    ///
    /// # Errors
    /// [`OrderRefusal`] unless this replica's log has authorized it and holds no signature.
    pub fn tombstonable(&self, id: &WithdrawalId, now: TimestampMs) -> Result<Tombstonable, OrderRefusal> {
        let withdrawal = self.withdrawal(id).ok_or_else(|| OrderRefusal::Unknown(id.to_string()))?;
        giveable_up(withdrawal).map_err(|detail| OrderRefusal::NotPermitted(detail.to_owned()))?;
        let time =
            withdrawal.authorization.as_ref().map_or(TimestampMs(0), |authorization| authorization.time);
        let ahead_ms = time.0.saturating_sub(now.0);
        if ahead_ms > self.genesis.document.max_clock_skew_ms {
            return Err(OrderRefusal::AheadOfClock { ahead_ms });
        }
        Ok(Tombstonable { cluster: self.cluster().clone(), withdrawal: withdrawal.id })
    }

    /// Whether this very node may swear it: one that came back after a restore knows nothing of what it did before.
    ///
    /// # Errors
    /// [`OrderRefusal`] for what was authorized before the node's present incarnation.
    pub fn may_swear(&self, id: &WithdrawalId, node: &NodeId) -> Result<(), OrderRefusal> {
        let withdrawal = self.withdrawal(id).ok_or_else(|| OrderRefusal::Unknown(id.to_string()))?;
        self.check_remembers(withdrawal, node).map_err(|detail| OrderRefusal::NotPermitted(detail.to_owned()))
    }

    /// How many tombstones count now: of different nodes, in their incarnations of today.
    pub fn counted_tombstones(&self, withdrawal: &Withdrawal) -> usize {
        let stands = |tombstone: &&TombstoneRecord| {
            let node = self.roster().node(&tombstone.node);
            node.is_some_and(|node| node.incarnation == tombstone.incarnation)
        };
        // Admission takes one for each incarnation of a node.
        withdrawal.tombstones.iter().filter(stands).count()
    }

    /// INVARIANT (G5): a restored node lost its record of what it released, so it cannot swear about that time.
    fn check_remembers(&self, withdrawal: &Withdrawal, node: &NodeId) -> Result<(), &'static str> {
        let since = self.roster().node(node).map(|node| node.since);
        let first = withdrawal.authorization.as_ref().map(|authorization| authorization.first_index);
        match (since, first) {
            (Some(since), Some(first)) if since < first => Ok(()),
            (_, _) => Err(
                "it was authorized before this node's present incarnation, which cannot know what it signed",
            ),
        }
    }

    fn check_incarnation(&self, tombstone: &Tombstone) -> Result<(), Rejection> {
        let node = self.roster().node(&tombstone.node);
        if node.is_some_and(|node| node.incarnation == tombstone.incarnation) {
            return Ok(());
        }
        let detail = "not the node's incarnation in the roster";
        Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("incarnation"))
    }

    fn check_member(&self, withdrawal: &Withdrawal, tombstone: &Tombstone) -> Result<(), Rejection> {
        let wallet = self.wallet(&withdrawal.request.wallet);
        if wallet.is_some_and(|wallet| wallet.party_index(&tombstone.node).is_some()) {
            return Ok(());
        }
        let detail = format!("`{}` holds no share of the wallet", tombstone.node);
        Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("node"))
    }
}

/// Only what could be signed can be given up, and only while no signature is known.
fn giveable_up(withdrawal: &Withdrawal) -> Result<(), &'static str> {
    if withdrawal.signature.is_some() {
        return Err("its signature is logged: it cannot be given up");
    }
    match withdrawal.logged_state() {
        WithdrawalState::Authorized | WithdrawalState::Replaced => Ok(()),
        WithdrawalState::Tombstoned => Err("it is tombstoned already"),
        WithdrawalState::Received
        | WithdrawalState::Held
        | WithdrawalState::Allowed
        | WithdrawalState::Bound
        | WithdrawalState::Signed
        | WithdrawalState::Denied
        | WithdrawalState::Cancelled
        | WithdrawalState::Expired => Err("it is not authorized: cancel it instead, if it is open"),
    }
}
