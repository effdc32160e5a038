//! Requests for entries: what is refused, how many wait, and who takes them back.

use super::*;

#[test]
fn attestation_of_anything_else_confirms_nothing() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    let mut wider = request.clone();
    wider["assets"] = json!(["ETH", "USDT"]);
    let (other, other_intent) = cell.ask_entry(&wider);
    cell.now += 70_000;
    let good = cell.confirmation(&id, intent, "c-1");
    for (field, value, code) in [
        ("intent", json!(hex::encode(other_intent)), "IDENTITY_OTHER_INTENT"),
        ("customer", json!("c-2"), "IDENTITY_OTHER_CUSTOMER"),
        ("method", json!("email"), "IDENTITY_METHOD_NOT_NAMED"),
        ("score", json!(79), "IDENTITY_SCORE_TOO_LOW"),
        ("observed_at_ms", json!(cell.now - 60_020), "IDENTITY_TOO_OLD"),
        ("provider", json!("pipeline-id"), "PROVIDER_NOT_NAMED"),
        ("subject", json!(format!("e-{}", "0".repeat(32))), "UNKNOWN_WHITELIST_ENTRY"),
    ] {
        let mut report = good.clone();
        report[field] = value;
        let rejection = cell.state.check(&attested(&report), TimestampMs(cell.now)).unwrap().unwrap_err();
        assert_eq!(rejection.field(), Some(field));
        assert_eq!(cell.would_refuse(&attested(&report)), code, "{field}");
    }
    let mut swapped = good.clone();
    swapped["subject"] = json!(other);
    assert_eq!(cell.would_refuse(&attested(&swapped)), "IDENTITY_OTHER_INTENT");
    assert!(cell.state.whitelist_entry(&id).is_none());
    cell.accept(&attested(&good));
    // And the same again, for the same entry, adds none
    let again = cell.confirmation(&id, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&again)), "WHITELIST_REQUEST_CLOSED");
    assert!(cell.state.whitelist_entry(&other).is_none());
}

#[test]
fn requests_that_make_no_sense_are_refused_with_their_reason() {
    let mut cell = cell();
    let good = cell.entry_request("c-1");
    let mixed = OWN_CHECKSUMMED.replace("E7", "e7");
    for (field, value, code) in [
        ("address", json!(mixed), "ADDRESS_CHECKSUM"),
        ("address", json!("0x00"), "FIELD_INVALID"),
        ("address", json!(format!("0x{}", "0".repeat(40))), "FIELD_INVALID"),
        ("assets", json!([]), "FIELD_INVALID"),
        ("assets", json!(["USDT", "USDT"]), "FIELD_INVALID"),
        ("assets", json!((0..16).map(|n| format!("A{n}")).collect::<Vec<_>>()), "UNKNOWN_ASSET"),
        ("assets", json!((0..17).map(|n| format!("A{n}")).collect::<Vec<_>>()), "FIELD_INVALID"),
        ("assets", json!(["DOGE"]), "UNKNOWN_ASSET"),
        ("chain_id", json!(5), "UNKNOWN_ASSET"),
        ("expires_at_ms", json!(cell.now + TEN_MINUTES), "POLICY_BOUND"),
        ("expires_at_ms", json!(cell.now + 91 * REAL_DAY), "POLICY_BOUND"),
        ("confirm_by_ms", json!(cell.now + 7 * REAL_DAY + 1), "FIELD_INVALID"),
        ("confirm_by_ms", json!(cell.now), "FIELD_INVALID"),
        ("created_at_ms", json!(cell.now + 60_000), "INTENT_FROM_THE_FUTURE"),
        ("cluster", json!("demo-2"), "CLUSTER_MISMATCH"),
        ("note", json!("x"), "FIELD_INVALID"),
    ] {
        let mut request = good.clone();
        request[field] = value;
        assert_eq!(cell.refuse(&asked(&request)), code, "{field}");
    }
    for (created, confirm_by) in [(0, 7 * REAL_DAY), (5_000, 7 * REAL_DAY)] {
        let mut request = good.clone();
        request["created_at_ms"] = json!(cell.now + created);
        request["confirm_by_ms"] = json!(cell.now + confirm_by);
        assert_eq!(code_at(&cell, &asked(&request), cell.now), None, "{created}");
    }
    for (address, read) in [
        (OWN.to_owned(), OWN_CHECKSUMMED),
        (OWN_CHECKSUMMED.to_owned(), OWN_CHECKSUMMED),
        (PAYEE.to_owned(), PAYEE),
        (PAYEE.to_lowercase(), PAYEE),
    ] {
        let mut request = good.clone();
        request["address"] = json!(address);
        let customer = format!("c-{}", address.len() + usize::from(address == read));
        request["customer"] = json!(customer);
        let (id, _) = cell.ask_entry(&request);
        assert_eq!(cell.state.requested_entry(&id).unwrap().request.address.to_string(), read);
        assert_eq!(cell.refuse(&asked(&request)), "ALREADY_RECORDED");
    }
    let mut without = Cell::ready();
    let request = without.entry_request("c-1");
    assert_eq!(without.refuse(&asked(&request)), "POLICY_BOUND", "nobody could confirm it");
}

