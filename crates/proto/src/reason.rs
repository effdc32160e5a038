//! The table of stable reason codes: which gRPC code carries each, and what the caller does about it. `docs/api.md` prints
//! the same table, and a test compares the two. Reasons of `NodeService`, whose only caller is the coordinator, are not in it.

use tonic::{Code, Status};

use crate::status::reason_of;

/// What a caller does about an error. A failed request never uses an idempotency key up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerAction {
    /// Mend the request and send it again; a withdrawal keeps its idempotency key.
    Correct,
    /// Send the very same bytes again, later: the outcome is unknown or the server was busy.
    RetrySameKey,
    /// Choose another idempotency key: this one belongs to another withdrawal.
    NewKey,
    /// Do nothing but follow the object: it is past this step and moves on, or it has to get there first.
    Wait,
    /// It is done already.
    Nothing,
    /// An operator or officer has to act.
    AskPerson,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    /// The reason code; a trailing `*` stands for every code with this beginning that has no row of its own.
    pub reason: &'static str,
    /// The gRPC code that carries it.
    pub code: Code,
    /// What the caller does.
    pub action: CallerAction,
}

/// Every reason that a caller can meet.
pub const REASONS: &[ReasonRow] = {
    use CallerAction::{AskPerson, Correct, NewKey, Nothing, RetrySameKey, Wait};
    &[
        // the connection
        row("ROLE_NOT_ALLOWED", Code::PermissionDenied, AskPerson),
        row("MESSAGE_TOO_LARGE", Code::ResourceExhausted, Correct),
        row("DEADLINE_EXCEEDED", Code::DeadlineExceeded, RetrySameKey),
        // the envelope
        row("ENVELOPE_TOO_LARGE", Code::ResourceExhausted, Correct),
        row("ENVELOPE_SIGNATURE_INVALID", Code::Unauthenticated, Correct),
        row("ENVELOPE_*", Code::InvalidArgument, Correct),
        row("PAYLOAD_TYPE_UNKNOWN", Code::InvalidArgument, Correct),
        row("SECOND_GENESIS", Code::InvalidArgument, Correct),
        row("SIGNATURE_COUNT", Code::InvalidArgument, Correct),
        row("SIGNER_UNKNOWN", Code::Unauthenticated, AskPerson),
        row("SIGNER_NOT_AUTHORIZED", Code::PermissionDenied, AskPerson),
        row("CLUSTER_MISMATCH", Code::InvalidArgument, Correct),
        // what it says
        row("FIELD_INVALID", Code::InvalidArgument, Correct),
        row("ADDRESS_CHECKSUM", Code::InvalidArgument, Correct),
        row("TRANSACTION_*", Code::InvalidArgument, Correct),
        row("CALLDATA_*", Code::InvalidArgument, Correct),
        row("UNKNOWN_CHAIN", Code::InvalidArgument, Correct),
        row("UNKNOWN_ASSET", Code::InvalidArgument, Correct),
        row("POLICY_BOUND", Code::InvalidArgument, Correct),
        row("UNKNOWN_WALLET", Code::NotFound, Correct),
        row("UNKNOWN_WITHDRAWAL", Code::NotFound, Correct),
        row("UNKNOWN_CEREMONY", Code::NotFound, Correct),
        row("UNKNOWN_WHITELIST_ENTRY", Code::NotFound, Correct),
        row("UNKNOWN_PARTY", Code::NotFound, Correct),
        row("UNKNOWN_POLICY", Code::NotFound, Correct),
        row("UNKNOWN_SCREENING_LIST", Code::NotFound, Correct),
        row("UNKNOWN_SCREENING_UPDATE", Code::NotFound, Correct),
        row("UNKNOWN_LOG_ENTRY", Code::NotFound, Wait),
        // withdrawals
        row("IDEMPOTENCY_KEY_REUSED", Code::AlreadyExists, NewKey),
        row("INTENT_EXPIRED", Code::FailedPrecondition, Correct),
        row("INTENT_FROM_THE_FUTURE", Code::FailedPrecondition, Correct),
        row("WALLET_NOT_ACTIVE", Code::FailedPrecondition, Wait),
        row("ACCOUNT_NONCE_USED", Code::FailedPrecondition, Correct),
        row("ACCOUNT_NONCE_CHANGED", Code::FailedPrecondition, Correct),
        row("TRANSACTION_ALREADY_BOUND", Code::FailedPrecondition, Wait),
        row("WITHDRAWAL_NOT_CANCELLABLE", Code::FailedPrecondition, Wait),
        row("WITHDRAWAL_NOT_HELD", Code::FailedPrecondition, Wait),
        row("NOT_APPROVED", Code::FailedPrecondition, Nothing),
        row("APPROVAL_FINAL", Code::FailedPrecondition, Nothing),
        row("WITHDRAWAL_NOT_AUTHORIZABLE", Code::FailedPrecondition, Wait),
        row("REPLACEMENT_NOT_PERMITTED", Code::FailedPrecondition, Correct),
        row("REPLACEMENT_FEE_TOO_LOW", Code::FailedPrecondition, Correct),
        row("WITHDRAWAL_NOT_TOMBSTONABLE", Code::FailedPrecondition, Wait),
        row("WITHDRAWAL_TOMBSTONED", Code::Internal, AskPerson),
        row("OUTCOME_NOT_PERMITTED", Code::FailedPrecondition, Wait),
        row("PROVIDER_NOT_NAMED", Code::PermissionDenied, AskPerson),
        row("UNKNOWN_LEGAL_ORDER", Code::NotFound, Correct),
        row("LEGAL_ORDER_STATE", Code::FailedPrecondition, Wait),
        row("TOO_MANY_OPEN_WITHDRAWALS", Code::ResourceExhausted, RetrySameKey),
        // officers, providers
        row("STATEMENT_MISMATCH", Code::InvalidArgument, Correct),
        row("STATEMENT_EXPIRED", Code::FailedPrecondition, Correct),
        row("STATEMENT_FROM_THE_FUTURE", Code::FailedPrecondition, Correct),
        row("STATEMENT_ALREADY_USED", Code::AlreadyExists, Nothing),
        row("ALREADY_APPROVED", Code::AlreadyExists, Nothing),
        row("ALREADY_RECORDED", Code::AlreadyExists, Nothing),
        row("ALREADY_EXISTS", Code::AlreadyExists, Correct),
        row("CEREMONY_*", Code::FailedPrecondition, Wait),
        row("VERSION_SUPERSEDED", Code::FailedPrecondition, Correct),
        row("KEY_ALREADY_USED", Code::AlreadyExists, Correct),
        row("QUORUM_UNFILLABLE", Code::FailedPrecondition, Correct),
        row("POLICY_INVALID", Code::InvalidArgument, Correct),
        row("SCREENING_UPDATE_INVALID", Code::InvalidArgument, Correct),
        row("CLIENT_REVOKED", Code::PermissionDenied, AskPerson),
        row("WALLET_PAUSE_STATE", Code::FailedPrecondition, Nothing),
        row("SEQUENCE_GAP", Code::FailedPrecondition, Correct),
        // the cluster
        row("QUEUE_FULL", Code::ResourceExhausted, RetrySameKey),
        row("NODE_BUSY", Code::ResourceExhausted, RetrySameKey),
        row("NODES_UNAVAILABLE", Code::Unavailable, RetrySameKey),
        row("RATE_LIMITED", Code::ResourceExhausted, RetrySameKey),
        row("CLOCK_UNCERTAIN", Code::Unavailable, RetrySameKey),
        row("LOG_KEY_MISSING", Code::Unavailable, AskPerson),
        row("ENTRY_KEY_MISSING", Code::Unavailable, AskPerson),
        row("LOG_KEY_NOT_CONFIGURED", Code::FailedPrecondition, AskPerson),
        row("STORE_FAILED", Code::Unavailable, RetrySameKey),
        row("SHUTTING_DOWN", Code::Unavailable, RetrySameKey),
        row("DIGEST_MISMATCH", Code::Internal, AskPerson),
        row("WALLET_SIGNATURE_INVALID", Code::Internal, AskPerson),
        row("CONFIRMATION_MISMATCH", Code::Internal, AskPerson),
        row("CONFIRMATIONS_MISSING", Code::FailedPrecondition, Wait),
        row("INTERNAL", Code::Internal, AskPerson),
    ]
};

