//! Tests of the findings: each one by a document that has it and the demo's, which has not.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{AssetSymbol, ChainId};

use super::*;

mod named;

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");

fn found(text: &str, known: Option<&KnownParties>) -> Vec<(&'static str, usize, Option<String>)> {
    let document = PolicyDocument::parse(text).unwrap();
    let shown = |finding: PolicyFinding| {
        (finding.code.code(), finding.line, finding.rule.map(|rule| rule.to_string()))
    };
    lint(&document, known).into_iter().map(shown).collect()
}

fn codes(text: &str) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    for (code, ..) in found(text, None) {
        *counts.entry(code).or_insert(0_u32) += 1;
    }
    counts
}

/// What one replacement in the demo's policy adds: code, line, rule.
fn added(from: &str, to: &str) -> Vec<(&'static str, usize, Option<String>)> {
    assert!(DEMO.contains(from), "the fixture has no `{from}`");
    let mut before = codes(DEMO);
    let all = found(&DEMO.replacen(from, to, 1), None);
    all.into_iter()
        .filter(|(code, ..)| match before.get_mut(code) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            Some(_) | None => true,
        })
        .collect()
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

fn assert_added(from: &str, to: &str, code: &str, at: &str, rule: Option<&str>) {
    let line = line_of(&DEMO.replacen(from, to, 1), at);
    let expected = vec![(code, line, rule.map(str::to_owned))];
    let found = added(from, to);
    assert_eq!(
        found.iter().map(|(c, l, r)| (*c, *l, r.clone())).collect::<Vec<_>>(),
        expected,
        "`{from}` -> `{to}`"
    );
}

#[test]
fn providers_of_sessions_that_are_named_are_no_finding() {
    let named = DEMO.replacen("[risk]", "[sessions]\nproviders = [\"sessions\"]\n\n[risk]", 1);
    assert!(codes(DEMO).contains_key("SESSION_PROVIDERS_OPEN"));
    assert!(!codes(&named).contains_key("SESSION_PROVIDERS_OPEN"));
}

const WINDOW: &str = "[[restriction]]\nid = \"day\"\ntype = \"limit_window\"\n";

fn with_window(rule: &str) -> String {
    format!("{WINDOW}{rule}\n\n[risk]")
}

#[test]
fn demo_is_fit_for_a_demo_only() {
    let codes: Vec<_> = codes(DEMO).into_iter().collect();
    assert_eq!(
        codes,
        [
            ("ASSET_WITHOUT_WINDOW", 2),
            ("NO_COOLING_OFF", 1),
            ("REPORT_AGE_LONG", 1),
            ("SESSION_PROVIDERS_OPEN", 1)
        ]
    );
}

#[test]
fn bands_that_are_empty_or_never_reached_are_found() {
    let hold = "hold_above = { amount = \"5000000000\"";
    assert_added(
        hold,
        "hold_above = { amount = \"100000000000\"",
        "HOLD_BAND_EMPTY",
        "\"100000000000\", approvals",
        Some("usdt-limit"),
    );
    assert_added(
        hold,
        "hold_above = { amount = \"0\"",
        "HOLDS_EVERYTHING",
        "amount = \"0\"",
        Some("usdt-limit"),
    );
    let zero = added(
        "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }\ndeny_above = \"100000000000\"",
        "deny_above = \"0\"",
    );
    assert_eq!(zero[0].0, "DENIES_EVERYTHING");
    // By a grant's maximum
    let max = "destinations = \"whitelisted\"\nmax_amount = { USDT = \"5000000000\" }";
    let found: Vec<_> = added("destinations = \"whitelisted\"", max)
        .into_iter()
        .map(|(code, _, rule)| (code, rule.unwrap()))
        .collect();
    assert_eq!(
        found,
        [("HOLD_NEVER_REACHED", "usdt-limit".to_owned()), ("DENY_NEVER_REACHED", "usdt-limit".to_owned())]
    );
    // By another limit, and by a window that contains each transaction
    let second = "[[restriction]]\nid = \"second\"\ntype = \"limit_per_transaction\"\nasset = \"USDT\"\nhold_above = { amount = \"100000000000\", approvals = { withdrawal-approver = 2 } }\n\n[risk]";
    assert_added("[risk]", second, "HOLD_NEVER_REACHED", "\"100000000000\", approvals", Some("second"));
    let window =
        with_window("asset = \"USDT\"\nper = [\"wallet\"]\nwindow_ms = 1\ndeny_above = \"5000000000\"");
    let found: Vec<_> =
        added("[risk]", &window).into_iter().map(|(code, _, rule)| (code, rule.unwrap())).collect();
    assert_eq!(
        found,
        [("HOLD_NEVER_REACHED", "usdt-limit".to_owned()), ("DENY_NEVER_REACHED", "usdt-limit".to_owned())]
    );
}

