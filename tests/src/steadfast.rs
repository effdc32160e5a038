//! Parties that do not give up, and that remember what they were told.
//!
//! Each act is signed once and its call repeated, with the same bytes, until somebody answers: servers may die meanwhile.
//! Everything that was acknowledged is kept, and [`Steadfast::check`] asks for all of it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_chains::Address;
use holdfast_ledger::{
    CeremonyId, IdentityReport, IdentitySubject, PayloadKind, StatementBody, StatementDigest, WalletProposal,
    Withdrawal, WithdrawalId, WithdrawalState, key_id,
};
use holdfast_log::{Entry, Envelope, Hash, RightEdge, TlogProof};
use holdfast_policy::{IntentDigest, ListId, ProviderId, TimestampMs, WalletId};
use holdfast_proto::v1::ceremony_service_client::CeremonyServiceClient;
use holdfast_proto::v1::fact_service_client::FactServiceClient;
use holdfast_proto::v1::log_service_client::LogServiceClient;
use holdfast_proto::v1::node_service_client::NodeServiceClient;
use holdfast_proto::v1::officer_service_client::OfficerServiceClient;
use holdfast_proto::v1::wallet_service_client::WalletServiceClient;
use holdfast_proto::v1::whitelist_service_client::WhitelistServiceClient;
use holdfast_proto::v1::withdrawal_service_client::WithdrawalServiceClient;
use holdfast_proto::{reason_of, v1};
use holdfast_transport::Role;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::officer::house_entry;
use crate::replica::LogCopy;
use crate::request::Request;
use crate::{CLIENT, COORDINATOR, ENGINE, NODES, now_ms};

mod migration;

/// How long a call is repeated: longer than a process takes to come back and a key to be made.
const PATIENCE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_millis(50);
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// The provider of the demo.
const PROVIDER: &str = "sessions";
/// USDT, in base units: more than goes without officers.
const HELD_ABOVE: u128 = 6_000_000_000;
/// Two officers make every quorum of the demo.
const OFFICERS: [&str; 2] = ["alice", "bob"];

/// All honest parties of a cluster.
#[derive(Debug)]
pub struct Steadfast<'a> {
    cluster: &'a Cluster,
    channels: Mutex<BTreeMap<(&'static str, String), Channel>>,
    told: Mutex<Told>,
}

/// What was acknowledged.
#[derive(Debug, Default)]
struct Told {
    /// The longest log that was shown.
    entries: Vec<Entry>,
    /// Withdrawals that were taken.
    submitted: BTreeSet<String>,
    /// Receipts of signed ones.
    receipts: BTreeMap<String, v1::Receipt>,
    /// Withdrawals that enough nodes swore off.
    tombstoned: BTreeSet<String>,
    /// Public keys of wallets that were activated.
    wallets: BTreeMap<String, Vec<u8>>,
    /// Whitelist entries that were activated.
    whitelisted: BTreeSet<String>,
    /// Addresses that officers put on lists.
    listed: BTreeSet<(ListId, Address)>,
    /// Node, statement and receipt.
    latches: Vec<(String, Envelope, Vec<u8>)>,
    /// What a node showed of its replica: size and root.
    tips: BTreeMap<String, BTreeMap<u64, Vec<u8>>>,
}

/// What the checks have looked at, so that a test can tell that something was there to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Withdrawals that were acknowledged.
    pub withdrawals: usize,
    /// Receipts with a signature.
    pub receipts: usize,
    /// Withdrawals that were given up.
    pub tombstoned: usize,
    /// Receipts for officers' statements.
    pub latches: usize,
    /// Tips that nodes showed or cosigned.
    pub tips: usize,
}

impl<'a> Steadfast<'a> {
    /// The parties of this cluster.
    pub fn of(cluster: &'a Cluster) -> Self {
        Self { cluster, channels: Mutex::default(), told: Mutex::default() }
    }

