//! A whole cell in memory, with keys of its own: genesis, log, and an honest coordinator's checkpoints.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use holdfast_chains::{Address, Amount, ChainId, Eip1559Draft, Transfer, UnsignedTransaction};
use holdfast_ledger::{
    Admission, CeremonyId, GENESIS_NAMESPACE, Genesis, MigrationProposal, NextChainCode, OFFICER_NAMESPACE,
    OfficerKey, Outcome, PayloadKind, Replica, RosterChange, RosterProposal, State, Statement, StatementBody,
    WalletProposal, WhitelistProposal, WithdrawalId, key_id,
};
use holdfast_log::{
    Checkpoint, Cosigner, Entry, Envelope, EnvelopeSignature, Hash, KeyName, LogSigner, Origin, RightEdge,
    SignedCheckpoint,
};
use holdfast_policy::{OfficerId, TimestampMs, WalletId, WhitelistEntryId};
use holdfast_threshold::EngineId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::START;
use crate::replica::Extension;

pub(crate) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";
const CLUSTER: &str = "demo-1";

/// The honest side: everything that the cell's parties would have.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) replica: Replica,
    pub(crate) log: Vec<Entry>,
    pub(crate) now: u64,
    sequence: u64,
}

pub(crate) fn ssh(name: &str) -> ssh_key::PrivateKey {
    let seed = <[u8; 32]>::from(Sha256::digest(name));
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed))
}

pub(crate) fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(name).into())
}

fn document() -> Value {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str| {
        json!({"name": name, "roles": ["security-officer", "withdrawal-approver"],
               "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()})
    };
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"),
               "region": format!("region-{i}"), "cosigning_key": key(&format!("cosign-{i}")),
               "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    json!({
        "version": 1, "rules_version": 1, "cluster": CLUSTER, "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0},
        "officers": [officer("alice"), officer("bob")],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1"],
                     "expires_at_ms": START + 1_000_000_000}],
        "providers": [{"name": "sessions", "public_key": key("sessions")}],
        "nodes": [node(1), node(2), node(3)],
        "coordinator": {"log_key": key("log"), "entry_key": key("entry")},
        "assets": [{"symbol": "USDT", "chain_id": 1, "contract": USDT, "decimals": 6},
                   {"symbol": "ETH", "chain_id": 1, "contract": null, "decimals": 18}],
        "quorums": {"create-wallet": quorum, "add-whitelist-entry": quorum, "resume-wallet": quorum,
                    "change-roster": quorum, "change-policy": quorum},
        "witnesses": [], "witnesses_required": 0,
        "policy": include_str!("../../fixtures/test-policy.toml"),
        "screening_lists": [{"id": "ofac-eth", "source": "test", "as_of": "2026-11-01",
                             "text": "0x098B716B8Aaf21512996dC57EB0615e2383E2f96\n"}],
    })
}

fn genesis(document: &Value) -> Entry {
    let bytes = serde_json::to_vec(document).unwrap();
    let sign = |name: &str| {
        let signature = OfficerKey::sign(&ssh(name), GENESIS_NAMESPACE, &bytes).unwrap();
        (OfficerId::new(name).unwrap(), signature)
    };
    Genesis::assemble(&bytes, &[sign("alice"), sign("bob")]).unwrap()
}

impl Cell {
    pub(crate) fn new() -> Self {
        Self::amended(|_| ())
    }

    /// A cell with another genesis.
    pub(crate) fn amended(amend: impl FnOnce(&mut Value)) -> Self {
        let mut document = document();
        amend(&mut document);
        let genesis = genesis(&document);
        let pinned = Genesis::from_entry(&genesis).unwrap().hash;
        let replica = Replica::from_genesis(&genesis, &pinned).unwrap();
        Self { replica, log: vec![genesis], now: START + 1_000, sequence: 0 }
    }

    pub(crate) fn state(&self) -> &State {
        self.replica.state()
    }

    pub(crate) fn genesis(&self) -> (Entry, Genesis) {
        let entry = self.log[0].clone();
        let genesis = Genesis::from_entry(&entry).unwrap();
        (entry, genesis)
    }

    pub(crate) fn size(&self) -> u64 {
        self.replica.size()
    }

    /// Logs an envelope, whatever it does.
    pub(crate) fn log(&mut self, envelope: &Envelope) -> Outcome {
        self.now += 1;
        let entry = Entry::stamp(self.now, envelope).unwrap();
        let applied = self.replica.append(&entry).unwrap();
        self.log.push(entry);
        applied.outcome
    }

