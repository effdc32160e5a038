//! The line form of statements: printable ASCII, `key: value`, one newline after each.

use std::collections::VecDeque;

use super::MAX_STATEMENT_BYTES;

/// A statement that is not well formed; names the line at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {detail}")]
pub struct StatementError {
    field: String,
    detail: String,
}

impl StatementError {
    pub(crate) fn new(field: &str, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), detail: detail.into() }
    }

    /// The line at fault.
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// Builds a statement's text.
pub(crate) struct Lines(String);

impl Lines {
    pub(crate) fn new(title: &str) -> Self {
        Self(format!("{title}\n"))
    }

    pub(crate) fn push(&mut self, key: &str, value: &str) {
        self.0.push_str(key);
        self.0.push_str(": ");
        self.0.push_str(value);
        self.0.push('\n');
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// The lines of a statement, taken in order.
pub(crate) struct Reader<'a>(VecDeque<(&'a str, &'a str)>);

impl<'a> Reader<'a> {
    pub(crate) fn new(title: &str, text: &'a str) -> Result<Self, StatementError> {
        let malformed = |detail: &str| StatementError::new("statement", detail);
        if text.len() > MAX_STATEMENT_BYTES {
            return Err(malformed("longer than 8192 bytes"));
        }
        if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
            return Err(malformed("only printable ASCII and newlines are allowed"));
        }
        let body = text.strip_suffix('\n').ok_or_else(|| malformed("must end with a newline"))?;
        let mut lines = body.split('\n');
        if lines.next() != Some(title) {
            return Err(malformed("unknown title or version"));
        }
        let pair =
            |line: &'a str| line.split_once(": ").ok_or_else(|| malformed("every line is `key: value`"));
        Ok(Self(lines.map(pair).collect::<Result<_, _>>()?))
    }

    /// The next line, which must have this key.
    pub(crate) fn take(&mut self, key: &str) -> Result<&'a str, StatementError> {
        self.take_if(key).ok_or_else(|| StatementError::new(key, "is missing or out of order"))
    }

    /// The next line if it has this key.
    pub(crate) fn take_if(&mut self, key: &str) -> Option<&'a str> {
        let (next, value) = *self.0.front()?;
        (next == key).then(|| {
            self.0.pop_front();
            value
        })
    }

    /// Whether the next line has this key.
    pub(crate) fn is_next(&self, key: &str) -> bool {
        self.0.front().is_some_and(|(next, _)| *next == key)
    }

    /// All next lines with this key, at most `most`.
    pub(crate) fn take_all(&mut self, key: &str, most: usize) -> Result<Vec<&'a str>, StatementError> {
        let mut values = Vec::new();
        while let Some(value) = self.take_if(key) {
            if values.len() == most {
                return Err(StatementError::new(key, format!("at most {most} lines")));
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Passes over descriptive lines up to the one with this key.
    pub(crate) fn skip_to(&mut self, key: &str) {
        while self.0.front().is_some_and(|(next, _)| *next != key) {
            self.0.pop_front();
        }
    }

    pub(crate) fn end(&self) -> Result<(), StatementError> {
        match self.0.front() {
            None => Ok(()),
            Some((key, _)) => Err(StatementError::new(key, "is not expected here")),
        }
    }
}
