//! What the coordinator calls. Nothing in these messages is taken on faith.
//!
//! Owns the spans and the incidents of its calls. It must never answer before the work is done to its end.

use std::fmt::Display;
use std::sync::Arc;

use holdfast_proto::ApiError;
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_server::NodeService;
use holdfast_server::telemetry::cause;
use holdfast_threshold::MAX_ROUNDS;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::{Room, to_the_end, wire};
use crate::engines;
use crate::enrolled::NotEnrolled;
use crate::keygen::{KeygenAnswer, KeygenRefusal};
use crate::node::{Node, ReplicateRefusal};
use crate::signing::{Opening, SignAnswer, SignRefusal};
use crate::status;
use crate::tombstones::TombstoneRefusal;

/// Statements in one status message, in bytes: half of what a message may hold.
const UNLOGGED_BYTES: usize = 2 << 20;
/// Entries in one message to a coordinator that lost its log: below what a message may hold.
const ENTRIES_BYTES: usize = 3 << 20;
/// Calls of signing and key generation that run at a time.
const SESSION_CALLS: usize = 32;
/// Calls of replication and status that run at a time.
const UPKEEP_CALLS: usize = 8;

/// `holdfast.v1.NodeService`.
#[derive(Clone, Debug)]
pub(crate) struct NodeApi {
    node: Arc<Node>,
    sessions: Room,
    // Beside the sessions, so that a node with much to sign does not look dead.
    upkeep: Room,
}

