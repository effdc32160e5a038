//! Circuit breakers as evaluation and documents see them: a tripped one denies, what it cannot count it denies, and who misspells
//! one is told where.

use std::collections::BTreeSet;

use holdfast_policy::{
    ChangeEffect, PolicyCases, PolicyDiff, PolicyDocument, ReasonCode, RestrictionRule, RuleId, Verdict,
    WithdrawalFacts, lint,
};

use crate::world::{DEMO_POLICY, World, approved_by, large_withdrawal, result, symbol, withdrawal};

fn text(rule: &str) -> String {
    let rule = format!(
        "[[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\n{rule}\n\n[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n\n[risk]"
    );
    DEMO_POLICY.replacen("[risk]", &rule, 1)
}

fn tripped(rule: &str) -> World {
    let mut world = World::with_policy(&text(rule));
    world.tripped = BTreeSet::from([RuleId::new("fuse").unwrap()]);
    world
}

const DENIALS: &str = "window_ms = 60000\nmax_denials = 20";
const DOLLARS: &str = "window_ms = 60000\nmax_outflow = { unit = \"usd_cents\", amount = \"100\" }";

#[test]
fn tripped_breaker_denies_whoever_approves() {
    let world = World::with_policy(&text(DENIALS));
    let facts = approved_by(&world, &large_withdrawal(), &["ann", "ben"]);
    assert!(world.evaluate(&facts).is_allowed());
    assert_eq!(result(&world.evaluate(&facts), "fuse").code, ReasonCode::BreakerReady);
    assert_eq!(tripped(DENIALS).evaluate(&facts).main_reason(), Some(ReasonCode::BreakerTripped));
}

#[test]
fn breaker_says_nothing_about_what_it_is_not_about() {
    for scope in ["wallets = [\"hot-2\"]", "assets = [\"ETH\"]", "clients = [\"other\"]"] {
        let decision = tripped(&format!("{DENIALS}\n{scope}")).evaluate(&withdrawal());
        assert_eq!(result(&decision, "fuse").verdict, Verdict::NotApplicable, "{scope}");
    }
    for scope in ["wallets = [\"hot-1\"]", "assets = [\"USDT\"]", "clients = [\"pipeline\"]"] {
        let decision = tripped(&format!("{DENIALS}\n{scope}")).evaluate(&withdrawal());
        assert_eq!(decision.main_reason(), Some(ReasonCode::BreakerTripped), "{scope}");
    }
}

#[test]
fn what_nobody_can_price_is_denied_by_a_breaker_that_counts_dollars() {
    let mut world = World::with_policy(&text(DOLLARS));
    assert_eq!(world.evaluate(&withdrawal()).main_reason(), Some(ReasonCode::PriceAbsent));
    world.price("USDT", 1_000_000);
    assert!(world.evaluate(&withdrawal()).is_allowed());
    // In an asset's own units no price is needed, and an unknown asset is not counted
    let base_units = "window_ms = 60000\nmax_outflow = { asset = \"USDT\", amount = \"1\" }";
    assert!(World::with_policy(&text(base_units)).evaluate(&withdrawal()).is_allowed());
    let unknown = WithdrawalFacts { asset: symbol("DAI"), ..withdrawal() };
    let decision = World::with_policy(&text(base_units)).evaluate(&unknown);
    assert_eq!(result(&decision, "fuse").code, ReasonCode::UnknownAsset);
}

#[test]
fn wallet_that_pays_itself_is_left_to_the_pause() {
    let decision = tripped(DENIALS).evaluate_own(&withdrawal());
    assert_eq!(result(&decision, "fuse").verdict, Verdict::NotApplicable);
}