#[test]
fn window_within_a_wider_one_is_found_and_one_beside_it_is_not() {
    let two = |other: &str| {
        let first = with_window(
            "asset = \"ETH\"\nper = [\"wallet\"]\nwindow_ms = 1000\nhold_above = { amount = \"1\", approvals = { a = 2 } }\ndeny_above = \"90000000000000000000\"",
        );
        first.replacen("\n\n[risk]", &format!("\n\n[[restriction]]\nid = \"hour\"\ntype = \"limit_window\"\nasset = \"ETH\"\n{other}\n\n[risk]"), 1)
    };
    let codes = |other: &str| -> Vec<_> {
        added("[risk]", &two(other))
            .into_iter()
            .filter(|(_, _, rule)| rule.as_deref() == Some("hour"))
            .map(|(code, ..)| code)
            .collect()
    };
    let never = vec!["DENY_NEVER_REACHED"];
    assert_eq!(
        codes("per = [\"wallet\", \"customer\"]\nwindow_ms = 900\ndeny_above = \"90000000000000000001\""),
        never
    );
    assert!(codes("per = [\"wallet\"]\nwindow_ms = 1001\ndeny_above = \"90000000000000000001\"").is_empty());
    assert!(codes("per = [\"customer\"]\nwindow_ms = 900\ndeny_above = \"90000000000000000001\"").is_empty());
    assert!(codes("per = [\"wallet\"]\nwindow_ms = 900\ndeny_above = \"89999999999999999999\"").is_empty());
}

#[test]
fn thresholds_that_no_score_reaches_are_found() {
    let found: Vec<_> =
        added("listed_address = 100", "listed_address = 10").into_iter().map(|(code, ..)| code).collect();
    assert_eq!(found, ["RISK_NEVER_REACHED"]);
    assert_added("hold_at = 40", "hold_at = 90", "HOLD_BAND_EMPTY", "hold_at = 90", Some("risk"));
    assert_added("hold_at = 40", "hold_at = 0", "HOLDS_EVERYTHING", "hold_at = 0", Some("risk"));
}

#[test]
fn grants_that_say_nothing_new_are_found() {
    let second = "[[grant]]\nid = \"second\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\n\n# What limits";
    let codes: Vec<_> = added("# What limits", second).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["GRANT_SHADOWED", "ASSET_WITHOUT_WINDOW"]);
    let wider = second.replace("hot-1", "hot-2");
    assert!(added("# What limits", &wider).iter().all(|(code, ..)| *code != "GRANT_SHADOWED"));
    let equal = "[[grant]]\nid = \"second\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\", \"USDT\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\n\n# What limits";
    let shadowed: Vec<_> =
        added("# What limits", equal).into_iter().filter(|(code, ..)| *code == "GRANT_SHADOWED").collect();
    assert_eq!(shadowed.len(), 1, "of two equal grants one");
    assert_eq!(shadowed[0].2.as_deref(), Some("second"));
    let zero = added(
        "destinations = \"whitelisted\"",
        "destinations = \"whitelisted\"\nmax_amount = { USDT = \"0\" }",
    );
    assert!(zero.iter().any(|(code, ..)| *code == "GRANT_NEVER_USED"), "{zero:?}");
}

