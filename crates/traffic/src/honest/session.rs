//! Owns how honest people log in: their devices, journeys, networks, and the resets they ask for. All rates are assumed.

use crate::{
    calendar::{DAY_MS, days, hours, in_days},
    country::{some_exit, some_nation},
    draw::Draws,
    event::{Country, DeviceId, Event, Network, TimeMs},
    label::{Label, Oddities, Oddity},
    outbox::Outbox,
    parameters::Shift,
    population::{Access, Customer},
    scene::Scene,
};

/// Reports that never arrive. Assumed.
const MISSING: f64 = 0.0005;

/// A login that the provider reports, nearly always.
pub(super) fn visit(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    outbox: &mut Outbox,
    draws: &mut Draws,
    odd: &mut Oddities,
) -> Access {
    let access = log_in(customer, now, scene, draws, odd);
    let resets = customer.resets;
    let report = customer.report(&access, &resets, now);
    odd.add_if(report.country_changed, Oddity::CountryChange);
    odd.add_if(now.since(customer.opened_at) <= days(2.0), Oddity::FreshAccount);
    if draws.chance(MISSING) {
        odd.add(Oddity::SessionMissing);
    } else {
        outbox.push(now, Event::Session(report), Label::Honest(*odd));
    }
    access
}

/// Logs in at `now`: what happened since the last visit happens to the customer here.
pub(crate) fn log_in(
    customer: &mut Customer,
    now: TimeMs,
    scene: &Scene,
    draws: &mut Draws,
    odd: &mut Oddities,
) -> Access {
    let shift = scene.shift(now);
    let idle_days = in_days(now.since(customer.last_active_at));
    let discovers_the_api = !customer.habits.api && draws.chance(0.001);
    if discovers_the_api {
        customer.habits.api = true;
        customer.api_key_made = now.minus(hours(draws.between(0.1, 24.0)));
    }
    let over_api = customer.habits.api && (discovers_the_api || draws.chance(0.85));
    let new_phone = !over_api && buys_a_phone(idle_days, shift, draws);
    reset(customer, now, idle_days, new_phone, shift, draws);
    let (device, new_device) = device(customer, now, new_phone, scene, draws);
    let (network, country) = connection(customer, now, idle_days, over_api, shift, draws);
    let api_key_made = over_api.then(|| api_key(customer, now, idle_days, draws));
    customer.last_active_at = now;
    odd.add_if(new_device, Oddity::NewDevice);
    odd.add_if(matches!(network, Network::Vpn | Network::Tor), Oddity::HiddenNetwork);
    odd.add_if(customer.shared_device.is_some_and(|(shared, _)| shared == device), Oddity::SharedDevice);
    let week = |then: Option<TimeMs>| then.is_some_and(|then| now.since(then) <= days(7.0));
    odd.add_if(week(customer.resets.password), Oddity::PasswordReset);
    odd.add_if(week(customer.resets.second_factor), Oddity::SecondFactorReset);
    odd.add_if(api_key_made.is_some_and(|made| now.since(made) < DAY_MS), Oddity::FreshApiKey);
    Access { device, new_device, country, network, api_key_made }
}

/// About every two years; most of those who were away for long come back with another one.
fn buys_a_phone(idle_days: f64, shift: &Shift, draws: &mut Draws) -> bool {
    let usual = 1.0 - libm::exp(-idle_days / 700.0 * shift.devices);
    draws.chance(if idle_days > 90.0 { usual.max(0.5) } else { usual })
}

fn device(
    customer: &mut Customer,
    now: TimeMs,
    new_phone: bool,
    scene: &Scene,
    draws: &mut Draws,
) -> (DeviceId, bool) {
    if new_phone {
        customer.main_device = customer.another_device(scene.seed);
        customer.main_device_since = now;
    } else if draws.chance(0.012 * scene.shift(now).devices) {
        // Cleared cookies, another browser, a colleague's computer: seen once.
        return (customer.another_device(scene.seed), true);
    } else if let Some((shared, share)) = customer.shared_device.filter(|_| draws.chance(0.9)) {
        if draws.chance(share) {
            return (shared, false);
        }
    } else if let Some(other) = customer.other_device.filter(|_| draws.chance(0.25)) {
        return (other, false);
    }
    (customer.main_device, now.since(customer.main_device_since) < DAY_MS)
}

/// Two in a hundred reset their second factor in a month, five their password, one changes the e-mail address; half of
/// them because they are here and cannot get in. New phones and long absences bring more of it.
fn reset(
    customer: &mut Customer,
    now: TimeMs,
    idle_days: f64,
    new_phone: bool,
    shift: &Shift,
    draws: &mut Draws,
) {
    let long_away = idle_days > 90.0;
    let mut happens = |a_day: f64, after_absence: f64, with_phone: f64| {
        let usual = 1.0 - libm::exp(-(idle_days.min(90.0)) * a_day * shift.resets);
        let absence = if long_away { after_absence * shift.resets } else { 0.0 };
        let phone = if new_phone { with_phone } else { 0.0 };
        if draws.chance(absence.max(phone).min(0.9)) {
            Some(now.minus(hours(draws.exponential(2.0).min(48.0))))
        } else if draws.chance(usual) {
            let here = draws.chance(0.5);
            let ago = if here { draws.exponential(1.0) } else { 24.0 * idle_days * draws.uniform() };
            Some(now.minus(hours(ago)))
        } else {
            None
        }
    };
    let second_factor = happens(0.0007, 0.15, 0.20);
    let password = happens(0.0017, 0.40, 0.05);
    let email = happens(0.0003, 0.03, 0.0);
    let resets = &mut customer.resets;
    resets.second_factor = second_factor.or(resets.second_factor);
    resets.password = password.or(resets.password);
    resets.email = email.or(resets.email);
}

fn connection(
    customer: &mut Customer,
    now: TimeMs,
    idle_days: f64,
    over_api: bool,
    shift: &Shift,
    draws: &mut Draws,
) -> (Network, Country) {
    if over_api {
        return (Network::Hosting, customer.home);
    }
    let place = whereabouts(customer, now, idle_days, shift, draws);
    if customer.habits.tor && draws.chance(0.5) {
        return (Network::Tor, some_exit(draws));
    }
    let hidden = if customer.habits.vpn { 0.7 } else { 0.012 };
    if draws.chance((hidden * shift.hidden_networks).min(0.95)) {
        let exit = if draws.chance(0.6) { some_exit(draws) } else { place };
        return (Network::Vpn, exit);
    }
    (if draws.chance(0.45) { Network::Mobile } else { Network::Home }, place)
}

/// At home, or on a journey of days abroad: about one a year.
fn whereabouts(
    customer: &mut Customer,
    now: TimeMs,
    idle_days: f64,
    shift: &Shift,
    draws: &mut Draws,
) -> Country {
    if let Some((until, country)) = customer.journey
        && now < until
    {
        return country;
    }
    customer.journey = None;
    if draws.chance(1.0 - libm::exp(-idle_days.min(8.0) / 300.0 * shift.travel)) {
        let country = some_nation(draws).code;
        customer.journey = Some((now.plus(days(draws.between(1.0, 12.0))), country));
        return country;
    }
    customer.home
}

/// Keys are made anew about every 120 days.
fn api_key(customer: &mut Customer, now: TimeMs, idle_days: f64, draws: &mut Draws) -> TimeMs {
    if draws.chance(1.0 - libm::exp(-idle_days / 120.0)) {
        customer.api_key_made = now.minus(hours(24.0 * idle_days.min(30.0) * draws.uniform()));
    }
    customer.api_key_made
}
