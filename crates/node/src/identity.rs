//! Who this node is: its names and its two secret keys, checked against the genesis document.
//!
//! Owns the secret keys for as long as the process runs. It must never sign for a name that the genesis document does not
//! give to exactly these keys.

use std::fmt;

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Genesis, Roster, key_id};
use holdfast_log::{
    CheckpointError, Cosigner, Envelope, EnvelopeError, KeyName, LogVerifier, NoteKeyError, Origin,
    PayloadType,
};
use holdfast_policy::{ClusterId, NodeId};
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{PartyIndex, SetupError};

/// Which node of which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeName {
    /// The cell.
    pub(crate) cluster: ClusterId,
    /// The node.
    pub(crate) node: NodeId,
}

/// This node, able to speak for itself.
pub(crate) struct Identity {
    name: NodeName,
    message_key: SigningKey,
}

/// What the replica needs to witness the log.
#[derive(Debug)]
pub(crate) struct Witness {
    /// Verifies the coordinator's checkpoints.
    pub(crate) log: LogVerifier,
    /// Cosigns them.
    pub(crate) cosigner: Cosigner,
}

/// Why configuration, keys and genesis do not belong together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The genesis is another cell's.
    #[error("the genesis document is of cluster `{found}`, this node is configured for `{expected}`")]
    OtherCluster { expected: ClusterId, found: ClusterId },
    /// The genesis does not name this node.
    #[error("the genesis document has no node `{node}`")]
    NotInGenesis { node: NodeId },
    /// The key file holds another key than the genesis names.
    #[error(
        "the {key} key of node `{node}` is not the one in the genesis document: use the file that was enrolled"
    )]
    OtherKey { key: &'static str, node: NodeId },
    /// A name that cannot be a key's name.
    #[error("the names of cluster and node cannot be key names")]
    Name(#[from] NoteKeyError),
}

impl Identity {
    /// Checks that the genesis document gives these keys to this node.
    pub(crate) fn establish(
        name: NodeName,
        cosigning_key: SigningKey,
        message_key: SigningKey,
        genesis: &Genesis,
    ) -> Result<(Self, Witness), IdentityError> {
        let (roster, node) = (&genesis.roster, &name.node);
        if *roster.cluster() != name.cluster {
            let (expected, found) = (name.cluster, roster.cluster().clone());
            return Err(IdentityError::OtherCluster { expected, found });
        }
        let known = roster.node(node).ok_or_else(|| IdentityError::NotInGenesis { node: node.clone() })?;
        let checks = [
            ("cosigning", known.cosigning_key == cosigning_key.verifying_key()),
            ("message", known.message_key == message_key.verifying_key()),
        ];
        if let Some((key, _)) = checks.into_iter().find(|(_, equal)| !equal) {
            return Err(IdentityError::OtherKey { key, node: node.clone() });
        }
        let origin = Origin::of_cluster(name.cluster.as_str())?;
        let log = LogVerifier::new(origin, roster.coordinator().log_key);
        let cosigner = Cosigner::new(KeyName::of_node(name.cluster.as_str(), node.as_str())?, cosigning_key);
        Ok((Self { name, message_key }, Witness { log, cosigner }))
    }

    /// Which node of which cluster.
    pub(crate) fn name(&self) -> &NodeName {
        &self.name
    }

    /// This node's name.
    pub(crate) fn node(&self) -> &NodeId {
        &self.name.node
    }

    /// The cell.
    pub(crate) fn cluster(&self) -> &ClusterId {
        &self.name.cluster
    }

    /// The key that signs session offers.
    pub(crate) fn message_key(&self) -> &SigningKey {
        &self.message_key
    }

    /// An envelope that this node signs with its message key.
    pub(crate) fn sign(
        &self,
        payload_type: PayloadType,
        payload: Vec<u8>,
    ) -> Result<Envelope, EnvelopeError> {
        let key_id = key_id("node", self.name.node.as_str());
        Envelope::sign_ed25519(payload_type, payload, &key_id, &self.message_key)
    }
}

impl Witness {
    /// Reads a checkpoint that the log's key signed.
    pub(crate) fn checkpoint(&self, note: &[u8]) -> Result<holdfast_log::Checkpoint, CheckpointError> {
        holdfast_log::SignedCheckpoint::parse(note)?.verify(&self.log)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).field("message_key", &"<redacted>").finish()
    }
}

/// A committee: names in party order, as parties and message keys of the engine.
#[derive(Debug)]
pub(crate) struct Committee<'a> {
    nodes: &'a [NodeId],
}

impl<'a> Committee<'a> {
    pub(crate) fn new(nodes: &'a [NodeId]) -> Self {
        Self { nodes }
    }

    /// How many there are.
    pub(crate) fn size(&self) -> u8 {
        u8::try_from(self.nodes.len()).unwrap_or(u8::MAX)
    }

    /// The node's place, from 1.
    pub(crate) fn party(&self, node: &NodeId) -> Option<PartyIndex> {
        let position = self.nodes.iter().position(|member| member == node)?;
        PartyIndex::new(u8::try_from(position.checked_add(1)?).ok()?).ok()
    }

    /// The name at a place.
    pub(crate) fn node(&self, party: PartyIndex) -> Option<&'a NodeId> {
        self.nodes.get(usize::from(party.get()).checked_sub(1)?)
    }

    /// Everybody's message key from the roster; a node without one is left out, and the engine then refuses.
    pub(crate) fn message_keys(&self, roster: &Roster) -> Result<MessageKeys, SetupError> {
        MessageKeys::new(self.nodes.iter().filter_map(|id| {
            let key = roster.node(id)?.message_key.to_bytes();
            Some((self.party(id)?, key))
        }))
    }
}