#[test]
fn restriction_about_an_asset_that_nobody_gives_is_found() {
    let rule = "[[restriction]]\nid = \"dai\"\ntype = \"limit_per_transaction\"\nasset = \"DAI\"\ndeny_above = \"5\"\n\n[risk]";
    assert_added("[risk]", rule, "RESTRICTION_NEVER_APPLIES", "asset = \"DAI\"", Some("dai"));
    let window = with_window("asset = \"DAI\"\nper = [\"wallet\"]\nwindow_ms = 1\ndeny_above = \"5\"");
    assert_added("[risk]", &window, "RESTRICTION_NEVER_APPLIES", "asset = \"DAI\"", Some("day"));
}

#[test]
fn over_wide_documents_are_found() {
    assert_added(
        "clients = [\"pipeline\"]\n",
        "",
        "EVERY_CLIENT",
        "id = \"hot-payouts\"",
        Some("hot-payouts"),
    );
    assert_added(
        "deny_above = \"100000000000\"",
        "",
        "GRANT_WITHOUT_MAXIMUM",
        "assets = [",
        Some("hot-payouts"),
    );
    let one = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 1 } }";
    assert_added(
        "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }",
        one,
        "ONE_PERSON_APPROVES",
        one,
        Some("usdt-limit"),
    );
    let without = |kind: &str| {
        let start = DEMO.find(&format!("[[restriction]]\nid = \"{kind}\"")).unwrap();
        let end = DEMO[start + 5..].find("\n[").map(|end| start + 5 + end + 1).unwrap();
        format!("{}{}", &DEMO[..start], &DEMO[end..])
    };
    for (rule, code) in [
        ("whitelist", "NO_WHITELIST"),
        ("sanctions", "NO_SCREENING"),
        ("risk", "NO_RISK"),
        ("mainnet-fee-cap", "NO_FEE_CAP"),
        ("eth-limit", "ASSET_WITHOUT_LIMIT"),
    ] {
        let mut more = codes(&without(rule));
        for code in codes(DEMO).keys() {
            more.remove(code);
        }
        assert_eq!(more.into_iter().collect::<Vec<_>>(), [(code, 1)], "{rule}");
    }
    let counted = with_window("unit = \"count\"\nper = [\"wallet\"]\nwindow_ms = 1\ndeny_above = \"5\"");
    assert!(
        codes(&DEMO.replacen("[risk]", &counted, 1)).contains_key("ASSET_WITHOUT_WINDOW"),
        "a number bounds no amount"
    );
}

fn cell() -> KnownParties {
    let roles =
        |names: &[&str]| names.iter().map(|name| RoleName::new(*name).unwrap()).collect::<BTreeSet<_>>();
    let asset = |symbol: &str, chain: u64| Asset {
        symbol: AssetSymbol::parse(symbol).unwrap(),
        chain_id: ChainId(chain),
        contract: None,
        decimals: 6,
    };
    KnownParties {
        officers: vec![
            ("alice".parse().unwrap(), roles(&["withdrawal-approver", "security-officer"])),
            ("carol".parse().unwrap(), roles(&["withdrawal-approver"])),
        ],
        clients: ["pipeline".parse().unwrap()].into(),
        providers: ["sessions".parse().unwrap()].into(),
        assets: vec![asset("USDT", 1), asset("ETH", 1)],
        lists: ["ofac-eth".parse().unwrap()].into(),
        wallets: Some(["hot-1".parse().unwrap()].into()),
    }
}

