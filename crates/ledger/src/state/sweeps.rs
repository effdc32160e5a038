//! Sweeps: from a deposit address of a wallet to the wallet's own address.

use std::collections::BTreeMap;

use holdfast_policy::{CustomerRef, TimestampMs};

use super::requests::Asked;
use super::{Change, State};
use crate::payload::{SweepRequest, WithdrawalRequest};
use crate::rejection::{Rejection, RejectionCode};
use crate::wallet::Wallet;
use crate::withdrawal::WithdrawalKind;

/// The pseudonym under which the house moves its own funds.
const HOUSE: &str = "house";

impl State {
    /// INVARIANT (G1): both addresses follow from the wallet's key and the index; the client chooses neither.
    pub(super) fn admit_sweep(
        &self,
        sweep: &SweepRequest,
        digest: [u8; 32],
        index: u64,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&sweep.cluster)?;
        self.check_not_repeated(sweep.withdrawal_id(), &digest)?;
        let wallet = self.wallet(&sweep.wallet).ok_or_else(|| {
            let detail = format!("no active wallet `{}`", sweep.wallet);
            Rejection::new(RejectionCode::UnknownWallet, detail).with_field("wallet")
        })?;
        self.check_client(&sweep.client, &sweep.wallet, index, time)?;
        wallet.deposit_key(sweep.deposit_index).map_err(|error| {
            Rejection::new(RejectionCode::FieldInvalid, error.to_string()).with_field("deposit_index")
        })?;
        let request = self.sweeping(sweep, wallet)?;
        self.check_intent_times(&request, time)?;
        let asked = Asked {
            request,
            request_digest: digest,
            kind: WithdrawalKind::Sweep,
            deposit_index: Some(sweep.deposit_index),
            to_oneself: true,
            travel: BTreeMap::new(),
        };
        let mut withdrawal = self.receive(asked, index, time)?;
        withdrawal.settle(index);
        Ok(Change::withdrawal(withdrawal))
    }

    fn sweeping(&self, sweep: &SweepRequest, wallet: &Wallet) -> Result<WithdrawalRequest, Rejection> {
        let assets = &self.genesis.document.assets;
        let asset = assets.iter().find(|asset| asset.symbol == sweep.asset).ok_or_else(|| {
            let detail = format!("`{}` is not registered", sweep.asset);
            Rejection::new(RejectionCode::UnknownAsset, detail).with_field("asset")
        })?;
        let customer = CustomerRef::new(HOUSE)
            .map_err(|error| Rejection::new(RejectionCode::FieldInvalid, error.to_string()))?;
        Ok(WithdrawalRequest {
            cluster: sweep.cluster.clone(),
            client: sweep.client.clone(),
            wallet: sweep.wallet.clone(),
            asset: asset.symbol.clone(),
            chain_id: asset.chain_id,
            amount: sweep.amount,
            destination: wallet.address,
            calldata: None,
            fee_cap: sweep.fee_cap,
            customer,
            idempotency_key: sweep.idempotency_key.clone(),
            created_at_ms: sweep.created_at_ms,
            expires_at_ms: sweep.expires_at_ms,
            transaction: sweep.transaction.clone(),
            order: None,
        })
    }
}
