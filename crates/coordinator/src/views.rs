//! Views of withdrawals and ceremonies, put together from the log, the clock and what is going on. Decides nothing.

use holdfast_chains::Asset;
use holdfast_ledger::{CeremonyId, State, Withdrawal, WithdrawalId, WithdrawalRequest};
use holdfast_policy::TimestampMs;
use holdfast_proto::convert::{CeremonyView, Waiting, WithdrawalView};
use holdfast_proto::v1;

use crate::coordinator::Coordinator;
use crate::log_book::Reader;
use crate::status::{Object, RequestError};

impl Coordinator {
    /// A withdrawal as it stands, with its receipt if it is signed.
    pub(crate) async fn withdrawal_view(&self, id: &WithdrawalId) -> Result<v1::Withdrawal, RequestError> {
        let unknown = || RequestError::Unknown { kind: Object::Withdrawal, id: id.to_string() };
        let mut receipt = None;
        loop {
            {
                let waiting = self.progress.withdrawal(id);
                let reader = self.book.read().await?;
                let withdrawal = reader.state().withdrawal(id).ok_or_else(unknown)?;
                if withdrawal.signature.is_none() || receipt.is_some() {
                    let view = view_of(&reader, withdrawal, self.clock.now(), waiting.as_ref());
                    let view = receipt.map_or_else(|| view.full(), |receipt| view.with_receipt(&receipt));
                    let end = reader.index().newest_of(id).saturating_add(1);
                    let replicas = u32::try_from(self.nodes.holding(end).holding).unwrap_or(u32::MAX);
                    return Ok(v1::Withdrawal { replicas: Some(replicas), ..view });
                }
            }
            // A signature is canonical for ever. Its receipt waits for nodes, and whoever sees the one sees the other.
            receipt = Some(self.receipt(id).await?);
        }
    }

    /// A ceremony as it stands.
    pub(crate) async fn ceremony_view(&self, id: &CeremonyId) -> Result<v1::Ceremony, RequestError> {
        let live = self.progress.ceremony(id);
        let reader = self.book.read().await?;
        let unknown = || RequestError::Unknown { kind: Object::Ceremony, id: id.to_string() };
        let ceremony = reader.state().ceremony(id).ok_or_else(unknown)?;
        let view =
            CeremonyView { ceremony, at: self.clock.now(), times: reader.times(), live: live.as_ref() };
        Ok(view.full())
    }
}

/// What a view of a withdrawal needs.
pub(crate) fn view_of<'a>(
    reader: &'a Reader<'_>,
    withdrawal: &'a Withdrawal,
    at: TimestampMs,
    waiting: Option<&'a Waiting>,
) -> WithdrawalView<'a> {
    let asset = registered_asset(reader.state(), &withdrawal.request);
    let tombstones_needed = reader.state().tombstones_needed();
    WithdrawalView { withdrawal, asset, at, times: reader.times(), waiting, tombstones_needed }
}

/// The registry's entry for the asset that a request names.
pub(crate) fn registered_asset<'a>(state: &'a State, request: &WithdrawalRequest) -> Option<&'a Asset> {
    let assets = &state.genesis().document.assets;
    assets.iter().find(|asset| asset.chain_id == request.chain_id && asset.symbol == request.asset)
}
