//! Owns the facts of one evaluation, looked up once and before any rule, so that all rules see the same. A fact that is
//! absent, stale or contradictory stays visible as such.

use std::collections::BTreeSet;

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
    risk::{Known, RiskFact, RiskFacts, RiskScore},
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
    pub(super) risk: RiskScore,
    /// Facts of the score that nobody knows.
    pub(super) unknown: BTreeSet<RiskFact>,
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
        let screening = view.screening();
        let asset = registered_asset(view, withdrawal);
        let session = SessionReport::find(view, withdrawal, at);
        let whitelist = covering_entry(view, withdrawal, asset, withdrawal.customer.as_ref(), at);
        let house_entry = covering_entry(view, withdrawal, asset, None, at);
        let outflow = asset.map(|asset| withdrawal.outflow(asset, view.usd_price(&asset.symbol, at)));
        let exposure = asset
            .map_or(Exposure::NotAsked, |asset| view.exposure(asset.chain_id, &withdrawal.destination, at));
        let call = ContractCall::judge(view, withdrawal, asset.ok(), at);
        let known = Known {
            at,
            named: call.as_ref().map(|call| call.addresses.as_slice()).unwrap_or_default(),
            listed: listed(document, screening, withdrawal),
            session: session.current(),
            asset: asset.ok(),
            whitelisted: whitelist.is_ok(),
            usd_cents: outflow.as_ref().ok().and_then(|outflow| outflow.usd_cents),
            exposure: &exposure,
        };
        let facts = RiskFacts::gather(view, withdrawal, known);
        let (risk, unknown) = (RiskScore::assess(document.risk(), &facts), facts.unknown());
        Self {
            withdrawal,
            at,
            document,
            wallet: view.wallet(&withdrawal.wallet),
            asset,
            whitelist,
            call,
            house_entry,
            screening,
            session,
            exposure,
            risk,
            unknown,
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

    fn current(self) -> Option<(&'a SessionSignals, DurationMs)> {
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

/// Whether a list that the document names lists the destination or an address in the call; `None` when a list is missing and no
/// other one does.
fn listed(
    document: &PolicyDocument,
    screening: &ScreeningIndex,
    withdrawal: &WithdrawalFacts,
) -> Option<bool> {
    let named: Vec<_> = withdrawal.addresses().collect();
    let mut complete = true;
    for id in document.screening_lists() {
        match screening.list(id) {
            Some(list) if named.iter().any(|address| list.contains(address)) => return Some(true),
            Some(_) => {}
            None => complete = false,
        }
    }
    complete.then_some(false)
}