#[test]
fn request_that_nobody_confirmed_in_time_is_void_forgotten_and_never_taken_again() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    let void_at = request["confirm_by_ms"].as_u64().unwrap();
    cell.now = void_at - 1;
    let late = attested(&cell.confirmation(&id, intent, "c-1"));
    assert_eq!(code_at(&cell, &late, void_at - 1), None);
    assert_eq!(code_at(&cell, &late, void_at), Some("WHITELIST_REQUEST_CLOSED"));
    let newer = cell.entry_request("c-2");
    cell.ask_entry(&newer);
    assert_eq!(cell.now, void_at);
    assert!(cell.state.requested_entry(&id).is_none());
    assert_eq!(code_at(&cell, &asked(&request), void_at), Some("INTENT_EXPIRED"));
}

#[test]
fn numbers_are_bounded_for_customers_and_clients_and_room_comes_back() {
    let mut cell = cell();
    let mut entries = Vec::new();
    for n in 0..3 {
        let mut request = cell.entry_request("c-1");
        request["expires_at_ms"] = json!(cell.now + (n + 2) * SHORT_DAY);
        entries.push(cell.confirmed(&request));
    }
    let one_more = cell.entry_request("c-1");
    assert_eq!(cell.refuse(&asked(&one_more)), "TOO_MANY_WHITELIST_ENTRIES");
    let other = cell.entry_request("c-2");
    cell.ask_entry(&other);
    // An entry that is over leaves its room, whatever ended it
    cell.now += 2 * SHORT_DAY;
    let request = cell.entry_request("c-1");
    cell.ask_entry(&request);
    let mut another = cell.entry_request("c-1");
    another["assets"] = json!(["ETH"]);
    assert_eq!(cell.refuse(&asked(&another)), "TOO_MANY_WHITELIST_ENTRIES", "open requests count too");
    // One client has so many open requests
    for n in 3..6 {
        let request = cell.entry_request(&format!("c-{n}"));
        cell.ask_entry(&request);
    }
    let fifth = cell.entry_request("c-9");
    assert_eq!(cell.refuse(&asked(&fifth)), "TOO_MANY_WHITELIST_ENTRIES");
    cell.now += SHORT_DAY + 10;
    let fifth = cell.entry_request("c-9");
    cell.ask_entry(&fifth);
}

