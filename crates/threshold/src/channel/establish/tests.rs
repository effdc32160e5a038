//! The attacks of a hostile courier, and of a hostile peer, on offers and sealed messages.

use ed25519_dalek::SigningKey;
use rand::rngs::OsRng;

use super::*;
use crate::channel::{Outgoing, Plaintext, Purpose, SealedMessage, SessionContext};
use crate::engine::EngineId;
use crate::party::{ClusterId, Epoch, Round, SessionId};
use crate::testing::{Committee, deliver, party};

struct Node {
    secret: EphemeralSecret,
    signed: SignedOffer,
}

impl Node {
    fn establish(&self, offers: &[Vec<u8>], committee: &Committee) -> Result<ChannelSet, ChannelError> {
        ChannelSet::establish(&self.secret, &self.signed, offers, &committee.message_keys)
    }
}

fn context(committee: &Committee) -> SessionContext {
    SessionContext {
        engine: EngineId::Dkls23EcdsaSecp256k1V06,
        cluster: ClusterId::new("test").unwrap(),
        purpose: Purpose::Keygen,
        session: SessionId([1; 32]),
        epoch: Epoch(1),
        threshold: committee.threshold,
        participants: committee.threshold.committee(),
        binding: [2; 32],
    }
}

fn node_with(committee: &Committee, index: u8, context: SessionContext) -> Node {
    let secret = EphemeralSecret::generate(&mut OsRng);
    let offer = EphemeralOffer { context, party: party(index), key: secret.public_key() };
    Node { signed: offer.sign(committee.key(party(index))), secret }
}

fn nodes(committee: &Committee) -> (Vec<Node>, Vec<Vec<u8>>) {
    let nodes: Vec<Node> = (1..=3).map(|i| node_with(committee, i, context(committee))).collect();
    let offers = nodes.iter().map(|node| node.signed.as_bytes().to_vec()).collect();
    (nodes, offers)
}

fn channels(committee: &Committee) -> Vec<ChannelSet> {
    let (nodes, offers) = nodes(committee);
    nodes.iter().map(|node| node.establish(&offers, committee).unwrap()).collect()
}

fn outgoing(from: u8) -> Outgoing {
    (1..=3).filter(|to| *to != from).map(|to| (party(to), Plaintext::new(vec![from, to, 0xaa]))).collect()
}

fn resign(committee: &Committee, signer: u8, offer: EphemeralOffer) -> Vec<u8> {
    offer.sign(committee.key(party(signer))).as_bytes().to_vec()
}

#[test]
fn sealed_messages_reach_their_receiver_and_the_own_offer_may_be_left_out() {
    let committee = Committee::new(2, 3);
    let (nodes, offers) = nodes(&committee);
    let mut first = nodes[0].establish(&offers[1..], &committee).unwrap();
    let mut second = nodes[1].establish(&offers, &committee).unwrap();
    let mut third = nodes[2].establish(&offers, &committee).unwrap();
    let answers = [
        second.seal_round(Round(1), &outgoing(2)).unwrap(),
        third.seal_round(Round(1), &outgoing(3)).unwrap(),
    ];
    let opened = first.open_round(Round(1), &deliver(&answers, party(1))).unwrap();
    assert_eq!(opened[&party(2)].as_bytes(), &[2, 1, 0xaa]);
    assert_eq!(opened[&party(3)].as_bytes(), &[3, 1, 0xaa]);
}

#[test]
fn an_offer_that_is_missing_repeated_or_foreign_is_refused() {
    let committee = Committee::new(2, 3);
    let (nodes, offers) = nodes(&committee);
    let refused = |offers: &[Vec<u8>]| nodes[0].establish(offers, &committee).unwrap_err();
    assert_eq!(refused(&offers[..2]), ChannelError::MissingOffer { party: party(3) });
    let twice = [offers.clone(), vec![offers[2].clone()]].concat();
    assert_eq!(refused(&twice), ChannelError::DuplicateOffer { party: party(3) });
    let own_twice = [offers.clone(), vec![offers[0].clone()]].concat();
    assert_eq!(refused(&own_twice), ChannelError::DuplicateOffer { party: party(1) });
    let stranger = EphemeralOffer { party: party(4), ..nodes[1].signed.claim().clone() };
    let foreign = [offers.clone(), vec![resign(&committee, 2, stranger)]].concat();
    assert_eq!(refused(&foreign), ChannelError::ForeignOffer { party: party(4) });
    let flood = vec![offers[1].clone(); 17];
    assert_eq!(refused(&flood), ChannelError::TooMany { count: 17, max: 16 });
}

