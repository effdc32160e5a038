//! A coordinator that shows something else than before: whatever it shows, this profile remembers.

use holdfast_ledger::{NextChainCode, StatementBody};
use holdfast_log::Entry;

use super::*;
use crate::known;
use crate::live::Sink;
use crate::testing::TestCell;

fn remember_now(cell: &TestCell) {
    live::remember(&cell.session, &cell.checkpoint(&[1, 2]).to_bytes(), cell.state()).unwrap();
}

fn replay(cell: &TestCell, entries: &[Entry]) -> Result<History, Failure> {
    let mut replayed = Replayed::new(&cell.session, Interest::Everything, None)?;
    for entry in entries {
        replayed.push(entry)?;
    }
    replayed.into_history()
}

fn refusal(cell: &TestCell, entries: &[Entry]) -> Failure {
    replay(cell, entries).map(|_| ()).unwrap_err()
}

#[test]
fn log_that_continues_what_was_seen_is_accepted() {
    let mut cell = TestCell::ready();
    remember_now(&cell);
    cell.signed();
    let history = replay(&cell, &cell.log).unwrap();
    assert_eq!(history.replica().root(), cell.history.replica().root());
}

#[test]
fn log_that_ends_before_what_was_seen_is_refused() {
    let cell = TestCell::ready();
    remember_now(&cell);
    let shorter = &cell.log[..cell.log.len() - 1];
    assert_eq!(refusal(&cell, shorter).reason(), "LOG_ROLLED_BACK");
}

#[test]
fn another_history_than_the_one_seen_is_refused() {
    let mut cell = TestCell::ready();
    let fork = cell.log.len();
    cell.signed();
    remember_now(&cell);
    // Given a branch that leaves out the withdrawal and pauses the wallet instead, longer than what was seen
    let mut branch = cell.log[..fork].to_vec();
    for _ in 0..4 {
        let pause = cell.statement("carol", StatementBody::PauseWallet("hot-1".parse().unwrap()));
        branch.push(Entry::stamp(cell.state().last_time().0, &pause).unwrap());
    }
    let failure = refusal(&cell, &branch);
    assert_eq!((failure.reason(), failure.exit()), ("LOG_FORKED", Exit::Verification));
    assert!(failure.to_string().contains("seen.checkpoint"), "{failure}");
}

#[test]
fn log_of_another_cell_and_an_empty_one_are_refused() {
    let cell = TestCell::new();
    let other = TestCell::new();
    assert_eq!(refusal(&cell, &other.log).reason(), "OTHER_GENESIS");
    assert_eq!(refusal(&cell, &[]).reason(), "LOG_EMPTY");
}

