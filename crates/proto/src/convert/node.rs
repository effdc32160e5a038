//! What a node tells the coordinator, from the wire: bounded and typed, believed by nobody before it is verified.

use holdfast_log::{Cosignature, Hash};

use super::{FieldError, client_id, wallet_id, whitelist_entry_id};
use crate::limits::NODE_MESSAGE_BYTES;
use crate::v1;
use holdfast_chains::Address;
use holdfast_ledger::{LatchScope, StatementDigest};
use holdfast_policy::{ListId, OfficerId};

/// More latches than this are not kept.
const MAX_LATCHES: usize = 64;
/// More delivered statements than this are not looked at in one answer.
const MAX_STATEMENTS: usize = 64;
/// Engines that a report may name.
const MAX_ENGINES: usize = 8;

/// The end of a node's replica, by its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Entries that are durable on the node.
    pub size: u64,
    /// Root of its tree.
    pub root: Hash,
    /// Its newest cosignature; a claim until it is verified.
    pub cosignature: Option<Cosignature>,
    /// Its newest attestation, an envelope; empty if it made none.
    pub attestation: Vec<u8>,
}

/// How a node is, by its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// Its cluster.
    pub cluster: String,
    /// Hash of the genesis it was installed with.
    pub genesis_hash: Vec<u8>,
    /// Version of its program.
    pub version: String,
    /// Its clock, ms.
    pub time_ms: u64,
    /// The end of its replica.
    pub tip: Tip,
    /// What it refuses by officers' direct orders.
    pub latches: Vec<LatchReport>,
    /// Envelopes of delivered statements that its log lacks.
    pub unlogged_statements: Vec<Vec<u8>>,
    /// Which keys it has: the number of its entry in the roster, from 1; 0 if the roster does not name them.
    pub incarnation: u32,
    /// Whether the roster names the keys that it holds.
    pub enrolled: bool,
    /// Whether it cosigns, signs and generates keys.
    pub serving: bool,
    /// Engines in its program that nobody maintains.
    pub unmaintained_engines: Vec<String>,
    /// Envelopes that say which old shares it has erased, and that its log lacks.
    pub erasures: Vec<Vec<u8>>,
}

/// An officer's direct order that a node obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatchReport {
    /// What it refuses.
    pub scope: LatchScope,
    /// Who ordered it.
    pub officer: OfficerId,
    /// The statement.
    pub statement: StatementDigest,
    /// Since when, by the node's clock, ms.
    pub since_ms: u64,
}

/// A sealed message on its way to one party.
#[derive(Clone, PartialEq, Eq)]
pub struct RoutedMessage {
    /// The party it is for, from 1.
    pub to_party: u8,
    /// The sealed bytes.
    pub message: Vec<u8>,
}

impl std::fmt::Debug for RoutedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoutedMessage(to {}, {} bytes)", self.to_party, self.message.len())
    }
}

impl TryFrom<v1::ReplicaTip> for Tip {
    type Error = FieldError;

    fn try_from(wire: v1::ReplicaTip) -> Result<Self, FieldError> {
        let root: [u8; Hash::LEN] =
            wire.root.try_into().map_err(|_| FieldError::new("root", "must have 32 bytes"))?;
        let cosignature = if wire.cosignature.is_empty() {
            None
        } else {
            let parsed = Cosignature::parse(&wire.cosignature);
            Some(parsed.map_err(|error| FieldError::new("cosignature", error.to_string()))?)
        };
        Ok(Self { size: wire.tip_size, root: Hash(root), cosignature, attestation: wire.attestation })
    }
}

impl TryFrom<v1::NodeStatus> for NodeReport {
    type Error = FieldError;

