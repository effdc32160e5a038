//! The node itself: genuine keys, a log that it believes, its shares in memory, and its sessions.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use holdfast_ledger::{AuthorizedWithdrawal, CeremonyId, Replica, WithdrawalId};
use holdfast_log::{Checkpoint, Cosigner, Entry, Hash, KeyName, Origin, RightEdge};
use holdfast_policy::{ClusterId, NodeId, TimestampMs};
use holdfast_proto::v1;
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{
    ClusterId as EngineCluster, DKLS23, Epoch, KeyPublic, KeyShare, KeygenMachine, KeygenTask, PartyIndex,
    SessionId, SignMachine, SignTask, SignerSet, Threshold,
};
use rand::RngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

use super::control::{Control, Deviation, Phase};
use super::offers;
use super::seals::generator;
use super::session::{Machine, Older, Session};
use crate::now_ms;

/// Everything of a node.
pub(super) struct HostileNode {
    pub(super) cluster: ClusterId,
    pub(super) name: NodeId,
    pub(super) genesis_sha256: [u8; 32],
    pub(super) message_key: SigningKey,
    cosigning_key: SigningKey,
    pub(super) control: Control,
    pub(super) replica: Replica,
    leaves: Vec<Hash>,
    pub(super) shares: BTreeMap<[u8; 33], (Arc<KeyShare>, Arc<KeyPublic>)>,
    pub(super) sessions: BTreeMap<Vec<u8>, Session>,
    pub(super) ceremonies: BTreeMap<Vec<u8>, CeremonyId>,
    pub(super) older: Older,
    older_offers: BTreeMap<Phase, Vec<u8>>,
    pub(super) last_signature: Option<v1::EcdsaSignature>,
}

impl HostileNode {
    /// Takes a node's files, as whoever broke into its machine.
    pub(super) fn open(directory: &Path, config: &BTreeMap<String, String>) -> Self {
        let genesis = Entry::parse(&std::fs::read(directory.join("../genesis.entry.json")).unwrap()).unwrap();
        let mut genesis_sha256 = [0; 32];
        hex::decode_to_slice(&config["genesis_sha256"], &mut genesis_sha256).unwrap();
        let key = |file: &str| SigningKey::read_pkcs8_pem_file(directory.join(file)).unwrap();
        Self {
            cluster: config["cluster"].parse().unwrap(),
            name: config["name"].parse().unwrap(),
            genesis_sha256,
            message_key: key("message.key"),
            cosigning_key: key("cosigning.key"),
            control: Control::from_environment(),
            replica: Replica::from_genesis(&genesis, &genesis_sha256).unwrap(),
            leaves: vec![genesis.leaf_hash()],
            shares: BTreeMap::new(),
            sessions: BTreeMap::new(),
            ceremonies: BTreeMap::new(),
            older: Older::new(),
            older_offers: BTreeMap::new(),
            last_signature: None,
        }
    }

    /// Appends what is new, and believes it.
    pub(super) fn extend(&mut self, replication: &v1::Replication) {
        let Some(held) = self.replica.size().checked_sub(replication.from_index) else {
            return;
        };
        for bytes in replication.entries.iter().skip(usize::try_from(held).unwrap()) {
            let entry = Entry::parse(bytes).unwrap();
            self.replica.append(&entry).unwrap();
            self.leaves.push(entry.leaf_hash());
        }
    }

    /// What it says about its log.
    pub(super) fn tip(&self) -> v1::ReplicaTip {
        let lies = self.control.lies();
        let own = KeyName::of_node(self.cluster.as_str(), self.name.as_str()).unwrap();
        let time_s = now_ms() / 1_000;
        let size = match lies.as_str() {
            "stale-tip" => 1,
            "tip-ahead" => self.replica.size() + 5,
            _ => self.replica.size(),
        };
        let genuine = self.checkpoint(size.min(self.replica.size()));
        let root = if lies == "other-root" { Hash([0x99; 32]) } else { genuine.root };
        let cosigned = Checkpoint { size, root, ..genuine.clone() };
        let cosigned = if lies == "cosignature-of-other-size" { self.checkpoint(1) } else { cosigned };
        let signer = match lies.as_str() {
            "cosignature-as-other-node" => {
                let other = KeyName::of_node(self.cluster.as_str(), "node-1").unwrap();
                Cosigner::new(other, self.cosigning_key.clone())
            }
            "cosignature-by-other-key" => Cosigner::new(own, self.message_key.clone()),
            _ => Cosigner::new(own, self.cosigning_key.clone()),
        };
        let cosignature = match lies.as_str() {
            "cosignature-garbage" => b"no note at all".to_vec(),
            _ => signer.cosign(&cosigned, time_s).unwrap().to_line().into_bytes(),
        };
        v1::ReplicaTip {
            tip_size: size,
            root: root.0.to_vec(),
            cosignature,
            time_ms: time_s * 1_000,
            ..Default::default()
        }
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let mut edge = RightEdge::new();
        for leaf in &self.leaves[..usize::try_from(size).unwrap()] {
            edge.append(*leaf).unwrap();
        }
        let origin = Origin::of_cluster(self.cluster.as_str()).unwrap();
        Checkpoint { origin, size, root: edge.root() }
    }

    /// What it says about itself.
    pub(super) fn status(&self) -> v1::NodeStatus {
        let lies = self.control.lies();
        let lie = |when: &str| lies == when;
        v1::NodeStatus {
            name: if lie("other-name") { "node-1".to_owned() } else { self.name.to_string() },
            cluster: if lie("other-cluster") { "elsewhere".to_owned() } else { self.cluster.to_string() },
            genesis_hash: if lie("other-genesis") { vec![7; 32] } else { self.genesis_sha256.to_vec() },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: if lie("clock-ahead") { now_ms() + 86_400_000 } else { now_ms() },
            tip: Some(self.tip()),
            unlogged_statements: if lie("invented-statements") {
                vec![vec![0x7b; 500]; 50]
            } else {
                Vec::new()
            },
            incarnation: 1,
            enrolled: true,
            serving: true,
            ..Default::default()
        }
    }

