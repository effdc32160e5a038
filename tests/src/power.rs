//! Simulated power cuts: file systems that lose everything that was not synced.
//!
//! A disk is an ext4 image mounted through a loop device; `EXT4_IOC_SHUTDOWN` without flushing its journal makes it forget
//! what a power cut would. Needs root: [`isolated`] says when it cannot be done, and never in silence.

mod unsynced;
mod writer;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub use writer::{Damage, StoreOnDisk, Syncs, write_for_ever};

/// Set in the process that has a mount namespace of its own, to a file that it makes once it is in the test's body.
const INSIDE: &str = "HOLDFAST_POWER_CUT_INSIDE";
/// Set where a skipped power cut is a failure.
const REQUIRED: &str = "HOLDFAST_REQUIRE_POWER_CUTS";
const IMAGE_BYTES: u64 = 96 << 20;
/// How long a process that was killed may hold on to its files.
const RELEASE: Duration = Duration::from_secs(5);
/// A file that leaves no room for anything else.
const BALLAST: &str = "ballast";
/// `ioctl` has no safe wrapper in Rust, and this workspace forbids unsafe code.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587d, struct.pack('I', 2)
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), EXT4_IOC_SHUTDOWN, NOLOGFLUSH)";

/// A mounted ext4 image.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// A new file system in `image`, mounted at the directory `mounted`, which is made with mode 0700.
    ///
    /// # Errors
    /// What could not be done.
    pub fn make(image: &Path, mounted: &Path) -> Result<Self, String> {
        Self::make_of(IMAGE_BYTES, image, mounted)
    }

    /// The same of this size.
    ///
    /// # Errors
    /// What could not be done.
    pub fn make_of(bytes: u64, image: &Path, mounted: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(mounted).map_err(failed)?;
        std::fs::File::create(image).and_then(|file| file.set_len(bytes)).map_err(failed)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", "root_owner=0:0"]).arg(image))?;
        let disk = Self { image: image.to_owned(), mounted: mounted.to_owned() };
        disk.mount()?;
        run(Command::new("chmod").arg("700").arg(mounted))?;
        run(Command::new("sync").arg("-f").arg(mounted))?;
        Ok(disk)
    }

    /// Cuts the power: what was not synced is gone, and every further access fails until [`Disk::restore`].
    pub fn cut(&self) {
        cut(&self.mounted);
    }

    /// Power is back: mounts the image again, which replays the file system's journal. No process may use it.
    pub fn restore(&self) {
        let started = Instant::now();
        while let Err(error) = run(Command::new("umount").arg(&self.mounted)) {
            assert!(started.elapsed() < RELEASE, "{error}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.mount().unwrap();
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        fill(&self.mounted);
    }

    /// Gives the room back.
    pub fn free(&self) {
        std::fs::remove_file(self.mounted.join(BALLAST)).unwrap();
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mounted))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

/// Takes all the room that is left on the file system mounted here.
pub(crate) fn fill(mounted: &Path) {
    let mut ballast = std::fs::File::create(mounted.join(BALLAST)).unwrap();
    for bytes in [1 << 20, 4_096, 1] {
        while ballast.write_all(&vec![0; bytes]).is_ok() {}
    }
    // What was promised to others in the page cache takes its room too.
    run(Command::new("sync").arg("-f").arg(mounted)).unwrap();
}

/// Lets every later access to the file system mounted here fail, and forgets what was not synced.
pub(crate) fn cut(mounted: &Path) {
    run(Command::new("python3").args(["-c", SHUT_DOWN]).arg(mounted)).unwrap();
}

/// Runs the body of the test with this path in a process with mounts of its own, which end with it. True inside of it.
///
/// Where that is impossible the test is skipped, loudly; with `HOLDFAST_REQUIRE_POWER_CUTS` set it fails.
pub fn isolated(test: &str) -> bool {
    if let Some(inside) = std::env::var_os(INSIDE) {
        std::fs::write(inside, test).unwrap();
        return true;
    }
    if let Err(reason) = possible() {
        let skipped = format!("SKIPPED {test}: power cuts cannot be simulated here: {reason}");
        assert!(std::env::var_os(REQUIRED).is_none(), "{skipped}");
        // Not `eprintln`, which the test harness keeps to itself when a test passes.
        std::io::stderr().write_all(format!("\n{skipped}\n").as_bytes()).unwrap();
        return false;
    }
    let inside = crate::directory::fresh();
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, &inside)
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed: {status}, see above");
    // A path that names no test runs none, and succeeds.
    assert_eq!(std::fs::read_to_string(&inside).unwrap_or_default(), test, "no test has this path");
    let _ = std::fs::remove_file(&inside);
    false
}

/// Whether a disk can be made here and really forgets what was not synced.
fn possible() -> Result<(), String> {
    let directory = crate::directory::fresh();
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let probe = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(crate::program("power_probe").map_err(|error| error.to_string())?)
        .arg(&directory)
        .output();
    let _ = std::fs::remove_dir_all(&directory);
    let probe = probe.map_err(|error| format!("unshare: {error}"))?;
    if probe.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&probe.stderr).trim().to_owned())
    }
}

/// Makes a disk in the directory, cuts its power and looks what is left: for the program `power_probe`.
///
/// # Errors
/// What is impossible here, or why the disk is none that forgets.
pub fn probe(directory: &Path) -> Result<(), String> {
    let mounted = directory.join("mounted");
    let disk = Disk::make(&directory.join("image"), &mounted)?;
    let write = |name: &str, synced: bool| {
        let file = std::fs::File::create(mounted.join(name)).map_err(|error| error.to_string())?;
        (&file).write_all(b"written").map_err(|error| error.to_string())?;
        if synced { file.sync_all().map_err(|error| error.to_string()) } else { Ok(()) }
    };
    write("synced", true)?;
    write("not-synced", false)?;
    disk.cut();
    disk.restore();
    let left = |name: &str| std::fs::read(mounted.join(name)).unwrap_or_default() == b"written";
    match (left("synced"), left("not-synced")) {
        (true, false) => Ok(()),
        (synced, not_synced) => Err(format!("a cut left synced: {synced}, not synced: {not_synced}")),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
