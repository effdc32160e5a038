//! What a signed request does. A fee bump and a cancellation on chain only name what they replace: then the client's requests for
//! that are read too, down to the payment or sweep that began it.
//!
//! It must never take what a withdrawal does from an answer: every request here was signed by the client's own key.

use holdfast_chains::{Address, Amount, Asset};
use holdfast_ledger::{
    Act, ReplacementAction, ReplacementRequest, SweepRequest, WithdrawalId, WithdrawalRequest,
};
use holdfast_policy::{ClientId, CustomerRef};
use holdfast_proto::v1;

use super::{Asked, Trust, entry_act, refuse};
use crate::failure::Failure;
use crate::known;
use crate::session::Session;

/// Most requests on one account nonce that a receipt may come with.
const MAX_REPLACED: usize = 16;
/// The pseudonym under which the house moves its own funds.
const HOUSE: &str = "house";

/// What a withdrawal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Payment,
    FeeBump(WithdrawalId),
    CancelOnChain(WithdrawalId),
    Sweep,
}

/// What it does, whatever it is for.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) purpose: Purpose,
    pub(super) request: WithdrawalRequest,
    /// The deposit address that pays; `None` is the wallet's own address.
    pub(super) deposit_index: Option<u32>,
}

/// A request as its client signed it.
enum Said {
    Request(WithdrawalRequest),
    Sweep(SweepRequest),
    Replace(ReplacementRequest),
}

impl Said {
    fn id(&self) -> WithdrawalId {
        match self {
            Self::Request(request) => request.withdrawal_id(),
            Self::Sweep(request) => request.withdrawal_id(),
            Self::Replace(request) => request.withdrawal_id(),
        }
    }

    fn client(&self) -> &ClientId {
        match self {
            Self::Request(request) => &request.client,
            Self::Sweep(request) => &request.client,
            Self::Replace(request) => &request.client,
        }
    }

    fn replaces(&self) -> Option<WithdrawalId> {
        match self {
            Self::Request(_) | Self::Sweep(_) => None,
            Self::Replace(request) => Some(request.of),
        }
    }
}

/// INVARIANT (G1): the intent is the one that the client's own key signed, not the server's account of it.
pub(super) fn read(
    session: &Session,
    trust: &Trust<'_>,
    asked: &Asked<'_>,
    receipt: &v1::Receipt,
) -> Result<Intent, Failure> {
    if receipt.replaced_request_entries.len() > MAX_REPLACED {
        return Err(refuse("it comes with too many replaced requests"));
    }
    let first = said(trust, &receipt.request_entry, asked)?;
    let mut chain = vec![first];
    for entry in &receipt.replaced_request_entries {
        let next = said_by(trust, entry)?;
        let newer = chain.last();
        if newer.and_then(Said::replaces) != Some(next.id()) || newer.map(Said::client) != Some(next.client())
        {
            return Err(refuse("a request that it comes with is not the one that it replaces"));
        }
        chain.push(next);
    }
    let mut intent = match chain.pop() {
        Some(Said::Request(request)) => Intent { purpose: Purpose::Payment, request, deposit_index: None },
        Some(Said::Sweep(request)) => swept(session, trust, &request)?,
        Some(Said::Replace(_)) | None => return Err(refuse("the request that it replaces is missing")),
    };
    for newer in chain.into_iter().rev() {
        let Said::Replace(request) = newer else {
            return Err(refuse("it replaces nothing and comes with more"));
        };
        intent = replaced(session, trust, asked, &request, intent)?;
    }
    Ok(intent)
}

/// The request that was asked for.
fn said(trust: &Trust<'_>, entry: &[u8], asked: &Asked<'_>) -> Result<Said, Failure> {
    let (entry, act) = entry_act(trust, entry, "request")?;
    let said = of_act(act.act().ok()).ok_or_else(|| refuse("the request entry holds no request"))?;
    asked.check_signed(said.id(), said.client(), &entry.envelope().payload)?;
    Ok(said)
}

fn said_by(trust: &Trust<'_>, entry: &[u8]) -> Result<Said, Failure> {
    let (_, act) = entry_act(trust, entry, "replaced request")?;
    of_act(act.act().ok()).ok_or_else(|| refuse("a replaced request's entry holds no request"))
}

