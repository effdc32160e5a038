//! How much is remembered, to the last one that is and the first one that is not.

use super::*;

fn minute(at: u64) -> Minute {
    Minute::of(TimestampMs(at))
}

fn paid(times: u64) -> CustomerHistory {
    let mut history = CustomerHistory::default();
    (0..times).for_each(|number| pay(&mut history, NOW + number, 1, Some(90_000)));
    history
}

#[test]
fn amounts_are_halved_when_one_comes_beyond_the_sixty_fourth() {
    assert_eq!([1, 63, 64, 65, 66].map(|times| paid(times).amounts().count()), [1, 63, 64, 33, 34]);
}

#[test]
fn hours_are_halved_when_one_comes_beyond_the_hundredth() {
    let known = |times| paid(times).share_at_hour(minute(NOW)).1;
    assert_eq!([1, 99, 100, 101, 102].map(known), [1, 99, 100, 51, 52]);
}

#[test]
fn sessions_are_halved_when_one_comes_beyond_the_sixty_fourth() {
    for (times, seen) in [(63, 63), (64, 64), (65, 33)] {
        let mut history = CustomerHistory::default();
        (0..times).for_each(|number| log_in(&mut history, NOW + number, &device(1), false));
        assert_eq!(history.sessions.seen, seen, "{times}");
    }
}

#[test]
fn shares_of_sessions_are_known_from_the_fourth_on() {
    let mut history = CustomerHistory::default();
    for (number, known) in [(1, None), (2, None), (3, None), (4, Some(25))] {
        log_in(&mut history, NOW + number, &device(1), number == 1);
        assert_eq!(history.hidden_percent(), known, "{number}");
        assert_eq!(history.hosted_percent(), known.map(|hidden| 100 - hidden), "{number}");
        assert_eq!(history.moved_percent(), known.map(|_| 0), "{number}");
    }
}

#[test]
fn six_devices_are_remembered_and_the_one_seen_least_lately_goes_first() {
    let mut history = CustomerHistory::default();
    (0..6).for_each(|number| log_in(&mut history, NOW + number * DAY, &device(number), false));
    assert!(history.device(&device(0)).is_some());
    log_in(&mut history, NOW + 6 * DAY, &device(0), false);
    log_in(&mut history, NOW + 7 * DAY, &device(6), false);
    let remembered: Vec<u64> = (0..7).filter(|number| history.device(&device(*number)).is_some()).collect();
    assert_eq!((remembered, history.devices()), (vec![0, 2, 3, 4, 5, 6], 6));
}

#[test]
fn sixteen_payments_are_recent_and_each_for_as_long_as_one_asks() {
    let mut history = CustomerHistory::default();
    (0..17).for_each(|number| pay(&mut history, NOW + number * 60_000, 1, None));
    let now = minute(NOW + 16 * 60_000);
    let within = |minutes| history.recent(minutes, now).count();
    assert_eq!([within(0), within(1), within(15), within(16), within(1_000)], [1, 2, 16, 16, 16]);
}

#[test]
fn destination_is_young_for_a_week_to_the_hour() {
    const WEEK: u64 = 7 * DAY;
    let first = NOW / 3_600_000 * 3_600_000;
    for (later, young) in [(0, true), (WEEK, true), (WEEK + 60_000, false)] {
        let mut history = CustomerHistory::default();
        pay(&mut history, first, 1, None);
        pay(&mut history, first + later, 1, None);
        assert_eq!(
            history.recent(u32::MAX, minute(first + later)).last().unwrap().to_young,
            young,
            "{later}"
        );
    }
}

#[test]
fn three_clients_are_remembered_each_once() {
    let mut history = CustomerHistory::default();
    for number in [0, 0, 1, 2, 3] {
        pay(&mut history, NOW, number, None);
    }
    assert_eq!([0, 1, 2, 3].map(|number| history.used_client(&client(number))), [true, true, true, false]);
    assert_eq!(history.clients.len(), 3);
}

#[test]
fn account_is_fresh_for_thirty_days_to_the_minute() {
    let mut history = CustomerHistory::default();
    assert!(!history.is_fresh(minute(NOW)), "nobody knows");
    history.register(TimestampMs(NOW), None);
    assert!(history.is_fresh(minute(NOW + 30 * DAY)));
    assert!(!history.is_fresh(minute(NOW + 30 * DAY + 60_000)));
}

#[test]
fn only_the_first_registration_ends_a_silence_before_the_first_session() {
    // Given a customer whose account is reported after a session, and then again with an earlier sign of life
    let mut history = CustomerHistory::default();
    log_in(&mut history, NOW, &device(0), false);
    history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - DAY)));
    history.register(TimestampMs(NOW - 400 * DAY), Some(TimestampMs(NOW - 100 * DAY)));
    assert_eq!(history.awakening(minute(NOW + DAY)), Ok(None));
}
