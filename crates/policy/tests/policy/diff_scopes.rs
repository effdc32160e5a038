//! The same property as in `diffs.rs` for tiers, their ceilings and circuit breakers: what a diff tags as tightening allows nothing that
//! was not allowed, and trips no later.

use std::collections::BTreeSet;

use holdfast_chains::Amount;
use holdfast_policy::{
    Breakers, ChangeEffect, ClientId, Decision, HoldDigest, MicroUsd, Outflow, OutflowStage, PolicyDiff,
    PolicyDocument, ReasonCode, RuleId, TimestampMs, UsdPrice, WalletId, WalletStatus, WithdrawalFacts,
};
use proptest::{prelude::*, strategy::ValueTree};

use crate::diff_rules::{diff, least, lift, named, severity};
use crate::world::{
    APPROVER, DAY, NOW, World, approval, attestation, customer, session, symbol, usdt, withdrawal,
};

const WALLETS: [&str; 3] = ["hot-1", "hot-2", "warm-1"];
const CLIENTS: [&str; 2] = ["pipeline", "other"];
const UNITS: [&str; 3] = ["asset = \"USDT\"", "unit = \"usd_cents\"", "unit = \"count\""];
const EXCEPT: [&str; 2] = ["WINDOW_LIMIT_REACHED", "RISK_DENY"];

/// Where a ceiling begins to step up, to hold (and how that ends) and to deny. Small numbers, so that they meet the facts.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    unit: u8,
    window: bool,
    step_up: Option<u8>,
    hold: Option<(u8, u8)>,
    deny: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Breaker {
    wallets: u8,
    assets: u8,
    clients: u8,
    per_client: bool,
    window: u8,
    denials: Option<u8>,
    per_customer: Option<u8>,
    except: u8,
    unit: u8,
    outflow: Option<u8>,
}

/// A document as numbers: some of them may be other ones in the next document.
#[derive(Debug, Clone)]
struct Doc {
    granted: u8,
    /// For each wallet, which tier it is in: hot, warm, or, if no grant names it, none.
    tiers: [u8; 3],
    ceilings: [Option<Ceiling>; 3],
    breaker: Option<Breaker>,
}

impl Ceiling {
    fn toml(self, id: &str) -> String {
        let window = if self.window { format!("window_ms = {DAY}\n") } else { String::new() };
        let unit = UNITS[usize::from(self.unit) % if self.window { 3 } else { 2 }];
        let bound =
            |name: &str, at: Option<u8>| at.map(|at| format!("{name} = \"{at}\"\n")).unwrap_or_default();
        let hold = self.hold.map(|(at, kind)| (at.max(self.step_up.unwrap_or(0)), kind));
        let highest = hold.map(|(at, _)| at).or(self.step_up).unwrap_or(0);
        let none = hold.is_none() && self.step_up.is_none();
        let deny = self.deny.or(none.then_some(7)).map(|at| at.max(highest));
        let held = hold.map(|(at, kind)| format!("hold_above = {{ amount = \"{at}\", {} }}\n", lift(kind)));
        format!(
            "[[tier.ceiling]]\nid = \"{id}\"\n{unit}\n{window}{}{}{}",
            bound("step_up_above", self.step_up),
            held.unwrap_or_default(),
            bound("deny_above", deny)
        )
    }

    fn mixed(self, other: Self, lower: bool) -> Self {
        if !lower {
            return other;
        }
        Self {
            step_up: least(self.step_up, other.step_up, true),
            hold: match (self.hold, other.hold) {
                (Some((at, kind)), Some((less, _))) => Some((at.min(less), kind)),
                (mine, theirs) => mine.or(theirs),
            },
            deny: least(self.deny, other.deny, true).or(other.deny),
            ..self
        }
    }
}

