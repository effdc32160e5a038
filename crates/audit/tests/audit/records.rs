//! What lies beside the log in an export: decisions on record, kept checkpoints, keys. A doctored one is found where it differs.

use holdfast_audit::{Audit, Exporter, Finding, verify_with};

use crate::cell::{Cell, Files, PAYEE, files};

const DECISIONS: &str = "decisions/000.p/";

fn decisions(files: &Files) -> (String, String) {
    let name = files.keys().find(|name| name.starts_with(DECISIONS)).unwrap().clone();
    let text = String::from_utf8(files[&name].clone()).unwrap();
    (name, text)
}

fn with_decisions(files: &Files, text: &str) -> Files {
    let mut changed = files.clone();
    changed.insert(decisions(files).0, text.as_bytes().to_vec());
    changed
}

fn finding(cell: &Cell, files: &Files) -> Finding {
    cell.verify(files).map(|_| ()).unwrap_err()
}

/// A log with a held, approved and signed withdrawal; the index of its request.
fn held() -> (Cell, Files, u64) {
    let mut cell = Cell::ready();
    let index = cell.log.len() as u64;
    let id = cell.accept(&cell.request("k-1", 20_000, PAYEE, 0)).withdrawal.unwrap();
    cell.approve_hold(id, "alice");
    cell.approve_hold(id, "bob");
    cell.sign_off(id);
    cell.submit(&cell.request("k-1", 1, PAYEE, 1));
    let exported = cell.export();
    (cell, exported, index)
}

#[test]
fn decisions_on_record_are_compared_with_the_replay() {
    let (cell, exported, _) = held();
    let compared = cell.verify(&exported).unwrap().report().decisions_compared;
    assert_eq!(compared, decisions(&exported).1.lines().count() as u64);
    assert!(compared >= 4, "a hold, two approvals, a refusal: {compared}");
    // Without any record there is nothing to compare, and the log verifies by itself
    let mut bare = exported.clone();
    bare.retain(|name, _| name.starts_with("tile/") || name == "checkpoint");
    assert_eq!(cell.verify(&bare).unwrap().report().decisions_compared, 0);
}

#[test]
fn doctored_decision_is_located_by_entry_and_rule_with_what_was_recorded_and_expected() {
    let (cell, exported, index) = held();
    let (_, text) = decisions(&exported);
    let held = text.lines().find(|line| line.contains("ABOVE_AUTOMATIC_LIMIT")).unwrap();
    let doctored = held.replace("hold ABOVE_AUTOMATIC_LIMIT", "pass WITHIN_AUTOMATIC_LIMIT");
    assert_ne!(held, doctored);
    let finding = finding(&cell, &with_decisions(&exported, &text.replacen(held, &doctored, 1)));
    assert_eq!((finding.rule(), finding.first_index()), ("DECISION_MISMATCH", Some(index)), "{finding}");
    assert!(finding.recorded().unwrap().contains("pass WITHIN_AUTOMATIC_LIMIT"), "{finding}");
    assert!(finding.expected().unwrap().contains("hold ABOVE_AUTOMATIC_LIMIT"), "{finding}");
    assert!(finding.to_string().contains("rule `"), "{finding}");
}

#[test]
fn every_member_of_a_record_is_compared() {
    let (cell, exported, _) = held();
    let (_, text) = decisions(&exported);
    for (from, to) in [
        ("\"outcome\":\"hold ", "\"outcome\":\"allow "),
        ("\"score\":0", "\"score\":9"),
        ("NEW_DEVICE\",\"absent", "NEW_DEVICE\",\"present"),
        ("\"withdrawal\":\"w-", "\"withdrawal\":\"v-"),
        ("\"refused\":\"IDEMPOTENCY_KEY_REUSED\"", "\"refused\":\"POLICY_BOUND\""),
        ("\"policy\":\"", "\"policy\":\"0"),
    ] {
        let doctored = text.replacen(from, to, 1);
        assert_ne!(doctored, text, "{from}");
        let finding = finding(&cell, &with_decisions(&exported, &doctored));
        assert_eq!(finding.rule(), "DECISION_MISMATCH", "{from}: {finding}");
    }
}

