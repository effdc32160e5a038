//! Tests of the cases: the fixtures pass, a wrong expectation is reported, and what cannot be read is refused with its line.

use super::*;

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");
const DEMO_CASES: &str = include_str!("../../fixtures/demo-cases.toml");

fn run(text: &str) -> Vec<CaseResult> {
    PolicyCases::parse(text).unwrap().run(&PolicyDocument::parse(DEMO).unwrap())
}

#[test]
fn cases_of_the_demo_pass() {
    let results = run(DEMO_CASES);
    assert!(results.len() >= 12);
    for result in results {
        assert!(result.differences.is_empty(), "{}: {:?}", result.name, result.differences);
    }
}

#[test]
fn price_of_a_case_is_known_only_if_the_policy_names_who_reports_prices() {
    // Given a policy that wants to know what a withdrawal is worth, and a case with a price
    let cases = DEMO_CASES.split_inclusive("\n\n[[case]]").take(4).collect::<String>().replacen(
        "[facts]",
        "[facts]\nprice_micro_usd = 1_000_000",
        1,
    );
    let cases = cases.trim_end_matches("[[case]]");
    let wanted = DEMO.replacen("type = \"risk\"", "type = \"risk\"\nrequire = [\"worth\"]", 1);
    let priced = format!("{wanted}\n[prices]\nmax_age_ms = 1000\nproviders = [\"market\"]\n");
    let first = |document: &str| {
        let document = PolicyDocument::parse(document).unwrap();
        PolicyCases::parse(cases).unwrap().run(&document).swap_remove(0).differences
    };
    // Then it is what nodes would do: without `[prices]` nothing has a known worth
    assert_eq!(first(&priced), Vec::<String>::new());
    assert_eq!(first(&wanted).first().map(String::as_str), Some("expected allow, the policy says hold"));
}

#[test]
fn every_wrong_expectation_is_reported() {
    let lie = DEMO_CASES.replacen(
        "expect = \"allow\"\nscore = 0",
        "expect = \"hold\"\ncodes = [\"RISK_HOLD\"]\nscore = 7\nneeds = { desk = 1 }",
        1,
    );
    let wrong: Vec<_> = run(&lie).into_iter().filter(|result| !result.differences.is_empty()).collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(
        wrong[0].differences,
        [
            "expected hold, the policy says allow",
            "expected reason RISK_HOLD is not given",
            "expected approvals 1 desk, it needs none",
            "expected risk score 7, it is 0"
        ]
    );
    let more = DEMO_CASES.replacen("codes = [\"ABOVE_AUTOMATIC_LIMIT\"]", "codes = [\"RISK_HOLD\"]", 1);
    let wrong: Vec<_> = run(&more).into_iter().flat_map(|result| result.differences).collect();
    assert_eq!(
        wrong,
        ["expected reason RISK_HOLD is not given", "reason ABOVE_AUTOMATIC_LIMIT is given and not expected"]
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_line_and_field() {
    for (from, to, field) in [
        ("version = 1", "version = 2", "version"),
        ("wallet = \"hot-1\"\n", "", "case[0].wallet"),
        ("expect = \"allow\"", "expect = \"perhaps\"", "case[0].expect"),
        ("expect = \"allow\"", "expect = \"allow\"\nexcept = 1", "case[0].except"),
        ("session = true", "session = \"good\"", "facts.session"),
        ("codes = [\"ABOVE_AUTOMATIC_LIMIT\"]", "codes = [\"TOO_MUCH\"]", "case[1].codes[0]"),
    ] {
        assert!(DEMO_CASES.contains(from), "the fixture has no `{from}`");
        let error = PolicyCases::parse(&DEMO_CASES.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
    assert_eq!(PolicyCases::parse(&" ".repeat(1024 * 1024 + 1)).unwrap_err().code(), "POLICY_TOO_LARGE");
}

#[test]
fn facts_of_one_withdrawal_are_read_without_an_expectation() {
    let head = DEMO_CASES.split("[[case]]").next().unwrap();
    let cases = PolicyCases::parse_facts(&format!("{head}\namount = \"1250000000\"\n")).unwrap();
    let [result] = cases.run(&PolicyDocument::parse(DEMO).unwrap()).try_into().unwrap();
    assert!(result.decision.is_allowed());
}

#[test]
fn cases_of_the_exchange_pass() {
    let policy = include_str!("../../fixtures/exchange-policy.toml");
    let cases = PolicyCases::parse(include_str!("../../fixtures/exchange-cases.toml")).unwrap();
    let results = cases.run(&PolicyDocument::parse(policy).unwrap());
    assert!(results.len() >= 30);
    let failed: Vec<_> = results
        .iter()
        .filter(|result| !result.differences.is_empty())
        .map(|result| format!("{}: {:?}, {:?}", result.name, result.differences, result.decision.reasons()))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
