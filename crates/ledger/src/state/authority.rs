//! Who may speak and by which policy, as part of the state: both begin with genesis and change by ceremony only, except that
//! one officer can revoke a client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_policy::{
    ClientId, OfficerId, PolicyDocument, PolicyHash, PolicyVersion, RoleName, TimestampMs, WalletId,
};
use serde::Serialize;

use super::State;
use crate::codec::record;
use crate::genesis::Genesis;
use crate::ids::{CeremonyId, StatementDigest};
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::Roster;
use crate::withdrawal::Withdrawal;

/// What changes rarely and is read by every entry; cloned as one pointer.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(super) roster: Arc<Roster>,
    /// The versions before it, the genesis roster first.
    pub(super) earlier_rosters: Vec<Arc<Roster>>,
    pub(super) policy: Arc<PolicyDocument>,
    pub(super) policy_record: PolicyRecord,
    /// The policies before it, the genesis policy first.
    pub(super) earlier_policies: Vec<PolicyRecord>,
    /// Documents that wait for a ceremony, the oldest first.
    pub(super) uploads: Vec<UploadedPolicy>,
    pub(super) revocations: BTreeMap<ClientId, ClientRevocation>,
}

record!(Authority { roster, earlier_rosters, policy, policy_record, earlier_policies, uploads, revocations });

/// A policy that is or was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyRecord {
    /// Its version; 1 is the genesis policy.
    pub version: PolicyVersion,
    /// SHA-256 of its exact text.
    pub hash: PolicyHash,
    /// The smallest tree size at which it is in force.
    pub in_force_from: u64,
    /// The ceremony that brought it; `None` for the genesis policy.
    pub ceremony: Option<CeremonyId>,
}

/// A policy document that is in the log and waits for a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPolicy {
    /// The document.
    pub document: Arc<PolicyDocument>,
    /// Log index of the entry that carries it.
    pub index: u64,
}

/// A client that one officer revoked; it stays so until the quorum admits the name again under a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientRevocation {
    /// The client.
    pub client: ClientId,
    /// The revoking statement.
    pub statement: StatementDigest,
    /// Who revoked it.
    pub officer: OfficerId,
    /// Since when, by the entry's time.
    pub time: TimestampMs,
    /// Log index.
    pub index: u64,
}

impl Authority {
    pub(super) fn from_genesis(genesis: &Genesis) -> Self {
        let policy_record = PolicyRecord {
            version: PolicyVersion(1),
            hash: genesis.policy.hash(),
            in_force_from: 1,
            ceremony: None,
        };
        Self {
            roster: Arc::new(genesis.roster.clone()),
            earlier_rosters: Vec::new(),
            policy: Arc::new(genesis.policy.clone()),
            policy_record,
            earlier_policies: Vec::new(),
            uploads: Vec::new(),
            revocations: BTreeMap::new(),
        }
    }

    pub(super) fn revoked_clients(&self) -> BTreeSet<ClientId> {
        self.revocations.keys().cloned().collect()
    }
}

impl State {
    /// The roster in force: who may speak now.
    pub fn roster(&self) -> &Roster {
        &self.authority.roster
    }

    /// The roster in force at an earlier tree size: its log key signed the checkpoint of that size, its nodes cosigned it.
    pub fn roster_at(&self, size: u64) -> &Roster {
        let mut versions = self.rosters().rev();
        versions.find(|roster| roster.in_force_from() <= size).unwrap_or(&self.authority.roster)
    }