#[test]
fn client_takes_back_all_that_it_asked_for_at_a_destination_and_nothing_else() {
    let mut cell = cell();
    let house = cell.whitelist(OWN_CHECKSUMMED, 10 * SHORT_DAY);
    let request = cell.entry_request("c-1");
    let first = cell.confirmed(&request);
    cell.now += 10;
    let request = cell.entry_request("c-1");
    let renewal = cell.confirmed(&request);
    cell.now += 10;
    let request = cell.entry_request("c-1");
    let (open, intent) = cell.ask_entry(&request);
    let request = cell.entry_request("c-2");
    let bobs = cell.confirmed(&request);
    assert_eq!(cell.refuse(&taken_back("other", &first)), "UNKNOWN_WHITELIST_ENTRY");
    assert_eq!(cell.refuse(&taken_back("pipeline", &house)), "UNKNOWN_WHITELIST_ENTRY");
    cell.accept(&taken_back("pipeline", &first));
    assert_eq!((cell.status(&first), cell.status(&renewal)), (EntryStatus::Revoked, EntryStatus::Revoked));
    assert_eq!((cell.status(&bobs), cell.status(&house)), (EntryStatus::Pending, EntryStatus::Pending));
    // Not even an attestation that was on its way confirms what was taken back
    let late = cell.confirmation(&open, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&late)), "WHITELIST_REQUEST_CLOSED");
    assert_eq!(cell.refuse(&asked(&request_of(&cell, &open))), "ALREADY_RECORDED");
    assert_eq!(cell.refuse(&taken_back("pipeline", &renewal)), "ALREADY_RECORDED");
    // An officer needs nobody's leave
    cell.accept(&cell.statement("carol", StatementBody::RevokeWhitelistEntry(bobs.clone())));
    assert_eq!(cell.status(&bobs), EntryStatus::Revoked);
}

/// The request of an entry, as its client signed it.
fn request_of(cell: &Cell, id: &WhitelistEntryId) -> Value {
    let index = usize::try_from(cell.state.requested_entry(id).unwrap().index).unwrap();
    serde_json::from_slice(&cell.log[index].envelope().payload).unwrap()
}

#[test]
fn request_of_a_client_that_officers_revoked_is_confirmed_by_nobody() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    cell.accept(&cell.statement("alice", StatementBody::RevokeClient("pipeline".parse().unwrap())));
    let report = cell.confirmation(&id, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&report)), "CLIENT_REVOKED");
    assert_eq!(cell.refuse(&asked(&cell.entry_request("c-2"))), "CLIENT_REVOKED");
}

#[test]
fn officer_revokes_what_waits_for_its_customer_and_nobody_confirms_it_then() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    let (other, other_intent) = cell.ask_entry(&cell.entry_request("c-2"));
    // Given statements made before and after the customer confirmed: they have the same words
    let early = cell.statement("carol", StatementBody::RevokeWhitelistEntry(other.clone()));
    let revocation = cell.statement("carol", StatementBody::RevokeWhitelistEntry(id.clone()));
    assert_eq!(cell.accept(&revocation).whitelist_entry, Some(id.clone()));
    assert!(!cell.state.requested_entry(&id).unwrap().is_open_at(TimestampMs(cell.now)));
    let late = cell.confirmation(&id, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&late)), "WHITELIST_REQUEST_CLOSED");
    let again = cell.statement("alice", StatementBody::RevokeWhitelistEntry(id.clone()));
    assert_eq!(cell.refuse(&again), "ALREADY_RECORDED");
    assert_eq!(cell.refuse(&asked(&request)), "ALREADY_RECORDED", "the same request is not taken again");
    // One that the confirmation overtook acts on the entry
    cell.confirm_entry(&(other.clone(), other_intent), "c-2");
    cell.accept(&early);
    assert_eq!(cell.status(&other), EntryStatus::Revoked);
    // What is void needs no revocation
    let (void, _) = cell.ask_entry(&cell.entry_request("c-3"));
    cell.now += SHORT_DAY;
    let late = cell.statement("carol", StatementBody::RevokeWhitelistEntry(void));
    assert_eq!(cell.refuse(&late), "ALREADY_RECORDED");
    let restored = State::from_snapshot(&cell.state.to_snapshot(), &cell.genesis).unwrap();
    assert_eq!(restored.requested_entry(&id), cell.state.requested_entry(&id));
}

