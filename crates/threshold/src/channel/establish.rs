//! From signed offers to directional keys.
//!
//! Owns every check between the bytes of the courier and a key that seals. It must never establish a channel set with
//! an offer that is missing, repeated, unsigned, about anything else than this node's own offer, or without entropy.

use std::collections::BTreeMap;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::ChannelError;
use super::keys::{EphemeralSecret, MessageKeys};
use super::offer::{EphemeralOffer, SignedOffer};
use super::sealed::{ChannelSet, PeerKeys, Seat};
use crate::encoding::{Writer, tagged_hash};
use crate::party::{MAX_PARTIES, PartyIndex};

const SALT: &[u8] = b"holdfast/threshold/channel-salt/v1";
const INFO: &[u8] = b"holdfast/threshold/channel-key/v1";

impl ChannelSet {
    /// Establishes the channels to all peers from the offers that the courier brought.
    ///
    /// `inbound` holds the signed offer of every peer, in any order; this node's own offer may be among them if its
    /// bytes are unchanged.
    ///
    /// # Errors
    /// A [`ChannelError`] naming the party and what is wrong with its offer. Nothing is consumed by an error.
    // INVARIANT (G2): keys exist only between parties whose message keys signed the same session, so the courier
    // cannot read, forge or redirect a message of the protocol.
    pub fn establish(
        secret: &EphemeralSecret,
        mine: &SignedOffer,
        inbound: &[Vec<u8>],
        keys: &MessageKeys,
    ) -> Result<Self, ChannelError> {
        let max = usize::from(MAX_PARTIES);
        if inbound.len() > max {
            return Err(ChannelError::TooMany { count: inbound.len(), max });
        }
        let own = mine.claim();
        let mut offers = BTreeMap::new();
        let mut own_seen = false;
        for bytes in inbound {
            let signed = SignedOffer::from_bytes(bytes)?;
            if signed.claim().party == own.party {
                if signed != *mine {
                    return Err(ChannelError::OwnOfferAltered);
                }
                if core::mem::replace(&mut own_seen, true) {
                    return Err(ChannelError::DuplicateOffer { party: own.party });
                }
                continue;
            }
            let offer = check(&signed, own, keys, &offers)?.clone();
            offers.insert(offer.party, offer);
        }
        if let Some(party) = own.context.participants.others(own.party).find(|p| !offers.contains_key(p)) {
            return Err(ChannelError::MissingOffer { party });
        }
        derive(secret, own, &offers)
    }
}

/// Every reason to refuse one peer's offer.
fn check<'a>(
    signed: &'a SignedOffer,
    own: &EphemeralOffer,
    keys: &MessageKeys,
    seen: &BTreeMap<PartyIndex, EphemeralOffer>,
) -> Result<&'a EphemeralOffer, ChannelError> {
    let offer = signed.claim();
    let party = offer.party;
    if !own.context.participants.contains(party) {
        return Err(ChannelError::ForeignOffer { party });
    }
    if seen.contains_key(&party) {
        return Err(ChannelError::DuplicateOffer { party });
    }
    if !keys.of(party).is_some_and(|key| signed.is_signed_by(key)) {
        return Err(ChannelError::BadOfferSignature { party });
    }
    if let Some(field) = own.context.first_difference(&offer.context) {
        return Err(ChannelError::OfferMismatch { party, field });
    }
    if offer.key == own.key {
        return Err(ChannelError::ReflectedKey { party });
    }
    if let Some(other) = seen.values().find(|other| other.key == offer.key) {
        return Err(ChannelError::DuplicateKey { first: other.party, second: party });
    }
    Ok(offer)
}

fn derive(
    secret: &EphemeralSecret,
    own: &EphemeralOffer,
    offers: &BTreeMap<PartyIndex, EphemeralOffer>,
) -> Result<ChannelSet, ChannelError> {
    let mut peers = BTreeMap::new();
    for (party, offer) in offers {
        let shared = secret.agree(offer.key).ok_or(ChannelError::LowOrderKey { party: *party })?;
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), shared.as_bytes());
        peers.insert(
            *party,
            PeerKeys {
                send: directional_key(&hkdf, own, offer)?,
                receive: directional_key(&hkdf, offer, own)?,
            },
        );
    }
    let mut hashes: BTreeMap<PartyIndex, [u8; 32]> =
        offers.iter().map(|(party, offer)| (*party, offer.hash())).collect();
    hashes.insert(own.party, own.hash());
    let parts: Vec<&[u8]> = hashes.values().map(<[u8; 32]>::as_slice).collect();
    let offers = tagged_hash("holdfast/threshold/offers/v1", &parts);
    Ok(ChannelSet::new(Seat { context: own.context.clone(), me: own.party, offers }, peers))
}

/// The key under which `sender` seals to `receiver`. Bound to both offers and to the direction.
fn directional_key(
    hkdf: &Hkdf<Sha256>,
    sender: &EphemeralOffer,
    receiver: &EphemeralOffer,
) -> Result<Zeroizing<[u8; 32]>, ChannelError> {
    let info = Writer::default().raw(INFO).raw(&sender.hash()).raw(&receiver.hash()).finish();
    let mut key = Zeroizing::new([0_u8; 32]);
    // 32 bytes are always within HKDF's limit; an error would leave the pair without a key.
    hkdf.expand(&info, key.as_mut_slice())
        .map_err(|_| ChannelError::MissingOffer { party: receiver.party })?;
    Ok(key)
}

#[cfg(test)]
mod tests;
