//! The genesis document: the first entry, signed by every officer it names, pinned by hash in every node.
//!
//! It holds the cell's identity, roster, committee, assets, first policy and first screening lists.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_chains::{Asset, ChainId};
use holdfast_log::{Entry, Envelope, EnvelopeSignature};
use holdfast_policy::{
    CalendarDate, ClientId, ClusterId, ListId, NodeId, OfficerId, PolicyDocument, ProviderId, RoleName,
    ScreeningList, TimestampMs, WalletId,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::officer_key::GENESIS_NAMESPACE;
use crate::payload::{PayloadKind, parse};
use crate::roster::Roster;
use crate::rules::RULES_VERSION;

const MIN_OFFICERS: usize = 2;
const MAX_NODES: usize = 16;

/// How many officers of each role an act needs; one person fills one role.
pub type Quorum = BTreeMap<RoleName, u32>;

/// The document's members, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisDocument {
    /// Format version, 1.
    pub version: u32,
    /// Version of the rules by which entries are applied; must be known to every node.
    pub rules_version: u32,
    /// The cell's id; a random part keeps two cells apart.
    pub cluster: ClusterId,
    /// When the document was made.
    pub created_at_ms: TimestampMs,
    /// How far a node's clock may be behind an authorization's time.
    pub max_clock_skew_ms: u64,
    /// The committee's threshold.
    pub threshold: ThresholdEntry,
    /// Officers with roles and SSH keys.
    pub officers: Vec<OfficerEntry>,
    /// Withdrawal pipelines.
    pub clients: Vec<ClientEntry>,
    /// Providers of facts.
    pub providers: Vec<ProviderEntry>,
    /// Signer nodes, in committee order: party indices are positions, from 1.
    pub nodes: Vec<NodeEntry>,
    /// The coordinator's keys.
    pub coordinator: CoordinatorEntry,
    /// Asset registry.
    pub assets: Vec<Asset>,
    /// Who must approve what: `create-wallet`, `add-whitelist-entry`, `resume-wallet`.
    pub quorums: BTreeMap<String, Quorum>,
    /// The first policy, TOML text.
    pub policy: String,
    /// The first screening lists, in full.
    pub screening_lists: Vec<ScreeningListEntry>,
}

/// t of n with 2t > n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdEntry {
    /// Shares needed to sign.
    pub t: u8,
    /// Shares that exist.
    pub n: u8,
}

/// An officer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficerEntry {
    /// The officer's name.
    pub name: OfficerId,
    /// Roles the officer may act in.
    pub roles: Vec<RoleName>,
    /// One line in OpenSSH format.
    pub ssh_public_key: String,
}

/// A client of the withdrawal API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientEntry {
    /// The client's name, also in its TLS certificate.
    pub name: ClientId,
    /// Ed25519, hex.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
    /// Wallets it may ask to pay from.
    pub wallets: Vec<WalletId>,
    /// From this time on its key is void.
    pub expires_at_ms: TimestampMs,
}

/// A provider of facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// The provider's name.
    pub name: ProviderId,
    /// Ed25519, hex; never a client's key.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
}

/// A signer node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// The node's name, also in its TLS certificate.
    pub name: NodeId,
    /// Who runs it.
    pub operator: String,
    /// On whose infrastructure.
    pub provider: String,
    /// Where.
    pub region: String,
    /// Ed25519 key that cosigns checkpoints, hex.
    #[serde(with = "hex::serde")]
    pub cosigning_key: [u8; 32],
    /// Ed25519 key that signs messages, confirmations and receipts, hex.
    #[serde(with = "hex::serde")]
    pub message_key: [u8; 32],
}

/// The coordinator's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorEntry {
    /// Ed25519 key that signs checkpoints, hex.
    #[serde(with = "hex::serde")]
    pub log_key: [u8; 32],
    /// Ed25519 key that signs the coordinator's own entries, hex.
    #[serde(with = "hex::serde")]
    pub entry_key: [u8; 32],
}

/// An asset of the registry (see [`Asset`]).
pub type AssetEntry = Asset;

