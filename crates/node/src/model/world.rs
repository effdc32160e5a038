//! The cell of the model: its keys, the log that everybody was shown, and every statement that people signed.
//!
//! Whoever runs the coordinator holds all of this and decides what each node is shown, and in which order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use holdfast_chains::Address;
use holdfast_ledger::{
    CeremonyId, GENESIS_NAMESPACE, Genesis, OfficerKey, Outcome, PayloadKind, Replica, State, Statement,
    StatementBody, StatementDigest, WithdrawalId,
};
use holdfast_log::{Cosigner, Entry, Envelope, KeyName};
use holdfast_policy::{ClusterId, OfficerId, TimestampMs, WalletId, WhitelistEntryId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::words::{self, Block, PAYEE, Payment, USDT};
use crate::replica::Extension;
use crate::testing::{START, coordinator, ed25519, sign_payload, signed_checkpoint, signed_statement};

pub(super) const CLUSTER: &str = "demo-1";
/// Every clock of the model: later than every entry, long before anything expires.
pub(super) const NOW: u64 = START + 4_000;
const OFFICERS: [&str; 3] = ["alice", "bob", "carol"];
/// Somebody's whole key: the model asks who may sign, it does not sign.
const WALLET_KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// t of n, and the f that genesis names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Committee {
    pub(super) t: u8,
    pub(super) n: u8,
    pub(super) f: u8,
}

/// One order of entries that a node can be shown.
#[derive(Clone)]
pub(super) struct History {
    pub(super) replica: Replica,
    pub(super) entries: Vec<Entry>,
    /// Which blocks, in which order: the history's name.
    pub(super) path: String,
    now: u64,
}

/// What exists at all: the common beginning of all histories, and what can follow it.
pub(super) struct World {
    pub(super) committee: Committee,
    pub(super) withdrawal: WithdrawalId,
    pub(super) entry: WhitelistEntryId,
    pub(super) base: Arc<History>,
    blocks: BTreeMap<Block, Vec<Envelope>>,
    shown: Mutex<BTreeMap<String, Option<Arc<History>>>>,
}

impl World {
    pub(super) fn new(committee: Committee, payment: Payment) -> Self {
        let mut base = History::begin(committee);
        let (withdrawal, entry) = base.prepare(committee, payment);
        base.path.clear();
        let mut world = Self {
            committee,
            withdrawal,
            entry,
            base: Arc::new(base),
            blocks: BTreeMap::new(),
            shown: Mutex::default(),
        };
        world.blocks = world.signed();
        world
    }

    /// The history that goes on with a block; `None` if the block could not be authentic there.
    pub(super) fn after(
        &self,
        history: &History,
        block: Block,
        enrolment: &[Envelope],
    ) -> Option<Arc<History>> {
        let of = if block == Block::Enrolled { short_digest(enrolment) } else { String::new() };
        let path = format!("{}{block:?}{of} ", history.path);
        let mut shown = self.shown.lock().unwrap();
        shown
            .entry(path.clone())
            .or_insert_with(|| {
                let envelopes = if block == Block::Enrolled { enrolment } else { self.blocks.get(&block)? };
                let mut next = History { path, ..history.clone() };
                envelopes.iter().try_for_each(|envelope| next.append(envelope).map(|_| ()))?;
                Some(Arc::new(next))
            })
            .clone()
    }

    /// The histories that anybody was shown so far.
    pub(super) fn histories(&self) -> usize {
        self.shown.lock().unwrap().values().flatten().count() + 1
    }

    pub(super) fn envelope(&self, block: Block) -> &Envelope {
        &self.blocks[&block][0]
    }

    pub(super) fn digest(&self, block: Block) -> StatementDigest {
        StatementDigest::of(&self.envelope(block).payload)
    }

