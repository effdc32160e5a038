//! What a grant's yes rests on: entries of the house where it wants those, for the destination and for what a call names.

use holdfast_chains::Amount;
use holdfast_policy::{
    EntryOwner, Footing, Outcome, PolicyDocument, ReasonCode, WhitelistEntry, WithdrawalFacts,
};

use crate::contract_calls::{OWN, STAKING, call, calldata, denied, of_address, policy};
use crate::world::{DEMO_POLICY, GOOD, World, address, customer, entry, withdrawal};

const DELEGATE: &str = "delegate(address,address)";

/// `hot-1` may delegate to somebody who is named or on the whitelist, on behalf of somebody on the whitelist.
fn delegating(destinations: &str) -> String {
    let listing = format!(
        "[[grant.call]]\ncontract = \"{STAKING}\"\nfunction = \"{DELEGATE}\"\narguments = [{{ position = 1, one_of = [\"{OWN}\", \"whitelisted\"] }}, {{ position = 2, one_of = [\"whitelisted\"] }}]\n"
    );
    let document = policy(&listing);
    let (transfers, calls) = document.split_once("id = \"hot-calls\"").unwrap();
    let wanted = format!("destinations = \"{destinations}\"");
    format!("{transfers}id = \"hot-calls\"{}", calls.replacen("destinations = \"whitelisted\"", &wanted, 1))
}

fn delegate(to: &str, behalf: &str) -> WithdrawalFacts {
    call(STAKING, calldata(DELEGATE, &[of_address(to), of_address(behalf)]))
}

/// The contract and `GOOD` are of the house, and `OWN` is Alice's own.
fn world(destinations: &str) -> World {
    let mut world = World::with_policy(&delegating(destinations));
    let of_alice = EntryOwner::Customer(customer("alice"));
    let alices = WhitelistEntry { owner: of_alice, ..entry("alices", OWN) };
    world.entries.extend([entry("staking", STAKING), alices]);
    world
}

fn rests_on(world: &World, facts: &WithdrawalFacts) -> Vec<Vec<Vec<String>>> {
    let place =
        |place: &Vec<&WhitelistEntry>| place.iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>();
    let all = |footings: &[Footing<'_>]| {
        footings.iter().map(|footing| footing.places.iter().map(place).collect()).collect()
    };
    world.footings(facts, all)
}

fn named(places: &[&[&str]]) -> Vec<Vec<String>> {
    places.iter().map(|place| place.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn grant_for_the_house_takes_no_entry_of_a_customer_as_an_argument() {
    let house = world("house");
    let of_the_house = delegate(GOOD, GOOD);
    assert_eq!(house.evaluate(&of_the_house).outcome, Outcome::Allow);
    let alices = delegate(GOOD, OWN);
    assert_eq!(denied(&house.evaluate(&alices)), ReasonCode::CallArgumentRefused);
    assert!(rests_on(&house, &alices).is_empty());
    // What is named needs no entry.
    assert_eq!(house.evaluate(&delegate(OWN, GOOD)).outcome, Outcome::Allow);
    // Other grants take the customer's own.
    assert_eq!(world("whitelisted").evaluate(&alices).outcome, Outcome::Allow);
    let others = WithdrawalFacts { customer: Some(customer("bob")), ..alices };
    assert_eq!(denied(&world("whitelisted").evaluate(&others)), ReasonCode::CallArgumentRefused);
}

#[test]
fn call_rests_on_entries_of_the_contract_and_of_each_argument_that_is_not_named() {
    for (destinations, alices) in [("whitelisted", vec!["alices"]), ("house", Vec::new())] {
        let mut world = world(destinations);
        world.entries.push(entry("alices-as-well", OWN));
        let second: Vec<_> = ["alices-as-well"].into_iter().chain(alices).collect();
        let both = delegate(GOOD, OWN);
        assert_eq!(rests_on(&world, &both), [named(&[&["staking"], &["good"], &second])], "{destinations}");
        let first_is_named = delegate(OWN, GOOD);
        assert_eq!(rests_on(&world, &first_is_named), [named(&[&["staking"], &["good"]])]);
    }
}

#[test]
fn withdrawal_rests_on_each_grant_that_gives_it_and_on_no_other_one() {
    let second = "[[grant]]\nid = \"small\"\nwallets = [\"hot-1\"]\nassets = [\"USDT\"]\ndestinations = \"house\"\nmax_amount = { USDT = \"10\" }\n\n[[grant]]";
    let document = PolicyDocument::parse(&DEMO_POLICY.replacen("[[grant]]", second, 1)).unwrap();
    let mut world = World { document, ..World::demo() };
    let of_alice = EntryOwner::Customer(customer("alice"));
    world.entries.push(WhitelistEntry { owner: of_alice, ..entry("alices", GOOD) });
    let small = WithdrawalFacts { amount: Amount::from_u128(10), ..withdrawal() };
    assert_eq!(rests_on(&world, &small), [named(&[&["good"]]), named(&[&["good", "alices"]])]);
    assert_eq!(rests_on(&world, &withdrawal()), [named(&[&["good", "alices"]])]);
    let unlisted = WithdrawalFacts { destination: address(STAKING), ..withdrawal() };
    assert!(rests_on(&world, &unlisted).is_empty());
    // Where any destination will do, none is wanted, and those that there are lower the score.
    let any = DEMO_POLICY.replacen("\"whitelisted\"", "\"any\"", 1);
    world.document = PolicyDocument::parse(&any).unwrap();
    assert_eq!(rests_on(&world, &unlisted), [named(&[])]);
    assert_eq!(rests_on(&world, &withdrawal()), [named(&[&["good", "alices"]])]);
}
