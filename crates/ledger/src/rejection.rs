//! Why an authentic entry changes nothing: it stays in the log as a no-op with this reason.

use std::fmt;

use holdfast_policy::ProviderId;
use serde::Serialize;

/// Stable reason codes of inadmissible entries. `docs/api.md` maps each to what the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectionCode {
    /// A member is missing, unknown, repeated or malformed.
    FieldInvalid,
    /// The destination's EIP-55 checksum is wrong.
    AddressChecksum,
    /// The payload names another cell.
    ClusterMismatch,
    /// The signer may not do this.
    SignerNotAuthorized,
    /// No asset of this cell is on this chain.
    UnknownChain,
    /// The asset is not in the registry.
    UnknownAsset,
    /// No such wallet.
    UnknownWallet,
    /// No such withdrawal.
    UnknownWithdrawal,
    /// No such ceremony.
    UnknownCeremony,
    /// No such whitelist entry.
    UnknownWhitelistEntry,
    /// The wallet has no active key.
    WalletNotActive,
    /// The intent's expiry has passed.
    IntentExpired,
    /// The intent is dated too far ahead of the log's time.
    IntentFromTheFuture,
    /// The same idempotency key came with another body.
    IdempotencyKeyReused,
    /// The same thing is recorded already: a repeat.
    AlreadyRecorded,
    /// The withdrawal is past the point where it can be cancelled.
    WithdrawalNotCancellable,
    /// The withdrawal waits for nobody's approval.
    WithdrawalNotHeld,
    /// This officer approved nothing that could be taken back.
    NotApproved,
    /// The withdrawal was authorized with the approvals that it had: it is too late to take one back.
    ApprovalFinal,
    /// The withdrawal is not in a state that can be authorized.
    WithdrawalNotAuthorizable,
    /// The withdrawal is authorized or closed: its transaction is final.
    TransactionAlreadyBound,
    /// The transaction cannot be decoded or does not do what the intent says; the code is the chain's.
    Transaction(&'static str),
    /// What a call shall do is asked for in another way; the code is the chain's.
    Calldata(&'static str),
    /// The request for a whitelist entry waits for nobody.
    WhitelistRequestClosed,
    /// A customer has, or a client asks for, as many whitelist entries as the policy permits.
    TooManyWhitelistEntries,
    /// An attestation of identity does not count; the code is the policy's.
    Identity(&'static str),
    /// Another withdrawal was authorized with the same account nonce.
    AccountNonceUsed,
    /// A replacing transaction has another account nonce, so that both could be mined.
    AccountNonceChanged,
    /// The digests are not those of the bound transaction.
    DigestMismatch,
    /// The signature does not verify under the wallet's key.
    WalletSignatureInvalid,
    /// The statement is not, byte for byte, what this log says it should be.
    StatementMismatch,
    /// The statement's own validity has passed or is too long.
    StatementExpired,
    /// The statement is dated ahead of the log's time.
    StatementFromTheFuture,
    /// The statement acted before.
    StatementAlreadyUsed,
    /// The ceremony is not in a phase that accepts this.
    CeremonyPhase,
    /// This officer has approved already.
    AlreadyApproved,
    /// A wallet or ceremony under this name exists already.
    AlreadyExists,
    /// The wallet is paused already or not paused.
    WalletPauseState,
    /// A provider's sequence number is not the next one.
    SequenceGap,
    /// A node's confirmation contradicts another's: the ceremony has failed.
    ConfirmationMismatch,
    /// Not all nodes have confirmed.
    ConfirmationsMissing,
    /// The policy does not permit these values.
    PolicyBound,
    /// The statement was made for another version of the roster or the policy than the one in force.
    VersionSuperseded,
    /// The key is or was another party's, or this party's before.
    KeyAlreadyUsed,
    /// Without this officer a quorum could never be met.
    QuorumUnfillable,
    /// The roster has no party of this name.
    UnknownParty,
    /// No policy document with this hash is in the log and waits to be activated.
    UnknownPolicy,
    /// The policy document cannot be read.
    PolicyInvalid,
    /// No screening list of this name is in force.
    UnknownScreeningList,
    /// No such update of a screening list is in the log, or not all of it.
    UnknownScreeningUpdate,
    /// The update of a screening list is malformed or does not fit the list.
    ScreeningUpdateInvalid,
    /// An officer revoked the client.
    ClientRevoked,
    /// The withdrawal is not one that can be replaced now.
    ReplacementNotPermitted,
    /// A replacing transaction must offer more for gas.
    ReplacementFeeTooLow,
    /// The withdrawal is not one that can be given up.
    WithdrawalNotTombstonable,
    /// So many nodes swore not to sign it that no signature can exist, and here is one.
    WithdrawalTombstoned,
    /// Nothing is signed that could have an outcome, or too many are recorded.
    OutcomeNotPermitted,
    /// The policy does not name the provider for this kind of report.
    ProviderNotNamed,
    /// No such legal order.
    UnknownLegalOrder,
    /// The legal order is not in a state that takes this.
    LegalOrderState,
    /// Too many withdrawals of this client or customer are asked for and not authorized.
    TooManyOpenWithdrawals,
}

impl RejectionCode {
    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectionCode::FieldInvalid => "FIELD_INVALID",
            RejectionCode::AddressChecksum => "ADDRESS_CHECKSUM",
            RejectionCode::ClusterMismatch => "CLUSTER_MISMATCH",
            RejectionCode::SignerNotAuthorized => "SIGNER_NOT_AUTHORIZED",
            RejectionCode::UnknownChain => "UNKNOWN_CHAIN",
            RejectionCode::UnknownAsset => "UNKNOWN_ASSET",
            RejectionCode::UnknownWallet => "UNKNOWN_WALLET",
            RejectionCode::UnknownWithdrawal => "UNKNOWN_WITHDRAWAL",
            RejectionCode::UnknownCeremony => "UNKNOWN_CEREMONY",
            RejectionCode::UnknownWhitelistEntry => "UNKNOWN_WHITELIST_ENTRY",
            RejectionCode::WalletNotActive => "WALLET_NOT_ACTIVE",
            RejectionCode::IntentExpired => "INTENT_EXPIRED",
            RejectionCode::IntentFromTheFuture => "INTENT_FROM_THE_FUTURE",
            RejectionCode::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            RejectionCode::AlreadyRecorded => "ALREADY_RECORDED",
            RejectionCode::WithdrawalNotCancellable => "WITHDRAWAL_NOT_CANCELLABLE",
            RejectionCode::WithdrawalNotHeld => "WITHDRAWAL_NOT_HELD",
            RejectionCode::NotApproved => "NOT_APPROVED",
            RejectionCode::ApprovalFinal => "APPROVAL_FINAL",
            RejectionCode::WithdrawalNotAuthorizable => "WITHDRAWAL_NOT_AUTHORIZABLE",
            RejectionCode::TransactionAlreadyBound => "TRANSACTION_ALREADY_BOUND",
            RejectionCode::WhitelistRequestClosed => "WHITELIST_REQUEST_CLOSED",
            RejectionCode::TooManyWhitelistEntries => "TOO_MANY_WHITELIST_ENTRIES",
            RejectionCode::Transaction(code)
            | RejectionCode::Identity(code)
            | RejectionCode::Calldata(code) => code,
            RejectionCode::AccountNonceUsed => "ACCOUNT_NONCE_USED",
            RejectionCode::AccountNonceChanged => "ACCOUNT_NONCE_CHANGED",
            RejectionCode::DigestMismatch => "DIGEST_MISMATCH",
            RejectionCode::WalletSignatureInvalid => "WALLET_SIGNATURE_INVALID",
            RejectionCode::StatementMismatch => "STATEMENT_MISMATCH",
            RejectionCode::StatementExpired => "STATEMENT_EXPIRED",
            RejectionCode::StatementFromTheFuture => "STATEMENT_FROM_THE_FUTURE",
            RejectionCode::StatementAlreadyUsed => "STATEMENT_ALREADY_USED",
            RejectionCode::CeremonyPhase => "CEREMONY_PHASE",
            RejectionCode::AlreadyApproved => "ALREADY_APPROVED",
            RejectionCode::AlreadyExists => "ALREADY_EXISTS",
            RejectionCode::WalletPauseState => "WALLET_PAUSE_STATE",
            RejectionCode::SequenceGap => "SEQUENCE_GAP",
            RejectionCode::ConfirmationMismatch => "CONFIRMATION_MISMATCH",
            RejectionCode::ConfirmationsMissing => "CONFIRMATIONS_MISSING",
            RejectionCode::PolicyBound => "POLICY_BOUND",
            RejectionCode::VersionSuperseded => "VERSION_SUPERSEDED",
            RejectionCode::KeyAlreadyUsed => "KEY_ALREADY_USED",
            RejectionCode::QuorumUnfillable => "QUORUM_UNFILLABLE",
            RejectionCode::UnknownParty => "UNKNOWN_PARTY",
            RejectionCode::UnknownPolicy => "UNKNOWN_POLICY",
            RejectionCode::PolicyInvalid => "POLICY_INVALID",
            RejectionCode::UnknownScreeningList => "UNKNOWN_SCREENING_LIST",
            RejectionCode::UnknownScreeningUpdate => "UNKNOWN_SCREENING_UPDATE",
            RejectionCode::ScreeningUpdateInvalid => "SCREENING_UPDATE_INVALID",
            RejectionCode::ClientRevoked => "CLIENT_REVOKED",
            RejectionCode::ReplacementNotPermitted => "REPLACEMENT_NOT_PERMITTED",
            RejectionCode::ReplacementFeeTooLow => "REPLACEMENT_FEE_TOO_LOW",
            RejectionCode::WithdrawalNotTombstonable => "WITHDRAWAL_NOT_TOMBSTONABLE",
            RejectionCode::WithdrawalTombstoned => "WITHDRAWAL_TOMBSTONED",
            RejectionCode::OutcomeNotPermitted => "OUTCOME_NOT_PERMITTED",
            RejectionCode::ProviderNotNamed => "PROVIDER_NOT_NAMED",
            RejectionCode::UnknownLegalOrder => "UNKNOWN_LEGAL_ORDER",
            RejectionCode::LegalOrderState => "LEGAL_ORDER_STATE",
            RejectionCode::TooManyOpenWithdrawals => "TOO_MANY_OPEN_WITHDRAWALS",
        }
    }

    /// Whether the attempt itself is evidence that auditors want in the log, as opposed to a slip that only its sender
    /// needs to hear about.
    pub fn is_evidence(self) -> bool {
        matches!(
            self,
            RejectionCode::Transaction(_)
                | RejectionCode::Identity(_)
                | RejectionCode::Calldata(_)
                | RejectionCode::IdempotencyKeyReused
                | RejectionCode::AccountNonceUsed
                | RejectionCode::AccountNonceChanged
                | RejectionCode::StatementMismatch
                | RejectionCode::ApprovalFinal
                | RejectionCode::SignerNotAuthorized
                | RejectionCode::ConfirmationMismatch
                | RejectionCode::VersionSuperseded
                | RejectionCode::KeyAlreadyUsed
                | RejectionCode::ClientRevoked
                | RejectionCode::WithdrawalTombstoned
        )
    }
}