    /// A wallet by a ceremony, until it is in force.
    pub async fn wallet(&self, wallet: &str) {
        let log = self.log().await;
        let threshold = log.state().genesis().document.threshold;
        let body = StatementBody::ProposeWallet(WalletProposal {
            wallet: WalletId::new(wallet).unwrap(),
            engine: ENGINE.to_owned(),
            t: threshold.t,
            n: threshold.n,
            nodes: log.state().roster().nodes().iter().map(|node| node.id.clone()).collect(),
        });
        self.ceremony(&log, body, true).await;
        let channel = self.channel(Role::Client, CLIENT, COORDINATOR);
        let active = self.insist("the wallet is shown", async || {
            let request = v1::GetWalletRequest { wallet_id: wallet.to_owned() };
            Ok(WalletServiceClient::new(channel.clone()).get(request).await?.into_inner())
        });
        let public_key = active.await.public_key;
        self.told().wallets.insert(wallet.to_owned(), public_key);
    }

    /// An hour on the whitelist for an address; returns the entry's id.
    pub async fn whitelist(&self, address: &str) -> String {
        let body = house_entry(address, now_ms() + HOUR_MS);
        let done = self.ceremony(&self.log().await, body, false).await;
        self.told().whitelisted.insert(done.result_ids[0].clone());
        done.result_ids[0].clone()
    }

    /// A withdrawal that is acknowledged; returns its id.
    pub async fn submit(&self) -> String {
        self.submit_request(&self.cluster.request()).await
    }

    async fn submit_request(&self, request: &Request) -> String {
        let envelope = request.signed(self.cluster).to_json();
        let channel = self.channel(Role::Client, CLIENT, COORDINATOR);
        let taken = self.insist("a withdrawal is taken", async || {
            let request = v1::SubmitWithdrawalRequest { envelope: envelope.clone(), wait_ms: 0 };
            Ok(WithdrawalServiceClient::new(channel.clone()).submit(request).await?.into_inner())
        });
        let id = taken.await.id;
        self.told().submitted.insert(id.clone());
        id
    }

    /// A payment that waits for its customer and for two officers, until all three spoke and it is signed.
    pub async fn held_and_signed(&self) {
        let request = self.cluster.intent().set("amount", HELD_ABOVE.to_string());
        let id = self.submit_request(&request.with_transfer(self.cluster.next_account_nonce())).await;
        self.withdrawal(&id, v1::WithdrawalState::Held).await;
        self.attest(&id.parse().unwrap()).await;
        for officer in OFFICERS {
            let party = self.cluster.officer(officer);
            let body = StatementBody::ApproveHold(id.parse().unwrap());
            let envelope = party.sign(&party.statement(self.log().await.state(), body)).to_json();
            let channel = self.channel(Role::Officer, officer, COORDINATOR);
            let approved = self.insist("an approval of a hold is taken", async || {
                let request = v1::ApproveHoldRequest { envelope: envelope.clone() };
                acted(WithdrawalServiceClient::new(channel.clone()).approve_hold(request).await)
            });
            approved.await;
        }
        self.signed(&id).await;
    }

    /// The identity provider's word that the customer asked for exactly this.
    async fn attest(&self, id: &WithdrawalId) {
        let log = self.log().await;
        let (state, provider) = (log.state(), ProviderId::new(PROVIDER).unwrap());
        let withdrawal = state.withdrawal(id).unwrap();
        let report = IdentityReport {
            cluster: state.cluster().clone(),
            sequence: state.next_sequence(&provider),
            provider,
            customer: withdrawal.request.customer.clone(),
            subject: IdentitySubject::Withdrawal(*id),
            intent: IntentDigest::from_bytes(withdrawal.request_digest),
            method: "passkey".parse().unwrap(),
            score: 90,
            session: "s-1".parse().unwrap(),
            observed_at_ms: TimestampMs(now_ms()),
        };
        let key = self.cluster.ed25519_key("provider/sessions.key");
        let (kind, payload) = (PayloadKind::IdentityAttestation, serde_json::to_vec(&report).unwrap());
        let signer = key_id("provider", PROVIDER);
        let envelope = Envelope::sign_ed25519(kind.payload_type(), payload, &signer, &key).unwrap().to_json();
        let channel = self.channel(Role::Provider, PROVIDER, COORDINATOR);
        let attested = self.insist("an attestation is taken", async || {
            let request = v1::ReportFactRequest { envelope: envelope.clone() };
            acted(FactServiceClient::new(channel.clone()).report(request).await)
        });
        attested.await;
    }

