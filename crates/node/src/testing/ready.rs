//! A cell with an active wallet `hot-1`, a whitelisted payee and three nodes that hold its shares.
//!
//! Key generation takes seconds, so it runs once for all tests; each gets a copy of the nodes' directories.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{Cell, PASSPHRASE, TestClock, TestNode, create_wallet};

/// A directory's files: relative path, mode and content.
type Files = Vec<(PathBuf, u32, Vec<u8>)>;

static TEMPLATE: OnceCell<(Cell, Vec<Files>)> = OnceCell::const_new();

/// The cell and its three nodes, all at the tip.
pub(crate) async fn ready() -> (Cell, Vec<TestNode>) {
    let (cell, directories) = TEMPLATE.get_or_init(build).await;
    let mut nodes = Vec::new();
    for (number, files) in (1..=3).zip(directories) {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        write_files(directory.path(), files);
        let clock = Arc::new(TestClock::new(cell.now));
        nodes.push(TestNode::open_in(cell, number, directory, clock, PASSPHRASE).await.unwrap());
    }
    (cell.clone(), nodes)
}

async fn build() -> (Cell, Vec<Files>) {
    let mut cell = Cell::new();
    let nodes = TestNode::three(&cell).await;
    create_wallet(&mut cell, &nodes).await;
    cell.permit_payee();
    let mut directories = Vec::new();
    for node in nodes {
        node.catch_up(&cell).await;
        node.store.close().await.unwrap();
        let mut files = Files::new();
        read_files(node.directory.path(), node.directory.path(), &mut files);
        directories.push(files);
    }
    (cell, directories)
}

fn read_files(root: &Path, directory: &Path, files: &mut Files) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_files(root, &path, files);
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            files.push((path.strip_prefix(root).unwrap().to_owned(), mode, fs::read(&path).unwrap()));
        }
    }
}

fn write_files(root: &Path, files: &Files) {
    for (relative, mode, bytes) in files {
        let path = root.join(relative);
        fs::DirBuilder::new().mode(0o700).recursive(true).create(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
}