    /// Everything that officers and providers ever sign in this model.
    fn signed(&self) -> BTreeMap<Block, Vec<Envelope>> {
        let base = || History::clone(&self.base);
        let wallet = WalletId::new("hot-1").unwrap();
        let nowhere = json!({"cluster": CLUSTER, "ceremony": CeremonyId::of(&StatementDigest::of(b"none")),
            "wallet": "hot-1", "epoch": 0});
        let nothing = coordinator(PayloadKind::EpochActivated, &nowhere);
        let mut blocks = BTreeMap::from([(Block::Nothing, vec![nothing])]);
        let pause = |officer| base().statement(officer, StatementBody::PauseWallet(wallet.clone()));
        let (first, second) = (pause("alice"), pause("bob"));
        let mut paused = base();
        paused.append(&first).unwrap();
        let lifts = vec![StatementDigest::of(&first.payload)];
        let resume = StatementBody::ProposeResume { wallet: wallet.clone(), lifts };
        blocks.extend(ceremony(&mut paused, resume, Block::ResumeBegun, Block::ResumeDone));
        blocks.extend([(Block::Pause, vec![first]), (Block::SecondPause, vec![second])]);
        let revoke =
            |officer| base().statement(officer, StatementBody::RevokeClient("pipeline".parse().unwrap()));
        let (first, second) = (revoke("alice"), revoke("bob"));
        let mut revoked = base();
        revoked.append(&first).unwrap();
        let readmit = words::readmitted(revoked.replica.state());
        blocks.extend(ceremony(&mut revoked, readmit, Block::ReadmitBegun, Block::ReadmitDone));
        blocks.extend([(Block::ClientRevoked, vec![first]), (Block::ClientRevokedAgain, vec![second])]);
        let revoke = base().statement("bob", StatementBody::RevokeWhitelistEntry(self.entry.clone()));
        blocks.insert(Block::EntryRevoked, vec![revoke]);
        let again = words::whitelisted(base().now + 1);
        blocks.extend(ceremony(&mut base(), again, Block::EntryBegun, Block::EntryDone));
        let removed = words::carol_removed(self.base.replica.state());
        blocks.extend(ceremony(&mut base(), removed, Block::RemovalBegun, Block::RemovalDone));
        blocks.insert(
            Block::HoldApproved,
            vec![base().statement("bob", StatementBody::ApproveHold(self.withdrawal))],
        );
        let (upload, hash) = words::tighter_policy();
        let mut tighter = base();
        tighter.append(&upload).unwrap();
        let body = words::policy_proposed(tighter.replica.state(), hash);
        let begun = ceremony(&mut tighter, body, Block::PolicyBegun, Block::PolicyDone);
        blocks.extend(begun);
        blocks.get_mut(&Block::PolicyBegun).unwrap().insert(0, upload);
        let oaths = (1..=self.committee.n).map(|number| (number, self.oath(number)));
        let (own, others): (Vec<_>, Vec<_>) = oaths.partition(|(number, _)| *number == super::machine::SEAT);
        let envelopes = |oaths: Vec<(u8, Envelope)>| oaths.into_iter().map(|(_, oath)| oath).collect();
        blocks.insert(Block::OwnOath, envelopes(own));
        blocks.insert(Block::OthersOaths, envelopes(others));
        blocks
    }

    fn oath(&self, number: u8) -> Envelope {
        let name = format!("node-{number}");
        let oath = json!({"cluster": CLUSTER, "node": name, "incarnation": 1, "withdrawal": self.withdrawal});
        let payload = serde_json::to_vec(&oath).unwrap();
        let key = ed25519(&format!("message-{number}"));
        let kind = PayloadKind::Tombstone.payload_type();
        Envelope::sign_ed25519(kind, payload, &format!("node:{name}"), &key).unwrap()
    }
}

