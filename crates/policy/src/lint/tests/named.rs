//! Names in a document that a cell does not have, and those that nobody looked up.

use super::*;

#[test]
fn providers_that_the_roster_does_not_have_are_found_wherever_they_are_named() {
    let exchange = include_str!("../../../fixtures/exchange-policy.toml");
    let known = KnownParties { wallets: None, ..cell() };
    let mut lines: Vec<_> = found(exchange, Some(&known))
        .into_iter()
        .filter(|(code, ..)| *code == "PROVIDER_UNKNOWN")
        .map(|(_, line, _)| exchange.lines().nth(line - 1).unwrap())
        .collect();
    lines.sort_unstable();
    let named = ["chain-analyst", "identity", "market", "vasp-net"];
    assert_eq!(lines, named.map(|name| format!("providers = [\"{name}\"]")));
}

#[test]
fn role_that_holds_escalate_to_and_nobody_has_is_found() {
    let text = DEMO.replacen("[hold]", "[hold]\nescalate_after_ms = 1\nescalate_to = \"dsek\"", 1);
    let found = found(&text, Some(&cell()));
    let expected = ("HOLD_OWNER_UNFILLED", line_of(&text, "escalate_to"), None);
    assert!(found.contains(&expected), "{found:?}");
}

#[test]
fn names_that_nobody_looked_up_are_told() {
    let text = DEMO.replacen("[hold]", "[hold]\nescalate_after_ms = 1\nescalate_to = \"desk\"", 1);
    let named = NamedParties::of(&PolicyDocument::parse(&text).unwrap());
    let whole = serde_json::json!({
        "roles": ["desk", "withdrawal-approver"], "clients": ["pipeline"], "wallets": ["hot-1"],
        "assets": ["ETH", "USDT"], "lists": ["ofac-eth"],
    });
    let unknown = |known: Option<&KnownParties>| {
        serde_json::to_value(KnownParties::leave_unknown(known, named.clone())).unwrap()
    };
    assert_eq!(unknown(None), whole);
    let genesis = KnownParties { wallets: None, ..cell() };
    assert_eq!(unknown(Some(&genesis)), serde_json::json!({"wallets": ["hot-1"]}), "a genesis has none");
    assert_eq!(unknown(Some(&cell())), serde_json::json!({}));
}

#[test]
fn every_kind_of_rule_gives_its_names() {
    let document = PolicyDocument::parse(include_str!("../../../fixtures/exchange-policy.toml")).unwrap();
    let named = NamedParties::of(&document);
    let shown = |names: Vec<String>| names.join(" ");
    assert_eq!(
        shown(named.roles.iter().map(ToString::to_string).collect()),
        "compliance legal withdrawal-approver"
    );
    assert_eq!(
        shown(named.providers.iter().map(ToString::to_string).collect()),
        "chain-analyst identity market sessions vasp-net"
    );
    assert_eq!(shown(named.wallets.iter().map(ToString::to_string).collect()), "cold-1 hot-1 warm-1");
    assert_eq!(shown(named.assets.iter().map(ToString::to_string).collect()), "ETH USDC USDT WBTC");
    assert_eq!(shown(named.lists.iter().map(ToString::to_string).collect()), "ofac-eth");
    assert_eq!(named.clients.len(), 4);
}
