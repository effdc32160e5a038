//! Every component of the score at its boundary, what fades, and what a rule requires to be known.

use holdfast_chains::Amount;
use holdfast_policy::{
    Activity, ClientId, ComponentState, DeviceRef, ExposureCategory, ExposureSignal, Moment, Network,
    Outcome, Pages, PaymentSeen, PolicyDocument, ReasonCode, RiskComponent, TimestampMs, WithdrawalFacts,
};

use crate::world::{DAY, DEMO_POLICY, GOOD, NOW, World, address, customer, result, session, withdrawal};

const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;
const OTHER: &str = "0x1111111111111111111111111111111111111111";
/// The same first four and last three digits as `OTHER`.
const LOOK_ALIKE: &str = "0x1111222222222222222222222222222222222111";

pub(crate) const COMPONENTS: &str = r#"
established = { after_ms = 604_800_000, percent = 50 }
exposure = { weight = 40, from_score = 50, full_score = 89 }
near_listed = { weight = 9, max_hops = 1, min_score = 45 }
new_destination = { weight = 20, within_ms = 86_400_000 }
unlisted_destination = 8
look_alike = { weight = 30, first_digits = 4, last_digits = 3 }
wallet_look_alike = { weight = 31, first_digits = 4, last_digits = 4 }
fan_in = { weight = 30, from_count = 2, full_count = 4, within_ms = 604_800_000, public_count = 6 }
fresh_crowd = { weight = 30, from_count = 2, full_count = 2, within_ms = 604_800_000, public_count = 6 }
unusual_amount = { weight = 20, from_hundredths = 200, full_hundredths = 400 }
large_amount = { weight = 10, from_usd_cents = 100_000, full_usd_cents = 1_000_000 }
unusual_rate = { weight = 10, from_hundredths = 300, full_hundredths = 300, within_ms = 86_400_000 }
new_places = { weight = 10, from_count = 2, full_count = 3, within_ms = 86_400_000 }
near_limit = { weight = 10, from_count = 2, full_count = 3, within_ms = 86_400_000, limit_usd_cents = 200_000, percent = 50 }
unusual_hour = { weight = 6, percent = 10, min_withdrawals = 5 }
new_client = 5
dormant = { weight = 15, silent_ms = 7_776_000_000, within_ms = 86_400_000 }
fresh_account = { weight = 5, within_ms = 86_400_000 }
young_device = { weight = 12, within_ms = 86_400_000 }
shared_device = { weight = 12, from_count = 2, full_count = 2, within_ms = 86_400_000 }
password_reset = { weight = 7, within_ms = 86_400_000 }
email_changed = { weight = 8, within_ms = 86_400_000 }
tor = 14
vpn = 4
hosting = 6
country_changed = 3
fresh_api_key = { weight = 9, within_ms = 86_400_000 }
old_session = { weight = 10, from_minutes = 30, full_minutes = 30 }
reset_then_new_device = { weight = 33, within_ms = 86_400_000 }
woke_on_new_device = { weight = 22, silent_ms = 7_776_000_000, within_ms = 86_400_000 }
"#;

const EXPOSURE: &str = r#"
[exposure]
providers = ["chain-analyst"]
max_age_ms = 86_400_000
required = false
approvals = { withdrawal-approver = 2 }

"#;

/// A policy with every component, a registered customer, a price, a report about the destination, a session with details.
fn world() -> World {
    let text = DEMO_POLICY.replacen("[risk]\n", &format!("[risk]\n{COMPONENTS}"), 1).replacen(
        "[risk]",
        &format!("{EXPOSURE}[risk]"),
        1,
    );
    let mut world = World::with_policy(&text);
    let mut activity = Activity::default();
    activity.register(&customer("alice"), TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - 9 * DAY)));
    world.activity = Some(activity);
    world.price("USDT", 1_000_000);
    report(&mut world, 3, None);
    let details = &mut world.alice().details;
    details.device = Some(device("d-1"));
    details.network = Some(Network::Ordinary);
    details.country_changed = Some(false);
    for moment in [
        &mut details.second_factor_reset_at,
        &mut details.password_reset_at,
        &mut details.email_changed_at,
        &mut details.api_key_made_at,
    ] {
        *moment = Some(Moment::NotLately);
    }
    world
}

