//! The monitor against a coordinator that goes back, forks, stops collecting cosignatures, and against parties that try things.

use holdfast_audit::{Alarm, Finding, Monitor, Patience, Severity};
use holdfast_ledger::StatementBody;
use holdfast_log::Entry;

use crate::cell::{Cell, START, THIEF};

const NOW: u64 = START + 120_000;

fn begin(cell: &Cell, seen: Option<&[u8]>) -> Monitor {
    Monitor::begin(&cell.log[0], &cell.pinned(), seen, Patience::default()).unwrap()
}

/// Watches entries and a checkpoint of exactly these entries, cosigned by nodes at their times in seconds.
fn watch(monitor: &mut Monitor, log: &[Entry], cosigned: &[(u8, u64)]) -> Result<Vec<Alarm>, Finding> {
    let mut alarms = Vec::new();
    for entry in log.iter().skip(usize::try_from(monitor.size()).unwrap()) {
        alarms.extend(monitor.append(entry)?);
    }
    alarms.extend(monitor.checkpoint(&Cell::checkpoint_at(log, cosigned).to_bytes(), NOW)?);
    Ok(alarms)
}

fn fresh() -> [(u8, u64); 3] {
    [1, 2, 3].map(|node| (node, NOW / 1000 - 2))
}

fn codes(alarms: &[Alarm]) -> Vec<&str> {
    alarms.iter().filter(|alarm| alarm.severity == Severity::Alarm).map(|alarm| alarm.code.as_str()).collect()
}

#[test]
fn quiet_log_raises_nothing() {
    let mut cell = Cell::ready();
    let mut monitor = begin(&cell, None);
    assert_eq!(codes(&watch(&mut monitor, &cell.log, &fresh()).unwrap()), Vec::<&str>::new());
    cell.pay("k-1", 1250, 0);
    assert_eq!(codes(&watch(&mut monitor, &cell.log, &fresh()).unwrap()), Vec::<&str>::new());
    assert!(!monitor.is_raised());
}

#[test]
fn refused_attempt_is_told_once_and_not_again_by_the_next_run() {
    let mut cell = Cell::ready();
    cell.submit(&cell.request("k-1", 10, THIEF, 0));
    let index = cell.log.len() as u64 - 1;
    let alarms = watch(&mut begin(&cell, None), &cell.log, &fresh()).unwrap();
    assert_eq!(codes(&alarms), ["REFUSED_ATTEMPT"]);
    assert_eq!(alarms[0].index, Some(index));
    assert!(alarms[0].detail.contains("TRANSACTION_DESTINATION_MISMATCH"), "{alarms:?}");
    let seen = Cell::checkpoint_at(&cell.log, &fresh()).to_bytes();
    assert_eq!(
        codes(&watch(&mut begin(&cell, Some(&seen)), &cell.log, &fresh()).unwrap()),
        Vec::<&str>::new()
    );
}

#[test]
fn log_that_goes_back_is_found_by_the_same_run_and_by_the_next() {
    let mut cell = Cell::ready();
    let shorter = cell.log.clone();
    cell.pay("k-1", 1250, 0);
    let mut monitor = begin(&cell, None);
    watch(&mut monitor, &cell.log, &fresh()).unwrap();
    assert_eq!(watch(&mut monitor, &shorter, &fresh()).unwrap_err().rule(), "LOG_ROLLED_BACK");
    let seen = Cell::checkpoint_at(&cell.log, &fresh()).to_bytes();
    let finding = watch(&mut begin(&cell, Some(&seen)), &shorter, &fresh()).unwrap_err();
    assert_eq!(finding.rule(), "LOG_CUT_OFF", "{finding}");
}

#[test]
fn fork_is_found_by_the_same_run_and_by_the_next() {
    let (mut one, mut other) = (Cell::ready(), Cell::ready());
    one.pay("k-1", 1250, 0);
    other.pay("k-2", 4999, 0);
    let mut monitor = begin(&one, None);
    watch(&mut monitor, &one.log, &fresh()).unwrap();
    // The same size, another history
    let note = Cell::checkpoint_at(&other.log, &fresh()).to_bytes();
    assert_eq!(monitor.checkpoint(&note, NOW).unwrap_err().rule(), "LOG_FORKED");
    let seen = Cell::checkpoint_at(&one.log, &fresh()).to_bytes();
    assert_eq!(watch(&mut begin(&one, Some(&seen)), &other.log, &fresh()).unwrap_err().rule(), "LOG_FORKED");
}

#[test]
fn forged_entry_ends_the_watch_at_its_index() {
    let mut cell = Cell::ready();
    cell.pay("k-1", 1250, 0);
    let index = cell.log.len() - 3;
    let mut envelope = cell.log[index].envelope().clone();
    let text = String::from_utf8(envelope.payload).unwrap();
    envelope.payload = text.replace("\"1250000000\"", "\"9250000000\"").into_bytes();
    cell.log[index] = Entry::stamp(cell.log[index].time_ms(), &envelope).unwrap();
    let finding = watch(&mut begin(&cell, None), &cell.log, &fresh()).unwrap_err();
    assert_eq!((finding.rule(), finding.first_index()), ("ENVELOPE_SIGNATURE_INVALID", Some(index as u64)));
}