#[test]
fn breakers_that_count_nothing_or_cannot_be_read_are_refused() {
    for (rule, code, field) in [
        ("window_ms = 60000", "POLICY_FIELD_MISSING", "restriction[6].max_denials"),
        ("max_denials = 1", "POLICY_FIELD_MISSING", "restriction[6].window_ms"),
        ("window_ms = 0\nmax_denials = 1", "POLICY_FIELD_OUT_OF_RANGE", "restriction[6].window_ms"),
        ("window_ms = 3024000001\nmax_denials = 1", "POLICY_FIELD_OUT_OF_RANGE", "restriction[6].window_ms"),
        ("window_ms = 1\nmax_denials = 0", "POLICY_FIELD_OUT_OF_RANGE", "restriction[6].max_denials"),
        ("window_ms = 1\nmax_denials = 1001", "POLICY_FIELD_OUT_OF_RANGE", "restriction[6].max_denials"),
        (
            "window_ms = 1\nper_customer = 1\nmax_outflow = { asset = \"USDT\", amount = \"1\" }",
            "POLICY_FIELD_MISSING",
            "restriction[6].max_denials",
        ),
        (
            "window_ms = 1\nexcept = [\"NO_GRANT\"]\nmax_outflow = { asset = \"USDT\", amount = \"1\" }",
            "POLICY_FIELD_MISSING",
            "restriction[6].max_denials",
        ),
        (
            "window_ms = 1\nmax_denials = 1\nexcept = [\"NOPE\"]",
            "POLICY_FIELD_INVALID",
            "restriction[6].except[0]",
        ),
        (
            "window_ms = 1\nmax_outflow = { amount = \"1\" }",
            "POLICY_FIELD_MISSING",
            "restriction[6].max_outflow.asset",
        ),
        (
            "window_ms = 1\nmax_outflow = { unit = \"count\" }",
            "POLICY_FIELD_MISSING",
            "restriction[6].max_outflow.amount",
        ),
        ("window_ms = 1\nmax_denials = 1\nper_client = 1", "POLICY_FIELD_TYPE", "restriction[6].per_client"),
        ("window_ms = 1\nmax_denials = 1\nwallets = []", "POLICY_FIELD_EMPTY", "restriction[6].wallets"),
        ("window_ms = 1\nmax_denials = 1\nper = []", "POLICY_FIELD_UNKNOWN", "restriction[6].per"),
    ] {
        let error = PolicyDocument::parse(&text(rule)).unwrap_err();
        assert_eq!((error.code(), error.field()), (code, Some(field)), "{rule}");
    }
    let without_prices =
        text(DOLLARS).replace("[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n", "");
    let error = PolicyDocument::parse(&without_prices).unwrap_err();
    assert_eq!((error.code(), error.field()), ("POLICY_FIELD_MISSING", Some("prices")));
}

#[test]
fn breaker_is_read_as_written() {
    let rule = "wallets = [\"hot-1\"]\nper_client = true\nwindow_ms = 3024000000\nmax_denials = 1000\nper_customer = 3\nexcept = [\"WINDOW_LIMIT_REACHED\"]";
    let document = PolicyDocument::parse(&text(rule)).unwrap();
    let (id, breaker) = document.breakers().next().unwrap();
    assert_eq!((id.as_str(), breaker.per_client, breaker.window.0), ("fuse", true, 3_024_000_000));
    let bound = breaker.denials.as_ref().unwrap();
    assert_eq!((bound.most, bound.per_customer), (1000, Some(3)));
    assert!(bound.counts(&[ReasonCode::NoGrant]) && !bound.counts(&[ReasonCode::WindowLimitReached]));
    assert!(breaker.outflow.is_none() && breaker.assets.is_none() && breaker.clients.is_none());
    assert!(matches!(document.restrictions()[6].rule, RestrictionRule::CircuitBreaker(_)));
}

/// What one change of the rule does, and how the diff calls it.
fn change(old: &str, new: &str) -> Vec<(ChangeEffect, String)> {
    let parse = |rule: &str| PolicyDocument::parse(&text(rule)).unwrap();
    let diff = PolicyDiff::between(&parse(old), &parse(new));
    diff.changes().iter().map(|change| (change.effect, change.what.clone())).collect()
}

