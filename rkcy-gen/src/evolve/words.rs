//! Owns reading the text of one line of the lock, piece by piece.

/// What is left of a line.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this stands in front.
    pub(crate) fn starts_with(&self, text: &str) -> bool {
        self.0.starts_with(text)
    }

    /// What stands before the first of these, or all that is left.
    pub(crate) fn before(&mut self, ends: &[char]) -> &'a str {
        let (text, rest) = self.0.split_at(self.0.find(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        text
    }

    /// Takes a text off the front, if it stands there.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// All up to the first character that is in no name.
    pub(crate) fn word(&mut self) -> &'a str {
        let end = self
            .0
            .find(|char: char| !char.is_ascii_alphanumeric() && char != '_')
            .unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    /// All up to a blank, which goes as well.
    pub(crate) fn piece(&mut self) -> &'a str {
        let (piece, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        piece
    }

    /// All up to a text, which goes as well.
    pub(crate) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (text, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(text)
    }

    /// A number.
    pub(crate) fn number(&mut self) -> Option<u32> {
        self.word().parse().ok()
    }

    /// A text in quotes.
    pub(crate) fn quoted(&mut self) -> Option<String> {
        let mut chars = self.0.strip_prefix('"')?.char_indices();
        let mut text = String::new();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.0 = &self.0[at + 2..];
                    return Some(text);
                }
                '\\' => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits: String = chars
                            .by_ref()
                            .map(|(_, char)| char)
                            .skip_while(|char| *char == '{')
                            .take_while(|char| *char != '}')
                            .collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    other => other,
                }),
                other => text.push(other),
            }
        }
        None
    }
}

/// A text in quotes, on one line.
pub(crate) fn quoted(text: &str) -> String {
    crate::plan::quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read() {
        for text in ["", "a b", "\"\\", "line\nline\t\u{1}\u{85}", "ä ~0000"] {
            let line = format!("{} rest", quoted(text));
            let mut words = Words::new(&line);
            assert_eq!(words.quoted().as_deref(), Some(text));
            assert!(words.take(" rest") && words.is_empty());
        }
    }
}