impl Breaker {
    fn toml(self) -> String {
        let scope = |name: &str, mask: u8, all: &[&str]| match mask & ((1 << all.len()) - 1) {
            0 => String::new(),
            mask => format!("{name} = [{}]\n", named(mask, all)),
        };
        let denials = self.denials.or(self.outflow.is_none().then_some(3)).map(|most| {
            let each = self.per_customer.map(|each| format!("per_customer = {each}\n")).unwrap_or_default();
            format!("max_denials = {most}\n{each}{}", scope("except", self.except, &EXCEPT))
        });
        let unit = UNITS[usize::from(self.unit) % 3];
        let outflow = self.outflow.map(|most| format!("max_outflow = {{ {unit}, amount = \"{most}\" }}\n"));
        format!(
            "[[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\n{}{}{}per_client = {}\nwindow_ms = {}\n{}{}",
            scope("wallets", self.wallets, &WALLETS),
            scope("assets", self.assets, &["USDT", "ETH"]),
            scope("clients", self.clients, &CLIENTS),
            self.per_client,
            100 * u64::from(self.window),
            denials.unwrap_or_default(),
            outflow.unwrap_or_default()
        )
    }

    fn mixed(self, other: Self, lower: bool) -> Self {
        if !lower {
            return other;
        }
        let first = |mine: Option<u8>, theirs: Option<u8>| least(mine, theirs, true).or(theirs);
        Self {
            denials: first(self.denials, other.denials),
            outflow: first(self.outflow, other.outflow),
            // What comes with a first bound on denials is free to choose.
            per_customer: if self.denials.is_none() { other.per_customer } else { self.per_customer },
            ..self
        }
    }
}

impl Doc {
    fn toml(&self) -> String {
        let in_tier = |wallet: usize| match self.tiers[wallet] {
            2 if self.granted & (1 << wallet) != 0 => 0,
            tier => tier,
        };
        let of = |tier: u8| {
            (0..3).filter(|wallet| in_tier(*wallet) == tier).fold(0, |mask, wallet| mask | 1 << wallet)
        };
        let mut text = format!(
            "version = 1\n[[grant]]\nid = \"g\"\nwallets = [{}]\nassets = [\"USDT\"]\ndestinations = \"any\"\n",
            named(self.granted, &WALLETS)
        );
        let (hot, warm) = self.ceilings.split_at(2);
        for (id, wallets, theirs, ids) in
            [("hot", of(0), hot, &["hot-a", "hot-b"][..]), ("warm", of(1), warm, &["warm-a"][..])]
        {
            if wallets == 0 {
                continue;
            }
            text += &format!("[[tier]]\nid = \"{id}\"\nwallets = [{}]\n", named(wallets, &WALLETS));
            let ceilings =
                theirs.iter().zip(ids).filter_map(|(ceiling, id)| Some(ceiling.as_ref()?.toml(id)));
            text.extend(ceilings);
        }
        text += &self.breaker.map(Breaker::toml).unwrap_or_default();
        text + &format!(
            "[[restriction]]\nid = \"risk\"\ntype = \"risk\"\nhold_at = 50\ndeny_at = 90\napprovals = {{ {APPROVER} = 1 }}\n\
             [risk]\nlisted_address = 100\nnew_device = 0\nsecond_factor_reset = 0\nmax_report_age_ms = {DAY}\n\
             [identity]\nproviders = [\"kyc\"]\nmethods = [\"passkey\"]\nmin_score = 80\nmax_age_ms = 60000\n\
             [hold]\ndeadline_ms = {}\nowner = \"{APPROVER}\"\n[whitelist]\ncooling_off_ms = 0\nmax_life_ms = {DAY}\n\
             [authorization]\nmax_age_ms = 1000\n[prices]\nmax_age_ms = 1000\nproviders = [\"prices\"]\n",
            5 * 3_600_000
        )
    }

