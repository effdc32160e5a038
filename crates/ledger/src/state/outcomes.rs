//! What clients report about signed transactions: history beside the log's own, and never a reason to free anything.

use holdfast_chains::SignedTransaction;
use holdfast_policy::TimestampMs;

use super::{Change, State};
use crate::payload::{ChainOutcome, OutcomeReport};
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{OutcomeRecord, Withdrawal};

/// Most reports on one withdrawal under one key of the client: a chain that reorganises more often has another problem, or
/// somebody is filling the log.
const MAX_OUTCOMES: usize = 32;

impl State {
    pub(super) fn admit_outcome(
        &self,
        report: &OutcomeReport,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        let known = self.own_withdrawal(&report.withdrawal, &report.client)?;
        self.check_client(&report.client, &known.request.wallet, index, time)?;
        check_own_transaction(known, report)?;
        check_block(report)?;
        let latest = time.0.saturating_add(self.genesis.document.max_clock_skew_ms);
        if report.observed_at_ms.0 > latest {
            let detail = "observed in the future: check the client's clock";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("observed_at_ms"));
        }
        let since = self.present_key_since(&report.client);
        let own = || known.outcomes.iter().filter(|earlier| since < earlier.index);
        if own().any(|earlier| repeats(earlier, report)) {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this outcome is logged already"));
        }
        if own().count() >= MAX_OUTCOMES {
            let detail = format!("{MAX_OUTCOMES} outcomes are recorded already");
            return Err(Rejection::new(RejectionCode::OutcomeNotPermitted, detail).with_field("withdrawal"));
        }
        // INVARIANT (G1, G5): only the history grows; state, amount, nonce and signature are as before.
        let mut withdrawal = known.clone();
        withdrawal.outcomes.push(OutcomeRecord {
            outcome: report.outcome,
            transaction_hash: report.transaction_hash,
            block_number: report.block_number,
            observed_at: report.observed_at_ms,
            time,
            index,
        });
        Ok(Change::withdrawal(withdrawal))
    }
}

fn check_own_transaction(withdrawal: &Withdrawal, report: &OutcomeReport) -> Result<(), Rejection> {
    let (Some(signature), Some(bound)) = (&withdrawal.signature, &withdrawal.transaction) else {
        let detail = "nothing is signed that could have an outcome";
        return Err(Rejection::new(RejectionCode::OutcomeNotPermitted, detail).with_field("withdrawal"));
    };
    if SignedTransaction::hash_of(&bound.transaction, signature) == report.transaction_hash {
        return Ok(());
    }
    let detail = "not the hash of this withdrawal's signed transaction";
    Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("transaction_hash"))
}

fn check_block(report: &OutcomeReport) -> Result<(), Rejection> {
    let detail = match (report.outcome, report.block_number) {
        (ChainOutcome::Confirmed | ChainOutcome::Reorganised, None) => "this outcome happened in a block",
        (ChainOutcome::Broadcast | ChainOutcome::Dropped, Some(_)) => "this outcome is about no block",
        (ChainOutcome::Confirmed | ChainOutcome::Reorganised, Some(_))
        | (ChainOutcome::Broadcast | ChainOutcome::Dropped, None)
        | (ChainOutcome::Replaced, _) => return Ok(()),
    };
    Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("block_number"))
}

fn repeats(earlier: &OutcomeRecord, report: &OutcomeReport) -> bool {
    earlier.outcome == report.outcome
        && earlier.block_number == report.block_number
        && earlier.observed_at == report.observed_at_ms
}
