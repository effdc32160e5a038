//! Owns the facts of one evaluation, looked up once and before any rule, so that all rules see the same. A fact that is
//! absent, stale or contradictory stays visible as such. The score, which rests on more of them, is [`super::score`]'s.

use holdfast_chains::{Amount, Asset};

use crate::{
    document::PolicyDocument,
    evaluate::{contract_call::ContractCall, step_up::StepUp},
    exposure::Exposure,
    facts::{PolicyView, WalletStatus, WithdrawalFacts},
    ids::CustomerRef,
    legal::LegalFacts,
    outflow::Outflow,
    reason::ReasonCode,
    screening::ScreeningIndex,
    session::SessionSignals,
    time::{DurationMs, TimestampMs},
    whitelist::{WhitelistEntry, WhitelistRefusal},
};

pub(super) struct Case<'a> {
    pub(super) withdrawal: &'a WithdrawalFacts,
    pub(super) at: TimestampMs,
    pub(super) document: &'a PolicyDocument,
    pub(super) wallet: Option<WalletStatus>,
    /// The registry's asset, or why there is none.
    pub(super) asset: Result<&'a Asset, ReasonCode>,
    /// The whitelist entry that covers the withdrawal, or why none does.
    pub(super) whitelist: Result<&'a WhitelistEntry, WhitelistRefusal<'a>>,
    /// What the document says about the call; `None` for a transfer.
    pub(super) call: Option<ContractCall>,
    /// The same for entries of the house alone.
    pub(super) house_entry: Result<&'a WhitelistEntry, WhitelistRefusal<'a>>,
    pub(super) screening: &'a ScreeningIndex,
    pub(super) session: SessionReport<'a>,
    pub(super) exposure: Exposure,
    /// The attestation of the customer's identity that counts, or why none does.
    pub(super) step_up: StepUp<'a>,
    pub(super) legal: LegalFacts,
    /// What windows count, or why nothing can be counted.
    pub(super) outflow: Result<Outflow, ReasonCode>,
}

/// The customer's session report, if it counts.
#[derive(Clone, Copy)]
pub(super) enum SessionReport<'a> {
    Current { report: &'a SessionSignals, age: DurationMs },
    Stale { report: &'a SessionSignals, age: DurationMs },
    Absent { because: &'static str },
}

impl<'a> Case<'a> {
    pub(super) fn gather<V: PolicyView + ?Sized>(
        view: &'a V,
        withdrawal: &'a WithdrawalFacts,
        at: TimestampMs,
    ) -> Self {
        let document = view.document();
        let asset = registered_asset(view, withdrawal);
        let session = SessionReport::find(view, withdrawal, at);
        let whitelist = covering_entry(view, withdrawal, asset, withdrawal.customer.as_ref(), at);
        let house_entry = covering_entry(view, withdrawal, asset, None, at);
        let outflow = asset.map(|asset| withdrawal.outflow(asset, view.usd_price(&asset.symbol, at)));
        let exposure = asset
            .map_or(Exposure::NotAsked, |asset| view.exposure(asset.chain_id, &withdrawal.destination, at));
        let call = ContractCall::judge(view, withdrawal, asset.ok(), at);
        Self {
            withdrawal,
            at,
            document,
            wallet: view.wallet(&withdrawal.wallet),
            asset,
            whitelist,
            call,
            house_entry,
            screening: view.screening(),
            session,
            exposure,
            legal: view.legal(withdrawal, at),
            outflow,
            step_up: StepUp::find(document.identity(), withdrawal, at),
        }
    }

    /// An amount of the withdrawal's asset for people.
    pub(super) fn money(&self, amount: Amount) -> String {
        match self.asset {
            Ok(asset) => format!("{} {}", amount.format_units(asset.decimals), asset.symbol),
            Err(_) => format!("{amount} base units of {}", self.withdrawal.asset),
        }
    }
}

impl<'a> SessionReport<'a> {
    fn find<V: PolicyView + ?Sized>(view: &'a V, withdrawal: &WithdrawalFacts, at: TimestampMs) -> Self {
        // INVARIANT (G9): leaving the customer out of a request must not be a way around the session signals.
        let Some(customer) = &withdrawal.customer else {
            return Self::Absent { because: "the withdrawal names no customer" };
        };
        let Some(report) = view.session_signals(customer) else {
            return Self::Absent { because: "no provider reported about the customer" };
        };
        let Some(age) = at.checked_duration_since(report.observed_at) else {
            return Self::Absent { because: "the newest report is from the future" };
        };
        if age > view.document().risk().max_report_age {
            Self::Stale { report, age }
        } else {
            Self::Current { report, age }
        }
    }

    pub(super) fn current(self) -> Option<(&'a SessionSignals, DurationMs)> {
        match self {
            Self::Current { report, age } => Some((report, age)),
            Self::Stale { .. } | Self::Absent { .. } => None,
        }
    }
}

fn registered_asset<'a, V: PolicyView + ?Sized>(
    view: &'a V,
    withdrawal: &WithdrawalFacts,
) -> Result<&'a Asset, ReasonCode> {
    let asset = view.asset(&withdrawal.asset).ok_or(ReasonCode::UnknownAsset)?;
    // A registry that answers with another asset would put decimals and chain of one on the amount of the other.
    if asset.symbol == withdrawal.asset { Ok(asset) } else { Err(ReasonCode::EvaluationFailed) }
}

fn covering_entry<'a, V: PolicyView + ?Sized>(
    view: &'a V,
    withdrawal: &WithdrawalFacts,
    asset: Result<&Asset, ReasonCode>,
    customer: Option<&CustomerRef>,
    at: TimestampMs,
) -> Result<&'a WhitelistEntry, WhitelistRefusal<'a>> {
    let asset = asset.map_err(|code| WhitelistRefusal { code, entry: None })?;
    let destination = (asset.chain_id, withdrawal.destination);
    view.whitelist().covering(view.document().whitelist(), destination, &asset.symbol, customer, at)
}
