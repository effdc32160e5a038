//! Keys, parties and policies that officers replaced: a checkpoint is verified under what was in force at its size, before and
//! after, and every change is in the report.

use holdfast_audit::{
    Alarm, Audit, Event, Exporter, Finding, Heads, Monitor, Patience, Period, PeriodReport, Row, Verified,
    verify_with,
};
use holdfast_ledger::{MinimumCheckpoint, PayloadKind, RosterChange, RosterProposal, StatementBody};
use holdfast_log::{Checkpoint, Cosigner, Entry, KeyName, LogSigner, MemoryTree, Origin};
use holdfast_policy::TimestampMs;
use serde_json::json;

use crate::cell::{Cell, Files, START, coordinator, ed25519, files, sign};

/// A checkpoint by these keys: the log's, and (node, key) pairs of cosigners.
fn checkpoint(entries: &[Entry], log: &str, cosigners: &[(u8, &str)]) -> Vec<u8> {
    let tree = MemoryTree::from_leaf_hashes(entries.iter().map(Entry::leaf_hash)).unwrap();
    let origin = Origin::of_cluster("demo-1").unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
    let signed = LogSigner::new(origin, ed25519(log)).sign(&checkpoint).unwrap();
    let cosigned = cosigners.iter().fold(signed, |signed, (node, key)| {
        let name = KeyName::of_node("demo-1", &format!("node-{node}")).unwrap();
        let cosignature = Cosigner::new(name, ed25519(key)).cosign(&checkpoint, START / 1000 + 60).unwrap();
        signed.with_cosignature(&cosignature).unwrap()
    });
    cosigned.to_bytes()
}

fn change(cell: &mut Cell, change: RosterChange) {
    let roster = cell.state.roster();
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    cell.approved(StatementBody::ProposeRosterChange(Box::new(proposal)));
}

fn rotate_log_key(cell: &mut Cell) {
    let log_key = Some(ed25519("log-2").verifying_key());
    change(cell, RosterChange::ReplaceCoordinatorKeys { log_key, entry_key: None });
}

fn enrol_node_1_again(cell: &mut Cell) {
    let tree = MemoryTree::from_leaf_hashes(cell.log.iter().map(Entry::leaf_hash)).unwrap();
    let minimum = MinimumCheckpoint { size: tree.size(), root: tree.root().unwrap() };
    let key = |name: &str| ed25519(name).verifying_key();
    let (cosigning_key, message_key) = (key("cosign-1-again"), key("message-1-again"));
    let node = "node-1".parse().unwrap();
    change(cell, RosterChange::ReplaceNodeKeys { node, cosigning_key, message_key, minimum });
}

fn exported(cell: &Cell, note: &[u8], kept: &[Vec<u8>]) -> Result<Files, Finding> {
    let (first, rest) = cell.log.split_first().unwrap();
    let mut exporter = Exporter::begin(first, &cell.pinned(), kept)?;
    let mut written = Vec::new();
    for entry in rest {
        written.extend(exporter.append(entry)?);
    }
    written.extend(exporter.finish(note)?.0);
    Ok(files(written))
}

fn audited(cell: &Cell, files: &Files, audit: Audit<'_>) -> Result<Verified, Finding> {
    verify_with(|path| files.get(path).cloned(), &cell.pinned(), audit)
}

#[test]
fn checkpoint_is_verified_under_the_log_key_in_force_after_its_last_entry() {
    let mut cell = Cell::ready();
    let before = checkpoint(&cell.log, "log", &[(1, "cosign-1"), (2, "cosign-2")]);
    rotate_log_key(&mut cell);
    let nodes = [(1, "cosign-1"), (2, "cosign-2")];
    // The new key's checkpoint is exported, and the old key's earlier one is continued
    let good =
        exported(&cell, &checkpoint(&cell.log, "log-2", &nodes), std::slice::from_ref(&before)).unwrap();
    let report = cell.verify(&good).unwrap().report().clone();
    assert_eq!((report.roster_version, report.continues.len()), (2, 1));
    // The old key signs nothing more, whoever has it
    let stolen = checkpoint(&cell.log, "log", &nodes);
    assert_eq!(exported(&cell, &stolen, &[]).unwrap_err().rule(), "LOG_SIGNATURE_MISSING");
    let mut forged = good.clone();
    forged.insert("checkpoint".to_owned(), stolen.clone());
    assert_eq!(cell.verify(&forged).unwrap_err().rule(), "LOG_SIGNATURE_MISSING");
    // Nor did the new key sign before its time
    let early = checkpoint(&cell.log[..5], "log-2", &nodes);
    let mut heads = Heads::none();
    heads.add(&early).unwrap();
    let finding = audited(&cell, &good, Audit { heads, ..Audit::default() }).unwrap_err();
    assert_eq!(finding.rule(), "LOG_SIGNATURE_MISSING");
    // One entry before the quorum was complete, the old key is the right one
    let last = cell.log.len() - 1;
    let mut heads = Heads::none();
    heads.add(&checkpoint(&cell.log[..last], "log", &nodes)).unwrap();
    audited(&cell, &good, Audit { heads, ..Audit::default() }).unwrap();
}