impl NodeApi {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let (sessions, upkeep) = (Room::at(&node, SESSION_CALLS), Room::at(&node, UPKEEP_CALLS));
        Self { node, sessions, upkeep }
    }

    /// No honest coordinator sends a field that is not acceptable.
    fn well_formed<T>(&self, read: Result<T, ApiError>) -> Result<T, ApiError> {
        read.inspect_err(|error| {
            self.node.incidents.record(self.node.now(), wire::FIELD_INVALID, "request", error);
        })
    }
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn status(&self, _: Request<v1::NodeStatusRequest>) -> Result<Response<v1::NodeStatus>, Status> {
        let node = Arc::clone(&self.node);
        to_the_end(&self.upkeep, async move { node.status().await }).await
    }

    async fn replicate(&self, request: Request<v1::Replication>) -> Result<Response<v1::ReplicaTip>, Status> {
        let node = Arc::clone(&self.node);
        let extension = wire::extension(request.into_inner());
        to_the_end(&self.upkeep, async move {
            let tip =
                node.replicate(extension).await.map_err(|refusal| node.refused_replication(&refusal))?;
            let attestation = node.attestation().await.unwrap_or_default();
            Ok(v1::ReplicaTip { attestation, ..wire::tip(tip) })
        })
        .await
    }

    async fn keygen_prepare(
        &self,
        request: Request<v1::KeygenPrepareRequest>,
    ) -> Result<Response<v1::KeygenPrepareResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::KeygenPrepareRequest { ceremony_id, session_id, replication } = request.into_inner();
        let ceremony = self.well_formed(wire::ceremony(&ceremony_id))?;
        let session = self.well_formed(wire::session(&session_id))?;
        let extension = self.well_formed(wire::replication(replication))?;
        let span = tracing::info_span!("keygen-prepare", trace_id = %ceremony, session = %session);
        let work = async move {
            let tip =
                node.replicate(extension).await.map_err(|refusal| node.refused_replication(&refusal))?;
            let prepared = node.keygens.prepare(&node.replica, ceremony, session).await;
            let (offer, last) = prepared.map_err(|refusal| node.refused_keygen(&ceremony, &refusal))?;
            Ok(v1::KeygenPrepareResponse { offer, tip: Some(wire::tip(tip)), rounds: last.0.into() })
        };
        to_the_end(&self.sessions, work.instrument(span)).await
    }

    async fn keygen_round(
        &self,
        request: Request<v1::KeygenRoundRequest>,
    ) -> Result<Response<v1::KeygenRoundResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::KeygenRoundRequest { session_id, round, messages } = request.into_inner();
        let session = self.well_formed(wire::session(&session_id))?;
        let messages = self.well_formed(wire::messages(messages))?;
        let round = self.well_formed(wire::round(round, MAX_ROUNDS))?;
        to_the_end(&self.sessions, async move {
            let answer = node.keygens.round(&node.replica, session, round, messages).await;
            match answer.map_err(|refusal| node.refused_keygen(&session, &refusal))? {
                KeygenAnswer::Messages(messages) => Ok(v1::KeygenRoundResponse {
                    outbound: wire::outbound(messages),
                    confirmation_envelope: None,
                }),
                KeygenAnswer::Confirmation(envelope) => Ok(v1::KeygenRoundResponse {
                    outbound: Vec::new(),
                    confirmation_envelope: Some(envelope),
                }),
            }
        })
        .await
    }

    async fn sign_prepare(
        &self,
        request: Request<v1::SignPrepareRequest>,
    ) -> Result<Response<v1::SignPrepareResponse>, Status> {
        let node = Arc::clone(&self.node);
        let (extension, order) = self.well_formed(wire::sign_order(request.into_inner()))?;
        let (withdrawal, session) = (order.withdrawal, order.session);
        let span = tracing::info_span!("sign-prepare", trace_id = %withdrawal, session = %session);
        let work = async move {
            let prepared = node.signing.prepare(extension, order).await;
            let Opening { offer, last_round, tip } =
                prepared.map_err(|refusal| node.refused_signature(&withdrawal, &refusal))?;
            Ok(v1::SignPrepareResponse { offer, tip: Some(wire::tip(tip)), rounds: last_round.0.into() })
        };
        to_the_end(&self.sessions, work.instrument(span)).await
    }

    async fn sign_round(
        &self,
        request: Request<v1::SignRoundRequest>,
    ) -> Result<Response<v1::SignRoundResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::SignRoundRequest { session_id, round, messages } = request.into_inner();
        let session = self.well_formed(wire::session(&session_id))?;
        let messages = self.well_formed(wire::messages(messages))?;
        let round = self.well_formed(wire::round(round, MAX_ROUNDS))?;
        to_the_end(&self.sessions, async move {
            let answer = node.signing.round(session, round, messages).await;
            match answer.map_err(|refusal| node.refused_signature(&session, &refusal))? {
                SignAnswer::Messages(messages) => {
                    Ok(v1::SignRoundResponse { outbound: wire::outbound(messages), signature: None })
                }
                SignAnswer::Signed(signature) => {
                    let signature = v1::EcdsaSignature { r: signature.r.to_vec(), s: signature.s.to_vec() };
                    Ok(v1::SignRoundResponse { outbound: Vec::new(), signature: Some(signature) })
                }
            }
        })
        .await
    }

    async fn abort(&self, request: Request<v1::AbortRequest>) -> Result<Response<v1::AbortResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::AbortRequest { session_id, reason } = request.into_inner();
        let session = self.well_formed(wire::session(&session_id))?;
        to_the_end(&self.sessions, async move {
            let ended = node.abort(session).await.map_err(|refusal| node.refused_keygen(&session, &refusal))?;
            tracing::info!(%session, ended, reason = wire::abort_reason(&reason), "session ended by the coordinator");
            Ok(v1::AbortResponse {})
        })
        .await
    }

    async fn tombstone(
        &self,
        request: Request<v1::TombstoneRequest>,
    ) -> Result<Response<v1::TombstoneResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::TombstoneRequest { withdrawal_id, replication } = request.into_inner();
        let withdrawal = self.well_formed(wire::withdrawal(&withdrawal_id))?;
        let extension = self.well_formed(wire::replication(replication))?;
        let span = tracing::info_span!("tombstone", trace_id = %withdrawal);
        let work = async move {
            let sworn = node.swear_off(extension, withdrawal).await;
            let (envelope, tip) = sworn.map_err(|refusal| node.refused_tombstone(&withdrawal, &refusal))?;
            Ok(v1::TombstoneResponse { envelope, tip: Some(wire::tip(tip)) })
        };
        to_the_end(&self.upkeep, work.instrument(span)).await
    }

    async fn entries(
        &self,
        request: Request<v1::NodeEntriesRequest>,
    ) -> Result<Response<v1::NodeEntriesResponse>, Status> {
        let node = Arc::clone(&self.node);
        let from = request.into_inner().from_index;
        to_the_end(&self.upkeep, async move {
            let read = node.replica.entries_from(from, ENTRIES_BYTES).await;
            let (entries, checkpoint, tip) =
                read.map_err(|refusal| node.refused_replication(&ReplicateRefusal::Extend(refusal)))?;
            Ok(v1::NodeEntriesResponse { entries, checkpoint, tip: Some(wire::tip(tip)) })
        })
        .await
    }
}

