//! One process: started, asked until it serves, measured, killed.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_transport::client::{Endpoint, Timeouts, connect, probe};
use holdfast_transport::{PeerIdentity, TlsIdentity};
use serde_json::{Value, json};

const POLL: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_secs(1_800);
/// What `/proc` counts processor time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running(Child);

/// What a start took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) serving_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) rss_mib: u64,
    pub(crate) peak_mib: u64,
}

impl Start {
    pub(crate) fn json(&self) -> Value {
        json!({"serving_s": self.serving_s, "cpu_s": self.cpu_s, "resident_mib": self.rss_mib, "peak_mib": self.peak_mib})
    }
}

impl Running {
    /// Runs a program and waits until it says that it serves.
    pub(crate) async fn until_serving(
        program: &Path,
        config: &Path,
        listen: SocketAddr,
        expected: PeerIdentity,
        caller: &TlsIdentity,
    ) -> (Self, Start) {
        let log = config.with_extension("log");
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let endpoint = Endpoint { address: listen.to_string(), expected };
        let began = Instant::now();
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut running = Self(child);
        loop {
            if let Ok(channel) = connect(&endpoint, caller, &Timeouts::default()).await
                && probe(&channel, "", Duration::from_secs(2)).await.is_ok()
            {
                break;
            }
            let ended = running.0.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended, see its log: {}", program.display(), config.display());
            assert!(began.elapsed() < LIMIT, "{} does not serve", program.display());
            tokio::time::sleep(POLL).await;
        }
        let serving_s = began.elapsed().as_secs_f64();
        let start = Start {
            serving_s,
            cpu_s: running.cpu_s(),
            rss_mib: running.memory_mib("VmRSS:"),
            peak_mib: running.memory_mib("VmHWM:"),
        };
        (running, start)
    }

    pub(crate) fn memory_mib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = |index: usize| fields.split(' ').nth(index).unwrap().parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL: what is measured is a start after a crash.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
