//! Tests of the moments alone; what they stop is tested with signing.

use super::*;

fn own(first: u64, at: u64) -> Moment {
    Moment { kind: OWN, position: first, at: TimestampMs(at) }
}

fn vouched(size: u64, at: u64) -> Moment {
    Moment { kind: VOUCHED, position: size, at: TimestampMs(at) }
}

fn witnessed(moments: impl IntoIterator<Item = Moment>) -> Witnessed {
    let mut witnessed = Witnessed::default();
    moments.into_iter().for_each(|moment| witnessed.add(moment));
    witnessed
}

#[test]
fn an_entry_is_held_since_the_message_that_brought_it() {
    let witnessed = witnessed([own(0, 1_000), own(5, 9_000)]);
    for (index, at) in [(0, 1_000), (4, 1_000), (5, 9_000), (99, 9_000)] {
        assert_eq!(witnessed.held_since(index), TimestampMs(at), "{index}");
    }
}

#[test]
fn what_nobody_is_known_to_have_held_was_never_held() {
    assert_eq!(Witnessed::default().held_since(0), TimestampMs(u64::MAX));
}

#[test]
fn others_vouch_for_what_their_log_contained_and_for_nothing_after_it() {
    let witnessed = witnessed([own(0, 1_000), own(5, 90_000), vouched(7, 20_000)]);
    assert_eq!(witnessed.held_since(6), TimestampMs(20_000));
    assert_eq!(witnessed.held_since(7), TimestampMs(90_000));
    assert_eq!(witnessed.held_since(4), TimestampMs(1_000));
}

#[test]
fn earlier_word_about_a_longer_log_counts_for_a_shorter_one() {
    for order in [[vouched(9, 20_000), vouched(7, 30_000)], [vouched(7, 30_000), vouched(9, 20_000)]] {
        let witnessed = witnessed(order);
        assert_eq!(witnessed.held_since(6), TimestampMs(20_000));
        assert_eq!(witnessed.vouched.len(), 1);
    }
}

#[test]
fn only_moments_that_say_something_new_are_recorded() {
    let witnessed = witnessed([own(0, 10_000), vouched(3, 9_000)]);
    assert_eq!(witnessed.coming(4, TimestampMs(10_999)), None);
    assert_eq!(witnessed.coming(4, TimestampMs(11_000)), Some(own(4, 11_000)));
    // A clock that went back makes nothing look older than what came before it.
    assert_eq!(witnessed.coming(4, TimestampMs(9_999)), None);
    assert_eq!(witnessed.vouching(3, TimestampMs(9_000)), None);
    assert_eq!(witnessed.vouching(3, TimestampMs(8_999)), Some(vouched(3, 8_999)));
    assert_eq!(witnessed.vouching(0, TimestampMs(0)), None);
}

#[test]
fn moments_survive_on_disk_and_others_records_do_not_read() {
    for moment in [own(7, 8), vouched(u64::MAX, 0)] {
        let key = [&[moment.kind][..], &moment.position.to_be_bytes()].concat();
        assert_eq!(Moment::from_record(&key, &moment.at.0.to_be_bytes()), Some(moment));
    }
    assert_eq!(Moment::from_record(&[2; 9], &[0; 8]), None);
    assert_eq!(Moment::from_record(&[0; 8], &[0; 8]), None);
    assert_eq!(Moment::from_record(&[0; 9], &[0; 7]), None);
}

#[test]
fn whatever_the_order_of_words_the_earliest_that_covers_an_entry_counts() {
    let words: Vec<(u64, u64)> = (1..=3).flat_map(|size| (1..=3).map(move |at| (size, at))).collect();
    for first in &words {
        for second in &words {
            for third in &words {
                let told = [*first, *second, *third];
                let witnessed = witnessed(told.map(|(size, at)| vouched(size, at)));
                for index in 0..3 {
                    let covering = told.iter().filter(|(size, _)| *size > index).map(|(_, at)| *at);
                    let earliest = TimestampMs(covering.min().unwrap_or(u64::MAX));
                    assert_eq!(witnessed.held_since(index), earliest, "{told:?} {index}");
                }
                let kept: Vec<u64> = witnessed.vouched.values().copied().collect();
                assert!(kept.is_sorted_by(|a, b| a < b), "{told:?} keeps what says nothing new");
            }
        }
    }
}
