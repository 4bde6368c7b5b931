//! What is wrong with a YAML text, in words: line, column, and what would be accepted.
//!
//! The parser's own message already has the line, the column, the accepted fields and an excerpt.
//! A few of its phrases speak to programmers; those are put into the words of the format.

const PHRASES: [(&str, &str); 10] = [
    (
        "invalid u8",
        "a whole number from 0 to 255 is expected here",
    ),
    (
        "invalid u16",
        "a whole number from 0 to 65535 is expected here",
    ),
    (
        "invalid u32",
        "a whole number from 0 to 4294967295 is expected here",
    ),
    ("invalid u64", "a whole number, 0 or more, is expected here"),
    ("invalid f64", "a number is expected here"),
    ("invalid boolean", "`true` or `false` is expected here"),
    ("invalid bool", "`true` or `false` is expected here"),
    ("expected string scalar", "a text is expected here"),
    (
        ", set DuplicateKeyPolicy in Options if acceptable",
        "; keep one of the two",
    ),
    ("duplicate mapping key:", "this key is there already:"),
];

/// The parser's error for people.
pub(super) fn explain(error: &serde_saphyr::Error) -> String {
    let mut text = error.to_string();
    for (phrase, words) in PHRASES {
        text = text.replace(phrase, words);
    }
    text.strip_prefix("error: ")
        .map(ToOwned::to_owned)
        .unwrap_or(text)
}
