//! Whitelist entries: what the registry and the policy's terms permit.

use holdfast_chains::AssetSymbol;
use holdfast_policy::{EntryOwner, TimestampMs, WhitelistEntry};

use crate::ceremony::{CeremonyKind, WhitelistProposal};
use crate::ids::{CeremonyId, whitelist_entry_id};
use crate::rejection::{Rejection, RejectionCode};
use crate::state::{Change, State};
use crate::statement::Statement;

impl State {
    pub(in crate::state) fn propose_whitelist_entry(
        &self,
        statement: &Statement,
        proposal: &WhitelistProposal,
        text: &str,
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        let registered = |symbol: &AssetSymbol| {
            self.genesis
                .document
                .assets
                .iter()
                .any(|a| a.chain_id == proposal.chain_id && a.symbol == *symbol)
        };
        if let Some(asset) = proposal.assets.iter().find(|symbol| !registered(symbol)) {
            let detail = format!("`{asset}` is not registered on chain {}", proposal.chain_id);
            return Err(Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset"));
        }
        self.check_whitelist_terms(proposal, time)?;
        self.propose(statement, CeremonyKind::AddWhitelistEntry(proposal.clone()), text, index)
    }

    pub(super) fn approved_entry(
        &self,
        ceremony: &CeremonyId,
        proposal: &WhitelistProposal,
        time: TimestampMs,
    ) -> Result<WhitelistEntry, Rejection> {
        let not_before = self.check_whitelist_terms(proposal, time)?;
        let id = whitelist_entry_id(ceremony)
            .ok_or_else(|| Rejection::new(RejectionCode::FieldInvalid, "the entry has no id"))?;
        Ok(WhitelistEntry {
            id,
            chain_id: proposal.chain_id,
            address: proposal.address,
            assets: proposal.assets.iter().cloned().collect(),
            owner: proposal.customer.clone().map_or(EntryOwner::House, EntryOwner::Customer),
            not_before,
            expires_at: proposal.expires_at,
            revoked_at: None,
            last_used: None,
        })
    }

    /// When the entry would become valid if it were approved at `time`; refuses what the policy's terms do not permit.
    fn check_whitelist_terms(
        &self,
        proposal: &WhitelistProposal,
        time: TimestampMs,
    ) -> Result<TimestampMs, Rejection> {
        let refuse =
            |detail: String| Rejection::new(RejectionCode::PolicyBound, detail).with_field("valid until");
        let terms = self.policy().whitelist();
        let cooled = time.checked_add(terms.cooling_off).ok_or_else(|| refuse("too late".to_owned()))?;
        let not_before = proposal.not_before.map_or(cooled, |asked| asked.max(cooled));
        terms.check(time, not_before, proposal.expires_at).map_err(|error| refuse(error.to_string()))?;
        Ok(not_before)
    }
}