fn device(name: &str) -> DeviceRef {
    DeviceRef::new(name).unwrap()
}

fn report(world: &mut World, score: u8, hops: Option<u8>) {
    let provider = holdfast_policy::ProviderId::new("chain-analyst").unwrap();
    let signal = ExposureSignal {
        score,
        category: ExposureCategory::new("mixer").unwrap(),
        hops,
        observed_at: TimestampMs(NOW),
        provider: provider.clone(),
    };
    world.exposures.insert((holdfast_chains::ChainId(1), address(GOOD), provider), signal);
}

fn pay(world: &mut World, name: &str, at: u64, to: &str, usd_cents: u64) {
    let (to, client) = (address(to), ClientId::new("pipeline").unwrap());
    let payment =
        PaymentSeen { at: TimestampMs(at), destination: &to, usd_cents: Some(usd_cents), client: &client };
    let (wallet, chain) = (withdrawal().wallet, holdfast_chains::ChainId(1));
    let activity = world.activity.as_mut().unwrap();
    activity.record_payment(&wallet, chain, Some(&customer(name)), &payment);
}

fn log_in(world: &mut World, name: &str, at: u64, from: &str) {
    let mut signals = session(false, false);
    signals.observed_at = TimestampMs(at);
    signals.details.device = Some(device(from));
    world.activity.as_mut().unwrap().record_session(&customer(name), &signals);
}

fn component(world: &World, code: ReasonCode) -> RiskComponent {
    component_of(world, &withdrawal(), code)
}

fn component_of(world: &World, facts: &WithdrawalFacts, code: ReasonCode) -> RiskComponent {
    let decision = world.evaluate(facts);
    decision.risk.components.into_iter().find(|part| part.code == code).expect("the policy names it")
}

fn points(world: &World, code: ReasonCode) -> u8 {
    component(world, code).contribution
}

type Arrange = fn(&mut World);

