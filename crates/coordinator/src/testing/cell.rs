//! A cell in a temporary directory: its log, its sequencer, and everybody's keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ed25519_dalek::SigningKey;
use holdfast_chains::{
    Address, Amount, ChainId, Digest, Eip1559Draft, PublicKey, Transfer, UnsignedTransaction,
};
use holdfast_ledger::{
    CeremonyId, Genesis, MigrationProposal, NextChainCode, OFFICER_NAMESPACE, OfficerKey, PayloadKind,
    Statement, StatementBody, WalletProposal, WhitelistProposal, WithdrawalId, key_id,
};
use holdfast_log::{Entry, Envelope, EnvelopeSignature, LogVerifier};
use holdfast_policy::{ClusterId, OfficerId, TimestampMs, WalletId};
use holdfast_store::{StoreConfig, StoreHandle};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::FakeNode;
use crate::clock::Clock;
use crate::coordinator::Coordinator;
use crate::cosigned::Cosigned;
use crate::given_up::GivenUp;
use crate::log_book::{LogBook, schema, snapshot_file};
use crate::nodes::{DeliveredStatements, Nodes, Replicator};
use crate::progress::Progress;
use crate::sequencer::{Proposed, Sequencer};
use crate::speaker::Speaker;

pub(crate) const START: u64 = 1_763_700_000_000;
pub(crate) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

/// A clock that the test moves.
#[derive(Clone, Debug)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.0);
        Clock::from_fn(move || now.load(Ordering::SeqCst))
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// A running cell.
pub(crate) struct Cell {
    pub(crate) parts: Coordinator,
    pub(crate) clock: TestClock,
    pub(crate) fakes: Vec<FakeNode>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) dir: TempDir,
    pub(crate) writing: JoinHandle<()>,
    genesis_hash: [u8; 32],
    sequence: AtomicU64,
}

impl Cell {
    /// The log with its genesis entry only.
    pub(crate) async fn new() -> Self {
        Self::open(TempDir::new().unwrap(), START + 1_000).await
    }

    /// The log as it was left in `dir`.
    pub(crate) async fn open(dir: TempDir, now: u64) -> Self {
        Self::open_with(dir, now, vec![ed25519("log")]).await
    }

    /// The same with these log keys.
    pub(crate) async fn open_with(dir: TempDir, now: u64, log_keys: Vec<SigningKey>) -> Self {
        Self::open_genesis(dir, now, log_keys, &genesis_entry()).await
    }

    /// A cell whose genesis document requires one outside witness.
    pub(crate) async fn witnessed(name: &str, key: &str) -> Self {
        let mut document = document();
        let public_key = hex::encode(ed25519(key).verifying_key().to_bytes());
        document["witnesses"] = json!([{"name": name, "public_key": public_key}]);
        document["witnesses_required"] = 1.into();
        let genesis = signed_genesis(&document);
        Self::open_genesis(TempDir::new().unwrap(), START + 1_000, vec![ed25519("log")], &genesis).await
    }

    /// The same with another genesis document: the one to be given again whenever the directory is opened.
    pub(crate) async fn open_amended(dir: TempDir, now: u64, amend: impl FnOnce(&mut Value)) -> Self {
        let mut document = document();
        amend(&mut document);
        Self::open_genesis(dir, now, vec![ed25519("log")], &signed_genesis(&document)).await
    }

    /// A cell whose policy asks the provider `chainwatch` about destinations.
    pub(crate) async fn watched() -> Self {
        const TABLE: &str = "[exposure]\nproviders = [\"chainwatch\"]\nmax_age_ms = 3600000\nrequired = true\nhold_at = 50\n\
                             deny_at = 80\napprovals = { withdrawal-approver = 2 }\n\n[hold]";
        let amend = |document: &mut Value| {
            let public_key = hex::encode(ed25519("chainwatch").verifying_key().to_bytes());
            document["providers"] =
                json!([document["providers"][0], {"name": "chainwatch", "public_key": public_key}]);
            document["policy"] = document["policy"].as_str().unwrap().replacen("[hold]", TABLE, 1).into();
        };
        let cell = Self::open_amended(TempDir::new().unwrap(), START + 1_000, amend).await;
        cell.make_ready().await;
        cell
    }