    /// Logs an envelope that must take effect.
    pub(crate) fn accept(&mut self, envelope: &Envelope) -> Admission {
        match self.log(envelope) {
            Outcome::Admitted(admission) => admission,
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }

    /// Entries from `from` on with the checkpoint of all of them.
    pub(crate) fn extension(&self, from: u64) -> Extension {
        self.extension_to(from, self.size())
    }

    /// Entries from `from` up to `to` with the checkpoint of the tree of that size.
    pub(crate) fn extension_to(&self, from: u64, to: u64) -> Extension {
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        let entries: Vec<Vec<u8>> = self.log[from..to].iter().map(|entry| entry.bytes().to_vec()).collect();
        Extension {
            evidence: Vec::new(),
            from_index: u64::try_from(from).unwrap(),
            entries,
            checkpoint: checkpoint_of(&self.log[..to]).to_bytes(),
        }
    }

    /// The cell's newest checkpoint, cosigned by nodes at the cell's time.
    pub(crate) fn cosigned(&self, nodes: &[u8]) -> Vec<u8> {
        let mut note = checkpoint_of(&self.log);
        for number in nodes {
            let name = KeyName::of_node(CLUSTER, &format!("node-{number}")).unwrap();
            let cosigner = Cosigner::new(name, ed25519(&format!("cosign-{number}")));
            let cosignature = cosigner.cosign(note.claimed(), self.now / 1_000).unwrap();
            note = note.with_cosignature(&cosignature).unwrap();
        }
        note.to_bytes()
    }

    pub(crate) fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let statement = Statement {
            cluster: self.state().cluster().clone(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(self.now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(self.now + 3_600_000)),
            note: String::new(),
            body,
        };
        signed_statement(officer, &self.state().statement_text(&statement).unwrap())
    }

    pub(crate) fn pause(&self, officer: &str) -> Envelope {
        self.statement(officer, StatementBody::PauseWallet(WalletId::new("hot-1").unwrap()))
    }

    /// A ceremony that two officers have approved.
    pub(crate) fn approve(&mut self, body: StatementBody) -> CeremonyId {
        self.approved(body)
    }

    pub(crate) fn approved(&mut self, body: StatementBody) -> CeremonyId {
        self.approved_by(["alice", "bob"], body)
    }

    pub(crate) fn approved_by(&mut self, officers: [&str; 2], body: StatementBody) -> CeremonyId {
        let proposal = self.statement(officers[0], body);
        let ceremony = self.accept(&proposal).ceremony.unwrap();
        for officer in officers {
            let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony));
            self.accept(&approval);
        }
        ceremony
    }

    /// A change of the roster that two officers have approved.
    pub(crate) fn change_roster(&mut self, change: RosterChange) {
        let (version, digest) = (self.state().roster().version(), self.state().roster().digest());
        self.approved(StatementBody::ProposeRosterChange(Box::new(RosterProposal {
            version,
            digest,
            change,
        })));
    }

    pub(crate) fn admit_officer(&mut self, name: &str) {
        let key = ssh(name).public_key().to_openssh().unwrap();
        let roles = ["security-officer", "withdrawal-approver"].map(|role| role.parse().unwrap());
        self.change_roster(RosterChange::AddOfficer {
            name: name.parse().unwrap(),
            roles: BTreeSet::from(roles),
            key: OfficerKey::parse(&key).unwrap(),
        });
    }

    pub(crate) fn remove_officer(&mut self, name: &str) {
        self.change_roster(RosterChange::RemoveOfficer { name: name.parse().unwrap() });
    }

    /// Admits a client to wallet `hot-1` under a key made from this seed.
    pub(crate) fn admit_client(&mut self, name: &str, seed: &str) {
        self.change_roster(RosterChange::AddClient {
            name: name.parse().unwrap(),
            key: ed25519(seed).verifying_key(),
            wallets: BTreeSet::from([WalletId::new("hot-1").unwrap()]),
            expires_at: TimestampMs(START + 1_000_000_000),
        });
    }

    pub(crate) fn remove_client(&mut self, name: &str) {
        self.change_roster(RosterChange::RemoveClient { name: name.parse().unwrap() });
    }

    /// A ceremony for wallet `hot-1` that two officers have approved.
    pub(crate) fn approve_wallet(&mut self) -> CeremonyId {
        self.approve_wallet_on(EngineId::Dkls23EcdsaSecp256k1V06)
    }

    pub(crate) fn approve_wallet_on(&mut self, engine: EngineId) -> CeremonyId {
        let nodes = self.state().roster().nodes().iter().map(|node| node.id.clone()).collect();
        let engine = engine.name().to_owned();
        let wallet = WalletId::new("hot-1").unwrap();
        self.approved(StatementBody::ProposeWallet(WalletProposal { wallet, engine, t: 2, n: 3, nodes }))
    }

    /// New shares of the wallet's key, of this engine, given by nodes 1 and 2; deposit addresses stay.
    pub(crate) fn approve_migration(&mut self, engine: EngineId) -> CeremonyId {
        self.approve_migration_with(engine, NextChainCode::Carried)
    }

    pub(crate) fn approve_migration_with(
        &mut self,
        engine: EngineId,
        chain_code: NextChainCode,
    ) -> CeremonyId {
        let wallet = self.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap();
        let proposal = MigrationProposal {
            wallet: wallet.id.clone(),
            from_engine: wallet.engine.clone(),
            engine: engine.name().to_owned(),
            from_epoch: wallet.epoch,
            chain_code,
            givers: wallet.nodes[..2].to_vec(),
            receivers: wallet.nodes.clone(),
        };
        self.approved(StatementBody::ProposeMigration(proposal))
    }

    pub(crate) fn activate(&mut self, ceremony: CeremonyId) {
        let epoch = self.state().ceremony(&ceremony).unwrap().kind.key_work().unwrap().epoch;
        let payload = json!({"cluster": CLUSTER, "ceremony": ceremony, "wallet": "hot-1", "epoch": epoch});
        self.accept(&coordinator(PayloadKind::EpochActivated, &payload));
    }

    /// Whitelists the payee and reports a harmless session, so that a withdrawal can be allowed.
    pub(crate) fn permit_payee(&mut self) -> WhitelistEntryId {
        let proposal = WhitelistProposal {
            chain_id: ChainId(1),
            address: Address::parse(PAYEE).unwrap(),
            assets: vec!["USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(self.now + 10_000_000),
        };
        let ceremony = self.approved(StatementBody::ProposeWhitelistEntry(proposal));
        self.session(false);
        self.state().ceremony(&ceremony).unwrap().whitelist_entry.clone().unwrap()
    }

    /// An entry for the payee that customer c-1 confirms now.
    pub(crate) fn confirm_payee(&mut self) -> WhitelistEntryId {
        let request = json!({"cluster": CLUSTER, "client": "pipeline", "customer": "c-1", "chain_id": 1, "address": PAYEE,
            "assets": ["USDT"], "expires_at_ms": self.now + 10_000_000, "created_at_ms": self.now,
            "confirm_by_ms": self.now + 3_600_000});
        let request = sign(PayloadKind::WhitelistRequest, &request, "client", "pipeline");
        let intent = hex::encode(Sha256::digest(&request.payload));
        let entry = self.accept(&request).whitelist_entry.unwrap();
        self.sequence += 1;
        let report = json!({"cluster": CLUSTER, "provider": "sessions", "sequence": self.sequence, "customer": "c-1",
            "subject": entry, "intent": intent, "method": "passkey", "score": 90, "session": "s-1",
            "observed_at_ms": self.now});
        self.accept(&sign(PayloadKind::IdentityAttestation, &report, "provider", "sessions"));
        entry
    }

    pub(crate) fn session(&mut self, second_factor_reset: bool) {
        self.sequence += 1;
        let report = json!({"cluster": CLUSTER, "provider": "sessions", "sequence": self.sequence,
            "customer": "c-1", "observed_at_ms": self.now, "new_device": false,
            "second_factor_reset": second_factor_reset});
        self.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
    }

    /// A withdrawal that is authorized.
    pub(crate) fn authorized(&mut self, key: &str, nonce: u64) -> WithdrawalId {
        self.authorized_for(("pipeline", "pipeline"), key, nonce)
    }

    /// The same for a client whose key is made from another seed.
    pub(crate) fn authorized_for(
        &mut self,
        (client, seed): (&str, &str),
        key: &str,
        nonce: u64,
    ) -> WithdrawalId {
        let request = json!({"cluster": CLUSTER, "client": client, "wallet": "hot-1", "asset": "USDT",
            "chain_id": 1, "amount": "1250000000", "destination": PAYEE, "fee_cap": "10000000000000000",
            "customer": "c-1", "idempotency_key": key, "created_at_ms": self.now,
            "expires_at_ms": self.now + 3_600_000, "transaction": transfer(1250, nonce).to_hex()});
        let kind = PayloadKind::WithdrawalRequest.payload_type();
        let payload = serde_json::to_vec(&request).unwrap();
        let key_id = key_id("client", client);
        let request = Envelope::sign_ed25519(kind, payload, &key_id, &ed25519(seed)).unwrap();
        let id = self.accept(&request).withdrawal.unwrap();
        self.authorize(id);
        id
    }

    /// A withdrawal of so much, valid for two hours.
    pub(crate) fn requested(&mut self, key: &str, usdt: u128) -> WithdrawalId {
        let request = json!({"cluster": CLUSTER, "client": "pipeline", "wallet": "hot-1", "asset": "USDT",
            "chain_id": 1, "amount": (usdt * 1_000_000).to_string(), "destination": PAYEE, "fee_cap": "10000000000000000",
            "customer": "c-1", "idempotency_key": key, "created_at_ms": self.now,
            "expires_at_ms": self.now + 7_200_000, "transaction": transfer(usdt, 0).to_hex()});
        let request = sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline");
        self.accept(&request).withdrawal.unwrap()
    }

    /// A sweep of a deposit address that is authorized.
    pub(crate) fn authorized_sweep(&mut self, key: &str, deposit_index: u32) -> WithdrawalId {
        let wallet = self.state().wallet(&WalletId::new("hot-1").unwrap()).unwrap().address.to_string();
        let request = json!({"cluster": CLUSTER, "client": "pipeline", "wallet": "hot-1", "deposit_index": deposit_index,
            "asset": "USDT", "amount": "7000000", "fee_cap": "10000000000000000", "idempotency_key": key,
            "created_at_ms": self.now, "expires_at_ms": self.now + 3_600_000,
            "transaction": transfer_to(&wallet, 7, 0).to_hex()});
        let request = sign(PayloadKind::SweepRequest, &request, "client", "pipeline");
        let id = self.accept(&request).withdrawal.unwrap();
        self.authorize(id);
        id
    }

    /// Authorizes, or authorizes again.
    pub(crate) fn authorize(&mut self, id: WithdrawalId) {
        let digest = self.state().withdrawal(&id).unwrap().transaction.as_ref().unwrap().signing_hash;
        let payload = json!({"cluster": CLUSTER, "withdrawal": id, "digests": [digest]});
        self.accept(&coordinator(PayloadKind::Authorize, &payload));
    }

    /// Entries that change nothing that matters here.
    pub(crate) fn fill(&mut self, count: usize) {
        for _ in 0..count {
            self.session(false);
        }
    }
}

