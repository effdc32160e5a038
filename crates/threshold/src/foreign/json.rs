//! As much JSON as the files of other deployments need: objects, lists, plain texts and small whole numbers.
//!
//! Owns a reader that goes over the bytes once and copies none of them, so that the secrets that it passes over stay where their
//! owner wipes them. It must never guess: everything else that JSON can say ends the reading.

use zeroize::Zeroizing;

use super::ForeignError;

/// Lists within lists; the files have four.
const MAX_DEPTH: u8 = 8;

/// What is left to read.
pub(super) struct Json<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Json<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { whole: file.len(), rest: file }
    }

    /// That something else was expected here.
    pub(super) fn malformed(&self, expected: &'static str) -> ForeignError {
        ForeignError::Malformed { at: self.whole.saturating_sub(self.rest.len()), expected }
    }

    /// An object that has exactly these members, each once and in any order.
    pub(super) fn members(
        &mut self,
        names: &[&'static str],
        mut read: impl FnMut(&mut Self, &'static str) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        let mut due = names.to_vec();
        self.object(|json, name| {
            let found = due.iter().position(|known| *known == name);
            let found =
                found.ok_or_else(|| json.malformed("a member that is known, and was not there yet"))?;
            read(json, due.swap_remove(found))
        })?;
        match due.first() {
            Some(missing) => Err(self.malformed(missing)),
            None => Ok(()),
        }
    }

    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a str) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        self.list_between(b'{', b'}', |json| {
            let name = json.text()?;
            json.take(b':', "`:`")?;
            member(json, name)
        })
    }

    /// A list of whatever `element` reads.
    pub(super) fn list(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        self.list_between(b'[', b']', element)
    }

    fn list_between(
        &mut self,
        open: u8,
        close: u8,
        mut element: impl FnMut(&mut Self) -> Result<(), ForeignError>,
    ) -> Result<(), ForeignError> {
        self.take(open, "a list or an object")?;
        if self.take_if(close) {
            return Ok(());
        }
        loop {
            element(self)?;
            if self.take_if(close) {
                return Ok(());
            }
            self.take(b',', "`,` or an end")?;
        }
    }

    /// A text without escapes.
    pub(super) fn text(&mut self) -> Result<&'a str, ForeignError> {
        const EXPECTED: &str = "a plain text";
        self.take(b'"', EXPECTED)?;
        let end = self.rest.iter().position(|byte| *byte == b'"');
        let (text, rest) = end.and_then(|end| self.rest.split_at_checked(end)).unwrap_or_default();
        let is_plain = text.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\\');
        let text = std::str::from_utf8(text).ok().filter(|_| is_plain && end.is_some());
        let text = text.ok_or_else(|| self.malformed(EXPECTED))?;
        self.rest = rest;
        self.take(b'"', EXPECTED)?;
        Ok(text)
    }

    /// A whole number below 65536.
    pub(super) fn number(&mut self) -> Result<u16, ForeignError> {
        self.next();
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, rest) = self.rest.split_at_checked(digits).unwrap_or_default();
        let text = std::str::from_utf8(text).ok().filter(|text| *text == "0" || !text.starts_with('0'));
        let number = text.and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| self.malformed("a whole number below 65536"))?;
        self.rest = rest;
        Ok(number)
    }

    /// A list of exactly N bytes, wiped on drop.
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<Zeroizing<[u8; N]>, ForeignError> {
        const EXPECTED: &str = "as many bytes as a point or a number of the curve has";
        let mut bytes = Zeroizing::new([0; N]);
        let mut places = bytes.iter_mut();
        self.list(|json| {
            let number = json.number()?;
            let byte = u8::try_from(number).map_err(|_| json.malformed(EXPECTED))?;
            *places.next().ok_or_else(|| json.malformed(EXPECTED))? = byte;
            Ok(())
        })?;
        match places.next() {
            Some(_) => Err(self.malformed(EXPECTED)),
            None => Ok(bytes),
        }
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<(), ForeignError> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Result<(), ForeignError> {
        let deeper = depth.checked_sub(1).ok_or_else(|| self.malformed("fewer lists within lists"))?;
        match self.next() {
            Some(b'{') => self.object(|json, _| json.skip_within(deeper)),
            Some(b'[') => self.list(|json| json.skip_within(deeper)),
            Some(b'"') => self.text().map(|_| ()),
            Some(_) | None => self.number().map(|_| ()),
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), ForeignError> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.malformed("the end of the file")),
        }
    }

    /// The next byte that is not space.
    fn next(&mut self) -> Option<u8> {
        while let Some((b' ' | b'\n' | b'\r' | b'\t', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        if is_next {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), ForeignError> {
        match self.take_if(byte) {
            true => Ok(()),
            false => Err(self.malformed(expected)),
        }
    }
}
