//! Bounds of the API, in one place: servers set them, clients respect them, `docs/api.md` publishes them.

/// The largest log entry: an envelope with the coordinator's time, in bytes.
pub const ENTRY_BYTES: usize = 65_535;

/// The largest envelope that a caller may send, in bytes: an entry without room for its `time_ms` member.
pub const ENVELOPE_BYTES: usize = 65_504;

/// The largest message of every service but `NodeService`, in bytes.
pub const MESSAGE_BYTES: usize = 256 * 1024;

/// The largest message of `NodeService`, in bytes: replication and key generation need more than the rest.
pub const NODE_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// The longest time that `Submit` and `BindTransaction` wait before they answer, in milliseconds.
pub const WAIT_MS: u32 = 30_000;

/// The time after which a server ends any unary call, in milliseconds: the longest wait and time to work.
pub const CALL_MS: u64 = 45_000;

/// How many items a page holds when the caller does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 50;

/// How many items a page holds at most.
pub const PAGE_SIZE: u32 = 100;

/// The longest `page_token`, in bytes.
pub const PAGE_TOKEN_BYTES: usize = 128;

/// The longest id or name, in bytes.
pub const ID_BYTES: usize = 64;

/// The length of a session id, in bytes.
pub const SESSION_ID_BYTES: usize = 32;

/// How many rounds a session of any engine has at most.
pub const SESSION_ROUNDS: u32 = 16;

/// The longest reason of an `Abort`, in bytes.
pub const ABORT_REASON_BYTES: usize = 256;

const _: () = assert!(ENVELOPE_BYTES < ENTRY_BYTES, "an envelope with its time must fit an entry");
const _: () = assert!(CALL_MS > 30_000, "a server must not end a call that is allowed to wait");
const _: () = assert!(ENTRY_BYTES < MESSAGE_BYTES, "an entry must fit a message");