    /// Every roster so far, the one in force last.
    pub fn rosters(&self) -> impl DoubleEndedIterator<Item = &Roster> {
        let Authority { roster, earlier_rosters, .. } = self.authority.as_ref();
        earlier_rosters.iter().chain([roster]).map(Arc::as_ref)
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyDocument {
        &self.authority.policy
    }

    /// Its version; the genesis policy is version 1.
    pub fn policy_version(&self) -> PolicyVersion {
        self.authority.policy_record.version
    }

    /// SHA-256 of its exact text.
    pub fn policy_digest(&self) -> PolicyHash {
        self.authority.policy.hash()
    }

    /// Every policy so far, the one in force last.
    pub fn policies(&self) -> impl DoubleEndedIterator<Item = &PolicyRecord> {
        let Authority { policy_record, earlier_policies, .. } = self.authority.as_ref();
        earlier_policies.iter().chain([policy_record])
    }

    /// The documents that are in the log and wait for a ceremony, the oldest first.
    pub fn uploaded_policies(&self) -> &[UploadedPolicy] {
        &self.authority.uploads
    }

    /// The revocation of a client, if an officer revoked it and nobody admitted it again.
    pub fn client_revocation(&self, client: &ClientId) -> Option<&ClientRevocation> {
        self.authority.revocations.get(client)
    }

    /// Cosignatures of roster nodes, its own included, that the checkpoint given at signing must carry; 0 if f is 0, because
    /// any t signers then overlap in an honest node.
    ///
    /// INVARIANT (G5): two histories cannot both collect more than (n + f) / 2 cosignatures.
    pub fn cosigners_needed(&self) -> usize {
        let roster = self.roster();
        match usize::from(roster.hostile_nodes()) {
            0 => 0,
            f => roster.nodes().len().saturating_add(f).div_euclid(2).saturating_add(1),
        }
    }

    /// Tombstones of distinct nodes that end an authorized withdrawal: n - t + 1 + f.
    pub fn tombstones_needed(&self) -> usize {
        let roster = self.roster();
        let (t, f) = (usize::from(roster.threshold()), usize::from(roster.hostile_nodes()));
        roster.nodes().len().saturating_sub(t).saturating_add(1).saturating_add(f)
    }

    /// Cosignatures of outside witnesses that the checkpoint given at signing must carry.
    pub fn witnesses_required(&self) -> usize {
        usize::from(self.genesis.document.witnesses_required)
    }

    /// The roles an officer holds now.
    pub(super) fn roles_of(&self, officer: &OfficerId) -> BTreeSet<RoleName> {
        self.roster().officer(officer).map(|officer| officer.roles.clone()).unwrap_or_default()
    }

    /// The roles in which what an officer said at `index` counts now: none once the officer left, even if somebody of the same
    /// name came since.
    ///
    /// INVARIANT (G4): approvals count by the current roster and current roles, not by those in force when they were given.
    pub(super) fn standing_roles(&self, officer: &OfficerId, index: u64) -> BTreeSet<RoleName> {
        let known = self.roster().officer(officer).filter(|officer| officer.since < index);
        known.map(|officer| officer.roles.clone()).unwrap_or_default()
    }

    /// The same for a withdrawal that is in the log.
    pub(super) fn check_scope_of(&self, withdrawal: &Withdrawal, at: TimestampMs) -> Result<(), Rejection> {
        let request = &withdrawal.request;
        self.check_client(&request.client, &request.wallet, withdrawal.positions.request, at)
    }

    /// INVARIANT (G1, G4): a client's key speaks for its wallets, until it expires or is revoked: when the request is made,
    /// when it is authorized, and by each node's own clock when it signs. The request's own dates prove nothing about its
    /// age, and a request logged before the client of this name was admitted was made with another key.
    pub(super) fn check_client(
        &self,
        client: &ClientId,
        wallet: &WalletId,
        requested_index: u64,
        at: TimestampMs,
    ) -> Result<(), Rejection> {
        self.check_not_revoked(client)?;
        let known = self.roster().client(client);
        let in_scope = known.is_some_and(|known| {
            known.wallets.contains(wallet) && at < known.expires_at && known.since < requested_index
        });
        if !in_scope {
            let detail = format!("client `{client}` may not use wallet `{wallet}`, or its key has expired");
            return Err(Rejection::new(RejectionCode::SignerNotAuthorized, detail).with_field("client"));
        }
        Ok(())
    }

    /// Log index from which on what was said in this client's name was said with its present key: what a thief said with an
    /// earlier one uses up no limit and forbids nothing. 0, so that everything counts, if the roster has no such client.
    pub(super) fn present_key_since(&self, client: &ClientId) -> u64 {
        self.roster().client(client).map_or(0, |known| known.since)
    }

    /// INVARIANT (G4): once an officer revoked a client, nothing it says acts any more, whatever it says.
    pub(super) fn check_not_revoked(&self, client: &ClientId) -> Result<(), Rejection> {
        match self.client_revocation(client) {
            None => Ok(()),
            Some(revocation) => {
                let detail = format!("officer `{}` revoked client `{client}`", revocation.officer);
                Err(Rejection::new(RejectionCode::ClientRevoked, detail).with_field("client"))
            }
        }
    }
}
