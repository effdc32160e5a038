//! `holdfast audit monitor`: follows a live log and says what a person must look at.
//!
//! It keeps its own checkpoint, in a file of its own: what it has verified once it never accepts otherwise. A log that goes back,
//! forks, or holds what nobody can have signed ends it with exit code 7 and leaves the evidence beside that file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holdfast_audit::{Alarm, Finding, Monitor, Patience, Severity};
use holdfast_log::Entry;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::live::{self, Live, Sink};
use crate::output::{Answer, Output};
use crate::session::Session;

/// A run that goes on keeps its state after so many entries.
const KEEP_EVERY: u64 = 1024;

/// What to watch, and how patiently.
#[derive(Args, Clone, Debug)]
pub(crate) struct MonitorArgs {
    /// Look once and end: 0 quiet, 6 unreachable, 7 not the log it was, 8 something to look at. For cron
    #[arg(long)]
    once: bool,
    /// The monitor's own checkpoint; `monitor.checkpoint` beside the profile if absent
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    /// How often to look
    #[arg(long, default_value = "5s", value_parser = clock::parse_duration)]
    every: Duration,
    /// How old the threshold's newest cosignatures may be
    #[arg(long, default_value = "5m", value_parser = clock::parse_duration)]
    stalled_after: Duration,
    /// How long one node may be silent
    #[arg(long, default_value = "15m", value_parser = clock::parse_duration)]
    silent_after: Duration,
    /// How long the coordinator may be unreachable
    #[arg(long, default_value = "1m", value_parser = clock::parse_duration)]
    unreachable_after: Duration,
}

pub(crate) async fn run(session: &Session, args: &MonitorArgs) -> Result<Answer, Failure> {
    let mut watch = Watch::begin(session, args)?;
    let mut down: Option<Instant> = None;
    loop {
        match watch.look(session).await {
            Ok(()) => {
                if down.take().is_some_and(|since| since.elapsed() >= args.unreachable_after) {
                    watch.tell(&notice("COORDINATOR_UNREACHABLE", "over: the coordinator answers again"));
                }
            }
            Err(failure) if failure.is_unavailable() && !args.once => {
                let since = *down.get_or_insert_with(Instant::now);
                if since.elapsed() >= args.unreachable_after && !watch.told_unreachable {
                    watch.told_unreachable = true;
                    watch.tell(&alarm("COORDINATOR_UNREACHABLE", failure.message()));
                }
            }
            Err(failure) => {
                watch.keep_evidence();
                watch.tell(&alarm(failure.reason(), failure.message()));
                return Err(failure);
            }
        }
        if down.is_none() {
            watch.told_unreachable = false;
        }
        if args.once {
            return Ok(watch.conclude());
        }
        sleep(args.every).await;
    }
}

/// The state beside the checkpoint file.
fn state_path(seen: &Path, suffix: &str) -> PathBuf {
    let mut name = seen.as_os_str().to_owned();
    name.push(format!(".state{suffix}"));
    PathBuf::from(name)
}

/// Goes on where the last run ended, if what it kept still fits; from the beginning otherwise.
fn resume(session: &Session, path: &Path, seen: &[u8], patience: Patience) -> Option<Monitor> {
    let kept = std::fs::read(state_path(path, "")).ok()?;
    let genesis = files::read(&session.profile.path(&session.profile.file.genesis.entry)).ok()?;
    let genesis = Entry::parse(&genesis).ok()?;
    Monitor::resume(&genesis, &session.profile.genesis_sha256, seen, &kept, patience)
}

/// A run.
struct Watch {
    pinned: [u8; 32],
    patience: Patience,
    path: PathBuf,
    seen: Option<Vec<u8>>,
    once: bool,
    output: Output,
    monitor: Option<Monitor>,
    /// Entries that the kept state holds.
    kept: u64,
    /// Told when the checkpoint that covers them is verified.
    pending: Vec<Alarm>,
    /// The newest checkpoint as it was shown, for evidence.
    shown: Vec<u8>,
    alarms: u64,
    told_unreachable: bool,
}

