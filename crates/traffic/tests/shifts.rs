//! Shifts do what they say, and do it to the evaluation only unless they are told otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test fails by panicking"
)]
#![allow(clippy::wildcard_enum_match_arm, reason = "most events do not matter to most tests")]

use std::collections::HashSet;

use holdfast_traffic::{Event, Label, Oddity, Parameters, Record, Shift, Skill, Summary, Traffic};

fn stream(shift: &str) -> (Vec<Record>, Summary) {
    let parameters = Parameters {
        customers: 8_000,
        attacks_per_kind: 100,
        // Otherwise a seed's own bull run would be compared with the shift's.
        season: holdfast_traffic::Season::Calm,
        shift: Shift::parse(shift).unwrap(),
        ..Parameters::default()
    };
    let mut summary = Summary::new(parameters.evaluation_start());
    let records: Vec<Record> = Traffic::new(parameters, 5).unwrap().collect();
    records.iter().for_each(|record| summary.add(record));
    (records, summary)
}

fn share(summary: &Summary, oddity: Oddity) -> f64 {
    summary.oddities.get(&oddity).copied().unwrap_or(0) as f64 / summary.honest.withdrawals as f64
}

/// Mean hour of honest withdrawals in the evaluation, on the circle, of customers in Japan and Korea.
fn mean_hour(records: &[Record]) -> f64 {
    let begin = Parameters::default().evaluation_start();
    let mut there = HashSet::new();
    let (mut x, mut y) = (0.0, 0.0);
    for record in records {
        match &record.event {
            Event::Registered(it) if matches!(&it.country.0, b"JP" | b"KR") => {
                there.insert(it.customer);
            }
            Event::Withdrawal(it)
                if record.at >= begin
                    && record.label.incident().is_none()
                    && there.contains(&it.customer) =>
            {
                let angle = (record.at.0 % 86_400_000) as f64 / 86_400_000.0 * std::f64::consts::TAU;
                x += angle.cos();
                y += angle.sin();
            }
            _ => {}
        }
    }
    y.atan2(x) / std::f64::consts::TAU * 24.0
}

fn history(records: &[Record]) -> Vec<&Record> {
    let begin = Parameters::default().evaluation_start();
    records.iter().filter(|record| record.at < begin).collect()
}

#[test]
fn amounts_rates_and_hours_shift_in_the_evaluation_and_not_before() {
    let (plain, before) = stream("");
    let (larger, after) = stream("amounts=2x");
    let ratio = after.honest.quantile(0.5).unwrap() as f64 / before.honest.quantile(0.5).unwrap() as f64;
    assert!((1.3..2.3).contains(&ratio), "{ratio}");
    // Deposits for the first withdrawals of the evaluation are made in the history: compare what was asked for.
    let asked = |records: &[Record]| -> Vec<String> {
        let history = history(records).into_iter();
        history.filter(|it| matches!(it.event, Event::Withdrawal(_))).map(|it| it.to_string()).collect()
    };
    assert_eq!(asked(&plain), asked(&larger));

    let (_, more) = stream("rate=2");
    let ratio = more.honest.withdrawals as f64 / before.honest.withdrawals as f64;
    assert!((1.4..2.2).contains(&ratio), "{ratio}");

    let (later, _) = stream("hours=3h");
    let moved = (mean_hour(&later) - mean_hour(&plain)).rem_euclid(24.0);
    assert!((2.0..4.0).contains(&moved), "{moved}");
}

#[test]
fn honest_oddities_become_more_common_by_their_shift() {
    let (_, plain) = stream("");
    for (shift, oddity, least) in [
        ("new-addresses=2x", Oddity::NewAddress, 1.4),
        ("devices=3x", Oddity::NewDevice, 1.8),
        ("hidden-networks=3x", Oddity::HiddenNetwork, 1.3),
        ("travel=4x", Oddity::CountryChange, 1.5),
        ("resets=3x", Oddity::SecondFactorReset, 1.6),
        ("exposure-noise=4x", Oddity::ExposureFalsePositive, 1.8),
    ] {
        let (_, shifted) = stream(shift);
        let ratio = share(&shifted, oddity) / share(&plain, oddity);
        assert!(ratio > least, "{shift}: {ratio}");
    }
}

#[test]
fn seasons_and_skills_shift() {
    let (_, plain) = stream("");
    let (_, bull) = stream("season=bull");
    assert!(bull.honest.withdrawals as f64 > 1.4 * plain.honest.withdrawals as f64);
    let (_, panic) = stream("season=panic");
    assert!(share(&panic, Oddity::WithdrewAll) > 1.1 * share(&plain, Oddity::WithdrewAll));
    let (records, _) = stream("careful=0.9");
    let incidents: HashSet<_> = records.iter().filter_map(|record| record.label.incident()).collect();
    let careful = incidents.iter().filter(|incident| incident.skill == Skill::Careful).count();
    assert!((0.85..0.95).contains(&(careful as f64 / incidents.len() as f64)));
}

#[test]
fn a_shift_from_the_start_is_in_the_history_too() {
    let (_, plain) = stream("");
    let (_, shifted) = stream("amounts=2x,from=start");
    let ratio = shifted.history.quantile(0.5).unwrap() as f64 / plain.history.quantile(0.5).unwrap() as f64;
    assert!((1.5..2.5).contains(&ratio), "{ratio}");
}

#[test]
fn another_seed_is_another_stream_and_small_ones_work_too() {
    let parameters =
        Parameters { customers: 50, attacks_per_kind: 5, evaluation_days: 3, ..Parameters::default() };
    let lines = |seed| -> Vec<String> {
        let stream = Traffic::new(parameters.clone(), seed).unwrap();
        stream.map(|record| record.to_string()).collect()
    };
    assert_eq!(lines(1), lines(1));
    assert_ne!(lines(1), lines(2));
    let attacks = Traffic::new(parameters.clone(), 1).unwrap();
    let attacks = attacks.filter(|record| matches!(record.label, Label::Attack(_))).count();
    assert!(attacks > 60, "{attacks}");
}
