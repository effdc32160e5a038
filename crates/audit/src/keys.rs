//! The published keys of a cell's log, as a roster names them: who signs checkpoints and who cosigns them.
//!
//! The roster is the one in force after the entries that a checkpoint covers: officers replace keys by entries, and a key that
//! they replaced signs nothing more.

use holdfast_ledger::{Replica, Roster, State};
use holdfast_log::{
    Checkpoint, CosignatureVerifier, KeyName, LogVerifier, NoteKeyError, Origin, SignedCheckpoint,
    VerifiedCosignature,
};

use crate::finding::Finding;

/// Verifiers of one cell's checkpoints.
#[derive(Clone, Debug)]
pub struct LogKeys {
    log: LogVerifier,
    cosigners: Vec<CosignatureVerifier>,
    witnesses: Vec<CosignatureVerifier>,
    threshold: usize,
    dated: Vec<DatedKey>,
}

/// A verifier key and the tree sizes that it counts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedKey {
    /// The first of them, unless it is in the genesis document.
    pub from: Option<u64>,
    /// The first that it does not count for any more.
    pub until: Option<u64>,
    /// The key in the form of signed notes.
    pub vkey: String,
}

impl std::fmt::Display for DatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(from) = self.from {
            write!(f, "from {from} ")?;
        }
        if let Some(until) = self.until {
            write!(f, "until {until} ")?;
        }
        f.write_str(&self.vkey)
    }
}

impl LogKeys {
    /// The keys that a roster names.
    ///
    /// # Errors
    /// [`NoteKeyError`] if a name cannot be a key's name.
    pub fn of(roster: &Roster) -> Result<Self, NoteKeyError> {
        let cluster = roster.cluster().as_str();
        let log = LogVerifier::new(Origin::of_cluster(cluster)?, roster.coordinator().log_key);
        let cosigners = roster.nodes().iter().map(|node| {
            Ok(CosignatureVerifier::new(KeyName::of_node(cluster, node.id.as_str())?, node.cosigning_key))
        });
        let cosigners = cosigners.collect::<Result<_, NoteKeyError>>()?;
        let witnesses = roster
            .witnesses()
            .iter()
            .map(|witness| Ok(CosignatureVerifier::new(KeyName::new(&witness.name)?, witness.key)));
        let witnesses = witnesses.collect::<Result<_, NoteKeyError>>()?;
        let threshold = usize::from(roster.threshold());
        Ok(Self { log, cosigners, witnesses, threshold, dated: Vec::new() })
    }

    /// The same for the roster in force, with the keys that were in force before: other people's tools need them for the
    /// checkpoints of that time, which nothing signs anew.
    ///
    /// # Errors
    /// [`NoteKeyError`] if a name cannot be a key's name.
    // INVARIANT (G7): a key counts from the size at which officers put it in force until the size at which they replaced it:
    // two keys of one node never count for one checkpoint.
    pub fn with_earlier(state: &State) -> Result<Self, NoteKeyError> {
        let mut keys = Self::of(state.roster())?;
        let in_force = keys.vkeys();
        let mut dated: Vec<DatedKey> = Vec::new();
        for roster in state.rosters() {
            let (from, named) = (roster.in_force_from(), Self::of(roster)?.vkeys());
            for key in dated.iter_mut().filter(|key| key.until.is_none() && !named.contains(&key.vkey)) {
                key.until = Some(from);
            }
            let new = named.into_iter().filter(|vkey| !dated.iter().any(|known| known.vkey == *vkey));
            let new: Vec<String> = new.collect();
            let from = Some(from).filter(|_| !dated.is_empty());
            dated.extend(new.into_iter().map(|vkey| DatedKey { from, until: None, vkey }));
        }
        dated.sort_by_key(|key| {
            let place = in_force.iter().position(|vkey| *vkey == key.vkey);
            (place.is_none(), place, key.from)
        });
        keys.dated = dated;
        Ok(keys)
    }

    /// Every key that ever was in force, those in force now first; empty if only one roster is known.
    pub fn dated(&self) -> &[DatedKey] {
        &self.dated
    }

    /// The log's own key.
    pub fn log(&self) -> &LogVerifier {
        &self.log
    }

    /// The nodes' cosigning keys, in committee order.
    pub fn cosigners(&self) -> &[CosignatureVerifier] {
        &self.cosigners
    }

    /// The cosigning keys of outside witnesses.
    pub fn witnesses(&self) -> &[CosignatureVerifier] {
        &self.witnesses
    }

    /// How many cosignatures of nodes a checkpoint needs: t.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The verifier key strings that other people's tools read: the log's first, then those of the cosigners.
    pub fn vkeys(&self) -> Vec<String> {
        let cosigners = self.cosigners.iter().map(CosignatureVerifier::vkey);
        std::iter::once(self.log.vkey()).chain(cosigners).collect()
    }

    /// Checks the log's signature and that at least t nodes cosigned.
    ///
    /// # Errors
    /// A [`Finding`] with the rule that failed.
    // INVARIANT (G7): the log's key alone proves nothing, its owner could show everyone another history; t cosignatures
    // include one of a node that replayed these very entries.
    pub fn verify(
        &self,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(Checkpoint, Vec<VerifiedCosignature>), Finding> {
        let stated = checkpoint.verify(&self.log)?;
        let cosigned = checkpoint.cosignatures(&self.cosigners)?;
        if cosigned.len() < self.threshold {
            let detail = format!(
                "{} of {} nodes cosigned the checkpoint of size {}, {} are needed",
                cosigned.len(),
                self.cosigners.len(),
                stated.size,
                self.threshold
            );
            return Err(Finding::new("COSIGNATURES_MISSING", detail));
        }
        Ok((stated, cosigned))
    }

    /// The same for a signed note, which must also be of exactly the entries that were replayed.
    ///
    /// # Errors
    /// A [`Finding`] with the rule that failed.
    pub fn verify_replica(
        &self,
        note: &[u8],
        replica: &Replica,
    ) -> Result<(Checkpoint, Vec<VerifiedCosignature>), Finding> {
        let verified = self.verify(&SignedCheckpoint::parse(note)?)?;
        let stated = &verified.0;
        if stated.size == replica.size() && stated.root == replica.root() {
            return Ok(verified);
        }
        let detail = "the entries do not give the root that log and nodes signed";
        Err(Finding::new("ROOT_MISMATCH", detail).differs(stated.root.to_hex(), replica.root().to_hex()))
    }

    /// The time up to which a checkpoint's cosignatures vouch for it, in seconds: the t-th newest of them.
    // INVARIANT (G7): at most t - 1 nodes are hostile, so an honest node's clock showed this time or a later one. The newest
    // time alone can be any node's invention.
    pub fn witnessed_s(&self, cosigned: &[VerifiedCosignature]) -> u64 {
        let mut times: Vec<_> = cosigned.iter().map(|cosignature| cosignature.time_s).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        times.get(self.threshold.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// A node's own name, from the name of its cosigning key.
pub(crate) fn node_of(name: &KeyName) -> String {
    name.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}