    async fn open_genesis(dir: TempDir, now: u64, log_keys: Vec<SigningKey>, genesis: &Entry) -> Self {
        let pinned = Genesis::hash_of(&genesis.envelope().payload);
        let clock = TestClock(Arc::new(AtomicU64::new(now)));
        let book = Arc::new(open_book(&dir, log_keys, genesis.clone()).await);
        let (stop, stopped) = watch::channel(false);
        let (sequencer, writing) = Sequencer::start(Arc::clone(&book), clock.clock(), None, stopped);
        let fakes: Vec<FakeNode> =
            (1..=3).map(|i| FakeNode::new(i, genesis, pinned, clock.clock())).collect();
        let nodes = Nodes::new(fakes.iter().map(|fake| (fake.name(), fake.client())));
        let parts = Coordinator {
            cosigned: Arc::new(Cosigned::load(Arc::clone(&book)).await.unwrap()),
            given_up: Arc::new(GivenUp::load(book.store()).unwrap()),
            book,
            sequencer,
            nodes: Arc::new(nodes),
            witnesses: Arc::default(),
            risk_providers: Arc::default(),
            progress: Arc::new(Progress::default()),
            speaker: Arc::new(Speaker::new(
                ClusterId::new("demo-1").unwrap(),
                "main",
                vec![ed25519("entry")],
            )),
            clock: clock.clock(),
        };
        let sequence = AtomicU64::new(0);
        Self { parts, clock, fakes, stop, dir, writing, genesis_hash: pinned, sequence }
    }

    /// A cell with an active wallet `hot-1`, a whitelisted payee and a fresh session report.
    pub(crate) async fn ready() -> Self {
        let cell = Self::new().await;
        cell.make_ready().await;
        cell
    }

    pub(crate) async fn make_ready(&self) {
        self.create_wallet().await;
        self.whitelist_payee().await;
        self.report_session().await;
    }

    /// Starts what keeps the nodes up to date.
    pub(crate) fn replicate(&self) {
        let delivered = Arc::new(DeliveredStatements::new(self.parts.sequencer.clone()));
        for link in self.parts.nodes.links() {
            let replicator = Replicator {
                book: Arc::clone(&self.parts.book),
                nodes: Arc::clone(&self.parts.nodes),
                link: Arc::clone(link),
                cosigned: Arc::clone(&self.parts.cosigned),
                delivered: Arc::clone(&delivered),
                clock: self.clock.clock(),
                cluster: ClusterId::new("demo-1").unwrap(),
                genesis_hash: self.genesis_hash,
            };
            tokio::spawn(replicator.run(self.stop.subscribe()));
        }
        tokio::spawn(Arc::clone(&self.parts.nodes).follow(self.parts.book.tip(), self.stop.subscribe()));
    }

    /// Stops the sequencer and closes the store; the directory stays.
    pub(crate) async fn shut_down(self) -> TempDir {
        self.stop.send_replace(true);
        self.writing.await.unwrap();
        self.parts.book.store().close().await.unwrap();
        self.dir
    }

    /// Proposes, one millisecond later, and requires that it takes effect.
    pub(crate) async fn accept(&self, envelope: Envelope) -> holdfast_ledger::Admission {
        self.clock.advance(1);
        match self.parts.sequencer.propose(envelope).await.unwrap() {
            Proposed::Logged(logged) => logged.admission,
            Proposed::Repeated => panic!("repeated"),
        }
    }

    /// Verifies checkpoints of the log as it is now.
    pub(crate) async fn verifier(&self) -> LogVerifier {
        let reader = self.parts.book.read().await.unwrap();
        reader.verifier_at(reader.size()).unwrap()
    }

    pub(crate) async fn size(&self) -> u64 {
        self.parts.book.read().await.unwrap().size()
    }

