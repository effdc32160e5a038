//! What a key generation or a resharing must remember between two rounds, and its encodings, versions 1 to 3.
//!
//! Owns the layout. It must never print a secret and wipes them on drop. The node seals the encoding before it stores it.
//!
//! ```text
//! version 3: "HFKG" | 3 | engine (short string) | resharing (postcard) | front | the engine's encoding, as in version 2
//! version 2: "HFKG" | 2 | engine (short string) | front (postcard) | the engine's encoding, only while its rounds run
//! version 1: "HFKG" | 1 |                         the same, of the engine dkls23
//! ```
//!
//! Version 3 is a resharing, version 2 a key generation. Version 1 is read and no longer written. It had the unconfirmed key among the engine's states.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::confirm::Unconfirmed;
use super::error::KeygenError;
use super::machine::KeygenTask;
use super::resharing::Resharing;
use crate::channel::ChannelState;
use crate::encoding::{Reader, Writer, concat_secret, decode_exact, encode_secret};
use crate::engine::{Engine, EngineId, Engines, KeygenProtocol};
use crate::public::KeyPublic;
use crate::rounds::RoundLog;

const HEADER_V1: &[u8; 5] = b"HFKG\x01";
const HEADER: &[u8; 5] = b"HFKG\x02";
const HEADER_RESHARING: &[u8; 5] = b"HFKG\x03";
/// In version 1: the engine's state after round 4.
const UNCONFIRMED_V1: u8 = 3;
/// 16 parties: two rounds of answers of at most 1 MiB a peer, and the state of round 3.
const MAX_STATE_LEN: usize = 64 * 1024 * 1024;

/// The whole machine.
pub(super) struct Saved {
    pub(super) engine: &'static dyn Engine,
    pub(super) task: KeygenTask,
    /// What is handed on; `None` if a key is generated.
    pub(super) resharing: Option<Box<Resharing>>,
    pub(super) offer: Vec<u8>,
    pub(super) log: RoundLog,
    pub(super) stage: Stage,
}

/// How far the machine is.
pub(super) enum Stage {
    /// The offer is made. A giver of a resharing keeps what it gives until it has dealt it out.
    Offered { secret: Zeroizing<[u8; 32]>, contribution: Option<Zeroizing<[u8; 32]>> },
    /// The engine's rounds are running.
    Running { channel: Box<ChannelState>, protocol: Box<dyn KeygenProtocol> },
    /// The key is made; the others have not confirmed it yet.
    Confirming { channel: Box<ChannelState>, key: Unconfirmed },
    /// The key is made and confirmed.
    Finished { public: KeyPublic, share: Zeroizing<Vec<u8>> },
    /// The session failed.
    Aborted { code: String },
}

/// Everything but the engine's state, as it is read.
#[derive(Deserialize)]
struct Front {
    task: KeygenTask,
    offer: Vec<u8>,
    log: RoundLog,
    stage: FrontStage,
}

/// The order of the variants is part of the format: new ones go last.
#[derive(Deserialize)]
enum FrontStage {
    Offered { secret: Zeroizing<[u8; 32]> },
    Running { channel: Box<ChannelState> },
    Finished { public: KeyPublic, share: Zeroizing<Vec<u8>> },
    Aborted { code: String },
    Confirming { channel: Box<ChannelState>, key: Unconfirmed },
    Giving { secret: Zeroizing<[u8; 32]>, contribution: Zeroizing<[u8; 32]> },
}

/// The same, as it is written.
#[derive(Serialize)]
struct FrontRef<'a> {
    task: &'a KeygenTask,
    offer: &'a [u8],
    log: &'a RoundLog,
    stage: FrontStageRef<'a>,
}

