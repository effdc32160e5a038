//! The policy: rules, whitelist, screening and risk, and [`evaluate`], which turns them and one withdrawal into a
//! [`Decision`].
//!
//! Pure: no clock, no storage, no network, no floats, no map order. Whoever replays the same facts gets the same
//! decision byte for byte (G10). The crate decides; it never signs, stores or sends anything, and it never takes a
//! decision as input.
//!
//! Start at [`evaluate`], which reads top-down; the rules lie in `evaluate/`, one file each. `docs/policy.md`
//! describes the document format and lists every [`ReasonCode`].

mod activity;
mod approvals;
mod breaker;
mod cases;
mod crowd;
mod date;
mod decision;
mod digest;
mod document;
mod evaluate;
mod explain;
mod exposure;
mod facts;
mod history;
mod hold;
mod identity;
mod ids;
mod legal;
mod lint;
mod look_alike;
mod minute;
mod outflow;
mod pages;
mod price;
mod reason;
mod risk;
mod screening;
mod session;
mod time;
mod travel;
mod whitelist;

pub use activity::Activity;
pub use approvals::{Approval, quorum_is_met, still_missing};
pub use breaker::{BreakerCount, BreakerKey, Breakers, Trip, TripCause};
pub use cases::{CaseResult, Expected, ExpectedOutcome, PolicyCase, PolicyCases};
pub use crowd::{Crowd, DestinationStats, DeviceStats, MAX_BEYOND, MAX_CROWD, MAX_PUBLIC, MemberKey};
pub use date::{CalendarDate, CalendarDateError};
pub use decision::{CountedApproval, Decision, Outcome, RuleKind, RuleResult, SatisfiedHold, Verdict};
pub use digest::{
    BacktestDigest, DeltaHash, DiffDigest, DigestError, HoldDigest, IntentDigest, ListHash, PolicyHash,
};
pub use document::{
    AmountUnit, ArgumentChoice, ArgumentRule, CallDanger, CallRule, ChangeEffect, CircuitBreaker,
    DenialBound, Destinations, Dimension, DocumentLines, Escalation, FeeCap, FieldProblem, Grant, HoldAbove,
    HoldAt, HoldTerms, Hours, LegalTerms, Lift, LimitPerTransaction, LimitUnit, MAX_BREAKER_DENIALS,
    MAX_DOCUMENT_BYTES, OnMatch, OutflowBound, Outside, PolicyChange, PolicyDiff, PolicyDocument,
    PolicyError, PriceTerms, RequiredApprovals, Restriction, RestrictionRule, RiskLimits, ScreeningRule,
    Tier, TierScope, TimeWindow, TravelRule, Weekday, WindowLimit,
};
pub use evaluate::{Footing, evaluate, evaluate_own_transfer, footings};
pub use explain::{explain_decision, explain_policy, explain_trip, readable};
pub use exposure::{Exposure, ExposureSignal, ExposureTerms, MAX_EXPOSURE_AGE};
pub use facts::{PolicyVersion, PolicyView, WalletStatus, WithdrawalFacts};
pub use history::{
    AmountStats, CustomerHistory, Deviation, DeviceSeen, HistoryError, Log2, MAX_HISTORY_BYTES, NeverSeen,
    PaymentSeen, RecentPayment, SessionSeen,
};
pub use hold::{HoldEscalation, HoldReason, HoldRequirement};
pub use identity::{AttestedIntent, IdentityAttestation, IdentityTerms};
pub use ids::{
    AgencyId, ClientId, ClusterId, ContactId, CustomerRef, DeviceKey, DeviceRef, ExposureCategory, IdError,
    IdentityMethod, LegalOrderId, ListId, MAX_ID_BYTES, NodeId, OfficerId, ProviderId, RoleName, RuleId,
    SessionRef, TierId, WalletId, WhitelistEntryId,
};
pub use legal::{Freeze, FrozenSubject, LegalFacts, Release, ReleaseStanding};
pub use lint::{KnownParties, LintCode, NamedParties, PolicyFinding, Severity, lint};
pub use look_alike::{INDEXED_DIGITS, LookAlikes, shared as shared_digits};
pub use minute::Minute;
pub use outflow::{
    Crowded, MAX_PLACES_OF_CLIENT, MAX_PLACES_OF_CUSTOMER, MAX_WINDOW, Outflow, OutflowStage, Outflows,
    Place, Taken,
};
pub use pages::{
    KeptPages, PAGE_BYTES, PageFault, PageHash, PageRef, PageSource, PageSourceError, PagedMap, Pages,
};
pub use price::{MAX_PRICE_AGE, MicroUsd, UsdPrice};
pub use reason::{ReasonCode, ReasonCodeError};
pub use risk::{
    AccountTerms, Alike, ComponentState, DestinationTerms, Dormant, Established, FanIn, Graded, HabitTerms,
    Lately, MAX_SCORE, NearLimit, NearListed, RiskComponent, RiskFact, RiskScore, RiskTerms, UnusualHour,
    Within,
};
pub use screening::{
    DeltaError, MAX_LIST_BYTES, MAX_LISTED, ScreeningDelta, ScreeningError, ScreeningIndex, ScreeningList,
};
pub use session::{Moment, Network, SessionDetails, SessionSignals};
pub use time::{DurationMs, TimestampMs};
pub use travel::{TravelReport, TravelState};
pub use whitelist::{
    EntryOwner, EntryStatus, Whitelist, WhitelistEntry, WhitelistError, WhitelistRefusal, WhitelistTerms,
    WhitelistTermsError,
};