impl Watch {
    fn begin(session: &Session, args: &MonitorArgs) -> Result<Self, Failure> {
        let beside = || session.profile.directory.join("monitor.checkpoint");
        let path = args.seen.clone().unwrap_or_else(beside);
        let seen = if path.exists() { Some(files::read(&path)?) } else { None };
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let patience = Patience {
            stalled_ms: ms(args.stalled_after),
            silent_ms: ms(args.silent_after),
            ..Patience::default()
        };
        let pinned = session.profile.genesis_sha256;
        let monitor = seen.as_ref().and_then(|seen| resume(session, &path, seen, patience));
        Ok(Self {
            pinned,
            patience,
            path,
            seen,
            once: args.once,
            output: session.output,
            kept: monitor.as_ref().map_or(0, Monitor::size),
            monitor,
            pending: Vec::new(),
            shown: Vec::new(),
            alarms: 0,
            told_unreachable: false,
        })
    }

    /// Reads what is new.
    async fn look(&mut self, session: &Session) -> Result<(), Failure> {
        let mut live = Live::connect(session).await?;
        let note = live.note().await?;
        self.shown.clone_from(&note);
        live.read_to(live::claimed_size(&note)?, self).await?;
        let Some(monitor) = self.monitor.as_mut() else { return Ok(()) };
        let lasting = monitor.checkpoint(&note, clock::now().0)?;
        // Entries count once the log's key has signed them.
        for alarm in std::mem::take(&mut self.pending).iter().chain(&lasting) {
            self.tell(alarm);
        }
        if self.seen.as_ref() != Some(&note) {
            files::write(&self.path, &note)?;
            self.seen = Some(note);
        }
        self.keep()
    }

    /// Keeps the state now and then, so that the next run need not read the whole log again.
    fn keep(&mut self) -> Result<(), Failure> {
        let Some(monitor) = &self.monitor else { return Ok(()) };
        let grown = monitor.size().saturating_sub(self.kept);
        if grown == 0 || (grown < KEEP_EVERY && !self.once) {
            return Ok(());
        }
        let Some(kept) = monitor.to_kept() else { return Ok(()) };
        self.kept = monitor.size();
        let (path, partial) = (state_path(&self.path, ""), state_path(&self.path, ".partial"));
        std::fs::write(&partial, kept).map_err(|error| files::io("write", &partial, &error))?;
        std::fs::rename(&partial, &path).map_err(|error| files::io("rename", &partial, &error))
    }

    fn tell(&mut self, alarm: &Alarm) {
        if alarm.severity == Severity::Alarm {
            self.alarms = self.alarms.saturating_add(1);
        }
        let time = clock::now();
        if self.output.is_json() {
            let mut line = json!(alarm);
            if let Some(object) = line.as_object_mut() {
                object.insert("time_ms".to_owned(), json!(time.0));
            }
            self.output.raw(&format!("{line}\n"));
        } else {
            let mark = match alarm.severity {
                Severity::Alarm => "ALARM ",
                Severity::Notice => "notice",
            };
            let index = alarm.index.map(|index| format!(" entry {index}:")).unwrap_or_default();
            self.output.line(&format!("{time} {mark} {}{index} {}", alarm.code, alarm.detail));
        }
    }

    /// Two checkpoints that contradict each other are the proof.
    fn keep_evidence(&self) {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".contradicted-by-{}", clock::now().0));
        if !self.shown.is_empty() && files::write(Path::new(&name), &self.shown).is_ok() {
            let kept = Path::new(&name).display();
            self.output.notice(&format!("what the coordinator showed last is in `{kept}`: keep it"));
        }
    }

    fn conclude(&self) -> Answer {
        let size = self.monitor.as_ref().map_or(0, Monitor::size);
        let json = json!({"severity": "summary", "size": size, "alarms": self.alarms});
        let text = format!("{size} entries watched, {} alarms", self.alarms);
        Answer::new(json, text).with_exit(if self.alarms == 0 { Exit::Success } else { Exit::Alarm })
    }
}

impl Sink for Watch {
    fn push(&mut self, entry: &Entry) -> Result<(), Failure> {
        match self.monitor.as_mut() {
            Some(monitor) => self.pending.extend(monitor.append(entry)?),
            None => {
                let seen = self.seen.as_deref();
                self.monitor = Some(Monitor::begin(entry, &self.pinned, seen, self.patience)?);
            }
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.monitor.as_ref().map_or(0, Monitor::size)
    }

    fn check(&self, _note: &[u8]) -> Result<(), Finding> {
        Ok(())
    }
}

fn alarm(code: &str, detail: &str) -> Alarm {
    Alarm { severity: Severity::Alarm, code: code.to_owned(), index: None, detail: detail.to_owned() }
}

fn notice(code: &str, detail: &str) -> Alarm {
    Alarm { severity: Severity::Notice, ..alarm(code, detail) }
}
