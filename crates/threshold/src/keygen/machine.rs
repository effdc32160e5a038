//! The key generation as a node runs it: bytes in, bytes out, stored before sent.
//!
//! Owns the order of channel, protocol and round log. It must never hand out a round's messages other than together
//! with the state that made them, and must never consume a round because of something the courier did.

use core::fmt;

use ed25519_dalek::SigningKey;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::confirm::{self, Unconfirmed};
use super::error::KeygenError;
use super::resharing::Resharing;
use super::state::{Saved, Stage};
use crate::channel::{
    ChannelSet, ChannelState, EphemeralOffer, EphemeralSecret, Incoming, MAX_OFFER_LEN, MessageKeys,
    Outgoing, Purpose, SessionContext, SignedOffer,
};
use crate::encoding::tagged_hash;
use crate::engine::{Engine, EngineId, Engines, KeygenProgress, KeygenProtocol};
use crate::foreign::ForeignShare;
use crate::party::{ClusterId, Epoch, MAX_PARTIES, PartyIndex, Round, SessionId, SetupError, Threshold};
use crate::public::KeyPublic;
use crate::rounds::{Admission, Outbound, RoundError, RoundLog};
use crate::share::KeyShare;

/// What to generate or to hand on, and with whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeygenTask {
    /// The cell.
    pub cluster: ClusterId,
    /// This attempt; fresh for each.
    pub session: SessionId,
    /// The epoch that the shares will have.
    pub epoch: Epoch,
    /// t of n.
    pub threshold: Threshold,
    /// This node's place in the committee.
    pub party: PartyIndex,
    /// The hash of the approved ceremony.
    pub ceremony: [u8; 32],
    /// The message keys of the committee.
    pub message_keys: MessageKeys,
}

/// A generated key: the public data that all parties confirmed, and this party's share.
#[derive(Debug)]
pub struct KeygenOutput {
    /// What everybody agreed on.
    pub public: KeyPublic,
    /// This party's secret.
    pub share: KeyShare,
}

/// What a round answers.
#[derive(Debug)]
pub enum KeygenReply {
    /// Messages for the courier, one to each peer.
    Messages(Vec<Outbound>),
    /// The key.
    Finished(Box<KeygenOutput>),
}

/// A round that has run: the state to store, and the answer, which must not leave before the state is durable.
#[must_use = "the state must be stored, and then the answer released"]
pub struct KeygenStep {
    state: Zeroizing<Vec<u8>>,
    held: HeldReply,
}

impl KeygenStep {
    /// The state to seal and store, and the answer to release afterwards.
    pub fn into_parts(self) -> (Zeroizing<Vec<u8>>, HeldReply) {
        (self.state, self.held)
    }
}

impl fmt::Debug for KeygenStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeygenStep(<redacted>)")
    }
}

/// An answer that waits for its state to be durable.
#[derive(Debug)]
#[must_use = "release it once the state is stored"]
pub struct HeldReply(KeygenReply);

impl HeldReply {
    /// The answer. Call this only after the state that came with it is stored durably: an answer that left without
    /// its state would be computed again after a crash, with other secrets under the same keys.
    #[must_use]
    pub fn release_after_stored(self) -> KeygenReply {
        self.0
    }
}

/// One node's side of one key generation or resharing.
///
/// 1. [`prepare`](Self::prepare) or [`prepare_resharing`](Self::prepare_resharing), store [`export`](Self::export), send [`offer`](Self::offer).
/// 2. For each round from 1 to [`last_round`](Self::last_round): [`round`](Self::round), store the state, release the answer.
///
/// After a crash, [`resume`](Self::resume) and deliver the round again: the same input gets the same bytes. The state of
/// a finished machine holds the share; delete it once the share itself is sealed and stored.
pub struct KeygenMachine(Saved);

impl KeygenMachine {
    /// Checks the task, draws the session's ephemeral key from `rng`, and signs the offer with this node's message key.
    ///
    /// # Errors
    /// [`KeygenError::Setup`].
    pub fn prepare<R: RngCore + CryptoRng>(
        engine: &'static dyn Engine,
        task: KeygenTask,
        message_key: &SigningKey,
        rng: &mut R,
    ) -> Result<Self, KeygenError> {
        Self::offering(engine, task, None, None, message_key, rng)
    }

