//! Tests of the diff: each kind of change, one by one. That a tightening never allows more is a property test, in
//! `tests/policy/diffs.rs`.

use super::*;

const DEMO: &str = include_str!("../../../fixtures/demo-policy.toml");

fn parse(text: &str) -> PolicyDocument {
    PolicyDocument::parse(text).unwrap()
}

/// The demo's policy with one replacement, against the demo's policy: `effect subject: what` for each change.
fn diff(from: &str, to: &str) -> Vec<String> {
    assert!(DEMO.contains(from), "the fixture has no `{from}`");
    let diff = PolicyDiff::between(&parse(DEMO), &parse(&DEMO.replacen(from, to, 1)));
    diff.changes().iter().map(|change| format!("{} {change}", change.effect)).collect()
}

fn assert_change(from: &str, to: &str, expected: &str) {
    assert_eq!(diff(from, to), [expected], "`{from}` -> `{to}`");
}

#[test]
fn documents_that_mean_the_same_do_not_differ() {
    assert!(diff("# The policy of the demo cluster", "# Another comment").is_empty());
    assert!(
        diff(
            "wallets = [\"hot-1\"]\nassets = [\"USDT\", \"ETH\"]",
            "assets = [\"ETH\", \"USDT\"]\nwallets = [\"hot-1\"]"
        )
        .is_empty()
    );
    assert!(diff("86_400_000", "86400000").is_empty());
}

#[test]
fn limits_are_compared_point_by_point() {
    let amount = "hold_above = { amount = \"5000000000\"";
    assert_change(
        amount,
        "hold_above = { amount = \"4999999999\"",
        "tightens restriction usdt-limit: hold_above 5000000000 -> 4999999999",
    );
    assert_change(
        amount,
        "hold_above = { amount = \"5000000001\"",
        "loosens restriction usdt-limit: hold_above 5000000000 -> 5000000001",
    );
    assert_change(
        "deny_above = \"100000000000\"",
        "",
        "loosens restriction usdt-limit: deny_above 100000000000 -> none",
    );
    assert_change(
        "max = \"50000000000000000\"",
        "max = \"49999999999999999\"",
        "tightens restriction mainnet-fee-cap: max 50000000000000000 -> 49999999999999999",
    );
    assert_change("hold_at = 40", "hold_at = 39", "tightens restriction risk: hold_at 40 -> 39");
    assert_change("deny_at = 90", "deny_at = 91", "loosens restriction risk: deny_at 90 -> 91");
    // One up and one down are two changes, and the one that loosens counts
    let both = diff("hold_at = 40\ndeny_at = 90", "hold_at = 39\ndeny_at = 91");
    assert_eq!(
        both,
        ["loosens restriction risk: deny_at 90 -> 91", "tightens restriction risk: hold_at 40 -> 39"]
    );
}

#[test]
fn grant_is_taken_apart_point_by_point() {
    assert_change(
        "wallets = [\"hot-1\"]",
        "wallets = [\"hot-1\", \"hot-2\"]",
        "loosens grant hot-payouts: wallets + hot-2",
    );
    assert_change(
        "assets = [\"USDT\", \"ETH\"]",
        "assets = [\"USDT\"]",
        "tightens grant hot-payouts: assets - ETH",
    );
    assert_change(
        "clients = [\"pipeline\"]\n",
        "",
        "loosens grant hot-payouts: clients named ones -> every one",
    );
    let max = "destinations = \"whitelisted\"\nmax_amount = { USDT = \"5\" }";
    assert_change(
        "destinations = \"whitelisted\"",
        max,
        "tightens grant hot-payouts: max_amount.USDT none -> 5",
    );
    // A maximum for an asset that is new in the grant does not make the new asset a tightening
    let swapped =
        diff("assets = [\"USDT\", \"ETH\"]", "assets = [\"USDT\", \"DAI\"]\nmax_amount = { DAI = \"0\" }");
    assert_eq!(
        swapped,
        ["loosens grant hot-payouts: assets + DAI", "tightens grant hot-payouts: assets - ETH"]
    );
}

#[test]
fn rule_under_another_name_is_removed_and_added() {
    let renamed = diff("id = \"eth-limit\"", "id = \"ether-limit\"");
    assert_eq!(
        renamed,
        [
            "loosens restriction eth-limit: removed (limit_per_transaction)",
            "tightens restriction ether-limit: added (limit_per_transaction)"
        ]
    );
    let renamed = diff("id = \"hot-payouts\"", "id = \"payouts\"");
    assert_eq!(renamed, ["loosens grant payouts: added", "tightens grant hot-payouts: removed"]);
}

#[test]
fn another_type_under_the_same_name_loosens() {
    let changed =
        diff("type = \"whitelist\"", "type = \"screening\"\nlists = [\"ofac-eth\"]\non_match = \"deny\"");
    assert_eq!(changed, ["loosens restriction whitelist: type whitelist -> screening"]);
}

