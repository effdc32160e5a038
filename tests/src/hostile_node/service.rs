//! The node's service, as the coordinator sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdfast_proto::limits::NODE_MESSAGE_BYTES;
use holdfast_proto::v1::node_service_server::{NodeService, NodeServiceServer};
use holdfast_proto::{ApiError, v1};
use holdfast_threshold::KeyPublic;
use holdfast_transport::access::{AccessTable, Grant, HEALTH};
use holdfast_transport::server::serve;
use holdfast_transport::{Limits, Role, TlsIdentity};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::confirmation;
use super::control::Phase;
use super::node::HostileNode;
use super::session::{Answer, Refusal};

const COORDINATOR: &[Role] = &[Role::Coordinator];
const METHODS: [Grant<'static>; 7] = [
    ("/holdfast.v1.NodeService/Status", COORDINATOR),
    ("/holdfast.v1.NodeService/Replicate", COORDINATOR),
    ("/holdfast.v1.NodeService/KeygenPrepare", COORDINATOR),
    ("/holdfast.v1.NodeService/KeygenRound", COORDINATOR),
    ("/holdfast.v1.NodeService/SignPrepare", COORDINATOR),
    ("/holdfast.v1.NodeService/SignRound", COORDINATOR),
    ("/holdfast.v1.NodeService/Abort", COORDINATOR),
];

#[derive(Clone)]
struct HostileApi(Arc<Mutex<HostileNode>>);

/// Runs the hostile node with a genuine node's configuration and keys, until the process ends.
///
/// # Errors
/// When it cannot serve.
pub async fn run(config: &Path) -> anyhow::Result<()> {
    let directory = config.parent().unwrap_or(Path::new("."));
    let members = members(&std::fs::read_to_string(config)?);
    let node = HostileNode::open(directory, &members);
    let tls = TlsIdentity::load(
        &directory.join("tls.pem"),
        &directory.join("tls.key"),
        &directory.join("../ca.pem"),
    )?;
    let listener = TcpListener::bind(members["listen"].as_str()).await?;
    let service = NodeServiceServer::new(HostileApi(Arc::new(Mutex::new(node))))
        .max_decoding_message_size(NODE_MESSAGE_BYTES)
        .max_encoding_message_size(usize::MAX);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<NodeServiceServer<HostileApi>>().await;
    let routes = Routes::new(service).add_service(health_service);
    let access = AccessTable::new(&[METHODS.as_slice(), &HEALTH].concat())?;
    serve(listener, &tls, routes, access, Limits::default(), std::future::pending()).await?;
    Ok(())
}

/// The configuration's members that are texts, whatever section they are in.
fn members(text: &str) -> BTreeMap<String, String> {
    let member = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
    };
    // The first of a name is the node's own.
    text.lines().rev().filter_map(member).collect()
}

#[tonic::async_trait]
impl NodeService for HostileApi {
    async fn status(&self, _: Request<v1::NodeStatusRequest>) -> Result<Response<v1::NodeStatus>, Status> {
        Ok(Response::new(self.0.lock().await.status()))
    }

    async fn replicate(&self, request: Request<v1::Replication>) -> Result<Response<v1::ReplicaTip>, Status> {
        let mut node = self.0.lock().await;
        node.extend(&request.into_inner());
        Ok(Response::new(node.tip()))
    }

    async fn keygen_prepare(
        &self,
        request: Request<v1::KeygenPrepareRequest>,
    ) -> Result<Response<v1::KeygenPrepareResponse>, Status> {
        let v1::KeygenPrepareRequest { ceremony_id, session_id, replication } = request.into_inner();
        let mut node = self.0.lock().await;
        node.extend(&replication.unwrap_or_default());
        let offer = node.prepare_keygen(ceremony_id.parse().unwrap(), &session_id);
        let rounds = node.says_rounds(5);
        Ok(Response::new(v1::KeygenPrepareResponse { offer, tip: Some(node.tip()), rounds }))
    }

    async fn keygen_round(
        &self,
        request: Request<v1::KeygenRoundRequest>,
    ) -> Result<Response<v1::KeygenRoundResponse>, Status> {
        let v1::KeygenRoundRequest { session_id, round, messages } = request.into_inner();
        let round = u8::try_from(round).unwrap();
        let answer = self.round(Phase::Keygen, &session_id, round, &messages).await?;
        let confirmation = match answer.last {
            Some(Answer::Key(output)) => {
                let public = output.public.clone();
                let mut node = self.0.lock().await;
                node.shares.insert(public.public_key(), (Arc::new(output.share), Arc::new(output.public)));
                Some(node.confirm(&session_id, &public))
            }
            _ => None,
        };
        Ok(Response::new(v1::KeygenRoundResponse {
            outbound: answer.outbound,
            confirmation_envelope: confirmation,
        }))
    }

    async fn sign_prepare(
        &self,
        request: Request<v1::SignPrepareRequest>,
    ) -> Result<Response<v1::SignPrepareResponse>, Status> {
        let request = request.into_inner();
        let mut node = self.0.lock().await;
        node.extend(&request.replication.clone().unwrap_or_default());
        let offer = node.prepare_sign(&request).map_err(failed)?;
        let rounds = node.says_rounds(4);
        Ok(Response::new(v1::SignPrepareResponse { offer, tip: Some(node.tip()), rounds }))
    }

