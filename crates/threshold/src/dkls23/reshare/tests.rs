//! Resharing under attack, behind intact seals: by those who give and by those who receive.

use super::*;
use crate::channel::{Purpose, SessionContext};
use crate::dkls23::DKLS23;
use crate::engine::{Engine, KeygenProgress};
use crate::keygen::ChainCode;
use crate::party::{ClusterId, Epoch, SessionId, Threshold};
use crate::share::KeyShare;
use crate::testing::{generated, inside, party};

/// Parties 1 and 2 give, 3 only receives.
const GIVERS: [u8; 2] = [1, 2];

fn resharing(chain_code: ChainCode) -> Resharing {
    Resharing::new(generated().public.clone(), GIVERS.map(party), chain_code).unwrap()
}

fn seat(me: u8) -> Seat {
    let threshold = Threshold::new(2, 3).unwrap();
    let context = SessionContext {
        engine: DKLS23.id(),
        cluster: ClusterId::new("test").unwrap(),
        purpose: Purpose::Reshare,
        session: SessionId([0x52; 32]),
        epoch: Epoch(2),
        threshold,
        participants: threshold.committee(),
        binding: [0xce; 32],
    };
    Seat { context, me: party(me), offers: [0xf0; 32] }
}

fn given(giver: u8) -> Zeroizing<[u8; 32]> {
    let givers = resharing(ChainCode::Carried).givers().clone();
    generated().share(giver).contribution(&givers).unwrap()
}

/// Everybody's state after round 1, and what was sent.
struct AfterRound1 {
    states: BTreeMap<u8, Dealt>,
    sent: BTreeMap<u8, Outgoing>,
}

fn after_round_1(chain_code: ChainCode) -> AfterRound1 {
    let (mut states, mut sent) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=3 {
        let contribution = GIVERS.contains(&me).then(|| given(me));
        let (state, outgoing) = first(&seat(me), &resharing(chain_code), contribution.as_ref()).unwrap();
        states.insert(me, state);
        sent.insert(me, outgoing);
    }
    AfterRound1 { states, sent }
}

/// What a party hears of what everybody sent.
fn heard(sent: &BTreeMap<u8, Outgoing>, to: u8) -> Incoming {
    let to = party(to);
    let copy = |message: &Plaintext| Plaintext::new(message.as_bytes().to_vec());
    sent.iter().filter_map(|(from, out)| out.get(&to).map(|message| (party(*from), copy(message)))).collect()
}

fn deal(message: &Plaintext) -> Deal {
    postcard::from_bytes::<Option<Deal>>(message.as_bytes()).unwrap().unwrap()
}

impl AfterRound1 {
    /// How round 2 ends for `to`, if it hears something else from `from`.
    fn hears(mut self, to: u8, from: u8, message: Plaintext) -> KeygenError {
        let mut incoming = heard(&self.sent, to);
        incoming.insert(party(from), message);
        second(&seat(to), self.states.remove(&to).unwrap(), &incoming).map(|_| ()).unwrap_err()
    }

    /// The same for a deal that was changed.
    fn dealt(self, to: u8, from: u8, change: impl FnOnce(&mut Deal)) -> KeygenError {
        let mut changed = deal(&self.sent[&from][&party(to)]);
        change(&mut changed);
        self.hears(to, from, encode(&Some(changed)).unwrap())
    }
}

fn blamed(culprit: u8) -> KeygenError {
    let reason = FaultReason::PolynomialInconsistency;
    ProtocolFault::Blamed { culprit: party(culprit), reason }.into()
}

#[test]
fn a_value_that_was_not_committed_to_names_its_giver() {
    for (to, from) in [(3, 1), (3, 2), (1, 2), (2, 1)] {
        let error = after_round_1(ChainCode::Carried).dealt(to, from, |deal| {
            *deal.value = Scalar::from(9_u64);
        });
        assert_eq!(error, blamed(from), "to {to}");
        assert!(error.is_final());
    }
    let error = after_round_1(ChainCode::Carried).dealt(3, 1, |deal| deal.commitments.swap(0, 1));
    assert_eq!(error, blamed(1));
}

