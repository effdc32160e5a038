//! The versions of the stored formats: what was written by them must load, and go on, for ever.
//!
//! The fixtures of each version are party 1's side of a 2-of-2 generation of a throw-away key: its state after every round, what was
//! delivered to it in rounds 4 and 5, and both shares. [`write_fixtures`] made them; run it only for a new version.

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/", $name))
    };
}

const STATES_V1: [&[u8]; 6] = [
    fixture!("keygen-state-v1.prepared.bin"),
    fixture!("keygen-state-v1.round1.bin"),
    fixture!("keygen-state-v1.round2.bin"),
    fixture!("keygen-state-v1.round3.bin"),
    fixture!("keygen-state-v1.round4.bin"),
    fixture!("keygen-state-v1.finished.bin"),
];
const STATES: [&[u8]; 6] = [
    fixture!("keygen-state-v2.prepared.bin"),
    fixture!("keygen-state-v2.round1.bin"),
    fixture!("keygen-state-v2.round2.bin"),
    fixture!("keygen-state-v2.round3.bin"),
    fixture!("keygen-state-v2.round4.bin"),
    fixture!("keygen-state-v2.finished.bin"),
];
const INPUT_4: &[u8] = fixture!("keygen-v1.input4.bin");
const INPUT_5: &[u8] = fixture!("keygen-v1.input5.bin");
const PUBLIC: &[u8] = fixture!("key-public-v1.bin");
const SHARE: &[u8] = fixture!("share-v1.party1.bin");

#[test]
fn every_stored_state_loads_and_is_written_in_the_newest_version() {
    for (after, (old, new)) in STATES_V1.iter().zip(STATES).enumerate() {
        let due = (after < 5).then(|| Round(u8::try_from(after + 1).unwrap()));
        for state in [old, new] {
            let machine = KeygenMachine::resume(state, &engines()).unwrap();
            assert_eq!(machine.expected_round(), due);
            assert_eq!(machine.export().unwrap().as_slice(), new, "after round {after}");
        }
    }
}

#[test]
fn a_stored_state_of_each_version_goes_on_to_its_key() {
    for states in [STATES_V1, STATES] {
        let mut machine = KeygenMachine::resume(states[3], &engines()).unwrap();
        let (state, _) = machine.round(Round(4), &[INPUT_4.to_vec()]).unwrap().into_parts();
        assert_eq!(state.as_slice(), STATES[4], "round 4 draws no randomness");
        for state in [state.as_slice(), states[4]] {
            let mut machine = KeygenMachine::resume(state, &engines()).unwrap();
            let step = machine.round(Round(5), &[INPUT_5.to_vec()]).unwrap();
            let KeygenReply::Finished(output) = step.into_parts().1.release_after_stored() else {
                panic!("finishes")
            };
            assert_eq!(output.public, KeyPublic::from_bytes(PUBLIC).unwrap());
            assert_eq!(output.share.to_bytes().unwrap().as_slice(), SHARE);
            assert!(KeyShare::from_bytes(SHARE, &engines()).unwrap().matches(&output.public));
        }
    }
}

/// Version 2 is version 1 with the engine's name: the fixtures of the one are those of the other, translated.
///
/// `cargo test -p holdfast-threshold --lib write_fixtures -- --ignored`
#[test]
#[ignore = "writes the fixtures of a new format version"]
fn write_fixtures() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let names = ["prepared", "round1", "round2", "round3", "round4", "finished"];
    for (name, state) in names.iter().zip(STATES_V1) {
        let state = KeygenMachine::resume(state, &engines()).unwrap().export().unwrap();
        std::fs::write(folder.join(format!("keygen-state-v2.{name}.bin")), state).unwrap();
    }
}
