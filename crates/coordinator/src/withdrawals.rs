//! Withdrawals from their transaction to their signature: one driver for each that the policy allowed.
//!
//! [`Driver::sign_once`] is the withdrawal path, step by step. A driver holds no share and decides nothing: the state
//! machine authorizes, every node checks everything again, and the result is verified with plain k256 before it counts.
//! A driver can be stopped anywhere: what it does next follows from the log alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_ledger::{WithdrawalId, WithdrawalState};
use holdfast_policy::NodeId;
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

use crate::coordinator::Coordinator;
use crate::log_book::{LogFailed, Subject};
use crate::nodes::{Spoilt, Suspicion};

mod attempt;
mod authorize;
mod failure;
mod signers;
mod unanswered;

use attempt::Attempt;
use failure::{Failure, Next};
use unanswered::Unanswered;

/// Attempts in progress at the same time; each node bounds its own, too.
const ATTEMPTS: usize = 32;

/// How soon it is noticed that time released a withdrawal or a provider answered.
const HELD_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Starts a driver for every withdrawal that needs one. Shared.
#[derive(Debug)]
pub(crate) struct Withdrawals {
    parts: Coordinator,
    attempts: Arc<Semaphore>,
    // A driver that is told to look again does so before it ends, so that no change is missed.
    drivers: Mutex<BTreeMap<WithdrawalId, LookAgain>>,
    unanswered: Unanswered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LookAgain(bool);

impl Withdrawals {
    pub(crate) fn new(parts: Coordinator) -> Arc<Self> {
        Arc::new(Self {
            parts,
            attempts: Arc::new(Semaphore::new(ATTEMPTS)),
            drivers: Mutex::default(),
            unanswered: Unanswered::default(),
        })
    }

    /// Follows the log and drives what it allows, beginning with everything that was open before, until `stop` turns true.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tip = self.parts.book.tip();
        let Ok(mut seen) = self.start_open().await else { return };
        let mut clock = tokio::time::interval(HELD_LOOKED_AT_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ticked = tokio::select! {
                changed = tip.changed() => if changed.is_err() { return } else { false },
                _ = stop.wait_for(|stop| *stop) => return,
                _ = clock.tick() => true,
            };
            let next = if ticked { self.look_at_held(seen).await } else { self.start_changed(seen).await };
            match next {
                Ok(size) => seen = size,
                Err(LogFailed) => return,
            }
        }
    }

    async fn start_open(self: &Arc<Self>) -> Result<u64, LogFailed> {
        let reader = self.parts.book.read().await?;
        let open = reader.index().open().iter().filter(|(_, state)| is_signable(**state)).map(|(id, _)| *id);
        let (open, size): (Vec<_>, u64) = (open.collect(), reader.size());
        drop(reader);
        open.into_iter().for_each(|id| self.start(id));
        Ok(size)
    }

    /// What time released says so by no entry; and who was silent is asked again.
    async fn look_at_held(self: &Arc<Self>, seen: u64) -> Result<u64, LogFailed> {
        let reader = self.parts.book.read().await?;
        let (state, now) = (reader.state(), self.parts.clock.now());
        let held = || {
            let open = reader.index().open().iter();
            open.filter(|(_, state)| **state == WithdrawalState::Held).map(|(id, _)| id)
        };
        let released: Vec<WithdrawalId> =
            held().filter(|id| unanswered::goes_on(state, id, now)).copied().collect();
        let silent = unanswered::destinations(state, held().filter_map(|id| state.withdrawal(id)), now);
        drop(reader);
        self.unanswered.ask(&self.parts, &silent);
        // What is parked waits for the log to change it, as ever.
        let idle =
            |id: &WithdrawalId| !self.lock().contains_key(id) && self.parts.progress.withdrawal(id).is_none();
        released.into_iter().filter(idle).for_each(|id| self.start(id));
        Ok(seen)
    }

    async fn start_changed(self: &Arc<Self>, seen: u64) -> Result<u64, LogFailed> {
        let reader = self.parts.book.read().await?;
        let size = reader.size();
        let changed: BTreeSet<WithdrawalId> = (seen..size)
            .filter_map(|index| match reader.index().subject(index)? {
                Subject::Withdrawal(id) => Some(id),
                Subject::Ceremony(_) | Subject::Other => None,
            })
            // A driver that runs looks at the state by itself; none is needed for what cannot be signed.
            .filter(|id| reader.index().open().get(id).is_some_and(|state| is_signable(*state)))
            .collect();
        drop(reader);
        changed.into_iter().for_each(|id| self.start(id));
        Ok(size)
    }

