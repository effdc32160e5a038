//! A cell in memory with keys of its own, its log, and the export of it.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use holdfast_audit::{Finding, Verified, export, verify};
use holdfast_chains::{
    Address, Amount, ChainId, Digest, Eip1559Draft, PublicKey, Signature, Transfer, UnsignedTransaction,
};
use holdfast_ledger::{
    CeremonyId, GENESIS_NAMESPACE, Genesis, OFFICER_NAMESPACE, OfficerKey, Outcome, PayloadKind, State,
    Statement, StatementBody, WalletProposal, WhitelistProposal, WithdrawalId, key_id,
};
use holdfast_log::{
    Checkpoint, Cosigner, Entry, Envelope, EnvelopeSignature, KeyName, LogSigner, MemoryTree, Origin,
    SignedCheckpoint,
};
use holdfast_policy::{OfficerId, TimestampMs, WalletId};
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const START: u64 = 1_763_700_000_000;
pub(crate) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
pub(crate) const THIEF: &str = "0xdD870fA1b7C4700F2BD7f44238821C26f7392148";
pub(crate) const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

/// An export: file names and contents.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) struct Cell {
    pub(crate) state: State,
    pub(crate) log: Vec<Entry>,
    pub(crate) now: u64,
    sequence: u64,
}

fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn ssh(name: &str) -> ssh_key::PrivateKey {
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed(name)))
}

pub(crate) fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&seed(name))
}

fn wallet_key() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

fn wallet_public() -> PublicKey {
    PublicKey::from_sec1(wallet_key().verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn genesis() -> Entry {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str, roles: &[&str]| json!({"name": name, "roles": roles, "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()});
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"), "region": format!("region-{i}"),
               "cosigning_key": key(&format!("cosign-{i}")), "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    let document = json!({
        "version": 1, "rules_version": 1, "cluster": "demo-1", "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0},
        "officers": [officer("alice", &["security-officer", "withdrawal-approver"]),
                     officer("bob", &["security-officer", "withdrawal-approver"])],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"], "expires_at_ms": START + 1_000_000_000}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": [node(1), node(2), node(3)],
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": USDT, "decimals": 6},
                   {"symbol": "ETH", "chain_id": 1, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0,
        "policy": include_str!("../../../policy/fixtures/demo-policy.toml"),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01", "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    });
    let bytes = serde_json::to_vec(&document).unwrap();
    let signatures = ["alice", "bob"].map(|name| {
        (OfficerId::new(name).unwrap(), OfficerKey::sign(&ssh(name), GENESIS_NAMESPACE, &bytes).unwrap())
    });
    Genesis::assemble(&bytes, &signatures).unwrap()
}

impl Cell {
    pub(crate) fn new() -> Self {
        let genesis = genesis();
        let state = State::from_genesis(&genesis).unwrap();
        Self { state, log: vec![genesis], now: START + 1000, sequence: 0 }
    }

    /// A cell with wallet `hot-1`, a whitelisted payee and a session report.
    pub(crate) fn ready() -> Self {
        let mut cell = Self::new();
        cell.create_wallet();
        cell.whitelist();
        cell.session();
        cell
    }

    pub(crate) fn pinned(&self) -> [u8; 32] {
        self.state.genesis().hash
    }

    pub(crate) fn submit(&mut self, envelope: &Envelope) -> Outcome {
        self.now += 1;
        let entry = Entry::stamp(self.now, envelope).unwrap();
        let outcome = self.state.apply(&entry).unwrap().outcome;
        self.log.push(entry);
        outcome
    }

    pub(crate) fn accept(&mut self, envelope: &Envelope) -> holdfast_ledger::Admission {
        match self.submit(envelope) {
            Outcome::Admitted(admission) => admission,
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }

    pub(crate) fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let statement = Statement {
            cluster: self.state.cluster().clone(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(self.now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(self.now + 3_600_000)),
            note: String::new(),
            body,
        };
        let text = self.state.statement_text(&statement).unwrap();
        let signature = OfficerKey::sign(&ssh(officer), OFFICER_NAMESPACE, text.as_bytes()).unwrap();
        Envelope {
            payload_type: PayloadKind::Statement.payload_type(),
            payload: text.into_bytes(),
            signatures: vec![EnvelopeSignature { key_id: key_id("officer", officer), signature }],
        }
    }

    pub(crate) fn approved(&mut self, body: StatementBody) -> CeremonyId {
        let ceremony = self.accept(&self.statement("alice", body)).ceremony.unwrap();
        for officer in ["alice", "bob"] {
            self.accept(&self.statement(officer, StatementBody::ApproveCeremony(ceremony)));
        }
        ceremony
    }

    fn create_wallet(&mut self) {
        let nodes: Vec<_> = self.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
        let wallet = WalletId::new("hot-1").unwrap();
        let proposal = WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes };
        let ceremony = self.approved(StatementBody::ProposeWallet(proposal));
        for i in 1..=3 {
            let share = wallet_public();
            let payload = json!({"cluster": "demo-1", "ceremony": ceremony, "node": format!("node-{i}"), "wallet": "hot-1", "epoch": 0,
                "engine": "test", "public_key": share, "chain_code": format!("0x{}", "11".repeat(32)),
                "verifying_shares": [share, share, share], "transcript": format!("0x{}", "aa".repeat(32)), "backup_restored": true});
            let key = ed25519(&format!("message-{i}"));
            self.accept(&sign(PayloadKind::KeygenConfirmation, &payload, &format!("node:node-{i}"), &key));
        }
        let payload = json!({"cluster": "demo-1", "ceremony": ceremony, "wallet": "hot-1", "epoch": 0});
        self.accept(&coordinator(PayloadKind::EpochActivated, &payload));
    }

    fn whitelist(&mut self) {
        let proposal = WhitelistProposal {
            chain_id: ChainId(1),
            address: Address::parse(PAYEE).unwrap(),
            assets: vec!["ETH".parse().unwrap(), "USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(self.now + 1_000_000),
        };
        self.approved(StatementBody::ProposeWhitelistEntry(proposal));
    }

    pub(crate) fn session(&mut self) {
        self.sequence += 1;
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": self.sequence, "customer": "c-1",
            "observed_at_ms": self.now, "new_device": false, "second_factor_reset": false});
        self.accept(&sign(PayloadKind::SessionReport, &report, "provider:sessions", &ed25519("sessions")));
    }

    pub(crate) fn request(&self, key: &str, usdt: u128, transaction_to: &str, nonce: u64) -> Envelope {
        let request = json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "USDT", "chain_id": 1,
            "amount": (usdt * 1_000_000).to_string(), "destination": PAYEE, "fee_cap": "10000000000000000", "customer": "c-1",
            "idempotency_key": key, "created_at_ms": self.now, "expires_at_ms": self.now + 600_000,
            "transaction": transfer(transaction_to, usdt, nonce).to_hex()});
        sign(PayloadKind::WithdrawalRequest, &request, "client:pipeline", &ed25519("pipeline"))
    }

    /// Asks, authorizes and signs.
    pub(crate) fn pay(&mut self, key: &str, usdt: u128, nonce: u64) -> WithdrawalId {
        let id = self.accept(&self.request(key, usdt, PAYEE, nonce)).withdrawal.unwrap();
        self.sign_off(id);
        id
    }

    pub(crate) fn approve_hold(&mut self, id: WithdrawalId, officer: &str) {
        self.accept(&self.statement(officer, StatementBody::ApproveHold(id)));
    }

    pub(crate) fn authorize(&mut self, id: WithdrawalId) {
        let digest = self.state.withdrawal(&id).unwrap().transaction.as_ref().unwrap().signing_hash;
        let payload = json!({"cluster": "demo-1", "withdrawal": id, "digests": [digest]});
        self.accept(&coordinator(PayloadKind::Authorize, &payload));
    }

    pub(crate) fn sign_off(&mut self, id: WithdrawalId) {
        self.authorize(id);
        let digest = self.state.withdrawal(&id).unwrap().transaction.as_ref().unwrap().signing_hash;
        let payload = json!({"cluster": "demo-1", "withdrawal": id, "digest_index": 0,
            "signature": wallet_signature(&digest), "signers": ["node-1", "node-3"]});
        self.accept(&coordinator(PayloadKind::SignatureLogged, &payload));
    }

    /// The checkpoint of the first `size` entries, cosigned by these nodes.
    pub(crate) fn checkpoint(entries: &[Entry], cosigners: &[u8]) -> SignedCheckpoint {
        let times: Vec<_> = cosigners.iter().map(|i| (*i, START / 1000 + 60 + u64::from(*i))).collect();
        Self::checkpoint_at(entries, &times)
    }

    /// The same, cosigned by these nodes at these times in seconds.
    pub(crate) fn checkpoint_at(entries: &[Entry], cosigners: &[(u8, u64)]) -> SignedCheckpoint {
        let tree = MemoryTree::from_leaf_hashes(entries.iter().map(Entry::leaf_hash)).unwrap();
        let origin = Origin::of_cluster("demo-1").unwrap();
        let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
        let signed = LogSigner::new(origin, ed25519("log")).sign(&checkpoint).unwrap();
        cosigners.iter().fold(signed, |signed, (i, time_s)| {
            let name = KeyName::of_node("demo-1", &format!("node-{i}")).unwrap();
            let cosigner = Cosigner::new(name, ed25519(&format!("cosign-{i}")));
            signed.with_cosignature(&cosigner.cosign(&checkpoint, *time_s).unwrap()).unwrap()
        })
    }

    /// An honest export.
    pub(crate) fn export(&self) -> Files {
        let checkpoint = Self::checkpoint(&self.log, &[1, 3]).to_bytes();
        files(export(&self.log, &checkpoint, &self.pinned()).unwrap())
    }

    pub(crate) fn verify(&self, files: &Files) -> Result<Verified, Finding> {
        verify(|path| files.get(path).cloned(), &self.pinned())
    }
}

