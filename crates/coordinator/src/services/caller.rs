//! Who calls: the verified TLS identity, and what it may see. It never replaces the signature of an envelope.

use holdfast_ledger::{Withdrawal, key_id};
use holdfast_policy::ClientId;
use holdfast_transport::{Role, peer_identity};
use tonic::{Request, Status};

use crate::status::RequestError;

/// The peer of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    role: Role,
    name: String,
}

/// Which withdrawals a caller sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A client: its own.
    Own(ClientId),
    /// Officers, auditors and operators: all.
    All,
}

impl Caller {
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let identity = peer_identity(request)?;
        Ok(Self { role: identity.role(), name: identity.name().to_owned() })
    }

    /// The `keyid` of envelopes that this caller signs.
    pub(super) fn key_id(&self) -> String {
        key_id(self.role.as_str(), &self.name)
    }

    /// The client that calls.
    pub(super) fn client(&self) -> Result<ClientId, RequestError> {
        match self.role {
            Role::Client => ClientId::new(self.name.as_str()).map_err(|_| RequestError::NoIdentity),
            Role::Coordinator
            | Role::Node
            | Role::Officer
            | Role::Auditor
            | Role::Provider
            | Role::Operator => Err(RequestError::NoIdentity),
        }
    }

    pub(super) fn scope(&self) -> Result<Scope, RequestError> {
        match self.role {
            Role::Client => Ok(Scope::Own(self.client()?)),
            Role::Officer | Role::Auditor | Role::Operator => Ok(Scope::All),
            Role::Coordinator | Role::Node | Role::Provider => Err(RequestError::NoIdentity),
        }
    }
}

impl Scope {
    /// INVARIANT: another client's withdrawal is as unknown as one that does not exist.
    pub(super) fn covers(&self, withdrawal: &Withdrawal) -> bool {
        match self {
            Self::Own(client) => withdrawal.request.client == *client,
            Self::All => true,
        }
    }
}
