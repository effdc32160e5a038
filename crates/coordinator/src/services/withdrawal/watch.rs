//! Following withdrawals: first what the log says from an index on, then live. Skips nothing, and sends nothing that is not
//! durable.

use std::collections::BTreeMap;

use holdfast_ledger::WithdrawalId;
use holdfast_policy::TimestampMs;
use holdfast_proto::convert::{self, Waiting};
use holdfast_proto::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::super::caller::Scope;
use super::super::streams::{Gone, Outlet};
use super::WithdrawalApi;
use crate::coordinator::Coordinator;
use crate::log_book::{Subject, is_final};
use crate::status::RequestError;

/// Entries that are looked at while the log is held.
const STEP: u64 = 4_096;
/// Changes that are gathered at a time.
const GATHERED: usize = 64;

/// One caller's watch.
#[derive(Debug)]
struct Watch {
    parts: Coordinator,
    scope: Scope,
    only: Option<WithdrawalId>,
    next: u64,
    /// Expiries up to here were known to the caller.
    expired_until: Option<TimestampMs>,
    expiries_seen: usize,
    waiting: BTreeMap<WithdrawalId, Waiting>,
}

/// A withdrawal that an entry changed.
#[derive(Clone, Copy, Debug)]
struct Change {
    index: u64,
    id: WithdrawalId,
    is_replaced: bool,
}

/// Why a watch ends early.
enum Ended {
    Gone,
    Failed(RequestError),
}

impl From<Gone> for Ended {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl<E: Into<RequestError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether there is more to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

impl WithdrawalApi {
    pub(super) async fn watched(
        &self,
        scope: Scope,
        request: &v1::WatchWithdrawalsRequest,
    ) -> Result<ReceiverStream<Result<v1::WithdrawalEvent, Status>>, RequestError> {
        let only = request
            .withdrawal_id
            .as_deref()
            .map(|id| convert::withdrawal_id("withdrawal_id", id))
            .transpose()?;
        let expired_until = {
            let reader = self.parts.book.read().await?;
            if let Some(id) = only {
                let visible =
                    reader.state().withdrawal(&id).is_some_and(|withdrawal| scope.covers(withdrawal));
                if !visible {
                    return Err(super::unknown(&id));
                }
            }
            let last_seen = request.from_index.checked_sub(1);
            last_seen.map(|index| TimestampMs(reader.times().at(index)))
        };
        let (outlet, stream) = self.streams.open()?;
        let watch = Watch {
            parts: self.parts.clone(),
            scope,
            only,
            next: request.from_index,
            expired_until,
            expiries_seen: 0,
            waiting: BTreeMap::new(),
        };
        tokio::spawn(watch.run(outlet));
        Ok(stream)
    }
}

impl Watch {
    async fn run(mut self, outlet: Outlet<v1::WithdrawalEvent>) {
        let ended = tokio::select! {
            ended = self.follow(&outlet) => ended,
            () = outlet.gone() => return,
        };
        match ended {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Failed(error)) => outlet.fail(error).await,
        }
    }

    async fn follow(&mut self, outlet: &Outlet<v1::WithdrawalEvent>) -> Result<(), Ended> {
        let book = std::sync::Arc::clone(&self.parts.book);
        let (mut tip, mut expiries) = (book.tip(), book.expiries());
        let mut version = self.parts.progress.version();
        loop {
            if self.send_logged(outlet).await? == More::No {
                return Ok(());
            }
            if self.send_expired(outlet).await? == More::No {
                return Ok(());
            }
            self.send_progress(outlet).await?;
            tokio::select! {
                // The senders live in `parts`.
                _ = tip.changed() => {}
                _ = expiries.changed() => {}
                _ = version.changed() => {}
            }
        }
    }

    /// Everything up to the end of the log.
    async fn send_logged(&mut self, outlet: &Outlet<v1::WithdrawalEvent>) -> Result<More, Ended> {
        loop {
            let (changes, reached_end) = self.gather().await?;
            for Change { index, id, is_replaced } in changes {
                let book = &self.parts.book;
                let event =
                    if is_replaced { book.replaced_event(index)? } else { book.withdrawal_event(index)? };
                let event = self.complete(&id, event).await?;
                let last = self.only.is_some() && is_last(&event);
                outlet.send(event).await?;
                if last {
                    return Ok(More::No);
                }
            }
            if reached_end {
                return Ok(More::Yes);
            }
        }
    }

