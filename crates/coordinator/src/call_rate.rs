//! How often one client may call: a bucket of tokens for each, so that one that runs wild does not hurt the others.
//!
//! Clients and providers are programs and can run wild; people's tools are not limited. It must never remember more than one
//! small record for each identity, and none for one that has been quiet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_proto::ApiError;
use holdfast_transport::{PeerIdentity, Role, peer_identity};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::config::CallRate;

/// Parts of a token, so that no fraction is lost.
const PARTS: u64 = 1_000_000;
/// Records above which quiet ones are forgotten.
const REMEMBERED: usize = 1_024;

/// The buckets. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct CallRates {
    rate: CallRate,
    buckets: Arc<Mutex<HashMap<PeerIdentity, Bucket>>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    parts: u64,
    filled_at: Instant,
}

impl CallRates {
    pub(crate) fn new(rate: CallRate) -> Self {
        Self { rate, buckets: Arc::default() }
    }

    /// Takes a token of this peer; if there is none, how long until there is one.
    fn take(&self, peer: &PeerIdentity, now: Instant) -> Result<(), Duration> {
        let full = u64::from(self.rate.burst).saturating_mul(PARTS);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < full);
        }
        let known = buckets.get(peer).copied().unwrap_or(Bucket { parts: full, filled_at: now });
        let parts = self.filled(known, now);
        let left = parts.checked_sub(PARTS);
        buckets.insert(peer.clone(), Bucket { parts: left.unwrap_or(parts), filled_at: now });
        match left {
            Some(_) => Ok(()),
            None => Err(self.until(PARTS.saturating_sub(parts))),
        }
    }

    /// What is in a bucket by now: a token a second for each that is allowed, never more than the burst.
    fn filled(&self, bucket: Bucket, now: Instant) -> u64 {
        let passed = u64::try_from(now.saturating_duration_since(bucket.filled_at).as_micros());
        // A token has as many parts as a second has microseconds.
        let gained = passed.unwrap_or(u64::MAX).saturating_mul(self.rate.per_second.into());
        let full = u64::from(self.rate.burst).saturating_mul(PARTS);
        bucket.parts.saturating_add(gained).min(full)
    }

    fn until(&self, missing: u64) -> Duration {
        let micros = missing.div_ceil(u64::from(self.rate.per_second).max(1));
        Duration::from_micros(micros).max(Duration::from_millis(1))
    }
}

impl Interceptor for CallRates {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = peer_identity(&request)?;
        if !matches!(peer.role(), Role::Client | Role::Provider) {
            return Ok(request);
        }
        match self.take(peer, Instant::now()) {
            Ok(()) => Ok(request),
            Err(delay) => {
                metrics::counter!("holdfast_calls_limited_total", "peer" => peer.to_string()).increment(1);
                let message = "this client calls more often than it may: obey the delay";
                Err(ApiError::new("RATE_LIMITED", message).retry_after(delay).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_proto::{CallerAction, reason_of, retry_after};

    fn peer(name: &str) -> PeerIdentity {
        format!("spiffe://demo-1/client/{name}").parse().unwrap()
    }

    fn rates() -> CallRates {
        CallRates::new(CallRate { per_second: 10, burst: 5 })
    }

    #[test]
    fn exhausted_client_waits_and_others_do_not() {
        // Given a client that uses its burst up
        let (rates, now) = (rates(), Instant::now());
        (0..5).for_each(|_| rates.take(&peer("wild"), now).unwrap());
        // Then it is told how long to wait, however often it asks
        for _ in 0..1_000 {
            assert_eq!(rates.take(&peer("wild"), now), Err(Duration::from_millis(100)));
        }
        // And another one does not notice
        (0..5).for_each(|_| rates.take(&peer("calm"), now).unwrap());
        // And after that time it may call once, no more
        let later = now + Duration::from_millis(100);
        rates.take(&peer("wild"), later).unwrap();
        assert!(rates.take(&peer("wild"), later).is_err());
    }

    #[test]
    fn nothing_is_saved_up_beyond_the_burst() {
        let (rates, now) = (rates(), Instant::now());
        rates.take(&peer("a"), now).unwrap();
        let later = now + Duration::from_secs(86_400);
        let taken = (0..100).filter(|_| rates.take(&peer("a"), later).is_ok()).count();
        assert_eq!(taken, 5);
        // A clock that stands still or goes back gives nothing.
        assert!(rates.take(&peer("a"), now).is_err());
    }

    #[test]
    fn quiet_peers_are_forgotten() {
        let (rates, now) = (rates(), Instant::now());
        for number in 0..5_000_u64 {
            let at = now + Duration::from_secs(number);
            rates.take(&peer(&format!("client-{number}")), at).unwrap();
        }
        assert!(rates.buckets.lock().unwrap().len() <= REMEMBERED);
    }

    #[test]
    fn people_are_not_limited_and_programs_are_told_what_to_do() {
        let mut rates = CallRates::new(CallRate { per_second: 1, burst: 1 });
        let mut call = |role: &str| rates.call(crate::testing::called_by(role, "x", ()));
        (0..10).for_each(|_| drop(call("officer").unwrap()));
        call("client").unwrap();
        let limited = call("client").unwrap_err();
        assert_eq!(reason_of(&limited).as_deref(), Some("RATE_LIMITED"));
        assert_eq!(CallerAction::of(&limited), CallerAction::RetrySameKey);
        assert!(retry_after(&limited).unwrap() <= Duration::from_secs(1));
        call("provider").unwrap();
    }
}
