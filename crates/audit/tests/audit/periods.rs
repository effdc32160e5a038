//! Reports on a period: who could act, who did, and what was refused.

use holdfast_audit::{Audit, Event, Period, PeriodReport, Row, csv_row, verify_with};
use holdfast_ledger::StatementBody;
use holdfast_policy::TimestampMs;

use crate::cell::{Cell, PAYEE, THIEF};

fn report(cell: &Cell, from: u64, to: u64) -> PeriodReport {
    let exported = cell.export();
    let mut period = Period::new(TimestampMs(from), TimestampMs(to));
    let mut watch = |event: &Event<'_>| period.watch(event);
    let audit = Audit { watch: Some(&mut watch), ..Audit::default() };
    let verified = verify_with(|path| exported.get(path).cloned(), &cell.pinned(), audit).unwrap();
    period.finish(verified.history().state())
}

fn section<'a>(report: &'a PeriodReport, name: &str) -> Vec<&'a Row> {
    report.rows.iter().filter(|row| row.section() == name).collect()
}

fn eventful() -> Cell {
    let mut cell = Cell::ready();
    let id = cell.accept(&cell.request("k-1", 20_000, PAYEE, 0)).withdrawal.unwrap();
    cell.approve_hold(id, "alice");
    cell.approve_hold(id, "bob");
    cell.sign_off(id);
    cell.submit(&cell.request("k-2", 10, THIEF, 1));
    cell.accept(&cell.statement("bob", StatementBody::PauseWallet("hot-1".parse().unwrap())));
    cell
}

#[test]
fn report_names_quorums_holds_pauses_refusals_and_everybody_with_access() {
    let cell = eventful();
    let report = report(&cell, 0, u64::MAX);
    assert_eq!(report.entries, cell.log.len() as u64 - 1);
    assert_eq!(section(&report, "quorum").len(), 2, "a wallet and a whitelist entry");
    assert_eq!(section(&report, "hold").len(), 2);
    let [Row::Pause { officer, action, subject, .. }] = section(&report, "pause")[..] else {
        panic!("{report:?}")
    };
    assert_eq!((officer.as_str(), action.as_str()), ("bob", "pause a wallet"));
    assert!(subject.contains("hot-1"));
    let [Row::Refused { code, count }] = section(&report, "refused")[..] else { panic!("{report:?}") };
    assert_eq!((code.as_str(), *count), ("TRANSACTION_DESTINATION_MISMATCH", 1));
    assert_eq!(section(&report, "attempt").len(), 1);
    let access = section(&report, "access");
    let named = |wanted: &str| {
        access
            .iter()
            .find_map(|row| {
                let Row::Access { party, keys, acts, last_act, status, .. } = row else { return None };
                (party == wanted).then(|| (keys.clone(), *acts, last_act.clone(), status.clone()))
            })
            .unwrap_or_else(|| panic!("{wanted} is not in {access:?}"))
    };
    let (keys, acts, last, status) = named("officer:bob");
    assert!(keys[0].starts_with("SHA256:"), "{keys:?}");
    assert_eq!((acts, last.unwrap().what.as_str(), status.as_str()), (4, "pause a wallet", "active"));
    for party in ["client:pipeline", "provider:sessions", "node:node-2", "coordinator:coordinator"] {
        let (keys, acts, ..) = named(party);
        assert!(keys.iter().all(|key| key.len() == 64) && acts > 0, "{party}: {keys:?} {acts}");
    }
}

#[test]
fn entries_outside_the_period_are_not_in_the_report() {
    let cell = eventful();
    let pause = cell.log.last().unwrap().time_ms();
    let before = report(&cell, 0, pause);
    assert!(section(&before, "pause").is_empty());
    assert_eq!(before.entries, cell.log.len() as u64 - 2);
    let after = report(&cell, pause, pause + 1);
    assert_eq!((after.entries, section(&after, "pause").len(), section(&after, "hold").len()), (1, 1, 0));
    // Who last acted before the period is still known
    let acted = |row: &&Row| matches!(row, Row::Access { acts: 0, last_act: Some(_), .. });
    assert!(section(&after, "access").iter().any(acted));
    assert_eq!(report(&cell, pause + 1, u64::MAX).entries, 0);
}

#[test]
fn every_row_has_the_columns_of_the_table() {
    for row in report(&eventful(), 0, u64::MAX).rows {
        let line = csv_row(row.cells());
        assert!(line.starts_with(row.section()) && line.ends_with("\r\n"), "{line}");
        assert_eq!(row.cells().len(), Row::COLUMNS.len());
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["section"], row.section(), "{json}");
    }
}
