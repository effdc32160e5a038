//! The share keeps its secret, and a damaged or foreign one is noticed.

use k256_engine::Scalar;
use zeroize::Zeroize;

use super::*;
use crate::dkls23::share::Dkls23Share;
use crate::dkls23::{Curve, DKLS23, EngineIndex, EngineParty};
use crate::encoding::encode_secret;
use crate::testing::{engines, generated, inside};

const FIXTURE: &[u8] = include_bytes!("../../fixtures/share-v1.party1.bin");
const FIXTURE_PUBLIC: &[u8] = include_bytes!("../../fixtures/key-public-v1.bin");

/// The secret scalar as it would look in a log: hex, and the decimal list that `{:?}` makes of bytes.
fn disguises(share: &KeyShare) -> [String; 3] {
    let bytes: [u8; 32] = inside(share).engine_party().poly_point.to_bytes().into();
    let list = format!("{bytes:?}");
    [hex::encode(bytes), hex::encode_upper(bytes), list.trim_matches(['[', ']']).to_owned()]
}

/// Changes the engine's party inside the encoding.
fn damaged(change: impl FnOnce(&mut EngineParty)) -> Result<KeyShare, ShareError> {
    let share = generated().share(1);
    let mut party = Box::new(inside(&share).engine_party().clone());
    change(&mut party);
    let secret = encode_secret(&[], &party).unwrap();
    KeyShare::from_bytes(&concat_secret(&[HEADER, &share.front().unwrap(), &secret]), &engines())
}

#[test]
fn a_share_round_trips_through_its_encoding() {
    let generated = generated();
    for index in 1..=3 {
        let share = KeyShare::from_bytes(generated.share_bytes(index), &engines()).unwrap();
        assert_eq!(share.party().get(), index);
        assert_eq!(share.to_bytes().unwrap().as_slice(), generated.share_bytes(index));
        assert!(share.matches(&generated.public));
    }
}

#[test]
fn debug_of_everything_secret_is_redacted() {
    let generated = generated();
    let share = generated.share(1);
    let shown = format!("{share:?} {share:#?} {:?}", generated.public);
    assert!(shown.contains("<redacted>"), "{shown}");
    for disguise in disguises(&share) {
        assert!(!shown.contains(&disguise), "the share shows its secret");
    }
    // The scan itself finds the secret where it is shown: the engine's own party prints it.
    let leaky = format!("{:?}", inside(&share).engine_party());
    assert!(disguises(&share).iter().any(|secret| leaky.contains(secret)), "the scan finds nothing");
}

#[test]
fn a_share_of_another_epoch_party_or_key_does_not_match() {
    let generated = generated();
    let public = &generated.public;
    let share = generated.share(1);
    let one = share.party();
    let two = PartyIndex::new(2).unwrap();
    let mut swapped = public.verifying_shares.clone();
    swapped.insert(one, public.verifying_shares[&two]);
    let others = [
        KeyPublic { epoch: Epoch(2), ..public.clone() },
        KeyPublic { threshold: Threshold::new(3, 3).unwrap(), ..public.clone() },
        KeyPublic { public_key: public.verifying_shares[&two], ..public.clone() },
        KeyPublic { chain_code: [0; 32], ..public.clone() },
        KeyPublic { transcript: [0; 32], ..public.clone() },
        KeyPublic { verifying_shares: swapped, ..public.clone() },
    ];
    assert!(share.matches(public));
    for other in others {
        assert!(!share.matches(&other), "{other:?}");
    }
}

#[test]
fn a_share_with_another_secret_does_not_match_its_public_key() {
    let share = damaged(|party| {
        party.poly_point = party.poly_point.add(&Scalar::ONE);
        party.derivation_data.poly_point = party.poly_point;
    })
    .unwrap();
    assert!(!share.matches(&generated().public));
}

