//! A node that follows the log for real (replays, compares roots, cosigns, evaluates orders at its own clock) and has a whole
//! wallet key where a real node has a share. It can be told to misbehave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use holdfast_chains::Digest;
use holdfast_ledger::{CeremonyId, PayloadKind, Replica, WithdrawalId, key_id};
use holdfast_log::{Checkpoint, Cosigner, Entry, Envelope, KeyName, Origin};
use holdfast_policy::NodeId;
use holdfast_proto::v1::node_service_server::{NodeService, NodeServiceServer};
use holdfast_proto::{ApiError, v1};
use hyper_util::rt::TokioIo;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Code, Request, Response, Status};

use super::{confirmation_in, ed25519, erased, wallet_key};
use crate::clock::Clock;
use crate::nodes::{CallLimits, NodeClient};

/// Entries in one answer: few, so that tests see several.
const SERVED_AT_ONCE: usize = 5;

/// How a node misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Honest,
    /// Answers nothing.
    Down,
    /// Refuses every order with this reason.
    Refuses(&'static str),
    /// Answers nothing from this round on.
    DiesInRound(u32),
    /// Yields a signature that does not verify.
    SignsOtherDigest,
    /// Sends to nobody in round 1.
    SendsNothing,
    /// Claims another root than it has.
    ShowsOtherRoot,
    /// Serves other entries when it is asked for the same ones again.
    ChangesItsMind,
    /// Says another number of rounds than the others.
    MiscountsRounds,
}

/// The node and its server. Clones share it.
#[derive(Clone)]
pub(crate) struct FakeNode {
    index: u8,
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
    connections: mpsc::Sender<Result<DuplexStream, std::io::Error>>,
}

struct Inner {
    replica: Replica,
    cosigner: Cosigner,
    behaviour: Behaviour,
    digests: BTreeMap<Vec<u8>, (Digest, Vec<String>)>,
    ceremonies: BTreeMap<Vec<u8>, CeremonyId>,
    delivered: Vec<Vec<u8>>,
    sessions: Vec<Vec<u8>>,
    orders: Vec<Vec<u8>>,
    keygen_calls: Vec<u32>,
    // Of its engine: in a key generation, and in an attempt to sign. As wire has it: 0 is unsaid.
    rounds: (u32, u32),
    // What it serves to a coordinator that lost its log: its own entries and newest note, unless a test says otherwise.
    shown: Vec<Vec<u8>>,
    note: Vec<u8>,
    claims: Option<u64>,
    entries_calls: u32,
}

impl FakeNode {
    pub(crate) fn new(index: u8, genesis: &Entry, pinned: [u8; 32], clock: Clock) -> Self {
        let (connections, accepted) = mpsc::channel(8);
        let name = KeyName::of_node("demo-1", &format!("node-{index}")).unwrap();
        let inner = Inner {
            replica: Replica::from_genesis(genesis, &pinned).unwrap(),
            cosigner: Cosigner::new(name, ed25519(&format!("cosign-{index}"))),
            behaviour: Behaviour::Honest,
            digests: BTreeMap::new(),
            ceremonies: BTreeMap::new(),
            delivered: Vec::new(),
            sessions: Vec::new(),
            orders: Vec::new(),
            keygen_calls: Vec::new(),
            rounds: (0, 0),
            shown: vec![genesis.bytes().to_vec()],
            note: Vec::new(),
            claims: None,
            entries_calls: 0,
        };
        let node = Self { index, clock, inner: Arc::new(Mutex::new(inner)), connections };
        let service = NodeServiceServer::new(node.clone()).max_decoding_message_size(4 << 20);
        tokio::spawn(
            Server::builder().add_service(service).serve_with_incoming(ReceiverStream::new(accepted)),
        );
        node
    }

    pub(crate) fn name(&self) -> NodeId {
        NodeId::new(format!("node-{}", self.index)).unwrap()
    }

