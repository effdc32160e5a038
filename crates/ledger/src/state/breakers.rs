//! Circuit breakers by replay: which entries they count, and the pause of a wallet whose breaker trips.
//!
//! What is counted and when one trips is the policy crate's. Denials count when a registered client's payment is denied by the
//! policy, outflow when a payment is first authorized. While a wallet is paused, by whomever, nothing of it is counted.

use holdfast_policy::{
    BreakerCount, BreakerKey, Breakers, Outflow, PolicyDocument, ReasonCode, TimestampMs, Trip,
};
use imbl::Vector;

use super::{Change, State};
use crate::codec::{Decode, Encode, Input, Malformed, record, variants};
use crate::wallet::{BreakerTrip, PauseRecord, PausedBy, Wallet};
use crate::withdrawal::{Withdrawal, WithdrawalKind, WithdrawalState};

/// What an entry adds to the counts of breakers.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    outflow: Outflow,
    what: Happened,
}

record!(Counted { outflow, what });

#[derive(Clone, Debug)]
enum Happened {
    Denied(Vec<ReasonCode>),
    Authorized,
}

variants!(Happened { 0 => Denied(reasons), 1 => Authorized });

impl Counted {
    fn add_to(&self, breakers: &mut Breakers, time: TimestampMs) -> Vec<Trip> {
        match &self.what {
            Happened::Denied(reasons) => breakers.denied(&self.outflow, reasons, time),
            Happened::Authorized => breakers.authorized(&self.outflow, time),
        }
    }
}

impl State {
    /// The same change, with what breakers count of it, and the pause of each breaker that trips by it.
    // INVARIANT (G2): derived from the entry alone, by every replica for itself: whoever orders entries can neither hide a trip
    // from a node that holds the entry, nor make one up.
    pub(super) fn with_trips(&self, mut change: Change, index: u64, time: TimestampMs) -> Change {
        if self.breakers.are_none() {
            return change;
        }
        let Some(withdrawal) = &change.withdrawal else { return change };
        let Some(counted) = self.breakers_count(withdrawal, self.policy(), time) else { return change };
        let trips = counted.add_to(&mut self.breakers.clone(), time);
        change.counted = Some(counted);
        if trips.is_empty() {
            return change;
        }
        let Some(mut wallet) = self.wallet(&withdrawal.request.wallet).cloned() else { return change };
        let pauses: Vec<_> =
            trips.into_iter().map(|trip| self.pause_by(trip, &wallet, withdrawal, index, time)).collect();
        wallet.pauses.extend(pauses);
        change.wallet = Some(wallet);
        change
    }

    fn pause_by(
        &self,
        Trip { rule, cause }: Trip,
        wallet: &Wallet,
        withdrawal: &Withdrawal,
        index: u64,
        time: TimestampMs,
    ) -> PauseRecord {
        let (policy_version, withdrawal) = (self.policy_version(), withdrawal.id);
        let trip = BreakerTrip { rule, policy_version, withdrawal, cause };
        PauseRecord {
            statement: trip.digest(self.cluster(), &wallet.id, index),
            by: PausedBy::Breaker(trip),
            time,
            index,
        }
    }

    /// What breakers count when a withdrawal becomes this one; `None` if it is nothing to them.
    fn breakers_count(
        &self,
        changed: &Withdrawal,
        document: &PolicyDocument,
        time: TimestampMs,
    ) -> Option<Counted> {
        // INVARIANT (G9): nobody prolongs a pause, or trips a breaker again, with what is denied because of a pause.
        let paused = self.wallet(&changed.request.wallet).is_none_or(Wallet::is_paused);
        if paused || changed.to_oneself {
            return None;
        }
        let was_authorized =
            self.withdrawal(&changed.id).is_some_and(|before| before.authorization.is_some());
        let what = match (changed.logged_state(), changed.kind) {
            // What is denied never changes again: this is the entry that denies it.
            (WithdrawalState::Denied, _) if changed.rejected_by.is_none() => {
                Happened::Denied(changed.decision.reasons())
            }
            // A renewal or a replacement moves what was counted already.
            (WithdrawalState::Authorized, WithdrawalKind::Payment) if !was_authorized => Happened::Authorized,
            _ => return None,
        };
        Some(Counted { outflow: self.outflow_of(changed, document, time)?, what })
    }

    /// Before the withdrawal itself is written: what it was decides what is counted.
    pub(super) fn write_counted(&mut self, change: &mut Change, time: TimestampMs) {
        self.count_supposed(change, time);
        let Some(counted) = change.counted.take() else { return };
        // The pauses of those that trip are in the change.
        drop(counted.add_to(&mut self.breakers, time));
        // From now on the log has the trips, as it has the officers' statements behind the other pauses.
        for pause in change.wallet.iter().flat_map(|wallet| &wallet.pauses) {
            self.statements.insert(pause.statement);
        }
    }

    /// The same for the policy that is supposed: a trip of its breakers stops nothing, it is noted.
    fn count_supposed(&mut self, change: &Change, time: TimestampMs) {
        let (Some(changed), Some(document)) = (&change.withdrawal, self.supposed_document()) else { return };
        if document.breakers().next().is_none() {
            return;
        }
        let Some(counted) = self.breakers_count(changed, document, time) else { return };
        let (wallet, index) = (changed.request.wallet.clone(), self.size);
        let Some(supposed) = &mut self.supposed else { return };
        for trip in counted.add_to(&mut supposed.breakers, time) {
            supposed.note_trip(trip.rule, wallet.clone(), index);
        }
    }
}

/// What was counted; the rules are the policy's.
impl Encode for Breakers {
    fn encode(&self, out: &mut Vec<u8>) {
        let counts: Vec<_> = self.counts().map(|(key, count)| (key.clone(), count.clone())).collect();
        counts.encode(out);
    }
}

impl Decode for Breakers {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let counts: Vec<(BreakerKey, BreakerCount)> = Decode::decode(input)?;
        let in_order = |(_, count): &(BreakerKey, BreakerCount)| {
            count.denials.iter().is_sorted_by_key(|(time, _)| *time)
                && count.outflow.iter().is_sorted_by(|(one, _), (next, _)| one < next)
        };
        if !counts.is_sorted_by(|(one, _), (next, _)| one < next) || !counts.iter().all(in_order) {
            return Err(Malformed::new("counts of breakers are not in order"));
        }
        Ok(Self::restore(counts))
    }
}

record!(BreakerKey { rule, wallet, client });

impl Encode for BreakerCount {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { denials, outflow } = self;
        denials.iter().cloned().collect::<Vec<_>>().encode(out);
        outflow.iter().copied().collect::<Vec<_>>().encode(out);
    }
}

impl Decode for BreakerCount {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (denials, outflow): (Vec<_>, Vec<_>) = (Decode::decode(input)?, Decode::decode(input)?);
        Ok(Self { denials: Vector::from(denials), outflow: Vector::from(outflow) })
    }
}
