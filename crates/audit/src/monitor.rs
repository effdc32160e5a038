//! Watching a log live: what a checkpoint, its cosignatures and each new entry must make somebody look at.
//!
//! Sans-IO: entries, checkpoints and the time come in, alarms go out. A log that cannot be the one watched before, or that no
//! honest sequencer can have written, ends the watch with a [`Finding`]: there is nothing to go on with.

use std::collections::BTreeSet;

use holdfast_ledger::{Act, Event, Outcome, Replica, State};
use holdfast_log::{Entry, RightEdge, SignedCheckpoint, VerifiedCosignature};
use serde::Serialize;

use crate::finding::Finding;
use crate::heads::Heads;
use crate::history::says;
use crate::history::{History, Interest};
use crate::keys::{LogKeys, node_of};

const KEPT_HEADER: &[u8] = b"holdfast monitor v1\n";

/// How old is too old.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Nodes cosign every few seconds, entries or not. After this long without t of them somebody withholds or is down.
    pub stalled_ms: u64,
    /// The same for each node alone.
    pub silent_ms: u64,
    /// How far a node's clock may be ahead of this machine's.
    pub ahead_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stalled_ms: 5 * 60 * 1000, silent_ms: 15 * 60 * 1000, ahead_ms: 60 * 1000 }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It happened by the rules; those who watch want to know.
    Notice,
    /// A person must look at it.
    Alarm,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// How bad it is.
    pub severity: Severity,
    /// What it is: a stable code.
    pub code: String,
    /// Log index, if it is about an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The same in words.
    pub detail: String,
}

/// A log that is watched.
#[derive(Debug)]
pub struct Monitor {
    history: History,
    heads: Heads,
    patience: Patience,
    /// Entries before this one were reported by an earlier run.
    reported: u64,
    /// Lasting conditions that were told already.
    raised: BTreeSet<String>,
    versions: Versions,
    /// The checkpoint of exactly these entries, once it is verified.
    note: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Versions {
    roster: u64,
    policy: String,
}

impl Versions {
    fn of(history: &History) -> Self {
        let state = history.state();
        Self { roster: state.roster().version().0, policy: state.policy_digest().to_string() }
    }
}

impl Monitor {
    /// Begins with the first entry, whose document's SHA-256 must be the pinned one, and with the checkpoint up to which an
    /// earlier run has watched.
    ///
    /// # Errors
    /// A [`Finding`] if the entry is another one, or the checkpoint is none.
    pub fn begin(
        genesis: &Entry,
        genesis_sha256: &[u8; 32],
        seen: Option<&[u8]>,
        patience: Patience,
    ) -> Result<Self, Finding> {
        let history = History::begin_with(genesis, genesis_sha256, Interest::Nothing)?;
        let (mut heads, mut reported) = (Heads::none(), 0);
        if let Some(note) = seen {
            heads.add(note)?;
            reported = SignedCheckpoint::parse(note)?.claimed().size;
        }
        heads.check(history.replica())?;
        let versions = Versions::of(&history);
        Ok(Self { history, heads, patience, reported, raised: BTreeSet::new(), versions, note: Vec::new() })
    }

    /// Goes on from what an earlier run kept ([`Self::to_kept`]); `seen` is the newest checkpoint that it had verified. `None` if
    /// they do not fit each other, this genesis or this program: begin again then.
    ///
    /// Whoever can write both files can make this machine believe anything, as with `seen` alone.
    pub fn resume(
        genesis: &Entry,
        genesis_sha256: &[u8; 32],
        seen: &[u8],
        kept: &[u8],
        patience: Patience,
    ) -> Option<Self> {
        let (note, rest) = split_part(kept.strip_prefix(KEPT_HEADER)?)?;
        let (edge, snapshot) = split_part(rest)?;
        let state = State::from_snapshot(snapshot, genesis).ok()?;
        if state.genesis().hash != *genesis_sha256 {
            return None;
        }
        let replica = Replica::restored(state, RightEdge::from_bytes(edge).ok()?)?;
        let signed = SignedCheckpoint::parse(note).ok()?;
        let stated = signed.verify(LogKeys::of(replica.state().roster()).ok()?.log()).ok()?;
        let reported = SignedCheckpoint::parse(seen).ok()?.claimed().size;
        if stated.size != replica.size() || stated.root != replica.root() || reported < stated.size {
            return None;
        }
        let mut heads = Heads::none();
        heads.add(seen).ok()?;
        heads.check(&replica).ok()?;
        let history = History::restored(replica, Interest::Nothing);
        let (versions, note) = (Versions::of(&history), note.to_vec());
        Some(Self { history, heads, patience, reported, raised: BTreeSet::new(), versions, note })
    }