/// The checkpoint that the log's key signs for exactly these entries.
pub(crate) fn checkpoint_of(entries: &[Entry]) -> SignedCheckpoint {
    let mut edge = RightEdge::new();
    entries.iter().for_each(|entry| edge.append(entry.leaf_hash()).unwrap());
    signed_checkpoint(edge.size(), edge.root())
}

/// A checkpoint over anything, signed by the log's key: what a dishonest coordinator can make.
pub(crate) fn signed_checkpoint(size: u64, root: Hash) -> SignedCheckpoint {
    let origin = Origin::of_cluster(CLUSTER).unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size, root };
    LogSigner::new(origin, ed25519("log")).sign(&checkpoint).unwrap()
}

pub(crate) fn transfer(usdt: u128, nonce: u64) -> UnsignedTransaction {
    transfer_to(PAYEE, usdt, nonce)
}

fn transfer_to(to: &str, usdt: u128, nonce: u64) -> UnsignedTransaction {
    let draft = Eip1559Draft {
        chain_id: ChainId(1),
        nonce,
        gas_limit: 65_000,
        max_fee_per_gas: 30_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        transfer: Transfer {
            contract: Some(Address::parse(USDT).unwrap()),
            to: Address::parse(to).unwrap(),
            amount: Amount::from_u128(usdt * 1_000_000),
        },
    };
    draft.build().unwrap()
}

pub(crate) fn signed_statement(officer: &str, text: &str) -> Envelope {
    let signature = OfficerKey::sign(&ssh(officer), OFFICER_NAMESPACE, text.as_bytes()).unwrap();
    Envelope {
        payload_type: PayloadKind::Statement.payload_type(),
        payload: text.as_bytes().to_vec(),
        signatures: vec![EnvelopeSignature { key_id: key_id("officer", officer), signature }],
    }
}

pub(crate) fn sign(kind: PayloadKind, payload: &Value, role: &str, name: &str) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id(role, name), &ed25519(name)).unwrap()
}

pub(crate) fn coordinator(kind: PayloadKind, payload: &Value) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, "coordinator:main", &ed25519("entry")).unwrap()
}