#[test]
fn a_giver_that_deals_something_else_than_its_share_is_named() {
    // A polynomial that fits its commitments, and starts at another number than the one that the giver holds.
    let other = Zeroizing::new([5; 32]);
    let (_, outgoing) = first(&seat(1), &resharing(ChainCode::Carried), Some(&other)).unwrap();
    for to in [2, 3] {
        let message = Plaintext::new(outgoing[&party(to)].as_bytes().to_vec());
        assert_eq!(after_round_1(ChainCode::Carried).hears(to, 1, message), blamed(1));
    }
    // Its share without the weight that it has among these givers.
    let share = inside(&generated().share(1));
    let unweighted = Zeroizing::new(share.engine_party().poly_point.to_bytes().into());
    let (_, outgoing) = first(&seat(1), &resharing(ChainCode::Carried), Some(&unweighted)).unwrap();
    let message = Plaintext::new(outgoing[&party(3)].as_bytes().to_vec());
    assert_eq!(after_round_1(ChainCode::Carried).hears(3, 1, message), blamed(1));
}

#[test]
fn a_polynomial_of_another_degree_names_its_giver() {
    let constant = given(1);
    for further in [vec![], vec![Scalar::from(3_u64), Scalar::from(4_u64)]] {
        let polynomial = Polynomial::starting_at(&constant, &further).unwrap();
        let error = after_round_1(ChainCode::Carried).dealt(3, 1, |deal| {
            deal.commitments = polynomial.commitments();
            deal.value = polynomial.value_for(party(3));
        });
        assert_eq!(error, blamed(1), "{} coefficients", further.len() + 1);
    }
}

#[test]
fn only_givers_deal_and_all_of_them() {
    let malformed = |sender| KeygenError::Malformed { sender: party(sender), round: Round(1) };
    let nothing = || encode(&None::<Deal>).unwrap();
    assert_eq!(after_round_1(ChainCode::Carried).hears(3, 2, nothing()), malformed(2));
    // Party 3 holds a share as well, but is not among those who were to give.
    let givers = crate::party::Participants::new([1, 3].map(party)).unwrap();
    let contribution = generated().share(3).contribution(&givers).unwrap();
    let both = Resharing::new(generated().public.clone(), [1, 3].map(party), ChainCode::Carried).unwrap();
    let (_, outgoing) = first(&seat(3), &both, Some(&contribution)).unwrap();
    let uninvited = Plaintext::new(outgoing[&party(1)].as_bytes().to_vec());
    assert_eq!(after_round_1(ChainCode::Carried).hears(1, 3, uninvited), malformed(3));
    for bytes in [vec![], vec![0, 0], vec![2], vec![0; MAX_DEAL_LEN + 1]] {
        assert_eq!(after_round_1(ChainCode::Carried).hears(3, 1, Plaintext::new(bytes)), malformed(1));
    }
    // And this node itself deals exactly if it was prepared to.
    for (me, contribution) in [(1, None), (3, Some(given(1)))] {
        let error = first(&seat(me), &resharing(ChainCode::Carried), contribution.as_ref());
        assert_eq!(error.map(|_| ()).unwrap_err(), ProtocolFault::LOCAL.into());
    }
}

/// What round 2 sends, and the states after it.
fn after_round_2(mut start: AfterRound1) -> (BTreeMap<u8, Committed>, BTreeMap<u8, Outgoing>) {
    let (mut states, mut sent) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=3 {
        let dealt = start.states.remove(&me).unwrap();
        let (state, outgoing) = second(&seat(me), dealt, &heard(&start.sent, me)).unwrap();
        states.insert(me, *state);
        sent.insert(me, outgoing);
    }
    (states, sent)
}

#[test]
fn a_giver_that_deals_two_polynomials_makes_nobody_accuse_another() {
    let mut start = after_round_1(ChainCode::Carried);
    // Party 1 deals party 3 from another polynomial, as valid as the first.
    let (_, outgoing) = first(&seat(1), &resharing(ChainCode::Carried), Some(&given(1))).unwrap();
    let other = Plaintext::new(outgoing[&party(3)].as_bytes().to_vec());
    start.sent.get_mut(&1).unwrap().insert(party(3), other);
    let (mut states, sent) = after_round_2(start);
    let mut ends =
        |me: u8| third(&seat(me), states.remove(&me).unwrap(), &heard(&sent, me)).map(|_| ()).unwrap_err();
    assert_eq!(ends(2), KeygenError::Unconfirmed { differing: vec![party(3)] });
    let deceived = ends(3);
    assert_eq!(deceived, KeygenError::Unconfirmed { differing: vec![party(1), party(2)] });
    assert_eq!(deceived.culprit(), None);
}

#[test]
fn an_echo_that_is_cut_short_names_its_sender() {
    let (mut states, sent) = after_round_2(after_round_1(ChainCode::Carried));
    let mut incoming = heard(&sent, 3);
    incoming.insert(party(2), Plaintext::new(vec![0; 31]));
    let error = third(&seat(3), states.remove(&3).unwrap(), &incoming).map(|_| ()).unwrap_err();
    assert_eq!(error, KeygenError::Malformed { sender: party(2), round: Round(2) });
}