    /// An address that one officer puts on a screening list at every node, until the log has it there.
    pub async fn listed_now(&self) {
        let number = self.cluster.fresh_number();
        // One officer has a limited number of additions.
        let officer = OFFICERS[usize::try_from(number % 2).unwrap()];
        let (list, address) = (ListId::new("ofac-eth").unwrap(), format!("0x{:040x}", 0xbad_0000 + number));
        let address = Address::parse_unchecked_case(&address).unwrap();
        let body = StatementBody::AddToScreeningList { list: list.clone(), address };
        let party = self.cluster.officer(officer);
        let statement = party.sign(&party.statement(self.log().await.state(), body));
        for node in NODES {
            self.latch(node, officer, &statement).await;
        }
        let logged = self.insist("the log has the addition", async || {
            let log = self.try_log().await?;
            log.state().is_listed(&list, &address).then_some(()).ok_or(Status::unavailable("not listed"))
        });
        logged.await;
        self.told().listed.insert((list, address));
    }

    /// Waits for a withdrawal's signature.
    pub async fn signed(&self, id: &str) -> v1::Receipt {
        let receipt = self.withdrawal(id, v1::WithdrawalState::Signed).await.receipt.unwrap();
        self.told().receipts.insert(id.to_owned(), receipt.clone());
        receipt
    }

    /// Waits for a withdrawal's state.
    pub async fn withdrawal(&self, id: &str, state: v1::WithdrawalState) -> v1::Withdrawal {
        let channel = self.channel(Role::Client, CLIENT, COORDINATOR);
        let reached = self.insist(format!("{id} is {}", state.as_str_name()), async || {
            let request = v1::GetWithdrawalRequest { withdrawal_id: id.to_owned() };
            let found = WithdrawalServiceClient::new(channel.clone()).get(request).await?.into_inner();
            let seen = format!("{} {:?}", found.state().as_str_name(), found.reason);
            if found.state() == state { Ok(Box::new(found)) } else { Err(Status::unavailable(seen)) }
        });
        *reached.await
    }

    /// Waits until the log authorizes a withdrawal; it may be signed by then.
    pub async fn authorized(&self, id: &str) {
        let channel = self.channel(Role::Client, CLIENT, COORDINATOR);
        let reached = self.insist(format!("{id} is authorized"), async || {
            let request = v1::GetWithdrawalRequest { withdrawal_id: id.to_owned() };
            let found = WithdrawalServiceClient::new(channel.clone()).get(request).await?.into_inner();
            let is_authorized =
                matches!(found.state(), v1::WithdrawalState::Authorized | v1::WithdrawalState::Signed);
            if is_authorized { Ok(()) } else { Err(Status::unavailable(found.state().as_str_name())) }
        });
        reached.await;
    }

    /// Asks for a withdrawal to be given up, until there is an answer: perhaps that it is too late.
    pub async fn ask_to_give_up(&self, id: &str) {
        let asked = self.insist(format!("{id} may be given up"), async || self.try_give_up(id).await);
        asked.await;
    }

    /// Waits until a withdrawal that is given up is over: sworn off by enough nodes, or signed by others after all.
    pub async fn over(&self, id: &str) {
        let over = self.insist(format!("{id} is over"), async || {
            let state = self.try_give_up(id).await?;
            let is_over = matches!(state, v1::WithdrawalState::Tombstoned | v1::WithdrawalState::Signed);
            if is_over { Ok(state) } else { Err(Status::unavailable(state.as_str_name())) }
        });
        if over.await == v1::WithdrawalState::Signed {
            self.signed(id).await;
        } else {
            self.told().tombstoned.insert(id.to_owned());
        }
    }

    async fn try_give_up(&self, id: &str) -> Result<v1::WithdrawalState, Status> {
        let mut withdrawals = WithdrawalServiceClient::new(self.channel(Role::Client, CLIENT, COORDINATOR));
        let request = v1::GiveUpRequest { withdrawal_id: id.to_owned() };
        match withdrawals.give_up(request).await {
            Ok(given) => Ok(given.into_inner().state()),
            Err(status) if reason_of(&status).as_deref() == Some("WITHDRAWAL_NOT_TOMBSTONABLE") => {
                let request = v1::GetWithdrawalRequest { withdrawal_id: id.to_owned() };
                Ok(withdrawals.get(request).await?.into_inner().state())
            }
            Err(status) => Err(status),
        }
    }