#[test]
fn stalled_cosignatures_and_silent_nodes_are_told_when_it_begins_and_when_it_is_over() {
    let cell = Cell::ready();
    let now_s = NOW / 1000;
    let mut monitor = begin(&cell, None);
    // One node of three cosigned
    let alarms = watch(&mut monitor, &cell.log, &[(1, now_s)]).unwrap();
    assert_eq!(codes(&alarms), ["COSIGNATURES_STALLED", "NODE_SILENT", "NODE_SILENT"]);
    assert!(monitor.is_raised());
    assert!(watch(&mut monitor, &cell.log, &[(1, now_s)]).unwrap().is_empty(), "not told twice");
    let over = watch(&mut monitor, &cell.log, &fresh()).unwrap();
    assert_eq!((over.len(), codes(&over).len()), (3, 0), "{over:?}");
    assert!(!monitor.is_raised());
    // Two of three, and one of them long ago: t nodes do not vouch for the present
    let alarms = watch(&mut monitor, &cell.log, &[(1, now_s), (2, now_s - 301), (3, now_s - 901)]).unwrap();
    assert_eq!(codes(&alarms), ["COSIGNATURES_STALLED", "NODE_SILENT"]);
}

#[test]
fn node_with_a_clock_in_the_future_is_told() {
    let cell = Cell::ready();
    let now_s = NOW / 1000;
    let alarms =
        watch(&mut begin(&cell, None), &cell.log, &[(1, now_s + 61), (2, now_s), (3, now_s)]).unwrap();
    assert_eq!(codes(&alarms), ["NODE_CLOCK_AHEAD"]);
}

#[test]
fn what_officers_do_to_protect_is_a_notice() {
    let mut cell = Cell::ready();
    cell.accept(&cell.statement("bob", StatementBody::PauseWallet("hot-1".parse().unwrap())));
    let alarms = watch(&mut begin(&cell, None), &cell.log, &fresh()).unwrap();
    assert_eq!(codes(&alarms), Vec::<&str>::new());
    assert!(alarms.iter().any(|alarm| alarm.code == "OFFICER_PROTECTS"), "{alarms:?}");
}

#[test]
fn run_goes_on_from_what_the_last_one_kept_and_from_nothing_else() {
    let mut cell = Cell::ready();
    let mut monitor = begin(&cell, None);
    watch(&mut monitor, &cell.log, &fresh()).unwrap();
    let (kept, seen) = (monitor.to_kept().unwrap(), Cell::checkpoint_at(&cell.log, &fresh()).to_bytes());
    let resume = |cell: &Cell, seen: &[u8], kept: &[u8]| {
        Monitor::resume(&cell.log[0], &cell.pinned(), seen, kept, Patience::default())
    };
    let mut resumed = resume(&cell, &seen, &kept).unwrap();
    let kept_size = cell.log.len();
    cell.submit(&cell.request("k-1", 10, THIEF, 0));
    assert_eq!(codes(&watch(&mut resumed, &cell.log, &fresh()).unwrap()), ["REFUSED_ATTEMPT"]);
    // What was seen may be newer than what was kept: the log must reach it, and what is in between was told already
    let longer = Cell::checkpoint_at(&cell.log, &fresh()).to_bytes();
    let mut behind = resume(&cell, &longer, &kept).unwrap();
    assert_eq!(behind.size(), kept_size as u64);
    assert!(codes(&watch(&mut behind, &cell.log, &fresh()).unwrap()).is_empty());
    let mut behind = resume(&cell, &longer, &kept).unwrap();
    let note = Cell::checkpoint_at(&cell.log[..kept_size], &fresh()).to_bytes();
    assert_eq!(behind.checkpoint(&note, NOW).unwrap_err().rule(), "LOG_CUT_OFF");
    // An older checkpoint, one of another history; a damaged or foreign file
    let older = Cell::checkpoint_at(&cell.log[..5], &fresh()).to_bytes();
    let mut fork = cell.log[..kept_size].to_vec();
    fork.swap(4, 5);
    let forked = Cell::checkpoint_at(&fork, &fresh()).to_bytes();
    for (seen, kept) in [
        (older, kept.clone()),
        (forked, kept.clone()),
        (seen.clone(), kept[..kept.len() - 1].to_vec()),
        (seen.clone(), Vec::new()),
        (seen.clone(), [kept.as_slice(), b"x"].concat()),
    ] {
        assert!(resume(&cell, &seen, &kept).is_none());
    }
    assert!(Monitor::resume(&cell.log[0], &[7; 32], &seen, &kept, Patience::default()).is_none());
    // And a log that goes back is found by the resumed run
    let mut resumed = resume(&cell, &seen, &kept).unwrap();
    let shorter = Cell::checkpoint_at(&cell.log[..kept_size - 1], &fresh()).to_bytes();
    assert_eq!(resumed.checkpoint(&shorter, NOW).unwrap_err().rule(), "LOG_ROLLED_BACK");
}
