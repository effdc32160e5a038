//! GG20 signing: the six rounds of the library's offline stage, and one for the digest.
//!
//! Owns the session's common part and the echo of what was broadcast, which the protocol presupposes and the library does
//! not do: every message names the hash of all broadcasts before it, so that two signers who saw different ones stop before
//! the part that is made from the digest. No state can be serialised or cloned.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all signers | encrypted nonce share with range proofs, commitment to the mask (broadcast) |
//! | 2 | those | two multiplications with each peer |
//! | 3 | those | the parts of nonce times mask and of nonce times key (broadcast) |
//! | 4 | those | the mask, opened (broadcast) |
//! | 5 | the masks | the nonce share in the exponent, with proofs (broadcast) |
//! | 6 | those | the part of nonce times key in the exponent, with a proof (broadcast) |
//! | 7 | those | the part of the signature (broadcast): the only message made from the digest |
//! | 8 | the parts | nothing: the signature |
//!
//! # Bans
//!
//! A multiplication that fails may have told its sender something about this party's share: the library has not the proofs
//! that would rule it out. So whoever seals a wrong message of rounds 1, 2 or 5 is banned, not only named.

mod messages;
mod multiply;
mod nonce;
mod part;

use std::collections::BTreeMap;
use std::sync::Arc;

use curv::elliptic::curves::Secp256k1;
use holdfast_threshold::channel::{Incoming, Outgoing};
use holdfast_threshold::{
    FaultReason, PartyIndex, ProtocolFault, SignBrief, SignError, SignProgress, SignProtocol, tagged_hash,
};
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::party_i::SignKeys;
use multi_party_ecdsa::protocols::multi_party_ecdsa::gg_2020::state_machine::keygen::LocalKey;
use zk_paillier::zkproofs::DLogStatement;

use crate::library::guarded;
use crate::share::{Gg20Share, slot};

/// What every round needs.
struct Desk {
    share: Arc<Gg20Share>,
    brief: SignBrief,
    keys: SignKeys,
    /// Hash of all broadcasts so far, as this party saw them.
    seen: [u8; 32],
}

pub(crate) fn begin(
    share: Arc<Gg20Share>,
    brief: SignBrief,
) -> Result<(Box<dyn SignProtocol>, Outgoing), SignError> {
    let seen = tagged_hash("holdfast/gg20/sign-session/v1", &[&brief.sign_id]);
    let local = share.local();
    let index = position(brief.me);
    let signers: Vec<usize> = brief.signers.iter().map(position).collect();
    let keys = guarded(|| SignKeys::create(&local.keys_linear.x_i, &local.vss_scheme, index, &signers))
        .ok_or_else(panicked)?;
    let (round, outgoing) = multiply::first(Desk { share, brief, keys, seen })?;
    Ok((Box::new(round), outgoing))
}

/// Where a party stands in the library's lists.
fn position(party: PartyIndex) -> usize {
    usize::from(party.get()).saturating_sub(1)
}

impl Desk {
    fn local(&self) -> &LocalKey<Secp256k1> {
        self.share.local()
    }

    /// The signers' places in the library's lists, in order.
    fn signers(&self) -> Vec<usize> {
        self.brief.signers.iter().map(position).collect()
    }

    /// A ring of a party, or a Paillier key.
    fn ring(&self, party: PartyIndex) -> Result<&DLogStatement, SignError> {
        slot(&self.local().h1_h2_n_tilde_vec, party).ok_or_else(|| ProtocolFault::LOCAL.into())
    }

    fn paillier(&self, party: PartyIndex) -> Result<&paillier::EncryptionKey, SignError> {
        slot(&self.local().paillier_key_vec, party).ok_or_else(|| ProtocolFault::LOCAL.into())
    }

    /// The sender's message is wrong by itself.
    fn blamed(&self, culprit: PartyIndex, reason: FaultReason) -> SignError {
        self.brief.failed(ProtocolFault::Blamed { culprit, reason })
    }

    /// The sender's message is wrong in a way that may have told it something about the share.
    // INVARIANT (G3): a failed multiplication is never repeated with the same party.
    fn banned(&self, counterparty: PartyIndex, reason: FaultReason) -> SignError {
        self.brief.failed(ProtocolFault::Ban { counterparty, reason })
    }

    /// Every message of a round names what its sender had seen.
    fn check_seen(&self, seen: &BTreeMap<PartyIndex, [u8; 32]>) -> Result<(), SignError> {
        match seen.iter().find(|(_, seen)| **seen != self.seen) {
            Some((sender, _)) => Err(unattributed(Some(*sender), FaultReason::BroadcastMismatch)),
            None => Ok(()),
        }
    }
}

fn unattributed(noticed_with: Option<PartyIndex>, reason: FaultReason) -> SignError {
    ProtocolFault::Unattributed { noticed_with, reason }.into()
}

fn panicked() -> SignError {
    unattributed(None, FaultReason::LibraryPanicked)
}

/// A round's state is consumed by the round's messages; the next one is another type.
macro_rules! rounds {
    ($($state:ty => $take:path),* $(,)?) => {
        $(impl SignProtocol for $state {
            fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError> {
                let (next, outgoing) = $take(*self, incoming)?;
                Ok(SignProgress::Continue(Box::new(next), outgoing))
            }
        })*
    };
}

rounds! {
    multiply::Round1 => multiply::second,
    multiply::Round2 => multiply::third,
    nonce::Round3 => nonce::fourth,
    nonce::Round4 => nonce::fifth,
    nonce::Round5 => nonce::sixth,
    part::Round6 => part::seventh,
}

impl SignProtocol for part::Round7 {
    fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError> {
        part::eighth(*self, incoming).map(SignProgress::Signed)
    }
}
