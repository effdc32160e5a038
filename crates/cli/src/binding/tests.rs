//! Promises of nodes: what a coordinator or a node may present so that an action looks as if it bound more than it does.

#![expect(clippy::arithmetic_side_effects, reason = "test: small numbers")]

use ed25519_dalek::SigningKey;
use holdfast_audit::History;
use holdfast_ledger::{
    LatchScope, MinimumCheckpoint, PauseReceipt, PayloadKind, RosterChange, RosterProposal, State,
};
use holdfast_log::{
    Checkpoint, Cosigner, Entry, Envelope, KeyName, LogSigner, MemoryTree, Origin, PayloadType,
    SignedCheckpoint,
};
use holdfast_policy::{NodeId, TimestampMs};

use super::*;
use crate::keys;
use crate::testing::TestCell;

fn pause() -> StatementBody {
    StatementBody::PauseWallet("hot-1".parse().unwrap())
}

/// A cell whose log ends with a pause of its wallet, and the pause's index.
fn paused() -> (TestCell, u64) {
    let mut cell = TestCell::ready();
    let statement = cell.statement("carol", pause());
    cell.accept(&statement);
    let index = cell.state().size() - 1;
    (cell, index)
}

fn tallied(cell: &TestCell, note: &SignedCheckpoint, index: u64) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    tally.take_note(&cell.history, &note.to_bytes(), index)?;
    Ok(tally)
}

fn held(tally: &Tally, state: &State) -> Vec<String> {
    tally.held(state.roster()).into_iter().map(ToString::to_string).collect()
}

fn refusal(cell: &TestCell, note: &SignedCheckpoint, index: u64) -> String {
    tallied(cell, note, index).map(|_| ()).unwrap_err().reason().to_owned()
}

fn replayed(cell: &TestCell, entries: &[Entry]) -> History {
    let mut history = History::begin(&cell.log[0], &cell.session.profile.genesis_sha256).unwrap();
    for entry in &entries[1..] {
        history.append(entry).unwrap();
    }
    history
}

fn find(cell: &TestCell, subject: Subject) -> Result<Option<Action>, Failure> {
    let mut found = Found::default();
    let mut history = History::begin(&cell.log[0], &cell.session.profile.genesis_sha256).unwrap();
    for entry in &cell.log[1..] {
        history.append_watched(entry, &mut |event| found.note(&subject, event)).unwrap();
    }
    found.action(history.state(), &subject)
}

fn receipt(cell: &TestCell, node: &str, statement: &Envelope) -> PauseReceipt {
    let payload = PauseReceipt {
        cluster: cell.session.genesis.document.cluster.clone(),
        node: node.parse().unwrap(),
        statement: StatementDigest::of(&statement.payload).to_string(),
        scope: LatchScope::Wallet("hot-1".parse().unwrap()),
        received_at_ms: TimestampMs(1),
        tip_size: 1,
    };
    let key = keys::ed25519(&cell.cell.directory.join(format!("{node}/message.key"))).unwrap();
    let kind = PayloadType::from_static(PauseReceipt::PAYLOAD_TYPE);
    let bytes = serde_json::to_vec(&payload).unwrap();
    let envelope = Envelope::sign_ed25519(kind, bytes, &format!("node:{node}"), &key).unwrap().to_json();
    let rosters: Vec<_> = cell.state().rosters().rev().cloned().collect();
    let order = receipts::order_of(&rosters, &statement.to_json(), &StatementDigest::of(&statement.payload));
    verify_receipt(&cell.session, &rosters[0], node, &envelope, &order.unwrap()).unwrap()
}

/// Node 2 gets the keys of a new incarnation, by the officers.
fn replace_keys_of_node_2(cell: &mut TestCell) {
    let roster = cell.state().roster();
    let key = |seed: u8| SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let change = RosterChange::ReplaceNodeKeys {
        node: "node-2".parse().unwrap(),
        cosigning_key: key(41),
        message_key: key(42),
        minimum: MinimumCheckpoint { size: cell.state().size(), root: cell.history.replica().root() },
    };
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    cell.approved(StatementBody::ProposeRosterChange(Box::new(proposal)));
}

