//! Tests of the moments alone; what they stop is tested with signing.

#![allow(clippy::arithmetic_side_effects, reason = "test")]

use super::*;

mod kept;
mod resumes;

fn own(size: u64, at: u64) -> Moment {
    Moment { kind: OWN, size, at: TimestampMs(at) }
}

fn vouched(size: u64, at: u64) -> Moment {
    Moment { kind: VOUCHED, size, at: TimestampMs(at) }
}

fn witnessed(moments: impl IntoIterator<Item = Moment>) -> Witnessed {
    let mut witnessed = Witnessed::default();
    moments.into_iter().for_each(|moment| witnessed.add(moment));
    witnessed
}

#[test]
fn an_entry_is_held_since_the_message_that_brought_it_or_a_later_one() {
    let witnessed = witnessed([own(5, 1_000), own(99, 9_000)]);
    for (index, at) in [(0, 1_000), (4, 1_000), (5, 9_000), (98, 9_000), (99, u64::MAX), (u64::MAX, u64::MAX)]
    {
        assert_eq!(witnessed.held_since(index), TimestampMs(at), "{index}");
    }
}

#[test]
fn what_nobody_is_known_to_have_held_was_never_held() {
    assert_eq!(Witnessed::default().held_since(0), TimestampMs(u64::MAX));
}

#[test]
fn others_vouch_for_what_their_log_contained_and_for_nothing_after_it() {
    let witnessed = witnessed([own(5, 1_000), own(20, 90_000), vouched(7, 20_000)]);
    assert_eq!(witnessed.held_since(6), TimestampMs(20_000));
    assert_eq!(witnessed.held_since(7), TimestampMs(90_000));
    assert_eq!(witnessed.held_since(4), TimestampMs(1_000));
}

#[test]
fn moments_are_a_second_apart_and_never_go_back() {
    let known = witnessed([own(4, 10_000)]);
    let coming = |now: u64, cosigned: u64| known.coming(6, TimestampMs(now), TimestampMs(cosigned));
    assert_eq!(coming(10_999, 0), own(6, 10_000));
    assert_eq!(coming(11_000, 0), own(6, 11_000));
    // A clock that went back makes nothing look older than what came before it, or than this node's last cosignature.
    assert_eq!(coming(9_999, 0), own(6, 10_000));
    assert_eq!(coming(9_999, 30_000), own(6, 30_000));
    // However many come in a second, one record says so.
    let mut crowded = known.clone();
    for size in 5..50 {
        crowded.add(crowded.coming(size, TimestampMs(10_000 + size), TimestampMs(0)));
    }
    assert_eq!((crowded.own.0.len(), crowded.held_since(48)), (1, TimestampMs(10_000)));
}

#[test]
fn what_others_vouch_for_does_not_move_this_nodes_own_moments() {
    let known = witnessed([own(4, 10_000), vouched(9, 90_000)]);
    assert_eq!(known.held_since(8), TimestampMs(90_000));
    assert_eq!(known.coming(10, TimestampMs(12_000), TimestampMs(0)), own(10, 12_000));
    assert!(known.contains(own(4, 10_000)) && known.contains(vouched(9, 90_000)));
    assert!(!known.contains(vouched(4, 10_000)) && !known.contains(own(9, 90_000)));
}

#[test]
fn words_are_recorded_only_for_what_a_rule_asks_and_if_they_say_that_it_is_older() {
    let known = witnessed([own(4, 10_000)]);
    let asked = |indices: &[u64]| indices.iter().copied().collect::<BTreeSet<u64>>();
    assert_eq!(known.vouching(3, TimestampMs(9_999), &asked(&[2])), Some(vouched(3, 9_999)));
    assert_eq!(known.vouching(3, TimestampMs(10_000), &asked(&[2])), None);
    assert_eq!(known.vouching(3, TimestampMs(9_999), &asked(&[3])), None);
    assert_eq!(known.vouching(3, TimestampMs(9_999), &asked(&[])), None);
    assert_eq!(known.vouching(0, TimestampMs(0), &asked(&[0])), None);
    // One of them is enough.
    let known = witnessed([own(4, 10_000), vouched(2, 5_000)]);
    assert_eq!(known.vouching(3, TimestampMs(9_000), &asked(&[1, 2, 3])), Some(vouched(3, 9_000)));
}

#[test]
fn moments_survive_on_disk_and_others_records_do_not_read() {
    for moment in [own(7, 8), vouched(u64::MAX, 0)] {
        let key = [&[moment.kind][..], &moment.size.to_be_bytes()].concat();
        assert_eq!(Moment::from_record(&key, &moment.at.0.to_be_bytes()), Some(moment));
    }
    // The first form of this node's own moments said something else: it vouches for nothing.
    assert_eq!(Moment::from_record(&[0; 9], &[0; 8]), None);
    assert_eq!(Moment::from_record(&[3; 9], &[0; 8]), None);
    assert_eq!(Moment::from_record(&[2; 8], &[0; 8]), None);
    assert_eq!(Moment::from_record(&[2; 9], &[0; 7]), None);
}

/// When it was held by these words alone.
fn oracle(told: &[(u64, u64)], index: u64) -> TimestampMs {
    let covering = told.iter().filter(|(size, _)| *size > index).map(|(_, at)| *at);
    TimestampMs(covering.min().unwrap_or(u64::MAX))
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
                    assert_eq!(witnessed.held_since(index), oracle(&told, index), "{told:?} {index}");
                }
                let kept: Vec<u64> = witnessed.vouched.0.values().copied().collect();
                assert!(kept.is_sorted_by(|a, b| a < b), "{told:?} keeps what says nothing new");
            }
        }
    }
}

#[test]
fn what_is_forgotten_changes_no_answer_that_is_asked_and_makes_nothing_look_older() {
    // Every history of three own moments and two words over a log of five, and every set of questions
    for histories in 0..3u64.pow(5) {
        let digit = |place: u32| histories / 3u64.pow(place) % 3;
        let mine = [(1, 2), (2 + digit(0), 4 + digit(1)), (5, 7 + digit(2))];
        let told = [(1 + digit(3), 1 + digit(4)), (3 + digit(4), 3 + digit(3))];
        let full = witnessed(
            mine.map(|(size, at)| own(size, at)).into_iter().chain(told.map(|(size, at)| vouched(size, at))),
        );
        for questions in 0..32u64 {
            let asked: BTreeSet<u64> = (0..5).filter(|index| questions >> index & 1 == 1).collect();
            let left = full.condensed_to(&asked);
            for index in 0..6 {
                let (before, after) = (full.held_since(index), left.held_since(index));
                assert_eq!(
                    before,
                    oracle(&mine, index).min(oracle(&told, index)),
                    "{mine:?} {told:?} {index}"
                );
                assert!(after >= before, "{index} looks older");
                assert!(after == before || !asked.contains(&index), "{asked:?} {index}");
            }
            // No more is kept than is asked, and the newest moment of this node's own
            assert!(left.own.0.len() <= asked.len() + 1 && left.vouched.0.len() <= asked.len());
            let now = TimestampMs(0);
            assert_eq!(left.coming(9, now, now), full.coming(9, now, now));
        }
    }
}
