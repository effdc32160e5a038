//! Owns what can be wrong with parameters. It must never guess what was meant.

/// Parameters that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A size out of bounds.
    #[error("`{field}` is {value}, but must be from {low} to {high}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// Least.
        low: u32,
        /// Most.
        high: u32,
        /// What it was.
        value: u32,
    },
    /// Shares of skills that are no shares.
    #[error("`skills` must not be negative, and one of them must be above zero")]
    Skills,
    /// A shift that nobody knows.
    #[error("unknown shift `{name}`; known are {}", super::shift::known())]
    UnknownShift {
        /// As given, cut.
        name: String,
    },
    /// A shift whose value cannot be read or is out of bounds.
    #[error("`{value}` is no value for shift `{name}`; it takes {takes}")]
    ShiftValue {
        /// The shift.
        name: &'static str,
        /// As given, cut.
        value: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl ParameterError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfBounds { .. } => "TRAFFIC_PARAMETER_OUT_OF_BOUNDS",
            Self::Skills => "TRAFFIC_SKILLS",
            Self::UnknownShift { .. } => "TRAFFIC_UNKNOWN_SHIFT",
            Self::ShiftValue { .. } => "TRAFFIC_SHIFT_VALUE",
        }
    }
}
