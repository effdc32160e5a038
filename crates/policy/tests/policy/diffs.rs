//! The property behind the smaller quorum: a diff that only tightens allows nothing, in any state, that was not allowed.

use std::fmt::Write;

use holdfast_chains::{Amount, AssetSymbol};
use holdfast_policy::{
    ChangeEffect, Decision, HoldDigest, MicroUsd, Outcome, Outflow, OutflowStage, PolicyDiff, TimestampMs,
    UsdPrice, WalletStatus, WithdrawalFacts,
};
use proptest::{prelude::*, strategy::ValueTree};

use crate::world::{
    APPROVER, DAY, GOOD, NOW, SANCTIONED, World, address, approval, customer, entry, list, session, symbol,
    withdrawal,
};

mod facts;

use facts::facts;

/// A document, small enough that its points meet the facts.
#[derive(Debug, Clone)]
struct Doc {
    grants: Vec<Option<Grant>>,
    rules: Vec<Option<Rule>>,
    tiers: Option<Tiers>,
    weights: [u8; 3],
    report_age: u64,
    deadline: u64,
    max_life: u64,
    prices: Option<u64>,
}

#[derive(Debug, Clone)]
struct Grant {
    wallets: u8,
    assets: u8,
    clients: u8,
    max: [Option<u64>; 2],
}

#[derive(Debug, Clone)]
struct Bounds {
    hold: Option<(u64, u8, bool)>,
    deny: Option<u64>,
}

#[derive(Debug, Clone)]
struct Tiers {
    how: Split,
    ceilings: [Option<Ceiling>; 2],
}

/// In which tiers the two wallets are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Split {
    Together,
    Apart,
    /// The second in none, where no grant names it.
    First,
}

#[derive(Debug, Clone)]
struct Ceiling {
    unit: u8,
    window: Option<u64>,
    bounds: Bounds,
}

#[derive(Debug, Clone)]
enum Rule {
    Whitelist,
    Limit { unit: u8, bounds: Bounds },
    Window { unit: u8, per: u8, window: u64, bounds: Bounds },
    Screening { lists: u8 },
    Risk { hold: u8, more: u8, count: u8 },
    FeeCap { chain: u64, max: u64 },
}

