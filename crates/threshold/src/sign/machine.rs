//! Signing as a node runs it: bytes in, bytes out, in memory only.
//!
//! Owns the order of channel, protocol and round log. It must never be serialised, and must never consume a round
//! because of something the courier did.

use std::sync::Arc;

use core::fmt;

use ed25519_dalek::SigningKey;
use rand_core::{CryptoRng, RngCore};

use super::error::SignError;
use super::round1::{Round1, start};
use super::round2::Round2;
use super::round3::Round3;
use super::signature::Signature;
use super::{LAST_ROUND, SignTask};
use crate::channel::{
    ChannelSet, EphemeralOffer, EphemeralSecret, Incoming, MAX_OFFER_LEN, Outgoing, Purpose, SignedOffer,
};
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
/// [`offer`](Self::offer), and runs rounds 1 ..= 4.
pub struct SignMachine {
    task: SignTask,
    offer: SignedOffer,
    public_key: PointBytes,
    log: RoundLog,
    stage: Stage,
}

enum Stage {
    Offered { secret: EphemeralSecret, share: Arc<KeyShare> },
    Running { channel: Box<ChannelSet>, session: Session },
    Signed(Signature),
    Aborted(&'static str),
}

enum Session {
    Round1(Box<Round1>),
    Round2(Box<Round2>),
    Round3(Box<Round3>),
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
        Ok(Self { task, offer, public_key, log: RoundLog::new(), stage: Stage::Offered { secret, share } })
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
                Stage::Signed(signature) if round == LAST_ROUND => SignReply::Signed(signature),
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
            Stage::Signed(_) => return Err(RoundError::Ended { last: LAST_ROUND }.into()),
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
        let (next, outgoing) = start(&self.task, share)?;
        self.proceed(round, input, channel, Session::Round1(Box::new(next)), &outgoing)
    }

    fn advance(
        &mut self,
        round: Round,
        input: [u8; 32],
        incoming: &Incoming,
    ) -> Result<SignReply, SignError> {
        let Stage::Running { channel, session } =
            core::mem::replace(&mut self.stage, Stage::Aborted(INTERRUPTED))
        else {
            return Err(SignError::Aborted { code: INTERRUPTED });
        };
        let (next, outgoing) = match session {
            Session::Round1(state) => {
                state.handle(incoming).map(|(next, out)| (Session::Round2(Box::new(next)), out))
            }
            Session::Round2(state) => {
                state.handle(incoming).map(|(next, out)| (Session::Round3(Box::new(next)), out))
            }
            Session::Round3(state) => {
                let signature = state.handle(incoming)?;
                self.log.record(round, input, Vec::new());
                self.stage = Stage::Signed(signature);
                return Ok(SignReply::Signed(signature));
            }
        }?;
        self.proceed(round, input, channel, next, &outgoing)
    }

    fn proceed(
        &mut self,
        round: Round,
        input: [u8; 32],
        mut channel: Box<ChannelSet>,
        session: Session,
        outgoing: &Outgoing,
    ) -> Result<SignReply, SignError> {
        let outbound = channel.seal_round(round, outgoing)?;
        self.log.record(round, input, outbound.clone());
        self.stage = Stage::Running { channel, session };
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