#[test]
fn roles_weights_ages_and_waits_loosen_in_either_direction() {
    for (from, to, what) in [
        (
            "approvals = { withdrawal-approver = 2 } }\ndeny_above = \"100000000000\"",
            "approvals = { withdrawal-approver = 3 } }\ndeny_above = \"100000000000\"",
            "restriction usdt-limit: approvals 2 withdrawal-approver -> 3 withdrawal-approver",
        ),
        ("listed_address = 100", "listed_address = 99", "[risk]: listed_address 100 -> 99"),
        ("new_device = 25", "new_device = 26", "[risk]: new_device 25 -> 26"),
        (
            "max_report_age_ms = 86_400_000",
            "max_report_age_ms = 1",
            "[risk]: max_report_age_ms 86400000 -> 1",
        ),
        ("deadline_ms = 86_400_000", "deadline_ms = 1", "[hold]: deadline_ms 86400000 -> 1"),
        ("owner = \"withdrawal-approver\"", "owner = \"desk\"", "[hold]: owner withdrawal-approver -> desk"),
        ("cooling_off_ms = 0", "cooling_off_ms = 1", "[whitelist]: cooling_off_ms 0 -> 1"),
    ] {
        assert_change(from, to, &format!("loosens {what}"));
    }
    let prices = "[prices]\nmax_age_ms = 5\nproviders = [\"a\"]\n\n[whitelist]";
    let added = ["loosens [prices]: max_age_ms none -> 5", "loosens [prices]: providers none -> a"];
    assert_eq!(diff("[whitelist]", prices), added);
    let sessions = |names: &str| format!("[sessions]\nproviders = [{names}]\n\n[whitelist]");
    assert_eq!(diff("[whitelist]", &sessions("\"a\"")), ["loosens [sessions]: providers every one -> a"]);
    assert_change(
        "max_life_ms = 7_776_000_000",
        "max_life_ms = 7_775_999_999",
        "tightens [whitelist]: max_life_ms 7776000000 -> 7775999999",
    );
    assert_change(
        "max_age_ms = 600_000",
        "max_age_ms = 600_001",
        "loosens [authorization]: max_age_ms 600000 -> 600001",
    );
}

#[test]
fn window_of_another_length_loosens_although_it_is_longer() {
    let with = |rule: &str| {
        parse(&DEMO.replacen(
            "[risk]",
            &format!(
                "[[restriction]]\nid = \"day\"\ntype = \"limit_window\"\nasset = \"USDT\"\n{rule}\n\n[risk]"
            ),
            1,
        ))
    };
    let old = with("per = [\"wallet\"]\nwindow_ms = 1000\ndeny_above = \"5\"");
    let changes = |rule: &str| -> Vec<String> {
        let diff = PolicyDiff::between(&old, &with(rule));
        diff.changes().iter().map(|change| format!("{} {change}", change.effect)).collect()
    };
    assert_eq!(
        changes("per = [\"wallet\"]\nwindow_ms = 1001\ndeny_above = \"5\""),
        ["loosens restriction day: window_ms 1000 -> 1001"]
    );
    assert_eq!(
        changes("per = [\"wallet\", \"client\"]\nwindow_ms = 1000\ndeny_above = \"5\""),
        ["loosens restriction day: per wallet -> wallet and client"]
    );
    assert_eq!(
        changes("per = [\"wallet\"]\nwindow_ms = 1000\ndeny_above = \"4\""),
        ["tightens restriction day: deny_above 5 -> 4"]
    );
}

#[test]
fn added_restriction_tightens_and_the_first_fee_cap_of_a_chain_does_not() {
    let cap = |chain: u64| {
        format!(
            "[[restriction]]\nid = \"cap-2\"\ntype = \"fee_cap\"\nchain_id = {chain}\nmax = \"1\"\n\n[risk]"
        )
    };
    assert_change("[risk]", &cap(1), "tightens restriction cap-2: added (fee_cap)");
    assert_change(
        "[risk]",
        &cap(5),
        "loosens restriction cap-2: added (fee_cap): sweeps and cancellations become possible on the chain",
    );
    assert_change(
        "lists = [\"ofac-eth\"]",
        "lists = [\"ofac-eth\", \"ofac-2\"]",
        "tightens restriction sanctions: lists + ofac-2",
    );
    let swapped = diff("lists = [\"ofac-eth\"]", "lists = [\"ofac-2\"]");
    assert_eq!(
        swapped,
        ["loosens restriction sanctions: lists - ofac-eth", "tightens restriction sanctions: lists + ofac-2"]
    );
}

