//! Why a statement is not taken, and why a latched withdrawal is not signed.
//!
//! Owns the reason codes of the officers' direct path.

use holdfast_ledger::{ActError, Rejection, StatementDigest};
use holdfast_log::EnvelopeError;
use holdfast_policy::OfficerId;
use holdfast_store::StoreError;

use crate::enrolled::NotEnrolled;

/// A statement that was not taken. No latch was set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliverRefusal {
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Not signed by somebody of this cell.
    #[error(transparent)]
    Act(#[from] ActError),
    /// Not what an officer says.
    #[error("only officers' statements are delivered to a node")]
    NotAStatement,
    /// A statement that needs a quorum or the log.
    #[error(
        "only `pause a wallet`, `revoke a whitelist entry` and `revoke a client` are delivered to a node: send others to the coordinator"
    )]
    NotProtective,
    /// A pause that a quorum lifted, or a revocation of a key that is gone.
    #[error(
        "nothing is stopped by this statement any more: a resume lifted the pause, or the client's key left the roster; make a new statement"
    )]
    UsedUp,
    /// A revocation from which it cannot be told whom it stops.
    #[error("the statement does not name one key of its client: make a new one")]
    KeyNotNamed,
    /// This node may promise nothing: the roster names other keys.
    #[error(transparent)]
    NotEnrolled(#[from] NotEnrolled),
    /// A statement that would not act on the log either.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The officer has too many latches in force.
    #[error("officer `{officer}` has too many latches in force: wait until the log contains them")]
    TooManyLatches { officer: OfficerId },
    /// No statement can be forgotten.
    #[error("too many statements wait for the log")]
    TooManyStatements,
    /// A stored statement does not read or cannot be written.
    #[error("a stored statement is unreadable: restore this node's store")]
    Unreadable,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl DeliverRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Act(error) => error.code(),
            Self::NotAStatement => "NOT_A_STATEMENT",
            Self::NotProtective => "STATEMENT_NOT_PROTECTIVE",
            Self::UsedUp => "STATEMENT_ALREADY_USED",
            Self::KeyNotNamed => "STATEMENT_MISMATCH",
            Self::NotEnrolled(_) => "NOT_ENROLLED",
            Self::Rejected(rejection) => rejection.code().as_str(),
            Self::TooManyLatches { .. } | Self::TooManyStatements => "TOO_MANY_LATCHES",
            Self::Unreadable => "STATEMENT_UNREADABLE",
            Self::Store(_) => "STORE_FAILED",
        }
    }
}

/// An officer's latch covers the withdrawal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("officer `{officer}` stopped this by statement {statement}")]
pub(crate) struct Latched {
    /// SHA-256 of the statement.
    pub(crate) statement: StatementDigest,
    /// Who made it.
    pub(crate) officer: OfficerId,
}
