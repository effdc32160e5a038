//! How a command ends badly: an exit code, a stable reason, a sentence, and what to do next.
//!
//! Whatever goes wrong below becomes a [`Failure`] here; nothing else decides about exit codes.

use std::fmt;
use std::path::Path;

use holdfast_audit::Finding;
use holdfast_ledger::{Rejection, RejectionCode, ReplicaError};
use holdfast_policy::PolicyError;
use holdfast_proto::{CallerAction, FieldViolation, field_violations, reason_of};
use holdfast_transport::client::{ConnectError, ProbeError};
use holdfast_transport::files::FileError;
use holdfast_transport::with_causes;
use serde_json::{Value, json};
use tonic::{Code, Status};

/// How a command ended. The numbers are documented in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Success,
    Other,
    Usage,
    Refused,
    Held,
    NotFound,
    Unavailable,
    Verification,
    Alarm,
}

/// Shown at the end of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something else went wrong
  2  wrong arguments, profile or files: correct them
  3  refused: by the policy, or because the signer may not do this
  4  held or waiting: for officers, nodes or a transaction
  5  not found
  6  unavailable: a server cannot be reached or is busy, try again
  7  verification failed: a proof, a signature or a log is not what it should be
  8  alarm: `audit monitor --once`, `policy check` or `policy test` found something that a person must look at";

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Other => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Held => 4,
            Exit::NotFound => 5,
            Exit::Unavailable => 6,
            Exit::Verification => 7,
            Exit::Alarm => 8,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    exit: Exit,
    reason: String,
    message: String,
    next: Option<String>,
    fields: Vec<FieldViolation>,
    /// What an auditor needs beside the sentence: where, recorded, expected.
    finding: Option<Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let (reason, message) = (reason.into(), message.into());
        Self(Box::new(Parts { exit, reason, message, next: None, fields: Vec::new(), finding: None }))
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    pub(crate) fn verification(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Exit::Verification, reason, message)
    }

    pub(crate) fn other(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Exit::Other, reason, message)
    }

    /// A policy, or a file of cases, that cannot be read: with line and field.
    pub(crate) fn policy(file: &Path, error: &PolicyError) -> Self {
        let message = format!("`{}`: {error}", file.display());
        let mut failure = Self::new(Exit::Usage, "POLICY_INVALID", message);
        failure.0.finding = Some(json!({"code": error.code(), "line": error.line(), "field": error.field()}));
        failure
    }

    /// What the person should do next.
    #[must_use]
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.0.next = Some(step.into());
        self
    }

    /// Puts what was attempted before the message.
    #[must_use]
    pub(crate) fn during(mut self, what: &str) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }

    pub(crate) fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Whether it is about this member of what was sent.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        self.0.fields.iter().any(|invalid| invalid.field == field)
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn next_step(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// Whether trying the very same again may help.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.0.exit == Exit::Unavailable
    }

    pub(crate) fn to_json(&self) -> Value {
        let fields = self.0.fields.iter();
        let fields: Vec<_> =
            fields.map(|field| json!({"field": field.field, "description": field.description})).collect();
        let mut error = json!({
            "reason": self.0.reason,
            "message": self.0.message,
            "fields": fields,
            "next": self.0.next,
            "exit_code": self.0.exit.code(),
        });
        if let (Some(finding), Some(error)) = (&self.0.finding, error.as_object_mut()) {
            error.insert("finding".to_owned(), finding.clone());
        }
        json!({"error": error})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {} [{}]", self.0.message, self.0.reason)?;
        for field in &self.0.fields {
            write!(f, "\n  `{}`: {}", field.field, field.description)?;
        }
        match &self.0.next {
            Some(next) => write!(f, "\nnext: {next}"),
            None => Ok(()),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = reason_of(&status);
        let exit = exit_of(status.code(), reason.as_deref());
        let reason = reason.unwrap_or_else(|| format!("{:?}", status.code()).to_uppercase());
        let mut failure = Self::new(exit, reason, status.message().to_owned()).next(advice(&status));
        failure.0.fields = field_violations(&status);
        failure
    }
}

fn exit_of(code: Code, reason: Option<&str>) -> Exit {
    let refused = reason.is_some_and(|reason| reason.starts_with("TRANSACTION_") || reason == "POLICY_BOUND");
    match code {
        Code::Ok => Exit::Success,
        Code::InvalidArgument if refused => Exit::Refused,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::PermissionDenied | Code::Unauthenticated => Exit::Refused,
        Code::NotFound => Exit::NotFound,
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
            Exit::Unavailable
        }
        Code::Unknown
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Exit::Other,
    }
}

