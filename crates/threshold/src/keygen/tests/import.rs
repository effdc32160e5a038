//! A key of another deployment is taken over: who may give, of which file, and what stops it.

use super::*;
use crate::foreign::{ForeignError, ForeignShare};
use crate::keygen::resharing::{ChainCode, Resharing};
use crate::party::Epoch;
use crate::share::ShareError;
use crate::testing::Foreign;

/// 2 of 5, which no committee here could be.
fn foreign() -> Foreign {
    Foreign::new(&[700, 11], 5)
}

/// Parties 1 and 3 here are parties 4 and 2 there.
const GIVERS: [(u8, u8); 2] = [(1, 4), (3, 2)];

fn import_of(foreign: &Foreign, givers: &[(u8, u8)]) -> Result<Resharing, SetupError> {
    Resharing::import(foreign.key(), givers.iter().map(|(here, there)| (party(*here), party(*there))))
}

fn import() -> Resharing {
    import_of(&foreign(), &GIVERS).unwrap()
}

fn task(me: u8) -> KeygenTask {
    KeygenTask { epoch: Epoch(1), ..generated().committee.keygen_task(party(me), [0x17; 32]) }
}

fn prepare(
    task: KeygenTask,
    import: Resharing,
    share: Option<&ForeignShare>,
) -> Result<KeygenMachine, KeygenError> {
    let key = generated().committee.key(task.party);
    KeygenMachine::prepare_import(&DKLS23, task, import, share, key, &mut OsRng)
}

fn machine(me: u8) -> KeygenMachine {
    let place = GIVERS.iter().find(|(here, _)| *here == me).map(|(_, there)| *there);
    let share = place.map(|there| foreign().share(there));
    prepare(task(me), import(), share.as_ref()).unwrap()
}

fn refused(me: u8, import: Resharing, share: Option<&ForeignShare>) -> KeygenError {
    prepare(task(me), import, share).map(|_| ()).unwrap_err()
}

#[test]
fn exactly_t_of_the_old_committee_give_each_at_its_own_party() {
    for givers in [&[][..], &[(1, 4)], &[(1, 1), (2, 2), (3, 3)]] {
        let got = givers.len();
        let wrong = SetupError::WrongSignerCount { expected: 2, got };
        assert_eq!(import_of(&foreign(), givers), Err(wrong));
    }
    let twice = |index| Err(SetupError::DuplicateParty { party: party(index) });
    assert_eq!(import_of(&foreign(), &[(1, 4), (1, 2)]), twice(1), "one party for two shares");
    assert_eq!(import_of(&foreign(), &[(1, 4), (2, 4)]), twice(4), "one share at two parties");
    let beyond = SetupError::PartyOutOfRange { index: 6, n: 5 };
    assert_eq!(import_of(&foreign(), &[(1, 4), (2, 6)]), Err(beyond));
    let nobody = import_of(&foreign(), &[(1, 4), (4, 2)]).unwrap();
    assert_eq!(refused(2, nobody, None), KeygenError::Setup(SetupError::PartyOutOfRange { index: 4, n: 3 }));
}

#[test]
fn a_giver_needs_the_file_of_the_party_that_it_is_named_for() {
    let missing = KeygenError::Setup(SetupError::NothingToGive { party: party(1) });
    assert_eq!(refused(1, import(), None), missing);
    // The files of two nodes are swapped.
    let swapped = ForeignError::OtherParty { found: party(2), approved: party(4) };
    assert_eq!(refused(1, import(), Some(&foreign().share(2))), KeygenError::Foreign(swapped));
    // The file of another wallet, and one of the same key from before its shares were refreshed.
    for other in [Foreign::new(&[701, 11], 5), Foreign::new(&[700, 12], 5)] {
        let error = refused(1, import(), Some(&other.share(4)));
        assert_eq!(error, KeygenError::Foreign(ForeignError::OtherKey));
        assert_eq!((error.code(), error.is_final(), error.culprit()), ("IMPORT_OF_OTHER_KEY", true, None));
    }
    // Who only receives needs none, and none of its files is looked at.
    assert!(prepare(task(2), import(), None).is_ok());
    assert!(prepare(task(2), import(), Some(&foreign().share(4))).is_ok());
}

