//! Calls to one node, in domain types. Every call has its own time limit, and every answer is bounded and checked for form.
//!
//! What a node says is believed by nobody here: roots, cosignatures and signatures are verified where they are used.

use std::time::{Duration, Instant};

use holdfast_ledger::{CeremonyId, WithdrawalId};
use holdfast_log::{Envelope, EnvelopeError, SignedCheckpoint};
use holdfast_policy::NodeId;
use holdfast_proto::convert::{FieldError, NodeReport, RoutedMessage, Tip, scalars};
use holdfast_proto::limits::{ABORT_REASON_BYTES, NODE_MESSAGE_BYTES};
use holdfast_proto::{metadata_of, reason_of, v1};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::log_book::Chunk;
use crate::session::{Opening, Rounds, SessionId};

type Wire = v1::node_service_client::NodeServiceClient<Channel>;

/// How long calls may take.
#[derive(Clone, Debug)]
pub(crate) struct CallLimits {
    /// Asking how a node is.
    pub(crate) status: Duration,
    /// Handing over entries.
    pub(crate) replicate: Duration,
    /// Opening a signing attempt, or one of its rounds.
    pub(crate) sign: Duration,
    /// One round of an attempt that has more rounds than the default engine's.
    pub(crate) sign_slowly: Duration,
    /// Opening a key generation, or one of its rounds.
    pub(crate) keygen: Duration,
}

impl CallLimits {
    /// An engine with more rounds computes in each of them for up to a second, and a key's rounds take turns on a node: the
    /// time that tells of a node that hangs would end honest ones' attempts under load. No single node can say
    /// that a session is of such an engine.
    fn sign_round(&self, of: Rounds) -> Duration {
        if of.last() > Rounds::SIGN_UNSAID.last() { self.sign_slowly } else { self.sign }
    }
}

/// Talks to one node. Clones share the connection.
#[derive(Clone, Debug)]
pub(crate) struct NodeClient {
    wire: Wire,
    limits: CallLimits,
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The node, or the connection to it, answered with an error.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// No answer in time: what the node did is open.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The answer is not of the agreed form.
    #[error(transparent)]
    Malformed(#[from] FieldError),
    /// The answer carries an envelope that is none.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl CallError {
    /// The node's reason code, or one for the connection.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Refused(status) => match reason_of(status) {
                Some(reason) if is_reason_code(&reason) => reason,
                Some(_) => "NODE_ANSWER_MALFORMED".to_owned(),
                None => "NODE_UNREACHABLE".to_owned(),
            },
            Self::TimedOut(_) => "NODE_TIMED_OUT".to_owned(),
            Self::Malformed(_) | Self::Envelope(_) => "NODE_ANSWER_MALFORMED".to_owned(),
        }
    }

    /// The node that this one blames, if it blames one: taken as a hint about whom to leave out, never as a fact.
    pub(crate) fn culprit(&self) -> Option<NodeId> {
        match self {
            Self::Refused(status) => NodeId::new(metadata_of(status).remove("culprit")?).ok(),
            Self::TimedOut(_) | Self::Malformed(_) | Self::Envelope(_) => None,
        }
    }

    /// Whether the node did not answer at all, as opposed to refusing.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Refused(status) => {
                reason_of(status).is_none()
                    && matches!(
                        status.code(),
                        Code::Unavailable
                            | Code::Cancelled
                            | Code::DeadlineExceeded
                            | Code::Unknown
                            | Code::Internal
                    )
            }
            Self::Malformed(_) | Self::Envelope(_) => false,
        }
    }
}

/// Reason codes are shown to people and compared: a node may not put anything else there.
fn is_reason_code(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A node's status with how long the answer took.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) report: NodeReport,
    pub(crate) round_trip: Duration,
    pub(crate) answered_at: Instant,
}

/// A run of a node's entries.
#[derive(Clone, Debug)]
pub(crate) struct NodeEntries {
    /// The entries, not verified.
    pub(crate) entries: Vec<Vec<u8>>,
    /// The newest checkpoint that the node has, not verified.
    pub(crate) checkpoint: SignedCheckpoint,
}

/// What a node sends in a round of an attempt.
#[derive(Debug)]
pub(crate) enum SignReply {
    /// Messages for the others.
    Messages(Vec<RoutedMessage>),
    /// r and s, not verified.
    Signature([u8; 32], [u8; 32]),
}