    fn start(self: &Arc<Self>, id: WithdrawalId) {
        if let Some(again) = self.lock().get_mut(&id) {
            *again = LookAgain(true);
            return;
        }
        self.lock().insert(id, LookAgain(false));
        let driver = Driver { id, parts: self.parts.clone(), attempts: Arc::clone(&self.attempts) };
        let drivers = Arc::clone(self);
        let span = tracing::info_span!("withdrawal", trace_id = %id);
        tokio::spawn(
            async move {
                loop {
                    driver.drive().await;
                    if drivers.is_done(&id) {
                        return;
                    }
                }
            }
            .instrument(span),
        );
    }

    fn is_done(&self, id: &WithdrawalId) -> bool {
        let mut drivers = self.lock();
        match drivers.get_mut(id) {
            Some(again) if again.0 => {
                *again = LookAgain(false);
                false
            }
            Some(_) | None => {
                drivers.remove(id);
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WithdrawalId, LookAgain>> {
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_signable(state: WithdrawalState) -> bool {
    matches!(state, WithdrawalState::Bound | WithdrawalState::Authorized)
}

/// Drives one withdrawal.
#[derive(Debug)]
struct Driver {
    id: WithdrawalId,
    parts: Coordinator,
    attempts: Arc<Semaphore>,
}

/// What earlier attempts taught.
#[derive(Debug, Default)]
struct Lessons {
    suspicion: Suspicion,
    // The signers of the last attempt, if it came to one.
    signers: BTreeSet<NodeId>,
    begun: Option<Instant>,
    failures: u32,
    renew: bool,
}

impl Driver {
    /// Attempts until the withdrawal is signed, or nothing more can be done until the log changes it.
    async fn drive(&self) {
        let mut lessons = Lessons::default();
        loop {
            let failure = match self.sign_once(&mut lessons).await {
                Ok(()) | Err(Failure::Ended) => break,
                Err(failure) => failure,
            };
            metrics::counter!("holdfast_sign_attempts_total", "result" => failure.label()).increment(1);
            tracing::info!(failure = %failure, code = failure.code(), "no signature yet");
            let next = failure.next(&lessons);
            if let Some(spoilt) = lessons.learn(failure) {
                self.parts.nodes.remember(&lessons.signers, &spoilt);
            }
            match next {
                Next::End => break,
                Next::Park(waiting) => return self.parts.progress.set_withdrawal(self.id, Some(waiting)),
                Next::Again { waiting, pause } => {
                    self.parts.progress.set_withdrawal(self.id, waiting);
                    tokio::time::sleep(pause).await;
                }
            }
        }
        self.parts.progress.set_withdrawal(self.id, None);
    }

    /// The withdrawal path.
    async fn sign_once(&self, lessons: &mut Lessons) -> Result<(), Failure> {
        lessons.signers.clear();
        lessons.begun = None;
        let order = self.open_order().await?;
        self.enough_nodes(&order, lessons).await?;
        let _attempt = self.attempts.acquire().await.map_err(|_| Failure::Ended)?;
        let order = self.authorized(order, lessons.renew).await?;
        let signers = self.signers(&order, lessons).await?;
        lessons.signers.extend(signers.iter().cloned());
        let checkpoint = self.sufficient_checkpoint(&order).await?;
        let attempt = Attempt::open(&self.parts, order, signers, checkpoint);
        lessons.begun = Some(Instant::now());
        let opened = attempt.prepare().await?;
        let scalars = attempt.rounds(opened).await?;
        let signature = attempt.verified(scalars)?;
        self.log_signature(attempt.order(), signature, attempt.signers()).await
    }
}

impl Lessons {
    /// Returns what other withdrawals can learn from it, too.
    fn learn(&mut self, failure: Failure) -> Option<Spoilt> {
        self.failures = self.failures.saturating_add(1);
        self.renew = failure.wants_renewal() || (self.renew && failure.keeps_renewal());
        let spoilt = failure.spoilt().filter(|_| !self.signers.is_empty())?;
        self.suspicion.learn(&self.signers, &spoilt);
        let took = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        failure.is_worth_remembering(took).then_some(spoilt)
    }
}

#[cfg(test)]
mod tests;