impl History {
    fn begin(committee: Committee) -> Self {
        let document = serde_json::to_vec(&document(committee)).unwrap();
        let signatures = OFFICERS.map(|name| {
            let seed = <[u8; 32]>::from(Sha256::digest(name));
            let key = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed));
            let signature = OfficerKey::sign(&key, GENESIS_NAMESPACE, &document).unwrap();
            (OfficerId::new(name).unwrap(), signature)
        });
        let genesis = Genesis::assemble(&document, &signatures).unwrap();
        let pinned = Genesis::from_entry(&genesis).unwrap().hash;
        let replica = Replica::from_genesis(&genesis, &pinned).unwrap();
        Self { replica, entries: vec![genesis], path: String::new(), now: START + 1_000 }
    }

    /// A wallet whose key exists, a whitelisted payee, and an authorized payment to it.
    fn prepare(&mut self, committee: Committee, payment: Payment) -> (WithdrawalId, WhitelistEntryId) {
        let wallet = words::wallet(committee);
        let created = self.approved(wallet);
        for number in 1..=committee.n {
            self.accept(&confirmation(created, committee, number));
        }
        let activated = json!({"cluster": CLUSTER, "ceremony": created, "wallet": "hot-1", "epoch": 0});
        self.accept(&coordinator(PayloadKind::EpochActivated, &activated));
        let listed = self.approved(words::whitelisted(self.now));
        let entry = self.state().ceremony(&listed).unwrap().whitelist_entry.clone().unwrap();
        let session = json!({"cluster": CLUSTER, "provider": "sessions", "sequence": 1, "customer": "c-1",
            "observed_at_ms": self.now, "new_device": false, "second_factor_reset": false});
        self.accept(&sign_payload(PayloadKind::SessionReport, &session, "provider", "sessions"));
        let amount = payment.usdt();
        let request = json!({"cluster": CLUSTER, "client": "pipeline", "wallet": "hot-1", "asset": "USDT",
            "chain_id": 1, "amount": (amount * 1_000_000).to_string(), "destination": Address::parse(PAYEE).unwrap(),
            "fee_cap": "10000000000000000", "customer": "c-1", "idempotency_key": "k-1",
            "created_at_ms": self.now, "expires_at_ms": self.now + 3_600_000,
            "transaction": words::transfer(amount).to_hex()});
        let request = sign_payload(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
        self.accept(&request);
        let withdrawal = WithdrawalId::of(CLUSTER, "pipeline", "k-1");
        if payment == Payment::Held {
            for officer in ["alice", "carol"] {
                let approval = self.statement(officer, StatementBody::ApproveHold(withdrawal));
                self.accept(&approval);
            }
        }
        let digest = self.state().withdrawal(&withdrawal).unwrap().transaction.as_ref().unwrap().signing_hash;
        let payload = json!({"cluster": CLUSTER, "withdrawal": withdrawal, "digests": [digest]});
        self.accept(&coordinator(PayloadKind::Authorize, &payload));
        (withdrawal, entry)
    }

    pub(super) fn state(&self) -> &State {
        self.replica.state()
    }

    /// Whatever the entry does; `None` if it is not authentic here.
    fn append(&mut self, envelope: &Envelope) -> Option<Outcome> {
        let entry = Entry::stamp(self.now + 1, envelope).unwrap();
        let applied = self.replica.append(&entry).ok()?;
        self.now += 1;
        self.entries.push(entry);
        Some(applied.outcome)
    }

    fn accept(&mut self, envelope: &Envelope) {
        let outcome = self.append(envelope).unwrap();
        assert!(matches!(outcome, Outcome::Admitted(_)), "{outcome:?}");
    }

    pub(super) fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let statement = Statement {
            cluster: ClusterId::new(CLUSTER).unwrap(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(self.now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(self.now + 3_600_000)),
            note: String::new(),
            body,
        };
        signed_statement(officer, &self.state().statement_text(&statement).unwrap())
    }

    fn approved(&mut self, body: StatementBody) -> CeremonyId {
        let proposal = self.statement("alice", body);
        let ceremony = CeremonyId::of(&StatementDigest::of(&proposal.payload));
        self.accept(&proposal);
        for officer in ["alice", "bob"] {
            let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony));
            self.accept(&approval);
        }
        ceremony
    }

    /// A proposal with its approvals by two officers, as they sign them when they look at this history.
    pub(super) fn ceremony(&self, body: StatementBody) -> Vec<Envelope> {
        let mut seen = self.clone();
        let proposal = seen.statement("alice", body);
        seen.accept(&proposal);
        let id = CeremonyId::of(&StatementDigest::of(&proposal.payload));
        let approval = |officer| seen.statement(officer, StatementBody::ApproveCeremony(id));
        vec![proposal, approval("alice"), approval("bob")]
    }

    pub(super) fn size(&self) -> u64 {
        self.replica.size()
    }

    /// What a node of `from` entries lacks.
    pub(super) fn extension(&self, from: u64) -> Extension {
        let lacking = self.entries[usize::try_from(from).unwrap()..].iter();
        Extension {
            from_index: from,
            entries: lacking.map(|entry| entry.bytes().to_vec()).collect(),
            checkpoint: signed_checkpoint(self.size(), self.replica.root()).to_bytes(),
            evidence: Vec::new(),
        }
    }

    /// A checkpoint of this history that every node of its roster cosigned: more than any coordinator could show.
    pub(super) fn cosigned(&self) -> Vec<u8> {
        let mut note = signed_checkpoint(self.size(), self.replica.root());
        for node in self.state().roster().nodes() {
            let number = node.id.as_str().trim_start_matches("node-");
            let keys = [format!("cosign-{number}"), format!("cosign-{number}-2")].map(|seed| ed25519(&seed));
            let key = keys.into_iter().find(|key| key.verifying_key() == node.cosigning_key).unwrap();
            let cosigner = Cosigner::new(KeyName::of_node(CLUSTER, node.id.as_str()).unwrap(), key);
            let cosignature = cosigner.cosign(note.claimed(), NOW / 1_000).unwrap();
            note = note.with_cosignature(&cosignature).unwrap();
        }
        note.to_bytes()
    }
}

