//! Tests of the document: what it reads, and that everything else is refused with line and field.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use super::*;

const DEMO: &str = include_str!("../../fixtures/demo-policy.toml");

/// The error that the demo's policy gives after one replacement, as code, line and field.
fn refusal(from: &str, to: &str) -> (&'static str, usize, String) {
    assert!(DEMO.contains(from), "the fixture has no `{from}`");
    match PolicyDocument::parse(&DEMO.replacen(from, to, 1)).unwrap_err() {
        PolicyError::Field { line, field, problem } => (problem_code(&problem), line, field),
        other @ (PolicyError::TooLarge { .. } | PolicyError::Syntax { .. }) => {
            panic!("no field named: {other}")
        }
    }
}

fn problem_code(problem: &FieldProblem) -> &'static str {
    PolicyError::Field { line: 1, field: String::new(), problem: problem.clone() }.code()
}

fn line_of(text: &str) -> usize {
    DEMO.lines().position(|line| line.contains(text)).unwrap() + 1
}

fn assert_refused(from: &str, to: &str, code: &str, field: &str) {
    let (found, line, named) = refusal(from, to);
    assert_eq!((found, named.as_str()), (code, field), "`{from}` -> `{to}`");
    let first = from.lines().find(|line| !line.is_empty()).unwrap();
    assert_eq!(line, line_of(first), "`{from}` -> `{to}`");
}

#[test]
fn demo_policy_is_read_as_written() {
    let policy = PolicyDocument::parse(DEMO).unwrap();
    let [grant] = policy.grants() else { panic!("one grant") };
    assert_eq!(grant.id.as_str(), "hot-payouts");
    assert_eq!(grant.assets.iter().map(AssetSymbol::as_str).collect::<Vec<_>>(), ["ETH", "USDT"]);
    assert_eq!(grant.clients.as_ref().unwrap().len(), 1);
    assert!(grant.max_amount.is_empty());
    let ids: Vec<_> = policy.restrictions().iter().map(|restriction| restriction.id.as_str()).collect();
    assert_eq!(ids, ["whitelist", "sanctions", "usdt-limit", "eth-limit", "mainnet-fee-cap", "risk"]);
    let RestrictionRule::LimitPerTransaction(limit) = &policy.restrictions()[2].rule else {
        panic!("a limit")
    };
    assert_eq!(limit.deny_above, Some(Amount::from_u128(100_000_000_000)));
    assert_eq!(limit.hold_above[0].amount, Amount::from_u128(5_000_000_000));
    assert_eq!(policy.risk().max_report_age, DurationMs(86_400_000));
    assert_eq!(policy.hold().owner.as_str(), "withdrawal-approver");
    assert_eq!(policy.whitelist().max_life, DurationMs(7_776_000_000));
    assert_eq!(policy.authorization_max_age(), DurationMs(600_000));
    assert_eq!(policy.screening_lists().into_iter().map(ListId::as_str).collect::<Vec<_>>(), ["ofac-eth"]);
}

#[test]
fn hash_covers_every_byte_also_comments() {
    let policy = PolicyDocument::parse(DEMO).unwrap();
    let commented = PolicyDocument::parse(&format!("{DEMO}# one more comment\n")).unwrap();
    assert_eq!(policy.source(), DEMO);
    assert_eq!(policy.hash(), PolicyHash::from_bytes(sha256(DEMO.as_bytes())));
    assert_ne!(policy.hash(), commented.hash());
}

#[test]
fn oversized_document_is_refused_before_it_is_parsed() {
    let size = MAX_DOCUMENT_BYTES + 1;
    let error = PolicyDocument::parse(&"[".repeat(size)).unwrap_err();
    assert_eq!(error, PolicyError::TooLarge { size });
    let padded = format!("{DEMO}#{}", "x".repeat(MAX_DOCUMENT_BYTES - DEMO.len() - 1));
    assert_eq!(padded.len(), MAX_DOCUMENT_BYTES);
    assert!(PolicyDocument::parse(&padded).is_ok());
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    for (text, line) in [
        ("version = 1\n[hold\n", 2),
        ("version = 1\n\nversion = 1\n", 3),
        ("version = 1\nx = \"\u{0}\"\n", 2),
        ("version = \n", 1),
    ] {
        let error = PolicyDocument::parse(text).unwrap_err();
        assert!(
            matches!(error, PolicyError::Syntax { line: found, .. } if found == line),
            "{text:?}: {error:?}"
        );
        assert_eq!(error.code(), "POLICY_SYNTAX");
    }
    let deep = format!("x = {}", "[".repeat(10_000));
    assert!(matches!(PolicyDocument::parse(&deep), Err(PolicyError::Syntax { .. })), "nesting is bounded");
}