    /// An officer's statement, handed to a node itself, until there is a receipt for it.
    pub async fn latch(&self, node: &str, officer: &'static str, statement: &Envelope) -> Vec<u8> {
        let channel = self.channel(Role::Officer, officer, node);
        let receipt = self.insist(format!("{node} takes a statement"), async || {
            let request = v1::DeliverRequest { envelope: statement.to_json() };
            let delivered = OfficerServiceClient::new(channel.clone()).deliver(request).await?;
            Ok(delivered.into_inner().receipt_envelope)
        });
        let receipt = receipt.await;
        self.told().latches.push((node.to_owned(), statement.clone(), receipt.clone()));
        receipt
    }

    /// Pauses a wallet at all nodes, waits until the log says so, and resumes it.
    pub async fn pause_and_resume(&self, wallet: &str) {
        let id = WalletId::new(wallet).unwrap();
        let officer = self.cluster.officer("alice");
        let text = officer.statement(self.log().await.state(), StatementBody::PauseWallet(id.clone()));
        let statement = officer.sign(&text);
        for node in NODES {
            self.latch(node, "alice", &statement).await;
        }
        let paused = self.insist("the log has the pause", async || {
            let log = self.try_log().await?;
            let pauses = log.state().wallet(&id).unwrap().pauses.len();
            if pauses > 0 { Ok(log) } else { Err(Status::unavailable("no pause")) }
        });
        let paused = paused.await;
        let lifts = paused.state().wallet(&id).unwrap().pauses.iter().map(|pause| pause.statement).collect();
        self.ceremony(&paused, StatementBody::ProposeResume { wallet: id, lifts }, true).await;
    }

    /// Proposes and approves, each with one statement however often it has to be sent; waits until it is in force.
    async fn ceremony(&self, log: &LogCopy, body: StatementBody, by_propose: bool) -> v1::Ceremony {
        let alice = self.cluster.officer("alice");
        let text = alice.statement(log.state(), body);
        let id = CeremonyId::of(&StatementDigest::of(text.as_bytes()));
        let envelope = alice.sign(&text).to_json();
        let channel = self.channel(Role::Officer, "alice", COORDINATOR);
        let proposed = self.insist("a proposal is taken", async || {
            let envelope = envelope.clone();
            if by_propose {
                let request = v1::ProposeCeremonyRequest { envelope };
                acted(CeremonyServiceClient::new(channel.clone()).propose(request).await)
            } else {
                let request = v1::AddWhitelistEntryRequest { envelope };
                acted(WhitelistServiceClient::new(channel.clone()).add(request).await)
            }
        });
        proposed.await;
        for officer in OFFICERS {
            let party = self.cluster.officer(officer);
            let text = party.statement(self.log().await.state(), StatementBody::ApproveCeremony(id));
            let envelope = party.sign(&text).to_json();
            let channel = self.channel(Role::Officer, officer, COORDINATOR);
            let approved = self.insist("an approval is taken", async || {
                let request = v1::ApproveCeremonyRequest { envelope: envelope.clone() };
                acted(CeremonyServiceClient::new(channel.clone()).approve(request).await)
            });
            approved.await;
        }
        let id = id.to_string();
        let done = self.insist(format!("ceremony {id} is in force"), async || {
            let request = v1::GetCeremonyRequest { ceremony_id: id.clone() };
            let found = CeremonyServiceClient::new(channel.clone()).get(request).await?.into_inner();
            let seen = format!("{} {:?}", found.phase().as_str_name(), found.blocked_by);
            if found.phase() == v1::CeremonyPhase::Activated {
                Ok(Box::new(found))
            } else {
                Err(Status::unavailable(seen))
            }
        });
        *done.await
    }

    /// The log; it must begin with the longest one that was shown before.
    pub async fn log(&self) -> LogCopy {
        self.insist("the log is shown", async || self.try_log().await).await
    }

