//! What outside providers say about a destination: exact boundaries, silence, and that asking them never allows more.

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    Decision, ExposureCategory, ExposureSignal, Outcome, PolicyDiff, PolicyDocument, ProviderId, ReasonCode,
    TimestampMs, Verdict, WithdrawalFacts,
};

use crate::world::{
    DEMO_POLICY, GOOD, NOW, SANCTIONED, World, address, approved_by, large_withdrawal, result, withdrawal,
};

const HOUR: u64 = 3_600_000;

/// Two providers whose reports may be an hour old.
pub(crate) fn world(required: bool) -> World {
    let table = format!(
        "[exposure]\nproviders = [\"chainwatch\", \"tracer\"]\nmax_age_ms = {HOUR}\nrequired = {required}\nhold_at = 50\n\
         deny_at = 80\napprovals = {{ withdrawal-approver = 2 }}\n\n[hold]"
    );
    let mut world = World::with_policy(&DEMO_POLICY.replacen("[hold]", &table, 1));
    for provider in ["chainwatch", "tracer"] {
        report(&mut world, provider, 0, NOW);
    }
    world
}

/// A newer report supersedes the provider's older one.
pub(crate) fn report(world: &mut World, provider: &str, score: u8, observed_at: u64) {
    report_about(world, address(GOOD), provider, score, observed_at);
}

fn report_about(world: &mut World, destination: Address, provider: &str, score: u8, observed_at: u64) {
    let signal = ExposureSignal {
        score,
        category: ExposureCategory::new("mixer").unwrap(),
        hops: Some(1),
        observed_at: TimestampMs(observed_at),
        provider: ProviderId::new(provider).unwrap(),
    };
    world.exposures.insert((ChainId(1), destination, signal.provider.clone()), signal);
}

fn end(decision: &Decision) -> (&'static str, Option<ReasonCode>) {
    let outcome = match decision.outcome {
        Outcome::Allow => "allow",
        Outcome::Hold(_) => "hold",
        Outcome::Deny => "deny",
    };
    (outcome, decision.main_reason())
}

#[test]
fn thresholds_are_inclusive() {
    for (score, expected) in [
        (49, ("allow", None)),
        (50, ("hold", Some(ReasonCode::ExposureHold))),
        (79, ("hold", Some(ReasonCode::ExposureHold))),
        (80, ("deny", Some(ReasonCode::ExposureDeny))),
        (100, ("deny", Some(ReasonCode::ExposureDeny))),
    ] {
        for required in [true, false] {
            let mut world = world(required);
            report(&mut world, "tracer", score, NOW);
            assert_eq!(end(&world.evaluate(&withdrawal())), expected, "{score}");
        }
    }
}

#[test]
fn silent_provider_holds_when_it_is_required_and_only_then() {
    for silent in ["chainwatch", "tracer"] {
        for (required, expected) in
            [(true, ("hold", Some(ReasonCode::ExposureAbsent))), (false, ("allow", None))]
        {
            let mut world = world(required);
            world.exposures.retain(|(_, _, provider), _| provider.as_str() != silent);
            assert_eq!(end(&world.evaluate(&withdrawal())), expected, "{silent}");
        }
    }
    let mut nobody = world(false);
    nobody.exposures.clear();
    let decision = nobody.evaluate(&withdrawal());
    assert_eq!(result(&decision, "builtin.exposure").verdict, Verdict::NotApplicable);
}

#[test]
fn report_is_stale_one_millisecond_after_its_maximum_age() {
    let mut world = world(true);
    report(&mut world, "tracer", 0, NOW - HOUR);
    assert_eq!(end(&world.evaluate(&withdrawal())).0, "allow");
    report(&mut world, "tracer", 0, NOW - HOUR - 1);
    assert_eq!(end(&world.evaluate(&withdrawal())), ("hold", Some(ReasonCode::ExposureAbsent)));
    // A day later, at authorization or when a node signs, the same reports hold.
    assert_eq!(end(&self::world(true).evaluate_at(&withdrawal(), NOW + HOUR + 1)).0, "hold");
}

#[test]
fn favourable_provider_does_not_hide_a_worse_one() {
    let mut world = world(true);
    world.exposures.retain(|(_, _, provider), _| provider.as_str() == "tracer");
    report(&mut world, "tracer", 100, NOW);
    assert_eq!(
        end(&world.evaluate(&withdrawal())),
        ("deny", Some(ReasonCode::ExposureDeny)),
        "although one is silent"
    );
}

#[test]
fn reports_of_others_and_about_others_do_not_count() {
    let mut world = world(true);
    world.exposures.clear();
    report(&mut world, "intruder", 0, NOW);
    for provider in ["chainwatch", "tracer"] {
        report_about(&mut world, address(SANCTIONED), provider, 0, NOW);
    }
    assert_eq!(end(&world.evaluate(&withdrawal())), ("hold", Some(ReasonCode::ExposureAbsent)));
    let mut other_chain = self::world(true);
    let moved = std::mem::take(&mut other_chain.exposures).into_iter();
    other_chain.exposures = moved.map(|((_, to, by), signal)| ((ChainId(5), to, by), signal)).collect();
    assert_eq!(end(&other_chain.evaluate(&withdrawal())), ("hold", Some(ReasonCode::ExposureAbsent)));
}

