//! All withdrawals: those in motion as they are, settled ones condensed and packed.
//!
//! A settled withdrawal is rarely looked at and there are many. One to two times [`super::ATTEST_EVERY`] entries later it is
//! condensed to what may still matter, kept in its canonical form, and read when somebody asks. What was dropped is what a
//! replay of the log derives again; it never decides anything.

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use holdfast_policy::{Decision, RiskComponent, RiskScore, RuleResult, Verdict};
use imbl::{OrdMap, OrdSet};

use crate::codec::{Decode, Encode, Input, Malformed, put_bytes, put_count};
use crate::ids::WithdrawalId;
use crate::withdrawal::{Withdrawal, WithdrawalState};

#[derive(Clone, Debug, Default)]
pub(crate) struct Withdrawals {
    records: OrdMap<WithdrawalId, Record>,
    // Settled and still whole, by the period of the log in which they were last written.
    whole: OrdSet<(u64, WithdrawalId)>,
}

#[derive(Clone, Debug)]
enum Record {
    Open(Arc<Withdrawal>),
    /// With the period in which it was last written.
    Settled(Arc<Withdrawal>, u64),
    Packed(Arc<Packed>),
}

/// A withdrawal in its canonical form.
#[derive(Debug)]
struct Packed {
    bytes: Box<[u8]>,
    // `None` would be bytes that are not canonical: they were written by `encode` and are authenticated when they come from a
    // snapshot, so there are none.
    read: OnceLock<Option<Box<Withdrawal>>>,
}

impl Record {
    fn packed(bytes: Box<[u8]>) -> Self {
        Self::Packed(Arc::new(Packed { bytes, read: OnceLock::new() }))
    }

    fn read(&self) -> Option<&Withdrawal> {
        match self {
            Self::Open(withdrawal) | Self::Settled(withdrawal, _) => Some(withdrawal),
            Self::Packed(packed) => packed.read.get_or_init(|| packed.unpack().map(Box::new)).as_deref(),
        }
    }

    /// Without keeping what was read: for those who read all.
    fn read_once(&self) -> Option<Arc<Withdrawal>> {
        match self {
            Self::Open(withdrawal) | Self::Settled(withdrawal, _) => Some(Arc::clone(withdrawal)),
            Self::Packed(packed) => packed.unpack().map(Arc::new),
        }
    }
}

impl Packed {
    fn unpack(&self) -> Option<Withdrawal> {
        Withdrawal::from_bytes(&self.bytes).ok()
    }
}

/// Whether it goes on by itself no more: only a repeat, an outcome, a replacement, a tombstone or a late signature will touch it.
fn is_settled(withdrawal: &Withdrawal) -> bool {
    match withdrawal.logged_state() {
        WithdrawalState::Signed
        | WithdrawalState::Denied
        | WithdrawalState::Cancelled
        | WithdrawalState::Expired
        | WithdrawalState::Replaced
        | WithdrawalState::Tombstoned => true,
        WithdrawalState::Received
        | WithdrawalState::Held
        | WithdrawalState::Allowed
        | WithdrawalState::Bound
        | WithdrawalState::Authorized => false,
    }
}

/// Without the rules that were content, the parts of the risk score that added nothing, and the request's copy of the
/// transaction that was bound.
fn condensed(withdrawal: &Withdrawal) -> Withdrawal {
    let decision = withdrawal.decision.as_ref();
    let decided =
        |result: &&RuleResult| matches!(result.verdict, Verdict::StepUp | Verdict::Hold | Verdict::Deny);
    let added = |component: &&RiskComponent| component.contribution > 0;
    let risk = RiskScore {
        score: decision.risk.score,
        components: decision.risk.components.iter().filter(added).cloned().collect(),
    };
    let decision = Decision {
        outcome: decision.outcome.clone(),
        satisfied_hold: decision.satisfied_hold.clone(),
        rules: decision.rules.iter().filter(decided).cloned().collect(),
        risk,
        policy_version: decision.policy_version,
        policy_hash: decision.policy_hash,
    };
    let mut condensed = Withdrawal { decision: Arc::new(decision), ..withdrawal.clone() };
    condensed.request.transaction = None;
    condensed
}

