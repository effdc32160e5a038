//! A short run of the worked example for an exchange: it must tell thieves from customers, and must not when its weights are gone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helper functions of tests")]

use holdfast_policy::PolicyDocument;
use holdfast_score::{Run, Tally};
use holdfast_traffic::{AttackKind, Parameters};

const EXCHANGE: &str = include_str!("../../policy/fixtures/exchange-policy.toml");
const LIMITS: &str = include_str!("../../policy/fixtures/limits-only-policy.toml");
/// What a thief cannot get past with these weights, whatever the skill.
const STOPPED: [AttackKind; 5] = [
    AttackKind::TakeoverAfterReset,
    AttackKind::PoisonedAddress,
    AttackKind::StolenClientKey,
    AttackKind::SimSwapApiKey,
    AttackKind::DrainedDormant,
];

fn tallies(customers: u32, attacks: u32, policies: &[&str]) -> Vec<Tally> {
    let parameters = Parameters { customers, attacks_per_kind: attacks, ..Parameters::default() };
    let parse = |text: &&str| PolicyDocument::parse(text).expect("the policy of a test is valid");
    Run::new(parameters, 1, policies.iter().map(parse).collect()).tallies(|_| {}).expect("seed 1 is fine")
}

#[test]
fn exchange_policy_tells_thieves_from_customers_better_than_limits_do() {
    let all = tallies(1_500, 12, &[EXCHANGE, LIMITS]);
    let (exchange, limits) = (&all[0], &all[1]);
    let honest = exchange.customers();
    assert!(honest.of > 500, "{honest:?}");
    assert!(honest.percent() <= 3.0, "held or denied: {honest:?}");
    assert!(honest.percent() < limits.customers().percent());
    for kind in STOPPED {
        let tally = exchange.kind(kind);
        assert_eq!(tally.stopped.of, 12, "{kind:?}");
        assert!(tally.stopped.part >= 11, "{kind:?}: {tally:?}");
        assert!(tally.lost_usd_cents <= limits.kind(kind).lost_usd_cents, "{kind:?}");
    }
}

#[test]
fn score_falls_when_the_component_that_stops_an_attack_is_gone() {
    let blind: String = EXCHANGE
        .lines()
        .filter(|line| !line.starts_with("look_alike") && !line.starts_with("wallet_look_alike"))
        .map(|line| format!("{line}\n"))
        .collect();
    let poisoned =
        |policy: &str| tallies(600, 12, &[policy])[0].kind(AttackKind::PoisonedAddress).stopped.part;
    assert_eq!(poisoned(EXCHANGE), 12);
    assert!(poisoned(&blind) <= 6, "{}", poisoned(&blind));
}

#[test]
fn same_seed_gives_the_same_score() {
    let run = || format!("{:?}", tallies(150, 2, &[EXCHANGE]));
    assert_eq!(run(), run());
}

#[test]
fn what_is_asked_for_is_lost_or_stopped_and_nothing_else() {
    let all = tallies(150, 3, &[EXCHANGE, LIMITS]);
    for tally in &all {
        for kind in AttackKind::ALL {
            let tally = tally.kind(kind);
            assert!(tally.lost_before_notice_usd_cents <= tally.lost_usd_cents, "{kind:?}");
            assert!(tally.lost_usd_cents <= tally.asked_usd_cents, "{kind:?}");
            assert!(tally.held.part <= tally.stopped.part, "{kind:?}");
            assert!(tally.stopped.part <= tally.noticed.part, "{kind:?}");
        }
    }
    let asked = |tally: &Tally| AttackKind::ALL.map(|kind| tally.kind(kind).asked_usd_cents);
    assert_eq!(asked(&all[0]), asked(&all[1]), "the stream does not depend on the policy");
}
