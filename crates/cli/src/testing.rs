//! A cell for tests: made by `init --demo`, with a log in memory that its own key files signed.

#![expect(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "test: small numbers")]

use std::path::Path;

use holdfast_audit::History;
use holdfast_chains::{Digest, PublicKey, Signature, UnsignedTransaction};
use holdfast_ledger::{
    CeremonyId, MigrationProposal, NextChainCode, Outcome, PayloadKind, ReplacementAction,
    ReplacementRequest, State, Statement, StatementBody, WalletProposal, WhitelistProposal, WithdrawalId,
    WithdrawalKind, WithdrawalRequest, key_id,
};
use holdfast_log::{
    Checkpoint, Cosigner, Entry, Envelope, KeyName, LogSigner, MemoryTree, Origin, SignedCheckpoint,
    TlogProof,
};
use holdfast_policy::WalletId;
use holdfast_proto::v1;
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::init::{DemoArgs, DemoCell, make_demo};
use crate::keys;
use crate::output::Output;
use crate::session::Session;
use crate::statement::{Describes, Prepared, Signing, until};
use crate::withdraw::{Order, TransactionParts};

pub(crate) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";

pub(crate) struct TestCell {
    pub(crate) session: Session,
    pub(crate) cell: DemoCell,
    pub(crate) history: History,
    pub(crate) log: Vec<Entry>,
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) fn wallet_public() -> PublicKey {
    public_of(7)
}