impl Withdrawals {
    pub(super) fn get(&self, id: &WithdrawalId) -> Option<&Withdrawal> {
        self.records.get(id)?.read()
    }

    /// `period` counts multiples of [`super::ATTEST_EVERY`] entries.
    pub(super) fn insert(&mut self, withdrawal: Withdrawal, period: u64) {
        let id = withdrawal.id;
        let settled = is_settled(&withdrawal);
        let withdrawal = Arc::new(withdrawal);
        let record = if settled { Record::Settled(withdrawal, period) } else { Record::Open(withdrawal) };
        if let Some(Record::Settled(_, earlier)) = self.records.insert(id, record) {
            self.whole.remove(&(earlier, id));
        }
        if settled {
            self.whole.insert((period, id));
        }
    }

    /// Condenses and packs what was settled before the last period, at the beginning of this one.
    // INVARIANT (G10): when this happens depends on the log alone, and no admission reads what is dropped.
    pub(super) fn pack(&mut self, period: u64) {
        let mut bytes = Vec::new();
        while let Some(oldest) = self.whole.get_min().copied()
            && oldest.0.saturating_add(1) < period
        {
            self.whole.remove(&oldest);
            if let Some(Record::Settled(withdrawal, _)) = self.records.get(&oldest.1) {
                bytes.clear();
                condensed(withdrawal).encode(&mut bytes);
                // A copy of its length: one cut from a longer vector would leave holes in memory.
                self.records.insert(oldest.1, Record::packed(bytes.as_slice().into()));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn after(&self, id: Option<WithdrawalId>) -> impl Iterator<Item = Arc<Withdrawal>> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.records.range((from, Bound::Unbounded)).filter_map(|(_, record)| record.read_once())
    }

    /// Those that are not settled.
    pub(super) fn open(&self) -> impl Iterator<Item = &Withdrawal> {
        self.records.values().filter_map(|record| match record {
            Record::Open(withdrawal) => Some(withdrawal.as_ref()),
            Record::Settled(..) | Record::Packed(_) => None,
        })
    }
}

const OPEN: u8 = 0;
const SETTLED: u8 = 1;
const PACKED: u8 = 2;

/// Id, form, and the record with its length in front, so that packed ones are not read when a snapshot is.
impl Encode for Withdrawals {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.records.len(), out);
        for (id, record) in &self.records {
            id.encode(out);
            match record {
                Record::Open(withdrawal) => {
                    out.push(OPEN);
                    put_bytes(&withdrawal.to_bytes(), out);
                }
                Record::Settled(withdrawal, period) => {
                    out.push(SETTLED);
                    period.encode(out);
                    put_bytes(&withdrawal.to_bytes(), out);
                }
                Record::Packed(packed) => {
                    out.push(PACKED);
                    put_bytes(&packed.bytes, out);
                }
            }
        }
    }
}

impl Decode for Withdrawals {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        let mut withdrawals = Self::default();
        let mut last = None;
        for _ in 0..count {
            let id = WithdrawalId::decode(input)?;
            if last.replace(id).is_some_and(|last| last >= id) {
                return Err(Malformed::new("withdrawals are not in order"));
            }
            let record = match input.byte()? {
                OPEN => Record::Open(Arc::new(whole(input.bytes()?, id, false)?)),
                SETTLED => {
                    let period = input.number()?;
                    withdrawals.whole.insert((period, id));
                    Record::Settled(Arc::new(whole(input.bytes()?, id, true)?), period)
                }
                PACKED => Record::packed(input.bytes()?.into()),
                _ => return Err(Malformed::new("unknown form of a withdrawal")),
            };
            withdrawals.records.insert(id, record);
        }
        Ok(withdrawals)
    }
}

fn whole(bytes: &[u8], id: WithdrawalId, settled: bool) -> Result<Withdrawal, Malformed> {
    let withdrawal = Withdrawal::from_bytes(bytes)?;
    if withdrawal.id != id || is_settled(&withdrawal) != settled {
        return Err(Malformed::new("a withdrawal is not in its place"));
    }
    Ok(withdrawal)
}
