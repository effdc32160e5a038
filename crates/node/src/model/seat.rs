//! One seat of the committee through all its machines: what it promised, and what can happen to it next.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_ledger::{MinimumCheckpoint, RosterChange};
use holdfast_log::Envelope;

use super::explore::Phase;
use super::machine::{Bench, Disk, Machine, SEAT};
use super::words::{Alphabet, Block, Promise, roster_change};
use super::world::{History, World};
use crate::tables;
use crate::testing::ed25519;

/// What is wrong with the node or with those who run it, in the variants that must be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its latches are gone after a restart.
    ForgetsLatches,
    /// Its oaths are gone after a restart.
    ForgetsOaths,
    /// Its disk is put back to what it was at first, without new keys.
    GoesBack,
    /// Officers enrol its next incarnation from a checkpoint before what it promised.
    EnrolledTooEarly,
}

/// A seat at one point of a history.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) machine: Machine,
    pub(super) promised: BTreeSet<Promise>,
    /// Whether any of its machines let a last message go. Only an oath is refused for it.
    released: bool,
    /// What officers signed to enrol the second incarnation, and the log that it must hold.
    enrolment: Option<Arc<(Vec<Envelope>, Arc<History>)>>,
    pub(super) incarnation: u32,
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its log goes on with this block.
    Show(Block),
    /// A new machine is shown the whole log that its officers demand of it.
    ShowMinimum,
    /// An officer delivers a statement directly.
    Deliver(Block),
    /// It is asked for its oath.
    Swear,
    /// It is ordered to sign, and binds.
    Open,
    /// It is asked for the last message.
    Release,
    /// It is killed and started again.
    Restart,
    /// Its machine is lost; a new one gets the share's backup and new keys.
    Replace,
}

/// What a step led to.
pub(super) struct Went {
    pub(super) seat: Seat,
    /// It released its last message, obeying in the officers' way what was lifted: which promises did not forbid it.
    pub(super) released: Option<BTreeSet<Promise>>,
}

impl Seat {
    pub(super) async fn new(bench: &Bench, world: &World) -> Self {
        let machine = Machine::new(bench, world, Arc::clone(&world.base), 1).await;
        Self { machine, promised: BTreeSet::new(), released: false, enrolment: None, incarnation: 1 }
    }

    pub(super) fn phase(&self, promise: Promise) -> Phase {
        Phase { promised: self.promised.contains(&promise), released: self.released }
    }

    pub(super) async fn key(&self, oaths: bool) -> String {
        let enrolment = self.enrolment.as_ref().map(|enrolment| enrolment.1.path.as_str());
        let (promised, released, machine) = (&self.promised, self.released, self.machine.key(oaths).await);
        format!("{}|{enrolment:?}|{promised:?}|{released}|{machine}", self.incarnation)
    }

    /// A new machine that was shown another log than its officers demand. No log goes back: it stays so.
    fn is_astray(&self) -> bool {
        let path = self.machine.history.path.as_str();
        self.enrolment.as_ref().is_some_and(|enrolment| {
            !enrolment.1.path.starts_with(path) && !path.starts_with(&enrolment.1.path)
        })
    }

    /// Every step that could make a difference here.
    pub(super) fn steps(&self, world: &World, alphabet: &Alphabet, fault: Option<Fault>) -> Vec<Step> {
        let path = &self.machine.history.path;
        let mut steps = vec![Step::Restart];
        let fresh = |block: &&Block| !path.split(' ').any(|shown| shown == format!("{block:?}"));
        let blocks = alphabet.blocks.iter().filter(fresh).copied();
        steps.extend(blocks.filter(|_| !self.is_astray()).map(Step::Show));
        steps.extend(alphabet.delivered.iter().copied().map(Step::Deliver));
        if let Some(enrolment) = &self.enrolment {
            let enrolled = path.contains("Enrolled");
            steps.extend((!enrolled).then_some(Step::Show(Block::Enrolled)));
            let ahead = enrolment.1.path.starts_with(path.as_str()) && enrolment.1.path != *path;
            steps.extend((ahead && !enrolled).then_some(Step::ShowMinimum));
        } else if alphabet.replaced
            && (fault == Some(Fault::EnrolledTooEarly) || self.may_be_replaced(world, alphabet))
        {
            steps.push(Step::Replace);
        }
        steps.extend(alphabet.oaths.then_some(Step::Swear));
        steps.push(if self.machine.attempt.is_some() { Step::Release } else { Step::Open });
        steps
    }