    /// What it says of a session that has so many rounds.
    pub(super) fn says_rounds(&self, genuine: u32) -> u32 {
        if self.control.lies() == "other-rounds" { 16 } else { genuine }
    }

    /// Opens a key generation, or returns the offer of the one that is open.
    pub(super) fn prepare_keygen(&mut self, ceremony: CeremonyId, session: &[u8]) -> Vec<u8> {
        if let Some(open) = self.sessions.get(session) {
            return open.offer.clone();
        }
        let permit = self.replica.state().approved_keygen(&ceremony).unwrap();
        let committee = permit.nodes().to_vec();
        let task = KeygenTask {
            cluster: EngineCluster::new(self.cluster.as_str()).unwrap(),
            session: session_id(session),
            epoch: Epoch(0),
            threshold: Threshold::new(permit.threshold(), u8::try_from(committee.len()).unwrap()).unwrap(),
            party: self.party(&committee),
            ceremony: Sha256::digest(ceremony.to_string()).into(),
            message_keys: self.message_keys(&committee),
        };
        let seed = fresh_seed();
        let machine = KeygenMachine::prepare(&DKLS23, task, &self.message_key, &mut generator(seed)).unwrap();
        self.ceremonies.insert(session.to_vec(), ceremony);
        self.admit(Phase::Keygen, session, Session::new(Machine::Keygen(Box::new(machine)), seed, None))
    }

    /// Opens a signing attempt, without asking whether it is allowed.
    pub(super) fn prepare_sign(&mut self, order: &v1::SignPrepareRequest) -> Result<Vec<u8>, String> {
        let id: WithdrawalId = order.withdrawal_id.parse().unwrap();
        let now = TimestampMs(now_ms());
        let permit = self.replica.state().authorized_withdrawal(&id, order.digest_index, now);
        let permit = permit.map_err(|refusal| refusal.to_string())?;
        let wallet = self.replica.state().wallet(permit.wallet()).unwrap().public_key;
        let (share, public) = self.shares.get(wallet.as_bytes()).cloned().ok_or("no share")?;
        let committee = permit.nodes().to_vec();
        let threshold = Threshold::new(permit.threshold(), u8::try_from(committee.len()).unwrap()).unwrap();
        let signers = order.signers.iter().map(|name| party_of(&committee, name));
        let task = SignTask {
            cluster: EngineCluster::new(self.cluster.as_str()).unwrap(),
            session: session_id(&order.session_id),
            signers: SignerSet::new(threshold, signers).unwrap(),
            authorization: authorization_hash(&permit),
            path: permit.derivation_path().to_vec(),
            digest: *permit.digest().as_bytes(),
            message_keys: self.message_keys(&committee),
            bans: Vec::new(),
        };
        let seed = fresh_seed();
        let machine = SignMachine::prepare(task, share, &public, &self.message_key, &mut generator(seed));
        let machine = machine.map_err(|error| error.to_string())?;
        let session = Session::new(Machine::Sign(Box::new(machine)), seed, None);
        Ok(self.admit(Phase::Sign, &order.session_id, session))
    }

    fn admit(&mut self, phase: Phase, id: &[u8], mut session: Session) -> Vec<u8> {
        session.deviation = self.control.take(phase);
        let older = self.older_offers.insert(phase, session.offer.clone());
        let offer = match session.deviation.as_ref().filter(|deviation| deviation.round == 0) {
            Some(deviation) => {
                self.control.did(id, deviation);
                offers::deviating(deviation, &session.offer, &self.message_key, older.as_deref())
            }
            None => session.offer.clone(),
        };
        self.sessions.insert(id.to_vec(), session);
        offer
    }

    pub(super) fn did(&self, session: &[u8], deviation: &Deviation) {
        self.control.did(session, deviation);
    }

    fn party(&self, committee: &[NodeId]) -> PartyIndex {
        party_of(committee, self.name.as_str())
    }

    fn message_keys(&self, committee: &[NodeId]) -> MessageKeys {
        let roster = self.replica.state().roster();
        let key =
            |id: &NodeId| (party_of(committee, id.as_str()), roster.node(id).unwrap().message_key.to_bytes());
        MessageKeys::new(committee.iter().map(key)).unwrap()
    }
}

fn party_of(committee: &[NodeId], name: &str) -> PartyIndex {
    let position = committee.iter().position(|member| member.as_str() == name).unwrap();
    PartyIndex::new(u8::try_from(position + 1).unwrap()).unwrap()
}

fn session_id(bytes: &[u8]) -> SessionId {
    SessionId(bytes.try_into().unwrap())
}

fn fresh_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    OsRng.fill_bytes(&mut seed);
    seed
}

/// What the signers' offers say that they are permitted, as the nodes compute it.
fn authorization_hash(permit: &AuthorizedWithdrawal) -> [u8; 32] {
    let (withdrawal, epoch) = (permit.withdrawal().to_string(), permit.epoch().to_be_bytes());
    let front: [&[u8]; 5] = [
        b"holdfast/authorization/v1",
        withdrawal.as_bytes(),
        permit.wallet().as_str().as_bytes(),
        permit.public_key().as_bytes(),
        &epoch,
    ];
    let mut hash = Sha256::new();
    for part in front.into_iter().chain(permit.digests().iter().map(|digest| digest.as_bytes().as_slice())) {
        hash.update(u64::try_from(part.len()).unwrap().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