    /// The next changes that the caller may see, and whether the log ends with them.
    async fn gather(&mut self) -> Result<(Vec<Change>, bool), RequestError> {
        let reader = self.parts.book.read().await?;
        let end = reader.size().min(self.next.saturating_add(STEP));
        let mut changes = Vec::new();
        while self.next < end && changes.len() < GATHERED {
            let index = self.next;
            let own = match reader.index().subject(index) {
                Some(Subject::Withdrawal(id)) => Some(Change { index, id, is_replaced: false }),
                Some(Subject::Ceremony(_) | Subject::Other) | None => None,
            };
            let replaced = reader.index().replaced_at(index);
            let replaced = replaced.map(|id| Change { index, id, is_replaced: true });
            changes.extend(replaced.into_iter().chain(own).filter(|change| {
                self.only.is_none_or(|only| only == change.id)
                    && reader.state().withdrawal(&change.id).is_some_and(|found| self.scope.covers(found))
            }));
            self.next = self.next.saturating_add(1);
        }
        Ok((changes, self.next >= reader.size()))
    }

    /// Adds the receipt, which is not stored with the event.
    async fn complete(
        &self,
        id: &WithdrawalId,
        mut event: v1::WithdrawalEvent,
    ) -> Result<v1::WithdrawalEvent, RequestError> {
        let is_signed = event.withdrawal.as_ref().and_then(|found| found.positions.as_ref());
        if is_signed.is_some_and(|positions| positions.signature.is_some()) {
            let receipt = self.parts.receipt(id).await?;
            if let Some(withdrawal) = &mut event.withdrawal {
                withdrawal.receipt = Some(receipt.to_wire());
            }
        }
        Ok(event)
    }

    /// Withdrawals that ran out of time since the caller last looked: no entry says so.
    async fn send_expired(&mut self, outlet: &Outlet<v1::WithdrawalEvent>) -> Result<More, Ended> {
        let expired: Vec<WithdrawalId> = {
            let reader = self.parts.book.read().await.map_err(RequestError::from)?;
            let all = reader.index().expiries();
            let new = all.iter().skip(self.expiries_seen);
            self.expiries_seen = all.len();
            new.filter(|expiry| self.expired_until.is_none_or(|until| expiry.at > until))
                .filter(|expiry| self.only.is_none_or(|only| only == expiry.withdrawal))
                .filter(|expiry| {
                    reader
                        .state()
                        .withdrawal(&expiry.withdrawal)
                        .is_some_and(|found| self.scope.covers(found))
                })
                .map(|expiry| expiry.withdrawal)
                .collect()
        };
        for id in expired {
            self.send_as_it_stands(&id, outlet).await?;
            if self.only.is_some() {
                return Ok(More::No);
            }
        }
        Ok(More::Yes)
    }

    /// What open withdrawals wait for, if that is new.
    async fn send_progress(&mut self, outlet: &Outlet<v1::WithdrawalEvent>) -> Result<(), Ended> {
        let waiting = self.parts.progress.withdrawals();
        let news: Vec<WithdrawalId> = {
            let reader = self.parts.book.read().await.map_err(RequestError::from)?;
            let new = waiting.iter().filter(|(id, waits)| self.waiting.get(*id) != Some(*waits));
            new.map(|(id, _)| *id)
                .filter(|id| self.only.is_none_or(|only| only == *id))
                .filter(|id| reader.state().withdrawal(id).is_some_and(|found| self.scope.covers(found)))
                .collect()
        };
        self.waiting = waiting;
        for id in news {
            self.send_as_it_stands(&id, outlet).await?;
        }
        Ok(())
    }

    /// A withdrawal now, at the newest entry of the log that was sent.
    async fn send_as_it_stands(
        &self,
        id: &WithdrawalId,
        outlet: &Outlet<v1::WithdrawalEvent>,
    ) -> Result<(), Ended> {
        let withdrawal = self.parts.withdrawal_view(id).await?;
        let position = {
            let reader = self.parts.book.read().await.map_err(RequestError::from)?;
            // What was sent, and not what there is: whoever resumes after this event must not miss an entry.
            let sent = self.next.min(reader.size()).saturating_sub(1);
            reader.times().position(sent)
        };
        outlet.send(v1::WithdrawalEvent { position: Some(position), withdrawal: Some(withdrawal) }).await?;
        Ok(())
    }
}

fn is_last(event: &v1::WithdrawalEvent) -> bool {
    let Some(withdrawal) = &event.withdrawal else { return false };
    convert::withdrawal_state("state", withdrawal.state).ok().flatten().is_some_and(is_final)
}