/// A screening list in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreeningListEntry {
    /// The name that policies use.
    pub id: ListId,
    /// Where it comes from.
    pub source: String,
    /// Its date, `YYYY-MM-DD`.
    pub as_of: String,
    /// The exact text: one address a line, any case.
    pub text: String,
}

/// A genesis document that passed every check.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// SHA-256 of the exact document bytes: what nodes pin.
    pub hash: [u8; 32],
    /// The members.
    pub document: GenesisDocument,
    /// Keys ready for use.
    pub roster: Roster,
    /// The parsed policy.
    pub policy: PolicyDocument,
    /// The parsed lists.
    pub screening: Vec<ScreeningList>,
}

/// Why a genesis entry is refused. A node that meets one does not start.
#[derive(Debug, thiserror::Error)]
#[error("genesis: {0}")]
pub struct GenesisError(String);

impl Genesis {
    /// SHA-256 of a document's exact bytes.
    pub fn hash_of(document: &[u8]) -> [u8; 32] {
        Sha256::digest(document).into()
    }

    /// Puts a document and its officers' signatures together into the log's first entry, dated as the document is.
    ///
    /// # Errors
    /// [`GenesisError`] if the document or a signature is not acceptable, or one is missing.
    pub fn assemble(document: &[u8], signatures: &[(OfficerId, Vec<u8>)]) -> Result<Entry, GenesisError> {
        let genesis = Self::from_document(document)?;
        let signatures = signatures.iter().map(|(officer, armored)| EnvelopeSignature {
            key_id: crate::payload::key_id("officer", officer.as_str()),
            signature: armored.clone(),
        });
        let envelope = Envelope {
            payload_type: PayloadKind::Genesis.payload_type(),
            payload: document.to_vec(),
            signatures: signatures.collect(),
        };
        let entry = Entry::stamp(genesis.document.created_at_ms.0, &envelope)
            .map_err(|error| GenesisError(error.to_string()))?;
        Self::from_entry(&entry)?;
        Ok(entry)
    }

    /// Checks the first entry of a log completely, every officer's signature included.
    ///
    /// # Errors
    /// [`GenesisError`] with the first thing that is wrong.
    pub fn from_entry(entry: &Entry) -> Result<Self, GenesisError> {
        let envelope = entry.envelope();
        if envelope.payload_type.as_str() != PayloadKind::Genesis.as_str() {
            return Err(GenesisError("the first entry is not a genesis document".to_owned()));
        }
        let genesis = Self::from_document(&envelope.payload)?;
        for (officer, key) in genesis.roster.officer_keys() {
            let key_id = crate::payload::key_id("officer", officer.as_str());
            let signed = envelope.signatures.iter().any(|signature| {
                signature.key_id == key_id
                    && key.verify(GENESIS_NAMESPACE, &envelope.payload, &signature.signature).is_ok()
            });
            if !signed {
                return Err(GenesisError(format!("officer `{officer}` has not signed it")));
            }
        }
        Ok(genesis)
    }

    /// Checks a document that may not be signed yet: for the tools that build one.
    ///
    /// # Errors
    /// [`GenesisError`] with the first thing that is wrong.
    pub fn from_document(bytes: &[u8]) -> Result<Self, GenesisError> {
        let document: GenesisDocument = parse(bytes).map_err(|rejection| {
            GenesisError(format!("`{}`: {}", rejection.field().unwrap_or("."), rejection.detail()))
        })?;
        check_versions(&document)?;
        check_committee(&document)?;
        check_assets(&document.assets)?;
        check_quorums(&document)?;
        let roster = Roster::from_genesis(&document).map_err(GenesisError)?;
        let policy = PolicyDocument::parse(&document.policy)
            .map_err(|error| GenesisError(format!("policy: {error}")))?;
        let screening = document.screening_lists.iter().map(screening_list).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { hash: Self::hash_of(bytes), document, roster, policy, screening })
    }
}

fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), GenesisError> {
    if condition { Ok(()) } else { Err(GenesisError(message())) }
}

