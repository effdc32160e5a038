//! Files that are not what they must be, and the ceremony that takes a key over from such files, through real nodes.

use std::os::unix::fs::{chown, symlink};

use holdfast_chains::Signature;
use holdfast_ledger::{CeremonyId, ImportGiver, ImportProposal, OldKey, StatementBody, WalletProposal};
use holdfast_proto::v1;
use holdfast_threshold::EngineId;

use super::*;
use crate::testing::{Attempt, Cell, TestNode, make_shares, prepare_keygen, reason};

/// Files that multi-party-ecdsa wrote: a key of 2 of 3, by party.
const FILES: [&[u8]; 3] = [
    include_bytes!("../../../threshold/fixtures/foreign/gg20-2-of-3.share1.json"),
    include_bytes!("../../../threshold/fixtures/foreign/gg20-2-of-3.share2.json"),
    include_bytes!("../../../threshold/fixtures/foreign/gg20-2-of-3.share3.json"),
];
const OTHER_KEY: &[u8] = include_bytes!("../../../threshold/fixtures/foreign/gg20-3-of-5.share2.json");

fn wallet() -> WalletId {
    WalletId::new("hot-1").unwrap()
}

fn key_of(file: &[u8]) -> OldKey {
    let share = ForeignShare::from_local_key(file).unwrap();
    let point = |sec1: &[u8; 33]| PublicKey::from_sec1(sec1).unwrap();
    OldKey {
        t: share.key().t(),
        public_key: point(&share.key().public_key()),
        verifying_shares: share.key().verifying_shares().iter().map(point).collect(),
    }
}

fn put_at(path: &Path, file: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, file).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn path_of(node: &TestNode) -> PathBuf {
    node.directory.path().join("imports/hot-1.json")
}

/// A directory with this file in it.
fn with_file(file: &[u8]) -> (tempfile::TempDir, Imports, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let imports = Imports::in_directory(directory.path());
    let path = imports.path(&wallet());
    put_at(&path, file);
    (directory, imports, path)
}

