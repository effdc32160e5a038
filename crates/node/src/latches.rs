//! The officers' direct path: statements that stop this node without anybody else's help.
//!
//! Owns the latches and the receipts for them. It must never give a receipt before the latch is on disk, and never let a
//! signing message leave while a latch that covers it is being set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use holdfast_ledger::{
    Act, LatchScope, PauseReceipt, Rejection, State, Statement, StatementDigest, WithdrawalId, latch_of,
    verify_act,
};
use holdfast_log::{Envelope, PayloadType};
use holdfast_policy::{OfficerId, TimestampMs, WalletId};
use holdfast_store::{Batch, StoreError, StoreHandle};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::clock::Clock;
use crate::identity::Identity;
use crate::replica::DurableReplica;
use crate::tables::{self, STATEMENTS};

mod record;
mod refusal;
mod subject;

pub(crate) use record::StatementRecord;
pub(crate) use refusal::{DeliverRefusal, Latched};

use subject::{Logged, Subject, check_words};

/// Latches that one officer may have set at a time: enough for an emergency, too few to fill a disk.
const MAX_LATCHES_PER_OFFICER: usize = 64;
/// Statements offered for the log at a time: the coordinator looks at no more.
const MAX_OFFERED: usize = 64;
/// Statements kept; the oldest lifted ones make room.
const MAX_STATEMENTS: usize = 4_096;

const RECEIPT_TYPE: PayloadType = PayloadType::from_static(PauseReceipt::PAYLOAD_TYPE);

/// The latches of this node.
pub(crate) struct Latches {
    store: StoreHandle,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    // Lock order: this one before the replica's, everywhere.
    table: RwLock<LatchTable>,
}

/// What was delivered, by sequence; envelopes and receipts stay in the store.
#[derive(Clone, Debug, Default)]
struct LatchTable {
    delivered: BTreeMap<u64, Delivered>,
    by_digest: BTreeMap<StatementDigest, u64>,
}

/// A delivered statement, as far as it matters for refusing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// SHA-256 of the statement.
    pub(crate) digest: StatementDigest,
    /// What it stops.
    subject: Subject,
    /// Who made it.
    pub(crate) officer: OfficerId,
    /// Since when, by this node's clock.
    pub(crate) since: TimestampMs,
    /// Whether the log's rules have taken over.
    pub(crate) lifted: bool,
}

/// The right to let signing messages leave: while it is held, no latch is being set.
#[derive(Debug)]
pub(crate) struct ReleaseGate<'a> {
    table: RwLockReadGuard<'a, LatchTable>,
}

impl Latches {
    /// Loads what was delivered before; what `state`, which is on disk, has not taken over is in force. Blocks.
    pub(crate) fn load(
        store: StoreHandle,
        identity: Arc<Identity>,
        clock: Arc<dyn Clock>,
        state: &State,
    ) -> Result<Self, DeliverRefusal> {
        let mut table = LatchTable::default();
        let mut from = 0u64;
        loop {
            let page = store.scan(STATEMENTS, &from.to_be_bytes(), 256)?;
            let Some((last, _)) = page.last() else { break };
            from = sequence_of(last)?.saturating_add(1);
            for (key, value) in page {
                let record = StatementRecord::from_bytes(&value).ok_or(DeliverRefusal::Unreadable)?;
                let delivered = record.delivered().ok_or(DeliverRefusal::Unreadable)?;
                table.insert(sequence_of(&key)?, delivered);
            }
        }
        let astray = table.lifted_without(state);
        if !astray.is_empty() {
            tracing::error!(count = astray.len(), "latches lifted without the log: in force again");
            store.commit_blocking(rewritten(&store, &astray, false)?).map_err(tables::unconditional)?;
            table.mark(&astray, false);
        }
        Ok(Self { store, identity, clock, table: RwLock::new(table) })
    }

    /// The same memory over another store of the same content.
    #[cfg(test)]
    pub(crate) async fn copied(&self, store: StoreHandle) -> Self {
        let table = RwLock::new(self.table.read().await.clone());
        Self { store, identity: Arc::clone(&self.identity), clock: Arc::clone(&self.clock), table }
    }

    /// What memory holds.
    #[cfg(test)]
    pub(crate) async fn memory(&self) -> String {
        format!("{:?}", self.table.read().await)
    }

