//! A snapshot is the state: nothing that comes after it can tell the difference, and nothing else is taken for one.

use holdfast_policy::{ClientId, TimestampMs, WalletId};
use proptest::prelude::*;
use serde_json::json;

use super::cell::{Cell, PAYEE, coordinator, sign, usdt_transfer, wallet_signature};
use crate::*;

/// One of many things that may happen next; most are admissible in some states and refused in others.
pub(super) fn happen(cell: &mut Cell, act: u8, choice: u8) {
    let key = format!("k-{}", choice % 4);
    let client = ClientId::new("pipeline").unwrap();
    let id = WithdrawalId::of("demo-1", client.as_str(), &key);
    let known = cell.state.withdrawal(&id).is_some();
    let wallet = WalletId::new("hot-1").unwrap();
    match act % 17 {
        0 => drop(cell.submit(&ask(cell, &key, 1250, u64::from(choice % 4)))),
        1 => drop(cell.submit(&ask(cell, &key, 60_000, u64::from(choice % 4)))),
        2 => cell.session(choice.is_multiple_of(5), false),
        3 if known && cell.withdrawal(id).transaction.is_some() => drop(cell.submit(&cell.authorize(id))),
        4 => sign_it(cell, id),
        5 if known => drop(cell.submit(&by_client(PayloadKind::CancelWithdrawal, id, None))),
        6 if known => {
            let transaction = usdt_transfer(PAYEE, 1250, u64::from(choice % 4)).to_hex();
            drop(cell.submit(&by_client(PayloadKind::BindTransaction, id, Some(transaction))));
        }
        7 if known => {
            let officer = ["alice", "bob", "carol"][usize::from(choice / 4 % 3)];
            drop(cell.submit(&cell.statement(officer, StatementBody::ApproveHold(id))));
        }
        8 if known && choice.is_multiple_of(2) => {
            drop(cell.submit(&cell.statement("alice", StatementBody::WithdrawApproval(id))));
        }
        8 if known => drop(cell.submit(&cell.statement("bob", StatementBody::RejectHold(id)))),
        9 => drop(cell.submit(&cell.statement("carol", StatementBody::PauseWallet(wallet)))),
        10 => {
            let pauses = &cell.state.wallet(&wallet).unwrap().pauses;
            let lifts: Vec<_> = pauses.iter().map(|pause| pause.statement).collect();
            if !lifts.is_empty() {
                cell.approved(StatementBody::ProposeResume { wallet, lifts });
            }
        }
        11 => drop(cell.whitelist(PAYEE, 86_400_000 + u64::from(choice))),
        12 => {
            let entry = cell.state.whitelist().nth(usize::from(choice % 3)).map(|entry| entry.id.clone());
            if let Some(entry) = entry {
                drop(cell.submit(&cell.statement("alice", StatementBody::RevokeWhitelistEntry(entry))));
            }
        }
        13 if known => {
            let price = super::after::gwei(30 + u128::from(choice % 8), 1 + u128::from(choice % 8));
            let transaction = super::after::pays(None, &super::after::own_address(), 0, 0, price);
            let request =
                cell.replacement(&format!("k-{}", choice / 4 % 4), id, "cancel-on-chain", &transaction);
            drop(cell.submit(&sign(PayloadKind::ReplacementRequest, &request, "client", "pipeline")));
        }
        14 if known => drop(cell.submit(&super::after::sworn(1 + choice / 4 % 3, id))),
        15 if known => {
            let report = cell.outcome(id, "confirmed", Some(u64::from(choice)));
            drop(cell.submit(&sign(PayloadKind::OutcomeReport, &report, "client", "pipeline")));
        }
        _ => cell.now += u64::from(choice) * 1000,
    }
}

fn ask(cell: &Cell, key: &str, usdt: u128, nonce: u64) -> holdfast_log::Envelope {
    let mut request = cell.request(key, usdt);
    request["transaction"] = json!(usdt_transfer(PAYEE, usdt, nonce).to_hex());
    sign(PayloadKind::WithdrawalRequest, &request, "client", "pipeline")
}

fn by_client(kind: PayloadKind, id: WithdrawalId, transaction: Option<String>) -> holdfast_log::Envelope {
    let mut payload = json!({"cluster": "demo-1", "client": "pipeline", "withdrawal": id});
    if let Some(transaction) = transaction {
        payload["transaction"] = json!(transaction);
    }
    sign(kind, &payload, "client", "pipeline")
}

