//! `holdfast provider`: reference providers. One of identities, [`identity`], and one of risk, which answers from a file of scores.
//!
//! The latter signs what it answers with the provider's key, under numbers without gaps. It must never answer before the signed report is
//! on disk, and never sign two reports with one number.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use ed25519_dalek::SigningKey;
use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{ExposureReport, PayloadKind, key_id};
use holdfast_log::Envelope;
use holdfast_policy::{ClusterId, ExposureCategory, ProviderId};
use holdfast_proto::v1;
use holdfast_proto::v1::risk_provider_server::{RiskProvider, RiskProviderServer};
use holdfast_transport::access::{AccessTable, HEALTH};
use holdfast_transport::server::serve;
use holdfast_transport::{Limits, Role, with_causes};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::clock;
use crate::connect;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output::Answer;
use crate::session::Session;

mod identity;

/// Reports that one answer repeats.
const REPEATED: usize = 100;
/// Most lines of a file of scores.
const MAX_SCORES: usize = 1_000_000;
const COORDINATOR: &[Role] = &[Role::Coordinator];

/// Serve facts as a registered provider
#[derive(Subcommand, Debug)]
pub(crate) enum ProviderCommand {
    /// Answer the coordinator's questions about destinations from a file of scores
    ///
    /// Each line of the file is `ADDRESS SCORE CATEGORY [HOPS]`; lines that start with `#` are skipped. The file is read again when
    /// it changes; what is not in it has score 0 and category `none`. Signed reports are kept beside it: never delete them, their
    /// numbers must not come again.
    Serve(ServeArgs),
    /// Show what customers have to confirm, and attest what is confirmed
    ///
    /// Follows the log as its reader: withdrawals that wait for their customer's step-up, and whitelist entries that customers asked
    /// for. Each is shown once; `yes ID` on standard input attests it, `no ID` does not. Ends with its input. With `--json` each event
    /// is one line. A real provider asks the customer on the customer's own device.
    Identity(identity::IdentityArgs),
}

impl ProviderCommand {
    /// Whether it writes one JSON document a line.
    pub(crate) fn writes_rows(&self) -> bool {
        matches!(self, Self::Identity(_))
    }
}

/// What to serve.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// The file of scores
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Where signed reports are kept, one a line; made if absent
    #[arg(long, value_name = "FILE")]
    reports: PathBuf,
    /// Address to listen on
    #[arg(long, value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// The provider that signs; the profile's default if absent
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Number of the first report, for a provider that reported before by other means
    #[arg(long, value_name = "N", default_value_t = 1)]
    first_sequence: u64,
}

pub(crate) async fn run(session: &Session, command: &ProviderCommand) -> Result<Answer, Failure> {
    match command {
        ProviderCommand::Serve(args) => serve_scores(session, args).await,
        ProviderCommand::Identity(args) => identity::run(session, args).await,
    }
}

async fn serve_scores(session: &Session, args: &ServeArgs) -> Result<Answer, Failure> {
    let who = session.profile.choose(Role::Provider, args.provider.as_deref())?;
    let tls = connect::identity(&session.profile, &who)?;
    let desk = Desk {
        cluster: session.genesis.document.cluster.clone(),
        provider: ProviderId::new(&who.name).map_err(|error| Failure::usage(error.to_string()))?,
        key: keys::ed25519(&session.profile.signing_key(&who)?)?,
        scores: Scores::read(&args.list)?,
        book: ReportBook::open(&args.reports, args.first_sequence)?,
    };
    let next = desk.book.next;
    let access = AccessTable::new(
        &[
            &[
                ("/holdfast.v1.RiskProvider/AssessDestination", COORDINATOR),
                ("/holdfast.v1.RiskProvider/RepeatReports", COORDINATOR),
            ],
            HEALTH.as_slice(),
        ]
        .concat(),
    )
    .map_err(|error| Failure::other("INTERNAL", error.to_string()))?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let service = RiskProviderServer::new(Served(Arc::new(Mutex::new(desk))));
    let routes = Routes::new(service).add_service(health_service);
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::other("LISTEN", format!("cannot listen on {}: {error}", args.listen)))?;
    session.output.notice(&format!("provider `{}` listens on {}, next report {next}", who.name, args.listen));
    serve(listener, &tls, routes, access, Limits::default(), stopped())
        .await
        .map_err(|error| Failure::other(error.reason(), with_causes(&error)))?;
    Ok(Answer::new(json!({"provider": who.name}), format!("provider `{}` stopped", who.name)))
}

async fn stopped() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What the provider knows and has said.
struct Desk {
    cluster: ClusterId,
    provider: ProviderId,
    key: SigningKey,
    scores: Scores,
    book: ReportBook,
}

/// One caller at a time: numbers have no gaps.
struct Served(Arc<Mutex<Desk>>);

impl Served {
    async fn at_desk<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Desk) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let desk = Arc::clone(&self.0);
        let acting = move || act(&mut desk.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(acting)
            .await
            .map_err(|_| Status::internal("the answer was interrupted"))?
    }
}