    /// The same for a key that exists: `engine` takes it over. A giver brings its `share` of that key, and the machine keeps
    /// what it gives until round 1; of everybody else no share is looked at.
    ///
    /// # Errors
    /// [`KeygenError::Setup`], or [`KeygenError::Share`] for a giver with a share of another key.
    pub fn prepare_resharing<R: RngCore + CryptoRng>(
        engine: &'static dyn Engine,
        task: KeygenTask,
        resharing: Resharing,
        share: Option<&KeyShare>,
        message_key: &SigningKey,
        rng: &mut R,
    ) -> Result<Self, KeygenError> {
        receives(engine)?;
        resharing.check(&task)?;
        let contribution = resharing.contribution(task.party, share)?;
        Self::offering(engine, task, Some(Box::new(resharing)), contribution, message_key, rng)
    }

    /// The same for a key that another deployment holds: a giver brings its share as that deployment stored it, or nothing happens.
    ///
    /// # Errors
    /// [`KeygenError::Setup`], or [`KeygenError::Foreign`] for a giver with another share than the one that the import names.
    pub fn prepare_import<R: RngCore + CryptoRng>(
        engine: &'static dyn Engine,
        task: KeygenTask,
        import: Resharing,
        share: Option<&ForeignShare>,
        message_key: &SigningKey,
        rng: &mut R,
    ) -> Result<Self, KeygenError> {
        receives(engine)?;
        import.check(&task)?;
        let contribution = import.foreign_contribution(task.party, share)?;
        Self::offering(engine, task, Some(Box::new(import)), contribution, message_key, rng)
    }

    fn offering<R: RngCore + CryptoRng>(
        engine: &'static dyn Engine,
        task: KeygenTask,
        resharing: Option<Box<Resharing>>,
        contribution: Option<Zeroizing<[u8; 32]>>,
        message_key: &SigningKey,
        rng: &mut R,
    ) -> Result<Self, KeygenError> {
        let context = task.context(engine.id(), resharing.as_deref());
        task.message_keys.check(&context.participants, task.party, &message_key.verifying_key())?;
        let secret = EphemeralSecret::generate(rng);
        let offer = EphemeralOffer { context, party: task.party, key: secret.public_key() }.sign(message_key);
        Ok(Self(Saved {
            engine,
            task,
            resharing,
            offer: offer.as_bytes().to_vec(),
            log: RoundLog::new(),
            stage: Stage::Offered { secret: secret.to_bytes(), contribution },
        }))
    }

    /// This node's signed offer. Store [`export`](Self::export) before it leaves.
    #[must_use]
    pub fn offer(&self) -> &[u8] {
        &self.0.offer
    }

    /// What is generated.
    #[must_use]
    pub const fn task(&self) -> &KeygenTask {
        &self.0.task
    }

    /// The round that takes the confirmations and yields the key.
    #[must_use]
    pub fn last_round(&self) -> Round {
        self.0.engine.last_round(self.purpose())
    }

    /// The key that is handed on, if none is generated.
    #[must_use]
    pub fn resharing(&self) -> Option<&Resharing> {
        self.0.resharing.as_deref()
    }

    /// The round that is due; `None` when the session has ended.
    #[must_use]
    pub const fn expected_round(&self) -> Option<Round> {
        match &self.0.stage {
            Stage::Offered { .. } | Stage::Running { .. } | Stage::Confirming { .. } => {
                Some(self.0.log.expected())
            }
            Stage::Finished { .. } | Stage::Aborted { .. } => None,
        }
    }

