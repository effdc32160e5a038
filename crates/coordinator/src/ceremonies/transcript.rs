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
use crate::session::{Opening, Rounds};

/// Records of one ceremony: rounds times nodes, how many rounds they say, and the attempt.
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

    /// What a party opened the session with, if it is known.
    pub(super) fn opening(&self, party: u8) -> Result<Option<Opening>, TranscriptError> {
        let Some(offer) = self.store.read(KEYGEN_ROUNDS, &self.key(OFFER, party))? else { return Ok(None) };
        let damaged = || TranscriptError::Damaged(self.ceremony);
        let said = match self.store.read(KEYGEN_ROUNDS, &self.rounds_key(party))? {
            // Kept by a coordinator that did not ask.
            None => 0,
            Some(bytes) => u32::from_be_bytes(bytes.try_into().map_err(|_| damaged())?),
        };
        let rounds = Rounds::said(said, Rounds::KEYGEN_UNSAID).map_err(|_| damaged())?;
        Ok(Some(Opening { offer, rounds }))
    }

    /// Keeps what a party opened the session with.
    pub(super) async fn keep_opening(&self, party: u8, opening: &Opening) -> Result<(), TranscriptError> {
        let batch = Batch::new().put(KEYGEN_ROUNDS, self.key(OFFER, party), opening.offer.clone()).put(
            KEYGEN_ROUNDS,
            self.rounds_key(party),
            opening.rounds.last().to_be_bytes(),
        );
        Ok(self.store.commit(batch).await?)
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

    fn rounds_key(&self, party: u8) -> Vec<u8> {
        format!("{}/round/{}/of/{party}", self.ceremony, self.attempt).into_bytes()
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

    fn opening(rounds: u32) -> Opening {
        let rounds = Rounds::said(rounds, Rounds::KEYGEN_UNSAID).unwrap();
        Opening { offer: b"offer".to_vec(), rounds }
    }

    fn open_store(directory: &tempfile::TempDir) -> StoreHandle {
        StoreHandle::open(&StoreConfig::at(directory.path().join("store")), &TABLES).unwrap()
    }

    #[tokio::test]
    async fn number_of_rounds_is_kept_with_the_offer_and_forgotten_with_the_attempt() {
        let directory = tempfile::tempdir().unwrap();
        let store = open_store(&directory);
        let ceremony = CeremonyId::of(&StatementDigest::of(b"a wallet"));
        let mut transcript = Transcript::open(&store, ceremony).unwrap();
        transcript.keep_opening(2, &opening(6)).await.unwrap();
        let again = Transcript::open(&store, ceremony).unwrap();
        assert_eq!(again.opening(2).unwrap(), Some(opening(6)));
        assert_eq!(again.opening(1).unwrap(), None);
        // What an earlier coordinator kept says nothing of rounds
        store.commit(Batch::new().delete(KEYGEN_ROUNDS, again.rounds_key(2))).await.unwrap();
        assert_eq!(again.opening(2).unwrap(), Some(opening(5)));
        // What cannot be is damage
        for bytes in [vec![6], vec![0, 0, 0, 17]] {
            store.commit(Batch::new().put(KEYGEN_ROUNDS, again.rounds_key(2), bytes)).await.unwrap();
            assert!(matches!(again.opening(2), Err(TranscriptError::Damaged(_))));
        }
        transcript.begin_again().await.unwrap();
        assert_eq!(transcript.opening(2).unwrap(), None);
        assert_eq!(store.scan(KEYGEN_ROUNDS, &[], 10).unwrap().len(), 1, "only the attempt's number is left");
    }

    #[tokio::test]
    async fn what_is_erased_is_not_erased_again_at_every_start() {
        let directory = tempfile::tempdir().unwrap();
        let writes = Arc::new(Writes::default());
        let store = open_store(&directory).watched(Arc::<Writes>::clone(&writes));
        let ceremony = CeremonyId::of(&StatementDigest::of(b"a wallet"));
        // Given what two attempts left
        let mut transcript = Transcript::open(&store, ceremony).unwrap();
        transcript.keep_opening(1, &opening(8)).await.unwrap();
        transcript.begin_again().await.unwrap();
        transcript.keep_opening(1, &opening(8)).await.unwrap();
        transcript.erase().await.unwrap();
        assert_eq!(store.scan(KEYGEN_ROUNDS, &[], 10).unwrap(), vec![]);
        // When it is asked for again
        let written = writes.0.load(Ordering::SeqCst);
        Transcript::open(&store, ceremony).unwrap().erase().await.unwrap();
        // Then nothing is written
        assert_eq!(writes.0.load(Ordering::SeqCst), written);
    }
}