impl fmt::Display for RejectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RejectionCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An authentic entry that is not admissible, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{detail}")]
pub struct Rejection {
    code: RejectionCode,
    // As small as it gets: it is part of most errors.
    field: Option<Box<str>>,
    detail: Box<str>,
    /// Whether the very same may be admissible later.
    #[serde(skip)]
    passing: bool,
    /// Whose report it is about, and which number it used up.
    #[serde(skip)]
    used: Option<Box<(ProviderId, u64)>>,
}

impl Rejection {
    /// A rejection with its reason in words: lower case, no full stop.
    pub fn new(code: RejectionCode, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Self { code, field: None, detail: detail.into(), passing: false, used: None }
    }

    /// Names the payload's member at fault.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The very same may be admissible later: as time passes, or when the log has what it is about.
    #[must_use]
    pub(crate) fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    pub(crate) fn may_pass(&self) -> bool {
        self.passing
    }

    #[must_use]
    pub(crate) fn using_up(mut self, provider: ProviderId, number: u64) -> Self {
        self.used = Some(Box::new((provider, number)));
        self
    }

    /// The provider whose report was refused, and the sequence number that it used up by that.
    pub fn used_number(&self) -> Option<(&ProviderId, u64)> {
        self.used.as_deref().map(|(provider, number)| (provider, *number))
    }

    /// Whether the refused attempt belongs in the log: as evidence, or because it changes what comes next.
    pub fn is_logged(&self) -> bool {
        self.code.is_evidence() || self.used.is_some()
    }

    /// The stable reason code.
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// The payload's member at fault, if one is.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The reason in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