fn of_act(act: Option<&Act>) -> Option<Said> {
    match act? {
        Act::Request(request, _) => Some(Said::Request((**request).clone())),
        Act::Sweep(request, _) => Some(Said::Sweep((**request).clone())),
        Act::Replace(request, _) => Some(Said::Replace((**request).clone())),
        Act::Statement { .. }
        | Act::Bind(_)
        | Act::Cancel(_)
        | Act::Session(_)
        | Act::Customer(_)
        | Act::Price(_)
        | Act::AskEntry(..)
        | Act::TakeBackEntry(_)
        | Act::Identity(_)
        | Act::Travel(_)
        | Act::OrderConfirmation(_)
        | Act::Confirmation(_)
        | Act::Activate(_)
        | Act::Authorize(_)
        | Act::Signature(_)
        | Act::Attestation(_)
        | Act::Erased(_)
        | Act::Policy(_)
        | Act::ScreeningUpdate(_)
        | Act::ScreeningPart(_)
        | Act::Exposure(_)
        | Act::Outcome(_)
        | Act::Tombstone(_) => None,
    }
}

/// INVARIANT (G1): where a sweep goes is the wallet's own address as this machine knows it, and nobody's choice.
fn swept(session: &Session, trust: &Trust<'_>, sweep: &SweepRequest) -> Result<Intent, Failure> {
    let wallet =
        known::wallet(&session.profile, sweep.wallet.as_str())?.ok_or_else(|| unknown(&sweep.wallet))?;
    let mut assets = trust.genesis.document.assets.iter();
    let asset = assets
        .find(|asset| asset.symbol == sweep.asset)
        .ok_or_else(|| refuse("the asset is not in the registry"))?;
    let customer = CustomerRef::new(HOUSE).map_err(|error| refuse(error.to_string()))?;
    let request = WithdrawalRequest {
        cluster: sweep.cluster.clone(),
        client: sweep.client.clone(),
        wallet: sweep.wallet.clone(),
        asset: asset.symbol.clone(),
        chain_id: asset.chain_id,
        amount: sweep.amount,
        destination: wallet.address,
        calldata: None,
        fee_cap: sweep.fee_cap,
        customer,
        idempotency_key: sweep.idempotency_key.clone(),
        created_at_ms: sweep.created_at_ms,
        expires_at_ms: sweep.expires_at_ms,
        transaction: sweep.transaction.clone(),
        order: None,
    };
    Ok(Intent { purpose: Purpose::Sweep, request, deposit_index: Some(sweep.deposit_index) })
}

fn replaced(
    session: &Session,
    trust: &Trust<'_>,
    asked: &Asked<'_>,
    by: &ReplacementRequest,
    original: Intent,
) -> Result<Intent, Failure> {
    let mut request = WithdrawalRequest {
        fee_cap: by.fee_cap,
        idempotency_key: by.idempotency_key.clone(),
        created_at_ms: by.created_at_ms,
        expires_at_ms: by.expires_at_ms,
        transaction: by.transaction.clone(),
        ..original.request
    };
    let purpose = match by.action {
        ReplacementAction::BumpFee => Purpose::FeeBump(by.of),
        ReplacementAction::CancelOnChain => {
            request.destination = sender(session, asked, &request, original.deposit_index)?;
            request.amount = Amount::ZERO;
            request.calldata = None;
            request.order = None;
            request.asset = own_coin(trust, &request)?.symbol.clone();
            Purpose::CancelOnChain(by.of)
        }
    };
    Ok(Intent { purpose, request, deposit_index: original.deposit_index })
}

fn own_coin<'a>(trust: &'a Trust<'_>, request: &WithdrawalRequest) -> Result<&'a Asset, Failure> {
    let mut assets = trust.genesis.document.assets.iter();
    assets
        .find(|asset| asset.chain_id == request.chain_id && asset.is_native())
        .ok_or_else(|| refuse("the chain's own coin is not in the registry"))
}

/// The address that pays, from a log that was replayed here or from a person.
fn sender(
    session: &Session,
    asked: &Asked<'_>,
    request: &WithdrawalRequest,
    deposit_index: Option<u32>,
) -> Result<Address, Failure> {
    match (known::wallet(&session.profile, request.wallet.as_str())?, asked.address) {
        (Some(wallet), _) => Ok(wallet.sender(deposit_index)?.address()),
        (None, Some(address)) => Ok(address),
        (None, None) => Err(unknown(&request.wallet)),
    }
}

pub(super) fn unknown(wallet: &holdfast_policy::WalletId) -> Failure {
    let message = format!("this machine does not know the key of wallet `{wallet}`");
    Failure::verification("WALLET_KEY_UNKNOWN", message).next(format!(
        "learn it with `holdfast wallet show {wallet}`, which replays the log as officer or auditor"
    ))
}
