//! Whoever owns the coordinator: its TLS identity, its log key, its entry key and its database.
//!
//! It talks to the nodes directly. Everything here is within the power of a stolen coordinator; nothing more is.

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Applied, Outcome, PayloadKind, WithdrawalId, key_id};
use holdfast_log::{Checkpoint, Entry, Envelope, Hash, LogSigner, Origin, RightEdge};
use holdfast_proto::v1;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_transport::Role;
use rand::RngCore as _;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::replica::LogCopy;
use crate::request::Request;
use crate::{COORDINATOR, NODES};

/// A coordinator in the wrong hands, with a log of its own.
#[derive(Debug)]
pub struct Hostile<'a> {
    cluster: &'a Cluster,
    /// The log it keeps.
    pub log: &'a mut LogCopy,
    entry_key: SigningKey,
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
        Self { cluster, log, entry_key: cluster.ed25519_key("coordinator/entry.key") }
    }

    /// A node's service for coordinators.
    pub async fn node(&self, node: &str) -> NodeServiceClient<Channel> {
        let channel = self.cluster.channel(Role::Coordinator, COORDINATOR, node).await;
        // Larger than the node accepts, so that it is the node that refuses.
        NodeServiceClient::new(channel).max_encoding_message_size(usize::MAX)
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
        let entries: Vec<Vec<u8>> = self.log.entries().iter().map(|entry| entry.bytes().to_vec()).collect();
        self.replication_of(from, &entries)
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