    /// Takes a statement from an officer: checked against the log, latched durably, then receipted.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    // INVARIANT (G4): when the receipt exists, the latch is on disk and every message that left before it was let go
    // before it; none leaves after it. Only a log on disk takes over from a latch: memory may be forgotten.
    pub(crate) async fn deliver(
        &self,
        replica: &DurableReplica,
        envelope: &[u8],
    ) -> Result<Vec<u8>, DeliverRefusal> {
        let parsed = Envelope::parse(envelope)?;
        // Waits for the messages that are leaving, and keeps further ones back.
        let mut table = self.table.write().await;
        let held = replica.read().await;
        replica.own().standing(held.state(), held.tree())?;
        let (statement, text, digest) = statement_of(held.state(), &parsed)?;
        let latch = latch_of(&statement).ok_or(DeliverRefusal::NotProtective)?;
        let subject = Subject::of(&latch.scope, &text).ok_or(DeliverRefusal::KeyNotNamed)?;
        let logged = subject.in_log(held.state(), &digest);
        if logged == Logged::UsedUp {
            // A receipt, an old one too, would say that something is stopped.
            return Err(DeliverRefusal::UsedUp);
        }
        let lifted = logged == Logged::TakenOver && held.is_durable();
        if let Some(sequence) = table.by_digest.get(&digest).copied() {
            if !lifted {
                self.put_in_force(&mut table, sequence).await?;
            }
            return Ok(read_record(&self.store, sequence)?.receipt.into_bytes());
        }
        if !lifted {
            check_words(held.state(), &statement, &text)?;
            table.check_room(&statement.officer)?;
        }
        let officer = statement.officer;
        let delivered = Delivered { digest, subject, officer, since: self.clock.now(), lifted };
        self.record(&mut table, &parsed, delivered, held.tip().size).await
    }

    async fn record(
        &self,
        table: &mut LatchTable,
        envelope: &Envelope,
        delivered: Delivered,
        tip_size: u64,
    ) -> Result<Vec<u8>, DeliverRefusal> {
        let receipt = self.receipt(&delivered, tip_size)?;
        let record = StatementRecord::new(&delivered, envelope, &receipt);
        let sequence = table.next_sequence();
        let mut batch = Batch::new().expect_absent(STATEMENTS, sequence.to_be_bytes()).put(
            STATEMENTS,
            sequence.to_be_bytes(),
            record.to_bytes()?,
        );
        let oldest = table.oldest_to_forget()?;
        if let Some(oldest) = oldest {
            batch = batch.delete(STATEMENTS, oldest.to_be_bytes());
        }
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        if let Some(oldest) = oldest {
            table.remove(oldest);
        }
        let Delivered { officer, subject, lifted, .. } = &delivered;
        tracing::warn!(%officer, ?subject, lifted, "statement delivered by an officer");
        table.insert(sequence, delivered);
        Ok(receipt.to_json())
    }

    /// A latch that was lifted although the log on disk does not contain its statement.
    async fn put_in_force(&self, table: &mut LatchTable, sequence: u64) -> Result<(), DeliverRefusal> {
        if table.delivered.get(&sequence).is_none_or(|delivered| !delivered.lifted) {
            return Ok(());
        }
        let batch = rewritten(&self.store, &[sequence], false)?;
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        table.mark(&[sequence], false);
        Ok(())
    }

    fn receipt(&self, delivered: &Delivered, tip_size: u64) -> Result<Envelope, DeliverRefusal> {
        let receipt = PauseReceipt {
            cluster: self.identity.cluster().clone(),
            node: self.identity.node().clone(),
            statement: delivered.digest.to_string(),
            scope: delivered.scope(),
            received_at_ms: delivered.since,
            tip_size,
        };
        let payload = serde_json::to_vec(&receipt).map_err(|_| DeliverRefusal::Unreadable)?;
        Ok(self.identity.sign(RECEIPT_TYPE, payload)?)
    }

    /// Lifts the latches whose statements the log contains by now: its rules have taken over.
    ///
    /// The caller must let this run to its end, and must not hold the replica.
    // INVARIANT (G4): a latch is lifted only by a durable log that contains its statement, never by time or by request.
    pub(crate) async fn lift(&self, replica: &DurableReplica) -> Result<(), DeliverRefusal> {
        if self.table.read().await.in_force().next().is_none() {
            return Ok(());
        }
        let mut table = self.table.write().await;
        let over: Vec<u64> = {
            let held = replica.read().await;
            let Ok(state) = held.sound_state() else { return Ok(()) };
            let in_force = table.in_force();
            in_force.filter(|(_, delivered)| delivered.in_log(state).takes_over()).map(|(at, _)| at).collect()
        };
        if over.is_empty() {
            return Ok(());
        }
        let batch = rewritten(&self.store, &over, true)?;
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        table.mark(&over, true);
        tracing::info!(count = over.len(), "latches lifted: the log contains their statements");
        Ok(())
    }

