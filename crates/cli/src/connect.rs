//! Connections to servers: TLS 1.3, our identity, and exactly the server that the profile names.

use std::time::Duration;

use holdfast_transport::client::{self, Endpoint, Timeouts};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity, with_causes};
use tonic::transport::Channel;

use crate::failure::{Exit, Failure};
use crate::profile::{Profile, Server, Who};

/// Longer than the longest call of a server, so that its answer arrives and not our timeout.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(50);

/// Connects as `who`.
pub(crate) async fn connect(
    profile: &Profile,
    who: &Who,
    role: Role,
    server: &Server,
) -> Result<Channel, Failure> {
    let tls = identity(profile, who)?;
    let expected = PeerIdentity::new(&profile.file.cluster, role, &server.name).map_err(|error| {
        Failure::new(Exit::Usage, "PROFILE_INVALID", format!("`{}`: {error}", server.name))
    })?;
    let endpoint = Endpoint { address: server.address.clone(), expected };
    let timeouts = Timeouts { request: REQUEST_TIMEOUT, ..Timeouts::default() };
    Ok(client::connect(&endpoint, &tls, &timeouts).await?)
}

/// Asks whether a server is ready and accepts us.
pub(crate) async fn probe(channel: &Channel, limit: Duration) -> Result<(), Failure> {
    Ok(client::probe(channel, "", limit).await?)
}

/// INVARIANT (G1): a certificate of another role or name is not used by mistake; TLS would say nothing about it.
pub(crate) fn identity(profile: &Profile, who: &Who) -> Result<TlsIdentity, Failure> {
    let person = profile.person(who)?;
    let load = TlsIdentity::load(
        &profile.path(&person.certificate),
        &profile.path(&person.tls_key),
        &profile.path(&profile.file.ca),
    );
    let tls = load.map_err(|error| {
        Failure::new(Exit::Usage, error.reason(), with_causes(&error))
            .during(&format!("TLS identity of {} `{}`", who.role, who.name))
            .next("correct the files that the profile names")
    })?;
    let found = tls.identity();
    if found.role() != who.role || found.name() != who.name || found.cluster() != profile.file.cluster {
        let message = format!("the certificate of {} `{}` is one of `{found}`", who.role, who.name);
        return Err(Failure::new(Exit::Usage, "PROFILE_INVALID", message)
            .next("correct `certificate` and `tls_key` in the profile"));
    }
    Ok(tls)
}
