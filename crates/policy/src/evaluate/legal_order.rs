//! Owns the built-in rules about legal orders: what is frozen is not paid, and what an order demands is paid only on the strength
//! of that order, confirmed, to the unit. They cannot be left out of a document: a forged document alone moves nothing.

use super::{
    case::Case,
    finding::{Finding, Speaker},
};
use crate::{
    decision::RuleKind,
    ids::{AgencyId, RuleId},
    legal::{FrozenSubject, Release, ReleaseStanding},
    reason::ReasonCode,
};

const PAYMENT: [FrozenSubject; 3] =
    [FrozenSubject::Wallet, FrozenSubject::Customer, FrozenSubject::Destination];

/// Freezes and orders, for a payment. Where no orders are taken and none is left there is nothing to report.
pub(super) fn check<'a>(case: &Case<'a>) -> Vec<Finding<'a>> {
    if !concerns(case) {
        return Vec::new();
    }
    let demanded = demanded(case);
    // INVARIANT (G1): only a payment that is exactly what a confirmed order demands passes a freeze, and only those of that
    // order's own agency.
    let agency = match &demanded {
        Demanded::Confirmed(release) => Some(&release.agency),
        Demanded::Nothing | Demanded::Refused(..) => None,
    };
    vec![freeze(case, agency, &PAYMENT), order(case, &demanded)]
}

/// For a wallet that pays itself: it moves nothing to anybody, but a frozen wallet moves nothing at all.
pub(super) fn check_own_transfer<'a>(case: &Case<'a>) -> Option<Finding<'a>> {
    concerns(case).then(|| freeze(case, None, &[FrozenSubject::Wallet]))
}

fn concerns(case: &Case<'_>) -> bool {
    let facts = &case.legal;
    let any = !facts.freezes.is_empty() || !facts.releases.is_empty() || case.withdrawal.order.is_some();
    any || case.document.legal().is_some()
}

fn freeze<'a>(case: &Case<'a>, but: Option<&AgencyId>, subjects: &[FrozenSubject]) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::LegalFreeze, rule: &RuleId::builtin("legal-freeze") };
    let counts = |subject: &FrozenSubject| subjects.contains(subject);
    let mut freezes: Vec<_> = case.legal.freezes.iter().filter(|freeze| counts(&freeze.subject)).collect();
    freezes.sort();
    let passed = freezes.iter().filter(|freeze| but == Some(&freeze.agency)).count();
    freezes.retain(|freeze| but != Some(&freeze.agency));
    let Some(first) = freezes.first() else {
        let detail = match passed {
            0 => "no freeze is in force".to_owned(),
            passed => format!("{passed} in force, of the agency whose confirmed order demands this payment"),
        };
        return speaker.passes(ReasonCode::NotFrozen, detail);
    };
    let code = match first.subject {
        FrozenSubject::Wallet => ReasonCode::WalletFrozen,
        FrozenSubject::Customer => ReasonCode::CustomerFrozen,
        FrozenSubject::Destination => ReasonCode::DestinationFrozen,
    };
    let named: Vec<_> =
        freezes.iter().map(|freeze| format!("`{}` of `{}`", freeze.order, freeze.agency)).collect();
    speaker.denies(code, format!("by order {}", named.join(", ")))
}

enum Demanded<'c> {
    Nothing,
    Confirmed(&'c Release),
    Refused(ReasonCode, String),
}

fn demanded<'c>(case: &'c Case<'_>) -> Demanded<'c> {
    let withdrawal = case.withdrawal;
    let Some(named) = &withdrawal.order else {
        // An order that somebody forged and one officer believed must not be obeyed by the ordinary way.
        let open = case.legal.releases.iter().find(|release| release.standing != ReleaseStanding::Paid);
        return match open {
            None => Demanded::Nothing,
            Some(release) => Demanded::Refused(
                ReasonCode::LegalOrderRequired,
                format!("order `{}` demands a payment to this destination: name it", release.order),
            ),
        };
    };
    let Some(release) = case.legal.releases.iter().find(|release| release.order == *named) else {
        let detail = format!("`{named}` demands no payment to this destination");
        return Demanded::Refused(ReasonCode::LegalOrderMismatch, detail);
    };
    if withdrawal.call.is_some() {
        let detail = format!("`{named}` demands a payment, and this is a contract call");
        return Demanded::Refused(ReasonCode::LegalOrderMismatch, detail);
    }
    let asked = (&withdrawal.wallet, &withdrawal.asset, withdrawal.amount);
    if asked != (&release.wallet, &release.asset, release.amount) {
        let amount = case.money(release.amount);
        let detail = format!("`{named}` demands {amount} ({}) from `{}`", release.asset, release.wallet);
        return Demanded::Refused(ReasonCode::LegalOrderMismatch, detail);
    }
    match release.standing {
        ReleaseStanding::Confirmed => Demanded::Confirmed(release),
        ReleaseStanding::Unconfirmed => Demanded::Refused(
            ReasonCode::LegalOrderNotConfirmed,
            format!("`{named}` needs officers of two roles and two contacts of `{}`", release.agency),
        ),
        ReleaseStanding::Paid => {
            Demanded::Refused(ReasonCode::LegalOrderPaid, format!("another withdrawal paid `{named}`"))
        }
    }
}

fn order<'a>(case: &Case<'a>, demanded: &Demanded<'_>) -> Finding<'a> {
    let speaker = Speaker { kind: RuleKind::LegalOrder, rule: &RuleId::builtin("legal-order") };
    match demanded {
        Demanded::Nothing => {
            speaker.does_not_apply(ReasonCode::NotApplicable, "no legal order demands this payment")
        }
        Demanded::Confirmed(release) => {
            let amount = case.money(release.amount);
            let detail = format!("`{}` of `{}` demands {amount}", release.order, release.agency);
            speaker.passes(ReasonCode::LegalOrderConfirmed, detail)
        }
        Demanded::Refused(code, detail) => speaker.denies(*code, detail.clone()),
    }
}