#[tonic::async_trait]
impl RiskProvider for Served {
    async fn assess_destination(
        &self,
        request: Request<v1::AssessDestinationRequest>,
    ) -> Result<Response<v1::AssessDestinationResponse>, Status> {
        let request = request.into_inner();
        let envelope = self.at_desk(move |desk| desk.assess(&request)).await?;
        Ok(Response::new(v1::AssessDestinationResponse { envelope }))
    }

    async fn repeat_reports(
        &self,
        request: Request<v1::RepeatReportsRequest>,
    ) -> Result<Response<v1::RepeatReportsResponse>, Status> {
        let from = request.into_inner().from_sequence;
        let envelopes = self.at_desk(move |desk| Ok(desk.book.from(from))).await?;
        Ok(Response::new(v1::RepeatReportsResponse { envelopes }))
    }
}

impl Desk {
    fn assess(&mut self, request: &v1::AssessDestinationRequest) -> Result<Vec<u8>, Status> {
        if request.cluster != self.cluster.as_str() {
            return Err(Status::invalid_argument(format!(
                "this provider reports to cluster `{}`",
                self.cluster
            )));
        }
        let destination = Address::parse(&request.destination)
            .map_err(|error| Status::invalid_argument(format!("`destination`: {error}")))?;
        // INVARIANT (G9): a file that cannot be read clears nobody.
        self.scores.refresh().map_err(|failure| Status::unavailable(failure.message()))?;
        let Score { score, category, hops } = self.scores.of(&destination)?;
        let report = ExposureReport {
            cluster: self.cluster.clone(),
            provider: self.provider.clone(),
            sequence: self.book.next,
            chain_id: ChainId(request.chain_id),
            destination,
            score,
            category,
            hops,
            observed_at_ms: clock::now(),
        };
        let payload = serde_json::to_vec(&report).map_err(|error| Status::internal(error.to_string()))?;
        let signer = key_id(Role::Provider.as_str(), self.provider.as_str());
        let envelope =
            Envelope::sign_ed25519(PayloadKind::ExposureReport.payload_type(), payload, &signer, &self.key)
                .map_err(|error| Status::internal(error.to_string()))?
                .to_json();
        self.book.keep(&envelope).map_err(|failure| Status::unavailable(failure.message()))?;
        Ok(envelope)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Score {
    score: u8,
    category: ExposureCategory,
    hops: Option<u8>,
}

/// The file of scores, as it was when it last changed.
struct Scores {
    path: PathBuf,
    changed: Option<SystemTime>,
    of: BTreeMap<Address, Score>,
}

impl Scores {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut scores = Self { path: path.to_owned(), changed: None, of: BTreeMap::new() };
        scores.refresh()?;
        Ok(scores)
    }

    fn refresh(&mut self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| files::io("read", &self.path, &error);
        let changed = std::fs::metadata(&self.path).and_then(|found| found.modified()).map_err(failed)?;
        if self.changed == Some(changed) {
            return Ok(());
        }
        let text = std::fs::read_to_string(&self.path).map_err(failed)?;
        self.of = scores(&text).map_err(|error| {
            Failure::new(Exit::Usage, "SCORES_INVALID", format!("`{}`: {error}", self.path.display()))
        })?;
        self.changed = Some(changed);
        Ok(())
    }

    fn of(&self, destination: &Address) -> Result<Score, Status> {
        if let Some(score) = self.of.get(destination) {
            return Ok(score.clone());
        }
        let category = ExposureCategory::new("none").map_err(|error| Status::internal(error.to_string()))?;
        Ok(Score { score: 0, category, hops: None })
    }
}

/// A line that cannot be read refuses the file: what is lost there would score 0.
fn scores(text: &str) -> Result<BTreeMap<Address, Score>, String> {
    let mut all = BTreeMap::new();
    for (line, text) in (1_u64..).zip(text.lines().map(str::trim)) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if all.len() >= MAX_SCORES {
            return Err(format!("more than {MAX_SCORES} lines"));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let read = || -> Option<(Address, Score)> {
            let (address, score, category, hops) = match words.as_slice() {
                [address, score, category] => (address, score, category, None),
                [address, score, category, hops] => (address, score, category, Some(hops.parse().ok()?)),
                _ => return None,
            };
            let score = score.parse().ok().filter(|score| *score <= 100)?;
            let category = ExposureCategory::new(category).ok()?;
            Some((Address::parse_unchecked_case(address).ok()?, Score { score, category, hops }))
        };
        let (address, score) = read().ok_or_else(|| {
            format!("line {line}: must read `ADDRESS SCORE CATEGORY [HOPS]`, the score 0 to 100")
        })?;
        all.insert(address, score);
    }
    Ok(all)
}

/// Signed reports, one a line, in order.
struct ReportBook {
    path: PathBuf,
    file: File,
    first: u64,
    next: u64,
    envelopes: Vec<Vec<u8>>,
    broken: bool,
}

impl ReportBook {
    fn open(path: &Path, first: u64) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| files::io("open", path, &error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let (mut envelopes, mut whole) = (Vec::new(), 0_u64);
        let mut lines = BufReader::new(&mut file);
        loop {
            let mut line = Vec::new();
            let length = lines.read_until(b'\n', &mut line).map_err(failed)?;
            if line.pop() != Some(b'\n') {
                break;
            }
            whole = whole.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            envelopes.push(line);
        }
        drop(lines);
        // What was cut off by a crash was never answered.
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let first = match envelopes.first() {
            Some(envelope) => sequence_of(envelope).ok_or_else(|| not_reports(path))?,
            None => first,
        };
        for (expected, envelope) in (first..).zip(&envelopes) {
            if sequence_of(envelope) != Some(expected) {
                return Err(not_reports(path));
            }
        }
        let count = u64::try_from(envelopes.len()).unwrap_or(u64::MAX);
        Ok(Self {
            path: path.to_owned(),
            file,
            first,
            next: first.saturating_add(count),
            envelopes,
            broken: false,
        })
    }

