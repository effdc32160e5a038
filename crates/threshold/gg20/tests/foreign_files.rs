//! The files that other deployments have: made here by the real library, in the form of its example `gg20_keygen`, and read by the
//! reader that knows nothing of the library.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers may panic")]
#![allow(clippy::arithmetic_side_effects, reason = "test helpers count small numbers")]

use std::path::Path;

use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::conformance::Suite;
use holdfast_threshold::{DKLS23, ForeignShare};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::state_machine::keygen::{Keygen, LocalKey};
use round_based::StateMachine as _;

/// The committed files: how many sign, how many there are, and whose files were kept.
const FIXTURES: [(u16, u16, &[u16]); 2] = [(2, 3, &[1, 2, 3]), (3, 5, &[2, 3, 5])];

fn path(t: u16, n: u16, party: u16) -> String {
    let name = format!("gg20-{t}-of-{n}.share{party}.json");
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/foreign").join(name).to_str().unwrap().to_owned()
}

/// The library's own key generation, all parties in this process.
fn generate(t: u16, n: u16) -> Vec<LocalKey<Secp256k1>> {
    let mut parties: Vec<Keygen> = (1..=n).map(|i| Keygen::new(i, t - 1, n).unwrap()).collect();
    while !parties.iter().all(|party| party.is_finished()) {
        let sent: Vec<_> = parties.iter_mut().flat_map(|party| party.message_queue().split_off(0)).collect();
        for (party, index) in parties.iter_mut().zip(1..) {
            for message in &sent {
                if message.sender != index && message.receiver.is_none_or(|receiver| receiver == index) {
                    party.handle_incoming(message.clone()).unwrap();
                }
            }
            party.proceed().unwrap();
        }
    }
    parties.iter_mut().map(|party| party.pick_output().unwrap().unwrap()).collect()
}

/// Whether the reader takes from the file what the library has in it.
fn is_read_truly(file: &[u8], local: &LocalKey<Secp256k1>) {
    let share = ForeignShare::from_local_key(file).unwrap();
    let key = share.key();
    assert_eq!(&key.public_key()[..], &*local.public_key().to_bytes(true));
    assert_eq!((u16::from(key.t()), u16::from(key.n())), (local.t + 1, local.n));
    assert_eq!(u16::from(share.party().get()), local.i);
    let shares: Vec<_> = local.pk_vec.iter().map(|share| share.to_bytes(true).to_vec()).collect();
    assert_eq!(key.verifying_shares().iter().map(|share| share.to_vec()).collect::<Vec<_>>(), shares);
}

#[test]
fn what_the_library_wrote_is_what_the_reader_reads() {
    for (t, n, parties) in FIXTURES {
        for party in parties {
            let file = std::fs::read(path(t, n, *party)).unwrap();
            let local: LocalKey<Secp256k1> = serde_json::from_slice(&file).unwrap();
            is_read_truly(&file, &local);
        }
    }
}

#[test]
fn key_that_the_library_makes_now_is_imported_and_signs() {
    let locals = generate(2, 3);
    let files: Vec<_> = locals.iter().map(|local| serde_json::to_vec_pretty(local).unwrap()).collect();
    for (file, local) in files.iter().zip(&locals) {
        is_read_truly(file, local);
    }
    let imported = Suite::imported(&DKLS23, 2, 3, &[&files[2], &files[1]]);
    assert_eq!(&imported.public_key()[..], &*locals[0].public_key().to_bytes(true));
    imported.any_t_sign();
}

/// `cargo test -p holdfast-gg20 --test foreign_files write_fixtures -- --ignored`
#[test]
#[ignore = "writes the committed files"]
fn write_fixtures() {
    for (t, n, parties) in FIXTURES {
        let locals = generate(t, n);
        for party in parties {
            let local = &locals[usize::from(*party) - 1];
            // As the example writes it, and in the short form.
            let file = if n == 3 { serde_json::to_vec_pretty(local) } else { serde_json::to_vec(local) };
            std::fs::write(path(t, n, *party), file.unwrap()).unwrap();
        }
    }
}
