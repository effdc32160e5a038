//! What clients and providers say: requests, transactions, cancellations, session reports.

use std::collections::BTreeMap;

use holdfast_chains::{Asset, ExpectedEffects, UnsignedTransaction, check_effects};
use holdfast_policy::{
    ClientId, Crowded, MAX_PLACES_OF_CLIENT, MAX_PLACES_OF_CUSTOMER, ProviderId, TimestampMs,
};

use super::{Change, State, decide};
use crate::ids::WithdrawalId;
use crate::payload::{BindTransaction, CancelWithdrawal, SessionReport, WithdrawalRequest};
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{
    BoundTransaction, Positions, TravelRecord, Withdrawal, WithdrawalKind, WithdrawalState,
};

/// Longest validity of an intent: 7 days.
const MAX_INTENT_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// What a checked request of any kind asks for.
pub(super) struct Asked {
    pub(super) request: WithdrawalRequest,
    pub(super) request_digest: [u8; 32],
    pub(super) kind: WithdrawalKind,
    pub(super) deposit_index: Option<u32>,
    pub(super) to_oneself: bool,
    /// Reports about what it replaces are about it too.
    pub(super) travel: BTreeMap<ProviderId, TravelRecord>,
}

impl State {
    pub(super) fn admit_request(
        &self,
        request: &WithdrawalRequest,
        digest: [u8; 32],
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&request.cluster)?;
        self.check_not_repeated(request.withdrawal_id(), &digest)?;
        self.check_scope(request, index, time)?;
        self.check_intent_times(request, time)?;
        self.check_room(request, time)?;
        let asked = Asked {
            request: request.clone(),
            request_digest: digest,
            kind: WithdrawalKind::Payment,
            deposit_index: None,
            to_oneself: false,
            travel: BTreeMap::new(),
        };
        let mut withdrawal = self.receive(asked, index, time)?;
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    /// The withdrawal that a checked request asks for, decided, with its transaction if one came with it.
    pub(super) fn receive(
        &self,
        asked: Asked,
        index: u64,
        time: TimestampMs,
    ) -> Result<Withdrawal, Rejection> {
        let Asked { request, request_digest, kind, deposit_index, to_oneself, travel } = asked;
        let undecided = decide::Asked {
            request: &request,
            to_oneself,
            intent: request_digest,
            at: self.asked_at(kind, index, time),
            approvals: &[],
            attestations: &[],
            travel: &travel,
        };
        let decision = self.decide(&undecided, time);
        let mut withdrawal = Withdrawal {
            id: request.withdrawal_id(),
            kind,
            decision: decision.into(),
            request,
            deposit_index,
            to_oneself,
            request_digest,
            received_at: time,
            positions: Positions { request: index, ..Positions::default() },
            transaction: None,
            approvals: Vec::new(),
            attestations: Vec::new(),
            travel,
            authorization: None,
            signature: None,
            rejected_by: None,
            replaced_by: None,
            outcomes: Vec::new(),
            tombstones: Vec::new(),
            state: WithdrawalState::Received,
        };
        if let Some(hex) = &withdrawal.request.transaction {
            withdrawal.transaction = Some(self.bind(&withdrawal, hex)?);
            withdrawal.positions.bound = Some(index);
        }
        Ok(withdrawal)
    }

