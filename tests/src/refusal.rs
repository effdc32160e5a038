//! What an error has to look like: code, reason and field, all three stable.

use std::collections::BTreeMap;
use std::fmt::Debug;

use holdfast_proto::{field_violations, metadata_of, reason_of};
use tonic::{Code, Status};

/// An error as a client's program sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The stable reason; empty if the error is not one of Holdfast's.
    pub reason: String,
    /// The fields at fault.
    pub fields: Vec<String>,
    /// The facts beside it.
    pub facts: BTreeMap<String, String>,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        Self {
            code: status.code(),
            reason: reason_of(status).unwrap_or_default(),
            fields: field_violations(status).into_iter().map(|violation| violation.field).collect(),
            facts: metadata_of(status),
        }
    }
}

/// The refusal, if it is the expected one.
///
/// # Panics
/// When the call succeeded, or failed otherwise.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T, Status>, code: Code, reason: &str) -> Refusal {
    let status = match result {
        Ok(answer) => panic!("expected {reason}, the call succeeded: {answer:?}"),
        Err(status) => status,
    };
    let refusal = Refusal::from(&status);
    assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{status:?}");
    refusal
}
