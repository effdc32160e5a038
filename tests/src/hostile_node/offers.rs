//! Offers that are not what they should be.

use ed25519_dalek::SigningKey;
use holdfast_threshold::channel::{EphemeralOffer, Purpose, SessionContext, SignedOffer};
use holdfast_threshold::{Epoch, PartyIndex, SessionId};

use super::control::Deviation;

/// The deviating offer in place of the genuine one; `older` is an offer of an earlier session.
pub(super) fn deviating(
    deviation: &Deviation,
    genuine: &[u8],
    key: &SigningKey,
    older: Option<&[u8]>,
) -> Vec<u8> {
    let signed = SignedOffer::from_bytes(genuine).unwrap();
    let EphemeralOffer { context, party, key: ephemeral } = signed.claim().clone();
    let about = |context: SessionContext| {
        EphemeralOffer { context, party, key: ephemeral }.sign(key).as_bytes().to_vec()
    };
    match deviation.act.as_str() {
        "offer-garbage" => vec![0x5a; 300],
        "offer-too-long" => vec![0x5a; 4_000],
        "offer-forged" => {
            let mut bytes = genuine.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        }
        "offer-trailing" => [genuine, &[0]].concat(),
        "offer-of-other-epoch" => about(SessionContext { epoch: Epoch(context.epoch.0 + 1), ..context }),
        "offer-of-other-session" => about(SessionContext { session: SessionId([0x77; 32]), ..context }),
        "offer-of-other-purpose" => {
            let purpose = match context.purpose {
                Purpose::Keygen => Purpose::Sign,
                Purpose::Sign | Purpose::Reshare => Purpose::Keygen,
            };
            about(SessionContext { purpose, ..context })
        }
        "offer-of-other-binding" => about(SessionContext { binding: [0x66; 32], ..context }),
        "offer-of-low-order" => EphemeralOffer { context, party, key: [0; 32] }.sign(key).as_bytes().to_vec(),
        "offer-as-other-party" => {
            let other = PartyIndex::new(1).unwrap();
            EphemeralOffer { context, party: other, key: ephemeral }.sign(key).as_bytes().to_vec()
        }
        "offer-replayed" => older.unwrap_or(&[0]).to_vec(),
        other => panic!("`{other}` is no offer"),
    }
}