fn sign_it(cell: &mut Cell, id: WithdrawalId) {
    let known = cell.state.withdrawal(&id).and_then(|withdrawal| withdrawal.authorization.as_ref());
    let Some(digest) = known.map(|authorization| authorization.digests[0]) else { return };
    let payload = json!({"cluster": "demo-1", "withdrawal": id, "digest_index": 0,
        "signature": wallet_signature(&digest), "signers": ["node-1", "node-2"]});
    drop(cell.submit(&coordinator(PayloadKind::SignatureLogged, &payload)));
}

/// Some of what happens does not fit, or trips a breaker.
pub(super) const DAY_LIMIT: &str = "asset = \"USDT\"\nper = [\"wallet\"]\nwindow_ms = 60000\ndeny_above = \"62000000000\"\n\n\
     [[restriction]]\nid = \"fuse\"\ntype = \"circuit_breaker\"\nwindow_ms = 60000\nmax_denials = 3\n\
     max_outflow = { asset = \"USDT\", amount = \"3000000000\" }";

/// Applies the log from a state on; what everybody who watches sees.
fn go_on(state: &mut State, cell: &Cell, from: usize) -> Vec<Outcome> {
    cell.log[from..].iter().map(|entry| state.apply(entry).unwrap().outcome).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn restored_state_cannot_be_told_from_the_one_that_applied_everything(
        acts in proptest::collection::vec((any::<u8>(), any::<u8>()), 10..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut cell = super::windows::limited(DAY_LIMIT);
        for (act, choice) in acts {
            happen(&mut cell, act, choice);
        }
        let cut = 1 + cut.index(cell.log.len());
        let mut all = State::from_genesis(&cell.genesis).unwrap();
        for entry in &cell.log[1..cut] {
            all.apply(entry).unwrap();
        }
        let bytes = all.to_snapshot();
        let mut restored = State::from_snapshot(&bytes, &cell.genesis).unwrap();
        prop_assert_eq!(restored.to_snapshot(), bytes);
        prop_assert_eq!((restored.size(), restored.digest()), (all.size(), all.digest()));
        prop_assert_eq!(go_on(&mut restored, &cell, cut), go_on(&mut all, &cell, cut));
        prop_assert_eq!(restored.digest(), cell.state.digest());
        prop_assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
        for (one, other) in all.withdrawals().zip(restored.withdrawals()) {
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(restored.withdrawal(&one.id), Some(one.as_ref()));
        }
        prop_assert!(all.whitelist().eq(restored.whitelist()) && all.ceremonies().eq(restored.ceremonies()));
    }
}

fn signed_cell() -> Cell {
    let mut cell = Cell::ready();
    for act in [0, 3, 4, 1, 7, 9] {
        happen(&mut cell, act, u8::from(act == 1));
    }
    cell
}

#[test]
fn altered_and_truncated_snapshots_are_refused() {
    let cell = signed_cell();
    let bytes = cell.state.to_snapshot();
    State::from_snapshot(&bytes, &cell.genesis).unwrap();
    for position in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        let refused = State::from_snapshot(&altered, &cell.genesis).unwrap_err().code();
        assert!(["SNAPSHOT_VERSION", "SNAPSHOT_CHECKSUM"].contains(&refused), "{position}: {refused}");
        assert!(State::from_snapshot(&bytes[..position], &cell.genesis).is_err());
    }
    assert!(State::from_snapshot(&[bytes, vec![0]].concat(), &cell.genesis).is_err());
}

/// The checksum is anybody's to make: what is inside must hold by itself.
#[test]
fn snapshot_with_a_checksum_of_its_own_must_still_be_well_formed() {
    let cell = signed_cell();
    let bytes = cell.state.to_snapshot();
    let body = &bytes[..bytes.len() - 32];
    let with_checksum = |body: &[u8]| [body, &<sha2::Sha256 as sha2::Digest>::digest(body)].concat();
    assert_eq!(with_checksum(body), bytes);
    for end in (30..body.len()).step_by(11) {
        let refused = State::from_snapshot(&with_checksum(&body[..end]), &cell.genesis).unwrap_err();
        assert_eq!(refused.code(), "SNAPSHOT_MALFORMED", "cut off at {end}");
    }
    let longer = [body, &[0]].concat();
    assert!(State::from_snapshot(&with_checksum(&longer), &cell.genesis).is_err());
}

