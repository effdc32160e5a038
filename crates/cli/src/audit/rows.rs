//! Results of many rows: JSON Lines, CSV, or lines for people.

use clap::Args;
use holdfast_audit::csv_row;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Answer, Output};

/// How rows are written.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct RowArgs {
    /// Write CSV (RFC 4180; no cell is a formula) instead of text
    #[arg(long)]
    pub(crate) csv: bool,
}

/// Writes rows as they come.
pub(crate) struct Rows {
    output: Output,
    csv: bool,
    count: u64,
}

/// One row in its three forms.
pub(crate) struct Row<'a> {
    pub(crate) json: &'a Value,
    pub(crate) cells: &'a [String],
    pub(crate) text: &'a str,
}

impl Rows {
    pub(crate) fn begin(output: Output, args: RowArgs, columns: &[&str]) -> Result<Self, Failure> {
        if output.is_json() && args.csv {
            return Err(Failure::usage("`--csv` and `--json` exclude each other"));
        }
        if args.csv {
            output.raw(&csv_row(columns));
        }
        Ok(Self { output, csv: args.csv, count: 0 })
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) {
        self.count = self.count.saturating_add(1);
        if self.csv {
            self.output.raw(&csv_row(row.cells));
        } else if self.output.is_json() {
            self.output.raw(&format!("{}\n", row.json));
        } else {
            self.output.line(row.text);
        }
    }

    /// A line that is no row: for people only, and beside the rows if a program reads those.
    pub(crate) fn remark(&self, text: &str) {
        if self.is_text() { self.output.line(text) } else { self.output.notice(text) }
    }

    /// Whether people read the rows.
    pub(crate) fn is_text(&self) -> bool {
        !self.csv && !self.output.is_json()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Everything is written already.
    pub(crate) fn finish(self) -> Answer {
        Answer::written()
    }
}
