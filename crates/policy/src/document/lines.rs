//! Owns where a document's fields are, for tools that talk about a document which was read already. It never judges a value.

use std::collections::BTreeMap;

use toml::{Spanned, de::DeTable, de::DeValue};

use super::toml_field;

/// The line of every field and table, by its path: `restriction[1].hold_above`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentLines(BTreeMap<String, usize>);

impl DocumentLines {
    pub(super) fn of(text: &str) -> Self {
        let mut lines = Lines { text, found: BTreeMap::new() };
        if let Ok(root) = toml_field::parse(text) {
            lines.table("", root.get_ref());
        }
        Self(lines.found)
    }

    /// The line of a field, or of the nearest table around it; 1 for what is not there at all.
    pub fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return 1,
            }
        }
    }
}

struct Lines<'t> {
    text: &'t str,
    found: BTreeMap<String, usize>,
}

impl Lines<'_> {
    // Depth is bounded by the TOML parser's own limit, size by that of a document.
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            self.note(&path, key.span().start);
            self.value(&path, value);
        }
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        if let Some(table) = value.get_ref().as_table() {
            self.table(path, table);
        }
        for (index, element) in value.get_ref().as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}[{index}]");
            self.note(&path, element.span().start);
            self.value(&path, element);
        }
    }

    fn note(&mut self, path: &str, offset: usize) {
        self.found.insert(path.to_owned(), toml_field::line_at(self.text, offset));
    }
}
