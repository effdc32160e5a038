//! CPU time of this thread and peak memory of this process.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// Runs and times it: CPU and wall.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (cpu, wall) = (thread_cpu(), Instant::now());
    let result = run();
    (result, thread_cpu() - cpu, wall.elapsed())
}

/// User and system time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64))
        .sum()
}

/// Resident memory now and at its peak, in MiB.
pub(crate) fn memory_mib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}
