//! What a text may show: names and public values, and no other bytes.
//!
//! Owns the search for secrets. It looks for the two disguises in which bytes appear in a log: hexadecimal digits, and the
//! decimal list that `{:?}` makes.

/// Hexadecimal digits in a row, or numbers in a list, that are taken for bytes.
const RUN: usize = 16;
/// A redacted type is short.
const LONGEST: usize = 4_000;

/// Fails if the text shows bytes other than these, given in hexadecimal.
pub(super) fn nothing_but(public: &[String], text: &str) {
    assert!(text.len() < LONGEST, "too much is shown: {text}");
    let hidden = public.iter().fold(text.to_owned(), |text, public| text.replace(public.as_str(), "-"));
    assert!(!finds(&hidden), "bytes are shown: {hidden}");
}

/// Whether the text shows bytes.
pub(super) fn finds(text: &str) -> bool {
    let hexadecimal = text
        .split(|character: char| !character.is_ascii_hexdigit())
        .any(|run| run.len() >= RUN && run.chars().any(|character| character.is_ascii_digit()));
    let mut numbers = 0_usize;
    let list = text.split([',', '[', ']', '(', ')']).any(|item| {
        numbers = if item.trim().parse::<u8>().is_ok() { numbers.saturating_add(1) } else { 0 };
        numbers >= RUN
    });
    hexadecimal || list
}