    pub(super) fn admit_bind(
        &self,
        bind: &BindTransaction,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&bind.cluster)?;
        let mut withdrawal = self.own_withdrawal(&bind.withdrawal, &bind.client)?.clone();
        match withdrawal.state_at(time) {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound => {}
            WithdrawalState::Authorized
            | WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Cancelled
            | WithdrawalState::Expired
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                let detail = "the withdrawal is authorized or closed, its transaction is final";
                return Err(
                    Rejection::new(RejectionCode::TransactionAlreadyBound, detail).with_field("withdrawal")
                );
            }
        }
        self.check_scope_of(&withdrawal, time)?;
        let transaction = self.bind(&withdrawal, &bind.transaction)?;
        self.check_rebound(&withdrawal, &transaction)?;
        if withdrawal.transaction.as_ref() == Some(&transaction) {
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, "this transaction is bound already"));
        }
        withdrawal.transaction = Some(transaction);
        withdrawal.positions.bound = Some(index);
        self.redecide(&mut withdrawal, time);
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    pub(super) fn admit_cancel(
        &self,
        cancel: &CancelWithdrawal,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&cancel.cluster)?;
        let mut withdrawal = self.own_withdrawal(&cancel.withdrawal, &cancel.client)?.clone();
        match withdrawal.state_at(time) {
            WithdrawalState::Received
            | WithdrawalState::Held
            | WithdrawalState::Allowed
            | WithdrawalState::Bound => {
                withdrawal.state = WithdrawalState::Cancelled;
                withdrawal.positions.decision = index;
                Ok(Change::withdrawal(withdrawal))
            }
            WithdrawalState::Cancelled => {
                Err(Rejection::new(RejectionCode::AlreadyRecorded, "the withdrawal is cancelled already"))
            }
            WithdrawalState::Authorized
            | WithdrawalState::Signed
            | WithdrawalState::Denied
            | WithdrawalState::Expired
            | WithdrawalState::Replaced
            | WithdrawalState::Tombstoned => {
                let detail = "the withdrawal is authorized or closed: a signature may exist";
                Err(Rejection::new(RejectionCode::WithdrawalNotCancellable, detail).with_field("withdrawal"))
            }
        }
    }

    pub(super) fn admit_session(
        &self,
        report: &SessionReport,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        self.check_reports_on_sessions(&report.provider)?;
        Ok(Change { session: Some(self.merged(report)), ..Change::default() })
    }

    /// A report about an earlier moment than the one known never clears a warning: the worse of both, at the later time.
    fn merged(&self, report: &SessionReport) -> SessionReport {
        let known = self
            .sessions
            .get(&report.customer)
            .and_then(|reports| reports.iter().find(|known| known.provider == report.provider));
        match known {
            Some(known) if report.observed_at_ms <= known.observed_at_ms => SessionReport {
                observed_at_ms: known.observed_at_ms,
                new_device: report.new_device || known.new_device,
                second_factor_reset: report.second_factor_reset || known.second_factor_reset,
                details: known.details.worse_of(&report.details),
                ..report.clone()
            },
            Some(_) | None => report.clone(),
        }
    }

    /// INVARIANT (G1): decodes the transaction here and requires exactly the intent's effects.
    fn bind(&self, withdrawal: &Withdrawal, hex: &str) -> Result<BoundTransaction, Rejection> {
        let request = &withdrawal.request;
        let refuse = |code, detail: String| {
            Rejection::new(RejectionCode::Transaction(code), detail).with_field("transaction")
        };
        let transaction =
            UnsignedTransaction::parse_hex(hex).map_err(|error| refuse(error.code(), error.to_string()))?;
        let expected = ExpectedEffects {
            chain_id: request.chain_id,
            asset: self.asset(request)?,
            destination: request.destination,
            amount: request.amount,
            calldata: request.calldata.as_ref(),
            fee_cap: request.fee_cap,
        };
        check_effects(&transaction.effects(), &expected).map_err(|mismatch| {
            let code = mismatch.codes().next().unwrap_or("TRANSACTION_MISMATCH");
            refuse(code, mismatch.to_string())
        })?;
        let bound = BoundTransaction::new(transaction);
        if let Some(replaced) = withdrawal.replaces() {
            self.check_supersedes(replaced, &bound)?;
        }
        Ok(bound)
    }

    /// The registry's entry for the asset that the request names.
    pub(crate) fn asset(&self, request: &WithdrawalRequest) -> Result<&Asset, Rejection> {
        let assets = &self.genesis.document.assets;
        if !assets.iter().any(|asset| asset.chain_id == request.chain_id) {
            let detail = format!("no asset of this cluster is on chain {}", request.chain_id);
            return Err(Rejection::new(RejectionCode::UnknownChain, detail).with_field("chain_id"));
        }
        assets
            .iter()
            .find(|asset| asset.chain_id == request.chain_id && asset.symbol == request.asset)
            .ok_or_else(|| {
                let detail = format!("`{}` is not registered on chain {}", request.asset, request.chain_id);
                Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset")
            })
    }

    /// One idempotency key is one withdrawal, whatever kind of request it came with.
    pub(super) fn check_not_repeated(&self, id: WithdrawalId, digest: &[u8; 32]) -> Result<(), Rejection> {
        match self.withdrawal(&id) {
            None => Ok(()),
            Some(known) if known.request_digest == *digest => {
                Err(Rejection::new(RejectionCode::AlreadyRecorded, "this request is logged already"))
            }
            Some(known) => {
                let detail = format!("the key was used for withdrawal `{}` with another body", known.id);
                Err(Rejection::new(RejectionCode::IdempotencyKeyReused, detail).with_field("idempotency_key"))
            }
        }
    }

    fn check_scope(
        &self,
        request: &WithdrawalRequest,
        index: u64,
        time: TimestampMs,
    ) -> Result<(), Rejection> {
        let asset = self.asset(request)?;
        if request.calldata.is_some() && !asset.is_native() {
            let detail =
                format!("a call sends the chain's own coin along, and `{}` is a token", asset.symbol);
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("asset"));
        }
        if self.wallet(&request.wallet).is_none() {
            let detail = format!("no active wallet `{}`", request.wallet);
            return Err(Rejection::new(RejectionCode::UnknownWallet, detail).with_field("wallet"));
        }
        self.check_client(&request.client, &request.wallet, index, time)
    }

    /// What is asked for and not authorized takes a place in windows: one party's places are bounded.
    fn check_room(&self, request: &WithdrawalRequest, time: TimestampMs) -> Result<(), Rejection> {
        self.outflows.room(&request.client, Some(&request.customer), time).map_err(|crowded| {
            let (field, most) = match crowded {
                Crowded::Client => ("client", MAX_PLACES_OF_CLIENT),
                Crowded::Customer => ("customer", MAX_PLACES_OF_CUSTOMER),
            };
            let detail =
                format!("{most} withdrawals of this {field} wait already: cancel some or let them end");
            Rejection::new(RejectionCode::TooManyOpenWithdrawals, detail).with_field(field)
        })
    }

    /// A replaced transaction may have been signed in a history that this replica was not shown, so both must exclude each
    /// other on chain: same account nonce, unless that nonce went to another withdrawal meanwhile.
    fn check_rebound(&self, withdrawal: &Withdrawal, new: &BoundTransaction) -> Result<(), Rejection> {
        let Some(old) = &withdrawal.transaction else { return Ok(()) };
        let key = self.account_nonce(withdrawal, old)?;
        // What has a nonce of its own is authorized, and its transaction final.
        let taken = self.account_nonces.contains_key(&key);
        if old.effects.nonce == new.effects.nonce || taken {
            return Ok(());
        }
        let detail = format!(
            "replaces a transaction with account nonce {}: keep it, or cancel and ask again under a new key",
            old.effects.nonce
        );
        Err(Rejection::new(RejectionCode::AccountNonceChanged, detail).with_field("transaction"))
    }

    pub(super) fn check_intent_times(
        &self,
        request: &WithdrawalRequest,
        time: TimestampMs,
    ) -> Result<(), Rejection> {
        if time >= request.expires_at_ms {
            let detail = "the intent has expired: sign it again with a later expiry";
            return Err(Rejection::new(RejectionCode::IntentExpired, detail).with_field("expires_at_ms"));
        }
        if request.expires_at_ms.0.saturating_sub(request.created_at_ms.0) > MAX_INTENT_LIFE_MS {
            let detail = "valid for more than 7 days after `created_at_ms`";
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("expires_at_ms"));
        }
        let latest = time.0.saturating_add(self.genesis.document.max_clock_skew_ms);
        if request.created_at_ms.0 > latest {
            let detail = "made in the future: check the client's clock";
            return Err(
                Rejection::new(RejectionCode::IntentFromTheFuture, detail).with_field("created_at_ms")
            );
        }
        Ok(())
    }

    pub(super) fn own_withdrawal(
        &self,
        id: &WithdrawalId,
        client: &ClientId,
    ) -> Result<&Withdrawal, Rejection> {
        // Another client's withdrawal is as unknown as one that does not exist.
        self.withdrawal(id).filter(|withdrawal| withdrawal.request.client == *client).ok_or_else(|| {
            Rejection::new(RejectionCode::UnknownWithdrawal, format!("no withdrawal `{id}`"))
                .with_field("withdrawal")
        })
    }
}
