//! Following ceremonies: first what the log says from an index on, then live, with the progress of running ones.

use std::collections::BTreeMap;

use holdfast_ledger::CeremonyId;
use holdfast_proto::convert::{self, CeremonyLive};
use holdfast_proto::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::super::streams::{Gone, Outlet};
use super::CeremonyApi;
use crate::coordinator::Coordinator;
use crate::log_book::Subject;
use crate::status::{Object, RequestError};

/// Entries that are looked at while the log is held.
const STEP: u64 = 4_096;
/// Changes that are gathered at a time.
const GATHERED: usize = 64;

/// One caller's watch.
#[derive(Debug)]
struct Watch {
    parts: Coordinator,
    only: Option<CeremonyId>,
    next: u64,
    live: BTreeMap<CeremonyId, CeremonyLive>,
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

impl CeremonyApi {
    pub(super) async fn watched(
        &self,
        request: &v1::WatchCeremoniesRequest,
    ) -> Result<ReceiverStream<Result<v1::CeremonyEvent, Status>>, RequestError> {
        let only =
            request.ceremony_id.as_deref().map(|id| convert::ceremony_id("ceremony_id", id)).transpose()?;
        if let Some(id) = only {
            let known = self.parts.book.read().await?.state().ceremony(&id).is_some();
            if !known {
                return Err(RequestError::Unknown { kind: Object::Ceremony, id: id.to_string() });
            }
        }
        let (outlet, stream) = self.streams.open()?;
        let watch =
            Watch { parts: self.parts.clone(), only, next: request.from_index, live: BTreeMap::new() };
        tokio::spawn(watch.run(outlet));
        Ok(stream)
    }
}

impl Watch {
    async fn run(mut self, outlet: Outlet<v1::CeremonyEvent>) {
        let ended = tokio::select! {
            ended = self.follow(&outlet) => ended,
            () = outlet.gone() => return,
        };
        match ended {
            Ok(()) | Err(Ended::Gone) => {}
            Err(Ended::Failed(error)) => outlet.fail(error).await,
        }
    }

    async fn follow(&mut self, outlet: &Outlet<v1::CeremonyEvent>) -> Result<(), Ended> {
        let (mut tip, mut version) = (self.parts.book.tip(), self.parts.progress.version());
        loop {
            while let Some(changes) = self.gather().await? {
                for index in changes {
                    let event = self.parts.book.ceremony_event(index)?;
                    let last = self.only.is_some() && is_last(&event);
                    outlet.send(event).await?;
                    if last {
                        return Ok(());
                    }
                }
            }
            self.send_progress(outlet).await?;
            tokio::select! {
                // The senders live in `parts`.
                _ = tip.changed() => {}
                _ = version.changed() => {}
            }
        }
    }

    /// The next changes; `None` at the end of the log.
    async fn gather(&mut self) -> Result<Option<Vec<u64>>, RequestError> {
        let reader = self.parts.book.read().await?;
        if self.next >= reader.size() {
            return Ok(None);
        }
        let end = reader.size().min(self.next.saturating_add(STEP));
        let mut changes = Vec::new();
        while self.next < end && changes.len() < GATHERED {
            match reader.index().subject(self.next) {
                Some(Subject::Ceremony(id)) if self.only.is_none_or(|only| only == id) => {
                    changes.push(self.next)
                }
                Some(Subject::Ceremony(_) | Subject::Withdrawal(_) | Subject::Other) | None => {}
            }
            self.next = self.next.saturating_add(1);
        }
        Ok(Some(changes))
    }

    async fn send_progress(&mut self, outlet: &Outlet<v1::CeremonyEvent>) -> Result<(), Ended> {
        let live = self.parts.progress.ceremonies();
        let new = live.iter().filter(|(id, stands)| self.live.get(*id) != Some(*stands));
        let news: Vec<CeremonyId> =
            new.map(|(id, _)| *id).filter(|id| self.only.is_none_or(|only| only == *id)).collect();
        self.live = live;
        for id in news {
            let ceremony = self.parts.ceremony_view(&id).await?;
            let position = {
                let reader = self.parts.book.read().await.map_err(RequestError::from)?;
                // What was sent, and not what there is: whoever resumes after this event must not miss an entry.
                reader.times().position(self.next.min(reader.size()).saturating_sub(1))
            };
            outlet.send(v1::CeremonyEvent { position: Some(position), ceremony: Some(ceremony) }).await?;
        }
        Ok(())
    }
}

fn is_last(event: &v1::CeremonyEvent) -> bool {
    event.ceremony.as_ref().is_some_and(|ceremony| match ceremony.phase() {
        v1::CeremonyPhase::Activated | v1::CeremonyPhase::Expired | v1::CeremonyPhase::Failed => true,
        v1::CeremonyPhase::Unspecified
        | v1::CeremonyPhase::Proposed
        | v1::CeremonyPhase::Approved
        | v1::CeremonyPhase::Running
        | v1::CeremonyPhase::Confirmed => false,
    })
}