#[test]
fn a_damaged_share_is_refused_when_it_is_loaded() {
    let inconsistent = |field| Err(ShareError::Inconsistent { field });
    let check = |result: Result<KeyShare, ShareError>| result.map(|_| ());
    assert_eq!(check(damaged(|party| party.poly_point = Scalar::ONE)), inconsistent("derivation data"));
    assert_eq!(check(damaged(|party| party.derivation_data.depth = 1)), inconsistent("derivation data"));
    assert_eq!(check(damaged(|party| party.mul_senders.clear())), inconsistent("multiplication state"));
    assert_eq!(
        check(damaged(|party| {
            for receiver in party.mul_receivers.values_mut() {
                receiver.ote_receiver.seeds0.pop();
            }
        })),
        inconsistent("multiplication state")
    );
    assert_eq!(check(damaged(|party| party.zero_share.seeds.clear())), inconsistent("zero shares"));
    assert_eq!(
        check(damaged(|party| party.party_index = EngineIndex::new(9).unwrap())),
        inconsistent("party index")
    );
    assert_eq!(check(damaged(|party| party.parameters.share_count = 4)), inconsistent("threshold"));
}

#[test]
fn bytes_that_are_no_share_are_refused() {
    let bytes = generated().share_bytes(1);
    let refused = |bytes: &[u8]| KeyShare::from_bytes(bytes, &engines()).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[]), ShareError::Malformed);
    assert_eq!(refused(&bytes[..bytes.len() - 1]), ShareError::Malformed);
    assert_eq!(refused(&[bytes, &[0]].concat()), ShareError::Malformed);
    let mut version = bytes.to_vec();
    version[4] = 2;
    assert_eq!(refused(&version), ShareError::Malformed);
    let mut engine = bytes.to_vec();
    let name = engine.windows(5).position(|window| window == b"dkls2").unwrap();
    engine[name] = b'e';
    assert_eq!(refused(&engine), ShareError::Malformed);
    assert_eq!(
        KeyShare::from_bytes(bytes, &Engines::default()).map(|_| ()).unwrap_err(),
        ShareError::EngineMissing { engine: DKLS23.id() }
    );
    let huge = vec![0; MAX_SHARE_LEN + 1];
    assert_eq!(refused(&huge), ShareError::TooLarge { len: MAX_SHARE_LEN + 1 });
}

#[test]
fn secrets_are_of_types_that_wipe_themselves() {
    fn wipes<T: ZeroizeOnDrop>() {}
    wipes::<KeyShare>();
    wipes::<Zeroizing<Vec<u8>>>();
    wipes::<crate::channel::EphemeralSecret>();
    wipes::<dkls23::protocols::signing::UniqueKeep1to2<Curve>>();
    wipes::<dkls23::protocols::signing::UniqueKeep2to3<Curve>>();
    wipes::<dkls23::protocols::signing::KeepPhase1to2<Curve>>();
    wipes::<dkls23::protocols::signing::KeepPhase2to3<Curve>>();
    assert!(core::mem::needs_drop::<EngineParty>());
}

#[test]
fn sessions_can_move_to_a_thread_that_computes() {
    fn moves<T: Send>() {}
    moves::<KeyShare>();
    moves::<crate::KeygenMachine>();
    moves::<crate::SignMachine>();
    fn is_shared<T: Sync>() {}
    is_shared::<KeyShare>();
    is_shared::<Dkls23Share>();
}

#[test]
fn a_dropped_engine_party_is_wiped() {
    // `Drop` of the engine's party calls this same `zeroize`.
    let mut party = inside(&generated().share(1)).engine_party().clone();
    party.zeroize();
    assert_eq!(party.poly_point, Scalar::ZERO);
    assert_eq!(party.derivation_data.poly_point, Scalar::ZERO);
    assert!(party.mul_senders.is_empty() && party.mul_receivers.is_empty());
    assert!(party.zero_share.seeds.is_empty());
}

#[test]
fn the_fixture_of_version_1_still_loads_and_matches() {
    let share = KeyShare::from_bytes(FIXTURE, &engines()).unwrap();
    let public = KeyPublic::from_bytes(FIXTURE_PUBLIC).unwrap();
    assert!(share.matches(&public));
    assert_eq!(share.to_bytes().unwrap().as_slice(), FIXTURE);
    assert_eq!(public.to_bytes(), FIXTURE_PUBLIC);
}