    /// This document with some of the other's numbers: those, or where that has a meaning the lower one of each.
    fn mixed(&self, other: &Self, mask: u8, lower: bool) -> Self {
        let bit = |n: u8| mask & (1 << n) != 0;
        let mut doc = self.clone();
        if bit(0) {
            let fewer = self.granted & other.granted;
            doc.granted = if lower && fewer > 0 { fewer } else { other.granted };
        }
        if bit(1) {
            doc.tiers = other.tiers;
        }
        for n in 0..3 {
            if bit(2 + n) {
                let (mine, theirs) = (self.ceilings[usize::from(n)], other.ceilings[usize::from(n)]);
                doc.ceilings[usize::from(n)] = match (mine, theirs) {
                    (Some(mine), Some(theirs)) => Some(mine.mixed(theirs, lower)),
                    (mine, None) if lower => mine,
                    (_, theirs) => theirs,
                };
            }
        }
        if bit(5) {
            doc.breaker = match (self.breaker, other.breaker) {
                (Some(mine), Some(theirs)) => Some(mine.mixed(theirs, lower)),
                (mine, None) if lower => mine,
                (_, theirs) => theirs,
            };
        }
        doc
    }
}

fn doc() -> impl Strategy<Value = Doc> {
    let ceiling = || {
        let bounds = (
            prop::option::weighted(0.3, 0_u8..6),
            prop::option::weighted(0.6, (0_u8..8, 0_u8..12)),
            prop::option::weighted(0.6, 2_u8..10),
        );
        let ceiling = (0_u8..6, any::<bool>(), bounds)
            .prop_map(|(unit, window, (step_up, hold, deny))| Ceiling { unit, window, step_up, hold, deny });
        prop::option::weighted(0.7, ceiling)
    };
    let mask = |of: u8| prop_oneof![Just(0), 1..of];
    let breaker = (
        (mask(8), mask(4), mask(4), prop::bool::weighted(0.3), 1_u8..4),
        (prop::option::weighted(0.7, 1_u8..6), prop::option::weighted(0.4, 1_u8..4), 0_u8..4),
        (0_u8..3, prop::option::weighted(0.6, 1_u8..20)),
    )
        .prop_map(
            |(
                (wallets, assets, clients, per_client, window),
                (denials, per_customer, except),
                (unit, outflow),
            )| {
                Breaker {
                    wallets,
                    assets,
                    clients,
                    per_client,
                    window,
                    denials,
                    per_customer,
                    except,
                    unit,
                    outflow,
                }
            },
        );
    let tiers = prop_oneof![Just([0_u8, 0, 1]), Just([0, 2, 2]), [0_u8..3, 0..3, 0..3]];
    (1_u8..8, tiers, [ceiling(), ceiling(), ceiling()], prop::option::weighted(0.7, breaker)).prop_map(
        |(granted, tiers, ceilings, breaker)| Doc { granted: granted | 1, tiers, ceilings, breaker },
    )
}

fn pair() -> impl Strategy<Value = (Doc, Doc)> {
    let mask = prop::collection::vec(0_u8..6, 1..3);
    (doc(), doc(), mask, prop::bool::weighted(0.8)).prop_map(|(old, other, bits, lower)| {
        let mask = bits.iter().fold(0, |mask, bit| mask | 1 << bit);
        let new = old.mixed(&other, mask, lower);
        (old, new)
    })
}

/// What left a wallet: how much, its worth in cents, and whether it may still leave, waits before mine, or left a moment or a day ago.
type Left = (usize, u8, Option<u8>, u8);

#[derive(Debug, Clone)]
struct Facts {
    wallet: usize,
    amount: u8,
    cents: Option<u8>,
    left: Vec<Left>,
    tripped: bool,
    attested: bool,
    approvers: Vec<bool>,
    asked_hours_ago: u64,
}

fn facts() -> impl Strategy<Value = Facts> {
    let cents = || prop::option::weighted(0.9, 0_u8..5);
    let left = prop::collection::vec((0_usize..3, 0_u8..5, cents(), 0_u8..4), 0..4);
    let asked = prop::sample::select(vec![0_u64, 0, 1, 2, 6]);
    (
        (0_usize..3, 0_u8..8, cents(), left),
        (prop::bool::weighted(0.1), any::<bool>(), prop::collection::vec(any::<bool>(), 0..4), asked),
    )
        .prop_map(|((wallet, amount, cents, left), (tripped, attested, approvers, asked_hours_ago))| {
            Facts { wallet, amount, cents, left, tripped, attested, approvers, asked_hours_ago }
        })
}

