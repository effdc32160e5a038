//! What must hold for every stream: order, balances, prices, whitelist entries, and what each kind of attack claims to be.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]
#![allow(clippy::wildcard_enum_match_arm, reason = "most events do not matter to most tests")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::LazyLock,
};

use holdfast_traffic::{
    Address, AttackKind, CustomerId, Event, Label, Oddity, Parameters, Record, Skill, Summary, Traffic,
    WithdrawalRequest,
};

const DAY: u64 = 86_400_000;

/// The whole default stream of one seed.
static STREAM: LazyLock<Vec<Record>> =
    LazyLock::new(|| Traffic::new(Parameters::default(), 11).unwrap().collect());

static SUMMARY: LazyLock<Summary> = LazyLock::new(|| {
    let mut summary = Summary::new(Parameters::default().evaluation_start());
    STREAM.iter().for_each(|record| summary.add(record));
    summary
});

fn thefts(kind: AttackKind) -> BTreeMap<u32, Vec<(&'static Record, &'static WithdrawalRequest)>> {
    let mut found: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for record in STREAM.iter() {
        if let (Event::Withdrawal(request), Label::Attack(incident)) = (&record.event, record.label)
            && incident.kind == kind
        {
            found.entry(incident.number).or_default().push((record, request));
        }
    }
    found
}