#[test]
fn names_that_a_cell_does_not_have_are_found() {
    let of = |known: &KnownParties, text: &str| -> BTreeSet<&'static str> {
        let plain = codes(text);
        found(text, Some(known))
            .into_iter()
            .map(|(code, ..)| code)
            .filter(|code| !plain.contains_key(code))
            .collect()
    };
    assert!(of(&cell(), DEMO).is_empty());
    let with = |change: &dyn Fn(&mut KnownParties)| {
        let mut known = cell();
        change(&mut known);
        of(&known, DEMO)
    };
    assert_eq!(
        with(&|known| drop(known.officers.pop())),
        ["HOLD_ROLE_UNFILLED"].into(),
        "one person fills one place"
    );
    assert_eq!(with(&|known| known.officers.clear()), ["HOLD_OWNER_UNFILLED", "HOLD_ROLE_UNFILLED"].into());
    assert_eq!(with(&|known| known.clients.clear()), ["CLIENT_UNKNOWN"].into());
    assert_eq!(with(&|known| known.wallets = Some(BTreeSet::new())), ["WALLET_UNKNOWN"].into());
    assert!(with(&|known| known.wallets = None).is_empty(), "a genesis has no wallets yet");
    assert_eq!(with(&|known| known.lists.clear()), ["LIST_UNKNOWN"].into());
    assert_eq!(with(&|known| drop(known.assets.pop())), ["ASSET_UNKNOWN"].into());
    assert_eq!(with(&|known| known.assets[1].chain_id = ChainId(5)), ["NO_FEE_CAP"].into());
    let other = with(&|known| known.assets.iter_mut().for_each(|asset| asset.chain_id = ChainId(5)));
    assert_eq!(other, ["NO_FEE_CAP", "RESTRICTION_NEVER_APPLIES"].into());
}

#[test]
fn calls_that_give_more_than_they_seem_to_are_found() {
    let grant = |listing: &str| {
        format!(
            "[[grant]]\nid = \"calls\"\nwallets = [\"hot-1\"]\nassets = [\"ETH\"]\nclients = [\"pipeline\"]\ndestinations = \"whitelisted\"\nmax_amount = {{ ETH = \"0\" }}\n\n[[grant.call]]\ncontract = \"0xdAC17F958D2ee523a2206206994597C13D831ec7\"\nfunction = \"approve(address,uint256)\"\n{listing}\n\n[[restriction]]"
        )
    };
    let of = |listing: &str| -> BTreeSet<&'static str> {
        added("[[restriction]]", &grant(listing)).into_iter().map(|(code, ..)| code).collect()
    };
    let closed = "arguments = [{ position = 1, one_of = [\"wallet\"] }, { position = 2, at_most = \"1\" }]";
    assert_eq!(of(closed), ["ASSET_WITHOUT_WINDOW", "CALL_WITHOUT_COUNT"].into());
    let open = of("allow = [\"unlimited_approval\"]");
    let more: BTreeSet<_> = open.difference(&of(closed)).copied().collect();
    assert_eq!(more, ["CALL_ADDRESS_OPEN", "CALL_AMOUNT_OPEN", "CALL_DANGER_ALLOWED"].into());
    let line = line_of(&DEMO.replacen("[[restriction]]", &grant(""), 1), "approve(address");
    let found = added("[[restriction]]", &grant(""));
    assert!(found.contains(&("CALL_ADDRESS_OPEN", line, Some("calls".to_owned()))), "{found:?}");
}

#[test]
fn codes_are_unique_and_every_sentence_is_complete() {
    let codes: BTreeSet<_> = LintCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(codes.len(), LintCode::ALL.len());
    for code in LintCode::ALL {
        assert!(code.about().ends_with('.') && !code.advice().ends_with('.'), "{}", code.code());
        assert!(
            !code.about().contains('|') && !code.advice().contains('|'),
            "would break the table in docs/policy.md"
        );
    }
}

const TIERS: &str = "[[tier]]\nid = \"hot\"\nwallets = [\"hot-1\"]\n\n[[tier.ceiling]]\nid = \"hot-day\"\nasset = \"USDT\"\nwindow_ms = 1000\ndeny_above = \"100000000001\"\n\n[risk]";

#[test]
fn findings_about_ceilings_name_their_line() {
    let text = DEMO.replacen("[risk]", TIERS, 1);
    // What one transaction cannot reach the ceiling of a window can.
    assert!(added("[risk]", TIERS).is_empty(), "{:?}", added("[risk]", TIERS));
    let empty = text.replacen("deny_above = \"100000000001\"", "deny_above = \"0\"", 1);
    let rule = Some("hot-day".to_owned());
    assert!(found(&empty, None).contains(&(
        "DENIES_EVERYTHING",
        line_of(&empty, "deny_above = \"0\""),
        rule.clone()
    )));
    let other = text.replacen("asset = \"USDT\"\nwindow_ms", "asset = \"WBTC\"\nwindow_ms", 1);
    let line = line_of(&other, "asset = \"WBTC\"");
    let all = found(&other, None);
    assert!(all.contains(&("RESTRICTION_NEVER_APPLIES", line, rule)), "{all:?}");
}

