//! Envelopes as they arrive: bounded, parsed, of the kind that the method takes, and signed by whoever calls.
//!
//! Signatures are verified by the state machine; here it only matters whose they claim to be.

use holdfast_ledger::{Act, PayloadKind, Roster, StatementBody, verify_act};
use holdfast_log::Envelope;
use holdfast_proto::convert::bounded_envelope;

use super::caller::Caller;
use crate::status::RequestError;

/// An envelope of this kind.
pub(super) fn of_kind(bytes: &[u8], kind: PayloadKind) -> Result<Envelope, RequestError> {
    let bytes = bounded_envelope(bytes).map_err(|size| RequestError::EnvelopeTooLarge { size })?;
    let envelope = Envelope::parse(bytes)?;
    if envelope.payload_type != kind.payload_type() {
        return Err(RequestError::OtherPayload { expected: kind.as_str() });
    }
    Ok(envelope)
}

/// An envelope of one of these kinds.
pub(super) fn of_kinds(
    bytes: &[u8],
    kinds: &[PayloadKind],
    expected: &'static str,
) -> Result<Envelope, RequestError> {
    kind_among(bytes, kinds, expected).and_then(|kind| of_kind(bytes, kind))
}

fn kind_among(
    bytes: &[u8],
    kinds: &[PayloadKind],
    expected: &'static str,
) -> Result<PayloadKind, RequestError> {
    let bounded = bounded_envelope(bytes).map_err(|size| RequestError::EnvelopeTooLarge { size })?;
    let given = Envelope::parse(bounded)?;
    let kind = kinds.iter().find(|kind| given.payload_type == kind.payload_type()).copied();
    kind.ok_or(RequestError::OtherPayload { expected })
}

/// An envelope of one of these kinds, signed by the caller.
pub(super) fn by_caller_of(
    bytes: &[u8],
    kinds: &[PayloadKind],
    expected: &'static str,
    caller: &Caller,
) -> Result<(Envelope, PayloadKind), RequestError> {
    let kind = kind_among(bytes, kinds, expected)?;
    Ok((by_caller(bytes, kind, caller)?, kind))
}

/// An envelope of this kind, signed by the caller.
// INVARIANT (G1): the party that the TLS identity names is the party whose key signed.
pub(super) fn by_caller(bytes: &[u8], kind: PayloadKind, caller: &Caller) -> Result<Envelope, RequestError> {
    let envelope = of_kind(bytes, kind)?;
    let expected = caller.key_id();
    if envelope.signatures.iter().any(|signature| signature.key_id != expected) {
        return Err(RequestError::OtherSigner { expected });
    }
    Ok(envelope)
}

/// A statement by the officer who calls, authentic and well formed.
pub(super) fn statement(
    bytes: &[u8],
    caller: &Caller,
    roster: &Roster,
) -> Result<(Envelope, StatementBody), RequestError> {
    let envelope = by_caller(bytes, PayloadKind::Statement, caller)?;
    let act = verify_act(roster, &envelope)?;
    let body = match act.act().map_err(Clone::clone)? {
        Act::Statement { statement, .. } => statement.body.clone(),
        Act::Request(..)
        | Act::Bind(_)
        | Act::Cancel(_)
        | Act::Customer(_)
        | Act::Price(_)
        | Act::AskEntry(..)
        | Act::TakeBackEntry(_)
        | Act::Identity(_)
        | Act::Travel(_)
        | Act::OrderConfirmation(_)
        | Act::Replace(..)
        | Act::Sweep(..)
        | Act::Outcome(_)
        | Act::Tombstone(_)
        | Act::Session(_)
        | Act::Confirmation(_)
        | Act::Activate(_)
        | Act::Authorize(_)
        | Act::Signature(_)
        | Act::Attestation(_)
        | Act::Erased(_)
        | Act::Policy(_)
        | Act::ScreeningUpdate(_)
        | Act::ScreeningPart(_)
        | Act::Exposure(_) => {
            return Err(RequestError::OtherPayload { expected: PayloadKind::Statement.as_str() });
        }
    };
    Ok((envelope, body))
}
