//! What outside providers said about destinations: each provider's newest report about each, as long as any policy may still
//! count it.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    Exposure, ExposureSignal, HoldReason, MAX_EXPOSURE_AGE, ProviderId, ReasonCode, TimestampMs,
};
use imbl::OrdMap;

use super::{Change, State};
use crate::codec::record;
use crate::payload::ExposureReport;
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{Withdrawal, WithdrawalState};

const MAX_SCORE: u8 = 100;

type Reports = OrdMap<(ChainId, Address), Arc<BTreeMap<ProviderId, ExposureReport>>>;

/// In two halves: after the longest age that any policy accepts the older one is dropped and the newer one takes its place, so
/// that destinations nobody pays any more do not pile up.
#[derive(Clone, Debug)]
pub(super) struct Exposures {
    newer: Reports,
    older: Reports,
    /// When the newer half began.
    since: TimestampMs,
}

record!(Exposures { newer, older, since });

impl Exposures {
    pub(super) fn none() -> Self {
        Self { newer: Reports::new(), older: Reports::new(), since: TimestampMs(0) }
    }

    pub(super) fn insert(&mut self, report: ExposureReport, time: TimestampMs) {
        if time.0.saturating_sub(self.since.0) > MAX_EXPOSURE_AGE.0 {
            self.older = std::mem::take(&mut self.newer);
            self.since = time;
        }
        let about = (report.chain_id, report.destination);
        let reports = self.newer.entry(about).or_default();
        Arc::make_mut(reports).insert(report.provider.clone(), report);
    }

    fn newest(&self, about: (ChainId, Address), provider: &ProviderId) -> Option<&ExposureReport> {
        let newer = self.newer.get(&about).and_then(|reports| reports.get(provider));
        newer.or_else(|| self.older.get(&about)?.get(provider))
    }
}

impl State {
    pub(super) fn admit_exposure(
        &self,
        report: &ExposureReport,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        let named = self.policy().exposure().map(|terms| &terms.providers);
        self.check_named(&report.provider, named, "exposure")?;
        if report.score > MAX_SCORE {
            let detail = format!("a score is 0 to {MAX_SCORE}");
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("score"));
        }
        if !self.genesis.document.assets.iter().any(|asset| asset.chain_id == report.chain_id) {
            let detail = format!("no asset of this cell is on chain {}", report.chain_id);
            return Err(Rejection::new(RejectionCode::UnknownChain, detail).with_field("chain_id"));
        }
        Ok(Change { exposure: Some(self.worse_of_both(report)), ..Change::default() })
    }

    /// A report about no later moment than the one known never clears a warning: the worse of both, at the later time.
    fn worse_of_both(&self, report: &ExposureReport) -> ExposureReport {
        let about = (report.chain_id, report.destination);
        match self.exposures.newest(about, &report.provider) {
            Some(known) if known.observed_at_ms >= report.observed_at_ms => {
                let ExposureSignal { score, category, hops, .. } = report.signal().worse_of(known.signal());
                ExposureReport {
                    score,
                    category,
                    hops,
                    observed_at_ms: known.observed_at_ms,
                    ..report.clone()
                }
            }
            Some(_) | None => report.clone(),
        }
    }

    /// Whether a withdrawal is held because providers were silent and for nothing else.
    pub fn waits_for_providers(&self, withdrawal: &Withdrawal, at: TimestampMs) -> bool {
        let is_silence = |reason: &HoldReason| reason.code == ReasonCode::ExposureAbsent;
        let mut reasons = withdrawal.decision.hold().into_iter().flat_map(|hold| &hold.reasons);
        withdrawal.state_at(at) == WithdrawalState::Held
            && reasons.next().is_some_and(is_silence)
            && reasons.all(is_silence)
    }

    /// Whether it is held for that alone, and all of them have spoken since: it is decided again when the coordinator asks for its
    /// authorization, by what they said and by all other rules.
    // INVARIANT (G9): whatever else held it, people or time lift as the policy says; what a provider says lifts its silence only.
    pub fn is_answered(&self, withdrawal: &Withdrawal, at: TimestampMs) -> bool {
        let request = &withdrawal.request;
        let newest = |provider: &ProviderId| {
            self.exposure_report(provider, request.chain_id, &request.destination).map(ExposureReport::signal)
        };
        self.waits_for_providers(withdrawal, at)
            && matches!(Exposure::of(self.policy().exposure(), newest, at), Exposure::Known(_))
    }

    /// A provider's newest report about a destination.
    pub fn exposure_report(
        &self,
        provider: &ProviderId,
        chain_id: ChainId,
        destination: &Address,
    ) -> Option<&ExposureReport> {
        self.exposures.newest((chain_id, *destination), provider)
    }
}