#[test]
fn cosignature_of_a_nodes_old_incarnation_does_not_count() {
    let mut cell = Cell::ready();
    enrol_node_1_again(&mut cell);
    let old = checkpoint(&cell.log, "log", &[(1, "cosign-1"), (2, "cosign-2")]);
    assert_eq!(exported(&cell, &old, &[]).unwrap_err().rule(), "COSIGNATURES_MISSING");
    let new = checkpoint(&cell.log, "log", &[(1, "cosign-1-again"), (2, "cosign-2")]);
    let report = cell.verify(&exported(&cell, &new, &[]).unwrap()).unwrap().report().clone();
    assert_eq!(report.cosigners.iter().map(|c| c.node.as_str()).collect::<Vec<_>>(), ["node-1", "node-2"]);
}

#[test]
fn keys_file_says_for_which_sizes_each_key_counts() {
    let mut cell = Cell::ready();
    rotate_log_key(&mut cell);
    let rotated = cell.state.size();
    enrol_node_1_again(&mut cell);
    let enrolled = cell.state.size();
    let note = checkpoint(&cell.log, "log-2", &[(1, "cosign-1-again"), (2, "cosign-2")]);
    let exported = exported(&cell, &note, &[]).unwrap();
    let written = String::from_utf8(exported["keys"].clone()).unwrap();
    let bounds = |line: &str| line.rsplit_once(' ').map_or("", |(bounds, _)| bounds).to_owned();
    let found: Vec<String> = written.lines().skip(1).map(bounds).collect();
    let expected = [
        &format!("from {rotated}"),
        &format!("from {enrolled}"),
        "",
        "",
        &format!("until {rotated}"),
        &format!("until {enrolled}"),
    ];
    assert_eq!(found, expected, "{written}");
    // What a thief writes into it is found
    let mut forged = exported.clone();
    forged.insert("keys".to_owned(), written.replace(&format!("until {enrolled}"), "until 999").into_bytes());
    assert!(cell.verify(&forged).is_err());
}

fn report(cell: &Cell, files: &Files) -> PeriodReport {
    let mut period = Period::new(TimestampMs(0), TimestampMs(u64::MAX));
    let mut watch = |event: &Event<'_>| period.watch(event);
    let verified = audited(cell, files, Audit { watch: Some(&mut watch), ..Audit::default() }).unwrap();
    period.finish(verified.history().state())
}

/// A cell whose officers changed everything that can be changed.
fn changed() -> Cell {
    let mut cell = Cell::ready();
    rotate_log_key(&mut cell);
    enrol_node_1_again(&mut cell);
    let wallets = ["hot-1".parse().unwrap()].into();
    let (name, key) = ("batch".parse().unwrap(), ed25519("batch").verifying_key());
    change(
        &mut cell,
        RosterChange::AddClient { name, key, wallets, expires_at: TimestampMs(START + 9_000_000) },
    );
    cell.accept(&cell.statement("alice", StatementBody::RevokeClient("batch".parse().unwrap())));
    cell
}

#[test]
fn every_change_of_the_roster_is_in_the_report_with_its_keys() {
    let cell = changed();
    let note = checkpoint(&cell.log, "log-2", &[(1, "cosign-1-again"), (2, "cosign-2")]);
    let report = report(&cell, &exported(&cell, &note, &[]).unwrap());
    let hex = |name: &str| hex::encode(ed25519(name).verifying_key().as_bytes());
    let rotated = |wanted: &str, old: &str, new: &str| {
        report.rows.iter().any(|row| {
            let Row::KeyRotation { party, before, after, .. } = row else { return false };
            party == wanted && *before == hex(old) && *after == hex(new)
        })
    };
    assert!(rotated("coordinator:coordinator", "log", "log-2"), "{report:#?}");
    assert!(rotated("node:node-1", "cosign-1", "cosign-1-again"), "{report:#?}");
    assert!(rotated("node:node-1", "message-1", "message-1-again"), "{report:#?}");
    let changes: Vec<_> = report.rows.iter().filter(|row| row.section() == "roster-change").collect();
    let said = format!("{changes:?}");
    assert!(said.contains("client:batch") && said.contains("incarnation 2"), "{said}");
    let quorums =
        report.rows.iter().filter(|row| matches!(row, Row::Quorum { kind, .. } if kind == "change-roster"));
    assert_eq!(quorums.count(), 3);
    let revoked =
        report.rows.iter().any(|row| matches!(row, Row::Pause { action, .. } if action == "revoke a client"));
    assert!(revoked, "{report:#?}");
}

