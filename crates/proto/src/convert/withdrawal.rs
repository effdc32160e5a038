//! Withdrawals towards the wire.

use holdfast_chains::{Asset, Calldata, Effects};
use holdfast_ledger::{
    Approval, BoundTransaction, ChainOutcome, IdentityRecord, OutcomeRecord, Positions, Withdrawal,
    WithdrawalKind, WithdrawalRequest, WithdrawalState,
};
use holdfast_policy::{HoldRequirement, NodeId, ReasonCode, TimestampMs};

use super::decision::sentence;
use super::{EntryTimes, FieldError, SignedReceipt, decision, reason};
use crate::v1;

/// Why a withdrawal that could go on does not: known to the coordinator only, not to the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Stable code.
    pub code: String,
    /// One sentence: lower case, no full stop.
    pub sentence: String,
    /// Nodes it waits for, sorted; empty unless too few answer.
    pub missing_nodes: Vec<NodeId>,
}

/// A withdrawal and what else its wire form needs.
#[derive(Clone, Copy, Debug)]
pub struct WithdrawalView<'a> {
    /// The withdrawal.
    pub withdrawal: &'a Withdrawal,
    /// Its asset in the registry.
    pub asset: Option<&'a Asset>,
    /// The time at which its state is told.
    pub at: TimestampMs,
    /// Times of log entries.
    pub times: EntryTimes<'a>,
    /// What it waits for, if the coordinator knows.
    pub waiting: Option<&'a Waiting>,
    /// Oaths of nodes that end it.
    pub tombstones_needed: usize,
}

impl WithdrawalView<'_> {
    /// Everything but the receipt.
    pub fn full(&self) -> v1::Withdrawal {
        let withdrawal = self.withdrawal;
        v1::Withdrawal {
            decision: Some(decision(&withdrawal.decision)),
            unsigned_transaction: self
                .bound()
                .map(|bound| bound.transaction.as_bytes().to_vec())
                .unwrap_or_default(),
            outcomes: withdrawal.outcomes.iter().map(|record| outcome(record, self.times)).collect(),
            attestations: withdrawal.attestations.iter().map(|record| identity(record, self.times)).collect(),
            ..self.summary()
        }
    }

    /// Everything, for a signed withdrawal.
    pub fn with_receipt(&self, receipt: &SignedReceipt) -> v1::Withdrawal {
        v1::Withdrawal { receipt: Some(receipt.to_wire()), ..self.full() }
    }

    /// What `List` returns: without decision, transaction and receipt.
    pub fn summary(&self) -> v1::Withdrawal {
        let (withdrawal, request) = (self.withdrawal, &self.withdrawal.request);
        let state = withdrawal.state_at(self.at);
        let waiting = self.waiting.filter(|_| is_driven(state));
        v1::Withdrawal {
            id: withdrawal.id.to_string(),
            client: request.client.to_string(),
            wallet: request.wallet.to_string(),
            asset: request.asset.to_string(),
            amount: request.amount.to_string(),
            destination: request.destination.to_string(),
            fee_cap_wei: request.fee_cap.to_string(),
            customer: request.customer.to_string(),
            idempotency_key: request.idempotency_key.clone(),
            created_at_ms: request.created_at_ms.0,
            expires_at_ms: request.expires_at_ms.0,
            state: wire_state(state).into(),
            reason: Some(waiting.map_or_else(
                || state_reason(withdrawal, state),
                |waiting| reason(waiting.code.clone(), waiting.sentence.clone()),
            )),
            effects: Some(effects(request, self.asset, self.bound().map(|bound| &bound.effects))),
            approvals: approvals(withdrawal),
            positions: Some(positions(&withdrawal.positions, self.times)),
            missing_nodes: waiting
                .map(|waiting| waiting.missing_nodes.iter().map(NodeId::to_string).collect())
                .unwrap_or_default(),
            intent_digest: withdrawal.request_digest.to_vec(),
            kind: wire_kind(withdrawal.kind).into(),
            replaces: withdrawal.replaces().map(|id| id.to_string()).unwrap_or_default(),
            replaced_by: withdrawal.replaced_by.map(|id| id.to_string()).unwrap_or_default(),
            tombstones: sworn(withdrawal),
            tombstones_needed: u32::try_from(self.tombstones_needed).unwrap_or(u32::MAX),
            deposit_index: withdrawal.deposit_index,
            ..v1::Withdrawal::default()
        }
    }

    fn bound(&self) -> Option<&BoundTransaction> {
        self.withdrawal.transaction.as_ref()
    }
}