#[test]
fn unknown_fields_are_refused_wherever_they_are() {
    assert_refused(
        "owner = \"withdrawal",
        "ovner = 1\nowner = \"withdrawal",
        "POLICY_FIELD_UNKNOWN",
        "hold.ovner",
    );
    assert_refused("clients = [", "cilents = [", "POLICY_FIELD_UNKNOWN", "grant[0].cilents");
    assert_refused(
        "deny_above = \"1000",
        "deny_abvoe = \"1000",
        "POLICY_FIELD_UNKNOWN",
        "restriction[2].deny_abvoe",
    );
    assert_refused("version = 1", "restrictions = []\nversion = 1", "POLICY_FIELD_UNKNOWN", "restrictions");
}

// Replaces the line after the one found, so the helper's line check does not fit: the code and field are enough.
#[test]
fn missing_fields_are_refused_and_named() {
    for (from, field) in [
        ("version = 1", "version"),
        ("wallets = [\"hot-1\"]", "grant[0].wallets"),
        ("destinations = \"whitelisted\"", "grant[0].destinations"),
        ("on_match = \"deny\"", "restriction[1].on_match"),
        ("type = \"risk\"", "restriction[5].type"),
        ("hold_at = 40", "restriction[5].hold_at"),
        ("new_device = 25", "risk.new_device"),
        ("max_age_ms = 600_000", "authorization.max_age_ms"),
        ("[hold]\ndeadline_ms = 86_400_000\nowner = \"withdrawal-approver\"", "hold"),
    ] {
        let (code, _, named) = refusal(from, "");
        assert_eq!((code, named.as_str()), ("POLICY_FIELD_MISSING", field));
    }
}

#[test]
fn missing_field_points_to_the_line_of_its_table() {
    let (_, line, _) = refusal("wallets = [\"hot-1\"]\n", "");
    assert_eq!(line, line_of("[[grant]]"));
    let (_, line, _) = refusal("hold_at = 40\n", "");
    assert_eq!(line, line_of("id = \"risk\"") - 1);
}

#[test]
fn document_without_a_grant_is_refused() {
    let start = DEMO.find("[[grant]]").unwrap();
    let end = DEMO.find("# What limits").unwrap();
    let without = format!("{}{}", &DEMO[..start], &DEMO[end..]);
    let error = PolicyDocument::parse(&without).unwrap_err();
    assert_eq!((error.code(), error.field()), ("POLICY_FIELD_MISSING", Some("grant")));
    let error =
        PolicyDocument::parse(&without.replace("version = 1", "version = 1\ngrant = []")).unwrap_err();
    assert_eq!((error.code(), error.field()), ("POLICY_FIELD_EMPTY", Some("grant")));
}

#[test]
fn other_versions_are_refused() {
    for version in ["0", "2", "18446744073709551615"] {
        assert_refused("version = 1", &format!("version = {version}"), "POLICY_FIELD_INVALID", "version");
    }
    assert_refused("version = 1", "version = \"1\"", "POLICY_FIELD_TYPE", "version");
    assert_refused("version = 1", "version = 1.0", "POLICY_FIELD_TYPE", "version");
    assert_refused("version = 1", "version = -1", "POLICY_FIELD_OUT_OF_RANGE", "version");
}

