//! What somebody asks about, and where the replayed log has it.

use std::fmt;
use std::str::FromStr;

use holdfast_ledger::{
    Act, CeremonyId, CeremonyKind, Event, OrderDemand, RejectionCode, State, StatementBody, StatementDigest,
};

use crate::failure::{Exit, Failure};

/// An officer's action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A statement, by the SHA-256 of its exact text.
    Statement(StatementDigest),
    /// A ceremony: what binds is the approval that completed its quorum.
    Ceremony(CeremonyId),
    /// An entry of the log, by its index.
    Entry(u64),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Ceremony(id));
        }
        if let Ok(digest) = text.parse() {
            return Ok(Self::Statement(digest));
        }
        text.parse().map(Self::Entry).map_err(|_| {
            "write the SHA-256 of a statement (64 hex digits), a ceremony (`c-...`) or the index of a log entry"
                .to_owned()
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(digest) => write!(f, "statement {digest}"),
            Self::Ceremony(id) => write!(f, "ceremony {id}"),
            Self::Entry(index) => write!(f, "entry {index}"),
        }
    }
}

/// Where an action is in the log, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// The entry from which on it is in force.
    pub(crate) index: u64,
    /// Its own words: `pause a wallet`.
    pub(crate) says: String,
    /// The statement in that entry.
    pub(crate) statement: Option<(StatementDigest, StatementBody)>,
}

/// What a replay met of the subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    action: Option<Action>,
    ceremony: Option<CeremonyId>,
    refused: Option<(u64, RejectionCode)>,
}

impl Found {
    /// To be called for every entry.
    pub(crate) fn note(&mut self, subject: &Subject, event: &Event<'_>) {
        let statement = match event.act {
            Some(Act::Statement { statement, digest, .. }) => Some((*digest, statement.body.clone())),
            Some(_) | None => None,
        };
        let is_it = match subject {
            Subject::Statement(digest) => statement.as_ref().is_some_and(|(found, _)| found == digest),
            Subject::Entry(index) => event.index() == *index,
            Subject::Ceremony(id) => completes(event, id),
        };
        if !is_it {
            return;
        }
        if let Some(rejection) = event.rejection() {
            // A statement that acted already stays in force when somebody logs it again.
            self.refused = self.refused.or(Some((event.index(), rejection.code())));
            return;
        }
        let says = event.action().unwrap_or_else(|| event.kind_name()).to_owned();
        self.ceremony = statement.as_ref().and(event.ceremony).filter(|id| !completes(event, id));
        self.action = Some(Action { index: event.index(), says, statement });
    }

    /// The action, once the log has it in force. `Ok(None)`: not yet.
    // INVARIANT (G4): an entry that changed nothing binds nobody, however many nodes hold it.
    pub(crate) fn action(&self, state: &State, subject: &Subject) -> Result<Option<Action>, Failure> {
        let Some(action) = &self.action else {
            return self.refused.map_or(Ok(None), |(index, code)| Err(no_op(subject, index, code)));
        };
        let Some(id) = self.ceremony else { return Ok(Some(action.clone())) };
        // A proposal, or an approval before the last one: nothing is in force before the quorum is met.
        let met = state.ceremony(&id).and_then(|ceremony| ceremony.quorum_met);
        Ok(met.map(|met| Action { index: met.index, ..action.clone() }))
    }

    /// The ceremony that is waited for.
    pub(crate) fn waits_for(&self) -> Option<CeremonyId> {
        self.ceremony
    }
}

/// Whether this entry completed the quorum of that ceremony.
fn completes(event: &Event<'_>, id: &CeremonyId) -> bool {
    event.ceremony == Some(*id)
        && event
            .state
            .ceremony(id)
            .and_then(|ceremony| ceremony.quorum_met)
            .is_some_and(|met| met.index == event.index())
}

fn no_op(subject: &Subject, index: u64, code: RejectionCode) -> Failure {
    let code = code.as_str();
    Failure::new(
        Exit::Other,
        "NOT_IN_FORCE",
        format!("{subject} is in the log (entry {index}) and changed nothing there: {code}"),
    )
    .next("it binds nobody: make a new statement")
}

/// Whether an officer who has just done this wants to know how far it binds: it takes something away, or changes by whom or by
/// what is decided.
pub(crate) fn restricts(state: &State, body: &StatementBody) -> bool {
    match body {
        StatementBody::PauseWallet(_)
        | StatementBody::RevokeWhitelistEntry(_)
        | StatementBody::RevokeClient(_)
        | StatementBody::AddToScreeningList { .. }
        | StatementBody::RejectHold(_)
        | StatementBody::WithdrawApproval(_) => true,
        StatementBody::OpenOrder(proposal) => matches!(proposal.demand, OrderDemand::Freeze(_)),
        StatementBody::ApproveCeremony(id) => state.ceremony(id).is_some_and(|ceremony| {
            ceremony.quorum_met.is_some()
                && matches!(
                    ceremony.kind,
                    CeremonyKind::ChangeRoster(_)
                        | CeremonyKind::ChangePolicy(_)
                        | CeremonyKind::UpdateScreeningList(_)
                )
        }),
        StatementBody::ApproveOrder(_)
        | StatementBody::ProposeWallet(_)
        | StatementBody::ProposeMigration(_)
        | StatementBody::ProposeImport(_)
        | StatementBody::ProposeWhitelistEntry(_)
        | StatementBody::ProposeResume { .. }
        | StatementBody::ProposeRosterChange(_)
        | StatementBody::ProposePolicy(_)
        | StatementBody::ProposeScreening(_)
        | StatementBody::ProposeScreeningLift { .. }
        | StatementBody::ApproveHold(_) => false,
    }
}

/// Whether what a statement restricted has been given back since.
pub(super) fn is_lifted(state: &State, digest: &StatementDigest, body: &StatementBody) -> bool {
    match body {
        StatementBody::PauseWallet(wallet) => state
            .wallet(wallet)
            .is_some_and(|wallet| wallet.pauses.iter().all(|pause| pause.statement != *digest)),
        // Whoever revoked it: a second revocation of the same client lifts nothing.
        StatementBody::RevokeClient(client) => state.client_revocation(client).is_none(),
        StatementBody::AddToScreeningList { list, address } => !state.is_listed(list, address),
        // A freeze that lapsed or was lifted stops nothing.
        StatementBody::OpenOrder(proposal) => {
            let order = proposal.id(state.cluster()).and_then(|id| state.legal_order(&id).cloned());
            order.is_some_and(|order| restricts(state, body) && !order.freezes_at(state.last_time()))
        }
        StatementBody::RevokeWhitelistEntry(_)
        | StatementBody::ApproveOrder(_)
        | StatementBody::RejectHold(_)
        | StatementBody::WithdrawApproval(_)
        | StatementBody::ProposeWallet(_)
        | StatementBody::ProposeMigration(_)
        | StatementBody::ProposeImport(_)
        | StatementBody::ProposeWhitelistEntry(_)
        | StatementBody::ProposeResume { .. }
        | StatementBody::ProposeRosterChange(_)
        | StatementBody::ProposePolicy(_)
        | StatementBody::ProposeScreening(_)
        | StatementBody::ProposeScreeningLift { .. }
        | StatementBody::ApproveCeremony(_)
        | StatementBody::ApproveHold(_) => false,
    }
}
