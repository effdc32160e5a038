//! Tests of the pages: the demo's policy as people read it.

use holdfast_chains::ChainId;

use super::*;
use crate::{
    decision::{RuleKind, RuleResult},
    facts::PolicyVersion,
    reason::ReasonCode,
    risk::RiskScore,
};

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");

#[test]
fn demo_is_explained_rule_by_rule_in_whole_units() {
    let usdt = Asset {
        symbol: AssetSymbol::parse("USDT").unwrap(),
        chain_id: ChainId(1),
        contract: None,
        decimals: 6,
    };
    let page = explain_policy(&PolicyDocument::parse(DEMO).unwrap(), &[usdt]);
    for line in [
        "hot-payouts              `hot-1` pay ETH, USDT to destinations with an active whitelist entry, asked by `pipeline`",
        "one transaction in USDT is held above 5000 USDT for 2 people as `withdrawal-approver`, and is denied above 100000 USDT",
        "one transaction in ETH is held above 2000000000000000000 base units of ETH",
        "sanctions                denies a destination that is on `ofac-eth`, and everything while one of them is not loaded",
        "a hold that is not approved 1 day after the request is denied; `withdrawal-approver` looks after holds",
        "entries are usable at once, and at most for 90 days",
        "reports of every provider about sessions and accounts count",
        "nodes start to sign at most 10 minutes after the authorization",
    ] {
        assert!(page.contains(line), "{line}\nis not in\n{page}");
    }
    let rules = PolicyDocument::parse(DEMO).unwrap();
    assert!(rules.restrictions().iter().all(|rule| page.contains(&format!("\n  {:<24} ", rule.id.as_str()))));
}

#[test]
fn escalation_of_holds_is_explained() {
    let terms = "[hold]\nescalate_after_ms = 3_600_000\nescalate_to = \"desk\"";
    let page = explain_policy(&PolicyDocument::parse(&DEMO.replacen("[hold]", terms, 1)).unwrap(), &[]);
    let line = "`withdrawal-approver` looks after holds, and `desk` too from 1 hour after the request";
    assert!(page.contains(line), "{page}");
}

#[test]
fn headline_of_a_hold_names_all_that_it_waits_for() {
    let hold = HoldRequirement {
        approvals: std::iter::once(("desk".parse().unwrap(), 2)).collect(),
        step_up: true,
        deadline: crate::time::TimestampMs(9),
        owner: "desk".parse().unwrap(),
        escalation: None,
        release_at: None,
        not_before: None,
        reasons: Default::default(),
    };
    assert_eq!(awaited(&hold), "2 people as `desk` and a proof of the customer's identity");
    let nobody = HoldRequirement { approvals: Default::default(), ..hold.clone() };
    assert_eq!(awaited(&nobody), "a proof of the customer's identity");
    let timed = HoldRequirement { release_at: Some(crate::time::TimestampMs(5)), step_up: false, ..hold };
    assert_eq!(awaited(&timed), "2 people as `desk`, or for the time 1970-01-01T00:00:00.005Z");
    let alone = HoldRequirement { approvals: Default::default(), ..timed };
    assert_eq!(awaited(&alone), "the time 1970-01-01T00:00:00.005Z");
}

#[test]
fn tiers_and_their_ceilings_are_explained() {
    let tier = "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\", \"hot-2\"]\n\n[[tier.ceiling]]\nid = \"hot-day\"\nunit = \"usd_cents\"\nwindow_ms = 86_400_000\ndeny_above = \"500\"\n\n[[tier.ceiling]]\nid = \"hot-once\"\nunit = \"usd_cents\"\ndeny_above = \"100\"\n\n[prices]\nmax_age_ms = 1000\nproviders = [\"market\"]\n\n[risk]";
    let page = explain_policy(&PolicyDocument::parse(&DEMO.replacen("[risk]", tier, 1)).unwrap(), &[]);
    for line in [
        "  hot                      `hot-1`, `hot-2`\n",
        "hot-day                  all worth in US dollars within 1 day from tier `hot` together is denied above 5 USD\n",
        "hot-once                 one transaction by its worth from tier `hot` is denied above 1 USD\n",
    ] {
        assert!(page.contains(line), "{line}\nis not in\n{page}");
    }
}

#[test]
fn details_of_a_decision_are_explained_in_spans_that_people_read() {
    let result = |rule: &str, detail: &str| RuleResult {
        rule: rule.parse().unwrap(),
        kind: RuleKind::SessionReport,
        verdict: Verdict::Pass,
        code: ReasonCode::SessionReportCurrent,
        detail: detail.to_owned(),
    };
    let decision = Decision {
        outcome: Outcome::Allow,
        satisfied_hold: None,
        rules: vec![result("risk", "the report of `crm` is 5400000 ms old, at most 86400000 ms count")],
        risk: RiskScore { score: 0, components: Vec::new() },
        policy_version: PolicyVersion(1),
        policy_hash: PolicyDocument::parse(DEMO).unwrap().hash(),
    };
    let page = explain_decision(&decision);
    assert!(page.contains("is 1 hour 30 minutes old, at most 1 day count\n"), "{page}");
}

#[test]
fn trips_are_explained_in_whole_units_where_the_registry_knows_them() {
    let usdt = Asset {
        symbol: AssetSymbol::parse("USDT").unwrap(),
        chain_id: ChainId(1),
        contract: None,
        decimals: 6,
    };
    let outflow = |unit: &str| TripCause::Outflow {
        sum: Amount::from_u128(2_001_000_000),
        most: Amount::from_u128(2_000_000_000),
        unit: unit.to_owned(),
        window_ms: 5_400_000,
    };
    for (cause, said) in [
        (outflow("USDT"), "2001 USDT were authorized within 1 hour 30 minutes, it lets 2000 USDT pass"),
        (
            outflow("WBTC"),
            "2001000000 base units of WBTC were authorized within 1 hour 30 minutes, it lets 2000000000 base units of WBTC pass",
        ),
        (
            outflow("usd_cents"),
            "20010000 USD were authorized within 1 hour 30 minutes, it lets 20000000 USD pass",
        ),
        (
            TripCause::Denials { counted: 3, most: 2, window_ms: 3_600_000 },
            "3 requests were denied within 1 hour, it lets 2 pass",
        ),
    ] {
        assert_eq!(explain_trip(&cause, std::slice::from_ref(&usdt)), said);
    }
}