fn from(wallet: usize, amount: u8) -> WithdrawalFacts {
    let wallet = WalletId::new(WALLETS[wallet]).unwrap();
    WithdrawalFacts { wallet, amount: Amount::from_u128(amount.into()), ..withdrawal() }
}

impl Facts {
    fn world(&self, document: &str) -> World {
        let mut world = World::with_policy(document);
        world.wallets =
            WALLETS.iter().map(|wallet| (WalletId::new(*wallet).unwrap(), WalletStatus::Active)).collect();
        for (place, (wallet, amount, cents, how)) in (1_u64..).zip(&self.left) {
            let usd_cents = cents.map(u64::from);
            let outflow = Outflow { usd_cents, ..from(*wallet, *amount).outflow(&usdt(), None) };
            let paid = match how {
                0 => None,
                1 => {
                    let until = TimestampMs(NOW + DAY);
                    world.outflows.hold_place(place, outflow, OutflowStage::Reserved { until });
                    continue;
                }
                2 => Some(NOW - DAY + 1),
                _ => Some(NOW - DAY),
            };
            world.outflows.hold_place(place, outflow, OutflowStage::Authorized);
            if let Some(at) = paid {
                world.outflows.pay(place, TimestampMs(at));
            }
        }
        // Of one base unit, which is a millionth: so many cents are the worth of all of them.
        if let Some(cents) = self.cents {
            let price = MicroUsd(u64::from(cents) * 10_000_000_000);
            world.prices = [(symbol("USDT"), UsdPrice { price, observed_at: TimestampMs(NOW) })].into();
        }
        if self.tripped {
            world.tripped = BTreeSet::from([RuleId::new("fuse").unwrap()]);
        }
        world.sessions = [(customer("alice"), session(false, false))].into();
        world
    }

    /// The same people approve whatever hold this document makes.
    fn decide(&self, document: &str) -> Decision {
        let world = self.world(document);
        let mut mine = from(self.wallet, self.amount);
        let hold = world.evaluate(&mine).hold().map(|hold| hold.digest());
        let hold = hold.unwrap_or(HoldDigest::from_bytes([0; 32]));
        let asked = TimestampMs(NOW - self.asked_hours_ago * 3_600_000);
        (mine.requested_at, mine.first_requested_at) = (asked, asked);
        mine.attestations = self.attested.then(attestation).into_iter().collect();
        let roles = |both: bool| if both { vec![APPROVER, "compliance"] } else { vec![APPROVER] };
        let approvers = self.approvers.iter().enumerate();
        mine.approvals = approvers
            .map(|(number, both)| approval(&format!("officer-{number}"), &roles(*both), hold))
            .collect();
        world.evaluate(&mine)
    }
}

/// One thing that a breaker may count: which wallet and client, for whom, denied for what or how much, how much later.
type Counted = (usize, usize, u8, Option<u8>, u8, u64);

fn count(breakers: &mut Breakers, (wallet, client, who, reason, amount, _): Counted, at: u64) -> bool {
    let facts = WithdrawalFacts {
        client: ClientId::new(CLIENTS[client]).unwrap(),
        customer: Some(customer(&format!("c-{who}"))),
        ..from(wallet, amount)
    };
    let outflow = Outflow { usd_cents: Some(u64::from(amount) * 2), ..facts.outflow(&usdt(), None) };
    let reasons = [ReasonCode::WindowLimitReached, ReasonCode::RiskDeny, ReasonCode::NoGrant];
    match reason {
        Some(reason) => {
            !breakers.denied(&outflow, &[reasons[usize::from(reason)]], TimestampMs(at)).is_empty()
        }
        None => !breakers.authorized(&outflow, TimestampMs(at)).is_empty(),
    }
}

