//! Owns one run: a stream from its first event to its last, through one or more policies side by side.

use holdfast_policy::{PolicyDocument, ScreeningError, ScreeningIndex, ScreeningList};
use holdfast_traffic::{Event, Label, ParameterError, Parameters, Record, Traffic};
use thiserror::Error;

use crate::{
    exchange::Exchange,
    outcome::{Verdict, fails_a_step_up},
    tally::Tally,
};

/// Why there is no score.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// The stream cannot be generated.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// A screening list cannot be made.
    #[error(transparent)]
    Screening(#[from] ScreeningError),
    /// The generator made something that the log would not take.
    #[error("the generator made something that the log would not take: {0}")]
    Generated(String),
}

impl ScoreError {
    pub(crate) fn generated(error: impl ToString) -> Self {
        Self::Generated(error.to_string())
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Events so far.
    pub events: u64,
    /// Percent of the stream's time.
    pub percent: u64,
}

/// A stream and the policies that decide about it.
#[derive(Debug)]
pub struct Run {
    parameters: Parameters,
    seed: u64,
    policies: Vec<PolicyDocument>,
    pays_everything: bool,
}

impl Run {
    /// The stream of these parameters and this seed, through each of the policies.
    pub fn new(parameters: Parameters, seed: u64, policies: Vec<PolicyDocument>) -> Self {
        Self { parameters, seed, policies, pays_everything: false }
    }

    /// Pays whatever was decided: for fitting weights, where nothing may depend on the weights yet.
    #[must_use]
    pub fn paying_everything(self) -> Self {
        Self { pays_everything: true, ..self }
    }

    /// Runs the whole stream. `tell` is called now and then; the tallies are in the order of the policies.
    ///
    /// # Errors
    /// Refuses parameters out of bounds.
    pub fn tallies(&self, tell: impl FnMut(Progress)) -> Result<Vec<Tally>, ScoreError> {
        self.each(tell, |_, _, _| {})
    }

    /// The same, with every decision about a withdrawal of the evaluation.
    pub fn each(
        &self,
        mut tell: impl FnMut(Progress),
        mut decided: impl FnMut(usize, &Record, &holdfast_policy::Decision),
    ) -> Result<Vec<Tally>, ScoreError> {
        let mut sides = Vec::new();
        for document in &self.policies {
            let exchange = Exchange::new(document.clone(), nobody_listed(document)?)?;
            sides.push((exchange, Tally::default()));
        }
        let (start, end) = (self.parameters.start, self.parameters.end());
        for (events, record) in (1_u64..).zip(Traffic::new(self.parameters.clone(), self.seed)?) {
            for (number, (exchange, tally)) in sides.iter_mut().enumerate() {
                self.step(exchange, tally, &record, |decision| decided(number, &record, decision))?;
            }
            if events.is_multiple_of(50_000) {
                let percent = record.at.since(start).saturating_mul(100).checked_div(end.since(start).max(1));
                tell(Progress { events, percent: percent.unwrap_or(100) });
            }
        }
        Ok(sides.into_iter().map(|(_, tally)| tally).collect())
    }

    /// One record through one policy.
    fn step(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        record: &Record,
        decided: impl FnOnce(&holdfast_policy::Decision),
    ) -> Result<(), ScoreError> {
        let Event::Withdrawal(request) = &record.event else {
            return exchange.tell(record.at, &record.event);
        };
        let facts = exchange.facts(record.at, request)?;
        // What the history teaches was paid, whatever this policy would have said.
        let mut paid = true;
        if record.at >= self.parameters.evaluation_start() {
            let decision = exchange.decide(record.at, &facts);
            decided(&decision);
            tally.add(record, request, &decision);
            paid = self.pays_everything || is_paid(Verdict::of(&decision), record.label);
        }
        if paid {
            exchange.pay(record.at, &facts);
        }
        Ok(())
    }
}

fn is_paid(verdict: Verdict, label: Label) -> bool {
    match verdict {
        Verdict::Paid => true,
        Verdict::Denied => false,
        // Officers let honest customers go and stop thieves.
        Verdict::Held => matches!(label, Label::Honest(_)),
        Verdict::SteppedUp => label.incident().is_none_or(|incident| !fails_a_step_up(incident.kind)),
    }
}

/// The lists that the policy names, with nobody on them: the stream has no listed destinations.
fn nobody_listed(document: &PolicyDocument) -> Result<ScreeningIndex, ScoreError> {
    let day = holdfast_policy::CalendarDate::parse("2026-01-01").map_err(ScoreError::generated)?;
    let mut index = ScreeningIndex::new();
    for list in document.screening_lists() {
        let far = "0x000000000000000000000000000000000000dead";
        index.insert(ScreeningList::parse(list.clone(), "synthetic traffic", day.clone(), far)?);
    }
    Ok(index)
}