#[test]
fn digest_is_the_hash_of_a_text_that_names_both_documents_and_every_change() {
    let (old, new) = (parse(DEMO), parse(&DEMO.replacen("hold_at = 40", "hold_at = 41", 1)));
    let diff = PolicyDiff::between(&old, &new);
    let text = format!(
        "holdfast-policy-diff/v1\nold {}\nnew {}\nloosens restriction risk: hold_at 40 -> 41\n",
        old.hash(),
        new.hash()
    );
    assert_eq!(diff.canonical_text(), text);
    assert_eq!(diff.digest(), DiffDigest::from_bytes(sha256(text.as_bytes())));
    assert!(diff.loosens());
    assert_ne!(PolicyDiff::between(&new, &old).digest(), diff.digest());
    assert!(!PolicyDiff::between(&new, &old).loosens());
}

/// The demo's policy with two tiers, and these wallets in the first.
fn tiered(first: &str, second: &str, ceiling: &str) -> String {
    let tier = |id: &str, wallets: &str| format!("[[tier]]\nid = \"{id}\"\nwallets = [{wallets}]\n");
    let text = format!("{}{ceiling}\n{}\n[risk]", tier("hot", first), tier("warm", second));
    DEMO.replacen("[risk]", &text, 1).replacen("wallets = [\"hot-1\"]", "wallets = [\"hot-1\", \"hot-2\"]", 1)
}

fn between(old: &str, new: &str) -> Vec<String> {
    let diff = PolicyDiff::between(&parse(old), &parse(new));
    diff.changes().iter().map(|change| format!("{} {change}", change.effect)).collect()
}

const CEILING: &str =
    "[[tier.ceiling]]\nid = \"day\"\nasset = \"USDT\"\nwindow_ms = 1000\ndeny_above = \"9\"\n";

#[test]
fn wallet_that_is_moved_to_another_tier_loosens() {
    let old = tiered("\"hot-1\", \"hot-2\"", "\"warm-1\"", CEILING);
    let new = tiered("\"hot-1\"", "\"warm-1\", \"hot-2\"", CEILING);
    assert_eq!(
        between(&old, &new),
        ["loosens tier hot: wallets - hot-2", "tightens tier warm: wallets + hot-2"]
    );
    let more = tiered("\"hot-1\", \"hot-2\", \"hot-3\"", "\"warm-1\"", CEILING);
    assert_eq!(between(&old, &more), ["tightens tier hot: wallets + hot-3"]);
}

#[test]
fn ceilings_are_compared_point_by_point() {
    let with = |ceiling: &str| tiered("\"hot-1\", \"hot-2\"", "\"warm-1\"", ceiling);
    for (from, to, change) in [
        ("\"9\"", "\"8\"", "tightens restriction day: deny_above 9 -> 8"),
        ("\"9\"", "\"10\"", "loosens restriction day: deny_above 9 -> 10"),
        ("window_ms = 1000", "window_ms = 2000", "loosens restriction day: window_ms 1000 -> 2000"),
        ("asset = \"USDT\"", "unit = \"count\"", "loosens restriction day: unit USDT -> count"),
        ("window_ms = 1000\n", "", "loosens restriction day: type limit_window -> limit_per_transaction"),
    ] {
        let (old, new) = (with(CEILING), with(&CEILING.replacen(from, to, 1)));
        assert_eq!(between(&old, &new), [change], "`{from}` -> `{to}`");
    }
    assert_eq!(between(&with(""), &with(CEILING)), ["tightens restriction day: added (limit_window)"]);
    assert_eq!(between(&with(CEILING), &with("")), ["loosens restriction day: removed (limit_window)"]);
    // The same ceiling of another tier is another ceiling.
    let moved = format!("{}\n", with("")).replacen("[risk]", &format!("{CEILING}\n[risk]"), 1);
    assert_eq!(between(&with(CEILING), &moved), ["loosens restriction day: tier hot -> warm"]);
}

#[test]
fn tiers_that_come_tighten_and_tiers_that_go_loosen() {
    let plain = DEMO.replacen("wallets = [\"hot-1\"]", "wallets = [\"hot-1\", \"hot-2\"]", 1);
    let tiered = tiered("\"hot-1\", \"hot-2\"", "\"warm-1\"", "");
    assert_eq!(between(&plain, &tiered), ["tightens tier hot: added", "tightens tier warm: added"]);
    assert_eq!(between(&tiered, &plain), ["loosens tier hot: removed", "loosens tier warm: removed"]);
    // A grant for a tier is a grant for its wallets.
    let named = tiered.replacen("wallets = [\"hot-1\", \"hot-2\"]\nassets", "tiers = [\"hot\"]\nassets", 1);
    assert!(named.contains("tiers ="));
    assert!(between(&tiered, &named).is_empty());
}

#[test]
fn limit_for_one_transaction_in_dollars_is_another_limit() {
    let prices = "[prices]\nmax_age_ms = 1000\nproviders = [\"market\"]\n\n[risk]";
    let old = DEMO.replacen("[risk]", prices, 1);
    let new = old.replacen("asset = \"USDT\"", "unit = \"usd_cents\"", 1);
    assert_eq!(between(&old, &new), ["loosens restriction usdt-limit: unit USDT -> usd_cents"]);
}
