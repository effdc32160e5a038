//! How long a call may take: the caller's `grpc-timeout`, and the bound of `wait_ms`.

use std::time::Duration;

use holdfast_proto::convert::FieldError;
use holdfast_proto::limits::{CALL_MS, WAIT_MS};
use tonic::Request;

use crate::status::RequestError;

/// Left over for the answer when the caller's time is about to run out.
const TO_ANSWER: Duration = Duration::from_millis(200);

/// How long a call may wait for something to happen before it answers.
pub(super) fn wait<T>(request: &Request<T>, wait_ms: u32) -> Result<Duration, RequestError> {
    if wait_ms > WAIT_MS {
        return Err(FieldError::new("wait_ms", format!("must be at most {WAIT_MS}")).into());
    }
    Ok(Duration::from_millis(wait_ms.into()).min(left(request).saturating_sub(TO_ANSWER)))
}

/// How much time the caller gives, at most as much as the server gives itself.
fn left<T>(request: &Request<T>) -> Duration {
    let server = Duration::from_millis(CALL_MS);
    let header = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
    header.and_then(parse).map_or(server, |caller| caller.min(server))
}

/// At most eight digits and a unit, as gRPC writes it.
fn parse(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(value.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(timeout: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
        request
    }

    #[test]
    fn wait_ends_before_the_callers_deadline() {
        assert_eq!(wait(&Request::new(()), 30_000).unwrap(), Duration::from_secs(30));
        assert_eq!(wait(&request("2S"), 30_000).unwrap(), Duration::from_millis(1_800));
        assert_eq!(wait(&request("100m"), 30_000).unwrap(), Duration::ZERO);
        assert_eq!(wait(&request("5S"), 1_000).unwrap(), Duration::from_secs(1));
    }

    #[test]
    fn wait_beyond_the_limit_names_its_field() {
        let Err(RequestError::Field(error)) = wait(&Request::new(()), WAIT_MS + 1) else {
            panic!("accepted")
        };
        assert_eq!(error.field, "wait_ms");
    }

    #[test]
    fn malformed_timeouts_count_as_none() {
        for header in ["", "S", "1", "-1S", "123456789S", "1s", "1.5S", "\u{e9}"] {
            assert_eq!(parse(header), None, "{header:?}");
        }
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
    }
}