#[test]
fn a_share_that_was_made_here_is_no_file_and_a_file_is_no_share() {
    let key = generated().committee.key(party(1));
    let ours = generated().share(1);
    let mixed = KeygenMachine::prepare_resharing(&DKLS23, task(1), import(), Some(&ours), key, &mut OsRng);
    assert_eq!(mixed.map(|_| ()).unwrap_err(), KeygenError::Share(ShareError::OtherKey));
    let handed_on =
        Resharing::new(generated().public.clone(), [1, 2].map(party), ChainCode::Carried).unwrap();
    let task = KeygenTask { epoch: Epoch(2), ..task(1) };
    let mixed = prepare(task, handed_on, Some(&foreign().share(4)));
    assert_eq!(mixed.map(|_| ()).unwrap_err(), KeygenError::Share(ShareError::OtherKey));
}

#[test]
fn shares_of_another_deployment_are_of_the_epoch_before_the_first() {
    for epoch in [0, 2] {
        let other = KeygenTask { epoch: Epoch(epoch), ..task(2) };
        let error = prepare(other, import(), None).map(|_| ()).unwrap_err();
        assert_eq!(error, KeygenError::Setup(SetupError::EpochOutOfOrder { old: 0, new: epoch }));
    }
}

#[test]
fn nodes_that_disagree_on_what_is_imported_do_not_start() {
    let others = [
        // The same key, other shares of it.
        import_of(&Foreign::new(&[700, 12], 5), &GIVERS).unwrap(),
        // Other places of the same givers.
        import_of(&foreign(), &[(1, 2), (3, 4)]).unwrap(),
        import_of(&foreign(), &[(1, 4), (3, 5)]).unwrap(),
    ];
    for other in others {
        let dissenter = prepare(task(2), other, None).unwrap();
        let mut machines = [machine(1), dissenter, machine(3)];
        let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
        assert_eq!(
            machines[0].round(Round(1), &offers).unwrap_err(),
            KeygenError::Channel(ChannelError::OfferMismatch { party: party(2), field: "binding" })
        );
    }
}

#[test]
fn a_stored_state_knows_what_is_imported_and_what_is_given() {
    for (me, gives) in [(1, true), (2, false), (3, true)] {
        let state = machine(me).export().unwrap();
        let resumed = KeygenMachine::resume(&state, &engines()).unwrap();
        assert_eq!(resumed.resharing(), Some(&import()));
        let Stage::Offered { contribution, .. } = Saved::from_bytes(&state, &engines()).unwrap().stage else {
            panic!("the offer is made")
        };
        assert_eq!(contribution.is_some(), gives);
        for damaged in [&state[..state.len() - 1], &[state.as_slice(), &[0]].concat()] {
            assert!(KeygenMachine::resume(damaged, &engines()).is_err());
        }
    }
}

#[test]
fn a_giver_that_gives_something_else_than_its_share_is_named() {
    // Party 3 deals what party 2 of the old committee holds, without the weight that it has beside party 4.
    let mut machines = [machine(1), machine(2), machine(3)];
    let mut hostile = Saved::from_bytes(&machines[2].export().unwrap(), &engines()).unwrap();
    let Stage::Offered { contribution, .. } = &mut hostile.stage else { panic!("the offer is made") };
    **contribution.as_mut().unwrap() = foreign().secrets[1];
    machines[2] = KeygenMachine::resume(&hostile.to_bytes().unwrap(), &engines()).unwrap();
    let offers: Vec<Vec<u8>> = machines.iter().map(|machine| machine.offer().to_vec()).collect();
    let answers = machines.each_mut().map(|machine| {
        let held = machine.round(Round(1), &offers).unwrap().into_parts().1;
        let KeygenReply::Messages(outbound) = held.release_after_stored() else { panic!("round 1 sends") };
        outbound
    });
    for me in [1, 2] {
        let error = machines[slot(me)].round(Round(2), &deliver(&answers, party(me))).unwrap_err();
        assert_eq!((error.culprit(), error.is_final()), (Some(party(3)), true), "{error}");
    }
}
