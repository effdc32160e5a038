//! What is at which path, for auditors: the transport has seen to it that nobody else asks.

use std::path::PathBuf;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use holdfast_log::TilePath;
use holdfast_log::tiles::CHECKPOINT_PATH;
use holdfast_transport::PeerIdentity;
use holdfast_transport::https::{Files, Reply};
use http::StatusCode;

use super::files::{FileError, TileFiles};

/// A tile never changes. Only its auditor may keep it.
const FOREVER: &str = "private, max-age=31536000, immutable";
/// The checkpoint is another one soon.
const NEVER: &str = "no-store";

/// The published files.
#[derive(Clone, Debug)]
pub(crate) struct AuditorsTiles(TileFiles);

impl AuditorsTiles {
    pub(crate) fn in_directory(directory: PathBuf) -> Result<Self, FileError> {
        TileFiles::in_directory(directory).map(Self)
    }

    pub(super) fn at(&self, path: &str) -> Reply {
        let unknown = || Reply::plain(StatusCode::NOT_FOUND, "no such file");
        let Some(name) = path.strip_prefix('/') else { return unknown() };
        if name == CHECKPOINT_PATH {
            return self.0.checkpoint().map_or_else(unknown, |body| Reply {
                status: StatusCode::OK,
                content_type: "text/plain; charset=utf-8",
                cache_control: NEVER,
                body,
            });
        }
        // INVARIANT: only names of tiles reach the file system.
        let Some(tile) = TilePath::parse(name) else { return unknown() };
        self.0.tile(&tile).map_or_else(unknown, |body| Reply {
            status: StatusCode::OK,
            content_type: "application/octet-stream",
            cache_control: FOREVER,
            body,
        })
    }
}

impl Files for AuditorsTiles {
    fn file(&self, _peer: &PeerIdentity, path: &str) -> BoxFuture<'static, Reply> {
        let (tiles, path) = (self.clone(), path.to_owned());
        async move {
            let read = tokio::task::spawn_blocking(move || tiles.at(&path)).await;
            read.unwrap_or_else(|_| Reply::plain(StatusCode::SERVICE_UNAVAILABLE, "reading was interrupted"))
        }
        .boxed()
    }
}
