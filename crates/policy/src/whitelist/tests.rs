//! Tests of the whitelist: boundaries, owners, and which entry explains a refusal.

use super::*;
use crate::time::DurationMs;

const DAY: u64 = 86_400_000;
const START: TimestampMs = TimestampMs(1_000_000);
const END: TimestampMs = TimestampMs(1_000_000 + DAY);
const TERMS: WhitelistTerms = WhitelistTerms::new(DurationMs(0), DurationMs(365 * DAY));

fn address(last: u8) -> Address {
    let mut bytes = [0x11; 20];
    bytes[19] = last;
    Address::from_bytes(bytes)
}

fn customer(name: &str) -> EntryOwner {
    EntryOwner::Customer(CustomerRef::new(name).unwrap())
}

fn entry(id: &str, owner: EntryOwner) -> WhitelistEntry {
    WhitelistEntry {
        id: WhitelistEntryId::new(id).unwrap(),
        chain_id: ChainId(1),
        address: address(1),
        assets: BTreeSet::from([AssetSymbol::parse("USDT").unwrap()]),
        owner,
        not_before: START,
        expires_at: END,
        revoked_at: None,
        last_used: None,
    }
}

fn whitelist(entries: impl IntoIterator<Item = WhitelistEntry>) -> Whitelist {
    let mut whitelist = Whitelist::new();
    for entry in entries {
        whitelist.insert(entry).unwrap();
    }
    whitelist
}

fn look_up(list: &Whitelist, asset: &str, who: Option<&str>, now: u64) -> Result<String, ReasonCode> {
    let asset = AssetSymbol::parse(asset).unwrap();
    let who = who.map(|name| CustomerRef::new(name).unwrap());
    list.covering(&TERMS, (ChainId(1), address(1)), &asset, who.as_ref(), TimestampMs(now))
        .map(|entry| entry.id.to_string())
        .map_err(|refusal| refusal.code)
}

#[test]
fn entry_is_active_from_not_before_inclusive_to_expires_at_exclusive() {
    let entry = entry("a", EntryOwner::House);
    assert_eq!(entry.status_at(TimestampMs(START.0 - 1)), EntryStatus::Pending);
    assert_eq!(entry.status_at(START), EntryStatus::Active);
    assert_eq!(entry.status_at(TimestampMs(END.0 - 1)), EntryStatus::Active);
    assert_eq!(entry.status_at(END), EntryStatus::Expired);
}

#[test]
fn revoked_entry_is_revoked_at_every_time_even_before_the_revocation() {
    let mut entry = entry("a", EntryOwner::House);
    entry.revoked_at = Some(END);
    for now in [TimestampMs(0), START, END, TimestampMs(u64::MAX)] {
        assert_eq!(entry.status_at(now), EntryStatus::Revoked);
    }
}

#[test]
fn shorter_life_in_a_newer_policy_ends_old_entries_earlier() {
    let entry = entry("a", EntryOwner::House);
    let shorter = WhitelistTerms::new(DurationMs(0), DurationMs(1_000));
    assert_eq!(entry.status_under(&shorter, TimestampMs(START.0 + 999)), EntryStatus::Active);
    assert_eq!(entry.status_under(&shorter, TimestampMs(START.0 + 1_000)), EntryStatus::Expired);
    assert_eq!(entry.status_at(TimestampMs(START.0 + 1_000)), EntryStatus::Active);
}

#[test]
fn longest_life_that_does_not_fit_never_lengthens_an_entry() {
    let entry = entry("a", EntryOwner::House);
    let endless = WhitelistTerms::new(DurationMs(0), DurationMs(u64::MAX));
    assert_eq!(entry.status_under(&endless, END), EntryStatus::Expired);
}

#[test]
fn house_entry_serves_everybody_and_customer_entry_its_customer_only() {
    let house = whitelist([entry("h", EntryOwner::House)]);
    assert_eq!(look_up(&house, "USDT", None, START.0), Ok("h".into()));
    assert_eq!(look_up(&house, "USDT", Some("alice"), START.0), Ok("h".into()));

    let alice = whitelist([entry("a", customer("alice"))]);
    assert_eq!(look_up(&alice, "USDT", Some("alice"), START.0), Ok("a".into()));
    assert_eq!(look_up(&alice, "USDT", Some("mallory"), START.0), Err(ReasonCode::WhitelistOwnerMismatch));
    assert_eq!(look_up(&alice, "USDT", None, START.0), Err(ReasonCode::WhitelistOwnerMismatch));
}

#[test]
fn other_chain_and_other_address_are_not_whitelisted() {
    let list = whitelist([entry("h", EntryOwner::House)]);
    let usdt = AssetSymbol::parse("USDT").unwrap();
    for place in [(ChainId(137), address(1)), (ChainId(1), address(0)), (ChainId(1), address(2))] {
        let refusal = list.covering(&TERMS, place, &usdt, None, START).unwrap_err();
        assert_eq!(refusal, WhitelistRefusal { code: ReasonCode::DestinationNotWhitelisted, entry: None });
    }
}

