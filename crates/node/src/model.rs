//! The model of G4: every fork, order, restore and committee change that a hostile coordinator can build over a small alphabet
//! of actions, on the real state machine, replica, latches and guard.
//!
//! Owns no behaviour: [`explore`] drives real nodes, [`compose`] puts what they did together to committees. It must never
//! decide in a node's place whether something is signed.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "test: small numbers, and what was visited is printed"
)]

mod compose;
mod explore;
mod machine;
mod seat;
mod words;
mod world;

use tokio::task::JoinSet;

use compose::{Composed, compose};
use explore::{Explored, explore};
use machine::Bench;
use seat::{Fault, Seat, Step};
use words::{Alphabet, Block, CLIENTS, ENTRIES, OATHS, PAUSES, Promise, QUORUMS, RESTORES};
use world::{Committee, World};

const SMALLEST: Committee = Committee { t: 2, n: 3, f: 0 };

/// Every t of n with 2t > n up to five nodes, with every f that genesis may name.
fn committees() -> Vec<Committee> {
    let sizes = (2..=5u8).flat_map(|n| (2..=n).map(move |t| (t, n))).filter(|(t, n)| 2 * t > *n);
    sizes.flat_map(|(t, n)| (0..t).map(move |f| Committee { t, n, f })).collect()
}

fn is_long() -> bool {
    std::env::var_os("HOLDFAST_LONG_TESTS").is_some()
}

/// Explores and checks each, two at a time.
async fn checked(tried: Vec<(Committee, Alphabet)>) -> Vec<Explored> {
    let (mut running, mut found, mut left) = (JoinSet::new(), Vec::new(), tried.into_iter());
    loop {
        while running.len() < 2 {
            let Some((committee, alphabet)) = left.next() else { break };
            running.spawn(async move { (committee, alphabet, explore(committee, alphabet, None).await) });
        }
        let Some(done) = running.join_next().await else { return found };
        let (committee, alphabet, explored) = done.unwrap();
        check(committee, alphabet, &explored);
        found.push(explored);
    }
}

/// Shows what was found, and composes committees of it with each number of hostile nodes below t.
fn check(committee: Committee, alphabet: Alphabet, found: &Explored) {
    let Committee { t, n, f } = committee;
    let Explored { states, steps, refused, histories, released, .. } = found;
    println!(
        "{t} of {n}, f = {f}, {}: a node in {states} states, {steps} steps and {refused} refusals, {histories} histories, {released} last messages",
        alphabet.name
    );
    assert!(found.broken.is_empty(), "{:?}", found.broken.first());
    assert!(*released > 0, "nothing was ever signed: the model shows nothing");
    for hostile in 0..t {
        for promise in alphabet.promises {
            let Composed { states, signatures, binding, under_way, contradictions } =
                compose(committee, hostile, *promise, &found.moves[promise]);
            println!(
                "    {hostile} hostile, {promise:?}: {states} states, {signatures} with a signature before, {binding} binding, {under_way} with an attempt under way, {contradictions} contradictions"
            );
            assert!(signatures > 0 && binding > 0, "signed {signatures}, bound {binding}: it shows nothing");
            assert_eq!(contradictions, 0, "{promise:?} binds and is contradicted");
        }
    }
}

