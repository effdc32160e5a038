//! The one thread that writes: it drains the queue, judges each batch in order, and makes a whole group durable at once.
//!
//! Must never reply to a batch before the group's `apply` returned, and never apply anything after one failed.

mod group;

use std::error::Error;
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::batch::CheckedBatch;
use crate::error::{CommitError, StoreError};
use crate::handle::Shared;
use group::Group;

/// A group takes no further batch beyond this many batches, or this many bytes.
const MAX_GROUP_BATCHES: usize = 256;
const MAX_GROUP_BYTES: usize = 32 << 20;

pub(crate) enum Command {
    Commit { batch: CheckedBatch, reply: Reply },
    Close { reply: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<(), CommitError>>;

/// Starts the writer. It ends when asked to close or when the last handle is gone, after writing all that is queued.
pub(crate) fn spawn(shared: Arc<Shared>, commands: mpsc::Receiver<Command>) -> Result<(), StoreError> {
    let writer = Writer { shared, commands, closing: Vec::new() };
    thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run())
        .map(drop)
        .map_err(|error| StoreError::io("start the writer thread of", "store".as_ref(), error))
}

struct Writer {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    closing: Vec<oneshot::Sender<()>>,
}

impl Writer {
    fn run(mut self) {
        let _poison_on_panic = PoisonOnPanic(Arc::clone(&self.shared));
        while let Some(command) = self.commands.blocking_recv() {
            let waiting = self.drain(command);
            self.commit(waiting);
        }
        self.shared.close();
        for reply in self.closing.drain(..) {
            // Nobody is harmed if the one who asked no longer listens.
            let _ = reply.send(());
        }
    }

    /// Takes what is queued, up to a group's limits. A request to close stops the intake but not what is queued already.
    fn drain(&mut self, first: Command) -> Vec<(CheckedBatch, Reply)> {
        let mut waiting = Vec::new();
        let mut bytes: usize = 0;
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Commit { batch, reply } => {
                    bytes = bytes.saturating_add(batch.bytes());
                    waiting.push((batch, reply));
                }
                Command::Close { reply } => {
                    self.commands.close();
                    self.closing.push(reply);
                }
            }
            let full = waiting.len() >= MAX_GROUP_BATCHES || bytes >= MAX_GROUP_BYTES;
            next = if full { None } else { self.commands.try_recv().ok() };
        }
        waiting
    }

    fn commit(&self, waiting: Vec<(CheckedBatch, Reply)>) {
        let (batches, replies): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        match self.write(batches) {
            // INVARIANT: replies go out only here, after `apply` returned: acknowledged means durable (G8).
            Ok(verdicts) => {
                for (reply, verdict) in replies.into_iter().zip(verdicts) {
                    let _ = reply.send(verdict);
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone().into()));
                }
            }
        }
    }

    fn write(&self, batches: Vec<CheckedBatch>) -> Result<Vec<Result<(), CommitError>>, StoreError> {
        self.shared.require_sound()?;
        let outcome = self.shared.with_backend(|backend| {
            let mut group = Group::over(backend);
            let verdicts =
                batches.into_iter().map(|batch| group.admit(batch)).collect::<Result<Vec<_>, _>>()?;
            group.write()?;
            Ok(verdicts)
        })?;
        outcome.map_err(|error| {
            self.shared.poison();
            let cause: &dyn Error = &error;
            tracing::error!(error = cause, "store write failed: refusing all work");
            StoreError::WriteFailed { source: Arc::new(error) }
        })
    }
}

/// A panic inside a backend must look like any other failed write.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison();
        }
    }
}

#[cfg(test)]
mod tests;
