//! Every error has its gRPC code, its reason and, where a field is at fault, the field.

use std::collections::BTreeMap;

use holdfast_log::Envelope;
use holdfast_proto::{field_violations, metadata_of, reason_of, retry_after};
use holdfast_store::StoreError;
use tonic::Code;

use super::*;

/// Every code once. The match in [`reason`] makes a new one fail to compile there; this list makes it fail here.
const CODES: [(RejectionCode, Code); 40] = [
    (RejectionCode::FieldInvalid, Code::InvalidArgument),
    (RejectionCode::AddressChecksum, Code::InvalidArgument),
    (RejectionCode::ClusterMismatch, Code::InvalidArgument),
    (RejectionCode::SignerNotAuthorized, Code::PermissionDenied),
    (RejectionCode::UnknownChain, Code::InvalidArgument),
    (RejectionCode::UnknownAsset, Code::InvalidArgument),
    (RejectionCode::UnknownWallet, Code::NotFound),
    (RejectionCode::UnknownWithdrawal, Code::NotFound),
    (RejectionCode::UnknownCeremony, Code::NotFound),
    (RejectionCode::UnknownWhitelistEntry, Code::NotFound),
    (RejectionCode::WalletNotActive, Code::FailedPrecondition),
    (RejectionCode::IntentExpired, Code::FailedPrecondition),
    (RejectionCode::IntentFromTheFuture, Code::FailedPrecondition),
    (RejectionCode::IdempotencyKeyReused, Code::AlreadyExists),
    (RejectionCode::AlreadyRecorded, Code::AlreadyExists),
    (RejectionCode::WithdrawalNotCancellable, Code::FailedPrecondition),
    (RejectionCode::WithdrawalNotHeld, Code::FailedPrecondition),
    (RejectionCode::WithdrawalNotAuthorizable, Code::FailedPrecondition),
    (RejectionCode::TransactionAlreadyBound, Code::FailedPrecondition),
    (RejectionCode::Transaction("TRANSACTION_TRAILING_BYTES"), Code::InvalidArgument),
    (RejectionCode::Transaction("SOMETHING_NEW"), Code::InvalidArgument),
    (RejectionCode::Calldata("CALLDATA_MOVES_TOKEN"), Code::InvalidArgument),
    (RejectionCode::AccountNonceUsed, Code::FailedPrecondition),
    (RejectionCode::AccountNonceChanged, Code::FailedPrecondition),
    (RejectionCode::DigestMismatch, Code::Internal),
    (RejectionCode::WalletSignatureInvalid, Code::Internal),
    (RejectionCode::StatementMismatch, Code::InvalidArgument),
    (RejectionCode::StatementExpired, Code::FailedPrecondition),
    (RejectionCode::StatementFromTheFuture, Code::FailedPrecondition),
    (RejectionCode::StatementAlreadyUsed, Code::AlreadyExists),
    (RejectionCode::CeremonyPhase, Code::FailedPrecondition),
    (RejectionCode::NotApproved, Code::FailedPrecondition),
    (RejectionCode::ApprovalFinal, Code::FailedPrecondition),
    (RejectionCode::AlreadyApproved, Code::AlreadyExists),
    (RejectionCode::AlreadyExists, Code::AlreadyExists),
    (RejectionCode::WalletPauseState, Code::FailedPrecondition),
    (RejectionCode::SequenceGap, Code::FailedPrecondition),
    (RejectionCode::ConfirmationMismatch, Code::Internal),
    (RejectionCode::ConfirmationsMissing, Code::FailedPrecondition),
    (RejectionCode::PolicyBound, Code::InvalidArgument),
];

fn status(error: impl Into<RequestError>) -> Status {
    error.into().into()
}

#[test]
fn every_rejection_has_its_code_its_reason_and_its_field() {
    for (code, expected) in CODES {
        let status = status(Rejection::new(code, "why it is so").with_field("amount"));
        assert_eq!(status.code(), expected, "{code}");
        assert_eq!(reason_of(&status).as_deref(), Some(reason(code)));
        assert_eq!(status.message(), "why it is so");
        let fields: Vec<_> = field_violations(&status).into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["amount"], "{code}");
        assert!(holdfast_proto::lookup(reason(code)).is_some(), "`{code}` is not in the table of reasons");
    }
}

