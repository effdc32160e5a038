//! Who may hand a key on, and what stops it before and after.

use super::*;
use crate::keygen::resharing::{ChainCode, Resharing};
use crate::party::{Epoch, SessionId};
use crate::share::ShareError;

/// The key of all tests, handed on by these.
fn handed_on(givers: &[u8]) -> Result<Resharing, SetupError> {
    let givers = givers.iter().map(|giver| party(*giver));
    Resharing::new(generated().public.clone(), givers, ChainCode::Carried)
}

fn task(me: u8) -> KeygenTask {
    KeygenTask { epoch: Epoch(2), ..generated().committee.keygen_task(party(me), [0x52; 32]) }
}

fn prepare(
    task: KeygenTask,
    resharing: Resharing,
    share: Option<&KeyShare>,
) -> Result<KeygenMachine, KeygenError> {
    let key = generated().committee.key(task.party);
    KeygenMachine::prepare_resharing(&DKLS23, task, resharing, share, key, &mut OsRng)
}

/// Three machines of which the first two give.
fn machines() -> Vec<KeygenMachine> {
    let machine = |me: u8| {
        let share = (me < 3).then(|| generated().share(me));
        prepare(task(me), handed_on(&[1, 2]).unwrap(), share.as_deref()).unwrap()
    };
    (1..=3).map(machine).collect()
}

fn first_round(machines: &mut [KeygenMachine]) -> Vec<Vec<Outbound>> {
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    machines.iter_mut().map(|machine| answer(machine, 1, &offers).unwrap()).collect()
}

/// The machine is dropped and resumed before it answers.
fn answer(machine: &mut KeygenMachine, round: u8, inbound: &[Vec<u8>]) -> Result<Vec<Outbound>, KeygenError> {
    *machine = KeygenMachine::resume(&machine.export().unwrap(), &engines()).unwrap();
    match machine.round(Round(round), inbound)?.into_parts().1.release_after_stored() {
        KeygenReply::Messages(outbound) => Ok(outbound),
        KeygenReply::Finished(_) => panic!("round {round} sends"),
    }
}

#[test]
fn fewer_than_t_hand_nothing_on() {
    for givers in [&[][..], &[2], &[1, 2, 3]] {
        let got = givers.len();
        assert_eq!(handed_on(givers), Err(SetupError::WrongSignerCount { expected: 2, got }));
    }
    assert_eq!(handed_on(&[1, 4]), Err(SetupError::PartyOutOfRange { index: 4, n: 3 }));
    assert_eq!(handed_on(&[1, 1]), Err(SetupError::DuplicateParty { party: party(1) }));
}

#[test]
fn only_givers_have_a_place() {
    let resharing = handed_on(&[1, 2]).unwrap();
    let places = [1, 2, 3].map(|giver| resharing.place_of(party(giver)).map(|(place, _)| place));
    assert_eq!(places, [Some(party(1)), Some(party(2)), None]);
}

#[test]
fn a_giver_needs_its_own_share_of_this_key() {
    let giver = |me: u8, share: Option<&KeyShare>| {
        prepare(task(me), handed_on(&[1, 2]).unwrap(), share).map(|_| ()).unwrap_err()
    };
    assert_eq!(giver(1, None), KeygenError::Setup(SetupError::NothingToGive { party: party(1) }));
    let others = generated().share(2);
    assert_eq!(giver(1, Some(&others)), KeygenError::Share(ShareError::OtherKey));
    let child = generated().share(1).child(&[0, 7]).unwrap();
    assert_eq!(giver(1, Some(&child)), KeygenError::Share(ShareError::OtherKey));
    // The share is of this key, and the log says another.
    let mut public = generated().public.clone();
    public.transcript = [0; 32];
    let other = Resharing::new(public, [1, 2].map(party), ChainCode::Carried).unwrap();
    let refused = prepare(task(1), other, Some(&generated().share(1))).map(|_| ()).unwrap_err();
    assert_eq!(refused, KeygenError::Share(ShareError::OtherKey));
}

