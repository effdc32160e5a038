//! Makes the log: a busy cell, every entry through the real state machine, signatures by whole test keys.
//!
//! Deterministic. One thread signs ahead while another applies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use ed25519_dalek::SigningKey;
use holdfast_audit::Exporter;
use holdfast_chains::{
    Address, Amount, ChainId, Digest, Eip1559Draft, PublicKey, Signature, Transfer, UnsignedTransaction,
};
use holdfast_ledger::{
    ATTEST_EVERY, CeremonyId, GENESIS_NAMESPACE, Genesis, OFFICER_NAMESPACE, OfficerKey, PayloadKind, State,
    Statement, StatementBody, StatementDigest, WalletProposal, WhitelistProposal, WithdrawalId, key_id,
};
use holdfast_log::{
    Checkpoint, Cosigner, Entry, Envelope, EnvelopeSignature, ExportFile, KeyName, LogSigner, Origin,
};
use holdfast_policy::{OfficerId, TimestampMs, WalletId};
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const START: u64 = 1_763_700_000_000;
const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
const CLUSTER: &str = "million-1";
const PAYEES: u64 = 200;
const CUSTOMERS: u64 = 20_000;
/// Entries of the log that tells whether a kept one can be used.
const SHORT: u64 = 5_000;
/// Withdrawals that are signed ahead together.
const CHUNK: u64 = 512;
/// Time between withdrawals: a million entries take a little more than a day.
const STEP_MS: u64 = 400;

/// The directory with an export of a log of so many entries; made if it is not there.
pub(crate) fn log_of(entries: u64) -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let target =
        target.ancestors().find(|path| path.ends_with("target") || path.join("CACHEDIR.TAG").exists());
    let kept = target.unwrap().join("bench/million");
    let directory = kept.join(format!("log-{entries}-{}", kind(&kept)));
    if !directory.join("checkpoint").exists() {
        remove_older(&kept, entries);
        println!("making a log of {entries} entries in {}", directory.display());
        make(entries, &directory);
    }
    directory
}

/// What a short log made by this program looks like: what was kept is as good as new only as long as entries and recorded decisions
/// are what the state machine of today makes.
fn kind(kept: &Path) -> String {
    let short = kept.join("short");
    let _ = fs::remove_dir_all(&short);
    make(SHORT, &short);
    let mut hash = Sha256::new();
    hash_files(&short, &mut hash);
    fs::remove_dir_all(&short).unwrap();
    hex::encode(&hash.finalize()[..6])
}

fn hash_files(directory: &Path, hash: &mut Sha256) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            hash_files(&path, hash);
        } else {
            hash.update(fs::read(&path).unwrap());
        }
    }
}

/// A log of a million entries takes a gibibyte.
fn remove_older(kept: &Path, entries: u64) {
    for entry in fs::read_dir(kept).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if name.starts_with(&format!("log-{entries}-")) {
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

fn make(entries: u64, directory: &Path) {
    let mut log = Log::begin(directory);
    log.prepare();
    let (ahead, signed) = sync_channel(4);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for chunk in 0.. {
                let withdrawals: Vec<Prepared> =
                    (chunk * CHUNK..(chunk + 1) * CHUNK).map(Prepared::new).collect();
                if ahead.send(withdrawals).is_err() {
                    return;
                }
            }
        });
        for withdrawal in signed.iter().flatten() {
            if !log.withdraw(&withdrawal, entries) {
                break;
            }
        }
        drop(signed);
    });
    log.finish();
}

/// A withdrawal's entries, signed before the log exists.
struct Prepared {
    at: u64,
    id: WithdrawalId,
    session: Envelope,
    request: Envelope,
    repeated: bool,
    held: bool,
    denied: bool,
    authorize: Envelope,
    signature: Envelope,
}