#[test]
fn an_offer_signed_by_another_key_is_refused_without_blame() {
    let committee = Committee::new(2, 3);
    let (nodes, mut offers) = nodes(&committee);
    // The courier makes up an ephemeral for party 2, to sit between 1 and 2.
    let made_up = EphemeralSecret::generate(&mut OsRng);
    let offer = EphemeralOffer { key: made_up.public_key(), ..nodes[1].signed.claim().clone() };
    offers[1] = offer.clone().sign(&SigningKey::generate(&mut OsRng)).as_bytes().to_vec();
    let error = nodes[0].establish(&offers, &committee).unwrap_err();
    assert_eq!(error, ChannelError::BadOfferSignature { party: party(2) });
    assert_eq!(error.culprit(), None);
    // Party 3 speaks for party 2.
    offers[1] = resign(&committee, 3, offer);
    assert_eq!(
        nodes[0].establish(&offers, &committee).unwrap_err(),
        ChannelError::BadOfferSignature { party: party(2) }
    );
}

#[test]
fn an_own_offer_that_was_altered_is_refused() {
    let committee = Committee::new(2, 3);
    let (nodes, mut offers) = nodes(&committee);
    let other = node_with(&committee, 1, context(&committee));
    offers[0] = other.signed.as_bytes().to_vec();
    assert_eq!(nodes[0].establish(&offers, &committee).unwrap_err(), ChannelError::OwnOfferAltered);
}

#[test]
fn every_bit_of_an_offer_is_signed() {
    let committee = Committee::new(2, 3);
    let (nodes, offers) = nodes(&committee);
    for bit in 0..offers[1].len() * 8 {
        let mut changed = offers.clone();
        changed[1][bit / 8] ^= 1 << (bit % 8);
        assert!(nodes[0].establish(&changed, &committee).is_err(), "bit {bit} of the offer is not protected");
    }
    for length in 0..offers[1].len() {
        assert!(SignedOffer::from_bytes(&offers[1][..length]).is_err(), "{length} bytes parse");
    }
    let trailing = [offers[1].as_slice(), &[0]].concat();
    assert_eq!(
        SignedOffer::from_bytes(&trailing).unwrap_err(),
        ChannelError::MalformedOffer { field: "trailing bytes" }
    );
    assert_eq!(SignedOffer::from_bytes(&[0; 513]).unwrap_err().code(), "OFFER_TOO_LARGE");
}

#[test]
fn a_validly_signed_offer_about_anything_else_is_refused_by_the_field() {
    let committee = Committee::new(2, 3);
    let (nodes, offers) = nodes(&committee);
    let mine = context(&committee);
    let two_of_two = crate::party::Threshold::new(2, 2).unwrap();
    let others = [
        ("cluster", SessionContext { cluster: ClusterId::new("prod").unwrap(), ..mine.clone() }),
        ("purpose", SessionContext { purpose: Purpose::Sign, ..mine.clone() }),
        ("session", SessionContext { session: SessionId([9; 32]), ..mine.clone() }),
        ("epoch", SessionContext { epoch: Epoch(2), ..mine.clone() }),
        ("threshold", SessionContext { threshold: two_of_two, ..mine.clone() }),
        ("participants", SessionContext { participants: two_of_two.committee(), ..mine.clone() }),
        ("binding", SessionContext { binding: [3; 32], ..mine }),
    ];
    for (field, context) in others {
        let mut changed = offers.clone();
        changed[1] = node_with(&committee, 2, context).signed.as_bytes().to_vec();
        let error = nodes[0].establish(&changed, &committee).unwrap_err();
        assert_eq!(error, ChannelError::OfferMismatch { party: party(2), field });
        assert_eq!(error.culprit(), None, "the courier may have brought an honest offer of another session");
    }
}

#[test]
fn reflected_copied_and_low_order_keys_are_refused() {
    let committee = Committee::new(2, 3);
    let (nodes, offers) = nodes(&committee);
    let with_key = |key: [u8; 32]| {
        let mut changed = offers.clone();
        changed[2] = resign(&committee, 3, EphemeralOffer { key, ..nodes[2].signed.claim().clone() });
        nodes[0].establish(&changed, &committee).unwrap_err()
    };
    let reflected = with_key(nodes[0].secret.public_key());
    assert_eq!(reflected, ChannelError::ReflectedKey { party: party(3) });
    assert_eq!(reflected.culprit(), Some(party(3)));
    let copied = with_key(nodes[1].secret.public_key());
    assert_eq!(copied, ChannelError::DuplicateKey { first: party(2), second: party(3) });
    let low_order = with_key([0; 32]);
    assert_eq!(low_order, ChannelError::LowOrderKey { party: party(3) });
    assert_eq!(low_order.culprit(), Some(party(3)));
}

