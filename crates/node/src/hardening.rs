//! What the operating system is told about this process: that its memory is nobody's business.
//!
//! Owns the calls that keep secrets out of core dumps and out of other processes of the same user. It must never let the
//! node start without them.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

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

#[cfg(test)]
mod tests {
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn hardened_process_dumps_no_core() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        assert!(!prctl::get_dumpable().unwrap());
    }
}
