//! Version 1 of the stored formats: what was written by it must load, and go on, for ever.
//!
//! The fixtures are party 1's side of a 2-of-2 generation of a throw-away key: its state after every round, what was
//! delivered to it in rounds 4 and 5, and both shares. [`write_fixtures`] made them; run it only for a new version.

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/", $name))
    };
}

const STATES: [&[u8]; 6] = [
    fixture!("keygen-state-v1.prepared.bin"),
    fixture!("keygen-state-v1.round1.bin"),
    fixture!("keygen-state-v1.round2.bin"),
    fixture!("keygen-state-v1.round3.bin"),
    fixture!("keygen-state-v1.round4.bin"),
    fixture!("keygen-state-v1.finished.bin"),
];
const INPUT_4: &[u8] = fixture!("keygen-v1.input4.bin");
const INPUT_5: &[u8] = fixture!("keygen-v1.input5.bin");
const PUBLIC: &[u8] = fixture!("key-public-v1.bin");
const SHARE: &[u8] = fixture!("share-v1.party1.bin");

#[test]
fn every_stored_state_of_version_1_loads_unchanged() {
    for (after, state) in STATES.iter().enumerate() {
        let machine = KeygenMachine::resume(state).unwrap();
        let due = (after < 5).then(|| Round(u8::try_from(after + 1).unwrap()));
        assert_eq!(machine.expected_round(), due);
        assert_eq!(machine.export().unwrap().as_slice(), *state, "after round {after}");
    }
}

#[test]
fn a_stored_state_of_version_1_goes_on_to_its_key() {
    let mut machine = KeygenMachine::resume(STATES[3]).unwrap();
    let (state, _) = machine.round(Round(4), &[INPUT_4.to_vec()]).unwrap().into_parts();
    assert_eq!(state.as_slice(), STATES[4], "round 4 draws no randomness");
    let mut machine = KeygenMachine::resume(&state).unwrap();
    let step = machine.round(Round(5), &[INPUT_5.to_vec()]).unwrap();
    let KeygenReply::Finished(output) = step.into_parts().1.release_after_stored() else {
        panic!("finishes")
    };
    assert_eq!(output.public, KeyPublic::from_bytes(PUBLIC).unwrap());
    assert_eq!(output.share.to_bytes().unwrap().as_slice(), SHARE);
    assert!(KeyShare::from_bytes(SHARE).unwrap().matches(&output.public));
}

/// `cargo test -p holdfast-threshold --lib write_fixtures -- --ignored`
#[test]
#[ignore = "writes the fixtures of a new format version"]
fn write_fixtures() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let made: Generated = generate(Committee::new(2, 2), [0xf1; 32]);
    let names = ["prepared", "round1", "round2", "round3", "round4", "finished"];
    for (name, states) in names.iter().zip(&made.states) {
        write(&format!("keygen-state-v1.{name}.bin"), &states[0]);
    }
    write("keygen-v1.input4.bin", &made.input(4, 1)[0]);
    write("keygen-v1.input5.bin", &made.input(5, 1)[0]);
    write("key-public-v1.bin", &made.public.to_bytes());
    write("share-v1.party1.bin", made.share_bytes(1));
    write("share-v1.party2.bin", made.share_bytes(2));
}
