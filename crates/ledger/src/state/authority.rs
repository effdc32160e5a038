//! Who may speak and by which policy, as part of the state: both begin with genesis and change by ceremony only.

use std::sync::Arc;

use holdfast_policy::{ClientId, PolicyDocument, PolicyHash, PolicyVersion, TimestampMs, WalletId};

use super::State;
use crate::codec::record;
use crate::genesis::Genesis;
use crate::rejection::{Rejection, RejectionCode};
use crate::roster::Roster;
use crate::withdrawal::Withdrawal;

/// What changes rarely and is read by every entry; cloned as one pointer.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(super) roster: Arc<Roster>,
    pub(super) policy: Arc<PolicyDocument>,
    pub(super) policy_version: PolicyVersion,
}

record!(Authority { roster, policy, policy_version });

impl Authority {
    pub(super) fn from_genesis(genesis: &Genesis) -> Self {
        Self {
            roster: Arc::new(genesis.roster.clone()),
            policy: Arc::new(genesis.policy.clone()),
            policy_version: PolicyVersion(1),
        }
    }
}

impl State {
    /// The roster in force: who may speak now.
    pub fn roster(&self) -> &Roster {
        &self.authority.roster
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyDocument {
        &self.authority.policy
    }

    /// Its version; the genesis policy is version 1.
    pub fn policy_version(&self) -> PolicyVersion {
        self.authority.policy_version
    }

    /// SHA-256 of its exact text.
    pub fn policy_digest(&self) -> PolicyHash {
        self.authority.policy.hash()
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
}
