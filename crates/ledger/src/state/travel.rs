//! What providers report about Travel Rule exchanges: kept with the withdrawal, and decided on at once.

use std::collections::BTreeMap;

use holdfast_policy::{ProviderId, TimestampMs};

use super::{Change, State};
use crate::payload::TravelRuleReport;
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{TravelRecord, Withdrawal, WithdrawalState};

impl State {
    /// INVARIANT (G1, G9): a report counts for the very intent that it names, and only from a provider that the policy names.
    pub(super) fn admit_travel(
        &self,
        report: &TravelRuleReport,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        self.check_named(&report.provider, Some(&self.policy().travel_providers()), "travel_rule")?;
        let unknown = || {
            let detail = format!("no withdrawal `{}`", report.withdrawal);
            Rejection::new(RejectionCode::UnknownWithdrawal, detail).with_field("withdrawal").passing()
        };
        let mut withdrawal = self.withdrawal(&report.withdrawal).ok_or_else(unknown)?.clone();
        if withdrawal.request_digest != report.intent {
            let detail = "the intent of this withdrawal is another one";
            return Err(Rejection::new(RejectionCode::DigestMismatch, detail).with_field("intent"));
        }
        let open = match withdrawal.state_at(time) {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound => true,
            // What replaced it is about the same exchange.
            WithdrawalState::Authorized | WithdrawalState::Replaced => false,
            WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Tombstoned => {
                let detail = "the withdrawal is signed or closed: nothing depends on the exchange any more";
                return Err(Rejection::new(RejectionCode::WithdrawalNotHeld, detail).with_field("withdrawal"));
            }
        };
        put(&mut withdrawal, report, index);
        // What is authorized is decided again by each node that signs it.
        if open {
            self.redecide(&mut withdrawal, time);
            withdrawal.settle(index);
        }
        let sequence = Some((report.provider.clone(), report.sequence));
        Ok(Change { sequence, ..Change::withdrawal(withdrawal) })
    }
}

impl State {
    /// Each provider's newest report about a withdrawal or about what it replaces; of two about one moment the worse.
    ///
    /// INVARIANT (G9): providers know the withdrawal that was asked for first: what they refuse there is refused for its bumps.
    pub(super) fn travel_about(&self, withdrawal: &Withdrawal) -> BTreeMap<ProviderId, TravelRecord> {
        let mut about = withdrawal.travel.clone();
        let earlier = withdrawal.replaces().into_iter().flat_map(|of| self.lineage(of));
        for record in earlier.filter_map(|id| Some(&self.withdrawal(&id)?.travel)).flatten() {
            let (provider, said) = record;
            let newer =
                |known: &TravelRecord| (known.observed_at, known.state) < (said.observed_at, said.state);
            if about.get(provider).is_none_or(newer) {
                about.insert(provider.clone(), said.clone());
            }
        }
        about
    }
}

/// A report about an earlier moment than the one known never clears what is worse: the worse of both, at the later time.
fn put(withdrawal: &mut Withdrawal, report: &TravelRuleReport, index: u64) {
    let known = withdrawal.travel.get(&report.provider);
    let late = known.filter(|known| report.observed_at_ms <= known.observed_at);
    let record = TravelRecord {
        state: late.map_or(report.state, |known| known.state.max(report.state)),
        message: report.message,
        observed_at: late.map_or(report.observed_at_ms, |known| known.observed_at),
        index,
    };
    withdrawal.travel.insert(report.provider.clone(), record);
}