impl Prepared {
    fn new(number: u64) -> Self {
        let at = START + 10_000_000 + number * STEP_MS;
        let (held, denied) = (number % 50 == 7, number % 100 == 13);
        let payee = address(if denied { u64::MAX } else { number % PAYEES });
        let usdt = if held { 20_000 } else { 10 + u128::from(number % 4000) };
        let eth = !held && number % 10 < 3;
        let transaction = transfer(payee, usdt, number, eth);
        let key = format!("order-{number:012}");
        let id = WithdrawalId::of(CLUSTER, "pipeline", &key);
        let customer = format!("c-{:08x}", number.wrapping_mul(2_654_435_761) % CUSTOMERS);
        let session = json!({"cluster": CLUSTER, "provider": "sessions", "sequence": number + 1, "customer": customer,
            "observed_at_ms": at, "new_device": number.is_multiple_of(37), "second_factor_reset": false});
        let amount = transaction.effects().transfer.amount;
        let request = json!({"cluster": CLUSTER, "client": "pipeline", "wallet": "hot-1",
            "asset": if eth { "ETH" } else { "USDT" }, "chain_id": 1, "amount": amount, "destination": payee,
            "fee_cap": "10000000000000000", "customer": customer, "idempotency_key": key, "created_at_ms": at,
            "expires_at_ms": at + 3_600_000, "transaction": transaction.to_hex()});
        let digest = transaction.signing_hash();
        let authorize = json!({"cluster": CLUSTER, "withdrawal": id, "digests": [digest]});
        let signature = json!({"cluster": CLUSTER, "withdrawal": id, "digest_index": 0,
            "signature": wallet_signature(&digest), "signers": ["node-1", "node-3"]});
        Self {
            at,
            id,
            session: sign(PayloadKind::SessionReport, &session, "provider:sessions", "sessions"),
            request: sign(PayloadKind::WithdrawalRequest, &request, "client:pipeline", "pipeline"),
            repeated: number % 200 == 3,
            held,
            denied,
            authorize: sign(PayloadKind::Authorize, &authorize, "coordinator:main", "entry"),
            signature: sign(PayloadKind::SignatureLogged, &signature, "coordinator:main", "entry"),
        }
    }
}

/// The log in the making.
struct Log {
    exporter: Exporter,
    directory: PathBuf,
    now: u64,
}

impl Log {
    fn begin(directory: &Path) -> Self {
        let genesis = genesis();
        let hash = Genesis::hash_of(&genesis.envelope().payload);
        let exporter = Exporter::begin(&genesis, &hash, &[]).unwrap();
        Self { exporter, directory: directory.to_owned(), now: START + 1000 }
    }

    fn state(&self) -> &State {
        self.exporter.history().state()
    }

    fn append(&mut self, envelope: &Envelope) {
        self.now += 1;
        let files = self.exporter.append(&Entry::stamp(self.now, envelope).unwrap()).unwrap();
        write(&self.directory, files);
        if self.state().size().is_multiple_of(ATTEST_EVERY) {
            self.attest();
        }
    }

    fn attest(&mut self) {
        let (size, digest) = (self.state().size(), self.state().digest());
        let root = self.exporter.history().replica().root();
        for node in 1..=3 {
            let payload = json!({"cluster": CLUSTER, "node": format!("node-{node}"), "incarnation": 1, "size": size,
                "root": root, "state_digest": digest});
            let (key_id, key) = (format!("node:node-{node}"), format!("message-{node}"));
            self.append(&sign(PayloadKind::StateAttestation, &payload, &key_id, &key));
        }
    }

    fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let statement = Statement {
            cluster: self.state().cluster().clone(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(self.now),
            expires_at: Some(TimestampMs(self.now + 3_600_000)),
            note: String::new(),
            body,
        };
        let text = self.state().statement_text(&statement).unwrap();
        let signature = OfficerKey::sign(&ssh(officer), OFFICER_NAMESPACE, text.as_bytes()).unwrap();
        Envelope {
            payload_type: PayloadKind::Statement.payload_type(),
            payload: text.into_bytes(),
            signatures: vec![EnvelopeSignature { key_id: key_id("officer", officer), signature }],
        }
    }

