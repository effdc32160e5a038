//! `holdfast audit`: export the log, verify an export offline, explain a withdrawal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use holdfast_audit::{
    Audit, Explanation, Heads, History, Interest, Report, Verified, explain, export, first_difference,
    verify_with,
};
use holdfast_ledger::WithdrawalId;
use holdfast_policy::TimestampMs;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::Answer;
use crate::profile::Profile;
use crate::replica;
use crate::session::Session;

/// An entry bundle at its largest: 256 entries with their lengths.
const MAX_EXPORT_FILE_BYTES: u64 = 256 * 65_537;

/// Export, verify and explain the log
#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// Download the log and write it as C2SP tlog-tiles files
    Export {
        /// Directory to write; it must not exist or be empty
        directory: PathBuf,
    },
    /// Verify an export offline, from the genesis hash alone, replaying every entry
    Verify(VerifyArgs),
    /// Explain a withdrawal: who asked, what the bytes do, each rule, who approved, who signed
    Explain {
        /// Id of the withdrawal (`w-...`)
        id: WithdrawalId,
        /// Read this export instead of downloading the log
        #[arg(long, value_name = "DIR")]
        log: Option<PathBuf>,
    },
}

/// What to verify against what.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// Directory of the export
    directory: PathBuf,
    /// SHA-256 of the genesis document, 64 hexadecimal digits; the profile's if absent
    #[arg(long, value_name = "HEX")]
    genesis_sha256: Option<String>,
    /// An earlier checkpoint file, or another export, that this log must continue: finds and locates forks
    #[arg(long, value_name = "FILE|DIR")]
    against: Option<PathBuf>,
}

impl AuditCommand {
    /// Whether it works without a profile and without a network.
    pub(crate) fn run_offline(&self, profile: &Path) -> Option<Result<Answer, Failure>> {
        match self {
            AuditCommand::Verify(args) => Some(verify_offline(profile, args)),
            AuditCommand::Explain { id, log: Some(log) } => Some(explain_export(profile, id, log)),
            AuditCommand::Export { .. } | AuditCommand::Explain { log: None, .. } => None,
        }
    }
}

pub(crate) async fn run(session: &Session, command: &AuditCommand) -> Result<Answer, Failure> {
    match command {
        AuditCommand::Export { directory } => export_to(session, directory).await,
        AuditCommand::Explain { id, log: None } => {
            let replica = replica::look_up(session, |state| state.withdrawal(id).is_some()).await?;
            explained(&replica.history, id)
        }
        AuditCommand::Verify(_) | AuditCommand::Explain { log: Some(_), .. } => {
            Err(Failure::other("INTERNAL", "offline commands do not come here"))
        }
    }
}

/// Downloads, verifies and writes the log; the checkpoint comes last, so a cut-off export has none.
pub(crate) async fn export_to(session: &Session, directory: &Path) -> Result<Answer, Failure> {
    let replica = replica::download(session).await?;
    let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Failure::new(
            Exit::Usage,
            "FILE_EXISTS",
            format!("`{}` is not empty", directory.display()),
        )
        .next("choose another directory"));
    }
    let exported = export(&replica.entries, &replica.note, &session.profile.genesis_sha256)?;
    for file in &exported {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            files::create_dir(parent)?;
        }
        files::write(&path, &file.bytes)?;
    }
    let text = format!(
        "{} files in `{}`: {}\nnext: holdfast audit verify {}",
        exported.len(),
        directory.display(),
        replica.provenance(),
        directory.display()
    );
    let json = json!({"directory": directory, "files": exported.len(), "size": replica.checkpoint.size,
        "root": replica.checkpoint.root});
    Ok(Answer::new(json, text))
}

fn verify_offline(profile: &Path, args: &VerifyArgs) -> Result<Answer, Failure> {
    let pinned = pinned(profile, args.genesis_sha256.as_deref())?;
    let mut heads = Heads::none();
    if let Some(head) = args.against.as_ref().filter(|against| !against.is_dir()) {
        heads.add(&files::read(head)?)?;
    }
    let audit = Audit { interest: Interest::Nothing, heads, watch: None };
    let verified = verify_directory(&args.directory, &pinned, audit)?;
    if let Some(against) = args.against.as_ref().filter(|against| against.is_dir()) {
        compare(&args.directory, against)?;
    }
    Ok(Answer::new(json!({"verified": true, "report": verified.report()}), report_text(verified.report())))
}

