//! What the tables of shapes are written in. Data only; [`crate::tokens`] and [`crate::context`]
//! look for it.

/// A token that is known by how it begins: `prefix`, then so many letters of one class.
pub(crate) struct Token {
    pub prefix: &'static str,
    pub of: Class,
    /// Fewest letters after the prefix.
    pub least: usize,
    /// Most of them; a longer run is something else.
    pub most: usize,
}

/// Of any length.
pub(crate) const ANY: usize = usize::MAX;

/// Letters that a token is made of.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// `0-9 a-f`.
    Hex,
    /// `0-9 A-Z`.
    Upper,
    /// `0-9 A-Z a-z`.
    Alnum,
    /// [`Class::Alnum`], mixed as [`Class::Mixed`] is.
    Code,
    /// [`Class::Alnum`], `_` and `-`.
    Word,
    /// [`Class::Word`], with a digit or a capital early on: not a name with dashes.
    Mixed,
    /// [`Class::Word`] and `.`, mixed as [`Class::Mixed`] is.
    Dotted,
    /// [`Class::Alnum`], `+`, `/`, `=`, and `_` and `-`, which stand for two of them in URLs.
    Base64,
}

impl Class {
    pub(crate) fn has(self, letter: u8) -> bool {
        match self {
            Self::Hex => letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter),
            Self::Upper => letter.is_ascii_digit() || letter.is_ascii_uppercase(),
            Self::Alnum | Self::Code => letter.is_ascii_alphanumeric(),
            Self::Word | Self::Mixed => letter.is_ascii_alphanumeric() || b"_-".contains(&letter),
            Self::Dotted => letter.is_ascii_alphanumeric() || b"_-.".contains(&letter),
            Self::Base64 => letter.is_ascii_alphanumeric() || b"+/=_-".contains(&letter),
        }
    }

    pub(crate) fn is_mixed(self) -> bool {
        matches!(self, Self::Code | Self::Mixed | Self::Dotted)
    }
}

/// Tokens of one class that begin in different ways.
pub(crate) struct Family {
    pub of: Class,
    pub least: usize,
    pub most: usize,
    /// With blanks between them.
    pub prefixes: &'static str,
}

impl Family {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        let prefixes = self.prefixes.split_whitespace();
        prefixes.map(|prefix| Token {
            prefix,
            of: self.of,
            least: self.least,
            most: self.most,
        })
    }
}

/// One line of a table.
pub(crate) const fn family(of: Class, least: usize, most: usize, prefixes: &'static str) -> Family {
    Family {
        of,
        least,
        most,
        prefixes,
    }
}