/// For each component, facts one step short of it and facts that just reach it.
const BOUNDARIES: &[(ReasonCode, Arrange, Arrange, u8)] = &[
    (ReasonCode::ExposureReported, |world| report(world, 49, None), |world| report(world, 50, None), 1),
    (
        ReasonCode::NearListedAddress,
        |world| report(world, 44, Some(1)),
        |world| report(world, 45, Some(1)),
        9,
    ),
    (
        ReasonCode::NearListedAddress,
        |world| report(world, 45, Some(2)),
        |world| report(world, 45, Some(0)),
        9,
    ),
    (
        ReasonCode::NewDestination,
        |world| pay(world, "alice", NOW - DAY - MINUTE, GOOD, 1),
        |world| pay(world, "alice", NOW - DAY, GOOD, 1),
        20,
    ),
    (ReasonCode::UnlistedDestination, |_| {}, |world| world.entries.clear(), 8),
    (ReasonCode::FanIn, |world| crowd(world, 1, false), |world| crowd(world, 2, false), 10),
    (ReasonCode::FanIn, |world| crowd(world, 6, false), |world| crowd(world, 5, false), 30),
    (ReasonCode::FreshCrowd, |world| new_in_crowd(world, 5, false), |world| new_in_crowd(world, 2, true), 30),
    (ReasonCode::FreshCrowd, |world| crowd(world, 2, true), |world| new_in_crowd(world, 2, true), 30),
    (ReasonCode::UnusualAmount, |world| usually(world, 48_000), |world| usually(world, 47_000), 1),
    (ReasonCode::LargeAmount, |world| world.price("USDT", 799_900), |world| world.price("USDT", 800_000), 1),
    (ReasonCode::UnusualRate, |world| lately(world, 1, OTHER, 1), |world| lately(world, 2, OTHER, 1), 10),
    (ReasonCode::NewPlaces, |_| {}, |world| lately(world, 1, OTHER, 1), 5),
    (
        ReasonCode::NearLimit,
        |world| lately(world, 1, OTHER, 99_000),
        |world| lately(world, 1, OTHER, 100_100),
        5,
    ),
    (
        ReasonCode::NearLimit,
        |world| lately(world, 2, OTHER, 210_000),
        |world| lately(world, 2, OTHER, 200_000),
        10,
    ),
    (ReasonCode::UnusualHour, |world| by_the_hour(world, 2), |world| by_the_hour(world, 3), 6),
    (
        ReasonCode::NewClient,
        |world| pay(world, "alice", NOW - DAY, OTHER, 1),
        |world| pay_through(world, "other-client"),
        5,
    ),
    (
        ReasonCode::DormantAccount,
        |world| silent(world, 90 * DAY - MINUTE),
        |world| silent(world, 90 * DAY),
        15,
    ),
    (
        ReasonCode::FreshAccount,
        |world| opened(world, NOW - DAY - MINUTE),
        |world| opened(world, NOW - DAY),
        5,
    ),
    (ReasonCode::YoungDevice, |world| met(world, NOW - DAY - MINUTE), |world| met(world, NOW - DAY), 12),
    (ReasonCode::SharedDevice, |world| shared(world, 1), |world| shared(world, 2), 12),
    (
        ReasonCode::PasswordReset,
        |world| world.alice().details.password_reset_at = Some(Moment::At(TimestampMs(NOW - DAY - 1))),
        |world| world.alice().details.password_reset_at = Some(Moment::At(TimestampMs(NOW - DAY))),
        7,
    ),
    (
        ReasonCode::EmailChanged,
        |world| world.alice().details.email_changed_at = Some(Moment::At(TimestampMs(NOW - DAY - 1))),
        |world| world.alice().details.email_changed_at = Some(Moment::At(TimestampMs(NOW - DAY))),
        8,
    ),
    (
        ReasonCode::FreshApiKey,
        |world| world.alice().details.api_key_made_at = Some(Moment::At(TimestampMs(NOW - DAY - 1))),
        |world| world.alice().details.api_key_made_at = Some(Moment::At(TimestampMs(NOW - DAY))),
        9,
    ),
    (
        ReasonCode::TorNetwork,
        |world| world.alice().details.network = Some(Network::Vpn),
        |world| world.alice().details.network = Some(Network::Tor),
        14,
    ),
    (
        ReasonCode::VpnNetwork,
        |world| world.alice().details.network = Some(Network::Hosting),
        |world| world.alice().details.network = Some(Network::Vpn),
        4,
    ),
    (
        ReasonCode::HostingNetwork,
        |world| world.alice().details.network = Some(Network::Ordinary),
        |world| world.alice().details.network = Some(Network::Hosting),
        6,
    ),
    (ReasonCode::CountryChanged, |_| {}, |world| world.alice().details.country_changed = Some(true), 3),
    (
        ReasonCode::OldSession,
        |world| world.alice().observed_at = TimestampMs(NOW - 30 * MINUTE + 1),
        |world| world.alice().observed_at = TimestampMs(NOW - 30 * MINUTE),
        10,
    ),
    (ReasonCode::ResetThenNewDevice, |world| reset(world, DAY + MINUTE), |world| reset(world, DAY), 33),
    (
        ReasonCode::WokeOnNewDevice,
        |world| {
            log_in(world, "alice", NOW - 9 * DAY, "d-1");
            silent(world, 90 * DAY);
        },
        |world| silent(world, 90 * DAY),
        22,
    ),
];

/// So many customers besides Alice are paid there since yesterday.
fn crowd(world: &mut World, members: u32, fresh: bool) {
    for member in 0..members {
        let name = format!("c-{member}");
        let opened = if fresh { NOW - 5 * DAY } else { NOW - 300 * DAY };
        world.activity.as_mut().unwrap().register(&customer(&name), TimestampMs(opened), None);
        pay(world, &name, NOW - DAY, GOOD, 1);
    }
}

fn new_in_crowd(world: &mut World, members: u32, fresh: bool) {
    opened(world, NOW - 30 * DAY);
    crowd(world, members, fresh);
}

/// Alice usually withdraws so much; this time 1,250 USD.
fn usually(world: &mut World, usd_cents: u64) {
    (2..12).for_each(|day| pay(world, "alice", NOW - day * DAY, OTHER, usd_cents));
}

fn lately(world: &mut World, times: u64, to: &str, usd_cents: u64) {
    (0..times).for_each(|number| pay(world, "alice", NOW - HOUR - number * MINUTE, to, usd_cents));
}

/// Five earlier withdrawals, so many hours away from now on the clock.
fn by_the_hour(world: &mut World, hours: u64) {
    (1..6).for_each(|day| pay(world, "alice", NOW - day * DAY + hours * HOUR, OTHER, 1));
}