fn pinned(profile: &Path, given: Option<&str>) -> Result<[u8; 32], Failure> {
    let Some(text) = given else {
        return Ok(Profile::load(profile)
            .map_err(|failure| failure.next("pass `--genesis-sha256 HEX`, or a profile that pins it"))?
            .genesis_sha256);
    };
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|_| Failure::usage("`--genesis-sha256` must be 64 hexadecimal digits"))?;
    Ok(hash)
}

/// Verifies the export in a directory.
pub(crate) fn verify_directory(
    directory: &Path,
    pinned: &[u8; 32],
    audit: Audit<'_>,
) -> Result<Verified, Failure> {
    if !directory.is_dir() {
        return Err(Failure::new(
            Exit::NotFound,
            "FILE_IO",
            format!("`{}` is no directory", directory.display()),
        ));
    }
    verify_with(reader(directory), pinned, audit).map_err(|finding| {
        Failure::from(finding)
            .next("keep this export as evidence and compare it with another one: `--against DIR`")
    })
}

fn reader(directory: &Path) -> impl Fn(&str) -> Option<Vec<u8>> {
    let directory = directory.to_owned();
    move |path| {
        let path = directory.join(path);
        let size = std::fs::metadata(&path).ok()?.len();
        (size <= MAX_EXPORT_FILE_BYTES).then(|| std::fs::read(&path).ok()).flatten()
    }
}

fn compare(directory: &Path, against: &Path) -> Result<(), Failure> {
    match first_difference(reader(against), reader(directory)) {
        None => Ok(()),
        Some(index) => Err(Failure::verification(
            "LOG_FORKED",
            format!("entry {index} is the first that differs from `{}`", against.display()),
        )
        .next("keep both exports: two checkpoints signed by one key are the proof")),
    }
}

fn explain_export(profile: &Path, id: &WithdrawalId, log: &Path) -> Result<Answer, Failure> {
    let audit = Audit { interest: Interest::Withdrawal(*id), ..Audit::default() };
    let verified = verify_directory(log, &pinned(profile, None)?, audit)?;
    explained(verified.history(), id)
}

fn explained(history: &History, id: &WithdrawalId) -> Result<Answer, Failure> {
    let explanation: Explanation = explain(history, id).ok_or_else(|| {
        Failure::new(Exit::NotFound, "UNKNOWN_WITHDRAWAL", format!("the log has no withdrawal `{id}`"))
    })?;
    Ok(Answer::new(json!(explanation), explanation.to_string()))
}

pub(crate) fn report_text(report: &Report) -> String {
    let cosigners: Vec<_> = report
        .cosigners
        .iter()
        .map(|cosigned| format!("{} at {}", cosigned.node, seconds(cosigned.time_s)))
        .collect();
    let missing = match report.missing_cosigners.as_slice() {
        [] => String::new(),
        missing => format!("\n  not cosigned by  {}", missing.join(", ")),
    };
    let noops: String = report
        .noops
        .iter()
        .map(|noop| {
            let mark = if noop.evidence { "!" } else { " " };
            format!(
                "\n  {mark} entry {:>4}  {}: {} {}: {}",
                noop.index, noop.signer, noop.kind, noop.code, noop.detail
            )
        })
        .collect();
    format!(
        "VERIFIED: log of cluster {}\n  genesis          {}\n  entries          {} (root {})\n  by kind          {}\n  withdrawals      {}\n  ceremonies       {}\n  cosigned by      {}{missing}\n  anything newer than {} may be missing from this export\n  refused entries  {}{noops}",
        report.cluster,
        report.genesis_sha256,
        report.size,
        report.root,
        counted(&report.entries),
        counted(&report.withdrawals),
        counted(&report.ceremonies),
        cosigners.join(", "),
        seconds(report.witnessed_s),
        if report.noops.is_empty() { "none".to_owned() } else { report.noops.len().to_string() },
    )
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn seconds(time_s: u64) -> String {
    TimestampMs(time_s.saturating_mul(1000)).to_string()
}
