//! Which key and address a withdrawal pays from, and whose account nonce is whose.

use holdfast_chains::{Address, ChainId, PublicKey};

use super::State;
use crate::ids::WithdrawalId;
use crate::rejection::{Rejection, RejectionCode};
use crate::withdrawal::{BoundTransaction, Withdrawal, WithdrawalState};

/// Account nonces are counted for each sending address on each chain.
pub(crate) type AccountNonce = (Address, ChainId, u64);

/// The key that signs a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The public key: the wallet's own, or a deposit address' below it.
    pub public_key: PublicKey,
    /// Its address, which pays.
    pub address: Address,
    /// BIP-32 path below the wallet's key; empty for the wallet's own.
    pub path: Vec<u32>,
}

impl State {
    /// Who signs and pays; `None` while the wallet has no key.
    pub fn sender(&self, withdrawal: &Withdrawal) -> Option<Sender> {
        let wallet = self.wallet(&withdrawal.request.wallet)?;
        let Some(index) = withdrawal.deposit_index else {
            let (public_key, address) = (wallet.public_key, wallet.address);
            return Some(Sender { public_key, address, path: Vec::new() });
        };
        // Of the chain code of that time: what was signed under a former one is proven under it for ever.
        let path = crate::wallet::deposit_path(index).to_vec();
        let public_key =
            wallet.public_key.derive(wallet.chain_code_at(withdrawal.positions.request), &path).ok()?;
        Some(Sender { public_key, address: public_key.address(), path })
    }

    /// Whether it sweeps a deposit address of a chain code that ended: no share can sign for it any more.
    pub(super) fn is_of_former_chain_code(&self, withdrawal: &Withdrawal) -> bool {
        let wallet = self.wallet(&withdrawal.request.wallet);
        withdrawal.deposit_index.is_some()
            && wallet.is_some_and(|wallet| {
                *wallet.chain_code_at(withdrawal.positions.request) != wallet.chain_code
            })
    }

    pub(super) fn account_nonce(
        &self,
        withdrawal: &Withdrawal,
        bound: &BoundTransaction,
    ) -> Result<AccountNonce, Rejection> {
        let sender = self.sender(withdrawal).ok_or_else(|| {
            Rejection::new(RejectionCode::WalletNotActive, "the wallet has no key for this address")
        })?;
        Ok((sender.address, bound.effects.chain_id, bound.effects.nonce))
    }

    /// INVARIANT (G5): an account nonce belongs to the withdrawal that was authorized with it and to those that replace that
    /// one, until all of these are tombstoned. Time alone frees nothing: what was authorized may have been signed in secret.
    pub(super) fn check_account_nonce(
        &self,
        withdrawal: &Withdrawal,
        nonce: &AccountNonce,
    ) -> Result<(), Rejection> {
        let Some(holder) = self.account_nonces.get(nonce) else { return Ok(()) };
        let own: Vec<WithdrawalId> = self.lineage(withdrawal.id).collect();
        let released = |id: &WithdrawalId| own.contains(id) || self.is_tombstoned(id);
        if self.lineage(*holder).all(|id| released(&id)) {
            return Ok(());
        }
        let detail = format!("account nonce {} was authorized for another withdrawal", nonce.2);
        Err(Rejection::new(RejectionCode::AccountNonceUsed, detail).with_field("withdrawal"))
    }

    /// A withdrawal, what it replaces, what that replaces, and so on.
    pub(super) fn lineage(&self, id: WithdrawalId) -> impl Iterator<Item = WithdrawalId> {
        // Each replaces one that was in the log before it, so there are no circles.
        std::iter::successors(Some(id), |id| self.withdrawal(id)?.replaces())
    }

    pub(super) fn is_tombstoned(&self, id: &WithdrawalId) -> bool {
        self.withdrawal(id).is_some_and(|known| known.logged_state() == WithdrawalState::Tombstoned)
    }
}