    async fn sign_round(
        &self,
        request: Request<v1::SignRoundRequest>,
    ) -> Result<Response<v1::SignRoundResponse>, Status> {
        let v1::SignRoundRequest { session_id, round, messages } = request.into_inner();
        let round = u8::try_from(round).unwrap();
        let answer = self.round(Phase::Sign, &session_id, round, &messages).await?;
        let signature = match answer.last {
            Some(Answer::Signature(made)) => {
                let made = v1::EcdsaSignature { r: made.r.to_vec(), s: made.s.to_vec() };
                Some(self.0.lock().await.sign(&session_id, made))
            }
            _ => None,
        };
        Ok(Response::new(v1::SignRoundResponse { outbound: answer.outbound, signature }))
    }

    async fn abort(&self, request: Request<v1::AbortRequest>) -> Result<Response<v1::AbortResponse>, Status> {
        self.0.lock().await.sessions.remove(&request.into_inner().session_id);
        Ok(Response::new(v1::AbortResponse {}))
    }

    async fn tombstone(
        &self,
        _: Request<v1::TombstoneRequest>,
    ) -> Result<Response<v1::TombstoneResponse>, Status> {
        Err(failed("it will sign whatever it can".to_owned()))
    }

    async fn entries(
        &self,
        _: Request<v1::NodeEntriesRequest>,
    ) -> Result<Response<v1::NodeEntriesResponse>, Status> {
        Err(failed("it gives nothing away".to_owned()))
    }
}

struct RoundAnswer {
    outbound: Vec<v1::Outbound>,
    last: Option<Answer>,
}

impl HostileApi {
    async fn round(
        &self,
        phase: Phase,
        id: &[u8],
        round: u8,
        messages: &[Vec<u8>],
    ) -> Result<RoundAnswer, Status> {
        let reply = {
            let mut held = self.0.lock().await;
            let node = &mut *held;
            let session = node.sessions.get_mut(id).ok_or_else(|| failed("no such session".to_owned()))?;
            let made = match session.honest(round, messages).map_err(failed)? {
                Answer::Messages(made) => made,
                last @ (Answer::Key(_) | Answer::Signature(_)) => {
                    return Ok(RoundAnswer { outbound: Vec::new(), last: Some(last) });
                }
            };
            let reply = session.deviate(phase, round, made, messages, &mut node.older);
            let deviation = session.deviation.clone();
            if let Some(deviation) = deviation.filter(|_| reply.deviated) {
                node.did(id, &deviation);
            }
            reply
        };
        tokio::time::sleep(reply.pause).await;
        match reply.refusal {
            Some(Refusal { culprit }) => Err(accusation(culprit)),
            None => Ok(RoundAnswer { outbound: reply.outbound, last: None }),
        }
    }
}

impl HostileNode {
    /// The answer to the last round of a key generation.
    fn confirm(&mut self, session: &[u8], public: &KeyPublic) -> Vec<u8> {
        let permit = self.replica.state().approved_keygen(&self.ceremonies[session]).unwrap();
        let said = confirmation::confirmation(&self.cluster, &self.name, &permit, public);
        let deviation = self.sessions[session].deviation.clone().filter(|deviation| deviation.round == 5);
        let said = match &deviation {
            Some(deviation) if deviation.act == "false-confirmation" => {
                confirmation::falsified(said, &deviation.detail)
            }
            _ => said,
        };
        let mut envelope = confirmation::signed(&said, &self.name, &self.message_key);
        if let Some(deviation) = deviation {
            match deviation.act.as_str() {
                "false-confirmation" => {}
                "confirmation-by-other-key" => {
                    let other = ed25519_dalek::SigningKey::generate(&mut rand::rngs::OsRng);
                    envelope = confirmation::signed(&said, &self.name, &other);
                }
                "confirmation-garbage" => envelope = b"{}".to_vec(),
                other => panic!("`{other}` is no deviation of the last round"),
            }
            self.did(session, &deviation);
        }
        envelope
    }

    /// The answer to the last round of a signature.
    fn sign(&mut self, session: &[u8], genuine: v1::EcdsaSignature) -> v1::EcdsaSignature {
        let deviation = self.sessions[session].deviation.clone().filter(|deviation| deviation.round == 4);
        let older = self.last_signature.replace(genuine.clone());
        let Some(deviation) = deviation else { return genuine };
        self.did(session, &deviation);
        let mut made = genuine;
        match deviation.act.as_str() {
            "signature-flipped" => made.s[20] ^= 1,
            "signature-zero" => made = v1::EcdsaSignature { r: vec![0; 32], s: vec![0; 32] },
            "signature-of-other-withdrawal" => made = older.unwrap_or(made),
            "signature-short" => made.s.truncate(31),
            other => panic!("`{other}` is no deviation of the last round"),
        }
        made
    }
}

fn failed(text: String) -> Status {
    ApiError::with_code(Code::Aborted, "PEER_MESSAGE_INVALID", text).into()
}

/// An honest node's words for "somebody else broke the protocol".
fn accusation(culprit: Option<String>) -> Status {
    let error = ApiError::with_code(Code::Aborted, "PEER_MESSAGE_INVALID", "a party broke the protocol")
        .fact("cause", "MULTIPLICATION_VERIFICATION_FAILED");
    match culprit {
        Some(culprit) => error.fact("culprit", culprit).into(),
        None => error.into(),
    }
}