#[test]
fn monitor_follows_replaced_keys_and_tells_of_them() {
    let mut cell = Cell::ready();
    let mut monitor = Monitor::begin(&cell.log[0], &cell.pinned(), None, Patience::default()).unwrap();
    let mut alarms: Vec<Alarm> = Vec::new();
    let mut look = |monitor: &mut Monitor, log: &[Entry], note: &[u8]| {
        for entry in &log[usize::try_from(monitor.size()).unwrap()..] {
            alarms.extend(monitor.append(entry)?);
        }
        alarms.extend(monitor.checkpoint(note, START + 61_000)?);
        Ok::<_, Finding>(())
    };
    let nodes = [(1, "cosign-1"), (2, "cosign-2"), (3, "cosign-3")];
    look(&mut monitor, &cell.log, &checkpoint(&cell.log, "log", &nodes)).unwrap();
    rotate_log_key(&mut cell);
    let old = checkpoint(&cell.log, "log", &nodes);
    assert_eq!(look(&mut monitor, &cell.log, &old).unwrap_err().rule(), "LOG_SIGNATURE_MISSING");
    look(&mut monitor, &cell.log, &checkpoint(&cell.log, "log-2", &nodes)).unwrap();
    assert_eq!(alarms.iter().map(|alarm| alarm.code.as_str()).collect::<Vec<_>>(), ["ROSTER_CHANGED"]);
}

#[test]
fn node_that_attests_another_state_is_told_by_the_monitor_and_in_the_report() {
    let mut cell = Cell::ready();
    while cell.log.len() < 1024 {
        cell.session();
    }
    let tree = MemoryTree::from_leaf_hashes(cell.log.iter().map(Entry::leaf_hash)).unwrap();
    let (root, digest) = (tree.root().unwrap(), cell.state.digest().to_string());
    for (node, digest) in [(1, digest.clone()), (2, "00".repeat(32)), (3, digest)] {
        let attestation = json!({"cluster": "demo-1", "node": format!("node-{node}"), "incarnation": 1, "size": 1024,
            "root": root, "state_digest": digest});
        let key = ed25519(&format!("message-{node}"));
        cell.submit(&sign(PayloadKind::StateAttestation, &attestation, &format!("node:node-{node}"), &key));
    }
    assert_eq!(cell.state.disagreeing_nodes(), ["node-2".parse().unwrap()]);
    let report = cell.verify(&cell.export()).unwrap().report().clone();
    assert_eq!(report.disagreeing_nodes, ["node-2"]);
    assert_eq!(report.agreeing_nodes, ["node-1", "node-3"]);
    let mut monitor = Monitor::begin(&cell.log[0], &cell.pinned(), None, Patience::default()).unwrap();
    for entry in &cell.log[1..] {
        monitor.append(entry).unwrap();
    }
    let note = checkpoint(&cell.log, "log", &[(1, "cosign-1"), (2, "cosign-2"), (3, "cosign-3")]);
    let alarms = monitor.checkpoint(&note, START + 61_000).unwrap();
    assert!(alarms.iter().any(|a| a.code == "STATE_DIVERGED" && a.detail.contains("node-2")), "{alarms:?}");
}

#[test]
fn policy_that_officers_changed_is_in_the_report() {
    let mut cell = Cell::ready();
    let before = cell.state.policy_digest();
    let policy = format!("{}\n# reviewed\n", include_str!("../../../policy/fixtures/demo-policy.toml"));
    cell.accept(&coordinator(PayloadKind::PolicyDocument, &json!({"cluster": "demo-1", "policy": policy})));
    let uploaded = cell.state.uploaded_policies().last().unwrap().document.hash();
    let none = holdfast_ledger::Before { before: 0, after: 0 };
    let claim = holdfast_ledger::BacktestClaim {
        size: cell.state.size(),
        digest: "ab".repeat(32).parse().unwrap(),
        decided: 0,
        flips: 0,
        customers: 0,
        held: none,
        denied: none,
    };
    let proposal = cell.state.policy_proposal(&uploaded, claim).unwrap();
    cell.approved(StatementBody::ProposePolicy(proposal));
    let report = report(&cell, &cell.export());
    let [Row::PolicyChange { before: was, after, .. }] =
        &report.rows.iter().filter(|row| row.section() == "policy-change").cloned().collect::<Vec<_>>()[..]
    else {
        panic!("{report:#?}")
    };
    assert!(was.contains(&before.to_string()) && after.contains(&uploaded.to_string()), "{was} {after}");
}
