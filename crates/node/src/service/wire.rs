//! Wire messages to domain values: every field is checked here, with its name in the refusal.
//!
//! Owns the bounds of what a caller may send. Behind it there are only domain types.

use holdfast_ledger::{CeremonyId, LatchScope, WithdrawalId};
use holdfast_policy::NodeId;
use holdfast_proto::limits::ABORT_REASON_BYTES;
use holdfast_proto::{ApiError, v1};
use holdfast_threshold::{MAX_PARTIES, Outbound, Round, SessionId};
use tonic::Code;

use crate::latches::Delivered;
use crate::replica::{Extension, TipRecord};
use crate::signing::SignOrder;

/// The reason code of every refusal here.
pub(super) const FIELD_INVALID: &str = "FIELD_INVALID";

/// A field that is not acceptable.
fn invalid(field: &'static str, problem: impl Into<String>) -> ApiError {
    let problem = problem.into();
    ApiError::with_code(Code::InvalidArgument, FIELD_INVALID, format!("`{field}` {problem}"))
        .field(field, problem)
}

pub(super) fn session(bytes: &[u8]) -> Result<SessionId, ApiError> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| invalid("session_id", "must have 32 bytes"))?;
    if bytes == [0; 32] {
        return Err(invalid("session_id", "must not be all zeroes"));
    }
    Ok(SessionId(bytes))
}

pub(super) fn withdrawal(text: &str) -> Result<WithdrawalId, ApiError> {
    text.parse().map_err(|_| invalid("withdrawal_id", "must be `w-` and 32 hexadecimal digits"))
}

pub(super) fn ceremony(text: &str) -> Result<CeremonyId, ApiError> {
    text.parse().map_err(|_| invalid("ceremony_id", "must be `c-` and 32 hexadecimal digits"))
}

pub(super) fn round(number: u32, last: Round) -> Result<Round, ApiError> {
    let round = u8::try_from(number).ok().map(Round);
    let known = round.filter(|round| (1..=last.0).contains(&round.0));
    known.ok_or_else(|| invalid("round", format!("must be 1 to {last}")))
}

pub(super) fn messages(messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, ApiError> {
    if messages.len() > usize::from(MAX_PARTIES) {
        return Err(invalid("messages", "has more messages than a committee has nodes"));
    }
    Ok(messages)
}

/// A message without a replication extends nothing, but it must carry a checkpoint all the same.
pub(super) fn replication(replication: Option<v1::Replication>) -> Result<Extension, ApiError> {
    let replication = replication.ok_or_else(|| invalid("replication", "is missing"))?;
    Ok(extension(replication))
}

pub(super) fn extension(replication: v1::Replication) -> Extension {
    let v1::Replication { from_index, entries, checkpoint, evidence } = replication;
    Extension { from_index, entries, checkpoint, evidence }
}

pub(super) fn sign_order(request: v1::SignPrepareRequest) -> Result<(Extension, SignOrder), ApiError> {
    let v1::SignPrepareRequest {
        replication: run,
        session_id,
        withdrawal_id,
        digest_index,
        signers,
        cosigned_checkpoint,
    } = request;
    if signers.len() > usize::from(MAX_PARTIES) {
        return Err(invalid("signers", "has more names than a committee has nodes"));
    }
    let signers = signers
        .into_iter()
        .map(|name| NodeId::new(name).map_err(|error| invalid("signers", error.to_string())))
        .collect::<Result<_, _>>()?;
    let order = SignOrder {
        session: session(&session_id)?,
        withdrawal: withdrawal(&withdrawal_id)?,
        digest_index,
        signers,
        cosigned_checkpoint,
    };
    Ok((replication(run)?, order))
}

/// Printable and bounded: it goes to this node's log.
pub(super) fn abort_reason(reason: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    reason.chars().take(ABORT_REASON_BYTES).map(printable).collect()
}

pub(super) fn tip(tip: TipRecord) -> v1::ReplicaTip {
    v1::ReplicaTip {
        tip_size: tip.size,
        root: tip.root.0.to_vec(),
        cosignature: tip.cosignature.map(String::into_bytes).unwrap_or_default(),
        time_ms: tip.cosigned_at_s.saturating_mul(1_000),
        ..v1::ReplicaTip::default()
    }
}

pub(super) fn outbound(messages: Vec<Outbound>) -> Vec<v1::Outbound> {
    let convert = |Outbound { to, bytes }| v1::Outbound { to_party: u32::from(to.get()), message: bytes };
    messages.into_iter().map(convert).collect()
}

pub(super) fn latch(delivered: &Delivered) -> v1::RefusalLatch {
    let (scope, id) = match delivered.scope() {
        LatchScope::Wallet(id) => ("wallet", id.to_string()),
        LatchScope::WhitelistEntry(id) => ("whitelist-entry", id.to_string()),
        LatchScope::Client(id) => ("client", id.to_string()),
        LatchScope::Listed { list, address } => ("screening-list", format!("{list}:{address}")),
    };
    v1::RefusalLatch {
        scope: scope.to_owned(),
        id,
        officer: delivered.officer.to_string(),
        statement_hash: delivered.digest.as_bytes().to_vec(),
        since_ms: delivered.since.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> v1::SignPrepareRequest {
        v1::SignPrepareRequest {
            replication: Some(v1::Replication::default()),
            session_id: vec![7; 32],
            withdrawal_id: format!("w-{}", "0".repeat(32)),
            digest_index: 0,
            signers: vec!["node-1".to_owned(), "node-2".to_owned()],
            ..v1::SignPrepareRequest::default()
        }
    }

    #[test]
    fn every_bad_field_of_an_order_is_refused() {
        sign_order(order()).unwrap();
        let bad = [
            v1::SignPrepareRequest { session_id: vec![7; 31], ..order() },
            v1::SignPrepareRequest { session_id: vec![0; 32], ..order() },
            v1::SignPrepareRequest { withdrawal_id: "w-1".to_owned(), ..order() },
            v1::SignPrepareRequest { withdrawal_id: format!("w-{}", "A".repeat(32)), ..order() },
            v1::SignPrepareRequest { signers: vec!["Node 1".to_owned()], ..order() },
            v1::SignPrepareRequest { signers: vec!["n".to_owned(); 17], ..order() },
            v1::SignPrepareRequest { replication: None, ..order() },
        ];
        for request in bad {
            let error = sign_order(request.clone()).unwrap_err();
            assert_eq!(
                (error.code(), error.reason()),
                (Code::InvalidArgument, "FIELD_INVALID"),
                "{request:?}"
            );
        }
    }

    #[test]
    fn rounds_outside_the_protocol_are_refused() {
        assert_eq!(round(4, Round(4)).unwrap(), Round(4));
        for number in [0, 5, 256, u32::MAX] {
            assert!(round(number, Round(4)).is_err(), "{number}");
        }
    }

    #[test]
    fn reason_of_an_abort_cannot_forge_a_log_line() {
        assert_eq!(abort_reason("node\n{\"level\":\"x\"}"), "node?{\"level\":\"x\"}");
        assert_eq!(abort_reason(&"x".repeat(1_000)).len(), ABORT_REASON_BYTES);
    }
}