    pub(crate) fn client(&self) -> NodeClient {
        let connections = self.connections.clone();
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let connections = connections.clone();
            async move {
                let (near, far) = tokio::io::duplex(1 << 20);
                connections.send(Ok(far)).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        let second = std::time::Duration::from_secs(1);
        let limits = CallLimits {
            status: second,
            replicate: second,
            sign: second,
            sign_slowly: second,
            keygen: second,
        };
        NodeClient::new(Endpoint::from_static("http://node").connect_with_connector_lazy(connector), limits)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.inner.lock().unwrap().behaviour = behaviour;
    }

    /// Its engine has so many rounds, in a key generation and in an attempt to sign.
    pub(crate) fn has_rounds(&self, keygen: u32, sign: u32) {
        self.inner.lock().unwrap().rounds = (keygen, sign);
    }

    pub(crate) fn size(&self) -> u64 {
        self.inner.lock().unwrap().replica.size()
    }

    /// The node serves this log to whoever asks, and claims to hold this many entries.
    pub(crate) fn shows(&self, entries: Vec<Vec<u8>>, note: Vec<u8>, claims: u64) {
        let mut inner = self.inner.lock().unwrap();
        (inner.shown, inner.note, inner.claims) = (entries, note, Some(claims));
    }

    /// What it serves.
    pub(crate) fn shown(&self) -> (Vec<Vec<u8>>, Vec<u8>) {
        let inner = self.inner.lock().unwrap();
        (inner.shown.clone(), inner.note.clone())
    }

    /// Ids of the signing sessions that were opened here.
    pub(crate) fn sessions(&self) -> Vec<Vec<u8>> {
        self.inner.lock().unwrap().sessions.clone()
    }

    /// The checkpoints that came with orders to sign.
    pub(crate) fn checkpoints_of_orders(&self) -> Vec<Vec<u8>> {
        self.inner.lock().unwrap().orders.clone()
    }

    /// Rounds of key generations that were run here.
    pub(crate) fn keygen_calls(&self) -> Vec<u32> {
        self.inner.lock().unwrap().keygen_calls.clone()
    }

    /// An officer delivers a statement.
    pub(crate) fn deliver(&self, envelope: Vec<u8>) {
        self.inner.lock().unwrap().delivered.push(envelope);
    }

    fn up(&self) -> Result<Behaviour, Status> {
        match self.inner.lock().unwrap().behaviour.clone() {
            Behaviour::Down => Err(Status::unavailable("down")),
            other => Ok(other),
        }
    }

    fn extend(&self, replication: Option<v1::Replication>) -> Result<v1::ReplicaTip, Status> {
        let replication = replication.unwrap_or_default();
        let mut inner = self.inner.lock().unwrap();
        let size = inner.replica.size();
        assert!(replication.from_index <= size, "beyond the node's tip");
        for (index, entry) in (replication.from_index..).zip(&replication.entries) {
            if index >= inner.replica.size() {
                inner.replica.append(&Entry::parse(entry).unwrap()).unwrap();
                inner.shown.push(entry.clone());
            }
        }
        if !replication.checkpoint.is_empty() {
            inner.note = replication.checkpoint;
        }
        Ok(inner.tip(&self.clock))
    }

    fn peers(signers: &[String], own: &str, to: &str) -> Vec<v1::Outbound> {
        let party = |name: &String| u32::from(name.bytes().last().unwrap() - b'0');
        let others = signers.iter().filter(|name| *name != own);
        others
            .map(|name| v1::Outbound { to_party: party(name), message: format!("{own}>{to}").into() })
            .collect()
    }
}

impl Inner {
    fn said(&self, behaviour: &Behaviour, rounds: u32) -> u32 {
        if *behaviour == Behaviour::MiscountsRounds { 16 } else { rounds }
    }

    /// What it has to say about shares that the log has replaced.
    fn erasures(&self, index: u8) -> Vec<Vec<u8>> {
        let state = self.replica.state();
        let name = format!("node-{index}").parse().unwrap();
        let unsaid = state.wallets().filter_map(|wallet| {
            let epoch = wallet.epoch.checked_sub(1)?;
            (!state.has_erased(wallet, &name, epoch)).then(|| erased(index, epoch).to_json())
        });
        unsaid.collect()
    }

