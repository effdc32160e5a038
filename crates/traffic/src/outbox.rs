//! Owns the events that were decided and not yet told: a queue by time. It must never let an event out before an earlier one.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    event::{Event, Record, TimeMs},
    label::Label,
};

#[derive(Debug)]
struct Pending {
    at: TimeMs,
    order: u64,
    record: Record,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Events to come, by time and then by the order in which they were decided.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    heap: BinaryHeap<Reverse<Pending>>,
    pushed: u64,
    withdrawals: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, at: TimeMs, event: Event, label: Label) {
        let record = Record { at, event, label };
        self.heap.push(Reverse(Pending { at, order: self.pushed, record }));
        self.pushed = self.pushed.saturating_add(1);
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<TimeMs> {
        self.heap.peek().map(|Reverse(pending)| pending.at)
    }

    /// The next event. Withdrawals get their numbers here, so that a number says nothing but its place in the stream.
    pub(crate) fn pop(&mut self) -> Option<Record> {
        let Reverse(Pending { mut record, .. }) = self.heap.pop()?;
        if let Event::Withdrawal(request) = &mut record.event {
            request.number = self.withdrawals;
            self.withdrawals = self.withdrawals.saturating_add(1);
        }
        Some(record)
    }
}
