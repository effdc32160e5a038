//! The safety database: which digests a withdrawal is bound to, which withdrawals this node swore off, and which sessions
//! were used.
//!
//! Owns the one decision that may never be taken twice differently. It must never let a message of a signing session
//! exist before the binding is on disk: [`BoundDigest`] is the only key to a session, and only [`Guard::bind`] makes one.
//! And it must never let a withdrawal be sworn off whose last message may have left, or the other way round.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_chains::Digest;
use holdfast_ledger::{AuthorizedWithdrawal, Tombstonable, WithdrawalId};
use holdfast_store::{Batch, CommitError, StoreError, StoreHandle};
use holdfast_threshold::SessionId;
use serde::{Deserialize, Serialize};

use crate::tables::{BINDINGS, SESSIONS};

const FORMAT: u32 = 1;
const SWORN_FORMAT: u32 = 2;
/// Withdrawals whose state in this run is remembered; beyond that they count as released, which only refuses oaths.
const MAX_REMEMBERED: usize = 65_536;
/// Another contender can get in between reading and writing once; after that the record is there to stay.
const ATTEMPTS: usize = 3;

/// Binds withdrawals to digests, durably and for ever.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    store: StoreHandle,
    // What is not here and bound on disk was bound in an earlier run, or released: its last message may have left.
    this_run: Arc<Mutex<BTreeMap<WithdrawalId, ThisRun>>>,
}

/// What this run of the program did with a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ThisRun {
    /// Bound it for the first time, and released no last message since.
    Unreleased,
    /// Swears, or swore, never to sign it.
    Swearing,
}

/// Proof that a permitted digest is bound on disk, and that its session id was never used before.
#[derive(Debug)]
pub(crate) struct BoundDigest {
    permit: AuthorizedWithdrawal,
    session: SessionId,
}

/// Why nothing may be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardRefusal {
    /// The withdrawal was bound to other digests before.
    #[error("withdrawal `{withdrawal}` is bound to other digests for ever")]
    BoundToOtherDigests { withdrawal: WithdrawalId },
    /// The session id was used before.
    #[error("session `{session}` was used before: start a new one")]
    SessionReused { session: SessionId },
    /// The record of the binding does not read.
    #[error("the binding of withdrawal `{withdrawal}` is unreadable: restore this node's store")]
    Unreadable { withdrawal: WithdrawalId },
    /// Contenders kept changing the record.
    #[error("withdrawal `{withdrawal}` is being bound by others: try again")]
    Contended { withdrawal: WithdrawalId },
    /// This node swore never to sign it.
    #[error("this node swore never to sign withdrawal `{withdrawal}`")]
    SwornOff { withdrawal: WithdrawalId },
    /// Its last message may have left: nothing can be sworn any more.
    #[error(
        "this node may have released its last message for withdrawal `{withdrawal}`: it cannot swear it off"
    )]
    MayBeReleased { withdrawal: WithdrawalId },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The stored form of an oath, in the place of a binding: what was bound before does not matter any more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OathRecord {
    format: u32,
    sworn_off: bool,
}

/// The stored form of a binding, version 1.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingRecord {
    format: u32,
    digests: Vec<Digest>,
}

impl Guard {
    pub(crate) fn new(store: StoreHandle) -> Self {
        Self { store, this_run: Arc::default() }
    }

    /// The same memory over another store of the same content.
    #[cfg(test)]
    pub(crate) fn copied(&self, store: StoreHandle) -> Self {
        Self { store, this_run: Arc::new(Mutex::new(self.this_run().clone())) }
    }

