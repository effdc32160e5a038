//! The same property as in `diffs.rs` for bands and timers, step-ups, risk thresholds, hours, the Travel Rule, exposures, identities
//! and legal orders: what a diff tags as tightening allows nothing that was not allowed.

use std::collections::BTreeSet;
use std::fmt::Write;

use holdfast_chains::{Amount, ChainId};
use holdfast_policy::{
    ChangeEffect, Decision, ExposureSignal, Freeze, FrozenSubject, HoldDigest, IdentityAttestation,
    LegalFacts, MicroUsd, Outcome, PolicyDiff, PolicyDocument, Release, ReleaseStanding, TimestampMs,
    TravelReport, TravelState, UsdPrice, WithdrawalFacts,
};
use proptest::{prelude::*, strategy::ValueTree};

use crate::world::{
    APPROVER, DAY, GOOD, NOW, World, address, approval, attestation, customer, session, symbol, withdrawal,
};

mod facts;

use facts::facts;

const HOUR: u64 = 3_600_000;

/// One band: where it begins, and how it ends. Small numbers, so that they meet the facts.
type Band = (u8, u8);

/// A document as numbers: each of them, or none, may be another one in the next document.
#[derive(Debug, Clone)]
struct Doc {
    step_up: Option<u8>,
    bands: Vec<Band>,
    deny: Option<u8>,
    dollars: Option<(u8, u8)>,
    risk_step_up: Option<u8>,
    risk_bands: Vec<Band>,
    risk_deny: u8,
    require: u8,
    hours: Option<(u8, u8, u8)>,
    travel: Option<(u8, Option<u8>, u8)>,
    exposure: Option<(u8, u8, bool)>,
    exposure_hold: Option<u8>,
    exposure_deny: Option<u8>,
    identity: Option<(u8, u8)>,
    identity_age: u8,
    legal: bool,
    sessions: u8,
    dormancy: Option<u8>,
    deadline: u8,
    grant_max: Option<u8>,
    weights: [u8; 3],
}

const FIELDS: u32 = 21;