    /// What a later run goes on from; `None` while no checkpoint of exactly these entries is verified.
    pub fn to_kept(&self) -> Option<Vec<u8>> {
        let replica = self.history.replica();
        if SignedCheckpoint::parse(&self.note).ok()?.claimed().size != replica.size() {
            return None;
        }
        let edge = replica.edge().to_bytes();
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
        let (note, snapshot) = (&self.note, replica.state().to_snapshot());
        Some([KEPT_HEADER, &length(note), note, &length(&edge), &edge, &snapshot].concat())
    }

    /// Entries that it holds.
    pub fn size(&self) -> u64 {
        self.history.replica().size()
    }

    /// The replay so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The next entry.
    ///
    /// # Errors
    /// A [`Finding`] if no honest log holds it, or it is not of the log that was watched before.
    pub fn append(&mut self, entry: &Entry) -> Result<Vec<Alarm>, Finding> {
        let fresh = self.size() >= self.reported;
        let mut alarms = Vec::new();
        self.history.append_watched(entry, &mut |event| alarms.extend(alarm_of(event)))?;
        self.heads.check(self.history.replica())?;
        let index = self.size().saturating_sub(1);
        alarms.extend(self.changes(index));
        if !fresh {
            alarms.clear();
        }
        Ok(alarms)
    }

    fn changes(&mut self, index: u64) -> Vec<Alarm> {
        let now = Versions::of(&self.history);
        let mut alarms = Vec::new();
        if now.roster != self.versions.roster {
            let detail = format!("the roster is version {} now", now.roster);
            alarms.push(notice("ROSTER_CHANGED", index, detail));
        }
        if now.policy != self.versions.policy {
            alarms.push(notice("POLICY_CHANGED", index, format!("the policy is {} now", now.policy)));
        }
        self.versions = now;
        alarms
    }

    /// The newest checkpoint, after all entries that it covers.
    ///
    /// # Errors
    /// A [`Finding`]: the log went back, contradicts its own entries or what was seen before, or is not signed as it must be.
    pub fn checkpoint(&mut self, note: &[u8], now_ms: u64) -> Result<Vec<Alarm>, Finding> {
        let signed = SignedCheckpoint::parse(note)?;
        let stated = signed.claimed().clone();
        let replica = self.history.replica();
        if stated.size < replica.size() {
            let detail = format!("{} entries were seen, the log shows {} now", replica.size(), stated.size);
            return Err(Finding::new("LOG_ROLLED_BACK", detail).within(stated.size, replica.size()));
        }
        let keys = LogKeys::of(self.history.state().roster())?;
        let checkpoint = signed.verify(keys.log())?;
        if checkpoint.size != replica.size() || checkpoint.root != replica.root() {
            let detail = "the checkpoint is not of the entries that the same log shows";
            return Err(Finding::new("LOG_FORKED", detail)
                .within(self.heads.passed().last().copied().unwrap_or(0), checkpoint.size)
                .differs(checkpoint.root.to_hex(), replica.root().to_hex()));
        }
        std::mem::take(&mut self.heads).finish(self.history.replica())?;
        self.note = note.to_vec();
        let cosigned = signed.cosignatures(keys.cosigners())?;
        let mut alarms = self.cosignatures(&keys, &cosigned, now_ms);
        alarms.extend(self.witnesses(signed.cosignatures(keys.witnesses())?.len()));
        alarms.extend(self.divergence());
        Ok(alarms)
    }

