//! The layer around all services of a server: the access table before the handler, stable reasons after it.
//!
//! Must never call the service for a request that was not admitted.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use futures::{FutureExt, TryFutureExt, future};
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Layer, Service};

use super::AccessTable;
use crate::ERROR_DOMAIN;

const TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
/// How tonic begins its message about a request over the size limit.
const TOO_LARGE_BY_TONIC: &str = "Error, decoded message length too large";

/// Wraps services in [`Guarded`].
#[derive(Debug, Clone)]
pub(crate) struct AccessLayer {
    table: AccessTable,
}

impl AccessLayer {
    pub(crate) fn new(table: AccessTable) -> Self {
        Self { table }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;

    fn layer(&self, service: S) -> Self::Service {
        Guarded { table: self.table.clone(), service }
    }
}

/// A service behind the access table.
#[derive(Debug, Clone)]
pub(crate) struct Guarded<S> {
    table: AccessTable,
    service: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<
        Ready<Result<Response<Body>, S::Error>>,
        future::MapOk<S::Future, fn(Response<Body>) -> Response<Body>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let finish: fn(Response<Body>) -> Response<Body> = with_stable_reason;
        match self.table.admit(&mut request) {
            Ok(()) => self.service.call(request).map_ok(finish).right_future(),
            Err(status) => ready(Ok(status.into_http())).left_future(),
        }
    }
}

/// tonic answers a message over the limit with `OUT_OF_RANGE`; gRPC's code for it is `RESOURCE_EXHAUSTED`.
fn with_stable_reason(response: Response<Body>) -> Response<Body> {
    if !is_too_large(response.headers()) {
        return response;
    }
    tracing::warn!(code = TOO_LARGE, "refused");
    message_too_large().into_http()
}

fn is_too_large(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| {
        status.code() == Code::OutOfRange && status.message().starts_with(TOO_LARGE_BY_TONIC)
    })
}

fn message_too_large() -> Status {
    let details = ErrorDetails::with_error_info(TOO_LARGE, ERROR_DOMAIN, []);
    Status::with_error_details(Code::ResourceExhausted, "message is larger than this method accepts", details)
}
