//! A coordinator from its start to its end.
//!
//! Owns the order of starting and stopping. It must never accept a connection before the log was replayed and verified, go
//! on serving after a write failed, or end with work that is acknowledged and not on disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use holdfast_ledger::{Roster, WithdrawalId};
use holdfast_log::{Entry, EntryError};
use holdfast_policy::{NodeId, ProviderId};
use holdfast_server::process::{self, StartError};
use holdfast_server::telemetry::{TelemetryError, cause};
use holdfast_store::{StoreError, StoreHandle};
use holdfast_transport::client::{ConnectError, Endpoint, Timeouts, connect_lazy};
use holdfast_transport::files::{self, FileError};
use holdfast_transport::https::{OutsideServer, UrlError, serve_files};
use holdfast_transport::identity::IdentityError;
use holdfast_transport::server::{ServeError, serve};
use holdfast_transport::signing_key::{self, SigningKeyError};
use holdfast_transport::tls::{TlsError, reload_on_hangup};
use holdfast_transport::{Limits, PeerIdentity, Role, TlsIdentity};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tonic::transport::Channel;

use crate::call_rate::CallRates;
use crate::ceremonies::Ceremonies;
use crate::clock::Clock;
use crate::config::{CoordinatorConfig, OneOrMore, WitnessAddress};
use crate::coordinator::Coordinator;
use crate::cosigned::Cosigned;
use crate::crash::{self, CrashPoint, CrashPoints};
use crate::given_up::GivenUp;
use crate::log_book::{LogBook, LogFailed, OpenError, Reader, schema, snapshot_file};
use crate::nodes::{CallLimits, DeliveredStatements, NodeClient, Nodes, Replicator};
use crate::progress::Progress;
use crate::risk_providers::RiskProviders;
use crate::seeding::{SeedError, Seeding};
use crate::sequencer::Sequencer;
use crate::server::{self, ServicesError};
use crate::services::Streams;
use crate::speaker::Speaker;
use crate::telemetry;
use crate::tiles::{AuditorsTiles, Tiles, TilesError};
use crate::time_guard::TimeGuard;
use crate::withdrawals::Withdrawals;
use crate::witnesses::{Asking, OutsideWitness};