#[test]
fn only_a_plain_file_that_nobody_else_can_touch_is_read() {
    let (directory, imports, path) = with_file(FILES[0]);
    let code = || imports.read(&wallet()).map(|share| share.party().get()).map_err(|error| error.code());
    assert_eq!(code(), Ok(1));
    for mode in [0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(code(), Err("IMPORT_FILE_NOT_PRIVATE"), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(code(), Ok(1));
    // Only who may give files away can make one that is another's.
    if chown(&path, Some(12_345), None).is_ok() {
        assert_eq!(code(), Err("IMPORT_FILE_NOT_PRIVATE"));
        chown(&path, Some(geteuid().as_raw()), None).unwrap();
    }
    let elsewhere = directory.path().join("elsewhere.json");
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(code(), Err("IMPORT_FILE_MISSING"));
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(code(), Err("IMPORT_FILE_NOT_PLAIN"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(code(), Err("IMPORT_FILE_NOT_PLAIN"));
    fs::remove_dir(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
    assert_eq!(code(), Err("IMPORT_FILE_NOT_PLAIN"));
    fs::remove_file(&path).unwrap();
    put_at(&path, &vec![b' '; MAX_FOREIGN_FILE_LEN + 1]);
    assert_eq!(code(), Err("IMPORT_FILE_TOO_LARGE"));
    put_at(&path, b"{}");
    assert_eq!(code(), Err("IMPORT_FILE_MALFORMED"));
    // A socket cannot be opened at all, and neither can what lies behind a file
    fs::remove_file(&path).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert_eq!(code(), Err("IMPORT_FILE_NOT_PLAIN"));
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.parent().unwrap(), b"").unwrap();
    assert_eq!(code(), Err("FILE_IO"));
}

#[test]
fn file_of_the_key_is_overwritten_and_removed_and_any_other_is_kept() {
    let key = key_of(FILES[0]).public_key;
    let (_directory, imports, path) = with_file(FILES[0]);
    let erase = || {
        let ended = imports.set_aside(&wallet(), &key)?;
        imports.erase_set_aside(&wallet()).map(|()| ended)
    };
    // Another name for the same bytes, to see what becomes of them.
    let same = path.with_file_name("same");
    fs::hard_link(&path, &same).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(imports.set_aside(&wallet(), &key).unwrap(), Ended::SetAside);
    assert_eq!((path.exists(), imports.has(&wallet())), (false, true));
    imports.erase_set_aside(&wallet()).unwrap();
    assert!(!imports.has(&wallet()));
    let left = fs::read(&same).unwrap();
    assert!(left.len() == FILES[0].len() && left.iter().all(|byte| *byte == 0));
    assert_eq!(erase().unwrap(), Ended::None);
    // A program that stopped when it had overwritten half of the file ends it at its next start.
    let half = [&left[..left.len() / 2], &FILES[0][left.len() / 2..]].concat();
    put_at(&imports.aside(&wallet()), &half);
    assert!(imports.has(&wallet()));
    assert_eq!(imports.set_aside(&wallet(), &key).unwrap(), Ended::None);
    assert!(!imports.has(&wallet()));
    // What else has that name is not this program's to erase.
    fs::create_dir(imports.aside(&wallet())).unwrap();
    assert_eq!(imports.erase_set_aside(&wallet()).unwrap_err().code(), "IMPORT_FILE_NOT_PLAIN");
    fs::remove_dir(imports.aside(&wallet())).unwrap();
    // One of another key stays as it is: it may be somebody's only copy.
    put_at(&path, OTHER_KEY);
    assert_eq!(erase().unwrap(), Ended::Kept);
    assert_eq!(fs::read(&path).unwrap(), OTHER_KEY);
    // So does what does not read as a share, and nobody says then that none is in it.
    let longer = [FILES[0], b"x"].concat();
    let too_long = vec![b' '; MAX_FOREIGN_FILE_LEN + 1];
    for (other, code) in [
        (longer.as_slice(), "IMPORT_FILE_MALFORMED"),
        (&FILES[0][..FILES[0].len() - 9], "IMPORT_FILE_MALFORMED"),
        (&too_long, "IMPORT_FILE_TOO_LARGE"),
    ] {
        put_at(&path, other);
        assert_eq!(erase().unwrap_err().code(), code);
        assert_eq!(fs::read(&path).unwrap(), other);
    }
    // What a link points to is not this program's.
    let elsewhere = path.with_file_name("elsewhere");
    put_at(&elsewhere, FILES[0]);
    fs::remove_file(&path).unwrap();
    assert!(!imports.has(&wallet()));
    symlink(&elsewhere, &path).unwrap();
    assert!(imports.has(&wallet()));
    assert_eq!(erase().unwrap_err().code(), "IMPORT_FILE_NOT_PLAIN");
    assert_eq!(fs::read(&elsewhere).unwrap(), FILES[0]);
}

#[test]
fn what_is_shown_of_a_file_is_public() {
    let (_directory, _, path) = with_file(FILES[1]);
    let shown = inspect_share(&path).unwrap();
    let old = key_of(FILES[1]);
    let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let expected = json!({"party": 2, "threshold": "2 of 3", "address": old.public_key.address(), "public_key": old.public_key,
        "verifying_shares": old.verifying_shares});
    assert_eq!(value, expected);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(inspect_share(&path).unwrap_err().code(), "IMPORT_FILE_NOT_PRIVATE");
}

/// The key of the files as wallet `hot-1`: node 1 gives as old party 3, node 2 as old party 1.
fn approved(cell: &mut Cell) -> CeremonyId {
    let nodes: Vec<_> = cell.state().roster().nodes().iter().map(|node| node.id.clone()).collect();
    let proposal = ImportProposal {
        old: key_of(FILES[0]),
        givers: vec![
            ImportGiver { node: nodes[0].clone(), party: 3 },
            ImportGiver { node: nodes[1].clone(), party: 1 },
        ],
        wallet: WalletProposal {
            wallet: wallet(),
            engine: EngineId::Dkls23EcdsaSecp256k1V06.name().to_owned(),
            t: 2,
            n: 3,
            nodes,
        },
    };
    cell.approved(StatementBody::ProposeImport(Box::new(proposal)))
}

async fn three_with_files() -> (Cell, Vec<TestNode>) {
    let cell = Cell::new();
    let nodes = TestNode::three(&cell).await;
    put_at(&path_of(&nodes[0]), FILES[2]);
    put_at(&path_of(&nodes[1]), FILES[0]);
    (cell, nodes)
}

#[tokio::test]
async fn giver_with_another_file_than_the_officers_approved_does_not_begin() {
    let (mut cell, nodes) = three_with_files().await;
    let ceremony = approved(&mut cell);
    let path = path_of(&nodes[0]);
    let other_party = FILES[0];
    for (file, code) in [
        (Some(other_party), "IMPORT_OF_OTHER_PARTY"),
        (Some(OTHER_KEY), "IMPORT_OF_OTHER_KEY"),
        (Some(b"{".as_slice()), "IMPORT_FILE_MALFORMED"),
        (None, "IMPORT_FILE_MISSING"),
    ] {
        fs::remove_file(&path).unwrap();
        match file {
            Some(file) => put_at(&path, file),
            None => assert!(!path.exists()),
        }
        let status = prepare_keygen(&cell, &nodes[0], ceremony, [1; 32]).await.unwrap_err();
        assert_eq!((reason(&status).as_str(), status.code()), (code, tonic::Code::FailedPrecondition));
        if file.is_none() {
            put_at(&path, FILES[2]);
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let status = prepare_keygen(&cell, &nodes[0], ceremony, [1; 32]).await.unwrap_err();
    assert_eq!(reason(&status), "IMPORT_FILE_NOT_PRIVATE");
    // The same session begins once the file is right, and who only receives needs none.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for node in &nodes {
        prepare_keygen(&cell, node, ceremony, [1; 32]).await.unwrap();
    }
}

#[tokio::test]
async fn key_of_another_deployment_signs_from_its_address_and_the_files_end_with_the_activation() {
    let (mut cell, nodes) = three_with_files().await;
    // Somebody put the third file on a node that does not give, and another key's on the one that does.
    put_at(&path_of(&nodes[2]), FILES[1]);
    let beside = nodes[0].directory.path().join("imports/hot-2.json");
    put_at(&beside, OTHER_KEY);
    let ceremony = approved(&mut cell);
    for confirmation in make_shares(&cell, &nodes, ceremony, [1; 32]).await {
        cell.accept(&confirmation);
    }
    assert!(nodes.iter().all(|node| path_of(node).exists()), "nothing is active yet");
    cell.activate(ceremony);
    let active = cell.state().wallet(&wallet()).unwrap().clone();
    let old = key_of(FILES[0]);
    assert_eq!((active.public_key, active.epoch), (old.public_key, 1));
    for node in &nodes {
        // Not on this node's word alone, and not as long as one of the others has not heard of it.
        node.catch_up(&cell).await;
        node.hear(&cell, &[node.number, node.number % 3 + 1]).await;
        assert!(path_of(node).exists(), "{}", node.name());
        node.hear(&cell, &[1, 2, 3]).await;
        assert!(!path_of(node).exists(), "{}", node.name());
        assert!(!node.node.signing.vault.imports().has(&wallet()), "nor under another name");
        assert!(node.node.retirement.is_settled(&active));
    }
    assert_eq!(fs::read(&beside).unwrap(), OTHER_KEY);
    cell.permit_payee();
    let withdrawal = cell.authorized("k-1", 0);
    let attempt = Attempt::prepare(&cell, &[&nodes[1], &nodes[2]], withdrawal, [9; 32]).await.unwrap();
    let digest = cell.state().withdrawal(&withdrawal).unwrap().authorization.as_ref().unwrap().digests[0];
    for v1::EcdsaSignature { r, s } in attempt.run().await.unwrap() {
        let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
        Signature::from_scalars(r, s, &digest, &old.public_key).unwrap();
    }
}

#[tokio::test]
async fn attempt_that_came_to_nothing_leaves_the_file_and_another_one_takes_its_place() {
    let (mut cell, nodes) = three_with_files().await;
    let ceremony = approved(&mut cell);
    let first = make_shares(&cell, &nodes, ceremony, [1; 32]).await;
    // Nobody logs what the first attempt made.
    drop(first);
    assert!(path_of(&nodes[0]).exists() && path_of(&nodes[1]).exists());
    for confirmation in make_shares(&cell, &nodes, ceremony, [2; 32]).await {
        cell.accept(&confirmation);
    }
    cell.activate(ceremony);
    let active = cell.state().wallet(&wallet()).unwrap().clone();
    for node in &nodes {
        node.catch_up(&cell).await;
        node.node.signing.vault.share_of(&active).unwrap();
    }
}
