//! Receipts: everything that carries and proves a signature, put together from the log. Nothing in them is new.

use std::time::Duration;

use holdfast_chains::{AssembleError, SignedTransaction};
use holdfast_ledger::{Withdrawal, WithdrawalId};
use holdfast_log::{SignedCheckpoint, TlogProof, TreeError};
use holdfast_proto::convert::SignedReceipt;

use crate::coordinator::Coordinator;
use crate::log_book::{LogBookError, LogFailed, ReadError};

/// How long a receipt waits for enough nodes to cosign the signature's entry.
const COSIGNATURES_WITHIN: Duration = Duration::from_secs(3);

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptError {
    /// The withdrawal is not signed.
    #[error("the withdrawal is not signed")]
    NotSigned,
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Transaction and signature do not go together, although the log says so.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// No proof can be made.
    #[error(transparent)]
    Proof(#[from] LogBookError),
    /// No proof can be made.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Coordinator {
    /// The receipt of a signed withdrawal. Its proofs carry at least t cosignatures, unless nodes have not answered for a
    /// while: the signature is handed out all the same, and a later receipt proves more.
    pub(crate) async fn receipt(&self, id: &WithdrawalId) -> Result<SignedReceipt, ReceiptError> {
        let signed = self.signed(id).await?;
        let checkpoint = self.proving_checkpoint(signed.signature_index, COSIGNATURES_WITHIN).await?;
        Ok(SignedReceipt {
            request_entry: self.book.entry(signed.request_index)?,
            signature: signed.signature,
            signing_hash: signed.signing_hash,
            transaction: signed.transaction,
            public_key: signed.public_key,
            signature_proof: self.proof(signed.signature_index, &checkpoint).await?,
            authorization_proof: self.proof(signed.authorization_index, &checkpoint).await?,
            signature_entry: self.book.entry(signed.signature_index)?,
            authorization_entry: self.book.entry(signed.authorization_index)?,
            replaced_request_entries: signed
                .replaced
                .iter()
                .map(|index| self.book.entry(*index))
                .collect::<Result<_, _>>()?,
        })
    }

    /// A checkpoint that covers the entry at `index`: cosigned by enough nodes if that comes about within `limit`, otherwise
    /// with the cosignatures that there are.
    pub(crate) async fn proving_checkpoint(
        &self,
        index: u64,
        limit: Duration,
    ) -> Result<SignedCheckpoint, LogBookError> {
        if let Some(best) = self.cosigned.covering(index, limit).await {
            return Ok(SignedCheckpoint::clone(&best));
        }
        match self.cosigned.best_effort(index) {
            Some(checkpoint) => Ok(checkpoint),
            None => Ok(self.book.read().await?.checkpoint()?.clone()),
        }
    }

    /// The checkpoint to show to everyone: the newest that enough nodes cosigned, or the log's own if there is none yet.
    pub(crate) async fn published_checkpoint(&self) -> Result<SignedCheckpoint, LogBookError> {
        match self.cosigned.best() {
            Some(best) => Ok(SignedCheckpoint::clone(&best)),
            None => Ok(self.book.read().await?.checkpoint()?.clone()),
        }
    }

    /// Proves that the entry at `index` is in the tree of this checkpoint.
    pub(crate) async fn proof(
        &self,
        index: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<TlogProof, ReceiptError> {
        let inclusion = self.book.read().await?.inclusion_proof(index, checkpoint.claimed().size)?;
        Ok(TlogProof::new(index, inclusion, checkpoint.clone()))
    }

    async fn signed(&self, id: &WithdrawalId) -> Result<Signed, ReceiptError> {
        let reader = self.book.read().await?;
        let withdrawal = reader.state().withdrawal(id).ok_or(ReceiptError::NotSigned)?;
        let sender = reader.state().sender(withdrawal).ok_or(ReceiptError::NotSigned)?;
        let replaced = std::iter::successors(withdrawal.replaces(), |id| {
            reader.state().withdrawal(id).and_then(Withdrawal::replaces)
        });
        let replaced = replaced
            .filter_map(|id| reader.state().withdrawal(&id))
            .map(|replaced| replaced.positions.request)
            .collect();
        Signed::of(withdrawal, sender.public_key, replaced)
    }
}

/// What a receipt takes from the state.
struct Signed {
    request_index: u64,
    /// Requests that it replaces, the nearest first.
    replaced: Vec<u64>,
    authorization_index: u64,
    signature_index: u64,
    signature: holdfast_chains::Signature,
    signing_hash: holdfast_chains::Digest,
    transaction: SignedTransaction,
    public_key: holdfast_chains::PublicKey,
}

impl Signed {
    fn of(
        withdrawal: &Withdrawal,
        public_key: holdfast_chains::PublicKey,
        replaced: Vec<u64>,
    ) -> Result<Self, ReceiptError> {
        let (Some(signature), Some(bound)) = (withdrawal.signature, &withdrawal.transaction) else {
            return Err(ReceiptError::NotSigned);
        };
        let positions = &withdrawal.positions;
        let (Some(signature_index), Some(authorization_index)) = (positions.signed, positions.authorized)
        else {
            return Err(ReceiptError::NotSigned);
        };
        Ok(Self {
            request_index: positions.request,
            replaced,
            authorization_index,
            signature_index,
            signature,
            signing_hash: bound.signing_hash,
            transaction: SignedTransaction::assemble(&bound.transaction, &signature, &public_key)?,
            public_key,
        })
    }
}