fn pay_through(world: &mut World, client: &str) {
    let (to, client) = (address(OTHER), ClientId::new(client).unwrap());
    let payment =
        PaymentSeen { at: TimestampMs(NOW - DAY), destination: &to, usd_cents: None, client: &client };
    let (wallet, chain) = (withdrawal().wallet, holdfast_chains::ChainId(1));
    let activity = world.activity.as_mut().unwrap();
    activity.record_payment(&wallet, chain, Some(&customer("alice")), &payment);
}

/// Alice was last active so long ago, whatever she did before.
fn silent(world: &mut World, ms: u64) {
    let mut activity = Activity::default();
    std::mem::swap(&mut activity, world.activity.as_mut().unwrap());
    let known = activity.customer(&customer("alice")).unwrap();
    let mut again = Activity::default();
    again.register(&customer("alice"), TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - ms)));
    world.activity = Some(again);
    if known.devices() > 0 {
        let mut signals = session(false, false);
        signals.observed_at = TimestampMs(NOW - ms);
        signals.details.device = Some(device("d-1"));
        world.activity.as_mut().unwrap().record_session(&customer("alice"), &signals);
    }
}

fn opened(world: &mut World, at: u64) {
    world.activity = Some(Activity::default());
    world.activity.as_mut().unwrap().register(&customer("alice"), TimestampMs(at), None);
}

/// Alice, known from another device, was first seen on this one then.
fn met(world: &mut World, at: u64) {
    log_in(world, "alice", NOW - 20 * DAY, "d-0");
    log_in(world, "alice", at, "d-1");
}

fn shared(world: &mut World, others: u32) {
    (0..others).for_each(|other| log_in(world, &format!("c-{other}"), NOW - 50 * DAY, "d-1"));
    met(world, NOW - HOUR);
}

/// The second factor was reset so long ago, and the device appeared then.
fn reset(world: &mut World, ago: u64) {
    met(world, NOW - ago);
    world.alice().details.second_factor_reset_at = Some(Moment::At(TimestampMs(NOW - ago)));
}

#[test]
fn every_component_starts_exactly_at_its_boundary() {
    for (code, short, reached, expected) in BOUNDARIES {
        let mut world = world();
        short(&mut world);
        let before = component(&world, *code);
        assert_eq!((before.state, before.contribution), (ComponentState::Absent, 0), "{before:?}");
        let mut world = self::world();
        reached(&mut world);
        let then = component(&world, *code);
        assert_eq!((then.state, then.contribution), (ComponentState::Present, *expected), "{then:?}");
        assert!(then.reason.is_ascii() && then.reason.len() < 200, "{then:?}");
    }
}

/// For the test that every code is produced.
pub(crate) fn codes() -> Vec<ReasonCode> {
    let mut codes: Vec<_> =
        world().evaluate(&withdrawal()).risk.components.iter().map(|part| part.code).collect();
    codes.extend(requiring(true).evaluate(&withdrawal()).rules.iter().map(|rule| rule.code));
    codes.extend(requiring(false).evaluate(&withdrawal()).rules.iter().map(|rule| rule.code));
    codes
}

#[test]
fn usual_withdrawal_of_a_known_customer_scores_only_for_its_new_destination() {
    let mut world = world();
    let decision = world.evaluate(&withdrawal());
    assert_eq!(decision.outcome, Outcome::Allow, "{decision:#?}");
    pay(&mut world, "alice", NOW - 8 * DAY, GOOD, 125_000);
    log_in(&mut world, "alice", NOW - 8 * DAY, "d-1");
    // The amount alone is left: 1,250 USD are large for anybody, and half of that counts.
    assert_eq!(world.evaluate(&withdrawal()).risk.score, 1, "{:#?}", world.evaluate(&withdrawal()).risk);
}

