//! Officers: statements from a replayed log, SSH signatures, and the calls that deliver them.

use std::process::Command;
use std::time::Duration;

use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{
    CeremonyId, OFFICER_NAMESPACE, OfficerKey, PauseReceipt, PayloadKind, State, Statement, StatementBody,
    StatementDigest, WalletProposal, WhitelistProposal, WithdrawalId, key_id,
};
use holdfast_log::{Envelope, EnvelopeSignature, PayloadType};
use holdfast_policy::{NodeId, OfficerId, TimestampMs, WalletId};
use holdfast_proto::v1;
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_transport::Role;
use ssh_key::PrivateKey;
use tonic::Status;

use crate::cluster::Cluster;
use crate::{COORDINATOR, ENGINE, WALLET, eventually, now_ms};

const LIFE_MS: u64 = 60 * 60 * 1_000;
const CEREMONY: Duration = Duration::from_secs(90);

/// The proposal of a house entry for USDT on Ethereum.
pub fn house_entry(address: &str, expires_at_ms: u64) -> StatementBody {
    StatementBody::ProposeWhitelistEntry(WhitelistProposal {
        chain_id: ChainId(1),
        address: Address::parse(address).unwrap(),
        assets: vec!["USDT".parse().unwrap()],
        customer: None,
        not_before: None,
        expires_at: TimestampMs(expires_at_ms),
    })
}

/// An officer with an SSH key.
#[derive(Clone, Debug)]
pub struct Officer<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Cluster {
    /// `alice` and `bob` are security officers and approve withdrawals; `carol` approves withdrawals only.
    pub fn officer(&self, name: &str) -> Officer<'_> {
        Officer { cluster: self, name: name.to_owned() }
    }

    /// Creates a wallet by a ceremony that two officers approve; waits until it is in force.
    pub async fn create_wallet(&self, wallet: &str) -> v1::Ceremony {
        let ceremony = self.start_wallet(wallet).await;
        self.ceremony_reaches(&ceremony, v1::CeremonyPhase::Activated).await
    }

    /// Proposes a wallet and approves it by two officers; returns the ceremony's id while the nodes generate the key.
    pub async fn start_wallet(&self, wallet: &str) -> String {
        let (alice, bob) = (self.officer("alice"), self.officer("bob"));
        let ceremony = alice.propose_wallet(wallet).await.unwrap();
        alice.approve(&ceremony.id).await.unwrap();
        bob.approve(&ceremony.id).await.unwrap();
        ceremony.id
    }

    /// A proposal of a wallet with the cluster's committee.
    pub fn wallet_proposal(&self, state: &State, wallet: &str) -> StatementBody {
        let threshold = state.genesis().document.threshold;
        StatementBody::ProposeWallet(WalletProposal {
            wallet: WalletId::new(wallet).unwrap(),
            engine: ENGINE.to_owned(),
            t: threshold.t,
            n: threshold.n,
            nodes: state.roster().nodes().iter().map(|node| node.id.clone()).collect(),
        })
    }

    /// Waits for a ceremony's phase.
    pub async fn ceremony_reaches(&self, id: &str, phase: v1::CeremonyPhase) -> v1::Ceremony {
        let what = format!("ceremony {id} is {}", phase.as_str_name());
        let reached = eventually(&what, CEREMONY, || async {
            let ceremony = self.ceremony(id).await.map_err(|status| format!("{status:?}"))?;
            let seen = || format!("{} {:?}", ceremony.phase().as_str_name(), ceremony.blocked_by);
            if ceremony.phase() == phase { Ok(Box::new(ceremony)) } else { Err(seen()) }
        });
        *reached.await
    }

    /// One ceremony.
    pub async fn ceremony(&self, id: &str) -> Result<v1::Ceremony, Status> {
        let channel = self.to_coordinator(Role::Officer, "alice").await;
        let request = v1::GetCeremonyRequest { ceremony_id: id.to_owned() };
        Ok(CeremonyServiceClient::new(channel).get(request).await?.into_inner())
    }

    /// A pause that this node alone has, of an officer who left before any log took it: no log ever will.
    ///
    /// # Panics
    /// When a step of it fails.
    pub async fn pause_of_an_officer_who_left(&self, node: &str, officer: &str) -> StatementDigest {
        let (log, leaver) = (self.download().await, self.officer(officer));
        self.kill_9(COORDINATOR);
        let text = leaver.statement(log.state(), StatementBody::PauseWallet(WALLET.parse().unwrap()));
        leaver.deliver(node, &leaver.sign(&text)).await.unwrap();
        self.kill_9(node);
        self.bring_up(COORDINATOR).await;
        let terminal = self.terminal();
        let removal = terminal.ok(&format!("roster remove-officer {officer} --officer alice --yes"));
        terminal.approve(removal["id"].as_str().unwrap(), &["alice", "bob"]);
        self.bring_up(node).await;
        StatementDigest::of(text.as_bytes())
    }

    /// Whitelists an address for USDT as a house entry; returns the entry's id.
    pub async fn whitelist(&self, address: &str, expires_at_ms: u64) -> String {
        let (alice, bob) = (self.officer("alice"), self.officer("bob"));
        let ceremony = alice.propose_whitelist_entry(address, expires_at_ms).await.unwrap();
        alice.approve(&ceremony.id).await.unwrap();
        let done = bob.approve(&ceremony.id).await.unwrap();
        assert_eq!(done.phase(), v1::CeremonyPhase::Activated);
        done.result_ids[0].clone()
    }
}

