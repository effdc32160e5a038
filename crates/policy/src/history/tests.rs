//! Tests of what is kept of a customer: the byte budget, one packed form, and what is remembered or forgotten when.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use holdfast_chains::Address;
use proptest::prelude::*;

use super::*;

mod limits;

const DAY: u64 = 86_400_000;
const NOW: u64 = 1_763_700_000_000;

fn address(number: u64) -> Address {
    let hash = sha256(&number.to_be_bytes());
    Address::from_bytes(hash[..20].try_into().unwrap())
}

fn device(number: u64) -> DeviceRef {
    DeviceRef::new(format!("d-{number}")).unwrap()
}

fn client(number: u64) -> ClientId {
    ClientId::new(format!("pipeline-{number}")).unwrap()
}

fn pay(history: &mut CustomerHistory, at: u64, to: u64, usd_cents: Option<u64>) {
    let (destination, client) = (address(to), client(to % 4));
    let payment = PaymentSeen { at: TimestampMs(at), destination: &destination, usd_cents, client: &client };
    history.record_payment(&payment);
}

fn log_in(history: &mut CustomerHistory, at: u64, device: &DeviceRef, new_device: bool) {
    history.record_session(&SessionSeen {
        at: TimestampMs(at),
        device: Some(device),
        new_device,
        hidden: new_device,
        hosted: !new_device,
        country_changed: false,
    });
}

/// Everything there is to remember, with the largest numbers.
fn busiest() -> CustomerHistory {
    let mut history = CustomerHistory::default();
    history.register(TimestampMs(u64::MAX / 2), Some(TimestampMs(u64::MAX / 2)));
    for number in 0..2_000 {
        let at = u64::MAX / 2 + number * 40 * DAY;
        log_in(&mut history, at, &device(number), number % 2 == 0);
        pay(&mut history, at + number * 3_600_000, number, Some(u64::MAX));
    }
    history
}

#[test]
fn busiest_customer_fits_in_the_byte_budget() {
    let packed = busiest().pack();
    assert!(packed.len() <= MAX_HISTORY_BYTES, "{} bytes", packed.len());
    assert!(packed.len() > 700, "the test fills everything: {} bytes", packed.len());
    assert_eq!(CustomerHistory::unpack(&packed), Ok(busiest()));
}

#[test]
fn usual_customer_takes_a_fraction_of_the_budget() {
    let mut history = CustomerHistory::default();
    history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - 3 * DAY)));
    for number in 0..6 {
        log_in(&mut history, NOW + number * 9 * DAY, &device(0), false);
        pay(&mut history, NOW + number * 9 * DAY + 60_000, number % 3, Some(90_000));
    }
    let size = history.pack().len();
    assert!(size <= 170, "{size} bytes");
    assert!(CustomerHistory::default().pack().len() <= 32);
}

#[test]
fn packed_form_that_was_not_written_here_is_refused() {
    let packed = busiest().pack();
    for length in 0..packed.len() {
        assert_eq!(CustomerHistory::unpack(&packed[..length]), Err(HistoryError), "cut at {length}");
    }
    let longer: Vec<u8> = packed.iter().copied().chain([0]).collect();
    assert!(CustomerHistory::unpack(&longer).is_err());
    let mut other = packed.clone();
    other[0] = 2;
    assert!(CustomerHistory::unpack(&other).is_err(), "another version");
    // Zero in two bytes is another form of zero.
    assert!(
        CustomerHistory::unpack(&[1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .is_err()
    );
}

#[test]
fn silence_of_thirty_days_is_remembered_to_the_minute_and_a_shorter_one_is_not() {
    const SILENT: u64 = 30 * DAY;
    let minute = |at| Minute::of(TimestampMs(at));
    for (gap, remembered) in [(SILENT - 60_000, false), (SILENT, true)] {
        let mut history = CustomerHistory::default();
        assert_eq!(history.awakening(minute(NOW)), Err(NeverSeen));
        history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW)));
        // Given a silence that nobody has broken, it ends now.
        assert_eq!(history.awakening(minute(NOW + gap)).unwrap().is_some(), remembered);
        log_in(&mut history, NOW + gap, &device(0), false);
        // When it was broken, it is remembered.
        let expected = remembered.then(|| (minute(NOW + gap), 30 * 24 * 60));
        assert_eq!(history.awakening(minute(NOW + gap + DAY)).unwrap(), expected);
        pay(&mut history, NOW + gap + 2 * DAY, 1, None);
        assert_eq!(history.awakening(minute(NOW + gap + 3 * DAY)).unwrap(), expected);
    }
}

