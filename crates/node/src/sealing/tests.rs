//! What must not open.

use super::*;

const PASSPHRASE: &[u8] = b"correct horse battery staple";

fn ids() -> (ClusterId, NodeId) {
    (ClusterId::new("demo").unwrap(), NodeId::new("node-1").unwrap())
}

fn context<'a>(ids: &'a (ClusterId, NodeId)) -> SealedContext<'a> {
    SealedContext { cluster: &ids.0, node: &ids.1, kind: SealedKind::KeyShare, subject: "hot-1", epoch: 0 }
}

fn key() -> SealingKey {
    SealingKey::create(PASSPHRASE, KdfParameters::FAST_FOR_TESTS).unwrap()
}

#[test]
fn sealed_secret_opens_with_the_passphrase_and_the_blob_alone() {
    let ids = ids();
    let blob = key().seal(&context(&ids), b"the share").unwrap();
    let restored = SealingKey::of_blob(PASSPHRASE, &blob).unwrap();
    assert_eq!(restored.open(&context(&ids), &blob).unwrap().as_slice(), b"the share");
}

#[test]
fn wrong_passphrase_does_not_open() {
    let ids = ids();
    let blob = key().seal(&context(&ids), b"the share").unwrap();
    let wrong = SealingKey::of_blob(b"correct horse battery stapler", &blob).unwrap();
    assert_eq!(wrong.open(&context(&ids), &blob).unwrap_err(), SealingError::NotAuthentic);
}

#[test]
fn secret_of_another_cluster_node_kind_wallet_or_epoch_does_not_open() {
    let ids = ids();
    let (key, own) = (key(), context(&ids));
    let blob = key.seal(&own, b"the share").unwrap();
    let (cluster, node) = (ClusterId::new("dem").unwrap(), NodeId::new("node-2").unwrap());
    let others = [
        SealedContext { cluster: &cluster, ..own },
        SealedContext { node: &node, ..own },
        SealedContext { kind: SealedKind::KeygenState, ..own },
        SealedContext { subject: "hot-2", ..own },
        SealedContext { epoch: 1, ..own },
    ];
    for other in others {
        assert_eq!(key.open(&other, &blob).unwrap_err(), SealingError::NotAuthentic, "{other:?}");
    }
    key.open(&own, &blob).unwrap();
}

#[test]
fn every_changed_byte_is_noticed() {
    let ids = ids();
    let (key, own) = (key(), context(&ids));
    let blob = key.seal(&own, b"share").unwrap();
    for index in 0..blob.len() {
        let mut tampered = blob.clone();
        tampered[index] ^= 1;
        assert!(key.open(&own, &tampered).is_err(), "byte {index}");
    }
    for length in 0..blob.len() {
        assert!(key.open(&own, &blob[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn blob_of_another_installation_is_named_as_such() {
    let ids = ids();
    let blob = key().seal(&context(&ids), b"share").unwrap();
    assert_eq!(key().open(&context(&ids), &blob).unwrap_err(), SealingError::OtherSalt);
}

#[test]
fn one_secret_never_gives_the_same_blob_twice() {
    let ids = ids();
    let key = key();
    assert_ne!(key.seal(&context(&ids), b"share").unwrap(), key.seal(&context(&ids), b"share").unwrap());
}

#[test]
fn unreasonable_parameters_are_refused_before_any_work() {
    let ids = ids();
    let blob = key().seal(&context(&ids), b"share").unwrap();
    let mut greedy = blob;
    greedy[7..11].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(SealingKey::of_blob(PASSPHRASE, &greedy).unwrap_err(), SealingError::Unbearable);
}

#[test]
fn short_passphrase_is_refused() {
    let short = SealingKey::create(b"123456789012345", KdfParameters::FAST_FOR_TESTS);
    assert_eq!(short.unwrap_err(), SealingError::PassphraseTooShort);
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", key());
    assert!(shown.contains("<redacted>") && shown.matches('[').count() <= 1, "{shown}");
}

/// Version 1, sealed once by this program: later versions must still open it.
#[test]
fn blob_of_version_1_opens() {
    let ids = ids();
    let blob = hex::decode(include_str!("../../fixtures/sealed-v1.hex").trim()).unwrap();
    let key = SealingKey::of_blob(PASSPHRASE, &blob).unwrap();
    assert_eq!(key.open(&context(&ids), &blob).unwrap().as_slice(), b"the share");
}
