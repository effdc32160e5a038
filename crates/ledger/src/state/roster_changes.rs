//! Changes of the roster, and what they end: everything that rested on the version before.

use std::sync::Arc;

use holdfast_policy::{ClientId, OfficerId, TimestampMs};

use super::authority::ClientRevocation;
use super::{Change, State};
use crate::ceremony::{Ceremony, CeremonyKind, CeremonyPhase};
use crate::ids::{CeremonyId, StatementDigest};
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::{Roster, RosterChange, RosterProposal, Succession};
use crate::statement::Statement;

impl State {
    pub(super) fn propose_roster_change(
        &self,
        statement: &Statement,
        proposal: &RosterProposal,
        text: &str,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.next_roster(proposal, None, index, time)?;
        self.propose(statement, CeremonyKind::ChangeRoster(Box::new(proposal.clone())), text, index)
    }

    /// The quorum is met.
    pub(super) fn change_roster(
        &self,
        proposal: &RosterProposal,
        ceremony: CeremonyId,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let next = self.next_roster(proposal, Some(ceremony), index, time)?;
        let ended = self.ended_by(&next, &proposal.change, ceremony, time);
        Ok(Change { roster: Some(next), other_ceremonies: ended, ..Change::default() })
    }

    fn next_roster(
        &self,
        proposal: &RosterProposal,
        ceremony: Option<CeremonyId>,
        index: u64,
        time: TimestampMs,
    ) -> Result<Roster, Rejection> {
        let succession = Succession {
            earlier: &self.authority.earlier_rosters,
            quorums: &self.genesis.document.quorums,
            revoked: &self.authority.revoked_clients(),
            ceremony,
            index,
            time,
        };
        self.roster().succeed(proposal, &succession)
    }

    /// INVARIANT (G4): what a removed officer proposed or approved ends with the officer, and a key generation in which a node
    /// got new keys ends: its old incarnation's confirmation says nothing about the new one.
    pub(super) fn ended_by(
        &self,
        next: &Roster,
        change: &RosterChange,
        by: CeremonyId,
        time: TimestampMs,
    ) -> Vec<Ceremony> {
        let open = self.ceremonies().filter(|ceremony| ceremony.id != by && ceremony.is_open_at(time));
        open.filter_map(|ceremony| {
            let mut left = ceremony.clone();
            match change {
                RosterChange::RemoveOfficer { name } => without(&mut left, name, next),
                RosterChange::ReplaceNodeKeys { .. } => without_incarnation(&mut left),
                RosterChange::AddOfficer { .. }
                | RosterChange::AddClient { .. }
                | RosterChange::AddAgencyContact { .. }
                | RosterChange::RemoveAgencyContact { .. }
                | RosterChange::RemoveClient { .. }
                | RosterChange::ReplaceCoordinatorKeys { .. } => {}
            }
            if matches!(left.kind, CeremonyKind::ChangeRoster(_)) {
                left.phase = CeremonyPhase::Superseded;
            }
            (left != *ceremony).then_some(left)
        })
        .collect()
    }

    /// One officer is enough to stop a client; to let it in again takes the quorum and a new key.
    pub(super) fn revoke_client(
        &self,
        statement: &Statement,
        client: &ClientId,
        digest: StatementDigest,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.known_client(client)?;
        // A second officer's statement is used up too, so that a latch it set at a node is lifted by the log.
        if self.client_revocation(client).is_some() {
            return Ok(Change::default());
        }
        let revocation = ClientRevocation {
            client: client.clone(),
            statement: digest,
            officer: statement.officer.clone(),
            time,
            index,
        };
        Ok(Change { client_revocation: Some(revocation), ..Change::default() })
    }

    pub(super) fn known_client(&self, client: &ClientId) -> Result<&crate::roster::Client, Rejection> {
        self.roster().client(client).ok_or_else(|| {
            let detail = format!("the roster has no client `{client}`");
            Rejection::new(RejectionCode::UnknownParty, detail).with_field("client")
        })
    }

    pub(super) fn write_roster(&mut self, next: Roster) {
        let authority = Arc::make_mut(&mut self.authority);
        // A name that left, or came back with a new key, is not the client that was revoked.
        authority.revocations.retain(|name, revocation| {
            next.client(name).is_some_and(|client| client.since < revocation.index)
        });
        let replaced = std::mem::replace(&mut authority.roster, Arc::new(next));
        authority.earlier_rosters.push(replaced);
    }

    pub(super) fn write_revocation(&mut self, revocation: ClientRevocation) {
        Arc::make_mut(&mut self.authority).revocations.insert(revocation.client.clone(), revocation);
    }
}

fn without(ceremony: &mut Ceremony, officer: &OfficerId, next: &Roster) {
    ceremony.approvals.retain(|approval| approval.officer != *officer);
    let met = ceremony.quorum_met_by(|approval| {
        next.officer(&approval.officer).map(|officer| officer.roles.clone()).unwrap_or_default()
    });
    let proposed_by_them = ceremony.phase == CeremonyPhase::Proposed && ceremony.proposer == *officer;
    if proposed_by_them || (ceremony.phase != CeremonyPhase::Proposed && !met) {
        ceremony.phase = CeremonyPhase::Superseded;
    }
}

/// Every node takes part in every key generation, and nothing else is open beyond its proposal.
fn without_incarnation(ceremony: &mut Ceremony) {
    if ceremony.phase != CeremonyPhase::Proposed {
        ceremony.phase = CeremonyPhase::Superseded;
    }
}