#[test]
fn sign_of_life_that_is_registered_ends_a_silence_and_does_not_make_it_forgotten() {
    let minute = |at| Minute::of(TimestampMs(at));
    let mut history = CustomerHistory::default();
    history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - 90 * DAY)));
    history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW)));
    let woke = Some((minute(NOW), 90 * 24 * 60));
    assert_eq!(history.awakening(minute(NOW + DAY)), Ok(woke));
    log_in(&mut history, NOW + 60_000, &device(0), true);
    assert_eq!(history.awakening(minute(NOW + DAY)), Ok(woke));
    // An earlier one changes nothing.
    history.register(TimestampMs(NOW - 500 * DAY), Some(TimestampMs(NOW - 200 * DAY)));
    assert_eq!(history.awakening(minute(NOW + DAY)), Ok(woke));
}

#[test]
fn whether_account_or_session_is_reported_first_makes_no_difference_to_a_silence() {
    let minute = |at| Minute::of(TimestampMs(at));
    for (gap, woke) in [(30 * DAY, Some((minute(NOW), 30 * 24 * 60))), (30 * DAY - 60_000, None)] {
        let registered = |history: &mut CustomerHistory| {
            history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - gap)));
        };
        let (mut one, mut other) = (CustomerHistory::default(), CustomerHistory::default());
        registered(&mut one);
        for history in [&mut one, &mut other] {
            log_in(history, NOW, &device(0), true);
            pay(history, NOW + 60_000, 1, None);
        }
        registered(&mut other);
        assert_eq!(one.awakening(minute(NOW + DAY)), Ok(woke));
        assert_eq!(other.awakening(minute(NOW + DAY)), Ok(woke));
    }
}

#[test]
fn the_destination_paid_least_lately_is_forgotten_first() {
    let mut history = CustomerHistory::default();
    for number in 0..40 {
        pay(&mut history, NOW + number * DAY, number, Some(1));
    }
    pay(&mut history, NOW + 50 * DAY, 0, Some(1));
    pay(&mut history, NOW + 51 * DAY, 99, Some(1));
    assert!(history.first_paid_to(&address(1)).is_none());
    assert!(history.first_paid_to(&address(0)).is_some() && history.first_paid_to(&address(99)).is_some());
}

#[test]
fn look_alike_of_a_paid_address_is_found_by_its_ends() {
    let mut history = CustomerHistory::default();
    let paid = Address::parse_unchecked_case("0x52908400098527886e0f7030069857d2e4169ee7").unwrap();
    history.record_payment(&PaymentSeen {
        at: TimestampMs(NOW),
        destination: &paid,
        usd_cents: None,
        client: &client(0),
    });
    let poisoned = Address::parse_unchecked_case("0x5290000000000000000000000000000000000ee7").unwrap();
    assert_eq!(history.look_alike(&poisoned, 3, 3), Some((4, 3)));
    assert_eq!(history.look_alike(&poisoned, 4, 3), Some((4, 3)));
    assert_eq!(history.look_alike(&poisoned, 5, 3), None);
    assert_eq!(history.look_alike(&poisoned, 4, 4), None);
    assert_eq!(history.look_alike(&paid, 1, 1), None, "an address does not resemble itself");
}

#[test]
fn a_first_device_is_known_from_the_start_unless_the_provider_calls_it_new() {
    for (called_new, from_the_start) in [(false, true), (true, false)] {
        let mut history = CustomerHistory::default();
        log_in(&mut history, NOW, &device(1), called_new);
        assert_eq!(history.device(&device(1)).unwrap().from_the_start, from_the_start);
        log_in(&mut history, NOW + DAY, &device(2), false);
        assert!(!history.device(&device(2)).unwrap().from_the_start);
        assert!(history.device(&device(3)).is_none());
    }
}

#[test]
fn hours_of_the_day_wrap_around_midnight() {
    let mut history = CustomerHistory::default();
    let midnight = NOW / DAY * DAY;
    for day in 0..10 {
        pay(&mut history, midnight + day * DAY + 30 * 60_000, 1, None);
    }
    let share = |hour: u64| history.share_at_hour(Minute::of(TimestampMs(midnight + hour * 3_600_000))).0;
    assert_eq!([21, 22, 23, 0, 2, 3].map(share), [0, 100, 100, 100, 100, 0]);
}

proptest! {
    #[test]
    fn any_replay_packs_within_the_budget_and_comes_back_the_same(
        steps in prop::collection::vec((any::<u32>(), 0..5_u8, 0..60_u64, any::<Option<u64>>()), 0..120)
    ) {
        let (mut history, mut again, mut at) = (CustomerHistory::default(), CustomerHistory::default(), NOW);
        for (gap, what, which, worth) in steps {
            at += u64::from(gap);
            for history in [&mut history, &mut again] {
                match what {
                    0 => history.register(TimestampMs(at - which), Some(TimestampMs(at))),
                    1 | 2 => log_in(history, at, &device(which), what == 1),
                    _ => pay(history, at, which, worth),
                }
            }
            // Packed in between or not: replay from a snapshot comes to the same.
            again = CustomerHistory::unpack(&again.pack()).unwrap();
        }
        prop_assert!(history.pack().len() <= MAX_HISTORY_BYTES);
        prop_assert_eq!(history.pack(), again.pack());
    }
}