#[test]
fn amounts_that_could_be_misread_are_refused() {
    let field = "restriction[2].deny_above";
    let from = "deny_above = \"100000000000\"";
    for amount in ["1e11", "100_000", "-5", "1.5", "", " 5", "007"] {
        assert_refused(from, &format!("deny_above = \"{amount}\""), "POLICY_FIELD_INVALID", field);
    }
    assert_refused(from, "deny_above = 100000000000", "POLICY_FIELD_TYPE", field);
    assert_refused(
        "amount = \"5000000000\"",
        "amount = 5",
        "POLICY_FIELD_TYPE",
        "restriction[2].hold_above.amount",
    );
}

#[test]
fn amounts_in_the_wrong_order_are_refused() {
    let field = "restriction[2].deny_above";
    assert_refused(
        "deny_above = \"100000000000\"",
        "deny_above = \"4999999999\"",
        "POLICY_FIELD_CONTRADICTION",
        field,
    );
    let equal = DEMO.replace("deny_above = \"100000000000\"", "deny_above = \"5000000000\"");
    assert!(PolicyDocument::parse(&equal).is_ok());
}

#[test]
fn limit_that_limits_nothing_is_refused_and_one_bound_is_enough() {
    let hold = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }\n";
    let deny = "deny_above = \"100000000000\"\n";
    assert!(PolicyDocument::parse(&DEMO.replacen(hold, "", 1)).is_ok());
    assert!(PolicyDocument::parse(&DEMO.replacen(deny, "", 1)).is_ok());
    let (code, _, field) = refusal(&format!("{hold}{deny}"), "");
    assert_eq!((code, field.as_str()), ("POLICY_FIELD_MISSING", "restriction[2].deny_above"));
}

#[test]
fn risk_thresholds_out_of_order_or_range_are_refused() {
    assert_refused("deny_at = 90", "deny_at = 39", "POLICY_FIELD_CONTRADICTION", "restriction[5].deny_at");
    assert_refused("deny_at = 90", "deny_at = 101", "POLICY_FIELD_OUT_OF_RANGE", "restriction[5].deny_at");
    assert_refused("hold_at = 40", "hold_at = -1", "POLICY_FIELD_OUT_OF_RANGE", "restriction[5].hold_at");
    assert_refused("new_device = 25", "new_device = 256", "POLICY_FIELD_OUT_OF_RANGE", "risk.new_device");
    assert!(PolicyDocument::parse(&DEMO.replace("deny_at = 90", "deny_at = 40")).is_ok());
}

#[test]
fn approvals_by_nobody_are_refused() {
    let from = "approvals = { withdrawal-approver = 2 }\n\n# What each";
    let field = "restriction[5].approvals";
    let refused = |to: &str| refusal(from, &format!("approvals = {to}\n\n# What each"));
    for (to, code, suffix) in [
        ("{}", "POLICY_FIELD_EMPTY", ""),
        ("{ withdrawal-approver = 0 }", "POLICY_FIELD_OUT_OF_RANGE", ".withdrawal-approver"),
        ("{ withdrawal-approver = 17 }", "POLICY_FIELD_OUT_OF_RANGE", ".withdrawal-approver"),
        ("{ withdrawal-approver = \"2\" }", "POLICY_FIELD_TYPE", ".withdrawal-approver"),
        ("{ Approver = 2 }", "POLICY_FIELD_INVALID", ".Approver"),
        ("2", "POLICY_FIELD_TYPE", ""),
        ("{ a=1, b=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1 }", "POLICY_FIELD_TOO_MANY", ""),
    ] {
        let (found, _, named) = refused(to);
        assert_eq!((found, named), (code, format!("{field}{suffix}")), "{to}");
    }
}

#[test]
fn repeated_and_reserved_ids_are_refused() {
    assert_refused("id = \"sanctions\"", "id = \"whitelist\"", "POLICY_FIELD_DUPLICATE", "restriction[1].id");
    assert_refused(
        "id = \"sanctions\"",
        "id = \"hot-payouts\"",
        "POLICY_FIELD_DUPLICATE",
        "restriction[1].id",
    );
    assert_refused(
        "id = \"sanctions\"",
        "id = \"builtin.wallet\"",
        "POLICY_FIELD_INVALID",
        "restriction[1].id",
    );
    assert_refused("id = \"hot-payouts\"", "id = \"Hot Payouts\"", "POLICY_FIELD_INVALID", "grant[0].id");
}

