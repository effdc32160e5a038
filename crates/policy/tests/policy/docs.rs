//! `docs/policy.md` says what the code does: its example is the demo's policy, and its table is the table of reasons.

use std::collections::BTreeSet;

use holdfast_policy::{LintCode, PolicyCases, PolicyDocument, ReasonCode};

use crate::world::{DEMO_POLICY, World, large_withdrawal};

const DOCS: &str = include_str!("../../../../docs/policy.md");

#[test]
fn example_in_the_docs_is_the_demo_policy_and_is_accepted() {
    let example = DOCS.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(example, DEMO_POLICY);
    PolicyDocument::parse(example).unwrap();
}

#[test]
fn example_of_an_exchange_in_the_docs_is_the_fixture_and_is_accepted() {
    let block = DOCS.split("## Example: an exchange").nth(1).unwrap();
    let example = block.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(example, include_str!("../../fixtures/exchange-policy.toml"));
    PolicyDocument::parse(example).unwrap();
    PolicyDocument::parse(include_str!("../../fixtures/limits-only-policy.toml")).unwrap();
}

#[test]
fn every_component_of_the_score_is_in_the_docs() {
    let exchange = PolicyDocument::parse(include_str!("../../fixtures/exchange-policy.toml")).unwrap();
    assert!(exchange.risk().account.reset_then_new_device.is_some());
    let table = DOCS.split("### `[risk]`").nth(1).and_then(|rest| rest.split("\n### ").next()).unwrap();
    for name in
        crate::risk::COMPONENTS.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
    {
        assert!(table.contains(&format!("`{name}`")), "`[risk]` in docs/policy.md does not explain `{name}`");
    }
}

#[test]
fn every_reason_is_in_the_docs_with_its_sentences() {
    for reason in ReasonCode::ALL {
        let row = format!(
            "| `{}` | {} | {} |",
            reason.code(),
            reason.officer_sentence(),
            reason.customer_sentence()
        );
        assert!(DOCS.lines().any(|line| line == row), "docs/policy.md has no row\n{row}");
    }
}

#[test]
fn text_of_a_hold_in_the_docs_is_what_officers_approve() {
    let decision = World::demo().evaluate(&large_withdrawal());
    let text = decision.hold().unwrap().canonical_text();
    assert!(DOCS.contains(&format!("```text\n{text}```\n")), "docs/policy.md does not show\n{text}");
}

#[test]
fn docs_list_no_reason_that_does_not_exist() {
    let table = DOCS.split("## Reasons").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: Vec<_> = rows.collect();
    let codes: Vec<_> = ReasonCode::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(documented, codes, "same rows in the same order");
    assert_eq!(documented.iter().collect::<BTreeSet<_>>().len(), codes.len());
}

#[test]
fn findings_in_the_docs_are_those_of_the_code() {
    let section = DOCS.split("### `policy check`").nth(1).unwrap().split("### `policy test`").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let row = |code: &LintCode| {
        format!("| `{}` | {} | {} | {} |", code.code(), code.severity().name(), code.about(), code.advice())
    };
    assert_eq!(rows, LintCode::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn cases_in_the_docs_are_read_and_pass() {
    let section = DOCS.split("### `policy test`").nth(1).unwrap();
    let cases = section.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let results = PolicyCases::parse(cases).unwrap().run(&PolicyDocument::parse(DEMO_POLICY).unwrap());
    assert!(results.iter().all(|result| result.differences.is_empty()), "{results:?}");
}