#[test]
fn cosignatures_of_a_log_that_contains_the_action_bind_at_both_levels() {
    let (cell, index) = paused();
    let two = tallied(&cell, &cell.checkpoint(&[1, 3]), index).unwrap();
    assert_eq!(held(&two, cell.state()), ["node-1", "node-3"]);
    let level = two.level(cell.state().roster());
    assert!(level.binds(Against::Coordinator) && !level.binds(Against::HostileNodes));
    let all = tallied(&cell, &cell.checkpoint(&[1, 2, 3]), index).unwrap();
    assert!(all.level(cell.state().roster()).binds(Against::HostileNodes));
}

#[test]
fn promises_of_several_checkpoints_add_up() {
    let (mut cell, index) = paused();
    let mut tally = tallied(&cell, &cell.checkpoint(&[1, 2]), index).unwrap();
    let statement = cell.statement("bob", pause());
    cell.accept(&statement);
    tally.take_note(&cell.history, &cell.checkpoint(&[1, 3]).to_bytes(), index).unwrap();
    assert_eq!(held(&tally, cell.state()), ["node-1", "node-2", "node-3"]);
}

#[test]
fn forged_cosignature_voids_the_checkpoint_and_one_by_another_key_counts_for_nothing() {
    let (cell, index) = paused();
    // Given a line under node 3's name and key id with node 1's signature in it
    let honest = cell.checkpoint(&[1, 2, 3]);
    let text = String::from_utf8(honest.to_bytes()).unwrap();
    let line = |name: &str| text.lines().find(|line| line.contains(&format!("/{name} "))).unwrap().to_owned();
    let (first, third) = (line("node-1"), line("node-3"));
    // Base64 of 4 bytes key id, 8 bytes time, 64 bytes signature: the last 80 characters are of the signature.
    let forged = format!("{}{}", &third[..third.len() - 80], &first[first.len() - 80..]);
    let forged = SignedCheckpoint::parse(text.replace(&third, &forged).as_bytes()).unwrap();
    assert_eq!(refusal(&cell, &forged, index), "COSIGNATURE_INVALID");
    // Given a cosignature in node 3's name by a key of the coordinator's own
    let checkpoint = honest.claimed().clone();
    let name = KeyName::of_node(cell.session.cluster(), "node-3").unwrap();
    let thief = Cosigner::new(name, SigningKey::from_bytes(&[9; 32]));
    let stolen = cell.checkpoint(&[1, 2]).with_cosignature(&thief.cosign(&checkpoint, 1).unwrap()).unwrap();
    let tally = tallied(&cell, &stolen, index).unwrap();
    assert_eq!(held(&tally, cell.state()), ["node-1", "node-2"]);
}

#[test]
fn checkpoint_that_does_not_contain_the_action_binds_nobody() {
    let mut cell = TestCell::ready();
    let before = cell.checkpoint(&[1, 2, 3]);
    let older = replayed(&cell, &cell.log);
    let statement = cell.statement("carol", pause());
    cell.accept(&statement);
    let index = cell.state().size() - 1;
    // The checkpoint before the pause, with the log as it was then
    let mut tally = Tally::default();
    tally.take_note(&older, &before.to_bytes(), index).unwrap();
    assert_eq!(held(&tally, cell.state()), Vec::<String>::new());
    // The same checkpoint, presented as one of the log that has the pause
    assert_eq!(refusal(&cell, &before, index), "ROOT_MISMATCH");
}

