//! The wire: the `.proto` files of package `holdfast.v1`, the code generated from them, their limits and their errors.
//!
//! This crate decides nothing. Wire types stop here: what lies behind the servers works on domain types only. The files
//! under `proto/` and `docs/api.md` are the whole contract with clients; the tests hold the two together.

pub mod convert;
mod error;
pub mod limits;
mod reason;
mod status;
pub mod v1;

pub use error::ApiError;
pub use reason::{CallerAction, REASONS, ReasonRow, lookup};
pub use status::{FieldViolation, field_violations, metadata_of, reason_of, retry_after};

/// The encoded `FileDescriptorSet` of `holdfast.v1` with comments, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/holdfast.v1.fds"));

/// `google.rpc.ErrorInfo.domain` of every error that comes from Holdfast.
pub const ERROR_DOMAIN: &str = "holdfast.v1";
