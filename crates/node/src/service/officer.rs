//! What officers call, without the coordinator.
//!
//! Owns the paging of statements. Whoever connects with an officer's certificate may call; only a statement's own
//! signature decides whether it acts.

use std::sync::Arc;

use holdfast_proto::ApiError;
use holdfast_proto::limits::{DEFAULT_PAGE_SIZE, MESSAGE_BYTES, PAGE_SIZE, PAGE_TOKEN_BYTES};
use holdfast_proto::v1;
use holdfast_proto::v1::officer_service_server::OfficerService;
use tonic::{Code, Request, Response, Status};

use super::{Room, to_the_end};
use crate::latches::{DeliverRefusal, StatementRecord};
use crate::node::Node;
use crate::status;

/// What a page's statements may take of a message, leaving room for the message itself.
const PAGE_BYTES: usize = MESSAGE_BYTES / 4 * 3;

/// Calls that run at a time: of their own, so that no coordinator takes the officers' place.
const CALLS: usize = 8;

/// `holdfast.v1.OfficerService`.
#[derive(Clone, Debug)]
pub(crate) struct OfficerApi {
    node: Arc<Node>,
    room: Room,
}

impl OfficerApi {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { room: Room::at(&node, CALLS), node }
    }
}

#[tonic::async_trait]
impl OfficerService for OfficerApi {
    async fn deliver(
        &self,
        request: Request<v1::DeliverRequest>,
    ) -> Result<Response<v1::DeliverResponse>, Status> {
        let node = Arc::clone(&self.node);
        let envelope = request.into_inner().envelope;
        to_the_end(&self.room, async move {
            let delivered = node.latches.deliver(&node.replica, &envelope).await;
            let receipt_envelope = delivered.map_err(|refusal| {
                node.incidents.record(node.now(), refusal.code(), "statement", &refusal);
                status::of_delivery(&refusal)
            })?;
            Ok(v1::DeliverResponse { receipt_envelope })
        })
        .await
    }

    async fn statements(
        &self,
        request: Request<v1::StatementsRequest>,
    ) -> Result<Response<v1::StatementsResponse>, Status> {
        let node = Arc::clone(&self.node);
        let v1::StatementsRequest { page_size, page_token } = request.into_inner();
        let (from, limit) = (first_of(&page_token)?, size_of(page_size)?);
        to_the_end(&self.room, async move {
            let page = node.latches.page(from, limit).await;
            let (records, next) = page.map_err(|refusal| status::of_delivery(&refusal))?;
            // After the statements were read: whatever they did to the log is in what this note covers.
            let note = node.replica.note();
            let checkpoint = note.map_err(|error| status::of_delivery(&DeliverRefusal::Store(error)))?;
            Ok(v1::StatementsResponse { checkpoint, ..bounded_page(records, next) })
        })
        .await
    }
}

fn size_of(page_size: u32) -> Result<usize, ApiError> {
    let size = if page_size == 0 { DEFAULT_PAGE_SIZE } else { page_size };
    if size > PAGE_SIZE {
        let problem = format!("must be at most {PAGE_SIZE}");
        return Err(field_invalid("page_size", &problem));
    }
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

fn first_of(page_token: &str) -> Result<u64, ApiError> {
    if page_token.is_empty() {
        return Ok(0);
    }
    let bounded = Some(page_token).filter(|token| token.len() <= PAGE_TOKEN_BYTES);
    let from = bounded.and_then(|token| token.parse().ok());
    from.ok_or_else(|| field_invalid("page_token", "must be the `next_page_token` of an earlier page"))
}

/// As many records as fit a message, at least one; `next` is where the page after all of them starts.
fn bounded_page(records: Vec<(u64, StatementRecord)>, next: Option<u64>) -> v1::StatementsResponse {
    let mut room = PAGE_BYTES;
    let mut next = next;
    let mut statements = Vec::new();
    for (sequence, record) in records {
        let size = record.envelope.len().saturating_add(record.receipt.len());
        match room.checked_sub(size) {
            Some(left) => room = left,
            None if statements.is_empty() => room = 0,
            None => {
                next = Some(sequence);
                break;
            }
        }
        statements.push(v1::DeliveredStatement {
            envelope: record.envelope.into_bytes(),
            receipt_envelope: record.receipt.into_bytes(),
            lifted: record.lifted,
        });
    }
    v1::StatementsResponse {
        statements,
        next_page_token: next.map(|sequence| sequence.to_string()).unwrap_or_default(),
        ..v1::StatementsResponse::default()
    }
}

fn field_invalid(field: &'static str, problem: &str) -> ApiError {
    ApiError::with_code(Code::InvalidArgument, "FIELD_INVALID", format!("`{field}` {problem}"))
        .field(field, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_and_sizes_out_of_range_are_refused() {
        assert_eq!((first_of("").unwrap(), first_of("17").unwrap(), size_of(0).unwrap()), (0, 17, 50));
        for token in ["x", "-1", "18446744073709551616", &"1".repeat(200)] {
            assert_eq!(first_of(token).unwrap_err().code(), Code::InvalidArgument, "{token}");
        }
        assert_eq!(size_of(101).unwrap_err().code(), Code::InvalidArgument);
    }
}