#[test]
fn repeated_malformed_and_missing_values_in_lists_are_refused() {
    let from = "assets = [\"USDT\", \"ETH\"]";
    assert_refused(from, "assets = [\"USDT\", \"USDT\"]", "POLICY_FIELD_DUPLICATE", "grant[0].assets[1]");
    assert_refused(from, "assets = [\"USDT\", \"usdt\"]", "POLICY_FIELD_INVALID", "grant[0].assets[1]");
    assert_refused(from, "assets = []", "POLICY_FIELD_EMPTY", "grant[0].assets");
    assert_refused(from, "assets = \"USDT\"", "POLICY_FIELD_TYPE", "grant[0].assets");
    assert_refused("lists = [\"ofac-eth\"]", "lists = []", "POLICY_FIELD_EMPTY", "restriction[1].lists");
    let many: Vec<_> = (0..257).map(|n| format!("\"w{n}\"")).collect();
    let many = format!("wallets = [{}]", many.join(","));
    assert_refused("wallets = [\"hot-1\"]", &many, "POLICY_FIELD_TOO_MANY", "grant[0].wallets");
    let most = many.replace(",\"w256\"", "");
    assert!(PolicyDocument::parse(&DEMO.replace("wallets = [\"hot-1\"]", &most)).is_ok(), "256 are accepted");
}

#[test]
fn unknown_choices_are_refused() {
    assert_refused(
        "type = \"whitelist\"",
        "type = \"whitelst\"",
        "POLICY_FIELD_INVALID",
        "restriction[0].type",
    );
    assert_refused(
        "on_match = \"deny\"",
        "on_match = \"allow\"",
        "POLICY_FIELD_INVALID",
        "restriction[1].on_match",
    );
    let from = "destinations = \"whitelisted\"";
    assert_refused(from, "destinations = \"anybody\"", "POLICY_FIELD_INVALID", "grant[0].destinations");
}

#[test]
fn grant_maximum_for_an_asset_it_does_not_name_is_refused() {
    let from = "destinations = \"whitelisted\"";
    let with = |max: &str| format!("{from}\nmax_amount = {max}");
    let (code, _, field) = refusal(from, &with("{ DAI = \"1\" }"));
    assert_eq!((code, field.as_str()), ("POLICY_FIELD_INVALID", "grant[0].max_amount.DAI"));
    let policy = PolicyDocument::parse(&DEMO.replacen(from, &with("{ ETH = \"7\" }"), 1)).unwrap();
    let eth = AssetSymbol::parse("ETH").unwrap();
    assert_eq!(policy.grants()[0].max_amount.get(&eth), Some(&Amount::from_u128(7)));
}

#[test]
fn durations_that_cannot_be_meant_are_refused() {
    assert_refused(
        "max_age_ms = 600_000",
        "max_age_ms = 0",
        "POLICY_FIELD_OUT_OF_RANGE",
        "authorization.max_age_ms",
    );
    let from = "max_life_ms = 7_776_000_000";
    let field = "whitelist.max_life_ms";
    assert_refused(from, "max_life_ms = 316_224_000_001", "POLICY_FIELD_OUT_OF_RANGE", field);
    assert_refused(from, "max_life_ms = 99999999999999999999999", "POLICY_FIELD_OUT_OF_RANGE", field);
    assert!(PolicyDocument::parse(&DEMO.replace(from, "max_life_ms = 316_224_000_000")).is_ok());
}

#[test]
fn errors_never_repeat_control_characters_or_long_text() {
    let text = format!(
        "version = 1\n\"\\u001b[2J{}\" = 1\n{}",
        "x".repeat(500),
        &DEMO[DEMO.find("[[grant]]").unwrap()..]
    );
    let shown = PolicyDocument::parse(&text).unwrap_err().to_string();
    assert!(shown.is_ascii() && !shown.contains('\u{1b}'), "{shown:?}");
    assert!(shown.len() < 300, "{shown}");
}

