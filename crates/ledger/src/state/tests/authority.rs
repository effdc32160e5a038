//! What tests of roster and policy say and ask.

use std::collections::BTreeSet;

use holdfast_log::{Entry, Envelope};
use holdfast_policy::{OfficerId, RoleName, TimestampMs};

use super::cell::{Cell, ed25519, ssh};
use crate::*;

pub(super) fn officer_key(name: &str) -> OfficerKey {
    OfficerKey::parse(&ssh(name).public_key().to_openssh().unwrap()).unwrap()
}

pub(super) fn add_officer(name: &str, key: &str) -> RosterChange {
    let roles: BTreeSet<_> =
        ["security-officer", "withdrawal-approver"].map(|role| RoleName::new(role).unwrap()).into();
    RosterChange::AddOfficer { name: OfficerId::new(name).unwrap(), roles, key: officer_key(key) }
}

pub(super) fn remove_officer(name: &str) -> RosterChange {
    RosterChange::RemoveOfficer { name: OfficerId::new(name).unwrap() }
}

pub(super) fn add_client(cell: &Cell, name: &str, key: &str) -> RosterChange {
    RosterChange::AddClient {
        name: name.parse().unwrap(),
        key: ed25519(key).verifying_key(),
        wallets: ["hot-1".parse().unwrap()].into(),
        expires_at: TimestampMs(cell.now + 1_000_000_000),
    }
}

impl Cell {
    /// Proposes this for the version in force.
    pub(super) fn roster_proposal(&self, change: RosterChange) -> StatementBody {
        let roster = self.state.roster();
        let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
        StatementBody::ProposeRosterChange(Box::new(proposal))
    }

    /// Proposed by alice, approved by alice and bob.
    pub(super) fn change_roster(&mut self, change: RosterChange) -> CeremonyId {
        self.now += 1;
        let body = self.roster_proposal(change);
        self.approved(body)
    }

    /// Why the change is refused as soon as it is proposed.
    pub(super) fn refused_change(&mut self, change: RosterChange) -> &'static str {
        self.now += 1;
        let proposal = self.statement("alice", self.roster_proposal(change));
        self.refuse(&proposal)
    }

    pub(super) fn proposed(&mut self, officer: &str, body: StatementBody) -> CeremonyId {
        let proposal = self.statement(officer, body);
        self.accept(&proposal).ceremony.unwrap()
    }

    pub(super) fn approve(&mut self, officer: &str, ceremony: CeremonyId) -> CeremonyPhase {
        let approval = self.statement(officer, StatementBody::ApproveCeremony(ceremony));
        self.accept(&approval);
        self.phase(ceremony)
    }

    pub(super) fn phase(&self, ceremony: CeremonyId) -> CeremonyPhase {
        self.state.ceremony(&ceremony).unwrap().phase_at(TimestampMs(self.now))
    }

    /// An entry that no honest sequencer would log: the state stays as it is.
    pub(super) fn unauthentic(&mut self, envelope: &Envelope) -> &'static str {
        let size = self.state.size();
        let entry = Entry::stamp(self.now + 1, envelope).unwrap();
        let error = self.state.apply(&entry).unwrap_err();
        assert_eq!(self.state.size(), size);
        error.code()
    }

    /// A proposal to add house entry for this address.
    pub(super) fn whitelist_proposal(&self, address: &str) -> StatementBody {
        StatementBody::ProposeWhitelistEntry(WhitelistProposal {
            chain_id: holdfast_chains::ChainId(1),
            address: address.parse().unwrap(),
            assets: vec!["USDT".parse().unwrap()],
            customer: None,
            not_before: None,
            expires_at: TimestampMs(self.now + 1_000_000),
        })
    }

    pub(super) fn wallet_proposal(&self, wallet: &str) -> StatementBody {
        let nodes = self.state.roster().nodes().iter().map(|node| node.id.clone()).collect();
        let wallet = wallet.parse().unwrap();
        StatementBody::ProposeWallet(WalletProposal { wallet, engine: "test".to_owned(), t: 2, n: 3, nodes })
    }
}