fn check_versions(document: &GenesisDocument) -> Result<(), GenesisError> {
    ensure(document.version == 1, || format!("format version {} is unknown", document.version))?;
    ensure(document.rules_version == RULES_VERSION, || {
        format!(
            "rules version {} is unknown to this program (it has {RULES_VERSION})",
            document.rules_version
        )
    })?;
    ensure((1..=600_000).contains(&document.max_clock_skew_ms), || {
        "`max_clock_skew_ms` must be 1 to 600000".to_owned()
    })
}

/// INVARIANT (G3): no single operator, provider or region may hold t shares.
fn check_committee(document: &GenesisDocument) -> Result<(), GenesisError> {
    let ThresholdEntry { t, n } = document.threshold;
    ensure(t >= 2, || "`t` must be at least 2".to_owned())?;
    ensure(u16::from(t).saturating_mul(2) > u16::from(n) && t <= n, || {
        format!("{t} of {n} does not hold 2t > n")
    })?;
    ensure(usize::from(n) == document.nodes.len() && document.nodes.len() <= MAX_NODES, || {
        format!("`n` is {n} but {} nodes are listed", document.nodes.len())
    })?;
    let party = |name: &str, of: fn(&NodeEntry) -> &str| {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &document.nodes {
            let count = seen.entry(of(node)).or_default();
            *count = count.saturating_add(1);
        }
        match seen.into_iter().find(|(_, count)| *count >= usize::from(t)) {
            Some((who, count)) => {
                Err(GenesisError(format!("{name} `{who}` would hold {count} shares, the threshold is {t}")))
            }
            None => Ok(()),
        }
    };
    party("operator", |node| &node.operator)?;
    party("provider", |node| &node.provider)?;
    party("region", |node| &node.region)
}

fn check_assets(assets: &[Asset]) -> Result<(), GenesisError> {
    let symbols: BTreeSet<_> = assets.iter().map(|asset| &asset.symbol).collect();
    let contracts: BTreeSet<_> = assets.iter().map(|asset| (asset.chain_id, asset.contract)).collect();
    ensure(!assets.is_empty(), || "no asset is registered".to_owned())?;
    ensure(symbols.len() == assets.len() && contracts.len() == assets.len(), || {
        "an asset is registered twice".to_owned()
    })?;
    ensure(assets.iter().all(|asset| asset.chain_id != ChainId(0)), || "chain id 0 does not exist".to_owned())
}

/// Every ceremony has a quorum of at least two people that this roster can fill.
fn check_quorums(document: &GenesisDocument) -> Result<(), GenesisError> {
    for kind in crate::ceremony::QUORUM_NAMES {
        let quorum =
            document.quorums.get(kind).ok_or_else(|| GenesisError(format!("quorum `{kind}` is missing")))?;
        let people: u32 = quorum.values().fold(0, |sum, count| sum.saturating_add(*count));
        ensure(people >= 2, || format!("quorum `{kind}` needs at least two people"))?;
        let everyone: Vec<(OfficerId, BTreeSet<RoleName>)> = document
            .officers
            .iter()
            .map(|officer| (officer.name.clone(), officer.roles.iter().cloned().collect()))
            .collect();
        ensure(crate::ceremony::quorum_met(quorum, &everyone), || {
            format!("quorum `{kind}` can never be met")
        })?;
    }
    ensure(document.quorums.len() == crate::ceremony::QUORUM_NAMES.len(), || {
        "a quorum has an unknown name".to_owned()
    })?;
    ensure(document.officers.len() >= MIN_OFFICERS, || "at least two officers are needed".to_owned())
}

fn screening_list(entry: &ScreeningListEntry) -> Result<ScreeningList, GenesisError> {
    let refuse = |detail: String| GenesisError(format!("screening list `{}`: {detail}", entry.id));
    let as_of = CalendarDate::parse(&entry.as_of).map_err(|error| refuse(error.to_string()))?;
    ScreeningList::parse(entry.id.clone(), &entry.source, as_of, &entry.text)
        .map_err(|error| refuse(error.to_string()))
}