#[test]
fn cosignatures_of_another_history_bind_nobody_whatever_log_is_shown_here() {
    let mut cell = TestCell::ready();
    let before = cell.log.len();
    let statement = cell.statement("carol", pause());
    cell.accept(&statement);
    let index = cell.state().size() - 1;
    // Given a coordinator that shows the nodes a log of the same size without the pause, and this officer one with it
    let mut hidden = cell.log[..before].to_vec();
    let other = cell.statement("bob", StatementBody::RevokeClient("pipeline".parse().unwrap()));
    hidden.push(Entry::stamp(cell.state().last_time().0, &other).unwrap());
    let tree = MemoryTree::from_leaf_hashes(hidden.iter().map(Entry::leaf_hash)).unwrap();
    let origin = Origin::of_cluster(cell.session.cluster()).unwrap();
    let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root().unwrap() };
    let key = |name: &str| keys::ed25519(&cell.cell.directory.join(name)).unwrap();
    let mut note = LogSigner::new(origin.clone(), key("coordinator/log.key")).sign(&checkpoint).unwrap();
    for i in 1..=3 {
        let name = KeyName::of_node(cell.session.cluster(), &format!("node-{i}")).unwrap();
        let node = Cosigner::new(name, key(&format!("node-{i}/cosigning.key")));
        note = note.with_cosignature(&node.cosign(&checkpoint, 1).unwrap()).unwrap();
    }
    assert_eq!(refusal(&cell, &note, index), "ROOT_MISMATCH");
    // Given the same cosignatures under a checkpoint of the log that is shown here
    let shown = cell.checkpoint(&[]);
    let body = |note: &SignedCheckpoint| String::from_utf8(note.to_bytes()).unwrap();
    let lines: String =
        body(&note).lines().filter(|l| l.contains("/node-")).map(|l| format!("{l}\n")).collect();
    let moved = SignedCheckpoint::parse(format!("{}{lines}", body(&shown)).as_bytes()).unwrap();
    assert_eq!(refusal(&cell, &moved, index), "COSIGNATURE_INVALID");
}

#[test]
fn too_few_cosignatures_are_no_verified_log() {
    let (cell, index) = paused();
    assert_eq!(refusal(&cell, &cell.checkpoint(&[2]), index), "COSIGNATURES_MISSING");
}

#[test]
fn node_counts_once_however_often_and_in_whatever_way_it_promised() {
    let (mut cell, index) = paused();
    // Given node 1's cosignature twice, at two times
    let (one, two) = (cell.checkpoint_at(&[(1, 5), (2, 5)]), cell.checkpoint_at(&[(1, 6)]));
    let text = |note: &SignedCheckpoint| String::from_utf8(note.to_bytes()).unwrap();
    let again = text(&two).lines().find(|line| line.contains("/node-1 ")).unwrap().to_owned();
    let twice = SignedCheckpoint::parse(format!("{}{again}\n", text(&one)).as_bytes()).unwrap();
    let mut tally = tallied(&cell, &twice, index).unwrap();
    assert_eq!(held(&tally, cell.state()), ["node-1", "node-2"]);
    // And node 1's receipt, twice
    let statement = cell.statement("alice", pause());
    cell.accept(&statement);
    for _ in 0..2 {
        let taken = receipt(&cell, "node-1", &statement);
        tally.take_receipt(cell.state().roster(), taken, b"{}", true);
    }
    assert_eq!(tally.level(cell.state().roster()).held, 2);
    // One of a node that cosigned nothing counts
    let taken = receipt(&cell, "node-3", &statement);
    tally.take_receipt(cell.state().roster(), taken, b"{}", true);
    assert!(tally.level(cell.state().roster()).binds(Against::HostileNodes));
}

#[test]
fn promises_of_an_incarnation_that_was_replaced_count_no_more() {
    let (mut cell, index) = paused();
    let statement = cell.statement("alice", pause());
    cell.accept(&statement);
    let mut tally = tallied(&cell, &cell.checkpoint(&[1, 2, 3]), index).unwrap();
    let taken = receipt(&cell, "node-2", &statement);
    tally.take_receipt(cell.state().roster(), taken, b"{}", true);
    assert_eq!(tally.level(cell.state().roster()).held, 3);
    // When node 2 comes back from a backup with new keys
    replace_keys_of_node_2(&mut cell);
    // Then what its predecessor promised is void, also in checkpoints made later
    assert_eq!(held(&tally, cell.state()), ["node-1", "node-3"]);
    tally.take_note(&cell.history, &cell.checkpoint(&[1, 2, 3]).to_bytes(), index).unwrap();
    assert_eq!(held(&tally, cell.state()), ["node-1", "node-3"]);
    assert_eq!(refusal(&cell, &cell.checkpoint(&[1, 2]), index), "COSIGNATURES_MISSING");
}