#[test]
fn refusal_is_explained_by_the_entry_that_came_closest() {
    let mut entries = vec![entry("asset", EntryOwner::House)];
    entries[0].assets = BTreeSet::from([AssetSymbol::parse("ETH").unwrap()]);
    let explain = |entries: &[WhitelistEntry]| {
        look_up(&whitelist(entries.to_vec()), "USDT", None, START.0).unwrap_err()
    };
    assert_eq!(explain(&entries), ReasonCode::WhitelistAssetNotCovered);

    entries.push(WhitelistEntry { revoked_at: Some(START), ..entry("revoked", EntryOwner::House) });
    assert_eq!(explain(&entries), ReasonCode::WhitelistEntryRevoked);

    let past =
        WhitelistEntry { not_before: TimestampMs(1), expires_at: START, ..entry("past", EntryOwner::House) };
    entries.push(past);
    assert_eq!(explain(&entries), ReasonCode::WhitelistEntryExpired);

    let future =
        WhitelistEntry { not_before: TimestampMs(START.0 + 1), ..entry("future", EntryOwner::House) };
    entries.push(future);
    assert_eq!(explain(&entries), ReasonCode::WhitelistEntryPending);

    entries.reverse();
    assert_eq!(
        explain(&entries),
        ReasonCode::WhitelistEntryPending,
        "the order of insertion does not matter"
    );
}

#[test]
fn renewed_entry_is_usable_beside_its_revoked_predecessor() {
    let mut list = whitelist([entry("old", EntryOwner::House)]);
    list.revoke(&WhitelistEntryId::new("old").unwrap(), START).unwrap();
    list.insert(entry("new", EntryOwner::House)).unwrap();
    assert_eq!(look_up(&list, "USDT", None, START.0), Ok("new".into()));
}

#[test]
fn revocation_is_found_by_id_and_cannot_be_repeated_or_moved() {
    let id = WhitelistEntryId::new("a").unwrap();
    let mut list = whitelist([entry("a", EntryOwner::House), entry("b", customer("bob"))]);
    assert_eq!(list.revoke(&id, START).unwrap().revoked_at, Some(START));
    assert_eq!(list.revoke(&id, END), Err(WhitelistError::AlreadyRevoked(id.clone())));
    assert_eq!(list.entry(&id).unwrap().revoked_at, Some(START));
    assert_eq!(look_up(&list, "USDT", None, START.0), Err(ReasonCode::WhitelistEntryRevoked));
    let unknown = WhitelistEntryId::new("c").unwrap();
    assert_eq!(list.revoke(&unknown, START), Err(WhitelistError::Unknown(unknown)));
}

#[test]
fn id_of_a_revoked_entry_cannot_be_used_again() {
    let mut list = whitelist([entry("a", EntryOwner::House)]);
    assert!(!list.is_empty());
    list.revoke(&WhitelistEntryId::new("a").unwrap(), START).unwrap();
    let again = list.insert(entry("a", customer("mallory"))).unwrap_err();
    assert_eq!(again, WhitelistError::DuplicateId(WhitelistEntryId::new("a").unwrap()));
    assert_eq!(list.len(), 1);
}

#[test]
fn entry_that_covers_nothing_is_refused() {
    let mut list = Whitelist::new();
    let empty = WhitelistEntry { assets: BTreeSet::new(), ..entry("a", EntryOwner::House) };
    assert!(matches!(list.insert(empty), Err(WhitelistError::NoAssets(_))));
    let backwards = WhitelistEntry { expires_at: START, ..entry("a", EntryOwner::House) };
    assert!(matches!(list.insert(backwards), Err(WhitelistError::NeverActive(_))));
    assert!(list.is_empty());
}

#[test]
fn entries_that_name_a_destination_are_found_whatever_their_owner() {
    let mut others = [entry("x", EntryOwner::House), entry("y", EntryOwner::House)];
    others[0].address = address(2);
    others[1].chain_id = ChainId(2);
    let list =
        whitelist([entry("b", customer("bob")), entry("h", EntryOwner::House)].into_iter().chain(others));
    let naming = |place| list.naming(place).map(|entry| entry.id.as_str()).collect::<Vec<_>>();
    assert_eq!(naming((ChainId(1), address(1))), ["h", "b"]);
    assert_eq!(naming((ChainId(1), address(2))), ["x"]);
    assert!(naming((ChainId(3), address(1))).is_empty());
    assert!(naming((ChainId(0), address(1))).is_empty(), "another chain's entries are next in order");
}

