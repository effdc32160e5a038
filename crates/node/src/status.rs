//! Refusals to gRPC: one place, one row for each reason.
//!
//! Owns which code carries a reason, and the facts that a program may act on. It must never let the text of a store's or
//! file system's error out.

use std::time::Duration;

use holdfast_ledger::OrderRefusal;
use holdfast_policy::NodeId;
use holdfast_proto::ApiError;
use tonic::Code;

use crate::guard::GuardRefusal;
use crate::keygen::KeygenRefusal;
use crate::latches::{DeliverRefusal, Latched};
use crate::node::ReplicateRefusal;
use crate::replica::{ExtendRefusal, MAX_ENTRIES};
use crate::signing::SignRefusal;
use crate::tombstones::TombstoneRefusal;
use crate::vault::VaultError;

/// How long to wait after a refusal that time mends by itself.
const SOON: Duration = Duration::from_millis(500);

pub(crate) fn of_replication(refusal: &ReplicateRefusal) -> ApiError {
    match refusal {
        ReplicateRefusal::Extend(refusal) => of_extension(refusal),
        ReplicateRefusal::Latches(refusal) => of_delivery(refusal),
    }
}

fn of_extension(refusal: &ExtendRefusal) -> ApiError {
    let error = |code| ApiError::with_code(code, refusal.code(), refusal.to_string());
    match refusal {
        ExtendRefusal::TooLarge { .. } => {
            error(Code::ResourceExhausted).fact("max_entries", MAX_ENTRIES.to_string())
        }
        ExtendRefusal::Checkpoint(cause) => error(Code::InvalidArgument).fact("cause", cause.code()),
        ExtendRefusal::CheckpointSize { .. } => error(Code::InvalidArgument),
        ExtendRefusal::Behind { tip_size, .. } => {
            error(Code::FailedPrecondition).fact("tip_size", tip_size.to_string())
        }
        ExtendRefusal::EntryMalformed { index, source } => {
            error(Code::InvalidArgument).fact("index", index.to_string()).fact("cause", source.code())
        }
        ExtendRefusal::EntryRefused(cause) => error(Code::InvalidArgument).fact("cause", cause.code()),
        ExtendRefusal::EntryDiffers { index } => {
            error(Code::InvalidArgument).fact("index", index.to_string())
        }
        ExtendRefusal::RootMismatch { size, computed, stated } => error(Code::InvalidArgument)
            .fact("size", size.to_string())
            .fact("computed", computed.to_hex())
            .fact("stated", stated.to_hex()),
        ExtendRefusal::AheadOfClock { ahead_ms } => {
            error(Code::Unavailable).retry_after(SOON).fact("ahead_ms", ahead_ms.to_string())
        }
        ExtendRefusal::ClockWentBack { behind_ms } => {
            error(Code::FailedPrecondition).fact("behind_ms", behind_ms.to_string())
        }
        ExtendRefusal::NotEnrolled(_) => error(Code::FailedPrecondition),
        ExtendRefusal::Forked { size } => error(Code::FailedPrecondition).fact("size", size.to_string()),
        ExtendRefusal::PageLost(fault) => error(Code::Unavailable).fact("cause", fault.code()),
        ExtendRefusal::Lost => error(Code::Unavailable),
        ExtendRefusal::Tree(_) => error(Code::Internal),
        ExtendRefusal::Store(_) => store_failed(),
    }
}

pub(crate) fn of_delivery(refusal: &DeliverRefusal) -> ApiError {
    match refusal {
        DeliverRefusal::Envelope(cause) => {
            let error = ApiError::new(refusal.code(), refusal.to_string());
            match cause.field_name() {
                Some(field) => error.field(field, cause.to_string()),
                None => error,
            }
        }
        DeliverRefusal::Act(_) => ApiError::new(refusal.code(), refusal.to_string()),
        DeliverRefusal::Rejected(rejection) => {
            let error = ApiError::new(refusal.code(), rejection.detail());
            match rejection.field() {
                Some(field) => error.field(field, rejection.detail()),
                None => error,
            }
        }
        DeliverRefusal::UsedUp => {
            ApiError::with_code(Code::AlreadyExists, refusal.code(), refusal.to_string())
        }
        DeliverRefusal::NotEnrolled(_) => {
            ApiError::with_code(Code::FailedPrecondition, refusal.code(), refusal.to_string())
        }
        DeliverRefusal::NotAStatement | DeliverRefusal::NotProtective | DeliverRefusal::KeyNotNamed => {
            ApiError::with_code(Code::InvalidArgument, refusal.code(), refusal.to_string())
        }
        DeliverRefusal::TooManyLatches { .. } | DeliverRefusal::TooManyStatements => {
            ApiError::with_code(Code::ResourceExhausted, refusal.code(), refusal.to_string())
        }
        DeliverRefusal::Unreadable => {
            ApiError::with_code(Code::Internal, refusal.code(), refusal.to_string())
        }
        DeliverRefusal::Store(_) => store_failed(),
    }
}

pub(crate) fn of_keygen(refusal: &KeygenRefusal) -> ApiError {
    let error = |code| ApiError::with_code(code, refusal.code(), refusal.to_string());
    match refusal {
        KeygenRefusal::Replica(refusal) => of_extension(refusal),
        KeygenRefusal::Order(refusal) => of_order(refusal),
        KeygenRefusal::UnknownEngine { .. }
        | KeygenRefusal::Import(_)
        | KeygenRefusal::NotInCommittee
        | KeygenRefusal::Over { .. }
        | KeygenRefusal::Witnessed(_) => error(Code::FailedPrecondition),
        KeygenRefusal::SessionReused { .. } => error(Code::AlreadyExists),
        KeygenRefusal::SessionUnknown { .. } => error(Code::NotFound),
        KeygenRefusal::TooMany => error(Code::ResourceExhausted),
        KeygenRefusal::Setup(cause) => error(Code::InvalidArgument).fact("cause", cause.code()),
        KeygenRefusal::Engine { error: cause, culprit } => {
            with_culprit(error(Code::Aborted).fact("cause", cause.code()), culprit.as_ref())
        }
        KeygenRefusal::Vault(cause) => of_vault(cause),
        KeygenRefusal::TooLarge(_) | KeygenRefusal::Unreadable => error(Code::Internal),
        KeygenRefusal::Store(_) => store_failed(),
    }
}

