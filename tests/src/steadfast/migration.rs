//! A wallet's key that moves to new shares while servers die.

use holdfast_ledger::{MigrationProposal, NextChainCode, StatementBody};
use holdfast_policy::WalletId;
use tonic::Status;

use super::Steadfast;
use crate::ENGINE;

impl Steadfast<'_> {
    /// New shares of a wallet's key, until they are in force and every node has said that the old ones are erased.
    ///
    /// # Panics
    /// When key, chain code or committee are not what they were.
    pub async fn migrate(&self, wallet: &str) {
        let (id, log) = (WalletId::new(wallet).unwrap(), self.log().await);
        let before = log.state().wallet(&id).unwrap().clone();
        let body = StatementBody::ProposeMigration(MigrationProposal {
            wallet: id.clone(),
            from_engine: before.engine.clone(),
            engine: ENGINE.to_owned(),
            from_epoch: before.epoch,
            chain_code: NextChainCode::Carried,
            givers: before.nodes.iter().take(usize::from(before.t)).cloned().collect(),
            receivers: before.nodes.clone(),
        });
        self.ceremony(&log, body, true).await;
        let erased = self.insist("every node has erased its old share", async || {
            let log = self.log().await;
            let after = log.state().wallet(&id).unwrap();
            let said = log.state().erased_by(after, before.epoch);
            if said == before.nodes {
                Ok(after.clone())
            } else {
                Err(Status::unavailable(format!("{said:?}")))
            }
        });
        let after = erased.await;
        let kept =
            |wallet: &holdfast_ledger::Wallet| (wallet.public_key, wallet.chain_code, wallet.nodes.clone());
        assert_eq!(kept(&after), kept(&before));
        assert_eq!(Some(after.epoch), before.epoch.checked_add(1));
    }
}