    fn tip(&self, clock: &Clock) -> v1::ReplicaTip {
        let (mut size, mut root) = (self.replica.size(), self.replica.root());
        let checkpoint = Checkpoint { origin: Origin::of_cluster("demo-1").unwrap(), size, root };
        let time_s = clock.now().0 / 1_000;
        let cosignature = self.cosigner.cosign(&checkpoint, time_s).unwrap().to_line().into_bytes();
        if self.behaviour == Behaviour::ShowsOtherRoot {
            root.0[0] ^= 1;
        }
        if let Some(claims) = self.claims {
            size = claims;
            root = holdfast_log::Hash([0xc1; 32]);
        }
        v1::ReplicaTip {
            tip_size: size,
            root: root.0.to_vec(),
            cosignature,
            time_ms: time_s * 1_000,
            ..v1::ReplicaTip::default()
        }
    }
}

/// The last round of an engine that says so many.
fn last(said: u32, unsaid: u32) -> u32 {
    if said == 0 { unsaid } else { said }
}

fn refuse(reason: &'static str) -> Status {
    ApiError::with_code(Code::FailedPrecondition, reason, "refused").into()
}

#[tonic::async_trait]
impl NodeService for FakeNode {
    async fn status(&self, _: Request<v1::NodeStatusRequest>) -> Result<Response<v1::NodeStatus>, Status> {
        self.up()?;
        let inner = self.inner.lock().unwrap();
        Ok(Response::new(v1::NodeStatus {
            name: self.name().to_string(),
            cluster: "demo-1".to_owned(),
            genesis_hash: inner.replica.state().genesis().hash.to_vec(),
            time_ms: self.clock.now().0,
            tip: Some(inner.tip(&self.clock)),
            unlogged_statements: inner.delivered.clone(),
            erasures: inner.erasures(self.index),
            enrolled: true,
            serving: true,
            ..v1::NodeStatus::default()
        }))
    }

    async fn replicate(&self, request: Request<v1::Replication>) -> Result<Response<v1::ReplicaTip>, Status> {
        self.up()?;
        Ok(Response::new(self.extend(Some(request.into_inner()))?))
    }

    async fn keygen_prepare(
        &self,
        request: Request<v1::KeygenPrepareRequest>,
    ) -> Result<Response<v1::KeygenPrepareResponse>, Status> {
        let behaviour = self.up()?;
        let request = request.into_inner();
        let tip = self.extend(request.replication)?;
        if let Behaviour::Refuses(reason) = behaviour {
            return Err(refuse(reason));
        }
        let ceremony: CeremonyId = request.ceremony_id.parse().unwrap();
        let mut inner = self.inner.lock().unwrap();
        inner.replica.state().approved_keygen(&ceremony).map_err(|refusal| refuse(refusal.code()))?;
        inner.ceremonies.insert(request.session_id, ceremony);
        let rounds = inner.said(&behaviour, inner.rounds.0);
        Ok(Response::new(v1::KeygenPrepareResponse { offer: b"offer".to_vec(), tip: Some(tip), rounds }))
    }

    async fn keygen_round(
        &self,
        request: Request<v1::KeygenRoundRequest>,
    ) -> Result<Response<v1::KeygenRoundResponse>, Status> {
        let behaviour = self.up()?;
        let request = request.into_inner();
        if let Behaviour::Refuses(reason) = behaviour {
            return Err(refuse(reason));
        }
        if matches!(behaviour, Behaviour::DiesInRound(round) if request.round >= round) {
            return Err(Status::unavailable("died"));
        }
        let mut inner = self.inner.lock().unwrap();
        let ceremony = *inner.ceremonies.get(&request.session_id).ok_or_else(|| refuse("SESSION_UNKNOWN"))?;
        inner.keygen_calls.push(request.round);
        assert_eq!(request.messages.len(), if request.round == 1 { 3 } else { 2 });
        if request.round == last(inner.rounds.0, 5) {
            let epoch = inner.replica.state().ceremony(&ceremony).unwrap().kind.key_work().unwrap().epoch;
            let confirmation_envelope = Some(confirmation_in(ceremony, self.index, epoch).to_json());
            return Ok(Response::new(v1::KeygenRoundResponse {
                outbound: Vec::new(),
                confirmation_envelope,
            }));
        }
        let committee = ["node-1", "node-2", "node-3"].map(str::to_owned);
        let outbound = Self::peers(&committee, self.name().as_str(), "all");
        Ok(Response::new(v1::KeygenRoundResponse { outbound, confirmation_envelope: None }))
    }

