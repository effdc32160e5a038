//! Forks: whoever owns the log's key shows different histories.

use holdfast_audit::first_difference;
use holdfast_log::export_files;

use crate::cell::{Cell, Files, files};

fn signed_by_the_log_alone(cell: &Cell) -> Files {
    let checkpoint = Cell::checkpoint(&cell.log, &[]).to_bytes();
    files(export_files(&cell.log, &checkpoint).unwrap().map(Result::unwrap).collect())
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
    let verified = other.verify(&shown).unwrap();
    let finding = verified.continues(&kept["checkpoint"]).unwrap_err();
    assert_eq!(finding.rule(), "LOG_FORKED", "{finding}");
    let first = first_difference(|path| kept.get(path).cloned(), |path| shown.get(path).cloned());
    assert_eq!(first, Some(fork));
}

#[test]
fn continuation_is_no_fork_and_a_missing_tail_is_noticed() {
    let mut cell = Cell::ready();
    let earlier = cell.export();
    cell.pay("k-1", 1250, 0);
    let later = cell.export();
    let verified = cell.verify(&later).unwrap();
    verified.continues(&earlier["checkpoint"]).unwrap();
    let first = first_difference(|path| earlier.get(path).cloned(), |path| later.get(path).cloned());
    assert_eq!(first, None);
    let stale = cell.verify(&earlier).unwrap();
    let finding = stale.continues(&later["checkpoint"]).unwrap_err();
    assert_eq!(finding.rule(), "LOG_CUT_OFF");
    assert_eq!(finding.first_index(), Some(stale.report().size));
}