#[test]
fn new_shares_are_of_the_next_epoch_and_of_a_committee_with_all_givers() {
    for epoch in [0, 1, 3] {
        let task = KeygenTask { epoch: Epoch(epoch), ..task(3) };
        let refused = prepare(task, handed_on(&[1, 2]).unwrap(), None).map(|_| ()).unwrap_err();
        assert_eq!(refused, KeygenError::Setup(SetupError::EpochOutOfOrder { old: 1, new: epoch }));
    }
    let smaller = KeygenTask { threshold: crate::party::Threshold::new(2, 2).unwrap(), ..task(1) };
    let refused = prepare(smaller, handed_on(&[1, 3]).unwrap(), None).map(|_| ()).unwrap_err();
    assert_eq!(refused, KeygenError::Setup(SetupError::PartyOutOfRange { index: 3, n: 2 }));
}

#[test]
fn nodes_that_disagree_on_what_is_handed_on_do_not_start() {
    let mut public = generated().public.clone();
    public.verifying_shares.insert(party(1), public.public_key);
    let givers = [1, 2].map(party);
    let fresh = Resharing::new(generated().public.clone(), givers, ChainCode::Fresh).unwrap();
    for other in
        [Resharing::new(public, givers, ChainCode::Carried).unwrap(), handed_on(&[1, 3]).unwrap(), fresh]
    {
        let mut machines = machines();
        let share = generated().share(3);
        machines[2] = prepare(task(3), other, Some(&share)).unwrap_or_else(|error| panic!("{error}"));
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        assert_eq!(
            machines[0].round(Round(1), &offers).unwrap_err(),
            KeygenError::Channel(ChannelError::OfferMismatch { party: party(3), field: "binding" })
        );
    }
    // A generation of a key in the same session is no resharing.
    let mut machines = machines();
    machines[2] =
        KeygenMachine::prepare(&DKLS23, task(3), generated().committee.key(party(3)), &mut OsRng).unwrap();
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    assert_eq!(
        machines[0].round(Round(1), &offers).unwrap_err(),
        KeygenError::Channel(ChannelError::OfferMismatch { party: party(3), field: "purpose" })
    );
}

#[test]
fn nodes_of_different_ceremonies_hand_nothing_on() {
    let mut machines = machines();
    let other = KeygenTask { ceremony: [9; 32], ..task(3) };
    machines[2] = prepare(other, handed_on(&[1, 2]).unwrap(), None).unwrap();
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    assert_eq!(
        machines[0].round(Round(1), &offers).unwrap_err(),
        KeygenError::Channel(ChannelError::OfferMismatch { party: party(3), field: "binding" })
    );
}

#[test]
fn a_giver_that_is_missing_stops_the_resharing_and_consumes_nothing() {
    let mut machines = machines();
    let answers = first_round(&mut machines);
    let honest = deliver(&answers, party(3));
    let error = answer(&mut machines[2], 2, &honest[..1]).unwrap_err();
    assert_eq!((error.code(), error.is_final(), error.culprit()), ("MISSING_MESSAGE", false, None));
    assert!(answer(&mut machines[2], 2, &honest).is_ok(), "the giver came back");
}

#[test]
fn a_stored_state_knows_what_is_handed_on_and_what_is_given() {
    let machines = machines();
    for (machine, gives) in machines.iter().zip([true, true, false]) {
        let state = machine.export().unwrap();
        assert_eq!(state[4], 3, "the version of resharings");
        let resumed = KeygenMachine::resume(&state, &engines()).unwrap();
        assert_eq!(resumed.resharing(), Some(&handed_on(&[1, 2]).unwrap()));
        let Stage::Offered { contribution, .. } = Saved::from_bytes(&state, &engines()).unwrap().stage else {
            panic!("the offer is made")
        };
        assert_eq!(contribution.is_some(), gives);
        assert!(!format!("{resumed:?}").contains("contribution"));
        for damaged in [&state[..state.len() - 1], &[state.as_slice(), &[0]].concat()] {
            let refused = KeygenMachine::resume(damaged, &engines()).map(|_| ()).unwrap_err();
            assert_eq!(refused, KeygenError::StateMalformed);
        }
        // What is given is of no key generation.
        let mut generation = state.to_vec();
        generation[4] = 2;
        assert!(KeygenMachine::resume(&generation, &engines()).is_err());
    }
}

