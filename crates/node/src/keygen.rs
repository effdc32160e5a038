//! Key generations and migrations: one attempt for each ceremony, resumable, stored before anything is sent.
//!
//! Owns the attempts. It must never send a message whose state is not on disk, take part without the officers' approval
//! in its own replica, or confirm a key whose share did not survive a restore from its backup.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_chains::{Digest, PublicKey};
use holdfast_ledger::{
    ApprovedKeygen, CeremonyId, HandsOn, ImportGiver, ImportProposal, KeygenConfirmation, NextChainCode,
    PayloadKind, Roster,
};
use holdfast_store::{Batch, CommitError, StoreHandle};
use holdfast_threshold::channel::Purpose;
use holdfast_threshold::{
    ChainCode, ClusterId, Engine, Epoch, ForeignKey, KeyPublic, KeygenMachine, KeygenOutput, KeygenReply,
    KeygenTask, Outbound, PartyIndex, Resharing, Round, SessionId, Threshold,
};
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::crash::{CrashPoint, CrashPoints};
use crate::guard::use_up;
use crate::identity::{Committee, Identity};
use crate::imports::ImportError;
use crate::replica::DurableReplica;
use crate::tables::{self, KEYGEN_STATES, KEYGENS};
use crate::vault::{RestoreTested, Vault};

mod record;
mod refusal;

use record::{KeygenRecord, Stage};
pub(crate) use refusal::KeygenRefusal;

/// Attempts that run at a time.
const MAX_RUNNING: usize = 16;
/// Attempts of one ceremony.
const MAX_ATTEMPTS: u32 = 32;

/// The key generations of this node.
pub(crate) struct Keygens {
    store: StoreHandle,
    identity: Arc<Identity>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    crash: Arc<dyn CrashPoints<CrashPoint>>,
    // Lock order: this one before the replica's. One round at a time is enough: ceremonies are rare and their rounds
    // keep a processor busy.
    runs: Mutex<BTreeMap<CeremonyId, Run>>,
    // Beside the lock, so that a status does not wait for a round.
    running: AtomicUsize,
}

/// The newest attempt of a ceremony; after a restart its machine is still on disk.
#[derive(Debug)]
struct Run {
    record: KeygenRecord,
    machine: Option<Box<KeygenMachine>>,
}

/// What a round answers.
#[derive(Debug)]
pub(crate) enum KeygenAnswer {
    /// Messages for the other nodes.
    Messages(Vec<Outbound>),
    /// The signed confirmation, as JSON.
    Confirmation(Vec<u8>),
}

impl Keygens {
    /// Loads what is known of earlier attempts. Blocks.
    pub(crate) fn load(
        store: StoreHandle,
        identity: Arc<Identity>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        crash: Arc<dyn CrashPoints<CrashPoint>>,
    ) -> Result<Self, KeygenRefusal> {
        let mut runs = BTreeMap::new();
        let mut from = Vec::new();
        loop {
            let page = store.scan(KEYGENS, &from, 256)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in page {
                let ceremony = std::str::from_utf8(&key).ok().and_then(|text| text.parse().ok());
                let ceremony = ceremony.ok_or(KeygenRefusal::Unreadable)?;
                let record = KeygenRecord::from_bytes(&value).ok_or(KeygenRefusal::Unreadable)?;
                runs.insert(ceremony, Run { record, machine: None });
            }
        }
        let running = AtomicUsize::new(count_running(&runs));
        Ok(Self { store, identity, vault, clock, crash, runs: Mutex::new(runs), running })
    }

