//! Text that people read, made from what anybody may have written: tables, CSV, one-line quotations.
//!
//! INVARIANT (G7): an auditor's screen and spreadsheet are targets. What comes from a log is never a terminal command (control and
//! direction characters are shown, not obeyed) and never a formula.

/// Longest quotation of untrusted text, in characters.
const MAX_QUOTED_CHARS: usize = 200;

/// A bounded quotation: one line, with control and direction characters escaped.
pub fn one_line(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).map(escaped).collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}

/// The same text on any number of lines, as a terminal may show it.
pub fn screen(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c.to_string() } else { escaped(c) }).collect()
}

fn escaped(c: char) -> String {
    let directs =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if c.is_control() || directs { c.escape_unicode().to_string() } else { c.to_string() }
}

/// One row of CSV as in RFC 4180, with its line end.
pub fn csv_row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| csv_cell(cell.as_ref())).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell. A spreadsheet takes one that begins with `=`, `+`, `-` or `@` for a formula, also behind spaces; an apostrophe before
/// it makes it text.
fn csv_cell(text: &str) -> String {
    let text: String = text.chars().map(escaped).collect();
    let formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', ' ', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_as_rfc_4180_says() {
        assert_eq!(csv_row(["a", "b,c", "say \"no\"", ""]), "a,\"b,c\",\"say \"\"no\"\"\",\r\n");
    }

    #[test]
    fn cells_that_a_spreadsheet_would_run_become_text() {
        for formula in ["=1+1", "+1", "-2", "@SUM(A1)", " =1", "\u{ff1d}1", "=HYPERLINK(\"http://x\",\"y\")"]
        {
            let row = csv_row([formula]);
            assert!(row.starts_with("\"'"), "{row}");
        }
        assert_eq!(csv_row(["\t=1"]), "\\u{9}=1\r\n");
        assert_eq!(csv_row(["\r=1\n"]), "\\u{d}=1\\u{a}\r\n");
    }

    #[test]
    fn text_of_others_does_not_command_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\u{a}c");
        assert_eq!(screen("pay\u{202e}em\nb"), "pay\\u{202e}em\nb");
        assert_eq!(one_line(&"x".repeat(300)).len(), MAX_QUOTED_CHARS + 3);
    }
}
