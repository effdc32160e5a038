//! What nodes send is hostile input: every field that is read has a test for its refusal.

use holdfast_policy::ReasonCode;

use super::decision::sentence;
use super::*;

fn tip() -> v1::ReplicaTip {
    v1::ReplicaTip { tip_size: 3, root: vec![7; 32], ..v1::ReplicaTip::default() }
}

#[test]
fn tip_with_a_root_of_another_length_or_a_malformed_cosignature_is_refused() {
    assert_eq!(Tip::try_from(tip()).unwrap().size, 3);
    for root in [vec![], vec![7; 31], vec![7; 33]] {
        assert_eq!(Tip::try_from(v1::ReplicaTip { root, ..tip() }).unwrap_err().field, "root");
    }
    let cosignature = b"not a signature line\n".to_vec();
    assert_eq!(Tip::try_from(v1::ReplicaTip { cosignature, ..tip() }).unwrap_err().field, "cosignature");
}

#[test]
fn node_status_without_a_tip_is_refused() {
    assert_eq!(NodeReport::try_from(v1::NodeStatus::default()).unwrap_err().field, "tip");
}

#[test]
fn latches_and_statements_of_a_hostile_node_are_bounded() {
    let latch = v1::RefusalLatch {
        scope: "wallet".to_owned(),
        id: "hot-1".to_owned(),
        officer: "alice".to_owned(),
        statement_hash: vec![1; 32],
        since_ms: 5,
    };
    let unknown = v1::RefusalLatch { scope: "everything".to_owned(), ..latch.clone() };
    let status = v1::NodeStatus {
        tip: Some(tip()),
        latches: std::iter::once(unknown).chain(vec![latch; 10_000]).collect(),
        unlogged_statements: vec![vec![0; 10]; 10_000],
        version: "v".repeat(10_000),
        unmaintained_engines: vec!["e".repeat(10_000); 1_000],
        erasures: vec![vec![0; 10]; 10_000],
        ..v1::NodeStatus::default()
    };
    let report = NodeReport::try_from(status).unwrap();
    assert_eq!((report.latches.len(), report.unlogged_statements.len(), report.version.len()), (63, 64, 64));
    assert_eq!(report.unmaintained_engines, vec!["e".repeat(64); 8]);
    assert_eq!(report.erasures.len(), 64);
}

#[test]
fn latch_keeps_its_meaning_on_the_way_through() {
    let wire = v1::RefusalLatch {
        scope: "whitelist-entry".to_owned(),
        id: "e-1".to_owned(),
        officer: "alice".to_owned(),
        statement_hash: vec![9; 32],
        since_ms: 5,
    };
    assert_eq!(latch(&LatchReport::try_from(wire.clone()).unwrap()), wire);
    let short = v1::RefusalLatch { statement_hash: vec![9; 31], ..wire };
    assert_eq!(LatchReport::try_from(short).unwrap_err().field, "statement_hash");
}

#[test]
fn message_for_no_party_and_empty_message_are_refused() {
    let outbound = |to_party, message: Vec<u8>| RoutedMessage::try_from(v1::Outbound { to_party, message });
    assert_eq!(outbound(2, vec![1]).unwrap().to_party, 2);
    assert_eq!(outbound(256, vec![1]).unwrap_err().field, "to_party");
    assert_eq!(outbound(2, vec![]).unwrap_err().field, "message");
}

#[test]
fn scalars_of_another_length_are_refused() {
    let wire = |r, s| scalars(v1::EcdsaSignature { r: vec![1; r], s: vec![2; s] });
    assert_eq!(wire(32, 32).unwrap(), ([1; 32], [2; 32]));
    assert_eq!(wire(31, 32).unwrap_err().field, "r");
    assert_eq!(wire(32, 33).unwrap_err().field, "s");
}

#[test]
fn ids_that_are_too_long_or_malformed_name_their_field() {
    assert_eq!(withdrawal_id("withdrawal_id", &"w".repeat(65)).unwrap_err().field, "withdrawal_id");
    assert_eq!(wallet_id("wallet_id", "../hot").unwrap_err().field, "wallet_id");
    assert!(wallet_id("wallet_id", "hot-1").is_ok());
}

#[test]
fn filters_that_name_no_state_are_refused_and_zero_means_any() {
    assert_eq!(withdrawal_state("state", 0), Ok(None));
    assert!(withdrawal_state("state", 999).is_err());
    assert_eq!(whitelist_state("state", 0), Ok(WhitelistFilter::Any));
    assert!(whitelist_state("state", -1).is_err());
    assert_eq!(ceremony_phase("phase", 0), Ok(None));
    assert!(ceremony_phase("phase", 999).is_err());
}

#[test]
fn every_sentence_of_the_policy_is_spelled_as_the_api_says() {
    for reason in ReasonCode::ALL {
        let text = sentence(reason.officer_sentence());
        assert!(!text.ends_with('.') && !text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
    }
}

#[test]
fn position_carries_the_time_of_its_entry() {
    let times = EntryTimes(&[100, 105]);
    assert_eq!(times.position(1), v1::LogPosition { index: 1, time_ms: 105 });
    assert_eq!(times.position(2), v1::LogPosition { index: 2, time_ms: 0 });
}
