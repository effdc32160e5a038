//! The files against the log that they are of, and against those who change them.

#![allow(clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm, reason = "test")]

use std::fs;
use std::path::Path;

use holdfast_log::read_export;
use tempfile::TempDir;

use super::*;
use crate::crash::NoCrashPoints;
use crate::testing::Cell;

async fn open(cell: &Cell, directory: &TempDir) -> Tiles {
    let (book, cosigned) = (Arc::clone(&cell.parts.book), Arc::clone(&cell.parts.cosigned));
    Tiles::open(book, cosigned, directory.path().join("tiles"), Arc::new(NoCrashPoints)).await.unwrap()
}

async fn checkpoint(cell: &Cell, size: u64) -> SignedCheckpoint {
    cell.parts.book.read().await.unwrap().checkpoint_at(size).unwrap()
}

fn export_of(directory: &TempDir, checkpoint: &SignedCheckpoint) -> Vec<Vec<u8>> {
    let read = |path: &str| fs::read(directory.path().join("tiles").join(path)).ok();
    let entries = read_export(read, checkpoint.claimed()).unwrap();
    entries.into_iter().map(holdfast_log::Entry::into_bytes).collect()
}

fn files_in(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn files_are_the_log_that_the_checkpoint_states_at_every_size() {
    // Given a log that grows over the edge of a tile
    let cell = Cell::ready().await;
    let directory = TempDir::new().unwrap();
    let mut tiles = open(&cell, &directory).await;
    for number in 0..260 {
        cell.accept(cell.session_report()).await;
        let size = cell.size().await;
        if number % 37 == 0 || (254..=258).contains(&size) {
            // When a checkpoint is published
            let published = checkpoint(&cell, size).await;
            tiles.publish(&published).await.unwrap();
            // Then other people's reader finds exactly that log
            let entries = export_of(&directory, &published);
            assert_eq!(entries.len(), usize::try_from(size).unwrap());
            assert_eq!(entries.last().unwrap(), &cell.parts.book.entry(size - 1).unwrap());
        }
    }
    // And no partial tile is left beside its full one
    let partial = directory.path().join("tiles/tile/0/000.p");
    assert!(directory.path().join("tiles/tile/0/000").is_file() && !partial.exists());
    assert!(files_in(directory.path()).iter().all(|file| !file.ends_with(".unfinished")));
}

#[tokio::test]
async fn older_checkpoints_never_take_the_place_of_newer_ones() {
    let cell = Cell::ready().await;
    let directory = TempDir::new().unwrap();
    let size = cell.size().await;
    let newest = checkpoint(&cell, size).await;
    open(&cell, &directory).await.publish(&newest).await.unwrap();
    // When a new process begins with an older one
    let mut tiles = open(&cell, &directory).await;
    tiles.publish(&checkpoint(&cell, size - 1).await).await.unwrap();
    let on_disk = fs::read(directory.path().join("tiles/checkpoint")).unwrap();
    assert_eq!(on_disk, newest.to_bytes());
}

#[tokio::test]
async fn published_file_that_was_changed_on_disk_raises_an_alarm_and_is_not_covered_up() {
    let cell = Cell::ready().await;
    let directory = TempDir::new().unwrap();
    let mut tiles = open(&cell, &directory).await;
    let size = cell.size().await;
    tiles.publish(&checkpoint(&cell, size).await).await.unwrap();
    // When somebody puts another content where the next partial tile belongs
    cell.accept(cell.session_report()).await;
    let next = TilePath::hashes(0, 0, u16::try_from(size + 1).unwrap()).unwrap();
    let file = directory.path().join("tiles").join(next.to_string());
    fs::write(&file, b"something else").unwrap();
    let refused = tiles.publish(&checkpoint(&cell, size + 1).await).await.unwrap_err();
    assert!(matches!(refused, TilesError::File(FileError::Changed { .. })), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), b"something else");
}

#[tokio::test]
async fn tile_that_a_crash_left_damaged_is_written_anew_at_the_next_start() {
    let cell = Cell::ready().await;
    let directory = TempDir::new().unwrap();
    let size = cell.size().await;
    let published = checkpoint(&cell, size).await;
    open(&cell, &directory).await.publish(&published).await.unwrap();
    let partial = TilePath::all_entries(size).last().unwrap();
    fs::write(directory.path().join("tiles").join(partial.to_string()), b"").unwrap();
    open(&cell, &directory).await.publish(&published).await.unwrap();
    export_of(&directory, &published);
}

#[tokio::test]
async fn only_published_files_are_served_and_tiles_may_be_kept_for_ever() {
    let cell = Cell::ready().await;
    let directory = TempDir::new().unwrap();
    let size = cell.size().await;
    open(&cell, &directory).await.publish(&checkpoint(&cell, size).await).await.unwrap();
    fs::write(directory.path().join("secret"), b"secret").unwrap();
    let served = AuditorsTiles::in_directory(directory.path().join("tiles")).unwrap();
    let tile = served.at(&format!("/{}", TilePath::all_entries(size).last().unwrap()));
    assert_eq!(
        (tile.status, tile.cache_control),
        (http::StatusCode::OK, "private, max-age=31536000, immutable")
    );
    let newest = served.at("/checkpoint");
    assert_eq!((newest.status, newest.cache_control), (http::StatusCode::OK, "no-store"));
    for path in [
        "/",
        "/../secret",
        "/tile/../../secret",
        "/tile/entries/000",
        "/tile/0/000.p/9",
        "//etc/passwd",
        "/checkpoint/",
        "/tile/entries/..%2f..%2fsecret",
    ] {
        assert_eq!(served.at(path).status, http::StatusCode::NOT_FOUND, "{path}");
    }
}
