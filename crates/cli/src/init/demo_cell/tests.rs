//! The demo cell: complete, private, and never written over anything.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::session::Session;

fn made() -> (tempfile::TempDir, DemoCell) {
    let directory = tempfile::tempdir().unwrap();
    let cell = make(Output::silent(), &directory.path().join("cell"), &DemoArgs::default()).unwrap();
    (directory, cell)
}

#[test]
fn every_secret_is_private_to_its_owner() {
    let (_directory, cell) = made();
    let secrets = [
        "ca.key",
        "node-1/tls.key",
        "node-2/cosigning.key",
        "node-3/message.key",
        "node-1/passphrase",
        "coordinator/log.key",
        "coordinator/entry.key",
        "client/pipeline.key",
        "provider/sessions.key",
        "officers/alice",
        "officers/bob.tls.key",
        "auditor/tls.key",
        "operator/tls.key",
    ];
    for secret in secrets {
        let mode = std::fs::metadata(cell.directory.join(secret)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{secret}");
    }
}

#[test]
fn profile_and_genesis_belong_together_and_name_the_committee() {
    let (_directory, cell) = made();
    let session = Session::open(&cell.profile(), Output::silent()).unwrap();
    let document = &session.genesis.document;
    assert_eq!((document.threshold.t, document.threshold.n), (2, 3));
    assert_eq!(hex::encode(session.genesis.hash), cell.genesis_sha256);
    let places: std::collections::BTreeSet<_> = document.nodes.iter().map(|node| &node.region).collect();
    assert_eq!(places.len(), 3);
    // The four addresses that OFAC lists under USDT only are screened too.
    assert_eq!(session.genesis.screening[0].addresses().count(), 156);
}

#[test]
fn directory_with_anything_in_it_is_refused() {
    let (_directory, cell) = made();
    let failure = make(Output::silent(), &cell.directory, &DemoArgs::default()).unwrap_err();
    assert_eq!(failure.reason(), "FILE_EXISTS");
}

#[test]
fn ports_are_distinct_and_follow_the_base() {
    assert_eq!(ports(Some(7100)).unwrap(), (7100..7108).collect::<Vec<u16>>());
    let free: std::collections::BTreeSet<_> = ports(None).unwrap().into_iter().collect();
    assert_eq!(free.len(), 8);
    assert!(ports(Some(65_533)).is_err());
}

#[test]
fn genesis_that_is_not_the_pinned_one_is_refused() {
    let (_directory, cell) = made();
    let (_other_directory, other) = made();
    std::fs::copy(other.directory.join("genesis.entry.json"), cell.directory.join("genesis.entry.json"))
        .unwrap();
    let failure = Session::open(&cell.profile(), Output::silent()).map(|_| ()).unwrap_err();
    assert_eq!((failure.reason(), failure.exit()), ("GENESIS_INVALID", Exit::Verification));
}