#[test]
fn snapshot_of_another_cell_is_refused() {
    let cell = signed_cell();
    let mut document = super::cell::document();
    document["created_at_ms"] = json!(super::cell::START + 1);
    let other = super::cell::genesis_entry(&document).unwrap();
    let refused = State::from_snapshot(&cell.state.to_snapshot(), &other).unwrap_err();
    assert_eq!(refused.code(), "OTHER_GENESIS");
}

#[test]
fn settled_withdrawals_are_condensed_later_and_keep_what_may_matter() {
    // Given a signed withdrawal, and one that an officer rejected
    let mut cell = signed_cell();
    let signed = WithdrawalId::of("demo-1", "pipeline", "k-0");
    assert!(cell.state.open_withdrawals().all(|open| open.id != signed));
    let whole = cell.withdrawal(signed).clone();
    assert_eq!(whole.logged_state(), WithdrawalState::Signed);
    // When the log goes on for two periods
    while cell.state.size() < 2 * ATTEST_EVERY {
        assert_eq!(cell.withdrawal(signed), &whole, "whole for at least one period");
        cell.session(false, false);
    }
    let mut restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    assert_eq!(restored.withdrawal(&signed), Some(&whole));
    let until = cell.log.len();
    cell.session(false, false);
    // Then what was done, why it was held and who approved are still there, and it still cannot be signed again
    let condensed = cell.withdrawal(signed).clone();
    assert!(condensed.decision.rules.len() < whole.decision.rules.len());
    assert_eq!(condensed.decision.reasons(), whole.decision.reasons());
    assert_eq!((&condensed.signature, &condensed.transaction), (&whole.signature, &whole.transaction));
    assert_eq!((&condensed.authorization, condensed.positions), (&whole.authorization, whole.positions));
    assert_eq!(
        cell.state.authorized_withdrawal(&signed, 0, TimestampMs(cell.now)).unwrap_err().code(),
        "ORDER_NOT_PERMITTED"
    );
    // And a replica restored before condenses at the same entry
    go_on(&mut restored, &cell, until);
    assert_eq!(restored.to_snapshot(), cell.state.to_snapshot());
    assert_eq!(restored.digest(), cell.state.digest());
}

#[test]
fn withdrawal_that_the_last_entry_of_a_period_settles_is_seen_whole() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-0", 1250, 0);
    while cell.state.size() < ATTEST_EVERY - 1 {
        cell.session(false, false);
    }
    let decided = cell.withdrawal(id).decision.clone();
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    assert_eq!(cell.state.size(), ATTEST_EVERY);
    for _ in 0..2 {
        assert_eq!(cell.withdrawal(id).decision, decided, "rules that passed are there to be explained");
        cell.session(false, false);
    }
}

#[test]
fn withdrawal_that_is_settled_again_stays_whole_for_another_period() {
    let cell = signed_cell();
    let id = WithdrawalId::of("demo-1", "pipeline", "k-0");
    let mut withdrawals = super::super::withdrawals::Withdrawals::default();
    let whole = cell.withdrawal(id).clone();
    withdrawals.insert(whole.clone(), 0);
    withdrawals.insert(whole.clone(), 1);
    withdrawals.pack(2);
    assert_eq!(withdrawals.get(&id), Some(&whole));
    withdrawals.pack(3);
    assert_ne!(withdrawals.get(&id), Some(&whole));
}

#[test]
fn withdrawal_that_is_settled_a_period_after_it_was_asked_for_stays_whole_as_long_as_any() {
    let mut cell = Cell::ready();
    let id = cell.authorized("k-0", 1250, 0);
    let mut withdrawals = super::super::withdrawals::Withdrawals::default();
    withdrawals.insert(cell.withdrawal(id).clone(), 0);
    let signature = cell.signature_of(id);
    cell.accept(&signature);
    let whole = cell.withdrawal(id).clone();
    withdrawals.insert(whole.clone(), 1);
    withdrawals.pack(2);
    assert_eq!(withdrawals.get(&id), Some(&whole));
    withdrawals.pack(3);
    assert_ne!(withdrawals.get(&id), Some(&whole));
}

/// Nodes of two versions compare digests, and a node loads what its last version stored. If this fails and was meant to: entries
/// that mean something else need a new rules version; another form of a snapshot needs a new `VERSION` in `snapshot.rs`.
#[test]
fn digest_and_snapshot_of_a_known_log_are_those_of_the_first_version() {
    let mut cell = Cell::ready();
    for (act, choice) in (0..13).chain(0..8).zip(0_u8..) {
        happen(&mut cell, act, choice);
    }
    let snapshot = <sha2::Sha256 as sha2::Digest>::digest(cell.state.to_snapshot());
    assert_eq!(
        (cell.state.digest().to_string(), hex::encode(snapshot)),
        (DIGEST.to_owned(), SNAPSHOT.to_owned())
    );
}