    async fn try_log(&self) -> Result<LogCopy, Status> {
        let channel = self.channel(Role::Auditor, "auditor", COORDINATOR);
        let log = self.cluster.log_from(LogServiceClient::new(channel)).await?;
        let mut told = self.told();
        assert!(log.entries().starts_with(&told.entries), "entries that were shown are gone or others");
        told.entries = log.entries().to_vec();
        Ok(log)
    }

    /// Notes what each node that answers shows of its replica.
    pub async fn note_tips(&self) {
        for node in NODES {
            if let Ok(tip) = self.tip(node).await {
                self.told().tips.entry(node.to_owned()).or_default().insert(tip.tip_size, tip.root);
            }
        }
    }

    async fn tip(&self, node: &str) -> Result<v1::ReplicaTip, Status> {
        let channel = self.channel(Role::Coordinator, COORDINATOR, node);
        let status = NodeServiceClient::new(channel).status(v1::NodeStatusRequest {}).await?.into_inner();
        Ok(status.tip.unwrap())
    }

    /// Asks for everything again that was acknowledged. All servers have to be up.
    ///
    /// # Panics
    /// When anything is missing or other than it was, or was signed without being authorized.
    pub async fn check(&self) -> Checked {
        let log = self.log().await;
        self.check_tips(&log).await;
        self.check_signatures(&log);
        let (submitted, receipts, latches) = {
            let told = self.told();
            let state = log.state();
            for (wallet, public_key) in &told.wallets {
                let found = state.wallet(&WalletId::new(wallet.as_str()).unwrap()).unwrap();
                assert_eq!(found.public_key.as_bytes().as_slice(), public_key, "{wallet}");
            }
            for entry in &told.whitelisted {
                assert!(state.whitelist().any(|found| found.id.to_string() == *entry), "{entry} is gone");
            }
            for (list, address) in &told.listed {
                assert!(state.is_listed(list, address), "{address} is on `{list}` no more");
            }
            (told.submitted.clone(), told.receipts.clone(), told.latches.clone())
        };
        for id in &submitted {
            let found = log.state().withdrawal(&id.parse::<WithdrawalId>().unwrap());
            assert!(found.is_some(), "acknowledged withdrawal {id} is gone");
        }
        let tombstoned = self.told().tombstoned.clone();
        for id in &tombstoned {
            let found = log.state().withdrawal(&id.parse::<WithdrawalId>().unwrap()).unwrap();
            let kept = (found.logged_state(), found.signature.is_some());
            assert_eq!(kept, (WithdrawalState::Tombstoned, false), "{id} was sworn off");
        }
        for (id, before) in &receipts {
            let again = self.withdrawal(id, v1::WithdrawalState::Signed).await.receipt.unwrap();
            assert_eq!(again.raw_transaction, before.raw_transaction, "{id} has another signature");
        }
        for (node, statement, receipt) in &latches {
            self.check_latch(node, statement, receipt).await;
        }
        let tips = self.told().tips.values().map(BTreeMap::len).sum();
        Checked {
            withdrawals: submitted.len(),
            receipts: receipts.len(),
            tombstoned: tombstoned.len(),
            latches: latches.len(),
            tips,
        }
    }

    /// No node is behind what it showed or cosigned, or has another root there; all reach the end of the log.
    async fn check_tips(&self, log: &LogCopy) {
        let roots = roots_of(log.entries());
        let receipts = self.told().receipts.clone();
        for receipt in receipts.values() {
            let proof = TlogProof::parse(&receipt.tlog_proof).unwrap();
            let (claimed, note) = (proof.checkpoint.claimed().clone(), proof.checkpoint.to_bytes());
            let note = String::from_utf8(note).unwrap();
            let mut told = self.told();
            for node in NODES {
                // A signature line of a note: an em dash, the key's name, the signature.
                if note.contains(&format!("\u{2014} holdfast/{}/{node} ", self.cluster.name())) {
                    let root = claimed.root.0.to_vec();
                    told.tips.entry(node.to_owned()).or_default().insert(claimed.size, root);
                }
            }
        }
        for node in NODES {
            let noted = self.told().tips.get(node).cloned().unwrap_or_default();
            let first = self.insist(format!("{node} shows its tip"), async || self.tip(node).await).await;
            let newest = noted.last_key_value().map_or(0, |(size, _)| *size);
            assert!(first.tip_size >= newest, "{node} has {} entries and had {newest}", first.tip_size);
            for (size, root) in &noted {
                let ours = roots.get(size).unwrap_or_else(|| panic!("{node} showed {size} entries"));
                assert_eq!(ours.0.as_slice(), root, "{node} showed another root at {size}");
            }
            let caught_up = self.insist(format!("{node} has the whole log"), async || {
                let tip = self.tip(node).await?;
                if tip.tip_size >= log.size() { Ok(tip) } else { Err(Status::unavailable("behind")) }
            });
            caught_up.await;
        }
        self.note_tips().await;
    }

