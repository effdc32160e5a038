//! Which withdrawals count in sliding windows, and from when to when: follows every change of a withdrawal.

use std::sync::Arc;

use holdfast_policy::{
    ClientId, HoldRequirement, Outflow, OutflowStage, Outflows, Place, PolicyDocument, TimestampMs,
};

use super::{Authority, State};
use crate::codec::{Decode, Encode, Input, Malformed};
use crate::ids::WithdrawalId;
use crate::withdrawal::{Withdrawal, WithdrawalKind, WithdrawalState};

impl State {
    /// What leaves the wallets, as the windows of the policy in force count it.
    pub fn outflows(&self) -> &Outflows {
        &self.outflows
    }

    /// The first one in a line of replacements, for a withdrawal that replaces one: what it has the place of.
    pub(super) fn first_place(&self, kind: WithdrawalKind) -> Option<&Withdrawal> {
        match kind {
            WithdrawalKind::FeeBump(of) | WithdrawalKind::CancelOnChain(of) => self.first_of(of),
            WithdrawalKind::Payment | WithdrawalKind::Sweep => None,
        }
    }

    // INVARIANT (G1): from its authorization on an amount counts whatever happens later, until every withdrawal that could carry
    // it out is tombstoned.
    pub(super) fn count_outflow(&mut self, changed: WithdrawalId, time: TimestampMs) {
        let Some(first) = self.first_of(changed) else { return };
        if first.to_oneself {
            return;
        }
        let place = first.positions.request;
        match self.standing(first) {
            Standing::Over => self.each_outflows(|outflows| outflows.leave(place)),
            // An officer may still approve what a revoked client asked for: that takes no place again.
            Standing::Counts(OutflowStage::Reserved { .. })
                if !may_be_authorized(&self.authority, &first.request.client, place) =>
            {
                self.each_outflows(|outflows| outflows.leave(place));
            }
            Standing::Counts(stage) => {
                let Some(outflow) = self.outflow_of(first, self.policy(), time) else { return };
                let supposed = self.supposed_document();
                let supposed = supposed.and_then(|document| self.outflow_of(first, document, time));
                self.outflows.hold_place(place, outflow, stage);
                if let (Some(outflows), Some(outflow)) = (self.supposed_outflows(), supposed) {
                    outflows.hold_place(place, outflow, stage);
                }
            }
            Standing::Paid => self.each_outflows(|outflows| outflows.pay(place, time)),
        }
    }

    /// What is counted is counted for the policy in force and for the one that is supposed, if any.
    pub(super) fn each_outflows(&mut self, change: impl Fn(&mut Outflows)) {
        change(&mut self.outflows);
        if let Some(outflows) = self.supposed_outflows() {
            change(outflows);
        }
    }

    /// After a change of clients: what nobody can authorize any more takes no place.
    pub(super) fn free_places(&mut self) {
        let authority = Arc::clone(&self.authority);
        self.each_outflows(|outflows| {
            outflows.free_places(|place, outflow| may_be_authorized(&authority, &outflow.client, place));
        });
    }

    fn first_of(&self, id: WithdrawalId) -> Option<&Withdrawal> {
        self.lineage(id).last().and_then(|first| self.withdrawal(&first))
    }

    /// The withdrawals that were authorized on one account nonce, the first one first.
    fn successors<'a>(&'a self, first: &'a Withdrawal) -> impl Iterator<Item = &'a Withdrawal> {
        // Each replaces one that was in the log before it, so there are no circles.
        std::iter::successors(Some(first), |one| self.withdrawal(&one.replaced_by?))
    }

    fn standing(&self, first: &Withdrawal) -> Standing {
        match first.logged_state() {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound => {
                let expiry = first.request.expires_at_ms;
                let lapses_at = first.decision.hold().and_then(HoldRequirement::lapses_at);
                Standing::Counts(OutflowStage::Reserved { until: expiry.min(lapses_at.unwrap_or(expiry)) })
            }
            WithdrawalState::Denied | WithdrawalState::Cancelled | WithdrawalState::Expired => Standing::Over,
            WithdrawalState::Authorized
            | WithdrawalState::Signed
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                // The newest one that may still be mined says it for all: a bump of what was paid long ago leaves anew.
                match self.successors(first).filter(|one| !self.is_tombstoned(&one.id)).last() {
                    None => Standing::Over,
                    Some(newest) if newest.signature.is_some() => Standing::Paid,
                    Some(_) => Standing::Counts(OutflowStage::Authorized),
                }
            }
        }
    }

    /// Whether the first withdrawal of a line, or one in its place, may have moved its amount or still can.
    pub(super) fn still_counts(&self, first: &Withdrawal) -> bool {
        !matches!(self.standing(first), Standing::Over)
    }

    pub(super) fn outflow_of(
        &self,
        withdrawal: &Withdrawal,
        document: &PolicyDocument,
        time: TimestampMs,
    ) -> Option<Outflow> {
        let request = &withdrawal.request;
        let asset = self.asset(request).ok()?;
        let worth = self.price_under(document, &asset.symbol, time);
        Some(Outflow {
            wallet: request.wallet.clone(),
            asset: asset.symbol.clone(),
            client: request.client.clone(),
            customer: Some(request.customer.clone()),
            chain_id: asset.chain_id,
            destination: request.destination,
            amount: request.amount,
            usd_cents: worth.and_then(|worth| worth.price.cents(request.amount, asset.decimals)),
        })
    }
}

/// Whether the client stands under the key with which it asked for this place.
fn may_be_authorized(authority: &Authority, client: &ClientId, place: Place) -> bool {
    !authority.revocations.contains_key(client)
        && authority.roster.client(client).is_some_and(|known| known.since < place)
}

enum Standing {
    Over,
    Counts(OutflowStage),
    Paid,
}

/// What is open and what was paid; the meters are made from them.
impl Encode for Outflows {
    fn encode(&self, out: &mut Vec<u8>) {
        let open: Vec<_> =
            self.open().map(|(place, outflow, stage)| (place, outflow.clone(), until(stage))).collect();
        let paid: Vec<_> = self.paid().map(|(time, place, outflow)| (time, place, outflow.clone())).collect();
        open.encode(out);
        paid.encode(out);
    }
}

impl Decode for Outflows {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let open: Vec<(Place, Outflow, Option<TimestampMs>)> = Decode::decode(input)?;
        let paid: Vec<(TimestampMs, Place, Outflow)> = Decode::decode(input)?;
        if !open.is_sorted_by(|one, next| one.0 < next.0) || !paid.is_sorted_by(|one, next| one.0 <= next.0) {
            return Err(Malformed::new("outflows are not in order"));
        }
        let stage = |until: Option<TimestampMs>| match until {
            Some(until) => OutflowStage::Reserved { until },
            None => OutflowStage::Authorized,
        };
        Ok(Self::restore(
            open.into_iter().map(|(place, outflow, until)| (place, outflow, stage(until))),
            paid,
        ))
    }
}

fn until(stage: OutflowStage) -> Option<TimestampMs> {
    match stage {
        OutflowStage::Reserved { until } => Some(until),
        OutflowStage::Authorized => None,
    }
}
