//! An error with everything that caused it, as logs and people read it: most errors say only what failed, their sources say why.

use std::error::Error;
use std::io;
use std::iter::successors;

/// An error and everything behind it, the outermost first.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // An `io::Error` reports the source of what it wraps, not what it wraps.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// An error with its causes in one sentence. What the text says already is not said again.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the key cannot be read")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped: {0}")]
    struct Repeats(#[source] Outer);

    #[test]
    fn every_cause_is_said_once() {
        let wrapped = io::Error::other(Outer(io::Error::other("no such disk")));
        assert_eq!(with_causes(&Outer(wrapped)), "the key cannot be read: no such disk");
        let error = Repeats(Outer(io::Error::other("no such disk")));
        assert_eq!(with_causes(&error), "wrapped: the key cannot be read: no such disk");
    }
}
