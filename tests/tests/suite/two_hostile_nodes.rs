//! Two nodes of five in the wrong hands at once, where three sign: nobody honest ever has a wrong key or a wrong signature,
//! only they are named, and every payment is signed by the others.
//!
//! It takes longer than everything in `make test` should: `HOLDFAST_LONG_TESTS=1` only.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::v1;
use holdfast_tests::hostile_node::{Control, Deviation};
use holdfast_tests::{COORDINATOR, CUSTOMER, Cluster, Options, PAYEE, WALLET, now_ms};
use serde_json::Value;

use crate::hostile_node::{assert_rightly_signed, keygen, sign};
use crate::is_long;

const HOSTILE: [&str; 2] = ["node-4", "node-5"];
const HONEST: [&str; 3] = ["node-1", "node-2", "node-3"];
const PATIENCE: Duration = Duration::from_secs(240);

/// What each of the two does wrong in the key generation: in the same attempts, and in attempts of its own.
fn keygen_attacks() -> [Vec<Deviation>; 2] {
    [vec![keygen(3, "flip").of("proof-responses")], vec![keygen(2, "equivocate")]]
}

/// The same in signatures.
fn sign_attacks() -> [Vec<Deviation>; 2] {
    [
        vec![sign(1, "flip").of("commitment"), sign(3, "flip").of("u")],
        vec![sign(2, "silence"), sign(4, "signature-flipped")],
    ]
}

/// Whom honest nodes accuse, by party.
fn accused(cluster: &Cluster) -> BTreeSet<String> {
    let accusations =
        ["sent a malformed message", "broke the protocol", "attacked the reusable state", "has low order"];
    let mut accused = BTreeSet::new();
    for node in HONEST {
        let log = cluster.log_text(node);
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let details = lines.filter_map(|line| line["fields"]["detail"].as_str().map(str::to_owned));
        for detail in details.filter(|detail| accusations.iter().any(|words| detail.contains(words))) {
            accused.insert(detail.split('`').nth(1).unwrap().to_owned());
        }
    }
    accused
}

/// Makes payments until both have done what they were told; each is signed all the same.
async fn pay_until_done(
    cluster: &Cluster,
    controls: &[Control; 2],
    attacks: &[Vec<Deviation>; 2],
    address: &str,
) {
    let before = controls.each_ref().map(|control| control.done().len());
    for (control, attacks) in controls.iter().zip(attacks) {
        control.queue(attacks);
    }
    let left = || {
        let done = controls.each_ref().map(|control| control.done().len());
        (0..2).map(|which| before[which] + attacks[which].len() - done[which]).sum::<usize>()
    };
    let mut so_far = left();
    for _ in 0..200 {
        let withdrawal = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
        assert_rightly_signed(cluster, &withdrawal, address);
        match left() {
            0 => return,
            now if now < so_far => {
                // Whoever spoilt an attempt is asked last for some time: a coordinator that was started again has forgotten.
                so_far = now;
                cluster.kill_9(COORDINATOR);
                cluster.bring_up(COORDINATOR).await;
            }
            _ => {}
        }
        // What one of them was to do in a session that the other spoilt first is still to be done.
        for (which, control) in controls.iter().enumerate() {
            let done: Vec<Deviation> = control.done().into_iter().map(|(_, deviation)| deviation).collect();
            let missing = attacks[which].iter().filter(|attack| !done.contains(attack));
            control.queue(&missing.cloned().collect::<Vec<_>>());
        }
    }
    panic!("{} deviations are left", left());
}

#[tokio::test]
async fn two_hostile_nodes_of_five_lead_to_no_wrong_key_no_wrong_signature_and_no_false_accusation() {
    if !is_long() {
        return;
    }
    let cluster = Cluster::three_of_five(Options::default());
    let controls = HOSTILE.map(|node| Control::create(cluster.path(&format!("{node}.queue"))));
    HONEST.iter().for_each(|node| cluster.start(node));
    for (node, control) in HOSTILE.iter().zip(&controls) {
        cluster.start_hostile(node, control);
    }
    cluster.start(COORDINATOR);
    cluster.wait_all_healthy().await;
    // Every attempt at a key that they spoil is over; the one in which they behave yields it
    let attacks = keygen_attacks();
    for (control, attacks) in controls.iter().zip(&attacks) {
        control.queue(attacks);
    }
    let ceremony = cluster.start_wallet(WALLET).await;
    for (control, attacks) in controls.iter().zip(&attacks) {
        control.wait_done(attacks.len(), PATIENCE).await;
    }
    cluster.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await;
    cluster.whitelist(PAYEE, now_ms() + 3_600_000).await;
    cluster.provider().await.report(CUSTOMER, false, false).await;
    let log = cluster.download().await;
    let address = log.state().wallet(&WALLET.parse().unwrap()).unwrap().address.to_string();
    // Every payment is signed, by others if need be
    pay_until_done(&cluster, &controls, &sign_attacks(), &address).await;
    // Whom they accuse is nobody honest: not in words, and not so that the three would be kept apart
    let accused = accused(&cluster);
    assert!(
        accused.contains("4") && accused.iter().all(|party| ["4", "5"].contains(&party.as_str())),
        "{accused:?}"
    );
    for node in HOSTILE {
        cluster.kill_9(node);
    }
    let withdrawal = cluster.pipeline().await.submit(&cluster.request()).await.unwrap();
    assert_rightly_signed(&cluster, &withdrawal, &address);
}