    pub(crate) async fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let now = self.clock.now();
        let statement = Statement {
            cluster: ClusterId::new("demo-1").unwrap(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(now + 3_600_000)),
            note: String::new(),
            body,
        };
        let text = self.parts.book.read().await.unwrap().state().statement_text(&statement).unwrap();
        let signature = OfficerKey::sign(&ssh(officer), OFFICER_NAMESPACE, text.as_bytes()).unwrap();
        Envelope {
            payload_type: PayloadKind::Statement.payload_type(),
            payload: text.into_bytes(),
            signatures: vec![EnvelopeSignature { key_id: key_id("officer", officer), signature }],
        }
    }

    pub(crate) async fn approved(&self, body: StatementBody) -> CeremonyId {
        let proposal = self.statement("alice", body).await;
        let ceremony = self.accept(proposal).await.ceremony.unwrap();
        for officer in ["alice", "bob"] {
            let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony)).await;
            self.accept(approval).await;
        }
        ceremony
    }

    pub(crate) async fn propose_wallet(&self) -> CeremonyId {
        let nodes = (1..=3).map(|i| format!("node-{i}").parse().unwrap()).collect();
        let wallet = WalletId::new("hot-1").unwrap();
        let proposal = WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes };
        self.approved(StatementBody::ProposeWallet(proposal)).await
    }

    /// New shares of the wallet's key, from nodes 1 and 2.
    pub(crate) async fn propose_migration(&self) -> CeremonyId {
        let wallet = {
            let reader = self.parts.book.read().await.unwrap();
            reader.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().clone()
        };
        let proposal = MigrationProposal {
            wallet: wallet.id,
            from_engine: wallet.engine.clone(),
            engine: wallet.engine,
            from_epoch: wallet.epoch,
            chain_code: NextChainCode::Carried,
            givers: wallet.nodes[..2].to_vec(),
            receivers: wallet.nodes,
        };
        self.approved(StatementBody::ProposeMigration(proposal)).await
    }

    async fn create_wallet(&self) {
        let ceremony = self.propose_wallet().await;
        for i in 1..=3 {
            self.accept(confirmation(ceremony, i)).await;
        }
        let voice = self.parts.voice().await.unwrap();
        let activation = voice.activate(ceremony, WalletId::new("hot-1").unwrap(), 0).unwrap();
        self.accept(activation).await;
    }

    pub(crate) async fn whitelist_payee(&self) -> CeremonyId {
        let proposal = WhitelistProposal {
            chain_id: ChainId(1),
            address: Address::parse(PAYEE).unwrap(),
            assets: vec!["ETH".parse().unwrap(), "USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(self.clock.now() + 1_000_000_000),
        };
        self.approved(StatementBody::ProposeWhitelistEntry(proposal)).await
    }

    pub(crate) fn session_report(&self) -> Envelope {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": sequence, "customer": "c-1",
            "observed_at_ms": self.clock.now(), "new_device": false, "second_factor_reset": false});
        sign(PayloadKind::SessionReport, &report, "provider", "sessions")
    }

    async fn report_session(&self) {
        self.accept(self.session_report()).await;
    }

    /// Submits a withdrawal that the policy allows by itself, with its transaction.
    pub(crate) async fn submit(&self, key: &str, nonce: u64) -> WithdrawalId {
        let request = client_request(self.clock.now(), key, 1_250, nonce);
        let envelope = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
        self.accept(envelope).await.withdrawal.unwrap()
    }
}

pub(crate) async fn open_book(dir: &TempDir, log_keys: Vec<SigningKey>, genesis: Entry) -> LogBook {
    let (path, data_dir) = (dir.path().join("store"), dir.path().to_owned());
    tokio::task::spawn_blocking(move || {
        let store = StoreHandle::open(&StoreConfig::at(path), &schema::TABLES).unwrap();
        let pinned = Genesis::hash_of(&genesis.envelope().payload);
        // No page stays in memory.
        let snapshots = snapshot_file(&data_dir, store.clone(), 0);
        LogBook::open(store, &genesis, &pinned, log_keys, snapshots).unwrap()
    })
    .await
    .unwrap()
}

/// A request of the client `pipeline`, with its transaction.
pub(crate) fn client_request(now: u64, key: &str, usdt: u128, nonce: u64) -> Value {
    json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "USDT", "chain_id": 1,
        "amount": (usdt * 1_000_000).to_string(), "destination": PAYEE, "fee_cap": "10000000000000000", "customer": "c-1",
        "idempotency_key": key, "created_at_ms": now, "expires_at_ms": now + 600_000,
        "transaction": usdt_transfer(usdt, nonce).to_hex()})
}