    fn try_from(wire: v1::NodeStatus) -> Result<Self, FieldError> {
        let tip = wire.tip.ok_or_else(|| FieldError::new("tip", "is missing"))?;
        Ok(Self {
            name: wire.name,
            cluster: wire.cluster,
            genesis_hash: wire.genesis_hash,
            version: wire.version.chars().take(64).collect(),
            time_ms: wire.time_ms,
            tip: tip.try_into()?,
            // A latch that this version cannot read is the node's affair: it refuses all the same.
            latches: wire
                .latches
                .into_iter()
                .take(MAX_LATCHES)
                .filter_map(|latch| latch.try_into().ok())
                .collect(),
            unlogged_statements: wire.unlogged_statements.into_iter().take(MAX_STATEMENTS).collect(),
            incarnation: wire.incarnation,
            enrolled: wire.enrolled,
            serving: wire.serving,
            unmaintained_engines: wire
                .unmaintained_engines
                .into_iter()
                .take(MAX_ENGINES)
                .map(|name| name.chars().take(64).collect())
                .collect(),
            erasures: wire.erasures.into_iter().take(MAX_STATEMENTS).collect(),
        })
    }
}

impl TryFrom<v1::RefusalLatch> for LatchReport {
    type Error = FieldError;

    fn try_from(wire: v1::RefusalLatch) -> Result<Self, FieldError> {
        let scope = match wire.scope.as_str() {
            "wallet" => LatchScope::Wallet(wallet_id("id", &wire.id)?),
            "whitelist-entry" => LatchScope::WhitelistEntry(whitelist_entry_id("id", &wire.id)?),
            "client" => LatchScope::Client(client_id("id", &wire.id)?),
            "screening-list" => listed(&wire.id)?,
            _ => return Err(FieldError::new("scope", "is unknown")),
        };
        let statement = hex_digest(&wire.statement_hash)?;
        let officer =
            OfficerId::new(wire.officer).map_err(|error| FieldError::new("officer", error.to_string()))?;
        Ok(Self { scope, officer, statement, since_ms: wire.since_ms })
    }
}

/// `list:address`.
fn listed(id: &str) -> Result<LatchScope, FieldError> {
    let invalid = |detail: String| FieldError::new("id", detail);
    let (list, address) = id.split_once(':').ok_or_else(|| invalid("must be `LIST:ADDRESS`".to_owned()))?;
    let list = ListId::new(list).map_err(|error| invalid(error.to_string()))?;
    let address = Address::parse(address).map_err(|error| invalid(error.to_string()))?;
    Ok(LatchScope::Listed { list, address })
}

fn hex_digest(bytes: &[u8]) -> Result<StatementDigest, FieldError> {
    let text: String = bytes.iter().take(33).map(|byte| format!("{byte:02x}")).collect();
    text.parse().map_err(|_| FieldError::new("statement_hash", "must have 32 bytes"))
}

impl TryFrom<v1::Outbound> for RoutedMessage {
    type Error = FieldError;

    fn try_from(wire: v1::Outbound) -> Result<Self, FieldError> {
        let to_party = u8::try_from(wire.to_party)
            .map_err(|_| FieldError::new("to_party", "is no party of any committee"))?;
        if wire.message.is_empty() || wire.message.len() > NODE_MESSAGE_BYTES {
            return Err(FieldError::new("message", "is empty or too long"));
        }
        Ok(Self { to_party, message: wire.message })
    }
}

impl From<RoutedMessage> for v1::Outbound {
    fn from(message: RoutedMessage) -> Self {
        Self { to_party: message.to_party.into(), message: message.message }
    }
}

/// r and s of a signature, 32 bytes each; nothing is verified here.
///
/// # Errors
/// [`FieldError`] for any other length.
pub fn scalars(wire: v1::EcdsaSignature) -> Result<([u8; 32], [u8; 32]), FieldError> {
    let scalar =
        |field, bytes: Vec<u8>| bytes.try_into().map_err(|_| FieldError::new(field, "must have 32 bytes"));
    Ok((scalar("r", wire.r)?, scalar("s", wire.s)?))
}
