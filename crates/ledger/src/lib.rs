//! The governing state machine of a Holdfast cell: entries, roster, statements, ceremonies and `State::apply`.
//!
//! Coordinator, nodes, auditors and officers' tools run this same code over the same log, so a decision is never
//! taken as input: it is derived. The crate is pure: no clock, no randomness, no file system, no network.
//! It must never learn a key share and never decide anything from a source other than the log (G10).

mod act;
mod ceremony;
mod codec;
mod event;
mod fingerprint;
mod genesis;
mod ids;
mod latch;
mod legal_order;
mod officer_key;
mod order;
mod payload;
mod rejection;
mod replica;
mod roster;
mod rules;
mod state;
mod statement;
mod time;
mod wallet;
mod whitelist;
mod withdrawal;

pub use act::{Act, ActError, VerifiedAct, verify_act};
pub use ceremony::{
    BacktestClaim, Before, Ceremony, CeremonyApproval, CeremonyKind, CeremonyPhase, ImportGiver,
    ImportProposal, KeyWork, MigrationProposal, NextChainCode, OldKey, PolicyProposal, QuorumMet,
    ScreeningProposal, WalletProposal, WhitelistProposal,
};
pub use event::Event;
pub use fingerprint::fingerprint;
pub use genesis::{
    AssetEntry, ClientEntry, CoordinatorEntry, Genesis, GenesisDocument, GenesisError, NodeEntry,
    OfficerEntry, ProviderEntry, Quorum, ScreeningListEntry, ThresholdEntry, WitnessEntry,
};
pub use ids::{
    CeremonyId, DocumentDigest, RosterDigest, StateDigest, StatementDigest, WithdrawalId, requested_entry_id,
};
pub use latch::{Latch, LatchScope, PauseReceipt, latch_of};
pub use legal_order::{
    CONTACTS_NEEDED, ContactConfirmation, LegalOrder, OrderConfirmation, OrderDemand, OrderProposal,
    OrderReference, OrderState, OrderSubject, ReleaseDemand,
};
pub use officer_key::{GENESIS_NAMESPACE, OFFICER_NAMESPACE, ORDER_NAMESPACE, OfficerKey, OfficerKeyError};
pub use order::{ApprovedKeygen, AuthorizedWithdrawal, HandsOn, OrderRefusal, Tombstonable, Waited};
pub use payload::{
    Authorize, BindTransaction, CancelWithdrawal, ChainOutcome, CustomerReport, EpochActivated,
    ExposureReport, IdentityReport, IdentitySubject, KeygenConfirmation, OutcomeReport, PART_ADDRESSES,
    PayloadKind, PolicyUpload, PriceReport, ReplacementAction, ReplacementRequest, ScreeningPart,
    ScreeningUpdate, SessionReport, SharesErased, SignatureLogged, StateAttestation, SweepRequest, Tombstone,
    TravelRuleReport, WhitelistRequest, WhitelistRevocation, WithdrawalRequest, key_id,
};
pub use rejection::{Rejection, RejectionCode};
pub use replica::{Replica, ReplicaError};
pub use roster::{
    AgencyContact, Client, Coordinator, MinimumCheckpoint, Node, Officer, Provider, Roster, RosterChange,
    RosterProposal, RosterVersion, Witness,
};
pub use rules::RULES_VERSION;
pub use state::{
    ATTEST_EVERY, Admission, Applied, ApplyError, Attestation, ClientRevocation, ListRecord, ListVersion,
    Outcome, PolicyRecord, Sender, SnapshotError, State, SupposedTrip, UploadedPolicy, UrgentAddition,
    WaitingUpdate,
};
pub use statement::{MAX_LIFTS, Statement, StatementBody, StatementError};
pub use wallet::{BreakerTrip, Erasure, FormerChainCode, PauseRecord, PausedBy, Wallet};
pub use whitelist::{RequestPhase, RequestedEntry, WhitelistConfirmation};
pub use withdrawal::{
    Approval, Authorization, BoundTransaction, IdentityRecord, OutcomeRecord, Positions, TombstoneRecord,
    Withdrawal, WithdrawalKind, WithdrawalState,
};
