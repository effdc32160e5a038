//! Owns the step from cents to a request: asset units, rounding, wallet, the provider's report. The same for everybody, so
//! that nothing but behaviour tells thieves from customers.

use crate::{
    draw::Draws,
    event::{Address, Asset, Client, Event, TimeMs, Wallet, WithdrawalRequest},
    label::{Label, Oddity},
    number::whole,
    outbox::Outbox,
    population::Customer,
    provider::{Background, report},
    scene::Scene,
};

/// The least anybody withdraws: 10 USD.
pub(crate) const LEAST_CENTS: u64 = 1_000;

/// What somebody wants to be paid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment {
    pub at: TimeMs,
    pub client: Client,
    pub asset: Asset,
    /// At most so much.
    pub cents: u64,
    pub round: bool,
    pub destination: Address,
    pub background: Background,
    pub whitelisted_since: Option<TimeMs>,
    pub label: Label,
}

/// Asks for it: a report about the destination, then the request. Returns the cents that left the account; zero if there is
/// not enough to ask for.
pub(crate) fn pay(
    payment: &Payment,
    customer: &mut Customer,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) -> u64 {
    let at = scene.no_later_than_end(payment.at);
    let ceiling = payment.cents.min(customer.balance);
    let units = units(payment, ceiling, at, scene);
    let usd_cents = scene.market.value(payment.asset, units, at);
    if ceiling < LEAST_CENTS.min(payment.cents) || usd_cents == 0 {
        return 0;
    }
    let mut label = payment.label;
    let asked = at.minus(whole(draws.between(200.0, 3_000.0)));
    if let Some(found) = report(payment.destination, payment.background, asked, scene, draws) {
        if let Label::Honest(odd) = &mut label {
            odd.add_if(found.score >= 50, Oddity::ExposureFalsePositive);
        }
        outbox.push(asked, Event::Exposure(found), label);
    }
    // INVARIANT: nobody withdraws what they do not have; `units` are worth at most the balance.
    customer.balance = customer.balance.saturating_sub(usd_cents);
    let request = WithdrawalRequest {
        number: 0,
        customer: customer.id,
        client: payment.client,
        wallet: wallet(usd_cents),
        asset: payment.asset,
        amount: units,
        usd_cents,
        destination: payment.destination,
        whitelisted_since: payment.whitelisted_since,
    };
    outbox.push(at, Event::Withdrawal(request), label);
    usd_cents
}

fn units(payment: &Payment, ceiling: u64, at: TimeMs, scene: &Scene) -> u128 {
    let exact = scene.market.units(payment.asset, ceiling, at);
    if !payment.round {
        return exact;
    }
    let rounded = two_digits(exact);
    // Rounding up must not ask for more than there is, or more than was wished.
    if scene.market.value(payment.asset, rounded, at) <= ceiling { rounded } else { exact }
}

/// The nearest number with two significant digits.
fn two_digits(units: u128) -> u128 {
    let mut step = 1_u128;
    while units.checked_div(step).unwrap_or(0) >= 100 {
        step = step.saturating_mul(10);
    }
    let half = step.checked_div(2).unwrap_or(0);
    let steps = units.saturating_add(half).checked_div(step).unwrap_or(0);
    steps.saturating_mul(step)
}

fn wallet(usd_cents: u64) -> Wallet {
    match usd_cents {
        0..5_000_000 => Wallet::Hot,
        5_000_000..100_000_000 => Wallet::Warm,
        _ => Wallet::Cold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_have_two_digits_and_are_the_nearest() {
        for (units, rounded) in
            [(7, 7), (99, 99), (104, 100), (105, 110), (1_249, 1_200), (995, 1_000), (123_456, 120_000)]
        {
            assert_eq!(two_digits(units), rounded, "{units}");
        }
    }

    #[test]
    fn large_amounts_come_from_colder_wallets() {
        assert_eq!(wallet(4_999_999), Wallet::Hot);
        assert_eq!(wallet(5_000_000), Wallet::Warm);
        assert_eq!(wallet(100_000_000), Wallet::Cold);
    }
}