const DIGEST: &str = "96105b779c43c58a79f29aa942e9ac55c08bb3e7a3312583fbe678743fc47cae";
const SNAPSHOT: &str = "cc48ad96eaf87fb90c55810bf5aae2410ead5f9a67262145fb4ec0b9e979dc96";

#[test]
fn condensed_withdrawal_keeps_why_it_was_held_and_nothing_else_of_its_decision() {
    let mut cell = Cell::ready();
    cell.session(false, true);
    let request = cell.request("k-1", 6000);
    let id = cell.ask(&request);
    let rejection = cell.statement("bob", StatementBody::RejectHold(id));
    cell.accept(&rejection);
    let whole = cell.withdrawal(id).clone();
    assert!(whole.request.transaction.is_some());
    let mut withdrawals = super::super::withdrawals::Withdrawals::default();
    withdrawals.insert(whole.clone(), 0);
    withdrawals.pack(2);
    let condensed = withdrawals.get(&id).unwrap();
    let rules = |withdrawal: &Withdrawal| -> Vec<_> {
        withdrawal.decision.rules.iter().map(|result| (result.rule.to_string(), result.verdict)).collect()
    };
    use holdfast_policy::Verdict;
    let decided: Vec<_> = rules(&whole)
        .into_iter()
        .filter(|(_, v)| matches!(v, Verdict::StepUp | Verdict::Hold | Verdict::Deny))
        .collect();
    assert!(decided.len() > 1 && decided.len() < rules(&whole).len());
    assert_eq!(rules(condensed), decided);
    let parts: Vec<_> = condensed.decision.risk.components.iter().map(|part| part.contribution).collect();
    assert_eq!((parts, condensed.decision.risk.score), (vec![45], 45));
    assert_eq!(condensed.request.transaction, None, "it is in the bound transaction");
    assert_eq!(condensed.transaction, whole.transaction);
}

#[test]
fn withdrawals_out_of_order_are_no_snapshot() {
    use super::super::withdrawals::Withdrawals;
    use crate::codec::{Decode as _, Encode as _};
    let mut cell = Cell::ready();
    let requests = ["k-1", "k-2"].map(|key| cell.request(key, 10));
    let mut records = requests.map(|request| {
        let id = cell.ask(&request);
        let mut alone = Withdrawals::default();
        alone.insert(cell.withdrawal(id).clone(), 0);
        (id, alone.to_bytes()[1..].to_vec())
    });
    records.sort();
    let [(_, first), (_, second)] = records;
    let read = |parts: [&[u8]; 2]| Withdrawals::from_bytes(&[&[2], parts[0], parts[1]].concat()).is_ok();
    assert!(read([&first, &second]));
    assert!(!read([&second, &first]));
    assert!(!read([&first, &first]));
    // Nor is one under another one's id, nor an open one among the settled. An id has 16 bytes, the form follows.
    let alone =
        |record: &[u8]| Withdrawals::from_bytes(&[&[1], record].concat()).err().map(|refused| refused.0);
    let misplaced = Some("a withdrawal is not in its place".to_owned());
    assert_eq!(alone(&first), None);
    assert_eq!(alone(&[&first[..16], &second[16..]].concat()), misplaced);
    assert_eq!(first[16], 0, "it is open");
    assert_eq!(alone(&[&first[..16], &[1, 0], &first[17..]].concat()), misplaced);
}

#[test]
fn maps_and_sets_out_of_order_are_no_snapshot() {
    use crate::codec::{Decode as _, Encode as _};
    type Map = imbl::OrdMap<u64, u64>;
    type Set = imbl::OrdSet<u64>;
    let map = |keys: [u64; 2]| Map::from_bytes(&keys.map(|key| (key, 7_u64)).to_vec().to_bytes());
    let set = |items: [u64; 2]| Set::from_bytes(&items.to_vec().to_bytes());
    assert_eq!(map([3, 4]).unwrap(), Map::from_iter([(3_u64, 7_u64), (4, 7)]));
    assert_eq!(set([3, 4]).unwrap(), Set::from_iter([3_u64, 4]));
    for keys in [[4, 3], [3, 3]] {
        assert_eq!(map(keys).unwrap_err().0, "a map is not in order");
        assert_eq!(set(keys).unwrap_err().0, "a set is not in order");
    }
}
