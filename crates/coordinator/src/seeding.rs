//! Before anything is served: is there a longer log at the nodes? Then this coordinator lost its own, or is a new one, and
//! takes theirs over.
//!
//! Everything is verified before a byte is adopted: every entry by replaying it, the whole by a checkpoint that the log key in
//! force at its end signed. It must never go back, never adopt what only a node vouches for, and never choose between
//! two logs that were both signed: then the cell stops for people to look.

use std::cmp::Reverse;
use std::sync::Arc;

use holdfast_log::Hash;
use holdfast_policy::{ClusterId, NodeId};
use holdfast_server::telemetry::cause;

use crate::log_book::{AdoptError, LogBook, LogBookError, LogFailed};
use crate::nodes::{CallError, NodeLink, Nodes};

mod ask;
mod verify;

use verify::{CopyError, Verified};

/// Why a coordinator may not begin.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The log's key signed two logs.
    #[error(
        "ALARM: the log's key signed two logs, node `{node}` holds another one of {size} entries: stop the cell and read `Losing the coordinator` in docs/runbooks.md"
    )]
    Fork {
        /// The node with the other log.
        node: NodeId,
        /// Size at which that one was signed.
        size: u64,
    },
    /// The log has failed, or what was verified does not apply.
    #[error("the nodes' log cannot be taken over")]
    Adopt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}

impl From<LogBookError> for SeedError {
    fn from(error: LogBookError) -> Self {
        Self::Adopt(Box::new(error))
    }
}

/// Compares the log with the nodes'.
#[derive(Debug)]
pub(crate) struct Seeding {
    pub(crate) book: Arc<LogBook>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) cluster: ClusterId,
    pub(crate) genesis_hash: [u8; 32],
}

/// How a node stands, by its own account.
#[derive(Clone, Debug)]
struct Stand {
    link: Arc<NodeLink>,
    size: u64,
    root: Hash,
}

/// What one look at the nodes came to.
#[derive(Debug)]
enum Look {
    /// The log is as long as the longest valid one; so many entries were adopted.
    Done(u64),
    /// A node that was to be copied went away, or served something else the second time.
    Again,
}

impl Seeding {
    /// Adopts the longest valid log, if it is longer than this one. Returns the number of entries that were adopted.
    pub(crate) async fn run(&self) -> Result<u64, SeedError> {
        loop {
            let stands = self.stands().await?;
            if let Look::Done(adopted) = self.look(&stands).await? {
                return Ok(adopted);
            }
            tokio::time::sleep(ask::PAUSE).await;
        }
    }

    async fn look(&self, stands: &[Stand]) -> Result<Look, SeedError> {
        let own = Verified::own(&self.book).await?;
        let size = own.size();
        let mut longer: Vec<&Stand> = stands.iter().filter(|stand| stand.size > size).collect();
        longer.sort_by_key(|stand| Reverse(stand.size));
        let mut longest = None;
        for stand in longer {
            match own.continued_by(stand, &self.book).await {
                Ok(verified) => {
                    longest = Some((stand, verified));
                    break;
                }
                Err(error) => self.refuse(stand, &own, &error).await?,
            }
        }
        let valid = longest.as_ref().map_or(&own, |(_, verified)| verified);
        for stand in stands {
            self.compare(stand, valid).await?;
        }
        match longest {
            None if self.book.is_unfinished()? => Ok(Look::Again),
            None => Ok(Look::Done(0)),
            Some((stand, verified)) => self.adopt(stand, &verified, size).await,
        }
    }

    /// A node's longer log does not continue this one. Either the node lies, or the log's key signed two logs.
    async fn refuse(&self, stand: &Stand, own: &Verified, error: &CopyError) -> Result<(), SeedError> {
        let node = stand.link.node();
        tracing::error!(%node, error = cause(error), "ALARM: a node's longer log is not valid");
        if !error.is_lie() || own.size() <= 1 {
            return Ok(());
        }
        // Only a whole log that the key signed shows that it is the key that lied, and not the node.
        let begun = Verified::begun(&self.book).await?;
        match begun.continued_by(stand, &self.book).await {
            Ok(other) => Err(SeedError::Fork { node: node.clone(), size: other.size() }),
            Err(_) => Ok(()),
        }
    }

    /// A node that is not longer than the valid log holds a part of it, or has to show why not.
    async fn compare(&self, stand: &Stand, valid: &Verified) -> Result<(), SeedError> {
        if valid.root_at(stand.size).is_none_or(|root| root == stand.root) {
            return Ok(());
        }
        let node = stand.link.node();
        tracing::error!(%node, size = stand.size, "ALARM: a node claims another log");
        match stand.link.client().entries(stand.size.saturating_sub(1)).await {
            Ok(shown) if valid.contradicts(&shown.checkpoint) => {
                Err(SeedError::Fork { node: node.clone(), size: shown.checkpoint.claimed().size })
            }
            // Its word alone stops nobody; the replicator goes on raising the alarm.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Copies what was verified once more, now to keep it.
    async fn adopt(&self, stand: &Stand, verified: &Verified, from: u64) -> Result<Look, SeedError> {
        let mut next = from;
        while next < verified.size() {
            let entries = match verified.entries_again(stand, next).await {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::warn!(node = %stand.link.node(), error = cause(&error), "copying the log was interrupted");
                    return Ok(Look::Again);
                }
            };
            next = next.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
            let Some(checkpoint) = verified.checkpoint() else { return Ok(Look::Again) };
            self.book.adopt(entries, checkpoint).await.map_err(|error| match error {
                AdoptError::Failed(error) => SeedError::Failed(error),
                other @ (AdoptError::Log(_) | AdoptError::OtherRoot { .. }) => {
                    SeedError::Adopt(Box::new(other))
                }
            })?;
        }
        let adopted = next.saturating_sub(from);
        tracing::warn!(adopted, size = next, node = %stand.link.node(), "took over the nodes' log");
        Ok(Look::Done(adopted))
    }
}

impl From<CallError> for CopyError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

#[cfg(test)]
mod tests;