#[test]
fn only_active_entries_are_among_all_that_cover() {
    let mut list = whitelist(["a", "b", "c"].map(|id| entry(id, EntryOwner::House)));
    list.revoke(&WhitelistEntryId::new("b").unwrap(), START).unwrap();
    let usdt = AssetSymbol::parse("USDT").unwrap();
    let covering = |now| {
        let all = list.all_covering(&TERMS, (ChainId(1), address(1)), &usdt, None, now);
        all.map(|entry| entry.id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(covering(START), ["c", "a"]);
    assert!(covering(END).is_empty());
}

#[test]
fn entries_are_listed_by_id() {
    let list = whitelist([
        entry("b", customer("bob")),
        entry("c", EntryOwner::House),
        entry("a", EntryOwner::House),
    ]);
    assert_eq!(list.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn stored_form_of_an_entry_is_fixed() {
    let json = r#"{"id":"a","chain_id":1,"address":"0x1111111111111111111111111111111111111101","assets":["USDT"],"owner":{"customer":"alice"},"not_before_ms":1000000,"expires_at_ms":87400000}"#;
    let stored = entry("a", customer("alice"));
    assert_eq!(serde_json::to_string(&stored).unwrap(), json);
    assert_eq!(serde_json::from_str::<WhitelistEntry>(json).unwrap(), stored);
    assert!(serde_json::from_str::<WhitelistEntry>(&json.replace("\"id\"", "\"extra\":1,\"id\"")).is_err());
}

#[test]
fn revocation_ends_the_named_entry_and_no_other_of_the_same_address() {
    for named in ["a", "b"] {
        let mut list = whitelist([entry("a", EntryOwner::House), entry("b", EntryOwner::House)]);
        let id = WhitelistEntryId::new(named).unwrap();
        assert_eq!(list.revoke(&id, START).unwrap().id, id);
        let revoked: Vec<_> = list.iter().filter(|e| e.revoked_at.is_some()).map(|e| e.id.clone()).collect();
        assert_eq!(revoked, [id]);
    }
}

#[test]
fn of_equally_close_entries_the_newest_explains_a_refusal() {
    let list = whitelist([entry("a", EntryOwner::House), entry("b", EntryOwner::House)]);
    let usdt = AssetSymbol::parse("USDT").unwrap();
    let refusal = list.covering(&TERMS, (ChainId(1), address(1)), &usdt, None, END).unwrap_err();
    assert_eq!(refusal.entry.unwrap().id.as_str(), "b");
}

fn dormant_after(ms: u64) -> WhitelistTerms {
    WhitelistTerms { dormancy: Some(DurationMs(ms)), ..TERMS }
}

#[test]
fn entry_that_nobody_uses_expires_to_the_millisecond_and_its_use_lets_it_live_on() {
    let (terms, mut list) = (dormant_after(1_000), whitelist([entry("a", EntryOwner::House)]));
    let id = WhitelistEntryId::new("a").unwrap();
    let status =
        |list: &Whitelist, at: u64| list.entry(&id).unwrap().status_under(&terms, TimestampMs(START.0 + at));
    assert_eq!(status(&list, 999), EntryStatus::Active);
    assert_eq!(status(&list, 1_000), EntryStatus::Dormant);
    list.mark_used(&id, TimestampMs(START.0 + 600));
    assert_eq!(status(&list, 1_599), EntryStatus::Active);
    assert_eq!(status(&list, 1_600), EntryStatus::Dormant);
    assert_eq!(list.entry(&id).unwrap().ends_at(&terms), TimestampMs(START.0 + 1_600));
    // A use that was logged before a later one takes nothing back
    list.mark_used(&id, TimestampMs(START.0 + 100));
    assert_eq!(status(&list, 1_599), EntryStatus::Active);
    // And no use outlives the entry
    list.mark_used(&id, TimestampMs(END.0 - 1));
    assert_eq!(status(&list, DAY - 1), EntryStatus::Active);
    assert_eq!(status(&list, DAY), EntryStatus::Expired);
}

#[test]
fn use_before_an_entry_is_active_does_not_let_it_start_late() {
    let used = WhitelistEntry { last_used: Some(TimestampMs(1)), ..entry("a", EntryOwner::House) };
    assert_eq!(used.ends_at(&dormant_after(1_000)), TimestampMs(START.0 + 1_000));
}

#[test]
fn dormant_entry_refuses_with_its_own_reason_and_another_one_still_serves() {
    let terms = dormant_after(1_000);
    let mut fresh = entry("fresh", customer("alice"));
    fresh.not_before = TimestampMs(START.0 + 1_000);
    let list = whitelist([entry("old", EntryOwner::House), fresh]);
    let (asset, alice) = (AssetSymbol::parse("USDT").unwrap(), CustomerRef::new("alice").unwrap());
    let covering = |who: Option<&CustomerRef>| {
        let found =
            list.covering(&terms, (ChainId(1), address(1)), &asset, who, TimestampMs(START.0 + 1_000));
        found.map(|entry| entry.id.to_string()).map_err(|refusal| refusal.code)
    };
    assert_eq!(covering(None), Err(ReasonCode::WhitelistEntryDormant));
    assert_eq!(covering(Some(&alice)), Ok("fresh".to_owned()));
}

#[test]
fn entries_are_found_by_their_customer() {
    let list = whitelist([
        entry("a", customer("alice")),
        entry("b", EntryOwner::House),
        entry("c", customer("bob")),
        entry("d", customer("alice")),
    ]);
    let of = |name: &str| {
        let customer = CustomerRef::new(name).unwrap();
        list.of_customer(&customer).map(|entry| entry.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((of("alice"), of("carol")), (vec!["a".to_owned(), "d".to_owned()], Vec::new()));
    assert_eq!(list.at((ChainId(1), address(1)), &customer("alice")).count(), 2);
}