impl Officer<'_> {
    /// The statement's exact text on this state of the log.
    pub fn statement(&self, state: &State, body: StatementBody) -> String {
        let now = now_ms();
        let statement = Statement {
            cluster: state.cluster().clone(),
            officer: OfficerId::new(&*self.name).unwrap(),
            issued_at: TimestampMs(now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(now + LIFE_MS)),
            note: String::new(),
            body,
        };
        state.statement_text(&statement).unwrap()
    }

    /// Signs with the key file, as our tool does.
    pub fn sign(&self, text: &str) -> Envelope {
        let key = PrivateKey::read_openssh_file(&self.key_file()).unwrap();
        self.envelope(text, OfficerKey::sign(&key, OFFICER_NAMESPACE, text.as_bytes()).unwrap())
    }

    /// Signs with the real `ssh-keygen -Y sign`.
    pub fn sign_with_ssh_keygen(&self, text: &str) -> Envelope {
        let path = self.cluster.path(&format!("statement-{}.txt", self.cluster.fresh_number()));
        std::fs::write(&path, text).unwrap();
        let signed = Command::new("ssh-keygen")
            .args(["-Y", "sign", "-n", "holdfast-statement", "-f"])
            .arg(self.key_file())
            .arg(&path)
            .output()
            .expect("`ssh-keygen` (Debian package openssh-client)");
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        self.envelope(text, std::fs::read(path.with_extension("txt.sig")).unwrap())
    }

    /// A signed statement about the log as it is now.
    pub async fn says(&self, body: StatementBody) -> Envelope {
        let log = self.cluster.download().await;
        self.sign(&self.statement(log.state(), body))
    }

    fn envelope(&self, text: &str, signature: Vec<u8>) -> Envelope {
        let signature = EnvelopeSignature { key_id: key_id("officer", &self.name), signature };
        Envelope::new(PayloadKind::Statement.payload_type(), text.as_bytes().to_vec(), vec![signature])
            .unwrap()
    }

    fn key_file(&self) -> std::path::PathBuf {
        self.cluster.path("officers").join(&self.name)
    }

    /// Proposes a wallet with the cluster's committee.
    pub async fn propose_wallet(&self, wallet: &str) -> Result<v1::Ceremony, Status> {
        let log = self.cluster.download().await;
        let body = self.cluster.wallet_proposal(log.state(), wallet);
        self.propose(&self.sign(&self.statement(log.state(), body))).await
    }

    /// Proposes a house entry for USDT.
    pub async fn propose_whitelist_entry(
        &self,
        address: &str,
        expires_at_ms: u64,
    ) -> Result<v1::Ceremony, Status> {
        let body = house_entry(address, expires_at_ms);
        let request = v1::AddWhitelistEntryRequest { envelope: self.says(body).await.to_json() };
        let channel = self.cluster.to_coordinator(Role::Officer, &self.name).await;
        Ok(WhitelistServiceClient::new(channel).add(request).await?.into_inner())
    }

    /// Proposes to lift every pause in force.
    pub async fn propose_resume(&self, wallet: &str) -> Result<v1::Ceremony, Status> {
        let log = self.cluster.download().await;
        let wallet = log.state().wallet(&WalletId::new(wallet).unwrap()).unwrap();
        let lifts = wallet.pauses.iter().map(|pause| pause.statement).collect();
        let body = StatementBody::ProposeResume { wallet: wallet.id.clone(), lifts };
        self.propose(&self.sign(&self.statement(log.state(), body))).await
    }

    async fn propose(&self, envelope: &Envelope) -> Result<v1::Ceremony, Status> {
        let channel = self.cluster.to_coordinator(Role::Officer, &self.name).await;
        let request = v1::ProposeCeremonyRequest { envelope: envelope.to_json() };
        Ok(CeremonyServiceClient::new(channel).propose(request).await?.into_inner())
    }

    /// Approves a ceremony.
    pub async fn approve(&self, ceremony: &str) -> Result<v1::Ceremony, Status> {
        let id: CeremonyId = ceremony.parse().unwrap();
        let envelope = self.says(StatementBody::ApproveCeremony(id)).await;
        let channel = self.cluster.to_coordinator(Role::Officer, &self.name).await;
        let request = v1::ApproveCeremonyRequest { envelope: envelope.to_json() };
        Ok(CeremonyServiceClient::new(channel).approve(request).await?.into_inner())
    }

    /// Approves a held withdrawal with a signed statement.
    pub async fn approve_hold(&self, envelope: &Envelope) -> Result<v1::Withdrawal, Status> {
        let channel = self.cluster.to_coordinator(Role::Officer, &self.name).await;
        let request = v1::ApproveHoldRequest { envelope: envelope.to_json() };
        Ok(WithdrawalServiceClient::new(channel).approve_hold(request).await?.into_inner())
    }

    /// Rejects a held withdrawal.
    pub async fn reject_hold(&self, withdrawal: &str) -> Result<v1::Withdrawal, Status> {
        let id: WithdrawalId = withdrawal.parse().unwrap();
        let envelope = self.says(StatementBody::RejectHold(id)).await.to_json();
        let channel = self.cluster.to_coordinator(Role::Officer, &self.name).await;
        let request = v1::RejectHoldRequest { envelope };
        Ok(WithdrawalServiceClient::new(channel).reject_hold(request).await?.into_inner())
    }

    /// Hands a statement to a node itself and returns the receipt's bytes.
    pub async fn deliver(&self, node: &str, envelope: &Envelope) -> Result<Vec<u8>, Status> {
        let channel = self.cluster.channel(Role::Officer, &self.name, node).await;
        let request = v1::DeliverRequest { envelope: envelope.to_json() };
        Ok(OfficerServiceClient::new(channel).deliver(request).await?.into_inner().receipt_envelope)
    }

    /// What was delivered to a node.
    pub async fn statements_at(&self, node: &str) -> Vec<v1::DeliveredStatement> {
        let channel = self.cluster.channel(Role::Officer, &self.name, node).await;
        let listed = OfficerServiceClient::new(channel).statements(v1::StatementsRequest::default()).await;
        listed.unwrap().into_inner().statements
    }

    /// Reads a receipt and checks the node's signature with the key in genesis.
    pub fn verify_receipt(&self, state: &State, node: &str, receipt: &[u8]) -> PauseReceipt {
        let receipt = Envelope::parse(receipt).unwrap();
        assert_eq!(receipt.payload_type, PayloadType::from_static(PauseReceipt::PAYLOAD_TYPE));
        let key = state.roster().node(&NodeId::new(node).unwrap()).unwrap().message_key;
        let [signature] = receipt.signatures.as_slice() else { panic!("one signature") };
        assert_eq!(signature.key_id, key_id("node", node));
        signature.verify_ed25519(&receipt.payload_type, &receipt.payload, &key).unwrap();
        serde_json::from_slice(&receipt.payload).unwrap()
    }
}
