//! How states and phases are shown.

/// A state or phase as it is shown: `SIGNED`.
pub(crate) fn upper(state: &impl std::fmt::Debug) -> String {
    format!("{state:?}").to_uppercase()
}
