//! Whoever owns the coordinator: its TLS identity, its log key, its entry key and its database.
//!
//! It talks to the nodes directly. Everything here is within the power of a stolen coordinator; nothing more is.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ed25519_dalek::SigningKey;
use holdfast_chains::{Digest, Signature};
use holdfast_ledger::{Applied, CeremonyId, Outcome, PayloadKind, StatementBody, WithdrawalId, key_id};
use holdfast_log::{Checkpoint, Cosigner, Entry, Envelope, Hash, KeyName, LogSigner, Origin, RightEdge};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_transport::Role;
use rand::RngCore as _;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::incidents::Incidents;
use crate::refusal::Refusal;
use crate::replica::LogCopy;
use crate::request::Request;
use crate::{COORDINATOR, NODES, now_ms};

/// A coordinator in the wrong hands, with a log of its own.
#[derive(Debug)]
pub struct Hostile<'a> {
    cluster: &'a Cluster,
    /// The log it keeps.
    pub log: &'a mut LogCopy,
    entry_key: SigningKey,
    incidents: Incidents<'a>,
    // One connection to each node, as a coordinator has.
    nodes: Mutex<BTreeMap<String, NodeServiceClient<Channel>>>,
}

/// A signing attempt that the hostile coordinator carries, message by message.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its session id.
    pub session: Vec<u8>,
    /// Who takes part, in party order.
    pub signers: Vec<String>,
    /// Their offers.
    pub offers: Vec<Vec<u8>>,
    /// The messages of the last round by receiving party, senders in party order.
    pub mail: Vec<(u32, Vec<u8>)>,
}

/// The party number of a node of the demo's committee.
pub fn party(node: &str) -> u32 {
    let position = NODES.iter().position(|name| *name == node).unwrap();
    u32::try_from(position + 1).unwrap()
}

impl<'a> Hostile<'a> {
    /// Takes the coordinator's place with a copy of its log.
    pub fn with(cluster: &'a Cluster, log: &'a mut LogCopy) -> Self {
        let entry_key = cluster.ed25519_key("coordinator/entry.key");
        Self { cluster, log, entry_key, incidents: cluster.incidents(), nodes: Mutex::default() }
    }

    /// A refusal that the node has also logged as an incident.
    #[track_caller]
    pub fn caught<T: Debug>(
        &self,
        node: &str,
        result: Result<T, Status>,
        code: Code,
        reason: &str,
    ) -> Refusal {
        self.incidents.caught(node, result, code, reason)
    }

    /// A node's service for coordinators.
    pub async fn node(&self, node: &str) -> NodeServiceClient<Channel> {
        let mut nodes = self.nodes.lock().await;
        if let Some(known) = nodes.get(node) {
            return known.clone();
        }
        let channel = self.cluster.channel(Role::Coordinator, COORDINATOR, node).await;
        // Larger than the node accepts, so that it is the node that refuses.
        let service = NodeServiceClient::new(channel).max_encoding_message_size(usize::MAX);
        nodes.insert(node.to_owned(), service.clone());
        service
    }

    /// What a node says about itself.
    pub async fn status(&self, node: &str) -> v1::NodeStatus {
        self.node(node).await.status(v1::NodeStatusRequest {}).await.unwrap().into_inner()
    }

    /// How many entries a node holds.
    pub async fn tip_size(&self, node: &str) -> u64 {
        self.status(node).await.tip.unwrap().tip_size
    }

    /// Sends entries.
    pub async fn replicate(
        &self,
        node: &str,
        replication: v1::Replication,
    ) -> Result<v1::ReplicaTip, Status> {
        Ok(self.node(node).await.replicate(replication).await?.into_inner())
    }

    /// Brings a node to the end of this log, honestly.
    pub async fn catch_up(&self, node: &str) -> v1::ReplicaTip {
        let tip = self.tip_size(node).await;
        self.replicate(node, self.replication(tip))
            .await
            .unwrap_or_else(|status| panic!("{node}: {status:?}"))
    }

    /// The entries of this log from `from` on, with the checkpoint of all of it.
    pub fn replication(&self, from: u64) -> v1::Replication {
        self.replication_of(from, &self.log.bytes())
    }

