//! Owns what a refused policy document says: the line, the field and what to do. It never repeats more than a bounded,
//! escaped piece of the document.

use thiserror::Error;

use super::MAX_DOCUMENT_BYTES;

/// A policy document that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The document is too large.
    #[error("policy document has {size} bytes, at most {MAX_DOCUMENT_BYTES} are accepted")]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The document is not TOML.
    #[error("line {line}: not valid TOML: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What the TOML parser says.
        message: String,
    },
    /// A field is missing or says something that is not accepted.
    #[error("line {line}: `{field}` {problem}")]
    Field {
        /// The line, from 1; of the table, where the field is missing.
        line: usize,
        /// The field's path, such as `restriction[1].hold_above.amount`.
        field: String,
        /// What is wrong with it.
        problem: FieldProblem,
    },
}

impl PolicyError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "POLICY_TOO_LARGE",
            Self::Syntax { .. } => "POLICY_SYNTAX",
            Self::Field { problem, .. } => problem.code(),
        }
    }

    /// The line, where one is known; from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Syntax { line, .. } | Self::Field { line, .. } => Some(*line),
        }
    }

    /// The field's path, where one is known.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::TooLarge { .. } | Self::Syntax { .. } => None,
            Self::Field { field, .. } => Some(field),
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldProblem {
    /// The field is required.
    #[error("is missing; add it")]
    Missing,
    /// No such field exists here.
    #[error("is unknown here; {}", correction(*near))]
    Unknown {
        /// The known name that it may be a misspelling of.
        near: Option<&'static str>,
    },
    /// The value has another type.
    #[error("must be {expected}")]
    WrongType {
        /// What is expected, in words.
        expected: &'static str,
    },
    /// The value has the right type and is not accepted.
    #[error("is not accepted: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// A list or table has nothing in it.
    #[error("is empty; name at least one")]
    Empty,
    /// There are too many values.
    #[error("has too many values; at most {max} are accepted")]
    TooMany {
        /// The largest number accepted.
        max: usize,
    },
    /// The value occurs twice.
    #[error("repeats `{value}`; each may occur once")]
    Duplicate {
        /// The value.
        value: String,
    },
    /// The number is outside its range.
    #[error("must be between {min} and {max}")]
    OutOfRange {
        /// The smallest accepted.
        min: u64,
        /// The largest accepted.
        max: u64,
    },
    /// Two fields contradict each other.
    #[error("must not be below `{other}`")]
    BelowOther {
        /// The other field.
        other: &'static str,
    },
}

impl FieldProblem {
    const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "POLICY_FIELD_MISSING",
            Self::Unknown { .. } => "POLICY_FIELD_UNKNOWN",
            Self::WrongType { .. } => "POLICY_FIELD_TYPE",
            Self::Invalid { .. } => "POLICY_FIELD_INVALID",
            Self::Empty => "POLICY_FIELD_EMPTY",
            Self::TooMany { .. } => "POLICY_FIELD_TOO_MANY",
            Self::Duplicate { .. } => "POLICY_FIELD_DUPLICATE",
            Self::OutOfRange { .. } => "POLICY_FIELD_OUT_OF_RANGE",
            Self::BelowOther { .. } => "POLICY_FIELD_CONTRADICTION",
        }
    }
}

fn correction(near: Option<&str>) -> String {
    match near {
        Some(name) => format!("did you mean `{name}`?"),
        None => "remove it or correct its name".to_owned(),
    }
}

/// A bounded, printable piece of untrusted text.
pub(super) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let shown: String = text.chars().take(MAX_CHARS).flat_map(char::escape_default).collect();
    if text.chars().nth(MAX_CHARS).is_some() { format!("{shown}...") } else { shown }
}