    /// Waits until no latch is being set, and keeps new ones back until it is dropped.
    pub(crate) async fn gate(&self) -> ReleaseGate<'_> {
        ReleaseGate { table: self.table.read().await }
    }

    /// The latches in force, oldest first.
    pub(crate) async fn in_force(&self) -> Vec<Delivered> {
        self.table.read().await.in_force().map(|(_, delivered)| delivered.clone()).collect()
    }

    /// Statements for the log, of at most `max_bytes` together: what this node's own log would take now, newest first, and
    /// then the rest.
    // INVARIANT (G4): nothing that no log would take, however much of it there is, keeps back what the log would take.
    pub(crate) async fn unlogged(
        &self,
        replica: &DurableReplica,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, DeliverRefusal> {
        let mut newest: Vec<(u64, OfficerId)> = {
            let table = self.table.read().await;
            table.in_force().map(|(sequence, delivered)| (sequence, delivered.officer.clone())).collect()
        };
        newest.reverse();
        let now = self.clock.now();
        let (mut taken, mut rest) = (Vec::new(), Vec::new());
        for (sequence, officer) in newest {
            if taken.len() >= MAX_OFFERED {
                break;
            }
            let held = replica.read().await;
            // Most of what piles up is told by its officer alone.
            let serves = held.state().roster().officer(&officer).is_some();
            if !serves && rest.len() >= MAX_OFFERED {
                continue;
            }
            let Some(record) = find_record(&self.store, sequence)? else { continue };
            let envelope = record.envelope.into_bytes();
            if would_act(held.state(), &envelope, now) { &mut taken } else { &mut rest }.push(envelope);
        }
        let mut room = max_bytes;
        let offered = taken.into_iter().chain(rest).take(MAX_OFFERED).take_while(|envelope| {
            let left = room.checked_sub(envelope.len());
            room = left.unwrap_or_default();
            left.is_some()
        });
        Ok(offered.collect())
    }

    /// Everything delivered from a sequence on, oldest first, at most `limit`, with the next sequence if there is more.
    pub(crate) async fn page(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<(u64, StatementRecord)>, Option<u64>), DeliverRefusal> {
        let sequences: Vec<u64> = {
            let table = self.table.read().await;
            table
                .delivered
                .range(from..)
                .map(|(sequence, _)| *sequence)
                .take(limit.saturating_add(1))
                .collect()
        };
        let next = sequences.get(limit).copied();
        let mut records = Vec::new();
        for sequence in sequences.into_iter().take(limit) {
            records.extend(find_record(&self.store, sequence)?.map(|record| (sequence, record)));
        }
        Ok((records, next))
    }
}

impl ReleaseGate<'_> {
    /// Whether any latch covers this withdrawal.
    pub(crate) fn check(
        &self,
        state: &State,
        wallet: &WalletId,
        withdrawal: &WithdrawalId,
    ) -> Result<(), Latched> {
        let mut in_force = self.table.in_force();
        match in_force.find(|(_, delivered)| delivered.subject.covers(state, wallet, withdrawal)) {
            Some((_, delivered)) => {
                Err(Latched { statement: delivered.digest, officer: delivered.officer.clone() })
            }
            None => Ok(()),
        }
    }
}

impl Delivered {
    /// What it stops, as receipts and tools name it.
    pub(crate) fn scope(&self) -> LatchScope {
        self.subject.scope()
    }

    fn in_log(&self, state: &State) -> Logged {
        self.subject.in_log(state, &self.digest)
    }
}

impl LatchTable {
    fn in_force(&self) -> impl Iterator<Item = (u64, &Delivered)> {
        self.delivered
            .iter()
            .filter(|(_, delivered)| !delivered.lifted)
            .map(|(at, delivered)| (*at, delivered))
    }

    fn check_room(&self, officer: &OfficerId) -> Result<(), DeliverRefusal> {
        let own = self.in_force().filter(|(_, delivered)| delivered.officer == *officer).count();
        if own >= MAX_LATCHES_PER_OFFICER {
            return Err(DeliverRefusal::TooManyLatches { officer: officer.clone() });
        }
        Ok(())
    }