    /// INVARIANT (G10): nodes run the same pure function of the same log as this monitor; one that attests another state is faulty,
    /// hostile, or runs another program.
    fn divergence(&mut self) -> Vec<Alarm> {
        let state = self.history.state();
        let differ: BTreeSet<String> = state.disagreeing_nodes().iter().map(ToString::to_string).collect();
        let nodes: Vec<String> = state.roster().nodes().iter().map(|node| node.id.to_string()).collect();
        let told = nodes.into_iter().filter_map(|node| {
            let detail = format!("node `{node}` attests another state than the log gives");
            self.lasting(differ.contains(&node), "STATE_DIVERGED", &node, detail)
        });
        told.collect()
    }

    fn witnesses(&mut self, found: usize) -> Option<Alarm> {
        let needed = self.history.state().witnesses_required();
        let detail = format!("{found} outside witnesses cosigned, {needed} are required");
        self.lasting(found < needed, "WITNESSES_MISSING", "", detail)
    }

    /// Lasting conditions: told when they begin, and again when they are over.
    fn cosignatures(&mut self, keys: &LogKeys, cosigned: &[VerifiedCosignature], now_ms: u64) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let age = |time_s: u64| now_ms.saturating_sub(time_s.saturating_mul(1000));
        let witnessed = age(keys.witnessed_s(cosigned));
        let few = cosigned.len() < keys.threshold();
        let detail = if few {
            format!(
                "{} nodes cosigned the newest checkpoint, {} are needed",
                cosigned.len(),
                keys.threshold()
            )
        } else {
            format!("{} nodes last vouched for this log {} s ago", keys.threshold(), witnessed / 1000)
        };
        let stalled = few || witnessed > self.patience.stalled_ms;
        alarms.extend(self.lasting(stalled, "COSIGNATURES_STALLED", "", detail));
        for cosigner in keys.cosigners() {
            let node = node_of(cosigner.name());
            let time_s = cosigned.iter().find(|c| c.name == *cosigner.name()).map(|c| c.time_s);
            let silent = time_s.is_none_or(|time_s| age(time_s) > self.patience.silent_ms);
            let since = time_s.map_or("is not among the cosigners".to_owned(), |time_s| {
                format!("last cosigned {} s ago", age(time_s) / 1000)
            });
            alarms.extend(self.lasting(silent, "NODE_SILENT", &node, format!("node `{node}` {since}")));
            let limit = now_ms.saturating_add(self.patience.ahead_ms);
            let ahead = time_s.is_some_and(|time_s| time_s.saturating_mul(1000) > limit);
            let detail = format!("node `{node}` cosigns with a clock ahead of this machine's");
            alarms.extend(self.lasting(ahead, "NODE_CLOCK_AHEAD", &node, detail));
        }
        alarms
    }

    fn lasting(&mut self, holds: bool, code: &str, party: &str, detail: String) -> Option<Alarm> {
        let key = format!("{code} {party}");
        let (severity, detail) = match (holds, self.raised.contains(&key)) {
            (true, false) => (Severity::Alarm, detail),
            (false, true) => (Severity::Notice, format!("over: {detail}")),
            _ => return None,
        };
        if holds {
            self.raised.insert(key);
        } else {
            self.raised.remove(&key);
        }
        Some(Alarm { severity, code: code.to_owned(), index: None, detail })
    }

    /// Whether a lasting condition holds now.
    pub fn is_raised(&self) -> bool {
        !self.raised.is_empty()
    }
}

fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn alarm_of(event: &Event<'_>) -> Option<Alarm> {
    match &event.applied.outcome {
        Outcome::Rejected(rejection) if rejection.code().is_evidence() => {
            let (signer, kind) = (event.signer(), event.kind_name());
            let detail =
                format!("{signer} tried {kind}, refused as {}: {}", rejection.code(), rejection.detail());
            let (index, code) = (Some(event.index()), "REFUSED_ATTEMPT".to_owned());
            Some(Alarm { severity: Severity::Alarm, code, index, detail })
        }
        Outcome::Rejected(_) => None,
        Outcome::Admitted(_) => {
            let Some(Act::Statement { statement, .. }) = event.act else { return None };
            let protects = statement.body.is_protective();
            protects.then(|| {
                notice(
                    "OFFICER_PROTECTS",
                    event.index(),
                    format!("{} {}", event.signer(), says::event(event)),
                )
            })
        }
    }
}

fn notice(code: &str, index: u64, detail: String) -> Alarm {
    Alarm { severity: Severity::Notice, code: code.to_owned(), index: Some(index), detail }
}