#[derive(Serialize)]
enum FrontStageRef<'a> {
    Offered { secret: &'a Zeroizing<[u8; 32]> },
    Running { channel: &'a ChannelState },
    Finished { public: &'a KeyPublic, share: &'a Zeroizing<Vec<u8>> },
    Aborted { code: &'a str },
    Confirming { channel: &'a ChannelState, key: &'a Unconfirmed },
    Giving { secret: &'a Zeroizing<[u8; 32]>, contribution: &'a Zeroizing<[u8; 32]> },
}

impl Stage {
    fn front(&self) -> FrontStageRef<'_> {
        match self {
            Self::Offered { secret, contribution: None } => FrontStageRef::Offered { secret },
            Self::Offered { secret, contribution: Some(contribution) } => {
                FrontStageRef::Giving { secret, contribution }
            }
            Self::Running { channel, protocol: _ } => FrontStageRef::Running { channel },
            Self::Confirming { channel, key } => FrontStageRef::Confirming { channel, key },
            Self::Finished { public, share } => FrontStageRef::Finished { public, share },
            Self::Aborted { code } => FrontStageRef::Aborted { code },
        }
    }

    /// The stage of which `front` was read, with the engine's state that followed it.
    fn read(engine: &'static dyn Engine, front: FrontStage, rest: &[u8]) -> Option<Self> {
        if let FrontStage::Running { channel } = front {
            return Some(Self::Running { channel, protocol: engine.resume_keygen(rest)? });
        }
        if !rest.is_empty() {
            return None;
        }
        Some(match front {
            FrontStage::Offered { secret } => Self::Offered { secret, contribution: None },
            FrontStage::Giving { secret, contribution } => {
                Self::Offered { secret, contribution: Some(contribution) }
            }
            FrontStage::Running { .. } => return None,
            FrontStage::Finished { public, share } => Self::Finished { public, share },
            FrontStage::Aborted { code } => Self::Aborted { code },
            FrontStage::Confirming { channel, key } => Self::Confirming { channel, key },
        })
    }
}

impl Saved {
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        let engine = Writer::default().short(self.engine.id().name().as_bytes()).finish();
        let Some(resharing) = &self.resharing else {
            return Ok(concat_secret(&[HEADER, &engine, &self.body()?]));
        };
        let resharing = encode_secret(&[], resharing).map_err(|_| KeygenError::StateUnencodable)?;
        Ok(concat_secret(&[HEADER_RESHARING, &engine, &resharing, &self.body()?]))
    }

    fn body(&self) -> Result<Zeroizing<Vec<u8>>, KeygenError> {
        let Self { engine: _, resharing: _, task, offer, log, stage } = self;
        let front = FrontRef { task, offer, log, stage: stage.front() };
        let front = encode_secret(&[], &front).map_err(|_| KeygenError::StateUnencodable)?;
        match stage {
            Stage::Running { channel: _, protocol } => Ok(concat_secret(&[&front, &protocol.to_bytes()?])),
            Stage::Offered { .. }
            | Stage::Confirming { .. }
            | Stage::Finished { .. }
            | Stage::Aborted { .. } => Ok(front),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8], engines: &Engines) -> Result<Self, KeygenError> {
        if bytes.len() > MAX_STATE_LEN {
            return Err(KeygenError::StateMalformed);
        }
        let read = match bytes.strip_prefix(HEADER_V1) {
            Some(body) => engines
                .engine(EngineId::Dkls23EcdsaSecp256k1V06)
                .and_then(|engine| unconfirmed_v1(engine, body).or_else(|| Self::read_v1(engine, body))),
            None => Self::read_newer(bytes, engines),
        };
        read.ok_or(KeygenError::StateMalformed)
    }

    fn read_v1(engine: &'static dyn Engine, body: &[u8]) -> Option<Self> {
        let saved = Self::read(engine, None, body)?;
        // One encoding only.
        saved.body().is_ok_and(|again| again.as_slice() == body).then_some(saved)
    }

    fn read_newer(bytes: &[u8], engines: &Engines) -> Option<Self> {
        let (rest, hands_on) = match bytes.strip_prefix(HEADER) {
            Some(rest) => (rest, false),
            None => (bytes.strip_prefix(HEADER_RESHARING)?, true),
        };
        let mut reader = Reader::new(rest);
        let engine = engines.of_name(core::str::from_utf8(reader.short()?).ok()?)?;
        let (resharing, body) = if hands_on {
            let (resharing, body) = postcard::take_from_bytes::<Box<Resharing>>(reader.rest()).ok()?;
            (Some(resharing), body)
        } else {
            (None, reader.rest())
        };
        let saved = Self::read(engine, resharing, body)?;
        saved.to_bytes().is_ok_and(|again| again.as_slice() == bytes).then_some(saved)
    }

    fn read(engine: &'static dyn Engine, resharing: Option<Box<Resharing>>, body: &[u8]) -> Option<Self> {
        let (front, rest) = postcard::take_from_bytes::<Front>(body).ok()?;
        let Front { task, offer, log, stage } = front;
        if resharing.is_none() && matches!(stage, FrontStage::Giving { .. }) {
            return None;
        }
        Some(Self { engine, task, resharing, offer, log, stage: Stage::read(engine, stage, rest)? })
    }
}

/// A state of version 1 that waits for the confirmations.
fn unconfirmed_v1(engine: &'static dyn Engine, body: &[u8]) -> Option<Saved> {
    let (front, rest) = postcard::take_from_bytes::<Front>(body).ok()?;
    let (Front { task, offer, log, stage }, [UNCONFIRMED_V1, key @ ..]) = (front, rest) else { return None };
    let FrontStage::Running { channel } = stage else { return None };
    let key = decode_exact::<Unconfirmed>(&[], key)?;
    Some(Saved { engine, task, resharing: None, offer, log, stage: Stage::Confirming { channel, key } })
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offered { .. } => f.write_str("Offered(<redacted>)"),
            Self::Running { .. } => f.write_str("Running(<redacted>)"),
            Self::Confirming { .. } => f.write_str("Confirming(<redacted>)"),
            Self::Finished { public, .. } => f.debug_tuple("Finished").field(public).finish_non_exhaustive(),
            Self::Aborted { code } => write!(f, "Aborted({code})"),
        }
    }
}
