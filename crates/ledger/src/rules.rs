//! The version of the rules by which entries are applied.
//!
//! Meaning changes only under a new version that the log itself activates; old versions stay in the program so that old
//! logs replay. There is one version so far.

/// The rules that this program applies.
pub const RULES_VERSION: u32 = 1;
