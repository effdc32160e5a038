//! What is wrong with a log, and where: the one error type of this crate.
//!
//! A finding names the rule that failed by a stable code and, wherever it can be known, the first entry at fault.

use holdfast_ledger::ReplicaError;
use holdfast_log::{CheckpointError, EntryError, ExportError, NoteKeyError, TreeError};
use serde::Serialize;

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{detail} [{rule}]", self.place())]
pub struct Finding {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_index: Option<u64>,
    detail: String,
    #[serde(flatten)]
    difference: Option<Box<Difference>>,
}

/// What was found beside what the replay derives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Difference {
    recorded: String,
    expected: String,
}

impl Finding {
    pub(crate) fn new(rule: &str, detail: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            first_index: None,
            end_index: None,
            detail: detail.into(),
            difference: None,
        }
    }

    /// What was found beside what the replay derives.
    pub(crate) fn differs(mut self, recorded: impl Into<String>, expected: impl Into<String>) -> Self {
        let (recorded, expected) = (recorded.into(), expected.into());
        self.difference = Some(Box::new(Difference { recorded, expected }));
        self
    }

    pub(crate) fn at(mut self, index: u64) -> Self {
        self.first_index = Some(index);
        self.end_index = index.checked_add(1);
        self
    }

    pub(crate) fn within(mut self, first_index: u64, end_index: u64) -> Self {
        self.first_index = Some(first_index);
        self.end_index = Some(end_index);
        self
    }

    /// The rule that failed: a stable code in capitals.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// Index of the first entry at fault, or the first that may be; `None` if no entry is.
    pub fn first_index(&self) -> Option<u64> {
        self.first_index
    }

    /// The first index after those that may be at fault: one more than [`Self::first_index`] if the entry is known.
    pub fn end_index(&self) -> Option<u64> {
        self.end_index
    }

    /// What is wrong, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the export says, where it can be shown.
    pub fn recorded(&self) -> Option<&str> {
        self.difference.as_ref().map(|difference| difference.recorded.as_str())
    }

    /// What it should say, where it can be shown.
    pub fn expected(&self) -> Option<&str> {
        self.difference.as_ref().map(|difference| difference.expected.as_str())
    }

    pub(crate) fn is_exact(&self) -> bool {
        matches!((self.first_index, self.end_index), (Some(first), Some(end)) if first.checked_add(1) == Some(end))
    }

    fn place(&self) -> String {
        if self.first_index.is_some_and(|first| self.detail.starts_with(&format!("entry {first} "))) {
            return String::new();
        }
        match (self.first_index, self.end_index) {
            (Some(first), _) if self.is_exact() => format!("entry {first}: "),
            (Some(first), Some(end)) => format!("entries {first} to {}: ", end.saturating_sub(1)),
            (Some(first), None) => format!("from entry {first} on: "),
            (None, _) => String::new(),
        }
    }
}

impl From<CheckpointError> for Finding {
    fn from(error: CheckpointError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<NoteKeyError> for Finding {
    fn from(error: NoteKeyError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<TreeError> for Finding {
    fn from(error: TreeError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<ExportError> for Finding {
    fn from(error: ExportError) -> Self {
        let finding = Self::new(error.code(), error.to_string());
        if let ExportError::RangeMismatch { first_index, end_index } = error {
            return finding.within(first_index, end_index);
        }
        if let ExportError::FileMissing { path } = error {
            return finding.within(path.first_entry(), path.end_entry());
        }
        match error.first_index() {
            Some(index) => finding.at(index),
            None => finding,
        }
    }
}

impl From<ReplicaError> for Finding {
    fn from(error: ReplicaError) -> Self {
        let finding = Self::new(error.code(), error.to_string());
        match error {
            ReplicaError::Genesis(_) | ReplicaError::OtherGenesis { .. } => finding.at(0),
            ReplicaError::Apply { index, ref source } => {
                Self { detail: source.to_string(), ..finding }.at(index)
            }
            ReplicaError::Tree(_) | ReplicaError::SizesDiffer { .. } => finding,
        }
    }
}

/// An entry that is not one, at its index.
pub(crate) fn malformed_entry(index: u64, error: &EntryError) -> Finding {
    Finding::new(error.code(), error.to_string()).at(index)
}