#[test]
fn what_is_given_is_in_no_state_once_it_is_dealt_out() {
    let mut machines = machines();
    let givers = handed_on(&[1, 2]).unwrap();
    let given = generated().share(1).contribution(givers.givers()).unwrap();
    let holds = |machine: &KeygenMachine| {
        machine.export().unwrap().windows(given.len()).any(|window| window == given.as_slice())
    };
    assert!(holds(&machines[0]), "until then it has to survive a restart");
    let answers = first_round(&mut machines);
    assert!(!holds(&machines[0]));
    let inbound: Vec<_> = (1..=3).map(|me| deliver(&answers, party(me))).collect();
    for (machine, inbound) in machines.iter_mut().zip(&inbound) {
        answer(machine, 2, inbound).unwrap();
    }
}

#[test]
fn fragments_of_another_attempt_wallet_or_epoch_do_not_open_here() {
    let mut machines = machines();
    let answers = first_round(&mut machines);
    let others = [
        // Another attempt, another ceremony (of another wallet, or a later one), and another epoch.
        KeygenTask { session: SessionId([0x53; 32]), ..task(1) },
        KeygenTask { ceremony: [9; 32], ..task(1) },
    ];
    for other in others {
        let mut theirs: Vec<KeygenMachine> = (1..=3)
            .map(|me: u8| {
                let share = (me < 3).then(|| generated().share(me));
                let task = KeygenTask { party: party(me), ..other.clone() };
                prepare(task, handed_on(&[1, 2]).unwrap(), share.as_deref()).unwrap()
            })
            .collect();
        let replayed = first_round(&mut theirs);
        let mut mixed = deliver(&answers, party(3));
        mixed[0] = deliver(&replayed, party(3)).remove(0);
        let error = answer(&mut machines[2], 2, &mixed).unwrap_err();
        assert!(!error.is_final() && error.culprit().is_none(), "{error}");
        // What was sent to another party is of no use either.
        mixed[0] = deliver(&answers, party(2)).remove(0);
        let error = answer(&mut machines[2], 2, &mixed).unwrap_err();
        assert!(!error.is_final() && error.culprit().is_none(), "{error}");
    }
    assert!(answer(&mut machines[2], 2, &deliver(&answers, party(3))).is_ok(), "nothing was consumed");
}

#[test]
fn another_key_than_the_one_handed_on_is_never_confirmed() {
    let confirm = |change: fn(&mut KeyPublic)| {
        let before = before_round_4(1);
        let made = round4::handle(&before.seat, &before.state, &before.incoming).unwrap();
        let mut public = generated().public.clone();
        change(&mut public);
        let resharing = Resharing::new(public, [1, 2].map(party), ChainCode::Carried).unwrap();
        confirm::say(&DKLS23, &before.seat, Some(&resharing), made).map(|_| ())
    };
    assert_eq!(confirm(|_| ()), Ok(()), "the key is its own");
    let key = confirm(|public| public.public_key = public.verifying_shares[&party(1)]).unwrap_err();
    assert_eq!(key, KeygenError::KeyChanged { part: "public key" });
    assert!(key.is_final() && key.culprit().is_none());
    let children = confirm(|public| public.chain_code = [7; 32]).unwrap_err();
    assert_eq!(children, KeygenError::KeyChanged { part: "chain code" });
}
