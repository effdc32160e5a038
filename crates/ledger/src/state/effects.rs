//! By which entries something took effect: for a node that compares what the log says about time with when it first held
//! those entries itself.

use holdfast_policy::{WalletId, WhitelistEntryId};

use super::State;
use crate::ceremony::{Ceremony, CeremonyKind};
use crate::ids::{CeremonyId, StatementDigest, whitelist_entry_ceremony};

impl State {
    /// The ceremony that added a whitelist entry. The cooling-off began where its quorum was met, see
    /// [`Ceremony::quorum_met`].
    pub fn whitelist_ceremony(&self, entry: &WhitelistEntryId) -> Option<&Ceremony> {
        self.ceremony(&whitelist_entry_ceremony(entry)?)
    }

    /// The ceremonies that lifted pauses of a wallet, the oldest first: one that was approved too late by a node's own clock
    /// has lifted nothing there.
    pub fn resumes(&self, wallet: &WalletId) -> impl Iterator<Item = &Ceremony> {
        let resumes = self.wallet(wallet).map(|wallet| wallet.resumes.as_slice()).unwrap_or_default();
        resumes.iter().filter_map(|id| self.ceremony(id))
    }

    /// Whether officers lifted a pause of a wallet by name, be it in the log or only at nodes.
    pub fn resumed_before(&self, wallet: &WalletId, pause: &StatementDigest) -> bool {
        let mut resumes = self.resumes(wallet).map(|ceremony| &ceremony.kind);
        resumes.any(|kind| matches!(kind, CeremonyKind::ResumeWallet { lifts, .. } if lifts.contains(pause)))
    }

    /// The ceremonies that brought the roster and the policy in force; none for those of genesis.
    pub fn authority_ceremonies(&self) -> impl Iterator<Item = &Ceremony> {
        let brought: [Option<CeremonyId>; 2] =
            [self.authority.roster.ceremony(), self.authority.policy_record.ceremony];
        brought.into_iter().flatten().filter_map(|id| self.ceremony(&id))
    }
}
