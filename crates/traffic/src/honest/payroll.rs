//! Owns businesses that pay many people on one day.

use crate::{
    calendar::{days, minutes},
    draw::{Domain, Draws},
    event::{Address, TimeMs},
    honest::{background, destination::confirm_at, session::visit},
    label::{Label, Oddities, Oddity},
    number::{real, whole},
    outbox::Outbox,
    payment::{Payment, pay},
    population::{Customer, Kind, Known},
    provider::leading,
    scene::Scene,
};

/// The most people a business pays.
const PAYEES: usize = 60;

/// What this payee gets each time, in cents.
fn salary(customer: &Customer, payee: Address, scene: &Scene) -> f64 {
    let mut draws = scene.seed.draws(Domain::Exposure, leading(payee), 1);
    draws.log_normal(customer.median_cents, 0.6)
}

/// What a payday costs, about.
pub(super) fn total(customer: &Customer, scene: &Scene) -> u64 {
    let all = customer.destinations.iter().map(|known| salary(customer, known.address, scene));
    whole(all.sum::<f64>())
}

/// Pays everybody, seconds apart. Returns when it is done.
pub(super) fn pay_everybody(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) -> TimeMs {
    let mut odd = Oddities::default();
    let access = visit(customer, now, scene, outbox, draws, &mut odd);
    odd.add(Oddity::Payroll);
    let client = customer.client(&access);
    let asset = customer.favourite;
    let mut at = now.plus(minutes(draws.between(1.0, 10.0)));
    for payee in customer.destinations.clone() {
        let cents = salary(customer, payee.address, scene) * draws.log_normal(1.0, customer.sigma);
        let mut this = odd;
        this.add_if(!payee.used, Oddity::NewAddress);
        let payment = Payment {
            at,
            client,
            asset,
            cents: whole(cents),
            round: customer.habits.rounds,
            destination: payee.address,
            background: background(payee.kind),
            whitelisted_since: payee.whitelisted_since,
            label: Label::Honest(this),
        };
        pay(&payment, customer, scene, outbox, draws);
        at = at.plus(whole(draws.between(4_000.0, 40_000.0)));
    }
    customer.destinations.iter_mut().for_each(|known| (known.used, known.paid) = (true, true));
    hire_and_part(customer, at, scene, outbox, draws);
    at
}

/// Some leave, some come; those who come are confirmed in the days before they are paid first.
fn hire_and_part(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
) {
    let before = customer.destinations.len();
    customer.destinations.retain(|_| !draws.chance(0.02));
    let hired =
        whole(real(crate::number::count(before)) * 0.03 * scene.shift(now).new_addresses + draws.uniform());
    for _ in 0..hired {
        if customer.destinations.len() >= PAYEES {
            break;
        }
        let address = Address(draws.twenty_bytes());
        customer.destinations.push(Known::new(address, Kind::Private));
        if customer.habits.whitelist {
            let at = now.plus(days(draws.between(0.1, 9.0)));
            confirm_at(customer, address, at, scene, outbox, Label::PLAIN);
        }
    }
}