    /// Opens an attempt, or returns the offer of the one that this session opened before, and the last round. A new session
    /// takes the place of an earlier attempt; a share that was confirmed stays.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    pub(crate) async fn prepare(
        &self,
        replica: &DurableReplica,
        ceremony: CeremonyId,
        session: SessionId,
    ) -> Result<(Vec<u8>, Round), KeygenRefusal> {
        let mut runs = self.runs.lock().await;
        let (permit, engine, task) = {
            let held = replica.read().await;
            let state = held.acting_state(replica.own())?;
            held.check_clock(self.clock.now())?;
            // A key that officers no longer wanted is not made because their words were kept back.
            if let Some(known) = state.ceremony(&ceremony) {
                held.witnessed().check_ceremony(state, known, self.identity.node())?;
            }
            let permit = state.approved_keygen(&ceremony)?;
            let (engine, task) = (self.engine(&permit)?, self.task(&permit, session, state.roster())?);
            (permit, engine, task)
        };
        let earlier = runs.get(&ceremony).map(|run| &run.record);
        if let Some(same) = earlier.filter(|record| record.is_of(session)) {
            return Ok((same.offer(), engine.last_round(purpose(&permit))));
        }
        let attempt = earlier.map_or(1, |record| record.attempts.saturating_add(1));
        if attempt > MAX_ATTEMPTS || count_running(&runs) >= MAX_RUNNING {
            return Err(KeygenRefusal::TooMany);
        }
        let machine = self.machine(&permit, engine, task).await?;
        let record = KeygenRecord::new(session, attempt, machine.offer());
        let sealed = self.vault.seal_state(&ceremony.to_string(), &machine.export()?)?;
        let batch = use_up(Batch::new(), session, &ceremony.to_string());
        let batch = record.put(batch, &ceremony)?;
        let batch = tables::put_blob(batch, KEYGEN_STATES, &ceremony.to_string(), &sealed)?;
        self.store.commit(batch).await.map_err(|error| match error {
            CommitError::ExpectationFailed { .. } => KeygenRefusal::SessionReused { session },
            CommitError::Store(error) => error.into(),
        })?;
        self.crash.reached(CrashPoint::KeygenPrepare);
        let opening = (record.offer(), machine.last_round());
        runs.insert(ceremony, Run { record, machine: Some(Box::new(machine)) });
        self.note(&runs);
        Ok(opening)
    }

    /// Runs one round, or answers again what it answered to the same messages before.
    ///
    /// The caller must let this run to its end: see [`crate::service`].
    // INVARIANT (G5, G8): the state is on disk before its answer leaves, so a resumed session never answers one round in
    // two ways.
    pub(crate) async fn round(
        &self,
        replica: &DurableReplica,
        session: SessionId,
        round: Round,
        messages: Vec<Vec<u8>>,
    ) -> Result<KeygenAnswer, KeygenRefusal> {
        let mut runs = self.runs.lock().await;
        let found = runs.iter_mut().find(|(_, run)| run.record.is_of(session));
        let (ceremony, run) = found.ok_or(KeygenRefusal::SessionUnknown { session })?;
        if let Stage::Confirmed { last_round, confirmation } = &run.record.stage {
            return match round.0 == *last_round {
                true => Ok(KeygenAnswer::Confirmation(confirmation.clone().into_bytes())),
                false => Err(KeygenRefusal::Over { session }),
            };
        }
        let permit = {
            let held = replica.read().await;
            held.check_clock(self.clock.now())?;
            held.acting_state(replica.own())?.approved_keygen(ceremony)?
        };
        let mut machine = match run.machine.take() {
            Some(machine) => machine,
            None => self.resume(ceremony, session)?,
        };
        let (machine, stepped) = tokio::task::spawn_blocking(move || {
            let stepped = machine.round(round, &messages);
            (machine, stepped)
        })
        .await
        .map_err(|_| KeygenRefusal::Unreadable)?;
        let step = match stepped {
            Ok(step) => step,
            Err(error) => {
                if error.is_final() {
                    self.store_state(ceremony, &machine.export()?).await?;
                }
                run.machine = Some(machine);
                let culprit =
                    error.culprit().and_then(|party| Committee::new(permit.nodes()).node(party)).cloned();
                return Err(KeygenRefusal::Engine { error, culprit });
            }
        };
        let (state, reply) = step.into_parts();
        self.store_state(ceremony, &state).await?;
        run.machine = Some(machine);
        self.crash_point(round);
        match reply.release_after_stored() {
            KeygenReply::Messages(messages) => Ok(KeygenAnswer::Messages(messages)),
            KeygenReply::Finished(output) => {
                let confirmation = self.confirm(&permit, &mut run.record, round, *output).await?;
                run.machine = None;
                self.note(&runs);
                Ok(KeygenAnswer::Confirmation(confirmation))
            }
        }
    }

    /// Forgets an attempt that is not confirmed. True if there was one.
    pub(crate) async fn abort(&self, session: SessionId) -> Result<bool, KeygenRefusal> {
        let mut runs = self.runs.lock().await;
        let running = |run: &Run| run.record.is_of(session) && run.record.stage == Stage::Running;
        let Some((ceremony, run)) = runs.iter_mut().find(|(_, run)| running(run)) else { return Ok(false) };
        let record = run.record.at(Stage::Aborted);
        let batch = record.put(Batch::new(), ceremony)?;
        let batch = tables::delete_blob(batch, KEYGEN_STATES, &ceremony.to_string());
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        *run = Run { record, machine: None };
        self.note(&runs);
        Ok(true)
    }

    /// Erases what is stored of attempts that can never be confirmed any more, because their ceremony is over: a giver's number,
    /// or shares that the log did not make active.
    // INVARIANT (G3): it waits for a round that runs, and the log permits no other one: nothing is stored of them afterwards.
    pub(crate) async fn forget_over(&self, replica: &DurableReplica) -> Result<(), KeygenRefusal> {
        let mut runs = self.runs.lock().await;
        let held = replica.read().await;
        let state = held.sound_state()?;
        let is_over = |ceremony: &CeremonyId, run: &Run| {
            run.record.stage == Stage::Running && state.approved_keygen(ceremony).is_err()
        };
        for (ceremony, run) in runs.iter_mut().filter(|(ceremony, run)| is_over(ceremony, run)) {
            let record = run.record.at(Stage::Aborted);
            let batch = record.put(Batch::new(), ceremony)?;
            let batch = tables::delete_blob(batch, KEYGEN_STATES, &ceremony.to_string());
            self.store.commit(batch).await.map_err(tables::unconditional)?;
            *run = Run { record, machine: None };
        }
        self.note(&runs);
        Ok(())
    }

    /// Attempts that run.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    fn note(&self, runs: &BTreeMap<CeremonyId, Run>) {
        self.running.store(count_running(runs), Ordering::Relaxed);
    }

    /// The share is durable, its backup restored, and only then the key is confirmed and the session's secrets erased.
    async fn confirm(
        &self,
        permit: &ApprovedKeygen,
        record: &mut KeygenRecord,
        last_round: Round,
        output: KeygenOutput,
    ) -> Result<Vec<u8>, KeygenRefusal> {
        let (wallet, KeygenOutput { public, share }) = (permit.wallet().clone(), output);
        self.vault.keep(&wallet, &share, &public).await?;
        let party = share.party();
        drop(share);
        let vault = Arc::clone(&self.vault);
        let tested = tokio::task::spawn_blocking(move || vault.back_up(&wallet, &public, party))
            .await
            .map_err(|_| KeygenRefusal::Unreadable)??;
        self.crash.reached(CrashPoint::AfterBackup);
        let confirmation = self.sign_confirmation(permit, &tested)?;
        let text = String::from_utf8(confirmation.clone()).map_err(|_| KeygenRefusal::Unreadable)?;
        let confirmed = record.at(Stage::Confirmed { last_round: last_round.0, confirmation: text });
        let ceremony = permit.ceremony();
        let batch = confirmed.put(Batch::new(), &ceremony)?;
        let batch = tables::delete_blob(batch, KEYGEN_STATES, &ceremony.to_string());
        self.store.commit(batch).await.map_err(tables::unconditional)?;
        *record = confirmed;
        Ok(confirmation)
    }

    fn sign_confirmation(
        &self,
        permit: &ApprovedKeygen,
        tested: &RestoreTested,
    ) -> Result<Vec<u8>, KeygenRefusal> {
        let public: &KeyPublic = tested.public();
        let point = |sec1: &[u8; 33]| PublicKey::from_sec1(sec1).map_err(|_| KeygenRefusal::Unreadable);
        let confirmation = KeygenConfirmation {
            cluster: self.identity.cluster().clone(),
            ceremony: permit.ceremony(),
            node: self.identity.node().clone(),
            wallet: permit.wallet().clone(),
            epoch: public.epoch().0,
            engine: public.engine().name().to_owned(),
            public_key: point(&public.public_key())?,
            chain_code: Digest(public.chain_code()),
            verifying_shares: public.verifying_shares().values().map(point).collect::<Result<_, _>>()?,
            transcript: Digest(public.transcript()),
            backup_restored: true,
        };
        let payload = serde_json::to_vec(&confirmation).map_err(|_| KeygenRefusal::Unreadable)?;
        let payload_type = PayloadKind::KeygenConfirmation.payload_type();
        let envelope = self.identity.sign(payload_type, payload).map_err(|_| KeygenRefusal::Unreadable)?;
        Ok(envelope.to_json())
    }

    /// A machine that generates a key, or hands on the one that the log's wallet has.
    // INVARIANT (G6): what is handed on is this node's share of the log's wallet, and the key of which it is.
    async fn machine(
        &self,
        permit: &ApprovedKeygen,
        engine: &'static dyn Engine,
        task: KeygenTask,
    ) -> Result<KeygenMachine, KeygenRefusal> {
        if let Some(import) = permit.imports() {
            return self.importing(permit, import, engine, task).await;
        }
        let key = self.identity.message_key();
        let Some(HandsOn { wallet, chain_code, givers }) = permit.hands_on() else {
            return Ok(KeygenMachine::prepare(engine, task, key, &mut OsRng)?);
        };
        let (vault, of) = (Arc::clone(&self.vault), wallet.clone());
        let opening = tokio::task::spawn_blocking(move || vault.share_of(&of));
        let held = opening.await.map_err(|_| KeygenRefusal::Unreadable)??;
        let committee = Committee::new(permit.nodes());
        let givers = givers.iter().map(|giver| committee.party(giver)).collect::<Option<Vec<_>>>();
        let givers = givers.ok_or(KeygenRefusal::NotInCommittee)?;
        let from = KeyPublic::clone(&held.public);
        let chain_code = match chain_code {
            NextChainCode::Carried => ChainCode::Carried,
            NextChainCode::Fresh => ChainCode::Fresh,
        };
        let resharing = Resharing::new(from, givers, chain_code)?;
        let share = Some(held.share.as_ref());
        Ok(KeygenMachine::prepare_resharing(engine, task, resharing, share, key, &mut OsRng)?)
    }

    /// A machine that takes over the key of another deployment. A giver brings the share that its operator put here.
    // INVARIANT (G6): a file is used only if it is the very share, of the very key, that the officers approved for this node.
    async fn importing(
        &self,
        permit: &ApprovedKeygen,
        import: &ImportProposal,
        engine: &'static dyn Engine,
        task: KeygenTask,
    ) -> Result<KeygenMachine, KeygenRefusal> {
        let old = &import.old;
        let shares = old.verifying_shares.iter().map(|share| *share.as_bytes()).collect();
        let old = ForeignKey::new(old.t, *old.public_key.as_bytes(), shares).map_err(ImportError::Share)?;
        let committee = Committee::new(permit.nodes());
        let place =
            |giver: &ImportGiver| Some((committee.party(&giver.node)?, PartyIndex::new(giver.party).ok()?));
        let places = import.givers.iter().map(place).collect::<Option<Vec<_>>>();
        let places = places.ok_or(KeygenRefusal::NotInCommittee)?;
        let share = match places.iter().find(|(here, _)| *here == task.party) {
            None => None,
            Some((_, there)) => {
                let (vault, wallet) = (Arc::clone(&self.vault), permit.wallet().clone());
                let reading = tokio::task::spawn_blocking(move || vault.imports().read(&wallet));
                let share = reading.await.map_err(|_| KeygenRefusal::Unreadable)??;
                share.check(&old, *there).map_err(ImportError::Share)?;
                Some(share)
            }
        };
        let import = Resharing::import(old, places)?;
        let key = self.identity.message_key();
        Ok(KeygenMachine::prepare_import(engine, task, import, share.as_ref(), key, &mut OsRng)?)
    }

    /// The engine that the officers approved, if this program has it.
    fn engine(&self, permit: &ApprovedKeygen) -> Result<&'static dyn Engine, KeygenRefusal> {
        let unknown = || KeygenRefusal::UnknownEngine { engine: permit.engine().to_owned() };
        self.vault.engines().of_name(permit.engine()).ok_or_else(unknown)
    }

    fn task(
        &self,
        permit: &ApprovedKeygen,
        session: SessionId,
        roster: &Roster,
    ) -> Result<KeygenTask, KeygenRefusal> {
        let committee = Committee::new(permit.nodes());
        Ok(KeygenTask {
            cluster: ClusterId::new(self.identity.cluster().as_str())?,
            session,
            epoch: Epoch(permit.epoch()),
            threshold: Threshold::new(permit.threshold(), committee.size())?,
            party: committee.party(self.identity.node()).ok_or(KeygenRefusal::NotInCommittee)?,
            ceremony: Sha256::digest(permit.ceremony().to_string()).into(),
            message_keys: committee.message_keys(roster)?,
        })
    }

    fn resume(&self, ceremony: &CeremonyId, session: SessionId) -> Result<Box<KeygenMachine>, KeygenRefusal> {
        let key = ceremony.to_string();
        let sealed = tables::read_blob(&self.store, KEYGEN_STATES, &key)?;
        let sealed = sealed.ok_or(KeygenRefusal::SessionUnknown { session })?;
        let state = self.vault.open_state(&key, &sealed)?;
        let machine =
            KeygenMachine::resume(&state, self.vault.engines()).map_err(|_| KeygenRefusal::Unreadable)?;
        if machine.task().session != session {
            return Err(KeygenRefusal::Unreadable);
        }
        Ok(Box::new(machine))
    }

    async fn store_state(&self, ceremony: &CeremonyId, state: &[u8]) -> Result<(), KeygenRefusal> {
        let key = ceremony.to_string();
        let sealed = self.vault.seal_state(&key, state)?;
        let batch = tables::put_blob(Batch::new(), KEYGEN_STATES, &key, &sealed)?;
        Ok(self.store.commit(batch).await.map_err(tables::unconditional)?)
    }

    fn crash_point(&self, round: Round) {
        let point = match round.0 {
            1 => CrashPoint::KeygenRound1,
            2 => CrashPoint::KeygenRound2,
            3 => CrashPoint::KeygenRound3,
            4 => CrashPoint::KeygenRound4,
            _ => CrashPoint::KeygenRound5,
        };
        self.crash.reached(point);
    }
}

/// What a ceremony's session does.
fn purpose(permit: &ApprovedKeygen) -> Purpose {
    if permit.hands_on().is_some() || permit.imports().is_some() { Purpose::Reshare } else { Purpose::Keygen }
}

fn count_running(runs: &BTreeMap<CeremonyId, Run>) -> usize {
    runs.values().filter(|run| run.record.stage == Stage::Running).count()
}

impl fmt::Debug for Keygens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keygens").field("identity", &self.identity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