#[test]
fn receipt_of_a_node_that_the_roster_does_not_name_counts_for_nothing() {
    let (cell, _) = paused();
    let mut tally = Tally::default();
    let stranger: NodeId = "node-9".parse().unwrap();
    let statement = cell.statement("alice", pause());
    let mut taken = receipt(&cell, "node-1", &statement);
    taken.node = stranger;
    tally.take_receipt(cell.state().roster(), taken, b"{}", true);
    assert_eq!(tally.level(cell.state().roster()).held, 0);
}

#[test]
fn receipt_is_looked_up_by_the_very_statement_that_an_officer_signed() {
    let (cell, _) = paused();
    let rosters: Vec<_> = cell.state().rosters().cloned().collect();
    let statement = cell.statement("alice", pause());
    let digest = StatementDigest::of(&statement.payload);
    let order = receipts::order_of(&rosters, &statement.to_json(), &digest).unwrap();
    assert_eq!(order.scope, LatchScope::Wallet("hot-1".parse().unwrap()));
    // Given another statement, or this one without its officer's signature
    let other = cell.statement("bob", pause());
    assert!(receipts::order_of(&rosters, &other.to_json(), &digest).is_none());
    let key = SigningKey::from_bytes(&[7; 32]);
    let kind = PayloadKind::Statement.payload_type();
    let unsigned = Envelope::sign_ed25519(kind, statement.payload.clone(), "officer:carol", &key).unwrap();
    assert!(receipts::order_of(&rosters, &unsigned.to_json(), &digest).is_none());
}

#[test]
fn statement_that_changed_nothing_binds_nobody() {
    let (mut cell, index) = paused();
    let again = cell.log.last().unwrap().envelope().clone();
    let digest = StatementDigest::of(&again.payload);
    // Given the pause once more: the second entry is a no-op, the first one stays in force
    cell.submit(&again);
    assert_eq!(find(&cell, Subject::Statement(digest)).unwrap().unwrap().index, index);
    assert_eq!(find(&cell, Subject::Entry(index + 1)).unwrap_err().reason(), "NOT_IN_FORCE");
    assert_eq!(find(&cell, Subject::Entry(index)).unwrap().unwrap().says, "pause a wallet");
    // Nothing is known of what is not there
    assert_eq!(find(&cell, Subject::Entry(index + 2)).unwrap(), None);
    assert_eq!(find(&cell, Subject::Statement(StatementDigest::of(b"other"))).unwrap(), None);
}

#[test]
fn ceremony_binds_from_the_approval_that_completed_its_quorum() {
    let mut cell = TestCell::ready();
    let roster = cell.state().roster();
    let change = RosterChange::RemoveOfficer { name: "carol".parse().unwrap() };
    let proposal = RosterProposal { version: roster.version(), digest: roster.digest(), change };
    let proposed = cell.statement("alice", StatementBody::ProposeRosterChange(Box::new(proposal)));
    let digest = StatementDigest::of(&proposed.payload);
    let id = cell.accept(&proposed).ceremony.unwrap();
    let approval = cell.statement("alice", StatementBody::ApproveCeremony(id));
    let first = StatementDigest::of(&approval.payload);
    cell.accept(&approval);
    // Given one approval of two: nothing is in force, whatever the log contains
    for subject in [Subject::Ceremony(id), Subject::Statement(digest), Subject::Statement(first)] {
        assert_eq!(find(&cell, subject).unwrap(), None, "{subject}");
    }
    let approval = cell.statement("bob", StatementBody::ApproveCeremony(id));
    cell.accept(&approval);
    let last = cell.state().size() - 1;
    let second = Subject::Statement(StatementDigest::of(&approval.payload));
    for subject in [Subject::Ceremony(id), Subject::Statement(digest), Subject::Statement(first), second] {
        assert_eq!(find(&cell, subject).unwrap().unwrap().index, last, "{subject}");
    }
    assert!(restricts(cell.state(), &StatementBody::ApproveCeremony(id)));
    assert!(!restricts(cell.state(), &cell.wallet_proposal()));
}