#[test]
fn every_bit_of_a_sealed_message_is_protected_and_a_refusal_consumes_nothing() {
    let committee = Committee::new(2, 3);
    let mut sets = channels(&committee);
    let second = sets[1].seal_round(Round(1), &outgoing(2)).unwrap();
    let third = sets[2].seal_round(Round(1), &outgoing(3)).unwrap();
    let honest = deliver(&[second, third], party(1));
    for bit in 0..honest[1].len() * 8 {
        let mut changed = honest.clone();
        changed[1][bit / 8] ^= 1 << (bit % 8);
        let error = sets[0].open_round(Round(1), &changed).unwrap_err();
        assert_eq!(error.culprit(), None, "bit {bit}: the courier can flip bits, so nobody is to blame");
    }
    let mut changed = honest.clone();
    changed[1].pop();
    assert_eq!(
        sets[0].open_round(Round(1), &changed).unwrap_err(),
        ChannelError::NotAuthentic { claimed: party(3) }
    );
    assert!(sets[0].open_round(Round(1), &honest).is_ok(), "the honest round still opens");
}

#[test]
fn withheld_duplicated_and_misdirected_messages_are_refused() {
    let committee = Committee::new(2, 3);
    let mut sets = channels(&committee);
    let second = sets[1].seal_round(Round(1), &outgoing(2)).unwrap();
    let third = sets[2].seal_round(Round(1), &outgoing(3)).unwrap();
    let answers = [second, third];
    let honest = deliver(&answers, party(1));
    let mut refused = |inbound: &[Vec<u8>]| sets[0].open_round(Round(1), inbound).unwrap_err();
    assert_eq!(refused(&honest[..1]), ChannelError::MissingMessage { sender: party(3) });
    assert_eq!(refused(&[]), ChannelError::MissingMessage { sender: party(2) });
    let doubled = [honest[0].clone(), honest[0].clone()];
    assert_eq!(refused(&doubled), ChannelError::DuplicateMessage { sender: party(2) });
    let three = [honest[0].clone(), honest[1].clone(), honest[1].clone()];
    assert_eq!(refused(&three), ChannelError::TooMany { count: 3, max: 2 });
    let for_two = deliver(&answers, party(2));
    assert_eq!(refused(&for_two), ChannelError::OtherReceiver { receiver: party(2) });
    let huge = vec![0; Purpose::Keygen.max_message_len() + 1];
    assert_eq!(refused(&[huge]).code(), "MESSAGE_TOO_LARGE");
}

#[test]
fn a_header_rewritten_to_fit_does_not_open() {
    let committee = Committee::new(2, 3);
    let mut sets = channels(&committee);
    let second = sets[1].seal_round(Round(1), &outgoing(2)).unwrap();
    let third = sets[2].seal_round(Round(1), &outgoing(3)).unwrap();
    let answers = [second, third];
    let parse = |bytes: &[u8]| SealedMessage::from_bytes(bytes, 4096).unwrap();
    let honest = deliver(&answers, party(1));
    // Party 2's message to 3, readdressed to 1; 3's message to 1, in 2's name.
    let to_three = deliver(&answers[..1], party(3));
    let readdressed = SealedMessage { receiver: party(1), ..parse(&to_three[0]) };
    let renamed = SealedMessage { sender: party(2), ..parse(&honest[1]) };
    for forged in [readdressed, renamed] {
        let inbound = [forged.to_bytes(), honest[1].clone()];
        assert_eq!(
            sets[0].open_round(Round(1), &inbound).unwrap_err(),
            ChannelError::NotAuthentic { claimed: party(2) }
        );
    }
    // Round 1's message, dressed up as round 2's.
    sets[0].open_round(Round(1), &honest).unwrap();
    let later: Vec<Vec<u8>> =
        honest.iter().map(|bytes| SealedMessage { round: Round(2), ..parse(bytes) }.to_bytes()).collect();
    assert_eq!(
        sets[0].open_round(Round(2), &later).unwrap_err(),
        ChannelError::NotAuthentic { claimed: party(2) }
    );
    // A message reflected to its own sender, and one in the receiver's own name.
    let reflected = SealedMessage { receiver: party(2), ..parse(&to_three[0]) };
    assert_eq!(
        sets[1].open_round(Round(1), &[reflected.to_bytes()]).unwrap_err(),
        ChannelError::ForeignSender { sender: party(2) }
    );
    let swapped = SealedMessage { sender: party(3), receiver: party(2), ..parse(&to_three[0]) };
    assert_eq!(
        sets[1].open_round(Round(1), &[swapped.to_bytes()]).unwrap_err(),
        ChannelError::NotAuthentic { claimed: party(3) },
        "the two directions have different keys"
    );
}