/// What a withdrawal does: by its transaction if there is one, otherwise by its intent.
pub fn effects(
    request: &WithdrawalRequest,
    asset: Option<&Asset>,
    transaction: Option<&Effects>,
) -> v1::Effects {
    let contract = match transaction {
        Some(effects) => effects.transfer.contract,
        None => asset.and_then(|asset| asset.contract),
    };
    let intent = v1::Effects {
        chain_id: request.chain_id.0,
        asset: request.asset.to_string(),
        contract: contract.map(|contract| contract.to_string()).unwrap_or_default(),
        destination: request.destination.to_string(),
        amount: request.amount.to_string(),
        max_fee_wei: String::new(),
        account_nonce: None,
        calldata: called(request.calldata.as_ref()),
    };
    match transaction {
        None => intent,
        Some(effects) => v1::Effects {
            chain_id: effects.chain_id.0,
            destination: effects.transfer.to.to_string(),
            amount: effects.transfer.amount.to_string(),
            max_fee_wei: effects.max_fee.to_string(),
            account_nonce: Some(effects.nonce),
            calldata: called(effects.calldata.as_ref()),
            ..intent
        },
    }
}

fn called(calldata: Option<&Calldata>) -> Vec<u8> {
    calldata.map(|calldata| calldata.as_bytes().to_vec()).unwrap_or_default()
}

/// Approvals that count for the hold that is, or was last, in force.
fn approvals(withdrawal: &Withdrawal) -> Vec<v1::HoldApproval> {
    let satisfied = withdrawal.decision.satisfied_hold.as_ref().map(|hold| hold.requirement.digest());
    let hold = withdrawal.decision.hold().map(HoldRequirement::digest).or(satisfied);
    let counts = |approval: &&Approval| hold.is_some_and(|hold| approval.hold == hold);
    let approval = |approval: &Approval| v1::HoldApproval {
        officer: approval.officer.to_string(),
        roles: approval.roles.iter().map(ToString::to_string).collect(),
        time_ms: approval.time.0,
    };
    withdrawal.approvals.iter().filter(counts).map(approval).collect()
}

/// An attestation of the customer's identity.
fn identity(record: &IdentityRecord, times: EntryTimes<'_>) -> v1::IdentityAttestation {
    let attestation = &record.attestation;
    v1::IdentityAttestation {
        provider: attestation.provider.to_string(),
        method: attestation.method.to_string(),
        score: attestation.score.into(),
        session: attestation.session.to_string(),
        observed_at_ms: attestation.observed_at.0,
        position: Some(times.position(record.index)),
    }
}

fn positions(positions: &Positions, times: EntryTimes<'_>) -> v1::WithdrawalPositions {
    let place = |index: Option<u64>| index.map(|index| times.position(index));
    v1::WithdrawalPositions {
        request: Some(times.position(positions.request)),
        decision: Some(times.position(positions.decision)),
        authorization: place(positions.authorized),
        signature: place(positions.signed),
        transaction: place(positions.bound.filter(|index| *index != positions.request)),
    }
}

/// The nodes that swore never to sign it, sorted.
fn sworn(withdrawal: &Withdrawal) -> Vec<String> {
    let mut nodes: Vec<String> = withdrawal.tombstones.iter().map(|record| record.node.to_string()).collect();
    nodes.sort();
    nodes
}

fn outcome(record: &OutcomeRecord, times: EntryTimes<'_>) -> v1::OutcomeReport {
    v1::OutcomeReport {
        outcome: wire_outcome(record.outcome).into(),
        transaction_hash: record.transaction_hash.as_bytes().to_vec(),
        block_number: record.block_number,
        observed_at_ms: record.observed_at.0,
        position: Some(times.position(record.index)),
    }
}

fn wire_outcome(outcome: ChainOutcome) -> v1::TransactionOutcome {
    match outcome {
        ChainOutcome::Broadcast => v1::TransactionOutcome::Broadcast,
        ChainOutcome::Confirmed => v1::TransactionOutcome::Confirmed,
        ChainOutcome::Dropped => v1::TransactionOutcome::Dropped,
        ChainOutcome::Replaced => v1::TransactionOutcome::Replaced,
        ChainOutcome::Reorganised => v1::TransactionOutcome::Reorganised,
    }
}

fn wire_kind(kind: WithdrawalKind) -> v1::WithdrawalKind {
    match kind {
        WithdrawalKind::Payment => v1::WithdrawalKind::Payment,
        WithdrawalKind::FeeBump(_) => v1::WithdrawalKind::FeeBump,
        WithdrawalKind::CancelOnChain(_) => v1::WithdrawalKind::CancelOnChain,
        WithdrawalKind::Sweep => v1::WithdrawalKind::Sweep,
    }
}