#[test]
fn pause_that_officers_lifted_is_not_shown_as_one_that_binds() {
    let (mut cell, _) = paused();
    let lifts = cell.state().wallet(&"hot-1".parse().unwrap()).unwrap().pauses[0].statement;
    assert!(!subject::is_lifted(cell.state(), &lifts, &pause()));
    let resume = StatementBody::ProposeResume { wallet: "hot-1".parse().unwrap(), lifts: vec![lifts] };
    cell.approved(resume);
    assert!(subject::is_lifted(cell.state(), &lifts, &pause()));
}

#[test]
fn client_that_two_officers_revoked_is_not_shown_as_given_back() {
    let mut cell = TestCell::ready();
    let body = || StatementBody::RevokeClient("pipeline".parse().unwrap());
    let digests = ["alice", "bob"].map(|officer| {
        let statement = cell.statement(officer, body());
        cell.submit(&statement);
        StatementDigest::of(&statement.payload)
    });
    for digest in digests {
        assert!(!subject::is_lifted(cell.state(), &digest, &body()));
    }
}

/// What the command answers if the coordinator shows so many entries and then a note or nothing, and all nodes list a receipt.
async fn answered(
    cell: &TestCell,
    digest: StatementDigest,
    entries: usize,
    note: Option<&SignedCheckpoint>,
    receipts: &[PauseReceipt],
    in_force: bool,
) -> Result<Binding, Failure> {
    let args = BindingArgs {
        subject: Subject::Statement(digest),
        against: Against::HostileNodes,
        timeout: Duration::ZERO,
        officer: None,
    };
    let read = async |replayed: &mut Replayed<'_>| {
        for entry in &cell.log[..entries] {
            live::Sink::push(replayed, entry)?;
        }
        let down = || Failure::new(Exit::Unavailable, "LOG_INCOMPLETE", "it breaks off");
        note.map(SignedCheckpoint::to_bytes).ok_or_else(down)
    };
    let ask = async |rosters: &[Roster], _: Option<&Action>, tally: &mut Tally| {
        for receipt in receipts {
            tally.take_receipt(&rosters[0], receipt.clone(), b"{}", in_force);
        }
        Vec::new()
    };
    follow_with(&cell.session, &args, read, ask).await.map(|followed| followed.binding)
}

/// A pause that all nodes took directly, that is logged, and that officers lifted; how long the log was before that.
fn lifted() -> (TestCell, StatementDigest, usize, Vec<PauseReceipt>) {
    let mut cell = TestCell::ready();
    let statement = cell.statement("carol", pause());
    cell.accept(&statement);
    let digest = StatementDigest::of(&statement.payload);
    let receipts = ["node-1", "node-2", "node-3"].map(|node| receipt(&cell, node, &statement));
    let before = cell.log.len();
    let resume = StatementBody::ProposeResume { wallet: "hot-1".parse().unwrap(), lifts: vec![digest] };
    cell.approved(resume);
    (cell, digest, before, receipts.to_vec())
}