#[test]
fn hold_for_silence_is_lifted_by_the_approvals_that_the_table_names_and_lasts_until_then() {
    let mut world = world(true);
    world.exposures.clear();
    let one = approved_by(&world, &withdrawal(), &["ann"]);
    assert_eq!(end(&world.evaluate(&one)).0, "hold");
    let two = approved_by(&world, &withdrawal(), &["ann", "ben"]);
    assert_eq!(end(&world.evaluate(&two)).0, "allow");
    // What a provider says afterwards is a new reason.
    report(&mut world, "chainwatch", 60, NOW);
    assert_eq!(end(&world.evaluate(&two)).0, "hold");
}

#[test]
fn asking_providers_never_allows_more() {
    let severity = |decision: &Decision| match decision.outcome {
        Outcome::Allow => 0,
        Outcome::Hold(_) => 1,
        Outcome::Deny => 2,
    };
    let listed = WithdrawalFacts { destination: address(SANCTIONED), ..withdrawal() };
    for facts in [withdrawal(), large_withdrawal(), listed] {
        let without = severity(&World::demo().evaluate(&facts));
        for required in [true, false] {
            for score in [0, 49, 50, 79, 80] {
                let mut world = world(required);
                report_about(&mut world, facts.destination, "chainwatch", score, NOW);
                assert!(severity(&world.evaluate(&facts)) >= without);
            }
            let mut silent = world(required);
            silent.exposures.clear();
            assert!(severity(&silent.evaluate(&facts)) >= without);
        }
    }
}

#[test]
fn table_is_read_strictly_with_line_and_field() {
    let source = world(true).document.source().to_owned();
    for (from, to, field) in [
        ("required = true\n", "", "exposure.required"),
        ("required = true", "required = 1", "exposure.required"),
        ("max_age_ms = 3600000", "max_age_ms = 0", "exposure.max_age_ms"),
        ("max_age_ms = 3600000", "max_age_ms = 2592000001", "exposure.max_age_ms"),
        ("[\"chainwatch\", \"tracer\"]", "[]", "exposure.providers"),
        ("[\"chainwatch\", \"tracer\"]", "[\"tracer\", \"tracer\"]", "exposure.providers[1]"),
        ("hold_at = 50", "hold_at = 81", "exposure.deny_at"),
        ("hold_at = 50", "hold_at = 0", "exposure.hold_at"),
        ("hold_at = 50", "hold_up = 50", "exposure.hold_up"),
    ] {
        assert!(source.contains(from), "{from}");
        let error = PolicyDocument::parse(&source.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{from} -> {to}: {error}");
    }
}

#[test]
fn table_added_tightens_and_removed_loosens_and_thresholds_are_limits() {
    let demo = PolicyDocument::parse(DEMO_POLICY).unwrap();
    let asked = world(true).document;
    assert!(!PolicyDiff::between(&demo, &asked).loosens());
    assert!(PolicyDiff::between(&asked, &demo).loosens());
    let changed = |from: &str, to: &str| {
        let next = PolicyDocument::parse(&asked.source().replacen(from, to, 1)).unwrap();
        PolicyDiff::between(&asked, &next).loosens()
    };
    assert!(!changed("hold_at = 50", "hold_at = 49") && changed("hold_at = 50", "hold_at = 51"));
    assert!(!changed("deny_at = 80", "deny_at = 79") && changed("deny_at = 80\n", ""));
    assert!(changed("required = true", "required = false"));
    assert!(changed("[\"chainwatch\", \"tracer\"]", "[\"tracer\"]"));
}

/// A report that is worse, or about another crime, is not what officers approved; nor is another provider's silence.
#[test]
fn approvals_are_not_carried_to_a_worse_report_another_crime_or_another_silence() {
    let mut world = world(true);
    report(&mut world, "tracer", 51, NOW);
    let approved = approved_by(&world, &withdrawal(), &["ann", "ben"]);
    assert_eq!(world.evaluate(&approved).outcome, Outcome::Allow);
    report(&mut world, "tracer", 59, NOW);
    assert_eq!(world.evaluate(&approved).outcome, Outcome::Allow, "nine points are the same tens");
    report(&mut world, "tracer", 60, NOW);
    assert!(world.evaluate(&approved).hold().is_some());
    report(&mut world, "tracer", 51, NOW);
    for signal in world.exposures.values_mut() {
        signal.category = ExposureCategory::new("theft").unwrap();
    }
    assert!(world.evaluate(&approved).hold().is_some());
    let silent = |provider: &str| {
        let mut world = self::world(true);
        world.exposures.retain(|(_, _, by), _| by.as_str() != provider);
        world
    };
    let approved = approved_by(&silent("tracer"), &withdrawal(), &["ann", "ben"]);
    assert_eq!(silent("tracer").evaluate(&approved).outcome, Outcome::Allow);
    assert!(silent("chainwatch").evaluate(&approved).hold().is_some());
}
