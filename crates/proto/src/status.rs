//! Errors as clients receive them: reads the `google.rpc` details of a status. Whatever a server sends, nothing here fails:
//! details that are missing, malformed or of another domain read as absent.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorInfo, StatusExt};

use crate::ERROR_DOMAIN;

/// A field at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The member of the signed payload or the field of the message.
    pub field: String,
    /// What it should be, for people.
    pub description: String,
}

/// The stable reason code, if the error comes from Holdfast and not from the connection.
pub fn reason_of(status: &Status) -> Option<String> {
    info(status).map(|info| info.reason)
}

/// The machine-readable facts of the error, for example `withdrawal_id`.
pub fn metadata_of(status: &Status) -> BTreeMap<String, String> {
    info(status).map(|info| info.metadata.into_iter().collect()).unwrap_or_default()
}

/// The fields at fault.
pub fn field_violations(status: &Status) -> Vec<FieldViolation> {
    let violations =
        status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|v| FieldViolation { field: v.field, description: v.description }).collect()
}

/// When the server says that a retry makes sense.
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

fn info(status: &Status) -> Option<ErrorInfo> {
    status.get_details_error_info().filter(|info| info.domain == ERROR_DOMAIN)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::CallerAction;

    #[test]
    fn a_reason_of_another_domain_is_not_taken_for_ours() {
        let details = ErrorDetails::with_error_info("IDEMPOTENCY_KEY_REUSED", "example.com", HashMap::new());
        let status = Status::with_error_details(Code::Unavailable, "proxy", details);
        assert_eq!(reason_of(&status), None);
        assert_eq!(CallerAction::of(&status), CallerAction::RetrySameKey);
    }

    #[test]
    fn malformed_details_read_as_absent() {
        let status = Status::with_details(Code::Internal, "x", b"\xff\xff\xff not protobuf".to_vec().into());
        assert_eq!(reason_of(&status), None);
        assert_eq!(field_violations(&status), []);
        assert_eq!(retry_after(&status), None);
        assert!(metadata_of(&status).is_empty());
    }
}
