//! Owns how a customer becomes known to the log: registration, what is there already, confirmed addresses.

use crate::{
    event::{Deposit, Event, Registration, TimeMs, WhitelistEntry},
    label::Label,
    outbox::Outbox,
    population::Customer,
};

/// Tells the log about this customer.
pub(crate) fn arrive(customer: &mut Customer, now: TimeMs, outbox: &mut Outbox) {
    let imported = customer.opened_at < now;
    let registration = Registration {
        customer: customer.id,
        country: customer.home,
        opened_at: customer.opened_at,
        last_active_at: imported.then_some(customer.last_active_at),
    };
    outbox.push(now, Event::Registered(registration), Label::PLAIN);
    // `settle` has added what came in before.
    let deposit = Deposit { customer: customer.id, usd_cents: customer.balance };
    outbox.push(now, Event::Deposited(deposit), Label::PLAIN);
    for known in &customer.destinations {
        if let Some(confirmed_at) = known.whitelisted_since {
            let entry = WhitelistEntry { customer: customer.id, destination: known.address, confirmed_at };
            outbox.push(now, Event::Whitelisted(entry), Label::PLAIN);
        }
    }
}