#[test]
fn tier_without_a_ceiling_and_ceiling_of_wallets_that_nobody_gives_are_found() {
    let warm = "[[tier]]\nid = \"warm\"\nwallets = [\"warm-1\"]\n";
    let text = DEMO.replacen("[risk]", &TIERS.replacen("[risk]", &format!("{warm}[risk]"), 1), 1);
    assert!(found(&text, None).contains(&("TIER_WITHOUT_CEILING", line_of(&text, "id = \"warm\""), None)));
    let ceiling =
        "[[tier.ceiling]]\nid = \"warm-day\"\nunit = \"count\"\nwindow_ms = 1000\ndeny_above = \"5\"\n";
    let text = text.replacen(warm, &format!("{warm}{ceiling}"), 1);
    let all = codes(&text);
    assert_eq!(all.get("RESTRICTION_NEVER_APPLIES"), Some(&1), "no grant names `warm-1`: {all:?}");
    assert_eq!(all.get("TIER_WITHOUT_CEILING"), Some(&1), "a count bounds no amounts: {all:?}");
}

#[test]
fn ceiling_of_one_tier_limits_no_other() {
    let warm = "[[tier]]\nid = \"warm\"\nwallets = [\"warm-1\"]\n[risk]";
    let day =
        "[[tier.ceiling]]\nid = \"warm-day\"\nasset = \"USDT\"\nwindow_ms = 1000\ndeny_above = \"5\"\n[risk]";
    let text = DEMO.replacen("[risk]", &TIERS.replacen("[risk]", warm, 1), 1);
    let text = text.replacen("wallets = [\"hot-1\"]", "tiers = [\"hot\", \"warm\"]", 1);
    let windows = |text: &str| codes(text).get("ASSET_WITHOUT_WINDOW").copied();
    assert_eq!(windows(&text), Some(2), "USDT from warm-1, and ETH");
    assert_eq!(windows(&text.replacen("[risk]", day, 1)), Some(1), "ETH");
}

#[test]
fn example_of_an_exchange_has_nothing_that_fails_the_check() {
    let document = PolicyDocument::parse(include_str!("../../fixtures/exchange-policy.toml")).unwrap();
    let officer = |name: &str, role: &str| {
        (OfficerId::new(name).unwrap(), BTreeSet::from([RoleName::new(role).unwrap()]))
    };
    let asset = |symbol: &str| Asset {
        symbol: AssetSymbol::parse(symbol).unwrap(),
        chain_id: ChainId(1),
        contract: None,
        decimals: 6,
    };
    let known = KnownParties {
        officers: vec![
            officer("alice", "withdrawal-approver"),
            officer("carol", "withdrawal-approver"),
            officer("bob", "compliance"),
            officer("dave", "legal"),
        ],
        clients: ["pipeline-web", "pipeline-api", "pipeline-desk", "treasury"]
            .map(|client| ClientId::new(client).unwrap())
            .into(),
        providers: ["sessions", "chain-analyst", "identity", "market", "vasp-net"]
            .map(|provider| ProviderId::new(provider).unwrap())
            .into(),
        assets: ["ETH", "USDT", "USDC", "WBTC"].map(asset).into(),
        lists: BTreeSet::from([ListId::new("ofac-eth").unwrap()]),
        wallets: Some(["hot-1", "warm-1", "cold-1"].map(|wallet| WalletId::new(wallet).unwrap()).into()),
    };
    for known in [None, Some(&known)] {
        let failing: Vec<_> = lint(&document, known)
            .into_iter()
            .filter(|finding| finding.code.severity() > Severity::Notice)
            .collect();
        assert!(failing.is_empty(), "{failing:#?}");
    }
}