#[test]
fn adding_a_breaker_and_lowering_its_bounds_tighten_and_all_else_loosens() {
    use ChangeEffect::{Loosens, Tightens};
    let [bare, with] = ["", DENIALS].map(|rule| {
        let text = if rule.is_empty() { DEMO_POLICY.to_owned() } else { text(rule) };
        PolicyDocument::parse(&text.replace("[prices]\nmax_age_ms = 60000\nproviders = [\"prices\"]\n", ""))
            .unwrap()
    });
    let added = PolicyDiff::between(&bare, &with);
    assert!(!added.loosens() && added.count(Tightens) == 1, "{:?}", added.changes());
    assert!(PolicyDiff::between(&with, &bare).loosens());
    let both = &format!("{DENIALS}\nmax_outflow = {{ asset = \"USDT\", amount = \"5\" }}");
    for (old, new, effect, what) in [
        (DENIALS, "window_ms = 60000\nmax_denials = 19", Tightens, "max_denials 20 -> 19"),
        (DENIALS, "window_ms = 60000\nmax_denials = 21", Loosens, "max_denials 20 -> 21"),
        (DENIALS, "window_ms = 60001\nmax_denials = 20", Loosens, "window_ms 60000 -> 60001"),
        (DENIALS, "window_ms = 59999\nmax_denials = 20", Loosens, "window_ms 60000 -> 59999"),
        (DENIALS, both, Tightens, "max_outflow none -> 5"),
        (both, DENIALS, Loosens, "max_outflow 5 -> none"),
    ] {
        assert_eq!(change(old, new), [(effect, what.to_owned())], "{old} -> {new}");
    }
    for more in [
        "per_customer = 3",
        "except = [\"NO_GRANT\"]",
        "per_client = true",
        "wallets = [\"hot-1\"]",
        "assets = [\"USDT\"]",
        "clients = [\"pipeline\"]",
    ] {
        for change in
            [change(DENIALS, &format!("{DENIALS}\n{more}")), change(&format!("{DENIALS}\n{more}"), DENIALS)]
        {
            assert!(matches!(change[..], [(Loosens, _)]), "{more}: {change:?}");
        }
    }
    let cents = "window_ms = 60000\nmax_outflow = { unit = \"usd_cents\", amount = \"100\" }";
    let count = "window_ms = 60000\nmax_outflow = { unit = \"count\", amount = \"1\" }";
    assert!(change(cents, count).iter().any(|(effect, _)| *effect == Loosens));
}

#[test]
fn what_only_tightens_a_breaker_allows_nothing_more_tripped_or_not() {
    let outflow = "max_outflow = { asset = \"USDT\", amount = \"5\" }";
    let rules = [
        DENIALS.to_owned(),
        DENIALS.replace("20", "19"),
        format!("{DENIALS}\nwallets = [\"hot-1\"]"),
        format!("{DENIALS}\nwallets = [\"hot-2\"]"),
        format!("{DENIALS}\nassets = [\"ETH\"]"),
        format!("{DENIALS}\nclients = [\"other\"]"),
        format!("{DENIALS}\nper_customer = 2"),
        format!("{DENIALS}\n{outflow}"),
        format!("{DENIALS}\n{}", outflow.replace('5', "4")),
        format!("window_ms = 60000\n{outflow}"),
        DOLLARS.to_owned(),
        format!("{DOLLARS}\nassets = [\"USDT\"]"),
    ];
    let mut tightened = 0;
    for (old, new) in rules.iter().flat_map(|old| rules.iter().map(move |new| (old, new))) {
        let [old, new] = [old, new].map(|rule| World::with_policy(&text(rule)));
        if old.document != new.document && !PolicyDiff::between(&old.document, &new.document).loosens() {
            tightened += 1;
            for (is_tripped, priced) in [(false, false), (false, true), (true, false), (true, true)] {
                let allowed = |world: &World| {
                    let mut world = world.clone();
                    world.tripped = BTreeSet::from_iter(is_tripped.then(|| RuleId::new("fuse").unwrap()));
                    if priced {
                        world.price("USDT", 1_000_000);
                    }
                    world.evaluate(&withdrawal()).is_allowed()
                };
                assert!(allowed(&old) || !allowed(&new));
            }
        }
    }
    assert!(tightened >= 5, "{tightened}");
}