    fn approved(&mut self, body: StatementBody) -> CeremonyId {
        let proposal = self.statement("alice", body);
        let ceremony = CeremonyId::of(&StatementDigest::of(&proposal.payload));
        self.append(&proposal);
        for officer in ["alice", "bob"] {
            let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony));
            self.append(&approval);
        }
        ceremony
    }

    /// A wallet and its payees.
    fn prepare(&mut self) {
        let nodes: Vec<_> = self.state().roster().nodes().iter().map(|node| node.id.clone()).collect();
        let wallet = WalletId::new("hot-1").unwrap();
        let proposal = WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes };
        let ceremony = self.approved(StatementBody::ProposeWallet(proposal));
        for node in 1..=3 {
            let share = wallet_public();
            let payload = json!({"cluster": CLUSTER, "ceremony": ceremony, "node": format!("node-{node}"), "wallet": "hot-1",
                "epoch": 0, "engine": "test", "public_key": share, "chain_code": format!("0x{}", "11".repeat(32)),
                "verifying_shares": [share, share, share], "transcript": format!("0x{}", "aa".repeat(32)),
                "backup_restored": true});
            let (key_id, key) = (format!("node:node-{node}"), format!("message-{node}"));
            self.append(&sign(PayloadKind::KeygenConfirmation, &payload, &key_id, &key));
        }
        let payload = json!({"cluster": CLUSTER, "ceremony": ceremony, "wallet": "hot-1", "epoch": 0});
        self.append(&sign(PayloadKind::EpochActivated, &payload, "coordinator:main", "entry"));
        for payee in 0..PAYEES {
            let proposal = WhitelistProposal {
                chain_id: ChainId(1),
                address: address(payee),
                assets: vec!["ETH".parse().unwrap(), "USDT".parse().unwrap()],
                customer: None,
                not_before: None,
                expires_at: TimestampMs(START + 7_000_000_000),
            };
            self.approved(StatementBody::ProposeWhitelistEntry(proposal));
        }
    }

    /// A withdrawal from its session report to its signature; `false` at the end of the log.
    fn withdraw(&mut self, prepared: &Prepared, entries: u64) -> bool {
        assert!(self.now < prepared.at, "the log is behind its plan");
        self.now = prepared.at;
        let mut steps = vec![prepared.session.clone(), prepared.request.clone()];
        steps.extend(prepared.repeated.then(|| prepared.request.clone()));
        for step in &steps {
            self.append(step);
        }
        if prepared.held {
            for officer in ["alice", "bob"] {
                let approval = self.statement(officer, StatementBody::ApproveHold(prepared.id));
                self.append(&approval);
            }
        }
        if !prepared.denied {
            self.append(&prepared.authorize);
            self.append(&prepared.signature);
            let state = self.state().withdrawal(&prepared.id).unwrap();
            assert!(state.signature.is_some(), "{:?}", state.decision);
        }
        self.state().size() < entries
    }

    fn finish(self) {
        let replica = self.exporter.history().replica();
        let origin = Origin::of_cluster(CLUSTER).unwrap();
        let checkpoint = Checkpoint { origin: origin.clone(), size: replica.size(), root: replica.root() };
        let signed = LogSigner::new(origin, ed25519("log")).sign(&checkpoint).unwrap();
        let cosigned = [1, 3].into_iter().fold(signed, |signed, node| {
            let name = KeyName::of_node(CLUSTER, &format!("node-{node}")).unwrap();
            let cosigner = Cosigner::new(name, ed25519(&format!("cosign-{node}")));
            signed.with_cosignature(&cosigner.cosign(&checkpoint, self.now / 1000).unwrap()).unwrap()
        });
        let (files, _) = self.exporter.finish(&cosigned.to_bytes()).unwrap();
        write(&self.directory, files);
    }
}

fn write(directory: &Path, files: Vec<ExportFile>) {
    for file in files {
        let path = directory.join(file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.bytes).unwrap();
    }
}

fn genesis() -> Entry {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str| {
        json!({"name": name, "roles": ["security-officer", "withdrawal-approver"],
            "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()})
    };
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"), "region": format!("region-{i}"),
            "cosigning_key": key(&format!("cosign-{i}")), "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    let document = json!({
        "version": 1, "rules_version": 1, "cluster": CLUSTER, "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0},
        "officers": [officer("alice"), officer("bob")],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"], "expires_at_ms": START + 10_000_000_000_u64}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": [node(1), node(2), node(3)],
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": USDT, "decimals": 6},
                   {"symbol": "ETH", "chain_id": 1, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0,
        "policy": include_str!("../../../policy/fixtures/demo-policy.toml"),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01",
            "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    });
    let bytes = serde_json::to_vec(&document).unwrap();
    let signatures = ["alice", "bob"].map(|name| {
        (OfficerId::new(name).unwrap(), OfficerKey::sign(&ssh(name), GENESIS_NAMESPACE, &bytes).unwrap())
    });
    Genesis::assemble(&bytes, &signatures).unwrap()
}

fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn ssh(name: &str) -> ssh_key::PrivateKey {
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed(name)))
}

fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&seed(name))
}

/// The whole key of the test's wallet.
pub(crate) fn wallet_key() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn wallet_public() -> PublicKey {
    PublicKey::from_sec1(wallet_key().verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn sign(kind: PayloadKind, payload: &Value, key_id: &str, key: &str) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, key_id, &ed25519(key)).unwrap()
}

fn address(number: u64) -> Address {
    let hash = Sha256::digest(number.to_be_bytes());
    Address::from_bytes(<[u8; 20]>::try_from(&hash[..20]).unwrap())
}

fn transfer(to: Address, usdt: u128, nonce: u64, eth: bool) -> UnsignedTransaction {
    let (contract, amount) = if eth {
        (None, usdt * 100_000_000_000_000)
    } else {
        (Some(Address::parse(USDT).unwrap()), usdt * 1_000_000)
    };
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer { contract, to, amount: Amount::from_u128(amount) },
    };
    draft.build().unwrap()
}

fn wallet_signature(digest: &Digest) -> Signature {
    let signature: k256::ecdsa::Signature = wallet_key().sign_prehash(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    Signature::from_scalars(r.into(), s.into(), digest, &wallet_public()).unwrap()
}