#[test]
fn look_alike_of_an_address_that_the_customer_pays_is_found_until_it_is_paid_itself() {
    let facts = WithdrawalFacts { destination: address(LOOK_ALIKE), ..withdrawal() };
    let mut world = world();
    let of = |world: &World| component_of(world, &facts, ReasonCode::LookAlikeAddress);
    assert_eq!(of(&world).state, ComponentState::Absent);
    pay(&mut world, "bob", NOW - 9 * DAY, OTHER, 1);
    assert_eq!(of(&world).state, ComponentState::Absent, "what others pay is not what Alice takes it for");
    pay(&mut world, "alice", NOW - 9 * DAY, OTHER, 1);
    let found = of(&world);
    assert_eq!((found.state, found.contribution), (ComponentState::Present, 30), "{found:?}");
    assert!(found.reason.contains("first 4 and the last 3 digits"), "{found:?}");
    // One digit less in common is nothing.
    let less = address(&LOOK_ALIKE.replacen("1111", "1112", 1));
    let less = WithdrawalFacts { destination: less, ..withdrawal() };
    assert_eq!(component_of(&world, &less, ReasonCode::LookAlikeAddress).state, ComponentState::Absent);
    pay(&mut world, "alice", NOW - 8 * DAY, LOOK_ALIKE, 1);
    assert_eq!(of(&world).state, ComponentState::Absent);
}

#[test]
fn look_alike_of_an_address_that_the_wallet_pays_is_found_for_everybody() {
    let alike = LOOK_ALIKE.replace("2111", "1111");
    let facts = WithdrawalFacts { destination: address(&alike), ..withdrawal() };
    let mut world = world();
    let of = |world: &World| component_of(world, &facts, ReasonCode::WalletLookAlikeAddress);
    assert_eq!(of(&world).state, ComponentState::Absent);
    pay(&mut world, "bob", NOW - 9 * DAY, OTHER, 1);
    assert_eq!((of(&world).state, of(&world).contribution), (ComponentState::Present, 31));
    let three = WithdrawalFacts { destination: address(LOOK_ALIKE), ..withdrawal() };
    assert_eq!(
        component_of(&world, &three, ReasonCode::WalletLookAlikeAddress).state,
        ComponentState::Absent
    );
}

#[test]
fn what_is_paid_for_long_counts_less_from_the_minute_after_and_lists_never_fade() {
    let scored = |first: u64| {
        let mut world = world();
        pay(&mut world, "alice", first, GOOD, 125_000);
        world.alice().details.network = Some(Network::Tor);
        report(&mut world, 89, None);
        (points(&world, ReasonCode::TorNetwork), points(&world, ReasonCode::ExposureReported))
    };
    assert_eq!(scored(NOW - 7 * DAY), (14, 40));
    assert_eq!(scored(NOW - 7 * DAY - MINUTE), (7, 40));
}

#[test]
fn habit_of_hiding_takes_its_share_and_never_all() {
    let mut world = world();
    world.alice().details.network = Some(Network::Tor);
    let mut usual = session(false, false);
    usual.details.network = Some(Network::Vpn);
    for _ in 0..8 {
        world.activity.as_mut().unwrap().record_session(&customer("alice"), &usual);
    }
    assert_eq!(points(&world, ReasonCode::TorNetwork), 0);
    for _ in 0..8 {
        usual.details.network = Some(Network::Ordinary);
        world.activity.as_mut().unwrap().record_session(&customer("alice"), &usual);
    }
    assert_eq!(points(&world, ReasonCode::TorNetwork), 7);
}

#[test]
fn reset_on_a_device_that_was_known_before_is_the_customers_own() {
    let mut world = world();
    met(&mut world, NOW - 10 * DAY);
    world.alice().details.second_factor_reset_at = Some(Moment::At(TimestampMs(NOW - HOUR)));
    assert_eq!(component(&world, ReasonCode::ResetThenNewDevice).state, ComponentState::Absent);
    // The provider's word without a time counts as just now.
    world.alice().details.second_factor_reset_at = None;
    world.alice().second_factor_reset = true;
    world.alice().details.device = Some(device("never-seen"));
    assert_eq!(points(&world, ReasonCode::ResetThenNewDevice), 33);
}

/// A rule that requires every fact; with all of them known, or nothing kept.
fn requiring(known: bool) -> World {
    let mut world = world();
    let text = world.document.source().replace(
        "deny_at = 90",
        "deny_at = 90\nrequire = [\"history\", \"destination\", \"device\", \"worth\"]",
    );
    world.document = PolicyDocument::parse(&text).unwrap();
    if !known {
        world.activity = None;
    }
    world
}

