//! A whole cell in memory, with keys of its own: what the tests of the state machine act on.

use ed25519_dalek::SigningKey;
use holdfast_chains::{
    Address, Amount, ChainId, Eip1559Draft, PublicKey, Signature, Transfer, UnsignedTransaction,
};
use holdfast_log::{Entry, Envelope, EnvelopeSignature};
use holdfast_policy::{OfficerId, TimestampMs, WalletId};
use k256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};

use crate::*;

pub(super) const START: u64 = 1_763_700_000_000;
pub(super) const PAYEE: &str = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
pub(super) const USDT: &str = "0xdAC17F958D2ee523a2206206994597C13D831ec7";

pub(super) struct Cell {
    pub(super) state: State,
    pub(super) now: u64,
    pub(super) genesis: Entry,
    pub(super) log: Vec<Entry>,
    pub(super) sequence: u64,
}

pub(super) fn ssh(name: &str) -> ssh_key::PrivateKey {
    let seed = <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(name));
    ssh_key::PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(&seed))
}

pub(super) fn ed25519(name: &str) -> SigningKey {
    SigningKey::from_bytes(&<sha2::Sha256 as sha2::Digest>::digest(name).into())
}

pub(super) fn wallet_key() -> k256::ecdsa::SigningKey {
    k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()
}