    /// What only memory knows.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> String {
        format!("{:?}", self.this_run())
    }

    /// Binds the withdrawal to its digests and uses the session id up, in one durable transaction.
    ///
    /// Binding to the same digests again is the ordinary case of another attempt.
    // INVARIANT (G5): check and insert are one transaction, and it is on disk before this returns; of any number of
    // contenders with different digests, for one withdrawal, at most one ever gets a proof.
    pub(crate) async fn bind(
        &self,
        permit: AuthorizedWithdrawal,
        session: SessionId,
    ) -> Result<BoundDigest, GuardRefusal> {
        self.check_and_insert(permit.withdrawal(), permit.digests(), session).await?;
        Ok(BoundDigest { permit, session })
    }

    async fn check_and_insert(
        &self,
        withdrawal: WithdrawalId,
        digests: &[Digest],
        session: SessionId,
    ) -> Result<(), GuardRefusal> {
        let key = withdrawal.to_string();
        for _ in 0..ATTEMPTS {
            let batch = match self.look_up(withdrawal, &key)? {
                Some(found) => {
                    check_same(withdrawal, &found, digests)?;
                    Batch::new().expect_equals(BINDINGS, key.as_str(), found)
                }
                None => {
                    let record = BindingRecord { format: FORMAT, digests: digests.to_vec() };
                    let record =
                        serde_json::to_vec(&record).map_err(|_| GuardRefusal::Unreadable { withdrawal })?;
                    Batch::new().expect_absent(BINDINGS, key.as_str()).put(BINDINGS, key.as_str(), record)
                }
            };
            match self.store.commit(use_up(batch, session, &key)).await {
                Ok(()) => return Ok(()),
                Err(CommitError::ExpectationFailed { table, .. }) if table == SESSIONS => {
                    return Err(GuardRefusal::SessionReused { session });
                }
                Err(CommitError::ExpectationFailed { .. }) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(GuardRefusal::Contended { withdrawal })
    }

    /// To be asked before the last message of a session is made: from here on the withdrawal cannot be sworn off.
    // INVARIANT (G5): this and `swear` decide under one lock which of the two happens; no disk is waited for here.
    pub(crate) fn release(&self, withdrawal: WithdrawalId) -> Result<(), GuardRefusal> {
        let mut this_run = self.this_run();
        match this_run.get(&withdrawal) {
            Some(ThisRun::Swearing) => Err(GuardRefusal::SwornOff { withdrawal }),
            Some(ThisRun::Unreleased) => {
                this_run.remove(&withdrawal);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Swears the withdrawal off, durably and for ever. Swearing again is no harm.
    ///
    /// A failure leaves it neither signed nor sworn off by this run of the program.
    // INVARIANT (G5): refused unless no last message can have left: the withdrawal was never bound here, or it was bound
    // in this run and `release` was not asked. After a restart a binding counts as released.
    pub(crate) async fn swear(&self, permission: &Tombstonable) -> Result<(), GuardRefusal> {
        self.swear_off(permission.withdrawal()).await
    }

    async fn swear_off(&self, withdrawal: WithdrawalId) -> Result<(), GuardRefusal> {
        let key = withdrawal.to_string();
        let oath = serde_json::to_vec(&OathRecord { format: SWORN_FORMAT, sworn_off: true })
            .map_err(|_| GuardRefusal::Unreadable { withdrawal })?;
        for _ in 0..ATTEMPTS {
            let found = self.begin_to_swear(withdrawal, &key)?;
            if found.as_deref().is_some_and(is_oath) {
                return Ok(());
            }
            let batch = match found {
                Some(found) => Batch::new().expect_equals(BINDINGS, key.as_str(), found),
                None => Batch::new().expect_absent(BINDINGS, key.as_str()),
            };
            match self.store.commit(batch.put(BINDINGS, key.as_str(), oath.clone())).await {
                Ok(()) => return Ok(()),
                Err(CommitError::ExpectationFailed { .. }) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        Err(GuardRefusal::Contended { withdrawal })
    }

    /// What is on disk about a withdrawal. If nothing is, this run is the first to bind it.
    // INVARIANT (G5): read under the lock. Whoever released a message had it bound on disk before, so what is absent here
    // was not released, and what is released later finds this mark.
    fn look_up(&self, withdrawal: WithdrawalId, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut this_run = self.this_run();
        let found = self.store.read(BINDINGS, key.as_bytes())?;
        if found.is_none() {
            if this_run.len() >= MAX_REMEMBERED {
                this_run.retain(|_, state| *state == ThisRun::Swearing);
            }
            this_run.entry(withdrawal).or_insert(ThisRun::Unreleased);
        }
        Ok(found)
    }

    /// The same for an oath: from here on no last message leaves, unless one may have left already.
    fn begin_to_swear(&self, withdrawal: WithdrawalId, key: &str) -> Result<Option<Vec<u8>>, GuardRefusal> {
        let mut this_run = self.this_run();
        let found = self.store.read(BINDINGS, key.as_bytes())?;
        let bound = found.as_deref().is_some_and(|found| !is_oath(found));
        if bound && !this_run.contains_key(&withdrawal) {
            return Err(GuardRefusal::MayBeReleased { withdrawal });
        }
        this_run.insert(withdrawal, ThisRun::Swearing);
        Ok(found)
    }

    fn this_run(&self) -> MutexGuard<'_, BTreeMap<WithdrawalId, ThisRun>> {
        self.this_run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a batch that the session id is used up by it, for what; the batch fails if it was used before.
pub(crate) fn use_up(batch: Batch, session: SessionId, purpose: &str) -> Batch {
    batch.expect_absent(SESSIONS, session.0).put(SESSIONS, session.0, purpose)
}

fn is_oath(found: &[u8]) -> bool {
    let record = serde_json::from_slice::<OathRecord>(found);
    record.is_ok_and(|record| record.format == SWORN_FORMAT && record.sworn_off)
}

fn check_same(withdrawal: WithdrawalId, found: &[u8], digests: &[Digest]) -> Result<(), GuardRefusal> {
    if is_oath(found) {
        return Err(GuardRefusal::SwornOff { withdrawal });
    }
    let unreadable = GuardRefusal::Unreadable { withdrawal };
    let Ok(record) = serde_json::from_slice::<BindingRecord>(found) else { return Err(unreadable) };
    if record.format != FORMAT {
        return Err(unreadable);
    }
    if record.digests != digests {
        return Err(GuardRefusal::BoundToOtherDigests { withdrawal });
    }
    Ok(())
}

impl BoundDigest {
    /// What the log permits.
    pub(crate) fn permit(&self) -> &AuthorizedWithdrawal {
        &self.permit
    }

    /// The session that was used up for it.
    pub(crate) fn session(&self) -> SessionId {
        self.session
    }
}

impl GuardRefusal {
    /// The stable reason code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::BoundToOtherDigests { .. } => "BOUND_TO_OTHER_DIGESTS",
            Self::SessionReused { .. } => "SESSION_REUSED",
            Self::Unreadable { .. } => "BINDING_UNREADABLE",
            Self::Contended { .. } => "BINDING_CONTENDED",
            Self::SwornOff { .. } => "SWORN_OFF",
            Self::MayBeReleased { .. } => "TOMBSTONE_REFUSED",
            Self::Store(_) => "STORE_FAILED",
        }
    }
}

#[cfg(test)]
mod tests;
