//! What the hostile node is told to do wrong: a queue of deviations, and lies that it tells until further notice.
//!
//! Both are files that the test writes and the node reads. Each session takes one deviation of its kind from the queue;
//! what was really done is written to a third file.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::eventually;

/// The environment variable with the path of the queue.
pub(crate) const CONTROL: &str = "HOLDFAST_HOSTILE_CONTROL";

/// In which protocol to deviate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Key generation.
    Keygen,
    /// Signing.
    Sign,
}

/// One way to deviate: where, how, and a detail such as a field's name. Round 0 is the offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// In which protocol.
    pub phase: Phase,
    /// In the answer to which round.
    pub round: u8,
    /// How.
    pub act: String,
    /// In what.
    pub detail: String,
}

/// The files by which a test tells a hostile node what to do.
#[derive(Clone, Debug)]
pub struct Control {
    queue: PathBuf,
}

impl Deviation {
    /// A deviation without a detail.
    pub fn new(phase: Phase, round: u8, act: &str) -> Self {
        Self { phase, round, act: act.to_owned(), detail: String::new() }
    }

    /// The same in a field, or of a node.
    #[must_use]
    pub fn of(self, detail: &str) -> Self {
        Self { detail: detail.to_owned(), ..self }
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Keygen => "keygen",
            Phase::Sign => "sign",
        };
        write!(f, "{phase} {} {} {}", self.round, self.act, self.detail)
    }
}

impl FromStr for Deviation {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ');
        let mut word = || words.next().map(str::to_owned).ok_or_else(|| format!("`{line}` is no deviation"));
        let phase = match word()?.as_str() {
            "keygen" => Phase::Keygen,
            "sign" => Phase::Sign,
            other => return Err(format!("`{other}` is no protocol")),
        };
        let round = word()?.parse().map_err(|_| format!("`{line}` has no round"))?;
        Ok(Self { phase, round, act: word()?, detail: word()? })
    }
}

impl Control {
    /// The files of this name; empty to begin with.
    pub fn create(queue: PathBuf) -> Self {
        let control = Self { queue };
        control.write(&control.queue, "");
        control.write(&control.beside("lies"), "");
        control.write(&control.beside("done"), "");
        control
    }

    /// The files that this process was started with.
    pub(crate) fn from_environment() -> Self {
        Self { queue: std::env::var(CONTROL).expect("HOLDFAST_HOSTILE_CONTROL").into() }
    }

    /// The environment for the hostile node.
    pub fn environment(&self) -> (&'static str, String) {
        (CONTROL, self.queue.display().to_string())
    }

    /// Tells the node to deviate in its next sessions, in this order, once each.
    pub fn queue(&self, deviations: &[Deviation]) {
        let lines: Vec<String> = deviations.iter().map(|deviation| format!("{deviation}\n")).collect();
        self.write(&self.queue, &lines.concat());
    }

    /// Tells the node to lie about itself until told otherwise; nothing is the truth.
    pub fn lie(&self, lie: &str) {
        self.write(&self.beside("lies"), lie);
    }

    /// What the node has done wrong so far, in order, each with its session in hex. A line that is still being written counts later.
    pub fn done(&self) -> Vec<(String, Deviation)> {
        let text = fs::read_to_string(self.beside("done")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let line = |line: &str| {
            let (session, deviation) = line.split_once(' ').unwrap();
            (session.to_owned(), deviation.parse().unwrap())
        };
        whole.lines().map(line).collect()
    }

    /// Waits until the node has deviated so many times in all.
    pub async fn wait_done(&self, count: usize, limit: Duration) {
        eventually(&format!("{count} deviations"), limit, || async {
            let done = self.done().len();
            if done >= count { Ok(()) } else { Err(done) }
        })
        .await;
    }

    pub(crate) fn lies(&self) -> String {
        fs::read_to_string(self.beside("lies")).unwrap_or_default().trim().to_owned()
    }

    /// The next deviation, if it is of this protocol.
    pub(crate) fn take(&self, phase: Phase) -> Option<Deviation> {
        let text = fs::read_to_string(&self.queue).unwrap_or_default();
        let (first, rest) = text.split_once('\n')?;
        let deviation: Deviation = first.parse().unwrap();
        if deviation.phase != phase {
            return None;
        }
        self.write(&self.queue, rest);
        Some(deviation)
    }

    pub(crate) fn did(&self, session: &[u8], deviation: &Deviation) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.beside("done")).unwrap();
        file.write_all(format!("{} {deviation}\n", hex::encode(session)).as_bytes()).unwrap();
    }

    fn beside(&self, what: &str) -> PathBuf {
        self.queue.with_extension(what)
    }

    /// Never half-written for whoever reads.
    fn write(&self, path: &Path, text: &str) {
        let new = path.with_extension(format!("new{}", std::process::id()));
        fs::write(&new, text).unwrap();
        fs::rename(&new, path).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_is_still_being_written_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let control = Control::create(directory.path().join("control"));
        control.did(&[7], &Deviation::new(Phase::Keygen, 1, "silent"));
        fs::OpenOptions::new()
            .append(true)
            .open(control.beside("done"))
            .unwrap()
            .write_all(b"08 keygen")
            .unwrap();
        assert_eq!(control.done(), [("07".to_owned(), Deviation::new(Phase::Keygen, 1, "silent"))]);
    }

    #[test]
    fn deviation_round_trips_through_the_queue() {
        for deviation in [
            Deviation::new(Phase::Sign, 2, "flip").of("gamma_u"),
            Deviation::new(Phase::Keygen, 0, "garbage"),
        ] {
            assert_eq!(deviation.to_string().parse(), Ok(deviation));
        }
    }
}
