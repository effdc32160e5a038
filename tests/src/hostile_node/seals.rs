//! The sealed channel, implemented a second time from its description, with the safeties off: it opens what its own side
//! sealed, and seals anything as often as it likes.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use hkdf::Hkdf;
use holdfast_threshold::channel::{SealedMessage, SessionContext, SignedOffer};
use holdfast_threshold::{PartyIndex, Round};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

const MAX_LEN: usize = 1 << 20;

/// The generator that a session's ephemeral key is drawn from: the same seed gives the same key again.
pub(super) fn generator(seed: [u8; 32]) -> StdRng {
    StdRng::from_seed(seed)
}

/// This side's keys to every other party of a session.
pub(super) struct Seals {
    context: SessionContext,
    me: PartyIndex,
    send: BTreeMap<PartyIndex, [u8; 32]>,
}

impl Seals {
    /// From the seed of the own ephemeral key and everybody's offers.
    pub(super) fn new(seed: [u8; 32], mine: &[u8], offers: &[Vec<u8>]) -> Self {
        let own = SignedOffer::from_bytes(mine).unwrap();
        let secret = StaticSecret::random_from_rng(generator(seed));
        let me = own.claim().party;
        let parsed = offers.iter().filter_map(|bytes| Some((SignedOffer::from_bytes(bytes).ok()?, bytes)));
        let send = parsed
            .filter(|(offer, _)| offer.claim().party != me)
            .map(|(offer, bytes)| {
                let shared = secret.diffie_hellman(&PublicKey::from(offer.claim().key));
                let hkdf =
                    Hkdf::<Sha256>::new(Some(b"holdfast/threshold/channel-salt/v1"), shared.as_bytes());
                let mut info = b"holdfast/threshold/channel-key/v1".to_vec();
                info.extend(offer_hash(mine));
                info.extend(offer_hash(bytes));
                let mut key = [0; 32];
                hkdf.expand(&info, &mut key).unwrap();
                (offer.claim().party, key)
            })
            .collect();
        Self { context: own.claim().context.clone(), me, send }
    }

    /// What this side sealed.
    pub(super) fn open_own(&self, sealed: &[u8]) -> Vec<u8> {
        let message = SealedMessage::from_bytes(sealed, MAX_LEN).unwrap();
        let aad = associated_data(&self.context, message.round, self.me, message.receiver);
        let payload = Payload { msg: &message.ciphertext, aad: &aad };
        self.cipher(message.receiver).decrypt(&nonce(message.round), payload).unwrap()
    }

    /// Seals as it should be.
    pub(super) fn seal(&self, round: Round, to: PartyIndex, plaintext: &[u8]) -> Vec<u8> {
        self.seal_as(&self.context, round, self.me, to, to, plaintext)
    }

    /// Seals for another epoch.
    pub(super) fn seal_in_epoch(
        &self,
        epoch: u32,
        round: Round,
        to: PartyIndex,
        plaintext: &[u8],
    ) -> Vec<u8> {
        let context = SessionContext { epoch: holdfast_threshold::Epoch(epoch), ..self.context.clone() };
        self.seal_as(&context, round, self.me, to, to, plaintext)
    }

    /// Seals in another party's name, with the keys between this side and the receiver.
    pub(super) fn seal_from(
        &self,
        sender: PartyIndex,
        round: Round,
        to: PartyIndex,
        plaintext: &[u8],
    ) -> Vec<u8> {
        self.seal_as(&self.context, round, sender, to, to, plaintext)
    }

    /// Seals for one party what is addressed to another.
    pub(super) fn seal_to(
        &self,
        round: Round,
        to: PartyIndex,
        addressed: PartyIndex,
        plaintext: &[u8],
    ) -> Vec<u8> {
        self.seal_as(&self.context, round, self.me, to, addressed, plaintext)
    }

    fn seal_as(
        &self,
        context: &SessionContext,
        round: Round,
        sender: PartyIndex,
        to: PartyIndex,
        receiver: PartyIndex,
        plaintext: &[u8],
    ) -> Vec<u8> {
        let aad = associated_data(context, round, sender, receiver);
        let payload = Payload { msg: plaintext, aad: &aad };
        let ciphertext = self.cipher(to).encrypt(&nonce(round), payload).unwrap();
        SealedMessage { session: self.context.session, round, sender, receiver, ciphertext }.to_bytes()
    }

    fn cipher(&self, peer: PartyIndex) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(&self.send[&peer]))
    }
}

fn nonce(round: Round) -> Nonce {
    let mut nonce = [0; 12];
    nonce[11] = round.0;
    nonce.into()
}

fn associated_data(
    context: &SessionContext,
    round: Round,
    sender: PartyIndex,
    receiver: PartyIndex,
) -> Vec<u8> {
    let mut aad = b"holdfast/threshold/sealed/v1".to_vec();
    aad.push(1);
    aad.extend(tagged_hash("holdfast/threshold/context/v1", &context.encode()));
    aad.extend([round.0, sender.get(), receiver.get()]);
    aad
}

/// An offer's hash covers everything before its signature.
fn offer_hash(offer: &[u8]) -> [u8; 32] {
    tagged_hash("holdfast/threshold/offer-hash/v1", &offer[..offer.len() - 64])
}

fn tagged_hash(tag: &str, part: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for bytes in [tag.as_bytes(), part] {
        hash.update(u64::try_from(bytes.len()).unwrap().to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}