    /// Every signature in the log, and every receipt, is of the one digest that was authorized; no nonce occurs twice.
    fn check_signatures(&self, log: &LogCopy) {
        let mut nonces = BTreeSet::new();
        let told = self.told();
        for withdrawal in log.state().withdrawals() {
            let Some(signature) = &withdrawal.signature else { continue };
            let digest = digest_of(&withdrawal);
            assert!(nonces.insert(*signature.r()), "a nonce was used for two withdrawals");
            let Some(receipt) = told.receipts.get(&withdrawal.id.to_string()) else { continue };
            assert_eq!(receipt.signing_hash, digest, "{}", withdrawal.id);
            assert_eq!(receipt.signature, signature.to_bytes().as_slice(), "{}", withdrawal.id);
        }
    }

    async fn check_latch(&self, node: &str, statement: &Envelope, receipt: &[u8]) {
        let channel = self.channel(Role::Officer, "alice", node);
        let listed = self.insist(format!("{node} lists statements"), async || {
            let request = v1::StatementsRequest::default();
            let listed = OfficerServiceClient::new(channel.clone()).statements(request).await?;
            Ok(listed.into_inner().statements)
        });
        let listed = listed.await;
        let kept = listed.iter().find(|delivered| delivered.envelope == statement.to_json());
        let kept = kept.unwrap_or_else(|| panic!("{node} forgot a statement that it gave a receipt for"));
        assert_eq!(kept.receipt_envelope, receipt, "{node} gives another receipt");
    }

    /// Repeats a call until it is answered. An answer with a reason of its own is one, unless it says to come back.
    async fn insist<T>(&self, what: impl fmt::Display, call: impl AsyncFn() -> Result<T, Status>) -> T {
        let started = Instant::now();
        loop {
            let status = match call().await {
                Ok(answer) => return answer,
                Err(status) => status,
            };
            let passing = matches!(status.code(), Code::Unavailable | Code::Internal | Code::Aborted);
            assert!(passing || reason_of(&status).is_none(), "{what}: {status:?}");
            assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; seen last: {status:?}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A connection that is made anew whenever it breaks.
    fn channel(&self, role: Role, name: &'static str, server: &str) -> Channel {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let made = channels.entry((name, server.to_owned()));
        made.or_insert_with(|| self.cluster.lazy_channel(role, name, server)).clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement or a report that acted before is one whose first answer was lost.
fn acted<T>(answer: Result<T, Status>) -> Result<(), Status> {
    match answer {
        Ok(_) => Ok(()),
        Err(status)
            if matches!(
                reason_of(&status).as_deref(),
                Some("STATEMENT_ALREADY_USED" | "ALREADY_RECORDED")
            ) =>
        {
            Ok(())
        }
        Err(status) => Err(status),
    }
}

fn digest_of(withdrawal: &Withdrawal) -> Vec<u8> {
    let authorization = withdrawal.authorization.as_ref().expect("signed without an authorization");
    let [digest] = &authorization.digests[..] else { panic!("one digest for each authorization") };
    digest.as_bytes().to_vec()
}

/// The root at every size.
fn roots_of(entries: &[Entry]) -> BTreeMap<u64, Hash> {
    let mut edge = RightEdge::new();
    let mut roots = BTreeMap::from([(0, edge.root())]);
    for entry in entries {
        edge.append(entry.leaf_hash()).unwrap();
        roots.insert(edge.size(), edge.root());
    }
    roots
}