/// Proposal and first approval are one block, the approval that completes the quorum another.
fn ceremony(
    seen: &mut History,
    body: StatementBody,
    begun: Block,
    done: Block,
) -> [(Block, Vec<Envelope>); 2] {
    let mut envelopes = seen.ceremony(body);
    let last = envelopes.pop().unwrap();
    [(begun, envelopes), (done, vec![last])]
}

fn short_digest(envelopes: &[Envelope]) -> String {
    let mut hash = Sha256::new();
    envelopes.iter().for_each(|envelope| hash.update(&envelope.payload));
    hex::encode(&hash.finalize()[..4])
}

fn confirmation(ceremony: CeremonyId, committee: Committee, number: u8) -> Envelope {
    let node = format!("node-{number}");
    let shares = vec![WALLET_KEY; usize::from(committee.n)];
    let payload = json!({"cluster": CLUSTER, "ceremony": ceremony, "node": node, "wallet": "hot-1", "epoch": 0,
        "engine": "dkls23-ecdsa-secp256k1/0.6", "public_key": WALLET_KEY,
        "chain_code": format!("0x{}", "11".repeat(32)), "verifying_shares": shares,
        "transcript": format!("0x{}", "aa".repeat(32)), "backup_restored": true});
    let payload = serde_json::to_vec(&payload).unwrap();
    let key = ed25519(&format!("message-{number}"));
    let kind = PayloadKind::KeygenConfirmation.payload_type();
    Envelope::sign_ed25519(kind, payload, &format!("node:{node}"), &key).unwrap()
}

fn document(Committee { t, n, f }: Committee) -> Value {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str| {
        let seed = <[u8; 32]>::from(Sha256::digest(name));
        let key = ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed));
        json!({"name": name, "roles": ["security-officer", "withdrawal-approver"],
               "ssh_public_key": key.public_key().to_openssh().unwrap()})
    };
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"),
               "region": format!("region-{i}"), "cosigning_key": key(&format!("cosign-{i}")),
               "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    json!({
        "version": 1, "rules_version": 1, "cluster": CLUSTER, "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": t, "n": n, "f": f}, "officers": OFFICERS.map(officer),
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"],
                     "expires_at_ms": START + 1_000_000_000}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": (1..=n).map(node).collect::<Vec<_>>(),
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": USDT, "decimals": 6}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0, "policy": words::policy(),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01",
                             "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    })
}