/// The ways to a last message that an earlier promise forbids, the shortest first; committees must sign what contradicts.
async fn found_out(alphabet: Alphabet, fault: Fault) -> Vec<(Promise, Vec<Step>)> {
    let found = explore(SMALLEST, alphabet, Some(fault)).await;
    let (promise, way) = found.broken.first().expect("the fault is not found");
    let composed = compose(SMALLEST, 0, *promise, &found.moves[promise]);
    println!("{fault:?}: {promise:?} broken by {way:?}; {} contradictions", composed.contradictions);
    assert!(composed.contradictions > 0, "the committee hides what its nodes do: {composed:?}");
    found.broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_signature_contradicts_a_binding_action_in_any_committee_of_up_to_five_nodes() {
    let found = checked(committees().into_iter().map(|committee| (committee, RESTORES)).collect()).await;
    let sum = |of: fn(&Explored) -> usize| found.iter().map(of).sum::<usize>();
    let (states, tried) = (sum(|found| found.states), sum(|found| found.steps + found.refused));
    println!("{} committees: {states} states of a node, {tried} steps tried", found.len());
}

/// In `make test-long` with lost machines in the smallest committee, and without in a larger one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_signature_contradicts_a_binding_action_of_any_kind() {
    let mut committees = vec![(SMALLEST, is_long())];
    if is_long() {
        committees.extend([(Committee { f: 1, ..SMALLEST }, true), (Committee { t: 3, n: 5, f: 2 }, false)]);
    }
    let tried = committees.into_iter().flat_map(|(committee, replaced)| {
        [PAUSES, CLIENTS, ENTRIES, QUORUMS, OATHS].map(|of| (committee, Alphabet { replaced, ..of }))
    });
    checked(tried.collect()).await;
}

#[tokio::test]
async fn model_finds_a_node_that_forgets_its_latches_when_it_is_killed() {
    let ways = found_out(RESTORES, Fault::ForgetsLatches).await;
    let shortest = vec![Step::Deliver(Block::Pause), Step::Restart, Step::Open, Step::Release];
    assert_eq!(ways[0], (Promise::Pause, shortest));
}

#[tokio::test]
async fn model_finds_a_node_that_forgets_its_oaths_when_it_is_killed() {
    let ways = found_out(OATHS, Fault::ForgetsOaths).await;
    let shortest = vec![Step::Swear, Step::Restart, Step::Open, Step::Release];
    assert_eq!(ways[0], (Promise::Oath, shortest));
}

#[tokio::test]
async fn model_finds_a_node_whose_disk_was_put_back() {
    let ways = found_out(RESTORES, Fault::GoesBack).await;
    let shortest = vec![Step::Show(Block::Pause), Step::Restart, Step::Open, Step::Release];
    assert_eq!(ways[0], (Promise::Pause, shortest));
}

/// Why officers must not enrol a restored node before its minimum holds everything that the lost one promised, be it with a
/// cosignature or with a receipt.
#[tokio::test]
async fn model_finds_a_restore_from_a_checkpoint_before_a_promise() {
    let restored = [Step::Replace, Step::Show(Block::Enrolled), Step::Open, Step::Release];
    let ways = found_out(RESTORES, Fault::EnrolledTooEarly).await;
    let shortest = [&[Step::Show(Block::Pause)], &restored[..]].concat();
    assert_eq!(ways[0], (Promise::Pause, shortest));
    // The same with a receipt, one by one; and refused where the officers wait until the log has what was receipted
    let receipted = [&[Step::Deliver(Block::Pause)], &restored[..]].concat();
    assert_eq!(walked(&receipted, Some(Fault::EnrolledTooEarly)).await, Ok(true));
    assert_eq!(walked(&receipted, None).await, Err(Step::Replace));
}

/// Whether these steps end with a last message that an earlier promise forbids, or the first step that cannot be taken.
async fn walked(steps: &[Step], fault: Option<Fault>) -> Result<bool, Step> {
    let (bench, world) = (Bench::new(), World::new(SMALLEST, RESTORES.payment));
    let (mut seat, mut broken) = (Seat::new(&bench, &world).await, false);
    for step in steps {
        if !seat.steps(&world, &RESTORES, fault).contains(step) {
            return Err(*step);
        }
        let went = seat.go(&bench, &world, &RESTORES, *step, fault).await.ok_or(*step)?;
        broken |= went.released.is_some_and(|permitted| !seat.promised.is_subset(&permitted));
        seat = went.seat;
    }
    Ok(broken)
}