fn measuring(document: &str) -> Breakers {
    let mut breakers = Breakers::default();
    breakers.measure(&PolicyDocument::parse(document).unwrap());
    breakers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_only_tightens_tiers_ceilings_and_breakers_allows_nothing_new((old, new) in pair(), facts in prop::collection::vec(facts(), 6)) {
        let (old, new) = (old.toml(), new.toml());
        let diff = diff(&old, &new);
        if !diff.loosens() {
            for facts in &facts {
                let (before, after) = (facts.decide(&old), facts.decide(&new));
                prop_assert!(severity(&after) >= severity(&before), "{facts:#?}\n{:#?}\n{before:#?}\n{after:#?}\n{old}\n{new}", diff.changes());
            }
        }
    }

    #[test]
    fn no_change_of_tiers_and_breakers_tightens_in_both_directions((old, new) in pair()) {
        let (old, new) = (old.toml(), new.toml());
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        prop_assert_eq!(there.changes().is_empty(), back.changes().is_empty());
        let tight = |diff: &PolicyDiff| !diff.changes().is_empty() && !diff.loosens();
        prop_assert!(!(tight(&there) && tight(&back)), "{:#?}", there.changes());
    }

    /// Of two replicas with the same log one goes on with the old policy: where that one trips, the other has tripped.
    #[test]
    fn breaker_that_only_tightens_trips_no_later(
        (old, new) in pair(),
        events in prop::collection::vec((0_usize..3, 0_usize..2, 0_u8..3, prop::option::of(0_u8..3), 0_u8..5, 0_u64..60), 1..60),
        change in 0_usize..30,
    ) {
        let (old, new) = (old.toml(), new.toml());
        if !diff(&old, &new).loosens() {
            let (mut running, mut changed, mut now) = (measuring(&old), None, NOW);
            for (number, event) in events.into_iter().enumerate() {
                now += event.5;
                if number == change {
                    let mut breakers = running.clone();
                    breakers.measure(&PolicyDocument::parse(&new).unwrap());
                    changed = Some(breakers);
                }
                let trips = count(&mut running, event, now);
                let Some(breakers) = &mut changed else { continue };
                let stricter = count(breakers, event, now);
                prop_assert!(stricter || !trips, "{old}\n{new}");
                // From here on officers decide when the wallet goes on.
                if stricter {
                    break;
                }
            }
        }
    }
}

/// The properties say nothing if what they are about never comes up.
#[test]
fn random_tiers_and_breakers_reach_what_the_properties_are_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (pair(), facts());
    let (mut tightened, mut stricter, mut allowed, mut kinds) = (0_u32, 0_u32, 0_u32, BTreeSet::new());
    for _ in 0..1_500 {
        let ((old, new), facts) = strategy.new_tree(&mut runner).unwrap().current();
        let (old, new) = (old.toml(), new.toml());
        let diff = diff(&old, &new);
        if diff.loosens() || diff.changes().is_empty() {
            continue;
        }
        let (before, after) = (severity(&facts.decide(&old)), severity(&facts.decide(&new)));
        tightened += 1;
        stricter += u32::from(after > before);
        allowed += u32::from(before == 0);
        let tightens = diff.changes().iter().filter(|change| change.effect == ChangeEffect::Tightens);
        kinds.extend(tightens.map(|change| {
            let subject = change.subject.split(' ').next_back().unwrap();
            format!("{subject} {}", change.what.split(' ').next().unwrap())
        }));
    }
    assert!(
        tightened >= 200 && stricter >= 15 && allowed >= 40,
        "{tightened} tighten, {stricter} stricter, {allowed} allowed before"
    );
    for kind in [
        "hot wallets",
        "warm added",
        "hot-a added",
        "hot-a hold_above",
        "warm-a deny_above",
        "hot-b step_up_above",
        "fuse added",
        "fuse max_denials",
        "fuse max_outflow",
        "g wallets",
    ] {
        assert!(kinds.contains(kind), "`{kind}` is never what tightens: {kinds:?}");
    }
}
