//! The attempts in progress: few, short-lived, in memory.
//!
//! Owns their number and their time. It must never let two calls work on one attempt, or keep one beyond its time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_policy::TimestampMs;
use holdfast_threshold::SessionId;

use super::refusal::SignRefusal;
use super::session::SignSession;

/// Attempts in progress at a time.
pub(crate) const MAX_SESSIONS: usize = 64;
/// How long an attempt may take, in milliseconds.
pub(crate) const SESSION_TTL_MS: u64 = 30_000;

/// The table of attempts. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    slots: Arc<Mutex<BTreeMap<SessionId, Slot>>>,
}

struct Slot {
    opened: TimestampMs,
    // `None` while a call works on it, or before it is filled.
    session: Option<Box<SignSession>>,
}

/// An attempt's place while a call prepares it or works on it; given up when it is dropped unfilled.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Sessions,
    id: SessionId,
    filled: bool,
}

/// An attempt that a call works on; forgotten when it is dropped and was not put back.
#[derive(Debug)]
pub(crate) struct Taken {
    place: Place,
    session: Box<SignSession>,
}

impl Sessions {
    /// A place for one more attempt.
    pub(super) fn reserve(&self, id: SessionId, now: TimestampMs) -> Result<Place, SignRefusal> {
        self.sweep(now);
        let mut slots = self.lock();
        if slots.contains_key(&id) {
            return Err(SignRefusal::SessionBusy { session: id });
        }
        if slots.len() >= MAX_SESSIONS {
            return Err(SignRefusal::TooManySessions);
        }
        slots.insert(id, Slot { opened: now, session: None });
        Ok(Place { sessions: self.clone(), id, filled: false })
    }

    /// The attempt, for one call.
    pub(super) fn take(&self, id: SessionId, now: TimestampMs) -> Result<Taken, SignRefusal> {
        self.sweep(now);
        let mut slots = self.lock();
        let slot = slots.get_mut(&id).ok_or(SignRefusal::SessionUnknown { session: id })?;
        let session = slot.session.take().ok_or(SignRefusal::SessionBusy { session: id })?;
        Ok(Taken { place: Place { sessions: self.clone(), id, filled: false }, session })
    }

    /// Forgets an attempt. True if there was one that no call works on.
    pub(crate) fn abort(&self, id: SessionId) -> bool {
        let mut slots = self.lock();
        let idle = slots.get(&id).is_some_and(|slot| slot.session.is_some());
        if idle {
            slots.remove(&id);
        }
        idle
    }

    /// Forgets the attempts of which this is true. One that a call works on is the call's to check.
    pub(super) fn forget(&self, over: impl Fn(&SignSession) -> bool) {
        self.lock().retain(|_, slot| !slot.session.as_deref().is_some_and(&over));
    }

    /// Forgets every attempt that is beyond its time. One that a call works on is forgotten when the call is over.
    pub(crate) fn sweep(&self, now: TimestampMs) {
        let expired = |slot: &Slot| now.0.abs_diff(slot.opened.0) > SESSION_TTL_MS;
        self.lock().retain(|_, slot| slot.session.is_none() || !expired(slot));
    }

    /// Attempts in progress.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Puts the attempt into its place.
    pub(super) fn fill(mut self, session: Box<SignSession>) {
        if let Some(slot) = self.sessions.lock().get_mut(&self.id) {
            slot.session = Some(session);
        }
        self.filled = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.filled {
            self.sessions.lock().remove(&self.id);
        }
    }
}

impl Taken {
    pub(super) fn session(&self) -> &SignSession {
        &self.session
    }

    pub(super) fn session_mut(&mut self) -> &mut SignSession {
        &mut self.session
    }

    /// The attempt goes on.
    pub(super) fn put_back(self) {
        self.place.fill(self.session);
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.count()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "test")]

    use super::*;

    #[test]
    fn place_that_a_call_works_on_is_not_given_away_aborted_or_swept() {
        let (sessions, id, now) = (Sessions::default(), SessionId([1; 32]), TimestampMs(1_000_000));
        let place = sessions.reserve(id, now).unwrap();
        assert!(matches!(sessions.reserve(id, now), Err(SignRefusal::SessionBusy { .. })));
        assert!(!sessions.abort(id));
        sessions.sweep(TimestampMs(now.0 + SESSION_TTL_MS + 1));
        assert_eq!(sessions.count(), 1);
        drop(place);
        assert_eq!(sessions.count(), 0);
        assert!(!sessions.abort(id));
    }
}
