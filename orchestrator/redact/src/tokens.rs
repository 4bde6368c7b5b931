//! Tokens that are known by how they begin, wherever they stand. Pure.
//!
//! One pass finds beginnings, all of them at once; what follows is counted, never tried again, so
//! that time is linear in the text.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;

use crate::{
    shape::{Class, Family, Token},
    tables::FAMILIES,
};

/// So far a text is looked at before it is known whether it is a token.
const LOOK: usize = 256;
/// So far for a digit or a capital.
const LOOK_MIXED: usize = 64;

struct Known {
    beginnings: Regex,
    /// By their first byte: of hundreds, a few are looked at.
    tokens: BTreeMap<u8, Vec<Token>>,
}

static KNOWN: LazyLock<Option<Known>> = LazyLock::new(|| {
    let mut tokens: BTreeMap<u8, Vec<Token>> = BTreeMap::new();
    let mut prefixes = Vec::new();
    for token in FAMILIES.iter().flat_map(Family::tokens) {
        let first = *token.prefix.as_bytes().first()?;
        prefixes.push(regex::escape(token.prefix));
        tokens.entry(first).or_default().push(token);
    }
    let beginnings = Regex::new(&prefixes.join("|")).ok()?;
    Some(Known { beginnings, tokens })
});

/// A text without tokens; nothing when the table is no expression.
pub(crate) fn without(text: &str, by: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let known = KNOWN.as_ref()?;
    let (mut clean, mut kept, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(found) = known.beginnings.find_at(text, at) {
        let begin = found.start();
        let end = ended(known, text, begin);
        // Prefixes are ASCII: the next letter is one byte on.
        at = end.unwrap_or(begin + 1);
        if let Some(end) = end {
            clean.push_str(text.get(kept..begin)?);
            clean.push_str(&by(text.get(begin..end)?));
            kept = end;
        }
    }
    clean.push_str(text.get(kept..)?);
    Some(clean)
}

/// Where the longest token that begins here ends.
fn ended(known: &Known, text: &str, begin: usize) -> Option<usize> {
    if !is_fresh(text.as_bytes().get(..begin)?) {
        return None;
    }
    let rest = text.as_bytes().get(begin..)?;
    let longest = |rest: &[u8]| {
        let tokens = known.tokens.get(rest.first()?)?;
        tokens.iter().filter_map(|token| length(token, rest)).max()
    };
    // `\napi_…` is a line's end and `api_…` rather than `napi_…`.
    let in_escape = text.get(..begin)?.ends_with('\\')
        && matches!(rest, [b'n' | b'r' | b't', after @ ..] if longest(after).is_some());
    match in_escape {
        true => None,
        false => longest(rest).map(|length| begin + length),
    }
}

/// How long a token is, if the text begins with it.
fn length(token: &Token, text: &[u8]) -> Option<usize> {
    let body = text.strip_prefix(token.prefix.as_bytes())?;
    let run = |most: usize| {
        let letters = body.iter().take(most);
        letters.take_while(|letter| token.of.has(**letter)).count()
    };
    if token.of.is_mixed() && !is_mixed(body.get(..run(LOOK_MIXED))?) {
        return None;
    }
    let head = run(LOOK);
    if head < token.least || head > token.most {
        return None;
    }
    let whole = if head < LOOK { head } else { run(usize::MAX) };
    // A full stop at the end is the sentence's.
    let stops = body.get(..whole)?.iter().rev();
    let stops = match token.of {
        Class::Dotted => stops.take_while(|letter| **letter == b'.').count(),
        _ => 0,
    };
    Some(token.prefix.len() + whole - stops)
}

fn is_mixed(body: &[u8]) -> bool {
    body.iter()
        .any(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase())
}

/// Whether a word can begin after this: not inside another word, but after what stands for a
/// line's end in JSON, a letter in a URL or a terminal's colour.
fn is_fresh(before: &[u8]) -> bool {
    let hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match before {
        [] | [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', one, two] if hex(&[*one, *two]) => true,
        [.., b'\\', b'u', a, b, c, d] if hex(&[*a, *b, *c, *d]) => true,
        [.., b'm'] => ends_a_colour(before),
        [.., last] => !last.is_ascii_alphanumeric() && *last != b'_',
    }
}

fn ends_a_colour(before: &[u8]) -> bool {
    let numbers = before.iter().rev().skip(1).take(16);
    let count = numbers
        .take_while(|letter| letter.is_ascii_digit() || **letter == b';')
        .count();
    let rest = before.len().saturating_sub(count + 1);
    before
        .get(..rest)
        .is_some_and(|start| start.ends_with(b"\x1b["))
}
