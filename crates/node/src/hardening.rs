//! What the operating system is told about this process: that its memory is nobody's business.
//!
//! Owns the calls that keep secrets out of core dumps, of other processes of the same user, and of swap space. It must
//! never let the node start without the former two, or hide that it runs without the last.

use holdfast_server::telemetry::cause;
use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// The operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("this process cannot be kept from dumping its memory")]
pub(crate) struct HardeningError(#[from] Errno);

/// No core dumps, no ptrace by other processes of the user, no readable `/proc/self/mem`.
pub(crate) fn harden() -> Result<(), HardeningError> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    Ok(())
}

/// Secrets may be written to swap space.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// With a limit, a later allocation would fail in the middle of work.
    #[error(
        "memory cannot be locked, secrets may reach swap space: the limit is {limit} bytes, set `LimitMEMLOCK=infinity` (`ulimit -l unlimited`) for this program or turn swap off"
    )]
    Limited { limit: u64 },
    /// The operating system refused.
    #[error("memory cannot be locked, secrets may reach swap space: {0}")]
    Refused(#[from] Errno),
}

/// Keeps all memory of this process, now and later, out of swap space. If that is not possible and not `required`, the
/// log says so.
pub(crate) fn lock_memory(required: bool) -> Result<(), LockError> {
    match lock_all() {
        Err(error) if required => Err(error),
        Err(error) => {
            tracing::warn!(error = cause(&error), "memory is not locked");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn lock_all() -> Result<(), LockError> {
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if limit != RLIM_INFINITY {
        return Err(LockError::Limited { limit });
    }
    Ok(mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardened_process_dumps_no_core() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        assert!(!prctl::get_dumpable().unwrap());
    }

    #[test]
    fn limited_memory_lock_is_a_warning_unless_it_is_required() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
        let lowered = soft.min(1 << 16);
        setrlimit(Resource::RLIMIT_MEMLOCK, lowered, hard).unwrap();
        lock_memory(false).unwrap();
        let error = lock_memory(true).unwrap_err();
        setrlimit(Resource::RLIMIT_MEMLOCK, soft, hard).unwrap();
        assert!(matches!(error, LockError::Limited { limit } if limit == lowered));
        assert!(error.to_string().contains("LimitMEMLOCK=infinity"));
    }
}
