//! A node from its start to its end.
//!
//! Owns the order of starting and stopping. It must never accept a connection before everything was loaded and checked,
//! or end with work that is acknowledged and not on disk.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_server::process::{self, StartError};
use holdfast_server::telemetry::TelemetryError;
use holdfast_store::{StoreError, StoreHandle};
use holdfast_transport::files::{self, FileError};
use holdfast_transport::server::{ServeError, serve};
use holdfast_transport::signing_key::{self, SigningKeyError};
use holdfast_transport::tls::{TlsError, reload_on_hangup};
use holdfast_transport::{PeerIdentity, Role, TlsIdentity};
use tokio::task::JoinError;
use tonic_health::server::HealthReporter;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::config::NodeConfig;
use crate::crash::{CrashPoint, CrashPoints};
use crate::engines::{self, NotAccepted};
use crate::hardening::{self, HardeningError, LockError};
use crate::latches::DeliverRefusal;
use crate::node::{Node, NodeParts, OpenError};
use crate::replica::{self, LoadError};
use crate::sealing::KdfParameters;
use crate::server::{self, ServicesError};
use crate::tables;
use crate::telemetry;

/// How often forgotten attempts are swept and gauges set.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process cannot be hardened.
    #[error("the process cannot be hardened")]
    Hardening(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The data directory cannot be made.
    #[error("cannot create directory `{}`", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file cannot be read, or must not be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key file is not one.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The TLS identity cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate is somebody else's.
    #[error("the certificate is for `{found}`, this node is `{expected}`")]
    OtherCertificate {
        /// Who this node is.
        expected: String,
        /// Whose certificate it is.
        found: String,
    },
    /// The store cannot be opened or closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's data cannot be loaded or does not belong to its configuration.
    #[error("the node cannot be opened")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The program has an engine that its operator has not accepted.
    #[error(transparent)]
    UnmaintainedProtocol(Box<dyn std::error::Error + Send + Sync>),
    /// The services cannot be put together.
    #[error("the services cannot be put together")]
    Services(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Logs or metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be listened on, or a signal handler cannot be set.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A start-up task ended early.
    #[error("a task of the start ended early")]
    Interrupted(#[from] JoinError),
}

/// Runs a node until SIGTERM or SIGINT: hardens the process, loads and checks everything, serves, drains, closes.
///
/// `hooks` is told at which points the node is; the production program passes [`crate::NoCrashPoints`].
///
/// # Errors
/// [`RunError`]; its sources say more.
pub async fn run(config: NodeConfig, hooks: Arc<dyn CrashPoints<CrashPoint>>) -> Result<(), RunError> {
    hardening::harden()?;
    hardening::lock_memory(config.require_locked_memory)?;
    let stop = process::stop_signal()?;
    if let Some(address) = config.metrics_listen {
        telemetry::serve_metrics(address)?;
    }
    let tls = TlsIdentity::load(&config.tls.certificate, &config.tls.key, &config.tls.ca)?;
    check_certificate(&config, tls.identity())?;
    let reloading =
        reload_on_hangup(&tls, &config.tls.certificate, &config.tls.key).map_err(process::no_handler)?;
    let reloading = tokio::spawn(reloading);
    let (node, store) = open(config.clone(), hooks, Arc::new(SystemClock)).await?;
    // What the log took over just before a crash.
    node.latches.lift(&node.replica).await?;

    let listener = process::listen(config.listen).await?;
    let (routes, health) = server::services(&node).await?;
    let access = server::access().map_err(ServicesError::from)?;
    let housekeeping = tokio::spawn(housekeeping(Arc::clone(&node), health.clone()));
    tracing::info!(node = %node.identity.node(), listen = %config.listen, "serving");
    let stopping = async {
        stop.await;
        tracing::info!("stopping: open calls may end");
        server::stop_serving(&health).await;
    };
    let served = serve(listener, &tls, routes, access, server::limits(), stopping).await;
    housekeeping.abort();
    reloading.abort();
    node.incidents.flush().await;
    drop(node);
    store.close().await?;
    tracing::info!("stopped");
    Ok(served?)
}

/// Loads everything that the configuration names, on a thread that may block.
async fn open(
    config: NodeConfig,
    crash: Arc<dyn CrashPoints<CrashPoint>>,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<Node>, StoreHandle), RunError> {
    let opening = tokio::task::spawn_blocking(move || {
        let engines = engines::engines(config.accept_unmaintained_protocol)?;
        create_data_dir(&config)?;
        let genesis = replica::start(&files::read_public(&config.genesis)?, &config.genesis_sha256)?;
        let cosigning_key = signing_key::load(&config.keys.cosigning)?;
        let message_key = signing_key::load(&config.keys.message)?;
        let passphrase = passphrase(&config)?;
        let store = StoreHandle::open(&config.store_config(), &tables::ALL)?;
        let node = Node::open(NodeParts {
            name: config.name.clone(),
            cosigning_key,
            message_key,
            passphrase,
            kdf: KdfParameters::PRODUCTION,
            engines,
            genesis,
            data_dir: &config.data_dir,
            store: store.clone(),
            history_memory: config.history_memory,
            clock,
            crash,
        })?;
        Ok::<_, RunError>((Arc::new(node), store))
    });
    opening.await?
}

fn create_data_dir(config: &NodeConfig) -> Result<(), RunError> {
    let path = &config.data_dir;
    let created = DirBuilder::new().mode(0o700).recursive(true).create(path);
    created.map_err(|source| RunError::DataDir { path: path.clone(), source })
}

/// The passphrase file's content without the line feed that editors add.
fn passphrase(config: &NodeConfig) -> Result<Zeroizing<Vec<u8>>, RunError> {
    let mut passphrase = files::read_secret(&config.passphrase_file)?;
    while passphrase.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        passphrase.pop();
    }
    Ok(passphrase)
}

fn check_certificate(config: &NodeConfig, found: &PeerIdentity) -> Result<(), RunError> {
    let (cluster, node) = (config.name.cluster.as_str(), config.name.node.as_str());
    if found.role() == Role::Node && found.cluster() == cluster && found.name() == node {
        return Ok(());
    }
    let expected = format!("spiffe://{cluster}/{}/{node}", Role::Node);
    Err(RunError::OtherCertificate { expected, found: found.to_string() })
}

/// Signing states are wiped when their time is over, not only when the next call comes.
async fn housekeeping(node: Arc<Node>, health: HealthReporter) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    let mut able = true;
    loop {
        ticks.tick().await;
        // INVARIANT (G9): what failed stays failed until the start that reads the disk back: it never serves again by itself.
        if able && !node.replica.is_able().await {
            able = false;
            tracing::error!("nothing can be promised any more: not serving until this node is started again");
            server::stop_serving(&health).await;
        }
        metrics::gauge!("holdfast_node_able").set(f64::from(u8::from(able)));
        node.signing.sessions.sweep(node.now());
        node.keep_snapshot().await;
        node.keep_little().await;
        metrics::counter!("holdfast_node_log_entries").absolute(node.replica.read().await.tip().size);
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("holdfast_node_open_sessions").set(count(node.signing.sessions.count()));
        metrics::gauge!("holdfast_node_latches").set(count(node.latches.in_force().await.len()));
    }
}

impl From<HardeningError> for RunError {
    fn from(error: HardeningError) -> Self {
        Self::Hardening(Box::new(error))
    }
}

impl From<LockError> for RunError {
    fn from(error: LockError) -> Self {
        Self::Hardening(Box::new(error))
    }
}

impl From<OpenError> for RunError {
    fn from(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<NotAccepted> for RunError {
    fn from(error: NotAccepted) -> Self {
        Self::UnmaintainedProtocol(Box::new(error))
    }
}

impl From<LoadError> for RunError {
    fn from(error: LoadError) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<DeliverRefusal> for RunError {
    fn from(error: DeliverRefusal) -> Self {
        Self::Open(Box::new(error))
    }
}

impl From<ServicesError> for RunError {
    fn from(error: ServicesError) -> Self {
        Self::Services(Box::new(error))
    }
}
