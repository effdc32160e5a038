//! Tests of the pages: the demo's policy as people read it.

use holdfast_chains::ChainId;

use super::*;

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
fn spans_are_in_their_largest_whole_unit() {
    for (ms, text) in
        [(0, "0 ms"), (999, "999 ms"), (1000, "1 second"), (90_000, "90 seconds"), (7_200_000, "2 hours")]
    {
        assert_eq!(span(DurationMs(ms)), text);
    }
}
