//! What replay keeps for the risk score, and when: sessions and accounts as they are reported, payments when their first signature
//! is logged. What was only asked for teaches nothing, so that nobody makes a habit by asking.

use holdfast_chains::{Address, ChainId};
use holdfast_policy::{
    Activity, Crowd, CrowdParts, CustomerRef, DeviceKey, MemberKey, Minute, PaymentSeen, TimestampMs,
    WalletId,
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

/// Histories are kept packed, crowds in their parts.
impl Encode for Activity {
    fn encode(&self, out: &mut Vec<u8>) {
        put_count(self.packed().len(), out);
        for (customer, packed) in self.packed() {
            customer.encode(out);
            put_bytes(packed, out);
        }
        put_count(self.destinations().len(), out);
        for (chain, address, crowd) in self.destinations() {
            chain.encode(out);
            address.encode(out);
            crowd.encode(out);
        }
        put_count(self.devices().len(), out);
        for (device, crowd) in self.devices() {
            device.0.encode(out);
            crowd.encode(out);
        }
        let paid: Vec<_> = self.look_alikes().iter().collect();
        put_count(paid.len(), out);
        for (wallet, chain, address) in paid {
            wallet.encode(out);
            chain.encode(out);
            address.encode(out);
        }
    }
}

impl Decode for Activity {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let mut activity = Self::default();
        for _ in 0..input.count()? {
            let customer: CustomerRef = Decode::decode(input)?;
            activity.restore_customer(customer, input.bytes()?).map_err(Malformed::new)?;
        }
        for _ in 0..input.count()? {
            let (chain, address, crowd): (ChainId, Address, Crowd) = Decode::decode(input)?;
            activity.restore_destination(chain, address, crowd);
        }
        for _ in 0..input.count()? {
            let (device, crowd): ([u8; 8], Crowd) = Decode::decode(input)?;
            activity.restore_device(DeviceKey(device), crowd);
        }
        for _ in 0..input.count()? {
            let (wallet, chain, address): (WalletId, ChainId, Address) = Decode::decode(input)?;
            activity.restore_look_alike(&wallet, chain, &address);
        }
        Ok(activity)
    }
}

impl Encode for Crowd {
    fn encode(&self, out: &mut Vec<u8>) {
        let CrowdParts { first, members, count, fresh } = self.parts();
        first.map(|first| first.0).encode(out);
        members.into_iter().map(|(key, first)| (key, first.0)).collect::<Vec<_>>().encode(out);
        count.encode(out);
        fresh.encode(out);
    }
}

impl Decode for Crowd {
    fn decode(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let first: Option<u32> = Decode::decode(input)?;
        let members: Vec<(MemberKey, u32)> = Decode::decode(input)?;
        let parts = CrowdParts {
            first: first.map(Minute),
            members: members.into_iter().map(|(key, first)| (key, Minute(first))).collect(),
            count: Decode::decode(input)?,
            fresh: Decode::decode(input)?,
        };
        Self::from_parts(parts).ok_or_else(|| Malformed::new("a crowd whose parts contradict each other"))
    }
}