const fn row(reason: &'static str, code: Code, action: CallerAction) -> ReasonRow {
    ReasonRow { reason, code, action }
}

/// The row of a reason code: its own if it has one, otherwise that of its family.
pub fn lookup(reason: &str) -> Option<&'static ReasonRow> {
    REASONS.iter().find(|row| row.reason == reason).or_else(|| {
        REASONS
            .iter()
            .find(|row| row.reason.strip_suffix('*').is_some_and(|family| reason.starts_with(family)))
    })
}

impl CallerAction {
    /// The words that `docs/api.md` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            CallerAction::Correct => "correct, same key",
            CallerAction::RetrySameKey => "retry, same key",
            CallerAction::NewKey => "new key",
            CallerAction::Wait => "wait",
            CallerAction::Nothing => "nothing",
            CallerAction::AskPerson => "ask a person",
        }
    }

    /// What to do about a failed call. An error without a reason comes from the connection, not from Holdfast: if the request
    /// may have arrived all the same, the same bytes are safe to send again.
    pub fn of(status: &Status) -> Self {
        if let Some(row) = reason_of(status).as_deref().and_then(lookup) {
            return row.action;
        }
        match status.code() {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
            | Code::ResourceExhausted => CallerAction::RetrySameKey,
            Code::Ok => CallerAction::Nothing,
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => CallerAction::AskPerson,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_one_row_and_a_wire_safe_name() {
        let mut seen = BTreeSet::new();
        for row in REASONS {
            let name = row.reason.strip_suffix('*').unwrap_or(row.reason);
            assert!(seen.insert(name), "`{name}` twice");
            assert!(name.len() <= 63, "google.rpc.ErrorInfo allows 63 characters: `{name}`");
            assert!(name.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "`{name}`");
            assert_ne!(row.code, Code::Ok);
        }
    }

    #[test]
    fn a_reason_of_its_own_goes_before_its_family() {
        assert_eq!(lookup("TRANSACTION_TRAILING_BYTES").unwrap().code, Code::InvalidArgument);
        assert_eq!(lookup("TRANSACTION_ALREADY_BOUND").unwrap().code, Code::FailedPrecondition);
    }

    #[test]
    fn an_unknown_reason_and_a_family_name_itself_have_no_special_meaning() {
        assert_eq!(lookup("NO_SUCH_REASON"), None);
        assert_eq!(lookup(""), None);
        assert_eq!(lookup("*"), None);
    }

    #[test]
    fn errors_that_leave_the_outcome_open_are_retried_with_the_same_key() {
        // `INTERNAL` is what HTTP/2 libraries make of a connection that breaks in the middle of a call.
        for code in
            [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Unknown, Code::Internal]
        {
            assert_eq!(CallerAction::of(&Status::new(code, "")), CallerAction::RetrySameKey, "{code:?}");
        }
        assert_eq!(CallerAction::of(&Status::new(Code::DataLoss, "")), CallerAction::AskPerson);
    }
}