    /// Any entries, with a genuine signature over the checkpoint that they give. `all` begins at the log's beginning.
    pub fn replication_of(&self, from: u64, all: &[Vec<u8>]) -> v1::Replication {
        let first = usize::try_from(from).unwrap();
        let (size, root) = size_and_root(all);
        v1::Replication {
            from_index: from,
            entries: all[first..].to_vec(),
            checkpoint: self.checkpoint(size, root),
            ..v1::Replication::default()
        }
    }

    /// A checkpoint over anything, signed by the log's key.
    pub fn checkpoint(&self, size: u64, root: Hash) -> Vec<u8> {
        let origin = Origin::of_cluster(self.cluster.name()).unwrap();
        let signer = LogSigner::new(origin.clone(), self.cluster.ed25519_key("coordinator/log.key"));
        signer.sign(&Checkpoint { origin, size, root }).unwrap().to_bytes()
    }

    /// The checkpoint of the first entries of this log.
    pub fn checkpoint_at(&self, size: u64) -> Vec<u8> {
        let first = usize::try_from(size).unwrap();
        let entries: Vec<Vec<u8>> =
            self.log.entries()[..first].iter().map(|entry| entry.bytes().to_vec()).collect();
        let (size, root) = size_and_root(&entries);
        self.checkpoint(size, root)
    }

    /// An envelope signed by the coordinator's entry key.
    pub fn speak(&self, kind: PayloadKind, payload: &Value) -> Envelope {
        let payload = serde_json::to_vec(payload).unwrap();
        let id = key_id("coordinator", COORDINATOR);
        Envelope::sign_ed25519(kind.payload_type(), payload, &id, &self.entry_key).unwrap()
    }

    /// Logs a client's request and the authorization of its transaction.
    pub fn authorized(&mut self, request: &Request) -> WithdrawalId {
        let applied = self.log.append(&request.signed(self.cluster));
        let id = admitted(&applied);
        self.authorize(id);
        id
    }

    /// Logs an authorization of the bound transaction's digest.
    pub fn authorize(&mut self, id: WithdrawalId) -> Applied {
        let withdrawal = self.log.state().withdrawal(&id).unwrap();
        let digest = withdrawal.transaction.as_ref().unwrap().signing_hash.to_string();
        let payload = json!({"cluster": self.cluster.name(), "withdrawal": id, "digests": [digest]});
        let envelope = self.speak(PayloadKind::Authorize, &payload);
        self.log.append(&envelope)
    }

    /// Logs an envelope that has to be a no-op for this reason.
    #[track_caller]
    pub fn noop(&mut self, envelope: &Envelope, reason: &str) {
        let applied = self.log.append(envelope);
        match applied.outcome {
            Outcome::Rejected(rejection) => assert_eq!(rejection.code().as_str(), reason, "{rejection:?}"),
            Outcome::Admitted(admission) => panic!("expected {reason}: {admission:?}"),
        }
    }

