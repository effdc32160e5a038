//! SIGHUP: certificate and key are read again, without a restart.
//!
//! Must never leave a server without an identity: what cannot be used changes nothing, and is said.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::TlsIdentity;
use crate::causes::with_causes;

/// Reads both files again at every SIGHUP for as long as the future is polled. The signal no longer ends the process from this
/// call on.
///
/// # Errors
/// When the signal handler cannot be set.
pub fn reload_on_hangup(
    tls: &TlsIdentity,
    certificate: &Path,
    key: &Path,
) -> io::Result<impl Future<Output = Infallible> + use<>> {
    let mut hangups = signal(SignalKind::hangup())?;
    let (tls, certificate, key) = (tls.clone(), certificate.to_owned(), key.to_owned());
    Ok(async move {
        loop {
            if hangups.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            let (tls, certificate, key) = (tls.clone(), certificate.clone(), key.clone());
            match tokio::task::spawn_blocking(move || tls.reload(&certificate, &key)).await {
                Ok(Ok(())) => tracing::info!("certificate read again: new connections use it"),
                Ok(Err(error)) => {
                    let (reason, error) = (error.reason(), with_causes(&error));
                    tracing::error!(reason, error, "the new certificate is not used, the old one stays");
                }
                Err(error) => tracing::error!(%error, "reading the certificate was interrupted"),
            }
        }
    })
}