/// Only what the coordinator still works on can wait for something.
fn is_driven(state: WithdrawalState) -> bool {
    matches!(state, WithdrawalState::Bound | WithdrawalState::Authorized)
}

fn state_reason(withdrawal: &Withdrawal, state: WithdrawalState) -> v1::Reason {
    match state {
        WithdrawalState::Received => reason("RECEIVED", "logged, not decided yet"),
        WithdrawalState::Held => decided(withdrawal, "HELD", "waits for approvals"),
        WithdrawalState::Allowed => {
            reason("TRANSACTION_NEEDED", "allowed by the policy, waits for its transaction")
        }
        WithdrawalState::Bound => {
            reason("AUTHORIZATION_PENDING", "allowed by the policy, about to be authorized")
        }
        WithdrawalState::Authorized => reason("SIGNING", "authorized, being signed"),
        WithdrawalState::Signed => reason("SIGNED", "signed"),
        WithdrawalState::Denied => match &withdrawal.rejected_by {
            Some(officer) => reason("REJECTED_BY_OFFICER", format!("rejected by officer `{officer}`")),
            None => decided(withdrawal, "DENIED", "refused by the policy"),
        },
        WithdrawalState::Cancelled => reason("CANCELLED_BY_CLIENT", "cancelled by its client"),
        WithdrawalState::Expired
            if withdrawal
                .decision
                .hold()
                .and_then(HoldRequirement::lapses_at)
                .is_some_and(|at| at < withdrawal.request.expires_at_ms) =>
        {
            let code = ReasonCode::HoldExpired;
            reason(code.code(), sentence(code.officer_sentence()))
        }
        WithdrawalState::Expired => reason("INTENT_EXPIRED", "the intent ran out before it was authorized"),
        WithdrawalState::Replaced => reason("REPLACED", "another withdrawal took its place"),
        WithdrawalState::Tombstoned => reason("TOMBSTONED", "enough nodes swore never to sign it"),
    }
}

fn decided(withdrawal: &Withdrawal, code: &str, text: &str) -> v1::Reason {
    withdrawal
        .decision
        .main_reason()
        .map_or_else(|| reason(code, text), |main| reason(main.code(), sentence(main.officer_sentence())))
}

fn wire_state(state: WithdrawalState) -> v1::WithdrawalState {
    match state {
        WithdrawalState::Received => v1::WithdrawalState::Received,
        WithdrawalState::Held => v1::WithdrawalState::Held,
        WithdrawalState::Allowed => v1::WithdrawalState::Allowed,
        WithdrawalState::Bound => v1::WithdrawalState::Bound,
        WithdrawalState::Authorized => v1::WithdrawalState::Authorized,
        WithdrawalState::Signed => v1::WithdrawalState::Signed,
        WithdrawalState::Denied => v1::WithdrawalState::Denied,
        WithdrawalState::Cancelled => v1::WithdrawalState::Cancelled,
        WithdrawalState::Expired => v1::WithdrawalState::Expired,
        WithdrawalState::Replaced => v1::WithdrawalState::Replaced,
        WithdrawalState::Tombstoned => v1::WithdrawalState::Tombstoned,
    }
}

/// The state that a filter names; `None` for "any".
///
/// # Errors
/// [`FieldError`] for a number that no state has.
pub fn withdrawal_state(field: &'static str, wire: i32) -> Result<Option<WithdrawalState>, FieldError> {
    let state = v1::WithdrawalState::try_from(wire).map_err(|_| FieldError::new(field, "is no state"))?;
    Ok(match state {
        v1::WithdrawalState::Unspecified => None,
        v1::WithdrawalState::Received => Some(WithdrawalState::Received),
        v1::WithdrawalState::Held => Some(WithdrawalState::Held),
        v1::WithdrawalState::Allowed => Some(WithdrawalState::Allowed),
        v1::WithdrawalState::Bound => Some(WithdrawalState::Bound),
        v1::WithdrawalState::Authorized => Some(WithdrawalState::Authorized),
        v1::WithdrawalState::Signed => Some(WithdrawalState::Signed),
        v1::WithdrawalState::Denied => Some(WithdrawalState::Denied),
        v1::WithdrawalState::Cancelled => Some(WithdrawalState::Cancelled),
        v1::WithdrawalState::Expired => Some(WithdrawalState::Expired),
        v1::WithdrawalState::Replaced => Some(WithdrawalState::Replaced),
        v1::WithdrawalState::Tombstoned => Some(WithdrawalState::Tombstoned),
    })
}
