//! The state's digest: a hash chain over what each entry was judged to be, so that two replicas of one log differ from the
//! first entry on that they judged differently.
//!
//! It covers the judgement and never the entry's bytes: those are the tree's business.

use holdfast_policy::TimestampMs;
use sha2::{Digest as _, Sha256};

use super::{ATTEST_EVERY, Change, State};
use crate::codec::{Encode as _, USUAL_LEN};
use crate::ids::StateDigest;
use crate::rejection::Rejection;

const GENESIS_DOMAIN: &[u8] = b"holdfast/state-digest/genesis/v1\n";
const ENTRY_DOMAIN: &[u8] = b"holdfast/state-digest/entry/v1\n";

/// How many digests at multiples of [`ATTEST_EVERY`] are kept, for attestations that arrive late.
const KEPT: usize = 64;

const CHANGED: u8 = 1;
const REFUSED: u8 = 2;

impl StateDigest {
    pub(super) fn of_genesis(hash: &[u8; 32]) -> Self {
        Self::from_bytes(Sha256::new().chain_update(GENESIS_DOMAIN).chain_update(hash).finalize().into())
    }

    /// INVARIANT (G10): everything that `write` will do is in the encoding, and so is the reason of a refusal. Its words are
    /// not: they may name a library's error.
    pub(super) fn then(&self, index: u64, time: TimestampMs, judged: &Result<Change, Rejection>) -> Self {
        let mut judgement = Vec::with_capacity(USUAL_LEN);
        match judged {
            Ok(change) => {
                judgement.push(CHANGED);
                change.encode(&mut judgement);
            }
            Err(rejection) => {
                judgement.push(REFUSED);
                rejection.code().as_str().to_owned().encode(&mut judgement);
                rejection.field().map(str::to_owned).encode(&mut judgement);
                // Nothing without it: logs without such a refusal keep their digests.
                if let Some((provider, number)) = rejection.used_number() {
                    provider.encode(&mut judgement);
                    number.encode(&mut judgement);
                }
            }
        }
        let hasher = Sha256::new()
            .chain_update(ENTRY_DOMAIN)
            .chain_update(self.as_bytes())
            .chain_update(index.to_be_bytes())
            .chain_update(time.0.to_be_bytes())
            .chain_update(judgement);
        Self::from_bytes(hasher.finalize().into())
    }
}

impl State {
    /// SHA-256 chain over everything the log made of the state up to here; equal on all replicas that judge alike.
    pub fn digest(&self) -> StateDigest {
        self.digest
    }

    /// The digest at an earlier multiple of [`ATTEST_EVERY`], among the last 64.
    pub fn digest_at(&self, size: u64) -> Option<StateDigest> {
        self.digests.get(&size).copied()
    }

    /// The period of the log that the next entry belongs to.
    pub(super) fn period(&self) -> u64 {
        self.size / ATTEST_EVERY
    }

    /// Before each entry; only the first one of a period finds anything.
    pub(super) fn pack(&mut self) {
        self.withdrawals.pack(self.period());
    }

    /// After the last entry of each period.
    pub(super) fn keep_digest(&mut self) {
        if !self.size.is_multiple_of(ATTEST_EVERY) {
            return;
        }
        self.digests.insert(self.size, self.digest);
        if self.digests.len() > KEPT {
            self.digests = self.digests.without_min().1;
        }
    }
}
