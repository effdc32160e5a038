//! What a store refuses to open.

use std::any::Any;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use holdfast_store::{BackendKind, Batch, StoreConfig, StoreHandle, Table};

use crate::{BINDINGS, ENTRIES, Fixture, TABLES};

fn reason(config: &StoreConfig) -> &'static str {
    StoreHandle::open(config, &TABLES).map(drop).unwrap_err().reason()
}

pub(crate) fn directories_and_data_files_are_created_private(backend: BackendKind) {
    let store = Fixture::new(backend);
    let deep = store.directory.path().join("data/node-1/store");
    let _handle = StoreHandle::open(&StoreConfig::at(&deep).with_backend(backend), &TABLES).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for directory in deep.ancestors().take(3) {
        assert_eq!(mode(directory), 0o700, "{directory:?}");
    }
    let data = match backend {
        BackendKind::Redb => "store.redb",
        BackendKind::Sled => "sled/db",
    };
    assert_eq!((mode(&deep.join(data)), mode(&deep.join("LOCK"))), (0o600, 0o600));
}

pub(crate) fn store_of_format_version_1_still_opens(backend: BackendKind) {
    let store = Fixture::new(backend);
    let config = store.config();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1");
    let (directory, files): (_, &[&str]) = match backend {
        BackendKind::Redb => (config.path.clone(), &["store.redb"]),
        BackendKind::Sled => (config.path.join("sled"), &["sled/conf", "sled/db"]),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).unwrap();
    for file in files {
        fs::copy(fixture.join(file), config.path.join(file)).unwrap();
    }

    let handle = store.open();
    assert_eq!(handle.read(ENTRIES, b"k").unwrap(), Some(b"v".to_vec()));
    assert_eq!(handle.read(BINDINGS, b"long").unwrap(), Some(vec![7; 10_000]));
    handle.commit_blocking(Batch::new().expect_present(ENTRIES, "k").put(ENTRIES, "k", "w")).unwrap();
    handle.close_blocking().unwrap();
    assert_eq!(store.open().read(ENTRIES, b"k").unwrap(), Some(b"w".to_vec()));
}

pub(crate) fn directory_that_others_can_access_is_refused(backend: BackendKind) {
    let store = Fixture::new(backend);
    let config = store.config();
    fs::create_dir(&config.path).unwrap();
    for mode in [0o755, 0o750, 0o701, 0o770] {
        fs::set_permissions(&config.path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(reason(&config), "STORE_DIRECTORY_OPEN_TO_OTHERS", "mode {mode:o}");
    }
    fs::set_permissions(&config.path, fs::Permissions::from_mode(0o700)).unwrap();
    StoreHandle::open(&config, &TABLES).unwrap().close_blocking().unwrap();
}

pub(crate) fn second_opener_is_refused_while_the_first_lives(backend: BackendKind) {
    let store = Fixture::new(backend);
    let first = store.open();
    assert_eq!(reason(&store.config()), "STORE_LOCKED");
    first.close_blocking().unwrap();
    store.open();
}

/// A program that uses the library alone knows nothing of the directory's lock.
pub(crate) fn data_file_that_another_program_holds_is_refused_as_locked(backend: BackendKind) {
    let store = Fixture::new(backend);
    let config = store.config();
    store.open().close_blocking().unwrap();
    let holder: Box<dyn Any> = match backend {
        BackendKind::Redb => Box::new(redb::Database::open(config.path.join("store.redb")).unwrap()),
        BackendKind::Sled => {
            Box::new(sled::Config::new().path(config.path.join("sled")).segment_size(1 << 20).open().unwrap())
        }
    };
    assert_eq!(reason(&config), "STORE_LOCKED");
    drop(holder);
}

/// What a process leaves that is killed while it makes the files, at every byte that it may have come to.
pub(crate) fn store_whose_first_start_was_killed_opens(backend: BackendKind) {
    let whole = Fixture::new(backend);
    whole.open().close_blocking().unwrap();
    let (file, left) = match backend {
        BackendKind::Redb => ("store.redb", "store.new"),
        BackendKind::Sled => ("sled/db", "sled/db"),
    };
    let made = fs::read(whole.config().path.join(file)).unwrap();
    for length in [0, 1, 9, 512, made.len() / 2] {
        let store = Fixture::new(backend);
        let path = store.config().path.join(left);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        // The magic number comes last.
        fs::write(&path, vec![0; length]).unwrap();
        let handle = store.open();
        handle.commit_blocking(Batch::new().put(ENTRIES, "k", "v")).unwrap();
        handle.close_blocking().unwrap();
        assert_eq!(store.open().read(ENTRIES, b"k").unwrap(), Some(b"v".to_vec()), "{length}");
    }
}

pub(crate) fn store_of_the_other_backend_is_refused(backend: BackendKind) {
    let store = Fixture::new(backend);
    let handle = store.open();
    handle.commit_blocking(Batch::new().put(ENTRIES, "k", "v")).unwrap();
    handle.close_blocking().unwrap();
    let other = match backend {
        BackendKind::Redb => BackendKind::Sled,
        BackendKind::Sled => BackendKind::Redb,
    };
    assert_eq!(reason(&store.config().with_backend(other)), "STORE_BACKEND_MISMATCH");
    assert_eq!(store.open().read(ENTRIES, b"k").unwrap(), Some(b"v".to_vec()));
}

pub(crate) fn unknown_format_version_is_refused(backend: BackendKind) {
    let store = Fixture::new(backend);
    store.open().close_blocking().unwrap();
    write_format_version(&store.config(), b"2");
    let refused = StoreHandle::open(&store.config(), &TABLES).unwrap_err();
    assert_eq!(refused.reason(), "STORE_FORMAT_UNKNOWN");
    assert!(refused.to_string().contains("`2`"), "{refused}");
}

/// Writes the format record as a later version of this program would.
fn write_format_version(config: &StoreConfig, version: &[u8]) {
    match config.backend {
        BackendKind::Redb => {
            let database = redb::Database::open(config.path.join("store.redb")).unwrap();
            let transaction = database.begin_write().unwrap();
            let definition = redb::TableDefinition::<&[u8], &[u8]>::new("holdfast.meta");
            transaction.open_table(definition).unwrap().insert(b"format".as_slice(), version).unwrap();
            transaction.commit().unwrap();
        }
        BackendKind::Sled => {
            let path = config.path.join("sled");
            let database = sled::Config::new().path(&path).segment_size(1 << 20).open().unwrap();
            let length = (version.len() as u32).to_be_bytes();
            let value = [length.as_slice(), version].concat();
            database.insert(b"h\x0dholdfast.metaformat", value).unwrap();
            database.flush().unwrap();
            drop(database);
            // sled alone lets go of its lock a moment later; the product waits for that, and so must this.
            fs::File::open(path.join("db")).unwrap().lock().unwrap();
        }
    }
}

pub(crate) fn reserved_table_cannot_be_declared(backend: BackendKind) {
    let store = Fixture::new(backend);
    let refused = StoreHandle::open(&store.config(), &[Table::new("holdfast.meta")]).unwrap_err();
    assert_eq!(refused.reason(), "STORE_TABLE_INVALID");
}