    async fn sign_prepare(
        &self,
        request: Request<v1::SignPrepareRequest>,
    ) -> Result<Response<v1::SignPrepareResponse>, Status> {
        let behaviour = self.up()?;
        let request = request.into_inner();
        let tip = self.extend(request.replication)?;
        if let Behaviour::Refuses(reason) = behaviour {
            return Err(refuse(reason));
        }
        let mut inner = self.inner.lock().unwrap();
        let id: WithdrawalId = request.withdrawal_id.parse().unwrap();
        let state = inner.replica.state();
        let permit = state.authorized_withdrawal(&id, request.digest_index, self.clock.now());
        let digest = *permit.map_err(|refusal| refuse(refusal.code()))?.digest();
        assert_eq!(request.signers.len(), 2);
        assert!(!inner.sessions.contains(&request.session_id), "a session id was used twice");
        inner.sessions.push(request.session_id.clone());
        inner.orders.push(request.cosigned_checkpoint);
        inner.digests.insert(request.session_id, (digest, request.signers));
        let rounds = inner.said(&behaviour, inner.rounds.1);
        let offer = self.name().to_string().into();
        Ok(Response::new(v1::SignPrepareResponse { offer, tip: Some(tip), rounds }))
    }

    async fn sign_round(
        &self,
        request: Request<v1::SignRoundRequest>,
    ) -> Result<Response<v1::SignRoundResponse>, Status> {
        let behaviour = self.up()?;
        let request = request.into_inner();
        if matches!(behaviour, Behaviour::DiesInRound(round) if request.round >= round) {
            return Err(Status::unavailable("died"));
        }
        let inner = self.inner.lock().unwrap();
        let known = inner.digests.get(&request.session_id).cloned();
        let (digest, signers) = known.ok_or_else(|| refuse("SESSION_UNKNOWN"))?;
        assert_eq!(request.messages.len(), if request.round == 1 { 2 } else { 1 });
        if request.round < last(inner.rounds.1, 4) {
            let mut outbound = Self::peers(&signers, self.name().as_str(), "other");
            if behaviour == Behaviour::SendsNothing {
                outbound.clear();
            }
            return Ok(Response::new(v1::SignRoundResponse { outbound, signature: None }));
        }
        let digest = if behaviour == Behaviour::SignsOtherDigest { Digest([3; 32]) } else { digest };
        let signature: k256::ecdsa::Signature = wallet_key().sign_prehash(digest.as_bytes()).unwrap();
        let (r, s) = signature.split_bytes();
        let signature = Some(v1::EcdsaSignature { r: r.to_vec(), s: s.to_vec() });
        Ok(Response::new(v1::SignRoundResponse { outbound: Vec::new(), signature }))
    }

    async fn abort(&self, request: Request<v1::AbortRequest>) -> Result<Response<v1::AbortResponse>, Status> {
        self.up()?;
        self.inner.lock().unwrap().digests.remove(&request.into_inner().session_id);
        Ok(Response::new(v1::AbortResponse {}))
    }

    async fn tombstone(
        &self,
        request: Request<v1::TombstoneRequest>,
    ) -> Result<Response<v1::TombstoneResponse>, Status> {
        let behaviour = self.up()?;
        let request = request.into_inner();
        let tip = self.extend(request.replication)?;
        if let Behaviour::Refuses(reason) = behaviour {
            return Err(refuse(reason));
        }
        let inner = self.inner.lock().unwrap();
        let id: WithdrawalId = request.withdrawal_id.parse().unwrap();
        let permit = inner.replica.state().tombstonable(&id, self.clock.now());
        let permit = permit.map_err(|refusal| refuse(refusal.code()))?;
        let payload = serde_json::to_vec(&permit.oath(self.name(), 1)).unwrap();
        let (kind, key_id) = (PayloadKind::Tombstone, key_id("node", self.name().as_str()));
        let key = ed25519(&format!("message-{}", self.index));
        let envelope = Envelope::sign_ed25519(kind.payload_type(), payload, &key_id, &key).unwrap();
        Ok(Response::new(v1::TombstoneResponse { envelope: envelope.to_json(), tip: Some(tip) }))
    }

    async fn entries(
        &self,
        request: Request<v1::NodeEntriesRequest>,
    ) -> Result<Response<v1::NodeEntriesResponse>, Status> {
        self.up()?;
        let from = usize::try_from(request.into_inner().from_index).unwrap();
        let mut inner = self.inner.lock().unwrap();
        inner.entries_calls += 1;
        if inner.behaviour == Behaviour::ChangesItsMind && inner.entries_calls > 2 {
            inner.shown.swap(1, 2);
        }
        let entries = inner.shown.iter().skip(from).take(SERVED_AT_ONCE).cloned().collect();
        let (checkpoint, tip) = (inner.note.clone(), Some(inner.tip(&self.clock)));
        Ok(Response::new(v1::NodeEntriesResponse { entries, checkpoint, tip }))
    }
}
