//! The Travel Rule: exact thresholds, reports that are absent, contradict each other or come from somebody else.

use holdfast_chains::Amount;
use holdfast_policy::{Outcome, PolicyDocument, ReasonCode, TravelReport, TravelState, WithdrawalFacts};

use crate::world::{APPROVER, DEMO_POLICY, World, approved_by, withdrawal};

/// The standard withdrawal of 1,250 USDT is one unit above this.
pub(crate) const BELOW: &str = "above = { USDT = \"1249999999\" }";

pub(crate) fn world(threshold: &str) -> World {
    World::with_policy(&policy(threshold))
}

fn policy(threshold: &str) -> String {
    let rule = format!(
        "[[restriction]]\nid = \"travel\"\ntype = \"travel_rule\"\n{threshold}\nproviders = [\"vasp-net\", \"other-net\"]\n\
         approvals = {{ {APPROVER} = 2 }}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n\n[risk]"
    );
    DEMO_POLICY.replacen("[risk]", &rule, 1)
}

pub(crate) fn reported(reports: &[(&str, TravelState)]) -> WithdrawalFacts {
    let report = |(provider, state): &(&str, TravelState)| TravelReport {
        provider: provider.parse().unwrap(),
        state: *state,
    };
    WithdrawalFacts { travel: reports.iter().map(report).collect(), ..withdrawal() }
}

fn main_reason(threshold: &str, withdrawal: &WithdrawalFacts) -> Option<ReasonCode> {
    world(threshold).evaluate(withdrawal).main_reason()
}

#[test]
fn threshold_is_inclusive_to_one_base_unit() {
    assert_eq!(main_reason(BELOW, &withdrawal()), Some(ReasonCode::TravelRuleAbsent));
    assert_eq!(main_reason("above = { USDT = \"1250000000\" }", &withdrawal()), None);
    assert_eq!(main_reason("above = { ETH = \"1\" }", &withdrawal()), None, "the rule is about other assets");
}

#[test]
fn threshold_in_dollars_is_exact_and_an_unknown_worth_is_above_it() {
    let decide = |cents: u64, micro_usd: Option<u64>| {
        let mut world = world(&format!("above_usd_cents = {cents}"));
        if let Some(price) = micro_usd {
            world.price("USDT", price);
        }
        world.evaluate(&withdrawal()).main_reason()
    };
    assert_eq!(decide(125_000, Some(1_000_000)), None);
    assert_eq!(decide(124_999, Some(1_000_000)), Some(ReasonCode::TravelRuleAbsent));
    assert_eq!(decide(125_000, None), Some(ReasonCode::TravelRuleAbsent));
}

#[test]
fn each_state_ends_as_it_should_and_the_worst_of_several_counts() {
    use TravelState::{Accepted, NotRequired, Rejected, Required, Sent};
    for (reports, code) in [
        (vec![("vasp-net", Accepted)], None),
        (vec![("vasp-net", NotRequired)], None),
        (vec![("vasp-net", Sent)], Some(ReasonCode::TravelRulePending)),
        (vec![("vasp-net", Required)], Some(ReasonCode::TravelRulePending)),
        (vec![("vasp-net", Rejected)], Some(ReasonCode::TravelRuleRejected)),
        (vec![("vasp-net", Accepted), ("other-net", Sent)], Some(ReasonCode::TravelRulePending)),
        (vec![("other-net", Rejected), ("vasp-net", Accepted)], Some(ReasonCode::TravelRuleRejected)),
        (vec![("stranger", Accepted)], Some(ReasonCode::TravelRuleAbsent)),
        (vec![("stranger", Rejected), ("vasp-net", Accepted)], None),
    ] {
        assert_eq!(main_reason(BELOW, &reported(&reports)), code, "{reports:?}");
    }
}

#[test]
fn approvals_stand_in_for_an_absent_report_and_never_for_a_refused_one() {
    let world = world(BELOW);
    let approved = approved_by(&world, &withdrawal(), &["ann", "ben"]);
    assert_eq!(world.evaluate(&approved).outcome, Outcome::Allow);
    let refused =
        WithdrawalFacts { travel: reported(&[("vasp-net", TravelState::Rejected)]).travel, ..approved };
    assert_eq!(world.evaluate(&refused).outcome, Outcome::Deny);
}

#[test]
fn wallet_that_pays_itself_tells_nobody() {
    let small = WithdrawalFacts { fee_cap: Amount::from_u128(1), ..withdrawal() };
    assert_eq!(world(BELOW).evaluate_own(&small).outcome, Outcome::Allow);
}

#[test]
fn rule_without_a_threshold_or_prices_is_refused() {
    let error = PolicyDocument::parse(&policy("")).unwrap_err();
    assert_eq!(
        (error.code(), error.field()),
        ("POLICY_FIELD_MISSING", Some("restriction[6].above_usd_cents"))
    );
    let text = policy("above_usd_cents = 1");
    let unpriced = text.replace("[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n", "");
    let error = PolicyDocument::parse(&unpriced).unwrap_err();
    assert_eq!((error.code(), error.field()), ("POLICY_FIELD_MISSING", Some("prices")));
}
