//! Certificates: an authority, requests, and certifying them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holdfast_transport::files as secure;
use holdfast_transport::issue::{CertificateAuthority, IssueError, Validity, certificate_request};
use holdfast_transport::{PeerIdentity, Role, with_causes};
use serde_json::json;

use crate::clock::{self, parse_duration};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;

/// A new authority.
#[derive(Args, Debug)]
pub(super) struct AuthorityArgs {
    /// The cluster that it vouches for
    #[arg(long)]
    cluster: String,
    /// Writes OUT.pem and OUT.key
    #[arg(long, value_name = "OUT", default_value = "ca")]
    out: PathBuf,
    /// How long it is valid
    #[arg(long, default_value = "3650d", value_name = "DURATION", value_parser = parse_duration)]
    valid_for: Duration,
}

/// A certificate request.
#[derive(Args, Debug)]
pub(super) struct RequestArgs {
    /// The cluster
    #[arg(long)]
    cluster: String,
    /// ROLE/NAME, for example officer/alice
    #[arg(long, value_name = "ROLE/NAME")]
    identity: String,
    /// Writes OUT.key (which stays here) and OUT.csr (for the authority)
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
}

/// A certificate.
#[derive(Args, Debug)]
pub(super) struct CertifyArgs {
    /// The authority: reads CA.pem and CA.key
    #[arg(long, value_name = "CA", default_value = "ca")]
    ca: PathBuf,
    /// The certificate request
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// ROLE/NAME that the request must ask for, for example node/node-1
    #[arg(long, value_name = "ROLE/NAME")]
    identity: String,
    /// Host names or addresses to add, for clients that check host names
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Where to write the certificate
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long it is valid
    #[arg(long, default_value = "90d", value_name = "DURATION", value_parser = parse_duration)]
    valid_for: Duration,
}

pub(super) fn make(args: &AuthorityArgs) -> Result<Answer, Failure> {
    let (certificate, key) = (args.out.with_extension("pem"), args.out.with_extension("key"));
    files::refuse_existing(&certificate)?;
    let authority =
        CertificateAuthority::generate(&args.cluster, &validity(args.valid_for)?).map_err(refused)?;
    write(&authority, &certificate, &key)?;
    let text = format!(
        "authority of `{}`: `{}` for everyone, `{}` stays offline",
        args.cluster,
        certificate.display(),
        key.display()
    );
    Ok(Answer::new(json!({"certificate": certificate, "key": key}), text))
}

/// Writes an authority's two files.
pub(super) fn write(authority: &CertificateAuthority, certificate: &Path, key: &Path) -> Result<(), Failure> {
    secure::create_secret(key, authority.key_pem().as_bytes())?;
    files::write(certificate, authority.certificate_pem().as_bytes())
}

pub(super) fn request(args: &RequestArgs) -> Result<Answer, Failure> {
    let identity = identity(&args.cluster, &args.identity)?;
    let (csr_path, key_path) = (args.out.with_extension("csr"), args.out.with_extension("key"));
    files::refuse_existing(&csr_path)?;
    let (csr, key) = certificate_request(&identity).map_err(refused)?;
    secure::create_secret(&key_path, key.as_bytes())?;
    files::write(&csr_path, csr.as_bytes())?;
    let text = format!("`{}` for the authority, `{}` stays here", csr_path.display(), key_path.display());
    Ok(Answer::new(json!({"csr": csr_path, "key": key_path, "identity": identity.to_string()}), text))
}

pub(super) fn certify(args: &CertifyArgs) -> Result<Answer, Failure> {
    let certificate = files::read_text(&args.ca.with_extension("pem"))?;
    let key = secure::read_secret(&args.ca.with_extension("key"))?;
    let key = std::str::from_utf8(&key).map_err(|_| Failure::usage("the authority's key is not PEM"))?;
    let authority = CertificateAuthority::from_pem(&certificate, key).map_err(refused)?;
    let identity = identity(authority.cluster(), &args.identity)?;
    let hosts: Vec<&str> = args.hosts.iter().map(String::as_str).collect();
    let csr = files::read_text(&args.csr)?;
    let issued =
        authority.issue_for_csr(&csr, &identity, &hosts, &validity(args.valid_for)?).map_err(refused)?;
    files::write_new(&args.out, issued.as_bytes())?;
    let text = format!("`{}` is certified as {identity}", args.out.display());
    Ok(Answer::new(json!({"certificate": args.out, "identity": identity.to_string()}), text))
}

/// A validity that starts now.
pub(super) fn validity(span: Duration) -> Result<Validity, Failure> {
    Validity::new(clock::system_time(), span).map_err(refused)
}

pub(super) fn refused(error: IssueError) -> Failure {
    Failure::new(Exit::Usage, error.reason(), with_causes(&error))
}

fn identity(cluster: &str, text: &str) -> Result<PeerIdentity, Failure> {
    let malformed = || {
        Failure::usage(format!("`{text}` is no identity")).next("write ROLE/NAME, for example node/node-1")
    };
    let (role, name) = text.split_once('/').ok_or_else(malformed)?;
    let role: Role = role.parse().map_err(|_| malformed())?;
    PeerIdentity::new(cluster, role, name).map_err(|error| Failure::usage(error.to_string()))
}
