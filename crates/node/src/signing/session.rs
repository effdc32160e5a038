//! One attempt at one signature: what is bound, who takes part, and the engine's machine.
//!
//! Owns the passage from a durable binding to the engine. It must never be opened without the proof that the binding is
//! on disk, and never be stored.

use holdfast_ledger::AuthorizedWithdrawal;
use holdfast_policy::NodeId;
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{
    BannedPair, ClusterId, Round, SignError, SignMachine, SignReply, SignTask, SignerSet, Threshold,
};
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

use super::SignOrder;
use super::refusal::SignRefusal;
use crate::guard::BoundDigest;
use crate::identity::{Committee, Identity};
use crate::vault::UnsealedShare;

/// Who signs: exactly t members of the wallet's committee, this node among them.
#[derive(Debug)]
pub(super) struct Seats(SignerSet);

/// An attempt in progress.
#[derive(Debug)]
pub(crate) struct SignSession {
    bound: BoundDigest,
    order: SignOrder,
    signers: SignerSet,
    /// The wallet's own key: bans and turns are of a whole family of keys.
    family: [u8; 33],
    machine: Box<SignMachine>,
}

impl Seats {
    pub(super) fn of(
        permit: &AuthorizedWithdrawal,
        signers: &[NodeId],
        me: &NodeId,
    ) -> Result<Self, SignRefusal> {
        let committee = Committee::new(permit.nodes());
        let threshold = Threshold::new(permit.threshold(), committee.size())?;
        // A repeated name or one too many is noticed by the set, an unknown one here; how many may come, the wire says.
        let parties: Option<Vec<_>> = signers.iter().map(|signer| committee.party(signer)).collect();
        let parties = parties.ok_or(SignRefusal::Signers("a signer is not in the wallet's committee"))?;
        if !signers.contains(me) {
            return Err(SignRefusal::Signers("this node is not among the signers"));
        }
        Ok(Self(SignerSet::new(threshold, parties)?))
    }
}

impl SignSession {
    /// Opens the engine's session for what is bound.
    pub(super) fn open(
        bound: BoundDigest,
        order: SignOrder,
        Seats(signers): Seats,
        share: &UnsealedShare,
        message_keys: MessageKeys,
        bans: Vec<BannedPair>,
        identity: &Identity,
    ) -> Result<Self, SignRefusal> {
        let permit = bound.permit();
        let task = SignTask {
            cluster: ClusterId::new(identity.cluster().as_str())?,
            session: bound.session(),
            signers: signers.clone(),
            authorization: authorization_hash(permit),
            path: permit.derivation_path().to_vec(),
            digest: *permit.digest().as_bytes(),
            message_keys,
            bans,
        };
        let machine = SignMachine::prepare(
            task,
            share.share.clone(),
            &share.public,
            identity.message_key(),
            &mut OsRng,
        )?;
        // INVARIANT (G1): the engine's child is the one that the log's own derivation permits.
        if machine.public_key() != *permit.public_key().as_bytes() {
            return Err(SignRefusal::ChildDiffers);
        }
        let family = share.public.public_key();
        Ok(Self { bound, order, signers, family, machine: Box::new(machine) })
    }

    pub(super) fn offer(&self) -> &[u8] {
        self.machine.offer()
    }

    pub(super) fn order(&self) -> &SignOrder {
        &self.order
    }

    pub(super) fn key(&self) -> [u8; 33] {
        self.family
    }

    pub(super) fn is_forbidden_by(&self, ban: &BannedPair) -> bool {
        ban.forbids(self.key(), self.signers.participants())
    }

    /// INVARIANT (G3): a ban stops the attempts that were open before it, too.
    pub(super) fn check_bans(&self, bans: &[BannedPair]) -> Result<(), SignError> {
        match bans.iter().find(|ban| self.is_forbidden_by(ban)) {
            Some(ban) => Err(SignError::Banned { pair: *ban }),
            None => Ok(()),
        }
    }

    /// The round that yields the signature.
    pub(super) fn last_round(&self) -> Round {
        self.machine.last_round()
    }

    /// The round whose answer is this node's last message: with those of the other signers it makes the signature.
    pub(super) fn final_message(&self) -> Round {
        Round(self.last_round().0.saturating_sub(1))
    }

    /// What is bound.
    pub(super) fn permit(&self) -> &AuthorizedWithdrawal {
        self.bound.permit()
    }

    pub(super) fn round(&mut self, round: Round, messages: &[Vec<u8>]) -> Result<SignReply, SignError> {
        self.machine.round(round, messages)
    }
}

/// INVARIANT (G5): what is permitted now is what was bound.
pub(super) fn check_unchanged(
    bound: &AuthorizedWithdrawal,
    permit: &AuthorizedWithdrawal,
) -> Result<(), SignRefusal> {
    let same = (permit.digest(), permit.public_key(), permit.epoch(), permit.nodes())
        == (bound.digest(), bound.public_key(), bound.epoch(), bound.nodes());
    if same { Ok(()) } else { Err(SignRefusal::PermitChanged) }
}

/// What the signers' offers say that they are permitted: cluster aside, the withdrawal, its key and all its digests.
/// Not the log index of the authorization: a renewal permits the same.
fn authorization_hash(permit: &AuthorizedWithdrawal) -> [u8; 32] {
    let mut hash = Sha256::new();
    let withdrawal = permit.withdrawal().to_string();
    let epoch = permit.epoch().to_be_bytes();
    let front: [&[u8]; 5] = [
        b"holdfast/authorization/v1",
        withdrawal.as_bytes(),
        permit.wallet().as_str().as_bytes(),
        permit.public_key().as_bytes(),
        &epoch,
    ];
    let digests = permit.digests().iter().map(|digest| digest.as_bytes().as_slice());
    for part in front.into_iter().chain(digests) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