/// What a node sends in a round of a key generation.
#[derive(Clone, Debug)]
pub(crate) enum KeygenReply {
    /// Messages for the others.
    Messages(Vec<RoutedMessage>),
    /// Its signed confirmation.
    Confirmation(Envelope),
}

/// An order to sign, as all signers get it.
#[derive(Clone, Debug)]
pub(crate) struct SignOrder {
    pub(crate) session: SessionId,
    pub(crate) withdrawal: WithdrawalId,
    pub(crate) digest_index: u32,
    pub(crate) signers: Vec<NodeId>,
    /// The checkpoint that the genesis document demands, as a note; empty if it demands none.
    pub(crate) cosigned_checkpoint: Vec<u8>,
}

impl NodeClient {
    pub(crate) fn new(channel: Channel, limits: CallLimits) -> Self {
        let wire = Wire::new(channel)
            .max_decoding_message_size(NODE_MESSAGE_BYTES)
            .max_encoding_message_size(NODE_MESSAGE_BYTES);
        Self { wire, limits }
    }

    /// How the node is.
    pub(crate) async fn status(&self) -> Result<Measured, CallError> {
        let mut wire = self.wire.clone();
        let asked = Instant::now();
        let status = within(self.limits.status, wire.status(v1::NodeStatusRequest {})).await?;
        let answered_at = Instant::now();
        let round_trip = answered_at.saturating_duration_since(asked);
        Ok(Measured { report: status.try_into()?, round_trip, answered_at })
    }

    /// Hands over entries; returns the node's tip.
    pub(crate) async fn replicate(&self, chunk: Chunk) -> Result<Tip, CallError> {
        let mut wire = self.wire.clone();
        let tip = within(self.limits.replicate, wire.replicate(replication(chunk))).await?;
        Ok(tip.try_into()?)
    }

    /// A run of the node's entries, for a log that is shorter than the node's.
    pub(crate) async fn entries(&self, from_index: u64) -> Result<NodeEntries, CallError> {
        let mut wire = self.wire.clone();
        let request = v1::NodeEntriesRequest { from_index };
        let response = within(self.limits.replicate, wire.entries(request)).await?;
        let checkpoint = SignedCheckpoint::parse(&response.checkpoint)
            .map_err(|error| FieldError::new("checkpoint", error.to_string()))?;
        Ok(NodeEntries { entries: response.entries, checkpoint })
    }

    /// Asks the node to swear that it will never sign; returns the envelope and its tip.
    pub(crate) async fn tombstone(
        &self,
        chunk: Chunk,
        withdrawal: WithdrawalId,
    ) -> Result<(Envelope, Tip), CallError> {
        let mut wire = self.wire.clone();
        let request = v1::TombstoneRequest {
            withdrawal_id: withdrawal.to_string(),
            replication: Some(replication(chunk)),
        };
        let response = within(self.limits.sign, wire.tombstone(request)).await?;
        Ok((Envelope::parse(&response.envelope)?, tip(response.tip)?))
    }

    /// Opens an attempt; returns what the node opens it with, and its tip.
    pub(crate) async fn sign_prepare(
        &self,
        chunk: Chunk,
        order: &SignOrder,
    ) -> Result<(Opening, Tip), CallError> {
        let mut wire = self.wire.clone();
        let request = v1::SignPrepareRequest {
            replication: Some(replication(chunk)),
            session_id: order.session.as_bytes().to_vec(),
            withdrawal_id: order.withdrawal.to_string(),
            digest_index: order.digest_index,
            signers: order.signers.iter().map(NodeId::to_string).collect(),
            cosigned_checkpoint: order.cosigned_checkpoint.clone(),
        };
        let v1::SignPrepareResponse { offer, tip: at, rounds } =
            within(self.limits.sign, wire.sign_prepare(request)).await?;
        let rounds = Rounds::said(rounds, Rounds::SIGN_UNSAID)?;
        Ok((Opening { offer, rounds }, tip(at)?))
    }

    /// Runs one round, numbered from 1, of an attempt of so many.
    pub(crate) async fn sign_round(
        &self,
        session: SessionId,
        round: u32,
        of: Rounds,
        messages: Vec<Vec<u8>>,
    ) -> Result<SignReply, CallError> {
        let mut wire = self.wire.clone();
        let request = v1::SignRoundRequest { session_id: session.as_bytes().to_vec(), round, messages };
        let response = within(self.limits.sign_round(of), wire.sign_round(request)).await?;
        match response.signature {
            Some(signature) => {
                let (r, s) = scalars(signature)?;
                Ok(SignReply::Signature(r, s))
            }
            None => Ok(SignReply::Messages(routed("sign", response.outbound)?)),
        }
    }

