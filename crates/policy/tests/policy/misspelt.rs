//! Misspelt names, one letter short, in every place of a document that knows nearly every table: the error is about the name that
//! was written and says which one was meant, and never blames a name that is right.

use holdfast_policy::{PolicyCases, PolicyDocument, PolicyError};

use crate::world::DEMO_POLICY;

const EXCHANGE: &str = include_str!("../../fixtures/exchange-policy.toml");
const CASES: &str = include_str!("../../fixtures/exchange-cases.toml");

/// Keys that are values: whoever misspells one names another role or asset.
const VALUES: [&str; 4] = ["withdrawal-approver", "compliance", "legal", "ETH"];

/// Where the names of fields and tables are: offset and name, in the order of the text.
fn names(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split('#').next().unwrap();
        if let Some(header) = code.strip_prefix('[') {
            let name = header.trim_start_matches('[').trim_end().trim_end_matches(']');
            let name = name.rsplit('.').next().unwrap();
            found.push((offset + code.find(name).unwrap(), name));
        } else {
            for (at, _) in code.match_indices(" = ") {
                let name = code[..at].rsplit([' ', '{', ',']).next().unwrap();
                if !VALUES.contains(&name) {
                    found.push((offset + at - name.len(), name));
                }
            }
        }
        offset += line.len();
    }
    found
}

/// The text without one letter of the name at this offset, and the name as it is then.
fn misspelt(text: &str, at: usize, name: &str) -> (String, String) {
    let gone = at + name.len() / 2;
    let text = format!("{}{}", &text[..gone], &text[gone + 1..]);
    let written = text[at..at + name.len() - 1].to_owned();
    (text, written)
}

fn assert_corrected(error: &PolicyError, text: &str, at: usize, name: &str, written: &str) {
    let said = error.to_string();
    assert_eq!(error.code(), "POLICY_FIELD_UNKNOWN", "`{written}` for `{name}`: {said}");
    assert!(said.ends_with(&format!("did you mean `{name}`?")), "`{written}` for `{name}`: {said}");
    let field = error.field().unwrap();
    assert_eq!(field.rsplit('.').next(), Some(written), "{said}");
    let line = text[..at].matches('\n').count() + 1;
    assert_eq!(error.line(), Some(line), "{said}");
}

#[test]
fn every_misspelt_name_of_a_policy_is_named_with_the_one_that_was_meant() {
    let all = names(EXCHANGE);
    assert!(all.len() > 150, "{}", all.len());
    for (at, name) in all {
        let (text, written) = misspelt(EXCHANGE, at, name);
        let error = PolicyDocument::parse(&text).unwrap_err();
        // A ceiling before the first tier makes a table of that name: then it is TOML's own error, with its line.
        if name == "tier" && matches!(error, PolicyError::Syntax { .. }) {
            continue;
        }
        assert_corrected(&error, &text, at, name, &written);
    }
}

#[test]
fn every_misspelt_name_of_a_file_of_cases_is_named_with_the_one_that_was_meant() {
    for (at, name) in names(CASES) {
        let (text, written) = misspelt(CASES, at, name);
        assert_corrected(&PolicyCases::parse(&text).unwrap_err(), &text, at, name, &written);
    }
}

#[test]
fn name_that_is_right_is_never_blamed_for_one_that_is_missing() {
    for text in [EXCHANGE, DEMO_POLICY] {
        for (at, name) in names(text).into_iter().filter(|(at, _)| text[..*at].ends_with('\n')) {
            let end = text[at..].find('\n').unwrap() + at;
            let value = text[at..end].split_once(" = ").unwrap().1;
            if value == "[" {
                continue;
            }
            let without = format!("{}{}", &text[..at], &text[end..]);
            let Err(error) = PolicyDocument::parse(&without) else { continue };
            assert_ne!(error.code(), "POLICY_FIELD_UNKNOWN", "without `{name}`: {error}");
        }
    }
}

#[test]
fn unknown_table_is_named_before_anything_is_said_about_another() {
    let error = |text: &str| PolicyDocument::parse(text).unwrap_err().to_string();
    let line = DEMO_POLICY.lines().count() + 1;
    let text = format!("{DEMO_POLICY}[windws]\n").replace("deny_at = 90", "deny_at = 39");
    assert_eq!(error(&text), format!("line {line}: `windws` is unknown here; remove it or correct its name"));
}

#[test]
fn brackets_that_are_too_few_or_too_many_are_named() {
    let error = |from: &str, to: &str| {
        assert!(DEMO_POLICY.contains(from), "{from}");
        PolicyDocument::parse(&DEMO_POLICY.replacen(from, to, 1)).unwrap_err().to_string()
    };
    let said = error("[[grant]]", "[grant]");
    assert!(
        said.ends_with("`grant` must be an array of tables: write two pairs of brackets around its name")
    );
    let said = error("[hold]", "[[hold]]");
    assert!(said.ends_with("`hold` must be one table: write one pair of brackets around its name"), "{said}");
}