#[test]
fn dropped_invented_and_garbled_records_are_located() {
    let (cell, exported, index) = held();
    let (_, text) = decisions(&exported);
    let lines: Vec<&str> = text.lines().collect();
    let position = lines.iter().position(|line| line.contains(&format!("{{\"index\":{index},"))).unwrap();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let mut dropped = lines.clone();
    dropped.remove(position);
    let found = finding(&cell, &with_decisions(&exported, &joined(&dropped)));
    assert_eq!((found.rule(), found.first_index()), ("DECISION_MISSING", Some(index)), "{found}");
    let mut invented = lines.clone();
    invented.insert(0, r#"{"index":1,"refused":"POLICY_BOUND"}"#);
    let found = finding(&cell, &with_decisions(&exported, &joined(&invented)));
    assert_eq!((found.rule(), found.first_index()), ("DECISION_UNKNOWN", Some(1)), "{found}");
    let mut garbled = lines;
    garbled[position] = "\u{1b}[2J";
    let found = finding(&cell, &with_decisions(&exported, &joined(&garbled)));
    assert_eq!((found.rule(), found.first_index()), ("DECISION_RECORD_MALFORMED", Some(index)), "{found}");
    assert!(!found.to_string().contains('\u{1b}'), "{found}");
}

#[test]
fn keys_and_genesis_beside_the_log_must_be_the_logs() {
    let (cell, exported, _) = held();
    for name in ["keys", "genesis.json"] {
        let mut changed = exported.clone();
        changed.get_mut(name).unwrap()[40] ^= 1;
        assert_eq!(finding(&cell, &changed).rule(), "EXPORT_COMPANION_MISMATCH");
    }
}

/// An export with checkpoints that were kept on the way.
fn with_kept(cell: &Cell, kept: &[Vec<u8>]) -> Result<Files, Finding> {
    let (first, rest) = cell.log.split_first().unwrap();
    let mut exporter = Exporter::begin(first, &cell.pinned(), kept)?;
    let mut written = Vec::new();
    for entry in rest {
        written.extend(exporter.append(entry)?);
    }
    written.extend(exporter.finish(&Cell::checkpoint(&cell.log, &[1, 2]).to_bytes())?.0);
    Ok(files(written))
}

#[test]
fn kept_checkpoints_are_verified_at_their_sizes() {
    let (cell, ..) = held();
    let kept = [3, 7].map(|size| Cell::checkpoint(&cell.log[..size], &[1, 3]).to_bytes());
    let exported = with_kept(&cell, &kept).unwrap();
    assert_eq!(cell.verify(&exported).unwrap().report().continues, [3, 7]);
    // A kept checkpoint of another history, signed by the log's own key
    let mut fork = cell.log.clone();
    fork.swap(4, 5);
    let forged = Cell::checkpoint(&fork[..7], &[1, 3]).to_bytes();
    let mut changed = exported.clone();
    changed.insert("checkpoints/7".to_owned(), forged.clone());
    let found = finding(&cell, &changed);
    assert_eq!(
        (found.rule(), found.first_index(), found.end_index()),
        ("LOG_FORKED", Some(3), Some(7)),
        "{found}"
    );
    assert_eq!(with_kept(&cell, &[forged]).unwrap_err().rule(), "LOG_FORKED");
}

#[test]
fn somebody_who_watches_is_shown_every_entry_after_the_first() {
    let (cell, exported, _) = held();
    let mut seen = Vec::new();
    let mut watch = |event: &holdfast_audit::Event<'_>| seen.push(event.index());
    let audit = Audit { watch: Some(&mut watch), ..Audit::default() };
    verify_with(|path| exported.get(path).cloned(), &cell.pinned(), audit).unwrap();
    assert_eq!(seen, (1..cell.log.len() as u64).collect::<Vec<_>>());
}

#[test]
fn swapped_cosignature_and_edited_checkpoint_are_the_checkpoints_fault() {
    let (cell, exported, _) = held();
    let text = String::from_utf8(exported["checkpoint"].clone()).unwrap();
    // A cosignature of an earlier checkpoint in place of the present one
    let earlier = String::from_utf8(Cell::checkpoint(&cell.log[..5], &[3]).to_bytes()).unwrap();
    let node = |text: &str| text.lines().find(|line| line.contains("/node-3 ")).unwrap().to_owned();
    let mut changed = exported.clone();
    changed.insert("checkpoint".to_owned(), text.replace(&node(&text), &node(&earlier)).into_bytes());
    assert_eq!(finding(&cell, &changed).rule(), "COSIGNATURE_INVALID");
    // Another root under the same signatures
    let root = text.lines().nth(2).unwrap();
    let other = Cell::checkpoint(&cell.log[..5], &[]);
    let other = String::from_utf8(other.to_bytes()).unwrap().lines().nth(2).unwrap().to_owned();
    changed.insert("checkpoint".to_owned(), text.replace(root, &other).into_bytes());
    assert_eq!(finding(&cell, &changed).rule(), "LOG_SIGNATURE_INVALID");
}
