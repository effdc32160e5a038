//! What replay keeps for the risk score, and when: sessions and accounts as they are reported, payments when their first signature
//! is logged. What was only asked for teaches nothing, so that nobody makes a habit by asking.

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    Activity, KeptPages, PageFault, PageHash, PageRef, Pages, PaymentSeen, TimestampMs, WalletId,
};

use super::{Change, State};
use crate::codec::{Decode, Encode, Input, Malformed, put_bytes, put_count};
use crate::ids::WithdrawalId;
use crate::payload::CustomerReport;
use crate::rejection::{Rejection, RejectionCode};

impl State {
    /// What replay keeps of customers, destinations and devices.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(super) fn admit_customer(
        &self,
        report: &CustomerReport,
        time: TimestampMs,
    ) -> Result<Change, Rejection> {
        self.check_cluster(&report.cluster)?;
        self.check_report(&report.provider, report.sequence, report.observed_at_ms, time)?;
        self.check_reports_on_sessions(&report.provider)?;
        let invalid =
            |field, detail: &str| Err(Rejection::new(RejectionCode::FieldInvalid, detail).with_field(field));
        if report.opened_at_ms > report.observed_at_ms {
            return invalid("opened_at_ms", "after `observed_at_ms`");
        }
        match report.last_active_at_ms {
            Some(active) if active < report.opened_at_ms => {
                invalid("last_active_at_ms", "before `opened_at_ms`")
            }
            Some(active) if active > report.observed_at_ms => {
                invalid("last_active_at_ms", "after `observed_at_ms`")
            }
            Some(_) | None => Ok(Change { customer: Some(report.clone()), ..Change::default() }),
        }
    }

    /// The withdrawal's first signature is logged: who was paid what, by whom and from where is part of habits from now on. A fee
    /// bump of what was paid is the same payment.
    pub(super) fn count_payment(&mut self, id: WithdrawalId, time: TimestampMs) {
        let Some(withdrawal) = self.withdrawal(&id) else { return };
        let paid_before = self.lineage(id).skip(1).any(|earlier| self.is_signed(&earlier));
        if withdrawal.to_oneself || paid_before {
            return;
        }
        let request = &withdrawal.request;
        // A call that sends nothing along says nothing about amounts.
        let asset = self.asset(request).ok().filter(|_| !request.amount.is_zero());
        let worth = asset.and_then(|asset| {
            self.usd_price(&asset.symbol, time)?.price.cents(request.amount, asset.decimals)
        });
        let (wallet, chain) = (request.wallet.clone(), request.chain_id);
        let (customer, client, destination) =
            (request.customer.clone(), request.client.clone(), request.destination);
        let payment = PaymentSeen { at: time, destination: &destination, usd_cents: worth, client: &client };
        self.activity.record_payment(&wallet, chain, Some(&customer), &payment);
    }

    pub(super) fn is_signed(&self, id: &WithdrawalId) -> bool {
        self.withdrawal(id).is_some_and(|known| known.signature.is_some())
    }
}

impl State {
    /// From now on pages of histories and crowds are read from here: see [`State::keep_pages`].
    pub fn read_pages_from(&mut self, pages: &Pages) {
        self.activity.read_from(pages);
    }

    /// The first page that could not be read. Nothing that this state or its clones said since may be believed.
    pub fn page_fault(&self) -> Option<PageFault> {
        self.activity.records().pages().fault()
    }

    /// Takes leave of the pages that changed since this was done last: from now on this state knows them by their hashes. Write what
    /// this returns before anything that names it, which is this state's [`State::to_paged_snapshot`]. Then let the state that went on
    /// forget the same pages, by [`State::settle_pages`].
    #[must_use = "pages that nobody writes are lost"]
    pub fn keep_pages(&mut self) -> KeptPages {
        self.activity.keep()
    }

    /// These pages, taken from a clone of this state, are durable: their bytes need not stay in memory.
    pub fn settle_pages(&mut self, kept: &KeptPages) {
        self.activity.settle(kept);
    }

    /// The pages that this state rests on and that must be found where they were written.
    pub fn named_pages(&self) -> impl Iterator<Item = PageHash> {
        self.activity.named_pages()
    }
}

/// Whether pages are in a snapshot or beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PagesOf {
    Snapshot,
    Source,
}

/// Every page by its smallest key, its hash, length and number of records, which are the same wherever its bytes are.
pub(super) fn encode(activity: &Activity, of: PagesOf, out: &mut Vec<u8>) {
    let records = activity.records();
    let whole = of == PagesOf::Snapshot;
    whole.encode(out);
    put_count(records.references().len(), out);
    for (bound, page) in records.references() {
        put_bytes(bound, out);
        page.hash.as_bytes().encode(out);
        page.bytes.encode(out);
        page.records.encode(out);
    }
    if whole {
        // Where a page cannot be read this ends, and what is written cannot be restored.
        records.contents().for_each(|page| put_bytes(&page, out));
    }
    let paid: Vec<_> = activity.look_alikes().iter().collect();
    put_count(paid.len(), out);
    for (wallet, chain, address) in paid {
        wallet.encode(out);
        chain.encode(out);
        address.encode(out);
    }
}

pub(super) fn decode(input: &mut Input<'_>, pages: &Pages) -> Result<Activity, Malformed> {
    let whole: bool = Decode::decode(input)?;
    let mut references = Vec::new();
    for _ in 0..input.count()? {
        let bound = input.bytes()?.to_vec();
        let hash = PageHash::from_bytes(Decode::decode(input)?);
        references
            .push((bound, PageRef { hash, bytes: Decode::decode(input)?, records: Decode::decode(input)? }));
    }
    let activity = if whole {
        let contents = references.into_iter().map(|(bound, page)| Ok((bound, page, input.bytes()?.to_vec())));
        Activity::from_contents(contents.collect::<Result<_, Malformed>>()?, pages)
    } else {
        Activity::from_references(references, pages)
    };
    let mut activity = activity.ok_or_else(|| Malformed::new("pages that are not those of one state"))?;
    for _ in 0..input.count()? {
        let (wallet, chain, address): (WalletId, ChainId, Address) = Decode::decode(input)?;
        activity.restore_look_alike(&wallet, chain, &address);
    }
    Ok(activity)
}
