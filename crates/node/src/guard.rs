//! The safety database: which digests a withdrawal is bound to, and which sessions were used.
//!
//! Owns the one decision that may never be taken twice differently. It must never let a message of a signing session
//! exist before the binding is on disk: [`BoundDigest`] is the only key to a session, and only [`Guard::bind`] makes one.

use holdfast_chains::Digest;
use holdfast_ledger::{AuthorizedWithdrawal, WithdrawalId};
use holdfast_store::{Batch, CommitError, StoreError, StoreHandle};
use holdfast_threshold::SessionId;
use serde::{Deserialize, Serialize};

use crate::tables::{BINDINGS, SESSIONS};

const FORMAT: u32 = 1;
/// Another contender can get in between reading and writing once; after that the record is there to stay.
const ATTEMPTS: usize = 3;

/// Binds withdrawals to digests, durably and for ever.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    store: StoreHandle,
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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        Self { store }
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
            let batch = match self.store.read(BINDINGS, key.as_bytes())? {
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
}

/// Adds to a batch that the session id is used up by it, for what; the batch fails if it was used before.
pub(crate) fn use_up(batch: Batch, session: SessionId, purpose: &str) -> Batch {
    batch.expect_absent(SESSIONS, session.0).put(SESSIONS, session.0, purpose)
}

fn check_same(withdrawal: WithdrawalId, found: &[u8], digests: &[Digest]) -> Result<(), GuardRefusal> {
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
            Self::Store(_) => "STORE_FAILED",
        }
    }
}

#[cfg(test)]
mod tests;
