//! What is held because a risk provider was silent, and for nothing else: the provider is asked again until it answers.
//!
//! Bounded: a few destinations every few seconds, one after the other, and a provider that fails is left alone by its breaker. It decides
//! nothing: what the provider says goes to the log, and the state machine decides again when the authorization is asked for.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_chains::{Address, ChainId};
use holdfast_ledger::{State, Withdrawal, WithdrawalId};
use holdfast_policy::TimestampMs;
use tokio::sync::Mutex as Turn;

use crate::coordinator::Coordinator;

/// Destinations in one go.
const AT_ONCE: usize = 4;
/// From one go to the next: a short outage is not made longer by opening the breaker.
const EVERY: Duration = Duration::from_secs(5);

type Destination = (ChainId, Address);

/// Whose turn it is; locked while providers are being asked.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Arc<Turn<Round>>);

#[derive(Debug, Default)]
struct Round {
    /// It goes on after this one.
    after: Option<Destination>,
    begun: Option<Instant>,
}

/// Where the withdrawals pay that wait for a provider at this time.
pub(super) fn destinations<'a>(
    state: &State,
    held: impl Iterator<Item = &'a Withdrawal>,
    now: TimestampMs,
) -> BTreeSet<Destination> {
    let silent = held.filter(|held| state.waits_for_providers(held, now) && !state.is_answered(held, now));
    silent.map(|held| (held.request.chain_id, held.request.destination)).collect()
}

impl Unanswered {
    /// Asks about the next few of them, unless somebody still waits for the answers about others.
    pub(super) fn ask(&self, parts: &Coordinator, waiting: &BTreeSet<Destination>) {
        if waiting.is_empty() {
            return;
        }
        let Ok(mut round) = Arc::clone(&self.0).try_lock_owned() else { return };
        if round.begun.is_some_and(|begun| begun.elapsed() < EVERY) {
            return;
        }
        round.begun = Some(Instant::now());
        let (next, parts) = (next(round.after, waiting), parts.clone());
        tokio::spawn(async move {
            for (chain_id, destination) in next {
                parts.ask_about(chain_id, destination).await;
                round.after = Some((chain_id, destination));
            }
        });
    }
}

/// The next few after the last one that was asked about, round and round.
fn next(after: Option<Destination>, waiting: &BTreeSet<Destination>) -> Vec<Destination> {
    let Some(after) = after else { return waiting.iter().take(AT_ONCE).copied().collect() };
    let later = waiting.range((Bound::Excluded(after), Bound::Unbounded));
    later.chain(waiting.range(..=after)).take(AT_ONCE).copied().collect()
}

/// Whether a held withdrawal goes on by itself now: time released it, or the providers that it waited for have spoken.
pub(super) fn goes_on(state: &State, id: &WithdrawalId, now: TimestampMs) -> bool {
    let withdrawal = state.withdrawal(id).filter(|found| found.transaction.is_some());
    withdrawal
        .is_some_and(|found| found.released_at().is_some_and(|at| now >= at) || state.is_answered(found, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(number: u8) -> Destination {
        (ChainId(1), Address::from_bytes([number; 20]))
    }

    #[test]
    fn everybody_has_a_turn_and_few_are_asked_at_once() {
        let waiting: BTreeSet<Destination> = (1..=10).map(destination).collect();
        let (mut after, mut asked) = (None, BTreeSet::new());
        for _ in 0..3 {
            let now = next(after, &waiting);
            assert_eq!(now.len(), AT_ONCE);
            after = now.last().copied();
            asked.extend(now);
        }
        assert_eq!(asked, waiting);
        // One that is gone meanwhile is no obstacle
        let left: BTreeSet<Destination> = [2, 5].map(destination).into();
        assert_eq!(next(Some(destination(4)), &left), [5, 2].map(destination));
    }
}
