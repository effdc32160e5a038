//! Signing as a node runs it: bytes in, bytes out, in memory only.
//!
//! Owns the order of channel, protocol and round log. It must never be serialised, and must never consume a round
//! because of something the courier did.

use std::sync::Arc;

use core::fmt;

use ed25519_dalek::SigningKey;
use rand_core::{CryptoRng, RngCore};

use super::SignTask;
use super::error::SignError;
use super::signature::Signature;
use crate::channel::{
    ChannelSet, EphemeralOffer, EphemeralSecret, Incoming, MAX_OFFER_LEN, Outgoing, Purpose, SignedOffer,
};
use crate::engine::{SignProgress, SignProtocol};
use crate::fault::{FaultReason, ProtocolFault};
use crate::party::{MAX_PARTIES, Round};
use crate::public::{KeyPublic, PointBytes};
use crate::rounds::{Admission, Outbound, RoundError, RoundLog};
use crate::share::{KeyShare, ShareError};

/// What a round answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignReply {
    /// Messages for the courier, one to each other signer.
    Messages(Vec<Outbound>),
    /// The verified signature.
    Signed(Signature),
}

/// One node's side of one signing session. It lives in memory and dies with the process; there is no way to store it.
///
/// The node calls [`prepare`](Self::prepare) after it has bound the authorization to its digests durably, sends the
/// [`offer`](Self::offer), and runs rounds 1 to [`last_round`](Self::last_round).
pub struct SignMachine {
    task: SignTask,
    offer: SignedOffer,
    public_key: PointBytes,
    last: Round,
    log: RoundLog,
    stage: Stage,
}

enum Stage {
    Offered { secret: EphemeralSecret, share: Arc<KeyShare> },
    Running { channel: Box<ChannelSet>, protocol: Box<dyn SignProtocol> },
    Signed(Signature),
    Aborted(&'static str),
}

impl SignMachine {
    /// Checks the task against the share, the public key and the bans, derives the child's share if the task has a path,
    /// draws the session's ephemeral key from `rng`,
    /// and signs the offer with this node's message key.
    ///
    /// # Errors
    /// A [`SignError`] if this node must not take part.
    pub fn prepare<R: RngCore + CryptoRng>(
        task: SignTask,
        share: Arc<KeyShare>,
        public: &KeyPublic,
        message_key: &SigningKey,
        rng: &mut R,
    ) -> Result<Self, SignError> {
        if !share.matches(public) {
            return Err(ShareError::OtherKey.into());
        }
        let share = if task.path.is_empty() { share } else { Arc::new(share.child(&task.path)?) };
        task.check(&share)?;
        let context = task.context(&share);
        task.message_keys.check(&context.participants, share.party(), &message_key.verifying_key())?;
        let secret = EphemeralSecret::generate(rng);
        let offer =
            EphemeralOffer { context, party: share.party(), key: secret.public_key() }.sign(message_key);
        let public_key = share.public_key();
        let last = share.protocol().last_round(Purpose::Sign);
        let (log, stage) = (RoundLog::new(), Stage::Offered { secret, share });
        Ok(Self { task, offer, public_key, last, log, stage })
    }

    /// This node's signed offer.
    #[must_use]
    pub fn offer(&self) -> &[u8] {
        self.offer.as_bytes()
    }

    /// The key that signs, 33-byte SEC1: the generated one, or its child at the task's path.
    #[must_use]
    pub const fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    /// The round that takes the last messages and yields the signature. Only the messages before it, this node's last
    /// ones, are made from the digest.
    #[must_use]
    pub const fn last_round(&self) -> Round {
        self.last
    }

    /// What is signed.
    #[must_use]
    pub const fn task(&self) -> &SignTask {
        &self.task
    }

    /// The round that is due; `None` when the session has ended.
    #[must_use]
    pub const fn expected_round(&self) -> Option<Round> {
        match &self.stage {
            Stage::Offered { .. } | Stage::Running { .. } => Some(self.log.expected()),
            Stage::Signed(_) | Stage::Aborted(_) => None,
        }
    }

