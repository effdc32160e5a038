//! Forks: whoever owns the log's key shows different histories.

use holdfast_audit::{Audit, Finding, Heads, Verified, first_difference, verify_with};
use holdfast_log::{SignedCheckpoint, export_files};

use crate::cell::{Cell, Files, files};

fn signed_by_the_log_alone(cell: &Cell) -> Files {
    let checkpoint = Cell::checkpoint(&cell.log, &[]).to_bytes();
    files(export_files(&cell.log, &checkpoint).unwrap().map(Result::unwrap).collect())
}

/// Verifies, and that the log continues the one of an earlier checkpoint.
fn continues(cell: &Cell, files: &Files, earlier: &[u8]) -> Result<Verified, Finding> {
    let mut heads = Heads::none();
    heads.add(earlier).unwrap();
    verify_with(|path| files.get(path).cloned(), &cell.pinned(), Audit { heads, ..Audit::default() })
}

fn later_size(files: &Files) -> u64 {
    SignedCheckpoint::parse(&files["checkpoint"]).unwrap().claimed().size
}

/// Two continuations of the same beginning.
fn branches() -> (Cell, Cell, u64) {
    let mut one = Cell::ready();
    let mut other = Cell::ready();
    assert_eq!(one.log.len(), other.log.len());
    let fork = one.log.len() as u64;
    one.pay("k-1", 1250, 0);
    other.pay("k-2", 4999, 0);
    (one, other, fork)
}

#[test]
fn history_that_only_the_log_key_signed_is_refused() {
    let (_, other, _) = branches();
    let finding = other.verify(&signed_by_the_log_alone(&other)).unwrap_err();
    assert_eq!(finding.rule(), "COSIGNATURES_MISSING", "{finding}");
}

#[test]
fn cosignatures_moved_from_another_history_are_refused() {
    let (one, other, _) = branches();
    let honest = String::from_utf8(one.export()["checkpoint"].clone()).unwrap();
    let mut forged = signed_by_the_log_alone(&other);
    let mut checkpoint = String::from_utf8(forged["checkpoint"].clone()).unwrap();
    honest.lines().filter(|line| line.contains("/node-")).for_each(|line| {
        checkpoint.push_str(line);
        checkpoint.push('\n');
    });
    forged.insert("checkpoint".to_owned(), checkpoint.into_bytes());
    let finding = other.verify(&forged).unwrap_err();
    assert_eq!(finding.rule(), "COSIGNATURE_INVALID", "{finding}");
}

#[test]
fn fork_that_hostile_nodes_cosigned_is_found_against_a_kept_checkpoint_and_located_against_the_other_branch()
{
    let (one, other, fork) = branches();
    let (kept, shown) = (one.export(), other.export());
    let finding = continues(&other, &shown, &kept["checkpoint"]).unwrap_err();
    assert_eq!(finding.rule(), "LOG_FORKED", "{finding}");
    assert_eq!(finding.end_index(), Some(one.log.len() as u64));
    let first = first_difference(|path| kept.get(path).cloned(), |path| shown.get(path).cloned());
    assert_eq!(first, Some(fork));
}

#[test]
fn continuation_is_no_fork_and_a_missing_tail_is_noticed() {
    let mut cell = Cell::ready();
    let earlier = cell.export();
    cell.pay("k-1", 1250, 0);
    let later = cell.export();
    let verified = continues(&cell, &later, &earlier["checkpoint"]).unwrap();
    assert_eq!(verified.report().continues, [later_size(&earlier)]);
    let first = first_difference(|path| earlier.get(path).cloned(), |path| later.get(path).cloned());
    assert_eq!(first, None);
    let stale = cell.verify(&earlier).unwrap();
    let finding = continues(&cell, &earlier, &later["checkpoint"]).unwrap_err();
    assert_eq!(finding.rule(), "LOG_CUT_OFF");
    assert_eq!(finding.first_index(), Some(stale.report().size));
}