fn findings(rule: &str) -> Vec<(&'static str, String)> {
    let document = PolicyDocument::parse(&text(rule)).unwrap();
    let of_fuse = |rule: &Option<RuleId>| rule.as_ref().is_some_and(|rule| rule.as_str() == "fuse");
    let found = lint(&document, None).into_iter().filter(|finding| of_fuse(&finding.rule));
    found.map(|finding| (finding.code.code(), finding.sentence)).collect()
}

#[test]
fn check_warns_of_breakers_that_one_customer_can_trip() {
    let codes = |rule: &str| findings(rule).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(DENIALS), ["BREAKER_BY_ONE_CUSTOMER"]);
    assert_eq!(codes(&format!("{DENIALS}\nper_customer = 21")), ["BREAKER_BY_ONE_CUSTOMER"]);
    assert_eq!(codes(&format!("{DENIALS}\nper_customer = 20")), [""; 0]);
    let outflow = "window_ms = 60000\nmax_outflow = { asset = \"USDT\", amount = \"100\" }";
    assert_eq!(codes(outflow), ["BREAKER_BY_ONE_CUSTOMER"]);
    // A window that ends what one customer takes before that
    let window = |per: &str, ms: u64, deny: u64| {
        format!(
            "{outflow}\n\n[[restriction]]\nid = \"w\"\ntype = \"limit_window\"\nasset = \"USDT\"\nper = [{per}]\nwindow_ms = {ms}\ndeny_above = \"{deny}\""
        )
    };
    assert_eq!(codes(&window("\"customer\"", 60_000, 100)), [""; 0]);
    assert_eq!(codes(&window("\"wallet\"", 60_001, 99)), [""; 0]);
    for short in [
        window("\"customer\"", 60_000, 101),
        window("\"customer\"", 59_999, 100),
        window("\"customer\", \"destination\"", 60_000, 100),
        window("\"client\"", 60_000, 100),
    ] {
        assert_eq!(codes(&short), ["BREAKER_BY_ONE_CUSTOMER"], "{short}");
    }
}

#[test]
fn check_finds_breakers_about_what_nobody_gives() {
    for rule in ["wallets = [\"cold-9\"]", "assets = [\"DAI\"]", "clients = [\"nobody\"]"] {
        let found = findings(&format!("{DENIALS}\nper_customer = 2\n{rule}"));
        assert_eq!(found[0].0, "RESTRICTION_NEVER_APPLIES", "{rule}");
    }
    let other = "window_ms = 1\nassets = [\"USDT\"]\nmax_outflow = { asset = \"ETH\", amount = \"1\" }";
    assert!(findings(other).iter().any(|(code, _)| *code == "RESTRICTION_NEVER_APPLIES"));
}

#[test]
fn breaker_is_explained_in_words() {
    let rule = "wallets = [\"hot-1\"]\nper_client = true\nwindow_ms = 600000\nmax_denials = 20\nper_customer = 5\nexcept = [\"WINDOW_LIMIT_REACHED\"]\nmax_outflow = { unit = \"usd_cents\", amount = \"10000000\" }";
    let document = PolicyDocument::parse(&text(rule)).unwrap();
    let said = holdfast_policy::explain_policy(&document, &[]);
    let expected = "pauses a wallet until officers resume it when, within 10 minutes of one client from `hot-1`, more than 20 requests are denied, at most 5 of one customer counted, those for `WINDOW_LIMIT_REACHED` alone not counted, or more than 100000 USD are authorized";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn cases_may_say_that_a_breaker_has_tripped() {
    let cases = include_str!("../../fixtures/demo-cases.toml");
    let head = cases.split("[[case]]").next().unwrap();
    let case = "[[case]]\nname = \"after the trip\"\namount = \"1\"\ntripped = [\"fuse\"]\nexpect = \"deny\"\ncodes = [\"WALLET_PAUSED\", \"BREAKER_TRIPPED\"]\n\n[[case]]\nname = \"before\"\namount = \"1\"\nexpect = \"allow\"\n";
    let results = PolicyCases::parse(&format!("{head}{case}"))
        .unwrap()
        .run(&PolicyDocument::parse(&text(DENIALS)).unwrap());
    assert!(results.iter().all(|result| result.differences.is_empty()), "{results:?}");
}
