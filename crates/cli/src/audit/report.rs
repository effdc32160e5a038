//! `holdfast audit report`: what a period's review needs.

use std::path::Path;

use clap::Args;
use holdfast_audit::{Interest, Period, PeriodReport};
use holdfast_policy::TimestampMs;
use serde_json::json;

use super::period::PeriodArgs;
use super::replayed::{LogArgs, replay};
use super::rows::{Row, RowArgs, Rows};
use crate::failure::Failure;
use crate::output::{Answer, Output};

/// Which period of which log.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    pub(crate) rows: RowArgs,
}

pub(crate) async fn run(profile: &Path, output: Output, args: &ReportArgs) -> Result<Answer, Failure> {
    let mut rows = Rows::begin(output, args.rows, &holdfast_audit::Row::COLUMNS)?;
    let mut period = Period::new(args.period.start(), args.period.end());
    let watch = &mut |event: &holdfast_audit::Event<'_>| period.watch(event);
    let history = replay(profile, output, &args.log, Interest::Nothing, watch).await?;
    let report = period.finish(history.state());
    rows.remark(&heading(&report));
    let mut section = "";
    for row in &report.rows {
        if section != row.section() && rows.is_text() {
            section = row.section();
            rows.remark(&format!("\n{}", title(section)));
        }
        rows.push(&Row { json: &json!(row), cells: &row.cells(), text: &row.to_string() });
    }
    Ok(rows.finish())
}

fn heading(report: &PeriodReport) -> String {
    let end = match report.to_ms {
        u64::MAX => "the log's end".to_owned(),
        to => TimestampMs(to).to_string(),
    };
    format!(
        "Cluster {}, from {} until just before {end}: {} entries, verified and replayed here",
        report.cluster,
        TimestampMs(report.from_ms),
        report.entries
    )
}

fn title(section: &str) -> &'static str {
    match section {
        "policy-change" => "CHANGES OF THE POLICY",
        "roster-change" => "CHANGES OF THE ROSTER",
        "key-rotation" => "RE-ENROLMENTS AND REPLACED KEYS",
        "quorum" => "USE OF QUORUMS",
        "hold" => "ANSWERS TO HELD WITHDRAWALS",
        "pause" => "PAUSES, REVOCATIONS AND RESUMES",
        "refused" => "REFUSED ENTRIES BY REASON",
        "attempt" => "REFUSED ATTEMPTS",
        _ => "ACCESS REVIEW",
    }
}