#[test]
fn client_asks_until_its_key_expires_and_what_it_asked_for_is_confirmed_no_longer() {
    let mut cell = cell();
    let expires = START + 1_000_000_000;
    cell.now = expires - 2;
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    let another = asked(&cell.entry_request("c-2"));
    let confirmation = attested(&cell.confirmation(&id, intent, "c-1"));
    for envelope in [another, confirmation] {
        assert_eq!(code_at(&cell, &envelope, expires - 1), None);
        assert_eq!(code_at(&cell, &envelope, expires), Some("SIGNER_NOT_AUTHORIZED"));
    }
}

#[test]
fn what_was_asked_with_a_key_that_is_gone_is_not_confirmed_and_takes_no_room() {
    let mut cell = cell();
    let mut request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    for n in 2..=4 {
        let request = cell.entry_request(&format!("c-{n}"));
        cell.ask_entry(&request);
    }
    cell.accept(&cell.statement("alice", StatementBody::RevokeClient("pipeline".parse().unwrap())));
    let back = add_client(&cell, "pipeline", "pipeline-2");
    cell.change_roster(back);
    let report = cell.confirmation(&id, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&report)), "SIGNER_NOT_AUTHORIZED");
    for n in 5..=9 {
        request["customer"] = json!(format!("c-{n}"));
        let payload = serde_json::to_vec(&request).unwrap();
        let (kind, key) = (PayloadKind::WhitelistRequest.payload_type(), ed25519("pipeline-2"));
        let fresh = holdfast_log::Envelope::sign_ed25519(kind, payload, "client:pipeline", &key).unwrap();
        if n < 9 {
            cell.accept(&fresh);
        } else {
            assert_eq!(cell.refuse(&fresh), "TOO_MANY_WHITELIST_ENTRIES");
        }
    }
}

#[test]
fn confirmation_adds_no_entry_beyond_those_that_a_customer_may_have() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, intent) = cell.ask_entry(&request);
    for n in 1..=3 {
        let StatementBody::ProposeWhitelistEntry(mut proposal) =
            cell.whitelist_proposal(&format!("0x{n:040x}"))
        else {
            unreachable!()
        };
        proposal.customer = Some("c-1".parse().unwrap());
        proposal.expires_at = TimestampMs(cell.now + SHORT_DAY);
        cell.approved(StatementBody::ProposeWhitelistEntry(proposal));
    }
    let report = cell.confirmation(&id, intent, "c-1");
    assert_eq!(cell.refuse(&attested(&report)), "TOO_MANY_WHITELIST_ENTRIES");
}

#[test]
fn what_is_taken_back_is_the_clients_own_at_that_destination_in_this_cell() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let own = cell.confirmed(&request);
    let mut request = cell.entry_request("c-1");
    request["client"] = json!("other");
    let others = cell.confirmed(&request);
    let mut request = cell.entry_request("c-1");
    request["address"] = json!(PAYEE);
    let (elsewhere, _) = cell.ask_entry(&request);
    let payload = json!({"cluster": "demo-2", "client": "pipeline", "entry": own});
    let foreign = sign(PayloadKind::WhitelistRevocation, &payload, "client", "pipeline");
    assert_eq!(cell.refuse(&foreign), "CLUSTER_MISMATCH");
    // Nothing of it waits for the customer any more.
    cell.accept(&taken_back("pipeline", &own));
    assert_eq!((cell.status(&own), cell.status(&others)), (EntryStatus::Revoked, EntryStatus::Pending));
    assert!(cell.state.requested_entry(&elsewhere).unwrap().is_open_at(TimestampMs(cell.now)));
}

#[test]
fn request_under_another_ones_id_is_no_request() {
    let mut cell = cell();
    let request = cell.entry_request("c-1");
    let (id, _) = cell.ask_entry(&request);
    let record = cell.state.requested_entry(&id).unwrap().clone();
    let other: WhitelistEntryId = format!("e-{}", "0".repeat(32)).parse().unwrap();
    for (id, good) in [(id, true), (other, false)] {
        let mut bytes = Vec::new();
        imbl::OrdMap::unit(id, std::sync::Arc::new(record.clone())).encode(&mut bytes);
        assert_eq!(Requests::decode(&mut Input::new(&bytes)).is_ok(), good);
    }
}