    /// A signature of the sending key over this digest, verified.
    pub fn wallet_signature(
        &self,
        id: &WithdrawalId,
        signature: &v1::EcdsaSignature,
        digest: &Digest,
    ) -> Signature {
        let state = self.log.state();
        let key = state.sender(state.withdrawal(id).unwrap()).unwrap().public_key;
        let scalar = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).unwrap();
        Signature::from_scalars(scalar(&signature.r), scalar(&signature.s), digest, &key).unwrap()
    }

    /// Logs a signature as canonical.
    pub fn log_signature(&mut self, id: &WithdrawalId, signature: &v1::EcdsaSignature) {
        let authorization = self.log.state().withdrawal(id).unwrap().authorization.clone().unwrap();
        let signature = self.wallet_signature(id, signature, &authorization.digests[0]);
        let payload = json!({"cluster": self.cluster.name(), "withdrawal": id, "digest_index": 0,
            "signature": signature, "signers": &NODES[..2]});
        let envelope = self.speak(PayloadKind::SignatureLogged, &payload);
        assert_eq!(admitted(&self.log.append(&envelope)), *id);
    }

    /// What an officer really says and signs, about this log.
    pub fn officer_says(&self, officer: &str, body: StatementBody) -> Envelope {
        let officer = self.cluster.officer(officer);
        officer.sign(&officer.statement(self.log.state(), body))
    }

    /// Logs a real ceremony: proposed by alice, approved by alice and bob.
    pub fn ceremony(&mut self, body: StatementBody) -> CeremonyId {
        let proposal = self.officer_says("alice", body);
        let id = match self.log.append(&proposal).outcome {
            Outcome::Admitted(admission) => admission.ceremony.unwrap(),
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        };
        for officer in ["alice", "bob"] {
            let approval = self.officer_says(officer, StatementBody::ApproveCeremony(id));
            let applied = self.log.append(&approval);
            assert!(matches!(applied.outcome, Outcome::Admitted(_)), "{applied:?}");
        }
        id
    }

    /// A time that the next entry may have.
    pub fn now(&self) -> u64 {
        now_ms().max(self.log.state().last_time().0)
    }

    /// Sends node-1 a log with these entries added, under a genuine checkpoint: the node stays where it was.
    pub async fn entries_refused(&self, added: Vec<Vec<u8>>, reason: &str) -> Refusal {
        let before = self.catch_up("node-1").await;
        let all = [self.log.bytes(), added].concat();
        let forged = self.replication_of(before.tip_size, &all);
        let refusal =
            self.caught("node-1", self.replicate("node-1", forged).await, Code::InvalidArgument, reason);
        let after = self.status("node-1").await.tip.unwrap();
        assert_eq!((after.tip_size, after.root), (before.tip_size, before.root), "the replica has changed");
        refusal
    }

    /// A node's log stops before this entry, for this reason.
    pub async fn stops(&self, envelope: &Envelope, cause: &str) {
        let refusal = self.entries_refused(vec![restamped(envelope, self.now())], "ENTRY_REFUSED").await;
        assert_eq!(refusal.facts["cause"], cause);
    }

    /// Every node, in some pair, refuses to sign this.
    pub async fn nobody_signs(&self, id: &WithdrawalId, code: Code, reason: &str) -> Refusal {
        let mut last = None;
        for (node, pair) in [("node-1", [0, 1]), ("node-2", [1, 2]), ("node-3", [0, 2])] {
            let order = self.order(node, &new_session(), id, &pair.map(|seat| NODES[seat])).await;
            last = Some(self.caught(node, self.prepare_at(node, order).await, code, reason));
        }
        last.unwrap()
    }

    /// The order to sign, with what the node lacks.
    pub async fn order(
        &self,
        node: &str,
        session: &[u8],
        id: &WithdrawalId,
        signers: &[&str],
    ) -> v1::SignPrepareRequest {
        v1::SignPrepareRequest {
            replication: Some(self.replication(self.tip_size(node).await)),
            session_id: session.to_vec(),
            withdrawal_id: id.to_string(),
            digest_index: 0,
            signers: signers.iter().map(|name| (*name).to_owned()).collect(),
            ..v1::SignPrepareRequest::default()
        }
    }

    /// Gives an order to a node and returns its offer.
    pub async fn prepare_at(&self, node: &str, order: v1::SignPrepareRequest) -> Result<Vec<u8>, Status> {
        Ok(self.node(node).await.sign_prepare(order).await?.into_inner().offer)
    }

    /// Asks a node to swear that it will never sign this.
    pub async fn oath_of(&self, node: &str, id: &WithdrawalId) -> Result<Envelope, Status> {
        let replication = Some(self.replication(self.tip_size(node).await));
        let request = v1::TombstoneRequest { withdrawal_id: id.to_string(), replication };
        let sworn = self.node(node).await.tombstone(request).await?.into_inner();
        Ok(Envelope::parse(&sworn.envelope).unwrap())
    }

    /// A checkpoint of the whole log with cosignatures under nodes' names by any keys, at any time.
    pub fn cosigned_checkpoint(&self, by: &[(&str, SigningKey)], time_s: u64) -> Vec<u8> {
        let (size, root) = size_and_root(&self.log.bytes());
        self.with_cosignatures(size, root, by, time_s)
    }

    /// The same of the log's first entries.
    pub fn cosigned_before(&self, size: u64, by: &[(&str, SigningKey)], time_s: u64) -> Vec<u8> {
        let (size, root) = size_and_root(&self.log.bytes()[..usize::try_from(size).unwrap()]);
        self.with_cosignatures(size, root, by, time_s)
    }

    /// The same over anything.
    pub fn with_cosignatures(
        &self,
        size: u64,
        root: Hash,
        by: &[(&str, SigningKey)],
        time_s: u64,
    ) -> Vec<u8> {
        let origin = Origin::of_cluster(self.cluster.name()).unwrap();
        let mut note = self.checkpoint(size, root);
        for (node, key) in by {
            let name = KeyName::of_node(self.cluster.name(), node).unwrap();
            let checkpoint = Checkpoint { origin: origin.clone(), size, root };
            let cosignature = Cosigner::new(name, key.clone()).cosign(&checkpoint, time_s).unwrap();
            note.extend(cosignature.to_line().into_bytes());
        }
        note
    }

    /// Opens an attempt at all its signers.
    pub async fn prepare(&self, id: &WithdrawalId, signers: &[&str]) -> Result<Attempt, Status> {
        let session = new_session();
        let mut offers = Vec::new();
        for signer in signers {
            let order = self.order(signer, &session, id, signers).await;
            offers.push(self.prepare_at(signer, order).await?);
        }
        let signers = signers.iter().map(|name| (*name).to_owned()).collect();
        Ok(Attempt { session, signers, offers, mail: Vec::new() })
    }

    /// One round at one signer, with any messages.
    pub async fn call(
        &self,
        attempt: &Attempt,
        node: &str,
        round: u32,
        messages: Vec<Vec<u8>>,
    ) -> Result<v1::SignRoundResponse, Status> {
        let request = v1::SignRoundRequest { session_id: attempt.session.clone(), round, messages };
        Ok(self.node(node).await.sign_round(request).await?.into_inner())
    }

    /// One round at one signer, as it should be.
    pub async fn honest_call(
        &self,
        attempt: &Attempt,
        node: &str,
        round: u32,
    ) -> Result<v1::SignRoundResponse, Status> {
        self.call(attempt, node, round, attempt.messages_for(node, round)).await
    }

    /// A whole round; its messages become the attempt's mail.
    pub async fn round(&self, attempt: &mut Attempt, round: u32) -> Result<(), Status> {
        let mut mail = Vec::new();
        for signer in &attempt.signers {
            let sent = self.honest_call(attempt, signer, round).await?.outbound;
            mail.extend(sent.into_iter().map(|message| (message.to_party, message.message)));
        }
        attempt.mail = mail;
        Ok(())
    }

    /// A whole attempt, as an honest coordinator runs it; returns what every signer computed.
    pub async fn sign(&self, id: &WithdrawalId, signers: &[&str]) -> Result<Vec<v1::EcdsaSignature>, Status> {
        let mut attempt = self.prepare(id, signers).await?;
        for round in 1..=3 {
            self.round(&mut attempt, round).await?;
        }
        let mut signatures = Vec::new();
        for signer in &attempt.signers {
            signatures.push(self.honest_call(&attempt, signer, 4).await?.signature.unwrap());
        }
        Ok(signatures)
    }
}