    /// Runs one round: the signed offers of all parties in round 1, then the sealed messages of the round before.
    /// Delivering an answered round again with the same input gives the same answer.
    ///
    /// # Errors
    /// A [`KeygenError`]. If [`KeygenError::is_final`] says so the session is over, and storing
    /// [`export`](Self::export) makes that durable; otherwise the machine is unchanged.
    pub fn round(&mut self, round: Round, inbound: &[Vec<u8>]) -> Result<KeygenStep, KeygenError> {
        if let Stage::Aborted { code } = &self.0.stage {
            return Err(KeygenError::Aborted { code: code.clone() });
        }
        let max_len = if round == Round(1) { MAX_OFFER_LEN } else { self.purpose().max_message_len() };
        let reply = match self.0.log.admit(round, inbound, usize::from(MAX_PARTIES), max_len)? {
            Admission::Repeated(outbound) => self.answer_again(round, outbound)?,
            Admission::New(input) => self.answer(round, input, inbound)?,
        };
        Ok(KeygenStep { state: self.export()?, held: HeldReply(reply) })
    }

    /// The machine's state, wiped on drop. Seal it before it touches a disk.
    ///
    /// # Errors
    /// [`KeygenError::StateUnencodable`].
    pub fn export(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        self.0.to_bytes()
    }

    /// The machine whose state was exported, if its engine is one of `engines`.
    ///
    /// # Errors
    /// [`KeygenError::StateMalformed`].
    pub fn resume(state: &[u8], engines: &Engines) -> Result<Self, KeygenError> {
        Saved::from_bytes(state, engines).map(Self)
    }

    // INVARIANT (G5): a round's input is consumed once. Refused inputs (offers, seals) leave the stage as it was; an
    // input that reached the protocol either leads to the next stage with its answer recorded, or to `Aborted`.
    fn answer(
        &mut self,
        round: Round,
        input: [u8; 32],
        inbound: &[Vec<u8>],
    ) -> Result<KeygenReply, KeygenError> {
        let answered = match &mut self.0.stage {
            Stage::Offered { secret, contribution } => {
                let secret = EphemeralSecret::from_bytes(secret);
                let contribution = contribution.clone();
                let mine = SignedOffer::from_bytes(&self.0.offer)?;
                let set = ChannelSet::establish(&secret, &mine, inbound, &self.0.task.message_keys)?;
                self.begin(round, input, Box::new(set.into_state()), contribution.as_ref())
            }
            Stage::Running { channel, .. } | Stage::Confirming { channel, .. } => {
                let incoming = channel.open_round(previous(round), inbound)?;
                self.advance(round, input, &incoming)
            }
            Stage::Finished { .. } => {
                return Err(RoundError::Ended { last: self.last_round() }.into());
            }
            Stage::Aborted { code } => return Err(KeygenError::Aborted { code: code.clone() }),
        };
        if let Err(error) = &answered {
            self.0.stage = Stage::Aborted { code: error.code().to_owned() };
        }
        answered
    }

    fn begin(
        &mut self,
        round: Round,
        input: [u8; 32],
        channel: Box<ChannelState>,
        contribution: Option<&Zeroizing<[u8; 32]>>,
    ) -> Result<KeygenReply, KeygenError> {
        let (engine, seat) = (self.0.engine, channel.seat());
        let (protocol, outgoing) = match &self.0.resharing {
            None => engine.begin_keygen(seat)?,
            Some(resharing) => engine.begin_resharing(seat, resharing, contribution)?,
        };
        self.proceed(round, input, channel, &outgoing, |channel| Stage::Running { channel, protocol })
    }

    fn advance(
        &mut self,
        round: Round,
        input: [u8; 32],
        incoming: &Incoming,
    ) -> Result<KeygenReply, KeygenError> {
        let consumed = Stage::Aborted { code: INTERRUPTED.to_owned() };
        match core::mem::replace(&mut self.0.stage, consumed) {
            Stage::Running { channel, protocol } => {
                self.run_protocol(round, input, channel, protocol, incoming)
            }
            Stage::Confirming { key, .. } => self.finish(round, input, &key, incoming),
            Stage::Offered { .. } | Stage::Finished { .. } | Stage::Aborted { .. } => {
                Err(KeygenError::Aborted { code: INTERRUPTED.to_owned() })
            }
        }
    }