fn public_of(seed: u8) -> PublicKey {
    PublicKey::from_sec1(secret(seed).verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

fn wallet_key() -> k256::ecdsa::SigningKey {
    secret(7)
}

fn secret(seed: u8) -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn signing(officer: &str) -> Signing {
    Signing { officer: Some(officer.to_owned()), yes: true, brief: true, ..Signing::default() }
}

/// A state that no log was downloaded for.
impl Describes for State {
    fn text(&self, statement: &Statement) -> Result<String, Failure> {
        Ok(self.statement_text(statement)?)
    }

    fn provenance(&self) -> String {
        "a state in memory".to_owned()
    }

    fn staleness(&self) -> Option<String> {
        None
    }
}

impl TestCell {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::silent();
        let cell = make_demo(output, &directory.path().join("cell"), &DemoArgs::default()).unwrap();
        let session = Session::open(&cell.profile(), output).unwrap();
        let genesis =
            Entry::parse(&std::fs::read(cell.directory.join("genesis.entry.json")).unwrap()).unwrap();
        let history = History::begin(&genesis, &session.profile.genesis_sha256).unwrap();
        Self { session, cell, history, log: vec![genesis], directory }
    }

    /// With wallet `hot-1`, a whitelisted payee and a session report.
    pub(crate) fn ready() -> Self {
        let mut cell = Self::new();
        cell.create_wallet();
        cell.whitelist();
        let cluster = cell.session.cluster().to_owned();
        let report = json!({"cluster": cluster, "provider": "sessions", "sequence": 1, "customer": "c-1",
            "observed_at_ms": crate::clock::now(), "new_device": false, "second_factor_reset": false});
        cell.accept(&cell.sign(
            PayloadKind::SessionReport,
            &report,
            "provider:sessions",
            "provider/sessions.key",
        ));
        cell
    }

    pub(crate) fn state(&self) -> &State {
        self.history.state()
    }

    pub(crate) fn submit(&mut self, envelope: &Envelope) -> Outcome {
        let time = crate::clock::now().0.max(self.state().last_time().0);
        let entry = Entry::stamp(time, envelope).unwrap();
        let outcome = self.history.append(&entry).unwrap().outcome;
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
        match signing(officer).prepare(&self.session, self.state(), body).unwrap() {
            Prepared::Signed(signed) => signed.envelope,
            Prepared::Written(_) => panic!("nothing was to be written"),
        }
    }

    pub(crate) fn approved(&mut self, body: StatementBody) -> CeremonyId {
        let ceremony = self.accept(&self.statement("alice", body)).ceremony.unwrap();
        for officer in ["alice", "bob"] {
            self.accept(&self.statement(officer, StatementBody::ApproveCeremony(ceremony)));
        }
        ceremony
    }

    pub(crate) fn wallet_proposal(&self) -> StatementBody {
        let nodes = self.session.genesis.roster.nodes().iter().map(|node| node.id.clone()).collect();
        let wallet = WalletId::new("hot-1").unwrap();
        StatementBody::ProposeWallet(WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes })
    }

    fn create_wallet(&mut self) {
        let ceremony = self.approved(self.wallet_proposal());
        self.make_shares(ceremony, 0, &wallet_public(), 0x11);
    }

    /// New shares of `hot-1`; the nodes agree this chain code if it is to be a fresh one.
    pub(crate) fn migrate(&mut self, next: NextChainCode, chain_code: u8) -> CeremonyId {
        let proposal = self.migration(next);
        let epoch = proposal.epoch();
        let ceremony = self.approved(StatementBody::ProposeMigration(proposal));
        self.make_shares(ceremony, epoch, &public_of(u8::try_from(epoch).unwrap() + 20), chain_code);
        ceremony
    }

    pub(crate) fn migration(&self, chain_code: NextChainCode) -> MigrationProposal {
        let wallet = self.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
        MigrationProposal {
            wallet: wallet.id.clone(),
            from_engine: wallet.engine.clone(),
            engine: "test".to_owned(),
            from_epoch: wallet.epoch,
            chain_code,
            givers: wallet.nodes[..2].to_vec(),
            receivers: wallet.nodes.clone(),
        }
    }

    fn make_shares(&mut self, ceremony: CeremonyId, epoch: u32, share: &PublicKey, chain_code: u8) {
        let (cluster, code) = (self.session.cluster().to_owned(), hex::encode([chain_code; 32]));
        for i in 1..=3 {
            let payload = json!({"cluster": cluster, "ceremony": ceremony, "node": format!("node-{i}"), "wallet": "hot-1",
                "epoch": epoch, "engine": "test", "public_key": wallet_public(), "chain_code": format!("0x{code}"),
                "verifying_shares": [share, share, share], "transcript": format!("0x{}", "aa".repeat(32)), "backup_restored": true});
            let (keyid, key) = (format!("node:node-{i}"), format!("node-{i}/message.key"));
            self.accept(&self.sign(PayloadKind::KeygenConfirmation, &payload, &keyid, &key));
        }
        let payload = json!({"cluster": cluster, "ceremony": ceremony, "wallet": "hot-1", "epoch": epoch});
        self.accept(&self.coordinator(PayloadKind::EpochActivated, &payload));
    }

    /// A node says that its shares of `hot-1` of this epoch are erased.
    pub(crate) fn erased(&mut self, node: u8, epoch: u32) {
        let payload = json!({"cluster": self.session.cluster(), "node": format!("node-{node}"), "incarnation": 1,
            "wallet": "hot-1", "epoch": epoch});
        let (keyid, key) = (format!("node:node-{node}"), format!("node-{node}/message.key"));
        self.accept(&self.sign(PayloadKind::SharesErased, &payload, &keyid, &key));
    }

    fn whitelist(&mut self) {
        let proposal = WhitelistProposal {
            chain_id: holdfast_chains::ChainId(1),
            address: holdfast_chains::Address::parse(PAYEE).unwrap(),
            assets: vec!["USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: until(std::time::Duration::from_secs(3600)),
        };
        self.approved(StatementBody::ProposeWhitelistEntry(proposal));
    }

    pub(crate) fn sign(&self, kind: PayloadKind, payload: &Value, keyid: &str, key: &str) -> Envelope {
        let key = keys::ed25519(&self.cell.directory.join(key)).unwrap();
        let payload = serde_json::to_vec(payload).unwrap();
        Envelope::sign_ed25519(kind.payload_type(), payload, keyid, &key).unwrap()
    }

    fn coordinator(&self, kind: PayloadKind, payload: &Value) -> Envelope {
        self.sign(kind, payload, "coordinator:coordinator", "coordinator/entry.key")
    }

    pub(crate) fn request(&self, amount: &str) -> WithdrawalRequest {
        self.request_under("k-1", amount, 0)
    }

    pub(crate) fn request_under(&self, key: &str, amount: &str, nonce: u64) -> WithdrawalRequest {
        let order = Order {
            amount: amount.to_owned(),
            to: PAYEE.to_owned(),
            calldata: None,
            wallet: WalletId::new("hot-1").unwrap(),
            customer: "c-1".parse().unwrap(),
            chain_id: 1,
            idempotency_key: Some(key.to_owned()),
            expires_in: std::time::Duration::from_secs(600),
            fee_cap: None,
            order: None,
            client: None,
            transaction: TransactionParts {
                nonce: Some(nonce),
                max_fee_gwei: Some(30_000_000_000),
                ..TransactionParts::default()
            },
        };
        order.request(&self.session).unwrap()
    }

    pub(crate) fn ask(&mut self, request: &WithdrawalRequest) -> WithdrawalId {
        let key = keys::ed25519(&self.cell.directory.join("client/pipeline.key")).unwrap();
        let kind = PayloadKind::WithdrawalRequest.payload_type();
        let envelope =
            Envelope::sign_ed25519(kind, request.to_json(), &key_id("client", "pipeline"), &key).unwrap();
        self.accept(&envelope).withdrawal.unwrap()
    }

    /// A withdrawal that was signed, as an honest coordinator would answer it.
    pub(crate) fn signed(&mut self) -> v1::Withdrawal {
        self.sign_request(&self.request("1250 USDT"))
    }

    /// The same, of this request.
    pub(crate) fn sign_request(&mut self, request: &WithdrawalRequest) -> v1::Withdrawal {
        let id = self.ask(request);
        self.sign_withdrawal(&id)
    }

    /// A replacement of a withdrawal, with this transaction.
    pub(crate) fn replacement(
        &mut self,
        of: &WithdrawalId,
        action: ReplacementAction,
        transaction: &UnsignedTransaction,
    ) -> WithdrawalId {
        let now = crate::clock::now();
        let request = ReplacementRequest {
            cluster: self.session.genesis.document.cluster.clone(),
            client: "pipeline".parse().unwrap(),
            of: *of,
            action,
            fee_cap: transaction.effects().max_fee,
            idempotency_key: format!("r-{}", self.log.len()),
            created_at_ms: now,
            expires_at_ms: crate::clock::after(now, std::time::Duration::from_secs(600)),
            transaction: Some(transaction.to_hex()),
        };
        let key = keys::ed25519(&self.cell.directory.join("client/pipeline.key")).unwrap();
        let kind = PayloadKind::ReplacementRequest.payload_type();
        let envelope =
            Envelope::sign_ed25519(kind, request.to_json(), &key_id("client", "pipeline"), &key).unwrap();
        self.accept(&envelope).withdrawal.unwrap()
    }

    /// Authorizes and signs a withdrawal of the wallet's own address; as an honest coordinator would answer it.
    pub(crate) fn sign_withdrawal(&mut self, id: &WithdrawalId) -> v1::Withdrawal {
        let bound = self.state().withdrawal(id).unwrap().transaction.clone().unwrap();
        let cluster = self.session.cluster().to_owned();
        let digest = bound.signing_hash;
        self.accept(&self.coordinator(
            PayloadKind::Authorize,
            &json!({"cluster": cluster, "withdrawal": id, "digests": [digest]}),
        ));
        let authorization = self.log.last().unwrap().bytes().to_vec();
        let signature = wallet_signature(&digest);
        self.accept(&self.coordinator(
            PayloadKind::SignatureLogged,
            &json!({"cluster": cluster, "withdrawal": id, "digest_index": 0, "signature": signature, "signers": ["node-1", "node-2"]}),
        ));
        let signed =
            holdfast_chains::SignedTransaction::assemble(&bound.transaction, &signature, &wallet_public())
                .unwrap();
        let last = self.log.len() - 1;
        let receipt = v1::Receipt {
            request_entry: self.request_entry(id),
            signature: signature.to_bytes().to_vec(),
            signing_hash: digest.0.to_vec(),
            raw_transaction: signed.raw().to_vec(),
            transaction_hash: signed.hash().0.to_vec(),
            address: wallet_public().address().to_string(),
            public_key: wallet_public().as_bytes().to_vec(),
            tlog_proof: self.proof(last, &[1, 2]),
            authorization_proof: self.proof(last - 1, &[1, 2]),
            signature_entry: self.log[last].bytes().to_vec(),
            authorization_entry: authorization,
            replaced_request_entries: self.replaced_request_entries(id),
        };
        self.shown(id, receipt)
    }

    fn request_entry(&self, id: &WithdrawalId) -> Vec<u8> {
        let position = self.state().withdrawal(id).unwrap().positions.request;
        self.log[usize::try_from(position).unwrap()].bytes().to_vec()
    }

    fn replaced_request_entries(&self, id: &WithdrawalId) -> Vec<Vec<u8>> {
        let replaces = |id: &WithdrawalId| self.state().withdrawal(id)?.replaces();
        std::iter::successors(replaces(id), replaces).map(|id| self.request_entry(&id)).collect()
    }

    fn shown(&self, id: &WithdrawalId, receipt: v1::Receipt) -> v1::Withdrawal {
        let withdrawal = self.state().withdrawal(id).unwrap();
        let (request, bound) = (&withdrawal.request, withdrawal.transaction.as_ref().unwrap());
        let kind = match withdrawal.kind {
            WithdrawalKind::Payment => v1::WithdrawalKind::Payment,
            WithdrawalKind::FeeBump(_) => v1::WithdrawalKind::FeeBump,
            WithdrawalKind::CancelOnChain(_) => v1::WithdrawalKind::CancelOnChain,
            WithdrawalKind::Sweep => v1::WithdrawalKind::Sweep,
        };
        v1::Withdrawal {
            id: id.to_string(),
            client: request.client.to_string(),
            wallet: request.wallet.to_string(),
            asset: request.asset.to_string(),
            amount: request.amount.to_string(),
            destination: request.destination.to_string(),
            customer: request.customer.to_string(),
            idempotency_key: request.idempotency_key.clone(),
            state: v1::WithdrawalState::Signed.into(),
            kind: kind.into(),
            replaces: withdrawal.replaces().map(|of| of.to_string()).unwrap_or_default(),
            unsigned_transaction: bound.transaction.as_bytes().to_vec(),
            receipt: Some(receipt),
            ..v1::Withdrawal::default()
        }
    }

    /// A proof of an entry under a checkpoint cosigned by these nodes.
    pub(crate) fn proof(&self, index: usize, cosigners: &[u8]) -> Vec<u8> {
        let tree = MemoryTree::from_leaf_hashes(self.log.iter().map(Entry::leaf_hash)).unwrap();
        let inclusion = tree.inclusion_proof(index as u64, tree.size()).unwrap();
        TlogProof::new(index as u64, inclusion, self.checkpoint(cosigners)).to_bytes()
    }

    pub(crate) fn checkpoint(&self, cosigners: &[u8]) -> SignedCheckpoint {
        let now_s = crate::clock::now().0 / 1000;
        let times: Vec<_> = cosigners.iter().map(|i| (*i, now_s)).collect();
        self.checkpoint_at(&times)
    }

    /// A checkpoint that these nodes cosigned at these times in seconds.
    pub(crate) fn checkpoint_at(&self, cosigners: &[(u8, u64)]) -> SignedCheckpoint {
        let tree = MemoryTree::from_leaf_hashes(self.log.iter().map(Entry::leaf_hash)).unwrap();
        let cluster = self.session.cluster();
        let origin = Origin::of_cluster(cluster).unwrap();
        let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
        let key = |name: &str| keys::ed25519(&self.cell.directory.join(name)).unwrap();
        let signed = LogSigner::new(origin, key("coordinator/log.key")).sign(&checkpoint).unwrap();
        cosigners.iter().fold(signed, |signed, (i, time_s)| {
            let name = KeyName::of_node(cluster, &format!("node-{i}")).unwrap();
            let cosigner = Cosigner::new(name, key(&format!("node-{i}/cosigning.key")));
            signed.with_cosignature(&cosigner.cosign(&checkpoint, *time_s).unwrap()).unwrap()
        })
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.directory.path(), name)
    }
}

fn wallet_signature(digest: &Digest) -> Signature {
    let signature: k256::ecdsa::Signature = wallet_key().sign_prehash(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    Signature::from_scalars(r.into(), s.into(), digest, &wallet_public()).unwrap()
}