pub(crate) fn named(mask: u8, names: &[&str]) -> String {
    let chosen = names.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
    chosen.map(|(_, name)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn people(kind: u8) -> String {
    match kind % 3 {
        0 => format!("approvals = {{ {APPROVER} = 1 }}"),
        1 => format!("approvals = {{ {APPROVER} = 2 }}"),
        _ => format!("approvals = {{ {APPROVER} = 1, compliance = 1 }}"),
    }
}

pub(crate) fn lift(kind: u8) -> String {
    let timer = HOUR * u64::from(1 + kind % 2);
    match kind % 6 {
        0..3 => people(kind),
        3 => format!("timer_ms = {timer}, at_end = \"release\""),
        4 => format!("{}, timer_ms = {timer}, at_end = \"release\"", people(kind / 2)),
        _ => format!("{}, timer_ms = {timer}, at_end = \"reject\"", people(kind / 2)),
    }
}

fn array(bands: &[Band], of: &str, quote: &str, least: u8) -> String {
    let mut bands: Vec<Band> = bands.iter().map(|(at, lift)| ((*at).max(least), *lift)).collect();
    bands.sort_by_key(|(at, _)| *at);
    bands.dedup_by_key(|(at, _)| *at);
    // A band that wants what a lower one wants already says nothing.
    let mut wanted = BTreeSet::new();
    bands.retain(|(_, kind)| wanted.insert(lift(*kind)));
    let band = |(at, kind): &Band| format!("{{ {of} = {quote}{at}{quote}, {} }}", lift(*kind));
    format!("[{}]", bands.iter().map(band).collect::<Vec<_>>().join(", "))
}

fn highest(bands: &[Band], least: u8) -> u8 {
    bands.iter().map(|(at, _)| (*at).max(least)).max().unwrap_or(least)
}

impl Doc {
    fn toml(&self) -> String {
        let mut text = "version = 1\n[[grant]]\nid = \"g\"\nwallets = [\"hot-1\"]\nassets = [\"USDT\"]\ndestinations = \"any\"\n".to_owned();
        if let Some(max) = self.grant_max {
            let _ = writeln!(text, "max_amount = {{ USDT = \"{max}\" }}");
        }
        self.limits(&mut text);
        self.risk_rule(&mut text);
        if let Some((days, hours, outside)) = self.hours {
            let outside = if outside % 3 == 0 { "outside = \"deny\"".to_owned() } else { people(outside) };
            let days = named(days, &["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
            let hours = named(hours, &["00:00-08:00", "08:00-16:00", "16:00-24:00"]);
            let _ = writeln!(
                text,
                "[[restriction]]\nid = \"hours\"\ntype = \"time_window\"\ndays = [{days}]\nhours = [{hours}]\n{outside}"
            );
        }
        if let Some((providers, cents, kind)) = self.travel {
            let cents = cents.map(|cents| format!("above_usd_cents = {cents}\n")).unwrap_or_default();
            let providers = named(providers, &["vasp-net", "other-net"]);
            let above = if kind % 2 == 0 && !cents.is_empty() {
                String::new()
            } else {
                format!("above = {{ USDT = \"{}\" }}\n", kind / 4)
            };
            let _ = writeln!(
                text,
                "[[restriction]]\nid = \"travel\"\ntype = \"travel_rule\"\n{above}{cents}providers = [{providers}]\n{}",
                people(kind)
            );
        }
        self.tables(&mut text);
        text
    }

    fn limits(&self, text: &mut String) {
        let step_up = self.step_up.map(|at| format!("step_up_above = \"{at}\"\n")).unwrap_or_default();
        let least = self.step_up.unwrap_or(0);
        let bands = match self.bands.is_empty() {
            true => String::new(),
            false => format!("hold_above = {}\n", array(&self.bands, "amount", "\"", least)),
        };
        let deny = self.deny.map(|at| at.max(highest(&self.bands, least)));
        let deny = deny.or((bands.is_empty() && step_up.is_empty()).then_some(9));
        let deny = deny.map(|at| format!("deny_above = \"{at}\"\n")).unwrap_or_default();
        let _ = writeln!(
            text,
            "[[restriction]]\nid = \"limit\"\ntype = \"limit_per_transaction\"\nasset = \"USDT\"\n{step_up}{bands}{deny}"
        );
        if let Some((step_up, hold)) = self.dollars {
            let _ = writeln!(
                text,
                "[[restriction]]\nid = \"dollars\"\ntype = \"limit_window\"\nunit = \"usd_cents\"\nper = [\"wallet\"]\nwindow_ms = {DAY}\n\
                 step_up_above = \"{step_up}\"\nhold_above = {{ amount = \"{}\", {} }}",
                step_up.saturating_add(hold % 8),
                lift(hold)
            );
        }
    }

    fn risk_rule(&self, text: &mut String) {
        let least = self.risk_step_up.unwrap_or(0);
        let step_up = self.risk_step_up.map(|at| format!("step_up_at = {at}\n")).unwrap_or_default();
        let bands = match self.risk_bands.is_empty() {
            true => format!("[{{ score = {}, {} }}]", least.max(50), people(0)),
            false => array(&self.risk_bands, "score", "", least),
        };
        let deny = self.risk_deny.max(highest(&self.risk_bands, least)).max(50);
        let require = match self.require {
            0 => String::new(),
            mask => format!("require = [{}]\n", named(mask, &["history", "worth"])),
        };
        let _ = writeln!(
            text,
            "[[restriction]]\nid = \"risk\"\ntype = \"risk\"\n{step_up}hold_at = {bands}\ndeny_at = {deny}\n{require}{}",
            people(1)
        );
    }

    fn tables(&self, text: &mut String) {
        let [device, factor, exposed] = self.weights;
        let _ = writeln!(
            text,
            "[risk]\nlisted_address = 100\nnew_device = {device}\nsecond_factor_reset = {factor}\nmax_report_age_ms = {DAY}\n\
             exposure = {{ weight = {exposed}, from_score = 20, full_score = 60 }}\n\
             near_listed = {{ weight = 20, max_hops = 1, min_score = 10 }}"
        );
        if let Some((providers, kind, required)) = self.exposure {
            let hold = self.exposure_hold.map(|at| format!("hold_at = {at}\n")).unwrap_or_default();
            let deny = self.exposure_deny.map(|at| at.max(self.exposure_hold.unwrap_or(1)));
            let deny = deny.map(|at| format!("deny_at = {at}\n")).unwrap_or_default();
            let _ = writeln!(
                text,
                "[exposure]\nproviders = [{}]\nmax_age_ms = {}\nrequired = {required}\n{hold}{deny}{}",
                named(providers, &["chainwatch", "tracer"]),
                HOUR * u64::from(1 + kind / 8 % 2),
                people(kind)
            );
        }
        let steps_up = self.step_up.is_some() || self.risk_step_up.is_some() || self.dollars.is_some();
        if let Some((mask, min)) = self.identity.or(steps_up.then_some((1, 0))) {
            let _ = writeln!(
                text,
                "[identity]\nproviders = [{}]\nmethods = [{}]\nmin_score = {}\nmax_age_ms = {}",
                named((mask & 3).max(1), &["kyc", "kyc-2"]),
                named((mask >> 2 & 3).max(1), &["passkey", "id-document"]),
                70 + min % 3 * 10,
                HOUR * u64::from(self.identity_age)
            );
        }
        if self.legal {
            let _ = writeln!(
                text,
                "[legal]\nfreeze_lapse_ms = 5\nopened_by = \"compliance\"\napprovals = {{ compliance = 1, {APPROVER} = 1 }}"
            );
        }
        if self.sessions > 0 {
            let _ = writeln!(
                text,
                "[sessions]\nproviders = [{}]",
                named(self.sessions, &["sessions", "devices"])
            );
        }
        let dormancy = self
            .dormancy
            .map(|days| format!("\ndormancy_ms = {}", DAY * u64::from(days)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "[hold]\ndeadline_ms = {}\nowner = \"{APPROVER}\"\n[whitelist]\ncooling_off_ms = 0\nmax_life_ms = {}{dormancy}\n\
             [authorization]\nmax_age_ms = 1000\n[prices]\nmax_age_ms = 1000\nproviders = [\"prices\"]",
            HOUR * u64::from(3 + self.deadline),
            3 * DAY
        );
    }

    /// This document with some of the other's numbers: those, or where that has a meaning the lower one of each.
    fn mixed(&self, other: &Self, mask: u32, lower: bool) -> Self {
        let mut doc = self.clone();
        doc.mix_limits(other, mask, lower);
        doc.mix_facts(other, mask >> 8, lower);
        doc.mix_rest(other, mask >> 15, lower);
        doc
    }

    fn mix_limits(&mut self, other: &Self, mask: u32, lower: bool) {
        let bit = |n: u32| mask & (1 << n) != 0;
        if bit(0) {
            self.step_up = least(self.step_up, other.step_up, lower);
        }
        if bit(1) {
            self.bands = more(&self.bands, &other.bands, lower);
        }
        if bit(2) {
            self.deny = least(self.deny, other.deny, lower);
        }
        if bit(3) {
            self.dollars = self.dollars.filter(|_| lower).or(other.dollars);
        }
        if bit(4) {
            self.risk_step_up = least(self.risk_step_up, other.risk_step_up, lower);
        }
        if bit(5) {
            self.risk_bands = more(&self.risk_bands, &other.risk_bands, lower);
        }
        if bit(6) {
            self.risk_deny = other.risk_deny.min(if lower { self.risk_deny } else { u8::MAX });
        }
        if bit(7) {
            self.require = other.require | if lower { self.require } else { 0 };
        }
    }

    fn mix_facts(&mut self, other: &Self, mask: u32, lower: bool) {
        let bit = |n: u32| mask & (1 << n) != 0;
        if bit(0) {
            self.hours = match (self.hours, other.hours) {
                (Some((days, hours, outside)), Some((fewer, less, _))) if lower => {
                    Some((both(days, fewer), both(hours, less), outside))
                }
                (mine, None) if lower => mine,
                (_, theirs) => theirs,
            };
        }
        if bit(1) {
            self.travel = match (self.travel, other.travel) {
                (Some((providers, cents, kind)), Some((_, fewer, _))) if lower => {
                    Some((providers, least(cents, fewer, true), kind))
                }
                (mine, None) if lower => mine,
                (_, theirs) => theirs,
            };
        }
        if bit(2) {
            self.exposure = self.exposure.filter(|_| lower).or(other.exposure);
        }
        if bit(3) {
            self.exposure_hold = least(self.exposure_hold, other.exposure_hold, lower);
        }
        if bit(4) {
            self.exposure_deny = least(self.exposure_deny, other.exposure_deny, lower);
        }
        if bit(5) {
            self.identity = match (self.identity, other.identity) {
                (Some((mask, min)), Some((fewer, _))) if lower => Some((mask & fewer, min)),
                (_, theirs) => theirs,
            };
        }
        if bit(6) {
            self.identity_age = other.identity_age.min(if lower { self.identity_age } else { u8::MAX });
        }
    }

    fn mix_rest(&mut self, other: &Self, mask: u32, lower: bool) {
        let bit = |n: u32| mask & (1 << n) != 0;
        if bit(0) {
            self.legal = other.legal;
        }
        if bit(1) {
            self.sessions = other.sessions;
        }
        if bit(2) {
            self.dormancy = least(self.dormancy, other.dormancy, lower);
        }
        if bit(3) {
            self.deadline = other.deadline;
        }
        if bit(4) {
            self.grant_max = least(self.grant_max, other.grant_max, lower);
        }
        if bit(5) {
            self.weights = other.weights;
        }
    }
}

pub(crate) fn least(mine: Option<u8>, theirs: Option<u8>, lower: bool) -> Option<u8> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) if lower => Some(mine.min(theirs)),
        (Some(mine), None) if lower => Some(mine),
        (_, theirs) => theirs,
    }
}

fn more(mine: &[Band], theirs: &[Band], lower: bool) -> Vec<Band> {
    mine.iter().filter(|_| lower).chain(theirs).copied().collect()
}

fn both(mine: u8, theirs: u8) -> u8 {
    if mine & theirs == 0 { mine } else { mine & theirs }
}

fn doc() -> impl Strategy<Value = Doc> {
    let some = |at: std::ops::Range<u8>| prop::option::weighted(0.5, at);
    let bands = |at: std::ops::Range<u8>| prop::collection::vec((at, 0_u8..12), 0..4);
    let limits = (some(1..9), bands(2..10), some(5..12), prop::option::weighted(0.2, (2_u8..20, 0_u8..24)));
    let risk = (some(5..40), bands(20..70), 60_u8..100, prop::sample::select(vec![0_u8, 0, 0, 1, 2, 3]));
    let hours = prop::option::weighted(
        0.3,
        (
            prop::sample::select(vec![127_u8, 127, 63, 31, 85]),
            prop::sample::select(vec![7_u8, 7, 3, 6]),
            0_u8..6,
        ),
    );
    let travel = prop::option::weighted(0.3, (1_u8..4, some(0..30), 0_u8..40));
    let exposure = (
        prop::option::weighted(0.5, (1_u8..4, 0_u8..16, prop::bool::weighted(0.3))),
        some(20..70),
        some(40..90),
    );
    let identity = (prop::option::weighted(0.5, (0_u8..16, 0_u8..3)), 1_u8..4);
    let rest = (any::<bool>(), 0_u8..4, some(1..4), 0_u8..3, some(2..10), [0_u8..30, 0..30, 0..30]);
    (limits, risk, hours, travel, exposure, identity, rest).prop_map(
        |(
            (step_up, bands, deny, dollars),
            (risk_step_up, risk_bands, risk_deny, require),
            hours,
            travel,
            (exposure, exposure_hold, exposure_deny),
            (identity, identity_age),
            (legal, sessions, dormancy, deadline, grant_max, weights),
        )| Doc {
            step_up,
            bands,
            deny,
            dollars,
            risk_step_up,
            risk_bands,
            risk_deny,
            require,
            hours,
            travel,
            exposure,
            exposure_hold,
            exposure_deny,
            identity,
            identity_age,
            legal,
            sessions,
            dormancy,
            deadline,
            grant_max,
            weights,
        },
    )
}

/// A few numbers of the second document are other ones; which of the pairs only tighten, the diff says.
fn pair() -> impl Strategy<Value = (Doc, Doc)> {
    let bits = prop::collection::vec(0..FIELDS, 1..4);
    (doc(), doc(), bits, prop::bool::weighted(0.8)).prop_map(|(old, other, bits, lower)| {
        let mask = bits.iter().fold(0, |mask, bit| mask | 1 << bit);
        let new = old.mixed(&other, mask, lower);
        (old, new)
    })
}

pub(crate) fn severity(decision: &Decision) -> u8 {
    match decision.outcome {
        Outcome::Allow => 0,
        Outcome::Hold(_) => 1,
        Outcome::Deny => 2,
    }
}

pub(crate) fn diff(old: &str, new: &str) -> PolicyDiff {
    let parse = |text: &str| PolicyDocument::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    PolicyDiff::between(&parse(old), &parse(new))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_only_tightens_step_ups_bands_hours_and_facts_allows_nothing_new((old, new) in pair(), facts in prop::collection::vec(facts(), 6)) {
        let (old, new) = (old.toml(), new.toml());
        let diff = diff(&old, &new);
        if !diff.loosens() {
            for facts in &facts {
                let (before, after) = (facts.decide(&old), facts.decide(&new));
                prop_assert!(severity(&after) >= severity(&before), "{:#?}\n{before:#?}\n{after:#?}\n{old}\n{new}", diff.changes());
            }
        }
    }

    #[test]
    fn no_change_of_these_rules_tightens_in_both_directions((old, new) in pair()) {
        let (old, new) = (old.toml(), new.toml());
        let (there, back) = (diff(&old, &new), diff(&new, &old));
        prop_assert_eq!(there.changes().is_empty(), back.changes().is_empty());
        let tight = |diff: &PolicyDiff| !diff.changes().is_empty() && !diff.loosens();
        prop_assert!(!(tight(&there) && tight(&back)), "{:#?}", there.changes());
    }
}

/// The property says nothing if what it is about never comes up.
#[test]
fn random_pairs_of_these_rules_reach_what_the_property_is_about() {
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
        "limit step_up_above",
        "limit hold_above",
        "limit deny_above",
        "dollars added",
        "risk step_up_at",
        "risk hold_at",
        "risk deny_at",
        "risk require",
        "hours added",
        "hours days",
        "hours hours",
        "travel added",
        "travel above_usd_cents",
        "[exposure] added",
        "[exposure] hold_at",
        "[exposure] deny_at",
        "[identity] providers",
        "[identity] methods",
        "[identity] max_age_ms",
        "[whitelist] dormancy_ms",
        "g max_amount.USDT",
    ] {
        assert!(kinds.contains(kind), "`{kind}` is never what tightens: {kinds:?}");
    }
}