fn named(mask: u8, names: &[&str]) -> String {
    let chosen = names.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
    chosen.map(|(_, name)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

impl Bounds {
    fn toml(&self) -> String {
        let mut text = String::new();
        // As the reader wants it: something is bounded, and a denial not below a hold.
        let deny = self.deny.map(|deny| deny.max(self.hold.map_or(0, |(hold, ..)| hold)));
        let deny = if self.hold.is_none() { Some(deny.unwrap_or(9)) } else { deny };
        if let Some((hold, count, two)) = self.hold {
            let second = if two { ", compliance = 1" } else { "" };
            let _ = writeln!(
                text,
                "hold_above = {{ amount = \"{hold}\", approvals = {{ {APPROVER} = {count}{second} }} }}"
            );
        }
        if let Some(deny) = deny {
            let _ = writeln!(text, "deny_above = \"{deny}\"");
        }
        text
    }

    fn lowered(&self, by: u64) -> Self {
        Self {
            hold: self
                .hold
                .map(|(hold, count, two)| (hold.saturating_sub(by & 1), count, two))
                .or((by == 3).then_some((4, 1, false))),
            deny: self.deny.map(|deny| deny.saturating_sub(by)).or((by == 2).then_some(8)),
        }
    }
}

const AMOUNT_UNITS: [&str; 3] = ["asset = \"USDT\"", "asset = \"ETH\"", "unit = \"usd_cents\""];

impl Tiers {
    fn toml(&self, grants: &[Option<Grant>]) -> String {
        let second = grants.iter().flatten().any(|grant| grant.wallets & 2 != 0);
        let ceiling = |n: usize| {
            let Some(Ceiling { unit, window, bounds }) = &self.ceilings[n] else { return String::new() };
            let unit = match window {
                Some(window) => {
                    let units = ["asset = \"USDT\"", "unit = \"count\"", "unit = \"usd_cents\""];
                    format!("{}\nwindow_ms = {window}", units[usize::from(*unit)])
                }
                None => AMOUNT_UNITS[usize::from(*unit)].to_owned(),
            };
            format!("[[tier.ceiling]]\nid = \"c{n}\"\n{unit}\n{}", bounds.toml())
        };
        let tier = |id: &str, wallets: &str| format!("[[tier]]\nid = \"{id}\"\nwallets = [{wallets}]\n");
        let (first, other) = (ceiling(0), ceiling(1));
        match self.how {
            Split::Apart => {
                format!("{}{first}{}{other}", tier("a", "\"hot-1\""), tier("b", "\"hot-2\""))
            }
            Split::First if !second => format!("{}{first}{other}", tier("a", "\"hot-1\"")),
            Split::First | Split::Together => {
                format!("{}{first}{other}", tier("a", "\"hot-1\", \"hot-2\""))
            }
        }
    }

    fn lowered(&self, by: u64) -> Self {
        let lower = |ceiling: &Ceiling| Ceiling { bounds: ceiling.bounds.lowered(by), ..ceiling.clone() };
        let how = if self.how == Split::First && by > 1 { Split::Together } else { self.how };
        Self { how, ceilings: self.ceilings.each_ref().map(|ceiling| ceiling.as_ref().map(lower)) }
    }
}

impl Rule {
    fn toml(&self) -> String {
        match self {
            Self::Whitelist => "type = \"whitelist\"\n".to_owned(),
            Self::Limit { unit, bounds } => {
                let unit = AMOUNT_UNITS[usize::from(*unit)];
                format!("type = \"limit_per_transaction\"\n{unit}\n{}", bounds.toml())
            }
            Self::Window { unit, per, window, bounds } => {
                let unit =
                    ["asset = \"USDT\"", "unit = \"count\"", "unit = \"usd_cents\""][usize::from(*unit)];
                let per = named(*per, &["wallet", "asset", "client", "customer", "destination"]);
                format!(
                    "type = \"limit_window\"\n{unit}\nper = [{per}]\nwindow_ms = {window}\n{}",
                    bounds.toml()
                )
            }
            Self::Screening { lists } => {
                format!(
                    "type = \"screening\"\nlists = [{}]\non_match = \"deny\"\n",
                    named(*lists, &["ofac-eth", "extra", "absent"])
                )
            }
            Self::Risk { hold, more, count } => {
                let deny = hold.saturating_add(*more).min(100);
                format!(
                    "type = \"risk\"\nhold_at = {hold}\ndeny_at = {deny}\napprovals = {{ {APPROVER} = {count} }}\n"
                )
            }
            Self::FeeCap { chain, max } => {
                format!("type = \"fee_cap\"\nchain_id = {chain}\nmax = \"{max}\"\n")
            }
        }
    }

    fn lowered(&self, by: u64) -> Self {
        let mut rule = self.clone();
        match &mut rule {
            Self::Whitelist => {}
            Self::Limit { bounds, .. } | Self::Window { bounds, .. } => *bounds = bounds.lowered(by),
            Self::Screening { lists } => *lists |= 1 << (by % 3),
            Self::Risk { hold, .. } => *hold = hold.saturating_sub(u8::try_from(by).unwrap() * 20),
            Self::FeeCap { max, .. } => *max = max.saturating_sub(by),
        }
        rule
    }
}

impl Doc {
    fn toml(&self) -> String {
        let mut text = "version = 1\n".to_owned();
        for (n, grant) in self.grants.iter().enumerate() {
            let Some(Grant { wallets, assets, clients, max }) = grant else { continue };
            let _ = writeln!(
                text,
                "[[grant]]\nid = \"g{n}\"\nwallets = [{}]\nassets = [{}]\ndestinations = \"whitelisted\"",
                named(*wallets, &["hot-1", "hot-2"]),
                named(*assets, &["USDT", "ETH"])
            );
            if *clients != 0 {
                let _ = writeln!(text, "clients = [{}]", named(*clients, &["pipeline", "other"]));
            }
            let max = ["USDT", "ETH"].iter().zip(max).enumerate().filter(|(bit, _)| assets & (1 << bit) != 0);
            let max: Vec<_> =
                max.filter_map(|(_, (asset, max))| Some(format!("{asset} = \"{}\"", (*max)?))).collect();
            if !max.is_empty() {
                let _ = writeln!(text, "max_amount = {{ {} }}", max.join(", "));
            }
        }
        for (n, rule) in self.rules.iter().enumerate() {
            if let Some(rule) = rule {
                let _ = writeln!(text, "[[restriction]]\nid = \"r{n}\"\n{}", rule.toml());
            }
        }
        if let Some(tiers) = &self.tiers {
            text.push_str(&tiers.toml(&self.grants));
        }
        let [listed, device, factor] = self.weights;
        let Self { report_age, deadline, max_life, .. } = self;
        let in_dollars = text.contains("usd_cents");
        let _ = writeln!(
            text,
            "[risk]\nlisted_address = {listed}\nnew_device = {device}\nsecond_factor_reset = {factor}\nmax_report_age_ms = {report_age}\n[hold]\ndeadline_ms = {deadline}\nowner = \"{APPROVER}\"\n[whitelist]\ncooling_off_ms = 0\nmax_life_ms = {max_life}\n[authorization]\nmax_age_ms = 1000"
        );
        if let Some(age) = self.prices.or(in_dollars.then_some(1000)) {
            let _ = writeln!(text, "[prices]\nmax_age_ms = {age}\nproviders = [\"sessions\"]");
        }
        text
    }

    /// Less of everything that can be less, more of everything that can only take away.
    fn tighter(&self, more: &Self, tweaks: &[u64; 12]) -> Self {
        let mut doc = self.clone();
        for (grant, tweak) in doc.grants.iter_mut().zip(tweaks) {
            match (tweak, grant) {
                (0, grant) => *grant = None,
                (1, Some(grant)) => {
                    grant.max = grant.max.map(|max| Some(max.map_or(5, |max| max.saturating_sub(1))))
                }
                (2, Some(grant)) if grant.wallets == 3 => grant.wallets = 1,
                (3, Some(grant)) if grant.assets == 3 => grant.assets = 1,
                (2 | 3, Some(grant)) if grant.clients == 0 => grant.clients = 1,
                (_, _) => {}
            }
        }
        // A policy has a grant.
        if doc.grants.iter().all(Option::is_none) {
            doc.grants.clone_from(&self.grants);
        }
        for ((rule, other), tweak) in doc.rules.iter_mut().zip(&more.rules).zip(&tweaks[3..]) {
            match rule {
                Some(rule) => *rule = rule.lowered(*tweak),
                None if tweak % 2 == 0 => rule.clone_from(other),
                None => {}
            }
        }
        doc.tiers = match &doc.tiers {
            Some(tiers) => Some(tiers.lowered(tweaks[10])),
            None => more.tiers.clone().filter(|_| tweaks[10] > 0),
        };
        doc.max_life = doc.max_life.saturating_sub(tweaks[11] * DAY / 2).max(1);
        // The first rule in dollars brings its table.
        doc
    }

    /// One value that is no limit is another one, in one rule or table.
    fn nudged(&self, at: usize, by: u8) -> Self {
        let mut doc = self.clone();
        match doc.rules.get_mut(at) {
            Some(Some(Rule::Window { unit, per, window, .. })) => match by % 3 {
                0 => *unit = (*unit + 1) % 3,
                1 => *per ^= 1 << (by % 5),
                _ => *window = if *window == DAY { DAY / 2 } else { DAY },
            },
            Some(Some(Rule::Limit { unit, .. })) => *unit = (*unit + 1 + by % 2) % 3,
            Some(Some(Rule::Screening { lists })) => *lists = (*lists ^ (1 << (by % 3))).max(1),
            Some(Some(Rule::Risk { count, .. })) => *count = 3 - *count,
            Some(Some(Rule::FeeCap { chain, .. })) => *chain = 3 - *chain,
            Some(rule) => *rule = None,
            None => doc.weights = doc.weights.map(|weight| weight.saturating_sub(by % 40)),
        }
        doc
    }

    fn mixed(&self, other: &Self, mask: u32) -> Self {
        let bit = |n: usize| mask & (1 << n) != 0;
        let pick = |n: usize, mine: &Self, theirs: &Self| if bit(n) { theirs.clone() } else { mine.clone() };
        let mut doc = self.clone();
        for n in 0..self.grants.len() {
            doc.grants[n] = pick(n, self, other).grants[n].clone();
        }
        if doc.grants.iter().all(Option::is_none) {
            doc.grants.clone_from(&self.grants);
        }
        for n in 0..self.rules.len() {
            doc.rules[n] = pick(n + 4, self, other).rules[n].clone();
        }
        doc.tiers = pick(17, self, other).tiers;
        doc.weights = pick(12, self, other).weights;
        doc.report_age = pick(13, self, other).report_age;
        doc.deadline = pick(14, self, other).deadline;
        doc.max_life = pick(15, self, other).max_life;
        doc.prices = pick(16, self, other).prices;
        doc
    }
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let hold = prop::option::weighted(0.7, (0_u64..8, 1_u8..3, prop::bool::weighted(0.2)));
    (hold, prop::option::weighted(0.6, 2_u64..12)).prop_map(|(hold, deny)| Bounds { hold, deny })
}

fn rule() -> impl Strategy<Value = Rule> {
    let window = (0_u8..3, 0_u8..32, prop::sample::select(vec![DAY, DAY / 2]), bounds());
    prop_oneof![
        Just(Rule::Whitelist),
        (0_u8..3, bounds()).prop_map(|(unit, bounds)| Rule::Limit { unit, bounds }),
        window.prop_map(|(unit, per, window, bounds)| Rule::Window { unit, per, window, bounds }),
        (1_u8..4).prop_map(|lists| Rule::Screening { lists }),
        (1_u8..90, 0_u8..50, 1_u8..3).prop_map(|(hold, more, count)| Rule::Risk { hold, more, count }),
        (1_u64..3, 1_u64..8).prop_map(|(chain, max)| Rule::FeeCap { chain, max }),
    ]
}

// Boxed: what proptest keeps of it is too large for a test's stack.
fn tiers() -> BoxedStrategy<Tiers> {
    let ceiling = || {
        let window = prop::option::of(prop::sample::select(vec![DAY, DAY / 2]));
        let ceiling =
            (0_u8..3, window, bounds()).prop_map(|(unit, window, bounds)| Ceiling { unit, window, bounds });
        prop::option::weighted(0.7, ceiling)
    };
    let how = prop::sample::select(vec![Split::Together, Split::Apart, Split::First]);
    (how, [ceiling(), ceiling()]).prop_map(|(how, ceilings)| Tiers { how, ceilings }).boxed()
}

fn doc() -> BoxedStrategy<Doc> {
    let max = || prop::option::weighted(0.5, 1_u64..10);
    let grant = (1_u8..4, 1_u8..4, 0_u8..4, [max(), max()])
        .prop_map(|(wallets, assets, clients, max)| Grant { wallets, assets, clients, max });
    let wide = Grant { wallets: 3, assets: 3, clients: 0, max: [None, None] };
    let first = prop_oneof![Just(wide), grant.clone()];
    let rules = prop::collection::vec(prop::option::weighted(0.5, rule()), 8);
    let prices = prop::option::weighted(0.5, prop::sample::select(vec![1000_u64, 5000]));
    (
        first,
        prop::collection::vec(prop::option::weighted(0.4, grant), 2),
        rules,
        prop::option::weighted(0.4, tiers()),
        [0_u8..60, 0..60, 0..60],
        prices,
    )
        .prop_map(|(first, mut grants, rules, tiers, weights, prices)| {
            grants.insert(0, Some(first));
            Doc { grants, rules, tiers, weights, report_age: DAY, deadline: DAY, max_life: 3 * DAY, prices }
        })
        .boxed()
}

/// Two documents, of which the second often only tightens.
fn pair() -> impl Strategy<Value = (Doc, Doc)> {
    let tighter = (doc(), doc(), prop::array::uniform12(0_u64..4)).prop_map(|(old, more, tweaks)| {
        let new = old.tighter(&more, &tweaks);
        (old, new)
    });
    let mixed = (doc(), doc(), any::<u32>(), any::<u32>()).prop_map(|(old, other, a, b)| {
        let new = old.mixed(&other, a & b);
        (old, new)
    });
    // With nothing beside it that would hide what the change does.
    let window = (0_u8..3, 0_u8..32, prop::sample::select(vec![DAY, DAY / 2]), bounds())
        .prop_map(|(unit, per, window, bounds)| Rule::Window { unit, per, window, bounds });
    let nudged = (doc(), prop_oneof![window, rule()], any::<u8>()).prop_map(|(mut old, rule, by)| {
        old.grants = vec![Some(Grant { wallets: 3, assets: 3, clients: 0, max: [None, None] })];
        old.rules = vec![Some(rule)];
        old.tiers = old.tiers.filter(|_| by % 3 == 0);
        let mut new = old.nudged(usize::from(by % 16 == 0), by);
        if let Some(tiers) = new.tiers.as_mut().filter(|_| by % 2 == 0) {
            tiers.how = if tiers.how == Split::Apart { Split::Together } else { Split::Apart };
        }
        (old, new)
    });
    prop_oneof![3 => tighter, 1 => mixed, 2 => nudged]
}

fn severity(decision: &Decision) -> u8 {
    match decision.outcome {
        Outcome::Allow => 0,
        Outcome::Hold(_) => 1,
        Outcome::Deny => 2,
    }
}

fn diff(old: &str, new: &str) -> PolicyDiff {
    let parse = |text: &str| {
        holdfast_policy::PolicyDocument::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    PolicyDiff::between(&parse(old), &parse(new))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_only_tightens_allows_nothing_that_was_not_allowed((old, new) in pair(), facts in prop::collection::vec(facts(), 4)) {
        let (old, new) = (old.toml(), new.toml());
        let diff = diff(&old, &new);
        if !diff.loosens() {
            for facts in &facts {
                let (before, after) = (facts.decide(&old), facts.decide(&new));
                prop_assert!(severity(&after) >= severity(&before), "{:#?}\n{before:#?}\n{after:#?}\n{old}\n{new}", diff.changes());
                let (before, after) = (facts.decide_own(&old), facts.decide_own(&new));
                prop_assert!(severity(&after) >= severity(&before), "{:#?}\n{before:#?}\n{after:#?}\n{old}\n{new}", diff.changes());
            }
        }
    }

    #[test]
    fn every_difference_is_seen_from_both_sides((old, new) in pair()) {
        let (old, new) = (old.toml(), new.toml());
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        prop_assert_eq!(there.changes().is_empty(), back.changes().is_empty());
        prop_assert!(diff(&old, &old).changes().is_empty());
        // No change tightens in both directions
        let tight = |diff: &PolicyDiff| !diff.changes().is_empty() && !diff.loosens();
        prop_assert!(!(tight(&there) && tight(&back)), "{:#?}", there.changes());
    }
}

/// The property says nothing if what it is about never comes up.
#[test]
fn random_pairs_reach_what_the_property_is_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (pair(), facts());
    let (mut tightened, mut stricter, mut laxer, mut kinds) =
        (0_u32, 0_u32, 0_u32, std::collections::BTreeSet::new());
    for _ in 0..800 {
        let ((old, new), facts) = strategy.new_tree(&mut runner).unwrap().current();
        let (old, new) = (old.toml(), new.toml());
        let diff = diff(&old, &new);
        let (before, after) = (severity(&facts.decide(&old)), severity(&facts.decide(&new)));
        if diff.loosens() {
            laxer += u32::from(after < before);
        } else {
            tightened += u32::from(!diff.changes().is_empty());
            stricter += u32::from(after > before);
            let tightens = diff.changes().iter().filter(|change| change.effect == ChangeEffect::Tightens);
            kinds.extend(tightens.map(|change| change.what.split(' ').next().unwrap().to_owned()));
        }
    }
    assert!(
        tightened >= 150 && stricter >= 30 && laxer >= 5,
        "{tightened} tighten, {stricter} stricter, {laxer} laxer"
    );
    for kind in [
        "removed",
        "added",
        "wallets",
        "assets",
        "clients",
        "hold_above",
        "deny_above",
        "hold_at",
        "lists",
        "max",
    ] {
        assert!(kinds.contains(kind), "`{kind}` is never what tightens: {kinds:?}");
    }
}
