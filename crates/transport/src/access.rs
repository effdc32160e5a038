//! Who may call what: one table of method and roles for each server, and the layer that enforces it.
//!
//! Must never allow a method by omission: what is not in the table is refused, whoever asks.

mod layer;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::ERROR_DOMAIN;
use crate::identity::{PeerIdentity, Role};

pub(crate) use layer::AccessLayer;

/// One line of a table: a method's path and the roles that may call it.
pub type Grant<'a> = (&'a str, &'a [Role]);

/// The methods of the standard health service, for everyone with an identity.
pub const HEALTH: [Grant<'static>; 2] =
    [("/grpc.health.v1.Health/Check", &Role::ALL), ("/grpc.health.v1.Health/Watch", &Role::ALL)];

/// The methods of the standard reflection service, for everyone with an identity.
pub const REFLECTION: [Grant<'static>; 1] =
    [("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &Role::ALL)];

/// Which roles may call which methods. Cheap to clone.
#[derive(Clone)]
pub struct AccessTable(Arc<HashMap<String, BTreeSet<Role>>>);

impl AccessTable {
    /// Builds the table from lines like `("/holdfast.v1.WithdrawalService/Submit", &[Role::Client])`.
    ///
    /// # Errors
    /// When a path is not of the form `/package.Service/Method`, appears twice, or names no role.
    pub fn new(grants: &[Grant<'_>]) -> Result<Self, AccessTableError> {
        let mut table = HashMap::new();
        for (method, roles) in grants {
            let refuse = |problem| AccessTableError { method: (*method).to_owned(), problem };
            if !is_method_path(method) {
                return Err(refuse("is not of the form `/package.Service/Method`"));
            }
            if roles.is_empty() {
                return Err(refuse("is granted to no role"));
            }
            if table.insert((*method).to_owned(), roles.iter().copied().collect()).is_some() {
                return Err(refuse("is listed twice"));
            }
        }
        Ok(Self(Arc::new(table)))
    }

    /// Whether this role may call this method.
    #[must_use]
    pub fn allows(&self, method: &str, role: Role) -> bool {
        self.0.get(method).is_some_and(|roles| roles.contains(&role))
    }

    /// Every method in the table, for a server's test that none of its methods is missing.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    // INVARIANT: a request reaches a handler only with the verified identity of its connection, and only if the table
    // names that identity's role for exactly this method (G1, G9).
    /// Admits a request and leaves the peer's identity in its extensions, or says why not.
    fn admit<B>(&self, request: &mut http::Request<B>) -> Result<(), Status> {
        let Some(connection) = request.extensions().get::<PeerConnection>().cloned() else {
            return Err(Status::unauthenticated("connection has no verified identity"));
        };
        let role = connection.identity.role();
        let method = request.uri().path();
        if !self.allows(method, role) {
            tracing::warn!(peer = %connection.identity, method, "call refused");
            return Err(role_not_allowed(method, role));
        }
        request.extensions_mut().insert(connection.identity);
        Ok(())
    }
}

impl fmt::Debug for AccessTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTable").field("methods", &self.0.len()).finish()
    }
}

/// What the server knows about a connection, attached to each of its requests.
#[derive(Debug, Clone)]
pub struct PeerConnection {
    pub(crate) identity: PeerIdentity,
    pub(crate) remote_address: SocketAddr,
}

impl PeerConnection {
    /// Who is at the other end.
    #[must_use]
    pub fn identity(&self) -> &PeerIdentity {
        &self.identity
    }

    /// Where the connection comes from.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.remote_address
    }
}

/// The identity of the peer that sent a request.
///
/// # Errors
/// `UNAUTHENTICATED` when the request did not come through [`crate::server::serve`].
pub fn peer_identity<T>(request: &Request<T>) -> Result<&PeerIdentity, Status> {
    let identity = request.extensions().get::<PeerIdentity>();
    identity.ok_or_else(|| Status::unauthenticated("request has no verified identity"))
}

fn role_not_allowed(method: &str, role: Role) -> Status {
    let facts = [("method", method), ("role", role.as_str())];
    let details = ErrorDetails::with_error_info(
        "ROLE_NOT_ALLOWED",
        ERROR_DOMAIN,
        facts.map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let message = format!("role `{role}` may not call `{method}`");
    Status::with_error_details(Code::PermissionDenied, message, details)
}

fn is_method_path(path: &str) -> bool {
    let named = |segment: Option<&str>| {
        segment.is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
        })
    };
    let mut segments = path.split('/');
    segments.next() == Some("")
        && named(segments.next())
        && named(segments.next())
        && segments.next().is_none()
}

/// Why a table cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("method `{method}` {problem}")]
pub struct AccessTableError {
    method: String,
    problem: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMIT: &str = "/holdfast.v1.WithdrawalService/Submit";

    fn request(method: &str, identity: Option<&str>) -> http::Request<()> {
        let mut request = http::Request::builder().uri(format!("http://host{method}")).body(()).unwrap();
        if let Some(identity) = identity {
            let remote_address = "127.0.0.1:1".parse().unwrap();
            let identity = identity.parse().unwrap();
            request.extensions_mut().insert(PeerConnection { identity, remote_address });
        }
        request
    }

    #[test]
    fn listed_role_is_admitted_with_its_identity() {
        let table = AccessTable::new(&[(SUBMIT, &[Role::Client])]).unwrap();
        let mut request = request(SUBMIT, Some("spiffe://demo/client/pipeline"));
        table.admit(&mut request).unwrap();
        assert_eq!(request.extensions().get::<PeerIdentity>().unwrap().name(), "pipeline");
    }

    #[test]
    fn every_role_that_is_not_listed_is_refused_with_a_reason() {
        let table = AccessTable::new(&[(SUBMIT, &[Role::Client])]).unwrap();
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Client) {
            let mut request = request(SUBMIT, Some(&format!("spiffe://demo/{role}/x")));
            let refused = table.admit(&mut request).unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
            let info = refused.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ROLE_NOT_ALLOWED", ERROR_DOMAIN));
            assert_eq!(info.metadata.get("role").map(String::as_str), Some(role.as_str()));
            assert!(request.extensions().get::<PeerIdentity>().is_none());
        }
    }

    #[test]
    fn method_outside_the_table_is_refused_for_everyone() {
        let table = AccessTable::new(&[(SUBMIT, &Role::ALL)]).unwrap();
        for method in ["/holdfast.v1.WithdrawalService/submit", "/holdfast.v1.WithdrawalService/Submit/", "/"]
        {
            let mut request = request(method, Some("spiffe://demo/client/pipeline"));
            assert_eq!(table.admit(&mut request).unwrap_err().code(), Code::PermissionDenied, "{method}");
        }
    }

    #[test]
    fn request_without_a_verified_connection_is_unauthenticated() {
        let table = AccessTable::new(&[(SUBMIT, &Role::ALL)]).unwrap();
        let mut request = request(SUBMIT, None);
        // An identity that something else put there counts for nothing.
        let forged: PeerIdentity = "spiffe://demo/client/pipeline".parse().unwrap();
        request.extensions_mut().insert(forged);
        assert_eq!(table.admit(&mut request).unwrap_err().code(), Code::Unauthenticated);
        assert_eq!(peer_identity(&Request::new(())).unwrap_err().code(), Code::Unauthenticated);
    }

    #[test]
    fn malformed_repeated_and_empty_lines_are_refused() {
        let bad: [&[Grant<'_>]; 6] = [
            &[("holdfast.v1.S/M", &Role::ALL)],
            &[("/holdfast.v1.S", &Role::ALL)],
            &[("/holdfast.v1.S/M/", &Role::ALL)],
            &[("/holdfast.v1.S/*", &Role::ALL)],
            &[(SUBMIT, &[])],
            &[(SUBMIT, &[Role::Client]), (SUBMIT, &[Role::Officer])],
        ];
        for grants in bad {
            assert!(AccessTable::new(grants).is_err(), "{grants:?} was accepted");
        }
        AccessTable::new(&[HEALTH.as_slice(), REFLECTION.as_slice()].concat()).unwrap();
    }
}
