//! Power cuts of a store by itself, and of one whose syncs are ignored: the same look at it has to see the loss.

use holdfast_store::BackendKind;
use holdfast_tests::power::{Damage, StoreOnDisk, Syncs};

use super::*;

/// A moment in the middle of the writing, another one each time.
fn moment(cut: u64) -> Duration {
    Duration::from_millis(250 + cut * 337 % 400)
}

fn batches_survive(backend: BackendKind) {
    let cuts = if is_long() { 25 } else { 3 };
    let mut store = StoreOnDisk::make(backend);
    for cut in 0..cuts {
        let damage = store.survives_a_cut(moment(cut), Syncs::Honoured);
        assert!(damage.is_ok(), "cut {cut}: {damage:?}");
    }
    assert!(store.acknowledged() > 20, "too little was going on: {}", store.acknowledged());
    println!("{backend}: {cuts} power cuts, {} acknowledged batches whole", store.acknowledged());
}

#[test]
fn acknowledged_batches_survive_power_cuts_and_others_are_whole_or_absent_on_redb() {
    if isolated(
        "power_cut::stores::acknowledged_batches_survive_power_cuts_and_others_are_whole_or_absent_on_redb",
    ) {
        batches_survive(BackendKind::Redb);
    }
}

#[test]
fn acknowledged_batches_survive_power_cuts_and_others_are_whole_or_absent_on_sled() {
    if isolated(
        "power_cut::stores::acknowledged_batches_survive_power_cuts_and_others_are_whole_or_absent_on_sled",
    ) {
        batches_survive(BackendKind::Sled);
    }
}

#[test]
fn a_store_whose_syncs_are_ignored_is_seen_to_lose_what_it_acknowledged() {
    if !isolated("power_cut::stores::a_store_whose_syncs_are_ignored_is_seen_to_lose_what_it_acknowledged") {
        return;
    }
    for backend in [BackendKind::Redb, BackendKind::Sled] {
        // Given a store that has survived a cut
        let mut store = StoreOnDisk::make(backend);
        store.survives_a_cut(moment(0), Syncs::Honoured).unwrap();
        let before = store.acknowledged();
        // When the same program goes on with syncs that do nothing
        let damage = store.survives_a_cut(moment(1), Syncs::Ignored).unwrap_err();
        // Then what it was told is not there
        assert!(store.acknowledged() > before, "{backend}: nothing was acknowledged");
        match &damage {
            Damage::Lost(lost) => assert!(!lost.is_empty()),
            Damage::Torn(_) | Damage::Unreadable(_) => {}
        }
        println!("{backend} without syncs: {}", format!("{damage:?}").chars().take(120).collect::<String>());
    }
}
