//! Small words that several sentences need.

/// `1 version`, `3 versions`.
pub fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{number} {thing}s"),
    }
}

/// Text of others, cut and without control characters, for a sentence of ours.
pub fn shown(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    clean.take(80).collect()
}