#[tokio::test]
async fn log_that_breaks_off_before_a_resume_does_not_show_a_pause_as_binding() {
    let (cell, digest, before, receipts) = lifted();
    let shown = answered(&cell, digest, before, None, &receipts, false).await.unwrap();
    assert_eq!(shown.level().held, 0, "{}", shown.text());
    assert_eq!((shown.json()["lifted"].clone(), shown.json()["entry"].clone()), (Value::Null, Value::Null));
    assert_eq!(shown.json()["log_size"], Value::Null);
    // What nodes refuse by themselves binds, log or not
    let direct = answered(&cell, digest, before, None, &receipts, true).await.unwrap();
    assert!(direct.level().binds(Against::HostileNodes), "{}", direct.text());
    // The whole log says that it is lifted
    let note = cell.checkpoint(&[1, 2, 3]);
    let whole = answered(&cell, digest, cell.log.len(), Some(&note), &receipts, false).await.unwrap();
    assert!(whole.is_lifted() && whole.json()["lifted"] == true, "{}", whole.text());
}

#[tokio::test]
async fn genuine_old_log_from_before_a_resume_does_not_show_a_pause_as_binding() {
    let (mut cell, digest, before, receipts) = lifted();
    let whole = std::mem::take(&mut cell.log);
    cell.log = whole[..before].to_vec();
    let old_s = clock::now().0 / 1000 - 600;
    let old = cell.checkpoint_at(&[(1, old_s), (2, old_s), (3, old_s)]);
    let shown = answered(&cell, digest, before, Some(&old), &receipts, false).await.unwrap();
    assert_eq!(shown.level().held, 0, "{}", shown.text());
    assert_eq!(shown.json()["lifted"], Value::Null);
    assert!(shown.text().contains("does not count"), "{}", shown.text());
    // And one that this machine has seen the end of is refused
    let mut cell = cell;
    cell.log = whole;
    live::remember(&cell.session, &cell.checkpoint(&[1, 2, 3]).to_bytes(), cell.state()).unwrap();
    let failure = answered(&cell, digest, before, Some(&old), &receipts, false).await.unwrap_err();
    assert_eq!(failure.reason(), "LOG_ROLLED_BACK");
}

#[tokio::test]
async fn log_that_breaks_off_before_a_key_replacement_does_not_bring_old_keys_back() {
    let (mut cell, _) = paused();
    let statement = cell.statement("alice", pause());
    cell.accept(&statement);
    let digest = StatementDigest::of(&statement.payload);
    let old = receipt(&cell, "node-2", &statement);
    let before = cell.log.len();
    replace_keys_of_node_2(&mut cell);
    live::remember(&cell.session, &cell.checkpoint(&[1, 3]).to_bytes(), cell.state()).unwrap();
    let seen = std::cell::Cell::new(0);
    let read = async |replayed: &mut Replayed<'_>| {
        for entry in &cell.log[..before] {
            live::Sink::push(replayed, entry)?;
        }
        Err(Failure::new(Exit::Unavailable, "LOG_INCOMPLETE", "it breaks off"))
    };
    let ask = async |rosters: &[Roster], _: Option<&Action>, _: &mut Tally| {
        seen.set(rosters[0].node(&old.node).unwrap().incarnation);
        Vec::new()
    };
    let args = BindingArgs {
        subject: Subject::Statement(digest),
        against: Against::Coordinator,
        timeout: Duration::ZERO,
        officer: None,
    };
    let shown = follow_with(&cell.session, &args, read, ask).await.unwrap().binding;
    // Receipts are verified with the keys that this machine has seen in force, not with those of the half-read log
    assert_eq!((seen.get(), shown.level().held), (2, 0));
}

#[test]
fn subjects_are_read_as_they_are_printed_elsewhere() {
    let digest = StatementDigest::of(b"x");
    assert_eq!(digest.to_string().parse(), Ok(Subject::Statement(digest)));
    assert_eq!("17".parse(), Ok(Subject::Entry(17)));
    assert!("c-00112233445566778899aabbccddeeff".parse::<Subject>().is_ok());
    for text in
        ["", "x", "-1", "c-1", &digest.to_string().to_uppercase(), "w-00112233445566778899aabbccddeeff"]
    {
        assert!(text.parse::<Subject>().is_err(), "{text}");
    }
}