#[test]
fn late_early_and_replayed_messages_are_refused() {
    let committee = Committee::new(2, 3);
    let mut sets = channels(&committee);
    let mut round = |round: u8| {
        let second = sets[1].seal_round(Round(round), &outgoing(2)).unwrap();
        let third = sets[2].seal_round(Round(round), &outgoing(3)).unwrap();
        deliver(&[second, third], party(1))
    };
    let (first, second) = (round(1), round(2));
    assert_eq!(
        sets[0].open_round(Round(1), &second).unwrap_err(),
        ChannelError::OutOfOrder { sender: party(2), round: Round(2), expected: Round(1) }
    );
    sets[0].open_round(Round(1), &first).unwrap();
    let replayed = ChannelError::Replayed { sender: party(2), round: Round(1), expected: Round(2) };
    assert_eq!(sets[0].open_round(Round(2), &first).unwrap_err(), replayed);
    assert_eq!(
        sets[0].open_round(Round(1), &first).unwrap_err(),
        ChannelError::Replayed { sender: party(2), round: Round(1), expected: Round(1) }
    );
    sets[0].open_round(Round(2), &second).unwrap();
}

#[test]
fn messages_of_another_session_are_refused_even_with_its_header_rewritten() {
    let committee = Committee::new(2, 3);
    let mut here = channels(&committee);
    let (nodes, offers) = {
        let other = SessionContext { session: SessionId([8; 32]), ..context(&committee) };
        let nodes: Vec<Node> = (1..=3).map(|i| node_with(&committee, i, other.clone())).collect();
        let offers: Vec<Vec<u8>> = nodes.iter().map(|node| node.signed.as_bytes().to_vec()).collect();
        (nodes, offers)
    };
    let mut there: Vec<ChannelSet> =
        nodes.iter().map(|node| node.establish(&offers, &committee).unwrap()).collect();
    let second = there[1].seal_round(Round(1), &outgoing(2)).unwrap();
    let third = there[2].seal_round(Round(1), &outgoing(3)).unwrap();
    let foreign = deliver(&[second, third], party(1));
    assert_eq!(here[0].open_round(Round(1), &foreign).unwrap_err(), ChannelError::OtherSession);
    let rewritten: Vec<Vec<u8>> = foreign
        .iter()
        .map(|bytes| {
            let message = SealedMessage::from_bytes(bytes, 4096).unwrap();
            SealedMessage { session: SessionId([1; 32]), ..message }.to_bytes()
        })
        .collect();
    assert_eq!(
        here[0].open_round(Round(1), &rewritten).unwrap_err(),
        ChannelError::NotAuthentic { claimed: party(2) }
    );
}

#[test]
fn a_round_is_sealed_once_and_for_every_peer() {
    let committee = Committee::new(2, 3);
    let mut sets = channels(&committee);
    sets[0].seal_round(Round(1), &outgoing(1)).unwrap();
    assert_eq!(
        sets[0].seal_round(Round(1), &outgoing(1)).unwrap_err(),
        ChannelError::CannotSeal { round: Round(1) },
        "a second message under one key and nonce"
    );
    let mut incomplete = outgoing(1);
    incomplete.remove(&party(3));
    assert_eq!(
        sets[0].seal_round(Round(2), &incomplete).unwrap_err(),
        ChannelError::CannotSeal { round: Round(2) }
    );
}

#[test]
fn a_channel_set_shows_no_key() {
    let committee = Committee::new(2, 3);
    let sets = channels(&committee);
    let shown = format!("{:?}", sets[0]);
    assert!(shown.contains("<redacted>"), "{shown}");
    assert!(!shown.contains("send"), "{shown}");
}