    fn run_protocol(
        &mut self,
        round: Round,
        input: [u8; 32],
        channel: Box<ChannelState>,
        protocol: Box<dyn KeygenProtocol>,
        incoming: &Incoming,
    ) -> Result<KeygenReply, KeygenError> {
        match protocol.handle(channel.seat(), incoming)? {
            KeygenProgress::Continue(protocol, outgoing) => {
                self.proceed(round, input, channel, &outgoing, |channel| Stage::Running { channel, protocol })
            }
            KeygenProgress::Made(made) => {
                let (key, outgoing) = confirm::say(self.0.engine, channel.seat(), self.resharing(), made)?;
                self.proceed(round, input, channel, &outgoing, |channel| Stage::Confirming { channel, key })
            }
        }
    }

    fn proceed(
        &mut self,
        round: Round,
        input: [u8; 32],
        mut channel: Box<ChannelState>,
        outgoing: &Outgoing,
        stage: impl FnOnce(Box<ChannelState>) -> Stage,
    ) -> Result<KeygenReply, KeygenError> {
        let outbound = channel.seal_round(round, outgoing)?;
        self.0.log.record(round, input, outbound.clone());
        self.0.stage = stage(channel);
        Ok(KeygenReply::Messages(outbound))
    }

    fn finish(
        &mut self,
        round: Round,
        input: [u8; 32],
        key: &Unconfirmed,
        incoming: &Incoming,
    ) -> Result<KeygenReply, KeygenError> {
        let output = Box::new(confirm::compare(self.0.engine, previous(round), key, incoming)?);
        self.0.log.record(round, input, Vec::new());
        self.0.stage = Stage::Finished { public: output.public.clone(), share: key.share.clone() };
        Ok(KeygenReply::Finished(output))
    }

    fn purpose(&self) -> Purpose {
        match self.0.resharing {
            None => Purpose::Keygen,
            Some(_) => Purpose::Reshare,
        }
    }

    fn answer_again(&self, round: Round, outbound: Vec<Outbound>) -> Result<KeygenReply, KeygenError> {
        match &self.0.stage {
            Stage::Finished { public, share } if round == self.last_round() => {
                let share = KeyShare::from_bytes(share, &Engines::new([self.0.engine]))?;
                let output = KeygenOutput { public: public.clone(), share };
                Ok(KeygenReply::Finished(Box::new(output)))
            }
            Stage::Offered { .. }
            | Stage::Running { .. }
            | Stage::Confirming { .. }
            | Stage::Finished { .. }
            | Stage::Aborted { .. } => Ok(KeygenReply::Messages(outbound)),
        }
    }
}

impl fmt::Debug for KeygenMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeygenMachine")
            .field("session", &self.0.task.session)
            .field("party", &self.0.task.party.get())
            .field("stage", &self.0.stage)
            .finish_non_exhaustive()
    }
}

/// The code a machine would keep if a round ended without saying how; it never does.
const INTERRUPTED: &str = "KEYGEN_INTERRUPTED";

impl KeygenTask {
    fn context(&self, engine: EngineId, resharing: Option<&Resharing>) -> SessionContext {
        let (purpose, binding) = match resharing {
            None => {
                let binding = tagged_hash("holdfast/threshold/keygen-binding/v1", &[&self.ceremony]);
                (Purpose::Keygen, binding)
            }
            Some(resharing) => (Purpose::Reshare, resharing.binding(&self.ceremony)),
        };
        SessionContext {
            engine,
            cluster: self.cluster.clone(),
            purpose,
            session: self.session,
            epoch: self.epoch,
            threshold: self.threshold,
            participants: self.threshold.committee(),
            binding,
        }
    }
}

/// Whether the engine takes over keys.
fn receives(engine: &'static dyn Engine) -> Result<(), SetupError> {
    match engine.last_round(Purpose::Reshare) {
        Round(0) => Err(SetupError::EngineCannotReceive { engine: engine.id() }),
        Round(_) => Ok(()),
    }
}

/// The round whose messages a round takes.
const fn previous(round: Round) -> Round {
    Round(round.0.saturating_sub(1))
}
