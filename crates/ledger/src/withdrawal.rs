//! A withdrawal as the log knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_chains::{Digest, Effects, Signature, UnsignedTransaction};
use holdfast_policy::{
    Decision, HoldDigest, HoldRequirement, IdentityAttestation, OfficerId, ProviderId, RoleName, TimestampMs,
    TravelState,
};
use serde::Serialize;

use crate::ids::{DocumentDigest, WithdrawalId};
use crate::payload::WithdrawalRequest;

mod aftermath;

pub use aftermath::{OutcomeRecord, TombstoneRecord};

/// Where a withdrawal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WithdrawalState {
    /// Logged, not decided yet.
    Received,
    /// Waits for people.
    Held,
    /// Permitted; waits for its transaction.
    Allowed,
    /// Permitted, with a transaction that does what the intent says.
    Bound,
    /// Nodes may sign its digests. From here its amount counts.
    Authorized,
    /// The canonical signature is logged.
    Signed,
    /// Refused by policy or by an officer.
    Denied,
    /// Cancelled by its client.
    Cancelled,
    /// Its expiry or its hold's deadline passed before authorization.
    Expired,
    /// Another withdrawal was authorized in its place: no node signs it any more.
    Replaced,
    /// Given up after n - t + 1 + f nodes swore not to sign it.
    Tombstoned,
}

/// What a withdrawal is for. Its `request` says what it does, whatever the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WithdrawalKind {
    /// Pays somebody or calls a contract, by a `withdrawal-request`.
    Payment,
    /// What this withdrawal does, for a higher fee.
    FeeBump(WithdrawalId),
    /// Pays nothing to the sending address itself, so that this withdrawal's transaction cannot be mined.
    CancelOnChain(WithdrawalId),
    /// Moves what arrived at a deposit address to the wallet's own address.
    Sweep,
}

/// A transaction that was decoded and checked against the intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTransaction {
    /// The decoded transaction with its exact bytes.
    pub transaction: UnsignedTransaction,
    /// What it does.
    pub effects: Effects,
    /// The one digest that may be signed for it.
    pub signing_hash: Digest,
}

impl BoundTransaction {
    pub(crate) fn new(transaction: UnsignedTransaction) -> Self {
        let (effects, signing_hash) = (transaction.effects(), transaction.signing_hash());
        Self { transaction, effects, signing_hash }
    }
}

/// One officer's approval of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Who.
    pub officer: OfficerId,
    /// In the roles held at that time.
    pub roles: BTreeSet<RoleName>,
    /// The reasons that were approved; other reasons need another approval.
    pub hold: HoldDigest,
    /// When, by the entry's time.
    pub time: TimestampMs,
    /// From this time on it no longer counts towards an authorization.
    pub expires_at: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// An attestation of the customer's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdentityRecord {
    /// What was attested.
    #[serde(flatten)]
    pub attestation: IdentityAttestation,
    /// When, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// Permission to sign exactly these digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authorization {
    /// What may be signed; the same list for ever (G5).
    pub digests: Vec<Digest>,
    /// Time of the newest authorizing entry.
    pub time: TimestampMs,
    /// Its log index.
    pub index: u64,
    /// Log index of the first authorization: nobody signed before.
    pub first_index: u64,
    /// How often it was renewed because nodes were away.
    pub renewals: u32,
}

/// Log indices of what happened to a withdrawal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Positions {
    /// The request.
    pub request: u64,
    /// The entry that last changed the decision.
    pub decision: u64,
    /// The entry that bound the transaction.
    pub bound: Option<u64>,
    /// The newest authorization.
    pub authorized: Option<u64>,
    /// The canonical signature.
    pub signed: Option<u64>,
}

/// What one provider reported last about the Travel Rule exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TravelRecord {
    /// How far it has come.
    pub state: TravelState,
    /// SHA-256 of the salted message.
    pub message: DocumentDigest,
    /// When the provider observed it.
    pub observed_at: TimestampMs,
    /// Log index.
    pub index: u64,
}

/// A withdrawal with everything the log says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Derived from cluster, client and idempotency key.
    pub id: WithdrawalId,
    /// What it is for.
    pub kind: WithdrawalKind,
    /// The intent in force. For a fee bump the original's with its own fee cap, key and dates, for a cancellation on chain and
    /// a sweep as the log derived it: readers need not tell kinds apart.
    pub request: WithdrawalRequest,
    /// Which deposit address pays; `None` is the wallet's own address.
    pub deposit_index: Option<u32>,
    /// Whether it only moves funds between addresses of the wallet: policy then asks for no whitelist entry.
    pub to_oneself: bool,
    /// SHA-256 of the exact request payload.
    pub request_digest: [u8; 32],
    /// Time of the request's entry.
    pub received_at: TimestampMs,
    /// The newest decision; shared, because most entries that change a withdrawal leave it as it is.
    pub decision: Arc<Decision>,
    /// The bound transaction.
    pub transaction: Option<BoundTransaction>,
    /// Officers' approvals so far.
    pub approvals: Vec<Approval>,
    /// The newest attestation of each identity provider that spoke.
    pub attestations: Vec<IdentityRecord>,
    /// Travel Rule reports, the newest of each provider.
    pub travel: BTreeMap<ProviderId, TravelRecord>,
    /// Permission to sign.
    pub authorization: Option<Authorization>,
    /// The canonical signature.
    pub signature: Option<Signature>,
    /// The officer who rejected it, if one did.
    pub rejected_by: Option<OfficerId>,
    /// The withdrawal that was authorized in its place.
    pub replaced_by: Option<WithdrawalId>,
    /// What its client reported about its transaction, the oldest first.
    pub outcomes: Vec<OutcomeRecord>,
    /// Oaths never to sign it, at most one for each node, in log order. See [`crate::State::counted_tombstones`].
    pub tombstones: Vec<TombstoneRecord>,
    /// Where in the log.
    pub positions: Positions,
    pub(crate) state: WithdrawalState,
}

impl Withdrawal {
    /// The state at a given time: expiry needs no entry.
    pub fn state_at(&self, now: TimestampMs) -> WithdrawalState {
        let open = matches!(
            self.state,
            WithdrawalState::Received
                | WithdrawalState::Held
                | WithdrawalState::Allowed
                | WithdrawalState::Bound
        );
        // The decision is a hold exactly while the state is `Held`, or was when it was closed.
        let lapses_at = self.decision.hold().and_then(HoldRequirement::lapses_at);
        let deadline_passed = lapses_at.is_some_and(|at| now >= at);
        if open && (now >= self.request.expires_at_ms || deadline_passed) {
            return WithdrawalState::Expired;
        }
        self.state
    }

    /// From when on time releases it, if it is held and waits for nobody.
    pub fn released_at(&self) -> Option<TimestampMs> {
        let held = self.state == WithdrawalState::Held;
        self.decision.hold().filter(|_| held).and_then(|hold| hold.release_at)
    }

    /// The withdrawal that it replaces.
    pub fn replaces(&self) -> Option<WithdrawalId> {
        match self.kind {
            WithdrawalKind::FeeBump(of) | WithdrawalKind::CancelOnChain(of) => Some(of),
            WithdrawalKind::Payment | WithdrawalKind::Sweep => None,
        }
    }

    /// The state the log last gave it, expiry aside.
    pub fn logged_state(&self) -> WithdrawalState {
        self.state
    }
}
