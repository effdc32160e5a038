//! Owns the step from TOML to values: every field knows its path and line, and a table complains about fields that nobody
//! asked for. It never converts between types (a number is not a string) and knows nothing about policies.

use std::{collections::BTreeMap, fmt, ops::Range, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{FieldProblem, PolicyError, excerpt};
use super::near::nearest;

/// One value of the document.
#[derive(Clone)]
pub(crate) struct Field<'t> {
    text: &'t str,
    path: String,
    span: Range<usize>,
    value: &'t DeValue<'t>,
}

/// One table of the document. Fields are taken out by name; [`finish`](Table::finish) refuses what is left.
pub(crate) struct Table<'t> {
    text: &'t str,
    path: String,
    span: Range<usize>,
    left: BTreeMap<&'t str, Field<'t>>,
    /// The names that were asked for, found or not: what may have been meant by one that nobody knows.
    asked: Vec<&'static str>,
}

/// Parses the document's text as TOML.
pub(crate) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, PolicyError> {
    DeTable::parse(text).map_err(|error| PolicyError::Syntax {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        message: excerpt(error.message()),
    })
}

impl<'t> Table<'t> {
    pub(crate) fn root(text: &'t str, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self::new(text, String::new(), table.span(), table.get_ref())
    }

    fn new(text: &'t str, path: String, span: Range<usize>, table: &'t DeTable<'t>) -> Self {
        let left = table.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            let path = if path.is_empty() { excerpt(name) } else { format!("{path}.{}", excerpt(name)) };
            (name, Field { text, path, span: key.span(), value: value.get_ref() })
        });
        let left = left.collect();
        Self { text, path, span, left, asked: Vec::new() }
    }

    /// Refuses the first field with another name than these, before anything is said about what is in the others.
    pub(crate) fn refuse_others(&self, known: &[&'static str]) -> Result<(), PolicyError> {
        self.refuse_unknown(self.left.iter().filter(|(name, _)| !known.contains(name)), known)
    }

    pub(crate) fn required(&mut self, name: &'static str) -> Result<Field<'t>, PolicyError> {
        self.optional(name).ok_or_else(|| {
            // Who misspelt it, or what would do in its place, has written it: the error belongs there.
            let meant = |written: &str| nearest(written, self.asked.iter().copied());
            let mut misspelt = self.left.iter().filter_map(|(written, field)| Some((field, meant(written)?)));
            if let Some((field, near)) = misspelt.next() {
                return field.error(FieldProblem::Unknown { near: Some(near) });
            }
            let field = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
            let line = line_at(self.text, self.span.start);
            PolicyError::Field { line, field, problem: FieldProblem::Missing }
        })
    }

    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Field<'t>> {
        self.asked.push(name);
        self.left.remove(name)
    }

    /// Whether a field of this name is left.
    pub(crate) fn has(&mut self, name: &'static str) -> bool {
        self.asked.push(name);
        self.left.contains_key(name)
    }

    /// This table, and what another one has besides.
    pub(crate) fn over(mut self, other: &Self) -> Self {
        for (name, field) in &other.left {
            self.left.entry(name).or_insert_with(|| field.clone());
        }
        self
    }

    /// All fields of a table whose keys are values, such as role names.
    pub(crate) fn entries(self) -> impl Iterator<Item = (&'t str, Field<'t>)> {
        self.left.into_iter()
    }

    /// Refuses fields that nobody took.
    pub(crate) fn finish(self) -> Result<(), PolicyError> {
        self.refuse_unknown(self.left.iter(), &self.asked)
    }

    /// Refuses the first of these fields, and says which of the known names may have been meant.
    fn refuse_unknown<'f>(
        &self,
        unknown: impl Iterator<Item = (&'f &'t str, &'f Field<'t>)>,
        known: &[&'static str],
    ) -> Result<(), PolicyError>
    where
        't: 'f,
    {
        let first = unknown.min_by_key(|(_, field)| field.span.start);
        first.map_or(Ok(()), |(name, field)| {
            Err(field.error(FieldProblem::Unknown { near: nearest(name, known.iter().copied()) }))
        })
    }
}

impl<'t> Field<'t> {
    pub(crate) fn error(&self, problem: FieldProblem) -> PolicyError {
        PolicyError::Field { line: line_at(self.text, self.span.start), field: self.path.clone(), problem }
    }

    pub(crate) fn invalid(&self, reason: impl fmt::Display) -> PolicyError {
        self.error(FieldProblem::Invalid { reason: reason.to_string() })
    }

    /// The line it is in.
    pub(crate) fn line(&self) -> usize {
        line_at(self.text, self.span.start)
    }

    /// Its value, where it is `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    pub(crate) fn string(&self) -> Result<&'t str, PolicyError> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    /// A string that `T` reads.
    pub(crate) fn parse<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, PolicyError> {
        self.string()?.parse().map_err(|error| self.invalid(error))
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn number<T>(&self, min: T, max: T) -> Result<T, PolicyError>
    where
        T: TryFrom<u64> + Into<u64> + PartialOrd + Copy,
    {
        let integer = self.value.as_integer().ok_or_else(|| self.wrong_type("a whole number"))?;
        u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.error(FieldProblem::OutOfRange { min: min.into(), max: max.into() }))
    }

    pub(crate) fn boolean(&self) -> Result<bool, PolicyError> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("`true` or `false`"))
    }

    pub(crate) fn table(self) -> Result<Table<'t>, PolicyError> {
        let expected = match self.is_array() {
            true => "one table: write one pair of brackets around its name",
            false => "a table",
        };
        let table = self.value.as_table().ok_or_else(|| self.wrong_type(expected))?;
        Ok(Table::new(self.text, self.path, self.span, table))
    }

    /// The elements of an array, at least one and at most `max`.
    pub(crate) fn elements(&self, max: usize) -> Result<Vec<Field<'t>>, PolicyError> {
        let expected = match self.value.is_table() {
            true => "an array of tables: write two pairs of brackets around its name",
            false => "an array",
        };
        let array = self.value.as_array().ok_or_else(|| self.wrong_type(expected))?;
        if array.is_empty() {
            return Err(self.error(FieldProblem::Empty));
        }
        if array.len() > max {
            return Err(self.error(FieldProblem::TooMany { max }));
        }
        let element = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| Field {
            text: self.text,
            path: format!("{}[{index}]", self.path),
            span: value.span(),
            value: value.get_ref(),
        };
        Ok(array.iter().enumerate().map(element).collect())
    }

    /// Whether it is an array: some fields take one value or several.
    pub(super) fn is_array(&self) -> bool {
        self.value.as_array().is_some()
    }

    /// Whether it is an array with nothing in it.
    pub(super) fn is_empty_array(&self) -> bool {
        self.value.as_array().is_some_and(|array| array.is_empty())
    }

    /// The elements of an array, or the one value that stands for an array with nothing else in it.
    pub(super) fn one_or_more(&self, max: usize) -> Result<Vec<Field<'t>>, PolicyError> {
        if self.is_array() { self.elements(max) } else { Ok(vec![self.clone()]) }
    }

    fn wrong_type(&self, expected: &'static str) -> PolicyError {
        self.error(FieldProblem::WrongType { expected })
    }
}

pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count().saturating_add(1)
}
