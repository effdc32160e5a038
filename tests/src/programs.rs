//! Where the programs are: beside the test's own executable, as cargo lays them out.

use std::path::{Path, PathBuf};

/// A program that is not where cargo puts it.
#[derive(Debug)]
pub struct ProgramError {
    name: String,
    looked_at: PathBuf,
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, looked_at } = self;
        write!(
            f,
            "program `{name}` is not built: expected `{}`; run `cargo build --workspace --bins` (with `--release` for benchmarks) or `make test`",
            looked_at.display()
        )
    }
}

impl std::error::Error for ProgramError {}

/// The path of a program of this workspace, built in the same profile as this test.
///
/// # Errors
/// [`ProgramError`] if it is not built.
pub fn program(name: &str) -> Result<PathBuf, ProgramError> {
    let looked_at = profile_directory().join(name);
    if looked_at.is_file() { Ok(looked_at) } else { Err(ProgramError { name: name.to_owned(), looked_at }) }
}

/// `target/<profile>`: tests and benches run from its directory `deps`, programs from itself.
pub(crate) fn profile_directory() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let directory = here.parent().unwrap();
    let is_deps = directory.file_name().is_some_and(|name| name == "deps");
    let profile = if is_deps { directory.parent().unwrap_or(Path::new("/")) } else { directory };
    profile.to_owned()
}
