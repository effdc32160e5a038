//! `holdfast audit`: export the log, verify an export offline, explain a withdrawal, search, sample, report, monitor.
//!
//! Whatever is asked, the answer comes from a replay on this machine that began with the pinned genesis; `search` alone may ask the
//! coordinator instead, and says so.

mod explain;
mod export;
mod monitor;
mod period;
mod replayed;
mod report;
mod rows;
mod sample;
mod search;
mod source;
mod verify;

use std::path::Path;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::{Answer, Output};
use crate::session::Session;

pub(crate) use export::to as export_to;
pub(crate) use replayed::{LogArgs, replay, replay_supposing};
pub(crate) use verify::{export as verify_export, text as report_text};

/// Export, verify, explain, search, sample, review and watch the log
#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// Download, replay and write the log: C2SP tlog-tiles with checkpoint, genesis, keys and decisions on record
    Export(export::ExportArgs),
    /// Verify an export offline, from the genesis hash alone, replaying every entry
    Verify(verify::VerifyArgs),
    /// Explain a withdrawal: who asked, what the bytes do, each rule, who approved, who signed
    Explain(explain::ExplainArgs),
    /// Find entries by time, client, wallet, withdrawal, officer, kind, outcome and reason
    Search(search::SearchArgs),
    /// Draw random withdrawals of a period, so that anybody can draw them again
    Sample(sample::SampleArgs),
    /// Review a period: changes of policy and roster, quorums, pauses, refused attempts, access
    Report(report::ReportArgs),
    /// Follow the live log and raise alarms
    Monitor(monitor::MonitorArgs),
}

impl AuditCommand {
    /// Whether it writes rows, one JSON document a line.
    pub(crate) fn writes_rows(&self) -> bool {
        match self {
            AuditCommand::Search(_)
            | AuditCommand::Sample(_)
            | AuditCommand::Report(_)
            | AuditCommand::Monitor(_) => true,
            AuditCommand::Export(_) | AuditCommand::Verify(_) | AuditCommand::Explain(_) => false,
        }
    }
}

pub(crate) async fn run(profile: &Path, output: Output, command: &AuditCommand) -> Result<Answer, Failure> {
    match command {
        AuditCommand::Export(args) => Box::pin(export::run(&Session::open(profile, output)?, args)).await,
        AuditCommand::Verify(args) => verify::run(profile, args),
        AuditCommand::Explain(args) => Box::pin(explain::run(profile, output, args)).await,
        AuditCommand::Search(args) => Box::pin(search::run(profile, output, args)).await,
        AuditCommand::Sample(args) => Box::pin(sample::run(profile, output, args)).await,
        AuditCommand::Report(args) => Box::pin(report::run(profile, output, args)).await,
        AuditCommand::Monitor(args) => Box::pin(monitor::run(&Session::open(profile, output)?, args)).await,
    }
}