pub(crate) fn of_signature(refusal: &SignRefusal) -> ApiError {
    let error = |code| ApiError::with_code(code, refusal.code(), refusal.to_string());
    match refusal {
        SignRefusal::Replica(refusal) => of_extension(refusal),
        SignRefusal::Latches(refusal) => of_delivery(refusal),
        SignRefusal::Latched(Latched { statement, officer }) => error(Code::FailedPrecondition)
            .fact("statement", statement.to_string())
            .fact("officer", officer.as_str()),
        SignRefusal::Order(refusal) => of_order(refusal),
        SignRefusal::SwornOff { .. } => error(Code::FailedPrecondition),
        SignRefusal::ChildDiffers => error(Code::Internal),
        SignRefusal::Witnessed(_) | SignRefusal::Cosigned(_) => error(Code::FailedPrecondition),
        SignRefusal::Signers(_) => error(Code::InvalidArgument),
        SignRefusal::Setup(cause) => error(Code::InvalidArgument).fact("cause", cause.code()),
        SignRefusal::Guard(refusal) => of_guard(refusal),
        SignRefusal::Vault(cause) => of_vault(cause),
        SignRefusal::Bans(_) => error(Code::Unavailable),
        SignRefusal::PermitChanged | SignRefusal::Interrupted => error(Code::Aborted),
        SignRefusal::Engine { error: cause, culprit } => {
            with_culprit(error(Code::Aborted).fact("cause", cause.code()), culprit.as_ref())
        }
        SignRefusal::SessionUnknown { .. } => error(Code::NotFound),
        SignRefusal::SessionBusy { .. } => error(Code::Aborted),
        SignRefusal::TooManySessions => error(Code::ResourceExhausted).retry_after(SOON),
    }
}

pub(crate) fn of_tombstone(refusal: &TombstoneRefusal) -> ApiError {
    match refusal {
        TombstoneRefusal::Replicate(refusal) => of_replication(refusal),
        TombstoneRefusal::Replica(refusal) => of_extension(refusal),
        TombstoneRefusal::Order(refusal) => of_order(refusal),
        TombstoneRefusal::Guard(refusal) => of_guard(refusal),
        TombstoneRefusal::Unwritable => {
            ApiError::with_code(Code::Internal, refusal.code(), refusal.to_string())
        }
    }
}

fn of_order(refusal: &OrderRefusal) -> ApiError {
    let error = |code| ApiError::with_code(code, refusal.code(), refusal.to_string());
    match refusal {
        OrderRefusal::Unknown(_) => error(Code::NotFound),
        OrderRefusal::AheadOfClock { ahead_ms } => {
            error(Code::Unavailable).retry_after(SOON).fact("ahead_ms", ahead_ms.to_string())
        }
        OrderRefusal::AuthorizationTooOld { age_ms } => {
            error(Code::FailedPrecondition).fact("age_ms", age_ms.to_string())
        }
        OrderRefusal::NotPermitted(_)
        | OrderRefusal::IntentExpired
        | OrderRefusal::ClientExpired
        | OrderRefusal::ClientRevoked(_)
        | OrderRefusal::WalletPaused(_)
        | OrderRefusal::PolicyRefuses(_)
        | OrderRefusal::TransactionMismatch(_)
        | OrderRefusal::StateDiverged(_) => error(Code::FailedPrecondition),
    }
}

fn of_guard(refusal: &GuardRefusal) -> ApiError {
    let error = |code| ApiError::with_code(code, refusal.code(), refusal.to_string());
    match refusal {
        GuardRefusal::BoundToOtherDigests { .. }
        | GuardRefusal::SwornOff { .. }
        | GuardRefusal::MayBeReleased { .. } => error(Code::FailedPrecondition),
        GuardRefusal::SessionReused { .. } => error(Code::AlreadyExists),
        GuardRefusal::Unreadable { .. } => error(Code::Internal),
        GuardRefusal::Contended { .. } => error(Code::Aborted).retry_after(SOON),
        GuardRefusal::Store(_) => store_failed(),
    }
}

fn of_vault(cause: &VaultError) -> ApiError {
    let error = |code, message: String| ApiError::with_code(code, cause.code(), message);
    match cause {
        VaultError::Missing { .. } | VaultError::OtherKey { .. } => {
            error(Code::FailedPrecondition, cause.to_string())
        }
        VaultError::Store(_) => store_failed(),
        VaultError::WrongPassphrase
        | VaultError::Damaged
        | VaultError::BackupDiffers
        | VaultError::TooLarge(_)
        | VaultError::Sealing(_)
        | VaultError::Share(_)
        | VaultError::File(_)
        | VaultError::Directory(_) => {
            error(Code::Internal, "this node cannot use or keep its key share: see its log".to_owned())
        }
    }
}

fn with_culprit(error: ApiError, culprit: Option<&NodeId>) -> ApiError {
    match culprit {
        Some(node) => error.fact("culprit", node.as_str()),
        None => error,
    }
}

fn store_failed() -> ApiError {
    ApiError::with_code(Code::Unavailable, "STORE_FAILED", "this node's store failed: see its log")
}