#[test]
fn error_says_line_field_and_what_to_do() {
    let error = PolicyDocument::parse(&DEMO.replacen("deny_at = 90", "deny_at = 39", 1)).unwrap_err();
    let line = line_of("deny_at = 90");
    assert_eq!(
        error.to_string(),
        format!("line {line}: `restriction[5].deny_at` must not be below `hold_at`")
    );
}

#[test]
fn long_untrusted_names_are_cut_and_say_so() {
    let named = |name: &str| refusal("[risk]", &format!("{name} = 1\n[risk]")).2;
    let (longest, longer) = ("a".repeat(80), "a".repeat(81));
    assert!(named(&longest).ends_with(&longest));
    assert!(named(&longer).ends_with(&format!("{longest}...")));
}

const WITH_IDENTITY: &str = "[identity]\nproviders = [\"kyc\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 60000\n\n[risk]\n";

#[test]
fn rule_that_steps_up_wants_the_table_that_says_who_may_attest() {
    let refused = refusal("hold_at = 40", "step_up_at = 20\nhold_at = 40");
    assert_eq!((refused.0, refused.2.as_str()), ("POLICY_FIELD_MISSING", "identity"));
    let text = DEMO.replacen("hold_at = 40", "step_up_at = 20\nhold_at = 40", 1).replacen(
        "[risk]\n",
        WITH_IDENTITY,
        1,
    );
    let policy = PolicyDocument::parse(&text).unwrap();
    let terms = policy.identity().unwrap();
    assert_eq!((terms.min_score, terms.max_age), (80, DurationMs(60_000)));
    assert_eq!((terms.providers.len(), terms.methods.len()), (1, 1));
}

#[test]
fn step_up_above_a_hold_or_a_denial_is_a_contradiction() {
    for (from, to, field) in [
        ("hold_at = 40", "hold_at = 40\nstep_up_at = 41", "restriction[5].hold_at"),
        (
            "hold_above = { amount = \"5000000000\"",
            "step_up_above = \"5000000001\"\nhold_above = { amount = \"5000000000\"",
            "restriction[2].hold_above",
        ),
    ] {
        let text = DEMO.replacen(from, to, 1).replacen("[risk]\n", WITH_IDENTITY, 1);
        let error = PolicyDocument::parse(&text).unwrap_err();
        assert_eq!((error.code(), error.field()), ("POLICY_FIELD_CONTRADICTION", Some(field)));
    }
}

#[test]
fn unusable_terms_of_identity_are_refused() {
    for (from, to, code) in [
        ("providers = [\"kyc\"]", "providers = []", "POLICY_FIELD_EMPTY"),
        ("methods = [\"passkey\"]", "methods = [\"Pass Key\"]", "POLICY_FIELD_INVALID"),
        ("min_score = 80", "min_score = 101", "POLICY_FIELD_OUT_OF_RANGE"),
        ("max_age_ms = 60000", "max_age_ms = 0", "POLICY_FIELD_OUT_OF_RANGE"),
        ("min_score = 80", "min_score = 80\nsessions = 1", "POLICY_FIELD_UNKNOWN"),
    ] {
        let text = DEMO.replacen("[risk]\n", &WITH_IDENTITY.replace(from, to), 1);
        assert_eq!(PolicyDocument::parse(&text).unwrap_err().code(), code, "{to}");
    }
}

#[test]
fn whose_session_reports_count_is_everybody_unless_the_document_names_them() {
    assert_eq!(PolicyDocument::parse(DEMO).unwrap().session_providers(), None);
    let with = |table: &str| {
        PolicyDocument::parse(&DEMO.replacen("[risk]\n", &format!("[sessions]\n{table}\n\n[risk]\n"), 1))
    };
    let named = with("providers = [\"crm\", \"web\"]").unwrap();
    let names: Vec<_> = named.session_providers().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["crm", "web"]);
    for (table, code) in [
        ("", "POLICY_FIELD_MISSING"),
        ("providers = []", "POLICY_FIELD_EMPTY"),
        ("providers = [\"crm\"]\nmax_age_ms = 1", "POLICY_FIELD_UNKNOWN"),
    ] {
        assert_eq!(with(table).unwrap_err().code(), code, "{table}");
    }
}

