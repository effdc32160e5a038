//! Who this node is: its names and its two secret keys.
//!
//! Owns the secret keys for as long as the process runs. Whether they may speak for the name is for the log's newest roster
//! to say, see `enrolled.rs`; every path that signs with them asks it first.

use std::fmt;

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Genesis, Roster, State, key_id};
use holdfast_log::{
    Checkpoint, CheckpointError, Cosigner, Envelope, EnvelopeError, KeyName, LogVerifier, NoteKeyError,
    Origin, PayloadType, SignedCheckpoint,
};
use holdfast_policy::{ClusterId, NodeId};
use holdfast_threshold::channel::MessageKeys;
use holdfast_threshold::{PartyIndex, SetupError};

use crate::enrolled::OwnKeys;

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
    /// The log's name.
    pub(crate) origin: Origin,
    /// Cosigns its checkpoints.
    pub(crate) cosigner: Cosigner,
    /// What the roster must name before it does.
    pub(crate) own: OwnKeys,
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
    /// A name that cannot be a key's name.
    #[error("the names of cluster and node cannot be key names")]
    Name(#[from] NoteKeyError),
}

impl Identity {
    /// Checks that the cell has a node of this name. Whether its keys are these, the log's newest roster says: see
    /// [`OwnKeys::standing`].
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
        if roster.node(node).is_none() {
            return Err(IdentityError::NotInGenesis { node: node.clone() });
        }
        let own = OwnKeys {
            node: node.clone(),
            cosigning: cosigning_key.verifying_key(),
            message: message_key.verifying_key(),
        };
        let origin = Origin::of_cluster(name.cluster.as_str())?;
        let cosigner = Cosigner::new(KeyName::of_node(name.cluster.as_str(), node.as_str())?, cosigning_key);
        Ok((Self { name, message_key }, Witness { origin, cosigner, own }))
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
    /// Requires the signature of the log's key that is in force, by this state, at the checkpoint's size.
    pub(crate) fn verify(
        &self,
        state: &State,
        signed: &SignedCheckpoint,
    ) -> Result<Checkpoint, CheckpointError> {
        let key = state.roster_at(signed.claimed().size).coordinator().log_key;
        signed.verify(&LogVerifier::new(self.origin.clone(), key))
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