#[test]
fn history_that_is_kept_and_cannot_be_read_denies_whether_a_rule_requires_it_or_not() {
    for mut world in [world(), requiring(true)] {
        assert_eq!(world.evaluate(&withdrawal()).outcome, Outcome::Allow);
        // Given the same pages, by their hashes, and nobody who has them
        let records = world.activity.as_ref().unwrap().records();
        let references = records.references().map(|(bound, page)| (bound.to_vec(), page)).collect();
        world.activity = Activity::from_references(references, &Pages::default());
        // Then nothing is allowed as it would be to a customer whom nobody knows
        let decision = world.evaluate(&withdrawal());
        assert_eq!(decision.outcome, Outcome::Deny, "{decision:#?}");
        let denied = decision.rules.iter().find(|result| result.rule.as_str() == "builtin.facts").unwrap();
        assert_eq!(denied.code.code(), "EVALUATION_FAILED");
        // And a customer in no page at all is as unknown as ever
        world.activity = Some(Activity::default());
        assert!(
            world.evaluate(&withdrawal()).rules.iter().all(|result| result.rule.as_str() != "builtin.facts")
        );
    }
}

#[test]
fn required_fact_that_nobody_knows_holds_whatever_the_score() {
    let known = requiring(true).evaluate(&withdrawal());
    assert_eq!(known.outcome, Outcome::Allow, "{known:#?}");
    let missing: &[(&str, Arrange)] = &[
        ("history", |world| world.activity = Some(Activity::default())),
        // A session teaches nothing about the time before it
        ("history", |world| {
            world.activity = Some(Activity::default());
            log_in(world, "alice", NOW - HOUR, "d-1");
        }),
        ("destination", |world| world.activity = None),
        ("device", |world| world.alice().details.device = None),
        ("worth", |world| world.prices.clear()),
    ];
    for (fact, remove) in missing {
        let mut world = requiring(true);
        remove(&mut world);
        let decision = world.evaluate(&withdrawal());
        assert!(decision.hold().is_some(), "{fact}: {decision:#?}");
        assert_eq!(decision.main_reason(), Some(ReasonCode::RiskFactMissing), "{fact}");
        let detail =
            &decision.rules.iter().find(|rule| rule.code == ReasonCode::RiskFactMissing).unwrap().detail;
        assert!(detail.contains(&format!("`{fact}`")), "{detail}");
    }
    // And the score alone does not decide: without facts it is low.
    assert!(requiring(false).evaluate(&withdrawal()).risk.score < 40);
    assert_eq!(
        result(&requiring(false).evaluate(&withdrawal()), "risk").code,
        ReasonCode::SessionReportCurrent
    );
}

#[test]
fn same_facts_give_the_same_bytes() {
    let decide = || {
        let mut world = world();
        crowd(&mut world, 4, true);
        usually(&mut world, 9_000);
        serde_json::to_string(&world.evaluate(&withdrawal())).unwrap()
    };
    assert_eq!(decide(), decide());
}

#[test]
fn amounts_without_end_do_not_overflow() {
    let mut world = world();
    usually(&mut world, u64::MAX);
    world.price("USDT", u64::MAX);
    let facts = WithdrawalFacts { amount: Amount::MAX, ..withdrawal() };
    assert!(world.evaluate(&facts).risk.score <= 100);
}

#[test]
fn components_out_of_bounds_are_refused_by_name() {
    for (from, to, field) in [
        ("tor = 14", "tor = 101", "risk.tor"),
        ("full_score = 89", "full_score = 49", "risk.exposure.full_score"),
        (
            "first_digits = 4, last_digits = 3",
            "first_digits = 7, last_digits = 3",
            "risk.look_alike.first_digits",
        ),
        (
            "wallet_look_alike = { weight = 31, first_digits = 4",
            "wallet_look_alike = { weight = 31, first_digits = 3",
            "risk.wallet_look_alike.first_digits",
        ),
        ("percent = 50 }\nexposure", "percent = 101 }\nexposure", "risk.established.percent"),
        (
            "dormant = { weight = 15, silent_ms = 7_776_000_000",
            "dormant = { weight = 15, silent_ms = 1",
            "risk.dormant.silent_ms",
        ),
        ("vpn = 4", "vpm = 4", "risk.vpm"),
        ("new_client = 5", "new_client = { weight = 5 }", "risk.new_client"),
    ] {
        let text = world().document.source().replacen(from, to, 1);
        assert_ne!(text, world().document.source(), "{from}");
        let error = PolicyDocument::parse(&text).unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
}