#[test]
fn wallet_whose_key_changes_is_a_contradiction_and_no_update() {
    let cell = TestCell::ready();
    let profile = &cell.session.profile;
    known::remember(profile, cell.state()).unwrap();
    let path = profile.directory.join("known-wallets.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let other = "0x52908400098527886E0F7030069857D2E4169EE7";
    let address = cell.state().wallets().next().unwrap().address.to_string();
    std::fs::write(&path, text.replace(&address, other)).unwrap();
    assert_eq!(known::remember(profile, cell.state()).unwrap_err().reason(), "WALLET_KEY_CHANGED");
    assert_eq!(known::wallet(profile, "hot-1").unwrap().unwrap().address.to_string(), other);
}

#[test]
fn chain_code_that_officers_let_end_is_replaced_and_any_other_is_a_contradiction() {
    let mut cell = TestCell::ready();
    let profile = &cell.session.profile;
    known::remember(profile, cell.state()).unwrap();
    let path = profile.directory.join("known-wallets.json");
    let before = std::fs::read_to_string(&path).unwrap();
    let deposit = |cell: &TestCell| {
        known::wallet(&cell.session.profile, "hot-1").unwrap().unwrap().deposit_key(7).unwrap()
    };
    let old = deposit(&cell);
    // Given one that nobody let end
    std::fs::write(&path, before.replace(&"11".repeat(32), &"33".repeat(32))).unwrap();
    assert_eq!(known::remember(profile, cell.state()).unwrap_err().reason(), "WALLET_KEY_CHANGED");
    std::fs::write(&path, before).unwrap();
    // When shares move and it is carried, then nothing changes; when a fresh one is agreed, it is learnt
    cell.migrate(NextChainCode::Carried, 0x11);
    known::remember(&cell.session.profile, cell.state()).unwrap();
    assert_eq!(deposit(&cell), old);
    cell.migrate(NextChainCode::Fresh, 0x22);
    known::remember(&cell.session.profile, cell.state()).unwrap();
    let wallet = cell.state().wallets().next().unwrap();
    assert_eq!(deposit(&cell), wallet.deposit_key(7).unwrap());
    assert_ne!(deposit(&cell), old);
    // What was swept before stays proven, and no other key is
    let known = known::wallet(&cell.session.profile, "hot-1").unwrap().unwrap();
    for (key, index, sent) in [(&old, 7, true), (&known.deposit_key(7).unwrap(), 7, true), (&old, 8, false)] {
        assert_eq!(known.has_sent_with(key, Some(index)).unwrap(), sent);
    }
    // And a log from before that would be a contradiction again
    let stale = TestCell::ready();
    std::fs::copy(&path, stale.session.profile.directory.join("known-wallets.json")).unwrap();
    assert_eq!(
        known::remember(&stale.session.profile, stale.state()).unwrap_err().reason(),
        "WALLET_KEY_CHANGED"
    );
}

/// The replica of an honest download whose checkpoint these nodes cosigned at these times.
fn replica(cell: &TestCell, cosigners: &[(u8, u64)]) -> LocalReplica {
    let note = cell.checkpoint_at(cosigners).to_bytes();
    LocalReplica::of(replay(cell, &cell.log).unwrap(), &note).unwrap()
}

#[test]
fn one_node_with_a_clock_of_its_own_makes_no_old_log_look_fresh() {
    let cell = TestCell::ready();
    let now_s = clock::now().0 / 1000;
    let forged = replica(&cell, &[(1, now_s + 1_000), (3, now_s - 600)]);
    assert_eq!(forged.witnessed, TimestampMs((now_s - 600) * 1000));
    assert!(forged.provenance().contains("10 min ago"), "{}", forged.provenance());
}

#[test]
fn officer_is_warned_before_signing_upon_a_log_older_than_five_minutes() {
    let cell = TestCell::ready();
    let now = TimestampMs(clock::now().0 / 1000 * 1000);
    let seen = |age_s: u64| replica(&cell, &[(1, now.0 / 1000 - age_s), (2, now.0 / 1000)]).staleness(now);
    assert_eq!(seen(300), None);
    let warning = seen(301).unwrap();
    assert!(warning.contains("next: ") && warning.contains("may be missing"), "{warning}");
}

#[test]
fn whichever_command_read_the_log_this_machine_learns_its_rosters() {
    let mut cell = TestCell::new();
    let roster = cell.state().roster();
    let change = holdfast_ledger::RosterChange::ReplaceCoordinatorKeys {
        log_key: Some(ed25519_dalek::SigningKey::from_bytes(&[5; 32]).verifying_key()),
        entry_key: None,
    };
    let proposal =
        holdfast_ledger::RosterProposal { version: roster.version(), digest: roster.digest(), change };
    let before = cell.session.rosters().unwrap().newest(&cell.session.genesis).version();
    cell.approved(StatementBody::ProposeRosterChange(Box::new(proposal)));
    live::remember(&cell.session, &cell.checkpoint(&[1, 2]).to_bytes(), cell.state()).unwrap();
    let known = cell.session.rosters().unwrap();
    assert_ne!(known.newest(&cell.session.genesis).version(), before);
    assert_eq!(known.newest(&cell.session.genesis), cell.state().roster());
}