#[test]
fn list_of_codes_names_each_once() {
    let names: BTreeMap<_, _> = CODES.iter().map(|(code, _)| (code.as_str(), ())).collect();
    assert_eq!(names.len(), CODES.len());
}

#[test]
fn evidence_says_where_it_is_logged() {
    let rejection = Rejection::new(RejectionCode::StatementMismatch, "x");
    let status = status(ProposeError::Rejected { rejection, logged: Some(17) });
    assert_eq!(metadata_of(&status).get("log_index").map(String::as_str), Some("17"));
}

#[test]
fn reused_key_names_the_withdrawal_that_has_it() {
    let withdrawal = WithdrawalId::of("c", "a", "k");
    let rejection = Rejection::new(RejectionCode::IdempotencyKeyReused, "x").with_field("idempotency_key");
    let status = status(RequestError::KeyReused { withdrawal, rejection, logged: None });
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(metadata_of(&status).get("withdrawal_id"), Some(&withdrawal.to_string()));
}

#[test]
fn identity_errors_are_told_apart() {
    let code = |error: ActError| status(error).code();
    assert_eq!(code(ActError::SignatureInvalid("client:a".to_owned())), Code::Unauthenticated);
    assert_eq!(code(ActError::SignerUnknown("client:a".to_owned())), Code::Unauthenticated);
    assert_eq!(code(ActError::SignatureCount(2)), Code::InvalidArgument);
    assert_eq!(code(ActError::UnknownPayloadType("x".to_owned())), Code::InvalidArgument);
    assert_eq!(code(ActError::SecondGenesis), Code::InvalidArgument);
    let other = status(RequestError::OtherSigner { expected: "client:a".to_owned() });
    assert_eq!(
        (other.code(), reason_of(&other).as_deref()),
        (Code::PermissionDenied, Some("SIGNER_NOT_AUTHORIZED"))
    );
}

#[test]
fn size_and_load_are_resource_exhausted() {
    assert_eq!(status(RequestError::EnvelopeTooLarge { size: 1 << 20 }).code(), Code::ResourceExhausted);
    for error in [RequestError::Propose(ProposeError::QueueFull), RequestError::TooManyStreams] {
        let status = status(error);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(retry_after(&status).is_some(), "it does not say when to come back");
    }
}

#[test]
fn failures_that_leave_the_outcome_open_are_unavailable() {
    for error in [RequestError::Failed(LogFailed), RequestError::Propose(ProposeError::Failed(LogFailed))] {
        let status = status(error);
        assert_eq!((status.code(), reason_of(&status).as_deref()), (Code::Unavailable, Some("STORE_FAILED")));
    }
    assert_eq!(status(ProposeError::Stopping).code(), Code::Unavailable);
}

#[test]
fn unknown_objects_are_not_found() {
    for kind in
        [Object::Withdrawal, Object::Wallet, Object::Ceremony, Object::WhitelistEntry, Object::LogEntry]
    {
        let status = status(RequestError::Unknown { kind, id: "x".to_owned() });
        assert_eq!((status.code(), reason_of(&status).as_deref()), (Code::NotFound, Some(kind.reason())));
    }
}

#[test]
fn malformed_envelope_names_its_member() {
    let error = Envelope::parse(br#"{"payloadType":"a b","payload":"e30=","signatures":[]}"#).unwrap_err();
    let status = status(error);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(field_violations(&status).len(), 1);
}

#[test]
fn internal_causes_do_not_reach_the_caller() {
    let secret = StoreError::Locked { path: "/var/lib/holdfast/secret-place".into() };
    let status = status(ReadError::from(secret));
    assert_eq!((status.code(), reason_of(&status).as_deref()), (Code::Internal, Some("INTERNAL")));
    assert!(!format!("{status:?}").contains("secret-place"));
}