    /// Runs one round: the signed offers of all signers in round 1, then the sealed messages of the round before.
    /// Delivering an answered round again with the same input gives the same bytes.
    ///
    /// # Errors
    /// A [`SignError`]. If it carries a [`SignError::ban`], store that first. If [`SignError::is_final`] says so the
    /// session is over; otherwise the machine is unchanged.
    pub fn round(&mut self, round: Round, inbound: &[Vec<u8>]) -> Result<SignReply, SignError> {
        if let Stage::Aborted(code) = self.stage {
            return Err(SignError::Aborted { code });
        }
        let max_len = if round == Round(1) { MAX_OFFER_LEN } else { Purpose::Sign.max_message_len() };
        match self.log.admit(round, inbound, usize::from(MAX_PARTIES), max_len)? {
            Admission::Repeated(outbound) => Ok(match self.stage {
                Stage::Signed(signature) if round == self.last => SignReply::Signed(signature),
                Stage::Signed(_) | Stage::Offered { .. } | Stage::Running { .. } | Stage::Aborted(_) => {
                    SignReply::Messages(outbound)
                }
            }),
            Admission::New(input) => self.answer(round, input, inbound),
        }
    }

    // INVARIANT (G5): a round's input is consumed once. Refused inputs (offers, seals) leave the stage as it was; an
    // input that reached the protocol either leads to the next stage with its answer recorded, or to `Aborted`.
    fn answer(&mut self, round: Round, input: [u8; 32], inbound: &[Vec<u8>]) -> Result<SignReply, SignError> {
        let answered = match &mut self.stage {
            Stage::Offered { secret, share } => {
                let channel = ChannelSet::establish(secret, &self.offer, inbound, &self.task.message_keys)?;
                let share = Arc::clone(share);
                self.begin(round, input, Box::new(channel), share)
            }
            Stage::Running { channel, .. } => {
                let incoming = channel.open_round(Round(round.0.saturating_sub(1)), inbound)?;
                self.advance(round, input, &incoming)
            }
            Stage::Signed(_) => return Err(RoundError::Ended { last: self.last }.into()),
            Stage::Aborted(code) => return Err(SignError::Aborted { code }),
        };
        if let Err(error) = &answered {
            self.stage = Stage::Aborted(error.code());
        }
        answered
    }

    fn begin(
        &mut self,
        round: Round,
        input: [u8; 32],
        channel: Box<ChannelSet>,
        share: Arc<KeyShare>,
    ) -> Result<SignReply, SignError> {
        let brief = self.task.brief(&share)?;
        let (protocol, outgoing) = Arc::clone(share.secret()).begin_signing(brief)?;
        self.proceed(round, input, channel, protocol, &outgoing)
    }

    fn advance(
        &mut self,
        round: Round,
        input: [u8; 32],
        incoming: &Incoming,
    ) -> Result<SignReply, SignError> {
        let Stage::Running { channel, protocol } =
            core::mem::replace(&mut self.stage, Stage::Aborted(INTERRUPTED))
        else {
            return Err(SignError::Aborted { code: INTERRUPTED });
        };
        match protocol.handle(incoming)? {
            SignProgress::Continue(protocol, outgoing) => {
                self.proceed(round, input, channel, protocol, &outgoing)
            }
            SignProgress::Signed(signature) => self.finish(round, input, signature),
        }
    }

    // INVARIANT (G1): the signature is verified by k256's ECDSA, apart from the engine's code, against the key of the share
    // and the digest of the task.
    fn finish(
        &mut self,
        round: Round,
        input: [u8; 32],
        signature: Signature,
    ) -> Result<SignReply, SignError> {
        if !signature.verifies(&self.public_key, &self.task.digest) {
            let reason = FaultReason::SignatureVerificationFailed;
            return Err(ProtocolFault::Unattributed { noticed_with: None, reason }.into());
        }
        self.log.record(round, input, Vec::new());
        self.stage = Stage::Signed(signature);
        Ok(SignReply::Signed(signature))
    }

    fn proceed(
        &mut self,
        round: Round,
        input: [u8; 32],
        mut channel: Box<ChannelSet>,
        protocol: Box<dyn SignProtocol>,
        outgoing: &Outgoing,
    ) -> Result<SignReply, SignError> {
        let outbound = channel.seal_round(round, outgoing)?;
        self.log.record(round, input, outbound.clone());
        self.stage = Stage::Running { channel, protocol };
        Ok(SignReply::Messages(outbound))
    }
}

#[cfg(test)]
impl SignMachine {
    /// The channel of a running machine, for a test that plays its hostile owner.
    pub(super) fn into_channel(self) -> Option<Box<ChannelSet>> {
        match self.stage {
            Stage::Running { channel, .. } => Some(channel),
            Stage::Offered { .. } | Stage::Signed(_) | Stage::Aborted(_) => None,
        }
    }
}

impl fmt::Debug for SignMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignMachine")
            .field("session", &self.task.session)
            .field("due", &self.expected_round())
            .field("state", &format_args!("<redacted>"))
            .finish_non_exhaustive()
    }
}

/// The code a machine would keep if a round ended without saying how; it never does.
const INTERRUPTED: &str = "SIGNING_INTERRUPTED";
