//! The one place where errors become gRPC statuses: a stable reason, the fields at fault, when to come back. Internal causes
//! go to the log, never to the caller.

use std::time::Duration;

use holdfast_ledger::{ActError, Rejection, RejectionCode, WithdrawalId};
use holdfast_log::{EntryError, EnvelopeError};
use holdfast_proto::ApiError;
use holdfast_proto::convert::FieldError;
use holdfast_proto::limits::ENVELOPE_BYTES;
use holdfast_store::CommitError;
use tonic::Status;

use crate::log_book::{LogBookError, LogFailed, ReadError};
use crate::receipt::ReceiptError;
use crate::sequencer::{ProposeError, RETRY_AFTER};
use crate::speaker::SpeakError;

/// When those whom an uncertain clock turned away should come back.
const CLOCK_RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The envelope is over the limit.
    #[error("the envelope has {size} bytes, at most {ENVELOPE_BYTES} are accepted")]
    EnvelopeTooLarge { size: usize },
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An envelope for another method.
    #[error("this method takes {expected}")]
    OtherPayload { expected: &'static str },
    /// The envelope is not signed by whoever calls.
    #[error("the envelope has to be signed by `{expected}`, which calls")]
    OtherSigner { expected: String },
    /// Not authentic.
    #[error(transparent)]
    Act(#[from] ActError),
    /// Authentic and not admissible.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The idempotency key belongs to a withdrawal with another payload.
    #[error("the idempotency key belongs to withdrawal `{withdrawal}` with another payload")]
    KeyReused { withdrawal: WithdrawalId, rejection: Rejection, logged: Option<u64> },
    /// The proposal had no effect.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A field of the message is not what it should be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No such object, or not for this caller.
    #[error("no {kind} `{id}`")]
    Unknown { kind: Object, id: String },
    /// The withdrawal cannot be given up.
    #[error("{detail}")]
    NotGiveable { detail: String },
    /// The coordinator's own entry cannot be made.
    #[error(transparent)]
    Speak(#[from] SpeakError),
    /// Too many streams are open.
    #[error("too many streams are open")]
    TooManyStreams,
    /// The caller has no identity that a handler can use.
    #[error("the caller has no usable identity")]
    NoIdentity,
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// What the coordinator keeps beside the log cannot be written.
    #[error(transparent)]
    Store(#[from] CommitError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No receipt can be made.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// No checkpoint or proof can be made.
    #[error(transparent)]
    Log(#[from] LogBookError),
}

/// What a caller asked for that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Withdrawal,
    Wallet,
    Ceremony,
    WhitelistEntry,
    LogEntry,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Withdrawal => "withdrawal",
            Self::Wallet => "wallet",
            Self::Ceremony => "ceremony",
            Self::WhitelistEntry => "whitelist entry",
            Self::LogEntry => "log entry",
        })
    }
}

impl Object {
    fn reason(self) -> &'static str {
        match self {
            Self::Withdrawal => "UNKNOWN_WITHDRAWAL",
            Self::Wallet => "UNKNOWN_WALLET",
            Self::Ceremony => "UNKNOWN_CEREMONY",
            Self::WhitelistEntry => "UNKNOWN_WHITELIST_ENTRY",
            Self::LogEntry => "UNKNOWN_LOG_ENTRY",
        }
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        api_error(error).into()
    }
}

fn api_error(error: RequestError) -> ApiError {
    let message = error.to_string();
    match error {
        RequestError::EnvelopeTooLarge { .. } => ApiError::new("ENVELOPE_TOO_LARGE", message),
        RequestError::Envelope(error) => envelope(&error),
        RequestError::OtherPayload { .. } => {
            ApiError::new("PAYLOAD_TYPE_UNKNOWN", message.clone()).field("payloadType", message)
        }
        RequestError::OtherSigner { .. } => {
            ApiError::new("SIGNER_NOT_AUTHORIZED", message.clone()).field("keyid", message)
        }
        RequestError::Act(error) => ApiError::new(error.code(), message),
        RequestError::Rejected(rejection) => rejected(&rejection, None),
        RequestError::KeyReused { withdrawal, rejection, logged } => {
            rejected(&rejection, logged).fact("withdrawal_id", withdrawal.to_string())
        }
        RequestError::Propose(error) => propose(error),
        RequestError::Field(error) => {
            ApiError::new("FIELD_INVALID", message).field(error.field, error.problem)
        }
        RequestError::Unknown { kind, .. } => ApiError::new(kind.reason(), message),
        RequestError::NotGiveable { .. } => ApiError::new("WITHDRAWAL_NOT_TOMBSTONABLE", message),
        RequestError::Speak(SpeakError::NoEntryKey) => ApiError::new("ENTRY_KEY_MISSING", message),
        RequestError::Speak(SpeakError::Failed(LogFailed)) => store_failed(),
        RequestError::Speak(error) => internal(&error),
        RequestError::TooManyStreams => ApiError::new("QUEUE_FULL", message).retry_after(RETRY_AFTER),
        RequestError::NoIdentity => ApiError::new("ROLE_NOT_ALLOWED", message),
        RequestError::Failed(LogFailed) | RequestError::Store(_) => store_failed(),
        RequestError::Read(error) => internal(&error),
        RequestError::Receipt(ReceiptError::Failed(LogFailed)) => store_failed(),
        RequestError::Receipt(ReceiptError::Proof(error)) | RequestError::Log(error) => log(&error),
        RequestError::Receipt(error) => internal(&error),
    }
}

