//! What holds for every provider's report, whatever it is about: who is heard, and the number of each.
//!
//! INVARIANT (G9): a provider's numbers have no gaps, and each is one report: so nobody keeps a warning back without everything after
//! it. A report that can never be taken uses up its number, in the log, because otherwise its provider would have to sign another one
//! with the same number, and whoever orders the entries could choose between them. One that may be taken later does not: nobody loses
//! a warning by logging it too early.

use std::collections::BTreeSet;

use holdfast_policy::{ProviderId, TimestampMs};

use super::State;
use crate::act::Act;
use crate::codec::record;
use crate::rejection::{Rejection, RejectionCode};

/// Numbers of refused reports that are remembered of each provider: whoever repeats one hears that it was refused.
const REFUSED_KEPT: usize = 64;

/// A provider's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    last: u64,
    /// The newest of those that refused reports used up.
    refused: Vec<u64>,
}

record!(Numbers { last, refused });

impl State {
    /// The next sequence number of a provider's reports.
    pub fn next_sequence(&self, provider: &ProviderId) -> u64 {
        self.numbers.get(provider).map_or(1, |numbers| numbers.last.saturating_add(1))
    }

    pub(super) fn use_number(&mut self, provider: ProviderId, number: u64) {
        self.numbers.entry(provider).or_default().last = number;
    }

    pub(super) fn refuse_number(&mut self, provider: ProviderId, number: u64) {
        let numbers = self.numbers.entry(provider).or_default();
        numbers.last = number;
        numbers.refused.push(number);
        if numbers.refused.len() > REFUSED_KEPT {
            numbers.refused.remove(0);
        }
    }

    /// The same rejection, which says so if it uses up the number of a report.
    pub(super) fn with_number(&self, act: &Act, rejection: Rejection) -> Rejection {
        match act.report() {
            Some((cluster, provider, number))
                if cluster == self.cluster()
                    && number == self.next_sequence(provider)
                    && !rejection.may_pass() =>
            {
                rejection.using_up(provider.clone(), number)
            }
            Some(_) | None => rejection,
        }
    }

    /// The next sequence number, and not from the future.
    pub(super) fn check_report(
        &self,
        provider: &ProviderId,
        sequence: u64,
        observed_at: TimestampMs,
        time: TimestampMs,
    ) -> Result<(), Rejection> {
        let next = self.next_sequence(provider);
        if self.numbers.get(provider).is_some_and(|numbers| numbers.refused.contains(&sequence)) {
            let detail =
                format!("a report with this sequence was refused and used it up: the next one is {next}");
            return Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field("sequence"));
        }
        if sequence < next {
            let detail = "a report with this sequence is logged already";
            return Err(Rejection::new(RejectionCode::AlreadyRecorded, detail));
        }
        if sequence > next {
            let detail = format!("the next sequence of `{provider}` is {next}: a report is missing");
            return Err(Rejection::new(RejectionCode::SequenceGap, detail).with_field("sequence"));
        }
        let latest = time.0.saturating_add(self.genesis.document.max_clock_skew_ms);
        if observed_at.0 > latest {
            let detail = "observed in the future: check the provider's clock; the same report is taken when that time has come";
            let rejection = Rejection::new(RejectionCode::FieldInvalid, detail);
            return Err(rejection.with_field("observed_at_ms").passing());
        }
        Ok(())
    }

    /// Officers remove a provider from one kind of facts by leaving it out of the policy's list for that kind.
    ///
    /// INVARIANT (G9): a report by anybody else says nothing: it can neither clear nor warn.
    pub(super) fn check_named(
        &self,
        provider: &ProviderId,
        named: Option<&BTreeSet<ProviderId>>,
        terms: &str,
    ) -> Result<(), Rejection> {
        if named.is_some_and(|named| named.contains(provider)) {
            return Ok(());
        }
        let detail = format!("the policy in force does not name `{provider}` in `{terms}.providers`");
        Err(Rejection::new(RejectionCode::ProviderNotNamed, detail).with_field("provider"))
    }

    /// INVARIANT (G9): where the policy names who reports about sessions and accounts, the key of a provider of prices cannot
    /// vouch for a session.
    pub(super) fn check_reports_on_sessions(&self, provider: &ProviderId) -> Result<(), Rejection> {
        match self.policy().session_providers() {
            None => Ok(()),
            named => self.check_named(provider, named, "sessions"),
        }
    }
}