pub(crate) fn files(files: Vec<holdfast_log::ExportFile>) -> Files {
    files.into_iter().map(|file| (file.path, file.bytes)).collect()
}

pub(crate) fn sign(kind: PayloadKind, payload: &Value, keyid: &str, key: &SigningKey) -> Envelope {
    Envelope::sign_ed25519(kind.payload_type(), serde_json::to_vec(payload).unwrap(), keyid, key).unwrap()
}

pub(crate) fn coordinator(kind: PayloadKind, payload: &Value) -> Envelope {
    sign(kind, payload, "coordinator:main", &ed25519("entry"))
}

fn transfer(to: &str, usdt: u128, nonce: u64) -> UnsignedTransaction {
    priced(to, usdt, nonce, 1)
}

/// The same for so many times the fee.
pub(crate) fn priced(to: &str, usdt: u128, nonce: u64, times: u128) -> UnsignedTransaction {
    let transfer = Transfer {
        contract: Some(Address::parse(USDT).unwrap()),
        to: Address::parse(to).unwrap(),
        amount: Amount::from_u128(usdt * 1_000_000),
    };
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000 * times,
        max_priority_fee_per_gas: 1_000_000_000 * times,
        transfer,
    };
    draft.build().unwrap()
}

fn wallet_signature(digest: &Digest) -> Signature {
    let signature: k256::ecdsa::Signature = wallet_key().sign_prehash(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    Signature::from_scalars(r.into(), s.into(), digest, &wallet_public()).unwrap()
}
