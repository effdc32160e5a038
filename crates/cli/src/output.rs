//! The one module that writes to the terminal.
//!
//! With `--json` exactly one JSON document goes to standard output, whatever happens; commands of many rows write one a line
//! (JSON Lines), and a failure is a line then, too. Everything that is only for eyes (progress, statements to confirm, notices)
//! goes to standard error then.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use holdfast_audit::screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::failure::{Exit, Failure};

/// What a command has to say when it is done.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Exit,
    pub(crate) json: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { exit: Exit::Success, json, text: text.into() }
    }

    /// Nothing more than what was written on the way.
    pub(crate) fn written() -> Self {
        Self::new(Value::Null, "")
    }

    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// Where and how to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    lines: bool,
    silent: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, lines: false, silent: false }
    }

    /// For a command that writes rows: JSON documents take one line each.
    #[must_use]
    pub(crate) fn with_lines(mut self, lines: bool) -> Self {
        self.lines = lines;
        self
    }

    /// Whether programs read standard output.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Writes nothing at all: for tests.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { json: true, lines: false, silent: true }
    }

    /// Ends a command.
    pub(crate) fn finish(self, result: &Result<Answer, Failure>) -> Exit {
        match result {
            Ok(answer) => {
                self.document(&answer.json, &answer.text);
                answer.exit
            }
            Err(failure) => {
                if self.json {
                    self.document(&failure.to_json(), "");
                } else {
                    to_stderr(&failure.to_string());
                }
                failure.exit()
            }
        }
    }

    fn document(self, json: &Value, text: &str) {
        if self.json && json.is_null() {
            // Everything was written already.
        } else if self.json && self.lines {
            to_stdout(&json.to_string());
        } else if self.json {
            to_stdout(&serde_json::to_string_pretty(json).unwrap_or_default());
        } else if !text.is_empty() {
            to_stdout(text.trim_end_matches('\n'));
        }
    }

    /// Rows, as they are.
    pub(crate) fn raw(self, text: &str) {
        if !self.silent {
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        }
    }

    /// A line for people, as it happens.
    pub(crate) fn line(self, text: &str) {
        match (self.silent, self.json) {
            (true, _) => {}
            (false, true) => to_stderr(text),
            (false, false) => to_stdout(text),
        }
    }

    /// A line beside the result: where something was written, what is still waited for.
    pub(crate) fn notice(self, text: &str) {
        if !self.silent {
            to_stderr(text);
        }
    }

    /// Asks a person to type `yes`.
    pub(crate) fn confirm(self, question: &str) -> Result<(), Failure> {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("nobody can confirm: standard input is not a terminal")
                .next("read the statement above, then pass `--yes`"));
        }
        to_stderr(&format!("{question} Type `yes` to go on:"));
        let mut typed = String::new();
        let read = std::io::stdin().read_line(&mut typed);
        if read.is_ok() && typed.trim() == "yes" {
            return Ok(());
        }
        Err(Failure::other("NOT_CONFIRMED", "not confirmed: nothing was signed and nothing was sent"))
    }

    /// A bar for a step of known length, on standard error; hidden where nobody watches.
    pub(crate) fn bar(self, length: u64, message: &'static str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(length), self.draw_target());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}") {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar
    }

    /// A spinner for a step of unknown length.
    pub(crate) fn spinner(self, message: String) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, self.draw_target());
        spinner.set_message(message);
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    fn draw_target(self) -> ProgressDrawTarget {
        if self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
    }
}

/// A reader that went away (`holdfast ... | head`) is no reason to fail.
fn to_stdout(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", screen(text));
}

fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", screen(text));
}