impl Attempt {
    /// What a signer should get in a round.
    pub fn messages_for(&self, node: &str, round: u32) -> Vec<Vec<u8>> {
        if round == 1 {
            return self.offers.clone();
        }
        let own = self.mail.iter().filter(|(to, _)| *to == party(node));
        own.map(|(_, message)| message.clone()).collect()
    }
}

/// A session id that was never used.
pub fn new_session() -> Vec<u8> {
    let mut session = vec![0; 32];
    OsRng.fill_bytes(&mut session);
    session
}

/// The withdrawal that an entry changed.
///
/// # Panics
/// When the entry was a no-op.
pub fn admitted(applied: &Applied) -> WithdrawalId {
    match &applied.outcome {
        Outcome::Admitted(admission) => admission.withdrawal.unwrap(),
        Outcome::Rejected(rejection) => panic!("{rejection:?}"),
    }
}

/// An entry's bytes with another time.
pub fn restamped(envelope: &Envelope, time_ms: u64) -> Vec<u8> {
    Entry::stamp(time_ms, envelope).unwrap().into_bytes()
}

fn size_and_root(entries: &[Vec<u8>]) -> (u64, Hash) {
    let mut edge = RightEdge::new();
    entries.iter().for_each(|entry| edge.append(Hash::leaf(entry)).unwrap());
    (edge.size(), edge.root())
}