const BAND: &str = "hold_above = { amount = \"5000000000\", approvals = { withdrawal-approver = 2 } }";

#[test]
fn bands_that_do_not_ascend_are_refused() {
    let band = |amount: &str| format!("{{ amount = \"{amount}\", approvals = {{ a = 1 }} }}");
    for second in ["7", "6"] {
        let bands = format!("hold_above = [{}, {}]", band("7"), band(second));
        assert_refused(BAND, &bands, "POLICY_FIELD_INVALID", "restriction[2].hold_above[1].amount");
    }
    assert_refused(BAND, "hold_above = []", "POLICY_FIELD_EMPTY", "restriction[2].hold_above");
    let many: Vec<_> = (0..17).map(|n| band(&n.to_string())).collect();
    let many = format!("hold_above = [{}]", many.join(", "));
    assert_refused(BAND, &many, "POLICY_FIELD_TOO_MANY", "restriction[2].hold_above");
    let scores = "hold_at = [{ score = 40, approvals = { a = 1 } }, { score = 40, approvals = { a = 2 } }]";
    assert_refused("hold_at = 40", scores, "POLICY_FIELD_INVALID", "restriction[5].hold_at[1].score");
    let above = "hold_at = [{ score = 40, approvals = { a = 1 } }, { score = 91, approvals = { a = 2 } }]";
    let (code, _, field) = refusal("hold_at = 40", above);
    assert_eq!((code, field.as_str()), ("POLICY_FIELD_CONTRADICTION", "restriction[5].deny_at"));
}

#[test]
fn timers_that_say_nothing_or_not_what_happens_are_refused() {
    let refused = |band: &str| {
        let (code, _, field) = refusal(BAND, &format!("hold_above = {{ amount = \"5000000000\", {band} }}"));
        (code, field)
    };
    let field = |name: &str| format!("restriction[2].hold_above.{name}");
    for (band, code, name) in [
        ("timer_ms = 1", "POLICY_FIELD_MISSING", "at_end"),
        ("at_end = \"release\"", "POLICY_FIELD_MISSING", "timer_ms"),
        ("timer_ms = 1, at_end = \"allow\"", "POLICY_FIELD_INVALID", "at_end"),
        ("timer_ms = 1, at_end = \"reject\"", "POLICY_FIELD_MISSING", "approvals"),
        ("timer_ms = 0, at_end = \"release\"", "POLICY_FIELD_OUT_OF_RANGE", "timer_ms"),
        ("timer_ms = 86400000, at_end = \"release\"", "POLICY_FIELD_INVALID", "timer_ms"),
        (
            "timer_ms = 86400000, at_end = \"reject\", approvals = { a = 1 }",
            "POLICY_FIELD_INVALID",
            "timer_ms",
        ),
        ("timer_ms = 1, at_end = \"release\", approvals = {}", "POLICY_FIELD_EMPTY", "approvals"),
    ] {
        assert_eq!(refused(band), (code, field(name)), "{band}");
    }
    let longest = "hold_above = { amount = \"5000000000\", timer_ms = 86399999, at_end = \"release\" }";
    assert!(PolicyDocument::parse(&DEMO.replacen(BAND, longest, 1)).is_ok());
}

#[test]
fn escalation_without_a_role_or_after_the_deadline_is_refused() {
    let from = "owner = \"withdrawal-approver\"";
    let with = |more: &str| format!("{from}\n{more}");
    for (more, code, field) in [
        ("escalate_after_ms = 1", "POLICY_FIELD_MISSING", "hold.escalate_to"),
        ("escalate_to = \"desk\"", "POLICY_FIELD_MISSING", "hold.escalate_after_ms"),
        (
            "escalate_to = \"desk\"\nescalate_after_ms = 86400000",
            "POLICY_FIELD_INVALID",
            "hold.escalate_after_ms",
        ),
    ] {
        let (found, _, named) = refusal(from, &with(more));
        assert_eq!((found, named.as_str()), (code, field), "{more}");
    }
}
