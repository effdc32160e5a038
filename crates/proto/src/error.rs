//! Errors as servers send them: a gRPC code with `google.rpc` details. Only what the builder is given reaches the caller;
//! sources and internal text must never be put in.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::ERROR_DOMAIN;
use crate::reason::lookup;

// The details travel in HTTP/2 trailers, which clients commonly limit to 8 KiB: a larger error would be lost altogether.
const MESSAGE_CHARS: usize = 256;
const DESCRIPTION_CHARS: usize = 160;
const VALUE_CHARS: usize = 160;
const NAME_CHARS: usize = 63;
const MAX_VIOLATIONS: usize = 8;
const MAX_METADATA: usize = 8;

/// An error on its way to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct ApiError(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    code: Code,
    reason: Cow<'static, str>,
    message: String,
    metadata: Vec<(String, String)>,
    violations: Vec<(String, String)>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with the gRPC code that [`crate::REASONS`] gives this reason, `INTERNAL` if it gives none. `message` is for
    /// people: lower case, no full stop.
    pub fn new(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let reason = reason.into();
        let code = lookup(&reason).map_or(Code::Internal, |row| row.code);
        Self::with_code(code, reason, message)
    }

    /// An error whose reason is not in the table: those between coordinator and nodes.
    pub fn with_code(code: Code, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            reason: reason.into(),
            message: message.into(),
            metadata: Vec::new(),
            violations: Vec::new(),
            retry_after: None,
        }))
    }

    /// Names a field at fault: the member of the signed payload or the field of the message, with what it should be.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.violations.push((field.into(), description.into()));
        self
    }

    /// Adds a machine-readable fact, for example `withdrawal_id`. Names are lower case with underscores.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.metadata.push((name.into(), value.into()));
        self
    }

    /// Says when a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The reason code.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let Parts { code, reason, message, metadata, violations, retry_after } = *error.0;
        let reason = bounded(&reason, NAME_CHARS);
        let mut details = ErrorDetails::new();
        details.set_error_info(reason.as_str(), ERROR_DOMAIN, bounded_facts(&metadata));
        if !violations.is_empty() {
            details.set_bad_request(bounded_violations(&violations, &reason));
        }
        if retry_after.is_some() {
            details.set_retry_info(retry_after);
        }
        Status::with_error_details(code, bounded(&message, MESSAGE_CHARS), details)
    }
}

fn bounded_facts(facts: &[(String, String)]) -> HashMap<String, String> {
    let bounded_fact =
        |(name, value): &(String, String)| (bounded(name, NAME_CHARS), bounded(value, VALUE_CHARS));
    facts.iter().take(MAX_METADATA).map(bounded_fact).collect()
}

fn bounded_violations(violations: &[(String, String)], reason: &str) -> Vec<FieldViolation> {
    let bounded_violation = |(field, description): &(String, String)| FieldViolation {
        reason: reason.to_owned(),
        ..FieldViolation::new(bounded(field, NAME_CHARS), bounded(description, DESCRIPTION_CHARS))
    };
    violations.iter().take(MAX_VIOLATIONS).map(bounded_violation).collect()
}

/// Cuts to length and replaces what is not printable ASCII: messages may quote input, and they end up in terminals.
fn bounded(text: &str, max_chars: usize) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(max_chars).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{field_violations, metadata_of, reason_of, retry_after};

    #[test]
    fn what_the_server_says_is_what_the_client_reads() {
        // Given an error with every kind of detail
        let error = ApiError::new("FIELD_INVALID", "`amount` is not a decimal number")
            .field("amount", "must be digits")
            .field("fee_cap", "must be digits")
            .fact("withdrawal_id", "w-1")
            .retry_after(Duration::from_millis(250));
        // When it goes over the wire
        let status = over_the_wire(error);
        // Then every detail arrives
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "`amount` is not a decimal number");
        assert_eq!(reason_of(&status).as_deref(), Some("FIELD_INVALID"));
        let fields: Vec<_> =
            field_violations(&status).into_iter().map(|v| (v.field, v.description)).collect();
        assert_eq!(
            fields,
            [("amount".into(), "must be digits".into()), ("fee_cap".into(), "must be digits".to_owned())]
        );
        assert_eq!(metadata_of(&status).get("withdrawal_id").map(String::as_str), Some("w-1"));
        assert_eq!(retry_after(&status), Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_error_without_details_carries_only_its_reason() {
        let status = over_the_wire(ApiError::new("UNKNOWN_WALLET", "no wallet `hot-9`"));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(field_violations(&status), []);
        assert_eq!(retry_after(&status), None);
        assert!(metadata_of(&status).is_empty());
    }

    #[test]
    fn a_reason_without_a_row_is_internal() {
        assert_eq!(ApiError::new("NEVER_HEARD_OF", "x").code(), Code::Internal);
        assert_eq!(ApiError::with_code(Code::Aborted, "NEVER_HEARD_OF", "x").code(), Code::Aborted);
    }

    #[test]
    fn terminal_escapes_and_line_breaks_in_quoted_input_are_defused() {
        let status =
            over_the_wire(ApiError::new("FIELD_INVALID", "`\u{1b}[2J\n\u{202e}`").field("a\r\n", "\0"));
        assert_eq!(status.message(), "`?[2J??`");
        let violation = &field_violations(&status)[0];
        assert_eq!((violation.field.as_str(), violation.description.as_str()), ("a??", "?"));
    }

    #[test]
    fn the_largest_error_fits_the_trailers_that_clients_accept() {
        // Given an error stuffed with hostile input
        let huge = "\u{1b}\u{fffd}".repeat(100_000);
        let mut error = ApiError::new(huge.clone(), huge.clone()).retry_after(Duration::MAX);
        for i in 0..1000 {
            error = error.field(format!("{i}{huge}"), huge.clone()).fact(format!("{i}{huge}"), huge.clone());
        }
        // When it is sent
        let response = Status::from(error).into_http::<()>();
        // Then its headers are below the 8 KiB that gRPC's C core accepts
        let size: usize =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(size < 8 * 1024, "{size} bytes");
        assert!(response.headers().contains_key("grpc-status-details-bin"));
    }

    fn over_the_wire(error: ApiError) -> Status {
        let response = Status::from(error).into_http::<()>();
        Status::from_header_map(response.headers()).unwrap()
    }
}
