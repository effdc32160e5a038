//! Owns what honest customers do, one action at a time. It must never know of attacks, except that robbed customers stop.

mod amount;
mod arrival;
mod destination;
mod payroll;
mod plan;
mod session;

pub(crate) use destination::confirm_at;
pub(crate) use session::log_in;

use crate::{
    calendar::{days, minutes},
    draw::Draws,
    event::{Address, TimeMs},
    honest::destination::Choice,
    label::{Label, Oddities, Oddity},
    number::share,
    outbox::Outbox,
    payment::{LEAST_CENTS, Payment, pay},
    population::{Access, Customer, Kind, Plan, Segment},
    provider::Background,
    scene::Scene,
};

/// What the customer planned for now. Returns when to come back, if ever.
pub(crate) fn act(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
) -> Option<TimeMs> {
    if now >= customer.locked_from {
        return None;
    }
    let mut draws = customer.draws(scene.seed);
    customer.settle(now);
    let done = match customer.plan {
        Plan::Arrive => {
            arrival::arrive(customer, now, outbox);
            now
        }
        Plan::Look { cents, until } => {
            session::visit(customer, now, scene, outbox, &mut draws, &mut Oddities::default());
            customer.plan = Plan::Withdraw { cents, errand: None };
            return Some(until);
        }
        Plan::Payday => payroll::pay_everybody(customer, now, scene, outbox, &mut draws),
        Plan::Withdraw { cents, errand } => {
            let visit =
                Visit { customer: &mut *customer, now, scene, outbox: &mut *outbox, draws: &mut draws };
            match visit.withdraw(cents, errand) {
                Outcome::Done(at) => at,
                Outcome::Waits(at) => return Some(at),
            }
        }
    };
    Some(plan::next(customer, done, scene, outbox, &mut draws))
}

/// What a visit led to.
enum Outcome {
    /// Over at this time.
    Done(TimeMs),
    /// The customer comes back for the rest at this time.
    Waits(TimeMs),
}

/// One visit of one customer.
struct Visit<'a> {
    customer: &'a mut Customer,
    now: TimeMs,
    scene: &'a Scene,
    outbox: &'a mut Outbox,
    draws: &'a mut Draws,
}

impl Visit<'_> {
    fn withdraw(mut self, wish: f64, errand: Option<Address>) -> Outcome {
        let mut odd = Oddities::default();
        let access = session::visit(self.customer, self.now, self.scene, self.outbox, self.draws, &mut odd);
        let chosen = destination::choose(self.customer, errand, self.now, self.scene, self.draws);
        let Some(choice) = chosen else { return Outcome::Done(self.now) };
        if choice.is_unconfirmed(self.customer) && errand.is_none() {
            return self.confirm_first(wish, &choice);
        }
        let settled = amount::settle(wish, self.customer, self.now, self.scene, self.draws);
        let Some(cents) = settled else { return Outcome::Done(self.now) };
        choice.note(self.customer, &mut odd);
        amount::note(cents, self.customer, self.scene, &mut odd);
        odd.add_if(self.now.since(self.customer.last_paid_at) >= days(90.0), Oddity::Woke);
        odd.add_if(self.customer.segment == Segment::MarketMaker, Oddity::MarketMaker);
        let payment = self.payment(&access, cents, &choice, odd);
        let done = if choice.is_new && cents > 100_000 && self.draws.chance(0.3) {
            self.test_first(payment, odd)
        } else if amount::is_split(cents, self.customer, self.scene, self.draws) {
            self.in_parts(payment, odd)
        } else {
            self.pay(&payment)
        };
        self.customer.last_paid_at = done;
        choice.mark_used(self.customer);
        Outcome::Done(done)
    }

    /// Not yet: the address must be confirmed and have waited.
    fn confirm_first(self, wish: f64, choice: &Choice) -> Outcome {
        let Self { customer, now, scene, outbox, draws } = self;
        let ready = destination::confirm(customer, choice.address, now, scene, outbox, draws);
        customer.plan = Plan::Withdraw { cents: wish, errand: Some(choice.address) };
        Outcome::Waits(customer.rhythm.around(ready, scene.shift(ready).hours, draws))
    }

    fn payment(&mut self, access: &Access, cents: u64, choice: &Choice, odd: Oddities) -> Payment {
        let habits = self.customer.habits;
        Payment {
            at: self.now.plus(minutes(self.draws.between(0.5, 6.0))),
            client: self.customer.client(access),
            asset: self.customer.some_asset(self.draws),
            cents,
            round: habits.rounds && !habits.under_limit && self.draws.chance(0.8),
            destination: choice.address,
            background: background(choice.kind),
            whitelisted_since: choice.whitelisted_since(self.customer),
            label: Label::Honest(odd),
        }
    }

    fn pay(&mut self, payment: &Payment) -> TimeMs {
        pay(payment, self.customer, self.scene, self.outbox, self.draws);
        payment.at
    }

    /// A small amount ahead, to see whether it arrives.
    fn test_first(&mut self, payment: Payment, mut odd: Oddities) -> TimeMs {
        odd.add(Oddity::TestPayment);
        let cents = LEAST_CENTS.saturating_add(self.draws.below(4_000));
        self.pay(&Payment { cents, round: true, label: Label::Honest(odd), ..payment });
        let at = payment.at.plus(minutes(self.draws.between(8.0, 90.0)));
        self.pay(&Payment { at, ..payment })
    }

    /// Several parts under the published limit instead of waiting for a review: a house is bought, an invoice is due.
    fn in_parts(&mut self, payment: Payment, mut odd: Oddities) -> TimeMs {
        odd.add(Oddity::SplitUp);
        odd.add(Oddity::JustUnderLimit);
        let limit = self.scene.parameters.published.per_withdrawal_usd_cents;
        let mut left = payment.cents;
        let mut at = payment.at;
        for _ in 0..5 {
            let cents = left.min(share(limit, self.draws.between(0.95, 1.0)));
            self.pay(&Payment { at, cents, round: false, label: Label::Honest(odd), ..payment });
            left = left.saturating_sub(cents);
            if left < LEAST_CENTS {
                break;
            }
            at = at.plus(minutes(2.0 + self.draws.exponential(40.0)));
        }
        at
    }
}

/// What providers can know of such a destination.
pub(crate) fn background(kind: Kind) -> Background {
    match kind {
        Kind::Hot | Kind::Launch => Background::Service,
        Kind::Private | Kind::Household => Background::Private,
    }
}

impl Choice {
    fn note(&self, customer: &Customer, odd: &mut Oddities) {
        odd.add_if(self.is_new, Oddity::NewAddress);
        odd.add_if(self.kind == Kind::Hot, Oddity::HotDestination);
        odd.add_if(self.kind == Kind::Launch, Oddity::Launch);
        odd.add_if(customer.household_address == Some(self.address), Oddity::SharedAddress);
    }
}