#[test]
fn records_are_ordered_and_within_the_period() {
    let parameters = Parameters::default();
    assert!(STREAM.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(STREAM.iter().all(|record| record.at >= parameters.start && record.at < parameters.end()));
    let numbers = STREAM.iter().filter_map(|record| match &record.event {
        Event::Withdrawal(request) => Some(request.number),
        _ => None,
    });
    assert!(numbers.enumerate().all(|(at, number)| u64::try_from(at).unwrap() == number));
}

#[test]
fn every_kind_has_a_thousand_incidents_of_every_skill_and_none_before_the_evaluation() {
    for kind in AttackKind::ALL {
        assert_eq!(SUMMARY.attacks[&kind].incidents(), 1_000, "{}", kind.name());
        for skill in Skill::ALL {
            assert!(SUMMARY.skills[&(kind, skill)].incidents() > 200, "{} {}", kind.name(), skill.name());
        }
    }
    let begin = Parameters::default().evaluation_start();
    assert!(STREAM.iter().all(|record| record.at >= begin || record.label.incident().is_none()));
}

#[test]
fn attacks_do_not_outnumber_honest_withdrawals() {
    assert!(SUMMARY.attack_share() < 0.40, "{}", SUMMARY.attack_share());
}

#[test]
fn nobody_withdraws_what_they_do_not_have() {
    let mut balances: HashMap<CustomerId, u64> = HashMap::new();
    for record in STREAM.iter() {
        match &record.event {
            Event::Deposited(it) => *balances.entry(it.customer).or_default() += it.usd_cents,
            Event::Withdrawal(it) => {
                let balance = balances.entry(it.customer).or_default();
                assert!(*balance >= it.usd_cents, "{record}");
                *balance -= it.usd_cents;
            }
            _ => {}
        }
    }
}

#[test]
fn withdrawals_are_worth_their_amount_at_the_price_last_reported() {
    let mut prices = HashMap::new();
    for record in STREAM.iter() {
        match &record.event {
            Event::Price(it) => {
                prices.insert(it.asset, it.usd_cents);
            }
            Event::Withdrawal(it) => {
                let worth = it.amount * u128::from(prices[&it.asset]) / it.asset.base_units();
                assert_eq!(u128::from(it.usd_cents), worth, "{record}");
            }
            _ => {}
        }
    }
}

#[test]
fn customers_are_registered_first_and_whitelist_dates_were_told() {
    let mut known = HashSet::new();
    let mut confirmed: HashMap<(CustomerId, Address), BTreeSet<u64>> = HashMap::new();
    for record in STREAM.iter() {
        match &record.event {
            Event::Registered(it) => assert!(known.insert(it.customer), "registered twice: {record}"),
            Event::Deposited(it) => assert!(known.contains(&it.customer), "{record}"),
            Event::Session(it) => assert!(known.contains(&it.customer), "{record}"),
            Event::Whitelisted(it) => {
                assert!(known.contains(&it.customer) && it.confirmed_at <= record.at, "{record}");
                confirmed.entry((it.customer, it.destination)).or_default().insert(it.confirmed_at.0);
            }
            Event::Withdrawal(it) => {
                assert!(known.contains(&it.customer), "{record}");
                if let Some(since) = it.whitelisted_since {
                    assert!(confirmed[&(it.customer, it.destination)].contains(&since.0), "{record}");
                }
            }
            Event::Price(_) | Event::Exposure(_) => {}
        }
    }
}

#[test]
fn every_oddity_happens_to_honest_customers() {
    for oddity in Oddity::ALL {
        assert!(SUMMARY.oddities.get(&oddity).is_some_and(|number| *number > 10), "{oddity:?}");
    }
    assert!(SUMMARY.plain * 4 > SUMMARY.honest.withdrawals, "most people are not odd in any way");
}

#[test]
fn poisoned_addresses_look_like_one_that_the_same_customer_paid_before() {
    let mut paid: HashMap<CustomerId, Vec<Address>> = HashMap::new();
    let mut seen = 0;
    for record in STREAM.iter() {
        let Event::Withdrawal(it) = &record.event else { continue };
        let incident = record.label.incident();
        if incident.is_some_and(|incident| incident.kind == AttackKind::PoisonedAddress) {
            let hex = hex::encode(it.destination.0);
            let alike = |other: &Address| {
                let other = hex::encode(other.0);
                other != hex && other[..3] == hex[..3] && other[37..] == hex[37..]
            };
            assert!(paid[&it.customer].iter().any(alike), "{record}");
            seen += 1;
        } else if incident.is_none() {
            paid.entry(it.customer).or_default().push(it.destination);
        }
    }
    assert!(seen >= 1_000);
}

#[test]
fn mules_are_at_least_four_to_one_address_that_nobody_used_before() {
    let mut before: HashSet<Address> = HashSet::new();
    for record in STREAM.iter() {
        if let Event::Withdrawal(it) = &record.event
            && record.label.incident().is_none_or(|incident| incident.kind != AttackKind::MuleFanIn)
        {
            before.insert(it.destination);
        }
    }
    for (number, group) in thefts(AttackKind::MuleFanIn) {
        let mut payers: HashMap<Address, HashSet<CustomerId>> = HashMap::new();
        for (_, it) in &group {
            payers.entry(it.destination).or_default().insert(it.customer);
        }
        for (address, customers) in payers {
            assert!(customers.len() >= 4, "incident {number}: {address} has {}", customers.len());
            assert!(!before.contains(&address));
        }
    }
}

#[test]
fn drained_accounts_were_silent_for_ninety_days() {
    let victims: HashMap<CustomerId, u32> = thefts(AttackKind::DrainedDormant)
        .into_iter()
        .flat_map(|(number, group)| group.into_iter().map(move |(_, it)| (it.customer, number)))
        .collect();
    let mut last: HashMap<CustomerId, u64> = HashMap::new();
    for record in STREAM.iter() {
        match &record.event {
            Event::Registered(it) if victims.contains_key(&it.customer) => {
                last.insert(it.customer, it.last_active_at.map_or(record.at.0, |at| at.0));
            }
            Event::Session(it) => {
                if let Some(number) = victims.get(&it.customer) {
                    let theirs = record.label.incident().is_some_and(|incident| incident.number == *number);
                    let silent = record.at.0 - last[&it.customer];
                    assert!(!theirs || silent > 90 * DAY, "{record}");
                    if !theirs {
                        last.insert(it.customer, record.at.0);
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn structured_amounts_are_within_the_published_limit() {
    let limit = Parameters::default().published.per_withdrawal_usd_cents;
    for group in thefts(AttackKind::Structuring).values() {
        assert!(group.len() >= 4, "{}", group.len());
        assert!(group.iter().all(|(_, it)| it.usd_cents <= limit && it.usd_cents > limit / 2));
    }
}

#[test]
fn thieves_with_a_clients_key_have_no_session_and_insiders_take_little() {
    let sessions = STREAM.iter().filter(|record| matches!(record.event, Event::Session(_)));
    let kinds: BTreeSet<AttackKind> =
        sessions.filter_map(|record| record.label.incident()).map(|incident| incident.kind).collect();
    assert!(!kinds.contains(&AttackKind::StolenClientKey));
    assert_eq!(kinds.len(), AttackKind::ALL.len() - 1);
    for group in thefts(AttackKind::InsiderSlowDrip).values() {
        assert!(group.len() >= 4 && group.iter().all(|(_, it)| it.usd_cents <= 500_000));
        let days = group.last().unwrap().0.at.since(group.first().unwrap().0.at) / DAY;
        assert!(days >= 2, "{days}");
    }
}

#[test]
fn resets_are_reported_where_the_attack_is_named_after_them() {
    for record in STREAM.iter() {
        let Event::Session(it) = &record.event else { continue };
        let Some(incident) = record.label.incident() else { continue };
        match incident.kind {
            AttackKind::TakeoverAfterReset => assert!(it.second_factor_reset_hours.is_some(), "{record}"),
            AttackKind::SimSwapApiKey => {
                assert!(it.api_key_hours.is_some_and(|hours| hours < 400), "{record}")
            }
            AttackKind::DeepfakeSupportReset => assert!(it.email_change_hours.is_some(), "{record}"),
            _ => {}
        }
    }
}
