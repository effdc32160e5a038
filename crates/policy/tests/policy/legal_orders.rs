//! Freezes and what legal orders demand: attacks by a forged document, a partly confirmed order, another amount.

use holdfast_chains::Amount;
use holdfast_policy::{
    Freeze, FrozenSubject, Outcome, PolicyDocument, ReasonCode, Release, ReleaseStanding, Verdict,
    WithdrawalFacts,
};

use crate::world::{APPROVER, DEMO_POLICY, World, result, withdrawal};

const FREEZE: &str = "builtin.legal-freeze";
const ORDER: &str = "builtin.legal-order";

pub(crate) fn freeze(subject: FrozenSubject, agency: &str) -> Freeze {
    Freeze { subject, order: "o-1".parse().unwrap(), agency: agency.parse().unwrap() }
}

/// An order of `fiu` that demands exactly the standard withdrawal.
pub(crate) fn release(standing: ReleaseStanding) -> Release {
    let withdrawal = withdrawal();
    Release {
        order: "o-2".parse().unwrap(),
        agency: "fiu".parse().unwrap(),
        wallet: withdrawal.wallet,
        asset: withdrawal.asset,
        amount: withdrawal.amount,
        standing,
    }
}

fn named() -> WithdrawalFacts {
    WithdrawalFacts { order: Some("o-2".parse().unwrap()), ..withdrawal() }
}

fn world(freezes: &[Freeze], releases: &[Release]) -> World {
    let mut world = World::demo();
    world.legal.freezes = freezes.to_vec();
    world.legal.releases = releases.to_vec();
    world
}

fn main_reason(world: &World, withdrawal: &WithdrawalFacts) -> Option<ReasonCode> {
    world.evaluate(withdrawal).main_reason()
}

#[test]
fn what_is_frozen_is_not_paid_whatever_officers_approve() {
    for (subject, code) in [
        (FrozenSubject::Wallet, ReasonCode::WalletFrozen),
        (FrozenSubject::Customer, ReasonCode::CustomerFrozen),
        (FrozenSubject::Destination, ReasonCode::DestinationFrozen),
    ] {
        let world = world(&[freeze(subject, "fiu")], &[]);
        assert_eq!(main_reason(&world, &withdrawal()), Some(code));
        assert_eq!(world.evaluate(&withdrawal()).outcome, Outcome::Deny);
        assert_eq!(
            code.customer_sentence(),
            ReasonCode::AboveMaximum.customer_sentence(),
            "nobody is tipped off"
        );
    }
}

#[test]
fn frozen_wallet_pays_itself_nothing_either_and_a_frozen_customer_does_not_stop_sweeps() {
    let own = |subject| world(&[freeze(subject, "fiu")], &[]).evaluate_own(&withdrawal());
    assert_eq!(own(FrozenSubject::Wallet).main_reason(), Some(ReasonCode::WalletFrozen));
    assert_eq!(own(FrozenSubject::Customer).outcome, Outcome::Allow);
}

#[test]
fn destination_that_an_unconfirmed_order_names_is_not_paid_the_ordinary_way() {
    for standing in [ReleaseStanding::Unconfirmed, ReleaseStanding::Confirmed] {
        let world = world(&[], &[release(standing)]);
        assert_eq!(main_reason(&world, &withdrawal()), Some(ReasonCode::LegalOrderRequired), "{standing:?}");
    }
    let paid = world(&[], &[release(ReleaseStanding::Paid)]);
    assert_eq!(main_reason(&paid, &withdrawal()), None, "what is over demands nothing any more");
}

#[test]
fn order_is_paid_once_and_only_when_it_is_confirmed() {
    for (standing, code) in [
        (ReleaseStanding::Unconfirmed, Some(ReasonCode::LegalOrderNotConfirmed)),
        (ReleaseStanding::Confirmed, None),
        (ReleaseStanding::Paid, Some(ReasonCode::LegalOrderPaid)),
    ] {
        assert_eq!(main_reason(&world(&[], &[release(standing)]), &named()), code, "{standing:?}");
    }
    assert_eq!(
        main_reason(&world(&[], &[]), &named()),
        Some(ReasonCode::LegalOrderMismatch),
        "no such order"
    );
}

#[test]
fn confirmed_order_pays_its_own_wallet_asset_and_amount_to_the_unit_and_nothing_else() {
    let world = world(&[], &[release(ReleaseStanding::Confirmed)]);
    assert_eq!(result(&world.evaluate(&named()), ORDER).code, ReasonCode::LegalOrderConfirmed);
    for amount in [1_249_999_999, 1_250_000_001] {
        let other = WithdrawalFacts { amount: Amount::from_u128(amount), ..named() };
        assert_eq!(main_reason(&world, &other), Some(ReasonCode::LegalOrderMismatch));
    }
    let other = WithdrawalFacts { asset: "ETH".parse().unwrap(), ..named() };
    assert_eq!(main_reason(&world, &other), Some(ReasonCode::LegalOrderMismatch));
}

#[test]
fn confirmed_order_passes_freezes_of_its_own_agency_only() {
    let confirmed = release(ReleaseStanding::Confirmed);
    let own = world(&[freeze(FrozenSubject::Customer, "fiu")], std::slice::from_ref(&confirmed));
    assert_eq!(result(&own.evaluate(&named()), FREEZE).verdict, Verdict::Pass);
    assert_eq!(own.evaluate(&named()).outcome, Outcome::Allow);
    let freezes = [freeze(FrozenSubject::Customer, "fiu"), freeze(FrozenSubject::Customer, "tax")];
    let other = world(&freezes, &[confirmed]);
    assert_eq!(main_reason(&other, &named()), Some(ReasonCode::CustomerFrozen));
    let open = world(&freezes[..1], &[release(ReleaseStanding::Unconfirmed)]);
    assert_eq!(main_reason(&open, &named()), Some(ReasonCode::CustomerFrozen), "nothing passes before that");
}

#[test]
fn order_lifts_no_other_rule() {
    let mut world = world(&[], &[release(ReleaseStanding::Confirmed)]);
    world.entries.clear();
    assert_eq!(main_reason(&world, &named()), Some(ReasonCode::DestinationNotWhitelisted));
}

pub(crate) fn policy(approvals: &str) -> String {
    let table = format!(
        "[legal]\nfreeze_lapse_ms = 1000\nopened_by = \"compliance\"\napprovals = {approvals}\n\n[hold]"
    );
    DEMO_POLICY.replacen("[hold]", &table, 1)
}

#[test]
fn orders_are_approved_by_two_roles_or_no_document_says_so() {
    let with = |approvals: &str| PolicyDocument::parse(&policy(approvals));
    let error = with(&format!("{{ {APPROVER} = 2 }}")).unwrap_err();
    assert_eq!((error.code(), error.field()), ("POLICY_FIELD_INVALID", Some("legal.approvals")));
    let document = with(&format!("{{ {APPROVER} = 1, compliance = 1 }}")).unwrap();
    assert_eq!(document.legal().unwrap().opened_by.as_str(), "compliance");
    assert_eq!(PolicyDocument::parse(DEMO_POLICY).unwrap().legal(), None);
}