pub(super) fn wallet_public() -> PublicKey {
    PublicKey::from_sec1(wallet_key().verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

pub(super) fn document() -> Value {
    let key = |name: &str| hex::encode(ed25519(name).verifying_key().to_bytes());
    let officer = |name: &str, roles: &[&str]| json!({"name": name, "roles": roles, "ssh_public_key": ssh(name).public_key().to_openssh().unwrap()});
    let node = |i: u8| {
        json!({"name": format!("node-{i}"), "operator": format!("op-{i}"), "provider": format!("cloud-{i}"), "region": format!("region-{i}"),
               "cosigning_key": key(&format!("cosign-{i}")), "message_key": key(&format!("message-{i}"))})
    };
    let quorum = json!({"security-officer": 2});
    json!({
        "version": 1, "rules_version": 1, "cluster": "demo-1", "created_at_ms": START, "max_clock_skew_ms": 5000,
        "threshold": {"t": 2, "n": 3, "f": 0},
        "officers": [officer("alice", &["security-officer", "withdrawal-approver"]),
                     officer("bob", &["security-officer", "withdrawal-approver"]),
                     officer("carol", &["withdrawal-approver"])],
        "clients": [{"name": "pipeline", "public_key": key("pipeline"), "wallets": ["hot-1", "hot-2"], "expires_at_ms": START + 1_000_000_000},
                    {"name": "other", "public_key": key("other"), "wallets": ["hot-2"], "expires_at_ms": START + 1_000_000_000}],
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

pub(super) fn genesis_entry(document: &Value) -> Result<Entry, GenesisError> {
    let bytes = serde_json::to_vec(document).unwrap();
    let officers =
        document["officers"].as_array().unwrap().iter().map(|officer| officer["name"].as_str().unwrap());
    let signatures: Vec<_> = officers
        .map(|name| {
            (OfficerId::new(name).unwrap(), OfficerKey::sign(&ssh(name), GENESIS_NAMESPACE, &bytes).unwrap())
        })
        .collect();
    Genesis::assemble(&bytes, &signatures)
}

impl Cell {
    pub(super) fn new() -> Self {
        Self::from_genesis(genesis_entry(&document()).unwrap())
    }

    pub(super) fn from_genesis(genesis: Entry) -> Self {
        let mut state = State::from_genesis(&genesis).unwrap();
        state.suppose(state.genesis().policy.clone().into());
        Self { state, now: START + 1000, log: vec![genesis.clone()], genesis, sequence: 0 }
    }

    /// A cell with an active wallet `hot-1`, a whitelisted payee and a fresh session report.
    pub(super) fn ready() -> Self {
        let mut cell = Self::new();
        cell.make_ready();
        cell
    }

    pub(super) fn make_ready(&mut self) {
        self.create_wallet("hot-1");
        self.whitelist(PAYEE, 1_000_000);
        self.now += 100_000;
        self.session(false, false);
    }

    pub(super) fn submit(&mut self, envelope: &Envelope) -> Outcome {
        self.now += 1;
        let entry = Entry::stamp(self.now, envelope).unwrap();
        let applied = self.state.apply(&entry).unwrap();
        self.log.push(entry);
        self.assert_supposed_like_in_force(&applied);
        applied.outcome
    }

    /// The first policy, supposed beside the one in force: as long as they are the same, so are their decisions.
    fn assert_supposed_like_in_force(&self, applied: &Applied) {
        let Outcome::Admitted(Admission { withdrawal: Some(id), .. }) = &applied.outcome else { return };
        let withdrawal = self.withdrawal(*id);
        let decides = !matches!(
            applied.act.act().unwrap(),
            Act::Cancel(_)
                | Act::Statement { statement: Statement { body: StatementBody::RejectHold(_), .. }, .. }
        );
        let first = self.state.policy_digest() == self.state.genesis().policy.hash();
        if first && decides && withdrawal.positions.decision == applied.index {
            let mut supposed = self.state.decision_supposed(withdrawal, applied.time).unwrap();
            supposed.policy_version = withdrawal.decision.policy_version;
            assert_eq!(supposed, *withdrawal.decision);
        }
    }

    pub(super) fn accept(&mut self, envelope: &Envelope) -> Admission {
        match self.submit(envelope) {
            Outcome::Admitted(admission) => admission,
            Outcome::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }

    pub(super) fn refuse(&mut self, envelope: &Envelope) -> &'static str {
        let before = self.state.clone();
        match self.submit(envelope) {
            Outcome::Admitted(admission) => panic!("admitted: {admission:?}"),
            Outcome::Rejected(rejection) => {
                // Which number a provider's next report has is all that a refusal changes.
                let used = rejection.used_number().is_some();
                let numbers = if used { &self.state } else { &before }.numbers.clone();
                let unchanged = State {
                    numbers,
                    size: self.state.size,
                    last_time: self.state.last_time,
                    digest: self.state.digest,
                    digests: self.state.digests.clone(),
                    ..before
                };
                let same = unchanged.to_snapshot() == self.state.to_snapshot();
                assert!(same, "a rejected entry changed the state");
                rejection.code().as_str()
            }
        }
    }

    /// The same on a copy: nothing was logged.
    pub(super) fn would_refuse(&mut self, envelope: &Envelope) -> &'static str {
        let (state, now, entries) = (self.state.clone(), self.now, self.log.len());
        let code = self.refuse(envelope);
        self.log.truncate(entries);
        (self.state, self.now) = (state, now);
        code
    }

    pub(super) fn statement(&self, officer: &str, body: StatementBody) -> Envelope {
        let statement = Statement {
            cluster: self.state.cluster().clone(),
            officer: OfficerId::new(officer).unwrap(),
            issued_at: TimestampMs(self.now),
            expires_at: (!body.is_protective()).then_some(TimestampMs(self.now + 3_600_000)),
            note: String::new(),
            body,
        };
        signed_statement(officer, &self.state.statement_text(&statement).unwrap())
    }

    pub(super) fn create_wallet(&mut self, name: &str) {
        let nodes: Vec<_> = self.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
        let proposal = WalletProposal {
            wallet: WalletId::new(name).unwrap(),
            engine: "test".to_owned(),
            t: 2,
            n: 3,
            nodes,
        };
        let ceremony = self.approved(StatementBody::ProposeWallet(proposal));
        for i in 1..=3 {
            self.accept(&confirmation(ceremony, name, i, "aa"));
        }
        let payload = json!({"cluster": "demo-1", "ceremony": ceremony, "wallet": name, "epoch": 0});
        self.accept(&coordinator(PayloadKind::EpochActivated, &payload));
    }

    pub(super) fn approved(&mut self, body: StatementBody) -> CeremonyId {
        let proposal = self.statement("alice", body);
        let ceremony = self.accept(&proposal).ceremony.unwrap();
        for officer in ["alice", "bob"] {
            let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony));
            self.accept(&approval);
        }
        ceremony
    }

    pub(super) fn whitelist(&mut self, address: &str, life_ms: u64) -> holdfast_policy::WhitelistEntryId {
        let proposal = WhitelistProposal {
            chain_id: ChainId(1),
            address: Address::parse(address).unwrap(),
            assets: vec!["ETH".parse().unwrap(), "USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(self.now + life_ms),
        };
        let ceremony = self.approved(StatementBody::ProposeWhitelistEntry(proposal));
        self.state.ceremony(&ceremony).unwrap().whitelist_entry.clone().unwrap()
    }

    pub(super) fn session(&mut self, new_device: bool, second_factor_reset: bool) {
        self.sequence += 1;
        let report = json!({"cluster": "demo-1", "provider": "sessions", "sequence": self.sequence, "customer": "c-1",
            "observed_at_ms": self.now, "new_device": new_device, "second_factor_reset": second_factor_reset});
        self.accept(&sign(PayloadKind::SessionReport, &report, "provider", "sessions"));
    }

    pub(super) fn request(&self, key: &str, usdt: u128) -> Value {
        json!({"cluster": "demo-1", "client": "pipeline", "wallet": "hot-1", "asset": "USDT", "chain_id": 1,
            "amount": (usdt * 1_000_000).to_string(), "destination": PAYEE, "fee_cap": "10000000000000000", "customer": "c-1",
            "idempotency_key": key, "created_at_ms": self.now, "expires_at_ms": self.now + 600_000,
            "transaction": usdt_transfer(PAYEE, usdt, 0).to_hex()})
    }

    pub(super) fn ask(&mut self, request: &Value) -> WithdrawalId {
        self.accept(&sign(PayloadKind::WithdrawalRequest, request, "client", "pipeline")).withdrawal.unwrap()
    }

    pub(super) fn authorize(&self, id: WithdrawalId) -> Envelope {
        let digest = self.withdrawal(id).transaction.as_ref().unwrap().signing_hash;
        coordinator(
            PayloadKind::Authorize,
            &json!({"cluster": "demo-1", "withdrawal": id, "digests": [digest]}),
        )
    }

    pub(super) fn withdrawal(&self, id: WithdrawalId) -> &Withdrawal {
        self.state.withdrawal(&id).unwrap()
    }

    pub(super) fn state_of(&self, id: WithdrawalId) -> WithdrawalState {
        self.withdrawal(id).state_at(TimestampMs(self.now))
    }
}

/// The envelope is refused with this code, which names this field.
#[track_caller]
pub(super) fn assert_names<'f>(
    cell: &mut Cell,
    envelope: &Envelope,
    code: &str,
    field: impl Into<Option<&'f str>>,
) {
    assert_eq!(cell.refuse(envelope), code);
    let rejection = cell.state.check(envelope, cell.state.last_time()).unwrap().unwrap_err();
    assert_eq!(rejection.field(), field.into(), "{rejection:?}");
}

pub(super) fn usdt_transfer(to: &str, usdt: u128, nonce: u64) -> UnsignedTransaction {
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

pub(super) fn wallet_signature(digest: &holdfast_chains::Digest) -> Signature {
    let signature: k256::ecdsa::Signature = wallet_key().sign_prehash(digest.as_bytes()).unwrap();
    let (r, s) = signature.split_bytes();
    Signature::from_scalars(r.into(), s.into(), digest, &wallet_public()).unwrap()
}

pub(super) fn signed_statement(officer: &str, text: &str) -> Envelope {
    signed_by_key(officer, officer, text)
}

/// By an officer whose key is not the one of that name.
pub(super) fn signed_by_key(officer: &str, key: &str, text: &str) -> Envelope {
    let signature = OfficerKey::sign(&ssh(key), OFFICER_NAMESPACE, text.as_bytes()).unwrap();
    Envelope {
        payload_type: PayloadKind::Statement.payload_type(),
        payload: text.as_bytes().to_vec(),
        signatures: vec![EnvelopeSignature { key_id: key_id("officer", officer), signature }],
    }
}

pub(super) fn sign(kind: PayloadKind, payload: &Value, role: &str, name: &str) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id(role, name), &ed25519(name)).unwrap()
}

pub(super) fn coordinator(kind: PayloadKind, payload: &Value) -> Envelope {
    let payload = serde_json::to_vec(payload).unwrap();
    Envelope::sign_ed25519(kind.payload_type(), payload, "coordinator:main", &ed25519("entry")).unwrap()
}

/// A public key that is not the wallet's.
pub(super) fn other_public(seed: u8) -> PublicKey {
    let key = k256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
    PublicKey::from_sec1(key.verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

/// The confirmation of a node with other members, signed by that node.
pub(super) fn confirmation_with(ceremony: CeremonyId, node: u8, members: &[(&str, Value)]) -> Envelope {
    let honest = confirmation(ceremony, "hot-1", node, "aa");
    let mut payload: Value = serde_json::from_slice(&honest.payload).unwrap();
    for (member, value) in members {
        payload[*member] = value.clone();
    }
    let (payload, key) = (serde_json::to_vec(&payload).unwrap(), ed25519(&format!("message-{node}")));
    Envelope::sign_ed25519(honest.payload_type, payload, &key_id("node", &format!("node-{node}")), &key)
        .unwrap()
}

/// A node's word that its shares of `hot-1` up to this epoch are erased.
pub(super) fn erased(node: u8, incarnation: u32, epoch: u32) -> Envelope {
    let payload = json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": incarnation,
        "wallet": "hot-1", "epoch": epoch});
    erased_with(node, &payload)
}

pub(super) fn erased_with(node: u8, payload: &Value) -> Envelope {
    let (payload, key) = (serde_json::to_vec(payload).unwrap(), ed25519(&format!("message-{node}")));
    let kind = PayloadKind::SharesErased.payload_type();
    Envelope::sign_ed25519(kind, payload, &key_id("node", &format!("node-{node}")), &key).unwrap()
}

pub(super) fn confirmation(ceremony: CeremonyId, wallet: &str, node: u8, transcript: &str) -> Envelope {
    let share = wallet_public();
    let payload = json!({"cluster": "demo-1", "ceremony": ceremony, "node": format!("node-{node}"), "wallet": wallet, "epoch": 0,
        "engine": "test", "public_key": wallet_public(), "chain_code": format!("0x{}", "11".repeat(32)),
        "verifying_shares": [share, share, share], "transcript": format!("0x{}", transcript.repeat(32)), "backup_restored": true});
    let payload = serde_json::to_vec(&payload).unwrap();
    let (kind, key) = (PayloadKind::KeygenConfirmation, ed25519(&format!("message-{node}")));
    Envelope::sign_ed25519(kind.payload_type(), payload, &key_id("node", &format!("node-{node}")), &key)
        .unwrap()
}
