//! `holdfast audit verify`: an export, from the genesis hash alone, without a network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_audit::{Audit, Heads, Interest, Report, Verified, first_difference, one_line, verify_with};
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::source::Source;
use crate::failure::Failure;
use crate::files;
use crate::output::Answer;
use crate::profile::Profile;

/// What to verify against what.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// The export: a directory or a tar file
    pub(crate) export: PathBuf,
    #[command(flatten)]
    pub(crate) pin: PinArgs,
    /// An earlier checkpoint, or another export, that this log must continue: finds and locates forks
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) against: Vec<PathBuf>,
    /// Write the verified keys here, for other people's tools (see `clients/go` and `clients/python`)
    #[arg(long, value_name = "FILE")]
    pub(crate) write_keys: Option<PathBuf>,
}

/// What an auditor trusts: nothing else.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PinArgs {
    /// SHA-256 of the genesis document, 64 hexadecimal digits; the profile's if absent
    #[arg(long, value_name = "HEX")]
    pub(crate) genesis_sha256: Option<String>,
}

impl PinArgs {
    pub(crate) fn pinned(&self, profile: &Path) -> Result<[u8; 32], Failure> {
        let Some(text) = &self.genesis_sha256 else {
            return Ok(Profile::load(profile)
                .map_err(|failure| failure.next("pass `--genesis-sha256 HEX`, or a profile that pins it"))?
                .genesis_sha256);
        };
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash)
            .map_err(|_| Failure::usage("`--genesis-sha256` must be 64 hexadecimal digits"))?;
        Ok(hash)
    }
}

pub(crate) fn run(profile: &Path, args: &VerifyArgs) -> Result<Answer, Failure> {
    let pinned = args.pin.pinned(profile)?;
    let (mut heads, mut others) = (Heads::none(), Vec::new());
    for against in &args.against {
        if is_export(against) {
            others.push(against);
        } else {
            heads.add(&files::read(against)?)?;
        }
    }
    let audit = Audit { heads, interest: Interest::Nothing, ..Audit::default() };
    let verified = export(&args.export, &pinned, audit)?;
    for other in others {
        compare(&args.export, other)?;
    }
    if let Some(path) = &args.write_keys {
        files::write(path, verified.keys_file().as_bytes())?;
    }
    Ok(Answer::new(json!({"verified": true, "report": verified.report()}), text(verified.report())))
}

fn is_export(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "tar")
}

/// Verifies an export and does on the way what else is to be done.
pub(crate) fn export(path: &Path, pinned: &[u8; 32], audit: Audit<'_>) -> Result<Verified, Failure> {
    let source = Source::open(path)?;
    verify_with(|name| source.read(name), pinned, audit).map_err(|finding| {
        Failure::from(finding)
            .next("keep this export as evidence and compare it with another one: `--against DIR`")
    })
}

fn compare(export: &Path, against: &Path) -> Result<(), Failure> {
    let (one, other) = (Source::open(against)?, Source::open(export)?);
    match first_difference(|name| one.read(name), |name| other.read(name)) {
        None => Ok(()),
        Some(index) => Err(Failure::verification(
            "LOG_FORKED",
            format!("entry {index} is the first that differs from `{}`", against.display()),
        )
        .next("keep both exports: two checkpoints signed by one key are the proof")),
    }
}

/// The report as people read it.
pub(crate) fn text(report: &Report) -> String {
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
                noop.index,
                noop.signer,
                noop.kind,
                noop.code,
                one_line(&noop.detail)
            )
        })
        .collect();
    let witnesses: Vec<_> = report.witnesses.iter().map(|cosigned| cosigned.node.as_str()).collect();
    let witnesses = match witnesses.as_slice() {
        [] => String::new(),
        names => format!("\n  witnessed by     {}", names.join(", ")),
    };
    let diverged = match report.disagreeing_nodes.as_slice() {
        [] => String::new(),
        nodes => format!("\n  ! ANOTHER STATE attested by {}", nodes.join(", ")),
    };
    let keys: String = report.keys.iter().map(|key| format!("\n    {key}")).collect();
    let continues = match report.continues.as_slice() {
        [] => "no earlier checkpoint was given".to_owned(),
        sizes => format!("{} earlier checkpoints", sizes.len()),
    };
    let refused: u64 = report.noop_counts.values().sum();
    format!(
        "VERIFIED: log of cluster {}\n  genesis          {}\n  entries          {} (root {})\n  by kind          {}\n  withdrawals      {}\n  ceremonies       {}\n  cosigned by      {}{missing}{witnesses}{diverged}\n  anything newer than {} may be missing from this export\n  continues        {continues}\n  decisions        {}\n  in force         roster version {}, policy version {} ({})\n  keys in force    {keys}\n  refused entries  {}{noops}",
        report.cluster,
        report.genesis_sha256,
        report.size,
        report.root,
        counted(&report.entries),
        counted(&report.withdrawals),
        counted(&report.ceremonies),
        cosigners.join(", "),
        seconds(report.witnessed_s),
        match report.decisions_compared {
            0 => "derived again; none were on record".to_owned(),
            compared => format!("derived again; {compared} on record are the same"),
        },
        report.roster_version,
        report.policy_version,
        report.policy_sha256,
        if refused == 0 { "none".to_owned() } else { refused.to_string() },
    )
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn seconds(time_s: u64) -> String {
    TimestampMs(time_s.saturating_mul(1000)).to_string()
}
