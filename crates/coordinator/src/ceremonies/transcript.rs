//! What nodes sent in a key generation: sealed messages and signed confirmations, kept until the wallet is active.
//!
//! Nodes keep only their last answers. With this record a generation goes on after the coordinator was restarted, with
//! the same session and the same messages; nothing in it is secret to anybody but its receiver.

use holdfast_ledger::CeremonyId;
use holdfast_log::Envelope;
use holdfast_proto::v1;
use holdfast_store::{Batch, CommitError, StoreError, StoreHandle};
use prost::Message;

use crate::log_book::schema::KEYGEN_ROUNDS;
use crate::nodes::KeygenReply;

/// Records of one ceremony: rounds times nodes, and the attempt.
const MAX_RECORDS: usize = 4_000;

/// Offers are kept like the answers to a round before the first.
const OFFER: u32 = 0;

/// Why the record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscriptError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("a kept round of ceremony `{0}` is damaged")]
    Damaged(CeremonyId),
}

/// The record of one ceremony.
#[derive(Debug)]
pub(super) struct Transcript {
    store: StoreHandle,
    ceremony: CeremonyId,
    attempt: u32,
}

impl Transcript {
    /// The record as it was left.
    pub(super) fn open(store: &StoreHandle, ceremony: CeremonyId) -> Result<Self, TranscriptError> {
        let attempt = match store.read(KEYGEN_ROUNDS, &attempt_key(&ceremony))? {
            None => 0,
            Some(bytes) => {
                let bytes = bytes.try_into().map_err(|_| TranscriptError::Damaged(ceremony))?;
                u32::from_be_bytes(bytes)
            }
        };
        Ok(Self { store: store.clone(), ceremony, attempt })
    }

    /// The attempt that the record is of, from 0.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What a party answered in a round, if it is known.
    pub(super) fn reply(&self, round: u32, party: u8) -> Result<Option<KeygenReply>, TranscriptError> {
        let damaged = || TranscriptError::Damaged(self.ceremony);
        let Some(bytes) = self.store.read(KEYGEN_ROUNDS, &self.key(round, party))? else { return Ok(None) };
        let kept = v1::KeygenRoundResponse::decode(bytes.as_slice()).map_err(|_| damaged())?;
        if let Some(envelope) = kept.confirmation_envelope {
            return Ok(Some(KeygenReply::Confirmation(Envelope::parse(&envelope).map_err(|_| damaged())?)));
        }
        let messages = kept.outbound.into_iter().map(TryInto::try_into).collect::<Result<_, _>>();
        Ok(Some(KeygenReply::Messages(messages.map_err(|_| damaged())?)))
    }

    /// Keeps what a party answered in a round.
    // INVARIANT (G8): kept before it is passed on, so that no round is ever delivered with two different inputs.
    pub(super) async fn keep(
        &self,
        round: u32,
        party: u8,
        reply: &KeygenReply,
    ) -> Result<(), TranscriptError> {
        let kept = match reply {
            KeygenReply::Messages(messages) => v1::KeygenRoundResponse {
                outbound: messages.iter().cloned().map(Into::into).collect(),
                confirmation_envelope: None,
            },
            KeygenReply::Confirmation(envelope) => v1::KeygenRoundResponse {
                outbound: Vec::new(),
                confirmation_envelope: Some(envelope.to_json()),
            },
        };
        let batch = Batch::new().put(KEYGEN_ROUNDS, self.key(round, party), kept.encode_to_vec());
        Ok(self.store.commit(batch).await?)
    }

    /// The offer with which a party opened the session, if it is known.
    pub(super) fn offer(&self, party: u8) -> Result<Option<Vec<u8>>, TranscriptError> {
        Ok(self.store.read(KEYGEN_ROUNDS, &self.key(OFFER, party))?)
    }

    /// Keeps a party's offer.
    pub(super) async fn keep_offer(&self, party: u8, offer: &[u8]) -> Result<(), TranscriptError> {
        Ok(self.store.commit(Batch::new().put(KEYGEN_ROUNDS, self.key(OFFER, party), offer)).await?)
    }

    /// Forgets the attempt and counts the next one.
    pub(super) async fn begin_again(&mut self) -> Result<(), TranscriptError> {
        let attempt = self.attempt.saturating_add(1);
        let batch = self.forgetting()?.put(KEYGEN_ROUNDS, attempt_key(&self.ceremony), attempt.to_be_bytes());
        self.store.commit(batch).await?;
        self.attempt = attempt;
        Ok(())
    }

    /// Erases everything: the ceremony is over.
    pub(super) async fn erase(self) -> Result<(), TranscriptError> {
        let prefix = format!("{}/", self.ceremony);
        if self.store.scan_prefix(KEYGEN_ROUNDS, prefix.as_bytes(), 1)?.is_empty() {
            // Every start asks again, for each wallet there ever was: that must not be a commit each.
            return Ok(());
        }
        let batch = self.forgetting()?.delete(KEYGEN_ROUNDS, attempt_key(&self.ceremony));
        Ok(self.store.commit(batch).await?)
    }

    fn forgetting(&self) -> Result<Batch, TranscriptError> {
        let records = self.store.scan_prefix(
            KEYGEN_ROUNDS,
            format!("{}/round/", self.ceremony).as_bytes(),
            MAX_RECORDS,
        )?;
        Ok(records.into_iter().fold(Batch::new(), |batch, (key, _)| batch.delete(KEYGEN_ROUNDS, key)))
    }

    fn key(&self, round: u32, party: u8) -> Vec<u8> {
        format!("{}/round/{}/{round}/{party}", self.ceremony, self.attempt).into_bytes()
    }
}

fn attempt_key(ceremony: &CeremonyId) -> Vec<u8> {
    format!("{ceremony}/attempt").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use holdfast_ledger::StatementDigest;
    use holdfast_store::{Durable, StoreConfig, Table, WriteWatch};

    use super::*;
    use crate::log_book::schema::TABLES;

    #[derive(Debug, Default)]
    struct Writes(AtomicUsize);

    impl WriteWatch for Writes {
        fn begins(&self, _records: &mut dyn Iterator<Item = (Table, &[u8])>) -> Durable {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::new(|| {})
        }
    }

    #[tokio::test]
    async fn what_is_erased_is_not_erased_again_at_every_start() {
        let directory = tempfile::tempdir().unwrap();
        let writes = Arc::new(Writes::default());
        let store = StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &TABLES).unwrap();
        let store = store.watched(Arc::<Writes>::clone(&writes));
        let ceremony = CeremonyId::of(&StatementDigest::of(b"a wallet"));
        // Given what two attempts left
        let mut transcript = Transcript::open(&store, ceremony).unwrap();
        transcript.keep_offer(1, b"offer").await.unwrap();
        transcript.begin_again().await.unwrap();
        transcript.keep_offer(1, b"offer").await.unwrap();
        transcript.erase().await.unwrap();
        assert_eq!(store.scan(KEYGEN_ROUNDS, &[], 10).unwrap(), vec![]);
        // When it is asked for again
        let written = writes.0.load(Ordering::SeqCst);
        Transcript::open(&store, ceremony).unwrap().erase().await.unwrap();
        // Then nothing is written
        assert_eq!(writes.0.load(Ordering::SeqCst), written);
    }
}