/// Runs rounds 3 and 4; what each party ends with.
fn finish(
    mut states: BTreeMap<u8, Committed>,
    sent: &BTreeMap<u8, Outgoing>,
) -> BTreeMap<u8, Result<MadeKey, KeygenError>> {
    let (mut opened, mut openings) = (BTreeMap::new(), BTreeMap::new());
    for me in 1..=3 {
        let (state, outgoing) = third(&seat(me), states.remove(&me).unwrap(), &heard(sent, me)).unwrap();
        opened.insert(me, state);
        openings.insert(me, outgoing);
    }
    (1..=3).map(|me| (me, fourth(&seat(me), &opened[&me], &heard(&openings, me)))).collect()
}

#[test]
fn a_receiver_that_opens_another_share_than_it_was_dealt_is_named() {
    let start = after_round_1(ChainCode::Carried);
    let (mut states, mut sent) = after_round_2(start);
    // Party 3 echoes what everybody saw, and goes on with a share of its own choice.
    let honest = states.remove(&3).unwrap();
    let (keygen, outgoing) = round2::commit(&seat(3), &[Scalar::from(9_u64)]).unwrap();
    let echoed = |(peer, message): (PartyIndex, Plaintext)| {
        (peer, Plaintext::new([honest.view.hash.as_slice(), message.as_bytes()].concat()))
    };
    sent.insert(3, outgoing.into_iter().map(echoed).collect());
    states.insert(3, Committed { keygen, view: honest.view });
    let outcomes = finish(states, &sent);
    for me in [1, 2] {
        assert_eq!(outcomes[&me].as_ref().map(|_| ()).unwrap_err(), &blamed(3));
    }
}

#[test]
fn a_key_that_had_no_chain_code_gets_one_that_all_agree_on() {
    let old = &generated().public;
    let mut made = Vec::new();
    for chain_code in [ChainCode::Fresh, ChainCode::Carried] {
        let (states, sent) = after_round_2(after_round_1(chain_code));
        let keys: Vec<MadeKey> = finish(states, &sent).into_values().map(Result::unwrap).collect();
        for key in &keys {
            assert_eq!(key.share.public_key(), old.public_key());
            assert_eq!(key.share.chain_code(), keys[0].share.chain_code());
            assert_eq!(key.verifying_shares, keys[0].verifying_shares);
            assert_eq!(key.transcript, keys[0].transcript);
            assert_eq!(key.verifying_shares[&key.share.party()], key.share.verifying_share());
        }
        made.push((keys[0].share.chain_code(), keys[0].transcript));
    }
    assert_ne!(made[0].0, old.chain_code(), "a fresh one is another");
    assert_eq!(made[1].0, old.chain_code(), "a carried one is the same");
    assert_ne!(made[0].1, made[1].1);
}

#[test]
fn states_between_rounds_have_one_encoding_and_show_nothing() {
    let start = after_round_1(ChainCode::Carried);
    let incoming = heard(&start.sent, 3);
    let contribution = Some(given(1));
    let (protocol, _) =
        DKLS23.begin_resharing(&seat(1), &resharing(ChainCode::Carried), contribution.as_ref()).unwrap();
    let bytes = protocol.to_bytes().unwrap();
    assert!(DKLS23.resume_keygen(&bytes).is_some());
    assert!(DKLS23.resume_keygen(&[bytes.as_slice(), &[0]].concat()).is_none());
    for state in start.states.into_values() {
        assert_eq!(format!("{:?}", Session::Dealt(Box::new(state))), "Dealt(<redacted>)");
    }
    let (protocol, _) = DKLS23.begin_resharing(&seat(3), &resharing(ChainCode::Carried), None).unwrap();
    let resumed = DKLS23.resume_keygen(&protocol.to_bytes().unwrap()).unwrap();
    let KeygenProgress::Continue(next, _) = resumed.handle(&seat(3), &incoming).unwrap() else {
        panic!("round 2 sends")
    };
    assert!(DKLS23.resume_keygen(&next.to_bytes().unwrap()).is_some());
}

#[test]
fn a_child_is_not_handed_on() {
    let child: KeyShare = generated().share(1).child(&[0, 7]).unwrap();
    let givers = resharing(ChainCode::Carried).givers().clone();
    assert!(child.contribution(&givers).is_err());
}