fn advice(status: &Status) -> &'static str {
    match CallerAction::of(status) {
        CallerAction::Correct => "correct what is named above and run the command again",
        CallerAction::RetrySameKey => {
            "the outcome is open: run `holdfast status`, then the same command again with the same key"
        }
        CallerAction::NewKey => "choose another idempotency key",
        CallerAction::Wait => "nothing to do now: follow it with `show` or `watch`",
        CallerAction::Nothing => "nothing: it is done already",
        CallerAction::AskPerson => "ask an operator or an officer",
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let exit = match error {
            ConnectError::Unreachable { .. } => Exit::Unavailable,
            ConnectError::Identity { .. } => Exit::Verification,
            ConnectError::Tls(_) | ConnectError::Name => Exit::Usage,
        };
        let next = match error {
            ConnectError::Unreachable { .. } => {
                "check that the server runs and that the profile has its address"
            }
            ConnectError::Identity { .. } => {
                "somebody else answers at this address: check the profile, then ask an operator"
            }
            ConnectError::Tls(_) | ConnectError::Name => "correct the TLS files that the profile names",
        };
        Self::new(exit, error.reason(), with_causes(&error)).next(next)
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        Self::new(Exit::Unavailable, error.reason(), with_causes(&error)).next("look into the server's log")
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::Usage, error.reason(), with_causes(&error))
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        let message = match finding.to_string().rsplit_once(" [") {
            Some((message, _)) => message.to_owned(),
            None => finding.to_string(),
        };
        let mut failure = Self::verification(finding.rule(), message);
        failure.0.finding = Some(json!(finding));
        failure
    }
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        Finding::from(error).into()
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let exit = match rejection.code() {
            RejectionCode::UnknownWallet
            | RejectionCode::UnknownWithdrawal
            | RejectionCode::UnknownCeremony
            | RejectionCode::UnknownWhitelistEntry
            | RejectionCode::UnknownParty
            | RejectionCode::UnknownScreeningList
            | RejectionCode::UnknownScreeningUpdate
            | RejectionCode::UnknownLegalOrder
            | RejectionCode::UnknownPolicy => Exit::NotFound,
            RejectionCode::Transaction(_)
            | RejectionCode::SignerNotAuthorized
            | RejectionCode::PolicyBound
            | RejectionCode::KeyAlreadyUsed
            | RejectionCode::QuorumUnfillable
            | RejectionCode::ProviderNotNamed
            | RejectionCode::Identity(_)
            | RejectionCode::Calldata(_)
            | RejectionCode::ClientRevoked => Exit::Refused,
            RejectionCode::FieldInvalid
            | RejectionCode::AddressChecksum
            | RejectionCode::ClusterMismatch
            | RejectionCode::UnknownChain
            | RejectionCode::UnknownAsset
            | RejectionCode::ScreeningUpdateInvalid
            | RejectionCode::PolicyInvalid => Exit::Usage,
            RejectionCode::WalletNotActive
            | RejectionCode::IntentExpired
            | RejectionCode::IntentFromTheFuture
            | RejectionCode::IdempotencyKeyReused
            | RejectionCode::AlreadyRecorded
            | RejectionCode::WithdrawalNotCancellable
            | RejectionCode::WithdrawalNotHeld
            | RejectionCode::NotApproved
            | RejectionCode::ApprovalFinal
            | RejectionCode::WithdrawalNotAuthorizable
            | RejectionCode::TransactionAlreadyBound
            | RejectionCode::AccountNonceUsed
            | RejectionCode::AccountNonceChanged
            | RejectionCode::DigestMismatch
            | RejectionCode::WalletSignatureInvalid
            | RejectionCode::StatementMismatch
            | RejectionCode::StatementExpired
            | RejectionCode::StatementFromTheFuture
            | RejectionCode::StatementAlreadyUsed
            | RejectionCode::CeremonyPhase
            | RejectionCode::AlreadyApproved
            | RejectionCode::AlreadyExists
            | RejectionCode::WalletPauseState
            | RejectionCode::SequenceGap
            | RejectionCode::ConfirmationMismatch
            | RejectionCode::ConfirmationsMissing
            | RejectionCode::VersionSuperseded
            | RejectionCode::ReplacementNotPermitted
            | RejectionCode::ReplacementFeeTooLow
            | RejectionCode::WithdrawalNotTombstonable
            | RejectionCode::WithdrawalTombstoned
            | RejectionCode::OutcomeNotPermitted
            | RejectionCode::LegalOrderState
            | RejectionCode::WhitelistRequestClosed
            | RejectionCode::TooManyWhitelistEntries
            | RejectionCode::TooManyOpenWithdrawals => Exit::Other,
        };
        let description = rejection.detail().to_owned();
        let mut failure = Self::new(exit, rejection.code().as_str(), rejection.detail());
        if let Some(field) = rejection.field() {
            failure.0.fields = vec![FieldViolation { field: field.to_owned(), description }];
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::ApiError;

    use super::*;

    fn failure(reason: &'static str) -> Failure {
        Status::from(ApiError::new(reason, "no")).into()
    }

    #[test]
    fn exit_codes_follow_the_reason() {
        for (reason, exit) in [
            ("TRANSACTION_DESTINATION_MISMATCH", Exit::Refused),
            ("POLICY_BOUND", Exit::Refused),
            ("SIGNER_NOT_AUTHORIZED", Exit::Refused),
            ("FIELD_INVALID", Exit::Usage),
            ("UNKNOWN_WALLET", Exit::NotFound),
            ("NODES_UNAVAILABLE", Exit::Unavailable),
            ("QUEUE_FULL", Exit::Unavailable),
            ("IDEMPOTENCY_KEY_REUSED", Exit::Other),
        ] {
            assert_eq!(failure(reason).exit(), exit, "{reason}");
        }
    }

    #[test]
    fn errors_say_what_to_do_next_and_keep_their_reason() {
        let shown = failure("IDEMPOTENCY_KEY_REUSED").to_string();
        assert_eq!(shown, "error: no [IDEMPOTENCY_KEY_REUSED]\nnext: choose another idempotency key");
        let json = failure("FIELD_INVALID").to_json();
        assert_eq!(json["error"]["exit_code"], 2);
        assert_eq!(json["error"]["reason"], "FIELD_INVALID");
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        for exit in [
            Exit::Success,
            Exit::Other,
            Exit::Usage,
            Exit::Refused,
            Exit::Held,
            Exit::NotFound,
            Exit::Unavailable,
            Exit::Verification,
            Exit::Alarm,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit.code())), "{exit:?}");
        }
    }
}