impl Node {
    async fn status(&self) -> Result<v1::NodeStatus, ApiError> {
        let (tip, standing, sound) = {
            let held = self.replica.read().await;
            let standing = self.replica.own().standing(held.state(), held.tree());
            (held.tip().clone(), standing, held.sound_state().is_ok())
        };
        let open = self.signing.sessions.count().saturating_add(self.keygens.running());
        let unlogged = self.latches.unlogged(&self.replica, UNLOGGED_BYTES).await;
        Ok(v1::NodeStatus {
            name: self.identity.node().to_string(),
            cluster: self.identity.cluster().to_string(),
            genesis_hash: self.genesis_hash.to_vec(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: self.now().0,
            tip: Some(wire::tip(tip)),
            latches: self.latches.in_force().await.iter().map(wire::latch).collect(),
            open_sessions: u32::try_from(open).unwrap_or(u32::MAX),
            unlogged_statements: unlogged.map_err(|refusal| status::of_delivery(&refusal))?,
            incarnation: standing.as_ref().copied().unwrap_or_default(),
            enrolled: !matches!(standing, Err(NotEnrolled::OtherKeys)),
            serving: standing.is_ok() && sound,
            unmaintained_engines: engines::unmaintained(self.signing.vault.engines()),
            erasures: self.erasures().await,
        })
    }

    fn refused_replication(&self, refusal: &ReplicateRefusal) -> ApiError {
        let (code, ordinary) = match refusal {
            ReplicateRefusal::Extend(refusal) => (refusal.code(), refusal.is_ordinary()),
            ReplicateRefusal::Latches(refusal) => (refusal.code(), false),
        };
        self.refused(code, ordinary, &"replication", refusal);
        status::of_replication(refusal)
    }

    fn refused_keygen(&self, subject: &dyn Display, refusal: &KeygenRefusal) -> ApiError {
        self.refused(refusal.code(), false, subject, refusal);
        status::of_keygen(refusal)
    }

    fn refused_tombstone(&self, subject: &dyn Display, refusal: &TombstoneRefusal) -> ApiError {
        self.refused(refusal.code(), refusal.is_ordinary(), subject, refusal);
        status::of_tombstone(refusal)
    }

    fn refused_signature(&self, subject: &dyn Display, refusal: &SignRefusal) -> ApiError {
        self.refused(refusal.code(), refusal.is_ordinary(), subject, refusal);
        status::of_signature(refusal)
    }

    fn refused(
        &self,
        code: &'static str,
        ordinary: bool,
        subject: &dyn Display,
        refusal: &(dyn std::error::Error + 'static),
    ) {
        if ordinary {
            tracing::info!(code, %subject, refusal = cause(refusal), "not now");
        } else {
            self.incidents.record(self.now(), code, &subject.to_string(), refusal);
        }
    }
}
