//! Giving an authorized withdrawal up: every node is asked to swear that it will never sign it, and what they swear is logged.
//!
//! All that this can do is to refuse service: a node that may have released its last message does not swear, and what the
//! oaths free follows from the log alone (G5).

use futures::future::join_all;
use holdfast_ledger::{WithdrawalId, WithdrawalState};
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_server::telemetry::cause;

use super::super::caller::Scope;
use super::WithdrawalApi;
use crate::nodes::{CallError, NodeLink};
use crate::sequencer::ProposeError;
use crate::status::RequestError;

/// Why a node's oath is not in the log.
#[derive(Debug, thiserror::Error)]
enum OathError {
    #[error("{code}: {source}", code = source.code())]
    Call { source: CallError },
    #[error(transparent)]
    Read(#[from] crate::log_book::ReadError),
    #[error(transparent)]
    Failed(#[from] crate::log_book::LogFailed),
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

impl WithdrawalApi {
    /// The withdrawal once every node that answers was asked.
    pub(super) async fn given_up(
        &self,
        scope: &Scope,
        id: &WithdrawalId,
    ) -> Result<v1::Withdrawal, RequestError> {
        let (state, giveable) = {
            let reader = self.parts.book.read().await?;
            let withdrawal = reader.state().withdrawal(id).filter(|found| scope.covers(found));
            let state = withdrawal.ok_or_else(|| super::unknown(id))?.logged_state();
            (state, reader.state().tombstonable(id, self.parts.clock.now()).map(|_| ()))
        };
        if state == WithdrawalState::Tombstoned {
            return self.parts.withdrawal_view(id).await;
        }
        giveable.map_err(|refusal| RequestError::NotGiveable { detail: refusal.to_string() })?;
        // No attempt is begun from here on; one that runs may still sign, and then its nodes do not swear.
        self.parts.given_up.add(*id).await?;
        let asking = self.parts.nodes.links().map(|link| async move { (link, self.sworn(link, id).await) });
        for (link, sworn) in join_all(asking).await {
            match sworn {
                Ok(()) => {
                    tracing::info!(node = %link.node(), withdrawal = %id, "a node swore off a withdrawal")
                }
                Err(error) => {
                    tracing::warn!(node = %link.node(), withdrawal = %id, error = cause(&error), "a node does not swear");
                }
            }
        }
        self.parts.withdrawal_view(id).await
    }

    /// Asks one node, and logs what it swears.
    async fn sworn(&self, link: &NodeLink, id: &WithdrawalId) -> Result<(), OathError> {
        let envelope = self.oath(link, id).await?;
        self.parts.sequencer.propose(envelope).await?;
        Ok(())
    }

    async fn oath(&self, link: &NodeLink, id: &WithdrawalId) -> Result<Envelope, OathError> {
        let size = self.parts.book.read().await?.size();
        let chunk = self.parts.book.chunk(link.health().tip_size.min(size), size).await?;
        let called = link.client().tombstone(chunk, *id).await;
        let (envelope, tip) = called.map_err(|source| OathError::Call { source })?;
        match self.parts.cosigned.add(link.node(), &tip).await {
            Ok(cosigned_at_s) => link.stands_at(&tip, cosigned_at_s),
            // The replicator raises the alarm; the oath is signed all the same.
            Err(error) => tracing::warn!(node = %link.node(), %error, "a node's tip is not believed"),
        }
        Ok(envelope)
    }
}
