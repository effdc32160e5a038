//! Programs whose requests to make something durable are answered with success and not carried out.
//!
//! It shows that a power cut here finds what a missing `fsync` loses. The programs themselves are unchanged: a seccomp filter
//! answers in the kernel's place.

use std::path::Path;
use std::process::Command;

/// Neither a seccomp filter nor `ioctl` has a safe wrapper in Rust, and this workspace forbids unsafe code.
///
/// `sync_file_range` is let through: it makes nothing durable, and is all that sled calls by itself.
const IGNORE_SYNCS: &str = "import ctypes, os, platform, struct, sys
ARCH, CALLS = {
    'x86_64': (0xC000003E, {'fsync': 74, 'fdatasync': 75, 'msync': 26, 'sync': 162, 'syncfs': 306}),
    'aarch64': (0xC00000B7, {'fsync': 82, 'fdatasync': 83, 'msync': 227, 'sync': 81, 'syncfs': 267}),
}[platform.machine()]
LOAD, EQUAL, RETURN, ALLOW, DONE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCH), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, 0)]
for number in CALLS.values():
    steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, DONE)]
steps.append((RETURN, 0, 0, ALLOW))
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('steps', ctypes.c_void_p)]
program = Program(len(steps), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(SECCOMP, FILTER, ctypes.byref(program), 0, 0):
    sys.exit('seccomp: ' + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])";

/// A command that runs this program so; its arguments have to be added.
pub(super) fn unsynced(program: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", IGNORE_SYNCS]).arg(program);
    command
}