    /// Opens a key generation; returns what the node opens it with, and its tip.
    pub(crate) async fn keygen_prepare(
        &self,
        chunk: Chunk,
        ceremony: CeremonyId,
        session: SessionId,
    ) -> Result<(Opening, Tip), CallError> {
        let mut wire = self.wire.clone();
        let request = v1::KeygenPrepareRequest {
            ceremony_id: ceremony.to_string(),
            session_id: session.as_bytes().to_vec(),
            replication: Some(replication(chunk)),
        };
        let v1::KeygenPrepareResponse { offer, tip: at, rounds } =
            within(self.limits.keygen, wire.keygen_prepare(request)).await?;
        let rounds = Rounds::said(rounds, Rounds::KEYGEN_UNSAID)?;
        Ok((Opening { offer, rounds }, tip(at)?))
    }

    /// Runs one round of a key generation.
    pub(crate) async fn keygen_round(
        &self,
        session: SessionId,
        round: u32,
        messages: Vec<Vec<u8>>,
    ) -> Result<KeygenReply, CallError> {
        let mut wire = self.wire.clone();
        let request = v1::KeygenRoundRequest { session_id: session.as_bytes().to_vec(), round, messages };
        let response = within(self.limits.keygen, wire.keygen_round(request)).await?;
        match response.confirmation_envelope {
            Some(envelope) => Ok(KeygenReply::Confirmation(Envelope::parse(&envelope)?)),
            None => Ok(KeygenReply::Messages(routed("keygen", response.outbound)?)),
        }
    }

    /// Ends a session. Best effort: a node forgets it by itself, too.
    pub(crate) async fn abort(&self, session: SessionId, reason: &str) -> Result<(), CallError> {
        let mut wire = self.wire.clone();
        let reason = reason.chars().filter(char::is_ascii).take(ABORT_REASON_BYTES).collect();
        let request = v1::AbortRequest { session_id: session.as_bytes().to_vec(), reason };
        within(self.limits.status, wire.abort(request)).await.map(|_| ())
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(CallError::Refused(Box::new(status))),
        Err(_) => Err(CallError::TimedOut(limit)),
    }
}

fn replication(chunk: Chunk) -> v1::Replication {
    v1::Replication {
        from_index: chunk.from,
        checkpoint: chunk.checkpoint.to_bytes(),
        entries: chunk.entries,
        evidence: chunk.evidence,
    }
}

fn tip(wire: Option<v1::ReplicaTip>) -> Result<Tip, FieldError> {
    wire.ok_or_else(|| FieldError::new("tip", "is missing"))?.try_into()
}

fn routed(session: &'static str, outbound: Vec<v1::Outbound>) -> Result<Vec<RoutedMessage>, FieldError> {
    let bytes = outbound.iter().map(|message| message.message.len());
    let bytes = u64::try_from(bytes.fold(0, usize::saturating_add)).unwrap_or(u64::MAX);
    metrics::counter!("holdfast_session_bytes_total", "session" => session).increment(bytes);
    outbound.into_iter().map(TryInto::try_into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_proto::ApiError;

    fn refused(reason: &str) -> CallError {
        CallError::Refused(Box::new(
            ApiError::with_code(Code::FailedPrecondition, reason.to_owned(), "x").into(),
        ))
    }

    #[test]
    fn reason_that_a_node_makes_up_is_not_passed_on() {
        assert_eq!(refused("WALLET_PAUSED").code(), "WALLET_PAUSED");
        for made_up in ["", "wallet paused", "<b>PAID</b>", "A B"] {
            assert_eq!(refused(made_up).code(), "NODE_ANSWER_MALFORMED", "{made_up:?}");
        }
    }

    #[test]
    fn silence_and_refusal_are_told_apart() {
        let silent = CallError::Refused(Box::new(Status::unavailable("connection refused")));
        assert!(silent.is_silence() && CallError::TimedOut(Duration::from_secs(1)).is_silence());
        assert!(!refused("LATCHED").is_silence());
        assert_eq!(silent.code(), "NODE_UNREACHABLE");
    }
}
