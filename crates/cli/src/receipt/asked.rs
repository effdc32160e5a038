//! What was asked for, as this machine knows it: every answer is compared with this, signed or not.
//!
//! It must never be filled from an answer: a coordinator that answers with another withdrawal would choose what it is
//! compared with.

use holdfast_chains::Address;
use holdfast_ledger::{WithdrawalId, WithdrawalRequest};
use holdfast_policy::ClientId;
use holdfast_proto::v1;
use holdfast_transport::Role;

use super::intent::Purpose;
use crate::failure::Failure;
use crate::profile::Who;

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(super) id: WithdrawalId,
    /// The client that asks, which sees its own withdrawals only; officers and auditors see everyone's.
    client: Option<&'a str>,
    /// The intent, if this machine has just signed it.
    request: Option<&'a WithdrawalRequest>,
    /// The exact payload, if this machine has just signed it.
    payload: Option<Vec<u8>>,
    /// The wallet's address, if a person gave it.
    pub(super) address: Option<Address>,
}

impl<'a> Asked<'a> {
    /// A withdrawal that `who` names.
    pub(crate) fn named(who: &'a Who, id: WithdrawalId) -> Self {
        let client = (who.role == Role::Client).then_some(who.name.as_str());
        Self { id, client, request: None, payload: None, address: None }
    }

    /// A withdrawal that this machine has just asked for: its id is computed here.
    pub(crate) fn submitted(request: &'a WithdrawalRequest) -> Self {
        let (id, client) = (request.withdrawal_id(), Some(request.client.as_str()));
        Self { id, client, request: Some(request), payload: Some(request.to_json()), address: None }
    }

    /// A withdrawal that this machine has just asked for with this payload, of any kind.
    pub(crate) fn signed(who: &'a Who, id: WithdrawalId, payload: Vec<u8>) -> Self {
        Self { payload: Some(payload), ..Self::named(who, id) }
    }

    /// With the wallet's address, if a person gave it.
    #[must_use]
    pub(crate) fn with_address(self, address: Option<Address>) -> Self {
        Self { address, ..self }
    }

    pub(crate) fn id(&self) -> WithdrawalId {
        self.id
    }

    /// Whether an answer is about this withdrawal at all.
    pub(crate) fn check(&self, withdrawal: &v1::Withdrawal) -> Result<(), Failure> {
        same("id", &withdrawal.id, &self.id.to_string())?;
        if let Some(client) = self.client {
            same("client", &withdrawal.client, client)?;
        }
        self.request.map_or(Ok(()), |request| says_the_same(withdrawal, request))
    }

    /// Whether a request that a client signed is the one that was asked for.
    pub(super) fn check_signed(
        &self,
        id: WithdrawalId,
        client: &ClientId,
        payload: &[u8],
    ) -> Result<(), Failure> {
        same("request_entry", &id.to_string(), &self.id.to_string())?;
        if let Some(asking) = self.client {
            same("request_entry.client", client.as_str(), asking)?;
        }
        match &self.payload {
            Some(signed) if signed != payload => {
                Err(mismatch("the request entry holds another intent than the one that this client signed"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether an answer says truly what it is for.
pub(super) fn is_for(
    withdrawal: &v1::Withdrawal,
    purpose: Purpose,
    deposit_index: Option<u32>,
) -> Result<(), Failure> {
    let (kind, replaces) = match purpose {
        Purpose::Payment => (v1::WithdrawalKind::Payment, None),
        Purpose::FeeBump(of) => (v1::WithdrawalKind::FeeBump, Some(of)),
        Purpose::CancelOnChain(of) => (v1::WithdrawalKind::CancelOnChain, Some(of)),
        Purpose::Sweep => (v1::WithdrawalKind::Sweep, None),
    };
    same("kind", withdrawal.kind().as_str_name(), kind.as_str_name())?;
    same("replaces", &withdrawal.replaces, &replaces.map(|of| of.to_string()).unwrap_or_default())?;
    let index = |index: Option<u32>| index.map(|index| index.to_string()).unwrap_or_default();
    same("deposit_index", &index(withdrawal.deposit_index), &index(deposit_index))
}

/// Whether an answer's own words are those of the intent.
pub(super) fn says_the_same(withdrawal: &v1::Withdrawal, request: &WithdrawalRequest) -> Result<(), Failure> {
    same("client", &withdrawal.client, request.client.as_str())?;
    same("wallet", &withdrawal.wallet, request.wallet.as_str())?;
    same("asset", &withdrawal.asset, &request.asset.to_string())?;
    same("amount", &withdrawal.amount, &request.amount.to_string())?;
    same("destination", &withdrawal.destination, &request.destination.to_string())?;
    same("customer", &withdrawal.customer, request.customer.as_str())?;
    same("idempotency_key", &withdrawal.idempotency_key, &request.idempotency_key)?;
    let Some(effects) = &withdrawal.effects else { return Ok(()) };
    same("effects.chain_id", &effects.chain_id.to_string(), &request.chain_id.0.to_string())?;
    same("effects.amount", &effects.amount, &request.amount.to_string())?;
    same("effects.destination", &effects.destination, &request.destination.to_string())?;
    let called = request.calldata.as_ref().map(|calldata| calldata.as_bytes()).unwrap_or_default();
    same("effects.calldata", &hex::encode(&effects.calldata), &hex::encode(called))
}

fn same(what: &str, answered: &str, asked: &str) -> Result<(), Failure> {
    if answered == asked {
        return Ok(());
    }
    // What a hostile server sends is quoted and bounded.
    let answered: String = answered.chars().take(80).collect();
    Err(mismatch(&format!("`{what}` is {answered:?} instead of `{asked}`")))
}

fn mismatch(detail: &str) -> Failure {
    Failure::verification(
        "ANSWER_MISMATCH",
        format!("the coordinator answered with another withdrawal than the one asked for: {detail}"),
    )
    .next("do not broadcast it: keep it and ask an officer, the coordinator may be hostile")
}