/// Time limits of calls to nodes.
const CALLS: CallLimits = CallLimits {
    status: Duration::from_secs(2),
    replicate: Duration::from_secs(10),
    sign: Duration::from_secs(5),
    sign_slowly: Duration::from_secs(20),
    keygen: Duration::from_secs(60),
};
/// How often expiry is looked at and the withdrawals are counted.
const HOUSEKEEPING_EVERY: Duration = Duration::from_millis(500);
/// How often it is looked at whether a snapshot of the log is due.
const SNAPSHOTS_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Why a coordinator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The TLS material cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate is somebody else's.
    #[error("the certificate is for `{found}`, this coordinator is `{expected}`")]
    OtherCertificate {
        /// Who this coordinator is.
        expected: String,
        /// Whose certificate it is.
        found: String,
    },
    /// A name makes no TLS identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The genesis file is no entry.
    #[error("the genesis file is not a log entry")]
    Genesis(#[from] EntryError),
    /// The genesis document is of another cluster.
    #[error("the genesis document is of cluster `{found}`, the configuration says `{expected}`")]
    OtherCluster {
        /// The configured cluster.
        expected: String,
        /// The document's cluster.
        found: String,
    },
    /// The configured nodes are not the roster's.
    #[error(
        "the configuration must give an address for exactly the nodes of the genesis document: {problem}"
    )]
    Nodes {
        /// What differs.
        problem: String,
    },
    /// The store cannot be opened or closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored log cannot be used.
    #[error("the log cannot be opened")]
    Open(#[from] OpenError),
    /// The nodes' log cannot be taken over, or is another one.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// An outside witness cannot be addressed.
    #[error(transparent)]
    Witness(#[from] UrlError),
    /// The log's tiles cannot be written.
    #[error("the log's tiles cannot be published")]
    Tiles(#[from] Box<TilesError>),
    /// A node cannot be addressed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The services cannot be put together.
    #[error("the services cannot be put together")]
    Services(#[from] ServicesError),
    /// Logs or metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be listened on, or a signal handler cannot be set.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The log failed while running.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// A start-up task ended early.
    #[error("a task of the start ended early")]
    Interrupted(#[from] JoinError),
}

/// Runs a coordinator until SIGTERM or SIGINT: loads and verifies everything, serves, drains, closes.
///
/// `hooks` is told at which points the coordinator is; the production program passes [`crate::NoCrashPoints`].
///
/// # Errors
/// [`RunError`]; its sources say more. A log that cannot be written any more ends the process with
/// [`RunError::Failed`]: what is on disk is read back at the next start.
pub async fn run(config: CoordinatorConfig, hooks: Arc<dyn CrashPoints<CrashPoint>>) -> Result<(), RunError> {
    let signalled = process::stop_signal()?;
    tokio::pin!(signalled);
    if let Some(address) = config.metrics_listen {
        telemetry::serve_metrics(address)?;
    }
    let tls = TlsIdentity::load(&config.tls.certificate, &config.tls.key, &config.tls.ca)?;
    check_certificate(&config, tls.identity())?;
    let reloading =
        reload_on_hangup(&tls, &config.tls.certificate, &config.tls.key).map_err(process::no_handler)?;
    tokio::spawn(reloading);
    let (book, entry_keys) = open_log(config.clone(), Arc::clone(&hooks)).await?;
    let book = Arc::new(book);
    let nodes = nodes(&config, &tls, &book).await?;
    let seeded = tokio::select! {
        seeded = seed(&config, &book, &nodes) => Some(seeded),
        () = &mut signalled => None,
    };
    if !matches!(seeded, Some(Ok(()))) {
        book.store().close().await?;
        return seeded.unwrap_or(Ok(()));
    }
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let parts = assemble(&config, &tls, Arc::clone(&book), nodes, entry_keys, &stopped, &mut tasks).await?;

    let listener = process::listen(config.listen).await?;
    publish_tiles(&config, &tls, &parts, &hooks, &stopped, &mut tasks).await?;
    tasks.spawn(keep_snapshots(Arc::clone(&book), hooks, stopped));
    let (closing, closed) = watch::channel(false);
    let rates = CallRates::new(config.client_calls);
    let (routes, health) = server::services(&parts, Streams::new(closed), &rates).await?;
    let access = server::access().map_err(ServicesError::from)?;
    tracing::info!(cluster = %config.cluster, name = config.name, listen = %config.listen, "serving");
    let ending = async {
        let mut failure = book.failure();
        tokio::select! {
            () = &mut signalled => tracing::info!("stopping: open calls may end"),
            _ = failure.wait_for(|failed| *failed) => tracing::error!("the log has failed: stopping"),
        }
        server::set_serving(&health, false).await;
        closing.send_replace(true);
    };
    let served = serve(listener, &tls, routes, access, server::limits(), ending).await;
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
    let failed = *book.failure().borrow();
    let closed = book.store().close().await;
    tracing::info!("stopped");
    if failed {
        return Err(LogFailed.into());
    }
    closed?;
    Ok(served?)
}

fn check_certificate(config: &CoordinatorConfig, found: &PeerIdentity) -> Result<(), RunError> {
    let expected = PeerIdentity::new(config.cluster.as_str(), Role::Coordinator, &config.name)?;
    if *found == expected {
        return Ok(());
    }
    Err(RunError::OtherCertificate { expected: expected.to_string(), found: found.to_string() })
}

/// Loads what the configuration names and replays the log, on a thread that may block.
async fn open_log(
    config: CoordinatorConfig,
    hooks: Arc<dyn CrashPoints<CrashPoint>>,
) -> Result<(LogBook, Vec<SigningKey>), RunError> {
    let opening = tokio::task::spawn_blocking(move || {
        let genesis = Entry::parse(&files::read_public(&config.genesis)?)?;
        let log_keys = signing_keys(&config.keys.log)?;
        let entry_keys = signing_keys(&config.keys.entry)?;
        let store = StoreHandle::open(&config.store_config(), &schema::TABLES)?;
        let store = crash::watched(store, &hooks);
        let snapshots = snapshot_file(&config.data_dir, store.clone(), config.history_memory);
        let book = LogBook::open(store, &genesis, &config.genesis_sha256, log_keys, snapshots)?;
        Ok((book, entry_keys))
    });
    opening.await?
}

fn signing_keys(files: &OneOrMore) -> Result<Vec<SigningKey>, SigningKeyError> {
    files.paths().iter().map(|path| signing_key::load(path)).collect()
}

/// The links to the nodes, once the configuration was found to be about this cell.
async fn nodes(
    config: &CoordinatorConfig,
    tls: &TlsIdentity,
    book: &LogBook,
) -> Result<Arc<Nodes>, RunError> {
    check_roster(config, book.read().await?.state().roster())?;
    Ok(Arc::new(Nodes::new(clients(config, tls)?)))
}

/// Takes over the nodes' log if it is longer, and says which keys are missing for it.
async fn seed(config: &CoordinatorConfig, book: &Arc<LogBook>, nodes: &Arc<Nodes>) -> Result<(), RunError> {
    let seeding = Seeding {
        book: Arc::clone(book),
        nodes: Arc::clone(nodes),
        cluster: config.cluster.clone(),
        genesis_hash: config.genesis_sha256,
    };
    seeding.run().await?;
    Ok(())
}

/// Puts the parts together and starts what runs beside the server.
async fn assemble(
    config: &CoordinatorConfig,
    tls: &TlsIdentity,
    book: Arc<LogBook>,
    nodes: Arc<Nodes>,
    entry_keys: Vec<SigningKey>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<Coordinator, RunError> {
    let (t, skew_ms) = {
        let reader = book.read().await?;
        warn_of_missing_keys(&reader, &entry_keys);
        (reader.state().roster().threshold(), reader.state().genesis().document.max_clock_skew_ms)
    };
    let clock = Clock::system();
    let guard = Some(TimeGuard::new(Arc::clone(&nodes), t.into(), skew_ms));
    let (sequencer, writing) = Sequencer::start(Arc::clone(&book), clock.clone(), guard, stopped.clone());
    tasks.spawn(async {
        // Its own panic would have failed the log.
        let _ = writing.await;
    });
    let parts = Coordinator {
        cosigned: Arc::new(Cosigned::load(Arc::clone(&book)).await?),
        nodes,
        witnesses: Arc::default(),
        risk_providers: Arc::new(RiskProviders::new(risk_providers(config, tls)?)),
        progress: Arc::new(Progress::default()),
        given_up: Arc::new(GivenUp::load(book.store())?),
        speaker: Arc::new(Speaker::new(config.cluster.clone(), &config.name, entry_keys)),
        book,
        sequencer,
        clock,
    };
    start_beside(&parts, config, outside_witnesses(config)?, stopped, tasks);
    Ok(parts)
}

fn start_beside(
    parts: &Coordinator,
    config: &CoordinatorConfig,
    outside: Vec<OutsideWitness>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) {
    let delivered = Arc::new(DeliveredStatements::new(parts.sequencer.clone()));
    for link in parts.nodes.links() {
        let replicator = Replicator {
            book: Arc::clone(&parts.book),
            nodes: Arc::clone(&parts.nodes),
            link: Arc::clone(link),
            cosigned: Arc::clone(&parts.cosigned),
            delivered: Arc::clone(&delivered),
            clock: parts.clock.clone(),
            cluster: config.cluster.clone(),
            genesis_hash: config.genesis_sha256,
        };
        tasks.spawn(replicator.run(stopped.clone()));
    }
    tasks.spawn(Arc::clone(&parts.nodes).follow(parts.book.tip(), stopped.clone()));
    tasks.spawn(Arc::clone(&parts.cosigned).persist(parts.clock.clone(), stopped.clone()));
    tasks.spawn(Withdrawals::new(parts.clone()).run(stopped.clone()));
    tasks.spawn(Ceremonies::new(parts.clone()).run(stopped.clone()));
    for witness in outside {
        let asking = Asking::new(witness, parts.clone());
        tasks.spawn(asking.run(stopped.clone()));
    }
    tasks.spawn(keep_house(parts.clone(), stopped.clone()));
}

/// Writes the log's tiles, and serves them to auditors if an address is configured.
async fn publish_tiles(
    config: &CoordinatorConfig,
    tls: &TlsIdentity,
    parts: &Coordinator,
    hooks: &Arc<dyn CrashPoints<CrashPoint>>,
    stopped: &watch::Receiver<bool>,
    tasks: &mut JoinSet<()>,
) -> Result<(), RunError> {
    let directory = config.data_dir.join("tiles");
    let (book, cosigned) = (Arc::clone(&parts.book), Arc::clone(&parts.cosigned));
    let tiles = Tiles::open(book, cosigned, directory.clone(), Arc::clone(hooks)).await;
    tasks.spawn(tiles.map_err(Box::new)?.run(stopped.clone()));
    let Some(address) = config.tiles_listen else { return Ok(()) };
    let files = Arc::new(AuditorsTiles::in_directory(directory).map_err(|error| Box::new(error.into()))?);
    let listener = process::listen(address).await?;
    let (tls, mut stop) = (tls.clone(), stopped.clone());
    tracing::info!(listen = %address, "serving the log's tiles to auditors");
    tasks.spawn(async move {
        let stopping = async move { drop(stop.wait_for(|stop| *stop).await) };
        let served = serve_files(listener, &tls, &[Role::Auditor], files, Limits::default(), stopping).await;
        if let Err(error) = served {
            tracing::error!(error = cause(&error), "the log's tiles are not served");
        }
    });
    Ok(())
}

/// Writes snapshots of the log as it grows, so that the next start is a short one.
async fn keep_snapshots(
    book: Arc<LogBook>,
    hooks: Arc<dyn CrashPoints<CrashPoint>>,
    mut stopped: watch::Receiver<bool>,
) {
    while book.keep_snapshot(&hooks).await.is_ok() {
        tokio::select! {
            () = tokio::time::sleep(SNAPSHOTS_LOOKED_AT_EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Notices expiry, which no entry says, and counts the withdrawals.
async fn keep_house(parts: Coordinator, mut stopped: watch::Receiver<bool>) {
    loop {
        let done = async {
            parts.book.expire(parts.clock.now()).await?;
            let over = {
                let reader = parts.book.read().await?;
                let is_open = |id: &WithdrawalId| reader.index().open().contains_key(id);
                parts.progress.keep_only(is_open);
                parts.given_up.over(is_open)
            };
            parts.given_up.forget(over).await.map_err(|error| {
                tracing::error!(reason = error.reason(), "what was given up cannot be forgotten");
                LogFailed
            })?;
            telemetry::publish_withdrawals(&parts.book, parts.clock.now()).await
        };
        let done = done.await;
        // INVARIANT (G9): a coordinator that cannot write ends, also when nobody asks it to log anything.
        let sound = parts.book.require_store();
        if done.is_err() || sound.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING_EVERY) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Says which keys are in force and not configured: the coordinator starts all the same, because officers' statements are
/// what replaces a key that is lost.
fn warn_of_missing_keys(reader: &Reader<'_>, entry_keys: &[SigningKey]) {
    let in_force = reader.state().roster().coordinator();
    if !reader.holds_log_key(&in_force.log_key) {
        tracing::error!("the log key in force is not configured: only officers' statements are taken");
    }
    if !entry_keys.iter().any(|key| key.verifying_key() == in_force.entry_key) {
        tracing::error!("the entry key in force is not configured: nothing can be authorized");
    }
}

fn check_roster(config: &CoordinatorConfig, roster: &Roster) -> Result<(), RunError> {
    if *roster.cluster() != config.cluster {
        let (expected, found) = (config.cluster.to_string(), roster.cluster().to_string());
        return Err(RunError::OtherCluster { expected, found });
    }
    let configured: BTreeSet<&NodeId> = config.nodes.iter().map(|node| &node.name).collect();
    let listed: BTreeSet<&NodeId> = roster.nodes().iter().map(|node| &node.id).collect();
    match configured.symmetric_difference(&listed).next() {
        None => Ok(()),
        Some(node) if listed.contains(node) => {
            Err(RunError::Nodes { problem: format!("`{node}` is missing") })
        }
        Some(node) => Err(RunError::Nodes { problem: format!("`{node}` is no node of this cluster") }),
    }
}

/// The outside witnesses that are configured.
fn outside_witnesses(config: &CoordinatorConfig) -> Result<Vec<OutsideWitness>, RunError> {
    let witness = |listed: &WitnessAddress| {
        let authorities = listed.ca.as_deref().map(files::read_public).transpose()?;
        let server = OutsideServer::new(&listed.url, authorities.as_deref())?;
        Ok(OutsideWitness { name: listed.name.clone(), url: listed.url.clone(), server })
    };
    config.witnesses.iter().map(witness).collect()
}

fn risk_providers(
    config: &CoordinatorConfig,
    tls: &TlsIdentity,
) -> Result<Vec<(ProviderId, Channel)>, RunError> {
    let channel = |provider: &crate::config::ProviderAddress| {
        let expected = PeerIdentity::new(config.cluster.as_str(), Role::Provider, provider.name.as_str())?;
        let endpoint = Endpoint { address: provider.address.clone(), expected };
        Ok((provider.name.clone(), connect_lazy(&endpoint, tls, &Timeouts::default())?))
    };
    config.risk_providers.iter().map(channel).collect()
}

fn clients(config: &CoordinatorConfig, tls: &TlsIdentity) -> Result<Vec<(NodeId, NodeClient)>, RunError> {
    // Each call has its own, shorter limit.
    let timeouts = Timeouts { request: CALLS.keygen, ..Timeouts::default() };
    let client = |node: &crate::config::NodeAddress| {
        let expected = PeerIdentity::new(config.cluster.as_str(), Role::Node, node.name.as_str())?;
        let endpoint = Endpoint { address: node.address.clone(), expected };
        let channel = connect_lazy(&endpoint, tls, &timeouts)?;
        Ok((node.name.clone(), NodeClient::new(channel, CALLS)))
    };
    config.nodes.iter().map(client).collect()
}