fn propose(error: ProposeError) -> ApiError {
    let message = error.to_string();
    match error {
        ProposeError::Act(error) => ApiError::new(error.code(), message),
        ProposeError::Entry(EntryError::TooLarge { .. }) => ApiError::new("ENVELOPE_TOO_LARGE", message),
        ProposeError::Entry(error) => internal(&error),
        ProposeError::Rejected { rejection, logged } => rejected(&rejection, logged),
        ProposeError::QueueFull => ApiError::new("QUEUE_FULL", message).retry_after(RETRY_AFTER),
        ProposeError::Clock(_) => ApiError::new("CLOCK_UNCERTAIN", message).retry_after(CLOCK_RETRY_AFTER),
        ProposeError::NoLogKey => ApiError::new("LOG_KEY_MISSING", message),
        ProposeError::LogKeyNotConfigured => ApiError::new("LOG_KEY_NOT_CONFIGURED", message),
        ProposeError::Failed(LogFailed) => store_failed(),
        ProposeError::Stopping => ApiError::new("SHUTTING_DOWN", message).retry_after(RETRY_AFTER),
    }
}

/// A rejection by the state machine. Its words are made for whoever sent the payload.
fn rejected(rejection: &Rejection, logged: Option<u64>) -> ApiError {
    let detail = rejection.detail().to_owned();
    let error = ApiError::new(reason(rejection.code()), detail.clone());
    let error = match rejection.field() {
        Some(field) => error.field(field, detail),
        None => error,
    };
    match logged {
        Some(index) => error.fact("log_index", index.to_string()),
        None => error,
    }
}

/// The reason that callers know. One line for each code, so that a new code has to be thought about here.
fn reason(code: RejectionCode) -> &'static str {
    match code {
        RejectionCode::FieldInvalid
        | RejectionCode::AddressChecksum
        | RejectionCode::ClusterMismatch
        | RejectionCode::SignerNotAuthorized
        | RejectionCode::UnknownChain
        | RejectionCode::UnknownAsset
        | RejectionCode::UnknownWallet
        | RejectionCode::UnknownWithdrawal
        | RejectionCode::UnknownCeremony
        | RejectionCode::UnknownWhitelistEntry
        | RejectionCode::WalletNotActive
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
        | RejectionCode::PolicyBound
        | RejectionCode::VersionSuperseded
        | RejectionCode::KeyAlreadyUsed
        | RejectionCode::QuorumUnfillable
        | RejectionCode::UnknownParty
        | RejectionCode::UnknownPolicy
        | RejectionCode::PolicyInvalid
        | RejectionCode::UnknownScreeningList
        | RejectionCode::UnknownScreeningUpdate
        | RejectionCode::ScreeningUpdateInvalid
        | RejectionCode::ClientRevoked
        | RejectionCode::ReplacementNotPermitted
        | RejectionCode::ReplacementFeeTooLow
        | RejectionCode::WithdrawalNotTombstonable
        | RejectionCode::WithdrawalTombstoned
        | RejectionCode::OutcomeNotPermitted
        | RejectionCode::ProviderNotNamed
        | RejectionCode::UnknownLegalOrder
        | RejectionCode::LegalOrderState
        | RejectionCode::WhitelistRequestClosed
        | RejectionCode::TooManyWhitelistEntries
        | RejectionCode::TooManyOpenWithdrawals => code.as_str(),
        RejectionCode::Identity(code) | RejectionCode::Calldata(code) => code,
        // The chain's own code; those that do not say what they are about get the family's name.
        RejectionCode::Transaction(chain) if chain.starts_with("TRANSACTION_") => chain,
        RejectionCode::Transaction(_) => "TRANSACTION_INVALID",
    }
}

fn envelope(error: &EnvelopeError) -> ApiError {
    let api = ApiError::new(error.code(), error.to_string());
    match error.field_name() {
        Some(field) => api.field(field, error.to_string()),
        None => api,
    }
}

fn log(error: &LogBookError) -> ApiError {
    match error {
        LogBookError::Failed(LogFailed) => store_failed(),
        LogBookError::NoLogKey { .. } => ApiError::new("LOG_KEY_MISSING", error.to_string()),
        LogBookError::Replica(_)
        | LogBookError::Tree(_)
        | LogBookError::Checkpoint(_)
        | LogBookError::Store(_) => internal(error),
    }
}

fn store_failed() -> ApiError {
    ApiError::new("STORE_FAILED", "the log cannot be written: the outcome is open").retry_after(RETRY_AFTER)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error, "a request failed for an internal reason");
    ApiError::new("INTERNAL", "internal error, see the coordinator's log")
}

#[cfg(test)]
mod tests;
