//! `holdfast audit export`: downloads, replays, verifies and writes the log, one entry at a time.

use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_audit::{Exporter, Finding, Report};
use holdfast_log::Entry;
use holdfast_proto::v1;
use holdfast_proto::v1::audit_service_client::AuditServiceClient;
use serde_json::json;

use super::source::Target;
use crate::failure::Failure;
use crate::live::{self, Live, Sink};
use crate::output::Answer;
use crate::session::Session;

/// Most kept checkpoints that an export takes.
const MAX_KEPT: u64 = 10_000;

/// Where to.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExportArgs {
    /// Directory to write, or one file if its name ends in `.tar`; there must be nothing there yet
    pub(crate) path: PathBuf,
    /// Without the checkpoints that the coordinator kept over time
    #[arg(long)]
    pub(crate) newest_only: bool,
}

pub(crate) async fn run(session: &Session, args: &ExportArgs) -> Result<Answer, Failure> {
    let kept = if args.newest_only { Vec::new() } else { kept(session).await? };
    let (report, files) = to(session, &args.path, kept).await?;
    let cosigners: Vec<_> = report.cosigners.iter().map(|cosigned| cosigned.node.as_str()).collect();
    let path = args.path.display();
    let text = format!(
        "{files} files in `{path}`: a log of {} entries, replayed here, cosigned by {}, {} earlier checkpoints\nnext: holdfast audit verify {path}",
        report.size,
        cosigners.join(", "),
        report.continues.len()
    );
    let json = json!({"path": args.path, "files": files, "size": report.size, "root": report.root,
        "continues": report.continues});
    Ok(Answer::new(json, text))
}

/// Writes the log; the checkpoint comes last, so an export that was cut off has none.
pub(crate) async fn to(session: &Session, path: &Path, kept: Vec<Vec<u8>>) -> Result<(Report, u64), Failure> {
    let target = Target::create(path)?;
    let mut writing = Writing {
        pinned: session.profile.genesis_sha256,
        kept,
        seen: live::seen(session)?,
        exporter: None,
        target,
        files: 0,
    };
    let note = Live::connect(session).await?.read(&mut writing).await?;
    let Writing { exporter, mut target, mut files, seen, .. } = writing;
    let exporter = exporter.ok_or_else(|| Failure::verification("LOG_EMPTY", "the log is empty"))?;
    seen.finish(exporter.history().replica())?;
    let state = exporter.history().state().clone();
    let (last, report) = exporter.finish(&note)?;
    for file in &last {
        target.write(file)?;
        files = files.saturating_add(1);
    }
    target.finish()?;
    live::remember(session, &note, &state)?;
    Ok((report, files))
}

/// The checkpoints that the coordinator kept: evidence of how long the log was when.
async fn kept(session: &Session) -> Result<Vec<Vec<u8>>, Failure> {
    let reader = session.profile.reader()?;
    let mut client = AuditServiceClient::new(session.coordinator(&reader).await?);
    let request = v1::CheckpointsRequest { from_size: 0, limit: MAX_KEPT };
    let mut stream = match client.checkpoints(request).await {
        Ok(stream) => stream.into_inner(),
        // An officer may export the log, but only auditors read what was kept.
        Err(status)
            if matches!(status.code(), tonic::Code::PermissionDenied | tonic::Code::Unimplemented) =>
        {
            session.output.notice(&format!("without earlier checkpoints: {}", status.message()));
            return Ok(Vec::new());
        }
        Err(status) => return Err(status.into()),
    };
    let mut notes = Vec::new();
    while let Some(kept) = stream.message().await? {
        if notes.len() < usize::try_from(MAX_KEPT).unwrap_or(usize::MAX) {
            notes.push(kept.note);
        }
    }
    Ok(notes)
}

/// Replays, and writes files as they are complete.
struct Writing {
    pinned: [u8; 32],
    kept: Vec<Vec<u8>>,
    seen: holdfast_audit::Heads,
    exporter: Option<Exporter>,
    target: Target,
    files: u64,
}

impl Sink for Writing {
    fn push(&mut self, entry: &Entry) -> Result<(), Failure> {
        let exporter = match &mut self.exporter {
            Some(exporter) => {
                for file in exporter.append(entry)? {
                    self.target.write(&file)?;
                    self.files = self.files.saturating_add(1);
                }
                exporter
            }
            None => self.exporter.insert(Exporter::begin(entry, &self.pinned, &self.kept)?),
        };
        Ok(self.seen.check(exporter.history().replica())?)
    }

    fn size(&self) -> u64 {
        self.exporter.as_ref().map_or(0, |exporter| exporter.history().replica().size())
    }

    fn check(&self, note: &[u8]) -> Result<(), Finding> {
        self.exporter.as_ref().map_or(Ok(()), |exporter| live::check_note(exporter.history(), note))
    }
}