    /// Durable before anybody sees it.
    fn keep(&mut self, envelope: &[u8]) -> Result<(), Failure> {
        let failed = |path: &Path, error: std::io::Error| files::io("write", path, &error);
        // After a failed write nobody knows what is on disk: a start reads it back.
        if self.broken {
            return Err(Failure::other(
                "REPORTS_BROKEN",
                "an earlier write failed: start the provider again",
            ));
        }
        self.broken = true;
        let line = [envelope, b"\n"].concat();
        self.file.write_all(&line).map_err(|error| failed(&self.path, error))?;
        self.file.sync_data().map_err(|error| failed(&self.path, error))?;
        self.broken = false;
        self.envelopes.push(envelope.to_vec());
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    fn from(&self, sequence: u64) -> Vec<Vec<u8>> {
        let skipped = usize::try_from(sequence.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.envelopes.iter().skip(skipped).take(REPEATED).cloned().collect()
    }
}

fn sequence_of(envelope: &[u8]) -> Option<u64> {
    let envelope = Envelope::parse(envelope).ok()?;
    let report: ExposureReport = serde_json::from_slice(&envelope.payload).ok()?;
    Some(report.sequence)
}

fn not_reports(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        "REPORTS_INVALID",
        format!("`{}` does not hold this provider's reports in order", path.display()),
    )
    .next("restore the file: its numbers must not be given again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(sequence: u64) -> Vec<u8> {
        let report = json!({"cluster": "demo", "provider": "chainwatch", "sequence": sequence, "chain_id": 1,
            "destination": "0x52908400098527886E0F7030069857D2E4169EE7", "score": 3, "category": "mixer", "observed_at_ms": 5});
        let key = SigningKey::from_bytes(&[7; 32]);
        let kind = PayloadKind::ExposureReport.payload_type();
        Envelope::sign_ed25519(kind, serde_json::to_vec(&report).unwrap(), "provider:chainwatch", &key)
            .unwrap()
            .to_json()
    }

    #[test]
    fn scores_are_read_strictly() {
        let good = "# comment\n\n0x52908400098527886E0F7030069857D2E4169EE7 90 mixer 1\n0x8617e340b3d01fa5f11f306f4090fd50e238070d 3 exchange\n";
        let read = scores(good).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            read.values().map(|score| (score.score, score.hops)).collect::<Vec<_>>(),
            [(90, Some(1)), (3, None)]
        );
        for bad in [
            "0x529 90 mixer",
            "0x52908400098527886E0F7030069857D2E4169EE7 101 mixer",
            "0x52908400098527886E0F7030069857D2E4169EE7 5",
            "0x52908400098527886E0F7030069857D2E4169EE7 5 Two Words x",
        ] {
            assert!(scores(&format!("{good}{bad}\n")).unwrap_err().starts_with("line 5"), "{bad}");
        }
    }

    #[test]
    fn numbers_go_on_after_a_restart_and_a_torn_line_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reports");
        let mut book = ReportBook::open(&path, 5).unwrap();
        book.keep(&envelope(5)).unwrap();
        book.keep(&envelope(6)).unwrap();
        drop(book);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &envelope(7)[..40]].concat()).unwrap();
        let book = ReportBook::open(&path, 1).unwrap();
        assert_eq!((book.first, book.next), (5, 7));
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(book.from(6), [envelope(6)]);
        assert_eq!(book.from(1).len(), 2);
        assert!(book.from(7).is_empty());
    }

    #[test]
    fn reports_with_a_gap_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reports");
        std::fs::write(&path, [&envelope(1)[..], b"\n", &envelope(3), b"\n"].concat()).unwrap();
        assert_eq!(ReportBook::open(&path, 1).err().unwrap().reason(), "REPORTS_INVALID");
    }
}