pub(crate) fn usdt_transfer(usdt: u128, nonce: u64) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer {
            contract: Some(Address::parse(USDT).unwrap()),
            to: Address::parse(PAYEE).unwrap(),
            amount: Amount::from_u128(usdt * 1_000_000),
        },
    };
    draft.build().unwrap()
}

pub(crate) fn sign(kind: PayloadKind, payload: &Value, role: &str, name: &str) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id(role, name), &ed25519(name)).unwrap()
}

pub(crate) fn confirmation(ceremony: CeremonyId, node: u8) -> Envelope {
    confirmation_in(ceremony, node, 0)
}

/// A confirmation of shares of this epoch; those of each epoch are others.
pub(crate) fn confirmation_in(ceremony: CeremonyId, node: u8, epoch: u32) -> Envelope {
    let share = public_of(7 + u8::try_from(epoch).unwrap());
    let payload = json!({"cluster": "demo-1", "ceremony": ceremony, "node": format!("node-{node}"), "wallet": "hot-1",
        "epoch": epoch, "engine": "test", "public_key": wallet_public(), "chain_code": Digest([0x11; 32]),
        "verifying_shares": [share, share, share], "transcript": Digest([0xaa; 32]), "backup_restored": true});
    by_node(PayloadKind::KeygenConfirmation, node, &payload)
}

/// A node's word that its shares of the wallet up to this epoch are erased.
pub(crate) fn erased(node: u8, epoch: u32) -> Envelope {
    let payload = json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": 1, "wallet": "hot-1",
        "epoch": epoch});
    by_node(PayloadKind::SharesErased, node, &payload)
}

fn by_node(kind: PayloadKind, node: u8, payload: &Value) -> Envelope {
    let (key_id, key) = (key_id("node", &format!("node-{node}")), ed25519(&format!("message-{node}")));
    Envelope::sign_ed25519(kind.payload_type(), serde_json::to_vec(payload).unwrap(), &key_id, &key).unwrap()
}

pub(crate) fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(name).into())
}

pub(crate) fn wallet_key() -> k256::ecdsa::SigningKey {
    secret(7)
}

fn secret(seed: u8) -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn wallet_public() -> PublicKey {
    public_of(7)
}

fn public_of(seed: u8) -> PublicKey {
    PublicKey::from_sec1(secret(seed).verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn ssh(name: &str) -> ssh_key::PrivateKey {
    let seed = <[u8; 32]>::from(Sha256::digest(name));
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed))
}

pub(crate) fn pinned() -> [u8; 32] {
    Genesis::hash_of(&genesis_entry().envelope().payload)
}

pub(crate) fn genesis_entry() -> Entry {
    signed_genesis(&document())
}

fn signed_genesis(document: &Value) -> Entry {
    let bytes = serde_json::to_vec(document).unwrap();
    let signatures: Vec<_> = ["alice", "bob", "carol"]
        .map(|name| {
            let signature = OfficerKey::sign(&ssh(name), holdfast_ledger::GENESIS_NAMESPACE, &bytes).unwrap();
            (OfficerId::new(name).unwrap(), signature)
        })
        .to_vec();
    Genesis::assemble(&bytes, &signatures).unwrap()
}

fn document() -> Value {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str, roles: &[&str]| json!({"name": name, "roles": roles, "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()});
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"), "region": format!("region-{i}"),
               "cosigning_key": key(&format!("cosign-{i}")), "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    let expires = START + 1_000_000_000;
    json!({
        "version": 1, "rules_version": 1, "cluster": "demo-1", "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0},
        "officers": [officer("alice", &["security-officer", "withdrawal-approver"]),
                     officer("bob", &["security-officer", "withdrawal-approver"]),
                     officer("carol", &["withdrawal-approver"])],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"], "expires_at_ms": expires},
                    {"name": "other", "public_key": key("other"), "wallets": ["hot-1"], "expires_at_ms": expires}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": [node(1), node(2), node(3)],
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": USDT, "decimals": 6},
                   {"symbol": "ETH", "chain_id": 1, "contract": null, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0,
        "policy": include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/fixtures/demo-policy.toml")),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01", "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    })
}
