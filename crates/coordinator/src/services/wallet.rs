//! `WalletService`: which wallets there are.

use std::collections::BTreeMap;

use holdfast_ledger::{CeremonyKind, CeremonyPhase, State};
use holdfast_policy::{TimestampMs, WalletId};
use holdfast_proto::convert::{self, FieldError};
use holdfast_proto::v1;
use holdfast_proto::v1::wallet_service_server::WalletService;
use tonic::{Request, Response, Status};

use super::paging;
use crate::coordinator::Coordinator;
use crate::status::{Object, RequestError};

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct WalletApi(pub(crate) Coordinator);

#[tonic::async_trait]
impl WalletService for WalletApi {
    async fn get(&self, request: Request<v1::GetWalletRequest>) -> Result<Response<v1::Wallet>, Status> {
        Ok(Response::new(self.found(&request.into_inner().wallet_id).await?))
    }

    async fn list(
        &self,
        request: Request<v1::ListWalletsRequest>,
    ) -> Result<Response<v1::ListWalletsResponse>, Status> {
        Ok(Response::new(self.listed(&request.into_inner()).await?))
    }

    async fn deposit_address(
        &self,
        request: Request<v1::DepositAddressRequest>,
    ) -> Result<Response<v1::DepositAddressResponse>, Status> {
        let v1::DepositAddressRequest { wallet_id, index } = request.into_inner();
        Ok(Response::new(self.deposit(&wallet_id, index).await?))
    }
}

impl WalletApi {
    async fn found(&self, id: &str) -> Result<v1::Wallet, RequestError> {
        let wallet = convert::wallet_id("wallet_id", id)?;
        let reader = self.0.book.read().await?;
        let found = wallets(reader.state()).remove(&wallet);
        found.ok_or_else(|| RequestError::Unknown { kind: Object::Wallet, id: id.to_owned() })
    }

    /// The deposit address with this index: public derivation, which everybody can repeat.
    async fn deposit(&self, id: &str, index: u32) -> Result<v1::DepositAddressResponse, RequestError> {
        let wallet = convert::wallet_id("wallet_id", id)?;
        let reader = self.0.book.read().await?;
        let unknown = || RequestError::Unknown { kind: Object::Wallet, id: id.to_owned() };
        let wallet = reader.state().wallet(&wallet).ok_or_else(unknown)?;
        let key = wallet.deposit_key(index).map_err(|error| FieldError::new("index", error.to_string()))?;
        Ok(v1::DepositAddressResponse {
            address: key.address().to_string(),
            public_key: key.as_bytes().to_vec(),
            wallet_public_key: wallet.public_key.as_bytes().to_vec(),
            chain_code: wallet.chain_code.as_bytes().to_vec(),
        })
    }

    async fn listed(
        &self,
        request: &v1::ListWalletsRequest,
    ) -> Result<v1::ListWalletsResponse, RequestError> {
        let size = paging::size(request.page_size)?;
        let after = match paging::text(&request.page_token)? {
            "" => None,
            token => Some(convert::wallet_id("page_token", token)?),
        };
        let reader = self.0.book.read().await?;
        let wallets = wallets(reader.state());
        let rest = wallets.into_iter().filter(|(id, _)| after.as_ref().is_none_or(|after| id > after));
        let mut page: Vec<_> = rest.take(size.saturating_add(1)).collect();
        let more = page.len() > size;
        page.truncate(size);
        let last = page.last().filter(|_| more).map(|(id, _)| id.to_string());
        Ok(v1::ListWalletsResponse {
            next_page_token: last.unwrap_or_default(),
            wallets: page.into_iter().map(|(_, wallet)| wallet).collect(),
        })
    }
}

/// All wallets, also those whose key ceremony is not finished. There are few: each took a ceremony.
fn wallets(state: &State) -> BTreeMap<WalletId, v1::Wallet> {
    let assets = &state.genesis().document.assets;
    let creating =
        state.ceremonies().filter_map(|ceremony| match (&ceremony.kind, ceremony.phase_at(TimestampMs(0))) {
            (CeremonyKind::CreateWallet(proposal), CeremonyPhase::Approved | CeremonyPhase::Confirmed) => {
                Some((proposal.wallet.clone(), convert::wallet_in_creation(proposal, assets)))
            }
            (CeremonyKind::ImportWallet(import), CeremonyPhase::Approved | CeremonyPhase::Confirmed) => {
                let proposal = &import.wallet;
                Some((proposal.wallet.clone(), convert::wallet_in_creation(proposal, assets)))
            }
            _ => None,
        });
    let active = state.wallets().map(|wallet| (wallet.id.clone(), convert::wallet(wallet, assets)));
    creating.chain(active).collect()
}