    /// Officers enrol a node's next incarnation only when everything that they had from the one before is in the log that they
    /// name, and that log is one that it held: what was delivered directly is logged, what was cosigned is not beyond it.
    fn may_be_replaced(&self, world: &World, alphabet: &Alphabet) -> bool {
        let logged = |block: &Block| {
            !self.promised.contains(&Promise::of(*block)) || self.machine.acted(world, *block)
        };
        alphabet.delivered.iter().all(logged)
    }

    /// Does it; `None` if it was refused or cannot be done here, and nothing changed.
    pub(super) async fn go(
        &self,
        bench: &Bench,
        world: &World,
        alphabet: &Alphabet,
        step: Step,
        fault: Option<Fault>,
    ) -> Option<Went> {
        let mut seat = Self { machine: self.machine.resumed(bench).await, ..self.clone() };
        let mut released = None;
        match step {
            Step::Show(block) => {
                let enrolment = self.enrolment.as_ref().map_or(&[][..], |enrolment| &enrolment.0);
                let history = world.after(&self.machine.history, block, enrolment)?;
                seat.show(world, history).await;
            }
            Step::ShowMinimum => {
                let history = Arc::clone(&self.enrolment.as_ref()?.1);
                seat.show(world, history).await;
            }
            Step::Deliver(block) => {
                let receipted = seat.machine.deliver(world.envelope(block)).await;
                receipted.then(|| seat.promised.insert(Promise::of(block)))?;
            }
            Step::Swear => {
                let sworn = seat.machine.swear(world).await;
                sworn.then(|| seat.promised.insert(Promise::Oath))?;
            }
            Step::Open => seat.machine.open(world).await.ok()?,
            Step::Release => {
                seat.machine.release().await.ok()?;
                released = Some(seat.permitted_by(world));
                seat.machine.attempt = None;
                seat.released = alphabet.oaths;
                seat.machine.attempts += 1;
            }
            Step::Restart => seat.restart(bench, world, fault).await,
            Step::Replace => seat.replace(bench, world, fault).await,
        }
        seat.machine = seat.machine.noted(bench);
        Some(Went { seat, released })
    }

    async fn show(&mut self, world: &World, history: Arc<History>) {
        let cosigned = self.machine.show(history).await;
        if cosigned {
            let state = self.machine.history.state();
            self.promised.extend(Promise::ALL.into_iter().filter(|promise| promise.is_in(state, world)));
        }
    }

    /// The promises that, by this node's own log, do not forbid the payment any more.
    fn permitted_by(&self, world: &World) -> BTreeSet<Promise> {
        let state = self.machine.history.state();
        Promise::ALL.into_iter().filter(|promise| promise.is_lifted_in(state, world)).collect()
    }

    async fn restart(&mut self, bench: &Bench, world: &World, fault: Option<Fault>) {
        let lost = |table| match fault {
            Some(Fault::ForgetsLatches) => table == tables::STATEMENTS,
            Some(Fault::ForgetsOaths) => table == tables::BINDINGS,
            Some(Fault::GoesBack) => true,
            Some(Fault::EnrolledTooEarly) | None => false,
        };
        let kept = self.machine.disk.iter().filter(|((table, _), _)| !lost(*table));
        let disk: Disk = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        bench.write(&disk).await;
        self.machine.node = Arc::new(bench.start(world, self.incarnation).await);
        self.machine.attempt = None;
        if fault == Some(Fault::GoesBack) {
            self.machine.history = Arc::clone(&world.base);
            self.machine.node.replicate(world.base.extension(1)).await.unwrap();
        }
    }

    /// The machine is lost, with its store: a new one begins with the log's common beginning.
    async fn replace(&mut self, bench: &Bench, world: &World, fault: Option<Fault>) {
        let early = fault == Some(Fault::EnrolledTooEarly);
        let seen = if early { Arc::clone(&world.base) } else { Arc::clone(&self.machine.history) };
        let change = RosterChange::ReplaceNodeKeys {
            node: format!("node-{SEAT}").parse().unwrap(),
            cosigning_key: ed25519(&format!("cosign-{SEAT}-2")).verifying_key(),
            message_key: ed25519(&format!("message-{SEAT}-2")).verifying_key(),
            minimum: MinimumCheckpoint { size: seen.size(), root: seen.replica.root() },
        };
        let signed = seen.ceremony(roster_change(seen.state(), change));
        self.enrolment = Some(Arc::new((signed, seen)));
        self.incarnation = 2;
        // The oath of an older incarnation does not count: the state says so (`State::counted_tombstones`).
        self.promised.remove(&Promise::Oath);
        self.machine = Machine::new(bench, world, Arc::clone(&world.base), 2).await;
    }
}