    /// Lifted latches whose statements this state does not contain.
    ///
    /// Not those of addresses: where several officers added one, the log contains the first statement only, and takes none of them any
    /// more while the list names the address. That it does so no longer is a quorum's decision about all of them.
    fn lifted_without(&self, state: &State) -> Vec<u64> {
        let lifted = self.delivered.iter().filter(|(_, delivered)| {
            delivered.lifted && !matches!(delivered.subject, Subject::Listed { .. })
        });
        lifted.filter(|(_, delivered)| delivered.in_log(state) == Logged::Not).map(|(at, _)| *at).collect()
    }

    fn mark(&mut self, sequences: &[u64], lifted: bool) {
        for sequence in sequences {
            if let Some(delivered) = self.delivered.get_mut(sequence) {
                delivered.lifted = lifted;
            }
        }
    }

    fn next_sequence(&self) -> u64 {
        self.delivered.last_key_value().map_or(0, |(last, _)| last.saturating_add(1))
    }

    /// Which statement makes room for one more; only a lifted one may be forgotten.
    fn oldest_to_forget(&self) -> Result<Option<u64>, DeliverRefusal> {
        if self.delivered.len() < MAX_STATEMENTS {
            return Ok(None);
        }
        let lifted = self.delivered.iter().find(|(_, delivered)| delivered.lifted).map(|(at, _)| *at);
        lifted.map(Some).ok_or(DeliverRefusal::TooManyStatements)
    }

    fn insert(&mut self, sequence: u64, delivered: Delivered) {
        self.by_digest.insert(delivered.digest, sequence);
        self.delivered.insert(sequence, delivered);
    }

    fn remove(&mut self, sequence: u64) {
        if let Some(delivered) = self.delivered.remove(&sequence) {
            self.by_digest.remove(&delivered.digest);
        }
    }
}

/// The officer's statement in an envelope, authenticated.
fn statement_of(
    state: &State,
    envelope: &Envelope,
) -> Result<(Statement, String, StatementDigest), DeliverRefusal> {
    let verified = verify_act(state.roster(), envelope)?;
    match verified.act() {
        Ok(Act::Statement { statement, text, digest }) => Ok((statement.clone(), text.clone(), *digest)),
        Ok(
            Act::Request(..)
            | Act::Bind(_)
            | Act::Cancel(_)
            | Act::Replace(..)
            | Act::Sweep(..)
            | Act::Outcome(_)
            | Act::Tombstone(_)
            | Act::Session(_)
            | Act::Customer(_)
            | Act::Price(_)
            | Act::AskEntry(..)
            | Act::TakeBackEntry(_)
            | Act::Identity(_)
            | Act::Travel(_)
            | Act::OrderConfirmation(_)
            | Act::Confirmation(_)
            | Act::Activate(_)
            | Act::Authorize(_)
            | Act::Signature(_)
            | Act::Attestation(_)
            | Act::Erased(_)
            | Act::Policy(_)
            | Act::ScreeningUpdate(_)
            | Act::ScreeningPart(_)
            | Act::Exposure(_),
        ) => Err(DeliverRefusal::NotAStatement),
        Err(rejection) => Err(Rejection::clone(rejection).into()),
    }
}

/// Whether this log would take the statement now.
fn would_act(state: &State, envelope: &[u8], now: TimestampMs) -> bool {
    Envelope::parse(envelope).is_ok_and(|envelope| matches!(state.check(&envelope, now), Ok(Ok(()))))
}

fn read_record(store: &StoreHandle, sequence: u64) -> Result<StatementRecord, DeliverRefusal> {
    find_record(store, sequence)?.ok_or(DeliverRefusal::Unreadable)
}

/// The same without the table's lock: a lifted one may have made room for another meanwhile.
fn find_record(store: &StoreHandle, sequence: u64) -> Result<Option<StatementRecord>, DeliverRefusal> {
    let Some(bytes) = store.read(STATEMENTS, &sequence.to_be_bytes())? else { return Ok(None) };
    StatementRecord::from_bytes(&bytes).map(Some).ok_or(DeliverRefusal::Unreadable)
}

fn rewritten(store: &StoreHandle, sequences: &[u64], lifted: bool) -> Result<Batch, DeliverRefusal> {
    sequences.iter().try_fold(Batch::new(), |batch, sequence| {
        let record = read_record(store, *sequence)?.with_lifted(lifted);
        Ok(batch.put(STATEMENTS, sequence.to_be_bytes(), record.to_bytes()?))
    })
}

fn sequence_of(key: &[u8]) -> Result<u64, DeliverRefusal> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| DeliverRefusal::Unreadable)
}

impl From<StoreError> for DeliverRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Debug for Latches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latches").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
