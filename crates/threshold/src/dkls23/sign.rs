//! `dkls23` signing (Protocol 3.6 of <https://eprint.iacr.org/2023/765>).
//!
//! Owns its four rounds, each a type that is consumed by the next round's messages. No state can be serialised or cloned.
//!
//! | round | comes in | goes out |
//! |---|---|---|
//! | 1 | the signed offers of all signers | commitment to a nonce share, first multiplication message |
//! | 2 | those | opened nonce share, second multiplication message |
//! | 3 | those | this party's part of the signature |
//! | 4 | the parts | nothing: the signature |

mod messages;
mod round1;
mod round2;
mod round3;

use std::sync::Arc;

use core::fmt;

use dkls23::protocols::signing::SignData;

#[cfg(test)]
pub(crate) use messages::encode;
pub(crate) use round1::{Round1, start};

use super::fault::from_abort;
use super::share::Dkls23Share;
use super::{EngineParty, engine_index};
use crate::channel::Incoming;
use crate::engine::{SignProgress, SignProtocol};
use crate::fault::ProtocolFault;
use crate::party::PartyIndex;
use crate::sign::{SignBrief, SignError};
use round2::Round2;
use round3::Round3;

/// What every step needs: the share, and the library's description of the session.
pub(crate) struct Desk {
    share: Arc<Dkls23Share>,
    brief: SignBrief,
    pub(crate) data: SignData,
}

impl Desk {
    pub(crate) fn new(brief: SignBrief, share: Arc<Dkls23Share>) -> Result<Self, SignError> {
        let counterparties = brief
            .counterparties()
            .map(engine_index)
            .collect::<Option<Vec<_>>>()
            .ok_or(ProtocolFault::LOCAL)?;
        let data = SignData { sign_id: brief.sign_id.to_vec(), counterparties, message_hash: brief.digest };
        Ok(Self { share, brief, data })
    }

    fn me(&self) -> PartyIndex {
        self.brief.me
    }

    fn party(&self) -> &EngineParty {
        self.share.engine_party()
    }

    fn fault(&self, abort: &dkls23::protocols::Abort) -> SignError {
        self.brief.failed(from_abort(self.me(), abort))
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("brief", &self.brief).finish_non_exhaustive()
    }
}

impl SignProtocol for Round1 {
    fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError> {
        let (next, outgoing) = Self::handle(*self, incoming)?;
        Ok(SignProgress::Continue(Box::new(next), outgoing))
    }
}

impl SignProtocol for Round2 {
    fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError> {
        let (next, outgoing) = Self::handle(*self, incoming)?;
        Ok(SignProgress::Continue(Box::new(next), outgoing))
    }
}

impl SignProtocol for Round3 {
    fn handle(self: Box<Self>, incoming: &Incoming) -> Result<SignProgress, SignError> {
        Self::handle(*self, incoming).map(SignProgress::Signed)
    }
}
