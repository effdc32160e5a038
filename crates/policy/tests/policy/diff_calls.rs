//! The same property as in `diffs.rs` for contract calls: what a diff tags as tightening lets no call through that was not let through,
//! and no fact less does.

use holdfast_policy::{PolicyDiff, WithdrawalFacts};
use proptest::{prelude::*, strategy::ValueTree};

use crate::contract_calls::{
    APPROVE, OWN, STAKING, USDT, approve, call, calldata, listing, of_address, world,
};
use crate::world::{GOOD, World, entry};

/// What a grant lists about one function, as numbers.
#[derive(Debug, Clone, Copy)]
struct Listed {
    listed: bool,
    taken: bool,
    spenders: Option<u8>,
    most: Option<u8>,
}

/// Amounts around every bound that a listing can have.
const AMOUNTS: [u128; 4] = [0, 5, 6, u128::MAX];
const SPENDERS: [&str; 3] = [GOOD, OWN, STAKING];

impl Listed {
    fn toml(self) -> String {
        // A grant without a listing would be one of transfers.
        let mut text = listing("mint()", "");
        if !self.listed {
            return text;
        }
        let names = [GOOD, OWN, "wallet", "whitelisted"];
        let chosen = |mask: u8| {
            let named = names.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
            named.map(|(_, name)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let spenders = self.spenders.map(|mask| format!("{{ position = 1, one_of = [{}] }}", chosen(mask)));
        let most = self.most.map(|most| format!("{{ position = 2, at_most = \"{most}\" }}"));
        let rules: Vec<_> = spenders.into_iter().chain(most).collect();
        let arguments = match rules.is_empty() {
            true => String::new(),
            false => format!("arguments = [{}]\n", rules.join(", ")),
        };
        let allow = if self.taken { "allow = [\"unlimited_approval\"]\n" } else { "" };
        text.push_str(&listing(APPROVE, &format!("{allow}{arguments}")));
        text
    }
}

fn listed() -> impl Strategy<Value = Listed> {
    let bound = prop::option::of(prop::sample::select(vec![0_u8, 5, 6]));
    (prop::bool::weighted(0.9), any::<bool>(), prop::option::of(1_u8..16), bound)
        .prop_map(|(listed, taken, spenders, most)| Listed { listed, taken, spenders, most })
}

fn every_call() -> Vec<WithdrawalFacts> {
    let unlimited = |spender| call(USDT, calldata(APPROVE, &[of_address(spender), vec![0xff; 32]]));
    SPENDERS
        .into_iter()
        .flat_map(|spender| {
            AMOUNTS.map(|amount| approve(spender, amount)).into_iter().chain([unlimited(spender)])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn listing_that_a_diff_says_is_only_tightened_lets_no_more_calls_through(old in listed(), new in listed()) {
        let (before, after) = (world(&old.toml()), world(&new.toml()));
        let diff = PolicyDiff::between(&before.document, &after.document);
        for facts in every_call() {
            let (was, is) = (before.evaluate(&facts).is_allowed(), after.evaluate(&facts).is_allowed());
            prop_assert!(diff.loosens() || was || !is, "{old:?} -> {new:?}: {:?}", diff.changes());
        }
    }

    #[test]
    fn fact_less_never_lets_a_call_through(listing in listed()) {
        let known = world(&listing.toml());
        for facts in every_call() {
            let allowed = known.evaluate(&facts).is_allowed();
            let nowhere = World { own_address: None, ..known.clone() };
            let unlisted = World { entries: vec![entry("usdt", USDT)], ..known.clone() };
            for less in [nowhere, unlisted] {
                prop_assert!(allowed || !less.evaluate(&facts).is_allowed());
            }
        }
    }
}

/// The properties above say nothing if nothing tightens, or nothing is ever allowed.
#[test]
fn random_listings_reach_what_the_properties_are_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut tightened, mut allowed, mut refused) = (0_u32, 0_u32, 0_u32);
    for _ in 0..300 {
        let [old, new] = [0, 1].map(|_| listed().new_tree(&mut runner).unwrap().current());
        let (before, after) = (world(&old.toml()), world(&new.toml()));
        let diff = PolicyDiff::between(&before.document, &after.document);
        tightened += u32::from(!diff.loosens() && !diff.changes().is_empty());
        for facts in every_call() {
            *if before.evaluate(&facts).is_allowed() { &mut allowed } else { &mut refused } += 1;
        }
    }
    assert!(tightened >= 20 && allowed >= 200 && refused >= 200, "{tightened} {allowed} {refused}");
}
