//! The clock, and waiting with an end.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "tests speak to programs that read the real clock")]
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none within `limit`; `what` says what was waited for, with what was seen last.
pub async fn eventually<T, E, F, A>(what: &str, limit: Duration, mut attempt: A) -> T
where
    E: Debug,
    F: Future<Output = Result<T, E>>,
    A: FnMut() -> F,
{
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(started.elapsed() < limit, "{what}: not within {limit:?}; seen last: {seen:?}")
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
